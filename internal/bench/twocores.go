package main

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bearerguard/bearerguard/internal/bench/mint"
	"github.com/bearerguard/bearerguard/internal/bench/report"
)

// twoCores is the throughput of two goroutines against that of one. As others run on the machine too, a hash, which shares
// nothing, tells in the same rounds what two cores give at most.
func twoCores(bool) ([]report.Row, error) {
	key := mint.NewKey("RS256", mint.KeyID)
	v, err := startOurs(key.Set(), 0)
	if err != nil {
		return nil, err
	}
	tokens := key.Tokens(1000)
	for _, token := range tokens {
		if err := v(token); err != nil {
			return nil, err
		}
	}
	many := func(i int) { v(tokens[i%len(tokens)]) }
	one := func(int) { v(tokens[0]) }
	segment := []byte(tokens[0][strings.LastIndexByte(tokens[0], '.')+1:])
	hash := func(int) {
		if sum := sha256.Sum256(segment); sum[0] == 1 && sum[1] == 2 && sum[2] == 3 && sum[3] == 4 {
			segment[0]++ // never: the hash must be used
		}
	}
	var gains [3][]float64
	for range 5 * rounds {
		for i, call := range []func(int){hash, many, one} {
			alone := throughput(1, call)
			gains[i] = append(gains[i], throughput(2, call)/alone)
		}
	}
	ceiling, ofMany, ofOne := report.Median(gains[0]), report.Median(gains[1]), report.Median(gains[2])
	r := report.Row{
		Name: "cached, two cores, 1000 tokens", Library: report.Ours, Must: "at least 1.8, where the hash gains 2",
		Found: fmt.Sprintf("%.2f × one core (a hash alone: %.2f)", ofMany, ceiling),
	}
	r.AtMost("the hash's gain over ours", min(ceiling, 2)/ofMany, 2/1.8)
	return []report.Row{r, {
		Name: "cached, two cores, the same token", Library: report.Ours, Found: fmt.Sprintf("%.2f × one core", ofOne),
	}}, nil
}

// throughput returns calls per second of n goroutines together.
func throughput(n int, call func(i int)) float64 {
	var calls atomic.Int64
	var stop atomic.Bool
	var wg sync.WaitGroup
	began := time.Now()
	for g := range n {
		wg.Go(func() {
			i := g * 500
			for ; !stop.Load(); i++ {
				call(i)
			}
			calls.Add(int64(i - g*500))
		})
	}
	time.Sleep(15 * time.Millisecond)
	stop.Store(true)
	wg.Wait()
	return float64(calls.Load()) / time.Since(began).Seconds()
}
