package verifier

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/bearerguard/bearerguard/internal/jose"
	"github.com/bearerguard/bearerguard/internal/lru"
)

// issuers sends each token to the verifier of its issuer.
type issuers struct {
	byName   map[string]*Verifier
	expected string                // the names of the first, for people
	routes   *lru.Cache[*Verifier] // by a good token's signature, so that its payload is not read to find its issuer
}

// Issuers puts the verifiers of several issuers behind one [TokenVerifier]. Each keeps its own keys, memory and budget:
// nothing of one issuer makes a token of another one good, and one's outage leaves the others alone. Two issuers may have
// the same keys, as Entra's version 1 and 2 do, or a tenant's own domain and its custom one. For issuers that are not known
// beforehand there is [ResolveIssuers], for Entra's tenants [EntraTenants].
//
// A token of an issuer that is not among them is refused with [ErrIssuer] and costs no network call; no hook is told.
func Issuers(verifiers ...*Verifier) (TokenVerifier, error) {
	s := &issuers{byName: map[string]*Verifier{}, routes: lru.New[*Verifier](defaultCacheSize)}
	var errs []error
	if len(verifiers) == 0 {
		errs = append(errs, errors.New("verifier: Issuers without a Verifier would refuse every token"))
	}
	for _, v := range verifiers {
		switch {
		case v == nil || v.keys == nil:
			errs = append(errs, errors.New("verifier: Issuers: a nil or zero Verifier: was the error of New dropped?"))
		default:
			for _, name := range v.names() {
				if s.byName[name] != nil {
					errs = append(errs, fmt.Errorf("verifier: Issuers: two verifiers for %q: put their audiences into one Config", name))
				}
				s.byName[name] = v
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	s.expected = quoteAll(slices.Sorted(maps.Keys(s.byName)))
	return s, nil
}

func (s *issuers) Verify(ctx context.Context, token string) (*Claims, error) {
	if len(token) > jose.MaxToken {
		return nil, errTooLong
	}
	m := markOf(token)
	if v, ok := s.routes.Get(m.hash); ok && v.remembers(token, &m) { // and not another token with its signature
		return v.verify(ctx, token, &m)
	}
	name, err := claimedIssuer(token)
	if err != nil {
		return nil, err
	}
	v := s.byName[name]
	if v == nil {
		return nil, fmt.Errorf("%w: iss is %s, this server expects %s", ErrIssuer, quote(name), s.expected)
	}
	claims, err := v.verify(ctx, token, &m)
	if err == nil {
		s.routes.Add(m.hash, v)
	}
	return claims, err
}

// claimedIssuer reads the iss of a token of which nothing is known to be true.
func claimedIssuer(token string) (string, error) {
	if jose.IsEncrypted(token) {
		return statedIssuer(token)
	}
	t := inspection{token: token}
	if err := t.checkForm(); err != nil {
		return "", err
	}
	payload, err := jose.Decode(nil, t.compact.Payload)
	if err != nil {
		return "", t.malformed("payload", err)
	}
	c := Claims{}
	if c.body, err = jose.ParseObject(payload, jose.PayloadLimits); err != nil {
		return "", t.malformed("payload", err)
	}
	iss, err := c.text("iss")
	return strings.Clone(iss), err
}

// revocable asks about every good token.
type revocable struct {
	next    TokenVerifier
	revoked func(context.Context, *Claims) (bool, error)
}

// WithRevocation refuses, with [ErrRevoked], good tokens that revoked knows to be withdrawn. It is asked on every request,
// for remembered tokens too, so it should be quick, and safe for concurrent use. Where it returns an error the token is
// not accepted: the error becomes an [ErrUnavailable], unless it is one.
//
// What can be asked depends on the token: [Claims.ID] is empty where the authorization server writes none. "All that was
// issued before a date" is a comparison with [Claims.IssuedAt], where a token without one must count as older.
//
// It panics on nil.
func WithRevocation(v TokenVerifier, revoked func(context.Context, *Claims) (revoked bool, err error)) TokenVerifier {
	if v == nil || revoked == nil {
		panic("verifier: WithRevocation of nil")
	}
	return &revocable{v, revoked}
}

func (r *revocable) Verify(ctx context.Context, token string) (*Claims, error) {
	claims, err := r.next.Verify(ctx, token)
	if err != nil || claims == nil {
		return nil, err
	}
	revoked, err := r.revoked(ctx, claims)
	switch {
	case errors.Is(err, ErrUnavailable) && !errors.Is(err, ErrInvalidToken):
		return nil, err
	case err != nil:
		return nil, &UnavailableError{Err: fmt.Errorf("asking for revocation: %w", oneKind(err))}
	case revoked:
		return nil, fmt.Errorf("%w: %v", ErrRevoked, claims)
	}
	return claims, nil
}
