package echov5auth_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/labstack/echo/v5"

	echov5auth "github.com/bearerguard/bearerguard/adapters/echov5"
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

	e := echo.New()
	orders := e.Group("/orders", echov5auth.Require(guard))
	orders.GET("", func(c *echo.Context) error {
		claims, _ := echov5auth.Claims(c)
		return c.String(http.StatusOK, "orders for "+claims.ClientID())
	}, echov5auth.RequireScope(guard, "orders:read"))

	for _, token := range []string{issuer.Token("orders:read"), issuer.Token("invoices:read")} {
		r := httptest.NewRequest("GET", "/orders", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		e.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Body)
	}
	// Output:
	// 200 orders for test-client
	// 403 {"error":"insufficient_scope","error_description":"the access token lacks the scope that this resource requires"}
}
