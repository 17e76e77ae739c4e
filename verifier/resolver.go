package verifier

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/bearerguard/bearerguard/internal/fetch"
	"github.com/bearerguard/bearerguard/internal/jose"
	"github.com/bearerguard/bearerguard/internal/lru"
)

// Bounds of a resolver over all its issuers. What a caller can choose is in IssuersConfig.
const (
	maxAtOnce    = 32               // calls of Resolve, and fetches, at a time
	newAtOnce    = 24               // of them, for issuers of which no token was good yet: they can't keep the others from being renewed
	onProbation  = 64               // verifiers that have not verified a signature yet
	maxUnknown   = 1000             // issuers of which it is remembered that Resolve doesn't know them
	unknownFor   = 10 * time.Second // how long that is: a new tenant waits no longer
	askPause     = 10 * time.Second // after an answer could not be renewed
	answerStale  = 24 * time.Hour   // how long an answer stands while it can't be renewed, as keys do
	maxIssuer    = 512              // bytes of an iss that Resolve is asked about
	issuerCache  = 256              // tokens remembered for each issuer unless its Config says how many: 1,000 issuers of 4,096 tokens would be 8 GiB
	issuerRoutes = 16               // tokens for each issuer, whose payload need not be read to find it
)

// IssuersConfig is for [ResolveIssuers]. Resolve is required; every other zero value is a safe default.
type IssuersConfig struct {
	// Resolve returns the configuration for an issuer. It decides which issuers are accepted: iss comes from a token of
	// which nothing has been verified. It is at most 512 bytes long, of characters that a URL has, without query, fragment and
	// dot segments; where it is a URL it has a host and no user. Look it up whole; don't take it apart, and don't make a URL of a part of it.
	//
	// The Issuer of the answer must be iss itself, byte by byte. An error that wraps [ErrIssuer] says that there is no such
	// issuer: the token is refused and the answer remembered for ten seconds. Any other error says that it can't be told
	// now: an [ErrUnavailable], and nothing is remembered.
	//
	// It is called from a goroutine of its own, once at a time for each issuer and for 32 issuers at most, under a context with
	// the values of the request that came first and a deadline, which it must heed: a call that doesn't return keeps its place.
	Resolve func(ctx context.Context, iss string) (Config, error)
	// Size is how many verifiers are surely kept, those used last. 0: 1,000.
	Size int
	// MaxAge is how long an answer of Resolve stands; then it is asked again, and an issuer that it no longer knows is
	// refused. 0: 5 min. While it fails the last answer stands, for up to 24 h.
	MaxAge time.Duration
	// Timeout is the deadline of one call of Resolve. 0: 5 s.
	Timeout time.Duration
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
}

// resolver keeps a verifier for each of the issuers that are in use.
type resolver struct {
	resolve         func(context.Context, string) (Config, error)
	maxAge, timeout time.Duration
	now             func() time.Time

	proven    *lru.Cache[*resolved] // have verified a signature
	probation *lru.Cache[*resolved] // have not, and push only each other out
	unknown   *lru.Cache[time.Time] // until when
	routes    *lru.Cache[lru.Hash]  // from a good token's signature to its issuer
	fetches   slots
	questions slots

	mu     sync.Mutex // held while an issuer changes its place, never while anybody waits
	asking map[lru.Hash]*question
}

// resolved is an answer of Resolve.
type resolved struct {
	v        *Verifier
	origin   origin
	at       time.Time
	askAfter atomic.Int64 // no sooner, in Unix nanoseconds, when it could not be renewed
	proven   atomic.Bool
}

// origin is all of a Config that decides what keys are fetched.
type origin struct {
	metadataURL, jwksURL, jwks string
	refresh                    RefreshPolicy
	client                     *http.Client
	http, private              bool
}

// question is a call of Resolve, shared by all who wait for it.
type question struct {
	done     chan struct{}
	slow     <-chan struct{} // who has an old answer waits no longer
	deadline <-chan struct{} // nor does anybody
	answer   *resolved       // once done is closed
	err      error
}

// ResolveIssuers puts any number of issuers, which a function of yours knows, behind one [TokenVerifier]: for services with
// many tenants. Each issuer's Verifier is made when its first token comes, and keeps its own keys, memory and budget:
// nothing of one issuer makes a token of another one good, and one's outage leaves the others alone. It is safe for
// concurrent use.
//
// Strangers cost little. An issuer that Resolve doesn't know costs no network call but Resolve's own. A new Verifier waits
// in a small part of its own, and displaces another one only after it has verified a signature. At most 32 calls of Resolve
// and 32 fetches are under way at once over all issuers, of which 8 are kept for issuers that have had good tokens; beyond
// that the answer is [ErrUnavailable] at once.
//
// Since the issuers are others' choice, metadata and keys are fetched from public addresses alone, and through no proxy,
// unless a Config sets DangerouslyAllowPrivateNetwork. Where a Config leaves CacheSize 0, it is 256. Client should be the
// same each time, for with another one the keys are fetched anew.
//
// Every mistake is reported, in one errors.Join. One in a Config that Resolve returns is an [ErrUnavailable] for the
// issuer's tokens. Of a token whose issuer is refused, no hook is told.
func ResolveIssuers(cfg IssuersConfig) (TokenVerifier, error) {
	var errs []error
	if cfg.Resolve == nil {
		errs = append(errs, errors.New("verifier: ResolveIssuers: Resolve is nil: give the function that knows the issuers"))
	}
	if cfg.Size < 0 || cfg.MaxAge < 0 || cfg.Timeout < 0 {
		errs = append(errs, errors.New("verifier: ResolveIssuers: Size, MaxAge or Timeout is negative: 0 means its default"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	size := withDefault(cfg.Size, 1000)
	s := &resolver{
		resolve: cfg.Resolve, maxAge: withDefault(cfg.MaxAge, 5*time.Minute), timeout: withDefault(cfg.Timeout, 5*time.Second), now: cfg.Now,
		proven: lru.New[*resolved](size), probation: lru.New[*resolved](onProbation), unknown: lru.New[time.Time](maxUnknown),
		routes: lru.New[lru.Hash](max(defaultCacheSize, issuerRoutes*size)), asking: map[lru.Hash]*question{},
	}
	if s.now == nil {
		s.now = time.Now
	}
	return s, nil
}

func (s *resolver) Verify(ctx context.Context, token string) (*Claims, error) {
	if len(token) > jose.MaxToken {
		return nil, errTooLong
	}
	m, now := markOf(token), s.now()
	if id, ok := s.routes.Get(m.hash); ok {
		if r, ok := s.proven.Get(id); ok && !r.due(now, s.maxAge) && r.v.remembers(token, &m) {
			return r.v.verify(ctx, token, &m)
		}
	}
	iss, err := claimedIssuer(token)
	if err != nil {
		return nil, err
	}
	if err := checkClaimedIssuer(iss); err != nil {
		return nil, err
	}
	id := lru.Hash(sha256.Sum256([]byte(iss)))
	r, err := s.find(ctx, id, iss, now)
	if err != nil {
		return nil, err
	}
	claims, err := r.v.verify(ctx, token, &m)
	if err == nil {
		s.promote(id, r)
		s.routes.Add(m.hash, id)
	}
	return claims, err
}

// urlCharacters are all that a URL can have (RFC 3986 section 2); an issuer is one, or a name (RFC 7519 section 2).
const urlCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:/?#[]@!$&'()*+,;=%"

// checkClaimedIssuer refuses what can't be an issuer before anybody is asked about it (RFC 8725 section 3.10).
func checkClaimedIssuer(iss string) error {
	if iss == "" || len(iss) > maxIssuer || strings.Trim(iss, urlCharacters) != "" {
		return fmt.Errorf("%w: iss is %s: not asked about, for no issuer is written so", ErrIssuer, quote(iss))
	}
	u, err := url.Parse(iss)
	isURL := strings.Contains(iss, ":/")
	path, pathErr := url.PathUnescape(iss)
	dots := func(segment string) bool { return segment == "." || segment == ".." }
	if isURL && (err != nil || u.Hostname() == "" || u.User != nil) || pathErr != nil ||
		strings.ContainsAny(iss, "?#") || slices.ContainsFunc(strings.Split(path, "/"), dots) {
		return fmt.Errorf("%w: iss is %s: not asked about, for it is no issuer identifier (RFC 8414 section 2)", ErrIssuer, quote(iss))
	}
	return nil
}

// find returns the issuer's verifier, asking Resolve about one that is new or was asked about long ago.
func (s *resolver) find(ctx context.Context, id lru.Hash, iss string, now time.Time) (*resolved, error) {
	if r := s.kept(id); r != nil && !r.due(now, s.maxAge) {
		return r, nil
	}
	r, q, err := s.look(ctx, id, iss, now)
	if q != nil {
		err = q.wait(ctx, r)
	}
	switch {
	case err == nil && q != nil:
		return q.answer, nil
	case r != nil && !saysUnknown(err):
		return r, nil // its answer could not be renewed
	}
	return nil, unresolved(iss, err)
}

// saysUnknown reports whether an error of Resolve means that there is no such issuer.
func saysUnknown(err error) bool { return errors.Is(err, ErrIssuer) && !errors.Is(err, ErrUnavailable) }

// due reports whether an answer is to be renewed. After the clock was set back it is.
func (r *resolved) due(now time.Time, maxAge time.Duration) bool {
	age := now.Sub(r.at)
	return age > maxAge || age < -clockTurned
}

// pausing reports whether Resolve has just failed. A pause longer than any means that the clock was set back.
func (r *resolved) pausing(now time.Time) bool {
	pause := time.Duration(r.askAfter.Load() - now.UnixNano())
	return pause > 0 && pause <= clockTurned
}

func (s *resolver) kept(id lru.Hash) *resolved {
	r, ok := s.proven.Get(id)
	if !ok {
		r, _ = s.probation.Get(id)
	}
	return r
}

// look returns what is known of an issuer, and the question that is being asked about it, or that it asks. With neither a
// question nor an error there is an answer, which can't be renewed right now, or needn't be.
func (s *resolver) look(ctx context.Context, id lru.Hash, iss string, now time.Time) (*resolved, *question, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.kept(id)
	if r != nil && now.Sub(r.at) > answerStale {
		r = nil
	}
	until, unknown := s.unknown.Get(id)
	switch q := s.asking[id]; {
	case r != nil && (!r.due(now, s.maxAge) || r.pausing(now)):
		return r, nil, nil
	case q != nil:
		return r, q, nil
	case r == nil && unknown && until.After(now) && until.Sub(now) <= unknownFor:
		return nil, nil, errUnknown
	}
	if !s.questions.take(r != nil && r.proven.Load()) {
		return r, nil, errBusy
	}
	return r, s.ask(context.WithoutCancel(ctx), id, iss), nil
}

var (
	errUnknown = fmt.Errorf("%w: no such issuer, as was found a moment ago", ErrIssuer)
	errBusy    = errors.New("as many issuers are being looked up or asked for keys as may be at once")
)

// ask calls Resolve. s.mu is held.
func (s *resolver) ask(ctx context.Context, id lru.Hash, iss string) *question {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	slow, stop := context.WithTimeout(ctx, patience)
	q := &question{done: make(chan struct{}), slow: slow.Done(), deadline: ctx.Done()}
	s.asking[id] = q
	go func() {
		defer cancel()
		defer stop()
		q.err = errors.New("the call of Resolve ended its goroutine")
		defer func() {
			if p := recover(); p != nil {
				q.err = fmt.Errorf("the call of Resolve panicked: %v", p)
			}
			s.settle(q, id)
		}()
		q.answer, q.err = s.answer(ctx, iss)
	}()
	return q
}

// answer makes a verifier of what Resolve says.
func (s *resolver) answer(ctx context.Context, iss string) (*resolved, error) {
	cfg, err := s.resolve(ctx, iss)
	if err != nil {
		return nil, err
	}
	if cfg.Issuer != iss { // RFC 8725 section 3.8: the keys must be those of the issuer that the token names
		return nil, fmt.Errorf("what Resolve returned is a Config for issuer %s: set its Issuer to iss itself%s", quote(cfg.Issuer), difference(cfg.Issuer, iss))
	}
	if cfg.CacheSize == 0 {
		cfg.CacheSize = issuerCache
	}
	v, err := New(cfg)
	if err != nil {
		return nil, fmt.Errorf("what Resolve returned is a bad Config: %w", err)
	}
	v.keys.slots = &s.fetches
	if v.keys.source != nil && !cfg.DangerouslyAllowPrivateNetwork {
		v.keys.source.client = fetch.NewPublicClient(cfg.Client)
	}
	return &resolved{v: v, at: s.now(), origin: origin{
		cfg.MetadataURL, cfg.JWKSURL, string(cfg.JWKS), cfg.Refresh, cfg.Client, cfg.DangerouslyAllowHTTP, cfg.DangerouslyAllowPrivateNetwork,
	}}, nil
}

// settle puts an answer where it belongs, and tells those who wait. An issuer keeps its keys, and its place, as long as
// its Config has them fetched from the same place; no remembered token outlives the Config under which it was good.
func (s *resolver) settle(q *question, id lru.Hash) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer close(q.done)
	defer s.questions.give()
	delete(s.asking, id)
	old, next := s.kept(id), q.answer
	if q.err != nil && !saysUnknown(q.err) {
		if old != nil {
			old.askAfter.Store(s.now().Add(askPause).UnixNano())
		}
		return
	}
	if q.err == nil && old != nil && old.origin == next.origin {
		next.v.keys = old.v.keys
		if old.proven.Load() {
			next.proven.Store(true)
			s.proven.Add(id, next)
			return
		}
	}
	s.proven.Remove(id)
	s.probation.Remove(id)
	if q.err == nil {
		s.probation.Add(id, next)
	} else {
		s.unknown.Add(id, s.now().Add(unknownFor))
	}
}

// promote moves a verifier off probation, once it has verified a signature.
func (s *resolver) promote(id lru.Hash, r *resolved) {
	if r.proven.Load() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	// One that was pushed out comes back, but not with an old answer: Resolve may have said another thing since.
	if current := s.kept(id); current != r && (current != nil || r.due(s.now(), s.maxAge)) {
		return
	}
	r.proven.Store(true)
	r.v.keys.proven.Store(true)
	s.probation.Remove(id)
	s.proven.Add(id, r)
}

// wait waits for an answer as long as the caller does, and not long if there is an old one.
func (q *question) wait(ctx context.Context, old *resolved) error {
	enough := q.deadline
	if old != nil {
		enough = q.slow
	}
	select {
	case <-q.done:
	case <-ctx.Done():
		return ctx.Err()
	case <-enough:
	}
	select {
	case <-q.done: // before its deadlines are called off
		return q.err
	default:
		return errors.New("no answer of Resolve in time")
	}
}

// unresolved tells the two kinds of failure apart: there is no such issuer, or it can't be told now.
func unresolved(iss string, err error) error {
	e := &UnavailableError{RetryAfter: time.Second, Err: fmt.Errorf("looking up issuer %s: %w", quote(iss), err)}
	switch inner := (*UnavailableError)(nil); {
	case saysUnknown(err):
		return fmt.Errorf("iss is %s: %w", quote(iss), err)
	case errors.As(err, &inner):
		e.RetryAfter = inner.RetryAfter
	}
	e.Err = oneKind(e.Err)
	return e
}

// slots bounds what is under way at once over all issuers. A nil one bounds nothing.
type slots struct {
	mu    sync.Mutex
	taken int
}

func (s *slots) take(proven bool) bool {
	if s == nil {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken >= bound(proven) {
		return false
	}
	s.taken++
	return true
}

// free reports whether one can be taken right now.
func (s *slots) free(proven bool) bool {
	if s == nil {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taken < bound(proven)
}

func (s *slots) give() {
	if s != nil {
		s.mu.Lock()
		s.taken--
		s.mu.Unlock()
	}
}

func bound(proven bool) int {
	if proven {
		return maxAtOnce
	}
	return newAtOnce
}
