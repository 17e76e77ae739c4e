package fiberauth_test

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gofiber/fiber/v3"

	fiberauth "github.com/bearerguard/bearerguard/adapters/fiber"
	"github.com/bearerguard/bearerguard/adapters/internal/conformance"
)

func framework(mount func(app *fiber.App, layers []any, h fiber.Handler)) conformance.Framework[fiber.Handler] {
	return conformance.Framework[fiber.Handler]{
		Require:       fiberauth.Require,
		RequireScope:  fiberauth.RequireScope,
		RequirePolicy: fiberauth.RequirePolicy,
		With:          fiberauth.With,
		Optional:      fiberauth.Optional,
		Serve: func(h conformance.Handler, layers ...fiber.Handler) http.Handler {
			app := fiber.New(fiber.Config{ReadBufferSize: 1 << 20})
			handlers := make([]any, len(layers))
			for i, l := range layers {
				handlers[i] = l
			}
			mount(app, handlers, func(c fiber.Ctx) error {
				claims, ok := fiberauth.Claims(c)
				rec := httptest.NewRecorder()
				h(rec, httptest.NewRequestWithContext(c.Context(), http.MethodGet, "/", nil), claims, ok)
				c.Set("Content-Type", rec.Header().Get("Content-Type"))
				return c.Send(rec.Body.Bytes())
			})
			return overFasthttp(app)
		},
	}
}

// overFasthttp sends each request to Fiber's own server, as bytes, and leaves out what that adds to every answer.
func overFasthttp(app *fiber.App) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		response, err := app.Test(r, fiber.TestConfig{Timeout: 0})
		if err != nil {
			http.Error(w, err.Error(), http.StatusTeapot)
			return
		}
		defer response.Body.Close()
		for _, name := range []string{"Date", "Content-Length", "Connection"} {
			response.Header.Del(name)
		}
		maps.Copy(w.Header(), response.Header)
		w.WriteHeader(response.StatusCode)
		io.Copy(w, response.Body)
	})
}

func TestUse(t *testing.T) {
	t.Parallel()
	conformance.RunTable(t, framework(func(app *fiber.App, layers []any, h fiber.Handler) {
		app.Use(layers...)
		app.Use(h)
	}))
}

func TestGroup(t *testing.T) {
	t.Parallel()
	conformance.RunTable(t, framework(func(app *fiber.App, layers []any, h fiber.Handler) {
		app.Group("/", layers...).Use(h)
	}))
}
