// Package scopes says what a token grants and what a route asks for.
//
// A [Set] is the scope of a token, read with [Parse]. A [Policy] is what a
// route asks for, built with [All] and [Any] or read with [ParsePolicy]. The
// question between them is [Policy.Allows].
//
// Scope-tokens are compared whole, byte by byte, as RFC 6749 section 3.3 has
// it. Nothing is implied: there are no wildcards, no hierarchy ("orders" does
// not grant "orders:read") and no normalization. Whether an authorization
// server knows a scope is not checked.
//
// All values are immutable and safe for concurrent use.
package scopes

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
)

const (
	// maxScanned is the number of tokens up to which a Set is scanned. At
	// worst that costs a few map lookups; a map would cost allocations for
	// every token that is read.
	maxScanned = 16

	// maxQuoted is the number of bytes of a bad token that an error shows, so
	// that a hostile token can't flood a log.
	maxQuoted = 64
)

// A Set is a set of scope-tokens. The zero Set is empty. A Set is immutable
// and safe for concurrent use; it can't be compared with ==.
type Set struct {
	tokens []string            // without duplicates, as written
	index  map[string]struct{} // the same; nil up to maxScanned
}

// Of returns the set of the given scope-tokens. Without any it is empty.
//
// Of is for scopes written in a program: it panics on a token that RFC 6749
// section 3.3 doesn't allow, such as an empty one or one with a space in it.
// Use [Parse] for what comes from elsewhere.
func Of(tokens ...string) Set {
	return mustSet(tokens, checkToken)
}

// Parse reads a scope string as RFC 6749 section 3.3 writes it: scope-tokens
// separated by spaces. Only U+0020 separates; runs of it, and spaces at either
// end, are tolerated. A token that occurs again is dropped. The empty string
// gives the empty Set.
//
// A character outside %x21 / %x23-5B / %x5D-7E is an error, which quotes at
// most 64 bytes of the token it is in. The Set is then empty.
//
// Parse doesn't bound the length of s, and the Set keeps s in memory.
func Parse(s string) (Set, error) {
	set := Set{tokens: make([]string, 0, min(strings.Count(s, " ")+1, maxScanned))}
	for token, rest := cut(s); token != ""; token, rest = cut(rest) {
		if err := checkToken(token); err != nil {
			return Set{}, fmt.Errorf("scopes: %w", err)
		}
		set.add(token)
	}
	return set, nil
}

// Has reports whether token is in s. Case matters (RFC 6749 section 3.3).
func (s Set) Has(token string) bool {
	if s.index != nil {
		_, ok := s.index[token]
		return ok
	}
	return slices.Contains(s.tokens, token) // 6749-3.3-1: case-sensitive
}

// Contains reports whether every token of other is in s, in whatever order
// (RFC 6749 section 3.3). Every Set contains the empty Set: what a route asks
// for belongs in a [Policy], which can't be made of it.
func (s Set) Contains(other Set) bool {
	for _, token := range other.tokens { // 6749-3.3-1: order carries no meaning
		if !s.Has(token) {
			return false
		}
	}
	return true
}

// Len returns the number of tokens in s.
func (s Set) Len() int { return len(s.tokens) }

// All returns an iterator over the tokens of s, in the order they were written.
func (s Set) All() iter.Seq[string] { return slices.Values(s.tokens) }

// String returns the tokens of s in the order they were written, joined by one
// space: a scope string of RFC 6749 section 3.3 that [Parse] reads back. It is
// "" for the empty Set. It needs no escaping in a quoted-string, such as the
// scope parameter of a challenge (RFC 6750 section 3).
func (s Set) String() string { return strings.Join(s.tokens, " ") }

// add is for a Set that nobody else has seen yet.
func (s *Set) add(token string) {
	if s.Has(token) {
		return
	}
	s.tokens = append(s.tokens, token)
	switch {
	case s.index != nil:
		s.index[token] = struct{}{}
	case len(s.tokens) > maxScanned:
		s.index = make(map[string]struct{}, cap(s.tokens))
		for _, t := range s.tokens {
			s.index[t] = struct{}{}
		}
	}
}

func mustSet(tokens []string, check func(string) error) Set {
	set := Set{tokens: make([]string, 0, len(tokens))}
	for _, token := range tokens {
		if err := check(token); err != nil {
			panic("scopes: " + err.Error())
		}
		set.add(token)
	}
	return set
}

// cut returns the first word of s and what follows it. Words are separated by
// U+0020 alone (6749-3.3-1). The word is "" when there is none left.
func cut(s string) (word, rest string) {
	s = strings.TrimLeft(s, " ")
	if i := strings.IndexByte(s, ' '); i >= 0 {
		return s[:i], s[i:]
	}
	return s, ""
}

// checkToken returns an error unless token is a scope-token (6749-3.3-2):
// scope-token = 1*( %x21 / %x23-5B / %x5D-7E ).
func checkToken(token string) error {
	if token == "" {
		return errors.New(`"" is not a scope-token: it is empty (RFC 6749 section 3.3)`)
	}
	for i := range len(token) {
		switch c := token[i]; {
		case c == 0x21, 0x23 <= c && c <= 0x5B, 0x5D <= c && c <= 0x7E:
		default:
			return fmt.Errorf("%s is not a scope-token: its byte %d, 0x%02x, is outside"+
				" %%x21 / %%x23-5B / %%x5D-7E (RFC 6749 section 3.3)", quote(token), i, c)
		}
	}
	return nil
}

func quote(token string) string {
	if len(token) > maxQuoted {
		return fmt.Sprintf("%q...", token[:maxQuoted])
	}
	return fmt.Sprintf("%q", token)
}
