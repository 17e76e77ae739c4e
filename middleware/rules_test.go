package middleware_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bearerguard/bearerguard/middleware"
	"github.com/bearerguard/bearerguard/verifier"
)

// Rules whose whole point is not one row of the table of requests.

func TestRules(t *testing.T) {
	t.Parallel()
	guard := newGuard(t, knowing(t), middleware.Config{})

	t.Run("9700-2.3-2 FAPI-5.3.4-4 the scope is asked on every request, of a verified token too", func(t *testing.T) {
		t.Parallel()
		for range 2 {
			grant, denial := guard.Check(request("Bearer shop"), middleware.Scope("read"))
			if denial != nil {
				t.Fatal(denial.Err)
			}
			if _, denial := guard.Check(grant.Request, middleware.Scope("write")); denial == nil || denial.Status != 403 || denial.Code != "insufficient_scope" {
				t.Errorf("behind a guard that asked for less: %+v", denial)
			}
		}
	})
	t.Run("FAPI-5.3.4-1 the token is taken from the Authorization field", func(t *testing.T) {
		t.Parallel()
		if _, denial := guard.Check(request("Bearer shop")); denial != nil {
			t.Error(denial.Err)
		}
	})
	t.Run("9700-4.3.2-1 FAPI-5.3.4-2 the token is not taken from anywhere else", func(t *testing.T) {
		t.Parallel()
		query := httptest.NewRequest(http.MethodGet, "/?access_token=shop", nil)
		form := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("access_token=shop"))
		form.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		cookie := httptest.NewRequest(http.MethodGet, "/", nil)
		cookie.AddCookie(&http.Cookie{Name: "access_token", Value: "shop"})
		proxy := httptest.NewRequest(http.MethodGet, "/", nil)
		proxy.Header.Set("Proxy-Authorization", "Bearer shop")
		for _, r := range []*http.Request{query, form, cookie, proxy} {
			if _, denial := guard.Check(r); denial == nil || denial.Status != 401 || denial.Code != "" {
				t.Errorf("%s %s: %+v", r.Method, r.URL, denial)
			}
		}
	})
	for name, err := range map[string]error{
		"malformed": verifier.ErrMalformed, "algorithm": verifier.ErrAlgorithm, "type": verifier.ErrType, "key": verifier.ErrKeyNotFound,
		"signature": verifier.ErrSignature, "issuer": verifier.ErrIssuer, "audience": verifier.ErrAudience, "expiry": verifier.ErrExpired,
		"not before": verifier.ErrNotYetValid, "missing claim": verifier.ErrMissingClaim, "claim": verifier.ErrClaim,
	} {
		t.Run("9068-4-11 any failure of a token is invalid_token: "+name, func(t *testing.T) {
			t.Parallel()
			v := &counting{fail: err}
			_, denial := newGuard(t, v, middleware.Config{}).Check(request("Bearer x"))
			if denial == nil || denial.Status != 401 || denial.Code != "invalid_token" {
				t.Errorf("%+v", denial)
			}
		})
	}
}
