// Package revocation remembers which tokens were withdrawn before they expired, and tells the verifier.
//
// A token that verifies offline is good until its exp, whatever happened to its user or client since (RFC 7009 section 3,
// FAPI 2.0 section 5.3.4). A [Store] is what a resource server can ask beside: it keeps withdrawn tokens by their id, by
// their subject or by their client, in memory.
//
//	store, err := revocation.New(revocation.Config{})
//	tokens := verifier.WithRevocation(v, store.Revoked)
//	guard, err := middleware.New(tokens, middleware.Config{})
//	...
//	err = store.Revoke(revocation.Entry{Issuer: issuer, Subject: "alice", IssuedBefore: now, Until: now.Add(time.Hour)})
//
// A Store knows what its own process was told, and forgets it when the process ends: load it again at start, before the
// service is ready. For several instances there is github.com/bearerguard/bearerguard/adapters/redis.
package revocation

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bearerguard/bearerguard/verifier"
)

const (
	// defaultMax is how many entries a store holds by default, some 150 bytes each.
	defaultMax = 100_000
	// grace is the largest ClockSkew of a verifier: for so long after its exp a token may be accepted still.
	grace = 5 * time.Minute
	// shards leave two requests of a large machine seldom at the same lock.
	shards = 16
)

// ErrFull is what a store that holds Config.Max entries, all of them live, answers to another one. It never forgets one for it.
var ErrFull = errors.New("revocation: the store is full")

// Config bounds a store. The zero Config is usable.
type Config struct {
	Max int              // how many entries it holds; 0: 100,000
	Now func() time.Time // nil: time.Now
}

// Store remembers withdrawn tokens. It is safe for concurrent use, and a lookup costs no allocation. The zero Store knows
// nothing: it answers every question with an error, so that no token is good.
//
// An entry can't be taken back: it dies five minutes after its Until, since a verifier's clock may be that far behind the
// issuer's. An entry for a name that has one already makes its dates later, never sooner; those with and those without
// IssuedBefore are kept apart.
type Store struct {
	max int
	now func() time.Time

	writing  sync.Mutex // held by whoever changes entries
	count    int
	earliest int64               // no entry dies before this
	kept     [kinds]atomic.Int64 // how many entries of a kind there are, so that a name is hashed only where that can matter
	shards   [shards]shard
}

// shard has a cache line of its own.
type shard struct {
	mu        sync.RWMutex
	withdrawn map[target]dates
	_         [128 - 24 - 8]byte
}

// New makes an empty store.
func New(cfg Config) (*Store, error) {
	if cfg.Max < 0 {
		return nil, fmt.Errorf("revocation: Max is %d: a store that holds nothing revokes nothing; 0 means %d", cfg.Max, defaultMax)
	}
	if cfg.Max == 0 {
		cfg.Max = defaultMax
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Store{max: cfg.Max, now: cfg.Now}
	for i := range s.shards {
		s.shards[i].withdrawn = map[target]dates{}
	}
	return s, nil
}

var errZeroStore = errors.New("revocation: a zero Store knows nothing: make one with revocation.New")

// Revoke withdraws tokens: when it returns, [Store.Revoked] knows. If any entry is wrong, none is added and the error tells
// all mistakes. If not all fit, the error wraps [ErrFull] and says how many were added, the first ones. Adding one twice
// changes nothing, and one whose tokens have expired is passed over.
func (s *Store) Revoke(entries ...Entry) error {
	records := make([]Record, len(entries))
	errs := make([]error, len(entries))
	for i, e := range entries {
		records[i], errs[i] = e.Record()
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return s.Restore(records...)
}

// Restore is [Store.Revoke] for records.
func (s *Store) Restore(records ...Record) error {
	if s == nil || s.now == nil {
		return errZeroStore
	}
	targets := make([]target, len(records))
	errs := make([]error, len(records))
	for i, r := range records {
		targets[i], errs[i] = r.check()
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	now := s.alive()
	for i, r := range records {
		if !s.add(targets[i], r, now) {
			return fmt.Errorf("%w: it holds %d entries; of %d new ones %d were added", ErrFull, s.count, len(records), i)
		}
	}
	return nil
}

// alive is the Until from which on an entry is live.
func (s *Store) alive() int64 { return s.now().Add(-grace).UnixMilli() }

// add joins a record with what is known about its target; false if there is no room for it.
func (s *Store) add(t target, r Record, now int64) bool {
	sh := s.shard(t)
	old := sh.withdrawn[t] // without the lock: whoever writes is alone
	d := old.live(now).with(r).live(now)
	if s.count+d.len()-old.len() > s.max {
		s.sweep(now)
		if old = sh.withdrawn[t]; s.count+d.len()-old.len() > s.max {
			return false
		}
	}
	s.set(sh, t, old, d)
	return true
}

// sweep forgets what is dead. It looks at the entries only when one may have died since it last did, so that adding to a
// full store stays cheap.
func (s *Store) sweep(now int64) {
	if now <= s.earliest {
		return
	}
	s.earliest = maxDate.UnixMilli()
	for i := range s.shards {
		sh := &s.shards[i]
		for t, d := range sh.withdrawn {
			s.set(sh, t, d, d.live(now))
		}
	}
}

func (s *Store) set(sh *shard, t target, old, d dates) {
	more := d.len() - old.len()
	s.count += more
	s.kept[t.kind].Add(int64(more))
	s.earliest = min(s.earliest, d.earliest())
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if d.len() == 0 {
		delete(sh.withdrawn, t)
		return
	}
	sh.withdrawn[t] = d
}

func (s *Store) shard(t target) *shard { return &s.shards[t.digest[0]%shards] }

// Revoked reports whether a token is withdrawn: it is for [verifier.WithRevocation]. The error is a zero Store's.
func (s *Store) Revoked(_ context.Context, c *verifier.Claims) (revoked bool, err error) {
	if s == nil || s.now == nil {
		return false, errZeroStore
	}
	for k, name := range [kinds]string{byID: c.ID(), bySubject: c.Subject(), byClient: c.ClientID()} {
		if name == "" || s.kept[k].Load() == 0 {
			continue
		}
		t := target{kind(k), digest(c.Issuer(), name)}
		sh := s.shard(t)
		sh.mu.RLock()
		d, known := sh.withdrawn[t]
		sh.mu.RUnlock()
		if known && d.live(s.alive()).mean(c) {
			return true, nil
		}
	}
	return false, nil
}

// Len is how many entries are live. It looks at each.
func (s *Store) Len() (n int) {
	if s == nil || s.now == nil {
		return 0
	}
	now := s.alive()
	for i := range s.shards {
		n += s.shards[i].len(now)
	}
	return n
}

// Records gives the entries that are live, in no order. What is added meanwhile may be among them or not.
func (s *Store) Records() iter.Seq[Record] {
	return func(yield func(Record) bool) {
		if s == nil || s.now == nil {
			return
		}
		now := s.alive()
		for i := range s.shards {
			for _, r := range s.shards[i].records(now) {
				if !yield(r) {
					return
				}
			}
		}
	}
}

func (sh *shard) records(now int64) (list []Record) {
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	for t, d := range sh.withdrawn {
		if d = d.live(now); d.all != 0 {
			list = append(list, Record{t.String(), time.Time{}, time.UnixMilli(d.all)})
		}
		if d.until != 0 {
			list = append(list, Record{t.String(), time.UnixMilli(d.before), time.UnixMilli(d.until)})
		}
	}
	return list
}

func (sh *shard) len(now int64) (n int) {
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	for _, d := range sh.withdrawn {
		n += d.live(now).len()
	}
	return n
}
