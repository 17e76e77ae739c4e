package main

import "time"

// The scenarios in which the key endpoint is down.

const (
	outage    = 6 * time.Second
	healSlack = 5 * time.Second  // beyond the length of an outage
	longest   = 35 * time.Second // to heal at all
	peersHeal = 12 * time.Second // how long it is watched whether a peer heals
)

// watch is how long it is watched whether a verifier heals.
func (r *run) watch() time.Duration {
	if r.isOurs() {
		return longest
	}
	return peersHeal
}

// untilHealed asks at a steady rate until the verifier has healed, but no longer than it is watched.
func (r *run) untilHealed(perSecond int, token func(int) string) {
	r.breakRow()
	r.pace(perSecond, r.watch(), token, false, r.steady)
}

func outageWarm(f failure) func(*run, *verdict) {
	return func(r *run, v *verdict) {
		a := newKey("a")
		r.endpoint.publish(a)
		if !r.warm(shortTTL, a) {
			return
		}
		tokens := r.tokens(a)
		r.endpoint.fail(f.do)
		r.expire()
		began := time.Now()
		r.pace(100, outage, tokens, false, nil)
		r.endpoint.fail(nil)
		mended := time.Now()
		r.breakRow()
		r.pace(100, r.watch(), tokens, false, func() bool {
			return r.steady() && (!r.isOurs() || !r.ours().first(mended, true).IsZero())
		})
		r.wait()
		r.heal(mended)
		if !r.isOurs() {
			return
		}
		n := r.endpoint.fetchesBetween(began, mended)
		v.want(n <= 5, "%d fetches during the outage", n)
		v.wantAll(r.good())
		v.want(slowest(r.good()) <= 1300*time.Millisecond, "the slowest waited %v", slowest(r.good()))
		v.wantFast("requests after the first failure", r.goodSince(r.ours().first(began, false)), latency)
		fetched := r.ours().first(mended, true)
		v.want(!fetched.IsZero() && fetched.Sub(mended) <= outage+healSlack, "no refresh soon after the outage")
	}
}

func outageCold(f failure) func(*run, *verdict) {
	return func(r *run, v *verdict) {
		a := newKey("a")
		r.endpoint.publish(a)
		tokens := r.tokens(a)
		r.endpoint.fail(f.do)
		r.start(0)
		r.pace(100, outage, tokens, false, nil)
		r.endpoint.fail(nil)
		mended := time.Now()
		r.untilHealed(100, tokens)
		r.wait()
		heal := r.heal(mended)
		if !r.isOurs() {
			return
		}
		v.want(heal <= outage+healSlack, "healed in %v", heal)
		v.want(r.count(refused) == 0, "%d got 401", r.count(refused))
		v.want(slowest(r.good()) <= 5500*time.Millisecond, "the slowest waited %v", slowest(r.good()))
		v.wantFast("requests between attempts", r.which(func(s sample) bool { return r.ours().between(s.span()) }), prompt)
	}
}

func playStaleLimit(r *run, v *verdict) {
	const limit, step = 24 * time.Hour, 11 * time.Minute // no step ends at the limit
	a := newKey("a")
	r.endpoint.publish(a)
	if !r.warm(0, a) {
		return
	}
	token := a.token(r.endpoint.issuer)
	r.endpoint.fail(failures[0].do)
	for age := step; age < limit+time.Hour; age += step {
		r.clock.jump(step)
		answer := r.verifyNow(token)
		want := accepted
		if age > limit {
			want = unavailable
		}
		v.want(answer == want, "after %v: %v, want %v", age, answer, want)
		r.pause(2 * latency) // the attempt that it may have started
	}
	r.endpoint.fail(nil)
	r.clock.jump(time.Minute)
	answer := r.verifyNow(token)
	v.want(answer == accepted, "not healed: %v", answer)
}

func playHungEndpoint(r *run, v *verdict) {
	const requests, own = 3000, 8 // the attempt, and what net/http has for its connections
	a := newKey("a")
	r.endpoint.publish(a)
	r.endpoint.fail(hang)
	token := r.tokens(a)
	r.start(0)
	r.burst(requests, token)
	r.pause(time.Second)
	waiting, goroutines := r.outstanding(), r.goroutines()
	r.wait()
	t := r.endpoint.traffic()
	v.want(goroutines <= waiting+own, "%d goroutines for %d requests", goroutines, waiting)
	v.want(waiting == requests, "only %d of %d requests wait", waiting, requests)
	v.want(t.keys == 1 && t.peak == 1, "%d fetches, %d at once", t.keys, t.peak)
	v.want(r.count(unavailable) == requests, "%d of %d got 503", r.count(unavailable), requests)
	v.want(slowest(r.good()) <= 5500*time.Millisecond, "the slowest waited %v", slowest(r.good()))
}

func playReadiness(r *run, v *verdict) {
	const down, probe = 3 * time.Second, 100 * time.Millisecond
	a := newKey("a")
	r.endpoint.publish(a)
	r.endpoint.fail(failures[0].do)
	r.start(0)
	began := time.Now()
	for time.Since(began) < down && r.ctx.Err() == nil {
		v.want(!r.ours().v.Health().Ready, "ready without keys")
		r.pause(probe)
	}
	r.endpoint.fail(nil)
	mended := time.Now()
	for !r.ours().v.Health().Ready && time.Since(mended) < longest && r.ctx.Err() == nil {
		r.pause(probe)
	}
	r.result.heals, r.result.heal = true, time.Since(mended)
	v.want(r.result.heal <= down+healSlack, "ready after %v", r.result.heal)
	n := r.endpoint.traffic().keys
	v.want(r.verifyNow(a.token(r.endpoint.issuer)) == accepted && r.endpoint.traffic().keys == n, "the first request is not served at once")
}
