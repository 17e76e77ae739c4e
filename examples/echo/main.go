// Command echo is an API on Echo: the same two routes as the examples on other frameworks, each behind an access token.
//
//	GET  /orders  needs the scope orders:read
//	POST /orders  needs the scope orders:write
//
// The environment configures it:
//
//	ISSUER    the authorization server's issuer identifier, exactly as its tokens' iss has it
//	AUDIENCE  the name by which tokens address this API
//	PROFILE   how the authorization server writes access tokens, such as Keycloak; by default as RFC 9068 says
//	ADDR      where to listen; by default 127.0.0.1:8080
//
// The authorization server may be down when it starts: requests get 503 until the keys could be fetched.
package main

import (
	"log"
	"log/slog"
	"net/http"
	"os"

	"github.com/labstack/echo/v4"

	echoauth "github.com/bearerguard/bearerguard/adapters/echo"
	"github.com/bearerguard/bearerguard/examples/internal/serve"
	"github.com/bearerguard/bearerguard/middleware"
	"github.com/bearerguard/bearerguard/verifier"
)

func main() {
	profile, err := verifier.ProfileNamed(os.Getenv("PROFILE"))
	if err != nil {
		log.Fatal(err)
	}
	tokens, err := verifier.New(verifier.Config{Issuer: os.Getenv("ISSUER"), Audience: []string{os.Getenv("AUDIENCE")}, Profile: profile})
	if err != nil {
		log.Fatal(err)
	}
	guard, err := middleware.New(tokens, middleware.Config{OnDecision: logRefusal})
	if err != nil {
		log.Fatal(err)
	}
	e := echo.New()
	e.GET("/orders", listOrders, echoauth.RequireScope(guard, "orders:read"))
	e.POST("/orders", createOrder, echoauth.RequireScope(guard, "orders:write"))
	if err := serve.HTTP(e); err != nil {
		log.Fatal(err)
	}
}

func listOrders(c echo.Context) error {
	return c.JSON(http.StatusOK, []string{"tea", "scones"})
}

func createOrder(c echo.Context) error {
	claims, _ := echoauth.Claims(c) // always there: the guard let the request through
	return c.JSON(http.StatusCreated, map[string]string{"ordered_by": claims.ClientID()})
}

// logRefusal is for operators. It leaves out the Authorization field: whoever reads the log must not get a token.
func logRefusal(r *http.Request, _ *verifier.Claims, d *middleware.Denial) {
	if d != nil {
		slog.Warn("refused", "route", r.Method+" "+r.URL.Path, "status", d.Status, "code", d.Code, "error", d.Err)
	}
}
