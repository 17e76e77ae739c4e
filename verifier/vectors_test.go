package verifier_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"testing"

	"github.com/bearerguard/bearerguard/verifier"
)

// Tokens that others made and signed.

// plain is the profile of tokens that say little: a type or none, an audience or none, scopes in either claim.
var plain = verifier.Profile{Types: []string{"", "JWT"}, AudienceClaims: []string{"aud"}, ScopeClaims: []string{"scope", "scp"}}

func TestIstiosTokens(t *testing.T) {
	t.Parallel()
	var samples struct {
		JWKS   json.RawMessage
		Tokens []struct{ Name, Token string }
	}
	if err := json.Unmarshal(vectors(t, "vectors", "istio", "samples.json"), &samples); err != nil {
		t.Fatal(err)
	}
	if len(samples.Tokens) != 2 {
		t.Fatalf("%d tokens, there were 2", len(samples.Tokens))
	}
	cfg := verifier.Config{Issuer: "testing@secure.istio.io", JWKS: samples.JWKS, Profile: plain, DangerouslyAcceptAnyAudience: true}
	lax := must(verifier.New(cfg))
	cfg.DangerouslyAcceptAnyAudience, cfg.Audience = false, []string{audience}
	strict := must(verifier.New(cfg))
	scopes := 0
	for _, s := range samples.Tokens {
		scopes += accepted(t, lax, s.Token).Scopes().Len()
		refused(t, strict, s.Token, verifier.ErrAudience)
	}
	if scopes != 2 { // BUG-003: scope1 and scope2 in an array
		t.Errorf("%d scopes, want 2", scopes)
	}
}

// Spring's tokens name no issuer, so every one is refused here, and none in another way than that.
func TestSpringsTokens(t *testing.T) {
	t.Parallel()
	var fixtures struct {
		JWKS   map[string]json.RawMessage `json:"jwks_as_in_origin"`
		Tokens []struct{ Name, JWKS, Token string }
	}
	if err := json.Unmarshal(vectors(t, "vectors", "spring-security", "resource-server-fixtures.json"), &fixtures); err != nil {
		t.Fatal(err)
	}
	if len(fixtures.Tokens) != 12 {
		t.Fatalf("%d tokens, there were 12", len(fixtures.Tokens))
	}
	why := map[string]error{"Unsigned": verifier.ErrMalformed, "MalformedPayload": verifier.ErrMalformed, "WrongAlgorithm": verifier.ErrAlgorithm}
	for _, s := range fixtures.Tokens {
		v := must(verifier.New(verifier.Config{
			Issuer: issuer, JWKS: fixtures.JWKS[s.JWKS], Profile: plain, DangerouslyAcceptAnyAudience: true, Algorithms: []string{"RS256"},
		}))
		want := why[s.Name]
		if want == nil {
			want = verifier.ErrIssuer
		}
		refused(t, v, s.Token, want)
		if h := v.Health(); len(h.Skipped) != h.Keys { // their private members are published
			t.Errorf("%s: %+v", s.JWKS, h)
		}
	}
}

// TestMicrosoftsSample is a token as its documentation shows one, expired in 2018: what the operator is told of it.
func TestMicrosoftsSample(t *testing.T) {
	t.Parallel()
	var sample struct {
		Issuer   string `json:"MS_ISSUER"`
		Audience string `json:"MS_AUDIENCE"`
		Token    string `json:"MS_INVALID_KID_TOKEN"`
	}
	if err := json.Unmarshal(vectors(t, "vectors", "aws-jwt-verify", "ms-token-data.json"), &sample); err != nil {
		t.Fatal(err)
	}
	v := newVerifier(t, func(cfg *verifier.Config) {
		cfg.Issuer, cfg.Audience, cfg.Profile = sample.Issuer, []string{sample.Audience}, verifier.Entra()
	})
	if _, err := v.Verify(t.Context(), sample.Token); !errors.Is(err, verifier.ErrExpired) || !strings.Contains(err.Error(), "2018") {
		t.Errorf("%v", err)
	}
	var failed []string
	for _, c := range v.Explain(t.Context(), sample.Token) {
		if c.Err != nil {
			failed = append(failed, c.Name)
		}
	}
	if want := []string{"expiry", "key"}; !slices.Equal(failed, want) {
		t.Errorf("failed %q, want %q", failed, want)
	}
}
