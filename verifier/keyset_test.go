package verifier_test

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bearerguard/bearerguard/verifier"
)

// The life of the keys, on a simulated clock: every test here runs in a synctest bubble, its network is a RoundTripper.

// signingKey makes tokens and is published as a JWK.
type signingKey struct {
	kid     string
	private ed25519.PrivateKey
}

func newKey(kid, material string) signingKey {
	seed := sha256.Sum256([]byte(material))
	return signingKey{kid, ed25519.NewKeyFromSeed(seed[:])}
}

func (k signingKey) jwk() string {
	return fmt.Sprintf(`{"kty":"OKP","crv":"Ed25519","kid":%q,"x":%q}`, k.kid, base64.RawURLEncoding.EncodeToString(k.private.Public().(ed25519.PublicKey)))
}

var tokenID atomic.Int64

// token is good for 48 hours, so that nothing but the keys decides.
func (k signingKey) token() string { return k.tokenFor(stubIssuer) }

func (k signingKey) tokenFor(iss string) string {
	b64 := base64.RawURLEncoding.EncodeToString
	now := time.Now().Unix()
	signed := b64(fmt.Appendf(nil, `{"alg":"EdDSA","typ":"at+jwt","kid":%q}`, k.kid)) + "." +
		b64(fmt.Appendf(nil, `{"iss":%q,"aud":"api","sub":"c","client_id":"c","jti":"%d","iat":%d,"exp":%d}`, iss, tokenID.Add(1), now, now+48*3600))
	return signed + "." + b64(ed25519.Sign(k.private, []byte(signed)))
}

func (k signingKey) forged() string {
	token := k.token()
	return token[:len(token)-86] + newKey(k.kid, "forger").token()[len(token)-86:]
}

const stubIssuer = "https://as.example.com"

// stub is an authorization server behind a RoundTripper.
type stub struct {
	latency time.Duration

	mu        sync.Mutex
	keys      []signingKey
	header    http.Header
	misbehave func(ctx context.Context) (*http.Response, error) // nil: behave
	asked     map[string]int
	running   int
	peak      int
	last      *http.Request
}

func newStub(keys ...signingKey) *stub {
	return &stub{latency: 20 * time.Millisecond, keys: keys, header: http.Header{}, asked: map[string]int{}}
}

func (s *stub) set(change func()) { s.mu.Lock(); change(); s.mu.Unlock() }

func (s *stub) publish(keys ...signingKey) { s.set(func() { s.keys = keys }) }

func (s *stub) fail(f func(context.Context) (*http.Response, error)) {
	s.set(func() { s.misbehave = f })
}

func (s *stub) fetches() int { s.mu.Lock(); defer s.mu.Unlock(); return s.asked["/keys"] }

func (s *stub) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	s.asked[r.URL.Path]++
	s.running++
	s.peak = max(s.peak, s.running)
	s.last = r
	s.mu.Unlock()
	defer s.set(func() { s.running-- })
	select {
	case <-time.After(s.latency):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	s.mu.Lock()
	misbehave, keys, header := s.misbehave, s.keys, s.header.Clone()
	s.mu.Unlock()
	if r.URL.Path == "/.well-known/openid-configuration" {
		return answer(200, nil, fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q}`, stubIssuer, stubIssuer+"/keys")), nil
	}
	if misbehave != nil {
		return misbehave(r.Context())
	}
	jwks := make([]string, len(keys))
	for i, k := range keys {
		jwks[i] = k.jwk()
	}
	if etag := header.Get("ETag"); etag != "" && r.Header.Get("If-None-Match") == etag {
		return answer(304, header, ""), nil
	}
	return answer(200, header, `{"keys":[`+strings.Join(jwks, ",")+`]}`), nil
}

func answer(status int, header http.Header, body string) *http.Response {
	if header == nil {
		header = http.Header{}
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body)), ProtoMajor: 1, ProtoMinor: 1}
}

func (s *stub) verifier(t *testing.T, change ...func(*verifier.Config)) *verifier.Verifier {
	t.Helper()
	var asked atomic.Int64
	cfg := verifier.Config{
		Issuer: stubIssuer, Audience: []string{"api"}, Client: &http.Client{Transport: s},
		// Requests arrive at one time and are decided a little later, in any order.
		Now: func() time.Time { return time.Now().Add(-time.Duration(asked.Add(1)%7) * time.Millisecond) },
	}
	for _, c := range change {
		c(&cfg)
	}
	v, err := verifier.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// warm returns a verifier that has just fetched the stub's keys.
func (s *stub) warm(t *testing.T, change ...func(*verifier.Config)) *verifier.Verifier {
	t.Helper()
	v := s.verifier(t, change...)
	if err := v.Warm(t.Context()); err != nil {
		t.Fatal(err)
	}
	return v
}

// tally counts outcomes of many concurrent requests.
type tally struct {
	mu                              sync.Mutex
	ok, invalid, unavailable, other int
	slowest                         time.Duration
	wg                              sync.WaitGroup
}

func (a *tally) ask(v verifier.TokenVerifier, token string) {
	a.wg.Go(func() {
		start := time.Now()
		_, err := v.Verify(context.Background(), token)
		took := time.Since(start)
		a.mu.Lock()
		defer a.mu.Unlock()
		a.slowest = max(a.slowest, took)
		switch {
		case err == nil:
			a.ok++
		case errors.Is(err, verifier.ErrUnavailable):
			a.unavailable++
		case errors.Is(err, verifier.ErrInvalidToken):
			a.invalid++
		default:
			a.other++
		}
	})
}

// load asks n times, evenly over a period of simulated time.
func (a *tally) load(v verifier.TokenVerifier, n int, period time.Duration, token func(i int) string) {
	for i := range n {
		a.ask(v, token(i))
		time.Sleep(period / time.Duration(n))
	}
	a.wg.Wait()
}

// bubble runs a test on simulated time, and fails it if a goroutine outlives the longest attempt.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f(t)
		time.Sleep(6 * time.Second)
	})
}

func TestColdStart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		key := newKey("a", "1")
		s := newStub(key)
		v, a := s.verifier(t), &tally{}
		for range 1000 {
			a.ask(v, key.token())
		}
		a.wg.Wait()
		if a.ok != 1000 || s.fetches() != 1 || s.asked["/.well-known/openid-configuration"] != 1 {
			t.Errorf("1000 concurrent first requests: %d ok, requests %v; want one of each", a.ok, s.asked)
		}
	})
}

func TestUnknownKidFlood(t *testing.T) {
	bubble(t, func(t *testing.T) {
		key := newKey("a", "1")
		s := newStub(key)
		v := s.warm(t)
		good, bad := &tally{}, &tally{}
		var wg sync.WaitGroup
		wg.Go(func() { good.load(v, 200, time.Second, func(int) string { return key.token() }) })
		wg.Go(func() {
			bad.load(v, 1000, time.Second, func(i int) string { return newKey(fmt.Sprint("made up ", i), "x").token() })
		})
		wg.Wait()
		if good.ok != 200 || good.slowest > 0 {
			t.Errorf("good requests: %d of 200 ok, the slowest waited %v", good.ok, good.slowest)
		}
		if bad.invalid != 1000 {
			t.Errorf("made-up keys: %d of 1000 refused as such, %d unavailable", bad.invalid, bad.unavailable)
		}
		if n := s.fetches(); n > 1+4 {
			t.Errorf("%d fetches, want at most 4 beside the first", n)
		}
	})
}

func TestBadSignatureFlood(t *testing.T) {
	bubble(t, func(t *testing.T) {
		key := newKey("a", "1")
		s := newStub(key)
		v, a := s.warm(t), &tally{}
		a.load(v, 1000, time.Second, func(int) string { return key.forged() })
		if a.invalid != 1000 || a.slowest > 0 || s.fetches() > 1+4 {
			t.Errorf("%d of 1000 refused, the slowest waited %v, %d fetches", a.invalid, a.slowest, s.fetches())
		}
	})
}

func TestRefreshAhead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		key := newKey("a", "1")
		s := newStub(key)
		v, a := s.warm(t), &tally{}
		a.load(v, 20*1800, 30*time.Minute, repeated(key))
		if a.ok != 20*1800 || a.slowest > 0 {
			t.Errorf("%d ok, the slowest waited %v", a.ok, a.slowest)
		}
		if n := s.fetches(); n < 3 || n > 5 { // lives of 10 min +-10 %, refreshed at 80 %
			t.Errorf("%d fetches in 30 minutes", n)
		}
	})
}

// repeated is the same token each time, so that a long load costs no signatures.
func repeated(k signingKey) func(int) string {
	token := k.token()
	return func(int) string { return token }
}

// failures are the ways in which a key endpoint fails.
var failures = map[string]func(context.Context) (*http.Response, error){
	"500":                  func(context.Context) (*http.Response, error) { return answer(500, nil, "oops"), nil },
	"500 JSON":             func(context.Context) (*http.Response, error) { return answer(500, nil, `{"keys":[]}`), nil },
	"BUG-084 HTML 200":     func(context.Context) (*http.Response, error) { return answer(200, nil, "<html>sign in</html>"), nil },
	"BUG-083 an empty set": func(context.Context) (*http.Response, error) { return answer(200, nil, `{"keys":[]}`), nil },
	"BUG-083 no keys":      func(context.Context) (*http.Response, error) { return answer(200, nil, `{"key":"value"}`), nil },
	"BUG-082 a string":     func(context.Context) (*http.Response, error) { return answer(200, nil, `"hello"`), nil },
	"empty body":           func(context.Context) (*http.Response, error) { return answer(200, nil, ""), nil },
	"resets":               func(context.Context) (*http.Response, error) { return nil, errors.New("connection reset by peer") },
	"10 MB": func(context.Context) (*http.Response, error) {
		return answer(200, nil, `{"keys":[`+strings.Repeat(" ", 10<<20)+`]}`), nil
	},
	"half":   func(context.Context) (*http.Response, error) { return answer(200, nil, `{"keys":[{"kty":"OKP",`), nil },
	"panics": func(context.Context) (*http.Response, error) { panic("a transport's bug") },
	"ends":   func(context.Context) (*http.Response, error) { runtime.Goexit(); return nil, nil },
	"429": func(context.Context) (*http.Response, error) {
		return answer(429, http.Header{"Retry-After": {"2"}}, ""), nil
	},
	"hangs": func(ctx context.Context) (*http.Response, error) { <-ctx.Done(); return nil, ctx.Err() },
}

func TestOutageWarm(t *testing.T) {
	for name, failure := range failures {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				key := newKey("a", "1")
				s := newStub(key)
				v := s.warm(t)
				time.Sleep(12 * time.Minute) // past any freshness
				s.fail(failure)
				a := &tally{}
				start := time.Now()
				a.load(v, 1200, 6*time.Second, repeated(key))
				if a.ok != 1200 {
					t.Errorf("%d of 1200 ok", a.ok)
				}
				if a.slowest > time.Second {
					t.Errorf("the slowest waited %v", a.slowest)
				}
				if n := s.fetches(); n > 1+5 {
					t.Errorf("%d fetches in %v", n-1, time.Since(start))
				}
				s.fail(nil)
				a.load(v, 600, 30*time.Second, repeated(key))
				if h := v.Health(); h.Err != nil || a.ok != 1800 {
					t.Errorf("not healed: %v", h.Err)
				}
			})
		})
	}
}

func TestHangIsWaitedForOnlyOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		key := newKey("a", "1")
		s := newStub(key)
		v := s.warm(t)
		time.Sleep(12 * time.Minute)
		s.fail(failures["hangs"])
		a := &tally{}
		a.load(v, 60, 6*time.Second, repeated(key))
		b := &tally{}
		b.load(v, 600, time.Minute, repeated(key))
		if a.slowest != time.Second || b.ok != 600 || b.slowest > 0 {
			t.Errorf("until the first failure %v, want 1s; after it %v, want none", a.slowest, b.slowest)
		}
	})
}

// A transport that does not heed its context can't be ended: its place is lost, but nobody waits for it.
func TestTransportThatDoesNotHeedItsDeadline(t *testing.T) {
	bubble(t, func(t *testing.T) {
		key := newKey("a", "1")
		s := newStub(key)
		open := make(chan struct{})
		deaf := func(context.Context) (*http.Response, error) { <-open; return nil, io.ErrUnexpectedEOF }
		s.fail(deaf)
		v := s.verifier(t)
		for _, want := range []time.Duration{6 * time.Second, 0} {
			a := &tally{}
			a.load(v, 1, time.Millisecond, repeated(key))
			if a.unavailable != 1 || a.slowest != want {
				t.Errorf("after %v, want %v: %+v", a.slowest, want, a)
			}
		}
		close(open)
		s.fail(nil)
		time.Sleep(2 * time.Second)
		if err := v.Warm(t.Context()); err != nil {
			t.Fatal(err)
		}
		// Old keys serve at once, too.
		time.Sleep(12 * time.Minute)
		open = make(chan struct{})
		s.fail(deaf)
		for _, want := range []time.Duration{time.Second, 0} {
			a := &tally{}
			a.load(v, 1, 10*time.Second, repeated(key))
			if a.ok != 1 || a.slowest != want {
				t.Errorf("after %v, want %v: %+v", a.slowest, want, a)
			}
		}
		close(open)
		time.Sleep(time.Second)

		unbounded := newStub(key).verifier(t, func(c *verifier.Config) { c.Refresh.Timeout = math.MaxInt64 })
		if err := unbounded.Warm(t.Context()); err != nil {
			t.Error("the longest timeout:", err)
		}
	})
}

func TestOutageCold(t *testing.T) {
	for name, failure := range failures {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				key := newKey("a", "1")
				s := newStub(key)
				s.fail(failure)
				v, a := s.verifier(t), &tally{}
				a.load(v, 1200, 6*time.Second, repeated(key))
				if a.unavailable != 1200 || a.slowest > 5500*time.Millisecond {
					t.Errorf("%d of 1200 unavailable, %d refused, the slowest waited %v", a.unavailable, a.invalid, a.slowest)
				}
				if n := s.fetches(); n > 5 {
					t.Errorf("%d fetches", n)
				}
				var e *verifier.UnavailableError
				if _, err := v.Verify(t.Context(), key.token()); !errors.As(err, &e) || e.RetryAfter < time.Second || e.RetryAfter > time.Minute {
					t.Errorf("got %v", err)
				}
				s.fail(nil)
				up := time.Now()
				for time.Since(up) < time.Minute {
					if _, err := v.Verify(t.Context(), key.token()); err == nil {
						break
					}
					time.Sleep(100 * time.Millisecond)
				}
				if healed := time.Since(up); healed > 11*time.Second {
					t.Errorf("healed %v after the end of an outage of 6 s", healed)
				}
			})
		})
	}
}

func TestRotation(t *testing.T) {
	a, b := newKey("a", "1"), newKey("b", "2")
	t.Run("BUG-096 BUG-103 OIDC-10.1.1 the new key signs the instant it is published, the old one is gone", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			s := newStub(a)
			v, got := s.warm(t), &tally{}
			s.publish(b)
			for range 100 {
				got.ask(v, b.token())
			}
			got.load(v, 2000, 10*time.Second, func(int) string { return b.token() })
			if got.ok != 2100 || s.fetches() != 2 {
				t.Errorf("%d of 2100 ok, %d fetches", got.ok, s.fetches()-1)
			}
			if _, err := v.Verify(t.Context(), a.token()); !errors.Is(err, verifier.ErrKeyNotFound) {
				t.Errorf("a token of the old key: %v", err)
			}
		})
	})
	t.Run("BUG-099 after 20 unknown kids it heals within 5 s and one fetch", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			s := newStub(a)
			v, got := s.warm(t), &tally{}
			for i := range 20 {
				_, _ = v.Verify(t.Context(), newKey(fmt.Sprint("made up ", i), "x").token())
			}
			before := s.fetches()
			s.publish(b)
			healed := healTime(t, v, b)
			if healed > 5*time.Second || s.fetches() != before+1 {
				t.Errorf("healed after %v and %d fetches", healed, s.fetches()-before)
			}
			_ = got
		})
	})
	t.Run("BUG-099 BUG-119 in the middle of a flood it heals within 5 s", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			s := newStub(a)
			v := s.warm(t)
			flood := &tally{}
			var wg sync.WaitGroup
			wg.Go(func() {
				flood.load(v, 3000, 30*time.Second, func(i int) string { return newKey(fmt.Sprint("made up ", i), "x").token() })
			})
			time.Sleep(15*time.Second + time.Millisecond)
			s.publish(b)
			if healed := healTime(t, v, b); healed > 5*time.Second {
				t.Errorf("healed after %v", healed)
			}
			wg.Wait()
			if n := s.fetches() - 1; n > 3+30/5 {
				t.Errorf("%d fetches in 30 s", n)
			}
			if flood.invalid != 3000 {
				t.Errorf("%d of 3000 refused", flood.invalid)
			}
		})
	})
	t.Run("BUG-119 while the endpoint is down its tokens get unavailable, never invalid", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			s := newStub(a)
			v, got := s.warm(t), &tally{}
			s.publish(b)
			s.fail(failures["500"])
			got.load(v, 600, 6*time.Second, func(int) string { return b.token() })
			if got.unavailable != 600 {
				t.Errorf("%d of 600 unavailable, %d invalid", got.unavailable, got.invalid)
			}
			s.fail(nil)
			if healed := healTime(t, v, b); healed > 11*time.Second {
				t.Errorf("healed after %v", healed)
			}
		})
	})
	t.Run("BUG-111 a key replaced under its kid heals by the refetch that the first bad signature starts", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			s := newStub(a)
			v := s.warm(t)
			replaced := newKey("a", "other material")
			old := a.token()
			if _, err := v.Verify(t.Context(), old); err != nil {
				t.Fatal(err)
			}
			s.publish(replaced)
			if _, err := v.Verify(t.Context(), replaced.token()); !errors.Is(err, verifier.ErrSignature) {
				t.Errorf("the first: %v", err)
			}
			time.Sleep(s.latency)
			synctest.Wait()
			if _, err := v.Verify(t.Context(), replaced.token()); err != nil {
				t.Errorf("the next: %v", err)
			}
			if _, err := v.Verify(t.Context(), old); err == nil {
				t.Error("a remembered token of the replaced key is still accepted")
			}
		})
	})
}

func healTime(t *testing.T, v *verifier.Verifier, k signingKey) time.Duration {
	t.Helper()
	start := time.Now()
	for time.Since(start) < 2*time.Minute {
		if _, err := v.Verify(t.Context(), k.token()); err == nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	return time.Since(start)
}

func TestWithdrawnKey(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, b := newKey("a", "1"), newKey("b", "2")
		s := newStub(a, b)
		v := s.warm(t)
		token := a.token()
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Fatal(err)
		}
		s.publish(b)
		time.Sleep(12 * time.Minute)
		if _, err := v.Verify(t.Context(), b.token()); err != nil { // the next refresh
			t.Fatal(err)
		}
		if _, err := v.Verify(t.Context(), token); !errors.Is(err, verifier.ErrKeyNotFound) {
			t.Errorf("a remembered token of a withdrawn key: %v", err)
		}
	})
}

func TestUnchangedKeysKeepTheirTokens(t *testing.T) {
	bubble(t, func(t *testing.T) {
		key := newKey("a", "1")
		s := newStub(key)
		var misses atomic.Int64
		v := s.warm(t, func(cfg *verifier.Config) {
			cfg.Hooks.Verified = func(_ context.Context, e verifier.VerifyEvent) {
				if !e.Cached {
					misses.Add(1)
				}
			}
		})
		tokens := make([]string, 1000)
		for i := range tokens {
			tokens[i] = key.token()
		}
		for range 11 {
			for _, token := range tokens {
				if _, err := v.Verify(t.Context(), token); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(12 * time.Minute)
		}
		if n := misses.Load(); n != 1000 || s.fetches() != 11 {
			t.Errorf("%d signatures checked over %d fetches, want 1000 over 11", n, s.fetches())
		}
	})
}

func TestOneCallerHangsUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		key := newKey("a", "1")
		s := newStub(key)
		v, others := s.verifier(t), &tally{}
		ctx, cancel := context.WithCancel(t.Context())
		first := make(chan error)
		go func() { _, err := v.Verify(ctx, key.token()); first <- err }()
		synctest.Wait()
		for range 10 {
			others.ask(v, key.token())
		}
		cancel()
		if err := <-first; !errors.Is(err, context.Canceled) || !errors.Is(err, verifier.ErrUnavailable) {
			t.Errorf("who hung up got %v", err)
		}
		others.wg.Wait()
		if others.ok != 10 || s.fetches() != 1 {
			t.Errorf("%d of 10 others served, %d fetches", others.ok, s.fetches())
		}
	})
}

// TestHangingUpForAReason: middleware.UntilExpiry ends a context because of verifier.ErrExpired. That says nothing about a token
// that is verified under it.
func TestHangingUpForAReason(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx, hangUp := context.WithCancelCause(t.Context())
		s := newStub(newKey("a", "1"))
		s.latency = away
		f := newFederation("a.example.com")
		f.change = func(ctx context.Context, _ *verifier.Config) error { <-ctx.Done(); return ctx.Err() }
		hangUp(verifier.ErrIssuer)
		for name, verify := range map[string]func() (*verifier.Claims, error){
			"waiting for keys":    func() (*verifier.Claims, error) { return s.verifier(t).Verify(ctx, newKey("a", "1").token()) },
			"waiting for Resolve": func() (*verifier.Claims, error) { return f.verifier(t).Verify(ctx, f.token("a.example.com")) },
		} {
			if _, err := verify(); !errors.Is(err, verifier.ErrUnavailable) || !errors.Is(err, context.Canceled) || errors.Is(err, verifier.ErrInvalidToken) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestStaleLimit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		key := newKey("a", "1")
		s := newStub(key)
		v := s.warm(t)
		fetched := time.Now()
		s.fail(failures["500"])
		token := key.token()
		for time.Since(fetched) < 25*time.Hour {
			_, err := v.Verify(t.Context(), token)
			age := time.Since(fetched)
			if age < 24*time.Hour && (err != nil || !v.Health().Ready) {
				t.Fatalf("after %v: %v, %+v", age, err, v.Health())
			}
			if age > 24*time.Hour+time.Minute && !errors.Is(err, verifier.ErrUnavailable) {
				t.Fatalf("after %v: %v", age, err)
			}
			time.Sleep(30 * time.Second)
		}
		if v.Health().Ready {
			t.Error("ready beyond MaxStale")
		}
		s.fail(nil)
		time.Sleep(time.Minute)
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Errorf("not healed: %v", err)
		}
	})
}

func TestHungEndpointLeavesNoGoroutines(t *testing.T) {
	// Not parallel: it counts all goroutines.
	synctest.Test(t, func(t *testing.T) {
		key := newKey("a", "1")
		s := newStub(key)
		s.fail(failures["hangs"])
		v, a := s.verifier(t), &tally{}
		before := runtime.NumGoroutine()
		token := key.token()
		for range 3000 {
			a.ask(v, token)
		}
		synctest.Wait()
		if n := runtime.NumGoroutine() - before; n > 3000+1 { // the attempt
			t.Errorf("%d goroutines for 3000 requests", n)
		}
		a.wg.Wait()
		if a.unavailable != 3000 || s.fetches() != 1 || s.peak != 1 {
			t.Errorf("%d unavailable, %d fetches, %d at once", a.unavailable, s.fetches(), s.peak)
		}
	})
}

func TestReadinessProbesAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newStub(newKey("a", "1"))
		s.fail(failures["500"])
		v := s.verifier(t)
		for range 10 {
			if v.Health().Ready {
				t.Fatal("ready without keys")
			}
			time.Sleep(time.Second)
		}
		if h := v.Health(); h.Err == nil || h.NextAttempt.IsZero() {
			t.Errorf("health during the outage: %+v", h)
		}
		s.fail(nil)
		start := time.Now()
		for !v.Health().Ready && time.Since(start) < time.Minute {
			time.Sleep(time.Second)
		}
		if took := time.Since(start); took > 11*time.Second {
			t.Errorf("ready after %v", took)
		}
	})
}

func TestFreshness(t *testing.T) {
	for _, tt := range []struct {
		cacheControl string
		want         time.Duration
	}{
		{"", 10 * time.Minute}, {"no-store, max-age=600", 10 * time.Minute}, {"private, no-cache", 10 * time.Minute},
		{"max-age=0, must-revalidate", time.Minute}, {"max-age=15, stale-while-revalidate=15", time.Minute}, {"max-age=-5", 10 * time.Minute},
		{"max-age=1200", 20 * time.Minute}, {`Max-Age="1200"`, 20 * time.Minute}, {"public, max-age=3828277", time.Hour}, {"max-age=99999999999999999999", time.Hour},
	} {
		t.Run(tt.cacheControl, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := newStub(newKey("a", "1"))
				s.header.Set("Cache-Control", tt.cacheControl)
				v := s.warm(t)
				h := v.Health()
				if due := h.NextAttempt.Sub(h.FetchedAt); due < tt.want*72/100-time.Second || due > tt.want*88/100+time.Second {
					t.Errorf("refreshed after %v, want 80 %% of %v +- 10 %%", due, tt.want)
				}
			})
		})
	}
}

// TestShortestFreshness: keys that are good for a moment are not good for ever.
func TestShortestFreshness(t *testing.T) {
	bubble(t, func(t *testing.T) {
		old, next := newKey("a", "1"), newKey("b", "2")
		for range 20 { // the jitter
			s := newStub(old)
			s.header.Set("Cache-Control", "max-age=0")
			v := s.warm(t, func(cfg *verifier.Config) { cfg.Refresh.Min = 1 })
			s.publish(next)
			time.Sleep(time.Second)
			if _, err := v.Verify(t.Context(), old.token()); !errors.Is(err, verifier.ErrKeyNotFound) {
				t.Fatalf("under a key that was withdrawn: %v", err)
			}
		}
	})
}

func TestAFleetDoesNotRefreshAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		due := map[time.Duration]bool{}
		for range 10 {
			h := newStub(newKey("a", "1")).warm(t, func(cfg *verifier.Config) { cfg.Now = nil }).Health()
			due[h.NextAttempt.Sub(h.FetchedAt).Round(time.Second)] = true
		}
		if len(due) < 3 {
			t.Errorf("ten instances that started at once refresh after %v", due)
		}
	})
}

func TestValidators(t *testing.T) {
	bubble(t, func(t *testing.T) {
		key := newKey("a", "1")
		s := newStub(key)
		s.header.Set("ETag", `"v1"`)
		var events []verifier.FetchEvent
		v := s.warm(t, func(cfg *verifier.Config) {
			cfg.Hooks.Fetched = func(_ context.Context, e verifier.FetchEvent) { s.set(func() { events = append(events, e) }) }
		})
		for range 3 {
			time.Sleep(12 * time.Minute)
			if _, err := v.Verify(t.Context(), key.token()); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		renewed := 0
		for _, e := range events {
			if e.NotModified {
				renewed++
			}
		}
		if renewed != 3 || len(events) != 4 || v.Health().Err != nil {
			t.Errorf("%d of %d fetches answered 304: %+v", renewed, len(events), events)
		}
	})
}

func TestFailedRefreshKeepsTheSetAndItsReplacementIsWhole(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, b := newKey("a", "1"), newKey("b", "2")
		s := newStub(a, b)
		v := s.warm(t)
		if h := v.Health(); h.Keys != 2 || !h.Ready {
			t.Errorf("%+v", h)
		}
		s.publish(b)
		time.Sleep(12 * time.Minute)
		_, _ = v.Verify(t.Context(), b.token())
		if h := v.Health(); h.Keys != 1 {
			t.Errorf("%d keys after one was withdrawn", h.Keys)
		}
	})
}

func TestInFlightFetchThatLacksTheKidIsFollowedByOneMore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, b, c := newKey("a", "1"), newKey("b", "2"), newKey("c", "3")
		s := newStub(a)
		v, got := s.warm(t), &tally{}
		// A first unknown kid starts a fetch whose answer is on its way when the rotation happens.
		held := make(chan struct{})
		s.fail(func(context.Context) (*http.Response, error) {
			<-held
			return answer(200, nil, `{"keys":[`+a.jwk()+`]}`), nil
		})
		got.ask(v, c.token())
		time.Sleep(s.latency)
		synctest.Wait()
		s.publish(b)
		for range 50 {
			got.ask(v, b.token())
		}
		synctest.Wait()
		s.fail(nil)
		close(held)
		got.wg.Wait()
		if got.ok != 50 || got.invalid != 1 || s.fetches() != 3 {
			t.Errorf("%d of 50 ok, %d invalid, %d fetches", got.ok, got.invalid, s.fetches())
		}
	})
}

func TestClockSetBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		key := newKey("a", "1")
		s := newStub(key)
		var back atomic.Int64
		v := s.warm(t, func(cfg *verifier.Config) {
			cfg.Now = func() time.Time { return time.Now().Round(0).Add(-time.Duration(back.Load())) }
		})
		token := key.token()
		s.fail(failures["500"])
		_, _ = v.Verify(t.Context(), newKey("x", "x").token()) // a failure, and a pause after it
		back.Store(int64(10 * 24 * time.Hour))
		s.fail(nil)
		time.Sleep(time.Second)
		before := s.fetches()
		_, _ = v.Verify(t.Context(), token) // its iat is now in the future; what counts is the refresh
		time.Sleep(time.Second)
		_ = v.Health()
		time.Sleep(time.Second)
		if s.fetches() == before || v.Health().Err != nil {
			t.Errorf("no fetch after the clock was set back: %+v", v.Health())
		}
	})
}

func TestClockSetBackLeavesABudget(t *testing.T) {
	bubble(t, func(t *testing.T) {
		a, b := newKey("a", "1"), newKey("b", "2")
		s := newStub(a)
		var ahead atomic.Int64
		ahead.Store(int64(24 * time.Hour))
		v := s.warm(t, func(cfg *verifier.Config) {
			cfg.Now = func() time.Time { return time.Now().Round(0).Add(time.Duration(ahead.Load())) }
		})
		for i := range 5 {
			_, _ = v.Verify(t.Context(), newKey(fmt.Sprint("made up ", i), "x").token())
		}
		ahead.Store(0)
		_, _ = v.Verify(t.Context(), a.token()) // a refresh: the keys are of tomorrow
		time.Sleep(time.Second)
		s.publish(b)
		if healed := healTime(t, v, b); healed > 5*time.Second {
			t.Errorf("healed after %v", healed)
		}
	})
}

func TestBudgetIsSpentForEarlierRequestsToo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := newStub(newKey("a", "1"))
		s.latency = 0
		var behind atomic.Int64
		v := s.warm(t, func(cfg *verifier.Config) {
			cfg.Now = func() time.Time { return time.Now().Add(-time.Duration(behind.Load())) }
		})
		for i := range 10 {
			_, _ = v.Verify(t.Context(), newKey(fmt.Sprint("made up ", i), "x").token())
			if i >= 2 {
				behind.Add(int64(time.Millisecond)) // who arrives earlier may be decided later
			}
		}
		if n := s.fetches(); n != 1+3 {
			t.Errorf("%d fetches in an instant, want 3 beside the first", n)
		}
	})
}

func TestPausesOfAnOutage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		pauses := make([][]time.Duration, 4)
		for i := range pauses {
			s := newStub(newKey("a", "1"))
			s.latency = 0
			s.fail(failures["500"])
			v := s.verifier(t, func(cfg *verifier.Config) { cfg.Now = nil })
			last, n := time.Now(), 0
			for start := last; time.Since(start) < 5*time.Minute; time.Sleep(10 * time.Millisecond) {
				v.Health()
				synctest.Wait()
				if s.fetches() > n {
					pauses[i] = append(pauses[i], time.Since(last))
					last, n = time.Now(), s.fetches()
				}
			}
		}
		for n, most := range []time.Duration{0, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 30 * time.Second, 30 * time.Second, 30 * time.Second} {
			for _, p := range pauses {
				if p[n] > most+20*time.Millisecond || p[n] < most*8/10 {
					t.Errorf("pause %d is %v, want %v to a fifth less", n, p[n], most)
				}
			}
		}
		if slices.Equal(pauses[0], pauses[1]) && slices.Equal(pauses[1], pauses[2]) && slices.Equal(pauses[2], pauses[3]) {
			t.Errorf("a fleet comes back at once: %v", pauses)
		}
	})
}

func TestRetryAfter(t *testing.T) {
	for _, tt := range []struct {
		asked string
		want  time.Duration
	}{{"20", 20 * time.Second}, {"60", time.Minute}, {"86400", time.Minute}} {
		t.Run(tt.asked, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				key := newKey("a", "1")
				s := newStub(key)
				s.fail(func(context.Context) (*http.Response, error) {
					return answer(429, http.Header{"Retry-After": {tt.asked}}, ""), nil
				})
				var behind atomic.Int64
				v := s.verifier(t, func(cfg *verifier.Config) {
					cfg.Now = func() time.Time { return time.Now().Add(-time.Duration(behind.Load())) }
				})
				var e *verifier.UnavailableError
				if _, err := v.Verify(t.Context(), key.token()); !errors.As(err, &e) || e.RetryAfter != tt.want {
					t.Errorf("the client is told of %v: %v", e.RetryAfter, err)
				}
				behind.Store(int64(5 * time.Millisecond)) // a request that arrived a little earlier
				_, _ = v.Verify(t.Context(), key.token())
				behind.Store(0)
				time.Sleep(tt.want - time.Second)
				_, _ = v.Verify(t.Context(), key.token())
				if n := s.fetches(); n != 1 {
					t.Errorf("%d fetches within the pause", n)
				}
				s.fail(nil)
				time.Sleep(time.Second)
				if _, err := v.Verify(t.Context(), key.token()); err != nil {
					t.Errorf("after the pause: %v", err)
				}
			})
		})
	}
}

// TestRetryAfterOfDiscovery: whichever of the documents' URLs asks for a pause.
func TestRetryAfterOfDiscovery(t *testing.T) {
	busy := func() *http.Response { return answer(429, http.Header{"Retry-After": {"50"}}, "") }
	for name, documents := range map[string]map[string]*http.Response{
		"the first":                   {"/.well-known/openid-configuration": busy()},
		"the second":                  {"/.well-known/oauth-authorization-server": busy()},
		"one, and another asks for 5": {"/.well-known/openid-configuration": answer(503, http.Header{"Retry-After": {"5"}}, ""), "/.well-known/oauth-authorization-server": busy()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v, err := verifier.New(verifier.Config{Issuer: stubIssuer, Audience: []string{"api"}, Client: &http.Client{Transport: responder(func(r *http.Request) *http.Response {
				return cmp.Or(documents[r.URL.Path], answer(404, nil, ""))
			})}})
			if err != nil {
				t.Fatal(err)
			}
			var e *verifier.UnavailableError
			if _, err := v.Verify(t.Context(), newKey("a", "1").token()); !errors.As(err, &e) || e.RetryAfter < 49*time.Second {
				t.Errorf("the client is told of %v: %v", e.RetryAfter, err)
			}
		})
	}
}

// responder answers from memory.
type responder func(*http.Request) *http.Response

func (f responder) RoundTrip(r *http.Request) (*http.Response, error) { return f(r), nil }

func TestHangingUpWhileExpiredKeysAreRefreshed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		key := newKey("a", "1")
		s := newStub(key)
		v := s.warm(t)
		time.Sleep(12 * time.Minute)
		s.fail(failures["hangs"])
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		start := time.Now()
		if _, err := v.Verify(ctx, key.token()); err != nil || time.Since(start) > 100*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestAKeyReplacedByOneForAnotherAlgorithm(t *testing.T) {
	bubble(t, func(t *testing.T) {
		was, is := newKey("a", "1"), newKey("a", "2")
		s := newStub()
		s.fail(func(context.Context) (*http.Response, error) {
			return answer(200, nil, `{"keys":[`+text(jwk(keys()["p256"], obj{"kid": was.kid}))+`]}`), nil
		})
		v := s.warm(t)
		s.publish(is)
		s.fail(nil)
		if _, err := v.Verify(t.Context(), is.token()); !errors.Is(err, verifier.ErrKeyNotFound) {
			t.Errorf("the first: %v", err)
		}
		time.Sleep(s.latency)
		synctest.Wait()
		if _, err := v.Verify(t.Context(), is.token()); err != nil {
			t.Errorf("the next: %v", err)
		}
	})
}

func TestSkippedKeysAreReported(t *testing.T) {
	bubble(t, func(t *testing.T) {
		key := newKey("a", "1")
		s := newStub(key)
		s.fail(func(context.Context) (*http.Response, error) {
			return answer(200, nil, "\xef\xbb\xbf"+`{"status":"ok","keys":[`+key.jwk()+`,`+key.jwk()+`,{"kty":"oct","kid":"o","k":"AAAA"},{"kty":"AKP","kid":"pq","alg":"ML-DSA-44","pub":"AA"},
				{"kty":"OKP","crv":"Ed25519","kid":"dup","x":"AA","x":"BB"},{"kty":"OKP","crv":"Ed25519","kid":"bad`+"\xff"+`","x":"AA"}], "keys2":1}`), nil
		})
		h := s.warm(t).Health()
		var kids []string
		for _, k := range h.Skipped {
			kids = append(kids, k.KeyID)
		}
		if h.Keys != 1 || !slices.Equal(kids, []string{"a", "o", "pq", "", ""}) {
			t.Errorf("%d keys, skipped %+v", h.Keys, h.Skipped)
		}
	})
}
