package oauthclient_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bearerguard/bearerguard/examples/internal/oauthclient"
)

// getenv makes an environment of a complete client.
func getenv(issuer string) func(string) string {
	values := map[string]string{"ISSUER": issuer, "CLIENT_ID": "client", "CLIENT_SECRET": "secret"}
	return func(name string) string { return values[name] }
}

func TestDiscovery(t *testing.T) {
	t.Parallel()
	const (
		appended  = "/tenant/.well-known/openid-configuration"
		inserted  = "/.well-known/oauth-authorization-server/tenant"
		good      = `{"issuer": "ISSUER", "token_endpoint": "https://issuer.example.com/token"}`
		forOthers = `{"issuer": "https://issuer.example.com", "token_endpoint": "https://issuer.example.com/token"}`
	)
	for _, test := range []struct{ name, path, document, want string }{
		{"OpenID Connect's place", appended, good, ""},
		{"RFC 8414's place", inserted, good, ""},
		{"metadata of another issuer", appended, forOthers, "this is the metadata of"},
		{"no token endpoint", appended, `{"issuer": "ISSUER"}`, "names no token endpoint"},
		{"names that are only alike", appended, `{"Issuer": "ISSUER", "token_endpoint": "https://issuer.example.com/token"}`, "this is the metadata of"},
		{"a token endpoint over http", appended, strings.ReplaceAll(good, "https://issuer", "http://issuer"), "must be an https URL"},
		{"a page for people", appended, "<html>", `it begins "<html>"`},
		{"nothing", "/elsewhere", good, "HTTP status 404"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			mux := http.NewServeMux()
			server := httptest.NewServer(mux)
			t.Cleanup(server.Close)
			mux.HandleFunc("GET "+test.path, func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write([]byte(strings.ReplaceAll(test.document, "ISSUER", server.URL+"/tenant")))
			})
			c, err := oauthclient.FromEnvironment(t.Context(), getenv(server.URL+"/tenant"))
			switch {
			case test.want != "":
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("error %v, want one with %q", err, test.want)
				}
			case err != nil || c.TokenURL != "https://issuer.example.com/token":
				t.Errorf("%+v, %v; want the token endpoint", c, err)
			}
		})
	}
}

func TestSecretStaysWithTheServer(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the request went to another server") }))
	t.Cleanup(other.Close)
	server := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	t.Cleanup(server.Close)
	if _, err := oauthclient.FromEnvironment(t.Context(), getenv(server.URL)); err == nil {
		t.Error("metadata was taken from another server")
	}
	environment := getenv(server.URL)
	c, err := oauthclient.FromEnvironment(t.Context(), func(name string) string {
		if name == "TOKEN_URL" {
			return server.URL
		}
		return environment(name)
	})
	if err != nil {
		t.Fatal(err)
	}
	if token, err := c.NewToken(t.Context()); err == nil || token != "" {
		t.Errorf("%q, %v; want an error", token, err)
	}
}
