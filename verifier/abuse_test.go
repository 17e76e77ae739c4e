package verifier_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/bearerguard/bearerguard/verifier"
)

// abuse is a token that is made to cost much.
type abuse struct {
	name    string
	want    error
	token   string
	allocs  float64 // at most
	bytes   uint64  // at most, of memory asked for
	cognito bool    // for a verifier that reads audiences from scopes, before the signature
}

// forger makes other tokens of a good one, which keep its signature.
type forger struct{ header, payload, signature string }

func newForger(good string) forger {
	parts := strings.Split(good, ".")
	return forger{parts[0], string(must(base64.RawURLEncoding.DecodeString(parts[1]))), parts[2]}
}

// replaced has other text in its payload. It is not refused for its length.
func (f forger) replaced(oldnew ...string) string {
	token := f.header + "." + b64(strings.NewReplacer(oldnew...).Replace(f.payload)) + "." + f.signature
	if len(token) > 16<<10 {
		panic(fmt.Sprintf("%d bytes", len(token)))
	}
	return token
}

// forged has more members in its payload.
func (f forger) forged(members string) string { return f.replaced(`{"iss"`, "{"+members+`,"iss"`) }

// headed has more members in its header.
func (f forger) headed(members string) string {
	return b64(`{"alg":"RS256","typ":"at+jwt",`+members+`}`) + "." + b64(f.payload) + "." + f.signature
}

// numbered repeats a format and leaves out its last character.
func numbered(n int, format string) string {
	b := strings.Builder{}
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()[:b.Len()-1]
}

// abuses are refused; with what each may cost. Those that say "forged" pass all that stands before the signature. good is a
// token of benchToken.
func abuses(good string) []abuse {
	f := newForger(good)
	return []abuse{
		{"garbage, 1 KiB", verifier.ErrMalformed, strings.Repeat("x", 1<<10), 9, 512, false},
		{"garbage, 15 KiB in three parts", verifier.ErrMalformed, strings.Repeat("x", 5<<10) + "." + strings.Repeat("x", 5<<10) + "." + strings.Repeat("x", 5<<10), 12, 16000, false},
		{"900 KiB", verifier.ErrMalformed, strings.Repeat("x", 900<<10), 0, 0, false},
		{"10,000 dots", verifier.ErrMalformed, strings.Repeat(".", 10_000), 8, 320, false},
		{"16 KiB of dots", verifier.ErrMalformed, strings.Repeat(".", 16<<10), 8, 320, false},
		{"16 KiB in five parts", verifier.ErrMalformed, "e30.AAAA.AAAAAAAAAAAAAAAA." + strings.Repeat("x", 16000) + ".AAAAAAAAAAAAAAAAAAAAAA", 12, 16800, false},
		{"a signature that was tampered with", verifier.ErrSignature, good[:len(good)-10] + "AAAAAAAAAA", 33, 3712, false},
		{"a header of 12 KB of nested objects", verifier.ErrMalformed, f.headed(`"x":` + strings.Repeat(`{"x":`, 1800) + "1" + strings.Repeat("}", 1800)), 9, 384, false},
		{"a header of 8 KB of nested objects", verifier.ErrMalformed, f.headed(`"x":` + strings.Repeat(`{"x":`, 900) + "1" + strings.Repeat("}", 900)), 10, 7360, false},
		{"a header of 600 members", verifier.ErrMalformed, f.headed(numbered(600, `"%d":1,`)), 10, 5888, false},
		{"a header of 29 long members, forged", verifier.ErrSignature, f.headed(numbered(29, `"%d":"`+strings.Repeat("x", 190)+`",`)), 71, 29440, false},
		{"a header of escapes, forged", verifier.ErrSignature, f.headed(`"x":"` + strings.Repeat(`\u0041`, 950) + `"`), 38, 31744, false},
		{"a payload nested 4,900 deep", verifier.ErrMalformed, f.forged(`"x":` + strings.Repeat("[", 4900) + strings.Repeat("]", 4900)), 15, 1024, false},
		{"a payload nested 31 deep, often, forged", verifier.ErrSignature, f.forged(`"x":[` + strings.Repeat(strings.Repeat("[", 29)+strings.Repeat("]", 29)+",", 180) + "1]"), 33, 17408, false},
		{"a payload of 1,400 members", verifier.ErrMalformed, f.forged(numbered(1400, `"%d":1,`)), 16, 1024, false},
		{"a payload of 980 members, forged", verifier.ErrSignature, f.forged(numbered(980, `"%d":1,`)), 1160, 217664, false},
		{"a payload with the last of 900 members twice", verifier.ErrMalformed, f.forged(numbered(900, `"%d":1,`) + `,"899":1`), 1062, 215616, false},
		{"a payload of one long string, forged", verifier.ErrSignature, f.forged(`"x":"` + strings.Repeat("x", 10000) + `"`), 33, 15808, false},
		{"a payload of escapes, forged", verifier.ErrSignature, f.forged(`"x":"` + strings.Repeat(`\u0041`, 1600) + `"`), 33, 15040, false},
		{"a payload of numbers, forged", verifier.ErrSignature, f.forged(`"x":[` + strings.Repeat("1,", 4900) + "1]"), 33, 15104, false},
		{"exp with a huge exponent", verifier.ErrMalformed, f.replaced(`"exp":`, `"exp":1e999999999,"x":`), 19, 1920, false},
		{"exp with 10,000 digits", verifier.ErrMalformed, f.replaced(`"exp":`, `"exp":`+strings.Repeat("9", 10000)+`,"x":`), 19, 37568, false},
		{"10,000 digits behind a point, forged", verifier.ErrSignature, f.forged(`"x":0.` + strings.Repeat("9", 10000)), 33, 15808, false},
		{"an audience of 2,000, none ours", verifier.ErrAudience, f.replaced(`"aud":`, `"aud":["`+strings.Repeat(`x","`, 2000)+`x"],"x":`), 478, 184000, false},
		{"1,000 scopes, forged", verifier.ErrSignature, f.replaced(`"scope":"`, `"scope":"`+numbered(1000, "s:%d ")), 33, 10752, false},
		{"1,000 scopes to find the audience in", verifier.ErrAudience, f.replaced(
			`"aud":`, `"resource":`, `"scope":"`, `"token_use":"access","scope":"`+numbered(1000, "s%d/a ")+` `), 498, 244096, true},
		{"1,700 scopes to find the audience in, the last of them none", verifier.ErrAudience, f.replaced(
			`"aud":`, `"resource":`, `"scope":"`, `"token_use":"access","scope":"`+numbered(1700, "%d/ ")+` \\ `), 436, 224000, true},
	}
}

// verifier makes the one that must refuse it.
func (a abuse) verifier(tb testing.TB, jwks []byte) *verifier.Verifier {
	tb.Helper()
	if !a.cognito {
		return benchVerifier(tb, jwks, 0)
	}
	v, err := verifier.New(verifier.Config{
		Issuer: "https://as.example.com/tenant-1", Audience: []string{"https://api.example.com"}, JWKS: jwks, Profile: verifier.Cognito(),
	})
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

// TestRefusalsAreBounded holds what a refusal may allocate. What it may take is for BenchmarkRefuse to tell: times are not asserted.
func TestRefusalsAreBounded(t *testing.T) {
	if raceEnabled {
		t.Skip("under the race detector")
	}
	const runs = 100
	token, jwks, _ := benchToken(t, "RS256")
	for _, a := range abuses(token) {
		v := a.verifier(t, jwks)
		refuse := func() {
			if _, err := v.Verify(t.Context(), a.token); !errors.Is(err, a.want) {
				t.Fatalf("%s: %v", a.name, err)
			}
		}
		// A garbage collection in between empties the pools: of three measurements the least counts.
		allocs, bytes := math.Inf(1), uint64(math.MaxUint64)
		for range 3 {
			allocs = min(allocs, testing.AllocsPerRun(runs, refuse))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for range runs {
				refuse()
			}
			runtime.ReadMemStats(&after)
			bytes = min(bytes, (after.TotalAlloc-before.TotalAlloc)/runs)
		}
		if allocs > a.allocs || bytes > a.bytes*5/4 {
			t.Errorf("%s: %v allocations, at most %v; %d bytes, at most %d", a.name, allocs, a.allocs, bytes, a.bytes*5/4)
		}
	}
}

// TestNothingOfARefusedTokenIsKept refuses 1,000 large tokens, each another, at every stage: the heap doesn't grow with
// them, and none is remembered.
func TestNothingOfARefusedTokenIsKept(t *testing.T) {
	const slack = 256 << 10 // the tokens have 14 MB together, the headers of 64 of them 450 KB
	tokens := 1000
	if raceEnabled { // slow
		tokens = 100
	}
	for name, token := range refusedAtEveryStage() {
		cached := 0
		v := newVerifier(t, func(cfg *verifier.Config) {
			cfg.Hooks.Verified = func(_ context.Context, e verifier.VerifyEvent) {
				if e.Cached {
					cached++
				}
			}
		})
		refuse := func(from, to int) {
			for i := from; i < to; i++ {
				if _, err := v.Verify(t.Context(), token(i)); !errors.Is(err, verifier.ErrInvalidToken) {
					t.Fatalf("%s: %v", name, err)
				}
			}
		}
		refuse(0, 10) // pools and the like
		before := heap()
		refuse(10, 10+tokens)
		if grown := heap() - before; grown > slack {
			t.Errorf("%s: the heap has grown by %d bytes", name, grown)
		}
		refuse(tokens, tokens+10)
		if cached != 0 {
			t.Errorf("%s: %d refused tokens were remembered", name, cached)
		}
		good := mint(obj{"alg": "EdDSA"}, nil)
		accepted(t, v, good)
		if accepted(t, v, good); cached != 1 {
			t.Errorf("%s: a good token is remembered %d times", name, cached)
		}
	}
}

// TestNothingOf100000RefusedTokensIsKept refuses that many small tokens, each another, of as many shapes as there are
// stages: a few bytes of each would be seen. Those who find a token's issuer first keep nothing of it either, beside a bounded
// number of issuers that nobody knows, and forget nothing of the good ones.
func TestNothingOf100000RefusedTokensIsKept(t *testing.T) {
	const slack = 512 << 10
	tokens := 100_000
	if raceEnabled { // slow
		tokens = 10_000
	}
	good := make([]string, 50)
	for i := range good {
		good[i] = mint(obj{"alg": "EdDSA"}, obj{"jti": strconv.Itoa(i)})
	}
	cached := 0
	cfg := config(func(cfg *verifier.Config) {
		cfg.Hooks.Verified = func(_ context.Context, e verifier.VerifyEvent) {
			if e.Cached {
				cached++
			}
		}
	})
	one := must(verifier.New(cfg))
	resolved := must(verifier.ResolveIssuers(verifier.IssuersConfig{Now: clock, Resolve: func(_ context.Context, iss string) (verifier.Config, error) {
		if iss != issuer {
			return verifier.Config{}, verifier.ErrIssuer
		}
		return cfg, nil
	}}))
	for name, v := range map[string]verifier.TokenVerifier{"one issuer": one, "of a list": newIssuers(t, must(verifier.New(cfg))), "resolved": resolved} {
		for _, token := range good {
			accepted(t, v, token)
		}
		refuse := func(from, to int) {
			for i := from; i < to; i++ {
				if claims, err := v.Verify(t.Context(), smallRefused(i)); claims != nil || !errors.Is(err, verifier.ErrInvalidToken) {
					t.Fatalf("%s: %d: %v, %v", name, i, claims, err)
				}
			}
		}
		refuse(0, 8*2000) // pools, and as many unknown issuers as are remembered
		before := heap()
		refuse(8*2000, 8*2000+tokens)
		if grown := heap() - before; grown > slack {
			t.Errorf("%s: the heap has grown by %d bytes", name, grown)
		}
		cached = 0
		refuse(tokens, tokens+8*10)
		allocations := mallocs(func() {
			for _, token := range good {
				v.Verify(t.Context(), token)
			}
		})
		if cached != len(good) {
			t.Errorf("%s: %d verdicts came from memory, want those of %d good tokens", name, cached, len(good))
		}
		if allocations > uint64(len(good)) && !raceEnabled {
			t.Errorf("%s: good tokens cost %d allocations: their issuer had to be found again", name, allocations)
		}
	}
}

// mallocs counts what f allocates, and what the program does beside it.
func mallocs(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.Mallocs - before.Mallocs
}

// smallRefused is one of eight tokens that are refused for eight reasons, and is like no other.
func smallRefused(i int) string {
	header, payload := `{"alg":"ES256","typ":"at+jwt","kid":"p256"`, fmt.Sprintf(`{"iss":%q,"aud":%q,"exp":%d,"n":%d`, issuer, audience, in(60), i)
	switch i % 8 {
	case 0:
		return "opaque" + strconv.Itoa(i)
	case 1:
		header += fmt.Sprintf(`,"n":%d`, i) // of its own, under a bad signature
	case 2:
		header = fmt.Sprintf(`{"alg":"none","n":%d`, i)
	case 3:
		header = fmt.Sprintf(`{"alg":"ES256","typ":"at+jwt","kid":"unknown%d"`, i)
	case 4:
		payload = fmt.Sprintf(`{"iss":"https://as%d.example.com"`, i)
	case 5:
		payload = fmt.Sprintf(`{"iss":%q,"aud":"https://api%d.example.com"`, issuer, i)
	case 6:
		payload = fmt.Sprintf(`{"iss":%q,"aud":%q,"exp":%d,"n":%d`, issuer, audience, in(-60), i)
	}
	return b64(header+"}") + "." + b64(payload+"}") + "." + b64(append(make([]byte, 32), fmt.Sprintf("%032d", i)...)) // r = 0: quickly seen
}

// refusedAtEveryStage makes tokens of some 14 KB; no two are the same.
func refusedAtEveryStage() map[string]func(i int) string {
	large := strings.Repeat("x", 5<<10)
	signed := func(header, payload obj) func(i int) string {
		return func(i int) string {
			own := obj{"x": large + strconv.Itoa(i)} // in the header too: parsed headers are kept, but of good tokens alone
			return compact("EdDSA", "ed", text(merge(goodHeader(), obj{"alg": "EdDSA", "kid": "ed"}, own, header)), text(merge(goodPayload(), own, payload)))
		}
	}
	return map[string]func(i int) string{
		"no token":       func(i int) string { return strings.Repeat("x", 15<<10) + strconv.Itoa(i) },
		"no JSON":        func(i int) string { return b64(large+strconv.Itoa(i)) + "." + b64(large) + "." + b64(large) },
		"alg none":       signed(obj{"alg": "none"}, nil),
		"another typ":    signed(obj{"typ": "JWT"}, nil),
		"expired":        signed(nil, obj{"exp": in(-60)}),
		"another issuer": signed(nil, obj{"iss": "https://other.example.com"}),
		"an unknown key": signed(obj{"kid": "unknown"}, nil),
		"forged": func(i int) string {
			token := signed(nil, nil)(i)
			return token[:strings.LastIndexByte(token, '.')+1] + b64(make([]byte, 64))
		},
		"signed well, without a client":            signed(nil, obj{"client_id": gone}),
		"signed well, with a cnf that is a number": signed(nil, obj{"cnf": 1}),
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
