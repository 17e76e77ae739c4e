package redisauth_test

import (
	"context"
	"log"
	"time"

	"github.com/redis/go-redis/v9"

	redisauth "github.com/bearerguard/bearerguard/adapters/redis"
	"github.com/bearerguard/bearerguard/middleware"
	"github.com/bearerguard/bearerguard/verifier"
	"github.com/bearerguard/bearerguard/verifier/revocation"
)

// Revocations and used DPoP proofs, shared by all instances of a service.
func Example() {
	ctx := context.Background() // that of the service
	client := redis.NewClient(&redis.Options{Addr: "redis:6379", ContextTimeoutEnabled: true})
	revocations, err := redisauth.NewRevocations(redisauth.RevocationConfig{Client: client})
	if err != nil {
		log.Fatal(err)
	}
	go revocations.Run(ctx)
	replays, err := redisauth.NewReplays(redisauth.ReplayConfig{Client: client})
	if err != nil {
		log.Fatal(err)
	}

	v, err := verifier.New(verifier.Config{Issuer: "https://login.example.com", Audience: []string{"https://api.example.com"}})
	if err != nil {
		log.Fatal(err)
	}
	guard, err := middleware.New(verifier.WithRevocation(v, revocations.Revoked), middleware.Config{
		DPoP: &middleware.DPoP{PublicURL: "https://api.example.com", Replay: replays},
	})
	if err != nil {
		log.Fatal(err)
	}
	_ = guard

	// Wherever a user is logged out:
	now := time.Now()
	err = revocations.Revoke(ctx, revocation.Entry{Issuer: "https://login.example.com", Subject: "alice", IssuedBefore: now, Until: now.Add(time.Hour)})
	if err != nil {
		log.Print(err)
	}
}
