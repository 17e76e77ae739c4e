package middleware_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard/middleware"
	"github.com/bearerguard/bearerguard/verifier"
	"github.com/bearerguard/bearerguard/verifier/verifiertest"
)

const (
	publicURL = "https://api.example.com"
	ordersURL = publicURL + "/orders"
)

// shop is a client with a key, and a guard that knows its tokens: "bound" and "narrow" (without a scope) are bound to the key,
// "strangers" to another one, "free" to none.
type shop struct {
	t     *testing.T
	key   *verifiertest.ProofKey
	known *counting
	now   time.Time
	guard *middleware.Guard
	err   error // of the last refusal
}

func newShop(t *testing.T, dpop middleware.DPoP) *shop {
	t.Helper()
	s := &shop{t: t, key: verifiertest.NewProofKey(), now: time.Unix(1_800_000_000, 0)}
	bound := func(scope, cnf string) *verifier.Claims {
		return claimsOf(t, fmt.Sprintf(`{"client_id": "shop", "scope": %q, %s "exp": 4102444800}`, scope, cnf))
	}
	s.known = &counting{known: map[string]*verifier.Claims{
		"bound":     bound("read", `"cnf": {"jkt": "`+s.key.Thumbprint()+`"},`),
		"narrow":    bound("", `"cnf": {"jkt": "`+s.key.Thumbprint()+`"},`),
		"also":      bound("read", `"cnf": {"jkt": "`+s.key.Thumbprint()+`", "kid": "of another kind"},`),
		"twice":     bound("read", `"cnf": {"jkt": "`+s.key.Thumbprint()+`", "x5t#S256": "a"},`),
		"strangers": bound("read", `"cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"},`),
		"several":   bound("read", `"cnf": {"jwk": {"kty": "EC"}, "jku": "https://example.com/keys"},`),
		"free":      bound("read", ""),
	}}
	s.guard = s.another(dpop)
	return s
}

// another guard has the same clock and the same tokens.
func (s *shop) another(dpop middleware.DPoP) *middleware.Guard {
	s.t.Helper()
	if dpop.PublicURL == "" && dpop.TrustedProxies == nil {
		dpop.PublicURL = publicURL
	}
	return newGuard(s.t, s.known, middleware.Config{DPoP: &dpop, Now: func() time.Time { return s.now }})
}

// proof is a good one for GET /orders with the token "bound", with claims overridden.
func (s *shop) proof(claims ...map[string]any) string {
	return s.key.Proof("GET", ordersURL, "bound", "", append([]map[string]any{{"iat": s.now}}, claims...)...)
}

// header is a proof whose header is overridden.
func (s *shop) header(members map[string]any) string {
	claims := map[string]any{}
	if err := json.Unmarshal(segment(s.t, s.proof(), 1), &claims); err != nil {
		s.t.Fatal(err)
	}
	return s.key.Sign(members, claims)
}

// jwk is the public key with more members.
func (s *shop) jwk(more map[string]any) map[string]any {
	var header struct{ JWK map[string]any }
	if err := json.Unmarshal(segment(s.t, s.proof(), 0), &header); err != nil {
		s.t.Fatal(err)
	}
	maps.Copy(header.JWK, more)
	return header.JWK
}

func segment(t *testing.T, jwt string, n int) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(strings.Split(jwt, ".")[n])
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// get is GET /orders?page=2.
func get(authorization string, proofs ...string) *http.Request {
	r := httptest.NewRequest("GET", "http://10.0.0.5:8080/orders?page=2", nil)
	r.Header.Set("Authorization", authorization)
	for _, p := range proofs {
		r.Header.Add("DPoP", p)
	}
	return r
}

// check is the code of a refusal, "" for what is granted.
func (s *shop) check(g *middleware.Guard, r *http.Request, requirements ...middleware.Requirement) string {
	_, denial := g.Check(r, requirements...)
	if s.err = nil; denial == nil {
		return ""
	}
	s.err = denial.Err
	return fmt.Sprint(denial.Status, " ", denial.Code)
}

func (s *shop) want(r *http.Request, code, reason string) {
	s.t.Helper()
	if got := s.check(s.guard, r); got != code || code != "" && !strings.Contains(s.err.Error(), reason) {
		s.t.Errorf("%q: %v; want %q: %s", got, s.err, code, reason)
	}
}

const (
	badProof = "401 invalid_dpop_proof"
	badToken = "401 invalid_token"
	newNonce = "401 use_dpop_nonce"
)

// TestProofChecks has the checks of RFC 9449 section 4.3: the proof is good but for one thing.
func TestProofChecks(t *testing.T) {
	t.Parallel()
	one := func(make func(*shop) string) func(*shop) []string {
		return func(s *shop) []string { return []string{make(s)} }
	}
	claim := func(name string, value any) func(*shop) []string {
		return one(func(s *shop) string { return s.proof(map[string]any{name: value}) })
	}
	header := func(name string, value any) func(*shop) []string {
		return one(func(s *shop) string { return s.header(map[string]any{name: value}) })
	}
	jwk := func(name string, value any) func(*shop) []string {
		return one(func(s *shop) string { return s.header(map[string]any{"jwk": s.jwk(map[string]any{name: value})}) })
	}
	later := func(d time.Duration) func(*shop) []string {
		return one(func(s *shop) string { return s.proof(map[string]any{"iat": s.now.Add(d)}) })
	}
	for _, tt := range []struct {
		name         string
		proofs       func(*shop) []string
		code, reason string
	}{
		{"9449-4.3 9449-7-1 9449-7.1-2 a good proof", one(func(s *shop) string { return s.proof() }), "", ""},
		{"Q-9 9449-7.1-3 no proof", func(*shop) []string { return nil }, badProof, "no DPoP field"},
		{"Q-9 9449-4.3-01 BUG-200 two proofs", func(s *shop) []string { return []string{s.proof(), s.proof()} }, badProof, "more than one DPoP field"},
		{"9449-4.3-01 the same proof twice", func(s *shop) []string { p := s.proof(); return []string{p, p} }, badProof, "more than one DPoP field"},
		{"9449-4.3-01 an empty field beside a good one", func(s *shop) []string { return []string{s.proof(), ""} }, badProof, "more than one DPoP field"},
		{"9449-4.3-02 BUG-200 two proofs joined by a comma", one(func(s *shop) string { return s.proof() + ", " + s.proof() }), badProof, "a character that no JWT has"},
		{"9449-4.3-02 an empty field", one(func(*shop) string { return "" }), badProof, "not a JWT"},
		{"9449-4.3-02 no JWT", one(func(*shop) string { return "a-proof" }), badProof, "not a JWT"},
		{"9449-4.3-02 five parts", one(func(s *shop) string { return s.proof() + ".a.b" }), badProof, "five parts"},
		{"9449-4.3-02 a payload that is no object", one(func(s *shop) string { p := strings.Split(s.proof(), "."); return p[0] + ".W10." + p[2] }), badProof, "not a JSON object"},
		{"9449-4.3-02 a member twice", one(func(s *shop) string {
			p := strings.Split(s.proof(), ".")
			return p[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"jti":"a","jti":"b"}`)) + "." + p[2]
		}), badProof, "a JSON member twice"},
		{"9449-4.3-02 padding", one(func(s *shop) string { return s.proof() + "=" }), badProof, "a character that no JWT has"},
		{"9449-4.3-02 a critical extension", header("crit", []string{"exp"}), badProof, "crit"},
		{"9449-4.3-02 an unencoded payload", header("b64", true), badProof, "b64"},
		{"9449-4.3-02 longer than any good one", claim("more", strings.Repeat("a", 8<<10)), badProof, "longer than 8192 bytes"},

		{"9449-4.3-03 9449-4.2-2 BUG-246 without jti", claim("jti", nil), badProof, `claim "jti"`},
		{"9449-4.3-03 an empty jti", claim("jti", ""), badProof, `claim "jti"`},
		{"9449-4.3-03 a jti that is a number", claim("jti", 1), badProof, `claim "jti"`},
		{"9449-4.3-03 9449-4.2-2 without htm", claim("htm", nil), badProof, `claim "htm"`},
		{"9449-4.3-03 9449-4.2-2 without htu", claim("htu", nil), badProof, `claim "htu"`},
		{"9449-4.3-03 9449-4.2-2 without iat", claim("iat", nil), badProof, `claim "iat"`},
		{"9449-4.3-03 an iat that is a string", claim("iat", "1800000000"), badProof, `claim "iat"`},
		{"9449-4.3-03 9449-4.2-3 9449-7-1 without ath", claim("ath", nil), badProof, `claim "ath"`},

		{"9449-4.3-04 9449-4.2-1 9449-11.5-1 without typ", header("typ", nil), badProof, "typ is"},
		{"9449-4.3-04 9449-11.5-1 the typ of an ID token", header("typ", "JWT"), badProof, "typ is"},
		{"9449-4.3-04 9449-11.5-1 the typ of an access token", header("typ", "at+jwt"), badProof, "typ is"},
		{"9449-4.3-04 a longer typ", header("typ", "dpop+jwt+x"), badProof, "typ is"},

		{"9449-4.3-05 9449-11.6-1 BUG-246 none", header("alg", "none"), badProof, "alg is"},
		{"9449-4.3-05 9449-11.6-1 BUG-246 an HMAC", header("alg", "HS256"), badProof, "alg is"},
		{"9449-4.3-05 without alg", header("alg", nil), badProof, "alg is"},
		{"9449-4.3-05 an algorithm of encryption", header("alg", "RSA-OAEP"), badProof, "alg is"},
		{"9449-4.3-05 an alg in another case", header("alg", "es256"), badProof, "alg is"},
		{"9449-4.3-05 an alg that is not this key's", header("alg", "RS256"), badProof, "jwk is no key for alg"},

		{"9449-4.3-06 the signature of another key", one(func(s *shop) string {
			return verifiertest.NewProofKey().Sign(map[string]any{"jwk": s.jwk(nil)}, map[string]any{"jti": "1", "htm": "GET", "htu": ordersURL, "iat": s.now.Unix(), "ath": ath("bound")})
		}), badProof, "DPoP proof:"},
		{"9449-4.3-06 another payload under the signature", one(func(s *shop) string {
			a, b := strings.Split(s.proof(), "."), strings.Split(s.proof(), ".")
			return a[0] + "." + a[1] + "." + b[2]
		}), badProof, "DPoP proof:"},
		{"9449-4.3-06 a signature that is cut off", one(func(s *shop) string { p := s.proof(); return p[:len(p)-6] + "AA" }), badProof, "a signature of"},

		{"9449-4.3-07 9449-4.2-1 BUG-246 d", jwk("d", "AQ"), badProof, "private"},
		{"9449-4.3-07 p", jwk("p", "AQ"), badProof, "private"},
		{"9449-4.3-07 q", jwk("q", "AQ"), badProof, "private"},
		{"9449-4.3-07 dp", jwk("dp", "AQ"), badProof, "private"},
		{"9449-4.3-07 dq", jwk("dq", "AQ"), badProof, "private"},
		{"9449-4.3-07 qi", jwk("qi", "AQ"), badProof, "private"},
		{"9449-4.3-07 oth", jwk("oth", []string{}), badProof, "private"},
		{"9449-4.3-07 k", jwk("k", "AQ"), badProof, "private"},
		{"9449-4.2-1 a symmetric key", header("jwk", map[string]any{"kty": "oct", "k": "AQAB"}), badProof, "kty"},
		{"9449-4.2-1 without a key", header("jwk", nil), badProof, "the header has no jwk"},
		{"9449-4.2-1 a key that is a text", header("jwk", "key"), badProof, "not a JSON object"},
		{"9449-4.2-1 a key for encryption", jwk("use", "enc"), badProof, "use is"},
		{"9449-4.2-1 a point that is not on its curve", jwk("x", strings.Repeat("A", 43)), badProof, "not on its curve"},
		{"BUG-072 9449-4.2-1 an exponent of 2^64+1", header("jwk", map[string]any{"kty": "RSA", "e": "AQAAAAAAAAAB", "n": strings.Repeat("A", 342)}), badProof, "e is not"},
		{"BUG-072 9449-4.2-1 a modulus of 16,384 bits", header("jwk", map[string]any{"kty": "RSA", "e": "AQAB", "n": strings.Repeat("_", 2731)}), badProof, "longer than a number"},

		{"9449-4.3-08 BUG-246 another method", claim("htm", "POST"), badProof, `htm is "POST"`},
		{"9449-4.3-08 the method in small letters", claim("htm", "get"), badProof, `htm is "get"`},

		{"9449-4.3-09 another path", claim("htu", publicURL+"/invoices"), badProof, "htu is"},
		{"9449-4.3-09 another host", claim("htu", "https://evil.example.com/orders"), badProof, "htu is"},
		{"9449-4.3-09 another scheme", claim("htu", "http://api.example.com/orders"), badProof, "htu is"},
		{"9449-4.3-09 the inner URL", claim("htu", "http://10.0.0.5:8080/orders"), badProof, "htu is"},
		{"9449-4.3-09 a path alone", claim("htu", "/orders"), badProof, "htu is"},
		{"9449-4.3-09 query and fragment don't count", claim("htu", ordersURL+"?page=1#top"), "", ""},

		{"9449-4.3-11 9449-11.1-1 BUG-246 a minute old", later(-60 * time.Second), "", ""},
		{"9449-4.3-11 9449-11.1-1 BUG-246 more than a minute old", later(-61 * time.Second), badProof, "iat is"},
		{"9449-4.3-11 9449-11.1-4 five seconds ahead", later(5 * time.Second), "", ""},
		{"9449-4.3-11 9449-11.1-4 six seconds ahead", later(6 * time.Second), badProof, "iat is"},
		{"9449-4.3-11 far ahead", later(1000 * time.Hour), badProof, "iat is"},
		{"9449-4.3-11 in 1970", claim("iat", 0), badProof, "iat is"},
		{"9449-4.3-11 a fraction of a second too old", claim("iat", 1_800_000_000-60.5), badProof, "iat is"},

		{"9449-4.3-12a 9449-7-1 BUG-246 the hash of another token", claim("ath", ath("free")), badProof, "ath is not"},
		{"9449-4.3-12a the token itself", claim("ath", "bound"), badProof, "ath is not"},
		{"9449-4.3-12a a padded hash", claim("ath", ath("bound")+"="), badProof, "ath is not"},
		{"9449-4.3-12b Q-10 9449-6-2 a good proof of another key", one(func(s *shop) string {
			return verifiertest.NewProofKey().Proof("GET", ordersURL, "bound", "", map[string]any{"iat": s.now})
		}), badToken, "the DPoP proof is of another key"},

		{"9449-4.2-5 more header parameters and claims", one(func(s *shop) string {
			return s.key.Sign(map[string]any{"kid": "1", "x": []string{"y"}}, map[string]any{"jti": rand.Text(), "htm": "GET", "htu": ordersURL, "iat": s.now.Unix(), "ath": ath("bound"), "exp": 1, "iss": map[string]any{}})
		}), "", ""},
		{"9449-9-2 a nonce that nobody asked for", claim("nonce", "of the authorization server"), "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t, middleware.DPoP{})
			for range 2 { // what is remembered of a good proof lets no bad one through
				s.want(get("DPoP bound", tt.proofs(s)...), tt.code, tt.reason)
				s.want(get("DPoP bound", s.proof()), "", "")
			}
		})
	}
}

func ath(token string) string {
	var claims struct{ Ath string }
	b, _ := base64.RawURLEncoding.DecodeString(strings.Split(verifiertest.NewProofKey().Proof("GET", "", token, ""), ".")[1])
	json.Unmarshal(b, &claims)
	return claims.Ath
}

func TestProofAlgorithms(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"} {
		t.Run("9449-4.3-05 "+alg, func(t *testing.T) {
			t.Parallel()
			key := verifiertest.NewProofKey(alg)
			issuer := verifiertest.NewIssuer(t)
			token := issuer.Token("", key.Binding())
			for algorithms, code := range map[string]string{"": "", alg: "", "ES256 " + alg: "", "RS256K": badProof} {
				dpop := &middleware.DPoP{PublicURL: publicURL, Algorithms: strings.Fields(algorithms)}
				if algorithms == "RS256K" { // all but this one
					dpop.Algorithms = slices.DeleteFunc([]string{"RS256", "PS256", "ES256", "EdDSA"}, func(a string) bool { return a == alg })
				}
				s := &shop{t: t, guard: newGuard(t, issuer.Verifier(), middleware.Config{DPoP: dpop})}
				s.want(get("DPoP "+token, key.Proof("GET", ordersURL, token, "")), code, "alg is")
			}
		})
	}
}

func TestBindings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name                string
		required            bool
		authorization       string
		withProof           bool
		code, reason        string
		challenge, plainOne string // the scheme whose challenge names the code, and the other one
	}{
		{"9449-7.1-1 a bound token with its proof", false, "DPoP bound", true, "", "", "", ""},
		{"9449-7.1-1 the scheme in small letters, and several spaces", false, "dpop   bound", true, "", "", "", ""},
		{"7800-3.1-1 9449-6-1 an unknown member beside jkt", false, "DPoP also", true, "", "", "", ""},
		{"9449-6-1 a certificate is asked for too", false, "DPoP twice", true, badToken, "", "DPoP", "Bearer"},
		{"Q-8 9449-7.2-1 9449-7.2-3 a bound token as bearer token", false, "Bearer bound", false, badToken, "bound to its sender", "Bearer", "DPoP"},
		{"Q-8 9449-7.2-1 a bound token as bearer token with its proof", false, "Bearer bound", true, badToken, "bound to its sender", "Bearer", "DPoP"},
		{"Q-10 9449-6-2 9449-7.2-3 an unbound token with a proof", false, "DPoP free", true, badToken, "no cnf.jkt", "DPoP", "Bearer"},
		{"Q-10 9449-6-2 an unbound token without a proof", false, "DPoP free", false, badToken, "no cnf.jkt", "DPoP", "Bearer"},
		{"Q-10 9449-4.3-12b a token that is bound to another key", false, "DPoP strangers", true, badToken, "another key", "DPoP", "Bearer"},
		{"Q-9 9449-7.1-2 a bound token without a proof", false, "DPoP bound", false, badProof, "no DPoP field", "DPoP", "Bearer"},
		{"9068-4-12 9449-7.1-6 a bad token", false, "DPoP bad", true, badToken, "bad signature", "DPoP", "Bearer"},
		{"7800-3.1-2 a token that is bound to several keys as bearer token", false, "Bearer several", false, badToken, "bound to its sender", "Bearer", "DPoP"},
		{"7800-3.1-2 a token that is bound to several keys", false, "DPoP several", true, badToken, "no cnf.jkt", "DPoP", "Bearer"},
		{"an unbound token as bearer token", false, "Bearer free", false, "", "", "", ""},
		{"an unbound token as bearer token with a proof that nobody asked for", false, "Bearer free", true, "", "", "", ""},
		{"9449-7.1-1 9449-4.1-1 a token that is no token68", false, "DPoP a*b", true, "400 invalid_request", "malformed", "DPoP", "Bearer"},
		{"no token", false, "DPoP", true, "400 invalid_request", "malformed", "DPoP", "Bearer"},
		{"a token that is too long", false, "DPoP " + strings.Repeat("a", 18<<10), true, badToken, "longer than", "DPoP", "Bearer"},
		{"Q-3 9449-7.2-4 a Bearer and a DPoP token joined by a comma", false, "Bearer free, DPoP bound", true, "400 invalid_request", "malformed", "Bearer", "DPoP"},
		{"Q-3 a Basic and a DPoP token joined by a comma", false, "Basic dTpw, DPoP bound", true, "400 invalid_request", "malformed", "both", ""},
		{"required: a bound token with its proof", true, "DPoP bound", true, "", "", "", ""},
		{"required: an unbound token as bearer token", true, "Bearer free", true, "401 ", "a scheme that this guard doesn't take", "", ""},
		{"required: a bound token as bearer token", true, "Bearer bound", true, "401 ", "a scheme that this guard doesn't take", "", ""},
		{"required: an unbound token with a proof", true, "DPoP free", true, badToken, "no cnf.jkt", "DPoP", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t, middleware.DPoP{Required: tt.required})
			_, token, _ := strings.Cut(tt.authorization, " ")
			r := get(tt.authorization)
			if tt.withProof {
				r.Header.Set("dpop", s.key.Proof("GET", ordersURL, strings.TrimSpace(token), "", map[string]any{"iat": s.now})) // 9449-4.1-1: in any case
			}
			s.want(r, tt.code, tt.reason)
			if tt.challenge != "" {
				s.wantChallenges(r, tt.code, tt.challenge, tt.plainOne)
			}
			if s.err != nil && strings.HasPrefix(tt.code, badToken) && !errors.Is(s.err, verifier.ErrInvalidToken) {
				t.Errorf("%v is no ErrInvalidToken", s.err)
			}
		})
	}
}

// wantChallenges looks at the challenges of a refusal: the code in those of one scheme, or of both, and in no other.
func (s *shop) wantChallenges(r *http.Request, code, named, plain string) {
	s.t.Helper()
	_, denial := s.guard.Check(r)
	found := map[string]string{}
	for i, field := range denial.Header["Www-Authenticate"] {
		list, err := parse(field)
		if err != nil || len(list) != 1 {
			s.t.Fatalf("%q: %v", field, err)
		}
		found[list[0].scheme] = list[0].params["error"]
		if isFirst := strings.EqualFold(list[0].scheme, named); i == 0 && named != "both" && !isFirst {
			s.t.Errorf("the first challenge is %q", field)
		}
		if list[0].scheme == "dpop" && list[0].params["algs"] == "" {
			s.t.Errorf("9449-7.1-8: %q names no algs", field)
		}
	}
	_, code, _ = strings.Cut(code, " ")
	want := map[string]string{strings.ToLower(named): code, strings.ToLower(plain): ""}
	switch {
	case named == "both":
		want = map[string]string{"bearer": code, "dpop": code}
	case plain == "":
		delete(want, "")
	}
	if !maps.Equal(found, want) {
		s.t.Errorf("the challenges' errors are %q, want %q", found, want)
	}
}

// TestDPoPChallenges has whole answers.
func TestDPoPChallenges(t *testing.T) {
	t.Parallel()
	const metadata = "https://api.example.com/.well-known/oauth-protected-resource"
	s := newShop(t, middleware.DPoP{})
	guard := func(dpop *middleware.DPoP, metadata string) *middleware.Guard {
		return newGuard(t, s.known, middleware.Config{DPoP: dpop, ResourceMetadata: metadata, Now: func() time.Time { return s.now }})
	}
	two := guard(&middleware.DPoP{PublicURL: publicURL, Algorithms: []string{"ES256", "PS256"}}, "")
	told := guard(&middleware.DPoP{PublicURL: publicURL, Algorithms: []string{"ES256"}}, metadata)
	only := guard(&middleware.DPoP{PublicURL: publicURL, Algorithms: []string{"ES256"}, Required: true}, "")
	none := guard(nil, "")
	narrow := get("DPoP narrow", s.key.Proof("GET", ordersURL, "narrow", "", map[string]any{"iat": s.now}))
	twoFields := get("DPoP bound", s.proof())
	twoFields.Header.Add("Authorization", "Bearer free")
	for _, tt := range []struct {
		name   string
		guard  *middleware.Guard
		r      *http.Request
		status int
		want   []string
	}{
		{"Q-1 9449-7.1-4 9449-7.1-5 9449-7.1-8 9449-7.2-2 no credentials", two, request(), 401, []string{
			`Bearer realm="api", scope="read"`, `DPoP algs="ES256 PS256", scope="read"`}},
		{"Q-1 with metadata", told, request(), 401, []string{
			`Bearer scope="read", resource_metadata="` + metadata + `"`, `DPoP algs="ES256", scope="read", resource_metadata="` + metadata + `"`}},
		{"Q-1 where DPoP is required", only, request(), 401, []string{`DPoP algs="ES256", scope="read"`}},
		{"Q-2 another scheme", two, request("Basic dTpw"), 401, []string{`Bearer realm="api", scope="read"`, `DPoP algs="ES256 PS256", scope="read"`}},
		{"Q-3 9449-7.2-4 two Authorization fields", two, twoFields, 400, []string{
			`Bearer realm="api", error="invalid_request", error_description="the Authorization field is malformed or there is more than one"`,
			`DPoP error="invalid_request", error_description="the Authorization field is malformed or there is more than one", algs="ES256 PS256"`}},
		{"Q-5 a bad token", two, get("DPoP bad"), 401, []string{
			`DPoP error="invalid_token", error_description="the access token is malformed, expired, revoked or not for this resource", algs="ES256 PS256"`, `Bearer realm="api"`}},
		{"Q-6 a scope lacking", two, narrow, 403, []string{
			`DPoP error="insufficient_scope", error_description="the access token lacks the scope that this resource requires", algs="ES256 PS256", scope="read"`, `Bearer realm="api", scope="read"`}},
		{"Q-8 a bound token as bearer token", two, get("Bearer bound"), 401, []string{
			`Bearer realm="api", error="invalid_token", error_description="the access token is malformed, expired, revoked or not for this resource"`, `DPoP algs="ES256 PS256"`}},
		{"Q-9 9449-7.1-6 9449-7.1-7 no proof", two, get("DPoP bound"), 401, []string{
			`DPoP error="invalid_dpop_proof", error_description="the DPoP proof is missing, malformed, used before or not for this request", algs="ES256 PS256"`, `Bearer realm="api"`}},
		{"Q-10 an unbound token", two, get("DPoP free"), 401, []string{
			`DPoP error="invalid_token", error_description="Invalid DPoP key binding", algs="ES256 PS256"`, `Bearer realm="api"`}},
		{"Q-2 a guard without DPoP", none, get("DPoP bound", s.proof()), 401, []string{`Bearer realm="api", scope="read"`}},
		{"Q-3 a guard without DPoP and two tokens", none, request("DPoP bound, Bearer free"), 400, []string{
			`Bearer realm="api", error="invalid_request", error_description="the Authorization field is malformed or there is more than one"`}},
		{"9449-7.2-1 a guard without DPoP and a bound token", none, get("Bearer bound", s.proof()), 401, []string{
			`Bearer realm="api", error="invalid_token", error_description="the access token is malformed, expired, revoked or not for this resource"`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rec := httptest.NewRecorder()
			tt.guard.RequireScope("read")(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the handler ran") })).ServeHTTP(rec, tt.r)
			h := rec.Result().Header
			if rec.Code != tt.status || !slices.Equal(h["Www-Authenticate"], tt.want) || h.Get("Cache-Control") != "no-store" {
				t.Errorf("%d %q\nwant %d %q", rec.Code, h, tt.status, tt.want)
			}
			if h["Proxy-Authenticate"] != nil || h["Dpop-Nonce"] != nil {
				t.Errorf("9449-7.1-11: %q", h)
			}
		})
	}
	t.Run("9449-7.1-11 a token in Proxy-Authorization is not read", func(t *testing.T) {
		t.Parallel()
		r := request()
		r.Header.Set("Proxy-Authorization", "DPoP bound")
		r.Header.Set("DPoP", s.proof())
		if got := s.check(two, r); got != "401 " {
			t.Error(got)
		}
	})
}

// TestTargets compares htu with what was asked for, behind a public URL.
func TestTargets(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, public, target, htu string
		ok                        bool
	}{
		{"9449-4.3-13 the same", publicURL, "/orders", ordersURL, true},
		{"9449-4.3-13 BUG-244 scheme and host in another case", publicURL, "/orders", "HTTPS://API.Example.COM/orders", true},
		{"9449-4.3-13 BUG-244 the default port", publicURL, "/orders", "https://api.example.com:443/orders", true},
		{"9449-4.3-13 an empty port", publicURL, "/orders", "https://api.example.com:/orders", true},
		{"9449-4.3-13 the default port of http", "http://localhost:80", "/orders", "http://localhost/orders", true},
		{"9449-4.3-13 BUG-244 a path in another case", publicURL, "/orders", "https://api.example.com/Orders", false},
		{"9449-4.3-13 another scheme's default port", publicURL, "/orders", "https://api.example.com:80/orders", false},
		{"9449-4.3-13 another port", publicURL, "/orders", "https://api.example.com:8443/orders", false},
		{"9449-4.3-13 a port of the public URL", "https://API.example.com:8443/", "/orders", "https://api.example.com:8443/orders", true},
		{"9449-4.3-13 BUG-244 an escape that isn't needed", publicURL, "/a-b", "https://API.example:443/a%2Db", false},
		{"9449-4.3-13 BUG-244 an escape that isn't needed, in htu", "https://api.example", "/a-b", "https://API.example:443/a%2Db", true},
		{"9449-4.3-13 an escape that isn't needed, in the request", publicURL, "/%61-b%7E", "https://api.example.com/a-b~", true},
		{"9449-4.3-13 escapes in small letters", publicURL, "/a%2fb", "https://api.example.com/a%2Fb", true},
		{"9449-4.3-13 an escaped slash is none", publicURL, "/a%2Fb", "https://api.example.com/a/b", false},
		{"9449-4.3-09 an escaped slash beside what should be escaped", publicURL, "/a%2Fb|", "https://api.example.com/a/b%7C", false},
		{"9449-4.3-09 the same in the proof", publicURL, "/a/b%7C", "https://api.example.com/a%2Fb|", false},
		{"9449-4.3-13 what should be escaped", publicURL, "/a%2fb%25|", "https://api.example.com/a%2Fb%25%7C", true},
		{"9449-4.3-13 what should be escaped, in the proof", publicURL, "/a%2Fb%7C", "https://api.example.com/a%2Fb|", true},
		{"9449-4.3-13 what should be escaped, in both, as browsers send it", publicURL, "/a|b", "https://api.example.com/a|b", true},
		{"9449-4.3-13 an escaped percent sign", publicURL, "/a%2541", "https://api.example.com/aA", false},
		{"9449-4.3-13 an escaped letter that is not ASCII", publicURL, "/caf%c3%a9", "https://api.example.com/caf%C3%A9", true},
		{"9449-4.3-13 dot segments of the public URL", "https://api.example.com/a/../v1", "/orders", "https://api.example.com/v1/orders", true},
		{"9449-4.3-13 escaped dot segments", publicURL, "/a/c", "https://api.example.com/a/%2e%2E/a/./c", true},
		{"9449-4.3-13 dots that are no segments", publicURL, "/.well-known/..a", "https://api.example.com/.well-known/..a", true},
		{"9449-4.3-13 an empty path", publicURL, "/", "https://api.example.com", true},
		{"9449-4.3-13 an empty path and a query", publicURL, "/?a=b", "https://api.example.com?a=b", true},
		{"9449-4.3-13 BUG-244 a slash at the end makes a difference", publicURL, "/orders/", ordersURL, false},
		{"9449-4.3-13 two slashes are not one", publicURL, "//orders", ordersURL, false},
		{"9449-4.3-13 two slashes", publicURL, "//orders", "https://api.example.com//orders", true},
		{"9449-4.3-13 an IPv6 address", "https://[2001:DB8::1]:443", "/orders", "https://[2001:db8::1]/orders", true},
		{"9449-4.3-09 a user", publicURL, "/orders", "https://user@api.example.com/orders", false},
		{"9449-4.3-09 a host behind an at sign", publicURL, "/orders", "https://api.example.com@evil.example.com/orders", false},
		{"9449-4.3-09 a host before a backslash", publicURL, "/orders", `https://api.example.com\@evil.example.com/orders`, false},
		{"9449-4.3-09 a space at the end", publicURL, "/orders", ordersURL + " ", false},
		{"9449-4.3-09 a line break", publicURL, "/orders", ordersURL + "\n", false},
		{"9449-4.3-09 a letter that is not ASCII", publicURL, "/caf%C3%A9", "https://api.example.com/café", false},
		{"9449-4.3-09 a bad escape", publicURL, "/orders", ordersURL + "%zz", false},
		{"9449-4.3-09 no authority", publicURL, "/orders", "https:/orders", false},
		{"9449-4.3-09 an opaque URI", publicURL, "/orders", "https:api.example.com/orders", false},
		{"9449-4.3-09 another kind of URI", publicURL, "/orders", "ftp://api.example.com/orders", false},
		{"BUG-243 a prefix that a proxy takes away", "https://api.example/v1", "/things", "https://api.example/v1/things", true},
		{"BUG-243 such a prefix with a slash", "https://api.example/v1/", "/things", "https://api.example/v1/things", true},
		{"BUG-243 without the prefix", "https://api.example/v1", "/things", "https://api.example/things", false},
		{"an absolute target of the client's", publicURL, "https://evil.example.com/orders", "https://evil.example.com/orders", false},
		{"the path of an absolute target", publicURL, "https://evil.example.com/orders", ordersURL, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t, middleware.DPoP{PublicURL: tt.public})
			r := httptest.NewRequest("GET", tt.target, nil)
			r.Header.Set("Authorization", "DPoP bound")
			r.Header.Set("DPoP", s.proof(map[string]any{"htu": tt.htu}))
			s.want(r, map[bool]string{false: badProof}[tt.ok], "htu")
			if s.err != nil && strings.Contains(s.err.Error(), "a=b") {
				t.Errorf("%v has the query", s.err)
			}
		})
	}
}

// TestDotSegments: a router that leaves them in the path takes /files/../orders for one of the files.
func TestDotSegments(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, public, target, htu string }{
		{"9449-4.3-09 the proof is for where they lead", publicURL, "/files/../orders", ordersURL},
		{"9449-4.3-09 escaped", publicURL, "/files/%2e%2E/orders", ordersURL},
		{"9449-4.3-09 at the end", publicURL, "/orders/.", "https://api.example.com/orders/"},
		{"9449-4.3-09 in the proof too", publicURL, "/files/../orders", "https://api.example.com/files/../orders"},
		{"9449-4.3-09 out of the public URL's path", "https://api.example.com/v1", "/../orders", ordersURL},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t, middleware.DPoP{PublicURL: tt.public})
			r := httptest.NewRequest("GET", tt.target, nil)
			r.Header.Set("Authorization", "DPoP bound")
			r.Header.Set("DPoP", s.proof(map[string]any{"htu": tt.htu}))
			s.want(r, badProof, "dot segments")
		})
	}
}

// TestPathWithoutASlash: http.StripPrefix("/v1/", h) takes away the slash before the path.
func TestPathWithoutASlash(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		public, path, htu string
		ok                bool
	}{
		{"https://api.example.com/v1/", "orders", "https://api.example.com/v1/orders", true},
		{"https://api.example.com/v1/", "orders", "https://api.example.com/v1orders", false},
		{publicURL, "orders/.hidden", "https://api.example.com/orders/.hidden", true},
		{publicURL, "orders/.hidden", "https://api.example.com/.hidden", false},
		{publicURL, "", "https://api.example.com/", true},
	} {
		s := newShop(t, middleware.DPoP{PublicURL: tt.public})
		r := get("DPoP bound", s.proof(map[string]any{"htu": tt.htu}))
		r.URL.Path = tt.path
		if got := s.check(s.guard, r); (got == "") != tt.ok {
			t.Errorf("9449-4.3-09 %q behind %s with a proof for %s: %q, %v", tt.path, tt.public, tt.htu, got, s.err)
		}
	}
}

// TestRawPathOfAnotherPath: who changes a request's path may leave RawPath as it was.
func TestRawPathOfAnotherPath(t *testing.T) {
	t.Parallel()
	s := newShop(t, middleware.DPoP{PublicURL: publicURL})
	r := get("DPoP bound", s.proof(nil))
	r.URL.RawPath = "/v1%2Forders|"
	if got := s.check(s.guard, r); got != "" {
		t.Errorf("%q, %v", got, s.err)
	}
}

// TestForwarded has requests that come through a proxy, and some that claim to.
func TestForwarded(t *testing.T) {
	t.Parallel()
	const good, evil = "https://api.example.com/orders", "https://evil.example.com/orders"
	for _, tt := range []struct {
		name   string
		peer   string
		fields []string // name, value, name, value ...
		htu    string
		reason string // "": granted
	}{
		{"BUG-243 X-Forwarded-Proto and X-Forwarded-Host", "10.0.0.7:1234", []string{"X-Forwarded-Proto", "https", "X-Forwarded-Host", "api.example.com"}, good, ""},
		{"BUG-243 with a prefix", "10.0.0.7:1234", []string{"X-Forwarded-Proto", "https", "X-Forwarded-Host", "api.example.com", "X-Forwarded-Prefix", "/v1"}, "https://api.example.com/v1/orders", ""},
		{"with a port beside the host", "10.0.0.7:1234", []string{"X-Forwarded-Proto", "https", "X-Forwarded-Host", "api.example.com", "X-Forwarded-Port", "8443"}, "https://api.example.com:8443/orders", ""},
		{"with the default port beside the host", "10.0.0.7:1234", []string{"X-Forwarded-Proto", "HTTPS", "X-Forwarded-Host", "api.example.com", "X-Forwarded-Port", "443"}, good, ""},
		{"with a port in the host, which counts", "10.0.0.7:1234", []string{"X-Forwarded-Proto", "https", "X-Forwarded-Host", "api.example.com:8443", "X-Forwarded-Port", "443"}, "https://api.example.com:8443/orders", ""},
		{"Forwarded", "10.0.0.7:1234", []string{"Forwarded", `for=192.0.2.60;proto=https;host=api.example.com`}, good, ""},
		{"Forwarded with quotes and in capitals", "10.0.0.7:1234", []string{"Forwarded", `For="[2001:db8::1]:4711" ; Proto=https ; Host="api.example.com:443"`}, good, ""},
		{"both, and they agree", "10.0.0.7:1234", []string{"Forwarded", `proto=https;host=api.example.com`, "X-Forwarded-Proto", "https", "X-Forwarded-Host", "api.example.com:443"}, good, ""},
		{"a proxy by its IPv6 address", "[fd00::7%eth0]:1234", []string{"X-Forwarded-Proto", "https", "X-Forwarded-Host", "api.example.com"}, good, ""},
		{"a proxy by an IPv4 address in IPv6", "[::ffff:10.0.0.7]:1234", []string{"X-Forwarded-Proto", "https", "X-Forwarded-Host", "api.example.com"}, good, ""},
		{"what a client sent before counts for nothing", "10.0.0.7:1234", []string{"X-Forwarded-Host", "evil.example.com, api.example.com", "X-Forwarded-Proto", "http, https"}, good, ""},
		{"nor in a field of its own", "10.0.0.7:1234", []string{"X-Forwarded-Host", "evil.example.com", "X-Forwarded-Host", "api.example.com", "X-Forwarded-Proto", "https"}, good, ""},
		{"nor in Forwarded", "10.0.0.7:1234", []string{"Forwarded", `host=evil.example.com;proto=https, for=192.0.2.60;host=api.example.com;proto=https`}, good, ""},
		{"nor between quotes", "10.0.0.7:1234", []string{"Forwarded", `for="a, \", host=evil.example.com", host=api.example.com;proto=https`}, good, ""},

		{"9700-4.13-3 a peer that is not trusted", "192.0.2.1:1234", []string{"X-Forwarded-Proto", "https", "X-Forwarded-Host", "api.example.com"}, good, "not one of DPoP.TrustedProxies"},
		{"9700-4.13-3 a peer that is not trusted and sends what it likes", "192.0.2.1:1234", []string{"X-Forwarded-Proto", "https", "X-Forwarded-Host", "evil.example.com"}, evil, "not one of DPoP.TrustedProxies"},
		{"9700-4.13-3 a peer that is not trusted, without the fields", "192.0.2.1:1234", nil, "http://10.0.0.5:8080/orders", "not one of DPoP.TrustedProxies"},
		{"9700-4.13-3 a peer without an address", "@", []string{"X-Forwarded-Proto", "https", "X-Forwarded-Host", "api.example.com"}, good, "not one of DPoP.TrustedProxies"},
		{"a client's value before the proxy's", "10.0.0.7:1234", []string{"X-Forwarded-Host", "evil.example.com, api.example.com", "X-Forwarded-Proto", "https"}, evil, "htu is"},
		{"a client's element before the proxy's", "10.0.0.7:1234", []string{"Forwarded", `host=evil.example.com;proto=https, host=api.example.com;proto=https`}, evil, "htu is"},
		{"a client's Forwarded beside the proxy's fields", "10.0.0.7:1234", []string{"Forwarded", "host=evil.example.com;proto=https", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "api.example.com"}, evil, "don't agree"},
		{"a client's Forwarded beside a proxy that tells the scheme alone", "10.0.0.7:1234", []string{"Forwarded", "host=evil.example.com;proto=https", "X-Forwarded-Proto", "https"}, evil, "don't agree"},
		{"a client's X-Forwarded-Host beside the proxy's Forwarded", "10.0.0.7:1234", []string{"Forwarded", "host=api.example.com;proto=https", "X-Forwarded-Host", "evil.example.com", "X-Forwarded-Proto", "https"}, evil, "don't agree"},
		{"a quote that a client left open", "10.0.0.7:1234", []string{"Forwarded", `host=evil.example.com;proto=https;by=", for="[2001:db8::1]";host=api.example.com;proto=https`}, evil, "htu is"},
		{"no fields: the Host doesn't count", "10.0.0.7:1234", nil, "http://10.0.0.5:8080/orders", "the proxy must tell"},
		{"no host", "10.0.0.7:1234", []string{"X-Forwarded-Proto", "http"}, "http://10.0.0.5:8080/orders", "the proxy must tell"},
		{"no scheme", "10.0.0.7:1234", []string{"X-Forwarded-Host", "api.example.com"}, good, "is not the https"},
		{"another scheme", "10.0.0.7:1234", []string{"X-Forwarded-Proto", "wss", "X-Forwarded-Host", "api.example.com"}, good, "is not the https"},
		{"a host with a path", "10.0.0.7:1234", []string{"X-Forwarded-Proto", "https", "X-Forwarded-Host", "api.example.com/x"}, good, "the proxy must tell"},
		{"a prefix without a slash", "10.0.0.7:1234", []string{"X-Forwarded-Proto", "https", "X-Forwarded-Host", "api.example", "X-Forwarded-Prefix", ".com"}, good, "the proxy must tell"},
		{"a host of a user", "10.0.0.7:1234", []string{"X-Forwarded-Proto", "https", "X-Forwarded-Host", "user@api.example.com"}, good, "the proxy must tell"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t, middleware.DPoP{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24"), netip.MustParsePrefix("fd00::/8")}})
			r := get("DPoP bound", s.proof(map[string]any{"htu": tt.htu}))
			r.RemoteAddr = tt.peer
			for i := 0; i < len(tt.fields); i += 2 {
				r.Header.Add(tt.fields[i], tt.fields[i+1])
			}
			s.want(r, map[bool]string{false: badProof}[tt.reason == ""], tt.reason)
		})
	}
}

// TestHostIsNotAsked: neither a client's Host nor its TLS connection tell where it sent the request.
func TestHostIsNotAsked(t *testing.T) {
	t.Parallel()
	s := newShop(t, middleware.DPoP{})
	for name, htu := range map[string]string{"its own host": "https://evil.example.com/orders", "ours": ordersURL} {
		r := get("DPoP bound", s.proof(map[string]any{"htu": htu}))
		r.Host, r.TLS = "evil.example.com", &tls.ConnectionState{ServerName: "evil.example.com"}
		r.Header.Set("X-Forwarded-Host", "evil.example.com") // and with a public URL nobody is trusted
		if got := s.check(s.guard, r); got != map[bool]string{false: badProof}[htu == ordersURL] {
			t.Errorf("9449-4.3-09 %s: %s", name, got)
		}
	}
	noURL := get("DPoP bound", s.proof())
	noURL.URL = nil
	s.want(noURL, badProof, "the request has no URL")
}

// store is a ReplayStore that counts.
type store struct {
	mu    sync.Mutex
	seen  map[string]bool
	until []time.Duration // from the shop's first time
	err   error
}

func (m *store) Once(_ context.Context, key string, until time.Time) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.until = append(m.until, until.Sub(time.Unix(1_800_000_000, 0)))
	if m.err != nil {
		return true, m.err
	}
	first := !m.seen[key]
	if m.seen == nil {
		m.seen = map[string]bool{}
	}
	m.seen[key] = true
	return first, nil
}

func TestReplay(t *testing.T) {
	t.Parallel()
	t.Run("9449-11.1-2 9700-4.10.1-2 a proof is good once", func(t *testing.T) {
		t.Parallel()
		s := newShop(t, middleware.DPoP{})
		proof := s.proof()
		s.want(get("DPoP bound", proof), "", "")
		for range 3 {
			s.want(get("DPoP bound", proof), badProof, "used before")
		}
		s.want(get("DPoP bound", s.proof()), "", "")
	})
	t.Run("9449-11.1-2 a jti is good once for a URL and a key", func(t *testing.T) {
		t.Parallel()
		s := newShop(t, middleware.DPoP{})
		again := func(claims map[string]any) string {
			claims["jti"] = "the same"
			return s.proof(claims)
		}
		s.want(get("DPoP bound", again(map[string]any{})), "", "")
		s.want(get("DPoP bound", again(map[string]any{"iat": s.now.Add(-time.Second)})), badProof, "used before")
		s.want(get("DPoP bound", again(map[string]any{"htu": "HTTPS://api.example.com:443/%6Frders?a"})), badProof, "used before")
		other := get("DPoP bound", again(map[string]any{"htu": publicURL + "/invoices"}))
		other.URL.Path = "/invoices"
		s.want(other, "", "")
		key := verifiertest.NewProofKey()
		s.known.known["theirs"] = claimsOf(t, `{"cnf": {"jkt": "`+key.Thumbprint()+`"}, "exp": 4102444800}`)
		s.want(get("DPoP theirs", key.Proof("GET", ordersURL, "theirs", "", map[string]any{"iat": s.now, "jti": "the same"})), "", "")
	})
	t.Run("9449-11.1-2 a proof that is refused for something else is not used up", func(t *testing.T) {
		t.Parallel()
		m := &store{}
		s := newShop(t, middleware.DPoP{Replay: m})
		proof := s.proof()
		for _, r := range []*http.Request{
			get("DPoP strangers", s.key.Proof("GET", ordersURL, "strangers", "", map[string]any{"iat": s.now})), get("DPoP bound", proof[:len(proof)-6]+"AAAAAA"),
			get("Bearer bound", proof), get("Bearer free", proof), get("DPoP bad", proof),
		} {
			s.check(s.guard, r)
		}
		if got := s.check(s.guard, get("DPoP bound", proof), middleware.Scope("write")); got != "403 insufficient_scope" || len(m.until) > 0 {
			t.Errorf("%s; the store was asked %d times", got, len(m.until))
		}
		s.want(get("DPoP bound", proof), "", "")
		if len(m.until) != 1 {
			t.Errorf("the store was asked %d times", len(m.until))
		}
	})
	t.Run("9449-11.1-3 the store gets a short key, however long the jti", func(t *testing.T) {
		t.Parallel()
		m := &store{}
		s := newShop(t, middleware.DPoP{Replay: m})
		s.want(get("DPoP bound", s.proof(map[string]any{"jti": strings.Repeat("j", 4000)})), "", "")
		for key := range m.seen {
			if !strings.HasPrefix(key, s.key.Thumbprint()+".") || len(key) != 87 {
				t.Errorf("the key is %q", key)
			}
		}
	})
	t.Run("9449-11.1-2 the store remembers as long as a proof may be accepted", func(t *testing.T) {
		t.Parallel()
		m := &store{}
		s := newShop(t, middleware.DPoP{Replay: m, MaxAge: 30 * time.Second, MaxAhead: 10 * time.Second})
		for _, iat := range []time.Duration{-30, 0, 10} {
			s.want(get("DPoP bound", s.proof(map[string]any{"iat": s.now.Add(iat * time.Second)})), "", "")
		}
		if want := []time.Duration{5 * time.Second, 35 * time.Second, 45 * time.Second}; !slices.Equal(m.until, want) {
			t.Errorf("until %v, want %v", m.until, want)
		}
	})
	t.Run("9700-4.10.1-2 a store that can't tell is a 503, and no challenge", func(t *testing.T) {
		t.Parallel()
		s := newShop(t, middleware.DPoP{Replay: &store{err: errors.New("no connection")}})
		_, denial := s.guard.Check(get("DPoP bound", s.proof()))
		if denial == nil || denial.Status != 503 || denial.Header["Www-Authenticate"] != nil || denial.Header.Get("Retry-After") == "" || !errors.Is(denial.Err, verifier.ErrUnavailable) || !strings.Contains(denial.Err.Error(), "no connection") {
			t.Errorf("%+v", denial)
		}
	})
	t.Run("BUG-245 two servers behind each other: the inner one may leave the question to the outer one", func(t *testing.T) {
		t.Parallel()
		m := &store{}
		s := newShop(t, middleware.DPoP{Replay: m})
		shared, trusting := s.another(middleware.DPoP{Replay: m}), s.another(middleware.DPoP{DangerouslyAllowReplay: true})
		proof := s.proof()
		for g, want := range map[*middleware.Guard]string{shared: badProof, trusting: ""} {
			s.check(s.guard, get("DPoP bound", proof))
			if got := s.check(g, get("DPoP bound", proof)); got != want {
				t.Errorf("%q, want %q", got, want)
			}
		}
	})
	t.Run("9449-11.1-2 two guards with memories of their own pass a request on, each proof once", func(t *testing.T) {
		t.Parallel()
		s := newShop(t, middleware.DPoP{})
		h := s.guard.Require(s.another(middleware.DPoP{}).Require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
		proof := s.proof()
		for _, want := range []int{200, 401} {
			rec := httptest.NewRecorder()
			if h.ServeHTTP(rec, get("DPoP bound", proof)); rec.Code != want {
				t.Errorf("status %d, want %d: %s", rec.Code, want, rec.Body)
			}
		}
	})
	t.Run("9449-11.1-2 each of two guards asks its own store", func(t *testing.T) {
		t.Parallel()
		outer, inner := &store{}, &store{}
		s := newShop(t, middleware.DPoP{Replay: outer})
		s.another(middleware.DPoP{Replay: inner}).Require(s.guard.Require(http.NotFoundHandler())).ServeHTTP(httptest.NewRecorder(), get("DPoP bound", s.proof()))
		if len(outer.until) != 1 || len(inner.until) != 1 {
			t.Errorf("they were asked %d and %d times", len(outer.until), len(inner.until))
		}
	})
	t.Run("9449-11.1-2 of several requests with one proof at the same time one passes", func(t *testing.T) {
		t.Parallel()
		s := newShop(t, middleware.DPoP{})
		claims := s.known.known["bound"]
		g := newGuard(t, verifyFunc(func(context.Context, string) (*verifier.Claims, error) { return claims, nil }),
			middleware.Config{DPoP: &middleware.DPoP{PublicURL: publicURL}, Now: func() time.Time { return s.now }})
		proof := s.proof()
		var passed atomic.Int32
		var wait sync.WaitGroup
		for range 16 {
			wait.Go(func() {
				if _, denial := g.Check(get("DPoP bound", proof)); denial == nil {
					passed.Add(1)
				}
			})
		}
		if wait.Wait(); passed.Load() != 1 {
			t.Errorf("%d passed", passed.Load())
		}
	})
}

// TestReplayMemory fills the store of a guard. The clock stands still unless it is said otherwise.
func TestReplayMemory(t *testing.T) {
	t.Parallel()
	const full = "503 temporarily_unavailable"
	fill := func(s *shop, keys, each int) (passed int, refusal string) {
		for range keys {
			key := verifiertest.NewProofKey("EdDSA")
			token := "of " + key.Thumbprint()
			s.known.known[strings.ReplaceAll(token, " ", "-")] = claimsOf(s.t, `{"cnf": {"jkt": "`+key.Thumbprint()+`"}, "exp": 4102444800}`)
			token = strings.ReplaceAll(token, " ", "-")
			for range each {
				if code := s.check(s.guard, get("DPoP "+token, key.Proof("GET", ordersURL, token, "", map[string]any{"iat": s.now}))); code == "" {
					passed++
				} else {
					refusal = fmt.Sprint(code, ": ", s.err)
				}
			}
		}
		return passed, refusal
	}
	t.Run("9449-11.1-3 a key has a fourth of the room, and then gets 503", func(t *testing.T) {
		t.Parallel()
		s := newShop(t, middleware.DPoP{ReplaySize: 64})
		n, refusal := fill(s, 1, 200)
		if n < 16 || n > 16*7 || !strings.HasPrefix(refusal, full) || !strings.Contains(refusal, "of one client's key") {
			t.Errorf("%d passed, then %s", n, refusal)
		}
		if n, refusal := fill(s, 1, 3); n != 3 {
			t.Errorf("another client: %d passed, then %s", n, refusal)
		}
	})
	t.Run("9449-11.1-3 when it is full everybody gets 503, and nothing is forgotten", func(t *testing.T) {
		t.Parallel()
		s := newShop(t, middleware.DPoP{ReplaySize: 32})
		proof := s.proof()
		s.want(get("DPoP bound", proof), "", "")
		n, refusal := fill(s, 12, 60)
		if n < 31 || n > 16*10 || !strings.HasPrefix(refusal, full) {
			t.Errorf("%d passed, then %s", n, refusal)
		}
		if n, _ := fill(s, 1, 5); n > 0 {
			t.Errorf("%d passed after that", n)
		}
		s.want(get("DPoP bound", proof), badProof, "used before")
		s.now = s.now.Add(100 * time.Second)
		if n, refusal := fill(s, 1, 10); n != 10 {
			t.Errorf("later: %d passed, then %s", n, refusal)
		}
	})
	t.Run("9449-11.1-2 a proof is remembered as long as it is accepted, whenever it comes", func(t *testing.T) {
		t.Parallel()
		s := newShop(t, middleware.DPoP{})
		for step := range 90 { // each begins at another time of an epoch
			proof := s.proof(map[string]any{"iat": s.now.Add(5 * time.Second)})
			s.want(get("DPoP bound", proof), "", "")
			s.now = s.now.Add(65 * time.Second)
			s.want(get("DPoP bound", proof), badProof, "used before")
			s.now = s.now.Add(time.Duration(step) * time.Second)
		}
	})
	t.Run("9449-11.1-2 a clock that is set back forgets nothing, and doesn't remember for ever", func(t *testing.T) {
		t.Parallel()
		s := newShop(t, middleware.DPoP{ReplaySize: 32})
		proof := s.proof()
		s.want(get("DPoP bound", proof), "", "")
		s.now = s.now.Add(-time.Second)
		s.want(get("DPoP bound", proof), badProof, "used before")
		fill(s, 12, 60)
		s.now = s.now.Add(-time.Hour)
		if n, _ := fill(s, 12, 40); n > 0 {
			t.Errorf("%d passed, though it is full", n)
		}
		s.now = s.now.Add(2 * time.Minute)
		if n, refusal := fill(s, 1, 10); n != 10 {
			t.Errorf("two minutes later by the clock: %d passed, then %s", n, refusal)
		}
	})
}

// TestDPoPStamp sends a request through several guards.
func TestDPoPStamp(t *testing.T) {
	t.Parallel()
	type layer = func(http.Handler) http.Handler
	edit := func(f func(s *shop, r *http.Request)) func(*shop, *middleware.Guard) layer {
		return func(s *shop, _ *middleware.Guard) layer {
			return func(next http.Handler) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					r = r.Clone(r.Context())
					f(s, r)
					next.ServeHTTP(w, r)
				})
			}
		}
	}
	require := func(s *shop, _ *middleware.Guard) layer { return s.guard.Require }
	twin := func(_ *shop, g *middleware.Guard) layer { return g.Require }
	optional := func(s *shop, _ *middleware.Guard) layer { return s.guard.Optional }
	scope := func(name string) func(*shop, *middleware.Guard) layer {
		return func(s *shop, _ *middleware.Guard) layer { return s.guard.RequireScope(name) }
	}
	authorization := func(value string) func(*shop, *middleware.Guard) layer {
		return edit(func(_ *shop, r *http.Request) { r.Header.Set("Authorization", value) })
	}
	proofs := func(f func(*shop) []string) func(*shop, *middleware.Guard) layer {
		return edit(func(s *shop, r *http.Request) { r.Header["Dpop"] = f(s) })
	}
	stripped := edit(func(_ *shop, r *http.Request) { r.URL.Path = "/" })
	overwriting := func(*shop, *middleware.Guard) layer {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				next.ServeHTTP(w, r.WithContext(verifier.NewContext(r.Context(), claimsOf(t, `{"client_id": "fake"}`))))
			})
		}
	}
	for _, tt := range []struct {
		name         string
		layers       []func(*shop, *middleware.Guard) layer
		verified     int // how often the TokenVerifier is asked
		spent        int // and the store
		code, reason string
	}{
		{"once", []func(*shop, *middleware.Guard) layer{require}, 1, 1, "", ""},
		{"the same guard twice checks once", []func(*shop, *middleware.Guard) layer{require, require}, 1, 1, "", ""},
		{"three times too", []func(*shop, *middleware.Guard) layer{optional, require, scope("read")}, 1, 1, "", ""},
		{"two guards that share a store ask it once", []func(*shop, *middleware.Guard) layer{require, twin}, 2, 1, "", ""},
		{"in turn too", []func(*shop, *middleware.Guard) layer{require, twin, require, twin}, 4, 1, "", ""},
		{"with claims of a handler's between them too", []func(*shop, *middleware.Guard) layer{require, overwriting, twin}, 2, 1, "", ""},
		{"a stamp skips no requirement", []func(*shop, *middleware.Guard) layer{require, scope("write")}, 1, 1, "403 insufficient_scope", "has scope"},
		{"a stamp is for its proof alone", []func(*shop, *middleware.Guard) layer{require, proofs(func(s *shop) []string { return []string{s.proof()} }), require}, 2, 2, "", ""},
		{"without the proof it is none", []func(*shop, *middleware.Guard) layer{require, proofs(func(*shop) []string { return nil }), require}, 2, 1, badProof, "no DPoP field"},
		{"nor with a second one", []func(*shop, *middleware.Guard) layer{require, edit(func(s *shop, r *http.Request) { r.Header.Add("DPoP", s.proof()) }), require}, 2, 1, badProof, "more than one"},
		{"nor with a bad one", []func(*shop, *middleware.Guard) layer{require, proofs(func(s *shop) []string { return []string{s.proof(map[string]any{"htm": "PUT"})} }), require}, 2, 1, badProof, "htm"},
		{"nor as bearer token", []func(*shop, *middleware.Guard) layer{require, authorization("Bearer bound"), require}, 2, 1, badToken, "bound to its sender"},
		{"nor for another token", []func(*shop, *middleware.Guard) layer{require, authorization("DPoP narrow"), require}, 2, 1, badProof, "ath"},
		{"a path that a mux has shortened is the same request to the same guard", []func(*shop, *middleware.Guard) layer{require, stripped, require}, 1, 1, "", ""},
		{"and another guard needs the whole", []func(*shop, *middleware.Guard) layer{require, stripped, twin}, 2, 1, badProof, "htu"},
		{"the stamp of a bearer token is none for DPoP", []func(*shop, *middleware.Guard) layer{authorization("Bearer free"), require, authorization("DPoP free"), require}, 2, 0, badToken, "no cnf.jkt"},
	} {
		t.Run("9449-11.1-2 "+tt.name, func(t *testing.T) {
			t.Parallel()
			m := &store{}
			s := newShop(t, middleware.DPoP{Replay: m})
			decided := ""
			other := s.another(middleware.DPoP{Replay: m})
			ran := false
			h := http.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				ran = true
				if claims, ok := verifier.FromContext(r.Context()); !ok || claims.ClientID() != "shop" {
					t.Errorf("the claims are %v", claims)
				}
			}))
			for _, l := range slices.Backward(tt.layers) {
				h = l(s, other)(h)
			}
			rec := httptest.NewRecorder()
			h.ServeHTTP(rec, get("DPoP bound", s.proof()))
			if !ran {
				var body struct{ Error string }
				json.Unmarshal(rec.Body.Bytes(), &body)
				decided = fmt.Sprint(rec.Code, " ", body.Error)
			}
			if decided != tt.code || s.known.asked != tt.verified || len(m.until) != tt.spent {
				t.Errorf("%q, the TokenVerifier was asked %d times, the store %d times; want %q, %d, %d", decided, s.known.asked, len(m.until), tt.code, tt.verified, tt.spent)
			}
		})
	}
}

// TestBatch: requests that a handler dispatches in the context of its own are not the same one because of that.
func TestBatch(t *testing.T) {
	t.Parallel()
	s := newShop(t, middleware.DPoP{})
	outer, denial := s.guard.Check(get("DPoP bound", s.proof()))
	if denial != nil {
		t.Fatal(denial.Err)
	}
	proof := s.proof(map[string]any{"htu": publicURL + "/invoices"})
	for _, want := range []string{"", badProof} { // the second time it is a replay: the first one's mark is in another context
		inner := httptest.NewRequestWithContext(outer.Request.Context(), "GET", "/invoices", nil)
		inner.Header = http.Header{"Authorization": {"DPoP bound"}, "Dpop": {proof}}
		if got := s.check(s.guard, inner); got != want {
			t.Errorf("%q, want %q: %v", got, want, s.err)
		}
	}
}

func TestDPoPOptional(t *testing.T) {
	t.Parallel()
	s := newShop(t, middleware.DPoP{})
	for _, tt := range []struct {
		name, code string
		r          *http.Request
		client     string
	}{
		{"no credentials", "", request(), ""},
		{"a bound token with its proof", "", get("DPoP bound", s.proof()), "shop"},
		{"a bound token without a proof", badProof, get("DPoP bound"), ""},
		{"a bound token as bearer token", badToken, get("Bearer bound", s.proof()), ""},
	} {
		grant, denial := s.guard.CheckOptional(tt.r)
		code := ""
		if denial != nil {
			code = fmt.Sprint(denial.Status, " ", denial.Code)
		}
		if code != tt.code || (grant.Claims != nil) != (tt.client != "") || denial == nil && grant.Header.Get("Vary") != "Authorization" {
			t.Errorf("%s: %q, %+v", tt.name, code, grant)
		}
	}
	proofAlone := request()
	proofAlone.Header.Set("DPoP", s.proof())
	if grant, denial := s.guard.CheckOptional(proofAlone); denial != nil || grant.Claims != nil {
		t.Errorf("a proof is no credentials: %+v", grant)
	}
}

func TestIntrospectedBinding(t *testing.T) {
	t.Parallel()
	t.Run("9449-6.2-1 FAPI-5.3.4-5 9700-4.10.1-1 9700-2.2.1-1 the binding that introspection tells is checked", func(t *testing.T) {
		t.Parallel()
		s := newShop(t, middleware.DPoP{})
		s.known.known["opaque"] = claimsOf(t, `{"active": true, "client_id": "shop", "token_type": "DPoP", "cnf": {"jkt": "`+s.key.Thumbprint()+`"}, "exp": 4102444800}`)
		s.want(get("DPoP opaque", s.key.Proof("GET", ordersURL, "opaque", "", map[string]any{"iat": s.now})), "", "")
		s.want(get("DPoP opaque", verifiertest.NewProofKey().Proof("GET", ordersURL, "opaque", "", map[string]any{"iat": s.now})), badToken, "another key")
		s.want(get("Bearer opaque"), badToken, "bound to its sender")
	})
}

func TestBoundTokenOfNobody(t *testing.T) {
	t.Parallel()
	t.Run("7800-3-1 a bound token names its issuer, whatever its proof", func(t *testing.T) {
		t.Parallel()
		issuer, key := verifiertest.NewIssuer(t), verifiertest.NewProofKey()
		s := &shop{t: t, guard: newGuard(t, issuer.Verifier(), middleware.Config{DPoP: &middleware.DPoP{PublicURL: publicURL}})}
		for code, token := range map[string]string{"": issuer.Token("", key.Binding()), badToken: issuer.Token("", key.Binding(), map[string]any{"iss": nil, "sub": nil})} {
			s.want(get("DPoP "+token, key.Proof("GET", ordersURL, token, "")), code, "iss")
		}
	})
}

// cors is a layer as the README's: outside of the guard.
func cors(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "https://app.example.com")
		w.Header().Set("Access-Control-Expose-Headers", "WWW-Authenticate, DPoP-Nonce")
		next.ServeHTTP(w, r)
	})
}

func TestNonces(t *testing.T) {
	t.Parallel()
	secret := func(c string) []byte { return []byte(strings.Repeat(c, 32)) }
	// ask gets a nonce as a client does.
	ask := func(s *shop, g *middleware.Guard) string {
		s.t.Helper()
		_, denial := g.Check(get("DPoP bound", s.proof()))
		if denial == nil || denial.Code != "use_dpop_nonce" || len(denial.Header["Dpop-Nonce"]) != 1 {
			s.t.Fatalf("%+v", denial)
		}
		return denial.Header["Dpop-Nonce"][0]
	}
	with := func(s *shop, nonce any) *http.Request {
		return get("DPoP bound", s.proof(map[string]any{"nonce": nonce}))
	}
	t.Run("Q-11 9449-9-1 9449-8.1-1 9449-8.2-2 9449-8-4 9449-7.1-10 a nonce is demanded", func(t *testing.T) {
		t.Parallel()
		s := newShop(t, middleware.DPoP{RequireNonce: true, Algorithms: []string{"ES256"}})
		rec := httptest.NewRecorder()
		cors(s.guard.Require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the handler ran") }))).ServeHTTP(rec, get("DPoP bound", s.proof()))
		h := rec.Result().Header
		if rec.Code != 401 || h["Www-Authenticate"][0] != `DPoP error="use_dpop_nonce", error_description="this resource asks for the nonce of its DPoP-Nonce field in the DPoP proof", algs="ES256"` || h.Get("Cache-Control") != "no-store" {
			t.Errorf("%d %q", rec.Code, h)
		}
		for _, c := range h["Dpop-Nonce"][0] {
			if c <= ' ' || c > '~' || c == '"' || c == '\\' {
				t.Errorf("the nonce has %q", c)
			}
		}
		if exposed := h.Get("Access-Control-Expose-Headers"); !strings.Contains(exposed, "DPoP-Nonce") || !strings.Contains(exposed, "WWW-Authenticate") {
			t.Errorf("a script can't read %q", exposed)
		}
	})
	t.Run("9449-4.3-10 9449-4.2-4 9449-11.1-6 a nonce of ours is good for several proofs", func(t *testing.T) {
		t.Parallel()
		s := newShop(t, middleware.DPoP{RequireNonce: true})
		nonce := ask(s, s.guard)
		for range 3 {
			s.want(with(s, nonce), "", "")
		}
		proof := s.proof(map[string]any{"nonce": nonce})
		s.want(get("DPoP bound", proof), "", "")
		s.want(get("DPoP bound", proof), badProof, "used before")
	})
	t.Run("9449-8-3 9449-4.3-10 9449-11.3-1 9449-9-2 what is no nonce of ours", func(t *testing.T) {
		t.Parallel()
		s := newShop(t, middleware.DPoP{RequireNonce: true, NonceSecrets: [][]byte{secret("a")}})
		other := s.another(middleware.DPoP{RequireNonce: true, NonceSecrets: [][]byte{secret("b")}})
		nonce := ask(s, s.guard)
		flipped := []byte(nonce)
		flipped[20] ^= 1
		for name, bad := range map[string]any{
			"none": nil, "an empty one": "", "a number": 1, "a text": "nonce", "of another server": ask(s, other), "with a changed character": string(flipped),
			"cut off": nonce[:47], "with more": nonce + "A", "with a line break": nonce[:10] + "\n" + nonce[10:], "with a space": nonce + " ", "in another case": strings.ToUpper(nonce),
		} {
			if got := s.check(s.guard, with(s, bad)); got != newNonce {
				t.Errorf("%s: %q, %v", name, got, s.err)
			}
		}
		s.want(with(s, nonce), "", "")
	})
	t.Run("9449-8-1 9449-11.2-1 no two nonces are the same", func(t *testing.T) {
		t.Parallel()
		s := newShop(t, middleware.DPoP{RequireNonce: true, NonceSecrets: [][]byte{secret("a")}})
		if first, second := ask(s, s.guard), ask(s, s.guard); first == second {
			t.Error("twice the same")
		}
	})
	t.Run("9449-8-3 9449-4.3-11 9449-11.1-5 a nonce is good for three minutes, whatever the client's clock says", func(t *testing.T) {
		t.Parallel()
		s := newShop(t, middleware.DPoP{RequireNonce: true})
		begin := s.now
		for hour := range 2 { // at other ends of a key's hour too
			s.now = begin.Add(time.Duration(hour)*time.Hour + 59*time.Minute)
			made, nonce := s.now, ask(s, s.guard)
			for _, iat := range []time.Duration{-time.Hour, time.Hour} {
				s.want(get("DPoP bound", s.proof(map[string]any{"nonce": nonce, "iat": s.now.Add(iat)})), "", "")
			}
			s.now = made.Add(3 * time.Minute)
			s.want(with(s, nonce), "", "")
			s.now = made.Add(3*time.Minute + time.Second)
			s.want(with(s, nonce), newNonce, "too old")
			s.now = made.Add(24 * time.Hour)
			s.want(with(s, nonce), newNonce, "did not make")
		}
	})
	t.Run("9449-8.2-1 9449-8.2-2 9449-8-2 a nonce that ages is replaced, once", func(t *testing.T) {
		t.Parallel()
		m := &store{}
		dpop := middleware.DPoP{RequireNonce: true, Replay: m}
		s := newShop(t, dpop)
		twin := s.another(dpop) // the same random secret: that of the process
		nonce := ask(s, s.guard)
		serve := func() http.Header {
			rec := httptest.NewRecorder()
			twin.Optional(s.guard.Require(twin.Require(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) })))).ServeHTTP(rec, with(s, nonce))
			if rec.Code != 204 {
				t.Errorf("status %d", rec.Code)
			}
			return rec.Result().Header
		}
		s.now = s.now.Add(90 * time.Second)
		if h := serve(); h["Dpop-Nonce"] != nil || h["Cache-Control"] != nil {
			t.Errorf("a young nonce is replaced: %q", h)
		}
		s.now = s.now.Add(time.Second)
		h := serve()
		if len(h["Dpop-Nonce"]) != 1 || h["Dpop-Nonce"][0] == nonce || !slices.Equal(h["Cache-Control"], []string{"no-store"}) || !slices.Equal(h["Vary"], []string{"Authorization"}) {
			t.Fatalf("%q", h)
		}
		s.now = s.now.Add(2 * time.Minute)
		s.want(with(s, nonce), newNonce, "too old")
		s.want(with(s, h["Dpop-Nonce"][0]), "", "")
	})
	t.Run("9449-8-3 a fleet's instances take each other's, also while the secret is replaced", func(t *testing.T) {
		t.Parallel()
		s := newShop(t, middleware.DPoP{RequireNonce: true, NonceSecrets: [][]byte{secret("a")}})
		replacing := s.another(middleware.DPoP{RequireNonce: true, NonceSecrets: [][]byte{secret("b"), secret("a")}})
		replaced := s.another(middleware.DPoP{RequireNonce: true, NonceSecrets: [][]byte{secret("b")}})
		for _, tt := range []struct {
			from, to *middleware.Guard
			want     string
		}{{s.guard, replacing, ""}, {replacing, replaced, ""}, {replacing, s.guard, newNonce}, {s.guard, replaced, newNonce}} {
			if got := s.check(tt.to, with(s, ask(s, tt.from))); got != tt.want {
				t.Errorf("%q, want %q: %v", got, tt.want, s.err)
			}
		}
	})
	t.Run("9449-8-3 a nonce of an instance whose clock is ahead", func(t *testing.T) {
		t.Parallel()
		s := newShop(t, middleware.DPoP{RequireNonce: true})
		hour := s.now.Truncate(time.Hour).Add(time.Hour)
		for _, made := range []time.Time{hour, hour.Add(30 * time.Minute)} { // its key is the next hour's, or the same
			s.now = made
			nonce := ask(s, s.guard)
			s.now = made.Add(-5 * time.Second)
			s.want(with(s, nonce), "", "")
			s.now = made.Add(-6 * time.Second)
			s.want(with(s, nonce), newNonce, "nonce")
		}
	})
	t.Run("9449-11.1-2 a proof with a nonce is remembered as long as the nonce is good", func(t *testing.T) {
		t.Parallel()
		m := &store{}
		s := newShop(t, middleware.DPoP{RequireNonce: true, Replay: m})
		nonce := ask(s, s.guard)
		s.now = s.now.Add(100 * time.Second)
		s.want(with(s, nonce), "", "")
		if want := []time.Duration{185 * time.Second}; !slices.Equal(m.until, want) {
			t.Errorf("until %v, want %v", m.until, want)
		}
		own := newShop(t, middleware.DPoP{RequireNonce: true})
		for step := range 40 {
			nonce := ask(own, own.guard)
			proof := own.proof(map[string]any{"nonce": nonce})
			own.want(get("DPoP bound", proof), "", "")
			own.now = own.now.Add(3 * time.Minute)
			own.want(get("DPoP bound", proof), badProof, "used before")
			own.now = own.now.Add(time.Duration(step) * time.Second)
		}
	})
	t.Run("a nonce is demanded of a good token alone", func(t *testing.T) {
		t.Parallel()
		s := newShop(t, middleware.DPoP{RequireNonce: true})
		for authorization, want := range map[string]string{"DPoP bad": badToken, "DPoP free": badToken, "Bearer bound": badToken, "Bearer free": ""} {
			if got := s.check(s.guard, get(authorization, s.proof())); got != want {
				t.Errorf("%s: %q, want %q", authorization, got, want)
			}
		}
	})
}

func TestDPoPConfig(t *testing.T) {
	t.Parallel()
	good := knowing(t)
	anywhere := []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}
	for _, tt := range []struct {
		name string
		dpop middleware.DPoP
		want []string
	}{
		{"neither a public URL nor proxies", middleware.DPoP{}, []string{"DPoP.PublicURL or DPoP.TrustedProxies must tell where clients reach this server"}},
		{"both", middleware.DPoP{PublicURL: publicURL, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}, []string{"set one"}},
		{"everybody as a proxy", middleware.DPoP{TrustedProxies: anywhere}, []string{"TrustedProxies 0.0.0.0/0"}},
		{"nobody as a proxy", middleware.DPoP{TrustedProxies: []netip.Prefix{{}}}, []string{"TrustedProxies invalid Prefix"}},
		{"a network of IPv4 addresses in IPv6, which no peer is of", middleware.DPoP{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("::ffff:10.0.0.0/104")}}, []string{"TrustedProxies ::ffff:10.0.0.0/104"}},
		{"a public URL without a scheme", middleware.DPoP{PublicURL: "api.example.com"}, []string{`PublicURL "api.example.com" must be like https://api.example.com: it is not the https`}},
		{"a public URL with a port and no host", middleware.DPoP{PublicURL: "https://:8443/v1"}, []string{"is not the https"}},
		{"a public URL without a host", middleware.DPoP{PublicURL: "https:///v1"}, []string{"is not the https"}},
		{"a public URL with a user", middleware.DPoP{PublicURL: "https://user@api.example.com"}, []string{"is not the https"}},
		{"a public URL with a query", middleware.DPoP{PublicURL: publicURL + "?a"}, []string{"has a query"}},
		{"a public URL with an empty query", middleware.DPoP{PublicURL: publicURL + "?"}, []string{"has a query"}},
		{"a public URL with a fragment", middleware.DPoP{PublicURL: publicURL + "#"}, []string{"has a query or a fragment"}},
		{"a public URL that is none", middleware.DPoP{PublicURL: "https://api example.com"}, []string{"must be like"}},
		{"9449-4.3-05 an HMAC", middleware.DPoP{PublicURL: publicURL, Algorithms: []string{"ES256", "HS256"}}, []string{`Algorithms: "HS256"`}},
		{"9449-11.6-1 none", middleware.DPoP{PublicURL: publicURL, Algorithms: []string{"none"}}, []string{`Algorithms: "none"`}},
		{"9449-11.1-1 an age below zero", middleware.DPoP{PublicURL: publicURL, MaxAge: -1}, []string{"MaxAge"}},
		{"9449-11.1-1 an age of an hour", middleware.DPoP{PublicURL: publicURL, MaxAge: time.Hour}, []string{"MaxAge 1h0m0s must be positive and at most 10m0s"}},
		{"9449-11.1-4 far ahead", middleware.DPoP{PublicURL: publicURL, MaxAhead: 2 * time.Minute}, []string{"MaxAhead"}},
		{"a size below zero", middleware.DPoP{PublicURL: publicURL, ReplaySize: -1}, []string{"ReplaySize -1"}},
		{"a size for another store", middleware.DPoP{PublicURL: publicURL, ReplaySize: 1, Replay: &store{}}, []string{"ReplaySize is for"}},
		{"a store that can't be compared", middleware.DPoP{PublicURL: publicURL, Replay: incomparable{}}, []string{"can't be told from another one"}},
		{"a store that is a nil pointer", middleware.DPoP{PublicURL: publicURL, Replay: (*store)(nil)}, []string{"Replay is a nil *middleware_test.store"}},
		{"a store and replay", middleware.DPoP{PublicURL: publicURL, Replay: &store{}, DangerouslyAllowReplay: true}, []string{"DangerouslyAllowReplay"}},
		{"secrets without nonces", middleware.DPoP{PublicURL: publicURL, NonceSecrets: [][]byte{make([]byte, 32)}}, []string{"set RequireNonce too"}},
		{"a short secret", middleware.DPoP{PublicURL: publicURL, RequireNonce: true, NonceSecrets: [][]byte{make([]byte, 32), make([]byte, 31)}}, []string{"NonceSecrets[1] has 31 bytes"}},
		{"everything at once", middleware.DPoP{MaxAge: -1, MaxAhead: time.Hour, ReplaySize: -1}, []string{"PublicURL", "MaxAge", "MaxAhead", "ReplaySize"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g, err := middleware.New(good, middleware.Config{DPoP: &tt.dpop})
			if g != nil || err == nil || len(strings.Split(err.Error(), "\n")) != len(tt.want) {
				t.Fatalf("New = %v, %v, want %d mistakes", g, err, len(tt.want))
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error is %q, want %q in it", err, want)
				}
			}
		})
	}
	t.Run("none ahead", func(t *testing.T) {
		t.Parallel()
		s := newShop(t, middleware.DPoP{MaxAhead: -1})
		s.want(get("DPoP bound", s.proof()), "", "")
		s.want(get("DPoP bound", s.proof(map[string]any{"iat": s.now.Add(time.Second)})), badProof, "iat is")
	})
	t.Run("the configuration is copied", func(t *testing.T) {
		t.Parallel()
		dpop := middleware.DPoP{Algorithms: []string{"ES256"}, RequireNonce: true, NonceSecrets: [][]byte{[]byte(strings.Repeat("a", 32))}}
		s := newShop(t, dpop)
		_, denial := s.guard.Check(get("DPoP bound", s.proof()))
		dpop.Algorithms[0], dpop.NonceSecrets[0][0] = "RS256", 'b'
		s.want(get("DPoP bound", s.proof(map[string]any{"nonce": denial.Header.Get("DPoP-Nonce")})), "", "")
	})
}

// TestNonceSecretsAreNotPrinted: 9700-4.9.3-2 asks the same for tokens.
func TestNonceSecretsAreNotPrinted(t *testing.T) {
	t.Parallel()
	dpop := middleware.DPoP{PublicURL: publicURL, RequireNonce: true, NonceSecrets: [][]byte{[]byte(strings.Repeat("secret", 6)), []byte(strings.Repeat("secret", 6))}}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("start", "dpop", &dpop, "again", dpop)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("start", "dpop", &dpop, "again", dpop)
	texts := []string{log.String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
		texts = append(texts, fmt.Sprintf(verb, dpop), fmt.Sprintf(verb, &dpop))
	}
	for _, text := range texts {
		for _, secret := range []string{"secret", "115 101 99", "736563", "0x73, 0x65", "c2VjcmV0"} {
			if strings.Contains(text, secret) {
				t.Errorf("printed: %s", text)
			}
		}
	}
	if !strings.Contains(texts[3], publicURL) || len(dpop.NonceSecrets[0]) != 36 {
		t.Errorf("the rest is not printed: %s", texts[3])
	}
}

type incomparable struct{ _ []int }

func (incomparable) Once(context.Context, string, time.Time) (bool, error) { return true, nil }

// TestProofIsNoSecret: nothing of a request's query, its token or its proof reaches an error or an answer.
func TestProofLeaks(t *testing.T) {
	t.Parallel()
	s := newShop(t, middleware.DPoP{})
	for _, proof := range []string{
		s.proof(map[string]any{"htu": "https://elsewhere.example.com/orders?access_token=a-secret"}), s.proof(map[string]any{"htu": "http://%zz?access_token=a-secret"}),
		s.proof(map[string]any{"jti": "a-secret", "htm": "PUT"}), s.proof(map[string]any{"nonce": "a-secret", "ath": "x"}), "a-secret", s.proof() + ".a-secret",
	} {
		_, denial := s.guard.Check(get("DPoP bound", proof))
		rec := httptest.NewRecorder()
		denial.ServeHTTP(rec, request())
		if seen := fmt.Sprintf("%v %q %s", denial.Err, rec.Header(), rec.Body); strings.Contains(seen, "a-secret") || strings.Contains(seen, strings.Split(proof, ".")[0]) {
			t.Errorf("%s", seen)
		}
	}
}
