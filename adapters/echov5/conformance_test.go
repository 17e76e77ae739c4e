package echov5auth_test

import (
	"net/http"
	"testing"

	"github.com/labstack/echo/v5"

	echov5auth "github.com/bearerguard/bearerguard/adapters/echov5"
	"github.com/bearerguard/bearerguard/adapters/internal/conformance"
)

func framework(serve func(echo.HandlerFunc, []echo.MiddlewareFunc) http.Handler) conformance.Framework[echo.MiddlewareFunc] {
	return conformance.Framework[echo.MiddlewareFunc]{
		Require:       echov5auth.Require,
		RequireScope:  echov5auth.RequireScope,
		RequirePolicy: echov5auth.RequirePolicy,
		With:          echov5auth.With,
		Optional:      echov5auth.Optional,
		Serve: func(h conformance.Handler, layers ...echo.MiddlewareFunc) http.Handler {
			return serve(func(c *echo.Context) error {
				claims, ok := echov5auth.Claims(c)
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
