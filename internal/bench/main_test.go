package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/bearerguard/bearerguard/internal/bench/mint"
	"github.com/bearerguard/bearerguard/internal/bench/report"
)

// TestRowsBelongToParts: a row that no part measures would never be missed.
func TestRowsBelongToParts(t *testing.T) {
	t.Parallel()
	for _, name := range strings.Split(strings.TrimSpace(golden), "\n") {
		if !slices.ContainsFunc(parts, func(p report.Part) bool { return strings.HasPrefix(name, p.Name) }) {
			t.Errorf("no part measures %q", name)
		}
	}
}

// TestEveryLibraryAccepts: what is compared does the same work.
func TestEveryLibraryAccepts(t *testing.T) {
	t.Parallel()
	key := mint.NewKey("ES256", mint.KeyID)
	set, token := key.Set(), key.Token(1)
	ours, err := startOurs(set, -1)
	if err != nil {
		t.Fatal(err)
	}
	if err := ours(token); err != nil {
		t.Errorf("ours: %v", err)
	}
	for _, l := range peers {
		v, err := l.start(set, "ES256")
		if err != nil {
			t.Fatalf("%s: %v", l.name, err)
		}
		if err := v(token); err != nil {
			t.Errorf("%s: %v", l.name, err)
		}
		if v(token[:len(token)-4]+"AAAA") == nil {
			t.Errorf("%s accepts a forged token", l.name)
		}
	}
}
