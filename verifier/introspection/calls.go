package introspection

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/bearerguard/bearerguard/internal/lru"
	"github.com/bearerguard/bearerguard/verifier"
)

// The traffic with the endpoint.
const (
	defaultTimeout  = 5 * time.Second
	lateAfter       = time.Second      // beyond the deadline of a call, after which nobody waits for it: its transport does not heed it
	maxCalls        = 64               // in flight; what a small authorization server bears from one of many instances
	patience        = 3                // calls in a row that got nowhere, after which none is made for a while: one broken connection is no outage
	firstPause      = time.Second      // doubled by each further failure
	lastPause       = 30 * time.Second // the longest pause of our own
	maxRetryAfter   = time.Minute      // the longest pause that the endpoint can ask for
	pauseJitter     = 0.2              // of a pause, downwards, so that a fleet doesn't come back at once
	rediscoverAfter = 24 * time.Hour   // how long a discovered endpoint is believed while it answers
)

// calls are those under way, and how they have gone lately. There is no goroutine but theirs.
type calls struct {
	mu         sync.Mutex
	flights    map[lru.Hash]*flight
	failures   int       // in a row, of those that say something about the endpoint
	err        error     // of the last call
	pauseUntil time.Time // after failures
	askedUntil time.Time // by Retry-After, which the answer to a call that was under way doesn't take back
	answeredAt time.Time
}

// flight is one call, shared by all who wait for it.
type flight struct {
	done    chan struct{}
	verdict *verdict      // once done is closed
	err     error         // then: why there is none
	late    chan struct{} // closed where it goes on beyond its deadline: nobody waits any longer
}

// failure is why a call brought no verdict.
type failure struct {
	err        error
	retryAfter time.Duration // 0: none asked for
	endpoint   bool          // says something about the endpoint, and not only about this token
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

var errBusy = fmt.Errorf("%d calls to the introspection endpoint are under way", maxCalls)

var errLate = errors.New("asking the introspection endpoint goes on beyond its deadline: does the transport of Tokens.Client heed the request's context?")

// ask joins the call about this token, or starts one, and waits as long as the caller does, and not long beyond the call's deadline.
func (i *Introspector) ask(ctx context.Context, h lru.Hash, token string, now time.Time) (v *verdict, remembered bool, err error) {
	f, v, err := i.join(ctx, h, token, now)
	if f == nil {
		return v, v != nil, err
	}
	select {
	case <-f.done:
		return f.verdict, false, f.err
	case <-ctx.Done():
		return nil, false, &verifier.UnavailableError{Err: fmt.Errorf("waiting for the introspection endpoint: %w", ctx.Err())}
	case <-f.late:
		return nil, false, &verifier.UnavailableError{RetryAfter: firstPause, Err: errLate}
	}
}

// join returns the call to wait for, or the verdict of one that has just ended.
func (i *Introspector) join(ctx context.Context, h lru.Hash, token string, now time.Time) (*flight, *verdict, error) {
	c := &i.calls
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.flights[h]; f != nil {
		return f, nil, nil
	}
	if v := i.memory.get(h, now); v != nil {
		return nil, v, nil
	}
	if wait := c.pausing(now); wait > 0 {
		return nil, nil, &verifier.UnavailableError{RetryAfter: wait, Err: c.err}
	}
	if len(c.flights) >= maxCalls {
		return nil, nil, &verifier.UnavailableError{RetryAfter: firstPause, Err: errBusy}
	}
	f := &flight{done: make(chan struct{}), late: make(chan struct{})}
	c.flights[h] = f
	go i.call(context.WithoutCancel(ctx), f, h, token) // who started it ends it for nobody by hanging up
	return f, nil, nil
}

// pausing is how long no call is made, 0 if one may be made now. c.mu is held.
func (c *calls) pausing(now time.Time) time.Duration {
	return max(left(c.pauseUntil, now), left(c.askedUntil, now))
}

// left is what is left of a pause; of one that is longer than any nothing, for then the clock was set back.
func left(until, now time.Time) time.Duration {
	if wait := until.Sub(now); wait > 0 && wait <= maxRetryAfter {
		return wait
	}
	return 0
}

func (i *Introspector) call(ctx context.Context, f *flight, h lru.Hash, token string) {
	ctx, cancel := context.WithTimeout(ctx, i.timeout)
	defer cancel()
	late := time.AfterFunc(min(i.timeout, math.MaxInt64-lateAfter)+lateAfter, func() { close(f.late) })
	event := CallEvent{Issuer: i.issuer}
	started := i.now()
	v, err := (*verdict)(nil), errEnded
	defer func() {
		late.Stop()
		now := i.now()
		event.Duration = now.Sub(started)
		if err != nil {
			event.Err = err
		} else {
			v.asked = started
			event.Active = v.claims != nil
			i.memory.add(h, v)
		}

		i.calls.mu.Lock()
		delete(i.calls.flights, h)
		f.verdict, f.err = v, i.calls.settle(now, err)
		i.calls.mu.Unlock()
		close(f.done)

		if i.called != nil {
			i.called(ctx, event)
		}
	}()
	v, err = i.introspect(ctx, h, token, started, &event)
}

// errEnded stands while a call is under way: a caller's function or transport may call runtime.Goexit, as testing's FailNow does.
var errEnded = errors.New("asking the introspection endpoint ended its goroutine")

// settle learns from a call and makes its failure into what the caller gets: always an [verifier.UnavailableError], for
// whatever happened the token may be good. c.mu is held.
func (c *calls) settle(now time.Time, err error) error {
	c.err = err
	if err == nil {
		c.failures, c.pauseUntil, c.answeredAt = 0, time.Time{}, now
		return nil
	}
	f := &failure{err: err, endpoint: true}
	errors.As(err, &f)
	wait := min(f.retryAfter, maxRetryAfter)
	if f.endpoint {
		c.pauseUntil = now.Add(max(left(c.pauseUntil, now), c.pause(now)))
		c.askedUntil = now.Add(max(left(c.askedUntil, now), wait))
	}
	return &verifier.UnavailableError{RetryAfter: max(firstPause, wait, c.pausing(now)), Err: f.err}
}

// pause counts a failure and is how long no call is made for it. Calls that failed together are one failure. c.mu is held.
func (c *calls) pause(now time.Time) time.Duration {
	if c.pausing(now) > 0 {
		return 0
	}
	if c.failures++; c.failures < patience {
		return 0
	}
	d := min(lastPause, firstPause<<min(c.failures-patience, 5)) // 1, 2, 4, 8, 16, 30 seconds
	return time.Duration(float64(d) * (1 - pauseJitter*rand.Float64()))
}

// endpoint is where the calls go.
type endpoint struct {
	discover func(context.Context) (string, error) // nil: configured
	turn     chan struct{}                         // holds one: who may ask for the URL

	mu           sync.Mutex
	url          string
	discoveredAt time.Time
	doubted      bool // the last call found nothing there
}

// locate returns the endpoint, discovering it where it isn't known, is known for long, or has led to nothing. An old one
// serves where discovery fails.
func (e *endpoint) locate(ctx context.Context, now time.Time, timeout time.Duration) (string, error) {
	if url, good := e.known(now); good {
		return url, nil
	}
	select {
	case e.turn <- struct{}{}:
		defer func() { <-e.turn }()
	case <-ctx.Done():
		return "", fmt.Errorf("waiting for discovery: %w", ctx.Err())
	}
	old, good := e.known(now)
	if good {
		return old, nil
	}
	if old != "" { // it may still serve: leave it half of the time
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout/2)
		defer cancel()
	}
	found, err := e.discover(ctx)
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case err == nil:
		e.url, e.discoveredAt, e.doubted = found, now, false
	case old == "":
		return "", err
	}
	return e.url, nil
}

func (e *endpoint) known(now time.Time) (url string, good bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.url, e.discover == nil || e.url != "" && !e.doubted && now.Sub(e.discoveredAt) < rediscoverAfter
}

func (e *endpoint) doubt() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.doubted = true
}
