package middleware

import (
	"cmp"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/bearerguard/bearerguard/verifier"
)

// ReplayStore remembers DPoP proofs. It must be safe for concurrent use, and of a type that == compares, such as a pointer.
type ReplayStore interface {
	// Once reports whether it is the first one to be asked about a key, and remembers the key until then at least. Of several
	// calls at the same time one is the first. A key is the thumbprint of the proof's key (43 characters), a dot, and a hash of
	// the thumbprint, the URL and the proof's jti (43 characters): no secret, but of no use to anybody else. An error means
	// that it can't be told: the request is refused with 503.
	Once(ctx context.Context, key string, until time.Time) (first bool, err error)
}

// replayKey is the same for two proofs of the same key and URL with the same jti (RFC 9449 section 11.1). No part of the hash's
// text but the last one holds a line break.
func replayKey(thumbprint string, p *proof) string {
	sum := sha256.Sum256([]byte(thumbprint + "\n" + p.uri + "\n" + p.id))
	return thumbprint + "." + base64.RawURLEncoding.EncodeToString(sum[:])
}

// spend asks the store whether the proof was used before: last of all, so that a request that is refused for something else
// uses up nothing, and once for each store, so that a request may pass several guards. The header is for the response.
func (g *Guard) spend(r *http.Request, s *stamp, requirements []Requirement) (http.Header, *Denial) {
	p := s.proven
	if p == nil || s.Context != nil { // no proof, or this guard has been here
		return nil, nil
	}
	p.outer, _ = r.Context().Value(provenKey{}).(*proven)
	asked := p.store == nil
	for o := p.outer; o != nil; o = o.outer {
		asked = asked || o.store == p.store && o.key == p.key
		if o.nonce != "" {
			p.nonce = "" // RFC 9449 section 8: never more than one in a response
		}
	}
	if !asked {
		first, err := p.store.Once(r.Context(), p.key, p.until)
		switch {
		case err != nil:
			return nil, g.denyUnavailable(fmt.Errorf("%w: DPoP.Replay: %w", verifier.ErrUnavailable, err))
		case !first:
			return nil, g.deny(schemeDPoP, invalidProof, requirements, errors.New("DPoP proof: used before"))
		}
	}
	if p.nonce == "" {
		return nil, nil
	}
	return http.Header{"Dpop-Nonce": {p.nonce}, "Cache-Control": {"no-store"}}, nil // RFC 9449 section 8.2
}

// Bounds of what is remembered in memory.
const (
	defaultReplaySize = 1 << 20
	replayShards      = 16 // a power of two that leaves two requests of a large machine seldom at the same lock
	replayShare       = 4  // a key may have one in so many entries: one client must not lock the others out
	replayEpochs      = 4  // in a proof's life: what is forgotten, is so at most a fourth of it late
)

// replayMemory is the ReplayStore of one process. It forgets what it remembers an epoch at a time, so that nothing has to be
// looked for, and nothing runs beside the requests.
type replayMemory struct {
	now         func() time.Time
	epoch       time.Duration
	size, quota int // of a shard
	shards      [replayShards]replayShard
}

type replayShard struct {
	mu     sync.Mutex
	turn   time.Time                     // when the next epoch begins
	epochs [replayEpochs + 1]replayEpoch // the current one first: an entry of its end is there for replayEpochs more
}

// replayEpoch has entries by 128 bits of a hash, and how many there are for each key, by 96 bits of its thumbprint.
type replayEpoch struct {
	seen map[[16]byte]struct{}
	of   map[[16]byte]int
}

// newReplayMemory remembers size entries, each for a life.
func newReplayMemory(size int, life time.Duration, now func() time.Time) *replayMemory {
	size = cmp.Or(size, defaultReplaySize)
	// Entries fall unevenly into shards: each has room for five standard deviations more than its share.
	roomFor := func(n int) int {
		share := float64(n) / replayShards
		return int(share + 5*math.Sqrt(share) + 1)
	}
	return &replayMemory{now: now, epoch: life/replayEpochs + 1, size: roomFor(size), quota: roomFor(size / replayShare)}
}

var (
	errReplayFull  = errors.New("as many proofs as can be remembered: see ReplaySize")
	errReplayQuota = errors.New("as many proofs of one client's key as can be remembered: see ReplaySize")
)

// Once never forgets an entry to make room for another.
func (m *replayMemory) Once(_ context.Context, key string, _ time.Time) (bool, error) {
	sum := sha256.Sum256([]byte(key))
	entry, owner := [16]byte(sum[:16]), [16]byte([]byte(key[:16]))
	s := &m.shards[sum[31]%replayShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rotate(m.now(), m.epoch)
	all, owned := 0, 0
	for _, e := range s.epochs {
		if _, there := e.seen[entry]; there {
			return false, nil
		}
		all, owned = all+len(e.seen), owned+e.of[owner]
	}
	switch {
	case all >= m.size:
		return false, errReplayFull
	case owned >= m.quota:
		return false, errReplayQuota
	}
	s.epochs[0].seen[entry] = struct{}{}
	s.epochs[0].of[owner]++
	return true, nil
}

// rotate begins the epochs that are due. A clock that was set back makes it remember longer, never shorter.
func (s *replayShard) rotate(now time.Time, epoch time.Duration) {
	if latest := now.Add(epoch); s.turn.After(latest) {
		s.turn = latest
	}
	for range s.epochs {
		if now.Before(s.turn) {
			return
		}
		copy(s.epochs[1:], s.epochs[:])
		s.epochs[0] = replayEpoch{map[[16]byte]struct{}{}, map[[16]byte]int{}}
		s.turn = s.turn.Add(epoch)
	}
	if !now.Before(s.turn) { // a long silence: all are new
		s.turn = now.Add(epoch)
	}
}

// Bounds of a nonce.
const (
	nonceLifetime  = 3 * time.Minute // a client that is silent for longer has to ask for another one
	nonceEpoch     = time.Hour       // for which a derived key serves: far fewer nonces than AES-GCM's 2^32 random ones
	minNonceSecret = 32              // bytes
	nonceSize      = 48              // characters: 12 bytes of AES-GCM's nonce, 8 of time and 16 of a tag in base64url
)

// nonces makes DPoP nonces and knows them again without keeping them: each is the time at which it was made, sealed with
// AES-GCM (RFC 9449 section 8). Authorization servers have other ones (section 9).
type nonces struct {
	secrets [][]byte // the first one seals
}

// processSecret is shared by all guards of a process, so that a client doesn't have to take turns between their nonces.
var processSecret = sync.OnceValue(func() []byte {
	secret := make([]byte, minNonceSecret)
	rand.Read(secret) // never fails
	return secret
})

func newNonces(secrets [][]byte) *nonces {
	if len(secrets) == 0 {
		return &nonces{[][]byte{processSecret()}}
	}
	n := &nonces{}
	for _, secret := range secrets {
		n.secrets = append(n.secrets, append([]byte{}, secret...))
	}
	return n
}

// sealer is AES-256-GCM with a key that serves for an epoch. Nothing of it can fail: key and sizes are ours.
func sealer(secret []byte, epoch int64) cipher.AEAD {
	key, err := hkdf.Key(sha256.New, secret, nil, "bearerguard DPoP nonce "+strconv.FormatInt(epoch, 10), 32)
	block, blockErr := aes.NewCipher(key)
	if err := errors.Join(err, blockErr); err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	return aead
}

func epochOf(t time.Time) int64 { return t.Unix() / int64(nonceEpoch/time.Second) }

func (n *nonces) seal(now time.Time) string {
	made := binary.BigEndian.AppendUint64(nil, uint64(now.Unix()))
	return base64.RawURLEncoding.EncodeToString(sealer(n.secrets[0], epochOf(now)).Seal(nil, nil, made, nil))
}

var (
	errNoNonce    = errors.New("no nonce")
	errNonce      = errors.New("a nonce that this server did not make, or not lately")
	errStaleNonce = errors.New("a nonce that is too old")
)

// open tells when a nonce was made, if it was made by one of the secrets and is still good.
func (n *nonces) open(nonce string, now time.Time) (made time.Time, err error) {
	if nonce == "" {
		return time.Time{}, errNoNonce
	}
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(nonce)
	if err != nil || len(nonce) != nonceSize {
		return time.Time{}, errNonce
	}
	for _, secret := range n.secrets {
		tried := int64(-1)
		for _, at := range []time.Time{now, now.Add(-nonceLifetime), now.Add(fleetSkew)} {
			if epochOf(at) == tried {
				continue
			}
			tried = epochOf(at)
			text, err := sealer(secret, tried).Open(nil, nil, sealed, nil)
			if err != nil {
				continue
			}
			made = time.Unix(int64(binary.BigEndian.Uint64(text)), 0)
			if age := now.Sub(made); age > nonceLifetime || age < -fleetSkew {
				return time.Time{}, errStaleNonce
			}
			return made, nil
		}
	}
	return time.Time{}, errNonce
}
