package scopes_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/bearerguard/bearerguard/scopes"
)

// isToken is written apart from the package: 1*( legal ).
func isToken(s string) bool {
	for _, b := range []byte(s) {
		if strings.IndexByte(legal, b) < 0 {
			return false
		}
	}
	return s != ""
}

// words splits as slowly and as plainly as possible.
func words(s string) []string {
	return slices.DeleteFunc(strings.Split(s, " "), func(w string) bool { return w == "" })
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"", " ", "a", "a b a", "  a  b ", legal, `a"b`, `a\b`, "a\tb", "a\u00a0b", "\xff",
		strings.Join(numbered(17), " "), strings.Repeat("a ", 40) + "b",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var want []string
		bad := false
		for _, word := range words(s) {
			bad = bad || !isToken(word)
			if !slices.Contains(want, word) {
				want = append(want, word)
			}
		}
		set, err := scopes.Parse(s)
		if (err != nil) != bad {
			t.Fatalf("Parse(%q): error %v, want one: %t", s, err, bad)
		}
		if err != nil {
			if set.Len() != 0 || len(err.Error()) > 512 {
				t.Fatalf("Parse(%q) = %q, %v", s, set, err)
			}
			return
		}
		got := slices.Collect(set.All())
		if !slices.Equal(got, want) {
			t.Fatalf("Parse(%q) = %q, want %q", s, got, want)
		}
		again, err := scopes.Parse(set.String())
		if err != nil || again.String() != set.String() || !again.Contains(set) || !set.Contains(again) {
			t.Fatalf("%q is read back as %q, %v", set, again, err)
		}
		if of := scopes.Of(got...); of.String() != set.String() {
			t.Fatalf("Of(%q) = %q", got, of)
		}
		for _, token := range got {
			if !set.Has(token) {
				t.Fatalf("{%s} lacks %q", set, token)
			}
		}
	})
}

func FuzzParsePolicy(f *testing.F) {
	for _, s := range []string{
		"", " ", "a", "a & b | c", "a | a & a", "a&b || c", "| a", "a &", "a b", "(a | b)", `a | "`, "&& & ||",
		strings.Join(numbered(64), " | "), strings.Join(numbered(65), " | "), strings.Join(numbered(17), " & "),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := scopes.ParsePolicy(s)
		if err != nil {
			if p.String() != "" || p.Ask().Len() != 0 || len(err.Error()) > 512 {
				t.Fatalf("ParsePolicy(%q) = %q, %v", s, p, err)
			}
			return
		}
		if p.Allows(scopes.Set{}) {
			t.Fatalf("ParsePolicy(%q) allows the empty set", s)
		}
		again, err := scopes.ParsePolicy(p.String())
		if err != nil || again.String() != p.String() || again.Ask().String() != p.Ask().String() {
			t.Fatalf("%q is read back as %q, %v", p, again, err)
		}
		alternatives := strings.Split(strings.Join(words(s), " "), " | ")
		if len(alternatives) > 64 {
			t.Fatalf("ParsePolicy(%q): %d alternatives", s, len(alternatives))
		}
		for i, alternative := range alternatives {
			tokens := strings.Split(alternative, " & ")
			for _, token := range tokens {
				if !isToken(token) {
					t.Fatalf("ParsePolicy(%q): %q is no scope-token", s, token)
				}
			}
			granted := scopes.Of(tokens...)
			if !p.Allows(granted) {
				t.Fatalf("%q doesn't allow its own {%s}", p, granted)
			}
			if i == 0 && p.Ask().String() != granted.String() {
				t.Fatalf("Ask() = {%s}, want {%s}", p.Ask(), granted)
			}
		}
	})
}
