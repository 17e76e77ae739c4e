package scopes_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard/scopes"
)

// legal is the alphabet of a scope-token, spelled out: every printable ASCII
// character but the space, the quotation mark and the backslash.
const legal = "!#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_`abcdefghijklmnopqrstuvwxyz{|}~"

// numbered returns n different scope-tokens.
func numbered(n int) []string {
	tokens := make([]string, n)
	for i := range tokens {
		tokens[i] = fmt.Sprintf("scope:%d", i)
	}
	return tokens
}

func mustParse(t *testing.T, s string) scopes.Set {
	t.Helper()
	set, err := scopes.Parse(s)
	if err != nil {
		t.Fatalf("Parse(%q): %v", s, err)
	}
	return set
}

// panicOf returns the message that f panics with, "" if it doesn't.
func panicOf(f func()) (message string) {
	defer func() {
		if r := recover(); r != nil {
			message = fmt.Sprint(r)
		}
	}()
	f()
	return ""
}

func TestParseAccepts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, in string
		want     []string
	}{
		{"an empty string is the empty set", "", nil},
		{"spaces alone are the empty set", "   ", nil},
		{"one token", "orders:read", []string{"orders:read"}},
		{"6749-3.3-1 tokens are separated by a space", "orders:read orders:write", []string{"orders:read", "orders:write"}},
		{"6749-3.3-1 tokens that differ in case are different tokens", "read Read READ", []string{"read", "Read", "READ"}},
		{"6749-3.3-2 every legal character, in one token", legal, []string{legal}},
		{"runs of spaces separate once", "a  b    c", []string{"a", "b", "c"}},
		{"spaces at either end are tolerated", "  a b  ", []string{"a", "b"}},
		{"a token that occurs again is dropped, the order as written kept", "b a b c a", []string{"b", "a", "c"}},
		{"no character but the space separates, a comma neither", "a,b c", []string{"a,b", "c"}},
		{"a URL is a scope-token", "https://graph.microsoft.com/.default", []string{"https://graph.microsoft.com/.default"}},
		{"more tokens than are scanned", strings.Join(numbered(40), " "), numbered(40)},
		{"duplicates among more tokens than are scanned", strings.Join(append(numbered(40), numbered(40)...), " "), numbered(40)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			set := mustParse(t, tt.in)
			if got := slices.Collect(set.All()); !slices.Equal(got, tt.want) {
				t.Errorf("All() = %q, want %q", got, tt.want)
			}
			if set.Len() != len(tt.want) {
				t.Errorf("Len() = %d, want %d", set.Len(), len(tt.want))
			}
			if want := strings.Join(tt.want, " "); set.String() != want {
				t.Errorf("String() = %q, want %q", set.String(), want)
			}
			for _, token := range tt.want {
				if !set.Has(token) {
					t.Errorf("Has(%q) = false", token)
				}
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, in, want string }{
		{"6749-3.3-2 a quotation mark", `a b"c d`, `"b\"c" is not a scope-token: its byte 1, 0x22,`},
		{"6749-3.3-2 a backslash", `a\`, `"a\\" is not a scope-token: its byte 1, 0x5c,`},
		{"6749-3.3-2 a tab, which does not separate", "a\tb", `"a\tb" is not`},
		{"6749-3.3-2 a line feed, which could split a header", "a\nb", `"a\nb" is not`},
		{"6749-3.3-2 a carriage return at the end", "a b\r", `"b\r" is not`},
		{"6749-3.3-2 NUL", "a\x00", `"a\x00" is not`},
		{"6749-3.3-2 DEL", "a\x7f", `"a\x7f" is not`},
		{"6749-3.3-2 the character before the first legal one but the space", "\x1f", `"\x1f" is not`},
		{"6749-3.3-2 a letter that is not ASCII", "zażółć", `0xc5,`},
		{"6749-3.3-2 a no-break space, which does not separate", "a\u00a0b", `0xc2,`},
		{"6749-3.3-2 an ideographic space, which does not separate", "a\u3000b", `0xe3,`},
		{"6749-3.3-2 a lone byte that is not UTF-8", "a\xff", `0xff,`},
		{"6749-3.3-2 a byte order mark", "\ufeffa", `0xef,`},
		{"a bad token after a repeated good one", `a a "`, `"\"" is not`},
		{"a bad token after more good ones than are scanned", strings.Join(numbered(40), " ") + ` "`, `"\"" is not`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			set, err := scopes.Parse(tt.in)
			if err == nil {
				t.Fatalf("Parse(%q) = %q, want an error", tt.in, set)
			}
			if !strings.HasPrefix(err.Error(), "scopes: ") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Parse(%q): %q, want it to say %q", tt.in, err, tt.want)
			}
			if set.Len() != 0 || set.Has("a") {
				t.Errorf("Parse(%q) = %q beside its error", tt.in, set)
			}
		})
	}
}

func TestParseRefusesEveryIllegalByte(t *testing.T) {
	t.Parallel()
	for c := range 256 {
		token := "a" + string([]byte{byte(c)}) + "b"
		_, err := scopes.Parse(token)
		if want := c == ' ' || strings.IndexByte(legal, byte(c)) >= 0; (err == nil) != want {
			t.Errorf("6749-3.3-2: Parse(%q): error %v, want it accepted: %t", token, err, want)
		}
	}
}

func TestErrorsQuoteAtMost64Bytes(t *testing.T) {
	t.Parallel()
	const shown = 64
	long := strings.Repeat("x", shown)
	for _, tt := range []struct{ name, in, want string }{
		{"64 bytes are quoted whole", long[1:] + `\`, `"` + long[1:] + `\\" is not`},
		{"the 65th is cut", long + `\`, `"` + long + `"... is not`},
		{"a hostile token doesn't flood a log", strings.Repeat(long, 1000) + `\`, `"` + long + `"... is not`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := scopes.Parse(tt.in)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Parse: %v, want %s", err, tt.want)
			}
			if _, err := scopes.ParsePolicy("a & " + tt.in); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("ParsePolicy: %v, want %s", err, tt.want)
			}
		})
	}
}

func TestOf(t *testing.T) {
	t.Parallel()
	if set := scopes.Of(); set.Len() != 0 || set.String() != "" {
		t.Errorf("Of() = %q, want the empty set", set)
	}
	if got := scopes.Of("b", "a", "b").String(); got != "b a" {
		t.Errorf("Of drops duplicates and keeps the order: got %q", got)
	}
	tokens := []string{"a", "b"}
	set := scopes.Of(tokens...)
	tokens[0] = "admin"
	if set.Has("admin") || !set.Has("a") {
		t.Error("Of kept the caller's slice")
	}
}

func TestOfPanics(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		tokens []string
		want   string
	}{
		{"6749-3.3-2 on an empty token", []string{"a", ""}, `scopes: "" is not a scope-token: it is empty`},
		{"6749-3.3-2 on two tokens in one string", []string{"a b"}, `scopes: "a b" is not a scope-token: its byte 1, 0x20,`},
		{"6749-3.3-2 on a space at the end", []string{"a "}, `"a " is not`},
		{"6749-3.3-2 on a quotation mark", []string{`"a"`}, `"\"a\"" is not`},
		{"6749-3.3-2 on a backslash", []string{"a", `b\c`}, `"b\\c" is not`},
		{"6749-3.3-2 on a letter that is not ASCII", []string{"é"}, `"é" is not`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := panicOf(func() { scopes.Of(tt.tokens...) }); !strings.Contains(got, tt.want) {
				t.Errorf("Of(%q) panics with %q, want %q", tt.tokens, got, tt.want)
			}
		})
	}
}

func TestHas(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, 15, 16, 17, 100} {
		set := scopes.Of(numbered(size)...)
		for _, tt := range []struct {
			name, token string
			want        bool
		}{
			{"its first token", "scope:0", true},
			{"its last token", fmt.Sprintf("scope:%d", size-1), true},
			{"one that it lacks", fmt.Sprintf("scope:%d", size), false},
			{"6749-3.3-1 not one that differs in case", "Scope:0", false},
			{"not a prefix of one", "scope:", false},
			{"not one with more behind it", "scope:0:read", false},
			{"not one with a space behind it", "scope:0 ", false},
			{"not two of its tokens in one string", "scope:0 scope:1", false},
			{"not a wildcard", "scope:*", false},
			{"not the empty string", "", false},
		} {
			t.Run(fmt.Sprintf("%s, of %d", tt.name, size), func(t *testing.T) {
				t.Parallel()
				if got := set.Has(tt.token); got != tt.want {
					t.Errorf("Has(%q) = %t", tt.token, got)
				}
			})
		}
	}
}

func TestContains(t *testing.T) {
	t.Parallel()
	many := strings.Join(numbered(40), " ")
	for _, tt := range []struct {
		name, set, other string
		want             bool
	}{
		{"itself", "a b", "a b", true},
		{"6749-3.3-1 order carries no meaning", "a b c", "c a", true},
		{"the empty set, whatever it is", "a", "", true},
		{"the empty set, even when empty", "", "", true},
		{"a few of many", many, "scope:39 scope:0", true},
		{"BUG-004 not more than it has", "a", "a b", false},
		{"BUG-004 nothing when empty", "", "a", false},
		{"not another token", "a b", "c", false},
		{"not one that shares only some", "a b c", "a d", false},
		{"6749-3.3-1 not one that differs in case", "a b", "A", false},
		{"not one that only begins alike", "orders", "orders:read", false},
		{"not many when it is few", "scope:0", many, false},
		{"not one more than many", many, "scope:0 scope:40", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := mustParse(t, tt.set).Contains(mustParse(t, tt.other)); got != tt.want {
				t.Errorf("{%s}.Contains({%s}) = %t", tt.set, tt.other, got)
			}
		})
	}
}

func TestZeroSetIsEmpty(t *testing.T) {
	t.Parallel()
	var zero scopes.Set
	if zero.Len() != 0 || zero.String() != "" || zero.Has("") || zero.Has("a") || zero.Contains(scopes.Of("a")) {
		t.Errorf("the zero Set holds %q", zero)
	}
	for token := range zero.All() {
		t.Errorf("the zero Set yields %q", token)
	}
	if !zero.Contains(scopes.Set{}) {
		t.Error("the zero Set does not contain the empty set")
	}
}

func TestAllStopsWhenToldTo(t *testing.T) {
	t.Parallel()
	var got []string
	for token := range scopes.Of("a", "b", "c").All() {
		got = append(got, token)
		if token == "b" {
			break
		}
	}
	if !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("got %q", got)
	}
}

func TestSharedBetweenGoroutines(t *testing.T) {
	t.Parallel()
	granted := scopes.Of(numbered(40)...)
	policy := scopes.All("scope:0", "scope:39")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if !policy.Allows(granted) || !granted.Has("scope:20") || granted.String() == "" {
				t.Error("a shared Set gave another answer")
			}
			if got := policy.And(scopes.Any("a", "b")).Or(policy).Ask().Len(); got != 3 {
				t.Errorf("a shared Policy gave another answer: %d", got)
			}
		})
	}
	wg.Wait()
}

// These are not parallel: AllocsPerRun counts what others allocate, too.

func TestParseAllocatesOnce(t *testing.T) {
	for _, s := range []string{
		"",
		"orders:read",
		"openid profile email offline_access orders:read orders:write",
		"  a  a  b  ",
		strings.Join(numbered(16), " "),
		strings.Join(append(numbered(16), numbered(16)...), " "),
	} {
		if n := testing.AllocsPerRun(100, func() { _, _ = scopes.Parse(s) }); n > 1 {
			t.Errorf("Parse(%q) allocates %v times, want 1 at most", s, n)
		}
	}
	// One index, that grows: not one for each token.
	s := strings.Join(numbered(1000), " ")
	if n := testing.AllocsPerRun(10, func() { _, _ = scopes.Parse(s) }); n > 200 {
		t.Errorf("Parse of 1000 tokens allocates %v times", n)
	}
}

func TestDecidingAllocatesNothing(t *testing.T) {
	few, many := scopes.Of(numbered(16)...), scopes.Of(numbered(17)...)
	policy := scopes.All("scope:0", "scope:99").Or(scopes.Any("admin", "scope:15"))
	for _, set := range []scopes.Set{few, many} {
		if n := testing.AllocsPerRun(100, func() { set.Has("scope:15"); set.Has("other") }); n != 0 {
			t.Errorf("Has, of %d tokens, allocates %v times", set.Len(), n)
		}
		if n := testing.AllocsPerRun(100, func() { policy.Allows(set) }); n != 0 {
			t.Errorf("Allows, of %d tokens, allocates %v times", set.Len(), n)
		}
	}
}

// Has is compared with a scan of the same tokens, which takes hundreds of times
// as long where there is an index, and as long where there is none.
func TestBigSetsAreIndexed(t *testing.T) {
	t.Parallel()
	tokens := numbered(20_000)
	set := mustParse(t, strings.Join(tokens, " "))
	last := tokens[len(tokens)-1]
	fastest := func(has func() bool) time.Duration {
		best := time.Hour
		for range 5 {
			start := time.Now()
			for range 20 {
				if !has() {
					t.Fatalf("%q is missing", last)
				}
			}
			best = min(best, time.Since(start))
		}
		return best
	}
	indexed := fastest(func() bool { return set.Has(last) })
	scanned := fastest(func() bool { return slices.Contains(tokens, strings.Clone(last)) })
	if indexed > scanned/10 {
		t.Errorf("20 times Has take %v, 20 scans %v", indexed, scanned)
	}
}
