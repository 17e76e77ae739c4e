package revocation_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/bearerguard/bearerguard/verifier"
	"github.com/bearerguard/bearerguard/verifier/revocation"
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
	store, err := revocation.New(revocation.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	tokens := verifier.WithRevocation(v, store.Revoked) // for middleware.New

	token := issuer.Token("orders:read", map[string]any{"sub": "alice"})
	_, err = tokens.Verify(context.Background(), token)
	fmt.Println(err)

	// Alice logs out everywhere. No token of this issuer lives for more than an hour.
	now := time.Now()
	err = store.Revoke(revocation.Entry{Issuer: issuer.URL(), Subject: "alice", IssuedBefore: now, Until: now.Add(time.Hour)})
	if err != nil {
		fmt.Println(err)
	}
	_, err = tokens.Verify(context.Background(), token)
	fmt.Println(errors.Is(err, verifier.ErrRevoked))
	// Output:
	// <nil>
	// true
}
