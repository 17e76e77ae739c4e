package middleware

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bearerguard/bearerguard/scopes"
	"github.com/bearerguard/bearerguard/verifier"
)

// Requirement is what a route asks of a good token. It is immutable. The zero Requirement refuses every token.
type Requirement struct {
	policy  scopes.Policy
	stepUp  *stepUp
	details *details
}

// Scope asks for all of the scopes together; without any it refuses every token.
// It panics on a string that is no scope-token, as [scopes.All] does: a mistake in the program.
func Scope(all ...string) Requirement { return Requirement{policy: scopes.All(all...)} }

// Policy asks for what a policy allows.
func Policy(p scopes.Policy) Requirement { return Requirement{policy: p} }

// stepUp is how the user must have authenticated (RFC 9470).
type stepUp struct {
	maxAge time.Duration // 0: any
	acr    []string      // empty: any
}

// authSkew is how far the authorization server's clock may be ahead; an authentication of the time after that is none.
const authSkew = 30 * time.Second

// StepUp asks that the user has authenticated no longer ago than maxAge, in whole seconds, by the claim auth_time, and in one of the
// ways that the authentication context class references name, best first, by the claim acr (RFC 9470). A maxAge of 0 asks for no
// time, and no references ask for no way. A token that lacks what is asked for is refused with insufficient_user_authentication,
// so that the client sends the user to authenticate again.
//
// A token that a client got for itself is refused with 403: there is no user to authenticate. It is told by [verifier.Claims.ActsForItself].
//
// It panics on a negative maxAge, on one that is no whole number of seconds, on a reference that is none, and if it asks for nothing: mistakes
// in the program.
func StepUp(maxAge time.Duration, acr ...string) Requirement {
	if maxAge < 0 || maxAge%time.Second != 0 || maxAge == 0 && len(acr) == 0 {
		panic(fmt.Sprintf("middleware: StepUp(%v): want a whole number of seconds, or 0 and authentication context class references", maxAge))
	}
	for _, a := range acr {
		if a == "" || !isQuotable(a) || strings.Contains(a, " ") {
			panic(fmt.Sprintf("middleware: StepUp: %q is no authentication context class reference: want printable ASCII without spaces, quotes and backslashes", a))
		}
	}
	return Requirement{stepUp: &stepUp{maxAge, slices.Clone(acr)}}
}

// unmet says why the user's authentication is not enough; nil if it is. A claim that is missing or of another type is
// none (RFC 9470 section 6.1).
func (s *stepUp) unmet(c *verifier.Claims, now time.Time) error {
	var acr string
	if len(s.acr) > 0 && (c.Get("acr", &acr) != nil || !slices.Contains(s.acr, acr)) { // RFC 9470 section 3: any one of them
		return fmt.Errorf("the token of %v has acr %.40q, the route asks for one of %q", c, acr, s.acr)
	}
	if s.maxAge == 0 {
		return nil
	}
	var seconds float64
	if err := c.Get("auth_time", &seconds); err != nil {
		return fmt.Errorf("the token of %v: %w", c, err)
	}
	at := time.Unix(int64(seconds), 0)
	if age := now.Sub(at); age > s.maxAge || age < -authSkew {
		return fmt.Errorf("the user of the token of %v authenticated at %v, it is %v now, the route asks for at most %v ago", c, at.UTC(), now.UTC(), s.maxAge)
	}
	return nil
}

// details is what one of the token's authorization_details must allow (RFC 9396).
type details struct {
	typ    string
	allows func(*http.Request, verifier.Detail) bool
}

// Details asks that one of the token's authorization_details has this type and that allows says yes to it (RFC 9396): of this request,
// so that it can compare an account or an amount. [verifier.Detail.Permits] compares actions and locations. A token without one, and one
// whose claim can't be read, is refused with 403; the RFC has no error code for it, so it is that of a scope, but the challenge
// names none. Details don't take the place of scopes: a route that needs both asks for both.
//
// It panics on an empty type and on nil: mistakes in the program.
func Details(typ string, allows func(*http.Request, verifier.Detail) bool) Requirement {
	if typ == "" || allows == nil {
		panic("middleware: Details without a type, or of a nil function")
	}
	return Requirement{details: &details{typ, allows}}
}

func (d *details) unmet(r *http.Request, c *verifier.Claims) error {
	found, err := c.Details(d.typ)
	if err != nil {
		return fmt.Errorf("the token of %v: %w", c, errors.New(err.Error())) // it is good all the same
	}
	if !slices.ContainsFunc(found, func(one verifier.Detail) bool { return d.allows(r, one) }) {
		return fmt.Errorf("none of the %d authorization_details of type %q in the token of %v allows the request", len(found), d.typ, c)
	}
	return nil
}

// unmet finds out whether a good token suffices for the route. What the user can mend by authenticating again goes before what
// another scope mends, for the client asks for that scope with the same request (RFC 9470 section 3).
func (g *Guard) unmet(r *http.Request, c *verifier.Claims, requirements []Requirement) (o outcome, err error) {
	for _, requirement := range requirements {
		switch {
		case requirement.stepUp != nil:
			if lacking := requirement.stepUp.unmet(c, g.cfg.Now()); lacking != nil {
				if c.ActsForItself() {
					return noUser, fmt.Errorf("a client's own token: %w", lacking)
				}
				return insufficientAuthentication, lacking
			}
		case err != nil: // of an earlier one: only a step-up matters more
		case requirement.details != nil:
			o, err = otherDetails, requirement.details.unmet(r, c)
		case !requirement.policy.Allows(c.Scopes()):
			o, err = insufficientScope, fmt.Errorf("the token of %v has scope %q", c, c.Scopes())
		}
	}
	return o, err
}

// ask is the scope parameter of a challenge: what a token needs for the whole route (RFC 6750 section 3).
func ask(requirements []Requirement) string {
	var tokens []string
	for _, r := range requirements {
		tokens = slices.AppendSeq(tokens, r.policy.Ask().All())
	}
	return scopes.Of(tokens...).String()
}

// askAuthentication is what a challenge says of the authentication that the whole route needs (RFC 9470 section 3). Of several
// lists a way is named only if it is on all of them, and of several ages the least.
func askAuthentication(requirements []Requirement) (acrValues, maxAge string) {
	var acr []string
	var least time.Duration
	first := true
	for _, r := range requirements {
		if r.stepUp == nil {
			continue
		}
		if len(r.stepUp.acr) > 0 {
			if first {
				acr, first = slices.Clone(r.stepUp.acr), false
			} else {
				acr = slices.DeleteFunc(acr, func(a string) bool { return !slices.Contains(r.stepUp.acr, a) })
			}
		}
		if age := r.stepUp.maxAge; age > 0 && (least == 0 || age < least) {
			least = age
		}
	}
	if least > 0 {
		maxAge = strconv.FormatInt(int64(least/time.Second), 10)
	}
	return strings.Join(acr, " "), maxAge
}
