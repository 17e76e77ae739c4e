// Package ginauth puts a guard of package middleware before Gin's handlers.
//
// A handler finds the token's claims with [Claims], or with verifier.FromContext in its request's context; the *gin.Context
// itself is a context too, but not the request's. A refusal is written at once and aborts the chain.
package ginauth

import (
	"net/http"
	"slices"

	"github.com/gin-gonic/gin"

	"github.com/bearerguard/bearerguard/middleware"
	"github.com/bearerguard/bearerguard/scopes"
	"github.com/bearerguard/bearerguard/verifier"
)

// Require lets any good token through; see [middleware.Guard.Require]. Like all of this package, it panics on a nil guard.
func Require(g *middleware.Guard) gin.HandlerFunc { return With(g) }

// RequireScope asks for all of the scopes; see [middleware.Guard.RequireScope].
func RequireScope(g *middleware.Guard, all ...string) gin.HandlerFunc {
	return With(g, middleware.Scope(all...))
}

// RequirePolicy asks for what a policy allows.
func RequirePolicy(g *middleware.Guard, p scopes.Policy) gin.HandlerFunc {
	return With(g, middleware.Policy(p))
}

// With asks for all of the requirements; without any it is [Require].
func With(g *middleware.Guard, requirements ...middleware.Requirement) gin.HandlerFunc {
	requirements = slices.Clone(requirements)
	return wrap(g, func(r *http.Request) (middleware.Grant, *middleware.Denial) { return g.Check(r, requirements...) })
}

// Optional lets a request without credentials through, without claims; see [middleware.Guard.Optional].
func Optional(g *middleware.Guard) gin.HandlerFunc { return wrap(g, g.CheckOptional) }

// Claims returns the claims of the request's token; false where no guard has let the request through with one.
func Claims(c *gin.Context) (*verifier.Claims, bool) {
	return verifier.FromContext(c.Request.Context())
}

func wrap(g *middleware.Guard, check func(*http.Request) (middleware.Grant, *middleware.Denial)) gin.HandlerFunc {
	if g == nil {
		panic("ginauth: a nil *middleware.Guard: was the error of middleware.New dropped?")
	}
	return func(c *gin.Context) {
		granted := false
		defer func() {
			if !granted { // nor after a panic, which a recoverer outside may forget to abort
				c.Abort()
			}
		}()
		grant, denial := check(c.Request)
		if denial != nil {
			denial.ServeHTTP(c.Writer, c.Request)
			return
		}
		granted = true
		for name, values := range grant.Header {
			c.Writer.Header()[name] = append(c.Writer.Header()[name], values...)
		}
		c.Request = grant.Request
		c.Next()
	}
}
