package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"math/big"
	mathrand "math/rand/v2"
)

var b64 = base64.RawURLEncoding.EncodeToString

// signingKey is one of the issuer's. All of them are made from a fixed text and sign deterministically, so that a seed
// gives the same tokens everywhere.
type signingKey struct {
	alg, kid string
	private  crypto.Signer
	jwk      map[string]string
}

// The issuer's keys, and one that is nobody's.
var (
	keyRS = rsaKey("an RSA key for comparisons")
	keyES = ecKey("a P-256 key for comparisons", "es")
	keyEd = edKey("an Ed25519 key for comparisons")

	stranger = ecKey("a P-256 key that nobody knows", "es")
)

func publicSet() []byte {
	set, err := json.Marshal(map[string]any{"keys": []any{keyRS.jwk, keyES.jwk, keyEd.jwk}})
	if err != nil {
		panic(err) // maps of strings
	}
	return set
}

func edKey(text string) *signingKey {
	seed := sha256.Sum256([]byte(text))
	private := ed25519.NewKeyFromSeed(seed[:])
	x := private.Public().(ed25519.PublicKey)
	return &signingKey{"EdDSA", "ed", private, map[string]string{"kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "ed", "x": b64(x)}}
}

func ecKey(text, kid string) *signingKey {
	seed := sha256.Sum256([]byte(text))
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), seed[:])
	if err != nil {
		panic(err) // of a fixed text
	}
	point, err := private.PublicKey.Bytes()
	if err != nil {
		panic(err)
	}
	return &signingKey{"ES256", kid, private, map[string]string{
		"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": kid, "x": b64(point[1:33]), "y": b64(point[33:]),
	}}
}

func rsaKey(text string) *signingKey {
	random := mathrand.NewChaCha8(sha256.Sum256([]byte(text)))
	p, q := prime(random), prime(random)
	one, e := big.NewInt(1), big.NewInt(65537)
	phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
	private := &rsa.PrivateKey{
		PublicKey: rsa.PublicKey{N: new(big.Int).Mul(p, q), E: int(e.Int64())},
		D:         new(big.Int).ModInverse(e, phi), Primes: []*big.Int{p, q},
	}
	private.Precompute()
	if err := private.Validate(); err != nil {
		panic(err) // of a fixed text
	}
	return &signingKey{"RS256", "rs", private, map[string]string{
		"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "rs", "n": b64(private.N.Bytes()), "e": b64(e.Bytes()),
	}}
}

// prime finds one of 1024 bits, two of which make a modulus of 2048.
func prime(random *mathrand.ChaCha8) *big.Int {
	var text [128]byte
	random.Read(text[:])
	text[0] |= 0xc0
	text[127] |= 1
	n := new(big.Int).SetBytes(text[:])
	for two := big.NewInt(2); !n.ProbablyPrime(20); {
		n.Add(n, two)
	}
	return n
}

func (k *signingKey) sign(input string) []byte {
	digest := sha256.Sum256([]byte(input))
	switch private := k.private.(type) {
	case ed25519.PrivateKey:
		return ed25519.Sign(private, []byte(input))
	case *ecdsa.PrivateKey:
		der, err := private.Sign(nil, digest[:], crypto.SHA256) // nil: deterministic, RFC 6979
		if err != nil {
			panic(err)
		}
		return fromDER(der)
	default:
		signature, err := private.Sign(rand.Reader, digest[:], crypto.SHA256)
		if err != nil {
			panic(err)
		}
		return signature
	}
}

// good reports whether a signature is one of this key's, by the standard library alone.
func (k *signingKey) good(input string, signature []byte) bool {
	digest := sha256.Sum256([]byte(input))
	switch public := k.private.Public().(type) {
	case ed25519.PublicKey:
		return len(signature) == ed25519.SignatureSize && ed25519.Verify(public, []byte(input), signature)
	case *ecdsa.PublicKey:
		if len(signature) != 64 { // RFC 7518 section 3.4
			return false
		}
		return ecdsa.Verify(public, digest[:], number(signature[:32]), number(signature[32:]))
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature) == nil
	}
	return false
}

func number(b []byte) *big.Int { return new(big.Int).SetBytes(b) }

type pair struct{ R, S *big.Int }

func fromDER(der []byte) []byte {
	var p pair
	if _, err := asn1.Unmarshal(der, &p); err != nil {
		panic(err) // of crypto/ecdsa's
	}
	return p.fixed()
}

// fixed is R and S in 32 bytes each.
func (p pair) fixed() []byte {
	out := make([]byte, 64)
	p.R.FillBytes(out[:32])
	p.S.FillBytes(out[32:])
	return out
}
