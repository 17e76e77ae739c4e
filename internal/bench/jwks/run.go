package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// clock is what ours takes for the time: it can be moved and made to run faster.
type clock struct {
	mu        sync.Mutex
	real, sim time.Time // it was sim at real
	speed     float64
}

func newClock() *clock {
	now := time.Now()
	return &clock{real: now, sim: now, speed: 1}
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sim.Add(time.Duration(float64(time.Since(c.real)) * c.speed))
}

// move sets it forward and lets it run at a speed from there.
func (c *clock) move(d time.Duration, speed float64) {
	sim := c.now().Add(d)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.real, c.sim, c.speed = time.Now(), sim, speed
}

func (c *clock) jump(d time.Duration) { c.move(d, 1) }

// pastFreshness is beyond the freshness of keys that came without Cache-Control, and within any other limit.
const pastFreshness = 15 * time.Minute

// run is one scenario with one library: an endpoint and a verifier of its own.
type run struct {
	*load
	id       string
	scenario *scenario
	library  *library
	endpoint *endpoint
	clock    *clock
	cancel   context.CancelFunc

	ready    chan struct{} // closed when the verifier is made
	verifier tokenVerifier
	startErr error
	err      error // why it couldn't be played

	result  result
	verdict verdict
}

// result is a line of the table.
type result struct {
	scenario, library string
	target            string // ours alone
	traffic           traffic
	ok                int
	refused           int
	unavailable       int
	failed            int
	p50, p99          time.Duration
	heal              time.Duration
	heals             bool // healing is a question here
	before, after     int  // goroutines
	misses            []string
	tries             int
}

// verdict collects what ours must do and didn't.
type verdict struct{ misses []string }

func (v *verdict) want(ok bool, format string, args ...any) {
	if !ok {
		v.misses = append(v.misses, fmt.Sprintf(format, args...))
	}
}

func newRun(ctx context.Context, id string, s *scenario, l *library) (*run, error) {
	e, err := listen()
	if err != nil {
		return nil, err
	}
	r := &run{id: id, scenario: s, library: l, endpoint: e, clock: newClock(), ready: make(chan struct{})}
	ctx, r.cancel = context.WithCancel(ctx)
	r.load = newLoad(ctx, r.verify)
	r.result = result{scenario: s.name, library: l.name, tries: 1}
	if r.isOurs() {
		r.result.target = s.target
	}
	return r, nil
}

func (r *run) isOurs() bool { return r.library.name == oursName }

// play plays the scenario and notes the figures, but for the goroutines that are left.
func (r *run) play() {
	labelled(r.ctx, r.id, func() { r.scenario.play(r, &r.verdict) })
	good := r.good()
	if len(good) == 0 {
		good = r.which(func(sample) bool { return true })
	}
	r.result.traffic = r.endpoint.traffic()
	r.result.p50, r.result.p99 = percentile(good, 0.5), percentile(good, 0.99)
	r.result.ok, r.result.refused, r.result.unavailable = r.count(accepted), r.count(refused), r.count(unavailable)
	r.result.failed = r.count(failed) + r.count(unanswered)
}

// finish judges the run, now that the goroutines are known that it left.
func (r *run) finish(after int) result {
	r.result.after = after
	if r.isOurs() {
		r.verdict.want(r.err == nil, "not played: %v", r.err)
		r.verdict.want(r.ctx.Err() == nil, "interrupted")
		r.verdict.want(after == 0, "%d goroutines left", after)
		r.verdict.want(r.count(failed)+r.count(unanswered) == 0, "%d answers that are neither 200, 401 nor 503 with Retry-After", r.result.failed)
		r.result.misses = r.verdict.misses
	}
	return r.result
}

// close ends what belongs to the run.
func (r *run) close() {
	r.cancel()
	r.endpoint.close()
}

// start makes the verifier as the service starts: a library that fetches first keeps the requests waiting.
// Where it can be set, keys are good for ttl; zero: the default.
func (r *run) start(ttl time.Duration) {
	r.result.before = r.goroutines()
	go func() {
		defer close(r.ready)
		s := setup{issuer: r.endpoint.issuer, jwksURL: r.endpoint.jwksURL(), ttl: ttl, now: r.clock.now}
		r.verifier, r.startErr = r.library.start(r.ctx, s)
	}()
}

// warm makes a verifier that has just fetched the keys, one of which is k, and forgets the traffic of that.
func (r *run) warm(ttl time.Duration, k *signingKey) bool {
	r.start(ttl)
	ctx, cancel := context.WithTimeout(r.ctx, requestTimeout)
	defer cancel()
	if o := r.verify(ctx, k.token(r.endpoint.issuer)); o != accepted {
		r.err = errors.Join(errors.New("it doesn't warm up"), r.startErr, ctx.Err())
		return false
	}
	r.endpoint.forget()
	r.result.before = r.goroutines()
	return true
}

func (r *run) verify(ctx context.Context, token string) outcome {
	select {
	case <-r.ready:
	case <-ctx.Done():
		return failed
	}
	if r.startErr != nil {
		return failed
	}
	err := r.verifier.Verify(ctx, token)
	switch {
	case r.isOurs():
		return classifyOurs(err)
	case err != nil:
		return failed
	}
	return accepted
}

// ours is what can be asked of ours alone; nil for peers.
func (r *run) ours() *ours {
	<-r.ready
	o, _ := r.verifier.(*ours)
	return o
}

// goroutines counts those of this run, less the one that plays it.
func (r *run) goroutines() int {
	found, err := census()
	r.err = errors.Join(r.err, err)
	return max(0, found[r.id]-1)
}

// expire makes the keys of ours expire now. Those of peers expire by themselves, if ever.
func (r *run) expire() {
	if r.isOurs() {
		r.clock.jump(pastFreshness)
	}
}

// heal notes how long after an event the good requests were accepted again.
func (r *run) heal(since time.Time) time.Duration {
	r.result.heals, r.result.heal = true, healed(since, r.goodSince(since))
	return r.result.heal
}

// pause lets time go by without a load.
func (r *run) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.ctx.Done():
	}
}

func (r *run) tokens(k *signingKey) func(int) string { return k.tokens(r.endpoint.issuer, 20) }
