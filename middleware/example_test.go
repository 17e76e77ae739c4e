package middleware_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"

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
	guard, err := middleware.New(v, middleware.Config{
		OnDecision: func(r *http.Request, claims *verifier.Claims, denial *middleware.Denial) {
			if denial != nil {
				fmt.Println("refused:", denial.Err) // for operators, never for clients
			}
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	mux := http.NewServeMux()
	mux.Handle("GET /orders", guard.RequireScope("orders:read")(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, _ := verifier.FromContext(r.Context())
		fmt.Fprint(w, "orders for ", claims.ClientID())
	})))

	for _, authorization := range []string{"Bearer " + issuer.Token("orders:read"), "Basic dTpw"} {
		r := httptest.NewRequest("GET", "/orders", nil)
		r.Header.Set("Authorization", authorization)
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Body)
		fmt.Println(w.Header().Get("WWW-Authenticate"))
	}
	// Output:
	// 200 orders for test-client
	//
	// refused: no access token, but credentials of a scheme that this guard doesn't take
	// 401 {}
	// Bearer realm="api", scope="orders:read"
}

// A transport without a handler of net/http asks the guard and answers itself.
func ExampleGuard_Check() {
	guard, err := middleware.New(&verifier.Verifier{}, middleware.Config{}) // a zero Verifier refuses everything
	if err != nil {
		fmt.Println(err)
		return
	}
	r := &http.Request{Header: http.Header{"Authorization": {"Bearer token"}}}
	grant, denial := guard.Check(r, middleware.Scope("orders:read"))
	if denial != nil {
		contentType, body := denial.Body(r)
		fmt.Println(denial.Status, denial.Header.Get("Retry-After"), contentType, string(body))
		return
	}
	fmt.Println("go on as", grant.Claims.ClientID())
	// Output:
	// 503 1 application/json {"error":"temporarily_unavailable","error_description":"access tokens can't be verified at the moment"}
}

// A client proves with each request that it holds the key to which its token is bound.
func ExampleDPoP() {
	issuer, err := verifiertest.Start() // in a program: your authorization server
	if err != nil {
		fmt.Println(err)
		return
	}
	defer issuer.Close()
	guard, err := middleware.New(issuer.Verifier(), middleware.Config{
		DPoP: &middleware.DPoP{PublicURL: "https://api.example.com"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	orders := guard.RequireScope("orders:read")(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "orders")
	}))

	key := verifiertest.NewProofKey() // the client's
	token := issuer.Token("orders:read", key.Binding())
	proof := key.Proof("GET", "https://api.example.com/orders", token, "")
	for _, field := range []string{"DPoP " + token, "DPoP " + token, "Bearer " + token} {
		r := httptest.NewRequest("GET", "/orders", nil)
		r.Header.Set("Authorization", field)
		r.Header.Set("DPoP", proof)
		w := httptest.NewRecorder()
		orders.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Body)
	}
	// Output:
	// 200 orders
	// 401 {"error":"invalid_dpop_proof","error_description":"the DPoP proof is missing, malformed, used before or not for this request"}
	// 401 {"error":"invalid_token","error_description":"the access token is malformed, expired, revoked or not for this resource"}
}

// A stream of server-sent events ends with the token that it was asked for with.
func ExampleUntilExpiry() {
	orders := make(chan string)
	events := func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := middleware.UntilExpiry(r.Context())
		defer cancel()
		w.Header().Set("Content-Type", "text/event-stream")
		for {
			select {
			case order := <-orders:
				fmt.Fprintf(w, "data: %s\n\n", order)
			case <-ctx.Done():
				if errors.Is(context.Cause(ctx), verifier.ErrExpired) {
					fmt.Fprint(w, "data: come again with another token\n\n")
				}
				return
			}
			if err := http.NewResponseController(w).Flush(); err != nil {
				return
			}
		}
	}
	guard, err := middleware.New(&verifier.Verifier{}, middleware.Config{}) // in a program: that of verifier.New
	if err != nil {
		fmt.Println(err)
		return
	}
	http.Handle("GET /events", guard.RequireScope("orders:read")(http.HandlerFunc(events)))
}
