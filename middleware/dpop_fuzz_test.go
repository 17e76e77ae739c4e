package middleware_test

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard/middleware"
	"github.com/bearerguard/bearerguard/verifier"
)

// The key of fuzzed proofs is always the same, so that what was found can be repeated.
var (
	fuzzKey = ed25519.NewKeyFromSeed([]byte(strings.Repeat("s", ed25519.SeedSize)))
	fuzzJWK = `{"crv":"Ed25519","kty":"OKP","x":"` + base64.RawURLEncoding.EncodeToString(fuzzKey.Public().(ed25519.PublicKey)) + `"}`
)

func hashText(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func signText(key ed25519.PrivateKey, header, payload string) string {
	signed := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
	return signed + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(key, []byte(signed)))
}

const fuzzNow = 1_800_000_000

// fuzzGuard knows the token "t", which is bound to fuzzKey.
func fuzzGuard(tb testing.TB, dpop middleware.DPoP) *middleware.Guard {
	claims := claimsOf(tb, `{"cnf": {"jkt": "`+hashText(fuzzJWK)+`"}, "exp": 4102444800}`)
	return newGuard(tb, verifyFunc(func(context.Context, string) (*verifier.Claims, error) { return claims, nil }),
		middleware.Config{DPoP: &dpop, Now: func() time.Time { return time.Unix(fuzzNow, 0) }})
}

// FuzzProof sends proofs as text. One that is accepted is good by a plain reading with encoding/json, whoever signed it, and is
// accepted once.
func FuzzProof(f *testing.F) {
	header := `{"typ":"dpop+jwt","alg":"EdDSA","jwk":` + fuzzJWK + `}`
	payload := `{"jti":"1","htm":"GET","htu":"https://api.example.com/orders","iat":1800000000,"ath":"` + hashText("t") + `"}`
	edit := func(text string, pairs ...string) string { return strings.NewReplacer(pairs...).Replace(text) }
	for _, h := range []string{
		header, edit(header, "EdDSA", "Ed25519"), edit(header, "EdDSA", "none"), edit(header, "EdDSA", "ES256"), edit(header, "EdDSA", "HS256"), edit(header, "dpop+jwt", "JWT"), edit(header, `"typ"`, `"TYP"`),
		edit(header, `{"crv"`, `{"d":"AA","crv"`), edit(header, `{"crv"`, `{"crv":"Ed25519","crv"`), edit(header, `"alg"`, `"crit":["b64"],"b64":true,"alg"`), edit(header, "OKP", "EC"), edit(header, "Ed25519", "X25519"),
		edit(header, fuzzJWK, "null"), edit(header, fuzzJWK, `{"kty":"oct","k":"AA"}`), edit(header, `"typ"`, `"t\u0079p"`), "{}", "null", "[]", "",
	} {
		f.Add(h, payload, true)
	}
	for _, p := range []string{
		payload, edit(payload, "GET", "get"), edit(payload, `"jti":"1"`, `"jti":""`), edit(payload, "https", "http"), edit(payload, "api.", "API."), edit(payload, "com/", "com:443/"), edit(payload, "/orders", "/%6Frders?a#b"),
		edit(payload, "/orders", "/a/../orders"), edit(payload, "/orders", "/orders/"), edit(payload, "1800000000", "1799999940"), edit(payload, "1800000000", "1800000006"), edit(payload, "1800000000", "1.8e9"), edit(payload, "1800000000", `"1800000000"`),
		edit(payload, "1800000000", "1e400"), edit(payload, `"ath"`, `"ATH"`), edit(payload, "{", `{"htm":"PUT",`), edit(payload, "https://", "https://user@"), edit(payload, "/orders", `/orders\n`), payload + "{}", "{}", "1", "",
	} {
		f.Add(header, p, true)
	}
	f.Add(header, payload, false)
	stranger := ed25519.NewKeyFromSeed([]byte(strings.Repeat("x", ed25519.SeedSize)))
	f.Fuzz(func(t *testing.T, header, payload string, ours bool) {
		key := stranger
		if ours {
			key = fuzzKey
		}
		g := fuzzGuard(t, middleware.DPoP{PublicURL: publicURL, ReplaySize: 16})
		proof := signText(key, header, payload)
		_, denial := g.Check(get("DPoP t", proof))
		if denial != nil {
			if denial.Status != 401 || denial.Code != "invalid_dpop_proof" && denial.Code != "invalid_token" {
				t.Errorf("%+v", denial)
			}
			return
		}
		var h struct {
			Typ, Alg  string
			Crit, B64 any
			JWK       map[string]any
		}
		var p struct {
			Jti, Htm, Htu, Ath string
			Iat                float64
		}
		if err := json.Unmarshal([]byte(header), &h); err != nil {
			t.Errorf("header %q: %v", header, err)
		}
		if err := json.Unmarshal([]byte(payload), &p); err != nil {
			t.Errorf("payload %q: %v", payload, err)
		}
		if !ours || h.Typ != "dpop+jwt" || h.Alg != "EdDSA" && h.Alg != "Ed25519" || h.Crit != nil || h.B64 != nil || h.JWK["d"] != nil || h.JWK["k"] != nil {
			t.Errorf("ours %t, header %q", ours, header)
		}
		if p.Jti == "" || p.Htm != "GET" || p.Ath != hashText("t") || p.Iat < fuzzNow-60 || p.Iat > fuzzNow+5 {
			t.Errorf("payload %q", payload)
		}
		u, err := url.Parse(p.Htu)
		if err != nil || u.Scheme != "https" || u.User != nil || !strings.EqualFold(u.Hostname(), "api.example.com") || u.Port() != "" && u.Port() != "443" || path.Clean(u.Path) != "/orders" || strings.HasSuffix(u.Path, "/") {
			t.Errorf("htu %q", p.Htu)
		}
		if _, again := g.Check(get("DPoP t", proof)); again == nil {
			t.Errorf("twice: %q, %q", header, payload)
		}
	})
}

// FuzzForwarded has a client that writes what it likes into the fields to which a proxy then adds: never does another host count
// than the proxy's, for a proof that was made for that host.
func FuzzForwarded(f *testing.F) {
	for _, s := range []string{"", "evil.example.com", "evil.example.com,", `host=evil.example.com;proto=https`, `"`, `host=evil.example.com;proto=https;by="`, `a="\`, ",,", ";", "\t", `host="evil.example.com", "`, "evil.example.com/", "@", "#", "?"} {
		for how := range byte(4) {
			f.Add(s, how)
		}
	}
	proof := signText(fuzzKey, `{"typ":"dpop+jwt","alg":"EdDSA","jwk":`+fuzzJWK+`}`, `{"jti":"1","htm":"GET","htu":"https://evil.example.com/orders","iat":1800000000,"ath":"`+hashText("t")+`"}`)
	g := fuzzGuard(f, middleware.DPoP{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}, DangerouslyAllowReplay: true})
	f.Fuzz(func(t *testing.T, client string, how byte) {
		r := httptest.NewRequest("GET", "/orders", nil)
		r.Host = "evil.example.com"
		r.Header.Set("Authorization", "DPoP t")
		r.Header.Set("DPoP", proof)
		add := func(name, value string) {
			if how&1 == 0 {
				value = client + ", " + value // to the client's line
			} else {
				r.Header.Add(name, client) // in a line of its own
			}
			r.Header.Add(name, value)
		}
		if how&2 == 0 {
			add("X-Forwarded-Host", "api.example.com")
			add("X-Forwarded-Proto", "https")
			r.Header.Set("Forwarded", client)
			if client == "" {
				r.Header.Del("Forwarded")
			}
		} else {
			add("Forwarded", `for="[2001:db8::1]";host=api.example.com;proto=https`)
			r.Header.Set("X-Forwarded-Host", client)
			r.Header.Set("X-Forwarded-Proto", "https")
		}
		if _, denial := g.Check(r); denial == nil {
			t.Errorf("%q, way %d: the host is the client's", client, how)
		}
	})
}
