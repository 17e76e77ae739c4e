package verifier_test

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/bearerguard/bearerguard/verifier"
	"github.com/bearerguard/bearerguard/verifier/verifiertest"
)

// The encrypted tokens of these tests are made with the standard library alone, too: key wrapping and key derivation are
// written out here, after RFC 3394 section 2.2.1 and RFC 7518 section 4.6.2.

// recipients are this API's keys by their kid.
var recipients = sync.OnceValue(func() map[string]any {
	secret := func(size int) []byte { return []byte("thirty-two bytes: a shared value"[:size]) }
	return map[string]any{
		"rsa": newRSA(), "rsa2": newRSA(), "p256": newEC(elliptic.P256()), "p384": newEC(elliptic.P384()), "p521": newEC(elliptic.P521()), "dir16": secret(16), "dir32": secret(32),
	}
})

// recipient writes one of them as a private JWK.
func recipient(kid string, members obj) obj {
	switch key := recipients()[kid].(type) {
	case *rsa.PrivateKey:
		private := obj{"kid": kid, "d": b64(key.D.Bytes()), "p": b64(key.Primes[0].Bytes()), "q": b64(key.Primes[1].Bytes())}
		return jwk(key, merge(private, members))
	case *ecdsa.PrivateKey:
		return jwk(key, merge(obj{"kid": kid, "d": b64(must(key.Bytes()))}, members))
	default:
		return merge(obj{"kid": kid, "kty": "oct", "k": b64(key.([]byte))}, members)
	}
}

// decrypting makes a verifier that has these keys.
func decrypting(kids ...string) func(*verifier.Config) {
	return func(cfg *verifier.Config) {
		var set []obj
		for _, kid := range kids {
			set = append(set, recipient(kid, nil))
		}
		cfg.Decryption.Keys = keySet(set...)
	}
}

func optional(cfg *verifier.Config) { cfg.Decryption.Optional = true }

func both(changes ...func(*verifier.Config)) func(*verifier.Config) {
	return func(cfg *verifier.Config) {
		for _, change := range changes {
			change(cfg)
		}
	}
}

// encrypt encrypts a text to a recipient, by the alg and enc of the header, and names it by its kid.
func encrypt(kid string, header obj, plaintext string) string {
	h := merge(obj{"alg": "RSA-OAEP-256", "enc": "A256GCM", "cty": "JWT", "kid": kid}, header)
	alg, _ := h["alg"].(string)
	cek := make([]byte, map[any]int{"A128GCM": 16}[h["enc"]])
	if len(cek) == 0 {
		cek = make([]byte, 32)
	}
	rand.Read(cek)
	var encryptedKey []byte
	switch key := recipients()[kid].(type) {
	case *rsa.PrivateKey:
		encryptedKey = must(rsa.EncryptOAEP(sha256.New(), rand.Reader, &key.PublicKey, cek, nil))
	case *ecdsa.PrivateKey:
		ephemeral := must(ecdsa.GenerateKey(key.Curve, rand.Reader))
		if _, set := header["epk"]; !set {
			h["epk"] = jwk(ephemeral, nil)
		}
		z := must(must(ephemeral.ECDH()).ECDH(must(key.PublicKey.ECDH())))
		switch alg {
		case "ECDH-ES+A128KW":
			encryptedKey = wrap(derive(z, alg, 16), cek)
		case "ECDH-ES+A256KW":
			encryptedKey = wrap(derive(z, alg, 32), cek)
		default:
			cek = derive(z, fmt.Sprint(h["enc"]), len(cek))
		}
	case []byte:
		cek = key
	}
	return seal(cek, text(h), encryptedKey, plaintext)
}

func seal(cek []byte, header string, encryptedKey []byte, plaintext string) string {
	gcm := must(cipher.NewGCM(must(aes.NewCipher(cek))))
	head, nonce := b64(header), make([]byte, 12)
	rand.Read(nonce)
	sealed := gcm.Seal(nil, nonce, []byte(plaintext), []byte(head))
	tag := len(sealed) - 16
	return strings.Join([]string{head, b64(encryptedKey), b64(nonce), b64(sealed[:tag]), b64(sealed[tag:])}, ".")
}

func derive(z []byte, alg string, size int) []byte {
	h := sha256.New()
	for _, part := range []any{uint32(1), z, uint32(len(alg)), []byte(alg), uint32(0), uint32(0), uint32(size * 8)} {
		binary.Write(h, binary.BigEndian, part)
	}
	return h.Sum(nil)[:size]
}

func wrap(kek, cek []byte) []byte {
	block := must(aes.NewCipher(kek))
	out := append([]byte("\xa6\xa6\xa6\xa6\xa6\xa6\xa6\xa6"), cek...)
	n := len(cek) / 8
	for t := range 6 * n {
		i := 8 + t%n*8
		b := append(slices.Clone(out[:8]), out[i:i+8]...)
		block.Encrypt(b, b)
		binary.BigEndian.PutUint64(out, binary.BigEndian.Uint64(b)^uint64(t+1))
		copy(out[i:], b[8:])
	}
	return out
}

// with changes one of a token's parts.
func with(token string, i int, part string) string {
	parts := strings.Split(token, ".")
	parts[i] = part
	return strings.Join(parts, ".")
}

func TestEncryptedTokens(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{"RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW", "dir"} {
		for _, enc := range []string{"A128GCM", "A256GCM"} {
			kids := map[string][]string{"RSA-OAEP-256": {"rsa"}, "dir": {map[string]string{"A128GCM": "dir16", "A256GCM": "dir32"}[enc]}}[alg]
			if kids == nil {
				kids = []string{"p256", "p384", "p521"}
			}
			for _, kid := range kids {
				t.Run(fmt.Sprintf("9068-4-3 %s with %s to %s", alg, enc, kid), func(t *testing.T) {
					t.Parallel()
					token := encrypt(kid, obj{"alg": alg, "enc": enc}, mint(nil, nil))
					for _, kids := range [][]string{{kid}, {"rsa2", kid, "dir32"}} {
						c := accepted(t, newVerifier(t, decrypting(kids...)), token)
						if c.Issuer() != issuer || c.ClientID() != "cart" || !c.Scopes().Has("orders:read") {
							t.Errorf("%v with scopes %v", c, c.Scopes())
						}
					}
					refused(t, newVerifier(t, decrypting("rsa2", "dir32")), encrypt(kid, obj{"alg": alg, "enc": enc, "kid": "rsa2"}, mint(nil, nil)), verifier.ErrMalformed)
					err := refused(t, newVerifier(t), token, verifier.ErrMalformed)
					if !strings.Contains(err.Error(), "five parts: an encrypted token (JWE), which is not supported") {
						t.Errorf("without the setting: %v", err)
					}
				})
			}
		}
	}
}

func TestEncryptedTokensThatAreRefused(t *testing.T) {
	t.Parallel()
	const sentence = "malformed token: encryption: it can't be decrypted"
	rsaOnly, good := decrypting("rsa"), mint(nil, nil)
	token := encrypt("rsa", nil, good)
	part := strings.Split(token, ".")
	header := func(changes obj) string { return encrypt("rsa", changes, good) }
	ec := func(changes obj) string { return encrypt("p256", merge(obj{"alg": "ECDH-ES"}, changes), good) }
	curve := decrypting("p256", "dir32")
	flip := func(i int) string { // one letter in the middle
		middle, letter := len(part[i])/2, "A"
		if part[i][middle] == 'A' {
			letter = "B"
		}
		return with(token, i, part[i][:middle]+letter+part[i][middle+1:])
	}
	for _, tt := range []struct {
		name   string
		config func(*verifier.Config)
		token  string
		want   error
		says   string
	}{
		// What can't be decrypted: one sentence, whatever is wrong.
		{"encrypted to another key", rsaOnly, encrypt("rsa2", obj{"kid": "rsa"}, good), verifier.ErrMalformed, sentence},
		{"a kid that no key has", rsaOnly, header(obj{"kid": "new"}), verifier.ErrMalformed, sentence},
		{"a kid of a key for something else", decrypting("rsa", "p256"), header(obj{"kid": "p256"}), verifier.ErrMalformed, sentence},
		{"an encrypted key with one bit changed", rsaOnly, flip(1), verifier.ErrMalformed, sentence},
		{"an encrypted key that is short", rsaOnly, with(token, 1, part[1][:300]), verifier.ErrMalformed, sentence},
		{"an encrypted key that is long", rsaOnly, with(token, 1, b64(make([]byte, 257))), verifier.ErrMalformed, sentence},
		{"no encrypted key", rsaOnly, with(token, 1, ""), verifier.ErrMalformed, sentence},
		{"a content key of another length", rsaOnly, shortKey(good), verifier.ErrMalformed, sentence},
		{"another nonce", rsaOnly, flip(2), verifier.ErrMalformed, sentence},
		{"another ciphertext", rsaOnly, flip(3), verifier.ErrMalformed, sentence},
		{"a ciphertext that is cut off", rsaOnly, with(token, 3, part[3][:400]), verifier.ErrMalformed, sentence},
		{"8725-3.3-1 another tag", rsaOnly, flip(4), verifier.ErrMalformed, sentence},
		{"another header", rsaOnly, with(token, 0, b64(text(obj{"alg": "RSA-OAEP-256", "enc": "A256GCM", "cty": "JWT", "kid": "rsa", "x": 1}))), verifier.ErrMalformed, sentence},
		{"8725-3.4-1 an ephemeral key beside its curve", curve, ec(obj{"epk": jwk(keys()["p256"], obj{"y": b64(strings.Repeat("\x01", 32))})}), verifier.ErrMalformed, sentence},
		{"an ephemeral key of another curve", curve, ec(obj{"epk": jwk(keys()["p384"], nil)}), verifier.ErrMalformed, sentence},
		{"another ephemeral key", curve, ec(obj{"epk": jwk(keys()["p256"], nil)}), verifier.ErrMalformed, sentence},
		{"no ephemeral key", curve, ec(obj{"epk": nil}), verifier.ErrMalformed, sentence},
		{"BUG-187 a wrapped key that is empty", curve, with(ec(obj{"alg": "ECDH-ES+A128KW"}), 1, ""), verifier.ErrMalformed, sentence},
		{"a wrapped key of another length", curve, with(ec(obj{"alg": "ECDH-ES+A128KW"}), 1, b64(make([]byte, 24))), verifier.ErrMalformed, sentence},
		{"another wrapped key", curve, with(ec(obj{"alg": "ECDH-ES+A128KW"}), 1, b64(make([]byte, 40))), verifier.ErrMalformed, sentence},
		{"an encrypted key beside an agreed one", curve, with(ec(nil), 1, part[1]), verifier.ErrMalformed, sentence},
		{"BUG-144 an alg that has the secret used as a content key", decrypting("rsa", "dir32"), encrypt("dir32", obj{"alg": "dir", "kid": "rsa"}, good), verifier.ErrMalformed, sentence},
		{"an algorithm that fits the key, but that it isn't for", func(cfg *verifier.Config) {
			cfg.Decryption.Keys = keySet(recipient("p256", obj{"alg": "ECDH-ES"}))
		}, ec(obj{"alg": "ECDH-ES+A128KW"}), verifier.ErrMalformed, sentence},
		{"a secret of another length", decrypting("dir16"), encrypt("dir32", obj{"alg": "dir", "kid": "dir16"}, good), verifier.ErrMalformed, sentence},

		// What no key is asked for.
		{"8725-3.2-4 the old padding", rsaOnly, header(obj{"alg": "RSA1_5"}), verifier.ErrMalformed, `alg is "RSA1_5"`},
		{"SHA-1", rsaOnly, header(obj{"alg": "RSA-OAEP"}), verifier.ErrMalformed, `alg is "RSA-OAEP"`},
		{"8725bis-3.13-1 BUG-185 a password, hashed two billion times", rsaOnly, header(obj{"alg": "PBES2-HS256+A128KW", "p2c": 2147483647, "p2s": "AAAA"}), verifier.ErrMalformed, "PBES2"},
		{"8725-3.6-1 8725bis-3.15-1 BUG-186 compressed", rsaOnly, header(obj{"zip": "DEF"}), verifier.ErrMalformed, "zip"},
		{"a critical extension", rsaOnly, header(obj{"crit": []string{"exp"}}), verifier.ErrMalformed, "crit"},
		{"CBC", rsaOnly, header(obj{"enc": "A128CBC-HS256"}), verifier.ErrMalformed, "CBC"},
		{"BUG-188 a tag of one byte", rsaOnly, with(token, 4, "AA"), verifier.ErrMalformed, "wrong length"},
		{"BUG-187 without any of its parts", rsaOnly, "....", verifier.ErrMalformed, "wrong length"},
		{"a nonce of 16 bytes", rsaOnly, with(token, 2, b64(make([]byte, 16))), verifier.ErrMalformed, "wrong length"},
		{"a header of a signed token", rsaOnly, with(token, 0, b64(text(goodHeader()))), verifier.ErrMalformed, `"RS256"`},
		{"a header that is no JSON", rsaOnly, with(token, 0, "AAAA"), verifier.ErrMalformed, "JSON"},
		{"another spelling", rsaOnly, token + "==", verifier.ErrMalformed, "character"},
		{"a line break", rsaOnly, token + "\n", verifier.ErrMalformed, "character"},
		{"7519-5.2-1 no cty", rsaOnly, header(obj{"cty": gone}), verifier.ErrMalformed, `cty is ""`},
		{"another kind of content", rsaOnly, header(obj{"cty": "json"}), verifier.ErrMalformed, `cty is "json"`},
		{"another kind of token", rsaOnly, header(obj{"cty": "logout+jwt"}), verifier.ErrMalformed, `cty is "logout+jwt"`},
		{"a type of another profile", rsaOnly, header(obj{"cty": "okta-internal-at+jwt"}), verifier.ErrMalformed, "cty"},
		{"six parts", rsaOnly, token + ".AA", verifier.ErrMalformed, "not encrypted"},
		{"too long", rsaOnly, encrypt("rsa", nil, strings.Repeat("x", 13<<10)), verifier.ErrMalformed, "longer"},

		// 9068-4-4: what is not encrypted.
		{"9068-4-4 a good token that is not encrypted", rsaOnly, good, verifier.ErrMalformed, "not encrypted, and Config.Decryption"},
		{"9068-4-4 an opaque token", rsaOnly, "2YotnFZFEjr1zCsicMWpAA", verifier.ErrMalformed, "not encrypted"},
		{"an opaque token where encryption is optional", both(rsaOnly, optional), "2YotnFZFEjr1zCsicMWpAA", verifier.ErrMalformed, "opaque token"},
		{"a forged token where encryption is optional", both(rsaOnly, optional), compact("RS256", "other", text(goodHeader()), text(goodPayload())), verifier.ErrSignature, ""},

		// What was inside is a token as any other.
		{"BUG-145 an unsigned token inside", rsaOnly, encrypt("rsa", nil, b64(`{"alg":"none","typ":"at+jwt"}`)+"."+b64(text(goodPayload()))+"."), verifier.ErrMalformed, "empty part"},
		{"BUG-145 an unsigned token with a signature's part", rsaOnly, encrypt("rsa", nil, b64(`{"alg":"none","typ":"at+jwt"}`)+"."+b64(text(goodPayload()))+".AA"), verifier.ErrAlgorithm, ""},
		{"BUG-145 the claims alone", rsaOnly, encrypt("rsa", nil, text(goodPayload())), verifier.ErrMalformed, ""},
		{"an encrypted token inside", rsaOnly, encrypt("rsa", nil, token), verifier.ErrMalformed, "five parts"},
		{"nothing much inside", rsaOnly, encrypt("rsa", nil, "x"), verifier.ErrMalformed, "no dots"},
		{"8725-3.3-1 a forged token inside", rsaOnly, encrypt("rsa", nil, compact("RS256", "other", text(goodHeader()), text(goodPayload()))), verifier.ErrSignature, ""},
		{"an expired token inside", rsaOnly, encrypt("rsa", nil, mint(nil, obj{"exp": in(-60)})), verifier.ErrExpired, ""},
		{"a token of another issuer inside", rsaOnly, encrypt("rsa", nil, mint(nil, obj{"iss": "https://other.example.com"})), verifier.ErrIssuer, ""},
		{"a token of another issuer, signed by an unknown key, inside", rsaOnly, encrypt("rsa", nil, mint(obj{"kid": "new"}, obj{"iss": "https://other.example.com"})), verifier.ErrIssuer, ""},
		{"a token for another API inside", rsaOnly, encrypt("rsa", nil, mint(nil, obj{"aud": "https://other.example.com"})), verifier.ErrAudience, ""},
		{"8725-3.11-1 another kind of token inside", rsaOnly, encrypt("rsa", nil, mint(obj{"typ": "logout+jwt"}, nil)), verifier.ErrType, ""},
		{"a token inside that names this API's key", rsaOnly, encrypt("rsa", nil, mint(obj{"kid": "rsa2"}, nil)), verifier.ErrKeyNotFound, ""},

		// Claims that the header shows, too: RFC 7519 section 5.3.
		{"another issuer in the header", rsaOnly, header(obj{"iss": "https://other.example.com"}), verifier.ErrMalformed, "iss in the header"},
		{"another audience in the header", rsaOnly, header(obj{"aud": []string{audience, "https://other.example.com"}}), verifier.ErrMalformed, "aud in the header"},
		{"another subject in the header", rsaOnly, header(obj{"sub": "admin"}), verifier.ErrMalformed, "sub in the header"},
		{"a subject in the header alone", rsaOnly, encrypt("rsa", obj{"sub": "cart"}, mint(nil, obj{"sub": gone})), verifier.ErrMalformed, "sub in the header"},
		{"a subject that is no string", rsaOnly, encrypt("rsa", obj{"sub": 1}, mint(nil, obj{"sub": 1})), verifier.ErrMalformed, "sub in the header"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v := newVerifier(t, tt.config)
			for range 2 {
				err := refused(t, v, tt.token, tt.want)
				if tt.says == sentence && err.Error() != sentence || !strings.Contains(err.Error(), tt.says) {
					t.Errorf("%v; want %s", err, tt.says)
				}
				noSecrets(t, fmt.Sprint(err, v.Explain(t.Context(), tt.token)), token+"."+good)
			}
		})
	}
}

// shortKey encrypts a content key of 16 bytes for an enc that wants 32.
func shortKey(plaintext string) string {
	cek := []byte("sixteen bytes: 1")
	encryptedKey := must(rsa.EncryptOAEP(sha256.New(), rand.Reader, &recipients()["rsa"].(*rsa.PrivateKey).PublicKey, cek, nil))
	return seal(cek, text(obj{"alg": "RSA-OAEP-256", "enc": "A256GCM", "cty": "JWT"}), encryptedKey, plaintext)
}

func TestEncryptedTokensAsTheyAreWritten(t *testing.T) {
	t.Parallel()
	good := mint(nil, nil)
	for _, tt := range []struct {
		name   string
		config func(*verifier.Config)
		header obj
		token  string
	}{
		{"no kid: every key that fits is tried", decrypting("rsa2", "p256", "rsa"), obj{"kid": gone}, good},
		{"7519-5.2-1 cty in small letters", nil, obj{"cty": "jwt"}, good},
		{"cty with its prefix", nil, obj{"cty": "application/JWT"}, good},
		{"cty as oidc-provider writes it", nil, obj{"cty": "at+jwt"}, good},
		{"cty as oidc-provider writes it, with its prefix", nil, obj{"cty": "application/AT+jwt"}, good},
		{"claims that the header shows, too", nil, obj{"iss": issuer, "sub": "cart", "aud": audience}, good},
		{"an audience that the header shows as a list", nil, obj{"aud": []string{audience}}, good},
		{"audiences that the header shows, too", nil, obj{"aud": []string{audience, "b"}}, mint(nil, obj{"aud": []string{audience, "b"}})},
		{"8725-3.11-1 a typ of its own means nothing", nil, obj{"typ": "logout+jwt"}, good},
		{"BUG-150 keys and addresses in the header are ignored", nil, obj{"jku": "http://127.0.0.1:1/", "x5u": "http://127.0.0.1:1/", "jwk": jwk(keys()["rsa"], nil), "p2c": 1 << 40}, good},
		{"encryption is optional", both(decrypting("rsa"), optional), nil, good},
	} {
		config := tt.config
		if config == nil {
			config = decrypting("rsa")
		}
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			accepted(t, newVerifier(t, config), encrypt("rsa", tt.header, tt.token))
		})
	}
	t.Run("9068-4-4 where encryption is optional, a token that is only signed is accepted", func(t *testing.T) {
		t.Parallel()
		accepted(t, newVerifier(t, decrypting("rsa"), optional), good)
	})
}

func TestRememberedEncryptedTokens(t *testing.T) {
	t.Parallel()
	good := mint(nil, nil)
	short, long := encrypt("rsa", nil, good), encrypt("rsa", nil, mint(nil, obj{"groups": strings.Repeat("g", 5000)}))
	t.Run("a token that comes again is the same", func(t *testing.T) {
		t.Parallel()
		var events recorder
		v := newVerifier(t, decrypting("rsa"), events.hook)
		for _, token := range []string{short, long} {
			first := accepted(t, v, token)
			if again := accepted(t, v, strings.Clone(token)); again != first || !events.last().Cached {
				t.Errorf("%+v", events.last())
			}
		}
	})
	t.Run("none of its parts can be another one", func(t *testing.T) {
		t.Parallel()
		var events recorder
		v := newVerifier(t, decrypting("rsa"), events.hook)
		accepted(t, v, short)
		other := strings.Split(encrypt("rsa", nil, good), ".")
		other[0] = b64(text(obj{"alg": "RSA-OAEP-256", "enc": "A256GCM", "cty": "jwt", "kid": "rsa"}))
		for i := range other {
			refused(t, v, with(short, i, other[i]), verifier.ErrMalformed)
			refused(t, v, with(short, i, ""), verifier.ErrMalformed)
			if events.last().Cached {
				t.Errorf("part %d: the verdict came from memory", i)
			}
		}
		if accepted(t, v, short); !events.last().Cached {
			t.Error("the token itself was forgotten")
		}
	})
	t.Run("9068-4-4 what was in it is decided by itself", func(t *testing.T) {
		t.Parallel()
		var events recorder
		v := newVerifier(t, decrypting("rsa"), events.hook)
		accepted(t, v, short)
		refused(t, v, good, verifier.ErrMalformed)
		if events.last().Cached {
			t.Error("the verdict came from memory")
		}
		v = newVerifier(t, decrypting("rsa"), optional, events.hook)
		for _, token := range []string{short, good} {
			for i := range 2 {
				if accepted(t, v, token); events.last().Cached != (i == 1) {
					t.Errorf("%+v", events.last())
				}
			}
		}
	})
	t.Run("many at once", func(t *testing.T) {
		t.Parallel()
		v := newVerifier(t, decrypting("rsa", "p256"), func(cfg *verifier.Config) { cfg.CacheSize = 2 })
		tokens := []string{short, long, encrypt("p256", obj{"alg": "ECDH-ES+A128KW"}, good), encrypt("rsa", nil, good)}
		var wg sync.WaitGroup
		for i := range 32 {
			wg.Go(func() {
				if _, err := v.Verify(t.Context(), tokens[i%len(tokens)]); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	})
	t.Run("it grows old", func(t *testing.T) {
		t.Parallel()
		var now movable
		v := newVerifier(t, decrypting("rsa"), now.hook)
		accepted(t, v, short)
		now.seconds.Store(630)
		refused(t, v, short, verifier.ErrExpired)
	})
	t.Run("it dies with the key that signed it", func(t *testing.T) {
		t.Parallel()
		i := verifiertest.NewIssuer(t, verifiertest.Encrypted("ECDH-ES"))
		v := i.Verifier()
		token, kid := i.Token("read"), i.KeyIDs()[0]
		accepted(t, v, token)
		i.Rotate()
		i.Withdraw(kid)
		accepted(t, v, i.Token("read")) // the unknown kid fetches the set
		refused(t, v, token, verifier.ErrKeyNotFound)
	})
	t.Run("one token in many encryptions pushes out no other", func(t *testing.T) {
		t.Parallel()
		var events recorder
		v := newVerifier(t, decrypting("dir32"), events.hook, func(cfg *verifier.Config) { cfg.CacheSize = 16 })
		another := encrypt("dir32", obj{"alg": "dir"}, mint(obj{"alg": "EdDSA"}, nil))
		accepted(t, v, another)
		var last string
		for range 200 {
			last = encrypt("dir32", obj{"alg": "dir"}, good)
			accepted(t, v, last)
		}
		for _, token := range []string{another, last} {
			if accepted(t, v, token); !events.last().Cached {
				t.Error("forgotten")
			}
		}
	})
	t.Run("a header that was remembered for signed tokens is none of an encrypted one", func(t *testing.T) {
		t.Parallel()
		v := newVerifier(t, decrypting("rsa"), optional)
		accepted(t, v, good)
		accepted(t, v, short)
		head, _, _ := strings.Cut(good, ".")
		refused(t, v, with(short, 0, head), verifier.ErrMalformed)
		outer, _, _ := strings.Cut(short, ".")
		refused(t, v, with(good, 0, outer), verifier.ErrAlgorithm)
	})
}

func TestEncryptedTokensOfSeveralIssuers(t *testing.T) {
	t.Parallel()
	a, b := verifiertest.NewIssuer(t, verifiertest.Encrypted("RSA-OAEP-256")), verifiertest.NewIssuer(t, verifiertest.Encrypted("ECDH-ES+A256KW"))
	plain := verifiertest.NewIssuer(t)
	v := newIssuers(t, a.Verifier(), b.Verifier(), plain.Verifier())
	for _, i := range []*verifiertest.Issuer{a, b, plain, a, b} {
		token := i.Token("read")
		for range 2 {
			if c := accepted(t, v, token); c.Issuer() != i.URL() {
				t.Errorf("issuer %q", c.Issuer())
			}
		}
	}
	for name, tt := range map[string]struct {
		token string
		want  error
	}{
		"another issuer's token, encrypted by this one":         {a.Encrypt(b.Sign(nil, obj{"iss": b.URL()})), verifier.ErrMalformed},
		"another issuer's token, said to be of this one":        {a.Encrypt(b.Sign(nil, obj{"iss": a.URL(), "aud": "https://api.example.com", "exp": 253402300000})), verifier.ErrKeyNotFound},
		"a token of an issuer that doesn't encrypt":             {encrypt("rsa", obj{"iss": plain.URL()}, plain.Token("read")), verifier.ErrMalformed},
		"a signed token of an issuer that encrypts":             {a.Sign(nil, obj{"iss": a.URL()}), verifier.ErrMalformed},
		"a header that names no issuer":                         {encrypt("rsa", nil, mint(nil, nil)), verifier.ErrIssuer},
		"a header whose issuer is no string":                    {encrypt("rsa", obj{"iss": []string{a.URL()}}, mint(nil, nil)), verifier.ErrMalformed},
		"a header that names an issuer which isn't on the list": {encrypt("rsa", obj{"iss": issuer}, mint(nil, nil)), verifier.ErrIssuer},
		"five parts with nothing in them":                       {"....", verifier.ErrMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, v, tt.token, tt.want)
		})
	}
}

func TestEncryptedTokensOfAResolvedIssuer(t *testing.T) {
	t.Parallel()
	a, b := verifiertest.NewIssuer(t, verifiertest.Encrypted("ECDH-ES")), verifiertest.NewIssuer(t, verifiertest.Encrypted("dir"))
	var asked []string
	v := must(verifier.ResolveIssuers(verifier.IssuersConfig{Resolve: func(_ context.Context, iss string) (verifier.Config, error) {
		asked = append(asked, iss) // one call at a time: one token at a time
		for _, i := range []*verifiertest.Issuer{a, b} {
			if iss == i.URL() {
				cfg := i.Config()
				cfg.DangerouslyAllowPrivateNetwork = true
				return cfg, nil
			}
		}
		return verifier.Config{}, verifier.ErrIssuer
	}}))
	for _, i := range []*verifiertest.Issuer{a, b, a} {
		for range 2 {
			accepted(t, v, i.Token("read"))
		}
	}
	refused(t, v, a.Encrypt(b.Sign(nil, obj{"iss": b.URL()})), verifier.ErrMalformed)
	refused(t, v, encrypt("rsa", nil, mint(nil, nil)), verifier.ErrIssuer)
	if !slices.Equal(asked, []string{a.URL(), b.URL()}) {
		t.Errorf("asked about %q", asked)
	}
}

func TestDecryptionMistakes(t *testing.T) {
	t.Parallel()
	keys := func(set string) func(*verifier.Config) {
		return func(cfg *verifier.Config) { cfg.Decryption.Keys = []byte(set) }
	}
	public := merge(recipient("rsa", nil), obj{"d": gone, "p": gone, "q": gone})
	for _, tt := range []struct {
		name   string
		change func(*verifier.Config)
		says   string
	}{
		{"optional without keys", optional, "Decryption.Optional is set without Keys"},
		{"an empty text", keys(""), "Decryption.Keys is not a JWK set"},
		{"a key that is no set", keys(text(recipient("rsa", nil))), `not a JWK set: write {"keys":[...]}`},
		{"PEM", keys("-----BEGIN PRIVATE KEY-----"), "not a JWK set"},
		{"no keys", keys(`{"keys":[]}`), "0 keys"},
		{"five keys", decrypting("rsa", "rsa2", "p256", "p384", "dir32"), "5 keys: 1 to 4"},
		{"a public key", keys(string(keySet(recipient("p256", nil), public))), `key 2 (kid "rsa")|d is missing`},
		{"a key for signatures", keys(string(keySet(recipient("p256", obj{"use": "sig"})))), `kid "p256"|not enc`},
		{"8725-3.2-4 a key for the old padding", keys(string(keySet(recipient("rsa", obj{"alg": "RSA1_5"})))), `"RSA1_5"|RSA-OAEP-256`},
		{"a secret that is too short", keys(string(keySet(recipient("dir16", obj{"k": "c2VjcmV0"})))), "6 bytes|16 and 32"},
		{"two mistakes at once", keys(string(keySet(recipient("p256", obj{"use": "sig"}), public))), "key 1|key 2"},
	} {
		_, err := verifier.New(config(tt.change))
		if err == nil {
			t.Errorf("%s: no error", tt.name)
			continue
		}
		for says := range strings.SplitSeq(tt.says, "|") {
			if !strings.Contains(err.Error(), says) {
				t.Errorf("%s: %v; want %s", tt.name, err, says)
			}
		}
		for _, kid := range []string{"rsa", "p256", "dir16"} {
			for _, member := range []string{"d", "p", "q", "k"} {
				if s, ok := recipient(kid, nil)[member].(string); ok && strings.Contains(err.Error(), s[:16]) {
					t.Errorf("%s: the error tells %s of %s", tt.name, member, kid)
				}
			}
		}
	}
}

func TestDecryptionPrintsNoKey(t *testing.T) {
	t.Parallel()
	cfg := config(decrypting("rsa", "dir32"))
	v := must(verifier.New(cfg))
	secret := recipient("dir32", nil)["k"].(string)
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, value := range []any{cfg, cfg.Decryption, &cfg.Decryption, v, *v} {
			shown := fmt.Sprintf(format, value)
			for _, hidden := range []string{secret[:20], fmt.Sprintf("%x", secret[:20]), fmt.Sprintf("%d", []byte(secret[:20])), fmt.Sprintf("%#v", []byte(secret))[8:80], fmt.Sprintf("%x", recipients()["dir32"])} {
				if strings.Contains(shown, strings.Trim(hidden, "[]")) {
					t.Errorf("%s of a %T shows a key: %.200s", format, value, shown)
				}
			}
		}
	}
	for _, value := range []any{cfg.Decryption, &cfg.Decryption} { // a log may be JSON
		if shown, err := json.Marshal(value); err != nil || string(shown) != `{"Optional":false}` {
			t.Errorf("JSON of a %T: %.200s, %v", value, shown, err)
		}
	}
}

func TestExplainEncryption(t *testing.T) {
	t.Parallel()
	good := mint(nil, nil)
	for _, tt := range []struct {
		name   string
		config func(*verifier.Config)
		token  string
		found  string
		wanted string
		err    error
		passed int // checks
	}{
		{"a good token", decrypting("rsa"), encrypt("rsa", nil, good), `alg "RSA-OAEP-256", enc "A256GCM", kid "rsa", cty "JWT"`, `encrypted to one of this API's keys "rsa" (RSA-OAEP-256)`, nil, 20},
		{"a good token without a kid, where encryption is optional", both(decrypting("rsa", "p256"), optional), encrypt("rsa", obj{"kid": gone}, good), `kid ""`, `"p256" (ECDH-ES ECDH-ES+A128KW ECDH-ES+A256KW), or not encrypted`, nil, 20},
		{"a token that is only signed", decrypting("rsa"), good, "none", "encrypted to", verifier.ErrMalformed, 1},
		{"a token that is only signed, where encryption is optional", both(decrypting("rsa"), optional), good, "none", "or not encrypted", nil, 20},
		{"encrypted to another key", decrypting("rsa2"), encrypt("rsa", nil, good), `kid "rsa"`, `"rsa2"`, verifier.ErrMalformed, 1},
		{"of which nothing can be read", decrypting("rsa"), "a.b.c.d.e", "five parts, of which nothing could be read", `"rsa"`, verifier.ErrMalformed, 1},
		{"without the setting", nil, encrypt("rsa", nil, good), "five parts, of which nothing could be read", "none: Config.Decryption has no keys", nil, 2},
	} {
		v := newVerifier(t, tt.config)
		report := v.Explain(t.Context(), tt.token)
		passed := 0
		for _, c := range report {
			if c.Err == nil && !c.Skipped {
				passed++
			}
		}
		c := report[1]
		if len(report) != 20 || c.Name != "encryption" || !strings.Contains(c.Found, tt.found) || !strings.Contains(c.Wanted, tt.wanted) || !errors.Is(c.Err, tt.err) || passed != tt.passed {
			t.Errorf("%s: %d of %d passed, %+v", tt.name, passed, len(report), c)
		}
		noSecrets(t, printed(report), tt.token+"."+good)
		if secret := recipient("rsa", nil)["d"].(string); strings.Contains(printed(report), secret[:16]) {
			t.Errorf("%s: the key is shown", tt.name)
		}
	}
	if !strings.Contains(printed(newVerifier(t).Explain(t.Context(), encrypt("rsa", nil, good))), "set Config.Decryption") {
		t.Error("the operator isn't told of the setting")
	}
}

// BenchmarkEncrypted compares a token that isn't remembered with the cryptography that it takes, by the standard library:
// the key, the content and the signature inside (RS256).
func BenchmarkEncrypted(b *testing.B) {
	token, jwks, signature := benchToken(b, "RS256")
	rsaKey, ecKey := recipients()["rsa"].(*rsa.PrivateKey), recipients()["p256"].(*ecdsa.PrivateKey)
	private, ephemeral := must(ecKey.ECDH()), must(newEC(elliptic.P256()).PublicKey.ECDH())
	open := func(kid string, header obj) (string, func()) {
		encrypted := encrypt(kid, header, token)
		sealed := must(cipher.NewGCM(must(aes.NewCipher(make([]byte, 32))))).Seal(nil, make([]byte, 12), []byte(token), nil)
		return encrypted, func() {
			must(cipher.NewGCM(must(aes.NewCipher(make([]byte, 32))))).Open(nil, make([]byte, 12), sealed, nil)
		}
	}
	for _, tt := range []struct {
		kid    string
		header obj
		bare   func(encryptedKey []byte)
	}{
		{"rsa", nil, func(key []byte) { must(rsa.DecryptOAEP(sha256.New(), nil, rsaKey, key, nil)) }},
		{"p256", obj{"alg": "ECDH-ES"}, func([]byte) {
			derive(must(private.ECDH(must(ecdh.P256().NewPublicKey(ephemeral.Bytes())))), "A256GCM", 32)
		}},
		{"dir32", obj{"alg": "dir"}, func([]byte) {}},
	} {
		encrypted, content := open(tt.kid, tt.header)
		key := must(base64.RawURLEncoding.DecodeString(strings.Split(encrypted, ".")[1]))
		b.Run(tt.kid+"/bare", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				tt.bare(key)
				content()
				signature()
			}
		})
		for name, size := range map[string]int{"uncached": -1, "cached": 0} {
			cfg := verifier.Config{Issuer: "https://as.example.com/tenant-1", Audience: []string{"https://api.example.com"}, JWKS: jwks, CacheSize: size}
			decrypting(tt.kid)(&cfg)
			v := must(verifier.New(cfg))
			b.Run(tt.kid+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := v.Verify(b.Context(), encrypted); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
