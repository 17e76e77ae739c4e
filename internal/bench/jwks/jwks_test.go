package main

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestRows(t *testing.T) {
	t.Parallel()
	var names []string
	for _, s := range scenarios() {
		names = append(names, s.name)
		if s.target == "" || s.play == nil {
			t.Errorf("%s: nothing to play, or nothing to reach", s.name)
		}
	}
	if want := expectedRows(); !slices.Equal(names, want) {
		t.Errorf("rows.golden lists\n%s\nthe scenarios are\n%s", strings.Join(want, "\n"), strings.Join(names, "\n"))
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	list := []scenario{{name: "first"}, {name: "second"}}
	results := []result{
		{scenario: "first", library: oursName, target: "1 fetch", traffic: traffic{keys: 1, peak: 1}, ok: 9, unavailable: 2,
			p50: 12 * time.Microsecond, p99: 1500 * time.Microsecond, heal: 1250 * time.Millisecond, heals: true, before: 2, tries: 2},
		{scenario: "first", library: "go-oidc 3", traffic: traffic{keys: 40, discovery: 1, peak: 2}, failed: 7,
			p50: 33 * time.Millisecond, p99: 12 * time.Second, heal: never, heals: true, after: 3, tries: 1},
		{scenario: "second", library: oursName, target: "2 fetches", misses: []string{"3 fetches", "slow"}, tries: 3},
		{scenario: "second", library: "go-oidc 3"},
	}
	var b strings.Builder
	if err := writeTable(&b, list, results); err != nil {
		t.Fatal(err)
	}
	want := header +
		"| first | bearerguard | 1 | 0 | 1 | 9 | 0 × 401, 2 × 503 | 12 µs | 1.5 ms | 1.2 s | 2 → 0 | 1 fetch | met (try 2) |\n" +
		"|  | go-oidc 3 | 40 | 1 | 2 | 0 | 7 | 33 ms | 12.0 s | not seen | 0 → 3 |  |  |\n" +
		"| second | bearerguard | 0 | 0 | 0 | 0 | 0 × 401, 0 × 503 | 0 µs | 0 µs |  | 0 → 0 | 2 fetches | MISSED: 3 fetches; slow |\n" +
		"|  | go-oidc 3 | - | - | - | - | - | - | - | - | - |  |  |\n"
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	got := shortcomings([]string{"first", "second", "third"}, results)
	if !slices.Equal(got, []string{"second: MISSED: 3 fetches; slow", "third: missing"}) {
		t.Errorf("shortcomings: %q", got)
	}
}

func TestHealed(t *testing.T) {
	t.Parallel()
	began := time.Now()
	for _, tt := range []struct {
		outcomes []outcome
		want     time.Duration
	}{
		{nil, 0},
		{[]outcome{accepted, accepted}, 0},
		{[]outcome{refused, accepted, unavailable, accepted, accepted}, 3 * time.Second},
		{[]outcome{accepted, unanswered}, never},
	} {
		var good []sample
		for i, o := range tt.outcomes {
			good = append(good, sample{start: began.Add(time.Duration(i) * time.Second), outcome: o})
		}
		if got := healed(began, good); got != tt.want {
			t.Errorf("%v: healed in %v, want %v", tt.outcomes, got, tt.want)
		}
	}
}

// playing makes a run and plays a scenario in it.
func playing(t *testing.T, l *library, s scenario) *run {
	t.Helper()
	r, err := newRun(t.Context(), t.Name(), &s, l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.close)
	r.play()
	if r.err != nil {
		t.Fatal(r.err)
	}
	return r
}

func TestOurs(t *testing.T) {
	t.Parallel()
	for _, s := range scenarios() {
		if !slices.Contains([]string{"cold, 1000 concurrent first requests", "one caller hangs up during the shared fetch"}, s.name) {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			r := playing(t, &libraries[0], s)
			if len(r.verdict.misses) > 0 || r.result.traffic.keys != 1 || r.result.ok < 50 {
				t.Errorf("%+v; missed: %q", r.result, r.verdict.misses)
			}
		})
	}
}

// TestLibraries: each is set up well enough to tell a good token from a forged one.
func TestLibraries(t *testing.T) {
	t.Parallel()
	for i := range libraries {
		l := &libraries[i]
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			playing(t, l, scenario{play: func(r *run, _ *verdict) {
				a := newKey("a")
				r.endpoint.publish(a)
				if !r.warm(0, a) {
					return
				}
				r.ask(newKey("a").token(r.endpoint.issuer), true)
				r.wait()
				if r.count(accepted) != 0 || r.goroutines() == 0 && !r.isOurs() {
					t.Errorf("a forged token: %+v; %d goroutines", r.samples, r.goroutines())
				}
			}})
		})
	}
}

// TestFailures: the endpoint misbehaves as the rows' names say.
func TestFailures(t *testing.T) {
	t.Parallel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Second}
	for _, f := range failures {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			e, err := listen()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(e.close)
			e.publish(newKey("a"))
			e.fail(f.do)
			got := get(client, e.jwksURL())
			want := map[string]string{
				"500 with text": `500 "oops"`, "500 with JSON": `500 "{\"keys\":[]}"`, "HTML with 200": `200 "<html>sign in</html>"`,
				"empty set": `200 "{\"keys\":[]}"`, "429 with Retry-After: 2": `429 ""`, "hangs": "no answer", "resets": "no answer",
				"10 MB": "200, 10485771 bytes", "half a body": "200, cut short",
			}[f.name]
			if got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

func get(client *http.Client, url string) string {
	resp, err := client.Get(url)
	if err != nil {
		return "no answer"
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return fmt.Sprintf("%d, cut short", resp.StatusCode)
	case len(body) > 1000:
		return fmt.Sprintf("%d, %d bytes", resp.StatusCode, len(body))
	}
	return fmt.Sprintf("%d %q", resp.StatusCode, body)
}
