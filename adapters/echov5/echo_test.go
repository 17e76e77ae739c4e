package echov5auth_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/labstack/echo/v5"

	echov5auth "github.com/bearerguard/bearerguard/adapters/echov5"
	"github.com/bearerguard/bearerguard/middleware"
	"github.com/bearerguard/bearerguard/verifier"
	"github.com/bearerguard/bearerguard/verifier/verifiertest"
)

const (
	invalidBody = `{"error":"invalid_token","error_description":"the access token is malformed, expired, revoked or not for this resource"}`
	challenge   = `Bearer realm="api", error="invalid_token", error_description="the access token is malformed, expired, revoked or not for this resource"`
)

// verifyFunc is a TokenVerifier. Of those that follow, one knows the token "good", one panics.
type verifyFunc func(token string) (*verifier.Claims, error)

func (f verifyFunc) Verify(_ context.Context, token string) (*verifier.Claims, error) {
	return f(token)
}

func panicking(string) (*verifier.Claims, error) { panic("bang") }

func knowing(t *testing.T) verifyFunc {
	claims := verifiertest.Claims(t, map[string]any{"scope": "orders:read"})
	return func(token string) (*verifier.Claims, error) {
		if token != "good" {
			return nil, verifier.ErrSignature
		}
		return claims, nil
	}
}

func newGuard(t *testing.T, v verifier.TokenVerifier, cfg middleware.Config) *middleware.Guard {
	t.Helper()
	g, err := middleware.New(v, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func get(h http.Handler, target, authorization string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	return rec
}

func TestBody(t *testing.T) {
	t.Parallel()
	body := func(contentType, text string) middleware.Config {
		return middleware.Config{Body: func(*http.Request, *middleware.Denial) (string, []byte) { return contentType, []byte(text) }}
	}
	for _, tt := range []struct {
		name        string
		cfg         middleware.Config
		contentType string
		want        string
	}{
		{"Echo's error handler sends our body and a newline", middleware.Config{}, "application/json", invalidBody + "\n"},
		{"JSON of another type", body("application/problem+json", `{"title":"no"}`), "application/problem+json", `{"title":"no"}` + "\n"},
		{"a body that is no JSON is sent as it is", body("text/plain", "no entry"), "text/plain", "no entry"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := echo.New()
			e.GET("/", func(*echo.Context) error {
				t.Error("the handler ran")
				return nil
			}, echov5auth.Require(newGuard(t, knowing(t), tt.cfg)))
			rec := get(e, "/", "Bearer bad")
			if rec.Code != 401 || rec.Body.String() != tt.want {
				t.Errorf("status %d, body %q\nwant 401, %q", rec.Code, rec.Body, tt.want)
			}
			want := http.Header{"Content-Type": {tt.contentType}, "Www-Authenticate": {challenge}, "Cache-Control": {"no-store"}}
			for name := range want {
				if !slices.Equal(rec.Header()[name], want[name]) {
					t.Errorf("%s is %q, want %q", name, rec.Header()[name], want[name])
				}
			}
		})
	}
}

func TestErrorHandler(t *testing.T) {
	t.Parallel()
	plain := func(*http.Request, *middleware.Denial) (string, []byte) { return "text/plain", []byte("no entry") }
	for _, tt := range []struct {
		name          string
		authorization string
		cfg           middleware.Config
		layer         func(*middleware.Guard) echo.MiddlewareFunc
		status        int    // that the handler sees; 0: it isn't called
		message       string // the same
		want          string
	}{
		{"a program's own handler sees 401", "Bearer bad", middleware.Config{}, echov5auth.Require, 401, invalidBody, "teapot 401"},
		{"it sees 400", "Bearer", middleware.Config{}, echov5auth.Require, 400, `{"error":"invalid_request","error_description":"the Authorization field is malformed or there is more than one"}`, "teapot 400"},
		{"it sees 403", "Bearer good", middleware.Config{}, func(g *middleware.Guard) echo.MiddlewareFunc { return echov5auth.RequireScope(g, "admin") }, 403,
			`{"error":"insufficient_scope","error_description":"the access token lacks the scope that this resource requires"}`, "teapot 403"},
		{"it does not see a body that is no JSON", "Bearer bad", middleware.Config{Body: plain}, echov5auth.Require, 0, "", "no entry"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := echo.New()
			called := 0
			e.HTTPErrorHandler = func(c *echo.Context, err error) {
				called++
				var status echo.HTTPStatusCoder
				if !errors.As(err, &status) || status.StatusCode() != tt.status || err.Error() == "" {
					t.Fatalf("the error is %v, want one with the status %d", err, tt.status)
				}
				if message, err := json.Marshal(err); err != nil || string(message) != tt.message {
					t.Errorf("in JSON it is %s, %v, want %s", message, err, tt.message)
				}
				c.String(status.StatusCode(), fmt.Sprint("teapot ", status.StatusCode()))
			}
			e.GET("/", func(*echo.Context) error {
				t.Error("the handler ran")
				return nil
			}, tt.layer(newGuard(t, knowing(t), tt.cfg)))
			rec := get(e, "/", tt.authorization)
			if rec.Body.String() != tt.want || rec.Header().Get("WWW-Authenticate") == "" || rec.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("body %q, headers %q", rec.Body, rec.Header())
			}
			if want := map[bool]int{true: 1}[tt.status != 0]; called != want {
				t.Errorf("the error handler was called %d times, want %d", called, want)
			}
		})
	}
}

// TestOrder puts the guard among other layers, on every level that Echo has.
func TestOrder(t *testing.T) {
	t.Parallel()
	recovering := func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c *echo.Context) (err error) {
			defer func() {
				if recover() != nil {
					err = echo.ErrInternalServerError
				}
			}()
			return next(c)
		}
	}
	silencing := func(next echo.HandlerFunc) echo.HandlerFunc { // a logger that passes no error on
		return func(c *echo.Context) error {
			if err := next(c); err != nil {
				c.Echo().HTTPErrorHandler(c, err)
			}
			return nil
		}
	}
	cors := echo.WrapMiddleware(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Access-Control-Allow-Origin", "*")
			next.ServeHTTP(w, r)
		})
	})
	type layers = []echo.MiddlewareFunc
	for _, tt := range []struct {
		name  string
		mount func(e *echo.Echo, guard, seen echo.MiddlewareFunc, h echo.HandlerFunc)
		seen  bool // whether a refused request reaches the layer "seen"
	}{
		{"a layer outside, on the same route", func(e *echo.Echo, guard, seen echo.MiddlewareFunc, h echo.HandlerFunc) { e.GET("/a", h, seen, guard) }, true},
		{"a layer inside, on the same route", func(e *echo.Echo, guard, seen echo.MiddlewareFunc, h echo.HandlerFunc) { e.GET("/a", h, guard, seen) }, false},
		{"the guard before routing", func(e *echo.Echo, guard, seen echo.MiddlewareFunc, h echo.HandlerFunc) {
			e.Pre(guard)
			e.Use(seen)
			e.GET("/a", h)
		}, false},
		{"the guard on the route, a layer for all routes", func(e *echo.Echo, guard, seen echo.MiddlewareFunc, h echo.HandlerFunc) {
			e.Use(seen)
			e.GET("/a", h, guard)
		}, true},
		{"the guard on an outer group", func(e *echo.Echo, guard, seen echo.MiddlewareFunc, h echo.HandlerFunc) {
			e.Group("", guard).Group("/a", seen).GET("", h)
		}, false},
		{"the guard on an inner group", func(e *echo.Echo, guard, seen echo.MiddlewareFunc, h echo.HandlerFunc) {
			e.Group("", seen).Group("/a", guard).GET("", h)
		}, true},
		{"the guard added to a group later", func(e *echo.Echo, guard, seen echo.MiddlewareFunc, h echo.HandlerFunc) {
			g := e.Group("/a", seen)
			g.Use(guard)
			g.GET("", h)
		}, true},
		{"recoverers on both sides", func(e *echo.Echo, guard, seen echo.MiddlewareFunc, h echo.HandlerFunc) {
			e.GET("/a", h, layers{recovering, guard, recovering, seen}...)
		}, false},
		{"a layer that swallows errors", func(e *echo.Echo, guard, seen echo.MiddlewareFunc, h echo.HandlerFunc) {
			e.GET("/a", h, layers{silencing, guard, seen}...)
		}, false},
		{"Q-16 CORS outside", func(e *echo.Echo, guard, seen echo.MiddlewareFunc, h echo.HandlerFunc) {
			e.GET("/a", h, layers{cors, guard, seen}...)
		}, false},
		{"Q-16 CORS inside", func(e *echo.Echo, guard, seen echo.MiddlewareFunc, h echo.HandlerFunc) {
			e.GET("/a", h, layers{guard, cors, seen}...)
		}, false},
		{"Echo behind a mux", func(e *echo.Echo, guard, seen echo.MiddlewareFunc, h echo.HandlerFunc) {
			inner := echo.New()
			inner.GET("/", h, guard, seen)
			e.GET("/a", echo.WrapHandler(http.StripPrefix("/a", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r.URL.Path = "/"
				inner.ServeHTTP(w, r)
			}))))
		}, false},
	} {
		t.Run("BUG-216 "+tt.name, func(t *testing.T) {
			t.Parallel()
			for authorization, want := range map[string]int{"": 401, "Bearer": 400, "Bearer bad": 401, "Bearer good": 200, "Bearer panic": 500} {
				known := knowing(t)
				v := verifyFunc(func(token string) (*verifier.Claims, error) {
					if token == "panic" {
						return panicking(token)
					}
					return known(token)
				})
				ran, reached := false, false
				e := echo.New()
				tt.mount(e, echov5auth.Require(newGuard(t, v, middleware.Config{})), func(next echo.HandlerFunc) echo.HandlerFunc {
					return func(c *echo.Context) error {
						reached = true
						return next(c)
					}
				}, func(c *echo.Context) error {
					ran = true
					return c.NoContent(200)
				})
				status := func() (status int) {
					defer func() {
						if recover() != nil {
							status = 500
						}
					}()
					return get(e, "/a", authorization).Code
				}()
				if status != want || ran != (want == 200) {
					t.Errorf("%q: status %d, want %d; the handler ran: %t", authorization, status, want, ran)
				}
				if wantReached := tt.seen || want == 200; reached != wantReached {
					t.Errorf("%q: the other layer was reached: %t, want %t", authorization, reached, wantReached)
				}
			}
		})
	}
}

func TestClaims(t *testing.T) {
	t.Parallel()
	t.Run("BUG-219 there are none without a guard", func(t *testing.T) {
		t.Parallel()
		c := echo.New().NewContext(httptest.NewRequest("GET", "/", nil), nil)
		if claims, ok := echov5auth.Claims(c); ok || claims != nil {
			t.Errorf("claims %v, %t", claims, ok)
		}
	})
	t.Run("BUG-220 they collide with nothing of the program's own", func(t *testing.T) {
		t.Parallel()
		testOwnKeys(t)
	})
}

func testOwnKeys(t *testing.T) {
	e := echo.New()
	e.GET("/guarded", func(c *echo.Context) error {
		claims, ok := echov5auth.Claims(c)
		same, inContext := verifier.FromContext(c.Request().Context())
		if !ok || !inContext || claims != same || c.Get("user") != "the program's own" {
			t.Errorf("claims %v, %t, in the context %v, %t, user %v", claims, ok, same, inContext, c.Get("user"))
		}
		return c.String(200, claims.ClientID())
	}, func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c *echo.Context) error {
			c.Set("user", "the program's own")
			return next(c)
		}
	}, echov5auth.Require(newGuard(t, knowing(t), middleware.Config{})))
	if rec := get(e, "/guarded", "Bearer good"); rec.Body.String() != "test-client" {
		t.Errorf("body %q", rec.Body)
	}
}
