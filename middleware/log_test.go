package middleware_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bearerguard/bearerguard/middleware"
	"github.com/bearerguard/bearerguard/verifier"
	"github.com/bearerguard/bearerguard/verifier/introspection"
	"github.com/bearerguard/bearerguard/verifier/verifiertest"
)

func TestLogDecisions(t *testing.T) {
	t.Parallel()
	issuer := verifiertest.NewIssuer(t)
	v := issuer.Verifier()
	good := issuer.Token("read", map[string]any{"client_id": "shop", "jti": "j1", "sub": "a-private-subject"})
	for _, tt := range []struct {
		name, field string
		verifier    verifier.TokenVerifier
		want        []string
	}{
		{"granted", "Bearer " + good, v, []string{"level=DEBUG", `msg="request granted"`, "method=GET", `route="GET /orders/{id}"`, "token.client=shop", "token.id=j1"}},
		{"no credentials", "", v, []string{"level=INFO", `msg="request refused"`, "status=401", "reason=no_credentials"}},
		{"malformed", "Bearer a b", v, []string{"status=400", "reason=invalid_request"}},
		{"expired", "Bearer " + issuer.Expired(), v, []string{"level=INFO", "status=401", "reason=expired", "token expired"}},
		{"without the scope", "Bearer " + issuer.Token("other", map[string]any{"client_id": "shop"}), v, []string{"status=403", "reason=insufficient_scope", "token.client=shop"}},
		{"an outage", "Bearer x", verifyFunc(func(context.Context, string) (*verifier.Claims, error) { return nil, &verifier.UnavailableError{} }), []string{"level=ERROR", "status=503", "reason=unavailable"}},
		{"another error", "Bearer x", verifyFunc(func(context.Context, string) (*verifier.Claims, error) { return nil, errors.New("x") }), []string{"level=ERROR", "status=500", "reason=server_error"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			logger := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
			g := newGuard(t, tt.verifier, middleware.Config{OnDecision: middleware.LogDecisions(logger)})
			mux := http.NewServeMux()
			mux.Handle("GET /orders/{id}", g.RequireScope("read")(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
			r := request()
			r.URL.Path = "/orders/a-private-order"
			if tt.field != "" {
				r.Header.Set("Authorization", tt.field)
			}
			mux.ServeHTTP(httptest.NewRecorder(), r)
			for _, want := range tt.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("no %s in %s", want, &out)
				}
			}
			for _, secret := range []string{tt.field, "a-private-subject", "a-private-order"} {
				if secret != "" && strings.Contains(out.String(), strings.TrimPrefix(secret, "Bearer ")) && len(secret) > 10 {
					t.Errorf("%q is in the log: %s", secret, &out)
				}
			}
		})
	}
}

// TestLogLevel: what nobody reads is not made.
func TestLogLevel(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	g := newGuard(t, verifiertest.Tokens(t, map[string]map[string]any{"good": nil}), middleware.Config{OnDecision: middleware.LogDecisions(slog.New(slog.NewTextHandler(&out, nil)))})
	if g.Check(request("Bearer good")); out.Len() > 0 {
		t.Errorf("logged by default: %s", &out)
	}
	defer func() {
		if recover() == nil {
			t.Error("a nil logger is taken")
		}
	}()
	middleware.LogDecisions(nil)
}

// TestLogWithoutAURL: Check decides about a request that was made by hand, too.
func TestLogWithoutAURL(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	g := newGuard(t, verifiertest.Tokens(t, nil), middleware.Config{OnDecision: middleware.LogDecisions(slog.New(slog.NewTextHandler(&out, nil)))})
	if _, denial := g.Check(&http.Request{Method: "GET", Header: http.Header{}}); denial == nil || !strings.Contains(out.String(), "reason=no_credentials") {
		t.Errorf("%v, logged: %s", denial, &out)
	}
}

func TestReason(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"": nil, "malformed": verifier.ErrMalformed, "algorithm": verifier.ErrAlgorithm, "type": verifier.ErrType, "key_not_found": verifier.ErrKeyNotFound,
		"signature": verifier.ErrSignature, "issuer": verifier.ErrIssuer, "audience": verifier.ErrAudience, "expired": verifier.ErrExpired,
		"not_yet_valid": verifier.ErrNotYetValid, "missing_claim": verifier.ErrMissingClaim, "claim": verifier.ErrClaim, "revoked": verifier.ErrRevoked,
		"binding": verifier.ErrBinding, "inactive": introspection.ErrInactive, "invalid": verifier.ErrInvalidToken, "unavailable": &verifier.UnavailableError{}, "error": errors.New("x"),
	} {
		if err != nil {
			err = fmt.Errorf("wrapped: %w", err)
		}
		if got := verifier.Reason(err); got != want {
			t.Errorf("Reason(%v) = %q, want %q", err, got, want)
		}
	}
	if got := (*middleware.Denial)(nil).Reason(); got != "" {
		t.Errorf("of nil: %q", got)
	}
}
