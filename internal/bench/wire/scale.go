package main

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/bearerguard/bearerguard/internal/bench/mint"
	"github.com/bearerguard/bearerguard/internal/bench/report"
	"github.com/bearerguard/bearerguard/verifier"
)

// scale is one token at each of many verifiers, as a service with many issuers has them: what each takes, and how fast it is.
func (b *bench) scale(bool) ([]report.Row, error) {
	set, token := b.key.Set(), b.one.token
	var rows []report.Row
	for _, n := range []int{1, 100, 10_000} {
		before := heap()
		verifiers := make([]*verifier.Verifier, n)
		began := time.Now()
		for i := range verifiers {
			var err error
			if verifiers[i], err = verifier.New(verifier.Config{Issuer: mint.Issuer, Audience: []string{mint.Audience}, JWKS: set}); err != nil {
				return nil, err
			}
		}
		took := time.Since(began)
		fresh := (heap() - before) / float64(n) / 1024
		first, err := latency(verifiers, token, 1)
		if err != nil {
			return nil, err
		}
		again, err := latency(verifiers, token, max(1, 20_000/n))
		if err != nil {
			return nil, err
		}
		used := (heap() - before) / float64(n) / 1024
		runtime.KeepAlive(verifiers)
		r := report.Row{
			Name: fmt.Sprintf("scale, %d verifiers", n), Library: report.Ours, Must: "at most 64 KiB each, a hit under 20 µs",
			Found:  fmt.Sprintf("New %s each; first token p50 %s; cached p50 %s p99 %s", report.Short(float64(took)/float64(n)), report.Short(first[0]), report.Short(again[0]), report.Short(again[1])),
			Memory: fmt.Sprintf("%.1f KiB each, %.1f KiB with a token", fresh, used),
		}
		r.AtMost("KiB", used, 64)
		r.AtMost("ns", again[0], 20_000)
		rows = append(rows, r)
	}
	return rows, nil
}

// latency asks all verifiers in turn, some times over, and returns the median and the 99th percentile in ns.
func latency(verifiers []*verifier.Verifier, token string, times int) ([2]float64, error) {
	var took []float64
	for range times {
		for _, v := range verifiers {
			began := time.Now()
			if _, err := v.Verify(context.Background(), token); err != nil {
				return [2]float64{}, err
			}
			took = append(took, float64(time.Since(began)))
		}
	}
	slices.Sort(took)
	return [2]float64{took[len(took)/2], took[len(took)*99/100]}, nil
}

// million sends a million different tokens through a cache of 4096.
func (b *bench) million(bool) ([]report.Row, error) {
	const n, size = 1_000_000, 4096
	key := mint.NewKey("EdDSA", mint.KeyID)
	v, err := verifier.New(verifier.Config{Issuer: mint.Issuer, Audience: []string{mint.Audience}, JWKS: key.Set(), CacheSize: size})
	if err != nil {
		return nil, err
	}
	empty := heap()
	if err := flood(b.ctx, v, key, 0, n/10); err != nil {
		return nil, err
	}
	tenth := heap() - empty
	if err := flood(b.ctx, v, key, n/10, n); err != nil {
		return nil, err
	}
	all := heap() - empty
	runtime.KeepAlive(v)
	r := report.Row{
		Name: "a million tokens, CacheSize 4096", Library: report.Ours, Must: "at most 16 MiB, a sixth more than after 100,000",
		Found:  "all accepted",
		Memory: fmt.Sprintf("%.2f MiB after 100,000, %.2f MiB after all", tenth/(1<<20), all/(1<<20)),
	}
	r.AtMost("MiB", all/(1<<20), 16)
	r.AtMost("growth", all/tenth, 1.17) // maps of a full cache split once in a while
	return []report.Row{r}, nil
}

// flood verifies the tokens from one number to another, on all cores.
func flood(ctx context.Context, v *verifier.Verifier, key *mint.Key, from, to int) error {
	workers := runtime.GOMAXPROCS(0)
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := from + w; i < to && errs[w] == nil; i += workers {
				_, errs[w] = v.Verify(ctx, key.Token(i))
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// heap is what is in use, in bytes.
func heap() float64 {
	runtime.GC()
	runtime.GC() // for what the first one finalized
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}
