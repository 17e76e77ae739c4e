package fiberauth_test

import (
	"fmt"
	"io"
	"net/http/httptest"

	"github.com/gofiber/fiber/v3"

	fiberauth "github.com/bearerguard/bearerguard/adapters/fiber"
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

	app := fiber.New(fiber.Config{ReadBufferSize: 20 << 10}) // a token may have 16 KiB
	orders := app.Group("/orders", fiberauth.Require(guard))
	orders.Get("", fiberauth.RequireScope(guard, "orders:read"), func(c fiber.Ctx) error {
		claims, _ := fiberauth.Claims(c)
		return c.SendString("orders for " + claims.ClientID())
	})

	for _, token := range []string{issuer.Token("orders:read"), issuer.Token("invoices:read")} {
		r := httptest.NewRequest("GET", "/orders", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w, err := app.Test(r)
		if err != nil {
			fmt.Println(err)
			return
		}
		body, _ := io.ReadAll(w.Body)
		fmt.Println(w.StatusCode, string(body))
	}
	// Output:
	// 200 orders for test-client
	// 403 {"error":"insufficient_scope","error_description":"the access token lacks the scope that this resource requires"}
}
