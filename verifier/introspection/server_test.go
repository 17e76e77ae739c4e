package introspection_test

import (
	"encoding/json"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard/verifier"
	"github.com/bearerguard/bearerguard/verifier/introspection"
	"github.com/bearerguard/bearerguard/verifier/verifiertest"
)

type obj = map[string]any

const (
	audience = "https://api.example.com"
	opaque   = "2YotnFZFEjr1zCsicMWpAA" // a token
	signedBy = "application/token-introspection+jwt"
)

// call is one request to the endpoint.
type call struct {
	method, query, authorization string
	header                       http.Header
	form                         url.Values
	certificate                  string // the client's common name
}

// server is an authorization server that tells about tokens.
type server struct {
	*httptest.Server
	issuer *verifiertest.Issuer
	clock  *verifiertest.FakeClock

	mu       sync.Mutex
	calls    []call
	endpoint http.HandlerFunc // nil: every token is active
	metadata obj              // more of it
}

func newServer(t testing.TB, configure ...func(*httptest.Server)) *server {
	t.Helper()
	s := &server{clock: verifiertest.NewFakeClock(time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC))}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(s.serve))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	for _, c := range configure {
		c(s.Server)
	}
	s.StartTLS()
	t.Cleanup(s.Close)
	s.issuer = verifiertest.NewIssuer(t, verifiertest.At(s.URL), verifiertest.Clock(s.clock.Now))
	s.metadata = obj{"introspection_endpoint": s.URL + "/introspect"}
	return s
}

func (s *server) serve(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.URL.Path == "/introspect" || r.URL.Path == "/mtls/introspect":
		s.introspect(w, r)
	case strings.HasPrefix(r.URL.Path, "/.well-known/"):
		recorder := httptest.NewRecorder()
		s.issuer.ServeHTTP(recorder, r)
		document := obj{}
		if err := json.Unmarshal(recorder.Body.Bytes(), &document); err != nil {
			w.WriteHeader(recorder.Code)
			return
		}
		s.mu.Lock()
		maps.Copy(document, s.metadata)
		s.mu.Unlock()
		json.NewEncoder(w).Encode(document)
	default:
		s.issuer.ServeHTTP(w, r)
	}
}

func (s *server) introspect(w http.ResponseWriter, r *http.Request) {
	r.ParseForm()
	c := call{method: r.Method, query: r.URL.RawQuery, authorization: r.Header.Get("Authorization"), header: r.Header, form: r.PostForm}
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		c.certificate = r.TLS.PeerCertificates[0].Subject.CommonName
	}
	s.mu.Lock()
	s.calls = append(s.calls, c)
	endpoint := s.endpoint
	s.mu.Unlock()
	if endpoint == nil {
		endpoint = s.says(nil)
	}
	endpoint(w, r)
}

// answers makes the endpoint answer with this from now on.
func (s *server) answers(h http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endpoint = h
}

// seen are the calls so far.
func (s *server) seen() []call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[:len(s.calls):len(s.calls)]
}

// active is what the endpoint says of a good token, with members overridden; nil removes one.
func (s *server) active(members obj) obj {
	now := s.clock.Now()
	answer := obj{
		"active": true, "iss": s.URL, "aud": audience, "client_id": "test-client", "scope": "orders:read orders:write", "token_type": "Bearer",
		"iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(), "sub": "test-client", "jti": "id-1",
	}
	for name, value := range members {
		if answer[name] = value; value == nil {
			delete(answer, name)
		}
	}
	return answer
}

func (s *server) says(members obj) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(s.active(members))
	}
}

// signs is says, signed; envelope overrides what is around the answer, header what is in the JOSE header.
func (s *server) signs(header, envelope, members obj) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", signedBy)
		io.WriteString(w, s.signed(header, envelope, members))
	}
}

func (s *server) signed(header, envelope, members obj) string {
	h := obj{"typ": "token-introspection+jwt"}
	maps.Copy(h, header)
	e := obj{"iss": s.URL, "aud": "orders-api", "iat": s.clock.Now().Unix(), "token_introspection": s.active(members)}
	for name, value := range envelope {
		if e[name] = value; value == nil {
			delete(e, name)
		}
	}
	return s.issuer.Sign(h, e)
}

// raw answers with a status and a body.
func raw(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

func inactive(w http.ResponseWriter, r *http.Request) { raw(200, `{"active":false}`)(w, r) }

// down closes connections without an answer.
func down(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func (s *server) config() introspection.Config {
	tokens := s.issuer.Config()
	tokens.Client, tokens.Profile = s.Client(), verifier.Profile{}
	return introspection.Config{Tokens: tokens, Endpoint: s.URL + "/introspect", Auth: introspection.ClientSecretBasic("orders-api", "s3cret")}
}

// introspector makes one; each change is to the configuration.
func (s *server) introspector(t testing.TB, changes ...func(*introspection.Config)) *introspection.Introspector {
	t.Helper()
	cfg := s.config()
	for _, change := range changes {
		change(&cfg)
	}
	i, err := introspection.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func signedAnswers(cfg *introspection.Config) { cfg.Signed = true }

var _ verifier.TokenVerifier = (*introspection.Introspector)(nil)

func body(r *http.Request) string {
	b, _ := io.ReadAll(r.Body)
	return string(b)
}

func response(status int, text string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(text))}
}
