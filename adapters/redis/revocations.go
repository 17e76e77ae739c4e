package redisauth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/bearerguard/bearerguard/verifier"
	"github.com/bearerguard/bearerguard/verifier/revocation"
)

const (
	defaultMax        = 100_000 // entries, as in package revocation
	defaultMaxSilence = time.Second
	minMaxSilence     = 20 * time.Millisecond // less, and a busy machine's pauses would count as outages
	maxMaxSilence     = time.Minute
	// grace is how long an entry outlives its Until, as in package revocation; in Redis, whose clock may differ, longer.
	grace        = 5 * time.Minute
	graceInRedis = 6 * time.Minute
	// batch bounds one call of the script: Redis does nothing else meanwhile.
	batch = 200
	// retryAfter is what a client is told while Redis is away.
	retryAfter = time.Second
)

// RevocationConfig says where revocations are shared. Client is required; every other zero value is a safe default.
type RevocationConfig struct {
	// Client is a client of any kind, made with ContextTimeoutEnabled. It is the caller's to close.
	Client redis.UniversalClient
	// Prefix begins every key and channel. "": bearerguard. Services with one prefix share their revocations.
	Prefix string
	// Timeout bounds one call to Redis. 0: 500 ms; at most 30 s.
	Timeout time.Duration
	// MaxSilence is how long an instance goes on with what it knows while it hears nothing from Redis, and so how late a
	// revocation may reach it at worst, where both ask the same master. 0: 1 s; at most a minute. Redis is asked for a sign of life four times as often.
	MaxSilence time.Duration
	// Max is how many entries all instances hold together, some 200 bytes each in Redis and in every instance. 0: 100,000.
	// It must be the same in all of them: one that finds more than twice its Max trusts nothing.
	Max int
	// Now is the clock by which entries die. Nil: time.Now.
	Now func() time.Time
	// OnChange is told, by the goroutine of Run, when revocations are followed (nil) and why they no longer are. May be nil.
	OnChange func(error)
	// DangerouslyGoOnWithoutRedis accepts tokens while Redis is away, by what is known: withdrawn ones too, if they were
	// withdrawn meanwhile, and all of them in an instance that starts meanwhile.
	DangerouslyGoOnWithoutRedis bool
}

// Revocations is a [revocation.Store] that all instances of a service share. It is safe for concurrent use. The zero
// Revocations answers every question with an error, so that no token is good.
//
// Each instance holds all entries and answers from them, as long as [Revocations.Run] follows what the others revoke. That
// is proven by Redis' answers, on the connection on which revocations come: an instance that got none for MaxSilence no longer
// answers that a token is good, but that it can't tell ([verifier.ErrUnavailable], a 503 for the client). What it knows
// to be withdrawn stays withdrawn. Each time the connection was lost, all entries are read again before they are trusted;
// those that Redis has lost are written to it again. Where they don't fit, for others have filled it meanwhile, the instance that
// knows them can't tell of any token whether it is good, until entries have expired.
type Revocations struct {
	shared
	entries, index, channel string

	max       int
	now       func() time.Time
	silence   time.Duration
	onChange  func(error)
	dangerous bool

	known   *revocation.Store
	origin  time.Time    // of the clock by which silence is measured, which nobody sets
	trusted atomic.Int64 // until when known is up to date, since origin
	running atomic.Bool
	outcome atomic.Pointer[outcome]
}

// outcome is how the last attempt to follow Redis went.
type outcome struct{ err error }

// NewRevocations checks a configuration. It does no I/O, so that a service starts while Redis is away. Every mistake is
// reported, in one errors.Join.
func NewRevocations(cfg RevocationConfig) (*Revocations, error) {
	r := &Revocations{
		shared: shared{cfg.Client, cfg.Prefix, cfg.Timeout}, max: cfg.Max, now: cfg.Now, silence: cfg.MaxSilence,
		onChange: cfg.OnChange, dangerous: cfg.DangerouslyGoOnWithoutRedis, origin: time.Now(),
	}
	errs := []error{r.shared.check()}
	// A cluster keeps what is in braces in one place, and the script needs both keys.
	r.entries, r.index, r.channel = r.prefix+":{revoked}:entries", r.prefix+":{revoked}:index", r.prefix+":{revoked}:news"
	if r.now == nil {
		r.now = time.Now
	}
	if r.max == 0 {
		r.max = defaultMax
	}
	if r.silence == 0 {
		r.silence = defaultMaxSilence
	}
	if r.silence < minMaxSilence || r.silence > maxMaxSilence {
		errs = append(errs, fmt.Errorf("redisauth: MaxSilence is %v: want %v to %v, or 0 for %v", r.silence, minMaxSilence, maxMaxSilence, defaultMaxSilence))
	}
	if r.max < 0 {
		errs = append(errs, fmt.Errorf("redisauth: Max is %d: a store that holds nothing revokes nothing; 0 means %d", r.max, defaultMax))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	// Redis holds at most Max entries. As many again may be known here that it has lost.
	known, err := revocation.New(revocation.Config{Max: 2 * r.max, Now: cfg.Now})
	r.known = known
	return r, err
}

var (
	errZero   = errors.New("redisauth: a zero Revocations knows nothing: make one with NewRevocations")
	errNotRun = errors.New("revocations have not been loaded yet: does Run run?")
	errSilent = errors.New("no answer within MaxSilence")
)

// Revoked reports whether a token is withdrawn: it is for [verifier.WithRevocation]. It asks no network. The error is an
// [*verifier.UnavailableError] where that can't be told.
func (r *Revocations) Revoked(ctx context.Context, c *verifier.Claims) (revoked bool, err error) {
	if r == nil || r.known == nil {
		return false, errZero
	}
	if revoked, err := r.known.Revoked(ctx, c); revoked || err != nil {
		return revoked, err
	}
	if r.upToDate() || r.dangerous && r.outcome.Load() != nil {
		return false, nil
	}
	return false, &verifier.UnavailableError{RetryAfter: retryAfter, Err: r.whyNot()}
}

func (r *Revocations) clock() time.Duration { return time.Since(r.origin) }

func (r *Revocations) upToDate() bool { return int64(r.clock()) < r.trusted.Load() }

func (r *Revocations) whyNot() error {
	err := errNotRun
	if o := r.outcome.Load(); o != nil {
		err = cmp.Or(o.err, errSilent)
	}
	return fmt.Errorf("redisauth: revocations are not up to date: %w", err)
}

// Health is nil while revocations are up to date, whatever DangerouslyGoOnWithoutRedis says: for /readyz. It asks no network.
func (r *Revocations) Health() error {
	switch {
	case r == nil || r.known == nil:
		return errZero
	case r.upToDate():
		return nil
	}
	return r.whyNot()
}

// Revoke withdraws tokens, with the meaning of [revocation.Store.Revoke]: when it returns nil, this instance knows and all
// that follow Redis hear of it at once. If any entry is wrong, none is added. If they don't all fit, the error wraps
// [revocation.ErrFull] and says how many were added, the first ones.
//
// With another error Redis may have got them or not: this instance then knows, and writes them to Redis when it is back, if it
// lives so long. To be sure call Revoke again; adding an entry twice changes nothing.
func (r *Revocations) Revoke(ctx context.Context, entries ...revocation.Entry) error {
	if r == nil || r.known == nil {
		return errZero
	}
	records := make([]revocation.Record, len(entries))
	errs := make([]error, len(entries))
	for i, e := range entries {
		records[i], errs[i] = e.Record()
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	done, err := r.write(ctx, records)
	switch {
	case err != nil:
		err = fmt.Errorf("redisauth: revoked in this instance, and not surely in the others: %w", err)
	case done < len(records):
		err = fmt.Errorf("%w: Redis holds %d entries or more; of %d new ones %d were added", revocation.ErrFull, r.max, len(records), done)
		records = records[:done]
	}
	return errors.Join(err, r.known.Restore(records...))
}

// write joins records with those in Redis, in batches, and returns how many are there: fewer than all if it is full.
func (r *Revocations) write(ctx context.Context, records []revocation.Record) (done int, err error) {
	for chunk := range slices.Chunk(records, batch) {
		n, err := r.join(ctx, chunk)
		if done += n; err != nil || n < len(chunk) {
			return done, err
		}
	}
	return done, nil
}

// join calls the script.
func (r *Revocations) join(ctx context.Context, records []revocation.Record) (done int, err error) {
	args := []any{r.max, graceInRedis.Milliseconds(), r.channel}
	for _, record := range records {
		f := factOf(record)
		before, until, _ := strings.Cut(f.value, " ")
		args = append(args, f.field, before, until)
	}
	err = r.bounded(ctx, func(ctx context.Context) (err error) {
		done, err = join.Run(ctx, r.client, []string{r.entries, r.index}, args...).Int()
		return err
	})
	return done, err
}
