package middleware_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard/middleware"
	"github.com/bearerguard/bearerguard/scopes"
	"github.com/bearerguard/bearerguard/verifier"
	"github.com/bearerguard/bearerguard/verifier/verifiertest"
)

// verifyFunc is a TokenVerifier.
type verifyFunc func(context.Context, string) (*verifier.Claims, error)

func (f verifyFunc) Verify(ctx context.Context, token string) (*verifier.Claims, error) {
	return f(ctx, token)
}

// counting knows tokens by their text, and counts the questions.
type counting struct {
	known map[string]*verifier.Claims
	fail  error // for a token that it doesn't know; nil: ErrSignature
	asked int
}

func (c *counting) Verify(_ context.Context, token string) (*verifier.Claims, error) {
	c.asked++
	if claims := c.known[token]; claims != nil {
		return claims, nil
	}
	return nil, cmp.Or(c.fail, verifier.ErrSignature)
}

func claimsOf(t testing.TB, payload string) *verifier.Claims {
	t.Helper()
	claims, err := verifier.NewClaims([]byte(payload), verifier.Profile{})
	if err != nil {
		t.Fatal(err)
	}
	return claims
}

// knowing knows "shop" and "warehouse", clients with the scopes "read" and "read write".
func knowing(t testing.TB) *counting {
	return &counting{known: map[string]*verifier.Claims{
		"shop":      claimsOf(t, `{"client_id": "shop", "scope": "read", "exp": 4102444800}`),
		"warehouse": claimsOf(t, `{"client_id": "warehouse", "scope": "read write", "exp": 4102444800}`),
	}}
}

func newGuard(t testing.TB, v verifier.TokenVerifier, cfg middleware.Config) *middleware.Guard {
	t.Helper()
	g, err := middleware.New(v, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func request(authorization ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for _, value := range authorization {
		r.Header.Add("Authorization", value)
	}
	return r
}

// panicOf returns the message that f panics with, "" if it doesn't.
func panicOf(f func()) (message string) {
	defer func() {
		if r := recover(); r != nil {
			message = fmt.Sprint(r)
		}
	}()
	f()
	return ""
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	good := knowing(t)
	for _, tt := range []struct {
		name string
		v    verifier.TokenVerifier
		cfg  middleware.Config
		want []string // a piece of each error
	}{
		{"no TokenVerifier", nil, middleware.Config{}, []string{"the TokenVerifier is nil: was the error of verifier.New dropped?"}},
		{"a nil *Verifier", (*verifier.Verifier)(nil), middleware.Config{}, []string{"the TokenVerifier is nil"}},
		{"a nil pointer of another kind", (*counting)(nil), middleware.Config{}, []string{"the TokenVerifier is nil"}},
		{"a quote in the realm", good, middleware.Config{Realm: `a"b`}, []string{`Realm "a\"b" must be printable ASCII without quotes and backslashes`}},
		{"a backslash in the realm", good, middleware.Config{Realm: `a\b`}, []string{"Realm"}},
		{"a line break in the realm", good, middleware.Config{Realm: "a\r\nSet-Cookie: a=b"}, []string{"Realm"}},
		{"a tab in the realm", good, middleware.Config{Realm: "a\tb"}, []string{"Realm"}},
		{"a DEL in the realm", good, middleware.Config{Realm: "a\x7f"}, []string{"Realm"}},
		{"a letter in the realm that is not ASCII", good, middleware.Config{Realm: "caf\u00e9"}, []string{"Realm"}},
		{"a realm that is not UTF-8", good, middleware.Config{Realm: "\xff"}, []string{"Realm"}},
		{"relative resource metadata", good, middleware.Config{ResourceMetadata: "/.well-known/oauth-protected-resource"}, []string{`ResourceMetadata "/.well-known/oauth-protected-resource" must be an absolute URL`}},
		{"resource metadata without a scheme", good, middleware.Config{ResourceMetadata: "api.example.com/metadata"}, []string{"ResourceMetadata"}},
		{"resource metadata with a host and no scheme", good, middleware.Config{ResourceMetadata: "//api.example.com/metadata"}, []string{"ResourceMetadata"}},
		{"resource metadata with a port and no host", good, middleware.Config{ResourceMetadata: "https://:8443/metadata"}, []string{"ResourceMetadata"}},
		{"resource metadata without a host", good, middleware.Config{ResourceMetadata: "https:///metadata"}, []string{"ResourceMetadata"}},
		{"resource metadata with a user", good, middleware.Config{ResourceMetadata: "https://user:secret@api.example.com/metadata"}, []string{"ResourceMetadata"}},
		{"resource metadata that is no URL", good, middleware.Config{ResourceMetadata: "https://api.example.com:port"}, []string{"ResourceMetadata"}},
		{"a quote in resource metadata", good, middleware.Config{ResourceMetadata: `https://api.example.com/"x`}, []string{"ResourceMetadata"}},
		{"a line break in resource metadata", good, middleware.Config{ResourceMetadata: "https://api.example.com/\n"}, []string{"ResourceMetadata"}},
		{"everything at once", nil, middleware.Config{Realm: `"`, ResourceMetadata: "x"}, []string{"TokenVerifier", "Realm", "ResourceMetadata"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g, err := middleware.New(tt.v, tt.cfg)
			if g != nil || err == nil {
				t.Fatalf("New = %v, %v, want an error", g, err)
			}
			if lines := strings.Split(err.Error(), "\n"); len(lines) != len(tt.want) {
				t.Errorf("%d mistakes are reported, want %d: %v", len(lines), len(tt.want), err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error is %q, want %q in it", err, want)
				}
			}
		})
	}
}

func TestMountPanics(t *testing.T) {
	t.Parallel()
	var none *middleware.Guard
	g := newGuard(t, knowing(t), middleware.Config{})
	next := http.NotFoundHandler()
	for _, tt := range []struct {
		name  string
		mount func()
		want  string
	}{
		{"a nil guard, Require", func() { none.Require(next) }, "nil *Guard"},
		{"a nil guard, RequireScope", func() { none.RequireScope("a") }, "nil *Guard"},
		{"a nil guard, RequirePolicy", func() { none.RequirePolicy(scopes.Any("a")) }, "nil *Guard"},
		{"a nil guard, With", func() { none.With() }, "nil *Guard"},
		{"a nil guard, Optional", func() { none.Optional(next) }, "nil *Guard"},
		{"a nil handler, Require", func() { g.Require(nil) }, "nil http.Handler"},
		{"a nil handler, RequireScope", func() { g.RequireScope("a")(nil) }, "nil http.Handler"},
		{"a nil handler, Optional", func() { g.Optional(nil) }, "nil http.Handler"},
		{"two scopes in one string", func() { g.RequireScope("a b") }, "scope-token"},
		{"an empty scope", func() { middleware.Scope("a", "") }, "scope-token"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := panicOf(tt.mount); !strings.Contains(got, tt.want) {
				t.Errorf("it panics with %q, want %q in it", got, tt.want)
			}
		})
	}
}

func TestZeroGuardRefusesEverything(t *testing.T) {
	t.Parallel()
	g := &middleware.Guard{}
	next := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the handler ran") })
	for name, h := range map[string]http.Handler{
		"Require": g.Require(next), "RequireScope": g.RequireScope("a")(next), "Optional": g.Optional(next), "With": g.With()(next),
	} {
		for _, r := range []*http.Request{request(), request("Basic dTpw"), request("Bearer t"), request("Bearer")} {
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, r)
			if rec.Code != 500 || rec.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%s, %q: status %d, headers %q", name, r.Header["Authorization"], rec.Code, rec.Header())
			}
		}
	}
	if _, denial := g.CheckOptional(request()); denial == nil || denial.Err == nil || !strings.Contains(denial.Err.Error(), "middleware.New") {
		t.Errorf("CheckOptional = %+v", denial)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	type decision struct {
		r      *http.Request
		claims *verifier.Claims
		denial *middleware.Denial
	}
	var heard []decision
	known := knowing(t)
	g := newGuard(t, known, middleware.Config{OnDecision: func(r *http.Request, c *verifier.Claims, d *middleware.Denial) {
		heard = append(heard, decision{r, c, d})
	}})
	for _, tt := range []struct {
		name          string
		authorization []string
		requirement   middleware.Requirement
		client        string // "": no claims
		granted       bool
	}{
		{"granted", []string{"Bearer shop"}, middleware.Scope("read"), "shop", true},
		{"no credentials", nil, middleware.Scope("read"), "", false},
		{"malformed", []string{"Bearer"}, middleware.Scope("read"), "", false},
		{"a bad token", []string{"Bearer bad"}, middleware.Scope("read"), "", false},
		{"a lacking scope", []string{"Bearer shop"}, middleware.Scope("write"), "shop", false},
	} {
		heard = nil
		r := request(tt.authorization...)
		r.Body = unreadable{t}
		before := r.Context()
		grant, denial := g.Check(r, tt.requirement)
		if (denial == nil) != tt.granted || (grant.Request != nil) != tt.granted || grant.Header != nil {
			t.Fatalf("%s: Check = %+v, %+v", tt.name, grant, denial)
		}
		want := known.known[tt.client]
		if tt.granted {
			if found, _ := verifier.FromContext(grant.Request.Context()); found != want || grant.Claims != want {
				t.Errorf("%s: claims %v, in the context %v", tt.name, grant.Claims, found)
			}
		} else if denial.Claims != want || grant.Claims != nil || denial.Err == nil {
			t.Errorf("%s: claims %v, error %v", tt.name, denial.Claims, denial.Err)
		}
		if len(heard) != 1 || heard[0].r != r || heard[0].claims != want || heard[0].denial != denial {
			t.Errorf("%s: OnDecision heard %+v", tt.name, heard)
		}
		if r.Context() != before {
			t.Errorf("%s: the caller's request was changed", tt.name)
		}
	}
}

// unreadable is a body that nobody may read.
type unreadable struct{ t *testing.T }

func (u unreadable) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}

func (u unreadable) Close() error { return nil }

func TestCheckOptional(t *testing.T) {
	t.Parallel()
	g := newGuard(t, knowing(t), middleware.Config{})
	for authorization, client := range map[string]string{"": "", "Bearer shop": "shop"} {
		r := request()
		if authorization != "" {
			r = request(authorization)
		}
		grant, denial := g.CheckOptional(r)
		if denial != nil || (grant.Claims != nil) != (client != "") || strings.Join(grant.Header["Vary"], "; ") != "Authorization" || len(grant.Header) != 1 {
			t.Errorf("9111: %q: CheckOptional = %+v, %+v", authorization, grant, denial)
		}
	}
	plain := request()
	if grant, _ := g.CheckOptional(plain); grant.Request != plain {
		t.Error("a request without credentials is copied, though there are no claims to cover up")
	}
	for _, authorization := range []string{"", "Basic dTpw", "Bearer", "Bearer bad"} {
		if grant, denial := g.CheckOptional(request(authorization)); denial == nil || grant.Request != nil || grant.Header != nil {
			t.Errorf("BUG-233: %q: CheckOptional = %+v, %+v", authorization, grant, denial)
		}
	}
}

func TestVaryIsAdded(t *testing.T) {
	t.Parallel()
	g := newGuard(t, knowing(t), middleware.Config{})
	rec := httptest.NewRecorder()
	rec.Header().Set("Vary", "Origin")
	g.Optional(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(rec, request("Bearer shop"))
	if vary := strings.Join(rec.Header()["Vary"], ", "); vary != "Origin, Authorization" {
		t.Errorf("9111: Vary is %q", vary)
	}
}

// TestBoundTokens: who can't prove that a bound token is its own must not use it (RFC 9449 section 7.2, RFC 8705 section 3).
func TestBoundTokens(t *testing.T) {
	t.Parallel()
	for cnf, bound := range map[string]bool{
		`{"cnf": {"jkt": "a"}, "exp": 4102444800}`:                             true,
		`{"cnf": {"x5t#S256": "a"}, "exp": 4102444800}`:                        true,
		`{"cnf": {"jkt": "a", "x5t#S256": "a"}, "exp": 4102444800}`:            true,
		`{"cnf": {"jwk": {"kty": "EC"}}, "exp": 4102444800}`:                   true,
		`{"cnf": {}, "exp": 4102444800}`:                                       true,
		`{"exp": 4102444800}`:                                                  false,
		`{"CNF": {"jkt": "a"}, "a": {"cnf": {"jkt": "a"}}, "exp": 4102444800}`: false,
	} {
		claims := claimsOf(t, cnf)
		g := newGuard(t, verifyFunc(func(context.Context, string) (*verifier.Claims, error) { return claims, nil }), middleware.Config{})
		grant, denial := g.Check(request("Bearer t"))
		if bound && (denial == nil || denial.Status != 401 || denial.Code != "invalid_token" || denial.Claims != nil || !errors.Is(denial.Err, verifier.ErrBinding)) {
			t.Errorf("%s: Check = %+v, %+v", cnf, grant, denial)
		}
		if !bound && denial != nil {
			t.Errorf("%s: Check = %+v", cnf, denial)
		}
	}
}

// TestBoundTokensSayWhy: the operator learns whether the configuration or the client is to be mended.
func TestBoundTokensSayWhy(t *testing.T) {
	t.Parallel()
	dpop := &middleware.DPoP{PublicURL: "https://api.example.com"}
	for _, tt := range []struct {
		cnf  string
		dpop *middleware.DPoP
		want string
	}{
		{`{"jkt": "a"}`, nil, "set Config.DPoP"},
		{`{"jkt": "a"}`, dpop, "came with the scheme Bearer"},
		{`{"jwk": {"kty": "EC"}}`, nil, "no member that is known"},
		{`{"jwk": {"kty": "EC"}}`, dpop, "no member that is known"},
	} {
		claims := claimsOf(t, `{"cnf": `+tt.cnf+`, "exp": 4102444800}`)
		g := newGuard(t, verifyFunc(func(context.Context, string) (*verifier.Claims, error) { return claims, nil }), middleware.Config{DPoP: tt.dpop})
		if _, denial := g.Check(request("Bearer t")); denial == nil || !strings.Contains(denial.Err.Error(), tt.want) {
			t.Errorf("%s: %+v does not say %q", tt.cnf, denial, tt.want)
		}
	}
}

// TestStamp sends a request through one guard after another and counts how often the TokenVerifier is asked.
func TestStamp(t *testing.T) {
	t.Parallel()
	type layer func(http.Handler) http.Handler
	type world struct {
		g, twin *middleware.Guard // two guards with the same configuration
		now     *time.Time
	}
	require := func(w world) layer { return w.g.Require }
	requireTwin := func(w world) layer { return w.twin.Require }
	optional := func(w world) layer { return w.g.Optional }
	scope := func(s string) func(world) layer { return func(w world) layer { return w.g.RequireScope(s) } }
	edit := func(f func(w world, r *http.Request) *http.Request) func(world) layer {
		return func(w world) layer {
			return func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { next.ServeHTTP(rw, f(w, r)) })
			}
		}
	}
	sending := func(authorization ...string) func(world) layer {
		return edit(func(_ world, r *http.Request) *http.Request {
			r = r.Clone(r.Context())
			r.Header["Authorization"] = authorization
			return r
		})
	}
	waiting := func(d time.Duration) func(world) layer {
		return edit(func(w world, r *http.Request) *http.Request {
			*w.now = w.now.Add(d)
			return r
		})
	}
	overwriting := edit(func(_ world, r *http.Request) *http.Request {
		return r.WithContext(verifier.NewContext(r.Context(), claimsOf(t, `{"client_id": "fake", "scope": "write"}`)))
	})
	for _, tt := range []struct {
		name   string
		bearer string
		layers []func(world) layer
		asked  int
		status int
		client string
	}{
		{"the same guard twice asks once", "short", []func(world) layer{require, require}, 1, 200, "short"},
		{"three times too", "short", []func(world) layer{require, optional, scope("read")}, 1, 200, "short"},
		{"a stamp skips no requirement", "short", []func(world) layer{require, scope("write")}, 1, 403, ""},
		{"a stamp of a requirement skips no other one", "short", []func(world) layer{scope("read"), scope("write")}, 1, 403, ""},
		{"a stamp is good until its token's exp", "short", []func(world) layer{require, waiting(59 * time.Second), require}, 1, 200, "short"},
		{"and not at its exp", "short", []func(world) layer{require, waiting(time.Minute), require}, 2, 200, "short"},
		{"nor after it", "short", []func(world) layer{require, waiting(time.Hour), require}, 2, 200, "short"},
		{"a token without exp is verified each time", "endless", []func(world) layer{require, require}, 2, 200, "endless"},
		{"a guard trusts no other guard's stamp", "short", []func(world) layer{require, requireTwin}, 2, 200, "short"},
		{"another guard's stamp hides its own", "short", []func(world) layer{require, requireTwin, require}, 3, 200, "short"},
		{"another token is verified anew", "short", []func(world) layer{require, sending("Bearer endless"), require}, 2, 200, "endless"},
		{"another bad token is refused", "short", []func(world) layer{require, sending("Bearer bad"), require}, 2, 401, ""},
		{"a token that the verified one begins with is refused", "short", []func(world) layer{require, sending("Bearer shor"), require}, 2, 401, ""},
		{"a stamp is no credentials", "short", []func(world) layer{require, sending(), require}, 1, 401, ""},
		{"a stamp is not for two fields", "short", []func(world) layer{require, sending("Bearer short", "Bearer short"), require}, 1, 400, ""},
		{"the same token, sent otherwise, is the same", "short", []func(world) layer{require, sending("bearer   short"), require}, 1, 200, "short"},
		{"claims that a handler put over a stamp end it", "short", []func(world) layer{require, overwriting, require}, 2, 200, "short"},
		{"and don't grant what they say", "short", []func(world) layer{require, overwriting, scope("write")}, 2, 403, ""},
		{"an optional route covers the claims of an outer request up", "short", []func(world) layer{require, sending(), optional}, 1, 200, "nobody"},
		{"and those of a context of a test", "", []func(world) layer{overwriting, optional}, 0, 200, "nobody"},
		{"an optional route does so once", "short", []func(world) layer{require, sending(), optional, optional}, 1, 200, "nobody"},
		{"a token behind an optional route that saw none is verified", "", []func(world) layer{overwriting, optional, sending("Bearer short"), require}, 1, 200, "short"},
		{"a claims context is no credentials", "", []func(world) layer{overwriting, require}, 0, 401, ""},
		{"a claims context does not mend a bad token", "bad", []func(world) layer{overwriting, require}, 1, 401, ""},
		{"a claims context lends no scope to a good token", "short", []func(world) layer{overwriting, scope("write")}, 1, 403, ""},
		{"a good token's claims replace those of a context", "short", []func(world) layer{overwriting, require}, 1, 200, "short"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			now := time.Unix(1_000_000, 0)
			known := &counting{known: map[string]*verifier.Claims{
				"short":   claimsOf(t, `{"client_id": "short", "scope": "read", "exp": 1000060}`),
				"endless": claimsOf(t, `{"client_id": "endless", "scope": "read"}`),
			}}
			cfg := middleware.Config{Now: func() time.Time { return now }}
			w := world{newGuard(t, known, cfg), newGuard(t, known, cfg), &now}
			got := ""
			h := http.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				got = "nobody"
				if claims, ok := verifier.FromContext(r.Context()); ok {
					got = claims.ClientID()
				}
			}))
			for i := range tt.layers {
				h = tt.layers[len(tt.layers)-1-i](w)(h)
			}
			r := request()
			if tt.bearer != "" {
				r = request("Bearer " + tt.bearer)
			}
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, r)
			if rec.Code != tt.status || got != tt.client || known.asked != tt.asked {
				t.Errorf("status %d, client %q, asked %d times; want %d, %q, %d", rec.Code, got, known.asked, tt.status, tt.client, tt.asked)
			}
		})
	}
}

func TestVerifierGetsTheRequestsContext(t *testing.T) {
	t.Parallel()
	type key struct{}
	g := newGuard(t, verifyFunc(func(ctx context.Context, _ string) (*verifier.Claims, error) {
		if ctx.Value(key{}) != "of the request" {
			t.Error("another context")
		}
		return nil, context.Cause(ctx)
	}), middleware.Config{})
	ctx, cancel := context.WithCancelCause(context.WithValue(t.Context(), key{}, "of the request"))
	cancel(&verifier.UnavailableError{Err: context.Canceled})
	if _, denial := g.Check(request("Bearer t").WithContext(ctx)); denial.Status != 503 || !errors.Is(denial.Err, context.Canceled) {
		t.Errorf("Check = %+v", denial)
	}
}

// TestUndecided: whether the token is good is not known, so that the client must not throw it away.
func TestUndecided(t *testing.T) {
	t.Parallel()
	foreign := errors.New("the database is down")
	for _, tt := range []struct {
		name       string
		err        error
		status     int
		retryAfter string
	}{
		{"Q-13 an UnavailableError", &verifier.UnavailableError{RetryAfter: 3 * time.Second, Err: foreign}, 503, "3"},
		{"Q-13 a little more is rounded up", &verifier.UnavailableError{RetryAfter: 3*time.Second + 1, Err: foreign}, 503, "4"},
		{"Q-13 nothing is rounded up too", &verifier.UnavailableError{Err: foreign}, 503, "1"},
		{"Q-13 less than nothing is too", &verifier.UnavailableError{RetryAfter: -time.Minute, Err: foreign}, 503, "1"},
		{"Q-13 an UnavailableError inside of others", fmt.Errorf("a: %w", errors.Join(foreign, &verifier.UnavailableError{RetryAfter: 3 * time.Second, Err: foreign})), 503, "3"},
		{"Q-13 ErrUnavailable", verifier.ErrUnavailable, 503, "1"},
		{"a foreign error", foreign, 500, ""},
		{"a cancelled context that nobody has wrapped", context.Canceled, 500, ""},
		{"neither claims nor an error", nil, 500, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := newGuard(t, verifyFunc(func(context.Context, string) (*verifier.Claims, error) { return nil, tt.err }), middleware.Config{})
			_, denial := g.Check(request("Bearer t"), middleware.Scope("read"))
			if denial.Status != tt.status || denial.Header.Get("Retry-After") != tt.retryAfter || denial.Header["Www-Authenticate"] != nil {
				t.Errorf("status %d, headers %q", denial.Status, denial.Header)
			}
			if denial.Err == nil || !errors.Is(denial.Err, tt.err) && tt.err != nil {
				t.Errorf("Err = %v, want %v", denial.Err, tt.err)
			}
		})
	}
}

func TestDenial(t *testing.T) {
	t.Parallel()
	g := newGuard(t, knowing(t), middleware.Config{})
	_, denial := g.Check(request("Bearer bad"))
	for range 2 { // it can be sent again
		rec := httptest.NewRecorder()
		rec.Header().Set("Content-Length", "5")
		rec.Header().Set("Etag", `"1"`)
		rec.Header().Set("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT")
		rec.Header().Set("X-Request-Id", "7")
		rec.Header().Set("Cache-Control", "public")
		rec.Header().Set("WWW-Authenticate", "Basic realm=outer")
		denial.ServeHTTP(rec, request())
		contentType, body := denial.Body(request())
		if rec.Code != denial.Status || rec.Body.String() != string(body) || rec.Header().Get("Content-Type") != contentType {
			t.Errorf("it sends %d %q, says %d %q", rec.Code, rec.Body, denial.Status, body)
		}
		if len(rec.Header()) != 4 || rec.Header().Get("X-Request-Id") != "7" || rec.Header()["Cache-Control"][0] != "no-store" || len(rec.Header()["Www-Authenticate"]) != 1 {
			t.Errorf("the headers are %q", rec.Header())
		}
	}
	rec := httptest.NewRecorder()
	(&middleware.Denial{Status: 429, Code: "slow_down", Description: "at most 10 in a minute"}).ServeHTTP(rec, request())
	if want := `{"error":"slow_down","error_description":"at most 10 in a minute"}`; rec.Code != 429 || rec.Body.String() != want {
		t.Errorf("a Denial of one's own sends %d %s", rec.Code, rec.Body)
	}
}

func TestBody(t *testing.T) {
	t.Parallel()
	sent := request("Bearer shop")
	g := newGuard(t, knowing(t), middleware.Config{Body: func(r *http.Request, d *middleware.Denial) (string, []byte) {
		if r != sent {
			t.Error("Body got another request")
		}
		return "text/plain", fmt.Append(nil, d.Status, " ", d.Code, " ", d.Claims.ClientID())
	}})
	_, denial := g.Check(sent, middleware.Scope("admin"))
	if contentType, body := denial.Body(sent); contentType != "text/plain" || string(body) != "403 insufficient_scope shop" {
		t.Errorf("Body = %q, %q", contentType, body)
	}
}

// TestSecrets: whoever logs or sends what a guard says gives no token away.
func TestSecrets(t *testing.T) {
	t.Parallel()
	issuer := verifiertest.NewIssuer(t)
	g := newGuard(t, issuer.Verifier(), middleware.Config{})
	good := issuer.Token("read")
	for _, tt := range []struct{ name, authorization, token string }{
		{"for another audience", "Bearer ", issuer.Token("read", map[string]any{"aud": "other"})},
		{"of another issuer", "Bearer ", issuer.Token("read", map[string]any{"iss": "https://other.example.com"})},
		{"expired", "Bearer ", issuer.Token("read", map[string]any{"exp": 1})},
		{"bound", "Bearer ", issuer.Token("read", map[string]any{"cnf": map[string]any{"jkt": "a"}})},
		{"forged", "Bearer ", good[:len(good)-8] + "AAAAAAAA"},
		{"that is cut off", "Bearer ", good[:len(good)-1]},
		{"without the scope", "Bearer ", good},
		{"that is opaque", "Bearer ", "a-secret-that-is-no-JWT"},
		{"of four parts", "Bearer ", good + ".a-secret-fourth-part"},
		{"behind an asterisk", "Bearer *", good},
		{"joined to another", "Bearer a, Bearer ", good},
		{"that is too long", "Bearer ", strings.Repeat("a-secret", 4000)},
		{"that is a password", "Basic ", "dXNlcjpwYXNzd29yZA=="},
	} {
		t.Run("6749-10.3-1 BUG-202 a token "+tt.name, func(t *testing.T) {
			t.Parallel()
			_, denial := g.Check(request(tt.authorization+tt.token), middleware.Scope("write"))
			rec := httptest.NewRecorder()
			denial.ServeHTTP(rec, request())
			seen := fmt.Sprintf("%v\n%+v\n%q\n%s\n%+v", denial.Err, denial, rec.Header(), rec.Body, denial.Claims)
			for part := range strings.SplitSeq(tt.token, ".") {
				if strings.Contains(seen, part) {
					t.Errorf("%q has a part of the token", seen)
				}
			}
		})
	}
	grant, _ := g.Check(request("Bearer " + good))
	inner, cancel := context.WithCancel(grant.Request.Context())
	defer cancel()
	for _, ctx := range []context.Context{grant.Request.Context(), inner} {
		if printed := fmt.Sprintf("%v %+v %#v %s %q", ctx, ctx, ctx, ctx, ctx); strings.Contains(printed, good) {
			t.Error("the context prints the token")
		}
	}
}

// TestConcurrentRequests: BUG-218.
func TestConcurrentRequests(t *testing.T) {
	t.Parallel()
	known := knowing(t).known
	g := newGuard(t, verifyFunc(func(_ context.Context, token string) (*verifier.Claims, error) {
		runtime.Gosched()
		return known[token], nil
	}), middleware.Config{})
	h := g.Require(g.RequireScope("read")(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		runtime.Gosched()
		claims, _ := verifier.FromContext(r.Context())
		io.WriteString(w, claims.ClientID())
	})))
	var wait sync.WaitGroup
	for n := range 8 {
		client := []string{"shop", "warehouse"}[n%2]
		wait.Go(func() {
			for range 100 {
				rec := httptest.NewRecorder()
				if h.ServeHTTP(rec, request("Bearer "+client)); rec.Body.String() != client {
					t.Errorf("%s was taken for %s", client, rec.Body)
				}
			}
		})
	}
	wait.Wait()
}

// TestAllocations is not parallel: it counts those of the whole program.
func TestAllocations(t *testing.T) {
	claims := claimsOf(t, `{"client_id": "shop", "scope": "read write", "exp": 4102444800}`)
	g := newGuard(t, verifyFunc(func(context.Context, string) (*verifier.Claims, error) { return claims, nil }), middleware.Config{})
	r := request("Bearer eyJhbGciOiJFUzI1NiJ9.e30.AAAA")
	requirement := middleware.Scope("read")
	const most = 2 // the stamp and the request that carries it
	if got := testing.AllocsPerRun(100, func() {
		if _, denial := g.Check(r, requirement); denial != nil {
			t.Fatal(denial.Err)
		}
	}); got > most {
		t.Errorf("a granted check makes %v allocations, at most %d", got, most)
	}
	stamped, _ := g.Check(r)
	if got := testing.AllocsPerRun(100, func() { g.Check(stamped.Request, requirement) }); got > 0 {
		t.Errorf("a check of a request that the guard has let through makes %v allocations", got)
	}
	next := g.With(requirement)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	w := httptest.NewRecorder()
	if got := testing.AllocsPerRun(100, func() { next.ServeHTTP(w, r) }); got > most {
		t.Errorf("a guarded request makes %v allocations, at most %d", got, most)
	}
}
