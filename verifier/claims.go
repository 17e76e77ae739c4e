package verifier

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/bearerguard/bearerguard/internal/ctxkey"
	"github.com/bearerguard/bearerguard/internal/jose"
	"github.com/bearerguard/bearerguard/scopes"
)

// Claims is what a verified token says. It is immutable, and one value is shared by every request that brings the same
// token: keep it, hand it to goroutines. The zero Claims says nothing about anyone.
type Claims struct {
	body         jose.Object
	issuer       string
	subject      string
	clientID     string
	id           string
	audience     []string
	scopes       scopes.Set
	passedOver   int // elements of the scope claim that are no scope-tokens
	expiry       time.Time
	issuedAt     time.Time
	notBefore    time.Time
	confirmation Confirmation
	self         bool
}

// Confirmation is the cnf claim: what the sender of a bound token must prove (RFC 7800 section 3.1).
// The zero Confirmation is that of a bearer token.
type Confirmation struct {
	JKT     string // the thumbprint of a DPoP key (RFC 9449 section 6.1)
	X5TS256 string // the hash of a client certificate (RFC 8705 section 3.1)
	Unknown bool   // bound, by members of which this package knows none
}

// NewClaims reads a JSON object of claims by the rules of a profile. It verifies nothing: it is for implementations of
// [TokenVerifier] that have verified the claims by other means, and for tests. Claims may be missing, but those that
// are there must have the right type; the error wraps [ErrMalformed].
func NewClaims(payload []byte, p Profile) (*Claims, error) {
	r, err := p.compile()
	if err != nil {
		return nil, err
	}
	c := &Claims{}
	if err := c.readEnvelope(payload, r); err != nil {
		return nil, err
	}
	if err := c.readRest(r); err != nil {
		return nil, err
	}
	return c, nil
}

// NewContext returns a context that carries claims, as a guard gives one to the handler behind it: for unit tests of
// handlers, and for transports of one's own. No guard takes it for a verified token.
func NewContext(ctx context.Context, c *Claims) context.Context {
	return context.WithValue(ctx, ctxkey.Claims{}, c)
}

// FromContext returns the claims of the request's token; false where no guard has let the request through,
// or an optional one without a token.
func FromContext(ctx context.Context) (*Claims, bool) {
	var c *Claims
	switch value := ctx.Value(ctxkey.Claims{}).(type) {
	case *Claims:
		c = value
	case interface{ Claims() *Claims }:
		c = value.Claims()
	}
	return c, c != nil
}

// Issuer is iss.
func (c *Claims) Issuer() string { return c.issuer }

// Subject is sub, "" if the token has none. Alone it identifies nobody: only with the issuer,
// and where [Claims.ActsForItself] is true it names a client, not a user.
func (c *Claims) Subject() string { return c.subject }

// ClientID is the client that the token was issued to, by the profile's claim, "" if the token doesn't say.
func (c *Claims) ClientID() string { return c.clientID }

// ID names the token, by the profile's claim, "" if it has no name.
func (c *Claims) ID() string { return c.id }

// Audience is a copy of whom the token is for.
func (c *Claims) Audience() []string { return slices.Clone(c.audience) }

// Scopes is what the token grants, by the profile's claim; empty if it doesn't say.
func (c *Claims) Scopes() scopes.Set { return c.scopes }

// Expiry is exp, zero if the token has none.
func (c *Claims) Expiry() time.Time { return c.expiry }

// IssuedAt is iat, zero if the token has none.
func (c *Claims) IssuedAt() time.Time { return c.issuedAt }

// NotBefore is nbf, zero if the token has none.
func (c *Claims) NotBefore() time.Time { return c.notBefore }

// Confirmation tells whether the token is bound to its sender. [Verifier.Verify] reads it and enforces nothing:
// that takes the request, so the guard of package middleware does it.
func (c *Claims) Confirmation() Confirmation { return c.confirmation }

// ActsForItself reports whether a client got the token for itself (the client-credentials grant, RFC 9068 section 5), as
// far as the token tells: it has no sub, its sub is the client, or the profile's Self says so. A false may be wrong.
func (c *Claims) ActsForItself() bool { return c.self }

// Get decodes any claim into dst, which is as for encoding/json/v2's Unmarshal: names are exact. The claim is named as in
// a [Profile]. It returns [ErrNoClaim] for a claim that is absent or null.
func (c *Claims) Get(name string, dst any) error {
	n, err := parseClaimName(name)
	if err != nil {
		return err
	}
	raw := c.lookup(n)
	if raw == "" {
		return fmt.Errorf("%w: %q", ErrNoClaim, name)
	}
	if n.members {
		list, isList := dst.(*[]string)
		names, isObject := c.listOrNames(n)
		if !isList || !isObject {
			return fmt.Errorf("claim %q gives an object's member names: want a *[]string, not a %T", name, dst)
		}
		*list = names
		return nil
	}
	if err := jose.Unmarshal(raw, dst); err != nil {
		return fmt.Errorf("claim %q does not fit a %T", name, dst)
	}
	return nil
}

// Decode decodes all claims into dst, as [Claims.Get] does one.
func (c *Claims) Decode(dst any) error {
	if err := jose.Unmarshal(c.body.Text(), dst); err != nil {
		return fmt.Errorf("the claims do not fit a %T", dst)
	}
	return nil
}

// String tells whose token it is and no more: issuer, client id and token id.
func (c *Claims) String() string {
	return fmt.Sprintf("issuer=%q client=%q id=%q", c.issuer, c.clientID, c.id)
}

// LogValue is String for package log/slog.
func (c *Claims) LogValue() slog.Value {
	return slog.GroupValue(slog.String("issuer", c.issuer), slog.String("client", c.clientID), slog.String("id", c.id))
}

// readEnvelope parses the payload and reads what the checks before the signature compare.
func (c *Claims) readEnvelope(payload []byte, r *rules) (err error) {
	if c.body, err = jose.ParseObject(payload, jose.PayloadLimits); err != nil {
		return fmt.Errorf("%w: payload: %w", ErrMalformed, err)
	}
	if c.issuer, err = c.text("iss"); err != nil {
		return err
	}
	for _, t := range []struct {
		name string
		dst  *time.Time
	}{{"exp", &c.expiry}, {"nbf", &c.notBefore}, {"iat", &c.issuedAt}} {
		if *t.dst, err = c.date(t.name); err != nil {
			return err
		}
	}
	for _, name := range r.audience {
		if c.lookup(name) != "" {
			c.audience, err = c.list(name)
			return err
		}
	}
	if r.audienceFromScope { // without a Set: to make one of a forged token's many scopes takes as long as many signatures
		text, list, err := c.scopeClaim(r)
		for _, s := range append(list, strings.Split(text, " ")...) {
			if i := strings.LastIndexByte(s, '/'); i > 0 && isScopeToken(s) {
				c.audience = append(c.audience, s[:i])
			}
		}
		return err
	}
	return nil
}

// readRest reads what is used only once the signature is known to be good.
func (c *Claims) readRest(r *rules) (err error) {
	if c.subject, err = c.text("sub"); err != nil {
		return err
	}
	if c.clientID, err = c.firstText(r.clientID); err != nil {
		return err
	}
	if c.id, err = c.firstText(r.id); err != nil {
		return err
	}
	if err := c.readScopes(r); err != nil {
		return err
	}
	if err := c.readConfirmation(); err != nil {
		return err
	}
	c.self = c.lookup(claimName{text: "sub"}) == "" || c.clientID != "" && (c.subject == c.clientID || c.subject == c.clientID+"@clients") ||
		slices.ContainsFunc(r.self, func(m matchRule) bool { return c.holds(m) })
	return nil
}

// readScopes makes a set of those strings that are scope-tokens and counts the others.
func (c *Claims) readScopes(r *rules) error {
	text, list, err := c.scopeClaim(r)
	if text != "" {
		if set, err := scopes.Parse(text); err == nil {
			c.scopes = set
			return nil
		}
		list = strings.Split(text, " ")
	}
	good := list[:0:0]
	for _, s := range list {
		if isScopeToken(s) {
			good = append(good, s)
		} else if s != "" {
			c.passedOver++
		}
	}
	c.scopes = scopes.Of(good...)
	return err
}

// scopeClaim takes the first scope claim that is there, a string or a list, never a union: a claim of lower trust would grant
// rights.
func (c *Claims) scopeClaim(r *rules) (text string, list []string, err error) {
	for _, name := range r.scope {
		raw := c.lookup(name)
		if raw == "" {
			continue
		}
		text, ok := jose.String(raw)
		if !ok {
			list, ok = c.listOrNames(name)
		}
		if !ok {
			return "", nil, fmt.Errorf("%w: claim %q is neither a string nor an array of strings", ErrMalformed, name.text)
		}
		return text, list, nil
	}
	return "", nil, nil
}

// scopeToken is the alphabet of one (RFC 6749 section 3.3).
var scopeToken = jose.NewAlphabet("!#$%&'()*+,-./:;<=>?@[]^_`{|}~")

func isScopeToken(s string) bool { return s != "" && scopeToken.Spells(s) }

// readConfirmation reads cnf (RFC 7800 section 3.1). A null or an odd one is malformed: a bound token must not pass for an unbound one.
func (c *Claims) readConfirmation() error {
	raw, ok := c.body.Get("cnf")
	if !ok {
		return nil
	}
	cnf, err := jose.ParseObject([]byte(raw), jose.PayloadLimits)
	if err != nil {
		return fmt.Errorf("%w: claim \"cnf\" is not an object", ErrMalformed)
	}
	c.confirmation.Unknown = true
	for _, m := range []struct {
		name string
		dst  *string
	}{{"jkt", &c.confirmation.JKT}, {"x5t#S256", &c.confirmation.X5TS256}} {
		raw, ok := cnf.Get(m.name)
		if !ok {
			continue
		}
		if *m.dst, ok = jose.String(raw); !ok || *m.dst == "" {
			return fmt.Errorf("%w: member %q of cnf is not a string", ErrMalformed, m.name)
		}
		c.confirmation.Unknown = false // RFC 7800 section 3.1: unknown members beside a known one are ignored
	}
	return nil
}

// claimName is a compiled claim name.
type claimName struct {
	text    string
	path    []string // of a JSON pointer; nil for a top-level name
	members bool     // the last part was "*"
}

// parseClaimName reads a name, or a JSON pointer (RFC 6901 section 3).
func parseClaimName(s string) (claimName, error) {
	n := claimName{text: s}
	if s == "" {
		return n, errors.New("verifier: a claim's name is empty")
	}
	if !strings.HasPrefix(s, "/") {
		return n, nil
	}
	n.path = strings.Split(s[1:], "/")
	if last := len(n.path) - 1; n.path[last] == "*" {
		n.path, n.members = n.path[:last], true
	}
	for i, part := range n.path {
		if rest := strings.NewReplacer("~0", "", "~1", "").Replace(part); strings.Contains(rest, "~") {
			return n, fmt.Errorf(`verifier: claim name %q: "~" must be written "~0", and "/" inside a name "~1" (RFC 6901)`, s)
		}
		n.path[i] = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
	}
	return n, nil
}

// lookup returns a claim's raw JSON text, "" for one that is absent or null.
func (c *Claims) lookup(n claimName) string {
	if n.path == nil && !n.members {
		raw, _ := c.body.Get(n.text)
		return absentIfNull(raw)
	}
	raw := c.body.Text()
	for _, part := range n.path {
		o, err := jose.ParseObject([]byte(raw), jose.PayloadLimits)
		if err != nil {
			return ""
		}
		if raw, _ = o.Get(part); raw == "" {
			return ""
		}
	}
	return absentIfNull(raw)
}

func absentIfNull(raw string) string {
	if raw == "null" {
		return ""
	}
	return raw
}

// text reads a claim that is a string, "" if it is absent.
func (c *Claims) text(name string) (string, error) {
	raw := c.lookup(claimName{text: name})
	if raw == "" {
		return "", nil
	}
	s, ok := jose.String(raw)
	if !ok {
		return "", fmt.Errorf("%w: claim %q is not a string", ErrMalformed, name)
	}
	return s, nil
}

// firstText reads the first of several claims that is there.
func (c *Claims) firstText(names []claimName) (string, error) {
	for _, n := range names {
		if raw := c.lookup(n); raw != "" {
			s, ok := jose.String(raw)
			if !ok {
				return "", fmt.Errorf("%w: claim %q is not a string", ErrMalformed, n.text)
			}
			return s, nil
		}
	}
	return "", nil
}

// list reads a claim that is a string or an array of strings (RFC 7519 section 4.1.3).
func (c *Claims) list(n claimName) ([]string, error) {
	if s, ok := jose.String(c.lookup(n)); ok {
		return []string{s}, nil
	}
	list, ok := c.listOrNames(n)
	if !ok {
		return nil, fmt.Errorf("%w: claim %q is neither a string nor an array of strings", ErrMalformed, n.text)
	}
	return list, nil
}

// listOrNames reads an array of strings, or the names of an object's members where the claim's name ends in "*".
func (c *Claims) listOrNames(n claimName) ([]string, bool) {
	if !n.members {
		return jose.Strings(c.lookup(n))
	}
	o, err := jose.ParseObject([]byte(c.lookup(n)), jose.PayloadLimits)
	return o.Names(), err == nil
}

// date reads a NumericDate (RFC 7519 section 2), which may be fractional; zero if it is absent.
func (c *Claims) date(name string) (time.Time, error) {
	raw := c.lookup(claimName{text: name})
	if raw == "" {
		return time.Time{}, nil
	}
	t, ok := jose.Date(raw)
	if !ok {
		return time.Time{}, fmt.Errorf("%w: claim %q is not a number of seconds before the year 10000", ErrMalformed, name)
	}
	return t, nil
}

// holds reports whether a claim has one of the wanted strings.
func (c *Claims) holds(m matchRule) bool {
	if c.lookup(m.claim) == "" {
		return false
	}
	if len(m.values) == 0 {
		return true
	}
	list, err := c.list(m.claim)
	return err == nil && slices.ContainsFunc(list, func(s string) bool { return slices.Contains(m.values, s) })
}
