package main

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bearerguard/bearerguard/verifier"
)

const oursName = "bearerguard"

// ours is this repository's verifier, and what its hooks and its Health tell beside the answers.
type ours struct {
	v        *verifier.Verifier
	uncached atomic.Int64 // good tokens whose signature was checked anew

	mu       sync.Mutex
	attempts []attempt
}

// attempt is one to fetch the keys.
type attempt struct {
	span
	err error
}

// span is a period of real time.
type span struct{ from, to time.Time }

func startOurs(_ context.Context, s setup) (tokenVerifier, error) {
	o := &ours{}
	v, err := verifier.New(verifier.Config{
		Issuer: s.issuer, Audience: []string{audience}, Now: s.now,
		Hooks: verifier.Hooks{Fetched: o.fetched, Verified: o.verified},
	})
	o.v = v
	return o, err
}

func (o *ours) Verify(ctx context.Context, token string) error {
	_, err := o.v.Verify(ctx, token)
	return err
}

func (o *ours) fetched(_ context.Context, e verifier.FetchEvent) {
	now := time.Now()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.attempts = append(o.attempts, attempt{span{now.Add(-e.Duration), now}, e.Err})
}

func (o *ours) verified(_ context.Context, e verifier.VerifyEvent) {
	if e.Err == nil && !e.Cached {
		o.uncached.Add(1)
	}
}

// first returns when the first attempt since a moment ended that went well, or didn't; zero: none has.
func (o *ours) first(since time.Time, well bool) time.Time {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, a := range o.attempts {
		if a.to.After(since) && (a.err == nil) == well {
			return a.to
		}
	}
	return time.Time{}
}

// between reports whether no attempt was under way at any moment of a period. The clock must have run as usual.
func (o *ours) between(s span) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, a := range o.attempts {
		if !s.from.After(a.to) && !s.to.Before(a.from) {
			return false
		}
	}
	return true
}

// classifyOurs tells 401 from 503. A 503 must say when to come back.
func classifyOurs(err error) outcome {
	u := (*verifier.UnavailableError)(nil)
	switch {
	case err == nil:
		return accepted
	case errors.Is(err, verifier.ErrInvalidToken):
		return refused
	case errors.As(err, &u) && (u.RetryAfter > 0 || errors.Is(err, context.Canceled)):
		return unavailable
	}
	return failed
}
