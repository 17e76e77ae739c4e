package redisauth_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	redisauth "github.com/bearerguard/bearerguard/adapters/redis"
	"github.com/bearerguard/bearerguard/middleware"
	"github.com/bearerguard/bearerguard/verifier"
	"github.com/bearerguard/bearerguard/verifier/verifiertest"
)

func newReplays(tb testing.TB, addr string) *redisauth.Replays {
	tb.Helper()
	r, err := redisauth.NewReplays(redisauth.ReplayConfig{Client: newClient(tb, addr)})
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// once wants an answer.
func once(t *testing.T, r *redisauth.Replays, key string, until time.Time) bool {
	t.Helper()
	first, err := r.Once(t.Context(), key, until)
	if err != nil {
		t.Fatal(err)
	}
	return first
}

// TestAReplayIsRefusedByASecondInstance: two instances of an API, with one Redis and a real proof.
func TestAReplayIsRefusedByASecondInstance(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	issuer := verifiertest.NewIssuer(t)
	instance := func() http.Handler {
		g, err := middleware.New(issuer.Verifier(), middleware.Config{DPoP: &middleware.DPoP{PublicURL: "https://api.example.com", Replay: newReplays(t, s.addr)}})
		if err != nil {
			t.Fatal(err)
		}
		return g.Require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	}
	key := verifiertest.NewProofKey()
	token := issuer.Token("read", key.Binding())
	call := func(h http.Handler, proof string) *httptest.ResponseRecorder {
		r, w := httptest.NewRequest(http.MethodGet, "/orders", nil), httptest.NewRecorder()
		r.Header.Set("Authorization", "DPoP "+token)
		r.Header.Set("DPoP", proof)
		h.ServeHTTP(w, r)
		return w
	}
	a, b := instance(), instance()
	for n, hs := range [][2]http.Handler{{a, b}, {b, a}, {a, a}} {
		proof := key.Proof(http.MethodGet, "https://api.example.com/orders", token, "")
		if w := call(hs[0], proof); w.Code != http.StatusOK {
			t.Fatalf("%d: %d, %q", n, w.Code, w.Header())
		}
		if w := call(hs[1], proof); w.Code != http.StatusUnauthorized || !strings.Contains(w.Header().Get("WWW-Authenticate"), `error="invalid_dpop_proof"`) {
			t.Errorf("%d: again: %d, %q", n, w.Code, w.Header())
		}
	}
	s.kill()
	if w := call(a, key.Proof(http.MethodGet, "https://api.example.com/orders", token, "")); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("without Redis: %d, %q", w.Code, w.Header())
	}
	s.start()
	eventually(t, "Redis is asked again", func() bool {
		return call(a, key.Proof(http.MethodGet, "https://api.example.com/orders", token, "")).Code == http.StatusOK
	})
}

func TestOnce(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	a, b := newReplays(t, s.addr), newReplays(t, s.addr)
	until := time.Now().Add(time.Minute)
	if !once(t, a, "one", until) || once(t, a, "one", until) || once(t, b, "one", until) {
		t.Error("one is not once")
	}
	if !once(t, b, "two", until) {
		t.Error("two is not another one")
	}
	other, err := redisauth.NewReplays(redisauth.ReplayConfig{Client: newClient(t, s.addr), Prefix: "other"})
	if err != nil {
		t.Fatal(err)
	}
	if !once(t, other, "one", until) {
		t.Error("services with other prefixes share proofs")
	}

	var firsts atomic.Int64
	var wg sync.WaitGroup
	for n := range 32 {
		r := []*redisauth.Replays{a, b}[n%2]
		wg.Go(func() {
			if first, err := r.Once(t.Context(), "at once", until); err == nil && first {
				firsts.Add(1)
			}
		})
	}
	if wg.Wait(); firsts.Load() != 1 {
		t.Errorf("%d of 32 at once are the first", firsts.Load())
	}

	c := newClient(t, s.addr)
	names, err := c.Keys(t.Context(), "*").Result()
	if err != nil || len(names) != 4 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		if strings.Contains(name, "one") || strings.Contains(name, "two") {
			t.Errorf("a key is in clear: %q", name)
		}
		// Half a minute longer than asked for, since the clocks of instances differ, and not for ever.
		if left, err := c.PTTL(t.Context(), name).Result(); err != nil || left < 80*time.Second || left > 91*time.Second {
			t.Errorf("%s is kept for %v, %v", name, left, err)
		}
	}
}

// TestProofsOfAnotherTime: what can't be remembered is not said to be the first.
func TestProofsOfAnotherTime(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	r := newReplays(t, s.addr)
	for name, until := range map[string]time.Time{"long over": time.Now().Add(-time.Hour), "zero": {}, "in a year": time.Now().AddDate(1, 0, 0)} {
		if first, err := r.Once(t.Context(), name, until); first || err == nil {
			t.Errorf("%s: %v, %v", name, first, err)
		}
	}
	if first, err := (*redisauth.Replays)(nil).Once(t.Context(), "x", time.Now().Add(time.Minute)); first || err == nil {
		t.Errorf("nil: %v, %v", first, err)
	}
	if first, err := new(redisauth.Replays).Once(t.Context(), "x", time.Now().Add(time.Minute)); first || err == nil {
		t.Errorf("zero: %v, %v", first, err)
	}
}

// TestALostAnswer: the client asks again by itself, and the proof is the same one's.
func TestALostAnswer(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	p := startProxy(t, s.addr)
	r, err := redisauth.NewReplays(redisauth.ReplayConfig{Client: newClient(t, p.addr()), Timeout: soon})
	if err != nil {
		t.Fatal(err)
	}
	until := time.Now().Add(time.Minute)
	once(t, r, "warm", until)
	p.loseAnswer()
	if !once(t, r, "lost", until) {
		t.Error("a proof is refused for the client's own second attempt")
	}
	if once(t, r, "lost", until) {
		t.Error("it is accepted again")
	}
}

// TestOnceIsBounded: a Redis that is away or hangs holds no request up, and nothing is the first then.
func TestOnceIsBounded(t *testing.T) {
	t.Parallel()
	s := startServer(t, "--requirepass", "secret-of-redis")
	for name, addr := range map[string]string{"nobody listens": refuses(t), "it hangs": hangs(t), "a wrong password": s.addr} {
		r, err := redisauth.NewReplays(redisauth.ReplayConfig{Client: newClient(t, addr), Timeout: 50 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), soon)
		first, err := r.Once(ctx, "x", time.Now().Add(time.Minute))
		if first || err == nil || ctx.Err() != nil || strings.Contains(err.Error(), "secret-of-redis") {
			t.Errorf("%s: %v, %v", name, first, err)
		}
		cancel()
	}
}

func TestMistakesOfReplays(t *testing.T) {
	t.Parallel()
	_, err := redisauth.NewReplays(redisauth.ReplayConfig{Prefix: "{a}", Timeout: -1})
	if err == nil {
		t.Fatal("taken")
	}
	for _, want := range []string{"Client is nil", "braces", "Timeout"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
}

// BenchmarkRevoked is a request with a remembered token, and what asking for its revocation adds: no round trip.
func BenchmarkRevoked(b *testing.B) {
	s := startServer(b)
	i := newInstance(b, s.addr).run().ready()
	i.revoke(byID("another"))
	as := verifiertest.NewIssuer(b)
	v := as.Verifier()
	token := as.Token("read")
	for name, tokens := range map[string]verifier.TokenVerifier{"without": v, "with": verifier.WithRevocation(v, i.Revoked)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := tokens.Verify(b.Context(), token); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
