// Package report is the table that the measuring programs print: what was measured, what ours must reach, and whether it does.
package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Ours is the library that must reach something.
const Ours = "bearerguard"

// Row is one measurement of one library.
type Row struct {
	Name    string
	Library string
	Found   string   // what was measured
	Memory  string   // what one call leaves for the garbage collector, or what a process takes
	Must    string   // what ours must reach; "" for what is only shown
	Misses  []string // of ours
	Tries   int      // when it was measured, if not the first time
}

// IsOurs reports whether the row must reach something.
func (r Row) IsOurs() bool { return r.Library == Ours }

// AtMost notes a miss where a value is above what it may be. NaN is above everything.
func (r *Row) AtMost(what string, value, most float64) {
	if !(value <= most) {
		r.Misses = append(r.Misses, fmt.Sprintf("%s %.4g > %.4g", what, value, most))
	}
}

// AtLeast notes a miss where a value is below what it must be. NaN is below everything.
func (r *Row) AtLeast(what string, value, least float64) {
	if !(value >= least) {
		r.Misses = append(r.Misses, fmt.Sprintf("%s %.4g < %.4g", what, value, least))
	}
}

// Verdict is empty for peers.
func (r Row) Verdict() string {
	switch {
	case !r.IsOurs():
		return ""
	case len(r.Misses) > 0:
		return "MISSED: " + strings.Join(r.Misses, "; ")
	case r.Must == "":
		return "shown"
	case r.Tries > 1:
		return fmt.Sprintf("met (try %d)", r.Tries)
	}
	return "met"
}

const head = `| row | library | measured | memory | ours must | verdict |
|---|---|---|---|---|---|
`

// Write writes rows as Markdown; a name that repeats is left out.
func Write(w io.Writer, rows []Row) error {
	var b strings.Builder
	b.WriteString(head)
	last := ""
	for _, r := range rows {
		name := r.Name
		if name == last {
			name = ""
		}
		last = r.Name
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", name, r.Library, r.Found, r.Memory, r.Must, r.Verdict())
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Shortcomings lists what keeps a table from being what it must: rows of ours that miss or are missing.
func Shortcomings(expected []string, rows []Row) []string {
	var list []string
	for _, name := range expected {
		at := slices.IndexFunc(rows, func(r Row) bool { return r.IsOurs() && r.Name == name })
		if at < 0 {
			list = append(list, name+": missing")
		} else if len(rows[at].Misses) > 0 {
			list = append(list, name+": "+rows[at].Verdict())
		}
	}
	return list
}

// Part measures some rows that belong together. Its rows' names begin with its name.
type Part struct {
	Name string
	Run  func(peers bool) ([]Row, error)
}

// tries of a part that ours misses: the machine may be busy.
const tries = 3

// Measure runs a part, and again without the peers as long as ours misses something.
func (p Part) Measure(withPeers bool, log io.Writer) ([]Row, error) {
	rows, err := p.Run(withPeers)
	for try := 2; err == nil && try <= tries && slices.ContainsFunc(rows, func(r Row) bool { return len(r.Misses) > 0 }); try++ {
		var again []Row
		again, err = p.Run(false)
		for i, old := range rows {
			if len(old.Misses) == 0 {
				continue
			}
			fmt.Fprintf(log, "%s: %s\n", old.Name, old.Verdict())
			if at := slices.IndexFunc(again, func(r Row) bool { return r.IsOurs() && r.Name == old.Name }); at >= 0 {
				rows[i] = again[at]
				rows[i].Tries = try
			}
		}
	}
	return rows, err
}

// Play measures the parts that have only in their name, prints their table under a line that versions makes, and returns what
// is missed in it. golden names the rows that ours must have, one a line.
func Play(w, log io.Writer, parts []Part, golden, only string, withPeers bool, versions func() string) ([]string, error) {
	began := time.Now()
	parts = slices.DeleteFunc(slices.Clone(parts), func(p Part) bool { return !strings.Contains(p.Name, only) })
	var rows []Row
	for _, p := range parts {
		found, err := p.Measure(withPeers, log)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.Name, err)
		}
		rows = append(rows, found...)
		fmt.Fprintf(log, "%4.0fs %s\n", time.Since(began).Seconds(), p.Name)
	}
	expected := slices.DeleteFunc(strings.Split(strings.TrimSpace(golden), "\n"), func(name string) bool {
		return !slices.ContainsFunc(parts, func(p Part) bool { return strings.HasPrefix(name, p.Name) })
	})
	fmt.Fprintf(w, "%s; %s\n\n", versions(), time.Since(began).Round(time.Second))
	return Shortcomings(expected, rows), Write(w, rows)
}

// Median of some values.
func Median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// Short shows nanoseconds in three digits.
func Short(ns float64) string {
	switch {
	case ns >= 1e6:
		return fmt.Sprintf("%.3g ms", ns/1e6)
	case ns >= 1e3:
		return fmt.Sprintf("%.3g µs", ns/1e3)
	}
	return fmt.Sprintf("%.3g ns", ns)
}
