package introspection_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard/verifier"
	"github.com/bearerguard/bearerguard/verifier/introspection"
)

func TestIntrospectionMemory(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		members obj
		later   time.Duration
		calls   int // of two requests
		change  func(*introspection.Config)
	}{
		{"7662-2.2-3 an active token is remembered", nil, 59 * time.Second, 1, nil},
		{"7662-4-2 for a minute", nil, time.Minute, 2, nil},
		{"7662-4-2 for as long as TTL says", nil, 4 * time.Minute, 1, func(c *introspection.Config) { c.TTL = 5 * time.Minute }},
		{"7662-4-2 not at all", nil, 0, 2, func(c *introspection.Config) { c.TTL = -1 }},
		{"7662-4-2 not at all, for want of room", nil, 0, 2, func(c *introspection.Config) { c.Tokens.CacheSize = -1 }},
		{"7662-4-1 not beyond exp", obj{"exp": 20}, 20 * time.Second, 2, nil},
		{"7662-4-1 not beyond exp, clock skew or not", obj{"exp": 0}, 0, 2, nil},
		{"7662-4-1 until exp", obj{"exp": 20}, 19 * time.Second, 1, nil},
		{"without exp for TTL", obj{"exp": nil}, 59 * time.Second, 1, sparse},
		{"without exp not beyond TTL", obj{"exp": nil}, time.Minute, 2, sparse},
		{"7662-4-5 an inactive token is remembered", obj{"active": false}, 9 * time.Second, 1, nil},
		{"7662-4-5 an inactive token is remembered for ten seconds", obj{"active": false}, 10 * time.Second, 2, nil},
		{"7662-4-5 an inactive token is remembered whatever TTL says", obj{"active": false}, 9 * time.Second, 1, func(c *introspection.Config) { c.TTL, c.Tokens.CacheSize = -1, -1 }},
		{"an inactive token as long as InactiveTTL says", obj{"active": false}, 50 * time.Second, 1, func(c *introspection.Config) { c.InactiveTTL = time.Minute }},
		{"an inactive token not at all", obj{"active": false}, 0, 2, func(c *introspection.Config) { c.InactiveTTL = -1 }},
		{"a token for another API is remembered as one that is not good", obj{"aud": "x"}, 9 * time.Second, 1, nil},
		{"a clock that was set back a little", nil, -9 * time.Second, 1, nil},
		{"a clock that was set back", nil, -time.Hour, 2, func(c *introspection.Config) { c.Tokens.ClockSkew = 5 * time.Minute }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			members := obj{}
			for name, value := range tt.members {
				if seconds, ok := value.(int); ok {
					value = s.clock.Now().Unix() + int64(seconds)
				}
				members[name] = value
			}
			s.answers(s.says(members))
			var cached []bool
			i := s.introspector(t, func(c *introspection.Config) {
				if tt.change != nil {
					tt.change(c)
				}
				c.Tokens.Hooks.Verified = func(_ context.Context, e verifier.VerifyEvent) { cached = append(cached, e.Cached) }
			})
			first, err1 := i.Verify(t.Context(), opaque)
			s.clock.Advance(tt.later)
			second, _ := i.Verify(t.Context(), opaque)
			if n := len(s.seen()); n != tt.calls || cached[0] || cached[1] != (tt.calls == 1) {
				t.Errorf("%d calls, want %d; cached %v", n, tt.calls, cached)
			}
			if tt.calls == 1 && first != second {
				t.Error("not the same claims")
			}
			if (err1 == nil) != (first != nil) {
				t.Error(err1)
			}
		})
	}
}

func TestIntrospectionNoticesARevocation(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	i := s.introspector(t, func(c *introspection.Config) { c.MaxStale = time.Hour })
	if _, err := i.Verify(t.Context(), opaque); err != nil {
		t.Fatal(err)
	}
	s.answers(inactive)
	s.clock.Advance(time.Minute)
	if _, err := i.Verify(t.Context(), opaque); !errors.Is(err, introspection.ErrInactive) {
		t.Error(err)
	}
	s.answers(down)
	s.clock.Advance(time.Minute)
	if _, err := i.Verify(t.Context(), opaque); !errors.Is(err, verifier.ErrUnavailable) {
		t.Errorf("a token that was inactive serves again in an outage: %v", err)
	}
}

// TestIntrospectionFloodOfBadTokens: they push none of the good ones out of the memory.
func TestIntrospectionFloodOfBadTokens(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	i := s.introspector(t, func(c *introspection.Config) {
		c.Tokens.CacheSize = 4
		answer := func(r *http.Request) *http.Response {
			form := body(r)
			text := `{"active":false}`
			if strings.Contains(form, "token=good") {
				text = fmt.Sprintf(`{"active":true,"iss":%q,"aud":%q,"client_id":"c","exp":%d}`, s.URL, audience, s.clock.Now().Unix()+300)
			}
			return response(200, text)
		}
		c.Tokens.Client = &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			s.mu.Lock()
			s.calls = append(s.calls, call{})
			s.mu.Unlock()
			return answer(r), nil
		})}
	})
	for n := range 4 {
		if _, err := i.Verify(t.Context(), fmt.Sprint("good", n)); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 10_000 {
		if _, err := i.Verify(t.Context(), fmt.Sprint("bad", n)); !errors.Is(err, introspection.ErrInactive) {
			t.Fatal(err)
		}
	}
	before := len(s.seen())
	for n := range 4 {
		if _, err := i.Verify(t.Context(), fmt.Sprint("good", n)); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(s.seen()); n != before {
		t.Errorf("7662-4-5: %d good tokens were forgotten", n-before)
	}
}

// gate is an endpoint that answers when it is opened.
type gate struct {
	open    chan struct{}
	waiting atomic.Int32
	then    http.HandlerFunc
}

func newGate(then http.HandlerFunc) *gate { return &gate{open: make(chan struct{}), then: then} }

func (g *gate) serve(w http.ResponseWriter, r *http.Request) {
	g.waiting.Add(1)
	select {
	case <-g.open:
		g.then(w, r)
	case <-r.Context().Done():
	}
}

// until waits for a condition that is about to come true.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !ok(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatal("never: ", what)
		}
	}
}

func TestIntrospectionSingleFlight(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	g := newGate(s.says(nil))
	s.answers(g.serve)
	i := s.introspector(t)

	// Who starts the call hangs up: it goes on for the others.
	ctx, hangUp := context.WithCancelCause(t.Context())
	gone := make(chan error)
	go func() {
		_, err := i.Verify(ctx, opaque)
		gone <- err
	}()
	until(t, "the call", func() bool { return g.waiting.Load() == 1 })
	var all sync.WaitGroup
	var good atomic.Int32
	for range 50 {
		all.Go(func() {
			if _, err := i.Verify(t.Context(), opaque); err == nil {
				good.Add(1)
			}
		})
	}
	hangUp(verifier.ErrExpired) // as middleware.UntilExpiry does: the reason says nothing about this token
	if err := <-gone; !errors.Is(err, verifier.ErrUnavailable) || !errors.Is(err, context.Canceled) || errors.Is(err, verifier.ErrInvalidToken) {
		t.Errorf("who hung up: %v", err)
	}
	close(g.open)
	all.Wait()
	if n := len(s.seen()); n != 1 || good.Load() != 50 {
		t.Errorf("7662-4-5: %d calls, %d of 50 accepted", n, good.Load())
	}
}

// TestIntrospectionCallsInFlight: 64 at once, and beyond that an answer without waiting.
func TestIntrospectionCallsInFlight(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	i := s.introspector(t)
	if _, err := i.Verify(t.Context(), "remembered"); err != nil {
		t.Fatal(err)
	}
	g := newGate(s.says(obj{"jti": nil}))
	s.answers(g.serve)
	var all sync.WaitGroup
	for n := range 64 {
		all.Go(func() {
			if _, err := i.Verify(t.Context(), fmt.Sprint("t", n)); err != nil {
				t.Error(err)
			}
		})
	}
	until(t, "64 calls", func() bool { return g.waiting.Load() == 64 })
	_, err := i.Verify(t.Context(), "one-more")
	e := (*verifier.UnavailableError)(nil)
	if !errors.As(err, &e) || e.RetryAfter <= 0 || !strings.Contains(err.Error(), "64 calls") {
		t.Errorf("7662-4-5: the 65th: %v", err)
	}
	if _, err := i.Verify(t.Context(), "remembered"); err != nil {
		t.Errorf("a remembered one: %v", err)
	}
	if h := i.Health(); h.InFlight != 64 {
		t.Errorf("%+v", h)
	}
	all.Go(func() {
		if _, err := i.Verify(t.Context(), "t0"); err != nil {
			t.Errorf("one that joins a call: %v", err)
		}
	})
	close(g.open)
	all.Wait()
	if _, err := i.Verify(t.Context(), "one-more"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	if n := g.waiting.Load(); n != 65 {
		t.Errorf("%d calls", n)
	}
}

func TestIntrospectionTimeout(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	g := newGate(s.says(nil))
	s.answers(g.serve)
	i := s.introspector(t, func(c *introspection.Config) { c.Timeout = 50 * time.Millisecond })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := i.Verify(ctx, opaque); !errors.Is(err, verifier.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
		t.Error(err)
	}
}

// TestIntrospectionOutage: a few failures in a row stop the calls for a while, and the first answer ends it.
func TestIntrospectionOutage(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	i := s.introspector(t)
	if _, err := i.Verify(t.Context(), "seen"); err != nil {
		t.Fatal(err)
	}
	s.answers(down)
	token := 0
	verify := func() error {
		token++
		_, err := i.Verify(t.Context(), fmt.Sprint("t", token))
		return err
	}
	for range 3 {
		if err := verify(); !errors.Is(err, verifier.ErrUnavailable) {
			t.Fatal(err)
		}
	}
	for pause, failures := time.Second, 3; failures < 12; failures++ {
		calls := len(s.seen())
		err := verify()
		e := (*verifier.UnavailableError)(nil)
		if !errors.As(err, &e) || e.RetryAfter > pause || e.RetryAfter < pause*8/10 || len(s.seen()) != calls {
			t.Fatalf("after %d failures: %v, %d calls; want a pause of up to %v", failures, err, len(s.seen())-calls, pause)
		}
		if _, err := i.Verify(t.Context(), "seen"); err != nil && failures == 3 {
			t.Errorf("a remembered token: %v", err)
		}
		s.clock.Advance(pause)
		if err := verify(); !errors.Is(err, verifier.ErrUnavailable) || len(s.seen()) == calls {
			t.Fatalf("after %d failures and the pause: %v, %d calls", failures, err, len(s.seen())-calls)
		}
		pause = min(2*pause, 30*time.Second)
	}
	s.clock.Advance(30 * time.Second)
	s.answers(nil)
	for range 3 {
		if err := verify(); err != nil {
			t.Errorf("the endpoint is back: %v", err)
		}
	}
	s.answers(down)
	calls := len(s.seen())
	for range 3 {
		verify()
	}
	if n := len(s.seen()) - calls; n != 3 {
		t.Errorf("%d calls after the next three failures, want 3", n)
	}
}

// TestIntrospectionOutageOfDiscovery: where the endpoint isn't known yet, an issuer that answers 503 is left alone too.
func TestIntrospectionOutageOfDiscovery(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	i := s.introspector(t, func(c *introspection.Config) { c.Endpoint = "" })
	s.issuer.Down(503)
	for n := range 20 {
		if _, err := i.Verify(t.Context(), fmt.Sprint("t", n)); !errors.Is(err, verifier.ErrUnavailable) {
			t.Fatal(err)
		}
	}
	if n := s.issuer.Requests().Discovery; n != 6 {
		t.Errorf("20 tokens: %d requests, want 3 attempts at 2 URLs", n)
	}
	s.issuer.Up()
	s.clock.Advance(time.Second)
	if _, err := i.Verify(t.Context(), "a"); err != nil {
		t.Errorf("the issuer is back: %v", err)
	}
	t.Run("it asks for a pause", func(t *testing.T) {
		attempts := 0
		i := s.introspector(t, func(c *introspection.Config) {
			c.Endpoint = ""
			c.Tokens.Client = &http.Client{Transport: roundTripper(func(*http.Request) (*http.Response, error) {
				if attempts++; attempts == 1 { // the first URL of two
					return response(404, ``), nil
				}
				r := response(503, ``)
				r.Header.Set("Retry-After", "7")
				return r, nil
			})}
		})
		_, err := i.Verify(t.Context(), "a")
		e := (*verifier.UnavailableError)(nil)
		if !errors.As(err, &e) || e.RetryAfter != 7*time.Second {
			t.Errorf("%v", err)
		}
		before := attempts
		if _, err := i.Verify(t.Context(), "b"); !errors.Is(err, verifier.ErrUnavailable) || attempts != before {
			t.Errorf("before the time: %v, %d requests", err, attempts-before)
		}
	})
}

// TestIntrospectionOfOneTokenThatFails: a token that the server chokes on stops no call about others.
func TestIntrospectionOfOneTokenThatFails(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	i := s.introspector(t)
	for name, answer := range map[string]http.HandlerFunc{
		"500": raw(500, ``), "400": raw(400, ``), "500-that-asks-for-a-pause": raw(500, ``, "Retry-After", "60"),
		"too-much": raw(200, strings.Repeat("x", 64<<10+1)), "not-JSON": raw(200, "x"),
	} {
		s.answers(answer)
		for range 5 {
			if _, err := i.Verify(t.Context(), "poison"); !errors.Is(err, verifier.ErrUnavailable) {
				t.Fatal(err)
			}
		}
		s.answers(nil)
		if _, err := i.Verify(t.Context(), "good-"+name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestIntrospectionRetryAfter(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, header string
		want         time.Duration
	}{
		{"it is honoured", "7", 7 * time.Second},
		{"up to a minute", "86400", time.Minute},
		{"a date is passed over", "Wed, 25 Nov 2026 13:00:00 GMT", time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			s.answers(raw(429, ``, "Retry-After", tt.header))
			i := s.introspector(t)
			_, err := i.Verify(t.Context(), "a")
			e := (*verifier.UnavailableError)(nil)
			if !errors.As(err, &e) || e.RetryAfter != tt.want {
				t.Fatalf("%v", err)
			}
			s.answers(nil)
			if tt.want == time.Second {
				return
			}
			if _, err := i.Verify(t.Context(), "b"); !errors.Is(err, verifier.ErrUnavailable) || len(s.seen()) != 1 {
				t.Errorf("before the time: %v, %d calls", err, len(s.seen()))
			}
			s.clock.Advance(tt.want)
			if _, err := i.Verify(t.Context(), "b"); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestIntrospectionRetryAfterStands: the answer to a call that was under way doesn't take back what was asked for.
func TestIntrospectionRetryAfterStands(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	g := newGate(s.says(nil))
	s.answers(func(w http.ResponseWriter, r *http.Request) {
		if r.PostForm.Get("token") == "under-way" {
			g.serve(w, r)
			return
		}
		raw(429, ``, "Retry-After", "30")(w, r)
	})
	i := s.introspector(t)
	underWay := make(chan error)
	go func() {
		_, err := i.Verify(t.Context(), "under-way")
		underWay <- err
	}()
	until(t, "the call", func() bool { return g.waiting.Load() == 1 })
	if _, err := i.Verify(t.Context(), "a"); !errors.Is(err, verifier.ErrUnavailable) {
		t.Fatal(err)
	}
	close(g.open)
	if err := <-underWay; err != nil {
		t.Fatal(err)
	}
	s.clock.Advance(29 * time.Second)
	if _, err := i.Verify(t.Context(), "b"); !errors.Is(err, verifier.ErrUnavailable) || len(s.seen()) != 2 {
		t.Errorf("before the time: %v, %d calls", err, len(s.seen()))
	}
	if h := i.Health(); !h.NextAttempt.Equal(s.clock.Now().Add(time.Second)) {
		t.Errorf("%+v", h)
	}
	s.clock.Advance(time.Second)
	s.answers(nil)
	if _, err := i.Verify(t.Context(), "b"); err != nil {
		t.Error(err)
	}
}

func TestIntrospectionMaxStale(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	i := s.introspector(t, func(c *introspection.Config) { c.MaxStale = time.Hour })
	fresh := s.introspector(t)
	for _, each := range []*introspection.Introspector{i, fresh} {
		if _, err := each.Verify(t.Context(), opaque); err != nil {
			t.Fatal(err)
		}
	}
	s.answers(down)
	s.clock.Advance(4 * time.Minute)
	if claims, err := i.Verify(t.Context(), opaque); err != nil || claims == nil {
		t.Errorf("the last answer doesn't serve: %v", err)
	}
	if _, err := fresh.Verify(t.Context(), opaque); !errors.Is(err, verifier.ErrUnavailable) {
		t.Errorf("without MaxStale: %v", err)
	}
	s.clock.Advance(time.Minute)
	if _, err := i.Verify(t.Context(), opaque); !errors.Is(err, verifier.ErrUnavailable) {
		t.Errorf("7662-4-1: beyond exp: %v", err)
	}
	s.answers(s.says(obj{"exp": s.clock.Now().Add(9 * time.Hour).Unix()}))
	s.clock.Advance(time.Minute)
	if _, err := i.Verify(t.Context(), opaque); err != nil {
		t.Fatal(err)
	}
	s.answers(down)
	s.clock.Advance(61 * time.Minute)
	if _, err := i.Verify(t.Context(), opaque); !errors.Is(err, verifier.ErrUnavailable) {
		t.Errorf("beyond MaxStale: %v", err)
	}
}

// TestIntrospectionMaxStaleWhileTheEndpointCanBeHad: the last answer is for outages, not for callers in a hurry.
func TestIntrospectionMaxStaleWhileTheEndpointCanBeHad(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	i := s.introspector(t, func(c *introspection.Config) { c.MaxStale = time.Hour })
	if _, err := i.Verify(t.Context(), opaque); err != nil {
		t.Fatal(err)
	}
	s.clock.Advance(2 * time.Minute)
	g := newGate(inactive)
	s.answers(g.serve)
	ctx, hangUp := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() {
		_, err := i.Verify(ctx, opaque)
		gone <- err
	}()
	until(t, "the call", func() bool { return g.waiting.Load() == 1 })
	hangUp()
	if err := <-gone; !errors.Is(err, verifier.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("a token that was revoked is good for who hangs up: %v", err)
	}
	close(g.open)
	if _, err := i.Verify(t.Context(), opaque); !errors.Is(err, introspection.ErrInactive) {
		t.Error(err)
	}

	s.answers(s.says(obj{"exp": s.clock.Now().Add(time.Minute + time.Second).Unix()}))
	if _, err := i.Verify(t.Context(), "another"); err != nil {
		t.Fatal(err)
	}
	s.clock.Advance(time.Minute)
	s.answers(func(w http.ResponseWriter, r *http.Request) {
		s.clock.Advance(5 * time.Second)
		down(w, r)
	})
	if _, err := i.Verify(t.Context(), "another"); !errors.Is(err, verifier.ErrUnavailable) {
		t.Errorf("7662-4-1: it expired while the endpoint was waited for: %v", err)
	}
}

func TestIntrospectionWarmAndHealth(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.answers(inactive)
	i := s.introspector(t)
	if err := i.Warm(t.Context()); err != nil {
		t.Fatal(err)
	}
	h := i.Health()
	if !h.Ready || h.Err != nil || h.Endpoint != s.URL+"/introspect" || !h.AnsweredAt.Equal(s.clock.Now()) || !h.NextAttempt.IsZero() {
		t.Errorf("%+v", h)
	}
	for name, everything := range map[string]http.HandlerFunc{
		"active": nil, "active and no more": raw(200, `{"active":true}`), "active for another API": s.says(obj{"aud": "x"}),
	} {
		s.answers(everything)
		if err := i.Warm(t.Context()); !errors.Is(err, verifier.ErrUnavailable) || !strings.Contains(err.Error(), "made-up token active") {
			t.Errorf("a server that calls everything %s: %v", name, err)
		}
	}
	s.answers(raw(401, ``))
	if err := i.Warm(t.Context()); !errors.Is(err, introspection.ErrCredentials) {
		t.Errorf("refused credentials: %v", err)
	}
	if h := i.Health(); !h.Ready || !errors.Is(h.Err, introspection.ErrCredentials) {
		t.Errorf("after one failure: %+v", h)
	}
	i.Warm(t.Context())
	i.Warm(t.Context())
	if h := i.Health(); h.Ready || !h.NextAttempt.After(s.clock.Now()) || h.InFlight != 0 {
		t.Errorf("after three failures: %+v", h)
	}
	calls := len(s.seen())
	s.answers(inactive)
	s.clock.Advance(time.Second)
	if h := i.Health(); h.Ready {
		t.Error("ready before an answer")
	}
	until(t, "ready by Health alone", func() bool { return i.Health().Ready })
	if n := len(s.seen()) - calls; n != 1 {
		t.Errorf("%d calls", n)
	}
	cold := s.introspector(t)
	if h := cold.Health(); h.Ready || !h.AnsweredAt.IsZero() {
		t.Errorf("ready from the start: %+v", h)
	}
	until(t, "ready without traffic", func() bool { return cold.Health().Ready })
}

// TestIntrospectionLeavesNothingBehind: no goroutine, and no connection.
func TestIntrospectionLeavesNothingBehind(t *testing.T) {
	s := newServer(t)
	i := s.introspector(t, func(c *introspection.Config) { c.Endpoint = "" })
	for n := range 20 {
		i.Verify(t.Context(), fmt.Sprint("t", n))
	}
	stacks := make([]byte, 1<<20)
	until(t, "no goroutine", func() bool {
		text := string(stacks[:runtime.Stack(stacks, true)])
		return !strings.Contains(text, "introspection.(*Introspector)") && !strings.Contains(text, "http.(*persistConn)")
	})
}

var raceEnabled bool // the race detector allocates too

func TestIntrospectionAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("under the race detector")
	}
	s := newServer(t)
	i := s.introspector(t)
	for name, token := range map[string]string{"an opaque token": opaque, "a JWT of 2 KiB": strings.Repeat("x", 2048)} {
		i.Verify(t.Context(), token)
		if n := testing.AllocsPerRun(200, func() { i.Verify(t.Context(), token) }); n > 0 {
			t.Errorf("%s that is remembered: %v allocations", name, n)
		}
	}
	s.answers(inactive)
	i.Verify(t.Context(), "inactive")
	if n := testing.AllocsPerRun(200, func() { i.Verify(t.Context(), "inactive") }); n > 0 {
		t.Errorf("an inactive token that is remembered: %v allocations", n)
	}
}

// BenchmarkRemembered compares a remembered answer with a remembered JWT.
func BenchmarkRemembered(b *testing.B) {
	s := newServer(b)
	cfg := s.issuer.Config()
	cfg.Client, cfg.Now = s.Client(), nil
	v := must(verifier.New(cfg))
	i := s.introspector(b)
	jwt := s.issuer.Token("orders:read")
	for _, bb := range []struct {
		name  string
		v     verifier.TokenVerifier
		token string
	}{
		{"JWT, verified", v, jwt},
		{"JWT, introspected", i, jwt},
		{"opaque, introspected", i, opaque},
	} {
		b.Run(bb.name, func(b *testing.B) {
			if bb.v == verifier.TokenVerifier(v) {
				s.clock.Advance(time.Until(s.clock.Now()) * -1)
				bb.token = s.issuer.Token("orders:read")
			}
			if _, err := bb.v.Verify(b.Context(), bb.token); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				bb.v.Verify(b.Context(), bb.token)
			}
		})
	}
}
