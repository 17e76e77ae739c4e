package main

import (
	"io"
	"strings"
	"testing"
)

func TestIDsAreMatchedWhole(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, id string
		want     bool
	}{
		{"p.TestX/6750-3-1_no_credentials", "6750-3-1", true},
		{"p.TestX/6750-3-12_and_6750-3-1", "6750-3-1", true},
		{"p.TestX/6750-3-12_charset", "6750-3-1", false},
		{"p.TestX/6750-3.1-1", "6750-3-1", false},
		{"p.TestX/16750-3-1", "6750-3-1", false},
		{"p.TestX/9110-15.5.2_/_15.5.4_statuses", "9110-15.5.2 / 15.5.4", true},
		{"p.TestX/Q-1_no_credentials", "Q-1", true},
		{"p.TestX/Q-16_preflight", "Q-1", false},
	} {
		if got := cites(tt.name, tt.id); got != tt.want {
			t.Errorf("%q in %q: %v", tt.id, tt.name, got)
		}
	}
}

const document = `## A. One
- 6749-7-1 MUST §7 code — validate
- 6749-10.3-1 MUST §10.3 ops/code — confidential
- 6750-5.2-1 MUST §5.2 ops — TLS, not code
- 6750-2.1-2 — §2.1 code — b64token
- OIDC-10.1.1 — OIDC Core §10.1.1 code — kid
- 9110-15.5.2 / 15.5.4 — code — statuses
## F. Later
- 7662-2.1-1 MUST §2.1 code — POST
## Q. Matrix
| 1 | none | 401 |
`

func TestReport(t *testing.T) {
	t.Parallel()
	rules := parseRules(document)
	var ids []string
	for _, r := range rules {
		ids = append(ids, r.id)
	}
	if got := strings.Join(ids, ","); got != "6749-7-1,6749-10.3-1,6750-2.1-2,OIDC-10.1.1,9110-15.5.2 / 15.5.4,7662-2.1-1,Q-1" {
		t.Fatalf("rules %s", got)
	}
	passed := []string{"p.T/6749-7-1", "p.T/6750-2.1-2_x", "p.T/OIDC-10.1.1", "p.T/9110-15.5.2_/_15.5.4", "p.T/Q-1"}
	except := "- `6749-10.3-1`: nothing to test\n- `section F`: not built yet\n"
	check := func(except string, passed []string) (string, error) {
		return ledger{"rules", "exceptions.md", "excepted", rules, parseExceptions(except)}.report(io.Discard, passed)
	}
	if summary, err := check(except, passed); err != nil || summary != "7 rules: 5 cited, 2 excepted, 0 missing" {
		t.Error(summary, err)
	}
	for name, tt := range map[string]struct {
		except string
		passed []string
	}{
		"a rule that nobody cites":   {except, passed[1:]},
		"an exception that is stale": {except + "- `Q-1`: why\n", passed},
		"an exception to no rule":    {except + "- `1-1`: why\n", passed},
	} {
		if _, err := check(tt.except, tt.passed); err == nil {
			t.Errorf("%s passes", name)
		}
	}
}

func TestReportOfCases(t *testing.T) {
	t.Parallel()
	cases, err := parseCases("{\"id\": \"BUG-001\", \"topic\": \"x\"}\n{\"id\": \"BUG-014\"}\n{\"id\": \"BUG-140\"}\n")
	if err != nil || len(cases) != 3 {
		t.Fatal(cases, err)
	}
	for _, bad := range []string{"{\"id\": \"BUG-001\"}\nx\n", "{\"ID2\": \"BUG-001\"}\n", "\n"} {
		if cases, err := parseCases(bad); err == nil {
			t.Errorf("%q gives %v", bad, cases)
		}
	}
	for _, tt := range []struct {
		name, listed, passed string
		want                 string // "": an error
	}{
		{"all are cited or listed", "- BUG-140: no such option", "p.T/BUG-014_an_array p.T/BUG-001_BUG-0140_a_string", "3 cases: 2 cited, 1 listed, 0 missing"},
		{"one is neither", "", "p.T/BUG-014 p.T/BUG-001", ""},
		{"one is cited in part", "- BUG-140: no such option", "p.T/BUG-0140 p.T/BUG-001", ""},
		{"one is both", "- BUG-140: no such option", "p.T/BUG-001 p.T/BUG-014 p.T/BUG-140", ""},
		{"one that is listed is no case", "- BUG-140: no such option\n- BUG-999: why", "p.T/BUG-001 p.T/BUG-014", ""},
		{"one is listed without a reason", "- BUG-140:", "p.T/BUG-001 p.T/BUG-014", ""},
	} {
		l := ledger{"cases", "cases.md", "listed", cases, parseExceptions(tt.listed)}
		if summary, err := l.report(io.Discard, strings.Fields(tt.passed)); (err == nil) != (tt.want != "") || err == nil && summary != tt.want {
			t.Errorf("%s: %s, %v", tt.name, summary, err)
		}
	}
}
