package exampletest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/bearerguard/bearerguard/verifier/verifiertest"
)

const (
	Audience = "https://api.example.com" // of the issuer's tokens
	ClientID = "test-client"
	Secret   = "s3cret/with+signs" // to be encoded as in a form: RFC 6749 section 2.3.1
)

// Issuer is an authorization server over http on loopback, so that a program of which only the environment can be set takes
// it for real.
type Issuer struct {
	URL  string
	Down atomic.Bool // it answers 503

	keys   *verifiertest.Issuer
	mu     sync.Mutex
	tokens []string
	asked  []url.Values
}

// NewIssuer starts one, until the end of the test.
func NewIssuer(t *testing.T) *Issuer {
	t.Helper()
	i := &Issuer{keys: verifiertest.NewIssuer(t)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		reply(w, http.StatusOK, map[string]any{"issuer": i.URL, "jwks_uri": i.URL + "/jwks", "token_endpoint": i.URL + "/token"})
	})
	mux.HandleFunc("GET /jwks", func(w http.ResponseWriter, r *http.Request) {
		resp, err := i.keys.Client().Get(i.keys.URL() + "/jwks")
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		_, _ = io.Copy(w, resp.Body) // the client may have gone
	})
	mux.HandleFunc("POST /token", i.serveToken)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if i.Down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	i.URL = "http://" + server.Listener.Addr().String()
	server.Start()
	t.Cleanup(server.Close)
	return i
}

// Token mints a token for the test's client, with some other claims.
func (i *Issuer) Token(scope string, claims ...map[string]any) string {
	return i.keys.Token(scope, append([]map[string]any{{"iss": i.URL}}, claims...)...)
}

// Asked is the forms of the token requests so far, and the tokens that they got.
func (i *Issuer) Asked() (forms []url.Values, tokens []string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.asked, i.tokens
}

// serveToken grants any scope; whoever asks for an opaque token gets one. A refusal repeats the request, as no server should.
func (i *Issuer) serveToken(w http.ResponseWriter, r *http.Request) {
	id, secret, _ := r.BasicAuth()
	if err := r.ParseForm(); err != nil || id != ClientID || secret != url.QueryEscape(Secret) {
		clear, _ := url.QueryUnescape(secret)
		reply(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client", "error_description": secret + " " + clear})
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	token := i.Token(r.PostForm.Get("scope"))
	if r.PostForm.Has("opaque") {
		token = "an-opaque-token"
	}
	i.asked, i.tokens = append(i.asked, r.PostForm), append(i.tokens, token)
	reply(w, http.StatusOK, map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": 300})
}

func reply(w http.ResponseWriter, status int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client may have gone
}
