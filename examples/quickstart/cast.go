package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/oauth2/clientcredentials"

	"github.com/bearerguard/bearerguard/examples/internal/oauthclient"
	"github.com/bearerguard/bearerguard/scopes"
	"github.com/bearerguard/bearerguard/verifier"
	"github.com/bearerguard/bearerguard/verifier/verifiertest"
)

// cast is who takes part, and what is agreed between them.
type cast struct {
	server      *verifiertest.Issuer // nil: a real authorization server, which is not ours to break
	client      *oauthclient.Client
	tokens      verifier.Config // which tokens the API takes
	read, write scopes.Policy   // what its routes require; the client is not granted write
}

func newCast(ctx context.Context, getenv func(string) string) (*cast, error) {
	if getenv("ISSUER") != "" {
		return realCast(ctx, getenv)
	}
	server, err := verifiertest.Start()
	if err != nil {
		return nil, err
	}
	client := clientcredentials.Config{TokenURL: server.TokenURL(), ClientID: "nightly-report", ClientSecret: rand.Text(), Scopes: []string{"orders:read"}}
	server.RegisterClient(client.ClientID, client.ClientSecret, "orders:read")
	return &cast{
		server: server, client: &oauthclient.Client{Config: client, HTTP: server.Client()}, tokens: server.Config(),
		read: scopes.All("orders:read"), write: scopes.All("orders:write"),
	}, nil
}

func realCast(ctx context.Context, getenv func(string) string) (*cast, error) {
	profile, err := verifier.ProfileNamed(getenv("PROFILE"))
	required := strings.Fields(cmp.Or(getenv("REQUIRE_SCOPE"), getenv("SCOPE")))
	read, readErr := scopes.ParsePolicy(strings.Join(required, " & "))
	if readErr != nil {
		err = errors.Join(err, fmt.Errorf("REQUIRE_SCOPE, or without it SCOPE: %w", readErr))
	}
	client, clientErr := oauthclient.FromEnvironment(ctx, getenv)
	return &cast{
		client: client, tokens: verifier.Config{Issuer: getenv("ISSUER"), Audience: []string{getenv("AUDIENCE")}, Profile: profile},
		read: read, write: scopes.All("quickstart:granted-to-nobody"),
	}, errors.Join(err, clientErr)
}
