package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/MicahParks/keyfunc/v3"
	auth0middleware "github.com/auth0/go-jwt-middleware/v2"
	"github.com/gin-gonic/gin"
	"github.com/golang-jwt/jwt/v5"
	echojwt "github.com/labstack/echo-jwt/v4"
	"github.com/labstack/echo/v4"

	echoauth "github.com/bearerguard/bearerguard/adapters/echo"
	ginauth "github.com/bearerguard/bearerguard/adapters/gin"
	"github.com/bearerguard/bearerguard/internal/bench/mint"
	"github.com/bearerguard/bearerguard/internal/bench/report"
	"github.com/bearerguard/bearerguard/middleware"
	"github.com/bearerguard/bearerguard/verifier"
)

// mount is one framework with nothing, with our guard and with a peer before the same handler.
type mount struct {
	name, peerName      string
	bare, ours, peer    http.Handler
	allocs, nanoseconds float64 // what our guard may add
}

// guards is a request with a cached token, in process, against the same request to a handler without a guard.
func guards(withPeers bool) ([]report.Row, error) {
	key := mint.NewKey("RS256", mint.KeyID)
	set, token := key.Set(), key.Token(1)
	mounts, err := mounts(set)
	if err != nil {
		return nil, err
	}
	var rows []report.Row
	for _, m := range mounts {
		sides := []*side{request("bare", m.bare, token), request(report.Ours, m.ours, token)}
		if withPeers {
			sides = append(sides, request(m.peerName, m.peer, token))
		}
		costs, err := compare(sides...)
		if err != nil {
			return nil, err
		}
		for i, c := range costs {
			r := report.Row{Name: "middleware " + m.name, Library: sides[i].name, Found: report.Short(c.ns), Memory: c.garbage()}
			if i > 0 {
				more := c.allocs - costs[0].allocs
				r.Found = fmt.Sprintf("%s and %.0f allocs more, %s", report.Short(c.over), more, report.Short(c.ns))
				if r.IsOurs() {
					r.Must = fmt.Sprintf("at most %s and %.0f allocs more", report.Short(m.nanoseconds), m.allocs)
					r.AtMost("ns more", c.over, m.nanoseconds)
					r.AtMost("allocs more", more, m.allocs)
				}
			}
			rows = append(rows, r)
		}
	}
	return rows, nil
}

func request(name string, h http.Handler, token string) *side {
	r := httptest.NewRequest(http.MethodGet, "/orders", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	return &side{name: name, call: func() error {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			return fmt.Errorf("%d: %s", w.Code, w.Body)
		}
		return nil
	}}
}

func mounts(set []byte) ([]mount, error) {
	v, err := newOurs(set, 0, verifier.Hooks{})
	if err != nil {
		return nil, err
	}
	g, err := middleware.New(v, middleware.Config{})
	if err != nil {
		return nil, err
	}
	auth0, err := newAuth0(set, "RS256")
	if err != nil {
		return nil, err
	}
	keys, err := keyfunc.NewJWKSetJSON(set)
	if err != nil {
		return nil, err
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("ok")) })
	gin.SetMode(gin.ReleaseMode)
	return []mount{
		{"net/http", "auth0 2", handler, g.Require(handler), auth0middleware.New(auth0.ValidateToken).CheckJWT(handler), 3, 800},
		{"Echo", "echo-jwt + keyfunc", onEcho(), onEcho(echoauth.Require(g)), onEcho(echojwt.WithConfig(echojwt.Config{KeyFunc: keys.Keyfunc})), 4, 800},
		{"Gin", "golang-jwt + keyfunc", onGin(), onGin(ginauth.Require(g)), onGin(ginKeyfunc(keys)), 3, 800},
	}, nil
}

func onEcho(layers ...echo.MiddlewareFunc) http.Handler {
	e := echo.New()
	e.GET("/orders", func(c echo.Context) error { return c.String(http.StatusOK, "ok") }, layers...)
	return e
}

func onGin(layers ...gin.HandlerFunc) http.Handler {
	e := gin.New()
	e.GET("/orders", append(layers, func(c *gin.Context) { c.String(http.StatusOK, "ok") })...)
	return e
}

// ginKeyfunc is what people write themselves.
func ginKeyfunc(keys keyfunc.Keyfunc) gin.HandlerFunc {
	parser := jwt.NewParser(jwt.WithIssuer(mint.Issuer), jwt.WithAudience(mint.Audience), jwt.WithExpirationRequired())
	return func(c *gin.Context) {
		token, ok := cutBearer(c.GetHeader("Authorization"))
		parsed, err := parser.Parse(token, keys.Keyfunc)
		if !ok || err != nil {
			c.AbortWithStatus(http.StatusUnauthorized)
			return
		}
		c.Set("token", parsed)
	}
}

func cutBearer(field string) (string, bool) {
	const scheme = "Bearer "
	if len(field) < len(scheme) || field[:len(scheme)] != scheme {
		return "", false
	}
	return field[len(scheme):], true
}
