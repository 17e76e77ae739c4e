package jose_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bearerguard/bearerguard/internal/jose"
)

type obj = map[string]any

func with(base obj, changes obj) string {
	out := maps.Clone(base)
	maps.Copy(out, changes)
	maps.DeleteFunc(out, func(_ string, v any) bool { return v == gone })
	text, _ := json.Marshal(out)
	return string(text)
}

var gone = new(int)

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// modulus is a number of so many bits that is no product of primes anybody knows: enough to be parsed.
func modulus(bits int) string {
	b := make([]byte, (bits+7)/8)
	rand.Read(b)
	n := new(big.Int).SetBytes(b)
	n.SetBit(n, 0, 1).SetBit(n, bits-1, 1)
	for i := bits; i < len(b)*8; i++ {
		n.SetBit(n, i, 0)
	}
	return b64(n.Bytes())
}

func ecKey(curve elliptic.Curve) obj {
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		panic(err)
	}
	point, _ := key.PublicKey.Bytes()
	size := len(point) / 2
	return obj{"kty": "EC", "crv": curve.Params().Name, "x": b64(point[1 : size+1]), "y": b64(point[size+1:])}
}

var (
	rsaKey = obj{"kty": "RSA", "e": "AQAB", "n": modulus(2048)}
	p256   = ecKey(elliptic.P256())
	edKey  = obj{"kty": "OKP", "crv": "Ed25519", "x": b64(ed25519.NewKeyFromSeed(make([]byte, 32)).Public().(ed25519.PublicKey))}
)

func TestParseKey(t *testing.T) {
	t.Parallel()
	const rs, ed = "RS256 RS384 RS512 PS256 PS384 PS512", "EdDSA Ed25519"
	for _, tt := range []struct{ name, text, algorithms string }{
		{"an RSA key", with(rsaKey, nil), rs},
		{"7518-3.3-1 an RSA key of 2048 bits", with(rsaKey, obj{"n": modulus(2048)}), rs},
		{"an RSA key of 3072 bits", with(rsaKey, obj{"n": modulus(3072)}), rs},
		{"an RSA key of 8192 bits", with(rsaKey, obj{"n": modulus(8192)}), rs},
		{"an exponent of 3", with(rsaKey, obj{"e": "Aw"}), rs},
		{"an exponent of 2^31-1", with(rsaKey, obj{"e": "f____w"}), rs},
		{"an exponent with a leading zero", with(rsaKey, obj{"e": "AAEAAQ"}), rs},
		{"7517-4.4-1 an RSA key for one alg", with(rsaKey, obj{"alg": "PS384"}), "PS384"},
		{"a P-256 key", with(p256, nil), "ES256"},
		{"a P-384 key", with(ecKey(elliptic.P384()), nil), "ES384"},
		{"a P-521 key", with(ecKey(elliptic.P521()), obj{"alg": "ES512"}), "ES512"},
		{"an Ed25519 key", with(edKey, nil), ed},
		{"an Ed25519 key for EdDSA", with(edKey, obj{"alg": "EdDSA"}), ed},
		{"8725bis-3.2-1 an Ed25519 key for Ed25519", with(edKey, obj{"alg": "Ed25519"}), ed},
		{"use sig and key_ops", with(p256, obj{"use": "sig", "key_ops": []string{"sign", "verify"}}), "ES256"},
		{"7517-4-1 unknown members", with(p256, obj{"status": []int{1}, "issuer": obj{"a": nil}, "x5c": []string{"bad"}, "x5t": 1, "X": 1}), "ES256"},
		{"members that are null, as serializers write what a key has not",
			with(rsaKey, obj{"use": nil, "key_ops": nil, "alg": nil, "kid": nil, "x5c": nil, "x5t": nil, "crv": nil, "x": nil, "y": nil}), rs},
		{"null beside an alg", with(rsaKey, obj{"alg": "PS384", "use": nil, "key_ops": nil}), "PS384"},
		{"a long kid", with(p256, obj{"kid": strings.Repeat("k", jose.MaxKeyID)}), "ES256"},
		{"private members are set aside", with(p256, obj{"d": 17}), "ES256"},
		{"white space", " " + strings.ReplaceAll(with(p256, nil), ",", " ,\n") + "\n", "ES256"},
	} {
		k, err := jose.ParseKey([]byte(tt.text))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if k.Algorithms() != tt.algorithms || len(k.Thumbprint) != 32 || k.Private != strings.Contains(tt.text, `"d":`) {
			t.Errorf("%s: %+v", tt.name, k)
		}
		for _, alg := range append(jose.Algorithms(), "none", "HS256", "") {
			if want := strings.Contains(" "+tt.algorithms+" ", " "+alg+" ") && alg != ""; k.Fits(alg) != want {
				t.Errorf("%s: Fits(%q) = %t", tt.name, alg, !want)
			}
		}
	}
}

func TestParseKeyRefuses(t *testing.T) {
	t.Parallel()
	p384 := ecKey(elliptic.P384())
	for _, tt := range []struct{ name, text, says string }{
		{"nothing", "", "JSON"}, {"null", "null", "not a JSON object"}, {"an array", "[]", "not a JSON object"}, {"an empty object", "{}", "kty"},
		{"something behind it", with(p256, nil) + "x", "JSON"},
		{"a byte order mark", "\xef\xbb\xbf" + with(p256, nil), "JSON"},
		{"7515-4-1 a member twice", strings.Replace(with(p256, nil), "{", `{"kty":"EC",`, 1), "twice"},
		{"bad UTF-8", strings.Replace(with(p256, nil), "{", "{\"\xff\":1,", 1), "JSON"},
		{"longer than 64 KiB", with(p256, obj{"z": strings.Repeat("z", 64<<10)}), "longer than"},
		{"nested too deep", with(p256, obj{"z": json.RawMessage(strings.Repeat("[", 8) + strings.Repeat("]", 8))}), "deeper"},
		{"7517-5-1 an unknown kty", with(p256, obj{"kty": "AKP"}), `kty "AKP"`},
		{"a symmetric key", `{"kty":"oct","k":"AQAB"}`, `kty "oct"`},
		{"kty in lower case", with(p256, obj{"kty": "ec"}), "kty"},
		{"kty that is no string", with(p256, obj{"kty": 1}), "kty"},
		{"kty of another kind", with(p256, obj{"kty": "RSA"}), "missing"},
		{"an RSA key with the name of an EC key", with(rsaKey, obj{"kty": "EC"}), "crv"},
		{"7517-5-1 no modulus", with(rsaKey, obj{"n": gone}), "n is missing"},
		{"no exponent", with(rsaKey, obj{"e": gone}), "e is missing"},
		{"a modulus that is a number", with(rsaKey, obj{"n": 1}), "n is missing or not a string"},
		{"a modulus that is no base64url", with(rsaKey, obj{"n": "*" + modulus(2048)}), "n is not base64url"},
		{"a modulus with a line break", with(rsaKey, obj{"n": modulus(2048) + "\n"}), "line break"},
		{"a modulus that ends the JSON early", with(rsaKey, obj{"n": `","d":"`}), "n is not base64url"},
		{"an empty modulus", with(rsaKey, obj{"n": ""}), ""},
		{"7518-3.3-1 2047 bits", with(rsaKey, obj{"n": modulus(2047)}), "2047 bits"},
		{"1024 bits", with(rsaKey, obj{"n": modulus(1024)}), "1024 bits"},
		{"1024 bits with zeros before them", with(rsaKey, obj{"n": b64(append(make([]byte, 128), []byte(strings.Repeat("\xff", 128))...))}), "1024 bits"},
		{"8193 bits", with(rsaKey, obj{"n": modulus(8193)}), "8193 bits"},
		{"a modulus of a megabit", with(rsaKey, obj{"n": strings.Repeat("A", 40000)}), "longer than a number"},
		{"an even modulus", with(rsaKey, obj{"n": modulus(2048)[:340] + "AA"}), "even"},
		{"8725-3.4-1 an Ed25519 point of small order", with(edKey, obj{"x": b64(make([]byte, 32))}), "small order"},
		{"the neutral point, with a sign", with(edKey, obj{"x": b64(append(append([]byte{1}, make([]byte, 30)...), 0x80))}), "small order"},
		{"an exponent of 1", with(rsaKey, obj{"e": "AQ"}), "e is not odd"},
		{"an exponent of 0", with(rsaKey, obj{"e": "AA"}), "e is not odd"},
		{"an empty exponent", with(rsaKey, obj{"e": ""}), "e is not odd"},
		{"an exponent of 2", with(rsaKey, obj{"e": "Ag"}), "e is not odd"},
		{"an even exponent", with(rsaKey, obj{"e": "AQAA"}), "e is not odd"},
		{"an exponent of 2^31+1", with(rsaKey, obj{"e": "gAAAAQ"}), "e is not odd"},
		{"an exponent of 2^64+3 must not shrink to 3", with(rsaKey, obj{"e": "AQAAAAAAAAAD"}), "e is not odd"},
		{"no curve", with(p256, obj{"crv": gone}), "crv"},
		{"secp256k1", with(p256, obj{"crv": "secp256k1"}), `crv "secp256k1"`},
		{"P-224", with(p256, obj{"crv": "P-224"}), "crv"},
		{"Ed448", with(edKey, obj{"crv": "Ed448"}), "crv"},
		{"X25519 is not for signatures", with(edKey, obj{"crv": "X25519"}), "crv"},
		{"an EC key on an Edwards curve", with(p256, obj{"crv": "Ed25519"}), ""},
		{"an octet key on a prime curve", with(edKey, obj{"crv": "P-256"}), ""},
		{"no y", with(p256, obj{"y": gone}), "y is missing"},
		{"8725-3.4-1 a point that is not on the curve", with(p256, obj{"x": p256["y"], "y": p256["x"]}), ""},
		{"the point zero", with(p256, obj{"x": b64(make([]byte, 32)), "y": b64(make([]byte, 32))}), ""},
		{"coordinates beyond the field", with(p256, obj{"x": b64([]byte(strings.Repeat("\xff", 32)))}), ""},
		{"a coordinate of 33 bytes", with(p256, obj{"x": b64(make([]byte, 33))}), "33 bytes"},
		{"a coordinate of no bytes", with(p256, obj{"x": ""}), "0 bytes"},
		{"a short coordinate that is off the curve", with(p256, obj{"x": b64(make([]byte, 31))}), "not on its curve"},
		{"a coordinate of 33 bytes", with(p256, obj{"x": b64(make([]byte, 33))}), "33 bytes"},
		{"a P-384 point called P-256", with(p384, obj{"crv": "P-256"}), "48 bytes"},
		{"an Ed25519 key of 31 bytes", with(edKey, obj{"x": b64(make([]byte, 31))}), "31 bytes"},
		{"7517-4.4-1 for encryption", with(p256, obj{"use": "enc"}), "use"},
		{"use in upper case", with(p256, obj{"use": "SIG"}), "use"},
		{"use that is empty", with(p256, obj{"use": ""}), "use"},
		{"for signing alone", with(p256, obj{"key_ops": []string{"sign"}}), "key_ops"},
		{"for nothing", with(p256, obj{"key_ops": []string{}}), "key_ops"},
		{"key_ops that is a string", with(p256, obj{"key_ops": "verify"}), "key_ops"},
		{"key_ops with a number", with(p256, obj{"key_ops": []any{"verify", 1}}), "key_ops"},
		{"7517-4.3-1 use and key_ops that contradict each other", with(p256, obj{"use": "sig", "key_ops": []string{"wrapKey"}}), "key_ops"},
		{"a kid that is a number", with(p256, obj{"kid": 1}), "kid"},
		{"a coordinate that is null", with(p256, obj{"x": nil}), "x is missing"},
		{"8725-3.10-1 a kid that is too long", with(p256, obj{"kid": strings.Repeat("k", jose.MaxKeyID+1)}), "kid"},
		{"an alg that nobody knows", with(rsaKey, obj{"alg": "SHA256"}), "alg"},
		{"an alg for encryption", with(rsaKey, obj{"alg": "RSA-OAEP"}), "alg"},
		{"HS256 with an RSA key", with(rsaKey, obj{"alg": "HS256"}), "alg"},
		{"none", with(rsaKey, obj{"alg": "none"}), "alg"},
		{"alg that is \"null\"", with(rsaKey, obj{"alg": "null"}), "alg"},
		{"alg that is empty", with(rsaKey, obj{"alg": ""}), "alg"},
		{"7518-3.4-1 the alg of another curve", with(p256, obj{"alg": "ES384"}), "alg"},
		{"ES256 with an Ed25519 key", with(edKey, obj{"alg": "ES256"}), "alg"},
		{"RS256 with an EC key", with(p256, obj{"alg": "RS256"}), "alg"},
	} {
		k, err := jose.ParseKey([]byte(tt.text))
		if err == nil || k != nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %+v, %v", tt.name, k, err)
		}
	}
}

func TestKeyID(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"kty":"oct","kid":"h"}`: "h", `{"kid":1}`: "", `{}`: "", `x`: "", `{"kid":"a","kid":"b"}`: "", `{"kid":"` + strings.Repeat("k", 2000) + `"}`: strings.Repeat("k", jose.MaxKeyID),
	} {
		if got := jose.KeyID([]byte(text)); got != want {
			t.Errorf("KeyID(%.40s) = %.40q", text, got)
		}
	}
}

func TestEqual(t *testing.T) {
	t.Parallel()
	parse := func(text string) *jose.Key {
		k, err := jose.ParseKey([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	base := parse(with(rsaKey, obj{"kid": "a"}))
	for _, tt := range []struct {
		name, text string
		want       bool
	}{
		{"the same key, written differently", with(rsaKey, obj{"kid": "a", "use": "sig", "x5t": "z"}), true},
		{"another kid", with(rsaKey, obj{"kid": "b"}), false},
		{"no kid", with(rsaKey, nil), false},
		{"other material under the same kid", with(rsaKey, obj{"kid": "a", "n": modulus(2048)}), false},
		{"another exponent", with(rsaKey, obj{"kid": "a", "e": "Aw"}), false},
		{"narrowed to one alg", with(rsaKey, obj{"kid": "a", "alg": "RS256"}), false},
	} {
		if got := base.Equal(parse(tt.text)); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
}

// TestVerifySizes gives Verify what no decoder of ours would let through to the cryptography.
func TestVerifySizes(t *testing.T) {
	t.Parallel()
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	k, err := jose.ParseKey([]byte(with(rsaKey, obj{"n": b64(private.N.Bytes())})))
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte("signed"))
	signature, _ := rsa.SignPKCS1v15(nil, private, crypto.SHA256, digest[:])
	if err := k.Verify("RS256", []byte("signed"), signature); err != nil {
		t.Error(err)
	}
	for name, bad := range map[string][]byte{"nil": nil, "empty": {}, "a byte short": signature[1:], "a zero before it": append([]byte{0}, signature...), "a megabyte": make([]byte, 1<<20)} {
		if err := k.Verify("RS256", []byte("signed"), bad); err == nil || !strings.Contains(err.Error(), "bytes") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := k.Verify("RS256", []byte("signeD"), signature); err == nil {
		t.Error("another text is accepted")
	}
}

// usable counts the keys of a set, or of a document that is one key.
func usable(t *testing.T, document []byte) (usable, total, private int) {
	t.Helper()
	texts, err := jose.KeySet(document)
	if err != nil {
		texts = [][]byte{document}
	}
	for _, text := range texts {
		if k, err := jose.ParseKey(text); err == nil {
			usable++
			if k.Private {
				private++
			}
		}
	}
	return usable, len(texts), private
}

// TestKeySetsThatOthersMade counts the usable keys of every document, and those whose private members had to be set aside.
func TestKeySetsThatOthersMade(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{
		"libjwt/bad_keys.json": "0 of 14", "libjwt/jwks_keyring.json": "10 of 27", "libjwt/jwks_jws_pair.json": "2 of 2, 2 private", "libjwt/jwks_test-1.json": "1 of 1, 1 private", "libjwt/jwks_test-2.json": "0 of 1",
		"libjwt/ec_key_prime256v1_pub.json": "1 of 1", "libjwt/ec_key_secp256k1_pub.json": "0 of 1", "libjwt/ec_key_secp384r1_pub.json": "1 of 1",
		"libjwt/ec_key_with_x5c.json": "1 of 1", "libjwt/ec_key_x5c_bad_x5t.json": "1 of 1", "libjwt/eddsa_key_ed25519_pub.json": "1 of 1", "libjwt/eddsa_key_ed25519_pub_fake_es256.json": "1 of 1",
		"libjwt/eddsa_key_ed448_pub.json": "0 of 1", "libjwt/mldsa_key_44_pub.json": "0 of 1", "libjwt/mldsa_key_65_pub.json": "0 of 1", "libjwt/mldsa_key_87_pub.json": "0 of 1",
		"libjwt/oct_key_128_too_small.json": "0 of 1", "libjwt/oct_key_256_invalid_base64.json": "0 of 1", "libjwt/oct_key_256_issue1.json": "0 of 1", "libjwt/oct_key_256_issue2.json": "0 of 1",
		"libjwt/oct_key_512_bad.json": "0 of 1", "libjwt/oct_key_512_small.json": "0 of 1", "libjwt/rsa_key_1024.json": "0 of 1", "libjwt/rsa_key_2048_enc.json": "0 of 1", "libjwt/rsa_key_2048_pub.json": "1 of 1",
		"libjwt/rsa_key_2048_pub_alg_hs256.json": "0 of 1", "libjwt/rsa_key_2048_pub_no_alg.json": "1 of 1", "libjwt/rsa_key_4096_pub.json": "1 of 1", "libjwt/rsa_key_8192_pub.json": "1 of 1",
		"libjwt/rsa_key_i37_pub.json": "1 of 1", "libjwt/rsa_pss_key_2048_384_pub.json": "1 of 1", "libjwt/rsa_pss_key_2048_notpss_pub.json": "1 of 1", "libjwt/rsa_pss_key_2048_pub.json": "1 of 1",
		"pyjwt/jwk_empty.json": "0 of 1", "pyjwt/jwk_ec_pub_P-256.json": "1 of 1", "pyjwt/jwk_ec_pub_P-384.json": "1 of 1", "pyjwt/jwk_ec_pub_P-521.json": "1 of 1", "pyjwt/jwk_ec_pub_secp256k1.json": "0 of 1",
		"pyjwt/jwk_hmac.json": "0 of 1", "pyjwt/jwk_keyset_only_unknown_alg.json": "0 of 1", "pyjwt/jwk_keyset_with_unknown_alg.json": "1 of 2", "pyjwt/jwk_okp_pub_Ed25519.json": "1 of 1",
		"pyjwt/jwk_okp_pub_Ed448.json": "0 of 1", "pyjwt/jwk_rsa_pub.json": "1 of 1",
		"php-jwt/ec-jwkset.json": "3 of 4", "php-jwt/ed25519-jwkset.json": "1 of 1", "php-jwt/octet-jwkset.json": "0 of 3", "php-jwt/rsa-jwkset-2.json": "1 of 1", "php-jwt/rsa-jwkset.json": "2 of 2",
		"php-jwt/unsupported-alg-keyset.json": "2 of 3",
		// Its x lacks the leading zero, which RFC 7518 section 6.2.1.2 wants; it is taken all the same, as is one in the keyring.
		"libjwt/ec_key_secp521r1_pub.json": "1 of 1",
		// These moduli are in the other base64 alphabet and padded, which RFC 7518 section 6.3.1.1 does not allow.
		"azuread-identitymodel/JsonWebKeySet.json": "0 of 2", "azuread-identitymodel/JsonWebKeySetBadBase64Data.json": "0 of 2", "azuread-identitymodel/JsonWebKeySetBadX509Data.json": "0 of 2",
		"azuread-identitymodel/JsonWebKeySetEnd2End.json": "0 of 2", "azuread-identitymodel/JsonWebKeySetUnrecognizedKty.json": "0 of 2",
		"azuread-identitymodel/JsonWebKeySetBadRsaDataMissingComponent.json": "0 of 3", "azuread-identitymodel/JsonWebKeySetSingleX509Data.json": "0 of 1",
		"azuread-identitymodel/JsonWebKeySetEnd2EndEC.json": "2 of 3", "azuread-identitymodel/PingLabsJWKS.json": "3 of 3",
		"jwks-rsa-java/empty-jwks.json": "0 of 0", "jwks-rsa-java/invalid-jwks.json": "0 of 1", "jwks-rsa-java/jwks-single-no-kid.json": "1 of 1", "jwks-rsa-java/jwks-single.json": "1 of 1", "jwks-rsa-java/jwks.json": "2 of 2",
		"oathkeeper/jwks-ecdsa.json": "2 of 2, 1 private", "oathkeeper/jwks-hs.json": "0 of 1", "oathkeeper/jwks-rsa-single.json": "1 of 1, 1 private",
		"rfc7520-cookbook/jwk/3_1.ec_public_key.json": "1 of 1", "rfc7520-cookbook/jwk/3_2.ec_private_key.json": "1 of 1, 1 private", "rfc7520-cookbook/jwk/3_3.rsa_public_key.json": "1 of 1",
		"rfc7520-cookbook/jwk/3_4.rsa_private_key.json": "1 of 1, 1 private", "rfc7520-cookbook/jwk/3_5.symmetric_key_mac_computation.json": "0 of 1", "rfc7520-cookbook/jwk/3_6.symmetric_key_encryption.json": "0 of 1",
	} {
		good, total, private := usable(t, vectors(t, file))
		got := fmt.Sprintf("%d of %d", good, total)
		if private > 0 {
			got += fmt.Sprintf(", %d private", private)
		}
		if got != want {
			t.Errorf("%s: %s usable, want %s", file, got, want)
		}
	}
	// Of azuread-identitymodel's, 12 are discovery documents: a test of the verifier has them.
	for dir, want := range map[string]int{"libjwt": 34, "pyjwt": 11, "php-jwt": 6, "jwks-rsa-java": 5, "oathkeeper": 3, "azuread-identitymodel": 9 + 12} {
		files, _ := filepath.Glob(filepath.Join("..", "..", "..", "shared", "vectors", dir, "*.json"))
		if len(files) != want {
			t.Errorf("%s has %d files, %d are in the table", dir, len(files), want)
		}
	}
}

func TestKeySetsOfRealServers(t *testing.T) {
	t.Parallel()
	type captured struct {
		JWKS struct {
			Body json.RawMessage
			Keys json.RawMessage
		}
	}
	var captures struct {
		Providers []struct {
			Provider string
			captured
		}
	}
	var quoted map[string]json.RawMessage
	var mixed struct{ JWKS json.RawMessage }
	for file, dst := range map[string]any{"http-captures.json": &captures, "cognito-apple.json": &quoted, "mixed-ec-okp-rsa.json": &mixed} {
		if err := json.Unmarshal(vectors(t, "real-world-jwks", file), dst); err != nil {
			t.Fatal(err)
		}
	}
	sets := map[string]json.RawMessage{"mixed": mixed.JWKS}
	for _, p := range captures.Providers {
		sets[p.Provider] = p.JWKS.Body
	}
	for _, name := range []string{"cognito_2017", "apple_2020"} {
		var set struct{ JWKS json.RawMessage }
		if err := json.Unmarshal(quoted[name], &set); err != nil {
			t.Fatal(err)
		}
		sets[name] = set.JWKS
	}
	// mixed has an RSA key of 2040 bits, keycloak one for encryption.
	want := map[string]string{"mixed": "3 of 4", "auth0": "2 of 2", "azure": "10 of 10", "cognito": "2 of 2", "google": "2 of 2", "keycloak": "1 of 2", "okta": "2 of 2", "onelogin": "1 of 1", "vault": "2 of 2", "cognito_2017": "2 of 2", "apple_2020": "2 of 2"}
	if len(sets) != len(want) {
		t.Errorf("%d sets", len(sets))
	}
	for name, set := range sets {
		good, total, private := usable(t, set)
		if got := fmt.Sprintf("%d of %d", good, total); got != want[name] || private != 0 {
			t.Errorf("%s: %s usable, %d private; want %s", name, got, private, want[name])
		}
	}
}

// TestSignaturesThatOthersMade are those of the RFCs, each with its own key.
func TestSignaturesThatOthersMade(t *testing.T) {
	t.Parallel()
	var bundle struct{ Files map[string]json.RawMessage }
	if err := json.Unmarshal(vectors(t, "rfc7515-7517-7638", "latchset-jose-vectors.json"), &bundle); err != nil {
		t.Fatal(err)
	}
	file := func(name string) string {
		var s string
		if json.Unmarshal(bundle.Files[name], &s) != nil {
			s = string(bundle.Files[name])
		}
		return strings.TrimSpace(s)
	}
	type example struct{ alg, jwk, token string }
	examples := map[string]example{}
	for name, alg := range map[string]string{"rfc7515_A.2": "RS256", "rfc7515_A.3": "ES256", "rfc7515_A.4": "ES512", "rfc7520_4.1": "RS256", "rfc7520_4.2": "PS384", "rfc7520_4.3": "ES512"} {
		examples[name] = example{alg, file(name + ".jwk"), file(name + ".jwsc")}
	}
	var okp struct {
		Input  struct{ Key json.RawMessage }
		Output struct{ Compact string }
	}
	if err := json.Unmarshal(vectors(t, "rfc7520-cookbook", "curve25519", "jws.json"), &okp); err != nil {
		t.Fatal(err)
	}
	examples["rfc8037_A.4"] = example{"EdDSA", string(okp.Input.Key), okp.Output.Compact}
	for name, e := range examples {
		k, err := jose.ParseKey([]byte(e.jwk))
		if err != nil || !k.Fits(e.alg) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		c, err := jose.Split(e.token)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		signature, err := jose.Decode(nil, c.Signature)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := k.Verify(e.alg, []byte(c.Signed), signature); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := k.Verify(e.alg, []byte(c.Signed+"A"), signature); err == nil {
			t.Errorf("%s: another text is accepted", name)
		}
	}
	k, err := jose.ParseKey([]byte(file("rfc7638_3.1.jwk")))
	if want := file("rfc7638_3.1.thp"); err != nil || b64([]byte(k.Thumbprint)) != want {
		t.Errorf("RFC 7638: %v, want %s", err, want)
	}
	for name, want := range map[string]string{"rfc7517_A.1.jwkset": "1 of 2", "rfc7517_A.2.jwkset": "1 of 2", "rfc7517_A.3.jwkset": "0 of 2"} {
		good, total, _ := usable(t, []byte(file(name)))
		if got := fmt.Sprintf("%d of %d", good, total); got != want {
			t.Errorf("%s: %s usable, want %s", name, got, want)
		}
	}
}

// FuzzParseKey: a key that is taken is good for something, and is the same when it is read again.
func FuzzParseKey(f *testing.F) {
	for _, seed := range []string{with(rsaKey, obj{"kid": "a"}), with(p256, obj{"alg": "ES256", "use": "sig"}), with(edKey, nil), with(p256, obj{"d": "AQ"}), `{"kty":"oct","k":"AQAB"}`, with(rsaKey, obj{"n": "AQAB"}), `{"kty":"EC","crv":"P-256","x":"","y":""}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		k, err := jose.ParseKey(text)
		if err != nil {
			if k != nil {
				t.Error("a key beside an error")
			}
			return
		}
		if k.Algorithms() == "" || len(k.Thumbprint) != sha256.Size || k.ID != jose.KeyID(text) {
			t.Errorf("%q: %+v", text, k)
		}
		var members map[string]any
		if err := json.Unmarshal(text, &members); err != nil {
			t.Errorf("%q: encoding/json says %v", text, err)
		}
		if again, err := jose.ParseKey(text); err != nil || !again.Equal(k) {
			t.Errorf("%q: the second time %+v, %v", text, again, err)
		}
		if k.Verify(strings.Fields(k.Algorithms())[0], text, make([]byte, 64)) == nil {
			t.Errorf("%q takes a signature of zeros", text)
		}
	})
}

// FuzzKeySet: what is cut out of a set is JSON, key by key, and as many keys as encoding/json sees.
func FuzzKeySet(f *testing.F) {
	for _, seed := range []string{`{"keys":[{},null,1]}`, "\xef\xbb\xbf{\"keys\":[]}", `{"keys":[{"a":1,"a":2}],"keys":[]}`, "{\"keys\":[{\"\xff\":1}]}", `{"keys":{}}`, `[]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		keys, err := jose.KeySet(document)
		if err != nil {
			return
		}
		var want map[string]json.RawMessage
		var list []json.RawMessage
		if json.Unmarshal(jose.TrimBOM(document), &want) != nil || json.Unmarshal(want["keys"], &list) != nil || len(list) != len(keys) {
			t.Errorf("%q: %d keys, encoding/json sees %d", document, len(keys), len(list))
		}
		for _, key := range keys {
			if !json.Valid(key) {
				t.Errorf("%q is no JSON", key)
			}
			jose.ParseKey(key)
		}
	})
}

// TestPrivateMembersThatAreNull: serializers write every member of a key, and these hold nothing.
func TestPrivateMembersThatAreNull(t *testing.T) {
	t.Parallel()
	const public = `{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"`
	for members, private := range map[string]bool{``: false, `,"d":null,"k":null,"oth":null`: false, `,"d":"AA"`: true, `,"d":null,"k":""`: true} {
		if k, err := jose.ParseKey([]byte(public + members + "}")); err != nil || k.Private != private {
			t.Errorf("%s: %v, %v", members, k, err)
		}
	}
}
