package verifier_test

import (
	"bufio"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bearerguard/bearerguard/verifier"
)

// The cases of shared/bugs/cases.jsonl that are about keys: their shapes, their life, and who may say where they are.

// keyedBy is a token of a good payload whose header names a key, signed by any key.
func keyedBy(alg, kid string, key crypto.Signer) string {
	header := merge(goodHeader(), obj{"alg": alg, "kid": kid})
	if kid == "" {
		delete(header, "kid")
	}
	input := b64(text(header)) + "." + b64(text(goodPayload()))
	return input + "." + b64(sign(alg, key, input))
}

// standard is base64 with the other alphabet and padding.
func standard(base64url any) string {
	return base64.StdEncoding.EncodeToString(must(base64.RawURLEncoding.DecodeString(base64url.(string))))
}

// certificate is one that a key has signed for itself, as x5c has it.
func certificate(key crypto.Signer) []string {
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	return []string{base64.StdEncoding.EncodeToString(must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)))}
}

// TestBugsOfUnusableKeys puts a bad key before and behind a good one: it is passed over with a reason, and the good one serves.
func TestBugsOfUnusableKeys(t *testing.T) {
	t.Parallel()
	good := jwk(keys()["rsa"], obj{"kid": "r1"})
	other := jwk(keys()["other"], nil)
	ec := jwk(keys()["p256"], nil)
	long := func(bytes int) string { return b64("\xff" + strings.Repeat("\xab", bytes-1)) }
	type key struct {
		name   string
		bad    obj
		reason string
	}
	bad := []key{
		{"BUG-057 no y, and an x that is cut", obj{"kty": "EC", "crv": "P-256", "x": "AAAA"}, "y is missing"},
		{"BUG-057 a padded modulus", merge(other, obj{"n": other["n"].(string) + "=="}), "n is not base64url"},
		{"BUG-057 a point off its curve", merge(ec, obj{"y": ec["x"]}), "not on its curve"},
		{"BUG-057 an alg that nobody knows", merge(other, obj{"alg": "RS256K"}), "alg"},
		{"BUG-057 a modulus that is a number", merge(other, obj{"n": 1}), "n is missing or not a string"},
		{"BUG-057 no kty", merge(other, obj{"kty": gone}), "kty"},
		{"BUG-058 Keycloak's key for encryption", merge(other, obj{"use": "enc", "alg": "RSA-OAEP"}), "use"},
		{"BUG-058 a key for encryption by its alg alone", merge(other, obj{"alg": "RSA-OAEP"}), "alg"},
		{"BUG-060 secp256k1", obj{"kty": "EC", "crv": "secp256k1", "x": ec["x"], "y": ec["y"]}, `crv "secp256k1"`},
		{"BUG-060 a type of key that is not there yet", obj{"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA"}, `kty "AKP"`},
		{"BUG-060 another curve of octets", obj{"kty": "OKP", "crv": "X25519", "x": b64(strings.Repeat("\x09", 32))}, "crv"},
		{"BUG-060 a type that is no string", obj{"kty": []string{"RSA"}}, "kty"},
		{"BUG-064 a key for encryption that may verify by its alg", merge(other, obj{"use": "enc", "alg": "RS256"}), "use"},
		{"BUG-064 a key that may only wrap keys", merge(other, obj{"key_ops": []string{"wrapKey"}}), "key_ops"},
		{"BUG-069 a modulus in the other base64 alphabet", merge(other, obj{"n": "+/" + other["n"].(string)[2:]}), "n is not base64url"},
		{"BUG-070 Firebase's padded modulus", merge(other, obj{"n": standard(other["n"])}), "n is not base64url"},
		{"BUG-070 a padded exponent", merge(other, obj{"e": "AQAB===="}), "e is not base64url"},
		{"BUG-070 a padded coordinate", merge(ec, obj{"x": ec["x"].(string) + "="}), "x is not base64url"},
		{"BUG-071 an exponent of 34", merge(other, obj{"e": "Ig"}), "e is not odd"},
		{"BUG-071 an exponent of 1", merge(other, obj{"e": "AQ"}), "e is not odd"},
		{"BUG-071 an exponent of 0", merge(other, obj{"e": "AA"}), "e is not odd"},
		{"BUG-072 an exponent wider than 64 bits", merge(other, obj{"e": "AQAAAAAAAAAAAQ"}), "e is not odd and between"},
		{"BUG-072 an exponent whose last 32 bits are good", merge(other, obj{"e": b64("\x01\x00\x00\x00\x00\x00\x01\x00\x01")}), "e is not odd and between"},
		{"BUG-072 a modulus of 4 MiB", merge(other, obj{"n": strings.Repeat("A", 4<<20)}), "longer than 65536 bytes"},
		{"BUG-072 a modulus of 60 KiB", merge(other, obj{"n": strings.Repeat("A", 60<<10)}), "longer than a number"},
		{"BUG-072 an exponent of 60 KiB", merge(other, obj{"e": strings.Repeat("A", 60<<10)}), "longer than a number"},
		{"BUG-073 1024 bits", merge(other, obj{"n": long(128)}), "1024 bits"},
		{"BUG-073 512 bits", merge(other, obj{"n": long(64)}), "512 bits"},
		{"BUG-073 2040 bits", merge(other, obj{"n": long(255)}), "2040 bits"},
		{"BUG-073 2048 bits and an exponent of 1", merge(other, obj{"e": "AQ"}), "e is not odd"},
		{"BUG-075 another name of a curve that nobody knows", merge(ec, obj{"crv": "P-256K"}), "crv"},
		{"BUG-075 a curve in lower case", merge(ec, obj{"crv": "p-256"}), "crv"},
		{"BUG-075 a curve without a name", merge(ec, obj{"crv": ""}), "crv"},
		{"BUG-075 no curve", merge(ec, obj{"crv": gone}), "crv"},
		{"BUG-077 a certificate without the key's numbers", obj{"kty": "RSA", "x5c": certificate(keys()["other"])}, "is missing"},
		{"BUG-077 a certificate without a point", obj{"kty": "EC", "crv": "P-256", "x5c": certificate(keys()["p256"])}, "is missing"},
		{"BUG-080 Ed448", obj{"kty": "OKP", "crv": "Ed448", "alg": "EdDSA", "x": b64(strings.Repeat("\x07", 57))}, `crv "Ed448"`},
		{"BUG-080 an Ed25519 key that says Ed448", merge(jwk(keys()["ed"], nil), obj{"crv": "Ed448"}), `crv "Ed448"`},
		{"BUG-080 an Ed25519 key for Ed448 by its alg", merge(jwk(keys()["ed"], nil), obj{"alg": "Ed448"}), "alg"},
		{"BUG-081 an RSA key for HS256", merge(other, obj{"alg": "HS256"}), "alg"},
		{"BUG-189 a key of 16384 bits", merge(other, obj{"n": long(2048)}), "longer than a number of 8192 bits"},
		{"BUG-189 a key of 8200 bits", merge(other, obj{"n": long(1025)}), "8200 bits"},
	}
	for _, ops := range []string{`["verify",0]`, `"verify"`, `[["verify"]]`, `{"verify":true}`, `["verify",null]`, `1`, `["Verify"]`} {
		bad = append(bad, key{"BUG-092 key_ops " + ops, merge(ec, obj{"key_ops": raw(ops)}), "key_ops"})
	}
	for _, tt := range bad {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			named := merge(tt.bad, obj{"kid": "bad"})
			for _, set := range [][]obj{{named, good}, {good, named}} {
				v := newVerifier(t, withKeys(set...))
				accepted(t, v, keyedBy("RS256", "r1", keys()["rsa"]))
				accepted(t, v, keyedBy("RS256", "", keys()["rsa"]))
				for alg, signer := range map[string]string{"RS256": "other", "ES256": "p256", "EdDSA": "ed"} {
					refused(t, v, keyedBy(alg, "bad", keys()[signer]), verifier.ErrKeyNotFound)
				}
				if h := v.Health(); !h.Ready || h.Keys != 1 || len(h.Skipped) != 1 || !strings.Contains(h.Skipped[0].Reason, tt.reason) || h.Skipped[0].KeyID != "bad" {
					t.Errorf("%+v, want %q", h, tt.reason)
				}
			}
			if _, err := verifier.New(config(withKeys(named))); err == nil || !strings.Contains(err.Error(), "1 keys, none usable") {
				t.Errorf("alone: %v", err)
			}
		})
	}
	t.Run("BUG-189 fifty keys of 16384 bits", func(t *testing.T) {
		t.Parallel()
		var set []obj
		for range 50 {
			set = append(set, merge(other, obj{"n": long(2048)}))
		}
		v := newVerifier(t, withKeys(append(set, good)...))
		accepted(t, v, keyedBy("RS256", "", keys()["rsa"]))
		if h := v.Health(); h.Keys != 1 || len(h.Skipped) != 50 {
			t.Errorf("%d keys, %d skipped", h.Keys, len(h.Skipped))
		}
	})
	t.Run("BUG-189 fifty keys of 8192 bits, and none of them is tried for a token without a kid", func(t *testing.T) {
		t.Parallel()
		var set []obj
		for range 50 {
			modulus := make([]byte, 1024)
			rand.Read(modulus)
			modulus[0], modulus[1023] = 0xff, modulus[1023]|1
			set = append(set, obj{"kty": "RSA", "e": "AQAB", "n": b64(modulus)})
		}
		refused(t, newVerifier(t, withKeys(set...)), keyedBy("RS256", "", keys()["rsa"]), verifier.ErrKeyNotFound)
	})
}

// withExponent makes an RSA key of an exponent that crypto/rsa does not choose.
func withExponent(e int64) *rsa.PrivateKey {
	one := big.NewInt(1)
	for {
		p, q := must(rand.Prime(rand.Reader, 1024)), must(rand.Prime(rand.Reader, 1024))
		phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
		if d := new(big.Int).ModInverse(big.NewInt(e), phi); d != nil {
			key := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: int(e)}, D: d, Primes: []*big.Int{p, q}}
			key.Precompute()
			return key
		}
	}
}

func TestBugsOfUsableKeys(t *testing.T) {
	t.Parallel()
	r1, other := jwk(keys()["rsa"], obj{"kid": "r1"}), keys()["other"]
	token := func(kid string) string { return keyedBy("RS256", kid, keys()["rsa"]) }
	odd := withExponent(35)
	enc, sig := jwk(other, obj{"kid": "e", "use": "enc", "alg": "RSA-OAEP"}), jwk(keys()["rsa"], obj{"kid": "s", "use": "sig", "alg": "RS256"})
	mislabelled := func(members obj) obj { return jwk(keys()["p256"], over(obj{"kid": "c"}, members)) }
	set := func(s string) func(*verifier.Config) { return func(cfg *verifier.Config) { cfg.JWKS = []byte(s) } }
	ed := keys()["ed"]
	bugs := []bug{
		{"BUG-059 a member of EVE Online's set", set(`{"keys":[` + text(r1) + `],"SkipUnresolvedJsonWebKeys":true}`), token("r1"), nil, ""},
		{"BUG-059 a member of OneLogin's set", set(`{"status":{"error":false,"code":200},"keys":[` + text(r1) + `]}`), token("r1"), nil, ""},
		{"BUG-059 a member of every key", withKeys(merge(r1, obj{"status": "active", "nbf": 1, "issuer": obj{}})), token("r1"), nil, ""},
		{"BUG-060 P-256 beside secp256k1", withKeys(jwk(keys()["p256"], obj{"kid": "k1", "crv": "secp256k1"}), jwk(keys()["p256"], obj{"kid": "p1"})), keyedBy("ES256", "p1", keys()["p256"]), nil, ""},
		{"BUG-064 the kid of the key for encryption", withKeys(enc, sig), keyedBy("RS256", "e", other), verifier.ErrKeyNotFound, ""},
		{"BUG-064 the kid of the key for encryption, signed by the other one", withKeys(enc, sig), token("e"), verifier.ErrKeyNotFound, ""},
		{"BUG-064 no kid, and the key for signatures is the second", withKeys(enc, sig), token(""), nil, ""},
		{"BUG-064 no kid, and the key for signatures is the first", withKeys(sig, enc), token(""), nil, ""},
		{"BUG-064 no kid, and signed by the key for encryption", withKeys(enc, sig), keyedBy("RS256", "", other), verifier.ErrSignature, ""},
		{"BUG-067 no kid, and the second key has signed", withKeys(jwk(other, obj{"kid": "k1"}), jwk(keys()["rsa"], obj{"kid": "k2"})), token(""), nil, ""},
		{"BUG-067 no kid, and the fourth key has signed", withKeys(rsaKeys(4)...), token(""), nil, ""},
		{"BUG-067 no kid, and nobody's key has signed", withKeys(jwk(keys()["rsa"], obj{"kid": "k1"})), keyedBy("RS256", "", other), verifier.ErrSignature, "no kid"},
		{"BUG-069 a modulus with a zero before it", withKeys(merge(r1, obj{"n": b64("\x00" + string(keys()["rsa"].Public().(*rsa.PublicKey).N.Bytes()))})), token("r1"), nil, ""},
		{"BUG-069 an exponent with a zero before it", withKeys(merge(r1, obj{"e": "AAEAAQ"})), token("r1"), nil, ""},
		{"BUG-071 an exponent of 35", withKeys(jwk(odd, obj{"kid": "r35"})), keyedBy("RS256", "r35", odd), nil, ""},
		{"BUG-071 an exponent of 35, and another key has signed", withKeys(jwk(odd, obj{"kid": "r35"})), token("r35"), verifier.ErrSignature, ""},
		{"BUG-074 a P-256 key for ES384", nil, keyedBy("ES384", "p256", keys()["p256"]), verifier.ErrKeyNotFound, "not for ES384"},
		{"BUG-074 a P-256 key for ES512, without a kid", withKeys(jwk(keys()["p256"], nil)), keyedBy("ES512", "", keys()["p256"]), verifier.ErrKeyNotFound, "no key is for ES512"},
		{"BUG-074 a P-384 key for ES256", nil, keyedBy("ES256", "p384", keys()["p384"]), verifier.ErrKeyNotFound, ""},
		{"BUG-074 a P-384 key for ES512", nil, keyedBy("ES512", "p384", keys()["p384"]), verifier.ErrKeyNotFound, ""},
		{"BUG-074 a P-521 key for ES256", nil, keyedBy("ES256", "p521", keys()["p521"]), verifier.ErrKeyNotFound, ""},
		{"BUG-074 a P-521 key for ES384", nil, keyedBy("ES384", "p521", keys()["p521"]), verifier.ErrKeyNotFound, ""},
		{"BUG-075 secp256k1 for ES256", withKeys(jwk(keys()["p256"], obj{"kid": "k1", "crv": "secp256k1"}), r1), keyedBy("ES256", "k1", keys()["p256"]), verifier.ErrKeyNotFound, ""},
		{"BUG-075 secp256k1 for ES256, without a kid", withKeys(jwk(keys()["p256"], obj{"crv": "secp256k1"}), r1), keyedBy("ES256", "", keys()["p256"]), verifier.ErrKeyNotFound, ""},
		{"BUG-078 a thumbprint of no certificate", withKeys(mislabelled(obj{"x5c": []string{"MIIBgT"}, "x5t#S256": strings.Repeat("A", 43)})), keyedBy("ES256", "c", keys()["p256"]), nil, ""},
		{"BUG-078 another key's certificate is not that key", withKeys(mislabelled(obj{"x5c": certificate(other)})), keyedBy("RS256", "c", other), verifier.ErrKeyNotFound, ""},
		{"BUG-078 another key's certificate on the same curve", withKeys(jwk(keys()["p256"], obj{"kid": "c", "x5c": certificate(newEC(elliptic.P256()))})), keyedBy("ES256", "c", keys()["p256"]), nil, ""},
		{"BUG-080 alg Ed25519, its key for EdDSA", withKeys(jwk(ed, obj{"kid": "e", "alg": "EdDSA"})), edToken("Ed25519", ed), nil, ""},
		{"BUG-080 alg EdDSA, its key for Ed25519", withKeys(jwk(ed, obj{"kid": "e", "alg": "Ed25519"})), edToken("EdDSA", ed), nil, ""},
		{"BUG-080 alg Ed448, its key for EdDSA", withKeys(jwk(ed, obj{"kid": "e", "alg": "EdDSA"})), edToken("Ed448", ed), verifier.ErrAlgorithm, ""},
		{"BUG-081 an empty secret where the RSA key has no alg", withKeys(r1), macked(nil, "r1"), verifier.ErrAlgorithm, ""},
		{"BUG-094 a certificate in the header, no kid, and its key has signed", nil, attackers("ES256", obj{"kid": gone}), verifier.ErrSignature, "no kid"},
		{"BUG-094 a certificate in the header means nothing to a good token", nil, mint(obj{"alg": "ES256", "kid": gone, "x5c": certificate(other)}, nil), nil, ""},
		{"BUG-110 a kid of one key, signed by the other of the same set", nil, keyedBy("ES256", "p256", newEC(elliptic.P256())), verifier.ErrSignature, `"p256"`},
		{"BUG-110 B's kid, signed by A", withKeys(jwk(other, obj{"kid": "A"}), jwk(keys()["rsa"], obj{"kid": "B"})), keyedBy("RS256", "B", other), verifier.ErrSignature, `"B"`},
		{"BUG-110 B's kid, signed by A, which has none", withKeys(jwk(other, nil), jwk(keys()["rsa"], obj{"kid": "B"})), keyedBy("RS256", "B", other), verifier.ErrSignature, `"B"`},
		{"BUG-110 nobody's kid, signed by A", withKeys(jwk(other, obj{"kid": "A"})), keyedBy("RS256", "C", other), verifier.ErrKeyNotFound, ""},
		{"BUG-126 the attacker's JWK in the header, under a known kid", nil, attackers("ES256", obj{"kid": "p256"}), verifier.ErrSignature, ""},
		{"BUG-126 the attacker's JWK in the header, under its own kid", nil, attackers("ES256", obj{"kid": "attacker"}), verifier.ErrKeyNotFound, ""},
		{"BUG-126 the attacker's JWK in the header, without a kid", nil, attackers("ES256", obj{"kid": gone}), verifier.ErrSignature, ""},
	}
	runBugs(t, bugs)
	t.Run("BUG-091 a key whose private members are published serves, with a warning that shows none of them", func(t *testing.T) {
		t.Parallel()
		private := keys()["rsa"].(*rsa.PrivateKey)
		d, p := b64(private.D.Bytes()), b64(private.Primes[0].Bytes())
		v := newVerifier(t, withKeys(merge(r1, obj{"d": d, "p": p, "q": b64(private.Primes[1].Bytes())})))
		accepted(t, v, token("r1"))
		h := v.Health()
		if h.Keys != 1 || len(h.Skipped) != 1 || h.Skipped[0].KeyID != "r1" || !strings.Contains(h.Skipped[0].Reason, "private") {
			t.Errorf("%+v", h)
		}
		shown := fmt.Sprintf("%+v %v", h, refused(t, v, keyedBy("RS256", "r1", other), verifier.ErrSignature))
		for _, c := range v.Explain(t.Context(), token("r1")) {
			shown += fmt.Sprintf("%+v", c)
		}
		for _, secret := range []string{d, p, private.D.String()} {
			if strings.Contains(shown, secret[:20]) {
				t.Errorf("the key is shown: %s", shown)
			}
		}
	})
}

func edToken(alg string, key crypto.Signer) string {
	input := b64(text(merge(goodHeader(), obj{"alg": alg, "kid": "e"}))) + "." + b64(text(goodPayload()))
	return input + "." + b64(ed25519.Sign(key.(ed25519.PrivateKey), []byte(input)))
}

// attackers is a token that brings its own key, in each form, and is signed by it.
func attackers(alg string, header obj) string {
	key := newEC(elliptic.P256())
	h := merge(obj{"alg": alg, "typ": "at+jwt", "jwk": jwk(key, obj{"kid": header["kid"]}), "x5c": certificate(key)}, header)
	if header["kid"] == gone {
		h["jwk"] = jwk(key, nil)
	}
	input := b64(text(h)) + "." + b64(text(goodPayload()))
	return input + "." + b64(sign(alg, key, input))
}

// TestBugsOfWhereKeysAre: the operator says where the keys are, and nobody else.
func TestBugsOfWhereKeysAre(t *testing.T) {
	t.Parallel()
	const literal = "https://idp.example/realms/{{iss_name}}/keys"
	set := page(200, string(published()))
	deployment := func(t *testing.T, jwksURL string) (*verifier.Verifier, *web) {
		w := &web{pages: map[string]func(*http.Request) (*http.Response, error){jwksURL: set, "https://idp.example/realms/%7B%7Biss_name%7D%7D/keys": set}}
		return newVerifier(t, func(cfg *verifier.Config) {
			cfg.JWKS, cfg.JWKSURL, cfg.Client = nil, jwksURL, &http.Client{Transport: w}
		}), w
	}
	// askedOnly asserts that nothing but one URL was asked.
	askedOnly := func(t *testing.T, w *web, url string) {
		t.Helper()
		for _, asked := range w.urls() {
			if asked != url {
				t.Errorf("asked %q", asked)
			}
		}
	}
	for _, url := range []string{"https://attacker.example/jwks.json", "https://idp.example@attacker.example/k", "https://idp.example/redirect?to=https://attacker.example/k", "https://idp.example/../../k", "https://attacker.example/#idp.example",
		"http://169.254.169.254/latest/meta-data", "file:///etc/passwd", "//attacker.example/k", "https://idp.example\\@attacker.example/k"} {
		id := map[bool]string{true: "BUG-127 BUG-128 ", false: "BUG-128 "}[url == "https://attacker.example/jwks.json"]
		for _, name := range []string{"jku", "x5u"} {
			t.Run(id+name+" "+url, func(t *testing.T) {
				t.Parallel()
				v, w := deployment(t, "https://idp.example/keys")
				forged := compact("RS256", "other", text(merge(goodHeader(), obj{name: url})), text(goodPayload()))
				refused(t, v, forged, verifier.ErrSignature)
				refused(t, v, mint(obj{"kid": "x", name: url}, nil), verifier.ErrKeyNotFound)
				accepted(t, v, mint(obj{name: url}, nil))
				askedOnly(t, w, "https://idp.example/keys")
			})
		}
	}
	for _, claim := range []string{"../../attacker.example/x?", "a/../../../keys#", "https://attacker.example/", "{{iss_name}}", "", "@attacker.example"} {
		t.Run(fmt.Sprintf("BUG-129 a claim fills in no template: %q", claim), func(t *testing.T) {
			t.Parallel()
			v, w := deployment(t, literal)
			accepted(t, v, mint(nil, obj{"iss_name": claim}))
			refused(t, v, mint(obj{"kid": claim}, obj{"iss_name": claim}), verifier.ErrKeyNotFound)
			refused(t, v, mint(obj{"kid": "new"}, obj{"iss": issuer + "/" + claim, "iss_name": claim}), verifier.ErrIssuer)
			askedOnly(t, w, "https://idp.example/realms/%7B%7Biss_name%7D%7D/keys")
		})
	}
	for _, template := range []string{"{{iss}}", "{iss}/keys", "https://{{host}}/keys", "%s/keys"} {
		t.Run("BUG-129 New takes no URL whose host is to be filled in: "+template, func(t *testing.T) {
			t.Parallel()
			_, err := verifier.New(config(func(cfg *verifier.Config) { cfg.JWKS, cfg.JWKSURL = nil, template }))
			if err == nil {
				t.Error("no error")
			}
		})
	}
}

// TestBugsOfManyIssuers: a key belongs to its issuer, whatever it is called.
func TestBugsOfManyIssuers(t *testing.T) {
	t.Parallel()
	const a, b = "https://idp.example/orgA", "https://idp.example/orgB"
	pages := map[string]func(*http.Request) (*http.Response, error){
		a + "/.well-known/openid-configuration": page(200, metadata(a, a+"/keys")), a + "/keys": page(200, string(keySet(jwk(keys()["rsa"], obj{"kid": "default"})))),
		b + "/.well-known/openid-configuration": page(200, metadata(b, b+"/keys")), b + "/keys": page(200, string(keySet(jwk(keys()["other"], obj{"kid": "default"})))),
	}
	client := &http.Client{Transport: &web{pages: pages}} // one for both
	of := func(iss string) *verifier.Verifier {
		return newVerifier(t, func(cfg *verifier.Config) { cfg.Issuer, cfg.JWKS, cfg.Client = iss, nil, client })
	}
	va, vb := of(a), of(b)
	by := func(iss, key string) string {
		return compact("RS256", key, text(merge(goodHeader(), obj{"kid": "default"})), text(merge(goodPayload(), obj{"iss": iss})))
	}
	goodA, goodB := by(a, "rsa"), by(b, "other")
	accepted(t, va, goodA)
	accepted(t, vb, goodB)
	for _, tt := range []struct {
		name  string
		v     *verifier.Verifier
		token string
		want  error
	}{
		{"BUG-109 A's issuer and kid, signed by B", va, by(a, "other"), verifier.ErrSignature},
		{"BUG-109 B's issuer and kid, signed by A", vb, by(b, "rsa"), verifier.ErrSignature},
		{"BUG-109 B's good token at A", va, goodB, verifier.ErrIssuer},
		{"BUG-109 A's good token at B, which A remembers", vb, goodA, verifier.ErrIssuer},
		{"BUG-109 A's own token", va, goodA, nil},
		{"BUG-109 B's own token", vb, goodB, nil},
		{"BUG-124 organization A's token, signed by organization B", va, by(a, "other"), verifier.ErrSignature},
		{"BUG-124 an organization that nobody knows, signed by A", va, by("https://idp.example/orgC", "rsa"), verifier.ErrIssuer},
		{"BUG-124 the provider itself, signed by A", va, by("https://idp.example", "rsa"), verifier.ErrIssuer},
		{"BUG-124 a path that begins with A's", va, by(a+"/sub", "rsa"), verifier.ErrIssuer},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for range 2 {
				if tt.want == nil {
					accepted(t, tt.v, tt.token)
				} else {
					refused(t, tt.v, tt.token, tt.want)
				}
			}
		})
	}
}

// TestBugsOfVersions: Entra's version 1 and 2 of one tenant have the same keys and two issuers.
func TestBugsOfVersions(t *testing.T) {
	t.Parallel()
	const v1, v2 = "https://sts.windows.net/11111111-2222-3333-4444-555555555555/", "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0"
	entra := func(iss string) *verifier.Verifier {
		return newVerifier(t, at(iss, "api://x"), ofProfile(verifier.Entra()))
	}
	of := func(iss, version string) string {
		return mint(obj{"typ": "JWT"}, obj{"iss": iss, "aud": "api://x", "ver": version, "tid": "11111111-2222-3333-4444-555555555555", "appid": "c"})
	}
	both := newIssuers(t, entra(v1), entra(v2))
	for _, tt := range []struct {
		name  string
		v     verifier.TokenVerifier
		token string
		says  string // words of the error; "": it is good
	}{
		{"BUG-041 a token of version 1 where version 2 alone is expected", entra(v2), of(v1, "1.0"), v1 + "|" + v2 + "|version 1"},
		{"BUG-041 a token of version 2 where version 1 alone is expected", entra(v1), of(v2, "2.0"), v1 + "|" + v2 + "|version 2"},
		{"BUG-041 a token of version 1 where both are listed", both, of(v1, "1.0"), ""},
		{"BUG-041 a token of version 2 where both are listed", both, of(v2, "2.0"), ""},
		{"BUG-041 a token of another tenant where both are listed", both, of("https://sts.windows.net/99999999-2222-3333-4444-555555555555/", "1.0"), "99999999|" + v1 + "|" + v2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.says == "" {
				accepted(t, tt.v, tt.token)
				return
			}
			wantWords(t, refused(t, tt.v, tt.token, verifier.ErrIssuer).Error(), tt.says)
		})
	}
}

// TestBugsOfAnswers are what an endpoint for keys has been seen to send.
func TestBugsOfAnswers(t *testing.T) {
	t.Parallel()
	good := string(published())
	says := func(contentType, body string) func(*http.Request) (*http.Response, error) {
		return func(*http.Request) (*http.Response, error) {
			return answer(200, http.Header{"Content-Type": {contentType}}, body), nil
		}
	}
	sized := func(size int) string { return good + strings.Repeat(" ", size-len(good)) }
	strict := func(r *http.Request) (*http.Response, error) {
		for part := range strings.SplitSeq(r.Header.Get("Accept"), ",") {
			if part, _, _ := strings.Cut(strings.TrimSpace(part), ";"); part == "application/jwk-set+json" {
				return answer(200, nil, good), nil
			}
		}
		return answer(406, nil, ""), nil
	}
	plain := func(r *http.Request) (*http.Response, error) {
		if accept := r.Header.Get("Accept"); strings.Contains(accept, "application/json") && strings.Contains(accept, "*/*") {
			return answer(200, nil, good), nil
		}
		return answer(406, nil, ""), nil
	}
	for _, tt := range []struct {
		name string
		page func(*http.Request) (*http.Response, error)
		says string // words of the error; "": it is good
	}{
		{"BUG-085 text/html", says("text/html;charset=utf-8", good), ""},
		{"BUG-085 text/plain", says("text/plain", good), ""},
		{"BUG-085 application/octet-stream", says("application/octet-stream", good), ""},
		{"BUG-085 no content type", says("", good), ""},
		{"BUG-085 a content type that is none", says("json; charset", good), ""},
		{"BUG-086 a server that has nothing but application/jwk-set+json", strict, ""},
		{"BUG-086 a server that wants to be asked for application/json or anything", plain, ""},
		{"BUG-088 60,000 bytes", says("application/json", sized(60000)), ""},
		{"BUG-088 1 MiB", says("application/json", sized(1<<20)), ""},
		{"BUG-088 1 MiB and a byte", says("application/json", sized(1<<20+1)), keysURL + "|larger than 1048576 bytes"},
		{"BUG-088 a set that goes on for ever", says("application/json", good[:len(good)-2]+strings.Repeat(`,{"kty":"AKP"}`, 200000)), keysURL + "|larger than 1048576 bytes"},
		{"BUG-084 a page with 200", says("text/html", "<html>Sign in</html>"), keysURL + "|not a JSON object with an array of keys|<html>Sign in</html>"},
		{"BUG-084 a long page", says("text/html", "<!DOCTYPE html><title>Sign in</title>"+strings.Repeat("x", 10000)), keysURL + "|not a JSON object|<!DOCTYPE html>"},
		{"BUG-082 a string", says("application/json", `"hello"`), keysURL + `|not a JSON object|hello`},
		{"BUG-082 a string that holds a set", says("application/json", text(good)), keysURL + `|not a JSON object`},
		{"BUG-082 a number", says("application/json", `1`), keysURL + `|not a JSON object`},
		{"BUG-082 an array of keys", says("application/json", text([]obj{jwk(keys()["rsa"], nil)})), keysURL + `|not a JSON object`},
		{"BUG-082 keys that are a string", says("application/json", `{"keys":"hello"}`), keysURL + `|array of keys`},
		{"BUG-082 keys that are strings", says("application/json", `{"keys":["hello"]}`), keysURL + `|1 keys, none usable`},
		{"BUG-083 an object without keys", says("application/json", `{"key":"value"}`), keysURL + `|array of keys`},
		{"BUG-083 an empty set", says("application/json", `{"keys":[]}`), keysURL + `|0 keys, none usable`},
		{"BUG-058 a key for encryption alone", says("application/json", string(keySet(jwk(keys()["other"], obj{"kid": "enc1", "use": "enc", "alg": "RSA-OAEP"})))), keysURL + `|1 keys, none usable|"enc1"|use`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := &web{pages: map[string]func(*http.Request) (*http.Response, error){keysURL: tt.page}}
			v := newVerifier(t, func(cfg *verifier.Config) {
				cfg.JWKS, cfg.JWKSURL, cfg.Client = nil, keysURL, &http.Client{Transport: w}
			})
			if tt.says == "" {
				accepted(t, v, mint(nil, nil))
				return
			}
			for _, token := range []string{mint(nil, nil), macked([]byte("hello"), "rsa")} {
				_, err := v.Verify(t.Context(), token)
				if errors.Is(err, verifier.ErrAlgorithm) {
					continue
				}
				if !errors.Is(err, verifier.ErrUnavailable) || errors.Is(err, verifier.ErrInvalidToken) {
					t.Fatal(err)
				}
				if wantWords(t, err.Error(), tt.says); len(err.Error()) > 400 {
					t.Errorf("%d bytes: %v", len(err.Error()), err)
				}
			}
		})
	}
	t.Run("BUG-058 BUG-082 BUG-083 BUG-084 none of them replaces a good set, and each is tried again later", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			key := newKey("r1", "1")
			s := newStub(key)
			v, got, token := s.warm(t), &tally{}, repeated(key)
			for i, body := range []string{`{"keys":[]}`, `{"key":"value"}`, `"hello"`, "<html>Sign in</html>", string(keySet(jwk(keys()["other"], obj{"use": "enc"}))), ``, `null`} {
				time.Sleep(12 * time.Minute)
				s.fail(func(context.Context) (*http.Response, error) { return answer(200, nil, body), nil })
				before := s.fetches()
				got.load(v, 100, 10*time.Second, token)
				if h := v.Health(); got.ok != 100*(i+1) || h.Err == nil || h.Keys != 1 || s.fetches()-before < 2 || s.fetches()-before > 5 {
					t.Errorf("%.20q: %d of %d ok, %d fetches in 10 s, %+v", body, got.ok, 100*(i+1), s.fetches()-before, h)
				}
				s.fail(nil)
				time.Sleep(time.Minute)
				got.load(v, 1, time.Second, token)
				got.ok--
				time.Sleep(time.Second)
				if err := v.Health().Err; err != nil {
					t.Errorf("%.20q: not healed: %v", body, err)
				}
			}
		})
	})
}

// TestBugsOfRotation are the ways in which a key's replacement has gone wrong.
func TestBugsOfRotation(t *testing.T) {
	k1, k2 := newKey("k1", "1"), newKey("k2", "2")
	verify := func(t *testing.T, v *verifier.Verifier, token string, want error) {
		t.Helper()
		if claims, err := v.Verify(t.Context(), token); !errors.Is(err, want) || (claims == nil) != (want != nil) {
			t.Errorf("Verify = %v, %v; want %v", claims, err, want)
		}
	}
	for name, after := range map[string][]signingKey{"BUG-096 the first token of a new key that is published beside the old one": {k1, k2}, "BUG-096 the first token of a new key that is published before the old one": {k2, k1}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := newStub(k1)
				v, got := s.warm(t), &tally{}
				s.publish(after...)
				for range 50 {
					got.ask(v, k2.token())
				}
				got.wg.Wait()
				if got.ok != 50 || s.fetches() != 2 || got.slowest > s.latency {
					t.Errorf("%d of 50 ok, %d fetches, the slowest waited %v", got.ok, s.fetches(), got.slowest)
				}
				verify(t, v, k1.token(), nil)
			})
		})
	}
	t.Run("BUG-098 a thousand made-up kids in 10 s cost a few fetches, and good requests nothing", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			s := newStub(k1)
			v, good, bad := s.warm(t), &tally{}, &tally{}
			var wg sync.WaitGroup
			wg.Go(func() { good.load(v, 200, 10*time.Second, repeated(k1)) })
			wg.Go(func() {
				bad.load(v, 1000, 10*time.Second, func(int) string { return newKey(rand.Text(), "x").token() })
			})
			wg.Wait()
			if n := s.fetches() - 1; n > 3+10/5 || good.ok != 200 || good.slowest > 0 || bad.invalid != 1000 {
				t.Errorf("%d fetches, %d of 200 good ones ok, the slowest after %v, %d of 1000 bad ones refused", n, good.ok, good.slowest, bad.invalid)
			}
			good.load(v, 200, 11*time.Minute, repeated(k1))
			if s.peak != 1 || good.ok != 400 {
				t.Errorf("%d fetches at once, %d good ones ok later", s.peak, good.ok)
			}
		})
	})
	t.Run("BUG-104 a withdrawn key is noticed though no other is ever seen", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			s := newStub(k1, k2)
			v := s.warm(t)
			token := k1.token()
			verify(t, v, token, nil)
			s.publish(k2)
			withdrawn := time.Now()
			for time.Since(withdrawn) < 47*time.Hour {
				if _, err := v.Verify(t.Context(), token); err != nil {
					break
				}
				time.Sleep(time.Second)
			}
			if took := time.Since(withdrawn); took > 11*time.Minute {
				t.Errorf("it took %v", took)
			}
			verify(t, v, token, verifier.ErrKeyNotFound)
			verify(t, v, k1.token(), verifier.ErrKeyNotFound)
		})
	})
	for _, header := range []string{"public, max-age=3828277", "max-age=99999999999999999999", "max-age=31536000, immutable"} {
		t.Run("BUG-106 a withdrawn key is gone within the hour: "+header, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := newStub(k1, k2)
				s.header.Set("Cache-Control", header)
				v := s.warm(t)
				token := k1.token()
				s.publish(k2)
				time.Sleep(59 * time.Minute) // 80 % of an hour, 10 % more, and some seconds
				_ = v.Health()               // it starts what is due
				time.Sleep(time.Second)
				verify(t, v, token, verifier.ErrKeyNotFound)
			})
		})
	}
	for header, most := range map[string]int{"max-age=0, must-revalidate": 14, "no-cache": 2, "max-age=-1": 2, "max-age=soon": 2, "max-age=": 2, "private, max-age=0": 14, "max-age=1, stale-while-revalidate=0": 14} {
		t.Run("BUG-105 ten busy minutes under Cache-Control "+header, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := newStub(k1)
				s.header.Set("Cache-Control", header)
				v, got := s.warm(t), &tally{}
				got.load(v, 1200, 10*time.Minute, repeated(k1))
				if n := s.fetches() - 1; n > most || got.ok != 1200 || got.slowest > 0 {
					t.Errorf("%d fetches, %d of 1200 ok, the slowest waited %v", n, got.ok, got.slowest)
				}
			})
		})
	}
	t.Run("BUG-108 after 429 nobody asks before Retry-After, and the old keys serve", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			s := newStub(k1)
			v, got := s.warm(t), &tally{}
			time.Sleep(12 * time.Minute)
			s.fail(func(context.Context) (*http.Response, error) {
				return answer(429, http.Header{"Retry-After": {"30"}}, ""), nil
			})
			got.load(v, 290, 29*time.Second, repeated(k1))
			if n := s.fetches() - 1; n != 1 || got.ok != 290 {
				t.Errorf("%d fetches, %d of 290 ok", n, got.ok)
			}
			verify(t, v, k2.token(), verifier.ErrUnavailable) // nor for a kid that may be new
			if n := s.fetches() - 1; n != 1 {
				t.Errorf("%d fetches", n)
			}
			s.fail(nil)
			got.load(v, 100, 10*time.Second, repeated(k1))
			if n := s.fetches() - 1; n != 2 || got.ok != 390 || v.Health().Err != nil {
				t.Errorf("%d fetches, %d of 390 ok, %v", n, got.ok, v.Health().Err)
			}
		})
	})
	t.Run("BUG-121 three keys of one set cost one fetch", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			set := []signingKey{newKey("a", "a"), newKey("b", "b"), newKey("c", "c")}
			s := newStub(set...)
			v, got := s.verifier(t), &tally{}
			for i := range 30 {
				got.ask(v, set[i%3].token())
			}
			got.wg.Wait()
			for _, key := range set {
				verify(t, v, key.token(), nil)
			}
			if s.fetches() != 1 || got.ok != 30 {
				t.Errorf("%d fetches, %d of 30 ok", s.fetches(), got.ok)
			}
		})
	})
	t.Run("BUG-122 a rotation after 30 days, with and without traffic before", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			s := newStub(k1)
			idle, busy := s.warm(t), s.warm(t)
			for range 30 {
				time.Sleep(24 * time.Hour)
				verify(t, busy, k1.token(), nil)
			}
			s.publish(k2)
			verify(t, idle, k2.token(), nil)
			verify(t, busy, k2.token(), nil)
			verify(t, busy, k1.token(), verifier.ErrKeyNotFound)
		})
	})
	for name, next := range map[string]signingKey{"withdrawn": k2, "replaced under its kid": newKey("k1", "other material")} {
		t.Run("BUG-237 a remembered token dies with its key, which is "+name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				var events recorder
				s := newStub(k1)
				v := s.warm(t, events.hook)
				token := k1.token()
				verify(t, v, token, nil)
				verify(t, v, token, nil)
				if !events.last().Cached {
					t.Error("it is not remembered")
				}
				s.publish(next)
				_, _ = v.Verify(t.Context(), newKey("new", "x").token()) // what makes the set be fetched
				if _, err := v.Verify(t.Context(), token); !errors.Is(err, verifier.ErrInvalidToken) {
					t.Errorf("the same token: %v", err)
				}
				verify(t, v, next.token(), nil)
				s.publish(k1)
				_, _ = v.Verify(t.Context(), newKey("newer", "x").token())
				verify(t, v, token, nil) // the key is back: so is its token
			})
		})
	}
}

// TestBugsOfOutages are about an issuer that is not there, and about those who wait for it.
func TestBugsOfOutages(t *testing.T) {
	key := newKey("a", "1")
	t.Run("BUG-113 keys that could not be had at the start open nothing", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			s := newStub(key)
			s.fail(failures["500"])
			v := s.verifier(t)
			if err := v.Warm(t.Context()); !errors.Is(err, verifier.ErrUnavailable) {
				t.Errorf("Warm: %v", err)
			}
			for _, token := range []string{key.token(), key.forged(), newKey("x", "x").token()} {
				if claims, err := v.Verify(t.Context(), token); claims != nil || !errors.Is(err, verifier.ErrUnavailable) {
					t.Errorf("Verify = %v, %v", claims, err)
				}
			}
			if claims, err := v.Verify(t.Context(), ""); claims != nil || !errors.Is(err, verifier.ErrInvalidToken) {
				t.Errorf("no token: %v, %v", claims, err)
			}
		})
	})
	t.Run("BUG-114 an issuer that can't be reached holds back no other, and comes back by itself", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			up, down := newStub(key), newStub(key)
			down.fail(func(context.Context) (*http.Response, error) {
				return nil, &net.DNSError{Err: "no such host", Name: "bad.example", IsNotFound: true}
			})
			good, bad, got := up.verifier(t), down.verifier(t), &tally{}
			for range 60 {
				got.ask(good, key.token())
				if _, err := bad.Verify(t.Context(), key.token()); !errors.Is(err, verifier.ErrUnavailable) {
					t.Errorf("the bad one: %v", err)
				}
				time.Sleep(time.Second)
			}
			got.wg.Wait()
			if got.ok != 60 || got.slowest > 2*up.latency { // metadata and keys
				t.Errorf("%d of 60 ok, the slowest waited %v", got.ok, got.slowest)
			}
			down.fail(nil)
			if took := healTime(t, bad, key); took > 31*time.Second {
				t.Errorf("the bad one came back after %v", took)
			}
		})
	})
	t.Run("BUG-115 the context of Warm ends nothing but Warm", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			s := newStub(key)
			v := s.verifier(t)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			if err := v.Warm(ctx); err != nil {
				t.Fatal(err)
			}
			cancel()
			for range 3 {
				time.Sleep(11*time.Minute + 11*time.Second)
				gone, cancel := context.WithCancel(t.Context())
				_, _ = v.Verify(gone, key.token()) // starts a refresh, and its request is over at once
				cancel()
				time.Sleep(time.Second)
				if _, err := v.Verify(t.Context(), key.token()); err != nil || v.Health().Err != nil {
					t.Errorf("%v, %v", err, v.Health().Err)
				}
			}
			if s.fetches() != 4 {
				t.Errorf("%d fetches", s.fetches())
			}
		})
	})
	t.Run("BUG-117 an endpoint that sends a byte a second is given up after 5 s, and a request waits no longer than it likes", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			v, err := verifier.New(verifier.Config{Issuer: stubIssuer, Audience: []string{"api"}, JWKSURL: "http://as.example.com/keys", DangerouslyAllowHTTP: true,
				Client: &http.Client{Transport: &http.Transport{DialContext: trickle}}})
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err = v.Verify(ctx, key.token())
			if took := time.Since(start); took != time.Second || !errors.Is(err, verifier.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("who waits a second got %v after %v", err, took)
			}
			_, err = v.Verify(t.Context(), key.token())
			if took := time.Since(start); took != 5*time.Second || !errors.Is(err, verifier.ErrUnavailable) {
				t.Errorf("who waits got %v after %v", err, took)
			}
		})
	})
	t.Run("BUG-118 who hangs up while the keys are fetched ends neither the fetch nor the others, even where it fails", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			s := newStub(key)
			s.latency = 2 * time.Second
			s.fail(failures["resets"])
			v, others := s.verifier(t), &tally{}
			ctx, cancel := context.WithCancel(t.Context())
			left := make(chan error)
			go func() { _, err := v.Verify(ctx, key.token()); left <- err }()
			synctest.Wait()
			for range 10 {
				others.ask(v, key.token())
			}
			time.Sleep(time.Second)
			cancel()
			if err := <-left; !errors.Is(err, context.Canceled) || !errors.Is(err, verifier.ErrUnavailable) {
				t.Errorf("who hung up got %v", err)
			}
			others.wg.Wait()
			if others.unavailable != 10 || s.fetches() != 1 {
				t.Errorf("%d of 10 others were told, %d fetches", others.unavailable, s.fetches())
			}
			s.fail(nil)
			time.Sleep(2 * time.Second)
			others.ask(v, key.token())
			others.wg.Wait()
			if others.ok != 1 {
				t.Errorf("not healed: %v", v.Health().Err)
			}
		})
	})
}

// trickle is a server that accepts a connection and sends a byte a second.
func trickle(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	go func() {
		defer server.Close()
		if _, err := http.ReadRequest(bufio.NewReader(server)); err != nil {
			return
		}
		body := `{"keys":[` + newKey("a", "1").jwk() + `]}`
		if _, err := fmt.Fprintf(server, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", len(body)); err != nil {
			return
		}
		for _, c := range []byte(body) {
			time.Sleep(time.Second)
			if _, err := server.Write([]byte{c}); err != nil {
				return
			}
		}
	}()
	return client, nil
}
