package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

const (
	requestTimeout = 10 * time.Second // what a client waits
	patience       = 12 * time.Second // for the answers that are still out when a load ends
)

// outcome is what became of a request. Only ours tells a token that is bad from one about which nothing can be said.
type outcome int

const (
	accepted    outcome = iota
	refused             // ours: 401
	unavailable         // ours: 503 with Retry-After
	failed              // peers: any error
	unanswered          // within the client's patience
)

func (o outcome) String() string {
	switch o {
	case accepted:
		return "accepted"
	case refused:
		return "401"
	case unavailable:
		return "503"
	case failed:
		return "failed"
	case unanswered:
		return "no answer"
	}
	return fmt.Sprintf("outcome %d", int(o))
}

// sample is one request.
type sample struct {
	start   time.Time
	took    time.Duration
	outcome outcome
	hostile bool // not one of the good requests: made up, forged, withdrawn, hung up
}

func (s sample) span() span { return span{s.start, s.start.Add(s.took)} }

// load asks a verifier many times and keeps what became of it.
type load struct {
	ctx    context.Context
	verify func(ctx context.Context, token string) outcome

	mu      sync.Mutex
	samples []sample
	out     map[int]sample // requests without an answer yet
	asked   int
	row     int           // good requests accepted in a row
	idle    chan struct{} // closed when none is out; nil: none is
}

func newLoad(ctx context.Context, verify func(context.Context, string) outcome) *load {
	return &load{ctx: ctx, verify: verify, out: map[int]sample{}}
}

// ask makes one request in the background.
func (l *load) ask(token string, hostile bool) { l.askUnder(l.ctx, token, hostile) }

func (l *load) askUnder(ctx context.Context, token string, hostile bool) {
	number := l.sent(hostile)
	go l.request(ctx, number, token)
}

func (l *load) request(ctx context.Context, number int, token string) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	start := time.Now()
	outcome := l.verify(ctx, token)
	l.answered(number, start, outcome)
}

func (l *load) sent(hostile bool) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.idle == nil {
		l.idle = make(chan struct{})
	}
	l.asked++
	l.out[l.asked] = sample{start: time.Now(), hostile: hostile}
	return l.asked
}

// answered is of no account for a request that was given up.
func (l *load) answered(number int, start time.Time, o outcome) {
	took := time.Since(start)
	l.mu.Lock()
	defer l.mu.Unlock()
	s, ok := l.out[number]
	if !ok {
		return
	}
	delete(l.out, number)
	l.samples = append(l.samples, sample{start, took, o, s.hostile})
	if o != accepted && !s.hostile {
		l.row = 0
	} else if !s.hostile {
		l.row++
	}
	if len(l.out) == 0 {
		close(l.idle)
		l.idle = nil
	}
}

// wait is for the answers that are still out. Requests that have none after a while are given up.
func (l *load) wait() {
	l.mu.Lock()
	idle := l.idle
	l.mu.Unlock()
	if idle == nil {
		return
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-idle:
	case <-timer.C:
		l.giveUp()
	}
}

func (l *load) giveUp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for number, s := range l.out {
		s.took, s.outcome = time.Since(s.start), unanswered
		l.samples = append(l.samples, s)
		delete(l.out, number)
	}
	l.idle = nil
}

// outstanding counts the requests without an answer.
func (l *load) outstanding() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.out)
}

// burst asks n times at once.
func (l *load) burst(n int, token func(i int) string) {
	gate := make(chan struct{})
	for i := range n {
		number := l.sent(false)
		go func() {
			<-gate
			l.request(l.ctx, number, token(i))
		}()
	}
	close(gate)
}

// pace asks at a steady rate for a while, whether or not there are answers. It ends early when done says so; nil: never.
func (l *load) pace(perSecond int, period time.Duration, token func(i int) string, hostile bool, done func() bool) {
	start := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for i := range int(period.Seconds() * float64(perSecond)) {
		timer.Reset(time.Until(start.Add(time.Duration(i) * time.Second / time.Duration(perSecond))))
		select {
		case <-timer.C:
		case <-l.ctx.Done():
			return
		}
		if done != nil && done() {
			return
		}
		l.ask(token(i), hostile)
	}
}

// which returns the samples that are wanted, by the time of their start.
func (l *load) which(want func(sample) bool) []sample {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []sample
	for _, s := range l.samples {
		if want(s) {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b sample) int { return a.start.Compare(b.start) })
	return out
}

func (l *load) good() []sample { return l.which(func(s sample) bool { return !s.hostile }) }

func (l *load) goodSince(t time.Time) []sample {
	return l.which(func(s sample) bool { return !s.hostile && !s.start.Before(t) })
}

func (l *load) count(o outcome) int {
	return len(l.which(func(s sample) bool { return s.outcome == o }))
}

// percentile returns the duration that a share of the samples didn't exceed.
func percentile(samples []sample, share float64) time.Duration {
	if len(samples) == 0 {
		return 0
	}
	all := make([]time.Duration, len(samples))
	for i, s := range samples {
		all[i] = s.took
	}
	slices.Sort(all)
	return all[min(int(share*float64(len(all))), len(all)-1)]
}

// never is the time to heal of what didn't.
const never = time.Duration(1<<63 - 1)

// healed returns how long after an event the first good request started that was accepted, and all good ones after it. Zero: none failed.
func healed(since time.Time, good []sample) time.Duration {
	last := -1
	for i, s := range good {
		if s.outcome != accepted {
			last = i
		}
	}
	switch {
	case last < 0:
		return 0
	case last == len(good)-1:
		return never
	}
	return good[last+1].start.Sub(since)
}

// enough is how many good requests in a row must be accepted to call a verifier healed.
const enough = 25

// steady reports whether it is healed since the row was last broken.
func (l *load) steady() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.row >= enough
}

func (l *load) breakRow() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.row = 0
}
