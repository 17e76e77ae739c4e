// Package fetch is a bounded GET, and a bounded POST: size, redirects, statuses and validators.
package fetch

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	maxBody      = 1 << 20  // a large provider's key set has some 60 KiB
	maxAnswer    = 64 << 10 // four times the longest token, whose claims an answer repeats
	maxHeader    = 64 << 10
	maxRedirects = 3
)

// Response is a document that a server sent whole.
type Response struct {
	Body        []byte // nil if NotModified
	ContentType string // for people: what answered
	NotModified bool   // 304: what the validators stand for is still good
	Validators  Validators
	MaxAge      time.Duration // of Cache-Control, less Age; negative where there is none, or no-store or no-cache
}

// Validators make the next request conditional (RFC 9110 section 8.8).
type Validators struct{ ETag, LastModified string }

// Error is an answer that is not a document.
type Error struct {
	URL        string
	Status     int           // 0: no answer
	RetryAfter time.Duration // 0: none asked for
	Err        error
}

func (e *Error) Error() string {
	if e.Status != 0 {
		return fmt.Sprintf("%s: HTTP status %d: %v", e.URL, e.Status, e.Err)
	}
	return fmt.Sprintf("%s: %v", e.URL, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// RetryAfter is the longest pause that was asked for by one of the answers in err, of which discovery has several.
func RetryAfter(err error) (longest time.Duration) {
	switch e := err.(type) {
	case *Error:
		return e.RetryAfter
	case interface{ Unwrap() error }:
		return RetryAfter(e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, one := range e.Unwrap() {
			longest = max(longest, RetryAfter(one))
		}
	}
	return longest
}

// NewClient returns a client for documents of an identity provider: caller's own in a copy without its cookie jar,
// or one of our own. Redirects stay on the same scheme, host and port, and a name "localhost" must
// lead to a loopback address. A RoundTripper that is not an *http.Transport dials as it likes.
func NewClient(caller *http.Client) *http.Client {
	client := &http.Client{}
	if caller != nil {
		*client = *caller
		client.Jar = nil
	}
	client.CheckRedirect = checkRedirect
	switch t := client.Transport.(type) {
	case nil:
		client.Transport = guardDial(ownTransport())
	case *http.Transport:
		client.Transport = guardDial(t.Clone())
	}
	return client
}

// Get fetches one document under ctx's deadline. Every failure is an [*Error] without any of the body,
// but for its first bytes where a person needs them to recognize what answered.
func Get(ctx context.Context, client *http.Client, rawURL string, v Validators) (*Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, rawURL, nil)
	if err != nil {
		return nil, &Error{URL: rawURL, Err: err}
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json;q=0.9, */*;q=0.1")
	if v.ETag != "" {
		req.Header.Set("If-None-Match", v.ETag)
	}
	if v.LastModified != "" {
		req.Header.Set("If-Modified-Since", v.LastModified)
	}
	resp, err := do(client, req, rawURL)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return read(rawURL, resp, v)
}

func do(client *http.Client, req *http.Request, rawURL string) (*http.Response, error) {
	resp, err := client.Do(req)
	if err != nil {
		if inner := new(url.Error); errors.As(err, &inner) {
			err = inner.Err // its text would repeat the URL
		}
		return nil, &Error{URL: rawURL, Err: err}
	}
	return resp, nil
}

// Answer is what a server said to a form, with whatever status.
type Answer struct {
	Status      int
	ContentType string
	RetryAfter  time.Duration // 0: none asked for
	Body        []byte
}

// Post sends a form under ctx's deadline, with the caller's header fields beside. It stays a POST: a redirect that would
// make a GET of it is an error, as one to another origin is. Every failure is an [*Error], without any of what was sent
// or answered.
func Post(ctx context.Context, client *http.Client, rawURL string, form url.Values, header http.Header) (*Answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, rawURL, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, &Error{URL: rawURL, Err: err}
	}
	maps.Copy(req.Header, header)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	posting := *client
	posting.CheckRedirect = checkPostRedirect
	resp, err := do(&posting, req, rawURL)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := readBody(resp, maxAnswer)
	if err != nil {
		return nil, &Error{URL: rawURL, Status: resp.StatusCode, Err: err}
	}
	return &Answer{resp.StatusCode, resp.Header.Get("Content-Type"), retryAfter(resp.Header), body}, nil
}

func readBody(resp *http.Response, limit int64) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err == nil && int64(len(body)) > limit {
		err = fmt.Errorf("the body is larger than %d bytes", limit)
	}
	return body, err
}

func read(rawURL string, resp *http.Response, v Validators) (*Response, error) {
	r := &Response{
		ContentType: resp.Header.Get("Content-Type"),
		MaxAge:      maxAge(resp.Header),
		Validators:  Validators{ETag: resp.Header.Get("ETag"), LastModified: resp.Header.Get("Last-Modified")},
	}
	if resp.StatusCode == http.StatusNotModified && v != (Validators{}) {
		r.NotModified, r.Validators = true, v
		return r, nil
	}
	if resp.StatusCode != http.StatusOK {
		return nil, &Error{URL: rawURL, Status: resp.StatusCode, RetryAfter: retryAfter(resp.Header), Err: errors.New(http.StatusText(resp.StatusCode))}
	}
	body, err := readBody(resp, maxBody)
	if err != nil {
		return nil, &Error{URL: rawURL, Status: resp.StatusCode, Err: err}
	}
	r.Body = body
	return r, nil
}

// Unusable describes a document that could not be used, so that a person sees what answered: a sign-in page, say.
func (r *Response) Unusable(rawURL string, err error) *Error {
	return &Error{URL: rawURL, Status: http.StatusOK, Err: fmt.Errorf("%w (%.60q, it begins %.40q)", err, r.ContentType, r.Body)}
}

// checkRedirect keeps a trusted server from sending us to another one.
func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return fmt.Errorf("more than %d redirects", maxRedirects)
	}
	from := via[0].URL
	if req.URL.Scheme != from.Scheme || !strings.EqualFold(req.URL.Hostname(), from.Hostname()) || port(req.URL) != port(from) {
		return fmt.Errorf("redirected to another origin, %s://%s", req.URL.Scheme, req.URL.Host)
	}
	return nil
}

// port is a URL's own, or its scheme's: some servers write it out (RFC 6454 section 4).
func port(u *url.URL) string {
	return cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
}

func ownTransport() *http.Transport {
	return &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}
}

// checkPostRedirect refuses what net/http makes of a POST at 301, 302 and 303: a GET without the form, which would be
// answered with something else.
func checkPostRedirect(req *http.Request, via []*http.Request) error {
	if req.Method != http.MethodPost {
		return fmt.Errorf("redirected to %s://%s%s, which would turn the POST into a %s: write the URL as the server wants it, with or without its last slash",
			req.URL.Scheme, req.URL.Host, req.URL.Path, req.Method)
	}
	return checkRedirect(req, via)
}

func guardDial(t *http.Transport) *http.Transport {
	dial := t.DialContext
	//lint:ignore SA1019 a caller's transport may still have it
	if old := t.Dial; dial == nil && old != nil {
		dial = func(_ context.Context, network, address string) (net.Conn, error) { return old(network, address) }
	} else if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	t.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		if host, _, _ := net.SplitHostPort(address); strings.EqualFold(host, "localhost") && !loopback(conn.RemoteAddr()) {
			conn.Close()
			return nil, fmt.Errorf("localhost leads to %s, which is not a loopback address", conn.RemoteAddr())
		}
		return conn, nil
	}
	// A connection of its own for each request: net/http repeats a request by itself where a used connection breaks, which
	// would double each attempt at a server that resets. Nor is a connection, and its goroutines, left behind.
	t.DisableKeepAlives = true
	t.MaxResponseHeaderBytes = maxHeader
	return t
}

func loopback(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// maxAge reads Cache-Control (RFC 9111 sections 5.2.2.1 and 4.2.3).
func maxAge(h http.Header) time.Duration {
	const none = -1
	age := time.Duration(none)
	for directive := range strings.SplitSeq(strings.ToLower(strings.Join(h.Values("Cache-Control"), ",")), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch name {
		case "no-store", "no-cache":
			return none
		case "max-age":
			if d, ok := seconds(strings.Trim(value, `"`)); ok {
				age = d
			}
		}
	}
	if elapsed, ok := seconds(h.Get("Age")); ok && age != none {
		age = max(0, age-elapsed)
	}
	return age
}

// retryAfter reads the seconds form (RFC 9110 section 10.2.3); the date form depends on the server's clock and is passed over.
func retryAfter(h http.Header) time.Duration {
	d, _ := seconds(h.Get("Retry-After"))
	return d
}

// seconds reads delta-seconds; a value that overflows stands for the largest (RFC 9111 section 1.2.2).
func seconds(s string) (time.Duration, bool) {
	s = strings.TrimSpace(s)
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil {
		n = 1<<31 - 1
	}
	return time.Duration(n) * time.Second, true
}
