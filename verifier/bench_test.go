package verifier_test

import (
	"context"
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
	"testing"
	"time"

	"github.com/bearerguard/bearerguard/verifier"
)

// benchToken is an RFC 9068 token of some 870 bytes (RS256), its key set, and the bare check of its signature
// by the standard library over the same bytes.
func benchToken(tb testing.TB, alg string) (token string, jwks []byte, bare func() bool) {
	tb.Helper()
	b64 := base64.RawURLEncoding.EncodeToString
	now := time.Now().Unix()
	header := fmt.Sprintf(`{"alg":%q,"typ":"at+jwt","kid":"2026-11-key-1"}`, alg)
	payload := fmt.Sprintf(`{"iss":"https://as.example.com/tenant-1","aud":"https://api.example.com","sub":"0oa9f1k2m3n4p5q6r7s8","client_id":"0oa9f1k2m3n4p5q6r7s8",`+
		`"iat":%d,"exp":%d,"jti":"b7d1c9a2-5b3e-4f7a-9c1d-2e8f6a4b0c3d","scope":"orders:read orders:write invoices:read customers:read customers:write",`+
		`"tenant":"acme-production-eu-west-1","roles":["service","batch"]}`, now, now+3600)
	signed := b64([]byte(header)) + "." + b64([]byte(payload))
	digest := sha256.Sum256([]byte(signed))
	var signature []byte
	var jwk map[string]string
	switch alg {
	case "RS256":
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			tb.Fatal(err)
		}
		signature, _ = rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
		jwk = map[string]string{"kty": "RSA", "n": b64(key.N.Bytes()), "e": b64(big.NewInt(int64(key.E)).Bytes())}
		bare = func() bool {
			digest := sha256.Sum256([]byte(signed))
			return rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, digest[:], signature) == nil
		}
	case "ES256":
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			tb.Fatal(err)
		}
		r, s, _ := ecdsa.Sign(rand.Reader, key, digest[:])
		signature = append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
		point, _ := key.PublicKey.Bytes()
		jwk = map[string]string{"kty": "EC", "crv": "P-256", "x": b64(point[1:33]), "y": b64(point[33:])}
		bare = func() bool {
			digest := sha256.Sum256([]byte(signed))
			return ecdsa.Verify(&key.PublicKey, digest[:], r, s)
		}
	case "EdDSA":
		public, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			tb.Fatal(err)
		}
		signature = ed25519.Sign(private, []byte(signed))
		jwk = map[string]string{"kty": "OKP", "crv": "Ed25519", "x": b64(public)}
		bare = func() bool { return ed25519.Verify(public, []byte(signed), signature) }
	}
	jwk["kid"] = "2026-11-key-1"
	jwks, err := json.Marshal(map[string]any{"keys": []any{jwk}})
	if err != nil {
		tb.Fatal(err)
	}
	return signed + "." + b64(signature), jwks, bare
}

func benchVerifier(tb testing.TB, jwks []byte, cacheSize int) *verifier.Verifier {
	tb.Helper()
	v, err := verifier.New(verifier.Config{
		Issuer: "https://as.example.com/tenant-1", Audience: []string{"https://api.example.com"}, JWKS: jwks, CacheSize: cacheSize,
	})
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

func BenchmarkVerify(b *testing.B) {
	for _, alg := range []string{"RS256", "ES256", "EdDSA"} {
		token, jwks, bare := benchToken(b, alg)
		b.Run(alg+"/bare", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !bare() {
					b.Fatal("bad signature")
				}
			}
		})
		for name, size := range map[string]int{"uncached": -1, "cached": 0} {
			v := benchVerifier(b, jwks, size)
			b.Run(alg+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := v.Verify(b.Context(), token); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkRefuse tells what a refusal costs, also in units of one good token with a signature of RSA-2048 that isn't
// remembered: less than 1 means that an attacker gets more work done by sending good tokens. On a busy machine the unit is as
// uncertain as any row: take the least of several runs (-count).
func BenchmarkRefuse(b *testing.B) {
	token, jwks, _ := benchToken(b, "RS256")
	uncached := benchVerifier(b, jwks, -1)
	var good float64 // ns
	b.Run("a good token, uncached", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := uncached.Verify(b.Context(), token); err != nil {
				b.Fatal(err)
			}
		}
		good = float64(b.Elapsed()) / float64(b.N)
	})
	for _, a := range abuses(token) {
		v := a.verifier(b, jwks)
		b.Run(a.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(b.Context(), a.token); err == nil {
					b.Fatal("accepted")
				}
			}
			if good > 0 {
				b.ReportMetric(float64(b.Elapsed())/float64(b.N)/good, "good")
			}
		})
	}
}

// BenchmarkIssuers tells what it costs to find one warm issuer of 1,000, beside a Verifier that knows but one.
func BenchmarkIssuers(b *testing.B) {
	const count = 1000
	f := newFederation(many(count)...)
	for name, size := range map[string]int{"uncached": -1, "cached": 0} {
		change := func(_ context.Context, cfg *verifier.Config) error {
			cfg.CacheSize, cfg.JWKS, cfg.Client = size, []byte(`{"keys":[`+newKey("default", cfg.Issuer[len("https://"):]).jwk()+`]}`), nil
			return nil
		}
		f.change = change
		cfg, err := f.Resolve(b.Context(), "https://"+many(count)[count/2])
		if err != nil {
			b.Fatal(err)
		}
		one, err := verifier.New(cfg)
		if err != nil {
			b.Fatal(err)
		}
		list := make([]*verifier.Verifier, count)
		resolved := f.verifier(b)
		for i, host := range many(count) {
			cfg, _ := f.Resolve(b.Context(), "https://"+host)
			if list[i], err = verifier.New(cfg); err != nil {
				b.Fatal(err)
			}
			accepted(b, resolved, f.token(host))
		}
		fixed, err := verifier.Issuers(list...)
		if err != nil {
			b.Fatal(err)
		}
		token := f.token(many(count)[count/2])
		for _, v := range []struct {
			name string
			verifier.TokenVerifier
		}{{"one", one}, {"of a list", fixed}, {"resolved", resolved}} {
			b.Run(name+"/"+v.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := v.Verify(b.Context(), token); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
