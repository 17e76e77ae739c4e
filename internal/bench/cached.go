package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"runtime"
	"strings"

	"github.com/bearerguard/bearerguard/internal/bench/mint"
	"github.com/bearerguard/bearerguard/internal/bench/report"
	"github.com/bearerguard/bearerguard/verifier"
)

// cachedHit is a token that comes again, against the hash of its signature segment.
func cachedHit(bool) ([]report.Row, error) {
	var rows []report.Row
	for _, alg := range algorithms {
		key := mint.NewKey(alg, mint.KeyID)
		v, err := startOurs(key.Set(), 0)
		if err != nil {
			return nil, err
		}
		token, long := key.Token(1), key.TokenOf(2, 2<<10)
		segment := []byte(token[strings.LastIndexByte(token, '.')+1:])
		costs, err := compare(
			&side{name: "SHA-256", call: func() error { sum := sha256.Sum256(segment); runtime.KeepAlive(&sum); return nil }},
			&side{name: "ours", call: func() error { return v(token) }},
			&side{name: "ours, 2 KiB", call: func() error { return v(long) }},
		)
		if err != nil {
			return nil, err
		}
		hash, hit, longHit := costs[0], costs[1], costs[2]
		r := report.Row{
			Name: "cached hit " + alg, Library: report.Ours, Memory: longHit.garbage(),
			Found: fmt.Sprintf("%.2f × SHA-256 (%s), %s; token of %d bytes: %s", hit.ratio, report.Short(hash.ns), report.Short(hit.ns), len(long), report.Short(longHit.ns)),
			Must:  "0 allocs",
		}
		r.AtMost("allocs", hit.allocs+longHit.allocs, 0)
		if alg != "EdDSA" { // of 86 characters too, like ES256
			r.Must = "at most 2.2, 0 allocs"
			r.AtMost("ratio", hit.ratio, 2.2)
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// kept cycles through as many tokens as the cache surely keeps.
func kept(bool) ([]report.Row, error) {
	key := mint.NewKey("EdDSA", mint.KeyID)
	tokens := key.Tokens(100_000)
	var rows []report.Row
	for _, n := range []int{1000, 100_000} {
		hits := 0
		v, err := newOurs(key.Set(), n, verifier.Hooks{Verified: func(_ context.Context, e verifier.VerifyEvent) {
			if e.Cached {
				hits++
			}
		}})
		if err != nil {
			return nil, err
		}
		const cycles = 3
		for i := range (1 + cycles) * n {
			if i == n {
				hits = 0
			}
			if _, err := v.Verify(context.Background(), tokens[i%n]); err != nil {
				return nil, err
			}
		}
		rate := float64(hits) / float64(cycles*n)
		r := report.Row{Name: fmt.Sprintf("cached, kept %d of CacheSize %d", n, n), Library: report.Ours, Found: fmt.Sprintf("hit rate %.4f", rate), Must: "at least 0.999"}
		r.AtMost("rate of misses", 1-rate, 0.001)
		rows = append(rows, r)
	}
	return rows, nil
}

// heapOfTokens fills a cache with tokens of 900 bytes.
func heapOfTokens(bool) ([]report.Row, error) {
	var rows []report.Row
	for alg, n := range map[string]int{"RS256": 4096, "EdDSA": 40_000} {
		key := mint.NewKey(alg, mint.KeyID)
		tokens := make([]string, n)
		for i := range tokens {
			tokens[i] = key.TokenOf(i, 900)
		}
		v, err := newOurs(key.Set(), n, verifier.Hooks{})
		if err != nil {
			return nil, err
		}
		before := heap()
		for _, token := range tokens {
			if _, err := v.Verify(context.Background(), token); err != nil {
				return nil, err
			}
		}
		each := (heap() - before) / float64(n) / 1024
		r := report.Row{Name: "cached, heap of a token of 900 bytes, " + alg, Library: report.Ours, Found: fmt.Sprintf("%.2f KiB each of %d", each, n)}
		if alg == "RS256" {
			r.Must = "at most 1.8 KiB"
			r.AtMost("KiB", each, 1.8)
		}
		runtime.KeepAlive(tokens)
		runtime.KeepAlive(v)
		rows = append(rows, r)
	}
	return rows, nil
}

// heap is what is in use, in bytes.
func heap() float64 {
	runtime.GC()
	runtime.GC() // for what the first one finalized
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}
