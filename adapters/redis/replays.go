package redisauth

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// clockMargin is how far apart the clocks of the instances may be: one that is behind accepts a proof for longer.
	clockMargin = 30 * time.Second
	// maxKeep bounds how long a proof can be remembered: they are fresh for minutes (RFC 9449 section 11.1).
	maxKeep = 24 * time.Hour
)

// ReplayConfig says where used proofs are kept. Client is required; every other zero value is a safe default.
type ReplayConfig struct {
	Client  redis.UniversalClient // of any kind, made with ContextTimeoutEnabled; the caller's to close
	Prefix  string                // begins every key; "": bearerguard
	Timeout time.Duration         // of one call to Redis, which a request waits for; 0: 500 ms, at most 30 s
	Now     func() time.Time      // nil: time.Now
}

// Replays remembers, for all instances of a service, which DPoP proofs were used. It is safe for concurrent use. The zero
// Replays answers with an error.
//
// Each proof costs a round trip, and some 150 bytes in Redis for as long as it is fresh. Redis has no quota: bound what a
// client may send before the guard.
type Replays struct {
	shared
	now func() time.Time
}

// NewReplays checks a configuration. It does no I/O. Every mistake is reported, in one errors.Join.
func NewReplays(cfg ReplayConfig) (*Replays, error) {
	r := &Replays{shared: shared{cfg.Client, cfg.Prefix, cfg.Timeout}, now: cfg.Now}
	if r.now == nil {
		r.now = time.Now
	}
	if err := r.shared.check(); err != nil {
		return nil, err
	}
	return r, nil
}

// Once reports whether this is the first time that any instance asks about key, and remembers it until the date, and half a
// minute longer. Where that can't be told it returns an error, never true: the proof is then used up all the same.
func (r *Replays) Once(ctx context.Context, key string, until time.Time) (first bool, err error) {
	if r == nil || r.now == nil {
		return false, errors.New("redisauth: a zero Replays remembers nothing: make one with NewReplays")
	}
	// How long, and not until when: Redis' clock may be another one, and what it takes for the past it doesn't keep.
	keep := until.Sub(r.now()) + clockMargin
	if keep <= 0 || keep > maxKeep {
		return false, fmt.Errorf("redisauth: a proof that is fresh until %v can't be remembered", until.UTC())
	}
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	name, mine := r.prefix+":proof:"+hash(key), rand.Text()
	first, err = r.client.SetNX(ctx, name, mine, keep).Result()
	if err == nil && !first {
		first, err = r.isMine(ctx, name, mine)
	}
	if err != nil {
		return false, fmt.Errorf("redisauth: whether a proof was used before can't be told: %w", err)
	}
	return first, nil
}

// isMine: the client asks a second time when the answer to the first was lost, and then finds its own mark.
func (r *Replays) isMine(ctx context.Context, name, mine string) (bool, error) {
	found, err := r.client.Get(ctx, name).Result()
	if errors.Is(err, redis.Nil) {
		return false, nil // another's, that has just expired
	}
	return found == mine, err
}
