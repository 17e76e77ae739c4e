package introspection_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/bearerguard/bearerguard/middleware"
	"github.com/bearerguard/bearerguard/verifier"
	"github.com/bearerguard/bearerguard/verifier/introspection"
)

// An API behind tokens that only the authorization server can read.
func Example() {
	i, err := introspection.New(introspection.Config{
		Tokens: verifier.Config{
			Issuer:   "https://login.example.com/tenant",
			Audience: []string{"https://api.example.com"},
		},
		Auth: introspection.ClientSecretBasic("orders-api", os.Getenv("CLIENT_SECRET")),
	})
	if err != nil {
		log.Print(err) // every mistake at once, and how to mend it
		return
	}
	guard, err := middleware.New(i, middleware.Config{})
	if err != nil {
		log.Print(err)
		return
	}
	http.Handle("GET /orders", guard.RequireScope("orders:read")(http.NotFoundHandler()))
}

// The endpoint may want an access token of the API's own: one of the client-credentials grant, which golang.org/x/oauth2
// keeps and renews.
func ExampleBearerToken() {
	grant := clientcredentials.Config{
		ClientID:     "orders-api",
		ClientSecret: os.Getenv("CLIENT_SECRET"),
		TokenURL:     "https://login.example.com/tenant/token",
		Scopes:       []string{"introspect"},
	}
	// The grant's own requests have no other bound than their client's.
	ctx := context.WithValue(context.Background(), oauth2.HTTPClient, &http.Client{Timeout: 3 * time.Second})
	source := grant.TokenSource(ctx) // one for all calls: it is what remembers the token
	auth := introspection.BearerToken(func(context.Context) (string, error) {
		token, err := source.Token()
		if err != nil {
			return "", err
		}
		return token.AccessToken, nil
	})
	fmt.Println(auth)
	// Output: BearerToken
}

// An issuer that writes JWTs for some clients and opaque tokens for others.
func ExampleByShape() {
	tokens := verifier.Config{Issuer: "https://login.example.com/tenant", Audience: []string{"https://api.example.com"}}
	v, err := verifier.New(tokens)
	if err != nil {
		log.Print(err)
		return
	}
	i, err := introspection.New(introspection.Config{
		Tokens: tokens,
		Auth:   introspection.ClientSecretBasic("orders-api", "a secret from the environment"),
		TTL:    10 * time.Second,
	})
	if err != nil {
		log.Print(err)
		return
	}
	both, err := introspection.ByShape(v, i)
	if err != nil {
		log.Print(err)
		return
	}
	guard, err := middleware.New(both, middleware.Config{})
	if err != nil {
		log.Print(err)
		return
	}
	http.Handle("GET /invoices", guard.RequireScope("invoices:read")(http.NotFoundHandler()))

	// Where a revocation must count at once, the server is asked about JWTs too.
	strict, err := middleware.New(i, middleware.Config{})
	if err != nil {
		log.Print(err)
		return
	}
	http.Handle("POST /payments", strict.RequireScope("payments:write")(http.NotFoundHandler()))
}
