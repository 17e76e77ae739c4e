package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/bearerguard/bearerguard/internal/bench/mint"
	"github.com/bearerguard/bearerguard/internal/bench/report"
)

func TestRowsBelongToParts(t *testing.T) {
	t.Parallel()
	parts := (&bench{}).parts()
	for _, name := range strings.Split(strings.TrimSpace(golden), "\n") {
		if !slices.ContainsFunc(parts, func(p report.Part) bool { return strings.HasPrefix(name, p.Name) }) {
			t.Errorf("no part measures %q", name)
		}
	}
}

// TestServers: each route answers as it must for its numbers to mean something.
func TestServers(t *testing.T) {
	t.Parallel()
	key := mint.NewKey("RS256", mint.KeyID)
	jwks := filepath.Join(t.TempDir(), "jwks.json")
	if err := os.WriteFile(jwks, key.Set(), 0o600); err != nil {
		t.Fatal(err)
	}
	url, err := publish(t.Context(), key.Set())
	if err != nil {
		t.Fatal(err)
	}
	for framework, routes := range map[string][]string{"net/http": {cached, uncached, peer}, "Echo": {cached, uncached}, "Gin": {cached, uncached}} {
		handler, err := newHandler(framework, jwks, url)
		if err != nil {
			t.Fatal(err)
		}
		get := func(route, token string) int {
			r, w := httptest.NewRequest(http.MethodGet, route, nil), httptest.NewRecorder()
			r.Header.Set("Authorization", "Bearer "+token)
			handler.ServeHTTP(w, r)
			return w.Code
		}
		if code := get(bare, ""); code != http.StatusOK {
			t.Errorf("%s: %s: %d", framework, bare, code)
		}
		for _, route := range routes {
			good := key.Token(1)
			if code := get(route, good); code != http.StatusOK {
				t.Errorf("%s: %s: %d", framework, route, code)
			}
			if code := get(route, good[:len(good)-4]+"AAAA"); code != http.StatusUnauthorized {
				t.Errorf("%s: %s: %d for a forged token", framework, route, code)
			}
		}
	}
}
