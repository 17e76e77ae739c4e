// Package mint makes keys and tokens for measurements: RFC 9068 tokens of some 870 bytes with RS256, as
// authorization servers write them.
package mint

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
	"math/big"
	"strings"
	"time"
)

// What every token and every verifier agrees on.
const (
	Issuer   = "https://as.example.com/tenant-1"
	Audience = "https://api.example.com"
	KeyID    = "2026-11-key-1"
	Lifetime = 2 * time.Hour
)

var b64 = base64.RawURLEncoding.EncodeToString

// Key signs tokens with one algorithm: RS256, ES256 or EdDSA.
type Key struct {
	Alg     string
	kid     string
	private crypto.Signer
}

// NewKey makes a key. It panics on another algorithm.
func NewKey(alg, kid string) *Key {
	k := &Key{Alg: alg, kid: kid}
	var err error
	switch alg {
	case "RS256":
		k.private, err = rsa.GenerateKey(rand.Reader, 2048)
	case "ES256":
		k.private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "EdDSA":
		_, k.private, err = ed25519.GenerateKey(rand.Reader)
	default:
		err = fmt.Errorf("no such algorithm: %s", alg)
	}
	if err != nil {
		panic(err)
	}
	return k
}

// Set is a warm set of three keys: this one and two others.
func (k *Key) Set() []byte {
	return Set(k, NewKey(k.Alg, "2026-10-key-1"), NewKey("ES256", "2026-10-key-2"))
}

// Set is the JWK Set of keys.
func Set(keys ...*Key) []byte {
	list := make([]any, len(keys))
	for i, k := range keys {
		list[i] = k.jwk()
	}
	set, err := json.Marshal(map[string]any{"keys": list})
	if err != nil {
		panic(err) // strings always can be written
	}
	return set
}

func (k *Key) jwk() map[string]string {
	m := map[string]string{"kid": k.kid, "use": "sig", "alg": k.Alg}
	switch public := k.private.Public().(type) {
	case *rsa.PublicKey:
		m["kty"], m["n"], m["e"] = "RSA", b64(public.N.Bytes()), b64(big.NewInt(int64(public.E)).Bytes())
	case *ecdsa.PublicKey:
		point, err := public.Bytes()
		if err != nil {
			panic(err) // a key that was made for its curve has a point on it
		}
		m["kty"], m["crv"], m["x"], m["y"] = "EC", "P-256", b64(point[1:33]), b64(point[33:])
	case ed25519.PublicKey:
		m["kty"], m["crv"], m["x"] = "OKP", "Ed25519", b64(public)
	}
	return m
}

// Header is the header of all good tokens of this key.
func (k *Key) Header() string { return fmt.Sprintf(`{"alg":%q,"typ":"at+jwt","kid":%q}`, k.Alg, k.kid) }

// Payload is that of the nth token, with more members written as ,"name":value.
func Payload(n int, more string) string {
	now := time.Now()
	return fmt.Sprintf(`{"iss":%q,"aud":%q,"sub":"0oa9f1k2m3n4p5q6r7s8","client_id":"0oa9f1k2m3n4p5q6r7s8","iat":%d,"exp":%d,"jti":"b7d1c9a2-5b3e-4f7a-9c1d-%012x",`+
		`"scope":"orders:read orders:write invoices:read customers:read customers:write","tenant":"acme-production-eu-west-1","roles":["service","batch"]%s}`,
		Issuer, Audience, now.Unix(), now.Add(Lifetime).Unix(), n, more)
}

// Token is the nth good token.
func (k *Key) Token(n int) string { return k.Sign(k.Header(), Payload(n, "")) }

// TokenOf is the nth good token, padded to a size in bytes as far as it is shorter.
func (k *Key) TokenOf(n, size int) string {
	token := k.Token(n)
	for pad := 1; len(token) < size; pad += max(1, (size-len(token))*3/4-8) {
		token = k.Sign(k.Header(), Payload(n, `,"pad":"`+strings.Repeat("x", pad)+`"`))
	}
	return token
}

// Tokens are n different good tokens.
func (k *Key) Tokens(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = k.Token(i)
	}
	return list
}

// Sign makes a token of any header and payload.
func (k *Key) Sign(header, payload string) string {
	signed := b64([]byte(header)) + "." + b64([]byte(payload))
	return signed + "." + b64(k.signature(signed))
}

func (k *Key) signature(signed string) []byte {
	digest := sha256.Sum256([]byte(signed))
	var signature []byte
	var err error
	switch private := k.private.(type) {
	case *rsa.PrivateKey:
		signature, err = rsa.SignPKCS1v15(nil, private, crypto.SHA256, digest[:])
	case *ecdsa.PrivateKey:
		var r, s *big.Int
		if r, s, err = ecdsa.Sign(rand.Reader, private, digest[:]); err == nil {
			signature = make([]byte, 64)
			r.FillBytes(signature[:32])
			s.FillBytes(signature[32:])
		}
	case ed25519.PrivateKey:
		signature = ed25519.Sign(private, []byte(signed))
	}
	if err != nil {
		panic(err) // crypto/rand ends the program before it fails
	}
	return signature
}

// Bare is the yardstick: the check of a good token's signature by the standard library, all else being done beforehand.
func (k *Key) Bare(token string) func() error {
	dot := strings.LastIndexByte(token, '.')
	signed := []byte(token[:dot])
	signature, err := base64.RawURLEncoding.DecodeString(token[dot+1:])
	if err != nil {
		panic(err) // it was made here
	}
	good := map[bool]error{false: fmt.Errorf("the signature of %.20q is bad", token)}
	switch public := k.private.Public().(type) {
	case *rsa.PublicKey:
		return func() error {
			digest := sha256.Sum256(signed)
			return rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], signature)
		}
	case *ecdsa.PublicKey:
		r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
		return func() error {
			digest := sha256.Sum256(signed)
			return good[ecdsa.Verify(public, digest[:], r, s)]
		}
	case ed25519.PublicKey:
		return func() error { return good[ed25519.Verify(public, signed, signature)] }
	}
	return nil
}
