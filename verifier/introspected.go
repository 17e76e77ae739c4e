package verifier

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"

	"github.com/bearerguard/bearerguard/internal/fetch"
	"github.com/bearerguard/bearerguard/internal/seam"
)

func init() {
	seam.Introspected = func(config any, o seam.Options) (any, error) { return newIntrospected(config.(Config), o) }
	seam.Decrypts = decrypts
}

// decrypts looks through what stands around a Verifier. What a resolver would say isn't known before it is asked.
func decrypts(v any) bool {
	switch v := v.(type) {
	case *Verifier:
		return v.decryption != nil
	case *revocable:
		return decrypts(v.next)
	case *issuers:
		for _, one := range v.byName {
			if decrypts(one) {
				return true
			}
		}
	}
	return false
}

// introspected is what package introspection uses of this one.
type introspected struct {
	tokens   *Verifier // whose tokens the answers are about
	answers  *Verifier // of signed answers: the same issuer and the same keys
	options  seam.Options
	endpoint *source // the issuer's metadata
}

// signedAnswer is the profile of a signed answer (RFC 9701 section 5). Whom it is for is the caller's to compare.
var signedAnswer = Profile{
	Types: []string{"token-introspection+jwt"}, Require: []string{"aud", "iat", "token_introspection"}, AudienceClaims: []string{"aud"},
}

func newIntrospected(cfg Config, o seam.Options) (*introspected, error) {
	cfg.CacheSize = -1 // answers are remembered elsewhere
	v, err := cfg.assemble()
	located := cfg // an Issuer that is neither asked for the endpoint nor for keys need not be a URL
	switch {
	case len(o.Discover) > 0:
		located.JWKSURL, located.JWKS = "", nil
	case !o.Signed:
		located.MetadataURL = "unused"
	}
	if o.Endpoint != "" {
		err = errors.Join(err, cfg.checkURL("Endpoint", o.Endpoint))
	}
	rules, ruleErr := signedAnswer.compile()
	if err := errors.Join(located.checkIssuer(), err, ruleErr); err != nil {
		return nil, err
	}
	i := &introspected{tokens: v, options: o, answers: &Verifier{
		issuer: v.issuer, algorithms: v.algorithms, skew: v.skew, rules: rules, now: v.now, keys: v.keys, headers: newHeaderCache(),
	}}
	lenient := *v.rules
	lenient.require = slices.DeleteFunc(slices.Clone(lenient.require), func(n claimName) bool { return i.mayLack(n.text) })
	v.rules = &lenient
	i.endpoint = &source{issuer: cfg.Issuer, client: fetch.NewClient(cfg.Client), allowHTTP: cfg.DangerouslyAllowHTTP}
	if cfg.MetadataURL != "" {
		i.endpoint.metadata = []string{cfg.MetadataURL}
	} else if u, err := url.Parse(cfg.Issuer); err == nil {
		i.endpoint.metadata = metadataURLs(u)
	}
	return i, nil
}

func (i *introspected) mayLack(name string) bool { return slices.Contains(i.options.MayLack, name) }

// Discover asks the issuer's metadata where the endpoint is. One caller at a time may.
func (i *introspected) Discover(ctx context.Context) (string, error) {
	return i.endpoint.discover(ctx, i.options.Discover...)
}

// Keys tells of the keys that verify signed answers.
func (i *introspected) Keys() Health { return i.answers.Health() }

// WarmKeys fetches them.
func (i *introspected) WarmKeys(ctx context.Context) error { return i.answers.Warm(ctx) }

// Read runs the checks that look at claims alone.
func (i *introspected) Read(ctx context.Context, answer string) (*Claims, error) {
	t := newInspection(i.tokens, ctx, "", i.tokens.now())
	defer t.release()
	c := &Claims{}
	t.claims = c
	if err := c.readEnvelope([]byte(answer), i.tokens.rules); err != nil {
		return nil, err
	}
	for _, check := range checks {
		if check.needs == 0 || check.needs&^(haveClaims|haveTypes) != 0 || i.passesOver(check.name, c) {
			continue
		}
		if err := check.run(t); err != nil {
			return nil, i.hintLacking(check.name, c, err)
		}
	}
	if c.issuer == "" {
		c.issuer = i.tokens.issuer // RFC 7662 section 2.2: active means that this server issued it
	}
	return c, nil
}

// passesOver reports whether a check has nothing to look at, which is allowed to be so.
func (i *introspected) passesOver(check string, c *Claims) bool {
	absent := func(names ...claimName) bool {
		return !slices.ContainsFunc(names, func(n claimName) bool { return c.lookup(n) != "" })
	}
	switch check {
	case "issuer":
		return i.mayLack("iss") && absent(claimName{text: "iss"})
	case "expiry":
		return i.mayLack("exp") && absent(claimName{text: "exp"})
	case "audience":
		return i.mayLack("aud") && len(c.audience) == 0 && absent(i.tokens.rules.audience...)
	case "client":
		return i.mayLack("client_id") && absent(i.tokens.rules.clientID...) && len(i.tokens.clients) == 0
	}
	return false
}

// hintLacking tells of the setting for servers that leave out what an answer must have.
func (i *introspected) hintLacking(check string, c *Claims, err error) error {
	lacks := errors.Is(err, ErrMissingClaim) || errors.Is(err, ErrIssuer) && c.lookup(claimName{text: "iss"}) == ""
	if !lacks || check == "client" && len(i.tokens.clients) > 0 { // whose tokens are meant can't be told then
		return err
	}
	return fmt.Errorf("%w: if the server never sends it, name it in introspection.Config.MayLack", err)
}

// Open verifies a signed answer (RFC 9701 section 5), but not whom it is for. It has no exp, and may be longer than a
// token. The errors are about the answer, not about a token, so that they wrap none of this package's but [ErrUnavailable].
func (i *introspected) Open(ctx context.Context, answer string) (envelope *Claims, introspection string, err error) {
	t := newInspection(i.answers, ctx, answer, i.answers.now())
	defer t.release()
	for _, check := range checks {
		if check.name == "size" || check.name == "expiry" && t.claims.expiry.IsZero() {
			continue
		}
		if err := check.run(t); err != nil {
			if errors.Is(err, ErrUnavailable) {
				return nil, "", err
			}
			return nil, "", fmt.Errorf("%s: %v", check.name, err)
		}
	}
	i.answers.headers.add(t.compact.Header, t.header)
	return t.claims, t.claims.lookup(claimName{text: "token_introspection"}), nil
}
