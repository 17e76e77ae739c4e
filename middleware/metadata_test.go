package middleware_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bearerguard/bearerguard/middleware"
	"github.com/bearerguard/bearerguard/verifier"
	"github.com/bearerguard/bearerguard/verifier/verifiertest"
)

// fetchMetadata finds a guard's document as a client does: by the challenge of a refusal.
func fetchMetadata(t *testing.T, g *middleware.Guard, host string) (url string, document map[string]any, response *http.Response) {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle(g.Metadata())
	mux.Handle("/", g.Require(http.NotFoundHandler()))
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, host+"/anything", nil))
	_, after, found := strings.Cut(w.Header().Get("WWW-Authenticate"), `resource_metadata="`)
	url, _, _ = strings.Cut(after, `"`)
	if !found {
		t.Fatalf("no resource_metadata in %q", w.Header())
	}
	w = httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, url, nil))
	response = w.Result()
	if response.StatusCode == http.StatusOK {
		if err := json.NewDecoder(response.Body).Decode(&document); err != nil {
			t.Fatal(err)
		}
	}
	return url, document, response
}

func TestMetadata(t *testing.T) {
	t.Parallel()
	nobody := verifiertest.Tokens(t, nil)
	text := func(document map[string]any) string { b, _ := json.Marshal(document); return string(b) }
	for _, tt := range []struct {
		name string
		cfg  middleware.Config
		url  string
		want string
	}{
		{"9728-2-01 9728-3.2-3 9728-3-1 9728-3.1-1 9728-3.3-1 9728-5.1-1 a resource without a path", middleware.Config{Metadata: &middleware.Metadata{Resource: "https://api.example.com"}},
			"https://api.example.com/.well-known/oauth-protected-resource", `{"bearer_methods_supported":["header"],"resource":"https://api.example.com"}`},
		{"9728-3.1-1 9728-6-1 with a slash alone", middleware.Config{Metadata: &middleware.Metadata{Resource: "https://api.example.com/"}},
			"https://api.example.com/.well-known/oauth-protected-resource", `{"bearer_methods_supported":["header"],"resource":"https://api.example.com/"}`},
		{"BUG-210 9728-3-1 9728-3.3-2 with a path", middleware.Config{Metadata: &middleware.Metadata{Resource: "https://api.example.com:8443/mcp"}},
			"https://api.example.com:8443/.well-known/oauth-protected-resource/mcp", `{"bearer_methods_supported":["header"],"resource":"https://api.example.com:8443/mcp"}`},
		{"with a path that ends with a slash", middleware.Config{Metadata: &middleware.Metadata{Resource: "https://api.example.com/a/b/"}},
			"https://api.example.com/.well-known/oauth-protected-resource/a/b/", `{"bearer_methods_supported":["header"],"resource":"https://api.example.com/a/b/"}`},
		{"on loopback", middleware.Config{Metadata: &middleware.Metadata{Resource: "http://127.0.0.1:8080/mcp"}},
			"http://127.0.0.1:8080/.well-known/oauth-protected-resource/mcp", `{"bearer_methods_supported":["header"],"resource":"http://127.0.0.1:8080/mcp"}`},
		{"9728-2-02 9728-2-03 9728-2-04 9728-2-05 9728-2-07 9728-2-08 9728-2-10 9728-2-13 9728-2.1-1 9728-3.2-2 9728-7.2-1 9728-7.10-1 everything", middleware.Config{Metadata: &middleware.Metadata{
			Resource: "https://api.example.com", AuthorizationServers: []string{"https://login.example.com/t"}, Scopes: []string{"orders:read"}, Name: "Orders", Documentation: "https://example.com/docs",
			Policy: "https://example.com/policy", Terms: "https://example.com/terms", JWKSURL: "https://api.example.com/jwks", DetailsTypes: []string{"account"}, More: map[string]any{"resource_name#de": "Bestellungen"},
		}}, "https://api.example.com/.well-known/oauth-protected-resource",
			`{"authorization_details_types_supported":["account"],"authorization_servers":["https://login.example.com/t"],"bearer_methods_supported":["header"],"jwks_uri":"https://api.example.com/jwks","resource":"https://api.example.com",` +
				`"resource_documentation":"https://example.com/docs","resource_name":"Orders","resource_name#de":"Bestellungen","resource_policy_uri":"https://example.com/policy","resource_tos_uri":"https://example.com/terms","scopes_supported":["orders:read"]}`},
		{"9728-2-11 9728-2-12 9728-5.4-1 with DPoP", middleware.Config{Metadata: &middleware.Metadata{Resource: "https://api.example.com"}, DPoP: &middleware.DPoP{PublicURL: "https://api.example.com", Required: true, Algorithms: []string{"ES256"}}},
			"https://api.example.com/.well-known/oauth-protected-resource", `{"bearer_methods_supported":["header"],"dpop_bound_access_tokens_required":true,"dpop_signing_alg_values_supported":["ES256"],"resource":"https://api.example.com"}`},
		{"9728-2-09 with certificates", middleware.Config{Metadata: &middleware.Metadata{Resource: "https://api.example.com"}, ClientCert: func(*http.Request) *x509.Certificate { return nil }},
			"https://api.example.com/.well-known/oauth-protected-resource", `{"bearer_methods_supported":["header"],"resource":"https://api.example.com","tls_client_certificate_bound_access_tokens":true}`},
		{"9728-2-09 with certificates of the connection", middleware.Config{Metadata: &middleware.Metadata{Resource: "https://api.example.com", CertificateBound: true}},
			"https://api.example.com/.well-known/oauth-protected-resource", `{"bearer_methods_supported":["header"],"resource":"https://api.example.com","tls_client_certificate_bound_access_tokens":true}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := newGuard(t, nobody, tt.cfg)
			url, document, response := fetchMetadata(t, g, "https://api.example.com")
			if url != tt.url || text(document) != tt.want {
				t.Errorf("%s: %s\nwant %s: %s", url, text(document), tt.url, tt.want)
			}
			want := http.Header{"Content-Type": {"application/json"}, "Cache-Control": {"public, max-age=3600"}, "Access-Control-Allow-Origin": {"*"}}
			for name := range want {
				if !slices.Equal(response.Header[name], want[name]) {
					t.Errorf("%s: %q", name, response.Header[name])
				}
			}
		})
	}
}

// TestMetadataHandler: 9728-3.2-1, and what scripts and caches need.
func TestMetadataHandler(t *testing.T) {
	t.Parallel()
	g := newGuard(t, verifiertest.Tokens(t, nil), middleware.Config{Metadata: &middleware.Metadata{Resource: "https://api.example.com/a/", MaxAge: -1}})
	path, h := g.Metadata()
	do := func(method, path string, header http.Header) *http.Response {
		r := httptest.NewRequest(method, "https://api.example.com"+path, nil)
		maps.Copy(r.Header, header)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Result()
	}
	first := do(http.MethodGet, path, nil)
	for _, tt := range []struct {
		name, method, path string
		header             http.Header
		status             int
	}{
		{"9728-3.1-1 9728-3.2-1 GET", "GET", path, nil, 200},
		{"HEAD", "HEAD", path, nil, 200},
		{"GET by a script elsewhere", "GET", path, http.Header{"Origin": {"https://app.example.com"}}, 200},
		{"9728-7.10-1 GET by who has it", "GET", path, http.Header{"If-None-Match": first.Header["Etag"]}, 304},
		{"a preflight", "OPTIONS", path, http.Header{"Origin": {"https://app.example.com"}, "Access-Control-Request-Headers": {"mcp-protocol-version"}}, 204},
		{"POST", "POST", path, nil, 405},
		{"DELETE", "DELETE", path, nil, 405},
		{"another path below", "GET", path + "b", nil, 404},
		{"without the slash", "GET", strings.TrimSuffix(path, "/"), nil, 404},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			response := do(tt.method, tt.path, tt.header)
			body, _ := io.ReadAll(response.Body)
			if response.StatusCode != tt.status || response.Header.Get("Access-Control-Allow-Origin") != "*" {
				t.Errorf("%d, %q", response.StatusCode, response.Header)
			}
			if tt.method == "OPTIONS" && (response.Header.Get("Access-Control-Allow-Methods") != "GET, HEAD" || response.Header.Get("Access-Control-Allow-Headers") != "*") {
				t.Errorf("%q", response.Header)
			}
			if tt.method == "HEAD" && len(body) > 0 || tt.status == 405 && response.Header.Get("Allow") == "" {
				t.Errorf("%q %s", response.Header, body)
			}
		})
	}
	if c := first.Header.Get("Cache-Control"); c != "no-store" {
		t.Errorf("Cache-Control: %s", c)
	}
}

// TestMetadataDisclosesNothingByItself: 9728-7.2-1.
func TestMetadataDisclosesNothingByItself(t *testing.T) {
	t.Parallel()
	g := newGuard(t, verifiertest.Tokens(t, nil), middleware.Config{Metadata: &middleware.Metadata{Resource: "https://api.example.com"}})
	g.RequireScope("a-secret-scope")
	if _, document, _ := fetchMetadata(t, g, ""); document["scopes_supported"] != nil {
		t.Errorf("%v", document)
	}
}

func TestMetadataMistakes(t *testing.T) {
	t.Parallel()
	nobody := verifiertest.Tokens(t, nil)
	_, err := middleware.New(nobody, middleware.Config{ResourceMetadata: "https://api.example.com/x", Metadata: &middleware.Metadata{
		Resource: "http://api.example.com", AuthorizationServers: []string{"login.example.com", "http://login.example.com", "https://login.example.com?x"}, Scopes: []string{"a b", ""},
		Documentation: "docs", JWKSURL: "http://api.example.com/jwks", DetailsTypes: []string{""},
	}})
	if err == nil {
		t.Fatal("taken")
	}
	for _, want := range []string{"set one", `Resource "http://api`, `"login.example.com"`, `"http://login.example.com"`, `"https://login.example.com?x"`, `"a b"`, `Scopes: ""`, `"docs"`, `JWKSURL "http`, "an empty type"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %s in %v", want, err)
		}
	}
	for _, resource := range []string{"", "api.example.com", "https://", "https://api.example.com/#f", "https://api.example.com/?q", "https://u@api.example.com", "https://api.example.com/{id}", "https://api.example.com/%41", "http://10.0.0.1/", "https://api.example.com//a", "https://api.example.com/a/../b", "https://api.example.com/a/.", "https://api.example.com/a//"} {
		if _, err := middleware.New(nobody, middleware.Config{Metadata: &middleware.Metadata{Resource: resource}}); err == nil {
			t.Errorf("9728-1.2-1: %q is taken for a resource", resource)
		}
	}
	for _, keys := range []string{"http://api.example.com/jwks", "https://", "https://:8443/jwks", "https:///jwks", "https://api.example.com/#jwks", `https://api.example.com/"`, "https://api.example.com/a b"} {
		_, err := middleware.New(nobody, middleware.Config{Metadata: &middleware.Metadata{Resource: "https://api.example.com", JWKSURL: keys}})
		if err == nil || !strings.Contains(err.Error(), "Metadata.JWKSURL") {
			t.Errorf("9728-2-03: %q is taken for the URL of keys: %v", keys, err)
		}
	}
	for name, more := range map[string]map[string]any{"a member twice": {"resource": "x"}, "what JSON can't hold": {"x": func() {}}} {
		if _, err := middleware.New(nobody, middleware.Config{Metadata: &middleware.Metadata{Resource: "https://api.example.com", More: more}}); err == nil || !strings.Contains(err.Error(), "Metadata.More") {
			t.Errorf("%s: %v", name, err)
		}
	}
	t.Run("9728-1.2-1 what is no resource identifier", func(*testing.T) {})
	for name, g := range map[string]*middleware.Guard{"nil": nil, "without": newGuard(t, nobody, middleware.Config{})} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: Metadata does not panic", name)
				}
			}()
			g.Metadata()
		}()
	}
}

func TestUntilExpiry(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		ctx  func(*middleware.Guard, *verifier.Claims) context.Context
		ends time.Duration // 0: not by itself
	}{
		"a guard's, whose clock is ten seconds ahead": {func(g *middleware.Guard, _ *verifier.Claims) context.Context {
			grant, _ := g.Check(request("Bearer t"))
			return grant.Request.Context()
		}, 50 * time.Second},
		"claims without a guard": {func(_ *middleware.Guard, c *verifier.Claims) context.Context {
			return verifier.NewContext(context.Background(), c)
		}, time.Minute},
		"an open request": {func(g *middleware.Guard, _ *verifier.Claims) context.Context {
			grant, _ := g.CheckOptional(request())
			return grant.Request.Context()
		}, 0},
		"no request": {func(*middleware.Guard, *verifier.Claims) context.Context { return context.Background() }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				claims := verifiertest.Claims(t, map[string]any{"exp": time.Now().Add(time.Minute)})
				ahead := func() time.Time { return time.Now().Add(10 * time.Second) }
				g := newGuard(t, verifyFunc(func(context.Context, string) (*verifier.Claims, error) { return claims, nil }), middleware.Config{Now: ahead})
				began := time.Now()
				ctx, cancel := middleware.UntilExpiry(tt.ctx(g, claims))
				defer cancel()
				if tt.ends == 0 {
					time.Sleep(time.Hour)
					if ctx.Err() != nil {
						t.Error("it ended")
					}
					if cancel(); !errors.Is(context.Cause(ctx), context.Canceled) {
						t.Error(context.Cause(ctx))
					}
					return
				}
				<-ctx.Done()
				if took := time.Since(began); took != tt.ends || !errors.Is(context.Cause(ctx), verifier.ErrExpired) {
					t.Errorf("ended after %v, want %v: %v", took, tt.ends, context.Cause(ctx))
				}
			})
		})
	}
}
