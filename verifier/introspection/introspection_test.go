package introspection_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard/middleware"
	"github.com/bearerguard/bearerguard/verifier"
	"github.com/bearerguard/bearerguard/verifier/introspection"
)

func TestIntrospectionRequest(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	claims, err := s.introspector(t).Verify(t.Context(), opaque)
	if err != nil {
		t.Fatal(err)
	}
	if claims.Issuer() != s.URL || claims.ClientID() != "test-client" || claims.Scopes().String() != "orders:read orders:write" || !claims.ActsForItself() {
		t.Errorf("claims: %v, scopes %q", claims, claims.Scopes())
	}
	c := s.seen()[0]
	for name, ok := range map[string]bool{
		"7662-2.1-1 it is a POST of a form":            c.method == "POST" && c.header.Get("Content-Type") == "application/x-www-form-urlencoded",
		"7662-2.1-2 token is the token":                len(c.form["token"]) == 1 && c.form.Get("token") == opaque,
		"7662-2.1-3 token_type_hint says access_token": c.form.Get("token_type_hint") == "access_token",
		"7662-4-4 the URL holds nothing of the token":  c.query == "",
		"JSON is asked for":                            c.header.Get("Accept") == "application/json",
		"nothing else is sent":                         len(c.form) == 2,
	} {
		t.Run(name, func(t *testing.T) {
			if !ok {
				t.Errorf("%+v", c)
			}
		})
	}
	t.Run("7662-2.1-2 a token of every character that one may have", func(t *testing.T) {
		const odd = "aZ09-._~+/=="
		if _, err := s.introspector(t).Verify(t.Context(), odd); err != nil {
			t.Fatal(err)
		}
		if got := s.seen()[1].form.Get("token"); got != odd {
			t.Errorf("%q arrived as %q", odd, got)
		}
	})
}

// TestIntrospectionAnswers: what the server said is well-formed, and decides about the token.
func TestIntrospectionAnswers(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	at := func(d time.Duration) int64 { return s.clock.Now().Add(d).Unix() }
	for _, tt := range []struct {
		name    string
		members obj
		want    error // nil: the token is good
		change  func(*introspection.Config)
	}{
		{"7662-2.3-2 an inactive token", obj{"active": false}, introspection.ErrInactive, nil},
		{"7662-2.2-5 an inactive token of which the server tells more", obj{"active": false, "exp": at(-time.Hour), "error": "expired"}, introspection.ErrInactive, nil},
		{"7662-2.2-5 an inactive token with good members", obj{"active": false, "iss": s.URL, "aud": audience}, introspection.ErrInactive, nil},
		{"7662-2.2-2 aud is an array", obj{"aud": []string{"https://other.example.com", audience}}, nil, nil},
		{"7662-2.2-2 unknown members", obj{"tenant": "t1", "ext": obj{"a": 1}}, nil, nil},
		{"7662-2.2-2 username and token_type", obj{"username": "ann", "token_type": "bearer"}, nil, nil},
		{"7662-2.2-2 scope is no string", obj{"scope": 7}, verifier.ErrMalformed, nil},
		{"7662-2.2-2 exp is a string", obj{"exp": "1795569746"}, verifier.ErrMalformed, nil},
		{"7662-2.2-2 client_id is a number", obj{"client_id": 7}, verifier.ErrMalformed, nil},
		{"7662-2.2-2 sub is an object", obj{"sub": obj{}}, verifier.ErrMalformed, nil},
		{"7662-2.2-4 aud is another API", obj{"aud": "https://other.example.com"}, verifier.ErrAudience, nil},
		{"7662-2.2-4 aud is empty", obj{"aud": []string{}}, verifier.ErrAudience, nil},
		{"7662-2.2-4 no aud", obj{"aud": nil}, verifier.ErrAudience, nil},
		{"7662-2.2-4 another issuer", obj{"iss": "https://evil.example.com"}, verifier.ErrIssuer, nil},
		{"7662-2.2-4 an issuer that differs by a slash", obj{"iss": s.URL + "/"}, verifier.ErrIssuer, nil},
		{"no issuer", obj{"iss": nil}, verifier.ErrIssuer, nil},
		{"7662-2.2-4 active, but expired", obj{"exp": at(-time.Minute)}, verifier.ErrExpired, nil},
		{"expired within the clock skew", obj{"exp": at(-29 * time.Second)}, nil, nil},
		{"no exp", obj{"exp": nil}, verifier.ErrMissingClaim, nil},
		{"7662-2.2-4 active, but not yet valid", obj{"nbf": at(time.Minute)}, verifier.ErrNotYetValid, nil},
		{"issued in the future", obj{"iat": at(time.Minute)}, verifier.ErrNotYetValid, nil},
		{"no client_id", obj{"client_id": nil}, verifier.ErrMissingClaim, nil},
		{"no jti, no sub, no iat", obj{"jti": nil, "sub": nil, "iat": nil}, nil, nil},
		{"a client that is not accepted", nil, verifier.ErrClaim, func(c *introspection.Config) { c.Tokens.Clients = []string{"another"} }},
		{"a client that is accepted", nil, nil, func(c *introspection.Config) { c.Tokens.Clients = []string{"test-client"} }},
		{"a match that fails", obj{"tenant": "t2"}, verifier.ErrClaim, func(c *introspection.Config) { c.Tokens.Match = map[string][]string{"tenant": {"t1"}} }},
		{"a profile that requires more", obj{"tid": nil}, verifier.ErrMissingClaim, func(c *introspection.Config) { c.Tokens.Profile = verifier.Entra() }},
		{"a refresh token of Ory Hydra", obj{"token_use": "refresh_token"}, verifier.ErrType, nil},
		{"an access token of Ory Hydra", obj{"token_use": "access_token"}, nil, nil},
		{"a refresh token of Salesforce", obj{"token_type": "refresh_token"}, verifier.ErrType, nil},
		{"an access token of Salesforce", obj{"token_type": "access_token"}, nil, nil},
		{"a token_type that is no string", obj{"token_type": 1}, verifier.ErrType, nil},
		{"a refresh token of Keycloak", obj{"typ": "Refresh"}, verifier.ErrType, nil},
		{"an ID token of Keycloak", obj{"typ": "ID", "token_type": nil}, verifier.ErrType, nil},
		{"an access token of Keycloak", obj{"typ": "Bearer"}, nil, nil},
		{"a typ that the profile matches", obj{"typ": "machine"}, nil, func(c *introspection.Config) {
			c.Tokens.Profile = introspection.RFC7662()
			c.Tokens.Profile.Match = map[string][]string{"typ": {"machine"}}
		}},
		{"an ID token by its nonce", obj{"nonce": "n"}, verifier.ErrType, nil},
		{"a DPoP token without its key", obj{"token_type": "DPoP"}, verifier.ErrBinding, nil},
		{"a DPoP token with its key", obj{"token_type": "DPoP", "cnf": obj{"jkt": "k"}}, nil, nil},
		{"cnf hidden in Ory Hydra's ext", obj{"ext": obj{"cnf": obj{"jkt": "k"}}}, verifier.ErrBinding, nil},
		{"cnf in ext too", obj{"cnf": obj{"jkt": "k"}, "ext": obj{"cnf": obj{"jkt": "k"}}}, nil, nil},
		{"cnf is no object", obj{"cnf": "k"}, verifier.ErrMalformed, nil},
		{"MayLack: iss, exp and client_id are missing", obj{"iss": nil, "exp": nil, "client_id": nil}, nil, sparse},
		{"MayLack: another issuer", obj{"iss": "https://evil.example.com"}, verifier.ErrIssuer, sparse},
		{"MayLack: an empty issuer", obj{"iss": ""}, verifier.ErrIssuer, sparse},
		{"MayLack: expired", obj{"exp": at(-time.Minute)}, verifier.ErrExpired, sparse},
		{"MayLack: no aud", obj{"aud": nil}, verifier.ErrAudience, sparse},
		{"MayLack: an empty client_id", obj{"client_id": ""}, verifier.ErrMissingClaim, sparse},
		{"MayLack: no client_id where clients are listed", obj{"client_id": nil}, verifier.ErrMissingClaim, func(c *introspection.Config) { sparse(c); c.Tokens.Clients = []string{"test-client"} }},
		{"MayLack: what the profile requires", obj{"jti": nil}, nil, func(c *introspection.Config) {
			c.Tokens.Profile = verifier.Hydra()
			c.MayLack = []string{"jti"}
		}},
		{"missing audience: none", obj{"aud": nil}, nil, anyAudience},
		{"missing audience: null", obj{"aud": []any{}[0:0:0]}, verifier.ErrAudience, anyAudience},
		{"missing audience: another one", obj{"aud": "https://other.example.com"}, verifier.ErrAudience, anyAudience},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s.answers(s.says(tt.members))
			var change []func(*introspection.Config)
			if tt.change != nil {
				change = append(change, tt.change)
			}
			claims, err := s.introspector(t, change...).Verify(t.Context(), opaque)
			if !errors.Is(err, tt.want) || tt.want != nil && (claims != nil || !errors.Is(err, verifier.ErrInvalidToken) || errors.Is(err, verifier.ErrUnavailable)) {
				t.Errorf("%v, want %v", err, tt.want)
			}
			if tt.want == nil && (claims == nil || claims.Issuer() != s.URL) {
				t.Errorf("claims %v", claims)
			}
		})
	}
}

// TestLackingMembers: who has a server that sends less learns of the setting for it, and nobody else does.
func TestLackingMembers(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	listed := func(c *introspection.Config) { c.Tokens.Clients = []string{"test-client"} }
	for _, tt := range []struct {
		name    string
		members obj
		change  func(*introspection.Config)
		hint    bool
	}{
		{"no iss", obj{"iss": nil}, nil, true},
		{"no exp", obj{"exp": nil}, nil, true},
		{"no client_id", obj{"client_id": nil}, nil, true},
		{"what the profile requires", obj{"tid": nil}, func(c *introspection.Config) { c.Tokens.Profile = verifier.Entra() }, true},
		{"no exp where clients are listed", obj{"exp": nil}, listed, true},
		{"no client_id where clients are listed", obj{"client_id": nil}, listed, false},
		{"another issuer", obj{"iss": "https://evil.example.com"}, nil, false},
		{"an empty issuer", obj{"iss": ""}, nil, false},
		{"no aud", obj{"aud": nil}, nil, false},
		{"inactive", obj{"active": false}, nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s.answers(s.says(tt.members))
			var change []func(*introspection.Config)
			if tt.change != nil {
				change = append(change, tt.change)
			}
			_, err := s.introspector(t, change...).Verify(t.Context(), opaque)
			if err == nil || strings.Contains(err.Error(), "Config.MayLack") != tt.hint {
				t.Errorf("%v", err)
			}
		})
	}
}

func sparse(c *introspection.Config)      { c.MayLack = []string{"iss", "exp", "client_id"} }
func anyAudience(c *introspection.Config) { c.DangerouslyAcceptMissingAudience = true }

func TestIntrospectionKeepsWhatTheServerSaid(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.answers(s.says(obj{"tenant": "t1", "cnf": obj{"x5t#S256": "h"}, "username": "ann"}))
	claims, err := s.introspector(t).Verify(t.Context(), opaque)
	if err != nil {
		t.Fatal(err)
	}
	t.Run("7662-2.2-2 unknown members are kept", func(t *testing.T) {
		var tenant, username string
		if err := errors.Join(claims.Get("tenant", &tenant), claims.Get("username", &username)); err != nil || tenant != "t1" || username != "ann" {
			t.Errorf("tenant %q, username %q, %v", tenant, username, err)
		}
	})
	if claims.Confirmation().X5TS256 != "h" || claims.ID() != "id-1" || !claims.Expiry().Equal(s.clock.Now().Add(5*time.Minute)) {
		t.Errorf("confirmation %+v, id %q, expiry %v", claims.Confirmation(), claims.ID(), claims.Expiry())
	}
}

// TestIntrospectionWithoutVerdict: whatever else the endpoint does says nothing about the token.
func TestIntrospectionWithoutVerdict(t *testing.T) {
	t.Parallel()
	big := `{"active":true,"x":"` + strings.Repeat("x", 64<<10) + `"}`
	for _, tt := range []struct {
		name     string
		endpoint http.HandlerFunc
		says     string // in the error
	}{
		{"7662-2.2-1 no active", raw(200, `{"iss":"x"}`), "no active"},
		{"7662-2.2-1 active is a string", raw(200, `{"active":"true"}`), "no active"},
		{"7662-2.2-1 active is a number", raw(200, `{"active":1}`), "no active"},
		{"7662-2.2-1 active is null", raw(200, `{"active":null}`), "no active"},
		{"7662-2.2-1 Active has a capital letter", raw(200, `{"Active":true}`), "no active"},
		{"7662-2.2-1 active stands there twice", raw(200, `{"active":false,"active":true}`), "twice"},
		{"an array", raw(200, `[{"active":true}]`), "not a JSON object"},
		{"nothing", raw(200, ``), "JSON"},
		{"two objects", raw(200, `{"active":true}{"active":false}`), "JSON"},
		{"a sign-in page", raw(200, `<html>`, "Content-Type", "text/html"), "JSON"},
		{"a cut answer", raw(200, `{"active":true`), "JSON"},
		{"too large an answer", raw(200, big), "larger than 65536 bytes"},
		{"deep JSON", raw(200, `{"active":true,"x":`+strings.Repeat("[", 100)+strings.Repeat("]", 100)+`}`), "nested deeper"},
		{"a signed answer that nobody asked for", raw(200, `e30.e30.e30`, "Content-Type", signedBy), "set Signed"},
		{"204", raw(204, ``), "status 204"},
		{"400", raw(400, `{"error":"invalid_request"}`), "invalid_request"},
		{"404", raw(404, ``), "status 404"},
		{"500", raw(500, ``), "status 500"},
		{"503", raw(503, ``), "status 503"},
		{"429", raw(429, ``), "status 429"},
		{"no answer", down, "EOF"},
		{"7662-4-4 a redirect that would make a GET of it", raw(302, ``, "Location", "/introspect/"), "turn the POST into a GET"},
		{"a redirect to another origin", raw(307, ``, "Location", "https://127.0.0.1:1/introspect"), "another origin"},
		{"7662-2.3-1 401 for our credentials", raw(401, `{"error":"invalid_client"}`), "own credentials"},
		{"7662-2.3-1 401 without a body", raw(401, ``), "own credentials"},
		{"7662-2.3-1 403 without a body, as glewlwyd's and django-oauth-toolkit's", raw(403, ``), "own credentials"},
		{"7662-2.3-1 400 with invalid_client", raw(400, `{"error":"invalid_client"}`), "own credentials"},
		{"7662-2.3-1 401 that calls the token inactive", raw(401, `{"active":false}`), "own credentials"},
		{"7662-2.3-1 401 that says invalid_token of our own", raw(401, `{"error":"invalid_token"}`), "own credentials"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			s.answers(tt.endpoint)
			var event introspection.CallEvent
			called := make(chan struct{})
			i := s.introspector(t, func(c *introspection.Config) {
				c.Called = func(_ context.Context, e introspection.CallEvent) { event = e; close(called) }
			})
			claims, err := i.Verify(t.Context(), opaque)
			e := (*verifier.UnavailableError)(nil)
			if claims != nil || !errors.As(err, &e) || !errors.Is(err, verifier.ErrUnavailable) || errors.Is(err, verifier.ErrInvalidToken) || e.RetryAfter < time.Second {
				t.Fatalf("%v, %v", claims, err)
			}
			if !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), opaque) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("%v; want it to say %q", err, tt.says)
			}
			<-called
			if event.Err == nil || event.URL != s.URL+"/introspect" || event.Issuer != s.URL || event.Active {
				t.Errorf("%+v", event)
			}
			if ours := tt.says == "own credentials"; errors.Is(err, introspection.ErrCredentials) != ours || errors.Is(event.Err, introspection.ErrCredentials) != ours {
				t.Errorf("ErrCredentials: want %v of %v", ours, err)
			}
		})
	}
}

// TestIntrospectionOfOneThatIsNotTaken: oidc-provider vouches for opaque tokens alone, and answers 400 to JWTs.
func TestIntrospectionOfOneThatIsNotTaken(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.answers(raw(400, `{"error":"unsupported_token_type"}`))
	_, err := s.introspector(t).Verify(t.Context(), s.issuer.Token("a"))
	if !errors.Is(err, introspection.ErrInactive) || !strings.Contains(err.Error(), "ByShape") {
		t.Errorf("%v", err)
	}
}

func TestIntrospectionOfWhatIsNoToken(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	i := s.introspector(t)
	for name, token := range map[string]string{
		"7662-4-5 empty": "", "7662-4-5 only padding": "==", "7662-4-5 a space": "a b", "7662-4-5 padding inside": "a=b", "7662-4-5 a line break": "a\n",
		"7662-4-5 a quote": `a"`, "7662-4-5 not ASCII": "tökén", "7662-4-5 an ampersand": "a&active=true", "7662-4-5 a null byte": "a\x00",
		"7662-4-5 longer than any token": strings.Repeat("x", 16<<10+1),
	} {
		t.Run(name, func(t *testing.T) {
			if claims, err := i.Verify(t.Context(), token); claims != nil || !errors.Is(err, verifier.ErrMalformed) {
				t.Errorf("%v, %v", claims, err)
			}
		})
	}
	if n := len(s.seen()); n != 0 {
		t.Errorf("%d calls", n)
	}
	if _, err := i.Verify(t.Context(), strings.Repeat("x", 16<<10)); err != nil {
		t.Errorf("the longest token: %v", err)
	}
}

func TestIntrospectionChecksTheCertificate(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, tt := range []struct {
		name   string
		client *http.Client
	}{
		{"7662-4-3 a certificate that nobody vouches for", nil},
		{"7662-4-3 a certificate of another name", &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{
			RootCAs: s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs, ServerName: "other.test",
		}}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			i := s.introspector(t, func(c *introspection.Config) { c.Tokens.Client = tt.client })
			if _, err := i.Verify(t.Context(), opaque); !errors.Is(err, verifier.ErrUnavailable) || !strings.Contains(err.Error(), "certificate") {
				t.Errorf("%v", err)
			}
			if n := len(s.seen()); n != 0 {
				t.Errorf("%d calls arrived", n)
			}
		})
	}
}

func TestIntrospectionDiscovery(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	discover := func(c *introspection.Config) { c.Endpoint = "" }
	i := s.introspector(t, discover)
	s.clock.Advance(time.Hour)
	for range 3 {
		if _, err := i.Verify(t.Context(), opaque); err != nil {
			t.Fatal(err)
		}
		s.clock.Advance(2 * time.Minute)
	}
	if n := s.issuer.Requests().Discovery; n != 1 {
		t.Errorf("%d discoveries, want 1", n)
	}
	s.clock.Advance(24 * time.Hour)
	if _, err := i.Verify(t.Context(), opaque); err != nil || s.issuer.Requests().Discovery != 2 {
		t.Errorf("a day later: %v, %d discoveries", err, s.issuer.Requests().Discovery)
	}
	s.issuer.Down(500)
	s.clock.Advance(48 * time.Hour)
	if _, err := i.Verify(t.Context(), opaque); err != nil {
		t.Errorf("the old endpoint still answers: %v", err)
	}
	s.issuer.Up()
	for _, tt := range []struct {
		name     string
		metadata obj
		says     string
	}{
		{"no endpoint", obj{"introspection_endpoint": nil}, "no introspection_endpoint"},
		{"an endpoint over http", obj{"introspection_endpoint": "http://as.example.com/introspect"}, "must be https"},
		{"an endpoint with a password", obj{"introspection_endpoint": "https://a:b@as.example.com/introspect"}, "not an absolute URL"},
		{"an endpoint that is no URL", obj{"introspection_endpoint": "/introspect"}, "not an absolute URL"},
		{"a document of another issuer", obj{"issuer": "https://evil.example.com"}, "its issuer is"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newServer(t)
			for name, value := range tt.metadata {
				s.metadata[name] = value
			}
			i := s.introspector(t, discover)
			if _, err := i.Verify(t.Context(), opaque); !errors.Is(err, verifier.ErrUnavailable) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v; want %q", err, tt.says)
			}
		})
	}
}

// TestIntrospectionFindsAnEndpointThatMoved: where nothing answers any more, the metadata is asked again.
func TestIntrospectionFindsAnEndpointThatMoved(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	moved := false
	s.answers(func(w http.ResponseWriter, r *http.Request) {
		if moved && r.URL.Path == "/introspect" {
			w.WriteHeader(404)
			return
		}
		s.says(nil)(w, r)
	})
	i := s.introspector(t, func(c *introspection.Config) { c.Endpoint = "" })
	if _, err := i.Verify(t.Context(), opaque); err != nil {
		t.Fatal(err)
	}
	moved = true
	s.mu.Lock()
	s.metadata["introspection_endpoint"] = s.URL + "/mtls/introspect"
	s.mu.Unlock()
	if _, err := i.Verify(t.Context(), "another"); !errors.Is(err, verifier.ErrUnavailable) {
		t.Fatal(err)
	}
	if _, err := i.Verify(t.Context(), "another"); err != nil {
		t.Error(err)
	}
}

// TestIntrospectionBehindAGuard: what the client gets.
func TestIntrospectionBehindAGuard(t *testing.T) {
	t.Parallel()
	const invalid = `Bearer realm="api", error="invalid_token", error_description="the access token is malformed, expired, revoked or not for this resource"`
	for _, tt := range []struct {
		name      string
		endpoint  func(*server) http.HandlerFunc
		status    int
		challenge string
	}{
		{"an active token", func(s *server) http.HandlerFunc { return s.says(nil) }, 200, ""},
		{"7662-2.3-2 an inactive token", func(*server) http.HandlerFunc { return inactive }, 401, invalid},
		{"7662-2.2-4 the scope is the API's to check", func(s *server) http.HandlerFunc { return s.says(obj{"scope": "other"}) }, 403, `error="insufficient_scope"`},
		{"7662-2.2-4 a bound token is no bearer token", func(s *server) http.HandlerFunc { return s.says(obj{"cnf": obj{"jkt": "k"}}) }, 401, invalid},
		{"7662-2.2-4 a token for another API", func(s *server) http.HandlerFunc { return s.says(obj{"aud": "x"}) }, 401, invalid},
		{"Q-13 the endpoint is down", func(*server) http.HandlerFunc { return down }, 503, ""},
		{"Q-14 7662-2.3-1 our own credentials are refused", func(*server) http.HandlerFunc { return raw(401, `{"error":"invalid_client"}`) }, 503, ""},
		{"Q-14 7662-2.3-1 our own credentials are refused with 403", func(*server) http.HandlerFunc { return raw(403, ``) }, 503, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			s.answers(tt.endpoint(s))
			loud := make(chan error, 1)
			i := s.introspector(t, func(c *introspection.Config) {
				c.Called = func(_ context.Context, e introspection.CallEvent) { loud <- e.Err }
			})
			var reason error
			guard, err := middleware.New(i, middleware.Config{OnDecision: func(_ *http.Request, _ *verifier.Claims, d *middleware.Denial) {
				if d != nil {
					reason = d.Err
				}
			}, Now: s.clock.Now})
			if err != nil {
				t.Fatal(err)
			}
			reached := false
			h := guard.RequireScope("orders:read")(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
			r, w := httptest.NewRequest("GET", "/", nil), httptest.NewRecorder()
			r.Header.Set("Authorization", "Bearer "+opaque)
			h.ServeHTTP(w, r)
			challenge := w.Header().Get("WWW-Authenticate")
			if w.Code != tt.status || reached != (tt.status == 200) || !strings.Contains(challenge, tt.challenge) || tt.challenge == "" && challenge != "" {
				t.Errorf("status %d, challenge %q", w.Code, challenge)
			}
			if (w.Header().Get("Retry-After") != "") != (tt.status == 503) {
				t.Errorf("Retry-After %q", w.Header().Get("Retry-After"))
			}
			if strings.Contains(tt.name, "Q-14") {
				if !errors.Is(reason, introspection.ErrCredentials) || !errors.Is(<-loud, introspection.ErrCredentials) {
					t.Errorf("not loud: %v", reason)
				}
			}
			if body := w.Body.String(); strings.Contains(body, "credentials") || strings.Contains(body, s.URL) {
				t.Errorf("the body tells too much: %s", body)
			}
		})
	}
}

// TestIntrospectionTellsNoSecret: neither errors nor what is printed hold the token, the client's secret or the answer.
func TestIntrospectionTellsNoSecret(t *testing.T) {
	t.Parallel()
	const token, secret = "the-token-of-the-client", "the/secret+of us"
	for name, endpoint := range map[string]http.HandlerFunc{
		"7662-5-1 a refusal that repeats what was sent": raw(400, `{"error":"invalid_request","error_description":"`+token+` private@example.com"}`),
		"7662-5-1 an answer that can't be read":         raw(200, `{"active":tru,"email":"private@example.com","token":"`+token+`"}`),
		"7662-5-1 an active one without issuer":         raw(200, `{"active":true,"email":"private@example.com","token":"`+token+`"}`),
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.answers(endpoint)
			var out, called strings.Builder
			done := make(chan struct{})
			cfg := s.config()
			cfg.Auth = introspection.ClientSecretBasic("orders-api", secret)
			cfg.Called = func(_ context.Context, e introspection.CallEvent) {
				fmt.Fprintf(&called, "%+v %#v\n", e, e)
				close(done)
			}
			cfg.Tokens.Hooks.Verified = func(_ context.Context, e verifier.VerifyEvent) { fmt.Fprintf(&out, "%+v\n", e) }
			i, err := introspection.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			_, err = i.Verify(t.Context(), token)
			<-done
			fmt.Fprintf(&out, "%s %v %+v %v %#v %s", called.String(), err, cfg.Auth, cfg.Auth, cfg.Auth, cfg.Auth)
			for _, private := range []string{token, secret, "the%2Fsecret", "private@example.com", "b3JkZXJzLWFwaT"} {
				if strings.Contains(out.String(), private) {
					t.Errorf("%q is in %s", private, out.String())
				}
			}
			if !strings.Contains(out.String(), `ClientSecretBasic("orders-api")`) {
				t.Error("the method is not named")
			}
		})
	}
}

func TestIntrospectionZero(t *testing.T) {
	t.Parallel()
	for _, i := range []*introspection.Introspector{nil, {}} {
		if claims, err := i.Verify(t.Context(), opaque); claims != nil || !errors.Is(err, verifier.ErrUnavailable) {
			t.Errorf("%v, %v", claims, err)
		}
		if err := i.Warm(t.Context()); !errors.Is(err, verifier.ErrUnavailable) {
			t.Error(err)
		}
		if h := i.Health(); h.Ready || h.Err == nil {
			t.Errorf("%+v", h)
		}
	}
}

func TestIntrospectionPanics(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	i := s.introspector(t, func(c *introspection.Config) {
		c.Auth = introspection.BearerToken(func(context.Context) (string, error) { panic("oops") })
	})
	if _, err := i.Verify(t.Context(), opaque); !errors.Is(err, verifier.ErrUnavailable) || !strings.Contains(err.Error(), "oops") {
		t.Error(err)
	}
	i = s.introspector(t, func(c *introspection.Config) {
		c.Tokens.Client = &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) { panic("oops") })}
	})
	if _, err := i.Verify(t.Context(), opaque); !errors.Is(err, verifier.ErrUnavailable) || !strings.Contains(err.Error(), "oops") {
		t.Error(err)
	}
}

func TestIntrospectionThatEndsItsGoroutine(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	i := s.introspector(t, func(c *introspection.Config) {
		c.Tokens.Client = &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) { runtime.Goexit(); return nil, nil })}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for range 2 {
		if _, err := i.Verify(ctx, opaque); !errors.Is(err, verifier.ErrUnavailable) || !strings.Contains(err.Error(), "ended its goroutine") {
			t.Error(err)
		}
	}
	if h := i.Health(); h.InFlight != 0 || h.Err == nil {
		t.Errorf("%+v", h)
	}
}

func TestIntrospectionThatDoesNotHeedItsDeadline(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	open := make(chan struct{})
	defer close(open)
	i := s.introspector(t, func(c *introspection.Config) {
		c.Timeout = time.Millisecond
		c.Tokens.Client = &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) { <-open; return response(500, ""), nil })}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for range 2 {
		if _, err := i.Verify(ctx, opaque); !errors.Is(err, verifier.ErrUnavailable) || !strings.Contains(err.Error(), "beyond its deadline") {
			t.Error(err)
		}
	}
	unbounded := s.introspector(t, func(c *introspection.Config) { c.Timeout = math.MaxInt64 })
	if _, err := unbounded.Verify(ctx, opaque); err != nil {
		t.Error("the longest timeout:", err)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
