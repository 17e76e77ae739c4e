package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard/verifier/verifiertest"
)

// dashboard is what Grafana reads of grafana/dashboard.json.
type dashboard struct {
	Title, UID    string
	SchemaVersion int
	Templating    struct {
		List []struct{ Name, Type, Query string }
	}
	Panels []struct {
		ID          int
		Type, Title string
		GridPos     struct{ X, Y, W, H int }
		Datasource  struct{ Type, UID string }
		Targets     []struct{ RefID, Expr, LegendFormat string }
	}
}

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	text, err := os.ReadFile("grafana/dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestDashboardIsWellFormed: its panels lie beside each other, and take their data from the source that the user chooses.
func TestDashboardIsWellFormed(t *testing.T) {
	t.Parallel()
	d := readDashboard(t)
	if d.Title == "" || d.UID == "" || d.SchemaVersion == 0 || len(d.Panels) == 0 || len(d.Templating.List) != 1 || d.Templating.List[0].Type != "datasource" {
		t.Fatalf("%+v", d)
	}
	ids, cells := map[int]bool{}, map[[2]int]string{}
	for _, p := range d.Panels {
		if ids[p.ID] || p.Title == "" || p.Datasource.UID != "${"+d.Templating.List[0].Name+"}" || p.GridPos.X+p.GridPos.W > 24 || p.GridPos.W*p.GridPos.H == 0 || len(p.Targets) == 0 {
			t.Errorf("%+v", p)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := cells[[2]int{x, y}]; other != "" {
					t.Fatalf("%q lies on %q", p.Title, other)
				}
				cells[[2]int{x, y}] = p.Title
			}
		}
	}
}

// TestPrometheus: a real Prometheus scrapes the API, and every query of the dashboard has an answer.
func TestPrometheus(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("prometheus")
	if err != nil {
		t.Fatal("prometheus is missing: run ./install.sh")
	}
	issuer := verifiertest.NewIssuer(t)
	api, err := newAPI(issuer.Config())
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(api)
	defer server.Close()
	prometheus := start(t, program, strings.TrimPrefix(server.URL, "http://"))

	reused := issuer.Token("orders:read")
	traffic := func() {
		for _, token := range []string{reused, reused, issuer.Token("orders:read"), issuer.Token("other"), issuer.Expired(), issuer.Tampered(), ""} {
			r, _ := http.NewRequest(http.MethodGet, server.URL+"/orders", nil)
			if token != "" {
				r.Header.Set("Authorization", "Bearer "+token)
			}
			if response, err := http.DefaultClient.Do(r); err == nil {
				response.Body.Close()
			}
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, p := range readDashboard(t).Panels {
		for _, target := range p.Targets {
			expr := strings.ReplaceAll(target.Expr, "$__rate_interval", "30s")
			value := ""
			for value == "" || value == "NaN" {
				traffic()
				if ctx.Err() != nil {
					t.Fatalf("%s: %s has no answer", p.Title, expr)
				}
				value = query(ctx, t, prometheus, expr)
			}
			t.Logf("%s = %s", expr, value)
		}
	}
	if n := query(ctx, t, prometheus, `count(bearerguard_decisions_total{error_type="insufficient_scope",http_response_status_code="403",http_request_method="GET",http_route="/orders"})`); n != "1" {
		t.Errorf("%q series of requests without the scope", n)
	}
}

// start runs Prometheus until the test ends, and returns where it answers.
func start(t *testing.T, program, target string) string {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yml")
	text := fmt.Sprintf("global: {scrape_interval: 500ms}\nscrape_configs:\n- job_name: api\n  static_configs: [{targets: [%q]}]\n", target)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	output, err := os.Create(filepath.Join(dir, "output"))
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(program, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+address)
	command.Stdout, command.Stderr = output, output
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		command.Process.Kill()
		command.Wait()
		if t.Failed() {
			log, _ := os.ReadFile(output.Name())
			t.Logf("Prometheus: %s", log)
		}
	})
	return "http://" + address
}

// query gives the first value of an answer, or "" while there is none.
func query(ctx context.Context, t *testing.T, prometheus, expr string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, prometheus+"/api/v1/query?query="+url.QueryEscape(expr), nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return "" // it is still starting
	}
	defer response.Body.Close()
	var answer struct {
		Error string
		Data  struct {
			Result []struct{ Value [2]any }
		}
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return ""
	}
	if answer.Error != "" {
		t.Fatalf("%s: %s", expr, answer.Error)
	}
	if len(answer.Data.Result) == 0 {
		return ""
	}
	return fmt.Sprint(answer.Data.Result[0].Value[1])
}
