package verifiertest_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard/verifier/verifiertest"
)

// TestProof reads a proof with the standard library alone.
func TestProof(t *testing.T) {
	t.Parallel()
	issuer, key := verifiertest.NewIssuer(t), verifiertest.NewProofKey("Ed25519")
	token := issuer.Token("read", key.Binding())
	claims, err := issuer.Verifier().Verify(t.Context(), token)
	if err != nil || claims.Confirmation().JKT != key.Thumbprint() {
		t.Errorf("the token's cnf is %+v, %v", claims.Confirmation(), err)
	}
	proof := key.Proof("POST", "https://api.example.com/orders?page=2#top", token, "n", map[string]any{"iat": time.Unix(1_800_000_000, 0), "x": 1})
	parts := strings.Split(proof, ".")
	var segments [3][]byte
	for i, part := range parts {
		if segments[i], err = base64.RawURLEncoding.DecodeString(part); err != nil {
			t.Fatal(err)
		}
	}
	var header struct {
		Typ, Alg string
		JWK      map[string]string
	}
	var got struct {
		Jti, Htm, Htu, Ath, Nonce string
		Iat, X                    int64
	}
	if err := json.Unmarshal(segments[0], &header); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(segments[1], &got); err != nil {
		t.Fatal(err)
	}
	public, _ := base64.RawURLEncoding.DecodeString(header.JWK["x"])
	if header.Typ != "dpop+jwt" || header.Alg != "Ed25519" || len(header.JWK) != 3 || !ed25519.Verify(public, []byte(parts[0]+"."+parts[1]), segments[2]) {
		t.Errorf("header %+v, or a bad signature", header)
	}
	thumbprint := sha256.Sum256([]byte(`{"crv":"Ed25519","kty":"OKP","x":"` + header.JWK["x"] + `"}`))
	hash := sha256.Sum256([]byte(token))
	if key.Thumbprint() != base64.RawURLEncoding.EncodeToString(thumbprint[:]) || got.Ath != base64.RawURLEncoding.EncodeToString(hash[:]) {
		t.Errorf("the thumbprint is %s, the token's hash %s", key.Thumbprint(), got.Ath)
	}
	if got.Jti == "" || got.Htm != "POST" || got.Htu != "https://api.example.com/orders" || got.Nonce != "n" || got.Iat != 1_800_000_000 || got.X != 1 {
		t.Errorf("claims %+v", got)
	}
	if other := key.Proof("POST", "https://api.example.com/orders", token, ""); strings.Contains(other, parts[1]) {
		t.Error("two proofs are the same")
	}
}

func TestProofKeyPanics(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]func(){
		"another algorithm":       func() { verifiertest.NewProofKey("HS256") },
		"a claim that no JSON is": func() { verifiertest.NewProofKey().Proof("GET", "", "", "", map[string]any{"x": func() {}}) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			f()
		}()
	}
}
