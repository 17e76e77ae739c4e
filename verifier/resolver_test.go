package verifier_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bearerguard/bearerguard/verifier"
	"github.com/bearerguard/bearerguard/verifier/verifiertest"
)

// away is longer than anybody waits.
const away = time.Hour

// federation is any number of issuers behind one RoundTripper, each a host with a key of its own, and the function that
// knows them. All keys have the same name.
type federation struct {
	client *http.Client

	mu       sync.Mutex
	hosts    map[string]signingKey
	delay    map[string]time.Duration
	asked    map[string]int // Resolve, by issuer
	requests map[string]int // the network, by host
	running  int            // of requests
	peak     int
	change   func(ctx context.Context, cfg *verifier.Config) error // of what Resolve returns; nil: no change
}

func newFederation(hosts ...string) *federation {
	f := &federation{hosts: map[string]signingKey{}, delay: map[string]time.Duration{}, asked: map[string]int{}, requests: map[string]int{}}
	f.client = &http.Client{Transport: f}
	for _, host := range hosts {
		f.hosts[host] = newKey("default", host)
	}
	return f
}

func (f *federation) set(change func()) { f.mu.Lock(); change(); f.mu.Unlock() }

func (f *federation) count(of map[string]int) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, v := range of {
		n += v
	}
	return n
}

func (f *federation) token(host string) string {
	return newKey("default", host).tokenFor("https://" + host)
}

func (f *federation) Resolve(ctx context.Context, iss string) (verifier.Config, error) {
	f.mu.Lock()
	f.asked[iss]++
	_, known := f.hosts[strings.TrimPrefix(iss, "https://")]
	change := f.change
	f.mu.Unlock()
	cfg := verifier.Config{Issuer: iss, Audience: []string{"api"}, Client: f.client}
	if change != nil {
		if err := change(ctx, &cfg); err != nil {
			return cfg, err
		}
	}
	if !known {
		return verifier.Config{}, fmt.Errorf("%w: no customer has it", verifier.ErrIssuer)
	}
	return cfg, nil
}

func (f *federation) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	f.requests[r.URL.Host]++
	f.running++
	f.peak = max(f.peak, f.running)
	key, latency := f.hosts[r.URL.Host], cmp.Or(f.delay[r.URL.Host], 20*time.Millisecond)
	f.mu.Unlock()
	defer f.set(func() { f.running-- })
	select {
	case <-time.After(latency):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	if r.URL.Path == "/keys" {
		return answer(200, nil, `{"keys":[`+key.jwk()+`]}`), nil
	}
	return answer(200, nil, fmt.Sprintf(`{"issuer":"https://%s","jwks_uri":"https://%s/keys"}`, r.URL.Host, r.URL.Host)), nil
}

func (f *federation) verifier(t testing.TB, change ...func(*verifier.IssuersConfig)) verifier.TokenVerifier {
	t.Helper()
	cfg := verifier.IssuersConfig{Resolve: f.Resolve}
	for _, c := range change {
		c(&cfg)
	}
	v, err := verifier.ResolveIssuers(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// many are names of issuers.
func many(n int) []string {
	hosts := make([]string, n)
	for i := range hosts {
		hosts[i] = fmt.Sprintf("tenant-%d.example.com", i)
	}
	return hosts
}

// unavailable asserts that a token was not decided about, and returns when to come again.
func unavailable(t testing.TB, v verifier.TokenVerifier, token, says string) *verifier.UnavailableError {
	t.Helper()
	claims, err := v.Verify(t.Context(), token)
	e := (*verifier.UnavailableError)(nil)
	if claims != nil || !errors.As(err, &e) || errors.Is(err, verifier.ErrInvalidToken) || !strings.Contains(err.Error(), says) || e.RetryAfter < time.Second {
		t.Fatalf("Verify = %v, %v; want unavailable for at least a second: %q", claims, err, says)
	}
	noSecrets(t, err.Error(), token)
	return e
}

func TestResolvedIssuers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFederation(many(3)...)
		v := f.verifier(t)
		for range 3 {
			for _, host := range many(3) {
				token := f.token(host)
				for range 2 {
					if c := accepted(t, v, token); c.Issuer() != "https://"+host {
						t.Errorf("issuer %q", c.Issuer())
					}
				}
			}
		}
		if f.count(f.asked) != 3 || f.count(f.requests) != 6 {
			t.Errorf("asked %v, requests %v; want each once", f.asked, f.requests)
		}
	})
}

// TestNothingCrossesIssuers: all keys have the same name.
func TestNothingCrossesIssuers(t *testing.T) {
	bubble2(t, "BUG-109 BUG-124 8725-3.8-1 a token that names one issuer and is signed by another is refused", func(t *testing.T) {
		f := newFederation("a.example.com", "b.example.com")
		v := f.verifier(t)
		a, b := newKey("default", "a.example.com"), newKey("default", "b.example.com")
		for round := range 2 { // with cold verifiers, then with the other's key and tokens in memory
			refused(t, v, b.tokenFor("https://a.example.com"), verifier.ErrSignature)
			refused(t, v, a.tokenFor("https://b.example.com"), verifier.ErrSignature)
			token := a.tokenFor("https://a.example.com")
			accepted(t, v, token)
			accepted(t, v, b.tokenFor("https://b.example.com"))
			dot := strings.LastIndexByte(token, '.')
			other := b.tokenFor("https://b.example.com")
			refused(t, v, other[:strings.LastIndexByte(other, '.')]+token[dot:], verifier.ErrSignature)
			accepted(t, v, token)
			if round == 0 {
				time.Sleep(time.Minute)
			}
		}
	})
	bubble2(t, "BUG-109 8725-3.8-1 an in-flight fetch is its issuer's alone", func(t *testing.T) {
		f := newFederation("a.example.com", "b.example.com")
		f.delay["a.example.com"] = away
		v := f.verifier(t)
		var wg sync.WaitGroup
		wg.Go(func() { v.Verify(context.Background(), f.token("a.example.com")) })
		time.Sleep(time.Second)
		start := time.Now()
		accepted(t, v, f.token("b.example.com"))
		if waited := time.Since(start); waited > time.Second {
			t.Errorf("waited %v for another issuer", waited)
		}
		wg.Wait()
	})
}

// bubble2 is a bubble in a subtest.
func bubble2(t *testing.T, name string, f func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { bubble(t, f) })
}

func TestUnknownIssuers(t *testing.T) {
	bubble2(t, "Q-15 an issuer that is not allowed costs no network call, and its name is remembered for a moment", func(t *testing.T) {
		f := newFederation("a.example.com")
		v := f.verifier(t)
		for range 50 {
			refused(t, v, f.token("stranger.example.com"), verifier.ErrIssuer)
		}
		if f.asked["https://stranger.example.com"] != 1 || f.count(f.requests) != 0 {
			t.Errorf("asked %v, requests %v", f.asked, f.requests)
		}
		time.Sleep(9 * time.Second)
		refused(t, v, f.token("stranger.example.com"), verifier.ErrIssuer)
		f.set(func() { f.hosts["stranger.example.com"] = newKey("default", "stranger.example.com") })
		time.Sleep(time.Second)
		accepted(t, v, f.token("stranger.example.com"))
		if f.asked["https://stranger.example.com"] != 2 {
			t.Errorf("asked %v", f.asked)
		}
	})
	bubble2(t, "Q-15 a clock that was set back doesn't keep a new tenant out", func(t *testing.T) {
		f := newFederation()
		shift := time.Duration(0)
		v := f.verifier(t, func(cfg *verifier.IssuersConfig) { cfg.Now = func() time.Time { return time.Now().Add(shift) } })
		refused(t, v, f.token("a.example.com"), verifier.ErrIssuer)
		f.set(func() { f.hosts["a.example.com"] = newKey("default", "a.example.com") })
		shift = -time.Hour
		accepted(t, v, f.token("a.example.com"))
		shift = -2 * time.Hour
		accepted(t, v, f.token("a.example.com"))
		if f.asked["https://a.example.com"] != 3 {
			t.Errorf("asked %v", f.asked)
		}
	})
	bubble2(t, "strangers push no tenant out", func(t *testing.T) {
		f := newFederation("a.example.com")
		v := f.verifier(t, func(cfg *verifier.IssuersConfig) { cfg.Size = 1 })
		accepted(t, v, f.token("a.example.com"))
		for i := range 5000 {
			refused(t, v, f.token(fmt.Sprintf("stranger-%d.example.com", i)), verifier.ErrIssuer)
		}
		accepted(t, v, f.token("a.example.com"))
		if f.asked["https://a.example.com"] != 1 || f.requests["a.example.com"] != 2 || len(f.requests) != 1 {
			t.Errorf("a tenant was looked up %d times, requests %v", f.asked["https://a.example.com"], f.requests)
		}
	})
}

func TestResolveFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFederation("a.example.com")
		v := f.verifier(t)
		token := f.token("a.example.com")
		for _, tt := range []struct {
			name string
			fail func(context.Context, *verifier.Config) error
			says string
		}{
			{"an error", func(context.Context, *verifier.Config) error { return errors.New("the database is down") }, "the database is down"},
			{"an ErrUnavailable", func(context.Context, *verifier.Config) error {
				return &verifier.UnavailableError{RetryAfter: 7 * time.Second, Err: errors.New("the database is busy")}
			}, "the database is busy"},
			{"an error that is for tokens", func(context.Context, *verifier.Config) error { return verifier.ErrRevoked }, "token revoked"},
			{"an issuer both unknown and unavailable", func(context.Context, *verifier.Config) error {
				return errors.Join(verifier.ErrIssuer, &verifier.UnavailableError{RetryAfter: time.Second})
			}, "token of another issuer"},
			{"8725-3.8-1 a Config for another issuer", func(_ context.Context, cfg *verifier.Config) error { cfg.Issuer = "https://b.example.com"; return nil }, `a Config for issuer "https://b.example.com"`},
			{"8725-3.8-1 BUG-032 a Config whose issuer has a slash", func(_ context.Context, cfg *verifier.Config) error { cfg.Issuer += "/"; return nil }, "the trailing slash differs"},
			{"8725-3.8-1 BUG-036 a Config whose issuer is spelt in capitals", func(_ context.Context, cfg *verifier.Config) error {
				cfg.Issuer = strings.ToUpper(cfg.Issuer)
				return nil
			}, "upper and lower case differ"},
			{"a zero Config", func(_ context.Context, cfg *verifier.Config) error { *cfg = verifier.Config{}; return nil }, `a Config for issuer ""`},
			{"a bad Config", func(_ context.Context, cfg *verifier.Config) error { cfg.Audience = nil; return nil }, "a bad Config: verifier: Audience is empty"},
			{"a panic", func(context.Context, *verifier.Config) error { panic("a bug") }, "of Resolve panicked: a bug"},
			{"the end of the goroutine", func(context.Context, *verifier.Config) error { runtime.Goexit(); return nil }, "of Resolve ended its goroutine"},
			{"no answer", func(ctx context.Context, _ *verifier.Config) error { <-ctx.Done(); return ctx.Err() }, "looking up issuer"},
		} {
			f.set(func() { f.change = tt.fail })
			for range 2 { // and nothing is remembered, nobody left waiting
				e := unavailable(t, v, token, tt.says)
				synctest.Wait()
				if want := 7 * time.Second; tt.name == "an ErrUnavailable" && e.RetryAfter != want {
					t.Errorf("%s: Retry-After %v", tt.name, e.RetryAfter)
				}
			}
		}
		f.set(func() { f.change = nil })
		accepted(t, v, token)
		if len(f.asked) != 1 || f.asked["https://a.example.com"] != 25 || f.count(f.requests) != 2 {
			t.Errorf("asked %v, requests %v", f.asked, f.requests)
		}
	})
}

// TestClaimedIssuers: an iss that can't be an issuer reaches nobody.
func TestClaimedIssuers(t *testing.T) {
	t.Parallel()
	f := newFederation()
	f.change = func(context.Context, *verifier.Config) error { return errors.New("asked") }
	v := f.verifier(t)
	for name, iss := range map[string]any{
		"none": gone, "null": nil, "empty": "", "no string": 5, "an array": []string{"https://a.example.com"}, "513 bytes": "https://a.example.com/" + strings.Repeat("a", 491),
		"a space": "https://a.example.com/ b", "a line break": "https://a.example.com\r\nX: y", "a tab": "a\tb", "zero": "a\x00b", "BUG-035 an invisible letter": "https://a.example.com/a\u200b",
		"a quote": `https://a.example.com/"x"`, "a backslash": `https://a.example.com\b`, "a letter beyond ASCII": "https://\u0430.example.com", "a bracket": "https://a.example.com/<b>", "markers": "https://a.example.com/{{x}}", "an accent": "a`b", "a bar": "a|b",
		"BUG-128 BUG-036 a user": "https://a.example.com@b.example.com", "BUG-128 a fragment": "https://b.example.com/#a.example.com", "an empty fragment": "https://a.example.com#", "BUG-129 BUG-036 a query": "https://a.example.com/?x=1", "an empty query": "https://a.example.com/?",
		"BUG-128 BUG-129 dot segments": "https://a.example.com/../b", "dot segments that are escaped": "https://a.example.com/%2e%2E/b", "a dot segment": "https://a.example.com/./b", "no host": "https:///a", "a port without a host": "https://:8443/a", "BUG-132 a file": "file:///etc/passwd", "an opaque URL": "https:/a.example.com", "a port that is none": "https://a.example.com:x", "no URL": "https://%zz",
		"BUG-129 a name with dot segments": "../../attacker.example/x", "a name with dot segments that are escaped": "a/%2e%2e/b", "a name with a query": "acme?x", "a name that is escaped badly": "acme%",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := v.Verify(t.Context(), mint(nil, obj{"iss": iss}))
			if !errors.Is(err, verifier.ErrIssuer) && !errors.Is(err, verifier.ErrMalformed) {
				t.Error(err)
			}
		})
	}
	tooLong := mint(nil, obj{"iss": "https://a.example.com", "x": strings.Repeat("x", 16<<10)})
	for _, token := range []string{"", "opaque", "a.b.c", strings.Repeat("a", 17<<10), tooLong} {
		refused(t, v, token, verifier.ErrMalformed)
	}
	if len(f.asked) != 0 {
		t.Errorf("Resolve was asked for %v", f.asked)
	}
	for _, iss := range []string{"https://a.example.com", "https://a.example.com:8443/realms/a%20b/~x/", "http://127.0.0.1:80", "https://[::1]/a", "acme.com", "testing@secure.istio.io", "urn:example:a", "https://a.example.com/" + strings.Repeat("a", 490)} {
		unavailable(t, v, mint(nil, obj{"iss": iss}), "asked")
	}
	if len(f.asked) != 8 {
		t.Errorf("Resolve was asked for %v", f.asked)
	}
}

func TestResolveIsAskedOnceForMany(t *testing.T) {
	slowly := func(ctx context.Context, _ *verifier.Config) error {
		select {
		case <-time.After(time.Second):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	bubble2(t, "one call for all, and one fetch", func(t *testing.T) {
		f := newFederation("a.example.com")
		f.change = slowly
		v, wg := f.verifier(t), sync.WaitGroup{}
		for range 500 {
			wg.Go(func() { accepted(t, v, f.token("a.example.com")) })
		}
		wg.Wait()
		if f.count(f.asked) != 1 || f.count(f.requests) != 2 {
			t.Errorf("asked %v, requests %v", f.asked, f.requests)
		}
	})
	bubble2(t, "who hangs up takes nobody along", func(t *testing.T) {
		f := newFederation("a.example.com")
		f.change = slowly
		v, wg := f.verifier(t), sync.WaitGroup{}
		first, hangUp := context.WithCancel(context.Background())
		wg.Go(func() {
			if _, err := v.Verify(first, f.token("a.example.com")); !errors.Is(err, verifier.ErrUnavailable) || !errors.Is(err, context.Canceled) {
				t.Errorf("hung up: %v", err)
			}
		})
		synctest.Wait()
		wg.Go(func() { accepted(t, v, f.token("a.example.com")) })
		synctest.Wait()
		hangUp()
		wg.Wait()
		if f.count(f.asked) != 1 {
			t.Errorf("asked %v", f.asked)
		}
	})
	bubble2(t, "a call that never returns blocks neither its own issuer's requests for ever nor another issuer", func(t *testing.T) {
		f := newFederation("a.example.com", "b.example.com")
		stuck := make(chan struct{})
		f.change = func(_ context.Context, cfg *verifier.Config) error {
			if cfg.Issuer == "https://a.example.com" {
				<-stuck
			}
			return nil
		}
		v := f.verifier(t)
		start := time.Now()
		unavailable(t, v, f.token("a.example.com"), "no answer of Resolve in time")
		if waited := time.Since(start); waited != 5*time.Second {
			t.Errorf("waited %v", waited)
		}
		start = time.Now()
		unavailable(t, v, f.token("a.example.com"), "no answer of Resolve in time")
		if waited := time.Since(start); waited != 0 {
			t.Errorf("waited %v more", waited)
		}
		accepted(t, v, f.token("b.example.com"))
		if f.asked["https://a.example.com"] != 1 {
			t.Errorf("asked %v", f.asked)
		}
		close(stuck)
		synctest.Wait()
		accepted(t, v, f.token("a.example.com"))
	})
}

func TestResolverBounds(t *testing.T) {
	bubble2(t, "32 calls of Resolve at once, 24 of them for new issuers; nobody else waits, and who is known doesn't notice", func(t *testing.T) {
		f := newFederation(append(many(100), "a.example.com", "b.example.com")...)
		v := f.verifier(t)
		for range 2 {
			accepted(t, v, f.token("a.example.com"))
			time.Sleep(301 * time.Second) // its answer is to be renewed
		}
		f.set(func() {
			f.change = func(ctx context.Context, cfg *verifier.Config) error {
				if cfg.Issuer == "https://a.example.com" {
					return nil
				}
				<-ctx.Done()
				return ctx.Err()
			}
		})
		at, wg := &tally{}, sync.WaitGroup{}
		for _, host := range many(100) {
			at.ask(v, f.token(host))
		}
		synctest.Wait()
		at.mu.Lock()
		if at.unavailable != 76 || at.slowest != 0 {
			t.Errorf("%d of 100 were sent away, the slowest after %v", at.unavailable, at.slowest)
		}
		at.mu.Unlock()
		wg.Go(func() { unavailable(t, v, f.token("b.example.com"), "as many issuers are being looked up") })
		start := time.Now()
		accepted(t, v, f.token("a.example.com"))
		if f.asked["https://a.example.com"] != 3 || time.Since(start) > time.Second {
			t.Errorf("a known issuer was asked about %d times, in %v", f.asked["https://a.example.com"], time.Since(start))
		}
		at.wg.Wait()
		wg.Wait()
		synctest.Wait()
		f.set(func() { f.change = nil })
		accepted(t, v, f.token("b.example.com"))
		accepted(t, v, f.token(many(1)[0]))
	})
	bubble2(t, "renewals count too", func(t *testing.T) {
		f := newFederation(many(100)...)
		v := f.verifier(t)
		for _, host := range many(100) {
			accepted(t, v, f.token(host))
		}
		time.Sleep(301 * time.Second)
		var mu sync.Mutex
		running, peak := 0, 0
		f.set(func() {
			f.change = func(ctx context.Context, _ *verifier.Config) error {
				mu.Lock()
				running++
				peak = max(peak, running)
				mu.Unlock()
				<-ctx.Done()
				mu.Lock()
				running--
				mu.Unlock()
				return ctx.Err()
			}
		})
		at := &tally{}
		for _, host := range many(100) {
			at.ask(v, f.token(host))
		}
		at.wg.Wait()
		mu.Lock()
		if peak != 32 || at.ok != 100 || at.slowest > time.Second {
			t.Errorf("%d calls at once, %d of 100 ok, the slowest in %v", peak, at.ok, at.slowest)
		}
		mu.Unlock()
		time.Sleep(5 * time.Second)
	})
	bubble2(t, "32 fetches at once, 24 of them for new issuers", func(t *testing.T) {
		f := newFederation(append(many(100), "a.example.com")...)
		v := f.verifier(t)
		accepted(t, v, f.token("a.example.com"))
		for _, host := range many(100) {
			f.delay[host] = away
		}
		at := &tally{}
		for _, host := range many(100) {
			at.ask(v, f.token(host))
		}
		synctest.Wait()
		at.mu.Lock()
		if at.unavailable != 76 || at.slowest != 0 || f.running != 24 {
			t.Errorf("%d of 100 were sent away, the slowest after %v, %d requests", at.unavailable, at.slowest, f.running)
		}
		at.mu.Unlock()
		f.set(func() { f.hosts["a.example.com"] = newKey("next", "rotated") })
		accepted(t, v, newKey("next", "rotated").tokenFor("https://a.example.com"))
		at.wg.Wait()
		time.Sleep(time.Minute)
		f.set(func() { clear(f.delay) })
		for _, host := range many(24) {
			accepted(t, v, f.token(host))
		}
	})
	bubble2(t, "fetches of others don't spend an issuer's own budget", func(t *testing.T) {
		hosts := many(40)
		f := newFederation(append(hosts, "a.example.com")...)
		v := f.verifier(t)
		accepted(t, v, f.token("a.example.com"))
		for _, host := range hosts {
			accepted(t, v, f.token(host))
		}
		for _, host := range hosts {
			f.delay[host] = 3 * time.Second // less than it takes to refill a budget
		}
		at := &tally{}
		for _, host := range hosts {
			at.ask(v, newKey("unknown", host).tokenFor("https://"+host))
		}
		synctest.Wait()
		f.mu.Lock()
		if f.running != 32 {
			t.Errorf("%d requests", f.running)
		}
		f.mu.Unlock()
		rotated := newKey("next", "rotated")
		for range 10 {
			unavailable(t, v, rotated.tokenFor("https://a.example.com"), "as many issuers")
			refused(t, v, newKey("default", "forger").tokenFor("https://a.example.com"), verifier.ErrSignature)
		}
		at.wg.Wait()
		f.set(func() { f.hosts["a.example.com"] = rotated })
		accepted(t, v, rotated.tokenFor("https://a.example.com"))
	})
}

func TestProbation(t *testing.T) {
	bubble2(t, "who has never signed anything pushes nobody out who has", func(t *testing.T) {
		f := newFederation(many(1000)...)
		v := f.verifier(t, func(cfg *verifier.IssuersConfig) { cfg.Size = 1 })
		good := many(10)
		for _, host := range good {
			accepted(t, v, f.token(host))
		}
		before := maps.Clone(f.asked)
		for _, host := range many(1000)[10:] {
			refused(t, v, newKey("default", "forger").tokenFor("https://"+host), verifier.ErrSignature)
		}
		for _, host := range good {
			accepted(t, v, f.token(host))
			if iss := "https://" + host; f.asked[iss] != before[iss] {
				t.Errorf("%s was pushed out", host)
			}
		}
	})
	bubble2(t, "the number is bounded, and those used last are kept", func(t *testing.T) {
		f := newFederation(append(many(400), "a.example.com")...)
		v := f.verifier(t, func(cfg *verifier.IssuersConfig) { cfg.Size = 1 })
		for _, host := range many(400) {
			accepted(t, v, f.token(host))
			accepted(t, v, f.token("a.example.com"))
		}
		again := f.count(f.asked)
		for _, host := range many(400) {
			accepted(t, v, f.token(host))
		}
		if again = f.count(f.asked) - again; again < 400-2*112 || f.asked["https://a.example.com"] != 1 {
			t.Errorf("%d of 400 were looked up again, the one in use %d times", again, f.asked["https://a.example.com"])
		}
	})
	bubble2(t, "a verifier that was pushed out during its first fetch still decides, and is kept then", func(t *testing.T) {
		f := newFederation(append(many(400), "a.example.com")...)
		v, wg := f.verifier(t), sync.WaitGroup{}
		f.delay["a.example.com"] = 2 * time.Second
		wg.Go(func() { accepted(t, v, f.token("a.example.com")) })
		synctest.Wait()
		for _, host := range many(400) {
			f.set(func() { f.delay[host] = time.Millisecond })
			refused(t, v, newKey("default", "forger").tokenFor("https://"+host), verifier.ErrSignature)
		}
		wg.Wait()
		for range 2 {
			accepted(t, v, f.token("a.example.com"))
		}
		if f.asked["https://a.example.com"] != 1 || f.requests["a.example.com"] != 2 {
			t.Errorf("asked %d times, %d requests", f.asked["https://a.example.com"], f.requests["a.example.com"])
		}
	})
}

func TestRenewal(t *testing.T) {
	bubble2(t, "an issuer that Resolve no longer knows is refused when its answer is as old as MaxAge", func(t *testing.T) {
		f := newFederation("a.example.com")
		v := f.verifier(t)
		token := f.token("a.example.com")
		accepted(t, v, token)
		f.set(func() { clear(f.hosts) })
		time.Sleep(299 * time.Second)
		accepted(t, v, token)
		time.Sleep(2 * time.Second)
		refused(t, v, token, verifier.ErrIssuer)
		refused(t, v, token, verifier.ErrIssuer)
		if f.asked["https://a.example.com"] != 2 {
			t.Errorf("asked %v", f.asked)
		}
	})
	bubble2(t, "an issuer that Resolve no longer knows does not come back with a token that waited for its keys", func(t *testing.T) {
		f := newFederation("a.example.com")
		v, wg := f.verifier(t, func(cfg *verifier.IssuersConfig) { cfg.MaxAge = time.Second }), sync.WaitGroup{}
		f.delay["a.example.com"] = 2 * time.Second
		token := f.token("a.example.com")
		wg.Go(func() { accepted(t, v, token) }) // known when it came
		time.Sleep(2 * time.Second)
		f.set(func() { f.change = func(context.Context, *verifier.Config) error { return verifier.ErrIssuer } })
		refused(t, v, token, verifier.ErrIssuer)
		wg.Wait()
		f.set(func() { f.change = func(context.Context, *verifier.Config) error { return errors.New("down") } })
		time.Sleep(time.Minute)
		unavailable(t, v, token, "down")
	})
	bubble2(t, "a new Config holds for remembered tokens too, and costs no fetch", func(t *testing.T) {
		f := newFederation("a.example.com")
		v := f.verifier(t, func(cfg *verifier.IssuersConfig) { cfg.MaxAge = time.Minute })
		token := f.token("a.example.com")
		for range 3 {
			accepted(t, v, token)
			time.Sleep(61 * time.Second)
		}
		f.set(func() {
			f.change = func(_ context.Context, cfg *verifier.Config) error { cfg.Audience = []string{"another"}; return nil }
		})
		refused(t, v, token, verifier.ErrAudience)
		if f.asked["https://a.example.com"] != 4 || f.requests["a.example.com"] != 2 {
			t.Errorf("asked %v, requests %v", f.asked, f.requests)
		}
	})
	bubble2(t, "keys from elsewhere are fetched, and the old ones are gone", func(t *testing.T) {
		f := newFederation("a.example.com", "keys.example.com")
		v := f.verifier(t)
		token := f.token("a.example.com")
		accepted(t, v, token)
		f.set(func() {
			f.change = func(_ context.Context, cfg *verifier.Config) error {
				cfg.JWKSURL = "https://keys.example.com/keys"
				return nil
			}
		})
		time.Sleep(301 * time.Second)
		refused(t, v, token, verifier.ErrSignature)
		accepted(t, v, newKey("default", "keys.example.com").tokenFor("https://a.example.com"))
	})
	for name, fail := range map[string]func(context.Context, *verifier.Config) error{
		"fails": func(context.Context, *verifier.Config) error { return errors.New("down") },
		"hangs": func(ctx context.Context, _ *verifier.Config) error { <-ctx.Done(); return ctx.Err() },
		"answers for another issuer": func(_ context.Context, cfg *verifier.Config) error {
			cfg.Issuer = "https://b.example.com"
			return nil
		},
	} {
		bubble2(t, "while Resolve "+name+" the last answer stands, and few wait", func(t *testing.T) {
			f := newFederation("a.example.com")
			v := f.verifier(t)
			token := f.token("a.example.com")
			accepted(t, v, token)
			time.Sleep(301 * time.Second)
			f.set(func() { f.change = fail })
			a := &tally{}
			a.load(v, 600, 60*time.Second, func(int) string { return token })
			if a.ok != 600 || a.slowest > time.Second || f.asked["https://a.example.com"] > 8 {
				t.Errorf("%d of 600 ok, the slowest in %v, asked %v", a.ok, a.slowest, f.asked)
			}
			time.Sleep(24 * time.Hour)
			unavailable(t, v, token, "looking up issuer")
			unavailable(t, v, token, "looking up issuer")
			f.set(func() { f.change = nil })
			time.Sleep(10 * time.Second)
			accepted(t, v, token)
		})
	}
}

func TestClockSetBackAfterResolveFailed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		f := newFederation("a.example.com")
		var ahead atomic.Int64
		v := f.verifier(t, func(cfg *verifier.IssuersConfig) {
			cfg.Now = func() time.Time { return time.Now().Round(0).Add(time.Duration(ahead.Load())) }
		})
		token := f.token("a.example.com")
		accepted(t, v, token)
		ahead.Store(int64(20 * time.Hour))
		f.set(func() { f.change = func(context.Context, *verifier.Config) error { return errors.New("down") } })
		accepted(t, v, token) // the last answer stands
		ahead.Store(0)
		f.set(func() { f.change = nil; clear(f.hosts) })
		time.Sleep(6 * time.Minute)
		refused(t, v, token, verifier.ErrIssuer)
	})
}

func TestOneIssuersOutageLeavesTheOthersAlone(t *testing.T) {
	bubble2(t, "BUG-114 one that can't be reached", func(t *testing.T) {
		f := newFederation("good.example.com", "bad.example.com")
		f.delay["bad.example.com"] = away
		v, wg := f.verifier(t), sync.WaitGroup{}
		good, bad := &tally{}, &tally{}
		wg.Go(func() { good.load(v, 600, time.Minute, func(int) string { return f.token("good.example.com") }) })
		wg.Go(func() { bad.load(v, 600, time.Minute, func(int) string { return f.token("bad.example.com") }) })
		wg.Wait()
		if good.ok != 600 || good.slowest > time.Second || bad.unavailable != 600 {
			t.Errorf("good: %d of 600, the slowest in %v; bad: %d unavailable", good.ok, good.slowest, bad.unavailable)
		}
		f.set(func() { clear(f.delay) })
		time.Sleep(30 * time.Second)
		accepted(t, v, f.token("bad.example.com"))
	})
}

func TestPrivateNetwork(t *testing.T) {
	t.Parallel()
	i := verifiertest.NewIssuer(t)
	resolved := func(change func(*verifier.Config)) verifier.TokenVerifier {
		return must(verifier.ResolveIssuers(verifier.IssuersConfig{Resolve: func(context.Context, string) (verifier.Config, error) {
			cfg := i.Config()
			change(&cfg)
			return cfg, nil
		}}))
	}
	t.Run("8725bis-3.10-1 BUG-127 an issuer on loopback is asked nothing", func(t *testing.T) {
		unavailable(t, resolved(func(*verifier.Config) {}), i.Token(""), "is not a public address")
		unavailable(t, resolved(func(cfg *verifier.Config) { cfg.Client = nil }), i.Token(""), "is not a public address")
		unavailable(t, resolved(func(cfg *verifier.Config) { cfg.JWKSURL = i.URL() + "/jwks" }), i.Token(""), "is not a public address")
		unavailable(t, resolved(func(cfg *verifier.Config) { cfg.MetadataURL = i.URL() }), i.Token(""), "is not a public address")
		if n := i.Requests(); n != (verifiertest.Requests{}) {
			t.Errorf("requests %+v", n)
		}
	})
	t.Run("8725bis-3.10-1 unless the Config says so", func(t *testing.T) {
		accepted(t, resolved(func(cfg *verifier.Config) { cfg.DangerouslyAllowPrivateNetwork = true }), i.Token(""))
	})
	t.Run("BUG-133 a certificate that nobody knows", func(t *testing.T) {
		unavailable(t, resolved(func(cfg *verifier.Config) { cfg.DangerouslyAllowPrivateNetwork, cfg.Client = true, nil }), i.Token(""), "certificate")
	})
	t.Run("an issuer that the operator named may be anywhere", func(t *testing.T) {
		accepted(t, newIssuers(t, i.Verifier()), i.Token(""))
	})
}

func TestResolveIssuersMistakes(t *testing.T) {
	t.Parallel()
	resolve := newFederation().Resolve
	for want, cfg := range map[string]verifier.IssuersConfig{
		"Resolve is nil": {},
		"is negative":    {Resolve: resolve, Size: -1},
		"MaxAge":         {Resolve: resolve, MaxAge: -1},
		"Timeout":        {Resolve: resolve, Timeout: -1},
	} {
		if v, err := verifier.ResolveIssuers(cfg); v != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, %v, want %q", v, err, want)
		}
	}
	_, err := verifier.ResolveIssuers(verifier.IssuersConfig{Size: -1})
	if err == nil || strings.Count(err.Error(), "verifier:") != 2 {
		t.Errorf("%v, want both mistakes", err)
	}
}
