package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	auth0jwks "github.com/auth0/go-jwt-middleware/v2/jwks"
	auth0validator "github.com/auth0/go-jwt-middleware/v2/validator"
	coreos "github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	josejwt "github.com/go-jose/go-jose/v4/jwt"
	"github.com/golang-jwt/jwt/v5"
	"github.com/lestrrat-go/jwx/v2/jwk"
	jwxjwt "github.com/lestrrat-go/jwx/v2/jwt"
	"github.com/zitadel/oidc/v3/pkg/client/rp"
	zitadel "github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/bearerguard/bearerguard/internal/bench/mint"
	"github.com/bearerguard/bearerguard/verifier"
)

const (
	jwksURL = "http://127.0.0.1/keys" // nobody is asked: see inMemory
)

// verify is what every library is behind.
type verify func(token string) error

// library is one that is compared. It is told issuer, audience and algorithm where it can be.
type library struct {
	name   string
	module string
	start  func(set []byte, alg string) (verify, error)
}

var peers = []library{
	{"golang-jwt 5 + keyfunc 3", "github.com/golang-jwt/jwt/v5", startGolangJWT},
	{"go-jose 4", "github.com/go-jose/go-jose/v4", startGoJose},
	{"go-oidc 3", "github.com/coreos/go-oidc/v3", startGoOIDC},
	{"auth0 2", "github.com/auth0/go-jwt-middleware/v2", startAuth0},
	{"zitadel/oidc 3", "github.com/zitadel/oidc/v3", startZitadel},
	{"jwx 2 jwt.Parse", "github.com/lestrrat-go/jwx/v2", startJWX},
}

// start returns peers that are ready, as sides.
func startPeers(set []byte, alg, token string) ([]*side, error) {
	var sides []*side
	for _, l := range peers {
		v, err := l.start(set, alg)
		if err != nil {
			return nil, err
		}
		sides = append(sides, &side{name: l.name, call: func() error { return v(token) }})
	}
	return sides, nil
}

func newOurs(set []byte, cacheSize int, hooks verifier.Hooks) (*verifier.Verifier, error) {
	return verifier.New(verifier.Config{Issuer: mint.Issuer, Audience: []string{mint.Audience}, JWKS: set, CacheSize: cacheSize, Hooks: hooks})
}

func startOurs(set []byte, cacheSize int) (verify, error) {
	v, err := newOurs(set, cacheSize, verifier.Hooks{})
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	return func(token string) error {
		_, err := v.Verify(ctx, token)
		return err
	}, nil
}

// inMemory answers every request with a key set.
type inMemory []byte

func (set inMemory) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		Status: "200 OK", StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/json"}, "Cache-Control": {"max-age=86400"}},
		Body:   io.NopCloser(bytes.NewReader(set)), ContentLength: int64(len(set)),
	}, nil
}

func startGolangJWT(set []byte, alg string) (verify, error) {
	keys, err := keyfunc.NewJWKSetJSON(set)
	if err != nil {
		return nil, err
	}
	parser := jwt.NewParser(jwt.WithIssuer(mint.Issuer), jwt.WithAudience(mint.Audience), jwt.WithValidMethods([]string{alg}), jwt.WithExpirationRequired())
	return func(token string) error {
		_, err := parser.Parse(token, keys.Keyfunc)
		return err
	}, nil
}

func startGoJose(set []byte, alg string) (verify, error) {
	keys, err := parseJose(set)
	if err != nil {
		return nil, err
	}
	return func(token string) error {
		parsed, err := josejwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
		if err != nil {
			return err
		}
		var claims josejwt.Claims
		var all map[string]any
		if err := parsed.Claims(keys, &claims, &all); err != nil {
			return err
		}
		return claims.Validate(josejwt.Expected{Issuer: mint.Issuer, AnyAudience: josejwt.Audience{mint.Audience}, Time: time.Now()})
	}, nil
}

func startGoOIDC(set []byte, alg string) (verify, error) {
	ctx := coreos.ClientContext(context.Background(), &http.Client{Transport: inMemory(set)})
	v := coreos.NewVerifier(mint.Issuer, coreos.NewRemoteKeySet(ctx, jwksURL), &coreos.Config{ClientID: mint.Audience, SupportedSigningAlgs: []string{alg}})
	return func(token string) error {
		found, err := v.Verify(ctx, token)
		if err != nil {
			return err
		}
		var claims map[string]any
		return found.Claims(&claims)
	}, nil
}

func newAuth0(set []byte, alg string) (*auth0validator.Validator, error) {
	issuer, err := url.Parse(mint.Issuer)
	if err != nil {
		return nil, err
	}
	keysAt, err := url.Parse(jwksURL)
	if err != nil {
		return nil, err
	}
	keys := auth0jwks.NewCachingProvider(issuer, time.Hour, auth0jwks.WithCustomJWKSURI(keysAt), auth0jwks.WithCustomClient(&http.Client{Transport: inMemory(set)}))
	return auth0validator.New(keys.KeyFunc, auth0validator.SignatureAlgorithm(alg), mint.Issuer, []string{mint.Audience})
}

func startAuth0(set []byte, alg string) (verify, error) {
	v, err := newAuth0(set, alg)
	if err != nil {
		return nil, err
	}
	ctx := context.Background()
	return func(token string) error {
		_, err := v.ValidateToken(ctx, token)
		return err
	}, nil
}

func startZitadel(set []byte, alg string) (verify, error) {
	keys := rp.NewRemoteKeySet(&http.Client{Transport: inMemory(set)}, jwksURL)
	v := op.NewAccessTokenVerifier(mint.Issuer, keys, op.WithSupportedAccessTokenSigningAlgorithms(alg))
	ctx := context.Background()
	return func(token string) error {
		_, err := op.VerifyAccessToken[*zitadel.AccessTokenClaims](ctx, token, v)
		return err
	}, nil
}

func startJWX(set []byte, _ string) (verify, error) {
	keys, err := jwk.Parse(set)
	if err != nil {
		return nil, err
	}
	return func(token string) error {
		_, err := jwxjwt.ParseString(token, jwxjwt.WithKeySet(keys), jwxjwt.WithIssuer(mint.Issuer), jwxjwt.WithAudience(mint.Audience))
		return err
	}, nil
}
