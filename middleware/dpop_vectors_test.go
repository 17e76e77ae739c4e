package middleware_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard/middleware"
	"github.com/bearerguard/bearerguard/verifier"
)

// TestDPoPVectors has the examples that stand in RFC 9449. The key of the access tokens is not among them: they count as verified.
func TestDPoPVectors(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(filepath.Join("..", "..", "shared", "vectors", "rfc9449-dpop", "dpop-examples.json"))
	if os.IsNotExist(err) && os.Getenv("BEARERGUARD_VECTORS") != "required" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Ath   struct{ Ath string } `json:"ath_example"`
		JKT   struct{ JKT string } `json:"jkt_example"`
		Cases []struct {
			Name, Authorization, Method, URL, Expected string
			DPoP                                       any
			Now                                        int64
		}
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Cases) < 8 {
		t.Errorf("%d cases: fewer than there were", len(file.Cases))
	}
	for _, c := range file.Cases {
		t.Run("9449-6.1-1 9449-4.2-3 BUG-246 "+c.Name, func(t *testing.T) {
			t.Parallel()
			claims := claimsOf(t, `{"cnf": {"jkt": "`+file.JKT.JKT+`"}, "exp": 4102444800}`)
			asked, err := url.Parse(c.URL)
			if err != nil {
				t.Fatal(err)
			}
			g := newGuard(t, verifyFunc(func(context.Context, string) (*verifier.Claims, error) { return claims, nil }), middleware.Config{
				DPoP: &middleware.DPoP{PublicURL: asked.Scheme + "://" + asked.Host, Algorithms: []string{"ES256"}}, Now: func() time.Time { return time.Unix(c.Now, 0) },
			})
			r := httptest.NewRequest(c.Method, asked.RequestURI(), nil)
			r.Header.Set("Authorization", c.Authorization)
			switch proofs := c.DPoP.(type) {
			case string:
				r.Header.Set("DPoP", proofs)
			case []any:
				for _, p := range proofs {
					r.Header.Add("DPoP", p.(string))
				}
			}
			_, denial := g.Check(r)
			if (denial == nil) != (c.Expected == "accept") {
				t.Errorf("it is to %s: %+v", c.Expected, denial)
			}
			if denial != nil && (denial.Status != http.StatusUnauthorized || strings.HasPrefix(c.Authorization, "DPoP") != (denial.Code == "invalid_dpop_proof")) {
				t.Errorf("%d %s: %v", denial.Status, denial.Code, denial.Err)
			}
		})
	}
	t.Run("9449-4.2-3 the example's hash", func(t *testing.T) {
		t.Parallel()
		if got := ath("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"); got != file.Ath.Ath {
			t.Errorf("%s, want %s", got, file.Ath.Ath)
		}
	})
}
