package verifier_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

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

// TestRFC7515Tokens: the claims of appendix A with line breaks between them, good until 2011. HMAC and "none" never are.
func TestRFC7515Tokens(t *testing.T) {
	t.Parallel()
	var bundle struct{ Files map[string]string }
	if err := json.Unmarshal(vectors(t, "vectors", "rfc7515-7517-7638", "latchset-jose-vectors.json"), &bundle); err != nil {
		t.Fatal(err)
	}
	file := func(name string) string { return strings.TrimSpace(bundle.Files["rfc7515_"+name]) }
	set := keySetOf(file("A.2.jwk"), file("A.3.jwk"))
	at := func(unix int64, audience ...string) *verifier.Verifier {
		return must(verifier.New(verifier.Config{
			Issuer: "joe", JWKS: set, Profile: plain, Audience: audience, DangerouslyAcceptAnyAudience: audience == nil, ClockSkew: -1,
			Now: func() time.Time { return time.Unix(unix, 0) },
		}))
	}
	const exp = 1300819380
	for _, name := range []string{"A.2.jwsc", "A.3.jwsc"} {
		var root bool
		if err := accepted(t, at(exp-1), file(name)).Get("http://example.com/is_root", &root); err != nil || !root {
			t.Errorf("%s: is_root is %t, %v", name, root, err)
		}
		refused(t, at(exp), file(name), verifier.ErrExpired)
		refused(t, at(exp-1, audience), file(name), verifier.ErrAudience)
	}
	for name, want := range map[string]error{
		"A.1.jwsc": verifier.ErrAlgorithm, "A.4.jwsc": verifier.ErrMalformed, // its payload is no JSON
		"A.5.jwsc": verifier.ErrMalformed, "A.6.jwsg": verifier.ErrMalformed, "A.7.jwsf": verifier.ErrMalformed,
	} {
		refused(t, at(exp-1), file(name), want)
	}
}

// keySetOf makes a set of keys as they are written.
func keySetOf(keys ...string) []byte { return []byte(`{"keys":[` + strings.Join(keys, ",") + `]}`) }

// foreign is a token that somebody made, as a Bearer token would be, and the key that came with it.
type foreign struct {
	name  string
	keys  json.RawMessage // a key, a set, or none
	token string
}

// wycheproof is a file of tokens, signed or encrypted. A token that is an object is taken for its JSON text.
func wycheproof(t *testing.T, file string) (tokens []foreign) {
	t.Helper()
	var content struct {
		TestGroups []struct {
			Public, Private json.RawMessage
			Tests           []struct {
				TcID     int
				JWS, JWE json.RawMessage
			}
		}
	}
	if err := json.Unmarshal(vectors(t, "vectors", "wycheproof", file), &content); err != nil {
		t.Fatal(err)
	}
	for _, g := range content.TestGroups {
		for _, c := range g.Tests {
			raw := slices.Concat(c.JWS, c.JWE) // one of them
			f := foreign{fmt.Sprintf("%s %d", file, c.TcID), g.Public, string(raw)}
			if f.keys == nil {
				f.keys = g.Private
			}
			_ = json.Unmarshal(raw, &f.token)
			tokens = append(tokens, f)
		}
	}
	return tokens
}

// readers are two verifiers that know the keys of a foreign token, so far as they can: one that reads signed tokens, and
// one that reads encrypted ones and is nil where the keys are not for that.
func (f foreign) readers() (signed, encrypted *verifier.Verifier) {
	set := f.keys
	if !bytes.Contains(set, []byte(`"keys"`)) {
		set = keySetOf(string(set))
	}
	cfg := verifier.Config{Issuer: issuer, JWKS: set, Profile: plain, DangerouslyAcceptAnyAudience: true, Now: clock}
	signed, err := verifier.New(cfg)
	if err != nil { // none of them verifies
		cfg.JWKS = published()
		signed = must(verifier.New(cfg))
	}
	cfg.Decryption.Keys = set
	encrypted, _ = verifier.New(cfg)
	return signed, encrypted
}

// TestWycheproofsTokens: none of them holds claims, so a verifier refuses each, and where it has no keys for decryption it
// says of five parts that they are encrypted.
func TestWycheproofsTokens(t *testing.T) {
	t.Parallel()
	total, encrypted, decrypting := 0, 0, 0
	for file, cases := range map[string]int{"json_web_signature_test.json": 401, "json_web_key_test.json": 26, "json_web_encryption_test.json": 139, "json_web_crypto_test.json": 83} {
		tokens := wycheproof(t, file)
		if len(tokens) != cases {
			t.Errorf("%s: %d cases, there were %d", file, len(tokens), cases)
		}
		for _, f := range tokens {
			total++
			without, with := f.readers()
			_, err := without.Verify(t.Context(), f.token)
			if !errors.Is(err, verifier.ErrInvalidToken) {
				t.Errorf("%s: %v", f.name, err)
			}
			if strings.Count(f.token, ".") != 4 {
				continue
			}
			encrypted++
			if !errors.Is(err, verifier.ErrMalformed) || !strings.Contains(err.Error(), "encrypted") {
				t.Errorf("%s: %v doesn't say that it is encrypted", f.name, err)
			}
			if with != nil {
				decrypting++
				refused(t, with, f.token, verifier.ErrMalformed)
			}
		}
	}
	// Of the 173 encrypted ones the others are JSON or have lost a part.
	if total != 649 || encrypted != 151 || decrypting != 48 {
		t.Errorf("%d tokens, %d of them encrypted, %d with a key for that; there were 649, 151 and 48", total, encrypted, decrypting)
	}
}
