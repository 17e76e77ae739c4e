// Package conformance is one table of requests with their exact answers, and the tests of how a guard stands among other
// layers. Every way of mounting a guard runs all of it.
package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/bearerguard/bearerguard/middleware"
	"github.com/bearerguard/bearerguard/scopes"
	"github.com/bearerguard/bearerguard/verifier"
	"github.com/bearerguard/bearerguard/verifier/verifiertest"
)

// Framework says how a framework mounts a guard. M is its kind of middleware.
type Framework[M any] struct {
	Require       func(*middleware.Guard) M
	RequireScope  func(*middleware.Guard, ...string) M
	RequirePolicy func(*middleware.Guard, scopes.Policy) M
	With          func(*middleware.Guard, ...middleware.Requirement) M
	Optional      func(*middleware.Guard) M

	// Serve puts the layers, the outermost first, before a handler of every method and path.
	Serve func(Handler, ...M) http.Handler
	// ReencodesJSON is true where a body that is JSON stays the same as JSON only.
	ReencodesJSON bool

	foreign bool
}

// Handler stands behind the guards. The claims are those that the framework's own function finds.
type Handler func(w http.ResponseWriter, r *http.Request, claims *verifier.Claims, ok bool)

// Run runs everything on a framework.
func Run[M any](t *testing.T, f Framework[M]) {
	w := newWorld(t)
	t.Run("one guard", func(t *testing.T) { runTable(t, f, w, 1) })
	t.Run("the same guard twice", func(t *testing.T) { runTable(t, f, w, 2) })
	t.Run("wiring", func(t *testing.T) { runWiring(t, f, w) })
}

// RunTable runs the requests and their answers alone, for a framework that is not built on net/http: its handlers can't
// dispatch a request in the context of another one, and its server has taken the spaces at the end of a field away.
func RunTable[M any](t *testing.T, f Framework[M]) {
	w := newWorld(t)
	f.foreign = true
	t.Run("one guard", func(t *testing.T) { runTable(t, f, w, 1) })
	t.Run("the same guard twice", func(t *testing.T) { runTable(t, f, w, 2) })
}

// world is an authorization server and tokens of it, by the names that stand in braces in the table.
type world struct {
	issuer   *verifiertest.Issuer
	verifier *verifier.Verifier
	key      *verifiertest.ProofKey // of a client
	tokens   *strings.Replacer
}

func newWorld(t *testing.T) *world {
	issuer := verifiertest.NewIssuer(t)
	w := &world{issuer: issuer, verifier: issuer.Verifier(), key: verifiertest.NewProofKey()}
	var pairs []string
	for name, token := range mint(issuer, w.key) {
		pairs = append(pairs, "{"+name+"}", token)
	}
	w.tokens = strings.NewReplacer(pairs...)
	return w
}

// verifierFunc is a TokenVerifier that a test bends.
type verifierFunc func(context.Context, string) (*verifier.Claims, error)

func (f verifierFunc) Verify(ctx context.Context, token string) (*verifier.Claims, error) {
	return f(ctx, token)
}

func newGuard(t *testing.T, v verifier.TokenVerifier, cfg middleware.Config) *middleware.Guard {
	t.Helper()
	g, err := middleware.New(v, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// probe is a guarded route that keeps account of what happens on it.
type probe struct {
	t     *testing.T
	root  http.Handler
	world *world
	batch []string // Authorization fields of the request that the handler dispatches; nil: none

	dispatched bool
	ran        int // the handler, for another request than the batch itself
	verified   int // calls of the TokenVerifier
	decisions  []string
	reason     error // of the last Denial
}

func runTable[M any](t *testing.T, f Framework[M], w *world, guards int) {
	t.Parallel()
	for _, tt := range table {
		if f.foreign && (tt.request.batch != nil || slices.ContainsFunc(tt.request.authorization, func(s string) bool { return strings.HasSuffix(s, "} ") })) {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := &probe{t: t, world: w, batch: tt.request.batch}
			p.root = f.Serve(p.handle, slices.Repeat([]M{mount(f, p.guard(tt.route), tt.route)}, guards)...)
			rec := httptest.NewRecorder()
			r := tt.request.build(w)
			p.root.ServeHTTP(rec, r)
			p.compare(tt.want, guards)
			compareResponse(t, f.ReencodesJSON, r, rec, tt.want)
			noSecrets(t, r, rec, p.reason)
		})
	}
}

// mount uses the function of the framework that fits the route.
func mount[M any](f Framework[M], g *middleware.Guard, r route) M {
	switch r.way {
	case requireScope:
		return f.RequireScope(g, r.scopes...)
	case requirePolicy:
		return f.RequirePolicy(g, r.policy)
	case with:
		return f.With(g, r.requirements...)
	case optional:
		return f.Optional(g)
	}
	return f.Require(g)
}

func (p *probe) guard(r route) *middleware.Guard {
	var v verifier.TokenVerifier = p.world.verifier
	if r.verifier != nil {
		v = r.verifier
	}
	cfg := r.config
	cfg.OnDecision = func(_ *http.Request, claims *verifier.Claims, d *middleware.Denial) {
		word := "granted"
		if d != nil {
			word, p.reason = d.Code, d.Err
			if d.Claims != claims {
				p.t.Errorf("OnDecision got the claims %v, its Denial has %v", claims, d.Claims)
			}
		}
		if claims != nil {
			word += " " + claims.ClientID()
		}
		p.decisions = append(p.decisions, strings.TrimSpace(word))
	}
	counted := verifierFunc(func(ctx context.Context, token string) (*verifier.Claims, error) {
		p.verified++
		return v.Verify(ctx, token)
	})
	return newGuard(p.t, counted, cfg)
}

// handle answers with the client's id. In a batch it first dispatches another request in the context of its own.
func (p *probe) handle(w http.ResponseWriter, r *http.Request, claims *verifier.Claims, ok bool) {
	fromContext, inContext := verifier.FromContext(r.Context())
	if claims != fromContext || ok != inContext {
		p.t.Errorf("the framework's claims are %p, %t, those in the request's context %p, %t", claims, ok, fromContext, inContext)
	}
	if p.batch != nil && !p.dispatched {
		p.dispatched = true
		inner := httptest.NewRequestWithContext(r.Context(), http.MethodGet, "/", nil)
		p.world.authorize(inner, p.batch)
		p.root.ServeHTTP(w, inner)
		return
	}
	p.ran++
	w.Header().Set("Content-Type", "text/plain")
	io.WriteString(w, who(claims))
}

func who(claims *verifier.Claims) string {
	if claims == nil {
		return "nobody"
	}
	return claims.ClientID()
}

func (p *probe) compare(want answer, guards int) {
	t := p.t
	t.Helper()
	if p.ran != want.ran {
		t.Errorf("the handler ran %d times, want %d", p.ran, want.ran)
	}
	if p.verified != want.verified {
		t.Errorf("the TokenVerifier was asked %d times, want %d", p.verified, want.verified)
	}
	var decisions []string // every guard tells that it grants, and only the first one that it refuses
	for _, d := range want.decisions {
		if strings.HasPrefix(d, "granted") {
			decisions = append(decisions, slices.Repeat([]string{d}, guards)...)
		} else {
			decisions = append(decisions, d)
		}
	}
	if !slices.Equal(p.decisions, decisions) {
		t.Errorf("OnDecision heard %q, want %q", p.decisions, decisions)
	}
	if refused := want.status >= 400; (p.reason != nil) != refused || want.reason != nil && !errors.Is(p.reason, want.reason) {
		t.Errorf("Denial.Err is %v, want %v", p.reason, want.reason)
	}
}

func compareResponse(t *testing.T, asJSON bool, r *http.Request, rec *httptest.ResponseRecorder, want answer) {
	t.Helper()
	if rec.Code != want.status {
		t.Errorf("status %d, want %d", rec.Code, want.status)
	}
	got := rec.Result().Header
	got["Vary"] = slices.Compact(got["Vary"]) // each of several guards adds its own
	if len(got["Vary"]) == 0 {
		delete(got, "Vary")
	}
	if !maps.EqualFunc(got, want.header, slices.Equal) {
		t.Errorf("headers %q\nwant    %q", got, want.header)
	}
	if r.Method == http.MethodHead { // the server drops the body: tested in wiring
		return
	}
	if body := rec.Body.String(); body != want.body && !(asJSON && equalJSON(body, want.body)) {
		t.Errorf("body %q, want %q", body, want.body)
	}
}

func equalJSON(a, b string) bool {
	var x, y any
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && reflect.DeepEqual(x, y)
}

// noSecrets fails if a piece of the request's credentials is in the answer to it or in what operators see.
func noSecrets(t *testing.T, r *http.Request, rec *httptest.ResponseRecorder, reason error) {
	t.Helper()
	seen := rec.Body.String()
	for name, values := range rec.Result().Header {
		seen += "\n" + name + ": " + strings.Join(values, "\n")
	}
	if reason != nil {
		seen += "\n" + reason.Error()
	}
	isSeparator := func(c rune) bool { return strings.ContainsRune(". ,\"=", c) }
	for _, piece := range strings.FieldsFunc(strings.Join(append(r.Header["Authorization"], r.Header["Dpop"]...), " "), isSeparator) {
		if len(piece) >= 16 && strings.Contains(seen, piece) {
			t.Errorf("6749-10.3-1: a piece of the credentials, %.20s..., is in %q", piece, seen)
		}
	}
}
