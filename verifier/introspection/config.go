package introspection

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"time"

	"github.com/bearerguard/bearerguard/internal/fetch"
	"github.com/bearerguard/bearerguard/internal/seam"
	"github.com/bearerguard/bearerguard/verifier"
)

const defaultSkew = 30 * time.Second // package verifier's

// New checks a configuration and makes its Introspector. It does no I/O, so that a service starts while its issuer is
// down. Every mistake is reported, in one errors.Join. The configuration is copied.
func New(cfg Config) (*Introspector, error) {
	if reflect.ValueOf(cfg.Tokens.Profile).IsZero() {
		cfg.Tokens.Profile = RFC7662()
	}
	if len(cfg.AnswerAudience) == 0 && cfg.Auth.clientID != "" {
		cfg.AnswerAudience = []string{cfg.Auth.clientID}
	}
	opened, openErr := seam.Introspected(cfg.Tokens, cfg.seam())
	client, clientErr := cfg.client()
	if err := errors.Join(openErr, clientErr, cfg.check()); err != nil {
		return nil, err
	}
	i := &Introspector{
		issuer: cfg.Tokens.Issuer, auth: cfg.Auth, client: client, inside: opened.(inside), signed: cfg.Signed,
		answerAudience: slices.Clone(cfg.AnswerAudience), matched: map[string]bool{}, skew: withDefault(cfg.Tokens.ClockSkew, defaultSkew),
		timeout: withDefault(cfg.Timeout, defaultTimeout), now: cfg.Tokens.Now, hooks: cfg.Tokens.Hooks, called: cfg.Called,
		endpoint: &endpoint{url: cfg.Endpoint, turn: make(chan struct{}, 1)}, owners: newOwners(),
		memory: newMemory(withDefault(cfg.Tokens.CacheSize, defaultMemory), withDefault(cfg.TTL, defaultTTL),
			withDefault(cfg.InactiveTTL, defaultInactiveTTL), cfg.MaxStale),
	}
	i.calls.flights = map[[32]byte]*flight{}
	if i.now == nil {
		i.now = time.Now
	}
	if cfg.Endpoint == "" {
		i.endpoint.discover = i.inside.Discover
	}
	for name := range cfg.Tokens.Profile.Match {
		i.matched[name] = true
	}
	return i, nil
}

// withDefault reads a setting whose zero value means a default and whose negative values mean none.
func withDefault[T int | time.Duration](value, byDefault T) T {
	if value == 0 {
		return byDefault
	}
	return max(value, 0)
}

func (cfg *Config) seam() seam.Options {
	o := seam.Options{MayLack: slices.Clone(cfg.MayLack), Signed: cfg.Signed, Endpoint: cfg.Endpoint}
	if cfg.DangerouslyAcceptMissingAudience {
		o.MayLack = append(o.MayLack, "aud")
	}
	if cfg.Endpoint == "" {
		if cfg.Auth.tls {
			o.Discover = append(o.Discover, "/mtls_endpoint_aliases/introspection_endpoint")
		}
		o.Discover = append(o.Discover, "introspection_endpoint")
	}
	return o
}

func (cfg *Config) check() error {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf("introspection: "+format, args...)) }
	if cfg.Auth.add == nil {
		wrong("Auth is not set: use ClientSecretBasic, ClientSecretPost, PrivateKeyJWT, MutualTLS or BearerToken, or None if the endpoint asks for nothing")
	}
	errs = append(errs, cfg.Auth.err)
	if cfg.Auth.tls && schemeOf(cfg.Endpoint) == "http" {
		wrong("Endpoint %q is http, where MutualTLS can show no certificate: write https", cfg.Endpoint)
	}
	for _, name := range cfg.MayLack {
		switch {
		case name == "aud" || slices.Contains(cfg.Tokens.Profile.AudienceClaims, name):
			wrong("MayLack holds %q: a token without an audience may be for any API of the issuer; if that is meant, set DangerouslyAcceptMissingAudience", name)
		case !slices.Contains([]string{"iss", "exp", "client_id"}, name) && !slices.Contains(cfg.Tokens.Profile.Require, name):
			wrong("MayLack holds %q, which no answer needs to have: leave it out", name)
		}
	}
	switch {
	case cfg.Signed && len(cfg.AnswerAudience) == 0:
		wrong("AnswerAudience is empty: Auth names no client, so say who signed answers are for")
	case slices.Contains(cfg.AnswerAudience, ""):
		wrong("AnswerAudience holds an empty string: is an environment variable unset?")
	}
	if cfg.MaxStale < 0 {
		wrong("MaxStale is negative: leave it 0 to serve nothing beyond TTL")
	}
	if cfg.Timeout < 0 {
		wrong("Timeout is negative: leave it 0 for %v", defaultTimeout)
	}
	return errors.Join(errs...)
}

// schemeOf gives it in lower case, "" if there is none.
func schemeOf(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil {
		return ""
	}
	return u.Scheme
}

// client is the one for the endpoint, with the certificate of MutualTLS.
func (cfg *Config) client() (*http.Client, error) {
	caller := cfg.Tokens.Client
	if cfg.Auth.cert == nil {
		return fetch.NewClient(caller), nil
	}
	withCert := &http.Client{}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}
	if caller != nil {
		*withCert = *caller
		if caller.Transport != nil {
			own, ok := caller.Transport.(*http.Transport)
			if !ok {
				return nil, fmt.Errorf("introspection: MutualTLS: Tokens.Client has a %T, which takes no certificate from here: let it bring its own, and pass nil", caller.Transport)
			}
			transport = own.Clone()
		}
	}
	if transport.TLSClientConfig == nil {
		transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	transport.TLSClientConfig.Certificates = []tls.Certificate{*cfg.Auth.cert}
	transport.TLSClientConfig.GetClientCertificate = nil
	withCert.Transport = transport
	return fetch.NewClient(withCert), nil
}

var _ verifier.TokenVerifier = (*Introspector)(nil)
