package verifiertest

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// ProofKey is a client's key for DPoP (RFC 9449). It is safe for concurrent use. The zero ProofKey can't be used: call
// [NewProofKey]. What a method can't do, such as signing a claim that is no JSON, panics.
type ProofKey struct {
	key    *key
	public map[string]any // what of the JWK is needed
}

// NewProofKey makes a key for ES256, or for another algorithm of those that [Algorithm] takes. It panics on any other one.
func NewProofKey(algorithm ...string) *ProofKey {
	alg := defaultAlgorithm
	if len(algorithm) > 0 {
		alg = algorithm[0]
	}
	k, err := newKey(alg)
	if err != nil {
		panic(fmt.Sprintf("verifiertest: NewProofKey: %v", err))
	}
	p := &ProofKey{key: k}
	text, err := json.Marshal(k.public)
	if err == nil {
		err = json.Unmarshal(text, &p.public)
	}
	if err != nil {
		panic(fmt.Sprintf("verifiertest: NewProofKey: %v", err))
	}
	override(p.public, map[string]any{"kid": nil, "alg": nil, "use": nil})
	return p
}

// Thumbprint is what a token that is bound to the key has as cnf.jkt.
func (k *ProofKey) Thumbprint() string { return k.key.id }

// Binding is the claim that binds a token to the key: issuer.Token("orders:read", key.Binding()).
func (k *ProofKey) Binding() map[string]any {
	return map[string]any{"cnf": map[string]any{"jkt": k.Thumbprint()}}
}

// Proof makes the proof, the value of a request's DPoP field, for a request with this method, URL and access token. The nonce is
// that of the server's last DPoP-Nonce field, "" if there was none. Each map overrides claims, as for [Issuer.Token].
func (k *ProofKey) Proof(method, url, token, nonce string, claims ...map[string]any) string {
	if end := strings.IndexAny(url, "?#"); end >= 0 {
		url = url[:end]
	}
	sum := sha256.Sum256([]byte(token))
	full := map[string]any{"jti": rand.Text(), "htm": method, "htu": url, "iat": time.Now().Unix(), "ath": base64.RawURLEncoding.EncodeToString(sum[:])}
	if nonce != "" {
		full["nonce"] = nonce
	}
	for _, c := range claims {
		override(full, c)
	}
	return k.Sign(nil, full)
}

// Sign makes a proof of exactly these claims. The header is typ, alg and jwk; members of header override them, a nil value
// removes one. The signature is always a good one of the key over what then stands there: this is for bad proofs.
func (k *ProofKey) Sign(header, claims map[string]any) string {
	full := map[string]any{"typ": "dpop+jwt", "alg": k.key.alg, "jwk": k.public}
	override(full, header)
	proof, err := k.key.sign(full, claims)
	if err != nil {
		panic(fmt.Sprintf("verifiertest: Sign: %v", err))
	}
	return proof
}
