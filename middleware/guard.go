// Package middleware lets only requests with a good access token through to net/http handlers, and answers the others as
// RFC 6750 says, and RFC 9449 where tokens are bound to a key of the client's.
//
// The handler behind a guard finds the token's claims with [verifier.FromContext]. The router decides where a guard stands:
// there are no excluded paths, and a CORS preflight, which carries no token, is refused like any other request; put the CORS
// middleware outside of the guard.
package middleware

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/bearerguard/bearerguard/internal/ctxkey"
	"github.com/bearerguard/bearerguard/scopes"
	"github.com/bearerguard/bearerguard/verifier"
)

// Config says how a guard answers. Every zero value is a safe default.
type Config struct {
	// Realm is the challenges' realm: printable ASCII without quotes and backslashes. With neither Realm nor metadata it is "api": a challenge has at least one parameter (RFC 6750 section 3).
	Realm string
	// Metadata is what the resource publishes about itself: [Guard.Metadata] serves it, and challenges say where (RFC 9728 section 5.1).
	Metadata *Metadata
	// ResourceMetadata is the URL of metadata that something else serves, for the challenges.
	ResourceMetadata string
	// ClientCert finds the certificate that a token may be bound to (RFC 8705 section 3), which is always asked for where the token
	// has cnf.x5t#S256. Nil: that of the TLS connection, whose server must ask for one (tls.RequestClientCert is enough). Behind a
	// proxy that ends TLS it is made by [CertFromProxy].
	ClientCert func(*http.Request) *x509.Certificate
	// DPoP makes the guard accept tokens that are bound to a key of the client's. Nil: such a token is refused, never let
	// through as a bearer token.
	DPoP *DPoP
	// OnDecision is called once for each Check, for logs and metrics: a nil Denial means granted. The claims are there
	// whenever the token was good. Don't log the request's Authorization field.
	OnDecision func(*http.Request, *verifier.Claims, *Denial)
	// Body makes the body of a refusal; status and headers stay the guard's. Nil: a JSON object with error and error_description.
	Body func(*http.Request, *Denial) (contentType string, body []byte)
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

// Guard decides whether a request may go on. It is safe for concurrent use. The zero Guard refuses everything; a nil one
// panics where a route is mounted.
type Guard struct {
	verifier verifier.TokenVerifier
	sees     bool // the TokenVerifier refuses any foreign character by itself: a good token is not looked through twice
	cfg      Config
	schemes  []string // those of the challenges, in their order
	proofs   *proofs  // nil: none is checked
	metadata *published
}

// New checks a configuration and makes its Guard. Every mistake is reported, in one errors.Join.
func New(v verifier.TokenVerifier, cfg Config) (*Guard, error) {
	var errs []error
	if isNil(v) {
		errs = append(errs, errors.New("middleware: the TokenVerifier is nil: was the error of verifier.New dropped?"))
	}
	if !isQuotable(cfg.Realm) {
		errs = append(errs, fmt.Errorf("middleware: Realm %q must be printable ASCII without quotes and backslashes", cfg.Realm))
	}
	if cfg.ResourceMetadata != "" && !isWebURL(cfg.ResourceMetadata) {
		errs = append(errs, fmt.Errorf("middleware: ResourceMetadata %q must be an absolute URL, http or https, without a fragment", cfg.ResourceMetadata))
	}
	if cfg.ResourceMetadata != "" && cfg.Metadata != nil {
		errs = append(errs, errors.New("middleware: ResourceMetadata is the URL of metadata that something else serves, and Metadata is served here: set one"))
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	proofs, proofErr := cfg.DPoP.compile(cfg.Now)
	metadata, metadataErr := cfg.Metadata.compile(cfg, proofs)
	if err := errors.Join(append(errs, proofErr, metadataErr)...); err != nil {
		return nil, err
	}
	if metadata != nil {
		cfg.ResourceMetadata = metadata.url
	}
	if cfg.Realm == "" && cfg.ResourceMetadata == "" {
		cfg.Realm = "api"
	}
	_, sees := v.(*verifier.Verifier)
	return &Guard{v, sees, cfg, cfg.DPoP.schemes(), proofs, metadata}, nil
}

// isNil finds the nil pointer in an interface that is not nil.
func isNil(v any) bool {
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Pointer, reflect.Func, reflect.Map, reflect.Slice, reflect.Chan:
		return r.IsNil()
	}
	return false
}

func isWebURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != "" && u.User == nil && u.Fragment == "" && isQuotable(s) && !strings.ContainsAny(s, " #")
}

// isQuotable reports whether s can stand between quotes without an escape.
func isQuotable(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) < 0
}

// Require lets any good token through, whatever its scopes. At many identity providers that means any client or any user
// of the tenant: ask for a scope wherever there is one to ask for.
func (g *Guard) Require(next http.Handler) http.Handler { return g.With()(next) }

// RequireScope asks for all of the scopes. It panics on a string that is no scope-token; without any it refuses every token.
func (g *Guard) RequireScope(all ...string) func(http.Handler) http.Handler {
	return g.With(Scope(all...))
}

// RequirePolicy asks for what a policy allows.
func (g *Guard) RequirePolicy(p scopes.Policy) func(http.Handler) http.Handler {
	return g.With(Policy(p))
}

// With asks for all of the requirements; without any it is Require.
func (g *Guard) With(requirements ...Requirement) func(http.Handler) http.Handler {
	requirements = slices.Clone(requirements) // the caller's array may be that of another route too
	return g.wrap(func(r *http.Request) (Grant, *Denial) { return g.Check(r, requirements...) })
}

// Optional lets a request without an Authorization field through, without claims. A token that is there must be good,
// and credentials of another scheme are refused.
func (g *Guard) Optional(next http.Handler) http.Handler { return g.wrap(g.CheckOptional)(next) }

func (g *Guard) wrap(check func(*http.Request) (Grant, *Denial)) func(http.Handler) http.Handler {
	if g == nil {
		panic("middleware: a nil *Guard: was the error of middleware.New dropped?")
	}
	return func(next http.Handler) http.Handler {
		if next == nil {
			panic("middleware: a nil http.Handler")
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			grant, denial := check(r)
			if denial != nil {
				denial.ServeHTTP(w, r)
				return
			}
			for name, values := range grant.Header {
				w.Header()[name] = append(w.Header()[name], values...)
			}
			next.ServeHTTP(w, grant.Request)
		})
	}
}

// Grant is a request that may go on.
type Grant struct {
	Request *http.Request    // with the claims in its context: go on with this one
	Claims  *verifier.Claims // nil where CheckOptional found no credentials
	Header  http.Header      // to be added to the response; nil if there is nothing to add
}

// Check decides about a request and answers nothing: exactly one of its results is set. It reads the request's header and
// context, and never its body. Adapters for other frameworks are made of it: they fill the header with http.Header.Add, for
// a field whose name is not in its canonical form is none.
func (g *Guard) Check(r *http.Request, requirements ...Requirement) (Grant, *Denial) {
	return g.check(r, false, requirements)
}

// CheckOptional decides as [Guard.Optional] does.
func (g *Guard) CheckOptional(r *http.Request) (Grant, *Denial) { return g.check(r, true, nil) }

func (g *Guard) check(r *http.Request, optional bool, requirements []Requirement) (Grant, *Denial) {
	grant, denial := g.decide(r, optional, requirements)
	if denial != nil {
		grant = Grant{}
	} else if optional {
		if grant.Header == nil {
			grant.Header = http.Header{}
		}
		grant.Header["Vary"] = []string{"Authorization"} // RFC 9111: the answer depends on it
	}
	if g.cfg.OnDecision != nil {
		claims := grant.Claims
		if denial != nil {
			claims = denial.Claims
		}
		g.cfg.OnDecision(r, claims, denial)
	}
	return grant, denial
}

// decide is the whole decision: what does the request carry, is the token good and its sender's, does it suffice?
func (g *Guard) decide(r *http.Request, optional bool, requirements []Requirement) (Grant, *Denial) {
	if g.verifier == nil {
		return Grant{}, g.deny("", serverError, nil, errors.New("a zero Guard knows no TokenVerifier: make one with middleware.New"))
	}
	scheme, token, presented := credentials(r.Header, g.schemes)
	switch {
	case presented == nothing && optional:
		return Grant{Request: withoutClaims(r)}, nil
	case presented == nothing:
		return Grant{}, g.deny("", noCredentials, requirements, errNoCredentials)
	case presented == foreign:
		return Grant{}, g.deny("", noCredentials, requirements, errForeign)
	case presented == malformed:
		return Grant{}, g.deny(scheme, invalidRequest, requirements, errMalformedRequest)
	case presented == oversized:
		return Grant{}, g.deny(scheme, invalidToken, requirements, errOversized)
	case !g.sees && !isB64Token(token):
		return Grant{}, g.deny(scheme, invalidRequest, requirements, errMalformedRequest)
	}
	s, denial := g.verify(r, scheme, token, requirements)
	if denial != nil {
		return Grant{}, denial
	}
	if o, err := g.unmet(r, s.claims, requirements); err != nil {
		denial := g.deny(scheme, o, requirements, err)
		denial.Claims = s.claims
		return Grant{}, denial
	}
	header, denial := g.spend(r, s, requirements)
	if denial != nil {
		return Grant{}, denial
	}
	return Grant{Request: stamped(r, s), Claims: s.claims, Header: header}, nil
}

var (
	errNoCredentials    = errors.New("no access token")
	errForeign          = errors.New("no access token, but credentials of a scheme that this guard doesn't take")
	errMalformedRequest = errors.New("malformed Authorization field, or more than one")
	errOversized        = fmt.Errorf("%w: longer than any good token", verifier.ErrMalformed)
	errNilClaims        = errors.New("the TokenVerifier returned nil claims without an error")
)

// verify asks the TokenVerifier, and the sender for the proof that the token asks for, unless this very guard has done so
// for this very token and proof of this request.
func (g *Guard) verify(r *http.Request, scheme, token string, requirements []Requirement) (*stamp, *Denial) {
	if s, ok := r.Context().Value(ctxkey.Claims{}).(*stamp); ok && s.guard == g && s.token == token && s.proven.by(r, scheme) && g.cfg.Now().Before(s.claims.Expiry()) {
		return s, nil
	}
	claims, err := g.verifier.Verify(r.Context(), token)
	switch {
	case err == nil && claims == nil:
		return nil, g.deny(scheme, serverError, nil, errNilClaims)
	case err == nil:
		s := &stamp{guard: g, token: token, claims: claims}
		return s, g.bound(r, scheme, s, requirements)
	case errors.Is(err, verifier.ErrUnavailable):
		return nil, g.denyUnavailable(err)
	case g.sees && !isB64Token(token):
		return nil, g.deny(scheme, invalidRequest, requirements, errMalformedRequest)
	case errors.Is(err, verifier.ErrInvalidToken):
		return nil, g.deny(scheme, invalidToken, requirements, err)
	}
	return nil, g.deny(scheme, serverError, nil, err)
}

// bound asks the sender of a token for what its cnf demands (RFC 7800 section 3.1): a token bound to its sender is no bearer
// token (RFC 9449 section 7.2, RFC 8705 section 3). Unknown members of cnf count only where there is no known one.
func (g *Guard) bound(r *http.Request, scheme string, s *stamp, requirements []Requirement) *Denial {
	cnf := s.claims.Confirmation()
	switch {
	case scheme == schemeDPoP && cnf.JKT == "": // RFC 9449 section 6
		return g.deny(scheme, wrongKey, requirements, fmt.Errorf("%w: the token has no cnf.jkt, and came with the DPoP scheme", verifier.ErrBinding))
	case cnf.Unknown || cnf.JKT != "" && scheme != schemeDPoP:
		return g.deny(scheme, invalidToken, requirements, fmt.Errorf("%w: %s", verifier.ErrBinding, g.unproven(cnf)))
	}
	if cnf.X5TS256 != "" {
		if err := g.checkCertificate(r, cnf.X5TS256); err != nil { // RFC 8705 section 3
			return g.deny(scheme, invalidToken, requirements, err)
		}
	}
	if cnf.JKT != "" {
		return g.prove(r, s, cnf.JKT, requirements)
	}
	return nil
}

// unproven says why a bound token came without a proof that this guard checks.
func (g *Guard) unproven(cnf verifier.Confirmation) string {
	switch {
	case cnf.Unknown:
		return "its cnf has no member that is known here"
	case g.proofs == nil:
		return "it is bound to a key, and this guard checks no proofs: set Config.DPoP, or let the client ask for tokens that are not bound"
	}
	return "it is bound to a key, and came with the scheme Bearer and not DPoP"
}

// stamp is what a guard leaves with a request that it let through: for the handler the claims, and for itself the proof that
// it has verified this token. It is the request's context, which saves an allocation.
type stamp struct {
	context.Context // nil until the request goes on
	guard           *Guard
	token           string
	claims          *verifier.Claims // nil covers up the claims of an outer request
	proven          *proven          // the sender's DPoP proof; nil: a bearer token
}

func (s *stamp) Value(key any) any {
	switch {
	case key == ctxkey.Claims{}:
		return s
	case key == provenKey{} && s.proven != nil:
		return s.proven
	}
	return s.Context.Value(key)
}

// Claims is for verifier.FromContext.
func (s *stamp) Claims() *verifier.Claims { return s.claims }

// String keeps the token out of a context that is printed.
func (s *stamp) String() string {
	return fmt.Sprintf("%v.WithValue(access token of %v)", s.Context, s.claims)
}

// GoString is String for %#v.
func (s *stamp) GoString() string { return s.String() }

// withoutClaims covers up the claims of an outer request, if there are any.
func withoutClaims(r *http.Request) *http.Request {
	if r.Context().Value(ctxkey.Claims{}) == nil {
		return r
	}
	return stamped(r, &stamp{})
}

// stamped is the request with the stamp in its context, where it may be already.
func stamped(r *http.Request, s *stamp) *http.Request {
	if s.Context != nil {
		return r
	}
	s.Context = r.Context()
	return r.WithContext(s)
}
