package conformance

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard/middleware"
	"github.com/bearerguard/bearerguard/scopes"
	"github.com/bearerguard/bearerguard/verifier"
	"github.com/bearerguard/bearerguard/verifier/verifiertest"
)

// rig is a framework with its layers and handler still to be put together.
type rig[M any] struct {
	*testing.T
	Framework[M]
	world *world
	ran   atomic.Int32 // the handler
}

func runWiring[M any](t *testing.T, f Framework[M], w *world) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		run  func(*rig[M])
	}{
		{"BUG-216 a refused HEAD runs no handler and has no body", (*rig[M]).head},
		{"BUG-216 BUG-217 HTTP/2", (*rig[M]).http2},
		{"BUG-214 a WebSocket's handshake", (*rig[M]).webSocket},
		{"BUG-215 a stream, whose handler can tell when the token expires", (*rig[M]).stream},
		{"the body of a refused request is never asked for", (*rig[M]).expectContinue},
		{"Q-16 BUG-213 CORS outside of the guard", (*rig[M]).corsOutside},
		{"Q-16 CORS inside of the guard", (*rig[M]).corsInside},
		{"6750-5.2-4 guards with different audiences never accept each other's tokens", (*rig[M]).audiences},
		{"a TokenVerifier, a hook and a body that panic let nothing through", (*rig[M]).panics},
		{"BUG-218 concurrent requests see their own claims", (*rig[M]).concurrent},
		{"an outer layer's headers", (*rig[M]).outerHeaders},
		{"an outer layer that has described another body", (*rig[M]).otherBody},
		{"an outer layer that compresses", (*rig[M]).compressing},
		{"Q-13 the keys' server is down", (*rig[M]).down},
		{"BUG-219 without a guard there are no claims", (*rig[M]).unguarded},
		{"two routes whose requirements share an array ask for their own", (*rig[M]).sharedArray},
		{"a nil guard panics where it is mounted", (*rig[M]).nilGuard},
		{"9449-9-1 9449-8.2-1 9449-8.2-2 a nonce is demanded, taken and replaced", (*rig[M]).nonces},
		{"9449-11.1-2 a proof is good once, also for two guards that share a store", (*rig[M]).replay},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.run(&rig[M]{T: t, Framework: f, world: w})
		})
	}
}

// guarded is the usual route: any good token, and a handler that answers with the client's id.
func (r *rig[M]) guarded() http.Handler {
	return r.Serve(r.counted(nil), r.Require(newGuard(r.T, r.world.verifier, middleware.Config{})))
}

// counted counts that the handler runs.
func (r *rig[M]) counted(then http.HandlerFunc) Handler {
	return func(w http.ResponseWriter, req *http.Request, claims *verifier.Claims, _ bool) {
		r.ran.Add(1)
		if then != nil {
			then(w, req)
			return
		}
		io.WriteString(w, who(claims))
	}
}

func (r *rig[M]) wantRan(n int32) {
	r.Helper()
	if got := r.ran.Swap(0); got != n {
		r.Errorf("the handler ran %d times, want %d", got, n)
	}
}

// do sends a request in memory. The authorization may be "".
func (r *rig[M]) do(h http.Handler, method, authorization string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(method, "/", nil)
	if authorization != "" {
		r.world.authorize(req, []string{authorization})
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, req)
	return rec
}

func (r *rig[M]) wantStatus(rec *httptest.ResponseRecorder, status int) {
	r.Helper()
	if rec.Code != status {
		r.Errorf("status %d, want %d", rec.Code, status)
	}
}

// over sends a request over a connection of its own and gives the first answer and what reads on.
func (r *rig[M]) over(h http.Handler, request string) (*http.Response, *bufio.Reader, net.Conn) {
	r.Helper()
	server := httptest.NewServer(h)
	r.Cleanup(server.Close)
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { conn.Close() })
	io.WriteString(conn, r.world.tokens.Replace(request))
	reader := bufio.NewReader(conn)
	method, _, _ := strings.Cut(request, " ")
	res, err := http.ReadResponse(reader, &http.Request{Method: method})
	if err != nil {
		r.Fatal(err)
	}
	return res, reader, conn
}

func (r *rig[M]) head() {
	for _, method := range []string{"HEAD", "OPTIONS", "CONNECT"} {
		res, reader, _ := r.over(r.guarded(), method+" / HTTP/1.1\r\nHost: api\r\nConnection: close\r\n\r\n")
		if res.StatusCode != 401 || res.Header.Get("WWW-Authenticate") == "" {
			r.Errorf("%s: status %d, challenge %q", method, res.StatusCode, res.Header.Get("WWW-Authenticate"))
		}
		if rest, _ := io.ReadAll(reader); method == "HEAD" && len(rest) > 0 {
			r.Errorf("%s: body %q", method, rest)
		}
		r.wantRan(0)
	}
}

func (r *rig[M]) http2() {
	server := httptest.NewUnstartedServer(r.guarded())
	server.EnableHTTP2 = true
	server.StartTLS()
	r.Cleanup(server.Close)
	for authorization, status := range map[string]int{"": 401, "Bearer {forged}": 401, "Bearer": 400, "Bearer {good}": 200} {
		req, _ := http.NewRequest("POST", server.URL, strings.NewReader("body"))
		if authorization != "" {
			r.world.authorize(req, []string{authorization})
		}
		res, err := server.Client().Do(req)
		if err != nil {
			r.Fatal(err)
		}
		res.Body.Close()
		if res.ProtoMajor != 2 || res.StatusCode != status || (res.Header.Get("WWW-Authenticate") == "") != (status == 200) {
			r.Errorf("%q: HTTP/%d, status %d, want %d, challenge %q", authorization, res.ProtoMajor, res.StatusCode, status, res.Header.Get("WWW-Authenticate"))
		}
		r.wantRan(map[bool]int32{true: 1}[status == 200])
	}
}

func (r *rig[M]) webSocket() {
	handshake := "GET / HTTP/1.1\r\nHost: api\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	accept := func(w http.ResponseWriter, req *http.Request) {
		conn, buffer, err := http.NewResponseController(w).Hijack()
		if err != nil {
			r.Error(err)
			return
		}
		defer conn.Close()
		buffer.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Protocol: app.v1\r\n\r\nhello")
		buffer.Flush()
	}
	guarded := r.Serve(r.counted(accept), r.Require(newGuard(r.T, r.world.verifier, middleware.Config{})))
	// A browser can't set Authorization: a handler outside of the guard moves the token there.
	moved := http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		for protocol := range strings.SplitSeq(req.Header.Get("Sec-WebSocket-Protocol"), ", ") {
			if token, ok := strings.CutPrefix(protocol, "bearer.token."); ok {
				req.Header.Add("Authorization", "Bearer "+token)
			}
		}
		guarded.ServeHTTP(w, req)
	})
	for _, tt := range []struct {
		name    string
		handler http.Handler
		header  string
		status  int
	}{
		{"without a token", guarded, "", 401},
		{"a token in the subprotocol", guarded, "Sec-WebSocket-Protocol: app.v1, bearer.token.{good}\r\n", 401},
		{"a bad token", guarded, "Authorization: Bearer {forged}\r\n", 401},
		{"a good token", guarded, "Authorization: Bearer {good}\r\n", 101},
		{"a good token, moved from the subprotocol", moved, "Sec-WebSocket-Protocol: app.v1, bearer.token.{good}\r\n", 101},
		{"a bad token, moved from the subprotocol", moved, "Sec-WebSocket-Protocol: app.v1, bearer.token.{forged}\r\n", 401},
		{"a token in both", moved, "Authorization: Bearer {good}\r\nSec-WebSocket-Protocol: bearer.token.{good}\r\n", 400},
	} {
		res, reader, _ := r.over(tt.handler, handshake+tt.header+"\r\n")
		if res.StatusCode != tt.status {
			r.Errorf("%s: status %d, want %d", tt.name, res.StatusCode, tt.status)
		}
		if tt.status != 101 {
			if got := res.Header.Get("Sec-WebSocket-Protocol") + res.Header.Get("Upgrade"); got != "" {
				r.Errorf("%s: the refusal has %q", tt.name, got)
			}
			r.wantRan(0)
			continue
		}
		if message, _ := io.ReadAll(reader); string(message) != "hello" {
			r.Errorf("%s: the message is %q", tt.name, message)
		}
		r.wantRan(1)
	}
}

func (r *rig[M]) stream() {
	proceed := make(chan struct{})
	guarded := r.Serve(r.counted(func(w http.ResponseWriter, req *http.Request) {
		claims, _ := verifier.FromContext(req.Context())
		fmt.Fprintln(w, claims.Expiry().Unix())
		if err := http.NewResponseController(w).Flush(); err != nil {
			r.Error(err)
		}
		<-proceed
		io.WriteString(w, "end")
	}), r.Require(newGuard(r.T, r.world.verifier, middleware.Config{})))
	res, _, _ := r.over(guarded, "GET / HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer {good}\r\n\r\n")
	body := bufio.NewReader(res.Body)
	first, err := body.ReadString('\n')
	if seconds, _ := strconv.Atoi(strings.TrimSpace(first)); err != nil || seconds <= 0 {
		r.Errorf("the first line is %q, %v, want the token's expiry", first, err)
	}
	close(proceed)
	if rest, err := io.ReadAll(body); string(rest) != "end" {
		r.Errorf("the rest is %q, %v", rest, err)
	}
	r.wantRan(1)
}

func (r *rig[M]) expectContinue() {
	upload := "POST / HTTP/1.1\r\nHost: api\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n"
	for _, authorization := range []string{"", "Authorization: Bearer {forged}\r\n"} {
		res, _, _ := r.over(r.guarded(), upload+authorization+"\r\n")
		if res.StatusCode != 401 { // and not 100
			r.Errorf("%q: the first answer is %s", authorization, res.Status)
		}
		r.wantRan(0)
	}
}

// cors allows one origin.
func cors(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "https://app.example.com")
		w.Header().Add("Vary", "Origin")
		if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
			w.Header().Set("Access-Control-Allow-Headers", "Authorization")
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.Header().Set("Access-Control-Expose-Headers", "WWW-Authenticate")
		next.ServeHTTP(w, r)
	})
}

// crossOrigin sends what a browser sends: a preflight, then a request without and one with a token.
func (r *rig[M]) crossOrigin(h http.Handler) (preflight, without, with *httptest.ResponseRecorder) {
	req := httptest.NewRequest("OPTIONS", "/", nil)
	req.Header.Set("Origin", "https://app.example.com")
	req.Header.Set("Access-Control-Request-Method", "GET")
	req.Header.Set("Access-Control-Request-Headers", "authorization")
	preflight = httptest.NewRecorder()
	h.ServeHTTP(preflight, req)
	without = r.do(h, "GET", "")
	r.wantRan(0)
	with = r.do(h, "GET", "Bearer {good}")
	r.wantRan(1)
	return
}

func (r *rig[M]) corsOutside() {
	preflight, without, with := r.crossOrigin(cors(r.guarded()))
	r.wantStatus(preflight, 204)
	r.wantStatus(without, 401)
	r.wantStatus(with, 200)
	if h := without.Header(); h.Get("Access-Control-Allow-Origin") == "" || h.Get("Access-Control-Expose-Headers") != "WWW-Authenticate" || h.Get("WWW-Authenticate") == "" {
		r.Errorf("a script can't read the challenge: %q", h)
	}
	optional := cors(r.Serve(r.counted(nil), r.Optional(newGuard(r.T, r.world.verifier, middleware.Config{}))))
	if vary := r.do(optional, "GET", "").Header()["Vary"]; strings.Join(vary, ", ") != "Origin, Authorization" {
		r.Errorf("9111: Vary is %q", vary)
	}
}

func (r *rig[M]) corsInside() {
	inside := cors(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		claims, ok := verifier.FromContext(req.Context())
		r.counted(nil)(w, req, claims, ok)
	}))
	preflight, without, with := r.crossOrigin(r.Serve(func(w http.ResponseWriter, req *http.Request, _ *verifier.Claims, _ bool) {
		inside.ServeHTTP(w, req)
	}, r.Require(newGuard(r.T, r.world.verifier, middleware.Config{}))))
	r.wantStatus(preflight, 401) // so that the browser never sends the request
	r.wantStatus(without, 401)
	r.wantStatus(with, 200)
	for _, rec := range []*httptest.ResponseRecorder{preflight, without} {
		if rec.Header().Get("Access-Control-Allow-Origin") != "" || rec.Header().Get("WWW-Authenticate") != `Bearer realm="api"` {
			r.Errorf("the refusal has %q", rec.Header())
		}
	}
}

func (r *rig[M]) audiences() {
	guardFor := func(audience string) M {
		cfg := r.world.issuer.Config()
		cfg.Audience = []string{audience}
		v, err := verifier.New(cfg)
		if err != nil {
			r.Fatal(err)
		}
		return r.Require(newGuard(r.T, v, middleware.Config{Realm: audience}))
	}
	orders, billing := guardFor("orders"), guardFor("billing")
	token := func(audience ...string) string {
		return "Bearer " + r.world.issuer.Token("", map[string]any{"aud": audience})
	}
	forOrders, forBilling, forBoth := token("orders"), token("billing"), token("billing", "orders")
	for _, tt := range []struct {
		name    string
		layers  []M
		bearer  string
		refuser string // its realm; "": none
	}{
		{"its own token", []M{orders}, forOrders, ""},
		{"another's token", []M{orders}, forBilling, "orders"},
		{"the outer one's token, nested", []M{orders, billing}, forOrders, "billing"},
		{"the inner one's token, nested", []M{orders, billing}, forBilling, "orders"},
		{"the outer one's token, nested the other way", []M{billing, orders}, forBilling, "orders"},
		{"the inner one's token, nested the other way", []M{billing, orders}, forOrders, "billing"},
		{"a token for both, nested", []M{orders, billing}, forBoth, ""},
		{"a guard between two of another", []M{orders, billing, orders}, forOrders, "billing"},
		{"a guard between two of another, a token for both", []M{orders, billing, orders}, forBoth, ""},
	} {
		rec := r.do(r.Serve(r.counted(nil), tt.layers...), "GET", tt.bearer)
		if tt.refuser == "" {
			r.wantStatus(rec, 200)
			r.wantRan(1)
			continue
		}
		if challenge := rec.Header()["Www-Authenticate"]; rec.Code != 401 || len(challenge) != 1 || !strings.Contains(challenge[0], `realm="`+tt.refuser+`", error="invalid_token"`) {
			r.Errorf("%s: status %d, challenge %q", tt.name, rec.Code, challenge)
		}
		r.wantRan(0)
	}
	// One handler calls the other in its own context.
	inner := r.Serve(r.counted(nil), billing)
	outer := r.Serve(func(w http.ResponseWriter, req *http.Request, _ *verifier.Claims, _ bool) {
		inner.ServeHTTP(w, req.Clone(req.Context()))
	}, orders)
	r.wantStatus(r.do(outer, "GET", forOrders), 401)
	r.wantRan(0)
	r.wantStatus(r.do(outer, "GET", forBoth), 200)
	r.wantRan(1)
}

func (r *rig[M]) panics() {
	recovering := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			defer func() {
				if recover() != nil {
					w.WriteHeader(500)
				}
			}()
			next.ServeHTTP(w, req)
		})
	}
	bang := verifierFunc(func(context.Context, string) (*verifier.Claims, error) { panic("bang") })
	for name, layer := range map[string]M{
		"verifier": r.Require(newGuard(r.T, bang, middleware.Config{})),
		"hook":     r.Require(newGuard(r.T, r.world.verifier, middleware.Config{OnDecision: func(*http.Request, *verifier.Claims, *middleware.Denial) { panic("bang") }})),
		"body": r.RequireScope(newGuard(r.T, r.world.verifier, middleware.Config{Body: func(*http.Request, *middleware.Denial) (string, []byte) { panic("bang") }}),
			"admin"),
	} {
		if rec := r.do(recovering(r.Serve(r.counted(nil), layer)), "GET", "Bearer {good}"); rec.Code != 500 {
			r.Errorf("%s: status %d, want 500", name, rec.Code)
		}
		r.wantRan(0)
	}
}

func (r *rig[M]) concurrent() {
	h := r.Serve(r.counted(func(w http.ResponseWriter, req *http.Request) {
		before, _ := verifier.FromContext(req.Context())
		runtime.Gosched()
		after, _ := verifier.FromContext(req.Context())
		fmt.Fprint(w, who(before), " ", who(after))
	}), r.Optional(newGuard(r.T, r.world.verifier, middleware.Config{})))
	var wait sync.WaitGroup
	for n := range 12 {
		wait.Go(func() {
			authorization, client := "", "nobody"
			if n%3 > 0 {
				name := []string{"", "good", "other"}[n%3]
				authorization, client = "Bearer {"+name+"}", map[string]string{"good": "shop", "other": "warehouse"}[name]
			}
			for range 20 {
				if rec := r.do(h, "GET", authorization); rec.Body.String() != client+" "+client {
					r.Errorf("%s was taken for %q", client, rec.Body)
				}
			}
		})
	}
	wait.Wait()
	r.wantRan(12 * 20)
}

// compress is how many compressing layers work: they announce the encoding before anything is written.
func compress(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		zip := gzip.NewWriter(w)
		defer zip.Close()
		next.ServeHTTP(compressed{w, zip}, r)
	})
}

type compressed struct {
	http.ResponseWriter
	zip *gzip.Writer
}

func (c compressed) Write(p []byte) (int, error) { return c.zip.Write(p) }

func (r *rig[M]) compressing() {
	rec := r.do(compress(r.guarded()), "GET", "")
	if encoding := rec.Header().Get("Content-Encoding"); encoding != "gzip" {
		r.Errorf("the refusal is compressed, but its Content-Encoding is %q", encoding)
	}
	unzipped, err := gzip.NewReader(rec.Body)
	if err != nil {
		r.Fatal(err)
	}
	if body, err := io.ReadAll(unzipped); strings.TrimSpace(string(body)) != "{}" {
		r.Errorf("the body is %q, %v", body, err)
	}
}

// behind sets headers before the guard is asked, and gives the refusal as it comes over a connection.
func (r *rig[M]) behind(header http.Header) (http.Header, string) {
	guarded := r.guarded()
	res, _, _ := r.over(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		for name, values := range header {
			w.Header()[name] = values
		}
		guarded.ServeHTTP(w, req)
	}), "GET / HTTP/1.1\r\nHost: api\r\nConnection: close\r\n\r\n")
	body, err := io.ReadAll(res.Body)
	if err != nil {
		r.Error(err)
	}
	return res.Header, strings.TrimSpace(string(body))
}

func (r *rig[M]) outerHeaders() {
	h, body := r.behind(http.Header{"Content-Type": {"text/html"}, "Www-Authenticate": {`Basic realm="outer"`}, "Cache-Control": {"public"}, "X-Request-Id": {"7"}})
	for name, want := range map[string]string{"Content-Type": "application/json", "Www-Authenticate": `Bearer realm="api"`, "Cache-Control": "no-store", "X-Request-Id": "7"} {
		if got := strings.Join(h[name], "; "); got != want {
			r.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if body != "{}" {
		r.Errorf("the body is %q", body)
	}
}

func (r *rig[M]) otherBody() {
	h, body := r.behind(http.Header{"Content-Length": {"1"}, "Etag": {`"1"`}, "Last-Modified": {"Mon, 01 Jan 2024 00:00:00 GMT"}})
	if h.Get("Etag") != "" || h.Get("Last-Modified") != "" || body != "{}" {
		r.Errorf("the refusal has %q and the body %q", h, body)
	}
}

func (r *rig[M]) down() {
	issuer := verifiertest.NewIssuer(r)
	cold, warm := issuer.Verifier(), issuer.Verifier()
	if err := warm.Warm(r.Context()); err != nil {
		r.Fatal(err)
	}
	issuer.Down(500)
	bearer := "Bearer " + issuer.Token("")
	serve := func(v *verifier.Verifier) *httptest.ResponseRecorder {
		return r.do(r.Serve(r.counted(nil), r.Require(newGuard(r.T, v, middleware.Config{}))), "GET", bearer)
	}
	rec := serve(cold)
	r.wantStatus(rec, 503)
	if seconds, err := strconv.Atoi(rec.Header().Get("Retry-After")); err != nil || seconds < 1 || rec.Header().Get("WWW-Authenticate") != "" {
		r.Errorf("the headers are %q", rec.Header())
	}
	r.wantRan(0)
	r.wantStatus(serve(warm), 200) // by the keys that it has
	r.wantRan(1)
}

func (r *rig[M]) unguarded() {
	h := r.Serve(func(_ http.ResponseWriter, req *http.Request, claims *verifier.Claims, ok bool) {
		r.ran.Add(1)
		if claims != nil || ok {
			r.Errorf("the claims are %v, %t", claims, ok)
		}
	})
	r.do(h, "GET", "Bearer {good}")
	r.wantRan(1)
}

func (r *rig[M]) sharedArray() {
	g := newGuard(r.T, r.world.verifier, middleware.Config{})
	common := make([]middleware.Requirement, 0, 2)
	write := r.With(g, append(common, middleware.Scope("orders:write"))...)
	read := r.With(g, append(common, middleware.Scope("orders:read"))...)
	r.wantStatus(r.do(r.Serve(r.counted(nil), write), "GET", "Bearer {good}"), 403)
	r.wantRan(0)
	r.wantStatus(r.do(r.Serve(r.counted(nil), read), "GET", "Bearer {good}"), 200)
	r.wantRan(1)
}

func (r *rig[M]) nilGuard() {
	for name, mount := range map[string]func() M{
		"Require":       func() M { return r.Require(nil) },
		"RequireScope":  func() M { return r.RequireScope(nil, "a") },
		"RequirePolicy": func() M { return r.RequirePolicy(nil, scopes.Any("a")) },
		"With":          func() M { return r.With(nil) },
		"Optional":      func() M { return r.Optional(nil) },
	} {
		func() {
			defer func() {
				if message := fmt.Sprint(recover()); !strings.Contains(message, "nil") || !strings.Contains(message, "Guard") {
					r.Errorf("%s panics with %q", name, message)
				}
			}()
			r.Serve(r.counted(nil), mount())
			r.Error(errors.New(name + " takes a nil guard"))
		}()
	}
}

// prove sends a GET with a token that is bound to the world's key and its proof.
func (r *rig[M]) prove(h http.Handler, proof string) *httptest.ResponseRecorder {
	req := httptest.NewRequest("GET", "/", nil)
	r.world.authorize(req, []string{"DPoP {the key's}"})
	req.Header.Set("DPoP", proof)
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, req)
	return rec
}

func (r *rig[M]) nonces() {
	now := time.Now()
	guard := newGuard(r.T, r.world.verifier, middleware.Config{DPoP: &middleware.DPoP{PublicURL: apiURL, RequireNonce: true}, Now: func() time.Time { return now }})
	h := r.Serve(r.counted(nil), r.Require(guard), r.Require(guard))
	token := r.world.tokens.Replace("{the key's}")
	demand := r.prove(h, r.world.key.Proof("GET", apiURL, token, ""))
	nonces := demand.Header()["Dpop-Nonce"]
	r.wantStatus(demand, 401)
	r.wantRan(0)
	if len(nonces) != 1 || demand.Header().Get("Cache-Control") != "no-store" || !strings.HasPrefix(demand.Header().Get("WWW-Authenticate"), `DPoP error="use_dpop_nonce"`) {
		r.Fatalf("%q", demand.Header())
	}
	for _, aged := range []bool{false, true} {
		rec := r.prove(h, r.world.key.Proof("GET", apiURL, token, nonces[0]))
		r.wantStatus(rec, 200)
		r.wantRan(1)
		if got := rec.Header(); (len(got["Dpop-Nonce"]) == 1) != aged || len(got["Dpop-Nonce"]) > 1 || (got.Get("Cache-Control") == "no-store") != aged {
			r.Errorf("with a nonce that ages, %t: %q", aged, got)
		}
		now = now.Add(2 * time.Minute)
	}
}

// remembering is a ReplayStore.
type remembering struct {
	seen  sync.Map
	asked atomic.Int32
}

func (m *remembering) Once(_ context.Context, key string, _ time.Time) (bool, error) {
	m.asked.Add(1)
	_, again := m.seen.LoadOrStore(key, true)
	return !again, nil
}

func (r *rig[M]) replay() {
	store := &remembering{}
	guard := func() M {
		return r.Require(newGuard(r.T, r.world.verifier, middleware.Config{DPoP: &middleware.DPoP{PublicURL: apiURL, Replay: store}}))
	}
	h := r.Serve(r.counted(nil), guard(), guard())
	proof := r.world.key.Proof("GET", apiURL, r.world.tokens.Replace("{the key's}"), "")
	for again, status := range []int{200, 401} {
		r.wantStatus(r.prove(h, proof), status)
		r.wantRan(int32(1 - again))
		if asked := store.asked.Swap(0); asked != 1 {
			r.Errorf("the store was asked %d times", asked)
		}
	}
}
