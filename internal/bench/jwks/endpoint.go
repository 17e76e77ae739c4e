package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

const latency = 20 * time.Millisecond // of the key endpoint

// endpoint is an authorization server on loopback: its metadata is always served at once, its keys after the latency,
// or as the trouble of the moment has it.
type endpoint struct {
	issuer string
	server *http.Server

	mu        sync.Mutex
	keys      []*signingKey
	trouble   trouble
	fetches   []time.Time    // when key requests came
	discovery map[string]int // metadata requests by path
	running   int
	peak      int
	arrived   chan struct{} // closed by the first key request
}

// trouble answers a key request in a wrong way; document is what a good answer would hold. Nil: none.
type trouble func(w http.ResponseWriter, r *http.Request, document []byte)

func listen() (*endpoint, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	e := &endpoint{issuer: "http://" + listener.Addr().String(), discovery: map[string]int{}, arrived: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /keys", e.serveKeys)
	mux.HandleFunc("GET /", e.serveMetadata)
	e.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = e.server.Serve(listener) }() // it ends with http.ErrServerClosed
	return e, nil
}

func (e *endpoint) close() { _ = e.server.Close() }

func (e *endpoint) jwksURL() string { return e.issuer + "/keys" }

func (e *endpoint) publish(keys ...*signingKey) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.keys = keys
}

// fail makes the key endpoint misbehave from now on; nil mends it.
func (e *endpoint) fail(t trouble) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.trouble = t
}

// forget starts the counts anew.
func (e *endpoint) forget() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.fetches, e.discovery, e.peak = nil, map[string]int{}, e.running
}

// traffic is what an endpoint was asked.
type traffic struct {
	keys, discovery int
	perURL          int // the most requests for one metadata URL
	peak            int // key requests at once
}

func (e *endpoint) traffic() traffic {
	e.mu.Lock()
	defer e.mu.Unlock()
	t := traffic{keys: len(e.fetches), peak: e.peak}
	for _, n := range e.discovery {
		t.discovery += n
		t.perURL = max(t.perURL, n)
	}
	return t
}

// fetchesBetween counts the key requests that came in a period.
func (e *endpoint) fetchesBetween(from, to time.Time) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	for _, t := range e.fetches {
		if !t.Before(from) && !t.After(to) {
			n++
		}
	}
	return n
}

func (e *endpoint) serveMetadata(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	e.discovery[r.URL.Path]++
	e.mu.Unlock()
	if r.URL.Path != "/.well-known/openid-configuration" {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q,"authorization_endpoint":%[1]q,"token_endpoint":%[1]q,`+
		`"id_token_signing_alg_values_supported":["ES256"]}`, e.issuer, e.jwksURL())
}

func (e *endpoint) serveKeys(w http.ResponseWriter, r *http.Request) {
	e.arrive()
	defer e.leave()
	timer := time.NewTimer(latency)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
		return
	}
	e.mu.Lock()
	trouble, keys := e.trouble, slices.Clone(e.keys)
	e.mu.Unlock()
	document := keySet(keys)
	if trouble != nil {
		trouble(w, r, document)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(document)
}

func (e *endpoint) arrive() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.fetches) == 0 {
		select {
		case <-e.arrived:
		default:
			close(e.arrived)
		}
	}
	e.fetches = append(e.fetches, time.Now())
	e.running++
	e.peak = max(e.peak, e.running)
}

func (e *endpoint) leave() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.running--
}

func keySet(keys []*signingKey) []byte {
	set := struct {
		Keys []json.RawMessage `json:"keys"`
	}{Keys: []json.RawMessage{}}
	for _, k := range keys {
		set.Keys = append(set.Keys, k.jwk())
	}
	document, err := json.Marshal(set)
	if err != nil {
		panic(err) // jwk writes JSON
	}
	return document
}

// failure is a way in which key endpoints fail.
type failure struct {
	name string
	do   trouble
}

// failures are those that a row is played for.
var failures = []failure{
	{"500 with text", status(http.StatusInternalServerError, "text/plain", "oops")},
	{"500 with JSON", status(http.StatusInternalServerError, "application/json", `{"keys":[]}`)},
	{"HTML with 200", status(http.StatusOK, "text/html", "<html>sign in</html>")},
	{"empty set", status(http.StatusOK, "application/json", `{"keys":[]}`)},
	{"hangs", hang},
	{"resets", reset},
	{"10 MB", huge},
	{"half a body", half},
	{"429 with Retry-After: 2", busy},
}

func status(code int, contentType, body string) trouble {
	return func(w http.ResponseWriter, _ *http.Request, _ []byte) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}
}

// hang keeps a request until its client gives up, even when the outage is over: so does a lost packet.
func hang(_ http.ResponseWriter, r *http.Request, _ []byte) { <-r.Context().Done() }

func reset(w http.ResponseWriter, _ *http.Request, _ []byte) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

var blanks = slices.Repeat([]byte{' '}, 1<<20)

func huge(w http.ResponseWriter, _ *http.Request, _ []byte) {
	w.Header().Set("Content-Type", "application/json")
	_, err := io.WriteString(w, `{"keys":[`)
	for i := 0; i < 10 && err == nil; i++ {
		_, err = w.Write(blanks)
	}
	_, _ = io.WriteString(w, "]}")
}

func half(w http.ResponseWriter, _ *http.Request, document []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(document)))
	_, _ = w.Write(document[:len(document)/2])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

func busy(w http.ResponseWriter, _ *http.Request, _ []byte) {
	w.Header().Set("Retry-After", "2")
	w.WriteHeader(http.StatusTooManyRequests)
}
