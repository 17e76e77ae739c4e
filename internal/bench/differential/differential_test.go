package main

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/bearerguard/bearerguard/verifier"
)

const quick = 2000

func newTest(t *testing.T) *comparison {
	t.Helper()
	c, err := newComparison(1)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestDifferential(t *testing.T) {
	t.Parallel()
	r := newTest(t).run(quick)
	for _, bad := range r.bad() {
		t.Error(bad)
	}
	if r.all.tokens != quick || len(r.differ) < 20 {
		t.Errorf("%d tokens, %d classes in which others differ", r.all.tokens, len(r.differ))
	}
	t.Log(r.summary())
}

// TestMistakesAreNoticed puts verifiers in the place of ours that are wrong.
func TestMistakesAreNoticed(t *testing.T) {
	t.Parallel()
	jwx := newTest(t).peers[2].verify
	for name, wrong := range map[string]verify{
		"all is accepted":              func(string) error { return nil },
		"all is refused":               func(string) error { return verifier.ErrSignature },
		"others decide":                jwx,
		"refused without one reason":   func(string) error { return verifier.ErrInvalidToken },
		"refused for the wrong reason": func(string) error { return verifier.ErrBinding },
		"refused by another error":     func(string) error { return errors.New("none of the sentinels") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newTest(t)
			c.strict, c.lenient = wrong, wrong
			if r := c.run(300); len(r.bad()) == 0 || r.misses == 0 {
				t.Errorf("nothing is missed: %s", r.summary())
			}
		})
	}
}

func TestTokensAreTheSameEachTime(t *testing.T) {
	t.Parallel()
	for i := range uint64(200) {
		a, _ := generate(1, i)
		b, _ := generate(1, i)
		if a.token != b.token {
			t.Errorf("token %d differs", i)
		}
		if c, _ := generate(2, i); a.token == c.token {
			t.Errorf("token %d is the same with another seed", i)
		}
	}
}

func TestNamesAreUnique(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, m := range mutations {
		if seen[m.name] {
			t.Errorf("two mutations are called %q", m.name)
		}
		seen[m.name] = true
	}
	for _, c := range classes {
		if seen[c.name] {
			t.Errorf("two are called %q", c.name)
		}
		seen[c.name] = true
	}
}

// TestRulesExist looks up each class's rule in the checklist, which lies beside the repository.
func TestRulesExist(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "shared", "conformance.md"))
	if errors.Is(err, os.ErrNotExist) && os.Getenv("BEARERGUARD_VECTORS") != "required" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range classes {
		if !regexp.MustCompile(`(?m)^- ` + regexp.QuoteMeta(c.rule) + ` `).Match(text) {
			t.Errorf("%s: conformance.md has no rule %s", c.name, c.rule)
		}
	}
}

func TestLoneSurrogates(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		`"\ud83d\ude00"`: false, `"\uD83D\uDE00"`: false, `"\ud800"`: true, `"\udc00"`: true, `"\udc00\ud800"`: true, `"\ud800\ud800\udc00"`: true,
		`"\\ud800"`: false, `"\\\ud800"`: true, `"\u0041"`: false, `"\ud800\u0041"`: true, `"`: false, `"\`: false, `"\u`: false, `"\ud800\`: true, "": false,
	} {
		if got := loneSurrogate([]byte(text)); got != want {
			t.Errorf("%s: %t", text, got)
		}
	}
}

func TestMeasure(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]reading{
		`{}`:                               {object: true, depth: 1},
		`{"a":1}`:                          {object: true, depth: 1, total: 1},
		`{"a":"a","b":["a","a"]}`:          {object: true, depth: 2, total: 2},
		`{"a":{"a":{"a":[[{"a":1}]]}}}`:    {object: true, depth: 6, total: 4},
		`{"a":1,"\u0061":2}`:               {object: true, depth: 1, total: 2, twice: true},
		`{"a":{"b":1,"c":{},"b":2}}`:       {object: true, depth: 3, total: 4, within: true},
		`{"a":[{"b":"b"},{"b":"b"}]}`:      {object: true, depth: 3, total: 3},
		`{"a":[{"b":{"b":1},"b":{}}, {}]}`: {object: true, depth: 4, total: 4, within: true},
		`[]`:                               {}, `{"a":1}x`: {}, ` {"a":1} `: {object: true, depth: 1, total: 1}, ``: {}, `null`: {},
	} {
		got := read([]byte(text))
		got.text, got.members = nil, nil
		if got.object != want.object || got.depth != want.depth || got.total != want.total || got.twice != want.twice || got.within != want.within {
			t.Errorf("%s: %+v", text, got)
		}
	}
}
