// Differential gives the same tokens to this repository's verifier and to golang-jwt v5, go-jose v4 and jwx v2, and prints
// as Markdown where they differ.
//
//	cd internal/bench && go run ./differential              # 200,000 tokens, in some two minutes
//	cd internal/bench && go run ./differential -mutations   # with a table of what was done to the tokens, too
//	cd internal/bench && go run ./differential -seed 7      # other tokens
//
// The tokens are good ones with mutations: of members, JSON texts, encodings, signatures and the whole. Most are signed
// properly behind the mutation, by the issuer's own key, so that it's the parsers that decide. Half are RFC 9068 tokens
// for a verifier with that profile, half are for the generic one.
//
// It exits with 1 if ours accepts a token that all others refuse; if ours accepts one that breaks a rule, by the independent
// reading of sample.go and classes.go; or if ours refuses one for which no rule of conformance.md is found in that way.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"time"
)

func main() {
	n := flag.Uint64("n", 200_000, "`how many` tokens")
	seed := flag.Uint64("seed", 1, "of the tokens")
	details := flag.Bool("mutations", false, "print a table of the mutations too")
	flag.Parse()
	began := time.Now()
	c, err := newComparison(*seed)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	result := c.run(*n)
	fmt.Printf("Seed %d. %s\n\n%s", *seed, result.summary(), result.differences())
	if *details {
		fmt.Printf("\n%s", result.mutations())
	}
	fmt.Fprintf(os.Stderr, "%s\n", time.Since(began).Round(time.Second))
	if bad := result.bad(); len(bad) > 0 {
		fmt.Fprintln(os.Stderr, "MISSED:\n"+strings.Join(bad, "\n"))
		os.Exit(1)
	}
}
