// Jwks plays what happens to an issuer's keys, rotation, outage, floods, against this repository's verifier and its
// peers, over HTTP on loopback, and prints what came of it as a Markdown table.
//
//	cd internal/bench && go run ./jwks                 # everything, in some six minutes
//	cd internal/bench && go run ./jwks -only rotation  # the rows with that in their name
//	cd internal/bench && go run ./jwks -peers=false    # ours alone
//
// It exits with 1 if a row of rows.golden is missing or ours doesn't reach what it must.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	deadline    = 15 * time.Minute // of the whole, whatever happens
	tries       = 3                // of a row of ours: the machine may be busy
	oursSettle  = 15 * time.Second // until connections without use are closed, after 10 s
	peersSettle = 3 * time.Second
	stagger     = 100 * time.Millisecond // between the starts of runs that then go on at once
)

func main() {
	only := flag.String("only", "", "play only the rows that have this `text` in their name")
	peers := flag.Bool("peers", true, "play the peers too")
	flag.Parse()
	slog.SetDefault(slog.New(slog.DiscardHandler)) // where peers write
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	missed, err := play(ctx, *only, *peers)
	if err != nil {
		missed = append(missed, err.Error())
	}
	if len(missed) > 0 {
		fmt.Fprintln(os.Stderr, "MISSED:\n"+strings.Join(missed, "\n"))
		os.Exit(1)
	}
}

// play prints the table and returns what is missed in it.
func play(ctx context.Context, only string, peers bool) ([]string, error) {
	p := newProgram(os.Stderr)
	selected := func(name string) bool { return strings.Contains(name, only) }
	list := slices.DeleteFunc(scenarios(), func(s scenario) bool { return !selected(s.name) })
	expected := slices.DeleteFunc(expectedRows(), func(name string) bool { return !selected(name) })
	var results []result
	for i := range libraries {
		if l := &libraries[i]; peers || l.name == oursName {
			found, err := p.playAll(ctx, l, list)
			if err != nil {
				return nil, err
			}
			results = append(results, found...)
		}
	}
	fmt.Printf("%s; %s\n\n", versions(), time.Since(p.began).Round(time.Second))
	return shortcomings(expected, results), writeTable(os.Stdout, list, results)
}

// program plays runs and reports its progress.
type program struct {
	began time.Time
	mu    sync.Mutex
	log   io.Writer
	runs  int
}

func newProgram(log io.Writer) *program { return &program{began: time.Now(), log: log} }

func (p *program) report(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.log, "%4.0fs ", time.Since(p.began).Seconds())
	fmt.Fprintf(p.log, format+"\n", args...)
}

// playAll plays all scenarios with one library, and those again that ours misses. Scenarios that a library can't play
// have a result without figures.
func (p *program) playAll(ctx context.Context, l *library, list []scenario) ([]result, error) {
	results, err := p.playOnce(ctx, l, list)
	for try := 2; try <= tries && err == nil && ctx.Err() == nil; try++ {
		var missed []scenario
		var at []int
		for i, r := range results {
			if len(r.misses) > 0 {
				p.report("%s: %s: %s", l.name, r.scenario, r.judgement())
				missed, at = append(missed, list[i]), append(at, i)
			}
		}
		if len(missed) == 0 {
			break
		}
		var again []result
		again, err = p.playOnce(ctx, l, missed)
		for i, r := range again {
			r.tries = try
			results[at[i]] = r
		}
	}
	return results, err
}

// playOnce plays first what must be alone, one after the other, then all the rest at once.
func (p *program) playOnce(ctx context.Context, l *library, list []scenario) ([]result, error) {
	runs := make([]*run, len(list))
	results := make([]result, len(list))
	for i := range list {
		results[i] = result{scenario: list[i].name, library: l.name}
		if !list[i].played.includes(l) {
			continue
		}
		p.runs++
		r, err := newRun(ctx, strconv.Itoa(p.runs), &list[i], l)
		if err != nil {
			return nil, fmt.Errorf("an endpoint for %s: %w", list[i].name, err)
		}
		defer r.close()
		runs[i] = r
	}
	playing := slices.DeleteFunc(slices.Clone(runs), func(r *run) bool { return r == nil })
	p.playRuns(playing)
	left, err := settle(ctx, playing)
	for i, r := range runs {
		if r != nil {
			results[i] = r.finish(left[r.id])
		}
	}
	return results, err
}

func (p *program) playRuns(runs []*run) {
	one := func(r *run) {
		r.play()
		p.report("%s: %s", r.library.name, r.scenario.name)
	}
	for _, r := range runs {
		if r.scenario.alone {
			one(r)
		}
	}
	var wg sync.WaitGroup
	for _, r := range runs {
		if !r.scenario.alone {
			wg.Go(func() { one(r) })
			r.pause(stagger)
		}
	}
	wg.Wait()
}

// settle gives the goroutines of runs some time to end, and counts those that are left: of ours all must end,
// of peers those that weren't there at first.
func settle(ctx context.Context, runs []*run) (map[string]int, error) {
	limit := time.Now().Add(peersSettle)
	if len(runs) > 0 && runs[0].isOurs() {
		limit = time.Now().Add(oursSettle)
	}
	ticker := time.NewTicker(250 * time.Millisecond)
	defer ticker.Stop()
	for {
		left, err := census()
		if err != nil {
			return nil, err
		}
		settled := !slices.ContainsFunc(runs, func(r *run) bool {
			return left[r.id] > 0 && (r.isOurs() || left[r.id] > r.result.before)
		})
		if settled || time.Now().After(limit) || ctx.Err() != nil {
			return left, nil
		}
		<-ticker.C
	}
}
