package middleware_test

import (
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/bearerguard/bearerguard/middleware"
	"github.com/bearerguard/bearerguard/verifier"
	"github.com/bearerguard/bearerguard/verifier/verifiertest"
)

var raceEnabled bool // the race detector allocates too

// abuses are requests that are made to cost much, and are refused; with how many allocations that may take, the answer included.
var abuses = []struct {
	name   string
	fields []string // of Authorization
	allocs float64
}{
	{"1,000 headers, no token", nil, 12},
	{"1,000 headers, a garbage token", []string{"Bearer " + strings.Repeat("x", 1<<10)}, 22},
	{"1,000 headers, a garbage token of 16 KiB", []string{"Bearer " + strings.Repeat("x", 16<<10)}, 22},
	{"1,000 headers, a token that is too long", []string{"Bearer " + strings.Repeat("x", 900<<10)}, 15},
	{"1,000 headers, 10,000 dots", []string{"Bearer " + strings.Repeat(".", 10_000)}, 21},
	{"1,000 headers, all of them Authorization", strings.Split(strings.Repeat("Bearer x,", 999)+"Bearer x", ","), 15},
	{"1,000 headers, a token with a foreign character at its end", []string{"Bearer " + strings.Repeat("x", 16<<10) + "!"}, 15},
	{"1,000 headers, 17 KiB of spaces", []string{"Bearer " + strings.Repeat(" ", 17<<10)}, 15},
	{"1,000 headers, 17 KiB of padding", []string{"Bearer " + strings.Repeat("=", 17<<10)}, 15},
	{"1,000 headers, another scheme with 16 KiB of commas", []string{"Basic " + strings.Repeat(",", 16<<10)}, 12},
	{"1,000 headers, another scheme with 16 KiB of backslashes in quotes", []string{`Basic "` + strings.Repeat(`\`, 16<<10)}, 12},
}

// crowded is a request with 1,000 header fields.
func crowded(authorization []string) *http.Request {
	r := request(authorization...)
	for i := len(authorization); i < 1000; i++ {
		r.Header.Add(fmt.Sprintf("X-Field-%d", i/2), "Bearer x")
	}
	return r
}

// nowhere is a ResponseWriter that keeps nothing.
type nowhere struct{ header http.Header }

func (n nowhere) Header() http.Header         { return n.header }
func (n nowhere) WriteHeader(int)             {}
func (n nowhere) Write(b []byte) (int, error) { return len(b), nil }

// unremembering is a handler behind a guard whose verifier remembers no token, and a good token with RS256.
func unremembering(tb testing.TB) (h http.Handler, token string, reached *int) {
	tb.Helper()
	issuer := verifiertest.NewIssuer(tb, verifiertest.Algorithm("RS256"))
	cfg := issuer.Config()
	cfg.CacheSize = -1
	v, err := verifier.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	if err := v.Warm(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	token = issuer.Token("read")
	reached = new(int)
	handler := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { *reached++ })
	return newGuard(tb, v, middleware.Config{}).Require(handler), token, reached
}

// BenchmarkRefuse tells what a refusal costs, its answer included, also in units of one good request with RSA-2048 whose token
// isn't remembered.
func BenchmarkRefuse(b *testing.B) {
	h, token, reached := unremembering(b)
	var good float64 // ns
	b.Run("a good token, uncached", func(b *testing.B) {
		b.ReportAllocs()
		w, r := nowhere{http.Header{}}, request("Bearer "+token)
		before := *reached
		for b.Loop() {
			h.ServeHTTP(w, r)
		}
		if *reached != before+b.N {
			b.Fatalf("%d requests, %d reached the handler", b.N, *reached-before)
		}
		good = float64(b.Elapsed()) / float64(b.N)
	})
	for _, a := range abuses {
		b.Run(a.name, func(b *testing.B) {
			b.ReportAllocs()
			w, r := nowhere{http.Header{}}, crowded(a.fields)
			before := *reached
			for b.Loop() {
				h.ServeHTTP(w, r)
			}
			if *reached != before {
				b.Fatal("the handler was reached")
			}
			if good > 0 {
				b.ReportMetric(float64(b.Elapsed())/float64(b.N)/good, "good")
			}
		})
	}
}

// TestRefusalsAreBounded holds what a refusal may allocate, however many headers a request has. Times are not asserted.
func TestRefusalsAreBounded(t *testing.T) {
	if raceEnabled {
		t.Skip("under the race detector")
	}
	h, _, reached := unremembering(t)
	for _, a := range abuses {
		w, r := nowhere{http.Header{}}, crowded(a.fields)
		if n := testing.AllocsPerRun(100, func() { h.ServeHTTP(w, r) }); n > a.allocs || *reached != 0 {
			t.Errorf("%s: %v allocations, at most %v; the handler was reached %d times", a.name, n, a.allocs, *reached)
		}
	}
}

// TestNothingOfARefusedRequestIsKept sends requests of which no two are the same, and that are refused at every stage of a
// guard for bound tokens: the heap doesn't grow with them, and none takes a place among the proofs that were used.
func TestNothingOfARefusedRequestIsKept(t *testing.T) {
	const (
		requests = 1000
		slack    = 256 << 10 // 256 bytes for each
	)
	// A full memory forgets nothing and refuses everybody: one proof in it for each of these requests would fill it many times.
	s := newShop(t, middleware.DPoP{ReplaySize: 16})
	for name, tt := range map[string]struct {
		want         string
		request      func(i int) *http.Request
		requirements []middleware.Requirement
	}{
		"no credentials":           {"401 ", func(i int) *http.Request { return get(fmt.Sprint("Basic ", i)) }, nil},
		"a token that isn't known": {badToken, func(i int) *http.Request { return get(fmt.Sprint("Bearer x", i)) }, nil},
		"a proof with another":     {badToken, func(i int) *http.Request { return get(fmt.Sprint("DPoP x", i), s.proof()) }, nil},
		"no proof":                 {badProof, func(i int) *http.Request { return get("DPoP bound", fmt.Sprint("x", i)) }, nil},
		"a proof for another URL": {badProof, func(i int) *http.Request {
			return get("DPoP bound", s.proof(map[string]any{"htu": fmt.Sprint(publicURL, "/", i)}))
		}, nil},
		"a proof that is too old": {badProof, func(int) *http.Request { return get("DPoP bound", s.proof(map[string]any{"iat": 1})) }, nil},
		"a forged proof":          {badProof, func(int) *http.Request { p := s.proof(); return get("DPoP bound", p[:len(p)-8]+"AAAAAAAA") }, nil},
		"a good proof, and a scope": {"403 insufficient_scope", func(int) *http.Request {
			return get("DPoP narrow", s.key.Proof("GET", ordersURL, "narrow", "", map[string]any{"iat": s.now}))
		}, []middleware.Requirement{middleware.Scope("read")}},
	} {
		refuse := func(from, to int) {
			for i := from; i < to; i++ {
				if got := s.check(s.guard, tt.request(i), tt.requirements...); got != tt.want {
					t.Fatalf("%s: %q: %v", name, got, s.err)
				}
			}
		}
		refuse(0, 10)
		before := heap()
		refuse(10, requests)
		if grown := heap() - before; grown > slack && !raceEnabled {
			t.Errorf("%s: the heap has grown by %d bytes", name, grown)
		}
		s.want(get("DPoP bound", s.proof()), "", "")
	}
}

// heap is what is in use when all garbage is gone, that in pools included.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
