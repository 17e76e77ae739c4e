package middleware_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/bearerguard/bearerguard/middleware"
	"github.com/bearerguard/bearerguard/verifier/verifiertest"
)

// BenchmarkGuard is a request with a remembered token of RSA-2048, and the same one without a guard.
func BenchmarkGuard(b *testing.B) {
	issuer := verifiertest.NewIssuer(b, verifiertest.Algorithm("RS256"))
	token := issuer.Token("orders:read", map[string]any{"tenant": "acme-production-eu-west-1", "roles": []string{"service", "batch"}})
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("ok")) })
	guard := newGuard(b, issuer.Verifier(), middleware.Config{})
	for _, side := range []struct {
		name    string
		handler http.Handler
	}{{"bare", handler}, {"Require", guard.Require(handler)}, {"RequireScope", guard.RequireScope("orders:read")(handler)}} {
		b.Run(side.name, func(b *testing.B) {
			b.ReportAllocs()
			r := request("Bearer " + token)
			for b.Loop() {
				w := httptest.NewRecorder()
				side.handler.ServeHTTP(w, r)
				if w.Code != http.StatusOK {
					b.Fatal(w.Code)
				}
			}
		})
	}
}
