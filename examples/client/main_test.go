package main_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/bearerguard/bearerguard/examples/internal/exampletest"
	"github.com/bearerguard/bearerguard/middleware"
	"github.com/bearerguard/bearerguard/verifier"
)

func TestProgram(t *testing.T) {
	t.Parallel()
	path := exampletest.Build(t)
	for name, test := range map[string]func(*testing.T, string){
		"one token serves every call":          oneToken,
		"a token that grants too little":       forbidden,
		"a secret that is wrong":               wrongSecret,
		"http is for loopback":                 httpsRequired,
		"a redirect of the API is an answer":   redirectedAPI,
		"a redirect for a token is no token":   redirectedToken,
		"a secret file that isn't there":       noSecretFile,
		"parameters that can't be read":        badParams,
		"an API that doesn't answer is an end": noAPI,
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); test(t, path) })
	}
}

// startAPI starts an API that requires orders:read.
func startAPI(t *testing.T, i *exampletest.Issuer) (apiURL string, calls *atomic.Int64) {
	t.Helper()
	tokens, err := verifier.New(verifier.Config{Issuer: i.URL, Audience: []string{exampletest.Audience}})
	if err != nil {
		t.Fatal(err)
	}
	guard, err := middleware.New(tokens, middleware.Config{})
	if err != nil {
		t.Fatal(err)
	}
	calls = new(atomic.Int64)
	server := httptest.NewServer(guard.RequireScope("orders:read")(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Add(1) })))
	t.Cleanup(server.Close)
	return server.URL, calls
}

func environment(i *exampletest.Issuer, apiURL string, more ...string) []string {
	return append([]string{
		"TOKEN_URL=" + i.URL + "/token", "CLIENT_ID=" + exampletest.ClientID, "CLIENT_SECRET=" + exampletest.Secret, "SCOPE=orders:read", "API_URL=" + apiURL,
	}, more...)
}

// expect checks the exit code, and that neither a token nor a secret was written.
func expect(t *testing.T, i *exampletest.Issuer, p *exampletest.Program, code int, stdout, stderr string) {
	t.Helper()
	if p.ExitCode(t) != code || p.Stdout.String() != stdout || !strings.Contains(p.Stderr.String(), stderr) || stderr == "" && p.Stderr.String() != "" {
		t.Errorf("exit code %d, output %q, %q\nwant %d, %q, %q", p.ExitCode(t), &p.Stdout, &p.Stderr, code, stdout, stderr)
	}
	_, tokens := i.Asked()
	p.HidesEach(t, append(tokens, exampletest.Secret, url.QueryEscape(exampletest.Secret))...)
}

func oneToken(t *testing.T, path string) {
	i := exampletest.NewIssuer(t)
	apiURL, calls := startAPI(t, i)
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(exampletest.Secret+"\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := exampletest.Run(t, path, environment(i, apiURL, "CLIENT_SECRET=", "CLIENT_SECRET_FILE="+file, "TOKEN_PARAMS=audience=https%3A%2F%2Fapi.example.com&resource=a&resource=b"))
	expect(t, i, p, 0, "200 OK\n200 OK\n200 OK\n", "")
	forms, _ := i.Asked()
	want := url.Values{"grant_type": {"client_credentials"}, "scope": {"orders:read"}, "audience": {"https://api.example.com"}, "resource": {"a", "b"}}
	if calls.Load() != 3 || len(forms) != 1 || forms[0].Encode() != want.Encode() {
		t.Errorf("%d calls with tokens got by %v, want 3 with %v", calls.Load(), forms, want)
	}
}

func forbidden(t *testing.T, path string) {
	i := exampletest.NewIssuer(t)
	apiURL, calls := startAPI(t, i)
	line := `403 Forbidden Bearer realm="api", error="insufficient_scope", error_description="the access token lacks the scope that this resource requires", scope="orders:read"` + "\n"
	expect(t, i, exampletest.Run(t, path, environment(i, apiURL, "SCOPE=orders:write")), 0, line+line+line, "")
	if calls.Load() != 0 {
		t.Error("the API was called")
	}
}

func wrongSecret(t *testing.T, path string) {
	i := exampletest.NewIssuer(t)
	apiURL, calls := startAPI(t, i)
	p := exampletest.Run(t, path, environment(i, apiURL, "CLIENT_SECRET=an-older-secret"))
	expect(t, i, p, 1, "", `no token: 401 Unauthorized "invalid_client"`)
	p.HidesEach(t, "an-older-secret")
	if calls.Load() != 0 {
		t.Error("the API was called")
	}
}

func httpsRequired(t *testing.T, path string) {
	i := exampletest.NewIssuer(t)
	for _, bad := range []string{"http://api.example.com", "http://192.0.2.1/", "http://127.0.0.1.example.com", "http://localhost.example.com", "http://[::2]/", "ftp://127.0.0.1", "api.example.com", ""} {
		for _, name := range []string{"TOKEN_URL", "API_URL"} {
			p := exampletest.Run(t, path, environment(i, "https://api.example.com", name+"="+bad))
			expect(t, i, p, 1, "", name+" must be an https URL")
		}
	}
	if forms, _ := i.Asked(); len(forms) > 0 {
		t.Errorf("a token was got: %v", forms)
	}
}

func redirectedAPI(t *testing.T, path string) {
	i := exampletest.NewIssuer(t)
	apiURL, calls := startAPI(t, i)
	redirecting := httptest.NewServer(http.RedirectHandler(apiURL, http.StatusFound))
	t.Cleanup(redirecting.Close)
	expect(t, i, exampletest.Run(t, path, environment(i, redirecting.URL)), 0, "302 Found\n302 Found\n302 Found\n", "")
	if calls.Load() != 0 {
		t.Error("the token went to another server")
	}
}

func redirectedToken(t *testing.T, path string) {
	i := exampletest.NewIssuer(t)
	apiURL, _ := startAPI(t, i)
	redirecting := httptest.NewServer(http.RedirectHandler(i.URL+"/token", http.StatusTemporaryRedirect))
	t.Cleanup(redirecting.Close)
	expect(t, i, exampletest.Run(t, path, environment(i, apiURL, "TOKEN_URL="+redirecting.URL)), 1, "", "no token: 307 Temporary Redirect")
	if forms, _ := i.Asked(); len(forms) > 0 {
		t.Error("the secret went to another server")
	}
}

func noSecretFile(t *testing.T, path string) {
	i := exampletest.NewIssuer(t)
	expect(t, i, exampletest.Run(t, path, environment(i, "https://api.example.com", "CLIENT_SECRET_FILE="+filepath.Join(t.TempDir(), "absent"))), 1, "", "absent")
}

func badParams(t *testing.T, path string) {
	i := exampletest.NewIssuer(t)
	expect(t, i, exampletest.Run(t, path, environment(i, "https://api.example.com", "TOKEN_PARAMS=a=%zz")), 1, "", "invalid URL escape")
}

func noAPI(t *testing.T, path string) {
	i := exampletest.NewIssuer(t)
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	expect(t, i, exampletest.Run(t, path, environment(i, server.URL)), 1, "", "refused")
}
