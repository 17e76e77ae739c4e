package introspection_test

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard/middleware"
	"github.com/bearerguard/bearerguard/verifier"
)

// TestIntrospectionForARoute: what a route and a proof ask of a JWT they ask of what the server tells.
func TestIntrospectionForARoute(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	leaf, other := certificate("client").Certificate[0], certificate("other").Certificate[0]
	sum := sha256.Sum256(leaf)
	bound := obj{"cnf": obj{"x5t#S256": base64.RawURLEncoding.EncodeToString(sum[:])}}
	ago := func(d time.Duration) int64 { return s.clock.Now().Add(-d).Unix() }
	stepUp := middleware.StepUp(time.Minute, "mfa")
	pays := middleware.Details("payment", func(_ *http.Request, d verifier.Detail) bool { return true })
	for _, tt := range []struct {
		name        string
		members     obj
		certificate []byte
		requirement middleware.Requirement
		status      int
		challenge   string
	}{
		{"8705-3.2-1 the certificate that the answer names", bound, leaf, middleware.Scope("orders:read"), 200, ""},
		{"8705-3.2-1 another certificate", bound, other, middleware.Scope("orders:read"), 401, "invalid_token"},
		{"8705-3.2-1 no certificate", bound, nil, middleware.Scope("orders:read"), 401, "invalid_token"},
		{"9449-6.2-1 9449-6.2-2 9701-8.1-2 a DPoP token as a bearer token", obj{"token_type": "DPoP", "cnf": obj{"jkt": "k"}}, nil, middleware.Scope("orders:read"), 401, "invalid_token"},
		{"9449-6.2-2 token_type is DPoP, and no key is named", obj{"token_type": "DPoP"}, nil, middleware.Scope("orders:read"), 401, "invalid_token"},
		{"9701-8.1-2 a token for another API", obj{"aud": "https://other.example.com"}, nil, middleware.Scope("orders:read"), 401, "invalid_token"},
		{"9470-6.2 acr and auth_time suffice", obj{"sub": "ann", "acr": "mfa", "auth_time": ago(30 * time.Second)}, nil, stepUp, 200, ""},
		{"9470-6.2 auth_time is too long ago", obj{"sub": "ann", "acr": "mfa", "auth_time": ago(time.Hour)}, nil, stepUp, 401, "insufficient_user_authentication"},
		{"9470-6.2 another acr", obj{"sub": "ann", "acr": "pwd", "auth_time": ago(0)}, nil, stepUp, 401, "insufficient_user_authentication"},
		{"9470-6.2 auth_time is a string", obj{"sub": "ann", "acr": "mfa", "auth_time": "now"}, nil, stepUp, 401, "insufficient_user_authentication"},
		{"9396-9.2-1 authorization_details", obj{"authorization_details": []obj{{"type": "payment"}}}, nil, pays, 200, ""},
		{"9396-9.2-1 authorization_details of another type", obj{"authorization_details": []obj{{"type": "account"}}}, nil, pays, 403, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s.answers(s.says(tt.members))
			guard, err := middleware.New(s.introspector(t), middleware.Config{Now: s.clock.Now, ClientCert: func(*http.Request) *x509.Certificate {
				if tt.certificate == nil {
					return nil
				}
				return must(x509.ParseCertificate(tt.certificate))
			}})
			if err != nil {
				t.Fatal(err)
			}
			reached := false
			r, w := httptest.NewRequest("GET", "/", nil), httptest.NewRecorder()
			r.Header.Set("Authorization", "Bearer "+opaque)
			guard.With(tt.requirement)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true })).ServeHTTP(w, r)
			if challenge := w.Header().Get("WWW-Authenticate"); w.Code != tt.status || reached != (tt.status == 200) || !strings.Contains(challenge, tt.challenge) {
				t.Errorf("status %d, challenge %q", w.Code, challenge)
			}
		})
	}
}
