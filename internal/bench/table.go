package main

import (
	_ "embed"
	"fmt"
	"io"
	"strings"
)

//go:embed rows.golden
var golden string

// expectedRows are the names of the rows that ours must have.
func expectedRows() []string { return strings.Split(strings.TrimSpace(golden), "\n") }

// row is one measurement of one library.
type row struct {
	name    string
	library string
	found   string // what was measured
	memory  string
	must    string   // what ours must reach; "" for what is only shown
	misses  []string // of ours
	tries   int
}

func (r row) isOurs() bool { return r.library == oursName }

// demand notes a miss where a value is above what it must be at most. NaN is above everything.
func (r *row) demand(what string, value, most float64) {
	if !(value <= most) {
		r.misses = append(r.misses, fmt.Sprintf("%s %.4g > %.4g", what, value, most))
	}
}

func (r row) verdict() string {
	switch {
	case !r.isOurs():
		return ""
	case len(r.misses) > 0:
		return "MISSED: " + strings.Join(r.misses, "; ")
	case r.must == "":
		return "shown"
	case r.tries > 1:
		return fmt.Sprintf("met (try %d)", r.tries)
	}
	return "met"
}

const tableHead = `| row | library | measured | garbage | ours must | verdict |
|---|---|---|---|---|---|
`

// writeTable writes rows as Markdown; a name that repeats is left out.
func writeTable(w io.Writer, rows []row) error {
	var b strings.Builder
	b.WriteString(tableHead)
	last := ""
	for _, r := range rows {
		name := r.name
		if name == last {
			name = ""
		}
		last = r.name
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", name, r.library, r.found, r.memory, r.must, r.verdict())
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// shortcomings lists what keeps the table from being what it must: rows of ours that miss or are missing.
func shortcomings(expected []string, rows []row) []string {
	ours := map[string]row{}
	for _, r := range rows {
		if r.isOurs() {
			ours[r.name] = r
		}
	}
	var list []string
	for _, name := range expected {
		if r, there := ours[name]; !there {
			list = append(list, name+": missing")
		} else if len(r.misses) > 0 {
			list = append(list, name+": "+r.verdict())
		}
	}
	return list
}

// garbage shows allocations of a call.
func (c cost) garbage() string {
	if c.bytes < 1 {
		return "0"
	}
	return fmt.Sprintf("%.0f allocs, %.1f KiB", c.allocs, c.bytes/1024)
}

// short shows nanoseconds in three digits.
func short(ns float64) string {
	switch {
	case ns >= 1e6:
		return fmt.Sprintf("%.3g ms", ns/1e6)
	case ns >= 1e3:
		return fmt.Sprintf("%.3g µs", ns/1e3)
	}
	return fmt.Sprintf("%.3g ns", ns)
}
