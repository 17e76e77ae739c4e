package interop_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

const (
	apiAudience   = "https://api.example.test"
	otherAudience = "https://other.example.test"

	readScope  = "orders:read"
	writeScope = "orders:write"

	clientID = "backend"

	// requestTimeout bounds one request, to a server or to an API.
	requestTimeout = 20 * time.Second
)

var httpClient = &http.Client{Timeout: requestTimeout}

// An authServer is an authorization server that has a client with both scopes.
type authServer interface {
	// issuer is the same after a restart.
	issuer() string
	// profile names the shape of its tokens to the examples.
	profile() string
	// start runs it and waits until it is ready. Its keys are new.
	start(*testing.T)
	stop()
	// token gets an access token through the client-credentials grant. An empty
	// audience asks for none.
	token(t *testing.T, audience string, scopes ...string) string
	// rotate makes a new key, which signs the tokens from then on.
	rotate(t *testing.T, alg string, old oldKeys)
}

// oldKeys says what becomes of the keys that a rotation replaces.
type oldKeys bool

const (
	keepPublished oldKeys = false
	withdraw      oldKeys = true
)

// authServers are the kinds of authorization server, each with what makes one that
// isn't running yet. Its tokens are signed with RS256 at first.
var authServers = []struct {
	name string
	make func(*testing.T) authServer
}{
	{"oidc-provider", newOIDCProvider},
	{"hydra", newHydra},
}

// forEachServer runs a test on a new authorization server of each kind.
func forEachServer(t *testing.T, test func(*testing.T, authServer)) {
	for _, kind := range authServers {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			as := kind.make(t)
			as.start(t)
			test(t, as)
		})
	}
}

// oidcProvider is the npm package oidc-provider, run by as.mjs.
type oidcProvider struct {
	*process
	port, secret string
	alg          string // of the tokens asked for, or opaque
	apiKeys      string // for encrypted ones; may be empty
	apiSecret    string // of its clients "api" and "api-post"
	apiKey       *ecdsa.PrivateKey
}

func newOIDCProvider(t *testing.T) authServer {
	if _, err := exec.LookPath("node"); err != nil {
		missing(t, "node")
	}
	if _, err := os.Stat("node_modules/oidc-provider"); err != nil {
		missing(t, "the npm package oidc-provider")
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &oidcProvider{port: freePort(t), secret: rand.Text(), alg: "RS256", apiSecret: rand.Text() + " %+:/&=", apiKey: key}
}

func (p *oidcProvider) issuer() string  { return "http://127.0.0.1:" + p.port }
func (p *oidcProvider) profile() string { return "rfc9068" }

func (p *oidcProvider) start(t *testing.T) {
	t.Helper()
	env := []string{
		"PORT=" + p.port, "CLIENT_ID=" + clientID, "CLIENT_SECRET=" + p.secret,
		"API_SECRET=" + p.apiSecret, "API_JWKS=" + keySet(t, p.apiKey, false),
	}
	if p.apiKeys != "" {
		env = append(env, "API_KEYS="+p.apiKeys)
	}
	p.process = startProcess(t, "oidc-provider", env, "node", "as.mjs")
	p.waitFor(t, "an answer", answers(p.issuer()+"/.well-known/openid-configuration"))
}

// token names the algorithm in the resource indicator, as as.mjs wants it.
func (p *oidcProvider) token(t *testing.T, audience string, scopes ...string) string {
	t.Helper()
	params := url.Values{}
	if audience != "" {
		params.Set("resource", audience+"/"+p.alg)
	}
	return clientCredentials(t, p.issuer()+"/token", p.secret, params, scopes)
}

func (p *oidcProvider) rotate(t *testing.T, alg string, old oldKeys) {
	t.Helper()
	target := p.issuer() + "/test/rotate"
	if old == withdraw {
		target += "?drop"
	}
	send(t, http.MethodPost, target, nil, http.StatusNoContent)
	p.alg = alg
}

// hydra is ory/hydra, all in memory.
type hydra struct {
	*process
	binary, config      string
	publicURL, adminURL string
	secret              string
}

func newHydra(t *testing.T) authServer { return newHydraOf(t, "jwt") }

// newHydraOf makes one whose access tokens are of a kind: jwt or opaque.
func newHydraOf(t *testing.T, kind string) *hydra {
	binary := hydraBinary(t)
	if _, err := os.Stat(binary); err != nil {
		missing(t, "hydra")
	}
	public, admin := freePort(t), freePort(t)
	h := &hydra{
		binary:    binary,
		config:    filepath.Join(t.TempDir(), "hydra.json"),
		publicURL: "http://127.0.0.1:" + public,
		adminURL:  "http://127.0.0.1:" + admin,
		secret:    rand.Text(),
	}
	config := fmt.Sprintf(`{
		"dsn": "memory",
		"secrets": {"system": [%q]},
		"serve": {
			"public": {"host": "127.0.0.1", "port": %s},
			"admin": {"host": "127.0.0.1", "port": %s}
		},
		"urls": {"self": {"issuer": %q}},
		"strategies": {"access_token": %q, "jwt": {"scope_claim": "list"}},
		"ttl": {"access_token": "5m"},
		"sqa": {"opt_out": true},
		"log": {"level": "warn"}
	}`, rand.Text(), public, admin, h.publicURL, kind)
	if err := os.WriteFile(h.config, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return h
}

// hydraBinary is where install.sh puts it.
func hydraBinary(t *testing.T) string {
	t.Helper()
	cache := os.Getenv("XDG_CACHE_HOME")
	if cache == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			t.Fatal(err)
		}
		cache = filepath.Join(home, ".cache")
	}
	return filepath.Join(cache, "bearerguard", "hydra-v2.3.0", "hydra")
}

func (h *hydra) issuer() string  { return h.publicURL }
func (h *hydra) profile() string { return "hydra" }

func (h *hydra) start(t *testing.T) {
	t.Helper()
	h.process = startProcess(t, "hydra", nil, h.binary, "serve", "all", "--dev", "-c", h.config)
	h.waitFor(t, "readiness", answers(h.adminURL+"/health/ready"))
	// The first request for the key set makes the keys, which can take seconds.
	h.waitFor(t, "a key set", answers(h.publicURL+"/.well-known/jwks.json"))
	send(t, http.MethodPost, h.adminURL+"/admin/clients", map[string]any{
		"client_id":     clientID,
		"client_secret": h.secret,
		"grant_types":   []string{"client_credentials"},
		"scope":         readScope + " " + writeScope,
		"audience":      []string{apiAudience, otherAudience},
	}, http.StatusCreated)
}

func (h *hydra) token(t *testing.T, audience string, scopes ...string) string {
	t.Helper()
	params := url.Values{}
	if audience != "" {
		params.Set("audience", audience)
	}
	return clientCredentials(t, h.publicURL+"/oauth2/token", h.secret, params, scopes)
}

func (h *hydra) rotate(t *testing.T, alg string, old oldKeys) {
	t.Helper()
	set := h.adminURL + "/admin/keys/hydra.jwt.access-token"
	if old == withdraw {
		send(t, http.MethodDelete, set, nil, http.StatusNoContent)
	}
	// hydra hangs up after 10 s, and on a busy machine an RSA key of 4096 bits can take longer.
	status, err := 0, error(nil)
	for range 5 {
		key := map[string]string{"alg": alg, "use": "sig", "kid": rand.Text()}
		if status, err = ask(t, http.MethodPost, set, key); err == nil {
			break
		}
	}
	if err != nil || status != http.StatusCreated {
		t.Fatalf("a new %s key at hydra: status %d, %v", alg, status, err)
	}
}

// clientCredentials gets an access token as a back-end client does.
func clientCredentials(t *testing.T, tokenURL, secret string, params url.Values, scopes []string) string {
	t.Helper()
	return clientCredentialsBy(t, httpClient, tokenURL, secret, params, scopes)
}

func clientCredentialsBy(t *testing.T, client *http.Client, tokenURL, secret string, params url.Values, scopes []string) string {
	t.Helper()
	config := clientcredentials.Config{
		ClientID:       clientID,
		ClientSecret:   secret,
		TokenURL:       tokenURL,
		Scopes:         scopes,
		EndpointParams: params,
		AuthStyle:      oauth2.AuthStyleInHeader,
	}
	ctx := context.WithValue(t.Context(), oauth2.HTTPClient, client)
	token, err := config.Token(ctx)
	if err != nil {
		t.Fatalf("token from %s: %v", tokenURL, err)
	}
	return token.AccessToken
}

// answers reports whether a GET of the URL is answered with 200.
func answers(target string) func() bool {
	return func() bool {
		resp, err := httpClient.Get(target)
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}
}

// send sends a request with a JSON body, if one is given, to an authorization
// server's own API. Neither body is printed: both may have secrets in them.
func send(t *testing.T, method, target string, body any, want int) {
	t.Helper()
	status, err := ask(t, method, target, body)
	if err != nil {
		t.Fatal(err)
	}
	if status != want {
		t.Fatalf("%s %s: status %d, want %d", method, target, status, want)
	}
}

func ask(t *testing.T, method, target string, body any) (status int, err error) {
	t.Helper()
	var content io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		content = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, target, content)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := httpClient.Do(req)
	if err != nil {
		return 0, err
	}
	resp.Body.Close()
	return resp.StatusCode, nil
}

func missing(t *testing.T, what string) {
	t.Helper()
	t.Fatalf("%s is missing: run ./install.sh in internal/interop", what)
}
