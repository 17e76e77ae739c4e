package introspection_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard/verifier"
	"github.com/bearerguard/bearerguard/verifier/introspection"
	"github.com/bearerguard/bearerguard/verifier/verifiertest"
)

func TestIntrospectionAuthentication(t *testing.T) {
	t.Parallel()
	const oddID, oddSecret = "orders:api+1", `s3cr%t/with spaces&+:=~"ü`
	for _, tt := range []struct {
		name          string
		auth          introspection.Auth
		authorization string
		form          map[string]string // beside token and its hint
	}{
		{"7662-2.1-4 client_secret_basic", introspection.ClientSecretBasic("orders-api", "s3cret"), "Basic " + base64.StdEncoding.EncodeToString([]byte("orders-api:s3cret")), nil},
		{"7662-2.1-4 client_secret_basic, form-encoded first", introspection.ClientSecretBasic(oddID, oddSecret),
			"Basic " + base64.StdEncoding.EncodeToString([]byte("orders%3Aapi%2B1:s3cr%25t%2Fwith+spaces%26%2B%3A%3D~%22%C3%BC")), nil},
		{"7662-2.1-4 client_secret_post", introspection.ClientSecretPost(oddID, oddSecret), "", map[string]string{"client_id": oddID, "client_secret": oddSecret}},
		{"7662-2.1-4 a bearer token of our own", introspection.BearerToken(func(context.Context) (string, error) { return "own.token", nil }), "Bearer own.token", nil},
		{"none", introspection.None(), "", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			if _, err := s.introspector(t, func(c *introspection.Config) { c.Auth = tt.auth }).Verify(t.Context(), opaque); err != nil {
				t.Fatal(err)
			}
			c := s.seen()[0]
			if c.authorization != tt.authorization || len(c.form) != 2+len(tt.form) {
				t.Errorf("%q, form %v", c.authorization, c.form)
			}
			for name, value := range tt.form {
				if c.form.Get(name) != value {
					t.Errorf("%s is %q", name, c.form.Get(name))
				}
			}
		})
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestIntrospectionPrivateKeyJWT verifies the assertions with the standard library.
func TestIntrospectionPrivateKeyJWT(t *testing.T) {
	t.Parallel()
	rsaKey := must(rsa.GenerateKey(rand.Reader, 2048))
	ecKey := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	_, edKey, _ := ed25519.GenerateKey(rand.Reader)
	for _, tt := range []struct {
		name, alg string
		key       introspection.PrivateKey
		audience  string // "": the issuer
		good      func(signed string, digest, signature []byte) bool
	}{
		{"7662-2.1-4 private_key_jwt, RS256", "RS256", introspection.PrivateKey{Signer: rsaKey, KeyID: "k1"}, "", func(_ string, digest, signature []byte) bool {
			return rsa.VerifyPKCS1v15(&rsaKey.PublicKey, crypto.SHA256, digest, signature) == nil
		}},
		{"7662-2.1-4 private_key_jwt, PS256", "PS256", introspection.PrivateKey{Signer: rsaKey, Algorithm: "PS256"}, "", func(_ string, digest, signature []byte) bool {
			return rsa.VerifyPSS(&rsaKey.PublicKey, crypto.SHA256, digest, signature, nil) == nil
		}},
		{"7662-2.1-4 private_key_jwt, ES256", "ES256", introspection.PrivateKey{Signer: ecKey, KeyID: "k2"}, "", func(_ string, digest, signature []byte) bool {
			return len(signature) == 64 && ecdsa.Verify(&ecKey.PublicKey, digest, new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:]))
		}},
		{"7662-2.1-4 private_key_jwt, EdDSA", "EdDSA", introspection.PrivateKey{Signer: edKey}, "", func(signed string, _, signature []byte) bool {
			return ed25519.Verify(edKey.Public().(ed25519.PublicKey), []byte(signed), signature)
		}},
		{"7662-2.1-4 private_key_jwt by its newer name, for the token endpoint", "Ed25519", introspection.PrivateKey{Signer: edKey, Algorithm: "Ed25519", Audience: "https://as.example.com/token"}, "https://as.example.com/token",
			func(signed string, _, signature []byte) bool {
				return ed25519.Verify(edKey.Public().(ed25519.PublicKey), []byte(signed), signature)
			}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			i := s.introspector(t, func(c *introspection.Config) { c.Auth = introspection.PrivateKeyJWT("orders-api", tt.key) })
			ids := map[string]bool{}
			for n, token := range []string{"a", "b"} {
				if _, err := i.Verify(t.Context(), token); err != nil {
					t.Fatal(err)
				}
				form := s.seen()[n].form
				if form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" || form.Get("client_id") != "orders-api" {
					t.Errorf("%v", form)
				}
				parts := strings.Split(form.Get("client_assertion"), ".")
				signed := parts[0] + "." + parts[1]
				h := crypto.SHA256.New()
				h.Write([]byte(signed))
				if !tt.good(signed, h.Sum(nil), must(base64.RawURLEncoding.DecodeString(parts[2]))) {
					t.Error("a bad signature")
				}
				var header struct{ Alg, Kid, Typ string }
				var claims struct {
					Iss, Sub, Aud, Jti string
					Iat, Exp           int64
				}
				json.Unmarshal(must(base64.RawURLEncoding.DecodeString(parts[0])), &header)
				json.Unmarshal(must(base64.RawURLEncoding.DecodeString(parts[1])), &claims)
				wanted := tt.audience
				if wanted == "" {
					wanted = s.URL
				}
				now := s.clock.Now().Unix()
				if header.Alg != tt.alg || header.Kid != tt.key.KeyID || claims.Iss != "orders-api" || claims.Sub != "orders-api" || claims.Aud != wanted ||
					claims.Iat != now || claims.Exp != now+60 || len(claims.Jti) < 20 {
					t.Errorf("%+v %+v", header, claims)
				}
				ids[claims.Jti] = true
			}
			if len(ids) != 2 {
				t.Error("the same jti twice")
			}
		})
	}
}

// certificate is self-signed.
func certificate(name string) *tls.Certificate {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour)}
	der := must(x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key))
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestIntrospectionMutualTLS(t *testing.T) {
	t.Parallel()
	wantsCertificate := func(s *httptest.Server) { s.TLS = &tls.Config{ClientAuth: tls.RequestClientCert} }
	cert := certificate("orders-api")
	t.Run("7662-2.1-4 tls_client_auth", func(t *testing.T) {
		t.Parallel()
		s := newServer(t, wantsCertificate)
		i := s.introspector(t, func(c *introspection.Config) { c.Auth = introspection.MutualTLS("orders-api", cert) })
		if _, err := i.Verify(t.Context(), opaque); err != nil {
			t.Fatal(err)
		}
		if c := s.seen()[0]; c.certificate != "orders-api" || c.form.Get("client_id") != "orders-api" || c.authorization != "" {
			t.Errorf("%+v", c)
		}
	})
	t.Run("7662-2.1-4 a certificate that the caller's client brings", func(t *testing.T) {
		t.Parallel()
		s := newServer(t, wantsCertificate)
		i := s.introspector(t, func(c *introspection.Config) {
			transport := c.Tokens.Client.Transport.(*http.Transport).Clone()
			transport.TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return cert, nil }
			c.Tokens.Client = &http.Client{Transport: transport}
			c.Auth = introspection.MutualTLS("orders-api", nil)
		})
		if _, err := i.Verify(t.Context(), opaque); err != nil || s.seen()[0].certificate != "orders-api" {
			t.Error(err)
		}
	})
	t.Run("the endpoint of mtls_endpoint_aliases", func(t *testing.T) {
		t.Parallel()
		for _, tt := range []struct {
			alias any
			auth  introspection.Auth
			path  string
		}{
			{"/mtls/introspect", introspection.MutualTLS("orders-api", cert), "/mtls/introspect"},
			{"/mtls/introspect", introspection.None(), "/introspect"},
			{nil, introspection.MutualTLS("orders-api", cert), "/introspect"},
		} {
			s := newServer(t, wantsCertificate)
			if tt.alias != nil {
				s.metadata["mtls_endpoint_aliases"] = obj{"introspection_endpoint": s.URL + tt.alias.(string)}
			}
			i := s.introspector(t, func(c *introspection.Config) { c.Endpoint, c.Auth = "", tt.auth })
			if err := i.Warm(t.Context()); !errors.Is(err, verifier.ErrUnavailable) {
				t.Fatal("the endpoint calls everything active:", err)
			}
			if h := i.Health(); h.Endpoint != s.URL+tt.path {
				t.Errorf("%v: asked %s", tt.alias, h.Endpoint)
			}
		}
	})
}

// A certificate is shown over TLS alone: what goes over http shows nobody who asks, and the token to everybody.
func TestIntrospectionMutualTLSOverHTTP(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.metadata["introspection_endpoint"] = "http://as.example.com/introspect"
	over := func(endpoint string, asked *int) introspection.Config {
		cfg := s.config()
		cfg.Endpoint, cfg.Auth, cfg.Tokens.DangerouslyAllowHTTP = endpoint, introspection.MutualTLS("orders-api", nil), true
		transport := cfg.Tokens.Client.Transport
		cfg.Tokens.Client = &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.URL.Scheme == "https" {
				return transport.RoundTrip(r)
			}
			*asked++
			return response(200, `{"active":false}`), nil
		})}
		return cfg
	}
	asked := 0
	for _, endpoint := range []string{"http://as.example.com/introspect", "HTTP://as.example.com/introspect"} {
		if _, err := introspection.New(over(endpoint, &asked)); err == nil || !strings.Contains(err.Error(), "is http, where MutualTLS") {
			t.Errorf("%s: %v", endpoint, err)
		}
	}
	i := must(introspection.New(over("", &asked)))
	if _, err := i.Verify(t.Context(), opaque); !errors.Is(err, verifier.ErrUnavailable) || !strings.Contains(err.Error(), "not https, where MutualTLS") || asked != 0 {
		t.Errorf("a discovered one: %v, asked %d times", err, asked)
	}
}

// TestIntrospectionOwnToken: whatever goes wrong with this server's own token is no fault of the client's.
func TestIntrospectionOwnToken(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for name, token := range map[string]func(context.Context) (string, error){
		"it can't be had":             func(context.Context) (string, error) { return "", errors.New("token endpoint: no route") },
		"it is empty":                 func(context.Context) (string, error) { return "", nil },
		"it would be two tokens":      func(context.Context) (string, error) { return "a, Bearer b", nil },
		"it would be a second header": func(context.Context) (string, error) { return "a\r\nX-Admin: 1", nil },
		"it never comes": func(ctx context.Context) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := s.introspector(t, func(c *introspection.Config) {
				c.Auth, c.Timeout = introspection.BearerToken(token), 50*time.Millisecond
			})
			if _, err := i.Verify(t.Context(), opaque); !errors.Is(err, verifier.ErrUnavailable) || errors.Is(err, verifier.ErrInvalidToken) {
				t.Error(err)
			}
			if n := len(s.seen()); n != 0 {
				t.Errorf("%d calls", n)
			}
		})
	}
}

func TestIntrospectionConfig(t *testing.T) {
	t.Parallel()
	good := func() introspection.Config {
		return introspection.Config{
			Tokens: verifier.Config{Issuer: "https://as.example.com", Audience: []string{audience}},
			Auth:   introspection.ClientSecretBasic("orders-api", "s3cret"),
		}
	}
	weak := must(rsa.GenerateKey(rand.Reader, 2048))
	for _, tt := range []struct {
		name   string
		change func(*introspection.Config)
		says   []string // nothing: it is good
	}{
		{"the least", func(*introspection.Config) {}, nil},
		{"nothing", func(c *introspection.Config) { *c = introspection.Config{} }, []string{"Issuer is empty", "Audience is empty", "Auth is not set"}},
		{"an endpoint over http", func(c *introspection.Config) { c.Endpoint = "http://as.example.com/introspect" }, []string{"Endpoint", "must be https", "DangerouslyAllowHTTP"}},
		{"an endpoint over http, allowed", func(c *introspection.Config) {
			c.Endpoint, c.Tokens.DangerouslyAllowHTTP = "http://hydra:4445/admin/oauth2/introspect", true
		}, nil},
		{"an endpoint on loopback", func(c *introspection.Config) { c.Endpoint = "http://127.0.0.1:4445/admin/oauth2/introspect" }, nil},
		{"an endpoint with a password", func(c *introspection.Config) { c.Endpoint = "https://a:b@as.example.com/introspect" }, []string{"Endpoint", "not an absolute URL"}},
		{"an endpoint without a host", func(c *introspection.Config) { c.Endpoint = "/introspect" }, []string{"Endpoint", "not an absolute URL"}},
		{"an issuer that is no URL, with an endpoint", func(c *introspection.Config) {
			c.Tokens.Issuer, c.Endpoint = "acme", "https://as.example.com/introspect"
		}, nil},
		{"an issuer over http, with an endpoint", func(c *introspection.Config) {
			c.Tokens.Issuer, c.Endpoint = "http://as.internal", "https://as.example.com/introspect"
		}, nil},
		{"an issuer that is no URL, to be asked for its endpoint", func(c *introspection.Config) { c.Tokens.Issuer = "acme" }, []string{"Issuer", "not an absolute URL"}},
		{"the same, with keys", func(c *introspection.Config) {
			c.Tokens.Issuer, c.Tokens.JWKSURL = "acme", "https://as.example.com/jwks"
		}, []string{"Issuer", "not an absolute URL"}},
		{"the same, to be asked for keys", func(c *introspection.Config) {
			c.Tokens.Issuer, c.Endpoint, c.Signed = "acme", "https://as.example.com/introspect", true
		}, []string{"Issuer", "not an absolute URL"}},
		{"Okta's org server, whose JWTs nobody else can verify", func(c *introspection.Config) { c.Tokens.Issuer = "https://acme.okta.com" }, nil},
		{"an empty secret", func(c *introspection.Config) { c.Auth = introspection.ClientSecretBasic("orders-api", "") }, []string{"client's secret is empty"}},
		{"an empty id", func(c *introspection.Config) { c.Auth = introspection.ClientSecretPost("", "s3cret") }, []string{"client's id is empty"}},
		{"no key", func(c *introspection.Config) {
			c.Auth = introspection.PrivateKeyJWT("", introspection.PrivateKey{})
		}, []string{"the key is nil", "client's id is empty"}},
		{"an algorithm of another key", func(c *introspection.Config) {
			c.Auth = introspection.PrivateKeyJWT("orders-api", introspection.PrivateKey{Signer: weak, Algorithm: "ES256"})
		}, []string{`"ES256" is not one for this key`}},
		{"an HMAC", func(c *introspection.Config) {
			c.Auth = introspection.PrivateKeyJWT("orders-api", introspection.PrivateKey{Signer: weak, Algorithm: "HS256"})
		}, []string{`"HS256" is not one for this key`}},
		{"no function", func(c *introspection.Config) { c.Auth = introspection.BearerToken(nil) }, []string{"the function is nil"}},
		{"a certificate over http", func(c *introspection.Config) {
			c.Auth, c.Endpoint = introspection.MutualTLS("orders-api", nil), "http://127.0.0.1/introspect"
		}, []string{"MutualTLS can show no certificate"}},
		{"a certificate for a foreign transport", func(c *introspection.Config) {
			c.Auth, c.Tokens.Client = introspection.MutualTLS("orders-api", certificate("x")), &http.Client{Transport: roundTripper(nil)}
		}, []string{"takes no certificate"}},
		{"MayLack aud", func(c *introspection.Config) { c.MayLack = []string{"aud"} }, []string{"DangerouslyAcceptMissingAudience"}},
		{"MayLack what nobody asks for", func(c *introspection.Config) { c.MayLack = []string{"scope"} }, []string{`"scope"`, "leave it out"}},
		{"signed, and no client", func(c *introspection.Config) { c.Signed, c.Auth = true, introspection.None() }, []string{"AnswerAudience is empty"}},
		{"signed, for an empty name", func(c *introspection.Config) { c.Signed, c.AnswerAudience = true, []string{""} }, []string{"AnswerAudience holds an empty string"}},
		{"negative times", func(c *introspection.Config) { c.MaxStale, c.Timeout = -1, -1 }, []string{"MaxStale is negative", "Timeout is negative"}},
		{"what package verifier refuses", func(c *introspection.Config) {
			c.Tokens.ClockSkew, c.Tokens.Profile.ScopeClaims = time.Hour, []string{"scope"}
		}, []string{"ClockSkew", "Profile.Types is empty", "Profile.AudienceClaims is empty"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cfg := good()
			tt.change(&cfg)
			i, err := introspection.New(cfg)
			if (err == nil) != (tt.says == nil) || (i == nil) != (err != nil) {
				t.Fatalf("%v, %v", i, err)
			}
			for _, words := range tt.says {
				if !strings.Contains(err.Error(), words) {
					t.Errorf("%v; want %q", err, words)
				}
			}
		})
	}
}

func TestIntrospectionByShape(t *testing.T) {
	t.Parallel()
	named := func(name string) verifier.TokenVerifier { return verdict(name) }
	both := must(introspection.ByShape(named("jwt"), named("opaque")))
	iss := verifiertest.NewIssuer(t)
	jwt := iss.Token("a")
	for name, tt := range map[string]struct{ token, want string }{
		"a JWT":                          {jwt, "jwt"},
		"a forged JWT":                   {iss.Forged(), "jwt"},
		"alg none":                       {iss.AlgNone(), "jwt"},
		"a header with white space":      {"eyAiYWxnIjoiRVMyNTYifQ.e30.AA", "jwt"},
		"a header with a line break":     {"ewogImFsZyI6IkVTMjU2In0.e30.AA", "jwt"},
		"an opaque token":                {opaque, "opaque"},
		"Ory Hydra's":                    {"ory_at_abc.def", "opaque"},
		"Google's":                       {"ya29.a0AfH6SMBx", "opaque"},
		"PASETO":                         {"v4.public.eyJkYXRhIjoi", "opaque"},
		"an encrypted one":               {"eyJhbGciOiJkaXIifQ..aa.bb.cc", "opaque"},
		"two parts":                      {"eyJhbGciOiJkaXIifQ.e30", "opaque"},
		"four parts":                     {jwt + ".x", "opaque"},
		"it begins as a JWT, no dots":    {"eyJhbGciOiJkaXIifQ", "opaque"},
		"nothing":                        {"", "opaque"},
		"dots":                           {"..", "opaque"},
		"begins with e and another byte": {"eXJhbGciOi.a.b", "opaque"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := both.Verify(t.Context(), tt.token); err == nil || err.Error() != tt.want {
				t.Errorf("went to %v, want %s", err, tt.want)
			}
		})
	}
	i := newServer(t).introspector(t)
	for name, tt := range map[string]struct {
		jwts, opaque verifier.TokenVerifier
		says         string
	}{
		"no verifier":        {nil, i, "for JWTs is nil"},
		"a nil verifier":     {(*verifier.Verifier)(nil), i, "for JWTs is nil"},
		"no introspector":    {iss.Verifier(), nil, "for opaque tokens is nil"},
		"a nil introspector": {iss.Verifier(), (*introspection.Introspector)(nil), "for opaque tokens is nil"},
		"swapped":            {i, iss.Verifier(), "swapped"},
		"two verifiers":      {iss.Verifier(), iss.Verifier(), "would refuse them all"},
		"two introspectors":  {i, i, "it is all that is needed"},
	} {
		t.Run(name, func(t *testing.T) {
			if v, err := introspection.ByShape(tt.jwts, tt.opaque); v != nil || err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v, %v", v, err)
			}
		})
	}
}

// TestIntrospectionByShapeOfEncryptedTokens: they are for who can read them.
func TestIntrospectionByShapeOfEncryptedTokens(t *testing.T) {
	t.Parallel()
	const encrypted = "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..aa.bb.cc"
	iss := verifiertest.NewIssuer(t)
	plain, cfg := iss.Verifier(), iss.Config()
	cfg.Decryption.Keys = []byte(`{"keys":[{"kty":"oct","k":"` + strings.Repeat("A", 43) + `"}]}`)
	decrypting := must(verifier.New(cfg))
	never := func(context.Context, *verifier.Claims) (bool, error) { return false, nil }
	for name, tt := range map[string]struct {
		jwts   verifier.TokenVerifier
		opaque bool
	}{
		"a Verifier without keys":      {plain, true},
		"a Verifier with keys":         {decrypting, false},
		"with revocation":              {verifier.WithRevocation(decrypting, never), false},
		"with revocation, no keys":     {verifier.WithRevocation(plain, never), true},
		"behind Issuers":               {must(verifier.Issuers(decrypting)), false},
		"behind Issuers, no keys":      {must(verifier.Issuers(plain)), true},
		"a TokenVerifier of one's own": {verdict("own"), true},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := must(introspection.ByShape(tt.jwts, verdict("opaque"))).Verify(t.Context(), encrypted)
			if err == nil || (err.Error() == "opaque") != tt.opaque {
				t.Errorf("%v, want to be opaque %v", err, tt.opaque)
			}
		})
	}
}

// verdict is a TokenVerifier that says who it is.
type verdict string

func (v verdict) Verify(context.Context, string) (*verifier.Claims, error) {
	return nil, errors.New(string(v))
}

// TestIntrospectionByShapeTogether: each token goes to one, and neither is asked about what the other refused.
func TestIntrospectionByShapeTogether(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	cfg := s.issuer.Config()
	cfg.Client = s.Client()
	v := must(verifier.New(cfg))
	both := must(introspection.ByShape(v, s.introspector(t)))
	if _, err := both.Verify(t.Context(), s.issuer.Token("a")); err != nil || len(s.seen()) != 0 {
		t.Errorf("a JWT: %v, %d calls", err, len(s.seen()))
	}
	if _, err := both.Verify(t.Context(), s.issuer.Forged()); !errors.Is(err, verifier.ErrInvalidToken) || len(s.seen()) != 0 {
		t.Errorf("a forged JWT: %v, %d calls", err, len(s.seen()))
	}
	if _, err := both.Verify(t.Context(), opaque); err != nil || len(s.seen()) != 1 {
		t.Errorf("an opaque token: %v, %d calls", err, len(s.seen()))
	}
	if _, err := s.introspector(t).Verify(t.Context(), s.issuer.Token("a")); err != nil || len(s.seen()) != 2 {
		t.Errorf("a JWT that is introspected: %v, %d calls", err, len(s.seen()))
	}
}
