package verifiertest_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard/verifier"
	"github.com/bearerguard/bearerguard/verifier/introspection"
	"github.com/bearerguard/bearerguard/verifier/verifiertest"
)

func introspector(t *testing.T, i *verifiertest.Issuer) *introspection.Introspector {
	t.Helper()
	cfg := i.Introspection()
	cfg.Tokens.Match = map[string][]string{"iss": {i.URL()}} // some profiles want one
	asks, err := introspection.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return asks
}

func TestIntrospectionOfEveryProfile(t *testing.T) {
	t.Parallel()
	for _, name := range profileNames(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := profileNamed(t, name)
			issuer := verifiertest.NewIssuer(t, verifiertest.Like(p))
			v := introspector(t, issuer)
			for kind, token := range map[string]string{"opaque": issuer.OpaqueToken("orders:read"), "JWT": issuer.Token("orders:read")} {
				claims, err := v.Verify(t.Context(), token)
				if err != nil {
					t.Fatalf("%s: %v", kind, err)
				}
				if len(p.ScopeClaims) > 0 && claims.Scopes().Len() != 1 || claims.Issuer() != issuer.URL() {
					t.Errorf("%s: %v with %v", kind, claims, claims.Scopes())
				}
			}
			if n := issuer.Requests().Introspection; n != 2 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

func TestIntrospectionRefuses(t *testing.T) {
	t.Parallel()
	clock := verifiertest.NewFakeClock(time.Now())
	issuer := verifiertest.NewIssuer(t, verifiertest.Clock(clock.Now))
	v := introspector(t, issuer)
	if err := v.Warm(t.Context()); err != nil {
		t.Errorf("Warm: %v", err)
	}
	for name, token := range issuer.BadTokens() {
		if _, err := v.Verify(t.Context(), token); !errors.Is(err, verifier.ErrInvalidToken) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := v.Verify(t.Context(), issuer.OpaqueToken("", map[string]any{"aud": "https://another-api.example.com"})); !errors.Is(err, verifier.ErrAudience) {
		t.Errorf("an opaque token for another API: %v", err)
	}
	if _, err := v.Verify(t.Context(), issuer.OpaqueToken("", map[string]any{"nbf": clock.Now().Add(time.Minute)})); !errors.Is(err, introspection.ErrInactive) {
		t.Errorf("an opaque token of tomorrow: %v", err)
	}
	if _, err := v.Verify(t.Context(), issuer.OpaqueToken("", map[string]any{"EXP": 1})); err != nil {
		t.Errorf("EXP is not exp: %v", err)
	}
	for kind, token := range map[string]string{"opaque": issuer.OpaqueToken(""), "JWT": issuer.Token("")} {
		if _, err := v.Verify(t.Context(), token); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		issuer.Revoke(token)
		clock.Advance(time.Minute)
		if _, err := v.Verify(t.Context(), token); !errors.Is(err, introspection.ErrInactive) {
			t.Errorf("%s, revoked: %v", kind, err)
		}
	}
	dying := issuer.OpaqueToken("")
	clock.Advance(6 * time.Minute)
	if _, err := v.Verify(t.Context(), dying); !errors.Is(err, introspection.ErrInactive) {
		t.Errorf("an opaque token that has expired: %v", err)
	}
	issuer.Down(500)
	if _, err := v.Verify(t.Context(), issuer.OpaqueToken("")); !errors.Is(err, verifier.ErrUnavailable) {
		t.Errorf("down: %v", err)
	}
}

// TestIntrospectionEndpoint speaks to it without a library.
func TestIntrospectionEndpoint(t *testing.T) {
	t.Parallel()
	issuer := verifiertest.NewIssuer(t)
	issuer.RegisterClient("orders-api", "secret")
	token := issuer.OpaqueToken("orders:read", map[string]any{"tenant": "acme"})
	for _, tt := range []struct {
		name, form, secret string
		status             int
		want               string
	}{
		{"a good token", "token=" + token, "secret", 200, `"tenant":"acme"`},
		{"one that nobody knows", "token=made-up", "secret", 200, `{"active":false}`},
		{"another secret", "token=" + token, "guess", 401, "invalid_client"},
		{"no credentials", "token=" + token, "", 401, "invalid_client"},
		{"no token", "", "secret", 400, "invalid_request"},
		{"two tokens", "token=a&token=b", "secret", 400, "invalid_request"},
		{"no form", "token=%", "secret", 400, "invalid_request"},
	} {
		a := send(t, issuer, http.MethodPost, issuer.URL()+"/introspect", tt.form, func(r *http.Request) {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			if tt.secret != "" {
				r.SetBasicAuth("orders-api", tt.secret)
			}
		})
		if a.status != tt.status || !strings.Contains(a.body, tt.want) {
			t.Errorf("%s: %+v", tt.name, a)
		}
		if active := strings.Contains(a.body, `"active":true`); active != (tt.name == "a good token") {
			t.Errorf("%s: %s", tt.name, a.body)
		}
	}
	if o := get(t, issuer, "/.well-known/oauth-authorization-server").object(t); o["introspection_endpoint"] != issuer.URL()+"/introspect" {
		t.Errorf("%v", o)
	}
}
