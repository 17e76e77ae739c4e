package middleware

import (
	"slices"

	"github.com/bearerguard/bearerguard/scopes"
	"github.com/bearerguard/bearerguard/verifier"
)

// Requirement is what a route asks of a good token. It is immutable. The zero Requirement refuses every token.
type Requirement struct {
	policy scopes.Policy
}

// Scope asks for all of the scopes together; without any it refuses every token.
// It panics on a string that is no scope-token, as [scopes.All] does: a mistake in the program.
func Scope(all ...string) Requirement { return Requirement{scopes.All(all...)} }

// Policy asks for what a policy allows.
func Policy(p scopes.Policy) Requirement { return Requirement{p} }

func (r Requirement) met(c *verifier.Claims) bool { return r.policy.Allows(c.Scopes()) }

// ask is the scope parameter of a challenge: what a token needs for the whole route (RFC 6750 section 3).
func ask(requirements []Requirement) string {
	var tokens []string
	for _, r := range requirements {
		tokens = slices.AppendSeq(tokens, r.policy.Ask().All())
	}
	return scopes.Of(tokens...).String()
}
