package verifier_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard/verifier"
)

type traceKey struct{}

func TestVerifiedHookIsCalledOnceForEachVerify(t *testing.T) {
	t.Parallel()
	var events recorder
	s := newServer(t)
	v := newVerifier(t, s.config, events.hook)
	token := s.mint(nil, nil)
	s.Close()
	if claims, err := v.Verify(t.Context(), token); claims != nil || !errors.Is(err, verifier.ErrUnavailable) || errors.Is(err, verifier.ErrInvalidToken) {
		t.Errorf("Verify = %v, %v", claims, err)
	}
	v = newVerifier(t, events.hook)
	claims := accepted(t, v, mint(nil, nil))
	for _, bad := range []string{"", "opaque", strings.Repeat("x", 20000), mint(nil, obj{"aud": "x"}), resigned("RS256", func(s []byte) []byte { s[9]++; return s })} {
		if _, err := v.Verify(t.Context(), bad); err == nil || events.last().Err != err || events.last().Claims != nil || events.last().Cached {
			t.Errorf("%.20q: %v, the hook was told %+v", bad, err, events.last())
		}
	}
	all := events.all()
	if len(all) != 7 {
		t.Fatalf("%d events for 7 calls", len(all))
	}
	if all[0].Issuer != s.URL || !errors.Is(all[0].Err, verifier.ErrUnavailable) {
		t.Errorf("%+v", all[0])
	}
	if want := (verifier.VerifyEvent{Issuer: issuer, Claims: claims}); all[1] != want {
		t.Errorf("%+v, want %+v", all[1], want)
	}
}

func TestVerifiedHookTellsHowLongItTook(t *testing.T) {
	t.Parallel()
	var events recorder
	clock := time.Unix(1_800_000_000, 0)
	v := newVerifier(t, events.hook, func(cfg *verifier.Config) {
		cfg.Now = func() time.Time { clock = clock.Add(time.Second); return clock }
	})
	v.Verify(t.Context(), "x")
	if d := events.last().Duration; d != 2*time.Second { // the clock is read once in between
		t.Errorf("took %v", d)
	}
}

func TestJoinHooks(t *testing.T) {
	t.Parallel()
	var calls []string
	hooks := func(name string) verifier.Hooks {
		note := func(ctx context.Context, issuer string) {
			calls = append(calls, name+" "+ctx.Value(traceKey{}).(string)+" "+issuer)
		}
		return verifier.Hooks{
			Verified: func(ctx context.Context, e verifier.VerifyEvent) { note(ctx, "verified "+e.Issuer) },
			Fetched:  func(ctx context.Context, e verifier.FetchEvent) { note(ctx, "fetched "+e.Issuer) },
		}
	}
	one := hooks("one")
	one.Fetched = nil
	joined := verifier.JoinHooks(one, verifier.Hooks{}, hooks("two"))
	ctx := context.WithValue(t.Context(), traceKey{}, "traced")
	joined.Verified(ctx, verifier.VerifyEvent{Issuer: "x"})
	joined.Fetched(ctx, verifier.FetchEvent{Issuer: "y"})
	if want := []string{"one traced verified x", "two traced verified x", "two traced fetched y"}; !reflect.DeepEqual(calls, want) {
		t.Errorf("%q, want %q", calls, want)
	}
	none := verifier.JoinHooks()
	none.Verified(ctx, verifier.VerifyEvent{})
	none.Fetched(ctx, verifier.FetchEvent{})
}

// TestHooksSeeTheContextOfTheirRequest is what a trace hangs on.
func TestHooksSeeTheContextOfTheirRequest(t *testing.T) {
	t.Parallel()
	s, seen := newServer(t), make(chan any, 2)
	v := newVerifier(t, s.config, func(cfg *verifier.Config) {
		cfg.Hooks = verifier.Hooks{
			Verified: func(ctx context.Context, _ verifier.VerifyEvent) { seen <- ctx.Value(traceKey{}) },
			Fetched:  func(ctx context.Context, e verifier.FetchEvent) { seen <- ctx.Value(traceKey{}) },
		}
	})
	if _, err := v.Verify(context.WithValue(t.Context(), traceKey{}, "traced"), s.mint(nil, nil)); err != nil {
		t.Fatal(err)
	}
	if a, b := <-seen, <-seen; a != "traced" || b != "traced" {
		t.Errorf("%v, %v", a, b)
	}
}
