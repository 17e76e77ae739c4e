package middleware

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bearerguard/bearerguard/internal/ctxkey"
	"github.com/bearerguard/bearerguard/internal/jose"
	"github.com/bearerguard/bearerguard/scopes"
	"github.com/bearerguard/bearerguard/verifier"
)

// Metadata is what a protected resource publishes about itself, so that clients that have never heard of it find the authorization
// server by themselves (RFC 9728). It discloses what stands here and nothing else: no route's scopes are listed by themselves. What a guard
// knows is added: the algorithms of DPoP proofs, and whether bound tokens are taken or asked for.
type Metadata struct {
	// Resource is the resource identifier, required: an https URL without query and fragment, or http on loopback. Clients compare it
	// byte by byte with the URL that they called, or a prefix of it: each part of an API that clients know under another URL
	// has a guard of its own.
	Resource string
	// AuthorizationServers are the issuer identifiers of the servers that clients may get tokens from; some may be left out.
	AuthorizationServers []string
	// Scopes are some or all of the scopes that tokens for this resource may have.
	Scopes []string
	// Name is for people. Documentation, Policy and Terms are URLs of pages for them.
	Name, Documentation, Policy, Terms string
	// JWKSURL is where the resource's own keys are, an https URL: not those of the authorization server.
	JWKSURL string
	// DetailsTypes are the types of authorization_details that routes ask for.
	DetailsTypes []string
	// CertificateBound says that tokens may be bound to client certificates. It goes without saying where Config.ClientCert is set.
	CertificateBound bool
	// More are other members, by their names (section 2): "resource_name#de", "signed_metadata".
	More map[string]any
	// MaxAge is how long the document may be kept. 0: an hour; negative: not at all.
	MaxAge time.Duration
}

// published is a compiled Metadata.
type published struct {
	url, path string // where it is
	body      []byte
	etag      string
	cache     string
}

const wellKnown = "/.well-known/oauth-protected-resource" // RFC 9728 section 3

const defaultMetadataAge = time.Hour // RFC 9728 section 7.10 asks for some

func (m *Metadata) compile(cfg Config, p *proofs) (*published, error) {
	if m == nil {
		return nil, nil
	}
	resource, err := m.check()
	if err != nil {
		return nil, err
	}
	body, err := m.document(cfg, p)
	if err != nil {
		return nil, err
	}
	// RFC 9728 section 3.1: the well-known part stands between host and path, and a path that is only a slash is none.
	path := strings.TrimSuffix(resource.Path, "/")
	if path != "" {
		path = resource.Path
	}
	age := m.MaxAge
	if age == 0 {
		age = defaultMetadataAge
	}
	sum := sha256.Sum256(body)
	found := &published{url: resource.Scheme + "://" + resource.Host + wellKnown + path, path: wellKnown + path, body: body, etag: `"` + hex.EncodeToString(sum[:8]) + `"`, cache: "no-store"}
	if age > 0 {
		found.cache = "public, max-age=" + strconv.FormatInt(int64(age/time.Second), 10)
	}
	return found, nil
}

// document is in the order of RFC 9728 section 2, so that all instances of a fleet publish the same bytes. What is empty is left out
// (section 3.2).
func (m *Metadata) document(cfg Config, p *proofs) ([]byte, error) {
	type member struct {
		name  string
		value any
		there bool
	}
	members := []member{
		{"resource", m.Resource, true},
		{"authorization_servers", m.AuthorizationServers, len(m.AuthorizationServers) > 0},
		{"jwks_uri", m.JWKSURL, m.JWKSURL != ""},
		{"scopes_supported", m.Scopes, len(m.Scopes) > 0},
		{"bearer_methods_supported", []string{"header"}, true},
		{"resource_name", m.Name, m.Name != ""},
		{"resource_documentation", m.Documentation, m.Documentation != ""},
		{"resource_policy_uri", m.Policy, m.Policy != ""},
		{"resource_tos_uri", m.Terms, m.Terms != ""},
		{"tls_client_certificate_bound_access_tokens", true, m.CertificateBound || cfg.ClientCert != nil},
		{"authorization_details_types_supported", m.DetailsTypes, len(m.DetailsTypes) > 0},
	}
	if cfg.DPoP != nil {
		members = append(members, member{"dpop_signing_alg_values_supported", p.algorithms, true}, member{"dpop_bound_access_tokens_required", true, cfg.DPoP.Required})
	}
	for _, name := range slices.Sorted(maps.Keys(m.More)) {
		if slices.ContainsFunc(members, func(other member) bool { return other.name == name }) {
			return nil, fmt.Errorf("middleware: Metadata.More: %q has a field of its own", name)
		}
		members = append(members, member{name, m.More[name], true})
	}
	var text []byte
	for _, member := range members {
		if !member.there {
			continue
		}
		name, _ := jose.Marshal(member.name)
		value, err := jose.Marshal(member.value)
		if err != nil {
			return nil, fmt.Errorf("middleware: Metadata.More: %q can't be written as JSON: %w", member.name, err)
		}
		text = append(append(append(append(text, ','), name...), ':'), value...)
	}
	text[0] = '{'
	return append(text, '}'), nil
}

func (m *Metadata) check() (*url.URL, error) {
	var errs []error
	wrong := func(is bool, format string, args ...any) {
		if is {
			errs = append(errs, fmt.Errorf("middleware: Metadata."+format, args...))
		}
	}
	resource, err := url.Parse(m.Resource)
	if err != nil || !isPublicURL(m.Resource) || strings.ContainsAny(m.Resource, "?{}%") {
		wrong(true, "Resource %q must be an https URL, or http on loopback, without query, fragment and escapes (RFC 9728 section 1.2)", m.Resource)
	} else {
		wrong(strings.Contains(resource.Path, "//") || hasDotSegments(resource.Path), "Resource %q has a path that net/http's mux never serves: without dot segments and empty ones", m.Resource)
	}
	for _, server := range m.AuthorizationServers {
		wrong(!isPublicURL(server), "AuthorizationServers: %q must be an issuer identifier: an https URL, or http on loopback (RFC 8414 section 2)", server)
	}
	for _, scope := range m.Scopes {
		set, err := scopes.Parse(scope)
		wrong(err != nil || set.Len() != 1, "Scopes: %q is not one scope-token (RFC 6749 section 3.3)", scope)
	}
	for _, page := range []string{m.Documentation, m.Policy, m.Terms} {
		wrong(page != "" && !isWebURL(page), "Documentation, Policy and Terms are URLs of pages, not %q", page)
	}
	wrong(m.JWKSURL != "" && !(strings.HasPrefix(m.JWKSURL, "https://") && isWebURL(m.JWKSURL)), "JWKSURL %q must be an https URL (RFC 9728 section 2)", m.JWKSURL)
	for _, typ := range m.DetailsTypes {
		wrong(typ == "", "DetailsTypes holds an empty type")
	}
	return resource, errors.Join(errs...)
}

// isPublicURL reports whether s is an https URL, or an http URL of this machine.
func isPublicURL(s string) bool {
	u, err := url.Parse(s)
	if err != nil || !isWebURL(s) || u.RawQuery != "" {
		return false
	}
	ip, _ := netip.ParseAddr(u.Hostname())
	return u.Scheme == "https" || u.Hostname() == "localhost" || ip.IsLoopback()
}

// Metadata is where clients look for the document that Config.Metadata describes, and the handler that serves it, for
// mux.Handle(guard.Metadata()). The handler asks for no token, and scripts of any origin may read it. It panics on a guard
// without Config.Metadata: a mistake in the program.
func (g *Guard) Metadata() (path string, h http.Handler) {
	if g == nil || g.metadata == nil {
		panic("middleware: Metadata of a guard whose Config has none")
	}
	return g.metadata.path, g.metadata
}

func (p *published) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	switch {
	case r.URL.Path != p.path: // a path that ends with a slash is a pattern of a whole tree
		http.NotFound(w, r)
	case r.Method == http.MethodOptions:
		h.Set("Access-Control-Allow-Methods", "GET, HEAD")
		h.Set("Access-Control-Allow-Headers", "*")
		h.Set("Access-Control-Max-Age", "86400")
		w.WriteHeader(http.StatusNoContent)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		h.Set("Allow", "GET, HEAD, OPTIONS")
		http.Error(w, "only GET, HEAD and OPTIONS", http.StatusMethodNotAllowed)
	default:
		h.Set("Content-Type", "application/json")
		h.Set("Cache-Control", p.cache)
		h.Set("ETag", p.etag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(p.body))
	}
}

// UntilExpiry is a context that ends when the token of the request does, for handlers that go on for long: server-sent
// events, websockets, long polls. A guard decides when a request begins. [context.Cause] then is [verifier.ErrExpired]. On a request
// that no guard has let through with a token it ends with ctx. A revocation is not noticed, and no clock skew is added: with
// a token that is good by that alone it has ended from the start. The caller calls cancel, as that of [context.WithCancel].
func UntilExpiry(ctx context.Context) (_ context.Context, cancel context.CancelFunc) {
	claims, ok := verifier.FromContext(ctx)
	if !ok || claims.Expiry().IsZero() {
		return context.WithCancel(ctx)
	}
	now := time.Now
	if s, ok := ctx.Value(ctxkey.Claims{}).(*stamp); ok && s.guard != nil {
		now = s.guard.cfg.Now
	}
	return context.WithTimeoutCause(ctx, claims.Expiry().Sub(now()), verifier.ErrExpired)
}
