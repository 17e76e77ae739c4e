package exampletest

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

const challengeInvalid = `Bearer realm="api", error="invalid_token", error_description="the access token is malformed, expired, revoked or not for this resource"`

// StartAPI starts an API that takes the issuer's tokens, and returns its URL.
func StartAPI(t *testing.T, path string, i *Issuer) (*Program, string) {
	t.Helper()
	p := Start(t, path, []string{"ISSUER=" + i.URL, "AUDIENCE=" + Audience, "ADDR=127.0.0.1:0"})
	return p, p.Stdout.Await(t, `^listening on (http://127\.0\.0\.1:[0-9]+)\n`)[1]
}

// API tests an API, from a start without its issuer to the end.
func API(t *testing.T, path string) {
	i := NewIssuer(t)
	i.Down.Store(true)
	p, base := StartAPI(t, path, i)
	read, write := i.Token("orders:read"), i.Token("orders:read orders:write")
	if got := Call(t, "GET", base+"/orders", read); got.Status != 503 || got.RetryAfter == "" || got.Challenge != "" {
		t.Errorf("while the issuer is down: %+v, want 503, Retry-After and no challenge", got)
	}
	i.Down.Store(false)
	Eventually(t, "200 once the issuer is up", func() bool { return Call(t, "GET", base+"/orders", read).Status == 200 })

	for _, test := range []struct {
		name, method, token string
		status              int
		challenge           string
	}{
		{"reading with orders:read", "GET", read, 200, ""},
		{"writing with orders:write", "POST", write, 201, ""},
		{"writing without orders:write", "POST", read, 403, `Bearer realm="api", error="insufficient_scope", error_description="the access token lacks the scope that this resource requires", scope="orders:write"`},
		{"reading with a scope that is only alike", "GET", i.Token("orders"), 403, `Bearer realm="api", error="insufficient_scope", error_description="the access token lacks the scope that this resource requires", scope="orders:read"`},
		{"reading without a token", "GET", "", 401, `Bearer realm="api", scope="orders:read"`},
		{"writing without a token", "POST", "", 401, `Bearer realm="api", scope="orders:write"`},
		{"a token for another API", "GET", i.Token("orders:read", map[string]any{"aud": "https://other.example.com"}), 401, challengeInvalid},
		{"a token of another issuer", "GET", NewIssuer(t).Token("orders:read"), 401, challengeInvalid},
		{"a token that is none", "GET", "none", 401, challengeInvalid},
	} {
		got := Call(t, test.method, base+"/orders", test.token)
		if got.Status != test.status || got.Challenge != test.challenge {
			t.Errorf("%s: %d %s\nwant %d %s", test.name, got.Status, got.Challenge, test.status, test.challenge)
		}
		if test.token != "" {
			p.HidesEach(t, test.token)
		}
		if test.status == 200 && json.Unmarshal([]byte(got.Body), new([]string)) != nil {
			t.Errorf("%s: the body is no list: %q", test.name, got.Body)
		}
		if test.status == 201 && !strings.Contains(got.Body, ClientID) {
			t.Errorf("%s: the body doesn't say who ordered: %q", test.name, got.Body)
		}
	}

	p.Stop(t)
	if out := p.Stdout.String(); out != "listening on "+base+"\n" {
		t.Errorf("standard output has more than one line: %q", out)
	}
	for _, line := range []string{`route="GET /orders" status=503`, `route="POST /orders" status=403 code=insufficient_scope`, `route="GET /orders" status=401 code=invalid_token`} {
		if !strings.Contains(p.Stderr.String(), line) {
			t.Errorf("the log lacks %s:\n%s", line, &p.Stderr)
		}
	}
	if lines := strings.Count(p.Stderr.String(), "\n"); lines < 8 || strings.Contains(p.Stderr.String(), "status=0") {
		t.Errorf("want a line in the log for each refusal and no other:\n%s", &p.Stderr)
	}
}

// APIConfig tests what an API says to a bad environment.
func APIConfig(t *testing.T, path string) {
	for _, test := range []struct{ name, env, want string }{
		{"no audience", "ISSUER=https://issuer.example.com", "Audience"},
		{"no issuer", "AUDIENCE=" + Audience, "Issuer is empty"},
		{"http", "ISSUER=http://issuer.example.com AUDIENCE=" + Audience, "must be https"},
		{"a profile that there isn't", "ISSUER=https://issuer.example.com AUDIENCE=" + Audience + " PROFILE=none", `no profile is named "none"`},
		{"an address that isn't here", "ISSUER=https://issuer.example.com AUDIENCE=" + Audience + " ADDR=192.0.2.1:0", "listen"},
	} {
		p := Run(t, path, strings.Fields(test.env))
		if p.ExitCode(t) != 1 || p.Stdout.String() != "" || !strings.Contains(p.Stderr.String(), test.want) {
			t.Errorf("%s: exit code %d, output %q, %q; want 1, nothing, %q", test.name, p.ExitCode(t), &p.Stdout, &p.Stderr, test.want)
		}
	}
}

// Answer is what an API answered.
type Answer struct {
	Status                      int
	Challenge, RetryAfter, Body string
}

// Call calls an API, with a token if there is one.
func Call(t *testing.T, method, url, token string) Answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body := new(strings.Builder)
	if _, err := io.Copy(body, resp.Body); err != nil {
		t.Fatal(err)
	}
	return Answer{resp.StatusCode, strings.Join(resp.Header.Values("WWW-Authenticate"), ", "), resp.Header.Get("Retry-After"), body.String()}
}
