package verifier_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard/verifier"
)

// recorder keeps what a verifier's hook was told.
type recorder struct {
	mu     sync.Mutex
	events []verifier.VerifyEvent
}

func (r *recorder) hook(cfg *verifier.Config) {
	cfg.Hooks.Verified = func(_ context.Context, e verifier.VerifyEvent) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.events = append(r.events, e)
	}
}

func (r *recorder) all() []verifier.VerifyEvent {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}

func (r *recorder) last() verifier.VerifyEvent { all := r.all(); return all[len(all)-1] }

// movable is a clock that a test sets.
type movable struct{ seconds atomic.Int64 }

func (m *movable) hook(cfg *verifier.Config) {
	cfg.Now = func() time.Time { return today.Add(time.Duration(m.seconds.Load()) * time.Second) }
}

func TestARememberedTokenIsTheSameForEveryRequest(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
		var events recorder
		v, token := newVerifier(t, events.hook), mint(obj{"alg": alg}, nil)
		first := accepted(t, v, token)
		for range 5 {
			if again := accepted(t, v, strings.Clone(token)); again != first {
				t.Errorf("%s: other claims for the same token", alg)
			}
		}
		for i, e := range events.all() {
			if e.Cached != (i > 0) || e.Claims != first {
				t.Errorf("%s: event %d: %+v", alg, i, e)
			}
		}
	}
}

func TestARememberedTokenStillGrowsOld(t *testing.T) {
	t.Parallel()
	var events recorder
	var now movable
	v, token := newVerifier(t, events.hook, now.hook), mint(nil, obj{"exp": in(600), "nbf": in(0), "iat": in(-5)})
	for _, tt := range []struct {
		seconds int64
		want    error
	}{{0, nil}, {600, nil}, {629, nil}, {630, verifier.ErrExpired}, {86400, verifier.ErrExpired}, {-30, nil}, {-31, verifier.ErrNotYetValid}, {-36, verifier.ErrNotYetValid}, {0, nil}} {
		now.seconds.Store(tt.seconds)
		if tt.want == nil {
			accepted(t, v, token)
		} else {
			refused(t, v, token, tt.want)
		}
		if e := events.last(); e.Cached != (tt.want == nil && len(events.all()) > 1) || (e.Err == nil) != (tt.want == nil) || (e.Claims == nil) != (tt.want != nil) {
			t.Errorf("at %+d s: %+v", tt.seconds, e)
		}
	}
	// iat has a check of its own: nbf is long past here.
	token = mint(nil, obj{"nbf": in(-600), "iat": in(0)})
	accepted(t, v, token)
	now.seconds.Store(-31)
	refused(t, v, token, verifier.ErrNotYetValid)
}

func TestOnlyGoodTokensAreRemembered(t *testing.T) {
	t.Parallel()
	var events recorder
	v := newVerifier(t, events.hook)
	for _, tt := range refusals() {
		if tt.config != nil {
			continue
		}
		for range 2 {
			refused(t, v, tt.token, tt.want)
			if events.last().Cached {
				t.Errorf("%s: the verdict came from memory", tt.name)
			}
		}
	}
}

func TestWhatIsNotTheRememberedToken(t *testing.T) {
	t.Parallel()
	var events recorder
	v, token := newVerifier(t, events.hook), mint(nil, nil)
	part, other := strings.Split(token, "."), strings.Split(mint(nil, obj{"scope": "admin"}), ".")
	header := b64(splice(`"x":1`, goodHeader()))
	join := func(parts ...string) string { return strings.Join(parts, ".") }
	accepted(t, v, token)
	for name, tt := range map[string]struct {
		token string
		want  error
	}{
		"its signature under another payload":            {join(part[0], other[1], part[2]), verifier.ErrSignature},
		"its signature under another header":             {join(header, part[1], part[2]), verifier.ErrSignature},
		"its signature under a payload that isn't one":   {join(part[0], "e30", part[2]), verifier.ErrIssuer},
		"its signature alone":                            {"." + part[2], verifier.ErrMalformed},
		"its signature behind a longer payload":          {join(part[0], part[1]+part[1], part[2]), verifier.ErrMalformed},
		"its signing input under another signature":      {join(part[0], part[1], other[2]), verifier.ErrSignature},
		"its signing input alone":                        {join(part[0], part[1]) + ".", verifier.ErrMalformed},
		"another spelling: padding":                      {token + "==", verifier.ErrMalformed},
		"another spelling: a line break in its header":   {part[0][:5] + "\n" + token[5:], verifier.ErrMalformed},
		"another spelling: a line break at its end":      {token + "\n", verifier.ErrMalformed},
		"another spelling: unused bits":                  {token[:len(token)-1] + string(token[len(token)-1]+1), verifier.ErrMalformed},
		"another spelling: the other base64 alphabet":    {strings.NewReplacer("-", "+", "_", "/").Replace(token) + "+", verifier.ErrMalformed},
		"with a character before it":                     {" " + token, verifier.ErrMalformed},
		"the same claims, cut differently into segments": {part[0] + part[1] + ".." + part[2], verifier.ErrMalformed},
	} {
		refused(t, v, tt.token, tt.want)
		if events.last().Cached {
			t.Errorf("%s was taken for the remembered token", name)
		}
	}
	accepted(t, v, token)
	if !events.last().Cached {
		t.Error("the token itself was forgotten")
	}
}

func TestVerifiersShareNoMemory(t *testing.T) {
	t.Parallel()
	token := mint(nil, nil)
	accepted(t, newVerifier(t), token)
	for name, change := range map[string]func(*verifier.Config){
		"audience": func(cfg *verifier.Config) { cfg.Audience = []string{"other"} }, "keys": withKeys(jwk(keys()["other"], obj{"kid": "rsa"})),
		"match": func(cfg *verifier.Config) { cfg.Match = map[string][]string{"tid": {"a"}} },
	} {
		if claims, err := newVerifier(t, change).Verify(t.Context(), token); err == nil {
			t.Errorf("another verifier with its own %s accepts the token: %v", name, claims)
		}
	}
	var events recorder
	accepted(t, newVerifier(t, events.hook), token)
	if events.last().Cached {
		t.Error("another verifier remembers the token")
	}
}

func TestCacheSize(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		size, tokens, kept int
	}{"negative: none": {-1, 3, 0}, "one": {1, 1, 1}, "zero: the default holds these": {0, 40, 40}, "as many as it says": {40, 40, 40}} {
		var events recorder
		v := newVerifier(t, events.hook, func(cfg *verifier.Config) { cfg.CacheSize = tt.size })
		var tokens []string
		for i := range tt.tokens {
			tokens = append(tokens, mint(obj{"alg": "EdDSA"}, obj{"n": i}))
			accepted(t, v, tokens[i])
		}
		kept := 0
		for _, token := range tokens {
			accepted(t, v, token)
			if events.last().Cached {
				kept++
			}
		}
		if kept != tt.kept {
			t.Errorf("%s: %d of %d were kept, want %d", name, kept, tt.tokens, tt.kept)
		}
	}
	bounded := newVerifier(t, func(cfg *verifier.Config) { cfg.CacheSize = 1 })
	for i := range 200 { // more headers and tokens than either memory holds
		accepted(t, bounded, mint(obj{"alg": "EdDSA", "n": i}, nil))
	}
}

// TestWhatLiesInMemory looks for the signature of a remembered token in a dump of the heap: what lies there can't be sent
// anywhere. It is not parallel, for the dump stops the program.
func TestWhatLiesInMemory(t *testing.T) {
	if raceEnabled {
		t.Skip("under the race detector, which has a memory of its own")
	}
	t.Run("9700-4.9.3-2 the claims of a remembered token, and not its signature", func(t *testing.T) {
		v := newVerifier(t)
		signature := masked(func() string {
			token := mint(nil, obj{"jti": "a marker in memory"})
			accepted(t, v, token)
			accepted(t, v, token)
			return token[strings.LastIndexByte(token, '.')+1:]
		})
		runtime.GC()
		runtime.GC()
		file := must(os.Create(filepath.Join(t.TempDir(), "heap")))
		defer file.Close()
		debug.WriteHeapDump(file.Fd())
		dump := must(os.ReadFile(file.Name()))
		if !bytes.Contains(dump, []byte("a marker in memory")) {
			t.Error("the claims are not in the dump")
		}
		for i := range dump {
			dump[i] ^= 0x80
		}
		if bytes.Contains(dump, signature[:40]) {
			t.Error("the signature is in the dump")
		}
		runtime.KeepAlive(v)
	})
}

// masked is the text of a function as other bytes, so that nothing of the text is left when it returns.
//
//go:noinline
func masked(text func() string) []byte {
	b := []byte(text())
	for i := range b {
		b[i] ^= 0x80
	}
	return b
}
