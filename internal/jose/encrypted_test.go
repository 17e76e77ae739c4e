package jose_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bearerguard/bearerguard/internal/jose"
)

// decrypted is what is in a token, as the verifier reads it.
func decrypted(key []byte, token string) (string, error) {
	e, err := jose.ParseEncrypted(token)
	if err != nil {
		return "", err
	}
	texts := [][]byte{key}
	if set, err := jose.KeySet(key); err == nil {
		texts = set
	}
	var keys []*jose.DecryptionKey
	for _, text := range texts {
		k, err := jose.ParseDecryptionKey(text)
		if err != nil {
			return "", err
		}
		keys = append(keys, k)
	}
	text, err := e.Decrypt(keys)
	return string(text), err
}

// supported reports whether the header asks for nothing but what is on the lists, by a plain reading.
func supported(token string) bool {
	head, _, _ := strings.Cut(token, ".")
	text, _ := jose.Decode(nil, head)
	var header struct{ Alg, Enc, Zip string }
	err := json.Unmarshal(text, &header)
	algorithms := []string{"RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW", "dir"}
	return err == nil && header.Zip == "" && slices.Contains(algorithms, header.Alg) && (header.Enc == "A128GCM" || header.Enc == "A256GCM")
}

func TestWycheproofEncryption(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		file            string
		cases, accepted int
	}{{"json_web_encryption_test.json", 139, 13}, {"json_web_crypto_test.json", 34, 0}} {
		var file struct {
			TestGroups []struct {
				Private json.RawMessage
				Tests   []struct {
					TcID                int
					Comment, PT, Result string
					JWE                 json.RawMessage
				}
			}
		}
		if err := json.Unmarshal(vectors(t, "wycheproof", tt.file), &file); err != nil {
			t.Fatal(err)
		}
		cases, accepted := 0, 0
		for _, g := range file.TestGroups {
			for _, c := range g.Tests {
				if c.JWE == nil {
					continue // a signed one
				}
				cases++
				var token string
				if json.Unmarshal(c.JWE, &token) != nil {
					token = string(c.JWE) // the JSON serialization
				}
				want := c.Result == "valid" && supported(token)
				text, err := decrypted(g.Private, token)
				if err == nil {
					accepted++
				}
				if (err == nil) != want || err == nil && hex.EncodeToString([]byte(text)) != c.PT {
					t.Errorf("%s: %d %s (%s): %q, %v", tt.file, c.TcID, c.Comment, c.Result, text, err)
				}
			}
		}
		if cases != tt.cases || accepted != tt.accepted {
			t.Errorf("%s: %d cases, %d accepted; there were %d and %d", tt.file, cases, accepted, tt.cases, tt.accepted)
		}
	}
}

func TestCookbookEncryption(t *testing.T) {
	t.Parallel()
	want := []string{"5_4", "5_6"} // the others are of RSA1_5, RSA-OAEP, PBES2, AES key wrap, CBC, zip, X25519, or in JSON
	vectors(t, "README.md")        // or skip
	dir := filepath.Join("..", "..", "..", "shared", "vectors", "rfc7520-cookbook")
	files, err := filepath.Glob(filepath.Join(dir, "jwe", "*.json"))
	if err != nil || len(files) != 13 {
		t.Fatal(files, err)
	}
	files = append(files, filepath.Join(dir, "curve25519", "ecdh-es.json"), filepath.Join(dir, "6.nesting_signatures_and_encryption.json"))
	accepted := 0
	for _, name := range files {
		relative, _ := filepath.Rel(dir, name)
		type part struct {
			Input struct {
				Plaintext string
				Key       json.RawMessage
			}
			Output struct {
				Compact          string
				JSON, JSONFlat   json.RawMessage
				JSONFlattenedAlt json.RawMessage `json:"json_flat"`
			}
		}
		var v struct {
			part
			Encrypt part
		}
		if err := json.Unmarshal(vectors(t, "rfc7520-cookbook", relative), &v); err != nil {
			t.Fatal(err)
		}
		if v.Encrypt.Output.Compact != "" {
			v.part = v.Encrypt
		}
		for _, token := range []string{v.Output.Compact, string(v.Output.JSON), string(v.Output.JSONFlattenedAlt)} {
			if token == "" {
				continue
			}
			text, err := decrypted(v.Input.Key, token)
			if err == nil {
				accepted++
			}
			number := filepath.Base(name)[:3]
			wanted := token == v.Output.Compact && slices.Contains(want, number) && !strings.HasPrefix(filepath.Base(name), "5_1")
			if (err == nil) != wanted || err == nil && text != v.Input.Plaintext {
				t.Errorf("%s: %q, %v", relative, text, err)
			}
		}
	}
	if accepted != len(want) {
		t.Errorf("%d accepted, want %d", accepted, len(want))
	}
}

// bob's key, Alice's ephemeral one, and the content encryption key that is agreed upon: RFC 7518 appendix C.
var (
	bob = obj{"kty": "EC", "crv": "P-256", "x": "weNJy2HscCSM6AEDTDg04biOvhFhyyWvOHQfeF_PxMQ", "y": "e8lnCO-AlStT-NJVX-crhB7QRYhiix03illJOVAOyck", "d": "VEmDZpDXXK8p8N0Cndsxs924q6nS1RXFASRl6BfUqdw"}
	epk = obj{"kty": "EC", "crv": "P-256", "x": "gI0GAILBdu7T53akrFmMyGcsF3n5dO7MmwNBHKW5SV0", "y": "SLW_xSffzlPWrHEVI30DHM_4egVwt3NQqeUD7nMFpps"}
)

const agreed = "VqqN6vgjbSBcIijNcacQGg"

// seal makes a token of these parts, its ciphertext with A128GCM.
func seal(cek []byte, header obj, encryptedKey []byte, plaintext string) string {
	block, err := aes.NewCipher(cek)
	if err != nil {
		panic(err)
	}
	gcm, _ := cipher.NewGCM(block)
	head, nonce := b64([]byte(with(header, nil))), make([]byte, 12)
	sealed := gcm.Seal(nil, nonce, []byte(plaintext), []byte(head))
	tag := len(sealed) - 16
	return strings.Join([]string{head, b64(encryptedKey), b64(nonce), b64(sealed[:tag]), b64(sealed[tag:])}, ".")
}

func TestKeyAgreement(t *testing.T) {
	t.Parallel()
	cek, _ := jose.Decode(nil, agreed)
	header := obj{"alg": "ECDH-ES", "enc": "A128GCM", "apu": "QWxpY2U", "apv": "Qm9i", "epk": epk}
	good := seal(cek, header, nil, "a text")
	if text, err := decrypted([]byte(with(bob, nil)), good); text != "a text" {
		t.Fatalf("RFC 7518 appendix C: %q, %v", text, err)
	}
	change := func(changes obj) obj { // of the header; the ciphertext fits it
		var out obj
		json.Unmarshal([]byte(with(header, changes)), &out)
		return out
	}
	point := func(changes obj) obj { return change(obj{"epk": json.RawMessage(with(epk, changes))}) }
	p384 := ecKey(elliptic.P384())
	// A point of the curve y^2 = x^3 - 3x + 4, of which an attacker learns the private key piece by piece.
	x, y := new(big.Int), new(big.Int).SetInt64(2)
	for name, tt := range map[string]struct {
		header obj
		key    []byte
	}{
		"no ephemeral key":                                {change(obj{"epk": gone}), nil},
		"an ephemeral key that is no object":              {change(obj{"epk": "x"}), nil},
		"an ephemeral key that is null":                   {change(obj{"epk": nil}), nil},
		"a point beside the curve":                        {point(obj{"y": epk["x"]}), nil},
		"a point of another curve of the same field":      {point(obj{"x": b64(x.FillBytes(make([]byte, 32))), "y": b64(y.FillBytes(make([]byte, 32)))}), nil},
		"the point at infinity":                           {point(obj{"x": b64(make([]byte, 32)), "y": b64(make([]byte, 32))}), nil},
		"coordinates beyond the field":                    {point(obj{"x": b64([]byte(strings.Repeat("\xff", 32))), "y": b64([]byte(strings.Repeat("\xff", 32)))}), nil},
		"coordinates of 500 bytes":                        {point(obj{"x": b64(make([]byte, 500)), "y": b64(make([]byte, 500))}), nil},
		"a point without y":                               {point(obj{"y": gone}), nil},
		"a point without x and y":                         {point(obj{"x": gone, "y": gone}), nil},
		"a point of a larger curve":                       {change(obj{"epk": json.RawMessage(with(p384, nil))}), nil},
		"a point that says that it is of a larger curve":  {point(obj{"crv": "P-384"}), nil},
		"an unknown curve":                                {point(obj{"crv": "P-257"}), nil},
		"a point of X25519":                               {change(obj{"epk": obj{"kty": "OKP", "crv": "X25519", "x": b64(make([]byte, 32))}}), nil},
		"an RSA key":                                      {change(obj{"epk": obj{"kty": "RSA", "n": modulus(2048), "e": "AQAB"}}), nil},
		"a private key":                                   {point(obj{"d": "AQ"}), nil},
		"a shared secret":                                 {change(obj{"epk": obj{"kty": "oct", "k": "AAAA"}}), nil},
		"an encrypted key beside an agreed one":           {header, []byte{0}},
		"an encrypted key of 24 bytes beside one":         {header, make([]byte, 24)},
		"another party":                                   {change(obj{"apu": "QWxpY2UK"}), nil},
		"a party that is no base64url":                    {change(obj{"apv": "?"}), nil},
		"a party that is no string":                       {change(obj{"apv": 1}), nil},
		"a wrapped key that is empty":                     {change(obj{"alg": "ECDH-ES+A128KW"}), nil},
		"a wrapped key of 8 bytes":                        {change(obj{"alg": "ECDH-ES+A128KW"}), make([]byte, 8)},
		"a wrapped key that can't be unwrapped":           {change(obj{"alg": "ECDH-ES+A128KW"}), make([]byte, 24)},
		"a wrapped key for another encryption":            {change(obj{"alg": "ECDH-ES+A128KW"}), make([]byte, 40)},
		"a wrapped key for 256 bits that can't be":        {change(obj{"alg": "ECDH-ES+A256KW", "enc": "A256GCM"}), make([]byte, 40)},
		"the content key itself, as if it were agreed on": {change(obj{"alg": "dir"}), nil},
		"RSA for a curve's key":                           {change(obj{"alg": "RSA-OAEP-256"}), make([]byte, 256)},
		"another encryption than the key is agreed for":   {change(obj{"enc": "A256GCM"}), nil},
	} {
		text, err := decrypted([]byte(with(bob, nil)), seal(cek, tt.header, tt.key, "a text"))
		if err == nil || text != "" || err.Error() != "it can't be decrypted" {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
}

func TestParseEncrypted(t *testing.T) {
	t.Parallel()
	cek, _ := jose.Decode(nil, agreed)
	secret := []byte(with(obj{"kty": "oct", "k": agreed, "kid": "1"}, nil))
	header := obj{"alg": "dir", "enc": "A128GCM"}
	good := seal(cek, header, nil, "a text")
	if text, err := decrypted(secret, good); text != "a text" {
		t.Fatalf("%q, %v", text, err)
	}
	part := strings.Split(good, ".")
	swap := func(i int, s string) string {
		parts := slices.Clone(part)
		parts[i] = s
		return strings.Join(parts, ".")
	}
	headed := func(changes obj) string {
		var out obj
		json.Unmarshal([]byte(with(header, changes)), &out)
		return seal(cek, out, nil, "a text")
	}
	raw := func(text string) string { return swap(0, b64([]byte(text))) }
	long := seal(cek, obj{"alg": "dir", "enc": "A128GCM", "x": strings.Repeat("x", jose.MaxHeader)}, nil, "a text")
	for _, tt := range []struct{ name, token, says string }{
		{"a kid that fits", headed(obj{"kid": "1"}), ""},
		{"an unknown header parameter", headed(obj{"x": obj{"y": []int{1}}}), ""},
		{"another kid", headed(obj{"kid": "2"}), "can't be decrypted"},
		{"an empty kid", headed(obj{"kid": ""}), "can't be decrypted"},
		{"a kid that is no string", headed(obj{"kid": 1}), "kid is not a string"},
		{"8725-3.6-1 8725bis-3.15-1 BUG-186 compressed", headed(obj{"zip": "DEF"}), "zip"},
		{"8725-3.6-1 compressed in an unknown way", headed(obj{"zip": nil}), "zip"},
		{"a critical extension", headed(obj{"crit": []string{"x"}, "x": 1}), "crit"},
		{"8725bis-3.13-1 BUG-185 a key made from a password", headed(obj{"alg": "PBES2-HS256+A128KW", "p2c": 2147483647, "p2s": "AAAA"}), "PBES2"},
		{"8725-3.2-4 RSA with the old padding", headed(obj{"alg": "RSA1_5"}), "RSA1_5"},
		{"RSA with SHA-1", headed(obj{"alg": "RSA-OAEP"}), `"RSA-OAEP"`},
		{"RSA with a hash that nobody uses", headed(obj{"alg": "RSA-OAEP-512"}), "RSA-OAEP-512"},
		{"a wrapped key", headed(obj{"alg": "A128KW"}), "A128KW"},
		{"a wrapped key of another length", headed(obj{"alg": "ECDH-ES+A192KW"}), "A192KW"},
		{"a signature's alg", headed(obj{"alg": "RS256"}), "RS256"},
		{"alg none", headed(obj{"alg": "none"}), "none"},
		{"alg in capitals", headed(obj{"alg": "DIR"}), "DIR"},
		{"no alg", headed(obj{"alg": gone}), "alg is"},
		{"alg by another name", headed(obj{"alg": gone, "Alg": "dir"}), "alg is"},
		{"no enc", headed(obj{"enc": gone}), "enc is"},
		{"CBC", headed(obj{"enc": "A128CBC-HS256"}), "CBC"},
		{"GCM of another length", headed(obj{"enc": "A192GCM"}), "A192GCM"},
		{"an encryption for another key length", headed(obj{"enc": "A256GCM"}), "can't be decrypted"},
		{"an encrypted key beside a shared secret", swap(1, "AAAA"), "can't be decrypted"},
		{"BUG-187 no header", swap(0, ""), "not a JSON object"},
		{"a header that is no object", raw("[]"), "not a JSON object"},
		{"a header that says two things", raw(`{"alg":"dir","enc":"A128GCM","alg":"dir"}`), "twice"},
		{"a header in another spelling, for which the tag is not", raw(`{"enc":"A128GCM","alg":"dir"}`), "can't be decrypted"},
		{"a header that is nested deeply", raw(`{"alg":"dir","enc":"A128GCM","x":[[[[]]]]}`), "nested"},
		{"a header that is too long", long, "header is longer"},
		{"BUG-188 a tag of one byte", swap(4, "AA"), "wrong length"},
		{"BUG-188 a tag of no bytes", swap(4, ""), "wrong length"},
		{"BUG-188 a tag of 15 bytes", swap(4, part[4][:20]), "wrong length"},
		{"a tag of 17 bytes", swap(4, b64(make([]byte, 17))), "wrong length"},
		{"a nonce of 8 bytes", swap(2, b64(make([]byte, 8))), "wrong length"},
		{"no nonce", swap(2, ""), "wrong length"},
		{"no ciphertext", swap(3, ""), "wrong length"},
		{"another tag", swap(4, b64(make([]byte, 16))), "can't be decrypted"},
		{"another nonce", swap(2, b64([]byte("twelve bytes"))), "can't be decrypted"},
		{"another ciphertext", swap(3, part[3][1:]+"A"), "can't be decrypted"},
		{"unused bits", swap(4, part[4][:21]+string(part[4][21]+1)), "not base64url"},
		{"padding", good + "==", "character"},
		{"a line break", part[0] + "\n" + good[len(part[0]):], "character"},
		{"four parts", strings.Join(part[:4], "."), "five parts"},
		{"six parts", good + ".", "five parts"},
		{"BUG-187 five parts with nothing in them", "....", "wrong length"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			text, err := decrypted(secret, tt.token)
			if (err == nil) != (tt.says == "") || (text == "a text") != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%q, %v; want %s", text, err, tt.says)
			}
		})
	}
}

// private writes an EC or RSA key with its private members.
func private(t *testing.T, key any) obj {
	t.Helper()
	switch key := key.(type) {
	case *ecdsa.PrivateKey:
		point, err := key.PublicKey.Bytes()
		d, err2 := key.Bytes()
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		size := len(point) / 2
		return obj{"kty": "EC", "crv": key.Params().Name, "x": b64(point[1 : size+1]), "y": b64(point[size+1:]), "d": b64(d)}
	case *rsa.PrivateKey:
		return obj{"kty": "RSA", "n": b64(key.N.Bytes()), "e": "AQAB", "d": b64(key.D.Bytes()), "p": b64(key.Primes[0].Bytes()), "q": b64(key.Primes[1].Bytes())}
	}
	panic(fmt.Sprintf("%T", key))
}

func TestParseDecryptionKey(t *testing.T) {
	t.Parallel()
	one, err := rsa.GenerateKey(rand.Reader, 2048)
	two, err2 := rsa.GenerateKey(rand.Reader, 2048)
	curve, err3 := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil || err2 != nil || err3 != nil {
		t.Fatal(err, err2, err3)
	}
	rsaKey, other, ec := private(t, one), private(t, two), private(t, curve)
	oct := obj{"kty": "oct", "k": b64(make([]byte, 32))}
	for _, tt := range []struct{ name, key, want, says string }{
		{"RSA", with(rsaKey, nil), "RSA-OAEP-256", ""},
		{"RSA with everything", with(rsaKey, obj{"kid": "1", "use": "enc", "alg": "RSA-OAEP-256", "key_ops": []string{"unwrapKey"}, "dp": "ignored"}), "RSA-OAEP-256", ""},
		{"P-521", with(ec, nil), "ECDH-ES ECDH-ES+A128KW ECDH-ES+A256KW", ""},
		{"P-256 for one algorithm", with(bob, obj{"alg": "ECDH-ES+A256KW", "key_ops": []string{"deriveKey"}}), "ECDH-ES+A256KW", ""},
		{"a secret of 32 bytes", with(oct, nil), "dir", ""},
		{"a secret of 16 bytes", with(oct, obj{"k": agreed, "alg": "dir"}), "dir", ""},
		{"a secret that names its encryption", with(oct, obj{"k": agreed, "alg": "A128GCM"}), "dir", ""},
		{"a secret that names another one's encryption", with(oct, obj{"alg": "A128GCM"}), "", "alg"},
		{"a secret of 24 bytes", with(oct, obj{"k": b64(make([]byte, 24))}), "", "24 bytes"},
		{"a secret of no bytes", with(oct, obj{"k": ""}), "", "0 bytes"},
		{"no secret", with(oct, obj{"k": gone}), "", "k is missing"},
		{"a secret in lax base64url", with(oct, obj{"k": agreed[:21] + "h"}), "", "base64url"},
		{"a secret for a signature", with(oct, obj{"alg": "HS256"}), "", "HS256"},
		{"a key for signatures", with(rsaKey, obj{"use": "sig"}), "", "not enc"},
		{"a key to sign with", with(rsaKey, obj{"key_ops": []string{"sign"}}), "", "key_ops"},
		{"RSA with the old padding", with(rsaKey, obj{"alg": "RSA1_5"}), "", "RSA1_5"},
		{"RSA with SHA-1", with(rsaKey, obj{"alg": "RSA-OAEP"}), "", "RSA-OAEP"},
		{"an alg that is no string", with(rsaKey, obj{"alg": 1}), "", "alg"},
		{"a signature's alg", with(bob, obj{"alg": "ES256"}), "", "ES256"},
		{"a public RSA key", with(rsaKey, obj{"d": gone}), "", "d is missing"},
		{"RSA without its primes", with(rsaKey, obj{"p": gone, "q": gone}), "", "p is missing"},
		{"RSA with another key's modulus", with(rsaKey, obj{"n": other["n"]}), "", "belong together"},
		{"RSA with another key's exponent", with(rsaKey, obj{"d": other["d"]}), "", "belong together"},
		{"RSA with primes that are none", with(rsaKey, obj{"p": "Ag", "q": "Aw"}), "", "belong together"},
		{"RSA with an even exponent", with(rsaKey, obj{"e": "AQAC"}), "", "e is not odd"},
		{"a public EC key", with(ec, obj{"d": gone}), "", "d is missing"},
		{"EC with another key's point", with(bob, obj{"x": epk["x"], "y": epk["y"]}), "", "belong together"},
		{"EC with a point beside its curve", with(bob, obj{"y": epk["y"]}), "", "belong together"},
		{"EC with a d of zero", with(bob, obj{"d": b64(make([]byte, 32))}), "", "belong together"},
		{"EC with a d that is too long", with(bob, obj{"d": b64(make([]byte, 33))}), "", "33 bytes"},
		{"another curve", with(bob, obj{"crv": "secp256k1"}), "", "crv"},
		{"Ed25519", with(obj{"kty": "OKP", "crv": "Ed25519", "x": "AA", "d": "AA"}, nil), "", "kty"},
		{"X25519", with(obj{"kty": "OKP", "crv": "X25519", "x": "AA", "d": "AA"}, nil), "", "kty"},
		{"a kid of a number", with(bob, obj{"kid": 1}), "", "kid"},
		{"a key that says two things", `{"kty":"oct","k":"` + agreed + `","k":"` + agreed + `"}`, "", "twice"},
		{"no key", "null", "", "not a JSON object"},
		{"a key that is too long", with(oct, obj{"x": strings.Repeat("x", 1<<17)}), "", "longer"},
	} {
		k, err := jose.ParseDecryptionKey([]byte(tt.key))
		if (err == nil) != (tt.says == "") || err == nil && k.Algorithms() != tt.want || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v, want %s%s", tt.name, err, tt.want, tt.says)
		}
		if err != nil {
			var members map[string]any
			json.Unmarshal([]byte(tt.key), &members)
			for _, name := range []string{"d", "p", "q", "k"} {
				if s, _ := members[name].(string); len(s) > 4 && strings.Contains(err.Error(), s) {
					t.Errorf("%s: the error tells %s: %v", tt.name, name, err)
				}
			}
		}
	}
	if k, err := jose.ParseDecryptionKey([]byte(with(private(t, shortRSA(t)), nil))); err == nil || !strings.Contains(err.Error(), "1024 bits") {
		t.Errorf("RSA with 1024 bits: %v, %v", k, err)
	}
}

// shortRSA is a key of 1024 bits, which crypto/rsa doesn't like to make.
func shortRSA(t *testing.T) *rsa.PrivateKey {
	p, err := rand.Prime(rand.Reader, 512)
	q, err2 := rand.Prime(rand.Reader, 512)
	if err != nil || err2 != nil {
		t.Fatal(err, err2)
	}
	one := big.NewInt(1)
	phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
	d := new(big.Int).ModInverse(big.NewInt(65537), phi)
	if d == nil {
		return shortRSA(t)
	}
	return &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: 65537}, D: d, Primes: []*big.Int{p, q}}
}

// FuzzParseEncrypted: what is read has one spelling and asks for nothing but what is on the lists, what is decrypted is what
// was encrypted, and nothing crashes.
func FuzzParseEncrypted(f *testing.F) {
	cek := []byte("sixteen bytes: 1")
	var keys []*jose.DecryptionKey
	for _, text := range []string{with(bob, nil), with(obj{"kty": "oct", "k": b64(cek)}, nil)} {
		k, err := jose.ParseDecryptionKey([]byte(text))
		if err != nil {
			f.Fatal(err)
		}
		keys = append(keys, k)
	}
	good := seal(cek, obj{"alg": "dir", "enc": "A128GCM"}, nil, "a text")
	known, _ := jose.Decode(nil, agreed)
	agreement := obj{"alg": "ECDH-ES", "enc": "A128GCM", "apu": "QWxpY2U", "apv": "Qm9i", "epk": epk}
	f.Add(good)
	f.Add(seal(known, agreement, nil, "a text"))
	for _, alg := range []string{"ECDH-ES+A128KW", "ECDH-ES+A256KW", "RSA-OAEP-256", "PBES2-HS256+A128KW"} {
		for _, size := range []int{0, 8, 24, 40, 256} {
			f.Add(seal(cek, obj{"alg": alg, "enc": "A128GCM", "p2c": 1 << 40, "epk": epk}, make([]byte, size), "a text"))
		}
	}
	for _, seed := range []string{"....", "a.b.c.d.e", "e30.e30.AA", "", seal(cek, obj{"alg": "dir", "enc": "A128GCM", "zip": "DEF", "jwk": epk, "x5c": []string{"AA"}}, nil, "")} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		e, err := jose.ParseEncrypted(token)
		if err != nil {
			return
		}
		var parts []string
		for _, part := range strings.Split(token, ".") {
			text, err := jose.Decode(nil, part)
			if err != nil {
				t.Fatalf("%q has a part that can't be read", token)
			}
			parts = append(parts, b64(text))
		}
		if strings.Join(parts, ".") != token || !supported(token) || len(parts[2]) != 16 || len(parts[4]) != 22 {
			t.Errorf("%q was read: %+v", token, e)
		}
		if text, err := e.Decrypt(keys); err == nil && string(text) != "a text" {
			t.Errorf("%q holds %q, which nobody encrypted", token, text)
		}
	})
}
