package main

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/bearerguard/bearerguard/verifier"
)

const peerCount = 3

// verdict is what each of the peers says of a token.
type verdict [peerCount]bool

func (v verdict) any() bool { return v != verdict{} }

// comparison holds the verifiers.
type comparison struct {
	seed            uint64
	strict, lenient verify // ours: RFC 9068, and the generic profile
	peers           []peer
}

func newComparison(seed uint64) (*comparison, error) {
	set := publicSet()
	strict, err := ours(set, verifier.RFC9068())
	if err != nil {
		return nil, err
	}
	lenient, err := ours(set, verifier.Generic())
	if err != nil {
		return nil, err
	}
	peers, err := peers(set)
	if err != nil {
		return nil, err
	}
	return &comparison{seed, strict, lenient, peers}, nil
}

// run compares n tokens, on all cores.
func (c *comparison) run(n uint64) *result {
	total := newResult(c.peers)
	var next atomic.Uint64
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			own := newResult(c.peers)
			for i := next.Add(1) - 1; i < n; i = next.Add(1) - 1 {
				c.one(i, own)
			}
			mu.Lock()
			defer mu.Unlock()
			total.add(own)
		})
	}
	wg.Wait()
	return total
}

func (c *comparison) one(number uint64, r *result) {
	d, names := generate(c.seed, number)
	ours := c.lenient
	if d.strict {
		ours = c.strict
	}
	err := ours(d.token)
	var theirs verdict
	for i, p := range c.peers {
		theirs[i] = p.verify(d.token) == nil
	}
	r.count(d, names, err == nil, theirs)
	s := newSample(d.token, d.strict)
	if err == nil {
		if !theirs.any() {
			r.wrong(number, names, "ours alone accepts it", d.token)
		}
		if broken := brokenBy(s); broken != nil {
			r.wrong(number, names, "ours accepts it, and it breaks "+broken.rule+": "+broken.name, d.token)
		}
		return
	}
	class := explain(s, err)
	if class == nil {
		r.wrong(number, names, fmt.Sprintf("ours refuses it, peers %v, and no class explains: %v", theirs, err), d.token)
		return
	}
	r.explained(class, theirs)
}
