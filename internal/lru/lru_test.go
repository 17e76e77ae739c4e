package lru_test

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"sync"
	"testing"

	"github.com/bearerguard/bearerguard/internal/lru"
)

func hash(i int) lru.Hash {
	return sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(i)))
}

// TestThatManyAreSurelyKept fills a cache with as many entries as it promises to keep, and looks for them.
func TestThatManyAreSurelyKept(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, 16, 17, 1000, 4096, 100_000} {
		c := lru.New[int](n)
		for i := range 2 * n { // the first n are pushed out, or not
			c.Add(hash(i), i)
		}
		hits := 0
		for i := n; i < 2*n; i++ {
			if v, ok := c.Get(hash(i)); ok && v == i {
				hits++
			} else if ok {
				t.Fatalf("%d is remembered as %d", i, v)
			}
		}
		if rate := float64(hits) / float64(n); rate < 0.999 {
			t.Errorf("%d of the last %d are there: %.4f", hits, n, rate)
		}
	}
}

func TestItIsBounded(t *testing.T) {
	t.Parallel()
	for n, most := range map[int]int{1: 16 * 7, 1000: 2000, 100_000: 120_000} {
		c := lru.New[int](n)
		for i := range 2 * most {
			c.Add(hash(i), i)
		}
		kept := 0
		for i := range 2 * most {
			if _, ok := c.Get(hash(i)); ok {
				kept++
			}
		}
		if kept < n || kept > most {
			t.Errorf("New(%d) keeps %d, at most %d are wanted", n, kept, most)
		}
	}
}

func TestTheLargestSize(t *testing.T) {
	t.Parallel()
	c := lru.New[int](math.MaxInt)
	c.Add(hash(0), 1)
	if v, ok := c.Get(hash(0)); !ok || v != 1 {
		t.Error(v, ok)
	}
}

func TestUseKeepsAnEntry(t *testing.T) {
	t.Parallel()
	c := lru.New[string](10)
	c.Add(hash(0), "used")
	for i := 1; i < 10_000; i++ {
		c.Add(hash(i), "new")
		if v, ok := c.Get(hash(0)); !ok || v != "used" {
			t.Fatalf("gone after %d others", i)
		}
	}
	c.Add(hash(0), "changed")
	if v, _ := c.Get(hash(0)); v != "changed" {
		t.Errorf("%q", v)
	}
	c.Remove(hash(0))
	c.Remove(hash(0))
	if v, ok := c.Get(hash(0)); ok || v != "" {
		t.Errorf("%q after Remove", v)
	}
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	c := lru.New[int](64)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 2000 {
				c.Add(hash(i), i)
				if v, ok := c.Get(hash(i + g)); ok && v != i+g {
					t.Errorf("%d is remembered as %d", i+g, v)
				}
				c.Remove(hash(i - g))
			}
		})
	}
	wg.Wait()
}
