package verifier

import (
	"crypto/sha256"
	"strings"
	"sync"
	"time"

	"github.com/bearerguard/bearerguard/internal/jose"
	"github.com/bearerguard/bearerguard/internal/lru"
)

const defaultCacheSize = 4096

// cache remembers tokens that were good. It keeps the hash of a token's signature, the signing input and the claims, never
// the signature: what lies in memory can't be sent anywhere. A nil cache remembers nothing.
//
// Of an encrypted token it keeps the hash of the whole and nothing else: the ciphertext could be decrypted with the keys that
// lie in the same memory, and there the signature stands too.
type cache struct {
	tokens *lru.Cache[*remembered]
	// spellings has, for a signed token that came encrypted, the hash under which it is remembered. Whoever has the signed
	// token can encrypt it anew as often as he likes: only the newest is kept, so that one token doesn't push out the others.
	spellings *lru.Cache[lru.Hash]
}

type remembered struct {
	signed string // the signing input, compared whole; "" for an encrypted token
	claims *Claims
	key    *jose.Key // the token's memory dies with the key that signed it
	// The dates between which it counts: nbf and iat, exp, and the clock skew.
	from, until time.Time
}

func newCache(size int, decrypting bool) *cache {
	c := &cache{tokens: lru.New[*remembered](size)}
	if decrypting {
		c.spellings = lru.New[lru.Hash](size)
	}
	return c
}

// mark is where a token is remembered: by the hash of its signature, an encrypted one by that of the whole.
// The zero mark is that of no token.
type mark struct {
	hash lru.Hash
	dot  int // where the signing input ends
}

// maxSignature is that of RSA with 8192 bits, the largest key accepted, in base64url.
const maxSignature = 1366

// nonceEnd is where, behind its second dot, an encrypted token has its third one: RFC 7518 section 5.3 fixes the nonce's length.
const nonceEnd = 16

// markOf hashes a signature of up to 4096 bits from the stack. What can't be a good token has the zero mark.
func markOf(token string) mark {
	head := strings.IndexByte(token, '.')
	dot := head + 1 + strings.IndexByte(token[head+1:], '.')
	signature := token[dot+1:]
	switch {
	case dot > head && len(signature) > nonceEnd && signature[nonceEnd] == '.' && jose.IsEncrypted(token):
		return markOfWhole(token)
	case dot <= head || len(signature) > maxSignature:
		return mark{}
	case len(signature) <= 128: // ES256, EdDSA: a small buffer is sooner zeroed
		var buffer [128]byte
		return mark{sha256.Sum256(append(buffer[:0], signature...)), dot}
	}
	var buffer [688]byte
	return mark{sha256.Sum256(append(buffer[:0], signature...)), dot}
}

// markOfWhole hashes a token of up to 4 KiB from a stack that callers of markOf for other tokens needn't have.
//
//go:noinline
func markOfWhole(token string) mark {
	var buffer [4 << 10]byte
	return mark{sha256.Sum256(append(buffer[:0], token...)), 0}
}

func (c *cache) get(token string, m *mark) (*remembered, bool) {
	if c == nil {
		return nil, false
	}
	entry, ok := c.tokens.Get(m.hash)
	if !ok || entry.signed != token[:m.dot] {
		return nil, false
	}
	return entry, true
}

func (c *cache) add(token string, m *mark, t *inspection) {
	if c == nil {
		return
	}
	if t.encrypted != nil {
		signed := markOf(t.token).hash
		if older, ok := c.spellings.Get(signed); ok {
			c.tokens.Remove(older)
		}
		c.spellings.Add(signed, m.hash)
	}
	from := t.claims.notBefore
	if from.Before(t.claims.issuedAt) {
		from = t.claims.issuedAt
	}
	c.tokens.Add(m.hash, &remembered{strings.Clone(token[:m.dot]), t.claims, t.key, from.Add(-t.v.skew), t.claims.expiry.Add(t.v.skew)})
}

// remembers reports whether this very token is remembered.
func (v *Verifier) remembers(token string, m *mark) bool {
	_, ok := v.cache.get(token, m)
	return ok
}

// headerCache keeps parsed headers by their raw segment, for the header of one issuer's tokens repeats byte for byte.
// Only headers of good tokens enter, so that nobody can flood it.
type headerCache struct {
	mu      sync.RWMutex
	headers map[string]*header
}

// maxHeaders is for servers that write their members in another order each time; when it is full, it starts anew.
const maxHeaders = 64

func newHeaderCache() *headerCache { return &headerCache{headers: map[string]*header{}} }

func (c *headerCache) get(segment string) *header {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.headers[segment]
}

func (c *headerCache) add(segment string, h *header) {
	if c.get(segment) != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.headers) >= maxHeaders {
		clear(c.headers)
	}
	c.headers[strings.Clone(segment)] = h
}
