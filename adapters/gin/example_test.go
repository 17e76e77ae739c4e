package ginauth_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/gin-gonic/gin"

	ginauth "github.com/bearerguard/bearerguard/adapters/gin"
	"github.com/bearerguard/bearerguard/middleware"
	"github.com/bearerguard/bearerguard/verifier"
	"github.com/bearerguard/bearerguard/verifier/verifiertest"
)

func Example() {
	issuer, err := verifiertest.Start() // in a program: your authorization server
	if err != nil {
		fmt.Println(err)
		return
	}
	defer issuer.Close()

	v, err := verifier.New(issuer.Config())
	if err != nil {
		fmt.Println(err)
		return
	}
	guard, err := middleware.New(v, middleware.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}

	engine := gin.New()
	orders := engine.Group("/orders", ginauth.Require(guard))
	orders.GET("", ginauth.RequireScope(guard, "orders:read"), func(c *gin.Context) {
		claims, _ := ginauth.Claims(c)
		c.String(http.StatusOK, "orders for "+claims.ClientID())
	})

	for _, token := range []string{issuer.Token("orders:read"), issuer.Token("invoices:read")} {
		r := httptest.NewRequest("GET", "/orders", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		engine.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Body)
	}
	// Output:
	// 200 orders for test-client
	// 403 {"error":"insufficient_scope","error_description":"the access token lacks the scope that this resource requires"}
}
