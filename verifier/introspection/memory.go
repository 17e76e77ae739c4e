package introspection

import (
	"crypto/sha256"
	"sync"
	"time"

	"github.com/bearerguard/bearerguard/internal/lru"
	"github.com/bearerguard/bearerguard/verifier"
)

const (
	defaultTTL         = time.Minute
	defaultInactiveTTL = 10 * time.Second
	defaultMemory      = 4096             // tokens that are active, and as many that are not
	clockTurned        = 10 * time.Second // an answer from further ahead than any call takes means that the clock was set back
)

// verdict is what is known of a token: its claims, or why it is not good. It is immutable.
type verdict struct {
	claims *verifier.Claims
	err    error
	asked  time.Time // when the call began: what it says was true then
}

// memory keeps verdicts by the hash of the token. Tokens that are not good have a part of their own, so that a flood of
// them pushes none of the others out.
type memory struct {
	good, bad             *lru.Cache[*verdict] // nil: none are kept
	ttl, badTTL, maxStale time.Duration
}

func newMemory(size int, ttl, badTTL, maxStale time.Duration) *memory {
	m := &memory{ttl: ttl, badTTL: badTTL, maxStale: maxStale}
	if size > 0 && ttl+maxStale > 0 {
		m.good = lru.New[*verdict](size)
	}
	if badTTL > 0 {
		m.bad = lru.New[*verdict](defaultMemory)
	}
	return m
}

// get returns a verdict that still counts, nil if there is none.
func (m *memory) get(h lru.Hash, now time.Time) *verdict {
	if m.good != nil {
		if v, ok := m.good.Get(h); ok && v.serves(now, m.ttl) {
			return v
		}
	}
	if m.bad != nil {
		if v, ok := m.bad.Get(h); ok && v.serves(now, m.badTTL) {
			return v
		}
	}
	return nil
}

// last returns the last good verdict for when the endpoint can't be had, nil if there is none or it is too old.
func (m *memory) last(h lru.Hash, now time.Time) *verdict {
	if m.good == nil || m.maxStale == 0 {
		return nil
	}
	if v, ok := m.good.Get(h); ok && v.serves(now, m.ttl+m.maxStale) {
		return v
	}
	return nil
}

// add replaces what was known of the token.
func (m *memory) add(h lru.Hash, v *verdict) {
	switch {
	case v.err == nil && m.good != nil:
		m.good.Add(h, v)
	case v.err != nil:
		if m.good != nil {
			m.good.Remove(h)
		}
		if m.bad != nil {
			m.bad.Add(h, v)
		}
	}
}

// serves: never on or after exp (RFC 7662 section 4), whatever the clock skew.
func (v *verdict) serves(now time.Time, ttl time.Duration) bool {
	age := now.Sub(v.asked)
	if age >= ttl || age < -clockTurned {
		return false
	}
	return v.claims == nil || v.claims.Expiry().IsZero() || now.Before(v.claims.Expiry())
}

// hashOf hashes a token, of up to 2048 bytes from the stack.
func hashOf(token string) lru.Hash {
	if len(token) <= 128 { // opaque ones: a small buffer is sooner zeroed
		var buffer [128]byte
		return sha256.Sum256(append(buffer[:0], token...))
	}
	var buffer [2048]byte
	return sha256.Sum256(append(buffer[:0], token...))
}

// owners remember for which token a signed answer was given, so that it is not taken for another one.
type owners struct {
	mu     sync.Mutex
	tokens *lru.Cache[lru.Hash]
}

// claim reports whether an answer, by something that is in it alone, is the token's: the first one that it came for.
func (o *owners) claim(answer string, token lru.Hash) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	name := sha256.Sum256([]byte(answer))
	if first, ok := o.tokens.Get(name); ok {
		return first == token
	}
	o.tokens.Add(name, token)
	return true
}
