// Command conformance tells which rule of the RFCs, and which case of what has gone wrong for others, is proven by which test.
//
//	go run ./internal/conformance
//
// It runs all tests of this module and looks for the IDs, whole, in the names of those that passed. A rule that no name
// carries must stand, with a reason, in exceptions.md, a case in cases.md. The rules are ../shared/conformance.md, the
// cases ../shared/bugs/cases.jsonl, beside the repository.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

func main() {
	if err := run(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

func run(out io.Writer) error {
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return fmt.Errorf("go list: %w", err)
	}
	dir := strings.TrimSpace(string(root))
	var files [4]string
	for i, path := range []string{"../shared/conformance.md", "internal/conformance/exceptions.md", "../shared/bugs/cases.jsonl", "internal/conformance/cases.md"} {
		text, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(path)))
		if err != nil {
			return err
		}
		files[i] = string(text)
	}
	cases, err := parseCases(files[2])
	if err != nil {
		return err
	}
	passed, err := runTests(dir)
	if err != nil {
		return err
	}
	var errs []error
	var summaries []string
	for _, l := range []ledger{
		{"rules", "exceptions.md", "excepted", parseRules(files[0]), parseExceptions(files[1])},
		{"cases", "cases.md", "listed", cases, parseExceptions(files[3])},
	} {
		summary, err := l.report(out, passed)
		summaries, errs = append(summaries, summary), append(errs, err)
	}
	fmt.Fprintf(out, "\n%s\n", strings.Join(summaries, "\n"))
	return errors.Join(errs...)
}

// rule is one line of conformance.md that a test can prove, or a case, which has no section.
type rule struct{ section, id string }

var (
	heading = regexp.MustCompile(`^## ([A-Z])\. `)
	row     = regexp.MustCompile(`^\| (\d+) \|`)
	// An ID ends where its level, its section or its dash begins; "code" and "cfg" stand before the second dash at the latest.
	line = regexp.MustCompile(`^- (\d\S*(?: / \S+)?|[A-Z][A-Za-z]*-\S+|OIDCD?-\S+) (?:— )?([^—]*)`)
	mark = regexp.MustCompile(`\b(code|cfg)\b`)
)

func parseRules(text string) (rules []rule) {
	section := ""
	for l := range strings.Lines(text) {
		if m := heading.FindStringSubmatch(l); m != nil {
			section = m[1]
		}
		if m := row.FindStringSubmatch(l); m != nil && section == "Q" {
			rules = append(rules, rule{"Q", "Q-" + m[1]})
		}
		if m := line.FindStringSubmatch(l); m != nil && section < "Q" && mark.MatchString(m[2]) {
			rules = append(rules, rule{section, m[1]})
		}
	}
	return rules
}

// parseCases reads one JSON object a line.
func parseCases(text string) (cases []rule, err error) {
	for l := range strings.Lines(text) {
		var c struct{ ID string }
		if err := json.Unmarshal([]byte(l), &c); err != nil || c.ID == "" {
			return nil, fmt.Errorf("cases.jsonl, line %d: no id (%v)", len(cases)+1, err)
		}
		cases = append(cases, rule{id: c.ID})
	}
	return cases, nil
}

// exceptions are by ID, or by "section F" for a whole section that is not built yet.
type exceptions map[string]string

var exception = regexp.MustCompile("^- `?([^`:]+)`?: (.+)")

func parseExceptions(text string) exceptions {
	e := exceptions{}
	for l := range strings.Lines(text) {
		if m := exception.FindStringSubmatch(l); m != nil {
			e[m[1]] = strings.TrimSpace(m[2])
		}
	}
	return e
}

// runTests returns the names of all tests that passed, as "package.Test/sub_test".
func runTests(dir string) (passed []string, err error) {
	cmd := exec.Command("go", "test", "-json", "./...")
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e struct{ Action, Package, Test, Output string }
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			continue
		}
		switch {
		case e.Action == "pass" && e.Test != "":
			passed = append(passed, e.Package+"."+e.Test)
		case e.Action == "fail":
			fmt.Fprintf(os.Stderr, "failed: %s %s\n", e.Package, e.Test)
		}
	}
	if err := errors.Join(lines.Err(), cmd.Wait()); err != nil {
		return nil, fmt.Errorf("go test: %w", err)
	}
	return passed, nil
}

// cites reports whether a test's name carries an ID whole: 6750-3-1 is not in 6750-3-12, nor in 6750-3-1-2.
func cites(name, id string) bool {
	const inside = `[A-Za-z0-9.-]`
	id = strings.ReplaceAll(id, " ", "_")
	for rest, from := name, 0; ; {
		i := strings.Index(rest[from:], id)
		if i < 0 {
			return false
		}
		start, end := from+i, from+i+len(id)
		before := start == 0 || !regexp.MustCompile(inside).MatchString(rest[start-1:start])
		after := end == len(rest) || !regexp.MustCompile(inside).MatchString(rest[end:end+1])
		if before && after {
			return true
		}
		from = end
	}
}

// ledger is what has to be proven, and what stands in a file instead, by the word for that.
type ledger struct {
	what, file, word string
	rules            []rule
	exceptions       exceptions
}

// report lists who proves what. The error names everything that nobody does, and every exception that is none.
func (l ledger) report(out io.Writer, passed []string) (summary string, err error) {
	cited, excepted := 0, 0
	used := map[string]bool{}
	var errs []error
	for _, r := range l.rules {
		tests := slices.DeleteFunc(slices.Clone(passed), func(name string) bool { return !cites(name, r.id) })
		reason, byID := l.exceptions[r.id]
		if !byID {
			reason = l.exceptions["section "+r.section]
		}
		switch {
		case len(tests) > 0 && byID:
			errs = append(errs, fmt.Errorf("%s is proven by %s: take it out of %s", r.id, tests[0], l.file))
		case len(tests) > 0:
			cited++
			fmt.Fprintf(out, "%s\n", r.id)
			for _, name := range tests[:min(3, len(tests))] {
				fmt.Fprintf(out, "\t%s\n", name)
			}
			if len(tests) > 3 {
				fmt.Fprintf(out, "\tand %d more\n", len(tests)-3)
			}
		case reason != "":
			excepted++
			used[r.id], used["section "+r.section] = byID, used["section "+r.section] || !byID
			fmt.Fprintf(out, "%s\n\t%s: %s\n", r.id, l.word, reason)
		default:
			errs = append(errs, fmt.Errorf("%s: no test carries its ID and %s has no reason", r.id, l.file))
		}
	}
	for id := range l.exceptions {
		if !used[id] {
			errs = append(errs, fmt.Errorf("%s names %s, which is none of the %s or needs no reason", l.file, id, l.what))
		}
	}
	summary = fmt.Sprintf("%d %s: %d cited, %d %s, %d missing", len(l.rules), l.what, cited, excepted, l.word, len(l.rules)-cited-excepted)
	return summary, errors.Join(errs...)
}
