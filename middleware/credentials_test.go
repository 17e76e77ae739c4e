package middleware_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/bearerguard/bearerguard/middleware"
	"github.com/bearerguard/bearerguard/verifier"
	"github.com/bearerguard/bearerguard/verifier/verifiertest"
)

// reader is a guard that tells which token it read.
type reader struct {
	*middleware.Guard
	token string // "": none
	asked int
}

func newReader(t testing.TB) *reader {
	r := &reader{}
	r.Guard = newGuard(t, verifyFunc(func(_ context.Context, token string) (*verifier.Claims, error) {
		r.token = token
		r.asked++
		return nil, verifier.ErrSignature
	}), middleware.Config{})
	return r
}

// TestCredentials is the grammar alone; what the client gets is in the table of package conformance.
func TestCredentials(t *testing.T) {
	t.Parallel()
	everything := "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~+/"
	longest := strings.Repeat("a", 17<<10)
	own := newGuard(t, verifiertest.NewIssuer(t).Verifier(), middleware.Config{}) // it leaves the characters to the Verifier
	const (
		foreign   = 401 // without a code
		malformed = 400
	)
	for _, tt := range []struct {
		name   string
		fields []string
		token  string // that is read; "": none, then
		status int
	}{
		{"6750-2.1-2 every character of a b64token, and padding", []string{"Bearer " + everything + "=="}, everything + "==", 0},
		{"6750-2.1-3 the token keeps its case", []string{"bEaReR aBc"}, "aBc", 0},
		{"BUG-194 many spaces", []string{"Bearer          a"}, "a", 0},
		{"one character", []string{"Bearer a"}, "a", 0},
		{"the longest token that is looked at", []string{"Bearer " + longest}, longest, 0},
		{"no field", nil, "", foreign},
		{"BUG-195 an empty field", []string{""}, "", foreign},
		{"spaces alone", []string{"   "}, "", foreign},
		{"a space before the scheme", []string{" Bearer a"}, "", foreign},
		{"a longer scheme", []string{"Bearer2 a"}, "", foreign},
		{"a shorter scheme", []string{"Beare a"}, "", foreign},
		{"a Kelvin sign is no K", []string{"To\u212aen a"}, "", foreign},
		{"a foreign scheme that is quoted", []string{`"Bearer" a`}, "", foreign},
		{"Bearer in a quoted string", []string{`Digest a="x, Bearer b"`}, "", foreign},
		{"Bearer in a quoted string, behind an escaped quote", []string{`Digest a="x\", Bearer b"`}, "", foreign},
		{"Bearer in a quoted string, behind an escaped backslash", []string{`Digest a="x\\", Bearer b`}, "", malformed},
		{"Bearer in a quoted string without an end", []string{`Digest a="x, Bearer b`}, "", foreign},
		{"a parameter that is called Bearer", []string{`Digest a="x", bearer="b"`}, "", foreign},
		{"a parameter that is called Bearer, with spaces", []string{`Digest a=x , bearer = b`}, "", foreign},
		{"a parameter that begins with Bearer", []string{`Digest a=x, bearers b`}, "", foreign},
		{"Bearer behind a foreign scheme and a space", []string{"Basic Bearer a"}, "", foreign},
		{"Bearer behind a foreign scheme and a semicolon", []string{"Basic dTpw; Bearer a"}, "", foreign},
		{"BUG-196 Bearer behind a comma", []string{"Basic dTpw, Bearer a"}, "", malformed},
		{"Bearer behind a comma without a space", []string{"Basic dTpw,bearer a"}, "", malformed},
		{"Bearer behind commas and tabs", []string{"Basic dTpw ,\t,\tBEARER a"}, "", malformed},
		{"Bearer at the end, behind a comma", []string{"Basic dTpw, Bearer"}, "", malformed},
		{"Bearer behind an escaped quote that is not in quotes", []string{`Basic \", Bearer a`}, "", foreign},
		{"9110-11.6.2 BUG-196 two fields", []string{"Bearer a", "Bearer b"}, "", malformed},
		{"two equal fields", []string{"Bearer a", "Bearer a"}, "", malformed},
		{"two empty fields", []string{"", ""}, "", malformed},
		{"two foreign fields", []string{"Basic a", "Digest b"}, "", malformed},
		{"three fields", []string{"Bearer a", "", "Basic b"}, "", malformed},
		{"BUG-195 the scheme alone", []string{"Bearer"}, "", malformed},
		{"the scheme and a space", []string{"Bearer "}, "", malformed},
		{"the scheme and a comma", []string{"Bearer, Bearer a"}, "", malformed},
		{"BUG-194 a tab for the space", []string{"Bearer\ta"}, "", malformed},
		{"a tab behind the space", []string{"Bearer \ta"}, "", malformed},
		{"a no-break space", []string{"Bearer\u00a0a"}, "", malformed},
		{"a line fold", []string{"Bearer\r\n a"}, "", malformed},
		{"a NUL", []string{"Bearer a\x00"}, "", malformed},
		{"a space behind the token", []string{"Bearer a "}, "", malformed},
		{"two tokens", []string{"Bearer a b"}, "", malformed},
		{"two tokens and a comma", []string{"Bearer a,b"}, "", malformed},
		{"padding alone", []string{"Bearer ="}, "", malformed},
		{"padding before the token", []string{"Bearer =a"}, "", malformed},
		{"padding inside", []string{"Bearer a=a"}, "", malformed},
		{"a percent sign", []string{"Bearer a%20b"}, "", malformed},
		{"a letter that is not ASCII", []string{"Bearer \u00e9"}, "", malformed},
		{"the scheme twice", []string{"Bearer Bearer a"}, "", malformed},
		{"a slash for the space, which a b64token could begin with", []string{"Bearer/a"}, "", malformed},
		{"a foreign field that is too long to be looked at", []string{"Basic " + longest + ", Bearer a"}, "", foreign},
		{"an equals sign for the space", []string{"Bearer=a"}, "", malformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := newReader(t)
			_, denial := g.Check(request(tt.fields...))
			if g.token != tt.token || (g.asked == 1) != (tt.token != "") {
				t.Errorf("the token read is %q, want %q; the TokenVerifier was asked %d times", g.token, tt.token, g.asked)
			}
			if code := map[int]string{malformed: "invalid_request"}[tt.status]; tt.token == "" && (denial.Status != tt.status || denial.Code != code) {
				t.Errorf("status %d, code %q, want %d, %q", denial.Status, denial.Code, tt.status, code)
			}
			if _, other := own.Check(request(tt.fields...)); other.Status != denial.Status || other.Code != denial.Code {
				t.Errorf("before a Verifier: status %d, code %q, want %d, %q", other.Status, other.Code, denial.Status, denial.Code)
			}
		})
	}
}

func TestTooLong(t *testing.T) {
	t.Parallel()
	for name, field := range map[string]string{
		"one byte too long": "Bearer " + strings.Repeat("a", 17<<10+1),
		"a megabyte":        "Bearer " + strings.Repeat("a", 1<<20),
		"a long list":       "Bearer " + strings.Repeat("a,", 1<<20),
	} {
		g := newReader(t)
		if _, denial := g.Check(request(field)); g.asked != 0 || denial.Status != 401 || !errors.Is(denial.Err, verifier.ErrMalformed) {
			t.Errorf("%s: status %d, error %v, the TokenVerifier was asked %d times", name, denial.Status, denial.Err, g.asked)
		}
	}
}

// wellFormed is RFC 6750 section 2.1, with the scheme of RFC 9110 section 11.1, written apart from the package.
var wellFormed = regexp.MustCompile(`^[Bb][Ee][Aa][Rr][Ee][Rr] +([-A-Za-z0-9._~+/]+=*)$`)

func FuzzAuthorization(f *testing.F) {
	for _, s := range []string{
		"", "Bearer", "Bearer ", "Bearer a", "bearer  a.b.c==", "Bearer a, Bearer b", "Basic dTpw, Bearer a", "Basic dTpw", `Digest a="x\", Bearer b", c=d`,
		"Bearer\ta", "Bearer a=b", "Bearer \xff", ",Bearer a", `"\`, "Bearer=a", "Bearer/a", "Digest a=b, bearer=c", strings.Repeat("Bearer a,", 100),
	} {
		f.Add(s, "", false)
		f.Add(s, "Bearer b", true)
	}
	f.Fuzz(func(t *testing.T, field, second string, two bool) {
		fields := []string{field}
		if two {
			fields = append(fields, second)
		}
		want := ""
		if m := wellFormed.FindStringSubmatch(field); m != nil && !two && len(m[1]) <= 17<<10 {
			want = m[1]
		}
		for _, optional := range []bool{false, true} {
			g := newReader(t)
			r := &http.Request{Header: http.Header{"Authorization": fields}}
			grant, denial := g.Check(r)
			if optional {
				g.token, g.asked = "", 0
				grant, denial = g.CheckOptional(r)
			}
			if g.token != want {
				t.Fatalf("%q: the token read is %q, want %q", fields, g.token, want)
			}
			if (strings.Contains(field, ",") || two) && g.asked != 0 {
				t.Fatalf("%q: a list was read", fields)
			}
			if denial == nil || grant.Request != nil || denial.Status != 400 && denial.Status != 401 || two && denial.Status != 400 {
				t.Fatalf("%q: Check = %+v, %+v", fields, grant, denial)
			}
			rec := httptest.NewRecorder()
			denial.ServeHTTP(rec, r)
			if challenges, err := parse(rec.Header().Get("WWW-Authenticate")); err != nil || len(challenges) != 1 {
				t.Fatalf("%q: challenge %q: %v", fields, rec.Header(), err)
			}
		}
	})
}
