package scopes_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/bearerguard/bearerguard/scopes"
)

func mustParsePolicy(t *testing.T, s string) scopes.Policy {
	t.Helper()
	p, err := scopes.ParsePolicy(s)
	if err != nil {
		t.Fatalf("ParsePolicy(%q): %v", s, err)
	}
	return p
}

// prefixed returns n different scope-tokens that begin with prefix.
func prefixed(prefix string, n int) []string {
	tokens := make([]string, n)
	for i := range tokens {
		tokens[i] = fmt.Sprintf("%s%d", prefix, i)
	}
	return tokens
}

func TestAllows(t *testing.T) {
	t.Parallel()
	const product = "orders:read & orders:write | admin"
	for _, tt := range []struct {
		name, policy, granted string
		want                  bool
	}{
		{"BUG-004 what is asked for is a subset of what is granted", "a & b", "a b c", true},
		{"BUG-004 not one of two", "a & b", "a", false},
		{"BUG-004 not nothing", "a & b", "", false},
		{"exactly what is asked for", "a & b", "a b", true},
		{"6749-3.3-1 order carries no meaning", "a & b", "b x a", true},
		{"one alternative", "a | b", "b", true},
		{"& binds before |: the first alternative", product, "orders:write orders:read", true},
		{"& binds before |: the second alternative", product, "admin", true},
		{"& binds before |: not half of the first", product, "orders:write", false},
		{"not half of each alternative", "a & b | c & d", "a c", false},
		{"& binds before |, on the right of it too", "admin | a & b", "b", false},
		{"nothing granted, alternatives or not", "a | b", "", false},
		{"unrelated scopes", "a | b", "c d", false},
		{"6749-3.3-1 not in another case", "admin", "Admin", false},
		{"no hierarchy upwards", "orders:read", "orders", false},
		{"no hierarchy downwards", "orders", "orders:read", false},
		{"no wildcard in what is granted", "orders:read", "orders:* *", false},
		{"no wildcard in what is asked for", "orders:*", "orders:read", false},
		{"operators inside of a token are part of it", "a&b", "a b", false},
		{"operators inside of a token are part of it, so that token is it", "a&b | c", "a&b", true},
		{"many granted, none of them", "a", strings.Join(numbered(40), " "), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := mustParsePolicy(t, tt.policy).Allows(mustParse(t, tt.granted)); got != tt.want {
				t.Errorf("(%s).Allows({%s}) = %t", tt.policy, tt.granted, got)
			}
		})
	}
}

func TestPolicyThatAllowsNothing(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		policy scopes.Policy
	}{
		{"the zero Policy", scopes.Policy{}},
		{"All of nothing", scopes.All()},
		{"Any of nothing", scopes.Any()},
		{"nothing and something", scopes.All().And(scopes.All("a"))},
		{"something and nothing", scopes.All("a").And(scopes.Any())},
		{"nothing or nothing", scopes.All().Or(scopes.Any())},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, granted := range []scopes.Set{{}, scopes.Of("a"), scopes.Of(numbered(40)...)} {
				if tt.policy.Allows(granted) {
					t.Errorf("it allows {%s}", granted)
				}
			}
			if got := tt.policy.String(); got != "" {
				t.Errorf("String() = %q", got)
			}
			if got := tt.policy.Ask(); got.Len() != 0 {
				t.Errorf("Ask() = {%s}", got)
			}
		})
	}
}

func TestPolicyAsWritten(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		policy    scopes.Policy
		want, ask string
	}{
		{"All", scopes.All("b", "a"), "b & a", "b a"},
		{"All, a token twice", scopes.All("b", "a", "b"), "b & a", "b a"},
		{"Any", scopes.Any("b", "a"), "b | a", "b"},
		{"Any, a token twice", scopes.Any("b", "a", "b"), "b | a", "b"},
		{"Or keeps both sides", scopes.All("a", "b").Or(scopes.Any("c", "d")), "a & b | c | d", "a b"},
		{"Or with nothing on the left", scopes.All().Or(scopes.All("a")), "a", "a"},
		{"Or with nothing on the right", scopes.All("a").Or(scopes.All()), "a", "a"},
		{"Or drops nothing", scopes.All("a", "b").Or(scopes.All("a")), "a & b | a", "a b"},
		{"And joins", scopes.All("a").And(scopes.All("b")), "a & b", "a b"},
		{"And multiplies", scopes.Any("a", "b").And(scopes.Any("c", "d")), "a & c | a & d | b & c | b & d", "a c"},
		{"And names no token twice", scopes.All("a", "b").And(scopes.All("b", "c")), "a & b & c", "a b c"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.policy.String(); got != tt.want {
				t.Errorf("String() = %q, want %q", got, tt.want)
			}
			if got := tt.policy.Ask().String(); got != tt.ask {
				t.Errorf("Ask() = %q, want %q", got, tt.ask)
			}
			if got := mustParsePolicy(t, tt.policy.String()).String(); got != tt.want {
				t.Errorf("read back it is %q, want %q", got, tt.want)
			}
		})
	}
}

func TestPolicyOperandsStayAsTheyWere(t *testing.T) {
	t.Parallel()
	tokens := []string{"a", "b", "c"} // three, so that a slice grown by append has room left
	p, q := scopes.Any(tokens...), scopes.All("d", "e")
	tokens[0] = "admin"
	first, second := p.Or(q), p.Or(scopes.All("f"))
	p.And(q).And(q)
	for _, tt := range []struct {
		name   string
		policy scopes.Policy
		want   string
	}{
		{"the left operand", p, "a | b | c"},
		{"the right operand", q, "d & e"},
		{"what was made first", first, "a | b | c | d & e"},
		{"what was made second", second, "a | b | c | f"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.policy.String(); got != tt.want {
				t.Errorf("it became %q, want %q", got, tt.want)
			}
		})
	}
}

func TestParsePolicyAccepts(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, in, want string }{
		{"one scope-token", "admin", "admin"},
		{"both operators", "orders:read & orders:write | admin", "orders:read & orders:write | admin"},
		{"spaces more than are needed", "  a  &   b |  c ", "a & b | c"},
		{"a token twice in an alternative", "a & b & a", "a & b"},
		{"operators inside of scope-tokens", "a&b | c|d & &e & f| | ||", "a&b | c|d & &e & f| | ||"},
		{"parentheses inside of a scope-token", "a(b)c & )d & e(", "a(b)c & )d & e("},
		{"64 alternatives", strings.Join(numbered(64), " | "), strings.Join(numbered(64), " | ")},
		{"one alternative of many scope-tokens", strings.Join(numbered(100), " & "), strings.Join(numbered(100), " & ")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := mustParsePolicy(t, tt.in).String(); got != tt.want {
				t.Errorf("ParsePolicy(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func TestParsePolicyRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, in, want string }{
		{"an empty string, so an unset variable opens nothing", "", "offset 0: it is empty"},
		{"spaces alone", "   ", "offset 0: it is empty"},
		{"an operator alone", "&", `offset 0: no scope-token before "&"`},
		{"an operator first", "  | a", `offset 2: no scope-token before "|"`},
		{"an operator last", "a & b |", `offset 7: no scope-token after "|"`},
		{"an operator last, then spaces", "a &  ", `offset 5: no scope-token after "&"`},
		{"two operators", "a & | b", `offset 4: no scope-token before "|"`},
		{"the same operator twice", "a | | b", `offset 4: no scope-token before "|"`},
		{"no operator", "a b", `offset 2: no operator before "b"`},
		{"no operator, in a scope string", "a | b  c", `offset 7: no operator before "c"`},
		{"a doubled operator", "a && b", `offset 2: no operator before "&&"`},
		{"a word for an operator", "a or b", `offset 2: no operator before "or"`},
		{"an operator that touches a scope-token", "a& b", `offset 3: no operator before "b"`},
		{"a parenthesis opened", "(a | b) & c", `offset 0: "(a" begins with "(" or ends with ")": parentheses are not supported`},
		{"a parenthesis closed", "a | b)", `offset 4: "b)" begins`},
		{"a parenthesis closed where an operator is due", "a b)", `offset 2: "b)" begins`},
		{"a parenthesis alone", "a & ( b | c )", `offset 4: "(" begins`},
		{"6749-3.3-2 a quotation mark", `a & "b"`, `offset 4: "\"b\"" is not a scope-token: its byte 0, 0x22,`},
		{"6749-3.3-2 a backslash", `a\ | b`, `offset 0: "a\\" is not`},
		{"6749-3.3-2 a line feed between scope-tokens", "a |\nb", `offset 2: "|\nb" is not`},
		{"6749-3.3-2 a letter that is not ASCII", "a | é", `offset 4: "é" is not`},
		{"65 alternatives", strings.Repeat("a | ", 64) + "b", "offset 256: more than 64 alternatives"},
		{"far more alternatives", strings.Repeat("a | ", 1000) + "b", "offset 256: more than 64 alternatives"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p, err := scopes.ParsePolicy(tt.in)
			if err == nil {
				t.Fatalf("ParsePolicy(%q) = %q, want an error", tt.in, p)
			}
			if want := "scopes: policy: at " + tt.want; !strings.HasPrefix(err.Error(), want) {
				t.Errorf("ParsePolicy(%q): %q, want %q", tt.in, err, want)
			}
			if p.String() != "" || p.Allows(scopes.Of("a", "b", "c")) {
				t.Errorf("ParsePolicy(%q) = %q beside its error", tt.in, p)
			}
		})
	}
}

func TestPolicyPanics(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, token, want string }{
		{"6749-3.3-2 on an empty token", "", `scopes: "" is not a scope-token: it is empty`},
		{"6749-3.3-2 on two tokens in one string", "a b", `scopes: "a b" is not a scope-token`},
		{"6749-3.3-2 on a quotation mark", `"`, `scopes: "\"" is not a scope-token`},
		{"on what would be read back as and", "&", `scopes: "&" is an operator, not a scope-token`},
		{"on what would be read back as or", "|", `scopes: "|" is an operator, not a scope-token`},
		{"on a policy in place of a token", "a & b", `scopes: "a & b" is not a scope-token`},
		{"on a parenthesis opened", "(a", `scopes: "(a" begins with "("`},
		{"on a parenthesis closed", "a)", `scopes: "a)" begins with "(" or ends with ")"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := panicOf(func() { scopes.All("a", tt.token) }); !strings.HasPrefix(got, tt.want) {
				t.Errorf("All panics with %q, want %q", got, tt.want)
			}
			if got := panicOf(func() { scopes.Any("a", tt.token) }); !strings.HasPrefix(got, tt.want) {
				t.Errorf("Any panics with %q, want %q", got, tt.want)
			}
		})
	}
}

func TestPolicyLimit(t *testing.T) {
	t.Parallel()
	a, b := scopes.Any(prefixed("a", 8)...), scopes.Any(prefixed("b", 8)...)
	for _, tt := range []struct {
		name  string
		build func() scopes.Policy
		want  string // the panic
	}{
		{"Any of 64", func() scopes.Policy { return scopes.Any(numbered(64)...) }, ""},
		{"And that makes 64", func() scopes.Policy { return a.And(b) }, ""},
		{"Or that makes 64", func() scopes.Policy { return scopes.Any(numbered(63)...).Or(scopes.All("a", "b")) }, ""},
		{"Any of 65", func() scopes.Policy { return scopes.Any(numbered(65)...) }, "65 alternatives: at most 64"},
		{"And that makes 72", func() scopes.Policy { return a.And(scopes.Any(prefixed("b", 9)...)) }, "72 alternatives: at most 64"},
		{"And that makes 512", func() scopes.Policy { return scopes.Any(numbered(64)...).And(a) }, "512 alternatives: at most 64"},
		{"Or that makes 65", func() scopes.Policy { return scopes.Any(numbered(64)...).Or(scopes.All("a")) }, "65 alternatives: at most 64"},
		{"Or that makes 65 without the repeated one", func() scopes.Policy {
			return scopes.Any(numbered(64)...).Or(scopes.Any("a", "scope:0"))
		}, "65 alternatives: at most 64"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var p scopes.Policy
			got := panicOf(func() { p = tt.build() })
			if tt.want == "" && got == "" {
				if read := mustParsePolicy(t, p.String()); read.String() != p.String() {
					t.Errorf("%q is read back as %q", p, read)
				}
				return
			}
			if tt.want == "" || !strings.Contains(got, tt.want) {
				t.Errorf("it panics with %q, want %q", got, tt.want)
			}
		})
	}
}

func TestPolicyAbsorbsRatherThanPanics(t *testing.T) {
	t.Parallel()
	tokens := numbered(64)
	any64 := scopes.Any(tokens...)
	want := strings.Join(tokens, " | ")
	for _, tt := range []struct {
		name         string
		policy       scopes.Policy
		want, denied string
	}{
		{"a policy and itself is itself", any64.And(any64), want, "other"},
		{"a policy or itself is itself", any64.Or(any64), want, "other"},
		{"an alternative that contains an earlier one goes", any64.Or(scopes.All("scope:7", "other")), want, "other"},
		{"alternatives that contain a later one go",
			scopes.All("a", "b").Or(scopes.Any(numbered(62)...)).Or(scopes.All("b", "c")).Or(scopes.All("b")),
			strings.Join(numbered(62), " | ") + " | b", "a c"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := tt.policy.String(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if tt.policy.Allows(mustParse(t, tt.denied)) {
				t.Errorf("it allows {%s}", tt.denied)
			}
		})
	}
}

// And and Or are compared with the && and || of their operands, over every
// policy of a small alphabet and every set of it.
func TestAndOrMeanWhatTheySay(t *testing.T) {
	t.Parallel()
	sets := []string{"", "a", "b", "c", "a b", "a c", "b c", "a b c"}
	policies := []scopes.Policy{{}}
	for _, s := range []string{"a", "b", "a & b", "a | b", "a & b | c", "c | a", "b & c | a & c", "a & b & c"} {
		policies = append(policies, mustParsePolicy(t, s))
	}
	for _, p := range policies {
		for _, q := range policies {
			for _, s := range sets {
				granted := mustParse(t, s)
				if got, want := p.And(q).Allows(granted), p.Allows(granted) && q.Allows(granted); got != want {
					t.Errorf("(%s) and (%s): Allows({%s}) = %t", p, q, s, got)
				}
				if got, want := p.Or(q).Allows(granted), p.Allows(granted) || q.Allows(granted); got != want {
					t.Errorf("(%s) or (%s): Allows({%s}) = %t", p, q, s, got)
				}
			}
		}
	}
}
