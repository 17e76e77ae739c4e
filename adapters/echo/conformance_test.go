package echoauth_test

import (
	"net/http"
	"testing"

	"github.com/labstack/echo/v4"

	echoauth "github.com/bearerguard/bearerguard/adapters/echo"
	"github.com/bearerguard/bearerguard/adapters/internal/conformance"
)

func framework(serve func(echo.HandlerFunc, []echo.MiddlewareFunc) http.Handler) conformance.Framework[echo.MiddlewareFunc] {
	return conformance.Framework[echo.MiddlewareFunc]{
		Require:       echoauth.Require,
		RequireScope:  echoauth.RequireScope,
		RequirePolicy: echoauth.RequirePolicy,
		With:          echoauth.With,
		Optional:      echoauth.Optional,
		Serve: func(h conformance.Handler, layers ...echo.MiddlewareFunc) http.Handler {
			return serve(func(c echo.Context) error {
				claims, ok := echoauth.Claims(c)
				h(c.Response(), c.Request(), claims, ok)
				return nil
			}, layers)
		},
		ReencodesJSON: true,
	}
}

func TestRoute(t *testing.T) {
	t.Parallel()
	conformance.Run(t, framework(func(h echo.HandlerFunc, layers []echo.MiddlewareFunc) http.Handler {
		e := echo.New()
		e.Any("/*", h, layers...)
		return e
	}))
}

func TestUse(t *testing.T) {
	t.Parallel()
	conformance.Run(t, framework(func(h echo.HandlerFunc, layers []echo.MiddlewareFunc) http.Handler {
		e := echo.New()
		e.Use(layers...)
		e.Any("/*", h)
		return e
	}))
}

func TestPre(t *testing.T) {
	t.Parallel()
	conformance.Run(t, framework(func(h echo.HandlerFunc, layers []echo.MiddlewareFunc) http.Handler {
		e := echo.New()
		e.Pre(layers...)
		e.Any("/*", h)
		return e
	}))
}

func TestGroup(t *testing.T) {
	t.Parallel()
	conformance.Run(t, framework(func(h echo.HandlerFunc, layers []echo.MiddlewareFunc) http.Handler {
		e := echo.New()
		inner := e.Group("", layers...).Group("")
		inner.Any("/", h) // a group answers its own root with 404
		inner.Any("/*", h)
		return e
	}))
}
