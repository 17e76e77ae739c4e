package jose_test

import (
	"crypto/ecdh"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/bearerguard/bearerguard/internal/jose"
)

// shortPoint is a key whose x begins with a zero that is left out.
var shortPoint = obj{"kty": "EC", "crv": "P-256", "x": "VUOJSvPQDtfXQKvb11yWsGh3t4fbX3Dup4uQqNfACg", "y": "u0yFo9jqKe-q-iRAaRLdhNWxTcMr9lbvbGvVil2UP5I"}

// FuzzKeySizes: every key that is taken out of a set has legal numbers and the thumbprint of RFC 7638, by the standard library
// and a plain reading, and takes no signature of a wrong size.
func FuzzKeySizes(f *testing.F) {
	for _, key := range []string{
		with(rsaKey, nil), with(rsaKey, obj{"e": "Aw"}), with(rsaKey, obj{"e": "AQ"}), with(rsaKey, obj{"e": "AQAAAAAAAAAB"}), with(rsaKey, obj{"n": modulus(2047)}),
		with(rsaKey, obj{"n": "AA" + rsaKey["n"].(string)}), with(p256, nil), with(p256, obj{"x": "AA"}), with(p256, obj{"y": p256["x"]}), with(p256, obj{"crv": "P-384"}), with(shortPoint, nil), with(edKey, nil),
		with(edKey, obj{"x": b64(make([]byte, 32))}), with(edKey, obj{"x": "AAAA"}), with(edKey, obj{"crv": "X25519"}), `{"kty":"oct","k":"AAAA"}`, `{"KTY":"RSA","kty":"EC"}`, "null", "1",
	} {
		f.Add([]byte(`{"keys":[` + key + `]}`))
		f.Add([]byte("\ufeff{\"a\":1,\"keys\":[1," + key + "," + key + "],\"a\":2}"))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		keys, err := jose.KeySet(document)
		if err != nil && keys != nil {
			t.Error("keys beside an error")
		}
		for _, text := range append(keys, document) { // a document may be a key, too
			k, err := jose.ParseKey(text)
			if err != nil {
				continue
			}
			bytes, thumbprint, err := plainKey(text)
			if err != nil || k.Thumbprint != thumbprint || !utf8.Valid(text) {
				t.Errorf("%q is accepted: %v, thumbprint %x, want %x", text, err, k.Thumbprint, thumbprint)
			}
			for _, alg := range strings.Fields(k.Algorithms()) {
				for _, size := range []int{0, 1, bytes - 1, bytes, bytes + 1, 2 * bytes} {
					if k.Verify(alg, document, make([]byte, size)) == nil && alg != "EdDSA" && alg != "Ed25519" {
						t.Errorf("%q takes %d zeros for a signature", text, size)
					}
				}
			}
		}
	})
}

// plainKey reads a JWK with encoding/json, and tells the size of its signatures and its thumbprint.
func plainKey(text []byte) (bytes int, thumbprint string, err error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(text, &members); err != nil {
		return 0, "", err
	}
	get := func(name string) (s string) {
		err = errors.Join(err, json.Unmarshal(members[name], &s))
		return s
	}
	number := func(name string) []byte {
		b, wrong := base64.RawURLEncoding.Strict().DecodeString(get(name))
		err = errors.Join(err, wrong)
		return b
	}
	var canonical string // RFC 7638 section 3.2
	switch get("kty") {
	case "RSA":
		n, e := new(big.Int).SetBytes(number("n")), new(big.Int).SetBytes(number("e"))
		if n.BitLen() < 2048 || n.BitLen() > 8192 || n.Bit(0) == 0 || e.Bit(0) == 0 || e.Cmp(big.NewInt(3)) < 0 || e.BitLen() > 31 {
			err = errors.Join(err, fmt.Errorf("a modulus of %d bits and the exponent %v", n.BitLen(), e))
		}
		bytes = (n.BitLen() + 7) / 8
		canonical = fmt.Sprintf(`{"e":"%s","kty":"RSA","n":"%s"}`, b64(e.Bytes()), b64(n.Bytes()))
	case "EC":
		crv := get("crv")
		curve, coordinate := map[string]ecdh.Curve{"P-256": ecdh.P256(), "P-384": ecdh.P384(), "P-521": ecdh.P521()}[crv], map[string]int{"P-256": 32, "P-384": 48, "P-521": 66}[crv]
		x, y := number("x"), number("y")
		if curve == nil || len(x) == 0 || len(y) == 0 || len(x) > coordinate || len(y) > coordinate {
			return 0, "", fmt.Errorf("curve %q, coordinates of %d and %d bytes", crv, len(x), len(y))
		}
		x, y = append(make([]byte, coordinate-len(x)), x...), append(make([]byte, coordinate-len(y)), y...) // leading zeros may be left out
		_, off := curve.NewPublicKey(append(append([]byte{4}, x...), y...))
		err = errors.Join(err, off)
		bytes = 2 * coordinate
		canonical = fmt.Sprintf(`{"crv":"%s","kty":"EC","x":"%s","y":"%s"}`, crv, b64(x), b64(y))
	case "OKP":
		x := number("x")
		if crv := get("crv"); crv != "Ed25519" || len(x) != 32 {
			err = errors.Join(err, fmt.Errorf("curve %q, a key of %d bytes", crv, len(x)))
		}
		bytes = 64
		canonical = fmt.Sprintf(`{"crv":"Ed25519","kty":"OKP","x":"%s"}`, b64(x))
	default:
		err = errors.Join(err, errors.New("no such kty"))
	}
	sum := sha256.Sum256([]byte(canonical))
	return bytes, string(sum[:]), err
}
