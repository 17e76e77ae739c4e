package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	josejwt "github.com/go-jose/go-jose/v4/jwt"
	"github.com/golang-jwt/jwt/v5"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"
	jwxjwt "github.com/lestrrat-go/jwx/v2/jwt"

	"github.com/bearerguard/bearerguard/verifier"
)

const (
	issuer   = "https://as.example.com"
	audience = "https://api.example.com"
	skew     = 30 * time.Second
)

// now is the clock of all: a round second, so that the edges of exp, nbf and iat can be met.
var now = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return now }

var algorithms = []string{"RS256", "ES256", "EdDSA"}

// verify tells why a token is refused; nil: it is accepted.
type verify func(token string) error

// peer is another library, set up as a careful user would: algorithms, issuer, audience and clock given, exp demanded,
// tokens without kid tried with the key for their alg, all else as the library has it.
type peer struct {
	name   string
	verify verify
}

func peers(set []byte) ([]peer, error) {
	goJose, err := goJose(set)
	if err != nil {
		return nil, err
	}
	jwx, err := jwx(set)
	if err != nil {
		return nil, err
	}
	return []peer{{"golang-jwt", caught(golangJWT())}, {"go-jose", caught(goJose)}, {"jwx", caught(jwx)}}, nil
}

// caught takes a panic for a refusal: it isn't ours to mend.
func caught(v verify) verify {
	return func(token string) (err error) {
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("panic: %v", p)
			}
		}()
		return v(token)
	}
}

// ours is a verifier with static keys. What it accepts it is asked again, and then answers from memory.
func ours(set []byte, profile verifier.Profile) (verify, error) {
	v, err := verifier.New(verifier.Config{
		Issuer: issuer, Audience: []string{audience}, Profile: profile, JWKS: set, Algorithms: algorithms, ClockSkew: skew, Now: clock,
	})
	if err != nil {
		return nil, err
	}
	return func(token string) error {
		if _, err := v.Verify(context.Background(), token); err != nil {
			return err
		}
		if _, err := v.Verify(context.Background(), token); err != nil {
			return fmt.Errorf("accepted at first, then: %v", err)
		}
		return nil
	}, nil
}

func golangJWT() verify {
	parser := jwt.NewParser(
		jwt.WithValidMethods(algorithms), jwt.WithIssuer(issuer), jwt.WithAudience(audience), jwt.WithExpirationRequired(),
		jwt.WithIssuedAt(), jwt.WithLeeway(skew), jwt.WithTimeFunc(clock),
	)
	keys := map[string]*signingKey{}
	for _, k := range []*signingKey{keyRS, keyES, keyEd} {
		keys[k.kid] = k
	}
	find := func(t *jwt.Token) (any, error) {
		named, there := t.Header["kid"]
		kid, ok := named.(string)
		if there && !ok {
			return nil, errors.New("kid is not a string")
		}
		for _, k := range keys {
			if k.alg == t.Method.Alg() && (!there || k.kid == kid) {
				return k.private.Public(), nil
			}
		}
		return nil, errors.New("no such key")
	}
	return func(token string) error {
		_, err := parser.ParseWithClaims(token, &jwt.RegisteredClaims{}, find)
		return err
	}
}

func goJose(set []byte) (verify, error) {
	var keys jose.JSONWebKeySet
	if err := json.Unmarshal(set, &keys); err != nil {
		return nil, err
	}
	accepted := []jose.SignatureAlgorithm{jose.RS256, jose.ES256, jose.EdDSA}
	expected := josejwt.Expected{Issuer: issuer, AnyAudience: josejwt.Audience{audience}, Time: now}
	return func(token string) error {
		parsed, err := josejwt.ParseSigned(token, accepted)
		if err != nil {
			return err
		}
		var claims josejwt.Claims
		if err := parsed.Claims(candidate(&keys, parsed.Headers[0]), &claims); err != nil {
			return err
		}
		if claims.Expiry == nil {
			return errors.New("no exp")
		}
		return claims.ValidateWithLeeway(expected, skew)
	}, nil
}

// candidate is the whole set or, for a token without kid, which go-jose finds no key for, the key for its alg.
func candidate(keys *jose.JSONWebKeySet, header jose.Header) any {
	for _, k := range keys.Keys {
		if header.KeyID == "" && k.Algorithm == header.Algorithm {
			return k
		}
	}
	return keys
}

func jwx(set []byte) (verify, error) {
	keys, err := jwk.Parse(set)
	if err != nil {
		return nil, err
	}
	options := []jwxjwt.ParseOption{
		jwxjwt.WithIssuer(issuer), jwxjwt.WithAudience(audience), jwxjwt.WithRequiredClaim(jwxjwt.ExpirationKey),
		jwxjwt.WithAcceptableSkew(skew), jwxjwt.WithClock(jwxjwt.ClockFunc(clock)),
	}
	named := append(slices.Clip(options), jwxjwt.WithKeySet(keys))
	nameless := append(slices.Clip(options), jwxjwt.WithKeySet(keys, jws.WithRequireKid(false)))
	return func(token string) error {
		_, err := jwxjwt.ParseString(token, named...)
		if err != nil && !hasKid(token) { // which jwx refuses; the option for all tokens would make it pass over kid
			_, err = jwxjwt.ParseString(token, nameless...)
		}
		return err
	}, nil
}

func hasKid(token string) bool {
	message, err := jws.ParseString(token)
	return err != nil || message.Signatures()[0].ProtectedHeaders().KeyID() != ""
}
