package main

import (
	"context"
	"sync"
	"time"
)

// Each function named play... plays one scenario, then says what ours must have reached in it. Other programs share the
// machine, so that durations are judged with slack, and "nobody waits" as "fewer than one in a hundred": where requests
// do wait for a fetch of 20 ms, more than that do.

const (
	prompt   = 50 * time.Millisecond // without waiting for a fetch, on a busy machine
	shortTTL = time.Second           // of peers' keys, where they must expire
)

// wantFast wants fewer than one in a hundred to take longer than a limit; one in any case may.
func (v *verdict) wantFast(who string, samples []sample, limit time.Duration) {
	n := 0
	for _, s := range samples {
		if s.took > limit {
			n++
		}
	}
	v.want(n <= max(1, len(samples)/100), "%d of %d %s took longer than %v", n, len(samples), who, limit)
}

// wantAll wants all good requests accepted.
func (v *verdict) wantAll(good []sample) {
	n := 0
	for _, s := range good {
		if s.outcome != accepted {
			n++
		}
	}
	v.want(n == 0, "%d of %d good requests failed", n, len(good))
}

func slowest(samples []sample) time.Duration { return percentile(samples, 1) }

func playCold(r *run, v *verdict) {
	a := newKey("a")
	r.endpoint.publish(a)
	tokens := r.tokens(a)
	r.start(0)
	r.burst(1000, tokens)
	r.wait()
	t := r.endpoint.traffic()
	v.want(t.keys == 1, "%d key-set fetches", t.keys)
	v.want(t.perURL <= 1, "%d requests for one discovery URL", t.perURL)
	v.wantAll(r.good())
}

func playUnknownKids(r *run, v *verdict) {
	a := newKey("a")
	r.endpoint.publish(a)
	if !r.warm(0, a) {
		return
	}
	tokens, flood := r.tokens(a), madeUp(r.endpoint.issuer, 1000)
	calm := newLoad(r.ctx, r.load.verify)
	calm.pace(200, time.Second, tokens, false, nil)
	calm.wait()
	var wg sync.WaitGroup
	wg.Go(func() { r.pace(1000, time.Second, flood, true, nil) })
	r.pace(200, time.Second, tokens, false, nil)
	wg.Wait()
	r.wait()
	t := r.endpoint.traffic()
	v.want(t.keys <= 4, "%d fetches", t.keys)
	v.wantAll(r.good())
	v.wantFast("good requests", r.good(), max(latency, 5*percentile(calm.good(), 0.99)))
	v.want(r.count(refused) == 1000, "%d of 1000 made-up keys refused", r.count(refused))
}

func playBadSignatures(r *run, v *verdict) {
	a := newKey("a")
	r.endpoint.publish(a)
	if !r.warm(0, a) {
		return
	}
	r.pace(1000, time.Second, newKey("a").tokens(r.endpoint.issuer, 1000), true, nil)
	r.wait()
	t := r.endpoint.traffic()
	v.want(t.keys <= 4, "%d fetches", t.keys)
	v.want(r.count(refused) == 1000, "%d of 1000 refused", r.count(refused))
	v.wantFast("requests", r.which(func(sample) bool { return true }), latency)
}

func playExpiry(r *run, v *verdict) {
	const (
		speed       = 300 // of the clock: a life of ten minutes takes two seconds
		period      = 12 * time.Second
		least, most = 432 * time.Second, 528 * time.Second // 80 % of 10 minutes +- 10 %, when a refresh is due
	)
	a := newKey("a")
	r.endpoint.publish(a)
	if !r.warm(shortTTL, a) {
		return
	}
	if r.isOurs() {
		r.clock.move(0, speed)
	}
	r.pace(200, period, r.tokens(a), false, nil)
	r.wait()
	t := r.endpoint.traffic()
	v.want(t.keys >= int(speed*period/most)-1 && t.keys <= int(speed*period/least)+1, "%d fetches in %v", t.keys, speed*period)
	v.want(t.peak == 1, "%d fetches at once", t.peak)
	v.wantAll(r.good())
	v.wantFast("requests", r.good(), latency)
}

func playHangUp(r *run, v *verdict) {
	a := newKey("a")
	r.endpoint.publish(a)
	tokens := r.tokens(a)
	r.start(0)
	ctx, hangUp := context.WithCancel(r.ctx)
	defer hangUp()
	r.askUnder(ctx, tokens(0), true)
	select {
	case <-r.endpoint.arrived:
	case <-r.ctx.Done():
	}
	r.burst(50, tokens)
	hangUp()
	r.wait()
	v.want(r.endpoint.traffic().keys == 1, "%d fetches", r.endpoint.traffic().keys)
	v.wantAll(r.good())
}

// verifyNow makes one request and waits for its answer.
func (r *run) verifyNow(token string) outcome {
	r.request(r.ctx, r.sent(false), token)
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.samples[len(r.samples)-1].outcome
}
