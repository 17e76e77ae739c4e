// Package lru is a bounded map of the most recently used entries, cut into shards so that it scales with cores.
package lru

import (
	"math"

	lru "github.com/hashicorp/golang-lru/v2"
)

// shards is a power of two that leaves two requests of a large machine seldom at the same lock.
const shards = 16

// Hash is a key that is spread evenly, as every digest is.
type Hash = [32]byte

// Cache maps hashes to values. It is safe for concurrent use.
type Cache[V any] struct {
	shards [shards]*lru.Cache[Hash, V]
}

// New returns a cache that surely keeps the last n entries used, n > 0. Entries fall unevenly into shards,
// so each has room for five standard deviations more than its share: up to a fifth more than n in all for n above 10,000.
func New[V any](n int) *Cache[V] {
	c := &Cache[V]{}
	share := (n-1)/shards + 1
	for i := range c.shards {
		// The error is only for a size below one.
		c.shards[i], _ = lru.New[Hash, V](share + int(5*math.Sqrt(float64(share))+1))
	}
	return c
}

// Get returns an entry and marks it as used.
func (c *Cache[V]) Get(h Hash) (V, bool) { return c.shard(h).Get(h) }

// Add sets an entry.
func (c *Cache[V]) Add(h Hash, v V) { c.shard(h).Add(h, v) }

// Remove drops an entry.
func (c *Cache[V]) Remove(h Hash) { c.shard(h).Remove(h) }

func (c *Cache[V]) shard(h Hash) *lru.Cache[Hash, V] { return c.shards[h[0]%shards] }
