package middleware_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"testing"

	"github.com/bearerguard/bearerguard/middleware"
	"github.com/bearerguard/bearerguard/verifier"
	"github.com/bearerguard/bearerguard/verifier/verifiertest"
)

// BenchmarkDPoP is a request with a bound token that isn't remembered and a proof of its own, both with ES256: next to the two
// bare signature checks it takes, and with a token that is remembered next to one.
func BenchmarkDPoP(b *testing.B) {
	const url = "https://api.example.com/orders"
	issuer, key := verifiertest.NewIssuer(b), verifiertest.NewProofKey()
	token := issuer.Token("orders:read", key.Binding())
	var checks float64 // ns
	b.Run("two signature checks", func(b *testing.B) {
		private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			b.Fatal(err)
		}
		signed := []byte(token[:len(token)-87])
		sum := sha256.Sum256(signed)
		signature, err := ecdsa.SignASN1(rand.Reader, private, sum[:])
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			for range 2 {
				sum := sha256.Sum256(signed)
				if !ecdsa.VerifyASN1(&private.PublicKey, sum[:], signature) {
					b.Fatal("bad signature")
				}
			}
		}
		checks = float64(b.Elapsed()) / float64(b.N)
	})
	for _, bench := range []struct {
		name   string
		tokens int // remembered
		checks float64
	}{{"a new token", -1, 1}, {"a remembered token", 0, 2}} {
		b.Run(bench.name, func(b *testing.B) {
			cfg := issuer.Config()
			cfg.CacheSize = bench.tokens
			reached := 0
			v, err := verifier.New(cfg)
			if err != nil {
				b.Fatal(err)
			}
			h := newGuard(b, v, middleware.Config{DPoP: &middleware.DPoP{PublicURL: "https://api.example.com"}}).
				RequireScope("orders:read")(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached++ }))
			requests := make([]*http.Request, b.N)
			for i := range requests {
				requests[i] = request("DPoP " + token)
				requests[i].URL.Path = "/orders"
				requests[i].Header.Set("DPoP", key.Proof("GET", url, token, ""))
			}
			reached = 0
			b.ReportAllocs()
			b.ResetTimer()
			for _, r := range requests {
				h.ServeHTTP(nowhere{}, r)
			}
			if reached != b.N {
				b.Fatalf("%d requests, %d reached the handler", b.N, reached)
			}
			if checks > 0 {
				b.ReportMetric(float64(b.Elapsed())/float64(b.N)/(checks/bench.checks), "bare")
			}
		})
	}
}
