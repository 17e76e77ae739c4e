package middleware_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/bearerguard/bearerguard/middleware"
	"github.com/bearerguard/bearerguard/scopes"
)

// challenge is one of a WWW-Authenticate field. Names are in lower case.
type challenge struct {
	scheme  string
	token68 string
	params  map[string]string
}

// parse reads a WWW-Authenticate field by RFC 9110 section 11.6.1. It shares nothing with the package under test.
func parse(field string) ([]challenge, error) {
	p := &parser{rest: field}
	var all []challenge
	for {
		for p.space(); p.take(","); p.space() {
		}
		if p.rest == "" {
			break
		}
		scheme := p.token()
		if scheme == "" {
			return nil, fmt.Errorf("no scheme at %q", p.rest)
		}
		c := challenge{scheme: strings.ToLower(scheme), params: map[string]string{}}
		if p.take(" ") {
			if err := p.parameters(&c); err != nil {
				return nil, err
			}
		}
		if p.space(); p.rest != "" && p.rest[0] != ',' {
			return nil, fmt.Errorf("no comma at %q", p.rest)
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, errors.New("no challenge")
	}
	return all, nil
}

type parser struct{ rest string }

func (p *parser) space() { p.rest = strings.TrimLeft(p.rest, " \t") }

func (p *parser) take(s string) (ok bool) {
	p.rest, ok = strings.CutPrefix(p.rest, s)
	return ok
}

// run takes the characters of a set.
func (p *parser) run(set string) string {
	rest := strings.TrimLeft(p.rest, set)
	taken := p.rest[:len(p.rest)-len(rest)]
	p.rest = rest
	return taken
}

const alphanumeric = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

func (p *parser) token() string { return p.run(alphanumeric + "!#$%&'*+-.^_`|~") }

// parameters reads token68 or auth-params, up to the next challenge.
func (p *parser) parameters(c *challenge) error {
	p.run(" ")
	before := p.rest
	if c.token68 = p.run(alphanumeric+"-._~+/") + p.run("="); c.token68 != "" {
		if p.space(); p.rest == "" || p.rest[0] == ',' {
			return nil
		}
	}
	c.token68, p.rest = "", before
	for {
		for p.space(); p.take(","); p.space() {
		}
		before := p.rest
		name := strings.ToLower(p.token())
		if p.space(); name == "" || !p.take("=") { // the next challenge, or the end
			p.rest = before
			if before != "" && len(c.params) > 0 {
				p.rest = "," + before
			}
			return nil
		}
		p.space()
		value, err := p.value()
		if err != nil {
			return err
		}
		if _, twice := c.params[name]; twice {
			return fmt.Errorf("%s twice", name)
		}
		c.params[name] = value
		if p.space(); p.rest != "" && p.rest[0] != ',' {
			return fmt.Errorf("no comma at %q", p.rest)
		}
	}
}

// value reads a token or a quoted-string (RFC 9110 section 5.6.4).
func (p *parser) value() (string, error) {
	if !p.take(`"`) {
		if token := p.token(); token != "" {
			return token, nil
		}
		return "", fmt.Errorf("no value at %q", p.rest)
	}
	b := strings.Builder{}
	for i := 0; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '"':
			p.rest = p.rest[i+1:]
			return b.String(), nil
		case c == '\\' && i+1 < len(p.rest):
			i++
			b.WriteByte(p.rest[i])
		case c == '\t' || c >= ' ' && c != 0x7f:
			b.WriteByte(c)
		default:
			return "", fmt.Errorf("%q in a quoted-string", c)
		}
	}
	return "", errors.New("a quoted-string without an end")
}

func TestParse(t *testing.T) {
	t.Parallel()
	for field, want := range map[string]string{
		`Bearer`:                            "[{bearer  map[]}]",
		`Bearer realm="a"`:                  "[{bearer  map[realm:a]}]",
		`BEARER REALM=a , x="b\"\\c",, y=d`: `[{bearer  map[realm:a x:b"\c y:d]}]`,
		`Bearer a="b", Basic realm="c"`:     "[{bearer  map[a:b]} {basic  map[realm:c]}]",
		`Bearer, DPoP algs="ES256 RS256"`:   "[{bearer  map[]} {dpop  map[algs:ES256 RS256]}]",
		`Negotiate YWJj==, NTLM`:            "[{negotiate YWJj== map[]} {ntlm  map[]}]",
		`Bearer a="b" c="d"`:                "error", // BUG-203
		`Bearer a="b", A="c"`:               "error",
		`Bearer a="b`:                       "error",
		`Bearer a="b"c`:                     "error",
		`Bearer a=`:                         "[{bearer a= map[]}]",
		`Bearer a=, b=c`:                    "error",
		"Bearer a=\"\r\n\"":                 "error",
		`Bearer a=é`:                        "error",
		`="b"`:                              "error",
		``:                                  "error",
	} {
		got, err := parse(field)
		if text := fmt.Sprint(got); err == nil && text != want || err != nil && want != "error" {
			t.Errorf("parse(%q) = %s, %v, want %s", field, text, err, want)
		}
	}
}

// within reports whether s is made of %x20-21 / %x23-5B / %x5D-7E (RFC 6750 section 3).
func within(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' })
}

// checkChallenges refuses requests in every way that has a challenge, and looks at each by RFC 6750 section 3.
func checkChallenges(t *testing.T, cfg middleware.Config, policy scopes.Policy) {
	t.Helper()
	g := newGuard(t, knowing(t), cfg)
	realm := cfg.Realm
	if realm == "" && cfg.ResourceMetadata == "" {
		realm = "api"
	}
	for _, tt := range []struct {
		authorization, code string
		scoped              bool
	}{{"Basic dTpw", "", true}, {"Bearer", "invalid_request", false}, {"Bearer bad", "invalid_token", false}, {"Bearer shop", "insufficient_scope", true}} {
		_, denial := g.Check(request(tt.authorization), middleware.Policy(policy), middleware.Requirement{})
		want := map[string]string{"realm": realm, "resource_metadata": cfg.ResourceMetadata, "error": tt.code, "error_description": denial.Description}
		if tt.scoped {
			want["scope"] = policy.Ask().String()
		}
		for name, value := range want {
			if value == "" {
				delete(want, name)
			}
		}
		fields := denial.Header["Www-Authenticate"]
		if len(fields) != 1 {
			t.Fatalf("%s: challenges %q", tt.authorization, fields)
		}
		got, err := parse(fields[0])
		if err != nil || len(got) != 1 || got[0].scheme != "bearer" || len(got[0].params) == 0 || fmt.Sprint(got[0].params) != fmt.Sprint(want) {
			t.Fatalf("%s: %q is read as %v, %v, want %v", tt.authorization, fields[0], got, err, want)
		}
		if (denial.Code == "") != (denial.Description == "") || !within(denial.Code+denial.Description+got[0].params["scope"]) {
			t.Fatalf("%s: code %q, description %q, scope %q", tt.authorization, denial.Code, denial.Description, got[0].params["scope"])
		}
	}
}

// randomText draws up to n characters.
func randomText(random *rand.Rand, n int, alphabet string) string {
	b := make([]byte, random.IntN(n+1))
	for i := range b {
		b[i] = alphabet[random.IntN(len(alphabet))]
	}
	return string(b)
}

// TestChallenges draws realms and policies from the characters that New and scopes accept.
func TestChallenges(t *testing.T) {
	t.Parallel()
	var printable strings.Builder
	for c := byte(' '); c <= '~'; c++ {
		if within(string(c)) {
			printable.WriteByte(c)
		}
	}
	legal := strings.NewReplacer(" ", "", ")", "").Replace(printable.String()) // a policy's token can't end in ")"
	t.Run("6750-3-5 6750-3-6 6750-3-9 6750-3-10 6750-3-11 6750-3-12 6750-3-13 9110-11.2 9110-5.6.2/5.6.4 BUG-203 BUG-206"+
		" every realm, metadata and policy makes one challenge by the grammar, nothing in it twice, escaped or empty", func(t *testing.T) {
		t.Parallel()
		random := rand.New(rand.NewPCG(1, 2))
		for range 1000 {
			cfg := middleware.Config{Realm: randomText(random, 40, printable.String())}
			if random.IntN(2) == 0 {
				cfg.ResourceMetadata = "https://api.example.com/" + randomText(random, 20, alphanumeric+"-._~/?&=,;")
			}
			policy := scopes.Policy{}
			for range random.IntN(4) {
				var tokens []string
				for range random.IntN(4) {
					tokens = append(tokens, "x"+randomText(random, 12, legal))
				}
				policy = policy.Or(scopes.All(tokens...))
			}
			checkChallenges(t, cfg, policy)
		}
	})
}

func FuzzChallenge(f *testing.F) {
	f.Add("", "", "")
	f.Add("api", "", "read")
	f.Add(`a, b="c`, "https://api.example.com/", "read & write | admin")
	f.Add("a, Basic realm=b", "https://api.example.com/?a=b,c", "a,b & c=d | error=x")
	f.Add("\\", "https://[::1]:8080/", "a&b | c(d")
	f.Add("a\r\nSet-Cookie: a=b", "x\x00", "é")
	f.Fuzz(func(t *testing.T, realm, metadata, policy string) {
		cfg := middleware.Config{Realm: realm, ResourceMetadata: metadata}
		_, err := middleware.New(knowing(t), cfg)
		if (err == nil) && !within(realm+metadata) || err != nil && within(realm) && metadata == "" {
			t.Fatalf("New(%+v): %v", cfg, err)
		}
		p, policyErr := scopes.ParsePolicy(policy)
		if err != nil || policyErr != nil {
			return
		}
		checkChallenges(t, cfg, p)
	})
}
