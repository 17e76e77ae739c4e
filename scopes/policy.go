package scopes

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// maxAlternatives bounds the alternatives of a Policy. A refused request tries
// them all, and And multiplies them.
const maxAlternatives = 64

const (
	opAnd = "&"
	opOr  = "|"
)

// A Policy is what a route asks for: alternatives, each of them scopes needed
// together. It allows a [Set] that contains at least one alternative.
//
// The zero Policy has no alternatives and allows nothing. No alternative is
// ever empty, so no Policy allows the empty Set. A Policy is immutable and
// safe for concurrent use.
//
// Four kinds of scope-token that RFC 6749 section 3.3 allows have no place in
// a Policy, for [ParsePolicy] couldn't read them back: "&", "|", one that
// begins with "(" and one that ends with ")".
//
// A Policy has at most 64 alternatives. Where [Any], [Policy.And] or
// [Policy.Or] would make more, alternatives that contain another one are
// dropped: that changes nothing about what is allowed, but may change what
// [Policy.Ask] returns. If more than 64 are left even so, it panics, for
// policies are built when a program starts and not out of requests.
type Policy struct {
	alternatives []Set
}

// All returns the Policy that asks for all of the tokens together. Without
// any it allows nothing. It panics on a bad token, as [Of] does, and on one
// that has no place in a [Policy].
func All(tokens ...string) Policy {
	if len(tokens) == 0 {
		return Policy{}
	}
	return Policy{[]Set{mustSet(tokens, checkTerm)}}
}

// Any returns the Policy that asks for at least one of the tokens. Without any
// it allows nothing. It panics on a bad token, as [Of] does, on one that has
// no place in a [Policy], and on more than 64 different ones.
func Any(tokens ...string) Policy {
	var alternatives []Set
	for token := range mustSet(tokens, checkTerm).All() {
		alternatives = append(alternatives, Of(token))
	}
	return newPolicy(alternatives)
}

// ParsePolicy reads a Policy as [Policy.String] writes it, for example
//
//	orders:read & orders:write | admin
//
// "&" asks for both sides together and binds first; "|" separates alternatives.
// Both must stand between spaces (U+0020, one or more), because RFC 6749
// section 3.3 allows them inside of scope-tokens: "a&b" is one scope-token.
// There are no parentheses.
//
// An empty string, a bad scope-token, a missing operand or operator, and more
// than 64 alternatives are errors that say at which byte of s they are, and
// quote at most 64 bytes of it. The Policy is then zero. ParsePolicy doesn't
// bound the length of s.
func ParsePolicy(s string) (Policy, error) {
	var alternatives []Set
	operator := opOr // the one whose right-hand side is due, "" when none is
	for word, rest := cut(s); word != ""; word, rest = cut(rest) {
		offset := len(s) - len(rest) - len(word)
		if isOperator(word) {
			if operator != "" {
				return Policy{}, fmt.Errorf("scopes: policy: at offset %d: no scope-token before %q", offset, word)
			}
			operator = word
			continue
		}
		if err := checkTerm(word); err != nil {
			return Policy{}, fmt.Errorf("scopes: policy: at offset %d: %w", offset, err)
		}
		switch operator {
		case "":
			return Policy{}, fmt.Errorf("scopes: policy: at offset %d: no operator before %s", offset, quote(word))
		case opOr:
			if len(alternatives) == maxAlternatives {
				return Policy{}, fmt.Errorf("scopes: policy: at offset %d: more than %d alternatives", offset, maxAlternatives)
			}
			alternatives = append(alternatives, Set{})
		}
		alternatives[len(alternatives)-1].add(word)
		operator = ""
	}
	switch {
	case len(alternatives) == 0:
		return Policy{}, errors.New("scopes: policy: at offset 0: it is empty")
	case operator != "":
		return Policy{}, fmt.Errorf("scopes: policy: at offset %d: no scope-token after %q", len(s), operator)
	}
	return Policy{alternatives}, nil
}

// And returns the Policy that allows what both p and q allow. Its alternatives
// are those of p, each joined to each of q. If p or q is zero, so is the
// result. It panics if that makes too many alternatives; see [Policy].
func (p Policy) And(q Policy) Policy {
	var alternatives []Set
	for _, a := range p.alternatives {
		for _, b := range q.alternatives {
			alternatives = append(alternatives, Of(slices.Concat(a.tokens, b.tokens)...))
		}
	}
	return newPolicy(alternatives)
}

// Or returns the Policy that allows what p or q allows. Its alternatives are
// those of p, then those of q. It panics if they are too many; see [Policy].
func (p Policy) Or(q Policy) Policy {
	return newPolicy(slices.Concat(p.alternatives, q.alternatives))
}

// Allows reports whether granted contains at least one alternative of p. The
// zero Policy allows nothing. Allows looks at scopes alone: whether the token
// that grants them is good is not its question.
func (p Policy) Allows(granted Set) bool {
	// A subset test in this direction only: what is asked for must be in what
	// is granted.
	return slices.ContainsFunc(p.alternatives, granted.Contains)
}

// Ask returns the first alternative of p as written: what a client is told to
// ask for, the scope parameter of a challenge (RFC 6750 section 3). For the
// zero Policy it is empty, and a challenge then has no such parameter.
func (p Policy) Ask() Set {
	if len(p.alternatives) == 0 {
		return Set{}
	}
	return p.alternatives[0]
}

// String returns p as written, "&" between scope-tokens and "|" between
// alternatives. [ParsePolicy] reads it back, unless it is "": the zero Policy.
func (p Policy) String() string {
	alternatives := make([]string, len(p.alternatives))
	for i, alternative := range p.alternatives {
		alternatives[i] = strings.Join(alternative.tokens, " "+opAnd+" ")
	}
	return strings.Join(alternatives, " "+opOr+" ")
}

func newPolicy(alternatives []Set) Policy {
	if len(alternatives) > maxAlternatives {
		alternatives = absorb(alternatives)
	}
	if n := len(alternatives); n > maxAlternatives {
		panic(fmt.Sprintf("scopes: a policy of %d alternatives: at most %d are allowed", n, maxAlternatives))
	}
	return Policy{alternatives}
}

// absorb drops the alternatives that contain another one, and of equal ones
// all but the first.
func absorb(alternatives []Set) []Set {
	var kept []Set
	for _, s := range alternatives {
		if slices.ContainsFunc(kept, s.Contains) {
			continue
		}
		kept = slices.DeleteFunc(kept, func(k Set) bool { return k.Contains(s) })
		kept = append(kept, s)
	}
	return kept
}

func isOperator(word string) bool { return word == opAnd || word == opOr }

// checkTerm returns an error unless token is a scope-token that ParsePolicy
// can read.
func checkTerm(token string) error {
	switch {
	case isOperator(token):
		return fmt.Errorf("%q is an operator, not a scope-token", token)
	case strings.HasPrefix(token, "("), strings.HasSuffix(token, ")"):
		return fmt.Errorf("%s begins with \"(\" or ends with \")\": parentheses are not supported", quote(token))
	}
	return checkToken(token)
}
