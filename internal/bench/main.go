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
	_ "embed"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/bearerguard/bearerguard/internal/bench/report"
)

const deadline = 9 * time.Minute // of the whole, whatever happens

//go:embed rows.golden
var golden string

var parts = []report.Part{
	{Name: "uncached", Run: uncached},
	{Name: "cached hit", Run: cachedHit},
	{Name: "cached, two cores", Run: twoCores},
	{Name: "cached, kept", Run: kept},
	{Name: "cached, heap", Run: heapOfTokens},
	{Name: "middleware", Run: guards},
	{Name: "refused", Run: refused},
	{Name: "flood of headers", Run: headerFlood},
	{Name: "spellings", Run: spellings},
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
	missed, err := report.Play(os.Stdout, os.Stderr, parts, golden, *only, *withPeers, versions)
	if err != nil {
		missed = append(missed, err.Error())
	}
	if len(missed) > 0 {
		fmt.Fprintln(os.Stderr, "MISSED:\n"+strings.Join(missed, "\n"))
		os.Exit(1)
	}
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
