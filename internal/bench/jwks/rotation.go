package main

import (
	"sync"
	"time"
)

// The scenarios in which the keys change, and the one in which they don't.

// budgetHeal is when a refetch must be possible again, whatever was asked before: 5 s, and the fetch, and the pace of the load.
const budgetHeal = 5200 * time.Millisecond

func playRotation(r *run, v *verdict) {
	a, b := newKey("a"), newKey("b")
	r.endpoint.publish(a)
	if !r.warm(0, a) {
		return
	}
	tokens := r.tokens(b)
	rotated := time.Now()
	r.endpoint.publish(b)
	r.burst(100, tokens)
	r.pace(200, 5*time.Second, tokens, false, nil)
	r.wait()
	r.heal(rotated)
	v.want(r.endpoint.traffic().keys == 1, "%d fetches", r.endpoint.traffic().keys)
	v.wantAll(r.good())
}

func playRotationAfterKids(r *run, v *verdict) {
	a, b := newKey("a"), newKey("b")
	r.endpoint.publish(a)
	if !r.warm(0, a) {
		return
	}
	tokens, flood := r.tokens(b), madeUp(r.endpoint.issuer, 20)
	for i := range 20 {
		r.ask(flood(i), true)
		r.wait()
	}
	v.want(r.endpoint.traffic().keys <= 4, "%d fetches for 20 unknown kids", r.endpoint.traffic().keys)
	rotated := time.Now()
	r.endpoint.publish(b)
	r.untilHealed(50, tokens)
	r.wait()
	wantHealedByOneFetch(r, v, rotated)
}

func wantHealedByOneFetch(r *run, v *verdict, rotated time.Time) {
	heal := r.heal(rotated)
	v.want(heal <= budgetHeal, "healed in %v", heal)
	for _, s := range r.goodSince(rotated) {
		if s.outcome == accepted { // the first
			n := r.endpoint.fetchesBetween(rotated, s.span().to)
			v.want(n == 1, "healed with %d fetches", n)
			return
		}
	}
}

func playRotationInFlood(r *run, v *verdict) {
	const period, until = 30 * time.Second, 16 * time.Second // the rotation: four seconds before the budget has one more
	a, b := newKey("a"), newKey("b")
	r.endpoint.publish(a)
	if !r.warm(0, a) {
		return
	}
	tokens, flood := r.tokens(b), madeUp(r.endpoint.issuer, 3000)
	var wg sync.WaitGroup
	wg.Go(func() { r.pace(100, period, flood, true, nil) })
	r.pause(until)
	rotated := time.Now()
	r.endpoint.publish(b)
	r.pace(50, period-until, tokens, false, nil)
	wg.Wait()
	r.wait()
	wantHealedByOneFetch(r, v, rotated)
	n := r.endpoint.traffic().keys
	v.want(n <= 3+int(period/(5*time.Second)), "%d fetches", n)
	made := r.which(func(s sample) bool { return s.hostile && s.outcome == refused })
	v.want(len(made) == 3000, "%d of 3000 made-up keys refused", len(made))
}

func playRotationWhileDown(r *run, v *verdict) {
	a, b := newKey("a"), newKey("b")
	r.endpoint.publish(a)
	if !r.warm(0, a) {
		return
	}
	tokens := r.tokens(b)
	r.endpoint.publish(b)
	r.endpoint.fail(failures[0].do)
	r.pace(100, outage, tokens, false, nil)
	r.wait()
	early := r.count(accepted)
	r.endpoint.fail(nil)
	mended := time.Now()
	r.untilHealed(100, tokens)
	r.wait()
	heal := r.heal(mended)
	v.want(early == 0, "%d accepted during the outage", early)
	v.want(r.count(refused) == 0, "%d got 401", r.count(refused))
	v.want(heal <= outage+healSlack, "healed in %v", heal)
}

func playWithdrawn(r *run, v *verdict) {
	a, b := newKey("a"), newKey("b")
	r.endpoint.publish(a, b)
	if !r.warm(shortTTL, a) {
		return
	}
	old, tokens := r.tokens(a), r.tokens(b)
	r.burst(20, old)
	r.wait()
	r.endpoint.publish(b)
	r.expire()
	withdrawn := time.Now()
	var wg sync.WaitGroup
	wg.Go(func() { r.pace(50, 4*time.Second, old, true, nil) })
	r.pace(50, 4*time.Second, tokens, false, nil)
	wg.Wait()
	r.wait()
	r.result.heals = true
	late := r.which(func(s sample) bool { return s.hostile })
	for _, s := range late {
		if s.outcome == accepted {
			r.result.heal = s.start.Sub(withdrawn)
		}
	}
	if len(late) > 0 && late[len(late)-1].outcome == accepted {
		r.result.heal = never
	}
	v.want(r.result.heal <= prompt, "a token of the withdrawn key was accepted %v later", r.result.heal)
	v.wantAll(r.good())
}

func playReplaced(r *run, v *verdict) {
	a, replacement := newKey("a"), newKey("a")
	r.endpoint.publish(a)
	if !r.warm(0, a) {
		return
	}
	tokens := r.tokens(replacement)
	r.endpoint.publish(replacement)
	replaced := time.Now()
	r.pace(100, 3*time.Second, tokens, false, nil)
	r.wait()
	heal := r.heal(replaced)
	v.want(heal <= 500*time.Millisecond, "healed in %v", heal)
	v.want(r.endpoint.traffic().keys == 1, "%d fetches", r.endpoint.traffic().keys)
}

func playUnchanged(r *run, v *verdict) {
	const tokens, refreshes = 1000, 10
	a := newKey("a")
	r.endpoint.publish(a)
	if !r.warm(0, a) {
		return
	}
	token := a.tokens(r.endpoint.issuer, tokens)
	before := r.ours().uncached.Load()
	for range 1 + refreshes {
		for i := range tokens {
			r.request(r.ctx, r.sent(false), token(i))
		}
		r.expire()
	}
	lost := int(r.ours().uncached.Load()-before) - tokens
	v.want(lost == 0, "%d tokens lost from the cache", lost)
	v.want(r.endpoint.traffic().keys == refreshes, "%d refreshes", r.endpoint.traffic().keys)
	v.wantAll(r.good())
}
