package jose_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"

	"github.com/bearerguard/bearerguard/internal/jose"
)

// TestSigner: what a Signer makes, the published key verifies.
func TestSigner(t *testing.T) {
	t.Parallel()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, edKey, _ := ed25519.GenerateKey(rand.Reader)
	keys := map[string]crypto.Signer{"EdDSA": edKey, "Ed25519": edKey}
	for _, alg := range []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"} {
		keys[alg] = rsaKey
	}
	for alg, curve := range map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()} {
		if keys[alg], err = ecdsa.GenerateKey(curve, rand.Reader); err != nil {
			t.Fatal(err)
		}
	}
	for alg, key := range keys {
		s, err := jose.NewSigner(hidden{key}, alg)
		if err != nil {
			t.Errorf("%s: %v", alg, err)
			continue
		}
		token, err := s.Sign([]byte(`{"alg":"x"}`), []byte(`{}`))
		if err != nil {
			t.Errorf("%s: %v", alg, err)
			continue
		}
		c, err := jose.Split(token)
		if err != nil {
			t.Errorf("%s: %v", alg, err)
			continue
		}
		public, err := jose.ParseKey(published(key))
		if err != nil {
			t.Fatal(err)
		}
		signature, _ := jose.Decode(nil, c.Signature)
		if err := public.Verify(alg, []byte(c.Signed), signature); err != nil || s.Algorithm() != alg {
			t.Errorf("%s: %v", alg, err)
		}
	}
}

// hidden is a key that is held elsewhere.
type hidden struct{ crypto.Signer }

func published(key crypto.Signer) []byte {
	b64 := base64.RawURLEncoding.EncodeToString
	var jwk map[string]string
	switch public := key.Public().(type) {
	case *rsa.PublicKey:
		jwk = map[string]string{"kty": "RSA", "n": b64(public.N.Bytes()), "e": b64(big.NewInt(int64(public.E)).Bytes())}
	case *ecdsa.PublicKey:
		point, _ := public.Bytes()
		half := (len(point)-1)/2 + 1
		jwk = map[string]string{"kty": "EC", "crv": public.Params().Name, "x": b64(point[1:half]), "y": b64(point[half:])}
	case ed25519.PublicKey:
		jwk = map[string]string{"kty": "OKP", "crv": "Ed25519", "x": b64(public)}
	}
	text, _ := json.Marshal(jwk)
	return text
}

func TestNewSigner(t *testing.T) {
	t.Parallel()
	strong, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p256, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p224, _ := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	weak := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: new(big.Int).Rsh(strong.N, 1024), E: 65537}, D: big.NewInt(1)}
	for _, tt := range []struct {
		name string
		key  crypto.Signer
		alg  string
		want string // the algorithm, or what the error says
	}{
		{"RSA", strong, "", "RS256"},
		{"P-256", p256, "", "ES256"},
		{"no key", nil, "", "nil"},
		{"no RSA key", (*rsa.PrivateKey)(nil), "", "nil"},
		{"no EC key", (*ecdsa.PrivateKey)(nil), "", "nil"},
		{"no Ed25519 key", ed25519.PrivateKey(nil), "", "nil"},
		{"RSA of 1024 bits", weak, "", "2048"},
		{"a curve that has no algorithm", p224, "", "not"},
		{"another key's algorithm", p256, "RS256", "not one for this key"},
		{"another curve's algorithm", p256, "ES384", "not one for this key"},
		{"HMAC", strong, "HS256", "not one for this key"},
		{"none", strong, "none", "not one for this key"},
	} {
		s, err := jose.NewSigner(tt.key, tt.alg)
		got := fmt.Sprint(err)
		if err == nil {
			got = s.Algorithm()
		}
		if !strings.Contains(got, tt.want) {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}
