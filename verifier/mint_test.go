package verifier_test

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard/verifier"
)

// The tokens of these tests are made with the standard library's cryptography and encoding/json alone,
// so that what verifies them shares nothing with what made them.

const (
	issuer   = "https://as.example.com"
	audience = "https://api.example.com"
)

var today = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func clock() time.Time { return today }

// in is a NumericDate some seconds from the tests' now.
func in(seconds int64) int64 { return today.Unix() + seconds }

// obj is a JSON object in the making; a member that is gone is taken out of what it is merged into.
type obj = map[string]any

var gone = new(int)

func merge(base obj, changes ...obj) obj {
	out := maps.Clone(base)
	for _, c := range changes {
		maps.Copy(out, c)
	}
	maps.DeleteFunc(out, func(_ string, v any) bool { return v == gone })
	return out
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func text(v any) string { return string(must(json.Marshal(v))) }

func b64[T ~string | ~[]byte](v T) string { return base64.RawURLEncoding.EncodeToString([]byte(v)) }

func newRSA() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) }

func newEC(curve elliptic.Curve) *ecdsa.PrivateKey {
	return must(ecdsa.GenerateKey(curve, rand.Reader))
}

// keys are the issuer's by their kid, and "other", which is nobody's.
var keys = sync.OnceValue(func() map[string]crypto.Signer {
	return map[string]crypto.Signer{
		"rsa": newRSA(), "other": newRSA(), "p256": newEC(elliptic.P256()), "p384": newEC(elliptic.P384()), "p521": newEC(elliptic.P521()),
		"ed": ed25519.NewKeyFromSeed([]byte("thirty-two bytes: a test's seed.")),
	}
})

var algorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"}

func kidFor(alg string) string {
	return cmp.Or(map[string]string{"ES256": "p256", "ES384": "p384", "ES512": "p521", "EdDSA": "ed", "Ed25519": "ed"}[alg], "rsa")
}

// jwk writes a public key with further members.
func jwk(key crypto.Signer, members obj) obj {
	switch public := key.Public().(type) {
	case *rsa.PublicKey:
		return merge(obj{"kty": "RSA", "n": b64(public.N.Bytes()), "e": b64(big.NewInt(int64(public.E)).Bytes())}, members)
	case *ecdsa.PublicKey:
		point := must(public.Bytes())[1:]
		return merge(obj{"kty": "EC", "crv": public.Params().Name, "x": b64(point[:len(point)/2]), "y": b64(point[len(point)/2:])}, members)
	default:
		return merge(obj{"kty": "OKP", "crv": "Ed25519", "x": b64(public.(ed25519.PublicKey))}, members)
	}
}

func keySet(keys ...obj) []byte { return []byte(text(obj{"keys": keys})) }

// published is the issuer's key set: no use and no alg, as Entra has it.
var published = sync.OnceValue(func() []byte {
	var set []obj
	for _, kid := range []string{"rsa", "p256", "p384", "p521", "ed"} {
		set = append(set, jwk(keys()[kid], obj{"kid": kid}))
	}
	return keySet(set...)
})

func sign(alg string, key crypto.Signer, input string) []byte {
	hash := map[string]crypto.Hash{"256": crypto.SHA256, "384": crypto.SHA384, "512": crypto.SHA512}[alg[len(alg)-3:]]
	digest := []byte(input)
	if private, ok := key.(ed25519.PrivateKey); ok {
		return ed25519.Sign(private, digest)
	}
	h := hash.New()
	h.Write(digest)
	digest = h.Sum(nil)
	switch private := key.(type) {
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, private, digest)
		must(r, err)
		size := (private.Params().BitSize + 7) / 8
		return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
	default:
		var options crypto.SignerOpts = hash
		if alg[0] == 'P' {
			options = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash}
		}
		return must(key.Sign(rand.Reader, digest, options))
	}
}

// compact signs texts as they are: by the key of that kid, whatever they say.
func compact(alg, kid, header, payload string) string {
	input := b64(header) + "." + b64(payload)
	return input + "." + b64(sign(alg, keys()[kid], input))
}

// goodHeader and goodPayload are those of an RFC 9068 token of a client for itself.
func goodHeader() obj { return obj{"alg": "RS256", "typ": "at+jwt", "kid": "rsa"} }

func goodPayload() obj {
	return obj{"iss": issuer, "aud": audience, "sub": "cart", "client_id": "cart", "exp": in(600), "iat": in(-10), "jti": "j1", "scope": "orders:read orders:write"}
}

// mint makes a good token with some changes. The key is the one for the header's alg.
func mint(header, payload obj) string {
	h := merge(goodHeader(), header)
	alg, _ := h["alg"].(string)
	kid := kidFor(alg)
	if _, set := header["kid"]; !set {
		h["kid"] = kid
	}
	if !slices.Contains(algorithms, alg) {
		alg = "RS256" // a good signature all the same: what is refused must be the alg
	}
	return compact(alg, kid, text(h), text(merge(goodPayload(), payload)))
}

func withPayload(payload string) string { return compact("RS256", "rsa", text(goodHeader()), payload) }

func withHeader(header string) string { return compact("RS256", "rsa", header, text(goodPayload())) }

// splice puts raw members before those of an object.
func splice(members string, o obj) string { return "{" + members + "," + text(o)[1:] }

func config(changes ...func(*verifier.Config)) verifier.Config {
	cfg := verifier.Config{Issuer: issuer, Audience: []string{audience}, JWKS: published(), Now: clock}
	for _, change := range changes {
		if change != nil {
			change(&cfg)
		}
	}
	return cfg
}

func newVerifier(t testing.TB, changes ...func(*verifier.Config)) *verifier.Verifier {
	t.Helper()
	v, err := verifier.New(config(changes...))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func accepted(t testing.TB, v verifier.TokenVerifier, token string) *verifier.Claims {
	t.Helper()
	claims, err := v.Verify(t.Context(), token)
	if err != nil || claims == nil {
		t.Fatalf("Verify = %v, %v", claims, err)
	}
	return claims
}

var reasons = []error{
	verifier.ErrMalformed, verifier.ErrAlgorithm, verifier.ErrType, verifier.ErrKeyNotFound, verifier.ErrSignature, verifier.ErrIssuer,
	verifier.ErrAudience, verifier.ErrExpired, verifier.ErrNotYetValid, verifier.ErrMissingClaim, verifier.ErrClaim, verifier.ErrRevoked, verifier.ErrBinding,
}

// refused asserts that the error is of one kind and for one reason, and that its text gives nothing away.
func refused(t testing.TB, v verifier.TokenVerifier, token string, want error) error {
	t.Helper()
	claims, err := v.Verify(t.Context(), token)
	if claims != nil || !errors.Is(err, want) {
		t.Fatalf("Verify = %v, %v; want %v", claims, err, want)
	}
	if !errors.Is(err, verifier.ErrInvalidToken) || errors.Is(err, verifier.ErrUnavailable) {
		t.Errorf("%v must be an ErrInvalidToken and no ErrUnavailable", err)
	}
	for _, reason := range reasons {
		if reason != want && errors.Is(err, reason) {
			t.Errorf("%v is also %v", err, reason)
		}
	}
	noSecrets(t, err.Error(), token)
	return err
}

// noSecrets asserts that a text holds no part of a token that could be used or decoded, and no key material.
func noSecrets(t testing.TB, shown, token string) {
	t.Helper()
	secrets := strings.Split(token, ".")
	for _, key := range keys() {
		j := jwk(key, nil)
		for _, member := range []string{"n", "x", "y"} {
			s, _ := j[member].(string)
			secrets = append(secrets, s)
		}
	}
	for _, secret := range secrets {
		if len(secret) >= 16 && (strings.Contains(shown, secret) || strings.Contains(shown, secret[len(secret)-16:])) {
			t.Errorf("the text gives %.16q... away: %s", secret, shown)
		}
	}
}

// vectors is the folder of data that others made, beside the repository. Where it is missing, the test is skipped,
// unless BEARERGUARD_VECTORS=required.
func vectors(t testing.TB, path ...string) []byte {
	t.Helper()
	dir := must(os.Getwd())
	for _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil; _, err = os.Stat(filepath.Join(dir, "go.mod")) {
		dir = filepath.Dir(dir)
	}
	shared := filepath.Join(dir, "..", "shared")
	if _, err := os.Stat(shared); err != nil && os.Getenv("BEARERGUARD_VECTORS") != "required" {
		t.Skip(err)
	}
	data, err := os.ReadFile(filepath.Join(append([]string{shared}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}
