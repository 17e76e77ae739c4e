package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

const header = `| scenario | library | key fetches | discovery | peak | ok | failed | p50 | p99 | healed in | goroutines | ours must | verdict |
|---|---|---|---|---|---|---|---|---|---|---|---|---|
`

// writeTable writes the results as Markdown, a scenario's in adjacent lines.
func writeTable(w io.Writer, list []scenario, results []result) error {
	var b strings.Builder
	b.WriteString(header)
	for _, s := range list {
		name := s.name
		for _, l := range libraries {
			for _, r := range results {
				if r.scenario != s.name || r.library != l.name {
					continue
				}
				b.WriteString(r.line(name))
				name = ""
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r result) line(scenario string) string {
	if r.tries == 0 {
		return fmt.Sprintf("| %s | %s | - | - | - | - | - | - | - | - | - |  |  |\n", scenario, r.library)
	}
	return fmt.Sprintf("| %s | %s | %d | %d | %d | %d | %s | %s | %s | %s | %d → %d | %s | %s |\n", scenario, r.library,
		r.traffic.keys, r.traffic.discovery, r.traffic.peak, r.ok, r.failures(), short(r.p50), short(r.p99), r.healing(), r.before, r.after, r.target, r.judgement())
}

func (r result) isOurs() bool { return r.library == oursName }

// failures shows ours as 401 and 503.
func (r result) failures() string {
	if !r.isOurs() {
		return fmt.Sprint(r.failed)
	}
	return fmt.Sprintf("%d × 401, %d × 503", r.refused, r.unavailable)
}

func (r result) healing() string {
	switch {
	case !r.heals:
		return ""
	case r.heal == never:
		return "not seen"
	}
	return fmt.Sprintf("%.1f s", r.heal.Seconds())
}

func (r result) judgement() string {
	switch {
	case !r.isOurs():
		return ""
	case len(r.misses) > 0:
		return "MISSED: " + strings.Join(r.misses, "; ")
	case r.tries > 1:
		return fmt.Sprintf("met (try %d)", r.tries)
	}
	return "met"
}

// short shows three digits or so.
func short(d time.Duration) string {
	switch {
	case d >= time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d >= 10*time.Millisecond:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d >= time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
	}
	return fmt.Sprintf("%d µs", d.Microseconds())
}

// versions says what ran.
func versions() string {
	parts := []string{fmt.Sprintf("%s, %d cores", runtime.Version(), runtime.NumCPU())}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return parts[0]
	}
	for _, l := range libraries {
		for _, dep := range info.Deps {
			if dep.Path == l.module && l.name != oursName {
				parts = append(parts, dep.Path+" "+dep.Version)
			}
		}
	}
	return strings.Join(parts, ", ")
}

// shortcomings lists what keeps the table from being what it must: rows of ours that miss or are missing.
func shortcomings(expected []string, results []result) []string {
	ours := map[string]result{}
	for _, r := range results {
		if r.isOurs() {
			ours[r.scenario] = r
		}
	}
	var list []string
	for _, name := range expected {
		r, ok := ours[name]
		switch {
		case !ok || r.tries == 0:
			list = append(list, name+": missing")
		case len(r.misses) > 0:
			list = append(list, name+": "+r.judgement())
		}
	}
	return list
}
