package verifier

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bearerguard/bearerguard/internal/fetch"
	"github.com/bearerguard/bearerguard/internal/jose"
)

// The life of an issuer's keys. What a caller can choose is in RefreshPolicy.
const (
	refreshAhead  = 0.8              // of its freshness, after which a set is refreshed in the background
	jitter        = 0.1              // of its freshness, either way, so that a fleet doesn't refresh at once
	patience      = time.Second      // how long a request waits for a refresh while old keys are at hand
	firstRetry    = time.Second      // after one failure; doubled by each further one
	lastRetry     = 30 * time.Second // the longest pause of our own
	maxRetryAfter = time.Minute      // the longest pause that the issuer's server can ask for
	retryJitter   = 0.2              // of a pause, downwards
	lateAfter     = time.Second      // beyond the deadline of an attempt, after which nobody waits for it: its transport does not heed it
	budgetSize    = 3                // refetches that tokens can cause in a row
	budgetEvery   = 5 * time.Second  // one more
	clockTurned   = 2 * time.Minute  // a time further off than any pause, and than any request waits, means that the clock was set back
	maxCandidates = 4                // keys that are tried for a token without a kid
)

// phase is the age of a key set.
type phase int

const (
	fresh   phase = iota // serves
	due                  // serves, and the next request starts a refresh behind it
	expired              // serves when a refresh has been given a moment, or can't be had
	lost                 // does not serve: there is none, or it is past MaxStale
)

// keySet is what one good fetch brought. It is immutable.
type keySet struct {
	number    int // of the attempt that fetched or renewed it
	keys      []*jose.Key
	byID      map[string][]*jose.Key // keys that have a kid
	skipped   []SkippedKey
	fetchedAt time.Time
	freshFor  time.Duration // 0: configured, for ever fresh
}

// SkippedKey is a member of the issuer's key set that verifies nothing, or of which something was set aside.
type SkippedKey struct {
	KeyID  string // may be empty
	Reason string
}

// newKeySet reads a JWK set. A key that is unchanged since old keeps its identity, and with it the tokens remembered for it.
func newKeySet(document []byte, old *keySet) (*keySet, error) {
	texts, err := jose.KeySet(document)
	if err != nil {
		return nil, err
	}
	s := &keySet{byID: map[string][]*jose.Key{}}
	for _, text := range texts {
		key, err := jose.ParseKey(text)
		if err != nil {
			s.skipped = append(s.skipped, SkippedKey{jose.KeyID(text), err.Error()})
			continue
		}
		if slices.ContainsFunc(s.keys, key.Equal) {
			s.skipped = append(s.skipped, SkippedKey{key.ID, "the same key a second time"})
			continue
		}
		if key.Private {
			s.skipped = append(s.skipped, SkippedKey{key.ID, "its private members are published: only the public ones are used, and the key should be replaced"})
		}
		if old != nil {
			if i := slices.IndexFunc(old.keys, key.Equal); i >= 0 {
				key = old.keys[i]
			}
		}
		s.keys = append(s.keys, key)
		if key.ID != "" {
			s.byID[key.ID] = append(s.byID[key.ID], key)
		}
	}
	if len(s.keys) == 0 {
		return nil, fmt.Errorf("%d keys, none usable%s", len(texts), firstReason(s.skipped))
	}
	return s, nil
}

func firstReason(skipped []SkippedKey) string {
	if len(skipped) == 0 {
		return ""
	}
	return fmt.Sprintf(": %q: %s", skipped[0].KeyID, skipped[0].Reason)
}

func (s *keySet) phase(now time.Time, maxStale time.Duration) phase {
	if s == nil {
		return lost
	}
	age := now.Sub(s.fetchedAt)
	switch {
	case s.freshFor == 0:
		return fresh
	case age > max(s.freshFor, maxStale):
		return lost
	case age > s.freshFor:
		return expired
	case age > s.refreshAfter() || age < -clockTurned:
		return due
	}
	return fresh
}

func (s *keySet) refreshAfter() time.Duration {
	return time.Duration(refreshAhead * float64(s.freshFor))
}

func (s *keySet) holds(key *jose.Key) bool { return slices.Contains(s.keys, key) }

// candidates returns the keys that may have signed a token, and whether the set knows of such a key at all.
// A token that names its key is tried against keys of that name only (RFC 7515 section 4.1.4).
func (s *keySet) candidates(h *header) (keys []*jose.Key, known bool) {
	named := s.keys
	if h.hasKid {
		named = s.byID[h.kid]
	}
	for _, key := range named {
		if key.Fits(h.alg) {
			keys = append(keys, key)
		}
	}
	return keys, len(keys) > 0 || h.hasKid && len(named) > 0
}

// budget limits the refetches that tokens can cause. Its zero value is full.
type budget struct{ full time.Time }

func (b *budget) take(now time.Time) bool {
	if missing := b.full.Sub(now); missing < 0 || missing > clockTurned {
		b.full = now
	}
	if b.full.Sub(now) > (budgetSize-1)*budgetEvery {
		return false
	}
	b.full = b.full.Add(budgetEvery)
	return true
}

// keyset serves one issuer's keys, and fetches them when requests need it: it has no goroutine but the attempt under way.
type keyset struct {
	source *source // nil: the keys are configured
	policy RefreshPolicy
	now    func() time.Time
	random func() float64 // from 0 to 1
	hook   func(context.Context, FetchEvent)
	slots  *slots // of all issuers together; nil: no bound
	proven atomic.Bool

	served atomic.Pointer[keySet]
	starts atomic.Int64 // attempts so far

	mu       sync.Mutex
	flight   *flight // the attempt under way
	failures int     // attempts that failed since the last good one
	err      error   // of the last attempt
	retryAt  time.Time
	budget   budget
}

// flight is one attempt to fetch the keys, shared by all who wait for it.
type flight struct {
	done chan struct{}
	err  error         // once done is closed
	late chan struct{} // closed where it goes on beyond its deadline: nobody waits any longer
}

// current returns the keys to use at this moment, waiting for them only if it must.
func (k *keyset) current(ctx context.Context, now time.Time) (*keySet, error) {
	set := k.served.Load()
	switch set.phase(now, k.policy.MaxStale) {
	case due:
		k.refresh(ctx, now)
	case expired:
		if f, failing := k.refresh(ctx, now); f != nil && failing == nil {
			f.waitFor(ctx, patience)
		}
		return k.served.Load(), nil
	case lost:
		f, failing := k.refresh(ctx, now)
		if f == nil {
			return nil, k.unavailable(now, failing)
		}
		if err := k.await(ctx, f); err != nil {
			return nil, err
		}
		return k.served.Load(), nil
	}
	return set, nil
}

// find returns the keys that may have signed a token with this header. A key that is not there may be new:
// then the set is fetched once more, within the budget, and the question asked again.
func (k *keyset) find(ctx context.Context, now time.Time, h *header) ([]*jose.Key, error) {
	arrival := k.starts.Load()
	for {
		set, err := k.current(ctx, now)
		if err != nil {
			return nil, err
		}
		keys, known := set.candidates(h)
		switch {
		case len(keys) > maxCandidates:
			named := "the token has no kid"
			if h.hasKid {
				named = "several keys have the kid " + quote(h.kid)
			}
			return nil, fmt.Errorf("%w: %s, and %d keys fit its alg: at most %d are tried", ErrKeyNotFound, named, len(keys), maxCandidates)
		case len(keys) > 0:
			return keys, nil
		case known:
			k.suspect(ctx, now)
			return nil, fmt.Errorf("%w: the key %s is there, but not for %s", ErrKeyNotFound, quote(h.kid), h.alg)
		case int64(set.number) > arrival:
			return nil, notFound(h)
		}
		f, err := k.refetch(ctx, now, set, h)
		if err != nil {
			return nil, err
		}
		if f == nil {
			continue
		}
		if err := k.await(ctx, f); err != nil {
			return nil, err
		}
	}
}

func notFound(h *header) error {
	if !h.hasKid {
		return fmt.Errorf("%w: the token has no kid, and no key is for %s", ErrKeyNotFound, h.alg)
	}
	return fmt.Errorf("%w: kid %s", ErrKeyNotFound, quote(h.kid))
}

// refresh joins the attempt under way, or starts one; nil if that can't be now. failing is why the last attempt failed, if it did.
func (k *keyset) refresh(ctx context.Context, now time.Time) (f *flight, failing error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.launch(ctx, now), k.err
}

// refetch is a refresh that a token's unknown key asks for. While attempts fail it may be a rotation: the answer is
// ErrUnavailable, never ErrKeyNotFound, and nobody waits. While they succeed and the budget is spent, the key is taken for
// made up. A nil flight means that the set has changed since it was seen.
func (k *keyset) refetch(ctx context.Context, now time.Time, seen *keySet, h *header) (*flight, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.source == nil {
		return nil, notFound(h)
	}
	if k.served.Load() != seen {
		return nil, nil
	}
	if k.err != nil {
		if k.flight == nil && !k.pausing(now) && k.slots.free(k.proven.Load()) && k.budget.take(now) {
			k.launch(ctx, now)
		}
		return nil, k.unavailableLocked(now, k.err)
	}
	if k.flight == nil && !k.slots.free(k.proven.Load()) { // others' fetches don't spend this issuer's budget
		return nil, k.unavailableLocked(now, nil)
	}
	if k.flight == nil && !k.budget.take(now) {
		return nil, notFound(h)
	}
	if f := k.launch(ctx, now); f != nil {
		return f, nil
	}
	return nil, k.unavailableLocked(now, nil)
}

// suspect starts a refresh in the background, within the budget: a known key that doesn't fit its token may have been replaced under its name.
func (k *keyset) suspect(ctx context.Context, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.slots.free(k.proven.Load()) {
		return
	}
	if k.source != nil && k.flight == nil && !k.pausing(now) && k.budget.take(now) {
		k.launch(ctx, now)
	}
}

// launch starts an attempt that no caller's hanging up can end, or joins the one under way; nil: a pause forbids it, or
// too many issuers' attempts are under way. k.mu is held.
func (k *keyset) launch(ctx context.Context, now time.Time) *flight {
	if k.flight == nil && !k.pausing(now) {
		if !k.slots.take(k.proven.Load()) {
			return nil
		}
		k.flight = &flight{done: make(chan struct{}), late: make(chan struct{})}
		go k.attempt(context.WithoutCancel(ctx), k.flight, int(k.starts.Add(1)))
	}
	return k.flight
}

// pausing reports whether attempts are forbidden for now.
func (k *keyset) pausing(now time.Time) bool {
	pause := k.retryAt.Sub(now)
	return pause > 0 && pause <= clockTurned
}

func (k *keyset) attempt(ctx context.Context, f *flight, number int) {
	ctx, cancel := context.WithTimeout(ctx, k.policy.Timeout)
	defer cancel()
	late := time.AfterFunc(min(k.policy.Timeout, math.MaxInt64-lateAfter)+lateAfter, func() { close(f.late) })
	started := k.now()
	set, notModified, err := (*keySet)(nil), false, errEnded
	defer func() {
		late.Stop()
		k.slots.give()
		now := k.now()
		event := FetchEvent{URL: k.source.jwksURL, Duration: now.Sub(started), NotModified: notModified, Err: err}

		k.mu.Lock()
		k.flight, k.err, f.err = nil, err, err
		if err != nil {
			k.failures++
			k.retryAt = now.Add(k.pause(err))
		} else {
			k.failures, k.retryAt = 0, time.Time{}
			set.number, set.fetchedAt = number, started
			k.served.Store(set)
		}
		k.mu.Unlock()
		close(f.done)

		if k.hook != nil {
			if served := k.served.Load(); served != nil {
				event.Keys, event.Skipped = len(served.keys), len(served.skipped)
			}
			k.hook(ctx, event)
		}
	}()
	set, notModified, err = k.load(ctx, started)
}

var errLate = errors.New("fetching keys goes on beyond its deadline: does the transport of Config.Client heed the request's context?")

// errEnded stands while an attempt is under way: a caller's transport may call runtime.Goexit, as testing's FailNow does.
var errEnded = errors.New("fetching keys ended its goroutine")

// load turns a panic of a caller's transport into a failed attempt: it would end the process from here.
func (k *keyset) load(ctx context.Context, now time.Time) (set *keySet, notModified bool, err error) {
	defer func() {
		if r := recover(); r != nil {
			set, err = nil, fmt.Errorf("fetching keys panicked: %v", r)
		}
	}()
	set, response, err := k.source.load(ctx, now, k.served.Load())
	if err != nil {
		return nil, false, err
	}
	set.freshFor = k.freshness(response.MaxAge)
	return set, response.NotModified, nil
}

// freshness clamps what the issuer's server asks for, which may be anything from nothing to months.
func (k *keyset) freshness(maxAge time.Duration) time.Duration {
	d := k.policy.Default
	if maxAge >= 0 {
		d = min(max(maxAge, k.policy.Min), k.policy.Max)
	}
	return max(1, time.Duration(float64(d)*(1+jitter*(2*k.random()-1)))) // 0 would be for ever
}

// pause is how long no attempt is made after one that failed.
func (k *keyset) pause(err error) time.Duration {
	d := lastRetry
	if k.failures <= 5 { // 1, 2, 4, 8, 16 seconds
		d = firstRetry << (k.failures - 1)
	}
	d = time.Duration(float64(d) * (1 - retryJitter*k.random()))
	return max(d, min(fetch.RetryAfter(err), maxRetryAfter))
}

// await waits for an attempt as long as the caller does, and not long beyond its deadline.
func (k *keyset) await(ctx context.Context, f *flight) error {
	select {
	case <-f.done:
	case <-ctx.Done():
		return &UnavailableError{Err: fmt.Errorf("waiting for the issuer's keys: %w", ctx.Err())}
	case <-f.late:
		return k.unavailable(k.now(), errLate)
	}
	if f.err != nil {
		return k.unavailable(k.now(), f.err)
	}
	return nil
}

func (f *flight) waitFor(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-f.done:
	case <-timer.C:
	case <-ctx.Done():
	case <-f.late:
	}
}

func (k *keyset) unavailable(now time.Time, err error) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.unavailableLocked(now, err)
}

func (k *keyset) unavailableLocked(now time.Time, err error) error {
	if err == nil {
		err = errBusy
	}
	return &UnavailableError{RetryAfter: min(max(time.Second, k.retryAt.Sub(now)), maxRetryAfter), Err: err}
}

// Health is what a readiness probe and an operator want to know of the issuer's keys.
type Health struct {
	Ready       bool         // there are usable keys, not past MaxStale
	Keys        int          // usable ones
	Skipped     []SkippedKey // what was passed over or set aside, and why
	FetchedAt   time.Time    // of the last good fetch; zero: none yet, or the keys are configured
	NextAttempt time.Time    // when the next one may start; zero: the keys are configured
	Err         error        // of the last attempt; nil if it succeeded, or none has ended
}

func (k *keyset) health(now time.Time) Health {
	set := k.served.Load()
	phase := set.phase(now, k.policy.MaxStale)
	k.mu.Lock()
	defer k.mu.Unlock()
	if phase != fresh {
		k.launch(context.Background(), now)
	}
	h := Health{Ready: phase != lost, Err: k.err}
	if set != nil {
		h.Keys, h.Skipped, h.FetchedAt = len(set.keys), slices.Clone(set.skipped), set.fetchedAt
	}
	switch {
	case k.source == nil:
		h.FetchedAt = time.Time{}
	case phase == fresh:
		h.NextAttempt = set.fetchedAt.Add(set.refreshAfter())
	case k.pausing(now):
		h.NextAttempt = k.retryAt
	default:
		h.NextAttempt = now
	}
	return h
}
