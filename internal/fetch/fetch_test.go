package fetch_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard/internal/fetch"
)

const limit = 1 << 20

// serve answers every request with a handler, over TLS.
func serve(t *testing.T, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewTLSServer(handler)
	t.Cleanup(s.Close)
	return s
}

func get(t *testing.T, s *httptest.Server, path string, v fetch.Validators) (*fetch.Response, error) {
	t.Helper()
	return fetch.Get(t.Context(), fetch.NewClient(s.Client()), s.URL+path, v)
}

// failure asserts that an error is a fetch.Error for a URL and a status, and says something.
func failure(t *testing.T, err error, wantURL string, status int, says string) *fetch.Error {
	t.Helper()
	e := (*fetch.Error)(nil)
	if !errors.As(err, &e) || e.URL != wantURL || e.Status != status || !strings.Contains(err.Error(), says) || strings.Count(err.Error(), wantURL) != 1 {
		t.Fatalf("%v; want status %d at %s, once, and %q", err, status, wantURL, says)
	}
	return e
}

func TestGet(t *testing.T) {
	t.Parallel()
	var got *http.Request
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got = r
		w.Header().Set("ETag", `"1"`)
		w.Header().Set("Last-Modified", "Wed, 25 Nov 2026 12:00:00 GMT")
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("Content-Type", "text/html") // servers say anything
		w.Write([]byte(`{"keys":[]}`))
	})
	r, err := get(t, s, "/keys?x=1", fetch.Validators{})
	if err != nil || string(r.Body) != `{"keys":[]}` || r.NotModified || r.MaxAge != time.Minute || r.Validators != (fetch.Validators{ETag: `"1"`, LastModified: "Wed, 25 Nov 2026 12:00:00 GMT"}) {
		t.Fatalf("%+v, %v", r, err)
	}
	if h := got.Header; got.Method != http.MethodGet || !strings.Contains(h.Get("Accept"), "application/json") || h.Get("If-None-Match")+h.Get("If-Modified-Since")+h.Get("Cookie")+h.Get("Authorization") != "" {
		t.Errorf("8414-3.1-1 %s %v", got.Method, h)
	}
	if e := r.Unusable("https://x", errors.New("no keys")); e.Error() != `https://x: HTTP status 200: no keys ("text/html", it begins "{\"keys\":[]}")` {
		t.Error(e)
	}
	r.Body = bytes.Repeat([]byte("<\x1b"), 1000)
	if e := r.Unusable("https://x", errors.New("no keys")); len(e.Error()) > 300 || strings.Contains(e.Error(), "\x1b") {
		t.Error(e)
	}
}

func TestNotModified(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "max-age=7")
		w.Header().Set("ETag", `"other"`)
		w.Header().Set("X-Seen", r.Header.Get("If-None-Match")+"|"+r.Header.Get("If-Modified-Since"))
		w.WriteHeader(http.StatusNotModified)
	})
	for _, v := range []fetch.Validators{{ETag: `"1"`}, {LastModified: "Wed, 25 Nov 2026 12:00:00 GMT"}, {ETag: `W/"1"`, LastModified: "x"}} {
		r, err := get(t, s, "/", v)
		if err != nil || !r.NotModified || r.Body != nil || r.Validators != v || r.MaxAge != 7*time.Second {
			t.Errorf("%+v: %+v, %v", v, r, err)
		}
	}
	_, err := get(t, s, "/", fetch.Validators{})
	failure(t, err, s.URL+"/", 304, "") // to a question that nobody asked
}

func TestConditionalRequest(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s|%s", r.Header.Get("If-None-Match"), r.Header.Get("If-Modified-Since"))
	})
	r, err := get(t, s, "/", fetch.Validators{ETag: `"1"`, LastModified: "d"})
	if err != nil || string(r.Body) != `"1"|d` || r.NotModified {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestSize(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var size int
		fmt.Sscanf(r.URL.Path, "/%d", &size)
		body := bytes.Repeat([]byte("a"), size)
		switch r.URL.RawQuery {
		case "chunked":
			w.(http.Flusher).Flush()
		case "gzip":
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			z.Write(body)
			z.Close()
			return
		case "endless": // nearly: whoever reads on to its end sees it cut off
			for range 32 {
				w.Write(body)
			}
			panic(http.ErrAbortHandler)
		case "half":
			w.Header().Set("Content-Length", fmt.Sprint(size*2))
		}
		w.Write(body)
	})
	for path, ok := range map[string]bool{
		fmt.Sprintf("/%d", limit): true, fmt.Sprintf("/%d", limit+1): false, fmt.Sprintf("/%d?chunked", limit): true, fmt.Sprintf("/%d?chunked", limit+1): false,
		fmt.Sprintf("/%d?gzip", limit): true, fmt.Sprintf("/%d?gzip", limit+1): false, fmt.Sprintf("/%d?gzip", 50*limit): false, "/0": true, "/100?half": false, fmt.Sprintf("/%d?endless", limit): false,
	} {
		r, err := get(t, s, path, fetch.Validators{})
		if ok && err == nil {
			if fmt.Sprintf("/%d", len(r.Body)) != strings.Split(path, "?")[0] {
				t.Errorf("%s: %d bytes", path, len(r.Body))
			}
			continue
		}
		if ok {
			t.Errorf("%s: %v", path, err)
			continue
		}
		failure(t, err, s.URL+path, 200, map[bool]string{true: "EOF", false: "larger than 1048576"}[strings.HasSuffix(path, "half")])
	}
}

func TestSizeOfTheHeader(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Padding", strings.Repeat("a", 100<<10))
	})
	if _, err := get(t, s, "/", fetch.Validators{}); err == nil {
		t.Error("a header of 100 KiB is read")
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var status int
		fmt.Sscanf(r.URL.Path, "/%d", &status)
		w.Header().Set("Retry-After", r.URL.Query().Get("after"))
		w.WriteHeader(status)
		if status >= 400 {
			w.Write([]byte("secret details"))
		}
	})
	for path, want := range map[string]time.Duration{
		"/201": 0, "/204": 0, "/206": 0, "/300": 0, "/400": 0, "/401": 0, "/403": 0, "/404": 0, "/429?after=2": 2 * time.Second, "/500": 0, "/503?after=120": 2 * time.Minute,
		"/503?after=%2030%20": 30 * time.Second, "/503?after=-1": 0, "/503?after=1.5": 0, "/503?after=soon": 0, "/503?after=Wed,%2025%20Nov%202026%2012:00:00%20GMT": 0,
		"/503?after=99999999999999999999": (1<<31 - 1) * time.Second,
	} {
		_, err := get(t, s, path, fetch.Validators{})
		var status int
		fmt.Sscanf(path, "/%d", &status)
		if e := failure(t, err, s.URL+path, status, ""); e.RetryAfter != want || strings.Contains(e.Error(), "secret") {
			t.Errorf("%s: %+v", path, e)
		}
	}
}

func TestMaxAge(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		for _, value := range r.URL.Query()["cc"] {
			w.Header().Add("Cache-Control", value)
		}
		if age := r.URL.Query().Get("age"); age != "" {
			w.Header().Set("Age", age)
		}
	})
	const none = -1
	for _, tt := range []struct {
		headers string // Cache-Control fields separated by ";", then "@" and Age
		want    time.Duration
	}{
		{"", none}, {"max-age=60", time.Minute}, {"max-age=0", 0}, {"MAX-AGE=60", time.Minute}, {` private , max-age="60"`, time.Minute}, {"max-age=60, private, must-revalidate", time.Minute},
		{"public, max-age=15, stale-while-revalidate=15, stale-if-error=86400", 15 * time.Second}, {"private;max-age=60", time.Minute}, {"max-age=3828277", 3828277 * time.Second},
		{"max-age=99999999999999999999", (1<<31 - 1) * time.Second}, {"max-age=-1", none}, {"max-age=1.5", none}, {"max-age=", none}, {"max-age", none}, {"max-age=x", none}, {"max-age=0x10", none},
		{"s-maxage=60", none}, {"x-max-age=60", none}, {"private", none}, {"max-age=60, no-store", none}, {"no-cache, max-age=60", none}, {"no-cache, must-revalidate, no-transform, no-store", none}, {"no-store", none},
		{"max-age=60;no-store", none}, {"max-age=60@10", 50 * time.Second}, {"public, max-age=21532, must-revalidate, no-transform@20000", 1532 * time.Second}, {"max-age=60@60", 0}, {"max-age=60@600", 0},
		{"max-age=60@-5", time.Minute}, {"max-age=60@x", time.Minute}, {"@10", none}, {"no-store@10", none}, {"max-age=60@99999999999999999999", 0},
	} {
		fields, age, _ := strings.Cut(tt.headers, "@")
		query := url.Values{"age": {age}}
		for field := range strings.SplitSeq(fields, ";") {
			query.Add("cc", field)
		}
		r, err := get(t, s, "/?"+query.Encode(), fetch.Validators{})
		if err != nil {
			t.Fatal(err)
		}
		if got := r.MaxAge; got != tt.want && !(tt.want == none && got < 0) {
			t.Errorf("%q: %v, want %v", tt.headers, got, tt.want)
		}
	}
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	var elsewhere atomic.Int64
	other := serve(t, func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) })
	plain := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer plain.Close()
	var s *httptest.Server
	s = serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, port, _ := net.SplitHostPort(r.Host)
		var n int
		if _, err := fmt.Sscanf(r.URL.Path, "/%d", &n); err == nil && n == 0 {
			w.Write([]byte("arrived"))
			return
		}
		http.Redirect(w, r, map[string]string{
			"/host": "https://localhost:" + port + "/0", "/port": other.URL + "/0", "/scheme": "http" + s.URL[5:] + "/0", "/plain": plain.URL, "/loop": "/loop",
			"/ftp": "ftp://" + r.Host + "/0", "/then": "/port", "/relative": "//" + r.Host + "/0", "/file": "file:///etc/passwd",
		}[r.URL.Path]+map[bool]string{true: fmt.Sprintf("/%d", n-1)}[n > 0], http.StatusFound)
	})
	for _, path := range []string{"/0", "/1", "/2", "/3", "/relative"} {
		if r, err := get(t, s, path, fetch.Validators{}); err != nil || string(r.Body) != "arrived" {
			t.Errorf("%s: %+v, %v", path, r, err)
		}
	}
	for path, says := range map[string]string{
		"/4": "more than 3 redirects", "/loop": "more than 3 redirects", "/host": "another origin, https://localhost:", "/port": "another origin", "/scheme": "another origin, http://",
		"/plain": "another origin, http://", "/ftp": "another origin, ftp://", "/then": "another origin", "/file": "another origin, file://",
	} {
		r, err := get(t, s, path, fetch.Validators{})
		if r != nil {
			t.Fatalf("%s: %+v", path, r)
		}
		failure(t, err, s.URL+path, 0, says)
	}
	if n := elsewhere.Load(); n != 0 {
		t.Errorf("%d requests went to another origin", n)
	}
}

// transport answers without a network.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestRedirectToTheSchemesPort: with and without the port it is one origin (RFC 6454 section 4).
func TestRedirectToTheSchemesPort(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		from, to string
		same     bool
	}{
		{"https://as.example.com/", "https://as.example.com:443/keys", true}, {"https://as.example.com:443/", "https://AS.example.com/keys", true},
		{"http://as.example.com/", "http://as.example.com:80/keys", true}, {"https://[2001:db8::1]/", "https://[2001:db8::1]:443/keys", true},
		{"https://as.example.com/", "https://as.example.com:80/keys", false}, {"http://as.example.com/", "http://as.example.com:443/keys", false},
		{"https://as.example.com:8443/", "https://as.example.com/keys", false}, {"https://as.example.com/", "https://as.example.com.:443/keys", false},
	} {
		client := fetch.NewClient(&http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			w := httptest.NewRecorder()
			if r.URL.Path == "/" {
				http.Redirect(w, r, tt.to, http.StatusFound)
			}
			return w.Result(), nil
		})})
		if _, err := fetch.Get(t.Context(), client, tt.from, fetch.Validators{}); (err == nil) != tt.same {
			t.Errorf("%s to %s: %v", tt.from, tt.to, err)
		}
	}
}

// TestCallersClient is copied: what it has of its own holds, but for its cookies and its redirect rule.
func TestCallersClient(t *testing.T) {
	t.Parallel()
	var cookies, kept atomic.Int64
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if !r.Close { // a used connection that breaks would make net/http ask twice
			kept.Add(1)
		}
		if r.Header.Get("Cookie") != "" {
			cookies.Add(1)
		}
		http.SetCookie(w, &http.Cookie{Name: "a", Value: "b"})
		if r.URL.Path == "/far" {
			http.Redirect(w, r, "https://other.example", http.StatusFound)
		}
	})
	jar, _ := cookiejar.New(nil)
	u, _ := url.Parse(s.URL)
	jar.SetCookies(u, []*http.Cookie{{Name: "session", Value: "x"}})
	caller := s.Client()
	followed := false
	caller.Jar, caller.Timeout = jar, time.Minute
	caller.CheckRedirect = func(*http.Request, []*http.Request) error { followed = true; return nil }
	transport := caller.Transport.(*http.Transport)
	client := fetch.NewClient(caller)
	for range 2 {
		if _, err := fetch.Get(t.Context(), client, s.URL, fetch.Validators{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := fetch.Get(t.Context(), client, s.URL+"/far", fetch.Validators{}); err == nil || followed {
		t.Errorf("the caller's redirect rule held: %v", err)
	}
	if cookies.Load() != 0 || len(jar.Cookies(u)) != 1 {
		t.Errorf("%d cookies were sent, %v kept", cookies.Load(), jar.Cookies(u))
	}
	if kept.Load() != 0 {
		t.Errorf("%d connections were to be kept", kept.Load())
	}
	if transport.DisableKeepAlives || transport.MaxResponseHeaderBytes != 0 {
		t.Error("the caller's transport was changed")
	}
	if caller.Jar != jar || caller.Transport != transport || caller.CheckRedirect == nil || client.Timeout != time.Minute {
		t.Error("the caller's client was changed, or its timeout lost")
	}
}

// far is a connection that says it leads off this machine.
type far struct{ net.Conn }

func (far) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 443} }

// TestLocalhostMustBeLoopback dials a name that a resolver could send anywhere.
func TestLocalhostMustBeLoopback(t *testing.T) {
	t.Parallel()
	var requests atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { requests.Add(1) }))
	t.Cleanup(s.Close)
	dial := func(leadsAway bool) func(context.Context, string, string) (net.Conn, error) {
		return func(ctx context.Context, network, _ string) (net.Conn, error) {
			conn, err := (&net.Dialer{}).DialContext(ctx, network, s.Listener.Addr().String())
			if leadsAway && err == nil {
				conn = far{conn}
			}
			return conn, err
		}
	}
	old := func(leadsAway bool) *http.Transport {
		return &http.Transport{Dial: func(network, address string) (net.Conn, error) {
			return dial(leadsAway)(context.Background(), network, address)
		}} //lint:ignore SA1019 callers may have it
	}
	for _, tt := range []struct {
		name, url string
		transport *http.Transport
		ok        bool
	}{
		{"localhost on this machine", "http://localhost/", &http.Transport{DialContext: dial(false)}, true},
		{"localhost elsewhere", "http://localhost/", &http.Transport{DialContext: dial(true)}, false},
		{"LOCALHOST elsewhere", "http://LOCALHOST:80/", &http.Transport{DialContext: dial(true)}, false},
		{"another name elsewhere", "http://as.example.com/", &http.Transport{DialContext: dial(true)}, true},
		{"localhost on this machine, by the old Dial", "http://localhost/", old(false), true},
		{"localhost elsewhere, by the old Dial", "http://localhost/", old(true), false},
	} {
		before := requests.Load()
		_, err := fetch.Get(t.Context(), fetch.NewClient(&http.Client{Transport: tt.transport}), tt.url, fetch.Validators{})
		if (err == nil) != tt.ok || !tt.ok && !strings.Contains(err.Error(), "localhost leads to 192.0.2.1:443, which is not a loopback address") {
			t.Errorf("%s: %v", tt.name, err)
		}
		if sent := requests.Load() - before; (sent == 1) != tt.ok {
			t.Errorf("%s: %d requests", tt.name, sent)
		}
		tt.transport.CloseIdleConnections()
	}
}

func TestGetFails(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {})
	_, err := fetch.Get(t.Context(), fetch.NewClient(nil), s.URL, fetch.Validators{}) // 8414-6.1-1 a certificate that our own client doesn't know
	failure(t, err, s.URL, 0, "certificate")
	_, err = fetch.Get(t.Context(), fetch.NewClient(nil), "https://\x00", fetch.Validators{})
	if e := (*fetch.Error)(nil); !errors.As(err, &e) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := fetch.Get(ctx, fetch.NewClient(s.Client()), s.URL, fetch.Validators{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	s.Close()
	_, err = get(t, s, "/", fetch.Validators{})
	failure(t, err, s.URL+"/", 0, "refused")
	files := http.Client{Transport: http.NewFileTransport(http.Dir(t.TempDir()))}
	_, err = fetch.Get(t.Context(), fetch.NewClient(&files), "https://as.example.com/none", fetch.Validators{})
	failure(t, err, "https://as.example.com/none", 404, "")
}

func post(t *testing.T, s *httptest.Server, path string) (*fetch.Answer, error) {
	t.Helper()
	return fetch.Post(t.Context(), fetch.NewClient(s.Client()), s.URL+path, url.Values{"token": {"a b&c"}}, http.Header{"Accept": {"application/json"}})
}

func TestPost(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 204, 400, 401, 503} {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method != "POST" || r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || r.Header.Get("Accept") != "application/json" || r.FormValue("token") != "a b&c" {
				t.Errorf("%s %v", r.Method, r.Header)
			}
			w.Header().Set("Content-Type", "text/plain")
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(status)
			if status != 204 {
				w.Write([]byte("body"))
			}
		})
		a, err := post(t, s, "/")
		if err != nil || a.Status != status || a.ContentType != "text/plain" || a.RetryAfter != 7*time.Second || status != 204 && string(a.Body) != "body" {
			t.Errorf("%d: %+v, %v", status, a, err)
		}
	}
}

func TestPostFails(t *testing.T) {
	t.Parallel()
	reached := atomic.Int32{}
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/moved", "/found", "/other":
			status := map[string]int{"/moved": http.StatusMovedPermanently, "/found": http.StatusFound, "/other": http.StatusSeeOther}[r.URL.Path]
			http.Redirect(w, r, "/here/", status)
		case "/temporary":
			http.Redirect(w, r, "/here/", http.StatusTemporaryRedirect)
		case "/elsewhere":
			http.Redirect(w, r, "https://other.example.com/", http.StatusTemporaryRedirect)
		case "/loop":
			http.Redirect(w, r, "/loop", http.StatusPermanentRedirect)
		case "/large":
			w.Write(make([]byte, 64<<10+1))
		case "/largest":
			w.Write(make([]byte, 64<<10))
		case "/here/":
			reached.Add(1)
			fmt.Fprint(w, r.Method, r.FormValue("token"))
		default:
			panic(http.ErrAbortHandler)
		}
	})
	for _, tt := range []struct {
		path   string
		status int
		says   string
	}{
		{"/moved", 0, "turn the POST into a GET"}, {"/found", 0, "turn the POST into a GET"}, {"/other", 0, "turn the POST into a GET"},
		{"/elsewhere", 0, "another origin"}, {"/loop", 0, "more than 3 redirects"}, {"/large", 200, "larger than 65536 bytes"}, {"/gone", 0, "EOF"},
	} {
		_, err := post(t, s, tt.path)
		failure(t, err, s.URL+tt.path, tt.status, tt.says)
		if strings.Contains(err.Error(), "a b&c") || strings.Contains(err.Error(), "a+b") {
			t.Errorf("the form is in %v", err)
		}
	}
	if n := reached.Load(); n != 0 {
		t.Errorf("%d redirects were followed", n)
	}
	if a, err := post(t, s, "/temporary"); err != nil || string(a.Body) != "POSTa b&c" {
		t.Errorf("307 at the same origin: %v, %v", a, err)
	}
	if a, err := post(t, s, "/largest"); err != nil || len(a.Body) != 64<<10 {
		t.Errorf("the largest body: %v", err)
	}
}
