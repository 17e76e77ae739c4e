package verifier_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard/verifier"
)

// refusal is a token that must not pass, and the only reason that may be given.
type refusal struct {
	name   string
	want   error
	token  string
	config func(*verifier.Config) // nil: the default
}

// refusals of all checks, in the order of the checks.
func refusals() []refusal {
	return slices.Concat(formRefusals(), headerRefusals(), payloadRefusals(), envelopeRefusals(), keyRefusals(), signatureRefusals(), claimRefusals())
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	shared := newVerifier(t)
	seen, names := map[error]int{}, map[string]bool{}
	for _, tt := range refusals() {
		seen[tt.want]++
		if names[tt.name] {
			t.Errorf("two cases are named %q", tt.name)
		}
		names[tt.name] = true
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v := shared
			if tt.config != nil {
				v = newVerifier(t, tt.config)
			}
			refused(t, v, tt.token, tt.want)
			refused(t, v, tt.token, tt.want) // nothing of it was remembered
			for _, c := range v.Explain(t.Context(), tt.token) {
				noSecrets(t, c.Found+c.Wanted+fmt.Sprint(c.Err), tt.token)
			}
		})
	}
	for _, reason := range reasons {
		if seen[reason] == 0 && reason != verifier.ErrBinding && reason != verifier.ErrRevoked { // neither is of a Verifier
			t.Errorf("no case is refused as %q", reason)
		}
	}
}

func formRefusals() []refusal {
	token := mint(nil, nil)
	part := strings.Split(token, ".")
	h, p, s := part[0], part[1], part[2]
	out := []refusal{
		{"an empty token", verifier.ErrMalformed, "", nil},
		{"an opaque token", verifier.ErrMalformed, "2YotnFZFEjr1zCsicMWpAA", nil},
		{"two dots alone", verifier.ErrMalformed, "..", nil},
		{"dots alone", verifier.ErrMalformed, strings.Repeat(".", 10000), nil},
		{"two parts", verifier.ErrMalformed, h + "." + p, nil},
		{"four parts", verifier.ErrMalformed, token + "." + s, nil},
		{"8725bis-3.3-1 five parts are a JWE, never a JWS", verifier.ErrMalformed, token + "." + s + "." + s, nil},
		{"an empty header", verifier.ErrMalformed, "." + p + "." + s, nil},
		{"an empty payload: detached content", verifier.ErrMalformed, h + ".." + s, nil},
		{"9068-2.1-1 an empty signature", verifier.ErrMalformed, h + "." + p + ".", nil},
		{"a leading dot", verifier.ErrMalformed, "." + token, nil},
		{"a trailing dot", verifier.ErrMalformed, token + ".", nil},
		{"the scheme is not part of a token", verifier.ErrMalformed, "Bearer " + token, nil},
		{"two tokens", verifier.ErrMalformed, token + "," + token, nil},
		{"7515-7.1-1 the flattened JSON serialization", verifier.ErrMalformed, text(obj{"protected": h, "payload": p, "signature": s}), nil},
		{"7515-7.1-1 the general JSON serialization", verifier.ErrMalformed, text(obj{"payload": p, "signatures": []obj{{"protected": h, "signature": s}}}), nil},
		{"7515-7.1-1 a compact token wrapped in JSON", verifier.ErrMalformed, text(token), nil},
		{"a JSON serialization that hides dots", verifier.ErrMalformed, text(obj{"protected": h, "payload": p, "signature": s, "x": token}), nil},
		{"a token of 16 KiB and a byte", verifier.ErrMalformed, mint(nil, obj{"x": strings.Repeat("x", 12<<10)}), nil},
		{"a header of 8 KiB and more", verifier.ErrMalformed, mint(obj{"x": strings.Repeat("x", 6200)}, nil), nil},
	}
	for i, name := range []string{"header", "payload", "signature"} {
		spell := func(middle, end string) string {
			q := slices.Clone(part)
			q[i] = q[i][:8] + middle + q[i][8:] + end
			return strings.Join(q, ".")
		}
		for _, foreign := range []string{"\n", "\r", "\r\n", " ", "\t", "\x00", "+", "/", "=", "?", "%41", "~", "\u00e9", "\xff", "\u2028"} {
			out = append(out, refusal{fmt.Sprintf("8725bis-3.14-1 %+q inside the %s", foreign, name), verifier.ErrMalformed, spell(foreign, ""), nil})
		}
		for _, end := range []string{"=", "==", "\n", "\r\n", " ", "%3D"} {
			out = append(out, refusal{fmt.Sprintf("7515-3-1 %q after the %s", end, name), verifier.ErrMalformed, spell("", end), nil})
		}
	}
	return out
}

func headerRefusals() []refusal {
	good := goodHeader()
	pss := func(cfg *verifier.Config) { cfg.Algorithms = []string{"ES256", "EdDSA"} }
	out := []refusal{
		{"7515-5.2-1 a header that is an array", verifier.ErrMalformed, withHeader(`[` + text(good) + `]`), nil},
		{"7515-5.2-1 a header that is a string", verifier.ErrMalformed, withHeader(`"RS256"`), nil},
		{"7515-5.2-1 a header that is null", verifier.ErrMalformed, withHeader(`null`), nil},
		{"7515-5.2-1 a header that is no JSON", verifier.ErrMalformed, withHeader(`alg=RS256`), nil},
		{"7515-5.2-1 a header in UTF-16", verifier.ErrMalformed, withHeader("\xff\xfe{\x00}\x00"), nil},
		{"7515-10.12-1 a header with something behind it", verifier.ErrMalformed, withHeader(text(good) + "x"), nil},
		{"7515-10.12-1 two headers in one", verifier.ErrMalformed, withHeader(text(good) + text(good)), nil},
		{"7515-10.12-1 a header with a trailing comma", verifier.ErrMalformed, withHeader(`{"alg":"RS256","typ":"at+jwt","kid":"rsa",}`), nil},
		{"a header behind a byte order mark", verifier.ErrMalformed, withHeader("\xef\xbb\xbf" + text(good)), nil},
		{"8725-3.7-1 bad UTF-8 in a header's value", verifier.ErrMalformed, withHeader(splice(`"x":"`+"\xc3\x28"+`"`, good)), nil},
		{"8725-3.7-1 bad UTF-8 in a header's name", verifier.ErrMalformed, withHeader(splice(`"`+"\xff"+`":1`, good)), nil},
		{"8725-3.7-1 half a surrogate pair in a header", verifier.ErrMalformed, withHeader(splice(`"x":"\ud800"`, good)), nil},
		{"7515-4-1 alg twice", verifier.ErrMalformed, withHeader(splice(`"alg":"RS256"`, good)), nil},
		{"7515-4-1 alg twice, the other one none", verifier.ErrMalformed, withHeader(splice(`"alg":"none"`, good)), nil},
		{"7515-4-1 alg twice, once escaped", verifier.ErrMalformed, withHeader(splice(`"\u0061lg":"RS256"`, good)), nil},
		{"7515-4-1 a member twice that is not ours", verifier.ErrMalformed, withHeader(splice(`"x":1,"x":1`, good)), nil},
		{"7515-4-1 a member twice deeper down", verifier.ErrMalformed, withHeader(splice(`"jwk":{"kty":"RSA","kty":"oct"}`, good)), nil},
		{"7515-4-1 a member twice in an object in an array", verifier.ErrMalformed, withHeader(splice(`"x":[{"y":1,"y":2}]`, good)), nil},
		{"a header nested too deep", verifier.ErrMalformed, withHeader(splice(`"x":[[[[]]]]`, good)), nil},
		{"a header with too many members", verifier.ErrMalformed, withHeader(splice(members("x", 30), good)), nil},
		{"a header with too many members, nested", verifier.ErrMalformed, withHeader(splice(`"x":{`+members("x", 30)+`}`, good)), nil},
		{"7515-4.1.1-1 no alg", verifier.ErrAlgorithm, mint(obj{"alg": gone}, nil), nil},
		{"7515-4.1.1-1 no alg but ALG: names are exact", verifier.ErrAlgorithm, mint(obj{"alg": gone, "ALG": "RS256"}, nil), nil},
		{"7515-4.1.1-1 an empty alg", verifier.ErrAlgorithm, mint(obj{"alg": ""}, nil), nil},
		{"8725-3.1-1 an alg that the verifier doesn't list", verifier.ErrAlgorithm, mint(nil, nil), pss},
		{"8725bis-3.1-2 permitted algorithms are each verifier's own: Ed25519 where EdDSA alone is listed", verifier.ErrAlgorithm, mint(obj{"alg": "Ed25519"}, nil), pss},
		{"9068-4-2 typ JWT is refused by RFC 9068's profile", verifier.ErrType, mint(obj{"typ": "JWT"}, nil), nil},
		{"9068-4-2 an absent typ is refused by RFC 9068's profile", verifier.ErrType, mint(obj{"typ": gone}, nil), nil},
		{"an empty typ is no absent one", verifier.ErrType, mint(obj{"typ": ""}, nil), func(cfg *verifier.Config) { cfg.Profile = verifier.Generic() }},
		{"6749-1 a name differs in case: Typ is not typ", verifier.ErrType, mint(obj{"typ": gone, "Typ": "at+jwt"}, nil), nil},
	}
	for _, alg := range []string{"none", "None", "nOne", "noNe", "nonE", "NOne", "NoNe", "NonE", "nONe", "nOnE", "noNE", "NONe", "NOnE", "NoNE", "nONE", "NONE"} {
		out = append(out, refusal{"9068-4-8 alg " + alg, verifier.ErrAlgorithm, mint(obj{"alg": alg}, nil), nil})
	}
	for _, alg := range []string{"rs256", "RS256 ", "RS-256", "RS1", "ES256K", "Ed448", "ESP256", "HS256", "HS384", "HS512", "RSA-OAEP", "dir", "A128KW", "ML-DSA-44", "\u017f256"} {
		out = append(out, refusal{"7515-4.1.1-1 alg " + alg, verifier.ErrAlgorithm, mint(obj{"alg": alg}, nil), nil})
	}
	for name, secret := range map[string][]byte{
		"its modulus": keys()["rsa"].Public().(*rsa.PublicKey).N.Bytes(), "its JWK": []byte(text(jwk(keys()["rsa"], obj{"kid": "rsa"}))), "its key set": published(),
		"its PEM": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(keys()["rsa"].Public()))}), "an empty secret": {},
	} {
		input := b64(text(merge(good, obj{"alg": "HS256"}))) + "." + b64(text(goodPayload()))
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(input))
		out = append(out, refusal{"8725-3.1-3 HS256 with the public key as its secret: " + name, verifier.ErrAlgorithm, input + "." + b64(mac.Sum(nil)), nil})
	}
	for _, typ := range []string{"at+jwt;v=1", " at+jwt", "at+jwt ", "at-jwt", "at", "jwt", "text/at+jwt", "application/application/at+jwt", "application/", "application",
		"application/okta-internal-at+jwt", "x-at+jwt", "id+jwt", "logout+jwt", "dpop+jwt", "token-introspection+jwt", "at+\u017fwt", "at\u200b+jwt"} {
		out = append(out, refusal{fmt.Sprintf("9068-4-2 typ %+q", typ), verifier.ErrType, mint(obj{"typ": typ}, nil), nil})
	}
	for _, name := range []string{"alg", "typ", "kid"} {
		for _, value := range []string{`null`, `1`, `true`, `["RS256"]`, `{}`} {
			out = append(out, refusal{name + " is " + value, verifier.ErrMalformed, mint(obj{name: json.RawMessage(value)}, nil), nil})
		}
	}
	for _, crit := range []string{`["exp"]`, `["b64"]`, `["urn:x"]`, `[]`, `[1]`, `null`, `"exp"`, `{}`, `["alg"]`} {
		out = append(out, refusal{"7515-4.1.11-1 crit " + crit, verifier.ErrMalformed, withHeader(splice(`"urn:x":1,"crit":`+crit, good)), nil})
	}
	for _, value := range []string{`true`, `false`, `null`} {
		out = append(out, refusal{"b64 " + value, verifier.ErrMalformed, withHeader(splice(`"b64":`+value, good)), nil})
	}
	return out
}

// members writes n different members.
func members(prefix string, n int) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(`"%s%d":0`, prefix, i)
	}
	return strings.Join(list, ",")
}

func payloadRefusals() []refusal {
	good := goodPayload()
	var out []refusal
	for name, payload := range map[string]string{
		"7519-7.2-1 an array":                          `[` + text(good) + `]`,
		"7519-7.2-1 a string":                          text(text(good)),
		"7519-7.2-1 a nested token":                    mint(nil, nil),
		"7519-7.2-1 null":                              `null`,
		"7519-7.2-1 a form":                            `iss=` + issuer,
		"7515-10.12-1 something behind it":             text(good) + "x",
		"7515-10.12-1 a second object behind it":       text(good) + text(good),
		"7515-10.12-1 a NUL behind it":                 text(good) + "\x00",
		"7515-10.12-1 a trailing comma":                text(good)[:len(text(good))-1] + ",}",
		"7515-10.12-1 a comment":                       splice(`/**/"x":1`, good),
		"7515-10.12-1 a name without quotation marks":  splice(`x:1`, good),
		"7515-10.12-1 single quotation marks":          splice(`'x':1`, good),
		"7515-10.12-1 a line break in a string":        splice("\"x\":\"\n\"", good),
		"7515-10.12-1 NaN":                             splice(`"x":NaN`, good),
		"7515-10.12-1 a leading zero":                  splice(`"x":01`, good),
		"7515-10.12-1 a plus sign":                     splice(`"x":+1`, good),
		"7515-10.12-1 a hexadecimal number":            splice(`"x":0x1`, good),
		"7515-10.12-1 cut short":                       text(good)[:len(text(good))-1],
		"a byte order mark":                            "\xef\xbb\xbf" + text(good),
		"8725-3.7-1 bad UTF-8 in a value":              splice(`"x":"`+"\x80"+`"`, good),
		"8725-3.7-1 bad UTF-8 in a name":               splice(`"`+"\xf8"+`":1`, good),
		"8725-3.7-1 overlong UTF-8":                    splice(`"x":"`+"\xc0\xaf"+`"`, good),
		"8725-3.7-1 UTF-8 of a surrogate":              splice(`"x":"`+"\xed\xa0\x80"+`"`, good),
		"8725-3.7-1 half an escaped surrogate pair":    splice(`"x":"\udc00"`, good),
		"7519-4-1 the same claim twice":                splice(`"x":1,"x":1`, good),
		"7519-4-1 a claim twice, once escaped":         splice(`"\u0069ss":"https://evil.example"`, good),
		"7519-4-1 a claim's member twice":              splice(`"x":{"y":1,"y":2}`, good),
		"7519-4-1 a claim's member twice, deep":        splice(`"x":[[{"y":{"z":1,"\u007a":2}}]]`, good),
		"nested 33 deep":                               splice(`"x":`+strings.Repeat("[", 32)+strings.Repeat("]", 32), good),
		"nested 33 deep in objects":                    splice(`"x":`+strings.Repeat(`{"x":`, 31)+`{}`+strings.Repeat("}", 31)+`,"y":`+strings.Repeat("[", 32)+strings.Repeat("]", 32), good),
		"more than 1000 members":                       splice(members("", 993), good),
		"more than 1000 members, nested ones included": splice(`"x":{`+members("", 500)+`},"y":[{`+members("", 500)+`}]`, good),
	} {
		out = append(out, refusal{"a payload: " + name, verifier.ErrMalformed, withPayload(payload), nil})
	}
	for _, claim := range []string{"iss", "aud", "exp", "sub", "scope", "client_id", "cnf"} {
		value := text(good[claim])
		out = append(out, refusal{"7519-4-1 " + claim + " twice, both the same", verifier.ErrMalformed,
			withPayload(fmt.Sprintf(`{%q:%s,%s`, claim, value, text(merge(good, obj{claim: good[claim]}))[1:])), nil})
	}
	return out
}

// envelopeRefusals are for who the token is from and for, and when.
func envelopeRefusals() []refusal {
	claim := func(name, value string) string { return mint(nil, obj{name: json.RawMessage(value)}) }
	out := []refusal{
		{"9068-4-5 no iss", verifier.ErrIssuer, mint(nil, obj{"iss": gone}), nil},
		{"9068-4-5 a null iss", verifier.ErrIssuer, mint(nil, obj{"iss": nil}), nil},
		{"9068-4-5 Iss is not iss", verifier.ErrIssuer, mint(nil, obj{"iss": gone, "Iss": issuer, "ISS": issuer}), nil},
		{"8414-4-1 an issuer in composed and in decomposed form", verifier.ErrIssuer, mint(nil, obj{"iss": issuer + "/e\u0301"}), func(cfg *verifier.Config) { cfg.Issuer = issuer + "/\u00e9" }},
		{"9068-4-6 8725-3.9-1 no aud", verifier.ErrAudience, mint(nil, obj{"aud": gone}), nil},
		{"9068-4-6 Aud is not aud", verifier.ErrAudience, mint(nil, obj{"aud": gone, "Aud": audience, "audience": audience, "azp": audience}), nil},
		{"7519-4.1.3-1 an aud that is an object", verifier.ErrMalformed, mint(nil, obj{"aud": obj{audience: audience}}), nil},
		{"7519-4.1.4-1 no exp", verifier.ErrMissingClaim, mint(nil, obj{"exp": gone}), nil},
		{"7519-4.1.4-1 a null exp", verifier.ErrMissingClaim, mint(nil, obj{"exp": nil}), nil},
		{"9068-4-10 exp and the skew are over at this very moment", verifier.ErrExpired, mint(nil, obj{"exp": in(-30)}), nil},
		{"6749-7-2 long expired", verifier.ErrExpired, mint(nil, obj{"exp": in(-86400)}), nil},
		{"expired at the epoch", verifier.ErrExpired, mint(nil, obj{"exp": 0}), nil},
		{"expired before the epoch", verifier.ErrExpired, mint(nil, obj{"exp": -1}), nil},
		{"expired, half a second before the skew's end", verifier.ErrExpired, mint(nil, obj{"exp": float64(in(-31)) + 0.5}), nil},
		{"7519-4.1.4-1 without skew exp itself is too late", verifier.ErrExpired, mint(nil, obj{"exp": in(0)}), noSkew},
		{"7519-4.1.4-1 five minutes of skew and no more", verifier.ErrExpired, mint(nil, obj{"exp": in(-300)}), func(cfg *verifier.Config) { cfg.ClockSkew = 5 * time.Minute }},
		{"7519-4.1.5-1 nbf beyond the skew", verifier.ErrNotYetValid, mint(nil, obj{"nbf": in(31)}), nil},
		{"7519-4.1.5-1 nbf beyond the skew by a half", verifier.ErrNotYetValid, mint(nil, obj{"nbf": float64(in(30)) + 0.5}), nil},
		{"7519-4.1.5-1 without skew nbf is exact", verifier.ErrNotYetValid, mint(nil, obj{"nbf": in(1)}), noSkew},
		{"iat beyond the skew", verifier.ErrNotYetValid, mint(nil, obj{"iat": in(31)}), nil},
		{"9068-4-6 an audience must be there even among any profile's", verifier.ErrAudience, mint(nil, obj{"aud": []string{}}), func(cfg *verifier.Config) { cfg.Profile = verifier.Duende() }},
		{"Cognito: an aud decides alone, whatever the scopes", verifier.ErrAudience, mint(obj{"typ": gone}, obj{"aud": "other", "token_use": "access", "scope": audience + "/read"}), cognito},
		{"Cognito: a null aud is absent, and no scope names us", verifier.ErrAudience, mint(obj{"typ": gone}, obj{"aud": nil, "token_use": "access", "scope": "openid /read " + audience}), cognito},
		{"Cognito: the part before the last slash, not before the first", verifier.ErrAudience, mint(obj{"typ": gone}, obj{"aud": gone, "token_use": "access", "scope": audience + "/orders/read"}), cognito},
		{"Cognito: a scope of the wrong type can't name an audience", verifier.ErrMalformed, mint(obj{"typ": gone}, obj{"aud": gone, "token_use": "access", "scope": 1}), cognito},
	}
	for _, iss := range []string{issuer + "/", strings.ToUpper(issuer), "http" + issuer[5:], issuer[:len(issuer)-1], issuer + ":443", issuer + "#", " " + issuer, issuer + "\x00",
		"https://as.example.com.evil.example", "https://as.ex%61mple.com", "https://as.example.com\u200b", ""} {
		out = append(out, refusal{fmt.Sprintf("9068-4-5 iss %+q", iss), verifier.ErrIssuer, mint(nil, obj{"iss": iss}), nil})
	}
	for _, value := range []string{`1`, `true`, `["` + issuer + `"]`, `{"` + issuer + `":1}`} {
		out = append(out, refusal{"iss is " + value, verifier.ErrMalformed, claim("iss", value), nil})
	}
	for _, aud := range []string{`null`, `""`, `[]`, `[""]`, `"https://api.example.com/"`, `"https://API.example.com"`, `"https://api.example.co"`, `"https://api.example.com "`, `"*"`,
		`["https://other.example.com"]`, `"https://api.example.com https://other.example.com"`, `"https://other.example.com,https://api.example.com"`} {
		out = append(out, refusal{"9068-4-6 8725-3.9-1 aud is " + aud, verifier.ErrAudience, claim("aud", aud), nil})
	}
	for _, aud := range []string{`1`, `true`, `[1]`, `[null]`, `[["` + audience + `"]]`, `["` + audience + `",1]`, `["` + audience + `",null]`, `[{}]`} {
		out = append(out, refusal{"7519-4.1.3-1 aud is " + aud, verifier.ErrMalformed, claim("aud", aud), nil})
	}
	for _, name := range []string{"exp", "nbf", "iat"} {
		for _, value := range []string{`"1800000000"`, `""`, `"2030-01-01T00:00:00Z"`, `true`, `false`, `[1800000000]`, `{}`, `1e400`, `-1e400`, `1e19`, `9223372036854775807`, `9223372036854775808`, `253402300800`, `1e300`, `-1e300`} {
			out = append(out, refusal{"7519-2-1 " + name + " is " + value, verifier.ErrMalformed, claim(name, value), nil})
		}
	}
	return out
}

func noSkew(cfg *verifier.Config) { cfg.ClockSkew = -1 }

func cognito(cfg *verifier.Config) { cfg.Profile = verifier.Cognito() }

// withKeys is a deployment with these keys alone.
func withKeys(keys ...obj) func(*verifier.Config) {
	return func(cfg *verifier.Config) { cfg.JWKS = keySet(keys...) }
}

// rsaKeys are n keys without a kid that fit RS256; the last is the one that signs.
func rsaKeys(n int) (set []obj) {
	for range n - 1 {
		modulus := make([]byte, 256)
		rand.Read(modulus)
		modulus[0], modulus[255] = modulus[0]|0x80, modulus[255]|1
		set = append(set, obj{"kty": "RSA", "e": "AQAB", "n": b64(modulus)})
	}
	return append(set, jwk(keys()["rsa"], nil))
}

func keyRefusals() []refusal {
	with := func(members obj) func(*verifier.Config) {
		return withKeys(jwk(keys()["rsa"], members), jwk(keys()["ed"], obj{"kid": "ed"}))
	}
	noKid := mint(obj{"kid": gone}, nil)
	named := func(kid string, keys []obj) []obj {
		for _, k := range keys {
			k["kid"] = kid
		}
		return keys
	}
	return []refusal{
		{"9068-4-9 a kid that the issuer doesn't have", verifier.ErrKeyNotFound, mint(obj{"kid": "new"}, nil), nil},
		{"a kid in another case", verifier.ErrKeyNotFound, mint(obj{"kid": "RSA"}, nil), nil},
		{"a kid with a space", verifier.ErrKeyNotFound, mint(obj{"kid": "rsa "}, nil), nil},
		{"a kid that is a path", verifier.ErrKeyNotFound, mint(obj{"kid": "../../dev/null"}, nil), nil},
		{"a kid that is SQL", verifier.ErrKeyNotFound, mint(obj{"kid": "x' UNION SELECT 'key'--"}, nil), nil},
		{"a kid of 1024 bytes is looked for", verifier.ErrKeyNotFound, mint(obj{"kid": strings.Repeat("k", 1024)}, nil), nil},
		{"8725-3.10-1 a kid of 1025 bytes is not", verifier.ErrMalformed, mint(obj{"kid": strings.Repeat("k", 1025)}, nil), nil},
		{"an empty kid is no absent one", verifier.ErrKeyNotFound, mint(obj{"kid": ""}, nil), with(nil)},
		{"8725bis-3.1-1 an RSA key's kid for ES256", verifier.ErrKeyNotFound, mint(obj{"alg": "ES256", "kid": "rsa"}, nil), nil},
		{"8725bis-3.1-1 an Ed25519 key's kid for RS256", verifier.ErrKeyNotFound, compact("RS256", "rsa", `{"alg":"RS256","typ":"at+jwt","kid":"ed"}`, text(goodPayload())), nil},
		{"7518-3.4-1 a P-384 key for ES256", verifier.ErrKeyNotFound, compact("ES256", "p384", `{"alg":"ES256","typ":"at+jwt","kid":"p384"}`, text(goodPayload())), nil},
		{"7518-3.4-1 a P-256 key for ES512", verifier.ErrKeyNotFound, compact("ES512", "p256", `{"alg":"ES512","typ":"at+jwt","kid":"p256"}`, text(goodPayload())), nil},
		{"7517-4.4-1 8725-3.1-3 a key for PS256, a token by RS256", verifier.ErrKeyNotFound, mint(nil, nil), with(obj{"kid": "rsa", "alg": "PS256"})},
		{"7517-4.4-1 8725-3.1-3 a key for RS256, a token by RS512", verifier.ErrKeyNotFound, mint(obj{"alg": "RS512"}, nil), with(obj{"kid": "rsa", "alg": "RS256"})},
		{"7517-4.4-1 a key for RS512, a token by PS512", verifier.ErrKeyNotFound, mint(obj{"alg": "PS512"}, nil), with(obj{"kid": "rsa", "alg": "RS512"})},
		{"7517-4.4-1 a key for encryption", verifier.ErrKeyNotFound, mint(nil, nil), with(obj{"kid": "rsa", "use": "enc"})},
		{"7517-4.4-1 a key that may only sign", verifier.ErrKeyNotFound, mint(nil, nil), with(obj{"kid": "rsa", "key_ops": []string{"sign"}})},
		{"7517-4.4-1 a key with an alg that nobody knows", verifier.ErrKeyNotFound, mint(nil, nil), with(obj{"kid": "rsa", "alg": "SHA256"})},
		{"7517-4.3-1 use and key_ops that contradict each other", verifier.ErrKeyNotFound, mint(nil, nil), with(obj{"kid": "rsa", "use": "sig", "key_ops": []string{"encrypt"}})},
		{"no kid, and no key for its alg", verifier.ErrKeyNotFound, noKid, withKeys(jwk(keys()["ed"], nil))},
		{"no kid, and five keys for its alg: none is tried", verifier.ErrKeyNotFound, noKid, withKeys(rsaKeys(5)...)},
		{"a kid that five keys share: none is tried", verifier.ErrKeyNotFound, mint(nil, nil), withKeys(named("rsa", rsaKeys(5))...)},
		{"a token that names no key is not for keys of another alg", verifier.ErrKeyNotFound, noKid, with(obj{"kid": "rsa", "alg": "PS256"})},
		{"no kid, four keys, and none made it", verifier.ErrSignature, noKid, withKeys(rsaKeys(5)[:4]...)},
	}
}

// resigned puts another signature under a good token's header and payload.
func resigned(alg string, change func(signature []byte) []byte) string {
	token := mint(obj{"alg": alg}, nil)
	dot := strings.LastIndexByte(token, '.')
	return token[:dot+1] + b64(change(must(base64.RawURLEncoding.DecodeString(token[dot+1:]))))
}

func signatureRefusals() []refusal {
	relabel := func(from, to string) string {
		return compact(from, kidFor(from), text(merge(goodHeader(), obj{"alg": to, "kid": kidFor(from)})), text(goodPayload()))
	}
	der := func(signature []byte) []byte {
		r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
		return must(asn1.Marshal(struct{ R, S *big.Int }{r, s}))
	}
	zeros := func(from, to int) func([]byte) []byte {
		return func(signature []byte) []byte { clear(signature[from:to]); return signature }
	}
	scalar := func(at int, n *big.Int) func([]byte) []byte {
		return func(signature []byte) []byte { n.FillBytes(signature[at : at+32]); return signature }
	}
	n := elliptic.P256().Params().N
	a, b := strings.Split(mint(nil, nil), "."), strings.Split(mint(nil, obj{"scope": "admin"}), ".")
	salted := func(length int) string { // by hand: crypto/rsa takes 0 for "as long as can be"
		input := b64(text(merge(goodHeader(), obj{"alg": "PS256"}))) + "." + b64(text(goodPayload()))
		digest := sha256.Sum256([]byte(input))
		return input + "." + b64(pss(keys()["rsa"].(*rsa.PrivateKey), digest[:], make([]byte, length)))
	}
	out := []refusal{
		{"9068-4-7 signed by a key that is nobody's", verifier.ErrSignature, compact("RS256", "other", text(goodHeader()), text(goodPayload())), nil},
		{"9068-4-7 another payload under a good signature", verifier.ErrSignature, a[0] + "." + b[1] + "." + a[2], nil},
		{"9068-4-7 another header under a good signature", verifier.ErrSignature, b64(splice(`"x":1`, goodHeader())) + "." + a[1] + "." + a[2], nil},
		{"9068-4-7 another token's signature", verifier.ErrSignature, a[0] + "." + a[1] + "." + b[2], nil},
		{"8725-3.1-2 the header's alg is the one used: RS256 called RS384", verifier.ErrSignature, relabel("RS256", "RS384"), nil},
		{"8725-3.1-2 the header's alg is the one used: RS256 called PS256", verifier.ErrSignature, relabel("RS256", "PS256"), nil},
		{"8725-3.1-2 the header's alg is the one used: PS256 called RS256", verifier.ErrSignature, relabel("PS256", "RS256"), nil},
		{"7518-3.5 a PS256 signature without a salt", verifier.ErrSignature, salted(0), nil},
		{"7518-3.5 a PS256 signature with a salt of another length", verifier.ErrSignature, salted(20), nil},
		{"7518-3.4-1 an ES256 signature in DER", verifier.ErrSignature, resigned("ES256", der), nil},
		{"7518-3.4-1 an ES256 signature of 64 zeros", verifier.ErrSignature, resigned("ES256", zeros(0, 64)), nil},
		{"7518-3.4-1 r is zero", verifier.ErrSignature, resigned("ES256", zeros(0, 32)), nil},
		{"7518-3.4-1 s is zero", verifier.ErrSignature, resigned("ES256", zeros(32, 64)), nil},
		{"7518-3.4-1 r is the order", verifier.ErrSignature, resigned("ES256", scalar(0, n)), nil},
		{"7518-3.4-1 s is the order", verifier.ErrSignature, resigned("ES256", scalar(32, n)), nil},
		{"7518-3.4-1 r and s are one", verifier.ErrSignature, resigned("ES256", func(s []byte) []byte { clear(s); s[31], s[63] = 1, 1; return s }), nil},
		{"7518-3.4-1 r and s change places", verifier.ErrSignature, resigned("ES256", func(s []byte) []byte { return append(s[32:], s[:32]...) }), nil},
		{"7518-3.4-1 r and s of 33 bytes", verifier.ErrSignature, resigned("ES256", func(s []byte) []byte { return slices.Concat([]byte{0}, s[:32], []byte{0}, s[32:]) }), nil},
	}
	for _, alg := range []string{"RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA"} {
		for name, change := range map[string]func([]byte) []byte{
			"a byte short":            func(s []byte) []byte { return s[:len(s)-1] },
			"a zero behind":           func(s []byte) []byte { return append(s, 0) },
			"a zero before":           func(s []byte) []byte { return append([]byte{0}, s...) },
			"twice":                   func(s []byte) []byte { return append(s, s...) },
			"one byte":                func([]byte) []byte { return []byte{0} },
			"all zeros":               func(s []byte) []byte { clear(s); return s },
			"all ones":                func(s []byte) []byte { return []byte(strings.Repeat("\xff", len(s))) },
			"one bit of it":           func(s []byte) []byte { s[len(s)/2] ^= 1; return s },
			"as long as an HMAC":      func(s []byte) []byte { return s[:32] },
			"with its first bit lost": func(s []byte) []byte { s[0] ^= 0x80; return s },
		} {
			out = append(out, refusal{"9068-4-7 the signature of " + alg + " " + name, verifier.ErrSignature, resigned(alg, change), nil})
		}
	}
	return out
}

// pss signs by RSASSA-PSS with SHA-256 and any salt (RFC 8017 section 9.1.1).
func pss(key *rsa.PrivateKey, digest, salt []byte) []byte {
	h := sha256.Sum256(slices.Concat(make([]byte, 8), digest, salt))
	db := make([]byte, key.Size()-len(h)-1)
	copy(db[len(db)-len(salt):], salt)
	db[len(db)-len(salt)-1] = 1
	for i := 0; i < len(db); i += len(h) {
		mask := sha256.Sum256(append(h[:], 0, 0, 0, byte(i/len(h))))
		for j := i; j < min(i+len(h), len(db)); j++ {
			db[j] ^= mask[j-i]
		}
	}
	db[0] &= 0x7f
	em := new(big.Int).SetBytes(slices.Concat(db, h[:], []byte{0xbc}))
	return em.Exp(em, key.D, key.N).FillBytes(make([]byte, key.Size()))
}

// claimRefusals are for what is looked at once the signature is known to be good.
func claimRefusals() []refusal {
	match := func(name string, values ...string) func(*verifier.Config) {
		return func(cfg *verifier.Config) { cfg.Match = map[string][]string{name: values} }
	}
	clients := func(cfg *verifier.Config) { cfg.Clients = []string{"cart", "shop"} }
	generic := func(cfg *verifier.Config) { cfg.Profile = verifier.Generic() }
	out := []refusal{
		{"9068-2.2-1 an empty client_id", verifier.ErrMissingClaim, mint(nil, obj{"client_id": ""}), nil},
		{"8725-3.12-1 the first client id claim that is there decides, even when it is empty", verifier.ErrMissingClaim, mint(nil, obj{"client_id": "", "azp": "cart"}), generic},
		{"none of the client id claims", verifier.ErrMissingClaim, mint(nil, obj{"client_id": gone}), generic},
		{"a client that is not one of ours", verifier.ErrClaim, mint(nil, obj{"client_id": "evil"}), clients},
		{"a client whose name begins as ours", verifier.ErrClaim, mint(nil, obj{"client_id": "cart2"}), clients},
		{"a client in another case", verifier.ErrClaim, mint(nil, obj{"client_id": "Cart"}), clients},
		{"a client that is named beside the claim that decides", verifier.ErrClaim, mint(nil, obj{"client_id": "evil", "azp": "cart"}), func(cfg *verifier.Config) { clients(cfg); generic(cfg) }},
		{"Match: another value", verifier.ErrClaim, mint(nil, obj{"tid": "b"}), match("tid", "a")},
		{"Match: a value in another case", verifier.ErrClaim, mint(nil, obj{"tid": "A"}), match("tid", "a")},
		{"Match: absent", verifier.ErrClaim, mint(nil, nil), match("tid", "a")},
		{"Match: null", verifier.ErrClaim, mint(nil, obj{"tid": nil}), match("tid", "a")},
		{"Match: a number", verifier.ErrClaim, mint(nil, obj{"tid": 1}), match("tid", "1")},
		{"Match: an array without it", verifier.ErrClaim, mint(nil, obj{"tid": []string{"b", "aa"}}), match("tid", "a")},
		{"Match: an array with something else than strings", verifier.ErrClaim, mint(nil, obj{"tid": []any{"a", 1}}), match("tid", "a")},
		{"Match: an object with it", verifier.ErrClaim, mint(nil, obj{"tid": obj{"a": "a"}}), match("tid", "a")},
		{"Match: words of a string are not looked at one by one", verifier.ErrClaim, mint(nil, obj{"tid": "a b"}), match("tid", "a")},
		{"Match: there is asked for, and it is absent", verifier.ErrClaim, mint(nil, nil), match("tid")},
		{"Match: there is asked for, and it is null", verifier.ErrClaim, mint(nil, obj{"tid": nil}), match("tid")},
		{"Match: one of two holds", verifier.ErrClaim, mint(nil, obj{"a": "1", "b": "1"}), func(cfg *verifier.Config) { cfg.Match = map[string][]string{"a": {"1"}, "b": {"2"}} }},
		{"Match: a pointer to another value", verifier.ErrClaim, mint(nil, obj{"k": obj{"ns": "b"}}), match("/k/ns", "a")},
		{"Match: a pointer to nothing", verifier.ErrClaim, mint(nil, obj{"k": obj{}}), match("/k/ns", "a")},
		{"Match: a pointer through a string", verifier.ErrClaim, mint(nil, obj{"k": "ns"}), match("/k/ns", "a")},
		{"Match: a pointer is no top-level name", verifier.ErrClaim, mint(nil, obj{"/k/ns": "a"}), match("/k/ns", "a")},
		{"Match: a name with a dot is no path", verifier.ErrClaim, mint(nil, obj{"k": obj{"ns": "a"}}), match("k.ns", "a")},
		{"Match: member names without it", verifier.ErrClaim, mint(nil, obj{"roles": obj{"b": "a"}}), match("/roles/*", "a")},
		{"Match: member names of an array", verifier.ErrClaim, mint(nil, obj{"roles": []string{"a"}}), match("/roles/*", "a")},
		{"Match: a name that is * alone is a name", verifier.ErrClaim, mint(nil, obj{"a": "a"}), match("*", "a")},
	}
	for _, name := range []string{"sub", "client_id", "iat", "jti"} {
		for value, what := range map[any]string{gone: "no ", nil: "a null "} {
			out = append(out, refusal{"9068-2.2-1 " + what + name, verifier.ErrMissingClaim, mint(nil, obj{name: value}), nil})
		}
	}
	for _, name := range []string{"sub", "client_id", "jti"} {
		for _, value := range []string{`1`, `true`, `["cart"]`, `{}`} {
			out = append(out, refusal{name + " is " + value, verifier.ErrMalformed, mint(nil, obj{name: json.RawMessage(value)}), nil})
		}
	}
	for _, value := range []string{`1`, `true`, `{"orders:read":1}`, `[1]`, `["orders:read",null]`, `[["orders:read"]]`} {
		out = append(out, refusal{"9068-2.2.3-1 scope is " + value, verifier.ErrMalformed, mint(nil, obj{"scope": json.RawMessage(value)}), nil})
	}
	for _, value := range []string{`null`, `"x"`, `1`, `true`, `[]`, `[{"jkt":"x"}]`, `{"jkt":1}`, `{"jkt":null}`, `{"jkt":""}`, `{"jkt":["x"]}`, `{"x5t#S256":1}`, `{"x5t#S256":""}`, `{"jkt":"x","x5t#S256":null}`} {
		out = append(out, refusal{"a bound token never passes for an unbound one: cnf is " + value, verifier.ErrMalformed, mint(nil, obj{"cnf": json.RawMessage(value)}), nil})
	}
	return out
}

// TestAcceptances are tokens at the edge of what is good, which must pass all the same.
func TestAcceptances(t *testing.T) {
	t.Parallel()
	list := func(names ...string) func(*verifier.Config) {
		return func(cfg *verifier.Config) { cfg.Algorithms = names }
	}
	match := func(name string, values ...string) func(*verifier.Config) {
		return func(cfg *verifier.Config) { cfg.Match = map[string][]string{name: values} }
	}
	rsaAs := func(members obj) func(*verifier.Config) { return withKeys(jwk(keys()["rsa"], members)) }
	twin := func(members obj) []obj {
		return []obj{jwk(keys()["other"], members), jwk(keys()["p256"], members), jwk(keys()["rsa"], members)}
	}
	type acceptance struct {
		name   string
		token  string
		config func(*verifier.Config)
	}
	tests := []acceptance{
		{"7517-4-1 unknown members of a key are ignored", mint(nil, nil), rsaAs(obj{"kid": "rsa", "status": "x", "issuer": obj{}})},
		{"9068-4-6 our audience among others", mint(nil, obj{"aud": []string{"a", audience, "b"}}), nil},
		{"9068-4-6 one of our audiences", mint(nil, obj{"aud": "b"}), func(cfg *verifier.Config) { cfg.Audience = []string{"a", "b"} }},
		{"an audience twice", mint(nil, obj{"aud": []string{audience, audience}}), nil},
		{"any audience, where that is asked for", mint(nil, obj{"aud": "elsewhere"}), anyAudience},
		{"no audience, where any is accepted", mint(nil, obj{"aud": gone}), anyAudience},
		{"Cognito: the part before a scope's last slash is the audience", mint(obj{"typ": gone}, obj{"aud": gone, "token_use": "access", "scope": "x " + audience + "/read"}), cognito},
		{"Cognito: an aud that is ours", mint(obj{"typ": gone}, obj{"token_use": "access", "scope": "x/read"}), cognito},
		{"9068-4-10 a second before exp and the skew are over", mint(nil, obj{"exp": in(-29)}), nil},
		{"half a second before exp and the skew are over", mint(nil, obj{"exp": float64(in(-30)) + 0.5}), nil},
		{"without skew, a second before exp", mint(nil, obj{"exp": in(1)}), noSkew},
		{"the last second of the year 9999", mint(nil, obj{"exp": 253402300799}), nil},
		{"7519-2-1 an exp with an exponent", mint(nil, obj{"exp": json.RawMessage("1.9e9")}), nil},
		{"7519-4.1.5-1 nbf as far ahead as the skew", mint(nil, obj{"nbf": in(30)}), nil},
		{"iat as far ahead as the skew", mint(nil, obj{"iat": in(30)}), nil},
		{"without skew nbf is now", mint(nil, obj{"nbf": in(0)}), noSkew},
		{"fractional dates", mint(nil, obj{"exp": float64(in(5)) + 0.25, "nbf": float64(in(-5)) + 0.75, "iat": float64(in(-5)) + 0.125}), nil},
		{"an nbf long ago", mint(nil, obj{"nbf": -62135596800}), nil},
		{"a null nbf is absent", mint(nil, obj{"nbf": nil}), nil},
		{"7519-5.3 unknown claims are ignored", mint(nil, obj{"https://example.com/x": obj{"y": []any{1, nil, true}}}), nil},
		{"names that differ in case from a claim are unknown claims", mint(nil, obj{"ISS": "x", "Exp": "x", "AUD": 1}), nil},
		{"white space in header and payload", compact("RS256", "rsa", " {\"alg\" : \"RS256\",\n\"typ\" : \"at+jwt\", \"kid\" : \"rsa\"}\r\n", "\t"+text(goodPayload())+"\n"), nil},
		{"escapes in names and values", compact("RS256", "rsa", `{"\u0061lg":"\u0052S256","typ":"at\u002bjwt","kid":"rsa"}`, strings.Replace(text(goodPayload()), `"iss"`, `"\u0069ss"`, 1)), nil},
		{"a header as deep and as long as is allowed", withHeader(splice(`"x":[[[]]],`+members("x", 28), goodHeader())), nil},
		{"a payload as deep as is allowed", withPayload(splice(`"x":`+strings.Repeat("[", 31)+strings.Repeat("]", 31), goodPayload())), nil},
		{"a payload with as many members as are allowed", withPayload(splice(members("", 992), goodPayload())), nil},
		{"brackets and colons inside of strings don't count", withPayload(splice(`"x":"`+strings.Repeat(`[{\":`, 400)+`"`, goodPayload())), nil},
		{"a token of as many bytes as are allowed", padded(t, 16<<10), nil},
		{"a header of as many bytes as are allowed", compact("RS256", "rsa", text(merge(goodHeader(), obj{"x": strings.Repeat("x", 6144-len(text(merge(goodHeader(), obj{"x": ""}))))})), text(goodPayload())), nil},
		{"cty JWT over a payload that is none", mint(obj{"cty": "JWT"}, nil), nil},
		{"zip means nothing in a JWS", mint(obj{"zip": "DEF"}, nil), nil},
		{"9068-2.1-2 RS256 alone", mint(nil, nil), list("RS256")},
		{"EdDSA alone", mint(obj{"alg": "EdDSA"}, nil), list("EdDSA")},
		{"8725bis-3.2-1 Ed25519 alone", mint(obj{"alg": "Ed25519"}, nil), list("Ed25519")},
		{"EdDSA by a key for Ed25519", mint(obj{"alg": "EdDSA"}, nil), withKeys(jwk(keys()["ed"], obj{"kid": "ed", "alg": "Ed25519"}))},
		{"Ed25519 by a key for EdDSA", mint(obj{"alg": "Ed25519"}, nil), withKeys(jwk(keys()["ed"], obj{"kid": "ed", "alg": "EdDSA"}))},
		{"a key with alg, use and key_ops", mint(nil, nil), rsaAs(obj{"kid": "rsa", "alg": "RS256", "use": "sig", "key_ops": []string{"verify"}})},
		{"a key with its private members published", mint(nil, nil), rsaAs(obj{"kid": "rsa", "d": "AQAB", "p": "AQ"})},
		{"no kid and one key without one", mint(obj{"kid": gone}, nil), rsaAs(nil)},
		{"no kid and one key with one", mint(obj{"kid": gone}, nil), nil},
		{"no kid and keys for other algs beside", mint(obj{"kid": gone}, nil), withKeys(append(rsaKeys(4), jwk(keys()["p256"], nil), jwk(keys()["ed"], nil))...)},
		{"a kid that keys share", mint(obj{"kid": "x"}, nil), withKeys(twin(obj{"kid": "x"})...)},
		{"a kid with odd characters", mint(obj{"kid": "/+=\u00e9 \"'"}, nil), rsaAs(obj{"kid": "/+=\u00e9 \"'"})},
		{"one of our clients", mint(nil, nil), func(cfg *verifier.Config) { cfg.Clients = []string{"shop", "cart"} }},
		{"Match: a string", mint(nil, obj{"tid": "b"}), match("tid", "a", "b")},
		{"Match: an element of an array", mint(nil, obj{"tid": []string{"x", "b"}}), match("tid", "a", "b")},
		{"Match: there, whatever it is", mint(nil, obj{"tid": false}), match("tid")},
		{"Match: a name with a dot and a slash", mint(nil, obj{"a.b/c": "x"}), match("a.b/c", "x")},
		{"Match: a pointer", mint(nil, obj{"k.io": obj{"a/b": obj{"~": "x"}}}), match("/k.io/a~1b/~0", "x")},
		{"Match: a pointer to a name that is empty", mint(nil, obj{"": obj{"": "x"}}), match("//", "x")},
		{"Match: the names of an object's members", mint(nil, obj{"roles": obj{"a": obj{}, "b": nil}}), match("/roles/*", "b")},
		{"Match: a top-level claim that is named by a pointer", mint(nil, obj{"/x": "y"}), match("/~1x", "y")},
	}
	for n := 1; n <= 4; n++ {
		tests = append(tests, acceptance{fmt.Sprintf("no kid and %d keys without one", n), mint(obj{"kid": gone}, nil), withKeys(rsaKeys(n)...)})
	}
	for _, alg := range algorithms {
		tests = append(tests, acceptance{"8725-3.2-1 alg " + alg, mint(obj{"alg": alg}, nil), nil})
	}
	for _, typ := range []string{"at+jwt", "AT+JWT", "at+JWT", "application/at+jwt", "APPLICATION/AT+JWT"} {
		tests = append(tests, acceptance{"7515-4.1.9-1 8725bis-3.11-1 9068-2.1-3 typ " + typ, mint(obj{"typ": typ}, nil), nil})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v := newVerifier(t, tt.config)
			accepted(t, v, tt.token)
			for _, c := range v.Explain(t.Context(), tt.token) {
				if c.Err != nil || c.Skipped {
					t.Errorf("Explain: %+v", c)
				}
			}
		})
	}
}

func anyAudience(cfg *verifier.Config) {
	cfg.Audience, cfg.DangerouslyAcceptAnyAudience = nil, true
}

// padded is a good token of exactly so many bytes.
func padded(t *testing.T, size int) string {
	t.Helper()
	for n := size * 3 / 4; n > 0; n-- {
		payload := merge(goodPayload(), obj{"x": strings.Repeat("x", n)})
		if length := len(b64(text(goodHeader()))) + len(b64(text(payload))) + 342 + 2; length <= size {
			if length != size {
				t.Fatalf("no payload gives %d bytes", size)
			}
			return withPayload(text(payload))
		}
	}
	return ""
}

// TestEveryCharacterCounts changes each character of a token, and the last one of each part to every other one.
func TestEveryCharacterCounts(t *testing.T) {
	t.Parallel()
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for alg, pads := range map[string]int{"RS256": 1, "ES256": 3, "EdDSA": 2} {
		for pad := range pads { // so that every number of unused bits occurs
			v := newVerifier(t)
			token := mint(obj{"alg": alg, "x": strings.Repeat("x", pad)}, obj{"x": strings.Repeat("x", pad)})
			accepted(t, v, token) // and it is remembered: what follows must not be taken for it
			try := func(i int, c byte) {
				changed := token[:i] + string(c) + token[i+1:]
				if claims, err := v.Verify(t.Context(), changed); claims != nil || !errors.Is(err, verifier.ErrInvalidToken) {
					t.Errorf("%s: %q at %d of %d is accepted for %q: %v, %v", alg, c, i, len(token), token[i], claims, err)
				}
			}
			for i := range len(token) {
				for _, c := range "A_\n" {
					if token[i] != byte(c) && token[i] != '.' {
						try(i, byte(c))
					}
				}
				if i+1 == len(token) || token[i+1] == '.' {
					for _, c := range []byte(alphabet) {
						if c != token[i] {
							try(i, c)
						}
					}
				}
			}
		}
	}
}

// TestAnECDSATokensOtherSignature is the one spelling that can't be refused: (r, n-s) is as good as (r, s).
func TestAnECDSATokensOtherSignature(t *testing.T) {
	t.Parallel()
	accepted(t, newVerifier(t), resigned("ES256", func(signature []byte) []byte {
		s := new(big.Int).SetBytes(signature[32:])
		s.Sub(keys()["p256"].(*ecdsa.PrivateKey).Params().N, s).FillBytes(signature[32:])
		return signature
	}))
}
