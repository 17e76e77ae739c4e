// Package echov5auth puts a guard of package middleware before the handlers of Echo 5.
//
// A handler finds the token's claims with [Claims], or with verifier.FromContext in its request's context. A refusal
// is an error, so that the program's own error handler stays in charge of what is sent: an echo.HTTPStatusCoder whose body is what
// json.Marshal makes of it. It is no *echo.HTTPError, which in Echo 5 can't hold that body.
package echov5auth

import (
	"encoding/json"
	"net/http"
	"slices"

	"github.com/labstack/echo/v5"

	"github.com/bearerguard/bearerguard/middleware"
	"github.com/bearerguard/bearerguard/scopes"
	"github.com/bearerguard/bearerguard/verifier"
)

// Require lets any good token through; see [middleware.Guard.Require]. Like all of this package, it panics on a nil guard.
func Require(g *middleware.Guard) echo.MiddlewareFunc { return With(g) }

// RequireScope asks for all of the scopes; see [middleware.Guard.RequireScope].
func RequireScope(g *middleware.Guard, all ...string) echo.MiddlewareFunc {
	return With(g, middleware.Scope(all...))
}

// RequirePolicy asks for what a policy allows.
func RequirePolicy(g *middleware.Guard, p scopes.Policy) echo.MiddlewareFunc {
	return With(g, middleware.Policy(p))
}

// With asks for all of the requirements; without any it is [Require].
func With(g *middleware.Guard, requirements ...middleware.Requirement) echo.MiddlewareFunc {
	requirements = slices.Clone(requirements)
	return wrap(g, func(r *http.Request) (middleware.Grant, *middleware.Denial) { return g.Check(r, requirements...) })
}

// Optional lets a request without credentials through, without claims; see [middleware.Guard.Optional].
func Optional(g *middleware.Guard) echo.MiddlewareFunc { return wrap(g, g.CheckOptional) }

// Claims returns the claims of the request's token; false where no guard has let the request through with one.
func Claims(c *echo.Context) (*verifier.Claims, bool) {
	return verifier.FromContext(c.Request().Context())
}

func wrap(g *middleware.Guard, check func(*http.Request) (middleware.Grant, *middleware.Denial)) echo.MiddlewareFunc {
	if g == nil {
		panic("echov5auth: a nil *middleware.Guard: was the error of middleware.New dropped?")
	}
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c *echo.Context) error {
			grant, denial := check(c.Request())
			if denial != nil {
				return refuse(c, denial)
			}
			for name, values := range grant.Header {
				c.Response().Header()[name] = append(c.Response().Header()[name], values...)
			}
			c.SetRequest(grant.Request)
			return next(c)
		}
	}
}

// refuse leaves a JSON body to Echo's error handler; that one can't send any other.
func refuse(c *echo.Context, d *middleware.Denial) error {
	contentType, body := d.Body(c.Request())
	if !json.Valid(body) {
		d.ServeHTTP(c.Response(), c.Request())
		return nil
	}
	d.SetHeader(c.Response().Header())
	c.Response().Header().Set("Content-Type", contentType)
	return &refusal{d.Status, body}
}

// refusal is an echo.HTTPStatusCoder and a json.Marshaler: what Echo's default error handler asks for.
type refusal struct {
	status int
	body   []byte
}

func (r *refusal) StatusCode() int              { return r.status }
func (r *refusal) Error() string                { return http.StatusText(r.status) }
func (r *refusal) MarshalJSON() ([]byte, error) { return r.body, nil }
