package verifiertest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/bearerguard/bearerguard/verifier"
	"github.com/bearerguard/bearerguard/verifier/verifiertest"
)

// In a test it is verifiertest.NewIssuer(t): no error to look at, nothing to close.
func Example() {
	issuer, err := verifiertest.Start(verifiertest.Like(verifier.Keycloak()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer issuer.Close()
	v, ctx := issuer.Verifier(), context.Background()

	claims, err := v.Verify(ctx, issuer.Token("orders:read"))
	fmt.Println(claims.ClientID(), claims.Scopes(), err)

	_, err = v.Verify(ctx, issuer.Token("orders:read", map[string]any{"exp": time.Now().Add(-time.Hour)}))
	fmt.Println(errors.Is(err, verifier.ErrExpired))

	issuer.Down(http.StatusServiceUnavailable)
	_, err = v.Verify(ctx, issuer.Token("orders:write"))
	fmt.Println("with the keys at hand:", err)
	_, err = issuer.Verifier().Verify(ctx, issuer.Token("orders:write"))
	fmt.Println("without:", errors.Is(err, verifier.ErrUnavailable))
	// Output:
	// test-client orders:read <nil>
	// true
	// with the keys at hand: <nil>
	// without: true
}

// A client gets its token with the client-credentials grant.
func ExampleIssuer_RegisterClient() {
	issuer, err := verifiertest.Start()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer issuer.Close()
	issuer.RegisterClient("billing", "a secret", "orders:read", "orders:write")

	client := clientcredentials.Config{ClientID: "billing", ClientSecret: "a secret", TokenURL: issuer.TokenURL(), Scopes: []string{"orders:read"}}
	token, err := client.Token(context.WithValue(context.Background(), oauth2.HTTPClient, issuer.Client()))
	if err != nil {
		fmt.Println(err)
		return
	}
	claims, err := issuer.Verifier().Verify(context.Background(), token.AccessToken)
	fmt.Println(claims.ClientID(), claims.Scopes(), err)
	// Output: billing orders:read <nil>
}

// A handler's unit test needs neither a token nor a guard. In a test, t stands for tb.
func ExampleClaims() {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		claims, _ := verifier.FromContext(r.Context())
		fmt.Fprintf(w, "hello, %s", claims.ClientID())
	})

	claims := verifiertest.Claims(tb, map[string]any{"client_id": "billing", "scope": "orders:read"})
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r.WithContext(verifier.NewContext(r.Context(), claims)))
	fmt.Println(w.Body)
	// Output: hello, billing
}

var tb = &recorder{}
