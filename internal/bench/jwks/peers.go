package main

import (
	"context"
	"net/url"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	auth0jwks "github.com/auth0/go-jwt-middleware/v2/jwks"
	auth0validator "github.com/auth0/go-jwt-middleware/v2/validator"
	coreos "github.com/coreos/go-oidc/v3/oidc"
	"github.com/golang-jwt/jwt/v5"
	"github.com/lestrrat-go/jwx/v2/jwk"
	jwxjwt "github.com/lestrrat-go/jwx/v2/jwt"
	"github.com/zitadel/oidc/v3/pkg/client"
	"github.com/zitadel/oidc/v3/pkg/client/rp"
	zitadelhttp "github.com/zitadel/oidc/v3/pkg/http"
	zitadel "github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// tokenVerifier is what every library is behind.
type tokenVerifier interface {
	Verify(ctx context.Context, token string) error
}

type verifierFunc func(ctx context.Context, token string) error

func (f verifierFunc) Verify(ctx context.Context, token string) error { return f(ctx, token) }

// setup is what a verifier is made from. All else is the library's default.
type setup struct {
	issuer  string
	jwksURL string
	ttl     time.Duration    // how long keys are good, where that can be set; 0: the default
	now     func() time.Time // ours alone has a clock that can be set
}

// library is one that is played against.
type library struct {
	name   string
	module string
	ttl    bool // it has such a setting
	start  func(ctx context.Context, s setup) (tokenVerifier, error)
}

var libraries = []library{
	{oursName, "github.com/bearerguard/bearerguard", false, startOurs},
	{"jwx 2 Cache", "github.com/lestrrat-go/jwx/v2", true, startJWX},
	{"keyfunc 3", "github.com/MicahParks/keyfunc/v3", true, startKeyfunc},
	{"go-oidc 3", "github.com/coreos/go-oidc/v3", false, startGoOIDC},
	{"zitadel/oidc 3", "github.com/zitadel/oidc/v3", false, startZitadel},
	{"auth0 2", "github.com/auth0/go-jwt-middleware/v2", true, startAuth0},
}

func startJWX(ctx context.Context, s setup) (tokenVerifier, error) {
	var cacheOptions []jwk.CacheOption
	var options []jwk.RegisterOption
	if s.ttl > 0 {
		cacheOptions = append(cacheOptions, jwk.WithRefreshWindow(s.ttl))
		options = append(options, jwk.WithMinRefreshInterval(s.ttl))
	}
	cache := jwk.NewCache(ctx, cacheOptions...)
	if err := cache.Register(s.jwksURL, options...); err != nil {
		return nil, err
	}
	return verifierFunc(func(ctx context.Context, token string) error {
		set, err := cache.Get(ctx, s.jwksURL)
		if err != nil {
			return err
		}
		_, err = jwxjwt.ParseString(token, jwxjwt.WithKeySet(set), jwxjwt.WithIssuer(s.issuer), jwxjwt.WithAudience(audience))
		return err
	}), nil
}

func startKeyfunc(ctx context.Context, s setup) (tokenVerifier, error) {
	keys, err := keyfunc.NewDefaultOverrideCtx(ctx, []string{s.jwksURL}, keyfunc.Override{RefreshInterval: s.ttl})
	if err != nil {
		return nil, err
	}
	parser := jwt.NewParser(jwt.WithIssuer(s.issuer), jwt.WithAudience(audience), jwt.WithValidMethods([]string{"ES256"}))
	return verifierFunc(func(ctx context.Context, token string) error {
		_, err := parser.Parse(token, keys.KeyfuncCtx(ctx))
		return err
	}), nil
}

func startGoOIDC(ctx context.Context, s setup) (tokenVerifier, error) {
	provider, err := coreos.NewProvider(ctx, s.issuer)
	if err != nil {
		return nil, err
	}
	v := provider.Verifier(&coreos.Config{ClientID: audience})
	return verifierFunc(func(ctx context.Context, token string) error {
		_, err := v.Verify(ctx, token)
		return err
	}), nil
}

func startZitadel(ctx context.Context, s setup) (tokenVerifier, error) {
	found, err := client.Discover(ctx, s.issuer, zitadelhttp.DefaultHTTPClient)
	if err != nil {
		return nil, err
	}
	v := op.NewAccessTokenVerifier(s.issuer, rp.NewRemoteKeySet(zitadelhttp.DefaultHTTPClient, found.JwksURI))
	return verifierFunc(func(ctx context.Context, token string) error {
		_, err := op.VerifyAccessToken[*zitadel.AccessTokenClaims](ctx, token, v)
		return err
	}), nil
}

func startAuth0(_ context.Context, s setup) (tokenVerifier, error) {
	issuer, err := url.Parse(s.issuer)
	if err != nil {
		return nil, err
	}
	keys := auth0jwks.NewCachingProvider(issuer, s.ttl)
	v, err := auth0validator.New(keys.KeyFunc, auth0validator.ES256, s.issuer, []string{audience})
	if err != nil {
		return nil, err
	}
	return verifierFunc(func(ctx context.Context, token string) error {
		_, err := v.ValidateToken(ctx, token)
		return err
	}), nil
}
