package interop_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/bearerguard/bearerguard/verifier"
)

// TestEncrypted has oidc-provider encrypt its tokens to an API, in every way that
// the verifier reads.
func TestEncrypted(t *testing.T) {
	t.Parallel()
	private, others, public := map[string]any{}, map[string]any{}, map[string]any{}
	for _, alg := range []string{"RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW", "dir"} {
		private[alg], public[alg] = apiKey(t, alg)
		others[alg], _ = apiKey(t, alg)
	}
	// What the verifier doesn't read, to be refused: the keys would fit.
	public["RSA-OAEP"], public["ECDH-ES+A192KW"] = public["RSA-OAEP-256"], public["ECDH-ES"]

	as := newOIDCProvider(t).(*oidcProvider)
	as.apiKeys = string(marshal(t, public))
	as.start(t)
	plain := as.token(t, apiAudience, readScope)
	jwtParts(t, plain)
	for _, alg := range []string{"RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW", "dir"} {
		for _, enc := range []string{"A128GCM", "A256GCM"} {
			if alg == "dir" && enc == "A128GCM" {
				continue // the secret is for the other
			}
			t.Run(alg+" "+enc, func(t *testing.T) {
				encrypting := *as
				encrypting.alg = "ES256/" + alg + "/" + enc
				token := encrypting.token(t, apiAudience, readScope)
				if n := strings.Count(token, "."); n != 4 {
					t.Fatalf("the token has %d parts, want the 5 of an encrypted one", n+1)
				}
				a := startDecrypting(t, as, private[alg], false)
				checkStatus(t, a, token, 200)
				checkStatus(t, a, token, 200)
				checkStatus(t, a, encrypting.token(t, apiAudience, readScope), 200)
				checkStatus(t, a, encrypting.token(t, apiAudience), 403)
				checkStatus(t, a, encrypting.token(t, otherAudience, readScope), 401)
				checkStatus(t, a, changeTag(token), 401)
				checkStatus(t, a, plain, 401)
				checkStatus(t, startDecrypting(t, as, private[alg], true), plain, 200)
				checkStatus(t, startDecrypting(t, as, others[alg], false), token, 401)
				for _, without := range startAPIs(t, as) {
					checkStatus(t, without, token, 401)
				}
			})
		}
	}
	for _, refused := range []string{"RSA-OAEP/A256GCM", "ECDH-ES+A192KW/A256GCM", "RSA-OAEP-256/A256CBC-HS512", "ECDH-ES/A192GCM"} {
		alg, _, _ := strings.Cut(refused, "/")
		key := private["RSA-OAEP-256"]
		if strings.HasPrefix(alg, "ECDH") {
			key = private["ECDH-ES"]
		}
		encrypting := *as
		encrypting.alg = "ES256/" + refused
		checkStatus(t, startDecrypting(t, as, key, true), encrypting.token(t, apiAudience, readScope), 401)
	}
}

// TestEncryptedTokensOfSeveralIssuers: the server names itself in the header, so that
// the token finds its verifier.
func TestEncryptedTokensOfSeveralIssuers(t *testing.T) {
	t.Parallel()
	private, public := apiKey(t, "ECDH-ES")
	other, _ := apiKey(t, "ECDH-ES")
	as := newOIDCProvider(t).(*oidcProvider)
	as.apiKeys = string(marshal(t, map[string]any{"ECDH-ES": public}))
	as.alg = "ES256/ECDH-ES/A256GCM"
	as.start(t)
	v, err := verifier.Issuers(newDecrypting(t, "https://other.example.test", other, false), newDecrypting(t, as.issuer(), private, false))
	if err != nil {
		t.Fatal(err)
	}
	a := serve(t, "an API of two issuers", v)
	token := as.token(t, apiAudience, readScope)
	checkStatus(t, a, token, 200)
	checkStatus(t, a, token, 200)
	checkStatus(t, a, changeTag(token), 401)
}

// startDecrypting runs an API that has this key.
func startDecrypting(t *testing.T, as authServer, key any, optional bool) *api {
	t.Helper()
	return serve(t, "an API with a key", newDecrypting(t, as.issuer(), key, optional))
}

func newDecrypting(t *testing.T, issuer string, key any, optional bool) *verifier.Verifier {
	t.Helper()
	v, err := verifier.New(verifier.Config{
		Issuer: issuer, Audience: []string{apiAudience},
		Decryption: verifier.Decryption{Keys: marshal(t, map[string]any{"keys": []any{key}}), Optional: optional},
	})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// apiKey makes a key for an algorithm, and what the authorization server needs of it.
func apiKey(t *testing.T, alg string) (private, public map[string]any) {
	t.Helper()
	b64 := base64.RawURLEncoding.EncodeToString
	kid := rand.Text()
	switch alg {
	case "RSA-OAEP-256":
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		public = map[string]any{"kid": kid, "kty": "RSA", "n": b64(key.N.Bytes()), "e": "AQAB"}
		private = map[string]any{"d": b64(key.D.Bytes()), "p": b64(key.Primes[0].Bytes()), "q": b64(key.Primes[1].Bytes())}
	case "dir":
		secret := make([]byte, 32)
		rand.Read(secret)
		public = map[string]any{"kid": kid, "kty": "oct", "k": b64(secret)}
	default:
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		point, err := key.PublicKey.Bytes()
		d, err2 := key.Bytes()
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		public = map[string]any{"kid": kid, "kty": "EC", "crv": "P-256", "x": b64(point[1:33]), "y": b64(point[33:])}
		private = map[string]any{"d": b64(d)}
	}
	if private == nil {
		return public, public // a secret is shared
	}
	for name, value := range public {
		private[name] = value
	}
	return private, public
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// changeTag gives an encrypted token with another authentication tag.
func changeTag(token string) string {
	at := strings.LastIndexByte(token, '.') + 1
	first := "A"
	if token[at] == 'A' {
		first = "B"
	}
	return token[:at] + first + token[at+1:]
}
