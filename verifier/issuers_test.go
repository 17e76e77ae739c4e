package verifier_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard/verifier"
	"github.com/bearerguard/bearerguard/verifier/verifiertest"
)

func newIssuers(t *testing.T, list ...*verifier.Verifier) verifier.TokenVerifier {
	t.Helper()
	v, err := verifier.Issuers(list...)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestIssuers(t *testing.T) {
	t.Parallel()
	a, b, stranger := verifiertest.NewIssuer(t), verifiertest.NewIssuer(t, verifiertest.Like(verifier.Keycloak())), verifiertest.NewIssuer(t)
	v := newIssuers(t, a.Verifier(), b.Verifier())

	t.Run("each issuer's tokens are good by its own rules, the second time too", func(t *testing.T) {
		for _, i := range []*verifiertest.Issuer{a, b} {
			token := i.Token("read")
			for range 2 {
				if c := accepted(t, v, token); c.Issuer() != i.URL() {
					t.Errorf("issuer %q", c.Issuer())
				}
			}
		}
	})
	t.Run("BUG-109 BUG-124 8725-3.8-1 a token that names one issuer and is signed by another is refused", func(t *testing.T) {
		refused(t, v, a.Token("", obj{"iss": b.URL(), "typ": "Bearer", "azp": "c"}), verifier.ErrKeyNotFound)
		refused(t, v, b.Token("", obj{"iss": a.URL()}), verifier.ErrType)
		same := verifiertest.NewIssuer(t)
		refused(t, newIssuers(t, a.Verifier(), same.Verifier()), same.Token("", obj{"iss": a.URL()}), verifier.ErrKeyNotFound)
	})
	t.Run("Q-15 a token of an issuer that is not listed costs no network call", func(t *testing.T) {
		before := stranger.Requests()
		fresh := a.Config()
		counted := verifiertest.NewIssuer(t)
		fresh.Issuer, fresh.Client = counted.URL(), counted.Client()
		cold, err := verifier.New(fresh)
		if err != nil {
			t.Fatal(err)
		}
		refused(t, newIssuers(t, cold), stranger.Token("read"), verifier.ErrIssuer)
		if stranger.Requests() != before || counted.Requests() != (verifiertest.Requests{}) {
			t.Error("somebody was asked")
		}
	})
	t.Run("what is no token is refused as such", func(t *testing.T) {
		good := a.Token("")
		for _, token := range []string{"", "opaque", "a.b", "a.b.c", strings.Repeat("a", 17<<10), good[:len(good)/2], "e30.e30." + good, "e30.W10.AA"} {
			refused(t, v, token, verifier.ErrMalformed)
		}
		refused(t, v, a.Token("", obj{"iss": 5}), verifier.ErrMalformed)
		refused(t, v, a.Token("", obj{"iss": nil}), verifier.ErrIssuer)
		refused(t, v, stranger.Token("", obj{"x": strings.Repeat("x", 16<<10)}), verifier.ErrMalformed) // not read to find whose it is
	})
	t.Run("a borrowed signature is no token of either issuer", func(t *testing.T) {
		good, other, another := a.Token("read"), b.Token("read"), a.Token("write")
		accepted(t, v, good)
		signature := good[strings.LastIndexByte(good, '.'):]
		refused(t, v, other[:strings.LastIndexByte(other, '.')]+signature, verifier.ErrSignature)
		refused(t, v, another[:strings.LastIndexByte(another, '.')]+signature, verifier.ErrSignature)
		accepted(t, v, other)
	})
	t.Run("BUG-114 one issuer's outage leaves the others alone", func(t *testing.T) {
		down := verifiertest.NewIssuer(t)
		down.Down(500)
		v := newIssuers(t, down.Verifier(), a.Verifier())
		if _, err := v.Verify(t.Context(), down.Token("")); !errors.Is(err, verifier.ErrUnavailable) {
			t.Error(err)
		}
		accepted(t, v, a.Token(""))
		down.Up()
	})
	t.Run("BUG-041 two issuers over one key set: a token of one is not the other's", func(t *testing.T) {
		one, two := config(), config()
		two.Issuer = issuer + "/"
		v1, v2 := must(verifier.New(one)), must(verifier.New(two))
		v := newIssuers(t, v1, v2)
		for _, iss := range []string{issuer, issuer + "/"} {
			if c := accepted(t, v, mint(nil, obj{"iss": iss})); c.Issuer() != iss {
				t.Errorf("issuer %q", c.Issuer())
			}
		}
		refused(t, newIssuers(t, v1), mint(nil, obj{"iss": issuer + "/"}), verifier.ErrIssuer)
	})
}

func TestIssuersMistakes(t *testing.T) {
	t.Parallel()
	v := newVerifier(t)
	for name, list := range map[string][]*verifier.Verifier{
		"would refuse every token":         nil,
		"a nil or zero Verifier":           {v, nil},
		"nil or zero":                      {new(verifier.Verifier)},
		`two verifiers for "https://as.ex`: {v, newVerifier(t)},
	} {
		if _, err := verifier.Issuers(list...); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v, want %q", err, name)
		}
	}
}

func TestWithRevocation(t *testing.T) {
	t.Parallel()
	since := today.Add(-5 * time.Second)
	v := verifier.WithRevocation(newVerifier(t), func(_ context.Context, c *verifier.Claims) (bool, error) {
		switch {
		case c.ID() == "broken":
			return false, errors.New("the store is away")
		case c.ID() == "late":
			return false, &verifier.UnavailableError{RetryAfter: 7 * time.Second, Err: errors.New("the store is late")}
		case c.Subject() == "mallory":
			return c.IssuedAt().Before(since), nil
		}
		return c.ID() == "withdrawn", nil
	})
	t.Run("FAPI-5.3.4-3 a token that is not revoked is good, one that is, is not", func(t *testing.T) {
		t.Parallel()
		accepted(t, v, mint(nil, nil))
		refused(t, v, mint(nil, obj{"jti": "withdrawn"}), verifier.ErrRevoked)
	})
	t.Run("BUG-241 what was issued before a date is refused, what came later is not", func(t *testing.T) {
		t.Parallel()
		refused(t, v, mint(nil, obj{"sub": "mallory", "iat": in(-10)}), verifier.ErrRevoked)
		accepted(t, v, mint(nil, obj{"sub": "mallory", "iat": in(-1)}))
	})
	t.Run("BUG-240 a remembered token is asked about again", func(t *testing.T) {
		t.Parallel()
		var gone bool
		v := verifier.WithRevocation(newVerifier(t), func(context.Context, *verifier.Claims) (bool, error) { return gone, nil })
		token := mint(nil, nil)
		accepted(t, v, token)
		gone = true
		refused(t, v, token, verifier.ErrRevoked)
	})
	t.Run("a token that is not good is not asked about", func(t *testing.T) {
		t.Parallel()
		v := verifier.WithRevocation(newVerifier(t), func(context.Context, *verifier.Claims) (bool, error) {
			t.Error("asked")
			return false, nil
		})
		refused(t, v, mint(nil, obj{"exp": in(-3600)}), verifier.ErrExpired)
	})
	t.Run("a store that can't answer refuses, and not for good", func(t *testing.T) {
		t.Parallel()
		var e *verifier.UnavailableError
		if c, err := v.Verify(t.Context(), mint(nil, obj{"jti": "broken"})); c != nil || !errors.As(err, &e) || errors.Is(err, verifier.ErrInvalidToken) {
			t.Errorf("%v, %v", c, err)
		}
		if c, err := v.Verify(t.Context(), mint(nil, obj{"jti": "late"})); c != nil || !errors.As(err, &e) || e.RetryAfter != 7*time.Second {
			t.Errorf("%v, %v", c, err)
		}
	})
	t.Run("an error is of one kind, whatever the store's is", func(t *testing.T) {
		t.Parallel()
		for _, stores := range []error{verifier.ErrRevoked, fmt.Errorf("%w: %w", verifier.ErrUnavailable, verifier.ErrExpired)} {
			v := verifier.WithRevocation(newVerifier(t), func(context.Context, *verifier.Claims) (bool, error) { return false, stores })
			_, err := v.Verify(t.Context(), mint(nil, nil))
			if !errors.Is(err, verifier.ErrUnavailable) || errors.Is(err, verifier.ErrInvalidToken) || verifier.Reason(err) != "unavailable" {
				t.Errorf("%v: %q", err, verifier.Reason(err))
			}
		}
	})
	t.Run("nil is a mistake of the program", func(t *testing.T) {
		t.Parallel()
		for _, f := range []func(){func() { verifier.WithRevocation(nil, nil) }, func() { verifier.WithRevocation(newVerifier(t), nil) }} {
			func() {
				defer func() {
					if recover() == nil {
						t.Error("no panic")
					}
				}()
				f()
			}()
		}
	})
}
