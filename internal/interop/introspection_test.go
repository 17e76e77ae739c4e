package interop_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/bearerguard/bearerguard/verifier"
	"github.com/bearerguard/bearerguard/verifier/introspection"
)

// An introspected server is asked about each token that a client brings.
type introspected interface {
	start(*testing.T)
	stop()
	token(t *testing.T, audience string, scopes ...string) string
	// config is how an API asks.
	config(*testing.T) introspection.Config
	// badConfig is config with credentials that the server refuses; false if it asks for none.
	badConfig(*testing.T) (introspection.Config, bool)
	// revoke makes a token inactive; false if the server can't.
	revoke(t *testing.T, token string) bool
	// keepsTokens reports whether they outlive a restart.
	keepsTokens() bool
	// knowsAudiences reports whether the server tells whom a token is for.
	knowsAudiences() bool
}

// introspectedServers are the servers, each with its ways of being asked.
var introspectedServers = []struct {
	name string
	make func(*testing.T) introspected
}{
	{"oidc-provider by client_secret_basic", func(t *testing.T) introspected { return newOpaqueProvider(t, byBasic, false) }},
	{"oidc-provider by client_secret_post", func(t *testing.T) introspected { return newOpaqueProvider(t, byPost, false) }},
	{"oidc-provider by private_key_jwt", func(t *testing.T) introspected { return newOpaqueProvider(t, byKey, false) }},
	{"oidc-provider with signed answers", func(t *testing.T) introspected { return newOpaqueProvider(t, byBasic, true) }},
	{"hydra with opaque tokens", func(t *testing.T) introspected { return &askedHydra{newHydraOf(t, "opaque")} }},
	{"hydra with JWTs", func(t *testing.T) introspected { return &askedHydra{newHydraOf(t, "jwt")} }},
	{"glewlwyd", func(t *testing.T) introspected { return newAskedGlewlwyd(t, false) }},
	{"glewlwyd with signed answers", func(t *testing.T) introspected { return newAskedGlewlwyd(t, true) }},
	{"django-oauth-toolkit", newDjango},
}

// TestIntrospection asks real servers about their tokens, takes them away and brings them back.
func TestIntrospection(t *testing.T) {
	for _, kind := range introspectedServers {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			as := kind.make(t)
			as.start(t)
			t.Run("requests", func(t *testing.T) { checkIntrospection(t, as) })
			t.Run("own credentials", func(t *testing.T) { checkOwnCredentials(t, as) })
			t.Run("outage", func(t *testing.T) { checkIntrospectionOutage(t, as) })
		})
	}
}

func checkIntrospection(t *testing.T, as introspected) {
	i := newIntrospector(t, as.config(t))
	if err := i.Warm(t.Context()); err != nil {
		t.Fatal(err)
	}
	if h := i.Health(); !h.Ready {
		t.Errorf("health: %+v", h)
	}
	a := startGuarded(t, i)
	read := as.token(t, apiAudience, readScope)
	checkStatus(t, a, read, 200)
	checkStatus(t, a, read, 200)
	checkStatus(t, a, as.token(t, apiAudience, readScope, writeScope), 200)
	checkStatus(t, a, as.token(t, apiAudience, writeScope), 403)
	checkStatus(t, a, "made-up", 401)
	checkStatus(t, a, read[:len(read)-4]+"AAAA", 401)
	if as.knowsAudiences() {
		checkStatus(t, a, as.token(t, otherAudience, readScope), 401)
	}

	cfg := as.config(t)
	cfg.TTL = -1 // so that a revocation counts at once
	strict := startGuarded(t, newIntrospector(t, cfg))
	checkStatus(t, strict, read, 200)
	if as.revoke(t, read) {
		checkStatus(t, strict, read, 401)
		checkStatus(t, a, read, 200) // it has been told so less than a minute ago
	}
}

// checkOwnCredentials: that the API is refused is no fault of the client's.
func checkOwnCredentials(t *testing.T, as introspected) {
	cfg, ok := as.badConfig(t)
	if !ok {
		t.Skip("the server asks for none")
	}
	i := newIntrospector(t, cfg)
	if err := i.Warm(t.Context()); !errors.Is(err, introspection.ErrCredentials) {
		t.Errorf("%v, want %v", err, introspection.ErrCredentials)
	}
	checkUnavailable(t, startGuarded(t, i), as.token(t, apiAudience, readScope))
}

func checkIntrospectionOutage(t *testing.T, as introspected) {
	seen, unseen := as.token(t, apiAudience, readScope), as.token(t, apiAudience, readScope, writeScope)
	running := startGuarded(t, newIntrospector(t, as.config(t)))
	checkStatus(t, running, seen, 200)

	as.stop()
	started := startGuarded(t, newIntrospector(t, as.config(t)))
	for range 5 {
		checkStatus(t, running, seen, 200)
		checkUnavailable(t, running, unseen)
		checkUnavailable(t, started, seen)
	}

	as.start(t)
	token := as.token(t, apiAudience, readScope)
	for _, a := range []*api{running, started} {
		checkRecovery(t, a, token)
		if as.keepsTokens() {
			checkStatus(t, a, unseen, 200)
		} else {
			checkStatus(t, a, unseen, 401)
		}
	}
}

// TestIntrospectionByShape sends JWTs to a Verifier and opaque tokens to their server.
func TestIntrospectionByShape(t *testing.T) {
	t.Parallel()
	as := newOpaqueProvider(t, byBasic, false)
	as.start(t)
	v, err := verifier.New(as.config(t).Tokens)
	if err != nil {
		t.Fatal(err)
	}
	i := newIntrospector(t, as.config(t))
	both, err := introspection.ByShape(v, i)
	if err != nil {
		t.Fatal(err)
	}
	opaque := as.token(t, apiAudience, readScope)
	as.alg = "ES256"
	jwt := as.token(t, apiAudience, readScope)
	a := startGuarded(t, both)
	for range 2 {
		checkStatus(t, a, opaque, 200)
		checkStatus(t, a, jwt, 200)
		checkStatus(t, a, changeSignature(t, jwt), 401)
		checkStatus(t, a, "made-up", 401)
	}
	// oidc-provider doesn't vouch for its JWTs: the client is told to get another token, not to come back later.
	checkStatus(t, startGuarded(t, i), jwt, 401)

	as.stop()
	checkStatus(t, a, jwt, 200)
	checkUnavailable(t, a, "another")
}

func newIntrospector(t *testing.T, cfg introspection.Config) *introspection.Introspector {
	t.Helper()
	i, err := introspection.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// startGuarded runs an API in this process.
func startGuarded(t *testing.T, v verifier.TokenVerifier) *api {
	t.Helper()
	return serve(t, "an API that introspects", v)
}

// The ways in which an API authenticates at oidc-provider.
const (
	byBasic = "api"
	byPost  = "api-post"
	byKey   = "api-key"
)

// opaqueProvider is oidc-provider with opaque tokens.
type opaqueProvider struct {
	*oidcProvider
	client string
	signed bool
}

func newOpaqueProvider(t *testing.T, client string, signed bool) *opaqueProvider {
	p := newOIDCProvider(t).(*oidcProvider)
	p.alg = "opaque"
	return &opaqueProvider{p, client, signed}
}

func (p *opaqueProvider) config(*testing.T) introspection.Config {
	auth := introspection.ClientSecretBasic(p.client, p.apiSecret)
	switch p.client {
	case byPost:
		auth = introspection.ClientSecretPost(p.client, p.apiSecret)
	case byKey:
		auth = introspection.PrivateKeyJWT(p.client, introspection.PrivateKey{Signer: p.apiKey, KeyID: keyID})
	}
	return introspection.Config{
		Tokens: verifier.Config{Issuer: p.issuer(), Audience: []string{apiAudience}}, // the endpoint is in the metadata
		Auth:   auth, Signed: p.signed,
	}
}

func (p *opaqueProvider) badConfig(t *testing.T) (introspection.Config, bool) {
	cfg := p.config(t)
	cfg.Auth = introspection.ClientSecretBasic(byBasic, "wrong")
	if p.client == byKey {
		another, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		cfg.Auth = introspection.PrivateKeyJWT(p.client, introspection.PrivateKey{Signer: another, KeyID: keyID})
	}
	return cfg, true
}

func (p *opaqueProvider) revoke(t *testing.T, token string) bool {
	t.Helper()
	revoke(t, httpClient, p.issuer()+"/token/revocation", p.secret, token)
	return true
}

func (p *opaqueProvider) keepsTokens() bool    { return false }
func (p *opaqueProvider) knowsAudiences() bool { return true }

// askedHydra is hydra, asked on its administration port.
type askedHydra struct{ *hydra }

func (h *askedHydra) config(*testing.T) introspection.Config {
	return introspection.Config{
		Tokens:   verifier.Config{Issuer: h.issuer(), Audience: []string{apiAudience}},
		Endpoint: h.adminURL + "/admin/oauth2/introspect", Auth: introspection.None(),
	}
}

func (h *askedHydra) badConfig(*testing.T) (introspection.Config, bool) {
	return introspection.Config{}, false
}

func (h *askedHydra) revoke(t *testing.T, token string) bool {
	t.Helper()
	revoke(t, httpClient, h.publicURL+"/oauth2/revoke", h.secret, token)
	return true
}

func (h *askedHydra) keepsTokens() bool    { return false }
func (h *askedHydra) knowsAudiences() bool { return true }

// revoke does what a client does that needs its token no longer (RFC 7009).
func revoke(t *testing.T, client *http.Client, endpoint, secret, token string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, endpoint, strings.NewReader(url.Values{"token": {token}}.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(url.QueryEscape(clientID), url.QueryEscape(secret))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("revocation at %s: status %d", endpoint, resp.StatusCode)
	}
}

// askedGlewlwyd is glewlwyd, which wants an access token of the API's own.
type askedGlewlwyd struct {
	*glewlwyd
	signed bool
}

func newAskedGlewlwyd(t *testing.T, signed bool) introspected {
	return &askedGlewlwyd{newGlewlwyd(t, newAuthority(t), rand.Text(), false), signed}
}

func (g *askedGlewlwyd) token(t *testing.T, audience string, scopes ...string) string {
	t.Helper()
	return clientCredentialsBy(t, g.authority.client, g.issuer()+"/token", g.secret, url.Values{"resource": {audience}}, scopes)
}

func (g *askedGlewlwyd) config(*testing.T) introspection.Config {
	return g.configFor("api", g.apiSecret, "introspect")
}

// badConfig brings a token that lacks the scope.
func (g *askedGlewlwyd) badConfig(*testing.T) (introspection.Config, bool) {
	return g.configFor(clientID, g.secret, readScope), true
}

// configFor gets the API's own token for a client, with a scope.
func (g *askedGlewlwyd) configFor(client, secret, scope string) introspection.Config {
	grant := clientcredentials.Config{
		ClientID: client, ClientSecret: secret, TokenURL: g.issuer() + "/token", Scopes: []string{scope}, AuthStyle: oauth2.AuthStyleInHeader,
	}
	quick := &http.Client{Timeout: 3 * time.Second, Transport: g.authority.client.Transport}
	source := grant.TokenSource(context.WithValue(context.Background(), oauth2.HTTPClient, quick))
	cfg := introspection.Config{
		Tokens: verifier.Config{Issuer: g.issuer(), Audience: []string{apiAudience}, Client: g.authority.client},
		Auth: introspection.BearerToken(func(context.Context) (string, error) {
			token, err := source.Token()
			if err != nil {
				return "", err
			}
			return token.AccessToken, nil
		}),
		MayLack: []string{"iss"},
	}
	if g.signed {
		cfg.Signed, cfg.AnswerAudience = true, cfg.Tokens.Audience // it writes the token's audience
	}
	return cfg
}

func (g *askedGlewlwyd) revoke(t *testing.T, token string) bool {
	t.Helper()
	revoke(t, g.authority.client, g.issuer()+"/revoke", g.secret, token)
	return true
}

func (g *askedGlewlwyd) keepsTokens() bool    { return true }
func (g *askedGlewlwyd) knowsAudiences() bool { return true }

// djangoToolkit is django-oauth-toolkit, run by django_as.py.
type djangoToolkit struct {
	*process
	database, port    string
	secret, apiSecret string
}

func newDjango(t *testing.T) introspected {
	if err := exec.CommandContext(t.Context(), "/usr/bin/python3", "-c", "import oauth2_provider").Run(); err != nil {
		missing(t, "django-oauth-toolkit")
	}
	return &djangoToolkit{database: filepath.Join(t.TempDir(), "django.db"), port: freePort(t), secret: rand.Text(), apiSecret: rand.Text()}
}

func (d *djangoToolkit) url() string { return "http://127.0.0.1:" + d.port + "/o" }

func (d *djangoToolkit) start(t *testing.T) {
	t.Helper()
	env := []string{"PORT=" + d.port, "DATABASE=" + d.database, "CLIENT_ID=" + clientID, "CLIENT_SECRET=" + d.secret, "API_SECRET=" + d.apiSecret}
	d.process = startProcess(t, "django-oauth-toolkit", env, "/usr/bin/python3", "django_as.py")
	d.waitFor(t, "an answer", func() bool {
		resp, err := httpClient.Get(d.url() + "/token/")
		if err != nil {
			return false
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		return true
	})
}

func (d *djangoToolkit) token(t *testing.T, _ string, scopes ...string) string {
	t.Helper()
	return clientCredentials(t, d.url()+"/token/", d.secret, nil, scopes)
}

// config: active, scope, exp and client_id are all that it tells.
func (d *djangoToolkit) config(*testing.T) introspection.Config { return d.configFor(d.apiSecret) }

func (d *djangoToolkit) configFor(secret string) introspection.Config {
	return introspection.Config{
		Tokens:   verifier.Config{Issuer: d.url(), Audience: []string{apiAudience}},
		Endpoint: d.url() + "/introspect/", Auth: introspection.ClientSecretBasic("api", secret),
		MayLack: []string{"iss"}, DangerouslyAcceptMissingAudience: true,
	}
}

func (d *djangoToolkit) badConfig(*testing.T) (introspection.Config, bool) {
	return d.configFor("wrong"), true
}

func (d *djangoToolkit) revoke(t *testing.T, token string) bool {
	t.Helper()
	revoke(t, httpClient, d.url()+"/revoke_token/", d.secret, token)
	return true
}

func (d *djangoToolkit) keepsTokens() bool    { return true }
func (d *djangoToolkit) knowsAudiences() bool { return false }

const keyID = "key-1"

// keySet is a JWK set with one P-256 key.
func keySet(t *testing.T, key *ecdsa.PrivateKey, private bool) string {
	t.Helper()
	public, err := key.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	jwk := map[string]string{"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": keyID, "x": encode(public[1:33]), "y": encode(public[33:])}
	if private {
		d, err := key.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		jwk["d"] = encode(d)
	}
	text, err := json.Marshal(map[string]any{"keys": []any{jwk}})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
