// Bench measures what one verification costs, this repository's verifier and guard beside their peers', in one process,
// and prints it as a Markdown table.
//
//	cd internal/bench && go run .                # everything, in some three minutes
//	cd internal/bench && go run . -only cached   # the parts with that in their name
//	cd internal/bench && go run . -peers=false   # ours alone
//
// It exits with 1 if a row of rows.golden is missing or ours doesn't reach what it must.
package main

import (
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

const (
	deadline = 9 * time.Minute // of the whole, whatever happens
	tries    = 3               // of a part that ours misses: the machine may be busy
)

// part measures some rows that belong together. Its rows' names begin with its name.
type part struct {
	name string
	run  func(peers bool) ([]row, error)
}

var parts = []part{
	{"uncached", uncached},
	{"cached hit", cachedHit},
	{"cached, two cores", twoCores},
	{"cached, kept", kept},
	{"cached, heap", heapOfTokens},
	{"middleware", guards},
	{"refused", refused},
	{"flood of headers", headerFlood},
	{"spellings", spellings},
}

func main() {
	only := flag.String("only", "", "run only the parts that have this `text` in their name")
	withPeers := flag.Bool("peers", true, "measure the peers too")
	flag.Parse()
	slog.SetDefault(slog.New(slog.DiscardHandler)) // where peers write
	time.AfterFunc(deadline, func() {
		fmt.Fprintln(os.Stderr, "not done within", deadline)
		os.Exit(1)
	})
	missed, err := bench(os.Stdout, os.Stderr, *only, *withPeers)
	if err != nil {
		missed = append(missed, err.Error())
	}
	if len(missed) > 0 {
		fmt.Fprintln(os.Stderr, "MISSED:\n"+strings.Join(missed, "\n"))
		os.Exit(1)
	}
}

// bench prints the table and returns what is missed in it.
func bench(w, log io.Writer, only string, withPeers bool) ([]string, error) {
	began := time.Now()
	var rows []row
	for _, p := range parts {
		if !strings.Contains(p.name, only) {
			continue
		}
		found, err := p.measure(withPeers, log)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
		rows = append(rows, found...)
		fmt.Fprintf(log, "%4.0fs %s\n", time.Since(began).Seconds(), p.name)
	}
	expected := slices.DeleteFunc(expectedRows(), func(name string) bool {
		return !slices.ContainsFunc(parts, func(p part) bool { return strings.Contains(p.name, only) && strings.HasPrefix(name, p.name) })
	})
	fmt.Fprintf(w, "%s; %s\n\n", versions(), time.Since(began).Round(time.Second))
	return shortcomings(expected, rows), writeTable(w, rows)
}

// measure runs a part, and again without the peers as long as ours misses something.
func (p part) measure(withPeers bool, log io.Writer) ([]row, error) {
	rows, err := p.run(withPeers)
	for try := 2; err == nil && try <= tries && slices.ContainsFunc(rows, func(r row) bool { return len(r.misses) > 0 }); try++ {
		var again []row
		again, err = p.run(false)
		for i, old := range rows {
			if len(old.misses) == 0 {
				continue
			}
			fmt.Fprintf(log, "%s: %s\n", old.name, old.verdict())
			if at := slices.IndexFunc(again, func(r row) bool { return r.isOurs() && r.name == old.name }); at >= 0 {
				rows[i] = again[at]
				rows[i].tries = try
			}
		}
	}
	return rows, err
}

// versions says what ran.
func versions() string {
	list := []string{fmt.Sprintf("%s, %d cores", runtime.Version(), runtime.NumCPU())}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return list[0]
	}
	named := []string{"github.com/MicahParks/keyfunc/v3", "github.com/labstack/echo/v4", "github.com/labstack/echo-jwt/v4", "github.com/gin-gonic/gin"}
	for _, l := range peers {
		named = append(named, l.module)
	}
	for _, dep := range info.Deps {
		if slices.Contains(named, dep.Path) {
			list = append(list, dep.Path+" "+dep.Version)
		}
	}
	return strings.Join(list, ", ")
}
