// Package redisauth lets the instances of a service share, through Redis, which tokens are withdrawn and which DPoP proofs
// were used.
//
//	client := redis.NewClient(&redis.Options{Addr: "redis:6379", ContextTimeoutEnabled: true})
//	revocations, err := redisauth.NewRevocations(redisauth.RevocationConfig{Client: client})
//	go revocations.Run(ctx)
//	tokens := verifier.WithRevocation(v, revocations.Revoked)
//
// [Revocations] answers from the memory of its instance, so that a request costs no round trip, and follows what the other
// instances revoke. [Replays] asks Redis each time.
//
// # The server
//
// Redis 6.2 or later, or what speaks its protocol; the master, for replicas hear of a revocation later. An ACL needs the
// commands EVAL, EVALSHA, HSCAN, ZCOUNT, SUBSCRIBE, PUBLISH, PING, SET, GET, and those of the script (TIME, ZRANGEBYSCORE,
// HDEL, ZREM, HGET, HLEN, HSET, ZADD), on keys and channels that begin with the prefix and a colon. With maxmemory the policy
// must be noeviction: a server that makes room by itself forgets revocations and proofs. What a failover to a replica loses,
// the instances write again; used proofs are lost. An old master that a partition has cut off, together with instances, goes on
// answering them: what is revoked at the new one they learn when the partition ends. min-replicas-to-write keeps such a
// master from taking what would be lost, and no more. Names and proofs are hashed; who can write to Redis can withdraw any token
// and, by deleting, let a new instance accept it.
package redisauth

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	defaultPrefix = "bearerguard"
	// defaultTimeout bounds one call to Redis, retries included: a request waits no longer.
	defaultTimeout = 500 * time.Millisecond
	maxTimeout     = 30 * time.Second
)

// shared is what both stores are told.
type shared struct {
	client  redis.UniversalClient
	prefix  string
	timeout time.Duration
}

// check fills in what was left out and reports every mistake.
func (s *shared) check() error {
	if s.prefix == "" {
		s.prefix = defaultPrefix
	}
	if s.timeout == 0 {
		s.timeout = defaultTimeout
	}
	errs := []error{checkClient(s.client)}
	if strings.ContainsAny(s.prefix, "{}") {
		errs = append(errs, fmt.Errorf("redisauth: Prefix is %q: braces say where a cluster keeps a key", s.prefix))
	}
	if s.timeout < 0 || s.timeout > maxTimeout {
		errs = append(errs, fmt.Errorf("redisauth: Timeout is %v: want a positive one of at most %v, or 0 for %v", s.timeout, maxTimeout, defaultTimeout))
	}
	return errors.Join(errs...)
}

// checkClient refuses a client that doesn't keep to deadlines, and one that asks replicas: they answer with what was true a
// while ago, and a replica that has lost its master goes on answering so.
func checkClient(c redis.UniversalClient) error {
	if v := reflect.ValueOf(c); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		return errors.New("redisauth: Client is nil: make one with redis.NewClient or redis.NewUniversalClient")
	}
	enabled, replicas := true, false
	switch c := c.(type) {
	case *redis.Client:
		enabled = c.Options().ContextTimeoutEnabled
	case *redis.ClusterClient:
		enabled, replicas = c.Options().ContextTimeoutEnabled, c.Options().ReadOnly
	case *redis.Ring:
		enabled = c.Options().ContextTimeoutEnabled
	}
	if !enabled {
		return errors.New("redisauth: Client is made without ContextTimeoutEnabled: a Redis that hangs would hold each request for seconds; set it in the client's options")
	}
	if replicas {
		return errors.New("redisauth: Client asks replicas, which hear of a revocation later or not at all: make it without ReadOnly, RouteByLatency and RouteRandomly")
	}
	return nil
}

// bounded runs one call to Redis.
func (s *shared) bounded(ctx context.Context, call func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	return call(ctx)
}

// hash hides a name.
func hash(name string) string {
	sum := sha256.Sum256([]byte(name))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}
