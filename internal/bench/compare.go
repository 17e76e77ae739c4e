package main

import (
	"fmt"
	"runtime"
	"syscall"
	"time"

	"github.com/bearerguard/bearerguard/internal/bench/report"
)

const (
	rounds = 15
	slots  = 6                    // of each side in a round, in turn
	slot   = 3 * time.Millisecond // of CPU time, or one call
)

// side is one of the things that are compared.
type side struct {
	name string
	call func() error
	n    int // calls in a slot
}

// cost is that of one call.
type cost struct {
	ns            float64 // CPU time, the collection of its garbage included
	ratio         float64 // to that of the first side, in the same round
	over          float64 // ns more than the first side, in the same round
	allocs, bytes float64
}

// compare measures each side against the first one. The garbage of the others is not in the way then.
func compare(sides ...*side) ([]cost, error) {
	costs := make([]cost, len(sides))
	for i, s := range sides {
		if err := s.calibrate(&costs[i]); err != nil {
			return nil, err
		}
	}
	for i := range costs[1:] {
		pair(sides[0], sides[i+1], &costs[0], &costs[i+1])
	}
	return costs, nil
}

// pair measures two sides: many short slots in turn, the median of the rounds. What else runs on the machine hits both alike.
func pair(first, second *side, of, than *cost) {
	var ns [2][]float64
	var ratios, overs []float64
	for range rounds {
		var spent [2]float64
		for range slots {
			spent[0] += first.slot() / slots
			spent[1] += second.slot() / slots
		}
		ns[0], ns[1] = append(ns[0], spent[0]), append(ns[1], spent[1])
		ratios, overs = append(ratios, spent[1]/spent[0]), append(overs, spent[1]-spent[0])
	}
	of.ns, of.ratio = report.Median(ns[0]), 1
	than.ns, than.ratio, than.over = report.Median(ns[1]), report.Median(ratios), report.Median(overs)
}

// calibrate warms a side up, counts its garbage, and finds how many calls fill a slot.
func (s *side) calibrate(c *cost) error {
	for range 3 {
		if err := s.call(); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	const calls = 50
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range calls {
		s.call()
	}
	runtime.ReadMemStats(&after)
	// As testing.AllocsPerRun does: now and then something else allocates.
	c.allocs, c.bytes = float64((after.Mallocs-before.Mallocs)/calls), float64(after.TotalAlloc-before.TotalAlloc)/calls
	for s.n = 1; ; s.n *= 2 {
		if ns := s.slot() * float64(s.n); ns > float64(slot)/2 {
			return nil
		}
	}
}

// slot returns the CPU time of a call.
func (s *side) slot() float64 {
	began := cpuTime()
	for range s.n {
		s.call()
	}
	return float64(cpuTime()-began) / float64(s.n)
}

// cpuTime is that of this process: others on the machine don't count.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // it has no other argument to be wrong
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// garbage shows allocations of a call.
func (c cost) garbage() string {
	if c.bytes < 1 {
		return "0"
	}
	return fmt.Sprintf("%.0f allocs, %.1f KiB", c.allocs, c.bytes/1024)
}
