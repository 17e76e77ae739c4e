// Command gin is an API on Gin: the same two routes as the examples on other frameworks, each behind an access token.
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

	"github.com/gin-gonic/gin"

	ginauth "github.com/bearerguard/bearerguard/adapters/gin"
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
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.GET("/orders", ginauth.RequireScope(guard, "orders:read"), listOrders)
	engine.POST("/orders", ginauth.RequireScope(guard, "orders:write"), createOrder)
	if err := serve.HTTP(engine); err != nil {
		log.Fatal(err)
	}
}

func listOrders(c *gin.Context) {
	c.JSON(http.StatusOK, []string{"tea", "scones"})
}

func createOrder(c *gin.Context) {
	claims, _ := ginauth.Claims(c) // always there: the guard let the request through
	c.JSON(http.StatusCreated, map[string]string{"ordered_by": claims.ClientID()})
}

// logRefusal is for operators. It leaves out the Authorization field: whoever reads the log must not get a token.
func logRefusal(r *http.Request, _ *verifier.Claims, d *middleware.Denial) {
	if d != nil {
		slog.Warn("refused", "route", r.Method+" "+r.URL.Path, "status", d.Status, "code", d.Code, "error", d.Err)
	}
}
