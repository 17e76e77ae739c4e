// Package introspection decides about access tokens by asking the authorization server that issued them (RFC 7662):
// opaque tokens, which nobody else can read, and JWTs where a revocation must count at once. An [Introspector] is a
// [verifier.TokenVerifier], so that a guard, an adapter and [verifier.WithRevocation] take it as they take a
// [verifier.Verifier]; [ByShape] puts one beside the other.
//
// What the server says of an active token is checked as the claims of a JWT are: issuer, audience, time, the profile,
// clients and match of the configuration. Answers may be signed (RFC 9701).
//
// What it does not check: scopes and proofs of possession, which are the guard's. The authorization server learns of
// every use of a token, as often as the memory forgets (RFC 9701 section 9): where it must not, use JWTs.
package introspection

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/bearerguard/bearerguard/internal/jose"
	"github.com/bearerguard/bearerguard/internal/lru"
	"github.com/bearerguard/bearerguard/internal/seam"
	"github.com/bearerguard/bearerguard/verifier"
)

// Config says whom to ask and which tokens are good. Tokens and Auth are required; every other zero value is a safe default.
type Config struct {
	// Tokens says which tokens are good, and whose, as for [verifier.New], so that one value serves both. Issuer and
	// Audience are required. These differ:
	//
	//   - A zero Profile stands for [RFC7662]. Profile.Types are never looked at: there is no header.
	//   - JWKS, JWKSURL, Algorithms and Refresh are used for signed answers alone; set Algorithms to what
	//     is registered as introspection_signed_response_alg.
	//   - CacheSize is how many active tokens are remembered. 0: 4096; negative: none.
	//   - Client and DangerouslyAllowHTTP are used for the endpoint too.
	//   - In a VerifyEvent, Cached means that the endpoint had been asked before.
	//   - An issuer that is neither asked for its metadata nor for keys need not be a URL.
	Tokens verifier.Config
	// Endpoint is the URL to ask, https, or http on loopback. Empty: introspection_endpoint of the issuer's metadata. Some servers
	// publish none there, Ory Hydra and django-oauth-toolkit among them.
	Endpoint string
	// Auth is how this server shows the endpoint who it is: ClientSecretBasic, ClientSecretPost, PrivateKeyJWT,
	// MutualTLS, BearerToken or None.
	Auth Auth
	// MayLack lists what an answer may lack where the server doesn't send it: "iss", "exp", "client_id" and names in
	// Profile.Require. What is there is checked all the same.
	MayLack []string
	// DangerouslyAcceptMissingAudience accepts answers without an audience: a token that was meant for another API of the
	// issuer is then accepted too, unless the server calls such tokens inactive. An audience that is there is checked.
	DangerouslyAcceptMissingAudience bool
	// Signed asks for signed answers (RFC 9701), and takes no others. Encrypted ones can't be read.
	Signed bool
	// AnswerAudience lists who a signed answer may be for. Empty: the client id of Auth, which the other methods than
	// BearerToken and None have. Some servers write the audience of the token: then repeat Tokens.Audience here.
	AnswerAudience []string
	// TTL is how long an answer about an active token is remembered, never beyond the token's exp: how late a revocation may be
	// noticed. 0: 60 s; negative: not at all, so that each request is a call.
	TTL time.Duration
	// InactiveTTL is how long a token that is not good is remembered as such. 0: 10 s; negative: not at all.
	InactiveTTL time.Duration
	// MaxStale is how long, beyond TTL but never beyond the token's exp, the last good answer serves while the endpoint can't
	// be had. 0: not at all.
	MaxStale time.Duration
	// Timeout bounds one call, discovery and this server's own token included. 0: 5 s.
	Timeout time.Duration
	// Called is told about each call, from a goroutine of its own. It gets no token. Watch it for [ErrCredentials].
	Called func(context.Context, CallEvent)
}

// CallEvent is one call to the endpoint.
type CallEvent struct {
	Issuer   string
	URL      string        // of the endpoint; "" if discovery failed
	Status   int           // of HTTP; 0: no answer
	Duration time.Duration // by Tokens.Now
	Active   bool          // the token is good
	Err      error         // why the call told nothing about the token; nil if it did
}

var (
	// ErrInactive: the authorization server says that the token is not active: unknown, expired, revoked, or not for this
	// server to see; it doesn't say which (RFC 7662 section 2.2). It wraps [verifier.ErrInvalidToken].
	ErrInactive error = &seam.Reason{Code: "inactive", Text: "invalid token: the authorization server says that it is not active", Kind: verifier.ErrInvalidToken}
	// ErrCredentials: the endpoint refuses this server's own credentials, so that no token can be verified until someone
	// mends the configuration. The errors that wrap it wrap [verifier.ErrUnavailable] too: it is no token's fault.
	ErrCredentials = errors.New("the introspection endpoint refuses this server's own credentials")
)

// RFC7662 is the profile of an answer that has the members of RFC 7662 section 2.2 and no others need be there: aud, scope,
// client_id and jti by these names, and no sign of an ID token.
func RFC7662() verifier.Profile {
	return verifier.Profile{
		Types: []string{""}, Forbid: verifier.Generic().Forbid,
		AudienceClaims: []string{"aud"}, ScopeClaims: []string{"scope"}, ClientIDClaims: []string{"client_id"}, IDClaims: []string{"jti"},
	}
}

// Introspector decides about the tokens of one issuer, of every shape, by asking it. Answers are remembered for a short
// while, by the hash of the token; requests that bring the same token share one call; at most 64 calls are in flight, and
// beyond that tokens that are not remembered are [verifier.ErrUnavailable]. It is safe for concurrent use. It has no
// goroutine but those of its calls, each with a deadline, and nothing to close. The zero Introspector refuses everything.
type Introspector struct {
	issuer         string
	auth           Auth
	client         *http.Client
	endpoint       *endpoint
	inside         inside
	signed         bool
	answerAudience []string
	matched        map[string]bool // members that the profile judges itself
	skew           time.Duration
	timeout        time.Duration
	now            func() time.Time
	hooks          verifier.Hooks
	called         func(context.Context, CallEvent)
	memory         *memory
	owners         *owners
	calls          calls
}

var errZero = &verifier.UnavailableError{Err: errors.New("a zero Introspector knows no endpoint: make one with introspection.New")}

// Verify decides about one token as it stood behind the scheme in the Authorization field. The error wraps
// [verifier.ErrInvalidToken], or [verifier.ErrUnavailable] and is then a [*verifier.UnavailableError]: where the endpoint
// can't be had, answers with something else than it should, or refuses this server ([ErrCredentials]).
func (i *Introspector) Verify(ctx context.Context, token string) (*verifier.Claims, error) {
	if i == nil || i.inside == nil {
		return nil, errZero
	}
	if i.hooks.Verified == nil {
		claims, _, err := i.decide(ctx, token)
		return claims, err
	}
	start := i.now()
	claims, cached, err := i.decide(ctx, token)
	i.hooks.Verified(ctx, verifier.VerifyEvent{Issuer: i.issuer, Claims: claims, Err: err, Cached: cached, Duration: i.now().Sub(start)})
	return claims, err
}

// decide looks at the token's size and characters, then into the memory, then asks.
func (i *Introspector) decide(ctx context.Context, token string) (claims *verifier.Claims, cached bool, err error) {
	if len(token) > jose.MaxToken {
		return nil, false, errTooLong
	}
	if !isB64Token(token) {
		return nil, false, errNoToken
	}
	h, now := hashOf(token), i.now()
	if v := i.memory.get(h, now); v != nil {
		return v.claims, true, v.err
	}
	v, cached, err := i.ask(ctx, h, token, now)
	if err != nil {
		// Who hangs up shall not get by that what the endpoint might refuse.
		if v = i.memory.last(h, i.now()); v == nil || ctx.Err() != nil {
			return nil, false, err
		}
		cached = true
	}
	return v.claims, cached, v.err
}

var (
	errTooLong = fmt.Errorf("%w: longer than %d bytes", verifier.ErrMalformed, jose.MaxToken) // made once: a flood of them costs nothing
	errNoToken = fmt.Errorf("%w: a character that no bearer token has (RFC 6750 section 2.1)", verifier.ErrMalformed)
)

// Warm makes one call, about a token that is made up, and reports whether endpoint and credentials are good, and with
// Signed the keys: for start-up. The error is a [*verifier.UnavailableError]; the Introspector heals by itself all the same.
func (i *Introspector) Warm(ctx context.Context) error {
	if i == nil || i.inside == nil {
		return errZero
	}
	probe := rand.Text()
	v, _, err := i.ask(ctx, hashOf(probe), probe, i.now())
	switch {
	case err != nil:
		return err
	case !errors.Is(v.err, ErrInactive): // nil, or active and not good for want of members
		return &verifier.UnavailableError{Err: errors.New("the introspection endpoint calls a made-up token active: it would call every token so")}
	case i.signed:
		return i.inside.WarmKeys(ctx)
	}
	return nil
}

// Health is what a readiness probe and an operator want to know of the endpoint.
type Health struct {
	Ready       bool      // it has answered, and still did when last asked; with Signed, there are keys too
	Endpoint    string    // its URL, "" if that isn't known yet
	InFlight    int       // calls under way
	AnsweredAt  time.Time // when it last answered; zero: not yet
	NextAttempt time.Time // before which no call is made; zero: one may be made now
	Err         error     // of the last call; nil if it was answered, or none has ended
}

// Health never waits. Where the endpoint has not answered yet, or not lately, it starts a call about a made-up token, so
// that a service that is kept out of traffic until it is ready gets ready.
func (i *Introspector) Health() Health {
	if i == nil || i.inside == nil {
		return Health{Err: errZero}
	}
	now := i.now()
	keysReady := !i.signed || i.inside.Keys().Ready
	i.calls.mu.Lock()
	h := Health{AnsweredAt: i.calls.answeredAt, Err: i.calls.err, InFlight: len(i.calls.flights)}
	h.Ready = keysReady && !h.AnsweredAt.IsZero() && i.calls.failures < patience
	if wait := i.calls.pausing(now); wait > 0 {
		h.NextAttempt = now.Add(wait)
	}
	i.calls.mu.Unlock()
	h.Endpoint, _ = i.endpoint.known(now)
	if !h.Ready && h.InFlight == 0 {
		probe := rand.Text()
		_, _, _ = i.join(context.Background(), hashOf(probe), probe, now) // how it went, the next Health tells
	}
	return h
}

// newOwners: as many answers as tokens are remembered, and a signed one is too old to be replayed after a minute.
func newOwners() *owners { return &owners{tokens: lru.New[lru.Hash](defaultMemory)} }
