package redisauth_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/bearerguard/bearerguard/middleware"
	"github.com/bearerguard/bearerguard/verifier"
	"github.com/bearerguard/bearerguard/verifier/revocation"
	"github.com/bearerguard/bearerguard/verifier/verifiertest"
)

// BenchmarkRequest is a request with a token that is remembered, with and without the question whether it is withdrawn,
// among 30,000 entries of each kind. That it costs no round trip is asserted by TestARequestCostsNoRoundTrip.
func BenchmarkRequest(b *testing.B) {
	s := startServer(b)
	as := verifiertest.NewIssuer(b)
	i := newInstance(b, s.addr).run().ready()
	fill(b, i)
	token := as.Token("read")
	run := func(name string, tokens verifier.TokenVerifier) {
		b.Run("verify "+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := tokens.Verify(b.Context(), token); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("request "+name, func(b *testing.B) {
			h, r := newGuard(b, tokens), newRequest(token)
			w := httptest.NewRecorder()
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(w, r)
			}
			if w.Code != http.StatusNoContent {
				b.Error(w.Code)
			}
		})
	}
	v := as.Verifier()
	run("without revocation", v)
	run("with revocation", verifier.WithRevocation(v, i.Revoked))
}

func BenchmarkOnce(b *testing.B) {
	r := newReplays(b, startServer(b).addr)
	for n := 0; b.Loop(); n++ {
		if first, err := r.Once(b.Context(), fmt.Sprint(n), minute()); !first || err != nil {
			b.Fatal(first, err)
		}
	}
}

// fill adds 30,000 entries of each kind.
func fill(tb testing.TB, i *instance) {
	tb.Helper()
	until := time.Now().Add(time.Hour)
	var list []revocation.Entry
	for n := range 30_000 {
		name := fmt.Sprint(n)
		list = append(list, revocation.Entry{Issuer: issuer, ID: name, Until: until}, revocation.Entry{Issuer: issuer, Subject: name, IssuedBefore: until, Until: until},
			revocation.Entry{Issuer: issuer, ClientID: name, Until: until})
	}
	i.revoke(list...)
}

func newGuard(tb testing.TB, tokens verifier.TokenVerifier) http.Handler {
	tb.Helper()
	g, err := middleware.New(tokens, middleware.Config{})
	if err != nil {
		tb.Fatal(err)
	}
	return g.RequireScope("read")(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
}

func newRequest(token string) *http.Request {
	r := httptest.NewRequest("GET", "/orders", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

// TestARequestCostsNoRoundTrip counts what Redis is asked, by whomever, while 10,000 requests are answered.
func TestARequestCostsNoRoundTrip(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	as := verifiertest.NewIssuer(t)
	i := newInstance(t, s.addr).run().ready()
	i.revoke(byID("t1"), revocation.Entry{Issuer: issuer, Subject: "alice", Until: time.Now().Add(time.Hour)}, revocation.Entry{Issuer: issuer, ClientID: "app", Until: time.Now().Add(time.Hour)})
	h, r := newGuard(t, verifier.WithRevocation(as.Verifier(), i.Revoked)), newRequest(as.Token("read"))
	eventually(t, "a request is answered", func() bool {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code == http.StatusNoContent
	})
	c := newClient(t, s.addr)
	before := commands(t, c)
	for range 10_000 {
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	if n := commands(t, c) - before; n > 1000 { // signs of life, and the question itself
		t.Errorf("%d commands for 10,000 requests", n)
	}
}

func commands(tb testing.TB, c *redis.Client) (n int) {
	tb.Helper()
	for _, line := range strings.Split(c.Info(tb.Context(), "stats").Val(), "\r\n") {
		if _, err := fmt.Sscanf(line, "total_commands_processed:%d", &n); err == nil {
			return n
		}
	}
	tb.Fatal("Redis doesn't say how many commands it has processed")
	return 0
}
