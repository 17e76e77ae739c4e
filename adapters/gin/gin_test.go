package ginauth_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"

	ginauth "github.com/bearerguard/bearerguard/adapters/gin"
	"github.com/bearerguard/bearerguard/middleware"
	"github.com/bearerguard/bearerguard/verifier"
	"github.com/bearerguard/bearerguard/verifier/verifiertest"
)

// verifyFunc is a TokenVerifier.
type verifyFunc func(token string) (*verifier.Claims, error)

func (f verifyFunc) Verify(_ context.Context, token string) (*verifier.Claims, error) {
	return f(token)
}

// knowing knows the token "good", and panics at the token "panic".
func knowing(t *testing.T) verifyFunc {
	claims := verifiertest.Claims(t, map[string]any{"scope": "orders:read"})
	return func(token string) (*verifier.Claims, error) {
		switch token {
		case "good":
			return claims, nil
		case "panic":
			panic("bang")
		}
		return nil, verifier.ErrSignature
	}
}

func newGuard(t *testing.T, cfg middleware.Config) *middleware.Guard {
	t.Helper()
	g, err := middleware.New(knowing(t), cfg)
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

// TestOrder puts the guard among other handlers, on every level that Gin has.
func TestOrder(t *testing.T) {
	t.Parallel()
	recovering := gin.CustomRecoveryWithWriter(io.Discard, func(c *gin.Context, _ any) { c.AbortWithStatus(500) })
	cors := func(c *gin.Context) { c.Header("Access-Control-Allow-Origin", "*") }
	for _, tt := range []struct {
		name  string
		mount func(e *gin.Engine, guard, seen, h gin.HandlerFunc)
		seen  bool // whether a refused request reaches the handler "seen"
	}{
		{"a handler outside, on the same route", func(e *gin.Engine, guard, seen, h gin.HandlerFunc) { e.GET("/a", seen, guard, h) }, true},
		{"a handler inside, on the same route", func(e *gin.Engine, guard, seen, h gin.HandlerFunc) { e.GET("/a", guard, seen, h) }, false},
		{"a handler after the last one", func(e *gin.Engine, guard, seen, h gin.HandlerFunc) { e.GET("/a", guard, h, seen) }, false},
		{"the guard for all routes", func(e *gin.Engine, guard, seen, h gin.HandlerFunc) {
			e.Use(guard)
			e.GET("/a", seen, h)
		}, false},
		{"the guard on the route, a handler for all routes", func(e *gin.Engine, guard, seen, h gin.HandlerFunc) {
			e.Use(seen)
			e.GET("/a", guard, h)
		}, true},
		{"the guard on an outer group", func(e *gin.Engine, guard, seen, h gin.HandlerFunc) {
			e.Group("/", guard).Group("/a", seen).GET("", h)
		}, false},
		{"the guard on an inner group", func(e *gin.Engine, guard, seen, h gin.HandlerFunc) {
			e.Group("/", seen).Group("/a", guard).GET("", h)
		}, true},
		{"the guard added to a group later", func(e *gin.Engine, guard, seen, h gin.HandlerFunc) {
			g := e.Group("/a", seen)
			g.Use(guard)
			g.GET("", h)
		}, true},
		{"the guard before what has no route", func(e *gin.Engine, guard, seen, h gin.HandlerFunc) {
			e.NoRoute(guard, seen, func(c *gin.Context) {
				c.Status(200)
				h(c)
			})
		}, false},
		{"recoverers on both sides", func(e *gin.Engine, guard, seen, h gin.HandlerFunc) {
			e.GET("/a", recovering, guard, recovering, seen, h)
		}, false},
		{"Q-16 CORS outside", func(e *gin.Engine, guard, seen, h gin.HandlerFunc) { e.GET("/a", cors, guard, seen, h) }, false},
		{"Q-16 CORS inside", func(e *gin.Engine, guard, seen, h gin.HandlerFunc) { e.GET("/a", guard, cors, seen, h) }, false},
		{"Gin behind a mux", func(e *gin.Engine, guard, seen, h gin.HandlerFunc) {
			inner := gin.New()
			inner.GET("/b", guard, seen, h)
			e.GET("/a", gin.WrapH(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				r.URL.Path = "/b"
				inner.ServeHTTP(w, r)
			})))
		}, false},
	} {
		t.Run("BUG-216 "+tt.name, func(t *testing.T) {
			t.Parallel()
			for authorization, want := range map[string]int{"": 401, "Bearer": 400, "Bearer bad": 401, "Bearer good": 200, "Bearer panic": 500} {
				ran, reached := false, false
				e := gin.New()
				tt.mount(e, ginauth.Require(newGuard(t, middleware.Config{})), func(*gin.Context) { reached = true }, func(c *gin.Context) {
					ran = true
					c.Status(200)
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
					t.Errorf("%q: the other handler was reached: %t, want %t", authorization, reached, wantReached)
				}
			}
		})
	}
}

// TestAbort looks at a refusal from outside of the guard, and calls Next more often than it should.
func TestAbort(t *testing.T) {
	t.Parallel()
	for authorization, want := range map[string]int{"": 401, "Bearer": 400, "Bearer bad": 401, "Bearer good": 403} {
		e := gin.New()
		e.GET("/", func(c *gin.Context) {
			c.Next()
			if c.Request == nil || !c.IsAborted() || c.Writer.Status() != want || !c.Writer.Written() {
				t.Errorf("%q: aborted %t, status %d, written %t", authorization, c.IsAborted(), c.Writer.Status(), c.Writer.Written())
			}
			c.Next()
		}, ginauth.RequireScope(newGuard(t, middleware.Config{}), "admin"), func(*gin.Context) {
			t.Errorf("%q: the handler ran", authorization)
		})
		if rec := get(e, "/", authorization); rec.Code != want {
			t.Errorf("%q: status %d, want %d", authorization, rec.Code, want)
		}
	}
}

// TestRecovererThatDoesNotAbort: Gin goes on with the next handler when one returns, and a recoverer returns.
func TestRecovererThatDoesNotAbort(t *testing.T) {
	t.Parallel()
	bang := func(*http.Request, *middleware.Denial) (string, []byte) { panic("bang") }
	for _, tt := range []struct {
		name, authorization string
		cfg                 middleware.Config
	}{
		{"the TokenVerifier panics", "Bearer panic", middleware.Config{}},
		{"the hook panics", "Bearer good", middleware.Config{OnDecision: func(*http.Request, *verifier.Claims, *middleware.Denial) { panic("bang") }}},
		{"the body panics", "Bearer bad", middleware.Config{Body: bang}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := gin.New()
			e.GET("/", func(c *gin.Context) {
				defer func() {
					if recover() != nil {
						c.Status(500)
					}
				}()
				c.Next()
			}, ginauth.Require(newGuard(t, tt.cfg)), func(c *gin.Context) {
				t.Error("the handler ran")
			})
			if rec := get(e, "/", tt.authorization); rec.Code != 500 {
				t.Errorf("status %d, want 500", rec.Code)
			}
		})
	}
}

func TestClaims(t *testing.T) {
	t.Parallel()
	t.Run("BUG-219 there are none without a guard", func(t *testing.T) {
		t.Parallel()
		c, _ := gin.CreateTestContext(httptest.NewRecorder())
		c.Request = httptest.NewRequest("GET", "/", nil)
		if claims, ok := ginauth.Claims(c); ok || claims != nil {
			t.Errorf("claims %v, %t", claims, ok)
		}
	})
	t.Run("BUG-220 they collide with nothing of the program's own", func(t *testing.T) {
		t.Parallel()
		testOwnKeys(t)
	})
}

func testOwnKeys(t *testing.T) {
	e := gin.New()
	e.ContextWithFallback = true
	e.GET("/", func(c *gin.Context) { c.Set("user", "the program's own") }, ginauth.Require(newGuard(t, middleware.Config{})), func(c *gin.Context) {
		claims, ok := ginauth.Claims(c)
		for _, ctx := range []context.Context{c.Request.Context(), c, c.Copy()} {
			if same, inContext := verifier.FromContext(ctx); !ok || !inContext || claims != same {
				t.Errorf("%T: %v, %t, %v, %t", ctx, claims, ok, same, inContext)
			}
		}
		if c.GetString("user") != "the program's own" {
			t.Errorf("user is %q", c.GetString("user"))
		}
		c.String(200, claims.ClientID())
	})
	if rec := get(e, "/", "Bearer good"); rec.Body.String() != "test-client" {
		t.Errorf("body %q", rec.Body)
	}
}
