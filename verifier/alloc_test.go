package verifier_test

import (
	"context"
	"strings"
	"testing"

	"github.com/bearerguard/bearerguard/verifier"
)

var raceEnabled bool // the race detector allocates too

// TestAllocations holds what a call costs today, so that a change that costs more is seen.
func TestAllocations(t *testing.T) {
	if raceEnabled {
		t.Skip("under the race detector")
	}
	uncached := func(cfg *verifier.Config) { cfg.CacheSize = -1 }
	for _, tt := range []struct {
		name   string
		config func(*verifier.Config)
		token  string
		most   float64
	}{
		{"a remembered token", nil, mint(nil, nil), 0},
		{"a remembered token of 2 KiB", nil, mint(nil, obj{"groups": strings.Repeat("g", 900)}), 0},
		{"a remembered encrypted token", decrypting("rsa"), encrypt("rsa", nil, mint(nil, nil)), 0},
		{"RS256", uncached, mint(nil, nil), 19},
		{"PS256", uncached, mint(obj{"alg": "PS256"}, nil), 23},
		{"ES256", uncached, mint(obj{"alg": "ES256"}, nil), 31},
		{"EdDSA", uncached, mint(obj{"alg": "EdDSA"}, nil), 9},
		{"Keycloak's", func(cfg *verifier.Config) { uncached(cfg); cfg.Profile = verifier.Keycloak() }, mint(obj{"typ": "JWT"}, obj{"typ": "Bearer", "azp": "c"}), 21},
		{"an encrypted token, RSA", both(uncached, decrypting("rsa")), encrypt("rsa", nil, mint(nil, nil)), 260},
		{"an encrypted token, P-256", both(uncached, decrypting("p256")), encrypt("p256", obj{"alg": "ECDH-ES"}, mint(nil, nil)), 380},
		{"an encrypted token to another key", both(uncached, decrypting("rsa")), encrypt("rsa2", obj{"kid": "rsa"}, mint(nil, nil)), 250},
		{"an opaque token", uncached, "2YotnFZFEjr1zCsicMWpAA", 7},
		{"a token that is too long", uncached, string(make([]byte, 20000)), 0},
		{"an expired token", uncached, mint(nil, obj{"exp": in(-60)}), 19},
		{"another audience", uncached, mint(nil, obj{"aud": "x"}), 19},
		{"a forged RS256", uncached, compact("RS256", "other", text(goodHeader()), text(goodPayload())), 30},
	} {
		v := newVerifier(t, tt.config)
		v.Verify(t.Context(), tt.token)
		if n := testing.AllocsPerRun(200, func() { v.Verify(t.Context(), tt.token) }); n > tt.most {
			t.Errorf("%s: %v allocations, at most %v", tt.name, n, tt.most)
		}
	}
}

// TestAllocationsOfIssuers: finding the issuer of a remembered token costs none.
func TestAllocationsOfIssuers(t *testing.T) {
	if raceEnabled {
		t.Skip("under the race detector")
	}
	cfg := config()
	resolved := must(verifier.ResolveIssuers(verifier.IssuersConfig{
		Resolve: func(context.Context, string) (verifier.Config, error) { return cfg, nil }, Now: clock,
	}))
	token := mint(nil, nil)
	for name, v := range map[string]verifier.TokenVerifier{"of a list": newIssuers(t, newVerifier(t)), "resolved": resolved} {
		accepted(t, v, token)
		if n := testing.AllocsPerRun(200, func() { v.Verify(t.Context(), token) }); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
