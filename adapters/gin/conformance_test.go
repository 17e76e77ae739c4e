package ginauth_test

import (
	"net/http"
	"os"
	"testing"

	"github.com/gin-gonic/gin"

	ginauth "github.com/bearerguard/bearerguard/adapters/gin"
	"github.com/bearerguard/bearerguard/adapters/internal/conformance"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.TestMode)
	os.Exit(m.Run())
}

func framework(serve func(gin.HandlerFunc, []gin.HandlerFunc) http.Handler) conformance.Framework[gin.HandlerFunc] {
	return conformance.Framework[gin.HandlerFunc]{
		Require:       ginauth.Require,
		RequireScope:  ginauth.RequireScope,
		RequirePolicy: ginauth.RequirePolicy,
		With:          ginauth.With,
		Optional:      ginauth.Optional,
		Serve: func(h conformance.Handler, layers ...gin.HandlerFunc) http.Handler {
			return serve(func(c *gin.Context) {
				claims, ok := ginauth.Claims(c)
				h(c.Writer, c.Request, claims, ok)
			}, layers)
		},
	}
}

func TestRoute(t *testing.T) {
	t.Parallel()
	conformance.Run(t, framework(func(h gin.HandlerFunc, layers []gin.HandlerFunc) http.Handler {
		engine := gin.New()
		engine.Any("/*path", append(layers, h)...)
		return engine
	}))
}

func TestUse(t *testing.T) {
	t.Parallel()
	conformance.Run(t, framework(func(h gin.HandlerFunc, layers []gin.HandlerFunc) http.Handler {
		engine := gin.New()
		engine.Use(layers...)
		engine.Any("/*path", h)
		return engine
	}))
}

func TestGroup(t *testing.T) {
	t.Parallel()
	conformance.Run(t, framework(func(h gin.HandlerFunc, layers []gin.HandlerFunc) http.Handler {
		engine := gin.New()
		engine.Group("/", layers...).Group("/").Any("/*path", h)
		return engine
	}))
}

func TestNoRoute(t *testing.T) {
	t.Parallel()
	conformance.Run(t, framework(func(h gin.HandlerFunc, layers []gin.HandlerFunc) http.Handler {
		engine := gin.New()
		engine.NoRoute(append(layers, func(c *gin.Context) {
			c.Status(http.StatusOK)
			h(c)
		})...)
		return engine
	}))
}
