// Package verifier decides whether an OAuth 2.0 access token is good: signature, issuer, audience, time, type and the
// claims that the authorization server's kind of token must have. It finds the issuer's keys by itself and keeps them
// through rotations and outages.
//
// What it does not check: scopes (a route asks for those: package middleware), whether the token was revoked, and the
// proof that a bound token's sender owes (see [Claims.Confirmation]).
package verifier

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/bearerguard/bearerguard/internal/jose"
)

// TokenVerifier is what a guard asks about a token. [Verifier] is the one for JWTs.
//
// Verify returns claims, or an error that wraps [ErrInvalidToken] or [ErrUnavailable]; never nil claims without an error.
// It must be safe for concurrent use.
type TokenVerifier interface {
	Verify(ctx context.Context, token string) (*Claims, error)
}

// Config says which tokens are good. Issuer and Audience are required; every other zero value is a safe default.
type Config struct {
	// Issuer is the authorization server's issuer identifier, compared byte by byte with iss and with the issuer that
	// discovery names (RFC 9068 section 4, RFC 8414 section 3.3). An https URL without query and fragment, or http on
	// loopback; any non-empty string where MetadataURL, JWKSURL or JWKS says where the keys are.
	Issuer string
	// Audience lists the names under which this API is known; a token must be for any one of them (RFC 9068 section 4).
	Audience []string
	// Profile says how the authorization server writes access tokens. Zero: RFC 9068.
	Profile Profile
	// Clients lists the clients whose tokens are accepted. Empty: any client of this issuer.
	Clients []string
	// Match lists claims that must hold one of these strings, as in Profile, for this deployment: {"tid": {"..."}}.
	Match map[string][]string
	// MetadataURL is where the issuer's metadata is when it isn't under Issuer. Its issuer must still equal Issuer.
	MetadataURL string
	// JWKSURL is where the keys are: no discovery then.
	JWKSURL string
	// JWKS is the key set itself: no network then, and the keys never grow stale.
	JWKS []byte
	// Algorithms lists the signature algorithms accepted (RFC 8725 section 3.1). Empty: RS256 RS384 RS512 PS256 PS384 PS512
	// ES256 ES384 ES512 EdDSA, the last one also by its newer name Ed25519.
	Algorithms []string
	// Decryption reads tokens that the authorization server encrypts to this API. Zero: they are refused.
	Decryption Decryption
	// ClockSkew is how far the issuer's clock may be off. 0: 30 s; negative: none; at most 5 minutes (RFC 9068 section 4).
	ClockSkew time.Duration
	// CacheSize is how many verified tokens are surely kept, some 2 KiB each. 0: 4096; negative: none.
	CacheSize int
	// Refresh bounds the life of the fetched keys.
	Refresh RefreshPolicy
	// Client fetches metadata and keys. Nil: one of our own. A caller's is copied: our limits, timeouts and redirect rules
	// hold, and its cookie jar is left out. It sends what credentials it has to the host that discovery names.
	// With a Transport that is not an *http.Transport, that localhost leads to loopback and the issuers that a resolver named
	// to public addresses is the caller's duty.
	Client *http.Client
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
	// Hooks are told what happens.
	Hooks Hooks
	// DangerouslyAllowHTTP lets the metadata's and the keys' URL be http: whoever is on the way can then make tokens.
	// Loopback needs no flag.
	DangerouslyAllowHTTP bool
	// DangerouslyAllowPrivateNetwork lets an issuer that a resolver named ([ResolveIssuers]) have its metadata and keys at
	// private, loopback, link-local and other addresses that are not public, and be reached through a proxy. Without it
	// whoever can register an issuer can make this server call inside its own network. New alone trusts its Config: no meaning.
	DangerouslyAllowPrivateNetwork bool
	// DangerouslyAcceptAnyAudience accepts tokens that were meant for other APIs (RFC 9700 section 2.3). Audience must be empty then.
	DangerouslyAcceptAnyAudience bool
}

// RefreshPolicy bounds the life of fetched keys. Each zero field means its default.
type RefreshPolicy struct {
	Default  time.Duration // freshness of keys that came without a usable Cache-Control: 10 min
	Min, Max time.Duration // bounds of what Cache-Control asks for: 1 min, 1 h
	MaxStale time.Duration // how long keys serve after their last good fetch while no fetch succeeds: 24 h; negative: not beyond their freshness
	Timeout  time.Duration // of one attempt, discovery and keys together: 5 s
}

// Hooks are called synchronously: be quick. They get no token. Any may be nil.
type Hooks struct {
	// Verified is called once for each Verify.
	Verified func(context.Context, VerifyEvent)
	// Fetched is called once for each attempt to get keys, from a goroutine of its own.
	Fetched func(context.Context, FetchEvent)
}

// VerifyEvent is one decision about a token.
type VerifyEvent struct {
	Issuer   string        // Config.Issuer
	Claims   *Claims       // nil if the token was refused
	Err      error         // nil if it was accepted
	Cached   bool          // the signature had been verified before
	Duration time.Duration // by Config.Now, waiting for keys included
}

// FetchEvent is one attempt to get the issuer's keys.
type FetchEvent struct {
	Issuer      string
	URL         string        // of the keys; "" if discovery failed
	Duration    time.Duration // by Config.Now
	Keys        int           // usable keys that are now served
	Skipped     int           // keys that were passed over
	NotModified bool          // the server said that nothing changed
	Err         error         // nil if the attempt succeeded
}

// JoinHooks calls each of several hooks in turn.
func JoinHooks(hooks ...Hooks) Hooks {
	return Hooks{
		Verified: func(ctx context.Context, e VerifyEvent) {
			for _, h := range hooks {
				if h.Verified != nil {
					h.Verified(ctx, e)
				}
			}
		},
		Fetched: func(ctx context.Context, e FetchEvent) {
			for _, h := range hooks {
				if h.Fetched != nil {
					h.Fetched(ctx, e)
				}
			}
		},
	}
}

// Verifier decides about the tokens of one issuer. It is safe for concurrent use. The zero Verifier refuses everything.
type Verifier struct {
	issuer     string
	entra      bool            // its keys have an issuer member
	tenants    map[string]bool // of EntraTenants: their GUIDs; nil: issuer is the only one
	audience   []string        // empty: any
	clients    []string        // empty: any
	algorithms []string
	skew       time.Duration
	decryption *decryption // nil: none
	rules      *rules
	now        func() time.Time
	hooks      Hooks
	keys       *keyset
	cache      *cache // nil: none
	headers    *headerCache
}

// New checks a configuration and makes its Verifier. It does no I/O, so that a service starts while its issuer is down.
// Every mistake is reported, in one errors.Join. The configuration is copied.
func New(cfg Config) (*Verifier, error) {
	v, err := cfg.assemble()
	if err := errors.Join(cfg.checkIssuer(), cfg.checkProvider(), err); err != nil {
		return nil, err
	}
	return v, nil
}

// assemble makes a Verifier of a configuration whose Issuer has not been looked at. With an error it is not to be used.
func (cfg *Config) assemble() (*Verifier, error) {
	v := &Verifier{
		issuer: cfg.Issuer, entra: entraTenant(cfg.Issuer) != "", audience: slices.Clone(cfg.Audience), clients: slices.Clone(cfg.Clients), algorithms: slices.Clone(cfg.Algorithms),
		skew: cfg.ClockSkew, now: cfg.Now, hooks: cfg.Hooks, headers: newHeaderCache(),
	}
	if len(v.algorithms) == 0 {
		v.algorithms = jose.Algorithms()
	}
	if v.now == nil {
		v.now = time.Now
	}
	v.skew = withDefault(cfg.ClockSkew, defaultSkew)
	if size := withDefault(cfg.CacheSize, defaultCacheSize); size > 0 {
		v.cache = newCache(size, cfg.Decryption.Keys != nil)
	}
	var ruleErr, keyErr, decryptionErr error
	v.rules, ruleErr = cfg.rules()
	v.keys, keyErr = cfg.keyset(v.now)
	v.decryption, decryptionErr = cfg.Decryption.compile()
	return v, errors.Join(cfg.check(), ruleErr, keyErr, decryptionErr)
}

// Warm fetches the keys, if they are missing or out of date, and waits for them, a second at most where old ones still serve:
// for start-up. It does nothing where the keys are configured. The error, where no keys serve, is an [*UnavailableError]; the
// verifier heals by itself all the same.
func (v *Verifier) Warm(ctx context.Context) error {
	if v == nil || v.keys == nil {
		return errZeroVerifier
	}
	_, err := v.keys.current(ctx, v.now())
	return err
}

// Health never waits. Where keys are missing or due it starts the fetch, so that a service that is kept out of traffic
// until it is ready gets ready.
func (v *Verifier) Health() Health {
	if v == nil || v.keys == nil {
		return Health{Err: errZeroVerifier}
	}
	return v.keys.health(v.now())
}

var errZeroVerifier = &UnavailableError{Err: errors.New("a zero Verifier knows no issuer: make one with verifier.New")}

// Verify decides about one token as it stood behind the scheme in the Authorization field. The error wraps [ErrInvalidToken]
// and one of the reasons beside it, or [ErrUnavailable] and is then an [*UnavailableError]. It waits for the network only
// where keys are missing or the token's is unknown, a second at most where they are out of date, and not beyond ctx.
func (v *Verifier) Verify(ctx context.Context, token string) (*Claims, error) {
	if v == nil || v.keys == nil {
		return nil, errZeroVerifier
	}
	var m mark
	if v.cache != nil && len(token) <= jose.MaxToken {
		m = markOf(token)
	}
	return v.verify(ctx, token, &m)
}

func (v *Verifier) verify(ctx context.Context, token string, m *mark) (*Claims, error) {
	if v.hooks.Verified == nil {
		claims, _, err := v.decide(ctx, token, m)
		return claims, err
	}
	start := v.now()
	claims, cached, err := v.decide(ctx, token, m)
	v.hooks.Verified(ctx, VerifyEvent{Issuer: v.issuer, Claims: claims, Err: err, Cached: cached, Duration: v.now().Sub(start)})
	return claims, err
}

// decide runs the checks of checks.go in their order, to the first failure. A token that passed them all is remembered.
func (v *Verifier) decide(ctx context.Context, token string, m *mark) (claims *Claims, cached bool, err error) {
	if len(token) > jose.MaxToken {
		return nil, false, errTooLong
	}
	now := v.now()
	if claims, err := v.recall(ctx, token, m, now); claims != nil || err != nil {
		return claims, true, err
	}
	t := newInspection(v, ctx, token, now)
	defer t.release()
	for i := range checks {
		if err := checks[i].run(t); err != nil {
			return nil, false, err
		}
	}
	v.cache.add(token, m, t)
	v.headers.add(t.compact.Header, t.header)
	return t.claims, false, nil
}

// recall finds a token that is remembered, whose dates allow it now, and whose key is still the issuer's: what a check found
// in its bytes it would find again. Without one it returns nil and nil, and the checks decide.
func (v *Verifier) recall(ctx context.Context, token string, m *mark, now time.Time) (*Claims, error) {
	entry, ok := v.cache.get(token, m)
	if !ok || now.Before(entry.from) || !now.Before(entry.until) {
		return nil, nil
	}
	set, err := v.keys.current(ctx, now)
	if err != nil || !set.holds(entry.key) {
		return nil, err
	}
	return entry.claims, nil
}
