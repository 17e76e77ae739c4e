package verifiertest

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/bearerguard/bearerguard/scopes"
)

const (
	keysPath  = "/jwks"
	tokenPath = "/token"
	maxForm   = 64 << 10 // bytes of a token request
)

// Requests counts the requests that arrived, answered or not.
type Requests struct {
	Discovery     int // of either well-known path
	Keys          int
	Token         int
	Introspection int
}

// Requests tells how many requests arrived so far.
func (i *Issuer) Requests() Requests {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.requests
}

// trouble is what Down, Slow and ServeKeys have asked for.
type trouble struct {
	keys   http.HandlerFunc // nil: the published keys
	down   bool
	status int // 0: no answer
	delay  time.Duration
	over   chan struct{}
}

func newTrouble() trouble { return trouble{over: make(chan struct{})} }

// Down makes every endpoint answer with this status and no body, until [Issuer.Up]. 0: connections are closed without an
// answer.
func (i *Issuer) Down(status int) {
	i.t.Helper()
	if status != 0 && (status < 200 || status > 599) {
		i.t.Fatalf("verifiertest: Down: %d is no status of an answer", status)
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.trouble.down, i.trouble.status = true, status
}

// Slow makes every endpoint wait before it answers, until [Issuer.Up], which also ends the waiting. A request whose client
// hangs up waits no longer. Slow and [Issuer.Down] can be in force together.
func (i *Issuer) Slow(d time.Duration) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.trouble.delay = d
}

// ServeKeys answers requests for the key set from now on, until [Issuer.Up]: with an odd document, or in several ways in turn.
// [Issuer.Keys] is the document that it takes the place of.
func (i *Issuer) ServeKeys(h http.HandlerFunc) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.trouble.keys = h
}

// Keys is the published key set, a JSON document.
func (i *Issuer) Keys() []byte {
	document, err := json.Marshal(i.keySet())
	if err != nil {
		i.t.Fatalf("verifiertest: Keys: %v", err)
	}
	return document
}

// Up ends what [Issuer.Down], [Issuer.Slow] and [Issuer.ServeKeys] began.
func (i *Issuer) Up() {
	i.mu.Lock()
	defer i.mu.Unlock()
	close(i.trouble.over)
	i.trouble = newTrouble()
}

func (i *Issuer) current() trouble {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.trouble
}

func (i *Issuer) route() {
	i.mux = http.NewServeMux()
	i.mux.HandleFunc("GET /.well-known/openid-configuration", i.serveMetadata)
	i.mux.HandleFunc("GET /.well-known/oauth-authorization-server", i.serveMetadata)
	i.mux.HandleFunc("GET "+keysPath, i.serveKeys)
	i.mux.HandleFunc("POST "+tokenPath, i.serveToken)
	i.mux.HandleFunc("POST "+introspectionPath, i.serveIntrospection)
}

// listen starts the server. It keeps no connection, so that a request never meets one that Down closed and is sent twice.
func (i *Issuer) listen() {
	i.server = httptest.NewUnstartedServer(i)
	i.server.Config.SetKeepAlivesEnabled(false)
	i.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	i.server.StartTLS()
}

// ServeHTTP answers as the authorization server: for an issuer that was made with [At].
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	arrived := i.arrive(r.URL.Path)
	// Only once its body is read does a request's context end when the client hangs up.
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxForm))
	if err != nil {
		http.Error(w, "the body is too long or cut off", http.StatusBadRequest)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if arrived.delay > 0 && !i.wait(r, arrived) {
		panic(http.ErrAbortHandler)
	}
	switch now := i.current(); {
	case now.down && now.status == 0:
		panic(http.ErrAbortHandler)
	case now.down:
		w.WriteHeader(now.status)
	default:
		i.mux.ServeHTTP(w, r)
	}
}

// arrive counts a request and returns the trouble that it met.
func (i *Issuer) arrive(path string) trouble {
	i.mu.Lock()
	defer i.mu.Unlock()
	switch path {
	case keysPath:
		i.requests.Keys++
	case tokenPath:
		i.requests.Token++
	case introspectionPath:
		i.requests.Introspection++
	case "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server":
		i.requests.Discovery++
	}
	return i.trouble
}

// wait reports whether an answer is still wanted.
func (i *Issuer) wait(r *http.Request, t trouble) bool {
	timer := time.NewTimer(t.delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-t.over:
		return true
	case <-r.Context().Done():
	case <-i.closed:
	}
	return false
}

// serveMetadata: RFC 8414 section 2, and what OpenID Connect Discovery section 3 requires beside it.
func (i *Issuer) serveMetadata(w http.ResponseWriter, r *http.Request) {
	serveDocument(w, r, map[string]any{
		"issuer":                                i.URL(),
		"jwks_uri":                              i.URL() + keysPath,
		"token_endpoint":                        i.TokenURL(),
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post"},
		"introspection_endpoint":                i.URL() + introspectionPath,
		"grant_types_supported":                 []string{"client_credentials"},
		"response_types_supported":              []string{"none"},
		"code_challenge_methods_supported":      []string{"S256"}, // clients of the Model Context Protocol insist, whatever grant they use
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": i.algorithms(),
	})
}

func (i *Issuer) serveKeys(w http.ResponseWriter, r *http.Request) {
	if odd := i.current().keys; odd != nil {
		odd(w, r)
		return
	}
	serveDocument(w, r, i.keySet())
}

// serveDocument answers 304 to a client that has the document already (RFC 9110 section 13.1.2).
func serveDocument(w http.ResponseWriter, r *http.Request, document any) {
	body, err := json.Marshal(document)
	if err != nil {
		panic(err) // it is made of strings
	}
	sum := sha256.Sum256(body)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "public, max-age=300")
	w.Header().Set("ETag", `"`+hex.EncodeToString(sum[:8])+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

// client is a registered one. Of its secret only the hash is kept, so that nothing prints it.
type client struct {
	secret [sha256.Size]byte
	scope  scopes.Set
}

// RegisterClient makes a client known to the token endpoint, which grants it these scopes or fewer. A scope may also be
// several, separated by spaces. A client that is registered again is replaced.
func (i *Issuer) RegisterClient(id, secret string, scope ...string) {
	i.t.Helper()
	set, err := scopes.Parse(strings.Join(scope, " "))
	if err != nil {
		i.t.Fatalf("verifiertest: RegisterClient: %v", err)
	}
	if id == "" || secret == "" {
		i.t.Fatalf("verifiertest: RegisterClient: id or secret is empty")
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.clients[id] = client{sha256.Sum256([]byte(secret)), set}
}

// refusal is an answer of RFC 6749 section 5.2.
type refusal struct {
	status            int
	code, description string
}

var (
	badRequest = &refusal{http.StatusBadRequest, "invalid_request", "the request is no form, repeats a parameter or lacks grant_type"}
	twoMethods = &refusal{http.StatusBadRequest, "invalid_request", "the client authenticates in more than one way"}
	badClient  = &refusal{http.StatusUnauthorized, "invalid_client", "the client is unknown, has another secret or sent none"}
	badGrant   = &refusal{http.StatusBadRequest, "unsupported_grant_type", "only client_credentials is supported"}
	badTarget  = &refusal{http.StatusBadRequest, "invalid_target", "the audience or resource is unknown"}
	badScope   = &refusal{http.StatusBadRequest, "invalid_scope", "the client is not allowed this scope"}
	noForm     = &refusal{http.StatusBadRequest, "invalid_request", "the request is no form with one token in it"}
	noToken    = &refusal{http.StatusInternalServerError, "server_error", "the token could not be signed"}
)

// serveToken is the client-credentials grant (RFC 6749 section 4.4).
func (i *Issuer) serveToken(w http.ResponseWriter, r *http.Request) {
	g, refused := i.grant(r)
	if refused != nil {
		refuse(w, refused)
		return
	}
	token, err := i.sign(nil, i.mint(*g))
	if err == nil && i.recipient != nil {
		token, err = i.encrypt(token)
	}
	if err != nil {
		refuse(w, noToken)
		return
	}
	granted := map[string]any{"access_token": token, "token_type": "Bearer", "expires_in": int(lifetime.Seconds())}
	if g.scope != "" {
		granted["scope"] = g.scope
	}
	answer(w, http.StatusOK, granted)
}

func refuse(w http.ResponseWriter, r *refusal) {
	if r.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="token endpoint"`)
	}
	answer(w, r.status, map[string]any{"error": r.code, "error_description": r.description})
}

// answer: RFC 6749 sections 5.1 and 5.2.
func answer(w http.ResponseWriter, status int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client may have gone
}

// grant decides what a token request gets.
func (i *Issuer) grant(r *http.Request) (*grant, *refusal) {
	if r.ParseForm() != nil {
		return nil, badRequest
	}
	form := r.PostForm
	for name, values := range form {
		repeatable := name == "resource" || name == "audience" // RFC 8707 section 2, RFC 8693 section 2.1
		if len(values) > 1 && !repeatable {                    // RFC 6749 section 3.2
			return nil, badRequest
		}
	}
	id, allowed, refused := i.authenticate(r)
	if refused != nil {
		return nil, refused
	}
	switch form.Get("grant_type") {
	case "client_credentials":
	case "":
		return nil, badRequest
	default:
		return nil, badGrant
	}
	g := &grant{client: id, scope: allowed.String(), audience: i.audience[:1]}
	targets := slices.DeleteFunc(slices.Concat(form["audience"], form["resource"]), func(s string) bool { return s == "" })
	for _, target := range targets {
		if !slices.Contains(i.audience, target) {
			return nil, badTarget
		}
	}
	if len(targets) > 0 {
		slices.Sort(targets)
		g.audience = slices.Compact(targets)
	}
	asked, err := scopes.Parse(form.Get("scope"))
	if err != nil || !allowed.Contains(asked) {
		return nil, badScope
	}
	if asked.Len() > 0 {
		g.scope = asked.String()
	}
	return g, nil
}

// authenticate takes client_secret_basic and client_secret_post, one of them (RFC 6749 section 2.3).
func (i *Issuer) authenticate(r *http.Request) (id string, allowed scopes.Set, refused *refusal) {
	id, secret := r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	if r.Header.Get("Authorization") != "" {
		if secret != "" {
			return "", allowed, twoMethods
		}
		user, password, ok := r.BasicAuth()
		// RFC 6749 section 2.3.1: both are encoded as in a form before they are joined.
		user, userErr := url.QueryUnescape(user)
		password, passwordErr := url.QueryUnescape(password)
		if !ok || userErr != nil || passwordErr != nil || id != "" && id != user {
			return "", allowed, badClient
		}
		id, secret = user, password
	}
	i.mu.Lock()
	known, ok := i.clients[id]
	i.mu.Unlock()
	sum := sha256.Sum256([]byte(secret))
	if subtle.ConstantTimeCompare(sum[:], known.secret[:]) != 1 || !ok {
		return "", allowed, badClient
	}
	return id, known.scope, nil
}
