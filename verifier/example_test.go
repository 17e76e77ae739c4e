package verifier_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/bearerguard/bearerguard/verifier"
	"github.com/bearerguard/bearerguard/verifier/verifiertest"
)

// A service whose customers have authorization servers of their own looks them up, here in a map.
func ExampleResolveIssuers() {
	acme, err := verifiertest.Start(verifiertest.Like(verifier.Keycloak()))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer acme.Close()
	stranger, err := verifiertest.Start()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer stranger.Close()
	customers := map[string]verifier.Profile{acme.URL(): verifier.Keycloak()}

	v, err := verifier.ResolveIssuers(verifier.IssuersConfig{
		Resolve: func(_ context.Context, iss string) (verifier.Config, error) {
			profile, ok := customers[iss]
			if !ok {
				return verifier.Config{}, fmt.Errorf("%w: no customer has it", verifier.ErrIssuer)
			}
			return verifier.Config{
				Issuer: iss, Audience: []string{"https://api.example.com"}, Profile: profile,
				Client: acme.Client(), DangerouslyAllowPrivateNetwork: true, // this customer lives on loopback
			}, nil
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	claims, err := v.Verify(context.Background(), acme.Token("orders:read"))
	fmt.Println(claims.ClientID(), claims.Scopes(), err)
	_, err = v.Verify(context.Background(), stranger.Token("orders:read"))
	fmt.Println(errors.Is(err, verifier.ErrIssuer))
	// Output:
	// test-client orders:read <nil>
	// true
}
