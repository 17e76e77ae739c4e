package verifiertest

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard/verifier"
)

const (
	defaultClient = "test-client"
	lifetime      = 5 * time.Minute
)

// grant is what a token is minted for.
type grant struct {
	client   string // "": test-client
	scope    string
	audience []string
}

// mint makes the claims of an access token in the shape of the issuer's profile.
func (i *Issuer) mint(g grant, overrides ...map[string]any) map[string]any {
	p, now := i.profile, i.now()
	if g.client == "" {
		g.client = defaultClient
	}
	if len(p.ClientIDClaims) > 0 {
		for _, o := range overrides {
			if id, ok := o[p.ClientIDClaims[0]].(string); ok {
				g.client = id
			}
		}
	}
	c := map[string]any{"iss": i.URL(), "sub": g.client, "iat": now.Unix(), "exp": now.Add(lifetime).Unix()}
	if len(p.ClientIDClaims) > 0 {
		place(c, p.ClientIDClaims[0], g.client)
	}
	if len(p.IDClaims) > 0 {
		place(c, p.IDClaims[0], rand.Text())
	}
	placeGrant(c, p, g)
	for _, name := range p.Require {
		if !holds(c, name) {
			place(c, name, filler(name, g.client))
		}
	}
	for name, values := range p.Match {
		if len(values) > 0 {
			place(c, name, values[0])
		} else if !holds(c, name) {
			place(c, name, filler(name, g.client))
		}
	}
	for _, name := range p.Forbid {
		delete(c, name)
	}
	for _, o := range overrides {
		override(c, o)
	}
	return c
}

// placeGrant writes audience and scopes where the profile reads them.
func placeGrant(c map[string]any, p verifier.Profile, g grant) {
	tokens := strings.Fields(g.scope)
	if p.AudienceFromScope && len(tokens) > 0 {
		for n, token := range tokens {
			if !strings.Contains(token, "/") {
				tokens[n] = g.audience[0] + "/" + token
			}
		}
	} else if len(g.audience) == 1 {
		place(c, p.AudienceClaims[0], g.audience[0])
	} else {
		place(c, p.AudienceClaims[0], g.audience)
	}
	if len(p.ScopeClaims) == 0 || len(tokens) == 0 && !slices.Contains(p.Require, p.ScopeClaims[0]) {
		return
	}
	if name := p.ScopeClaims[0]; name == "scope" {
		place(c, name, strings.Join(tokens, " "))
	} else {
		place(c, name, tokens)
	}
}

// filler is something for a claim that the profile requires and nothing else gives.
func filler(name, client string) any {
	switch name {
	case "kubernetes.io":
		return map[string]any{"namespace": "default", "serviceaccount": map[string]any{"name": client, "uid": rand.Text()}}
	case "repository_id":
		return "1234"
	case "email":
		return client + "@example.com"
	case "tid":
		return "00000000-0000-4000-8000-000000000000"
	case "ver":
		return "2.0"
	}
	return "test"
}

// parts splits a claim name of a profile; those of a JSON pointer are unescaped (RFC 6901 section 4).
func parts(name string) []string {
	if !strings.HasPrefix(name, "/") {
		return []string{name}
	}
	path := strings.Split(name[1:], "/")
	for n, part := range path {
		path[n] = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
	}
	return path
}

// place writes a claim where a claim name of a profile reads it. Behind a "*" strings become names of members.
func place(claims map[string]any, name string, value any) {
	path := parts(name)
	last := len(path) - 1
	object := claims
	for _, part := range path[:last] {
		next, ok := object[part].(map[string]any)
		if !ok {
			next = map[string]any{}
			object[part] = next
		}
		object = next
	}
	if last == 0 || path[last] != "*" {
		object[path[last]] = value
		return
	}
	names, ok := value.([]string)
	if text, isText := value.(string); !ok && isText {
		names = []string{text}
	}
	for _, member := range names {
		object[member] = map[string]any{}
	}
}

// holds reports whether place has been there.
func holds(claims map[string]any, name string) bool {
	path := parts(name)
	if len(path) > 1 && path[len(path)-1] == "*" {
		path = path[:len(path)-1]
	}
	var value any = claims
	for _, part := range path {
		object, _ := value.(map[string]any)
		var ok bool
		if value, ok = object[part]; !ok {
			return false
		}
	}
	return true
}

// override copies members over others: a nil removes one, a time becomes a NumericDate (RFC 7519 section 2).
func override(object, by map[string]any) {
	for name, value := range by {
		switch v := value.(type) {
		case nil:
			delete(object, name)
		case time.Time:
			object[name] = v.Unix()
		default:
			object[name] = v
		}
	}
}

// Claims makes claims without a token, for unit tests of handlers with [verifier.NewContext]. They are read by RFC 9068's
// profile. What claims doesn't hold is filled in: iss, aud, client_id, sub (the client id), jti, iat and an exp in five
// minutes, but no scope. A nil value leaves a claim out, a [time.Time] becomes a NumericDate. Claims that can't be read
// fail the test.
func Claims(tb testing.TB, claims map[string]any) *verifier.Claims {
	tb.Helper()
	now := time.Now()
	full := map[string]any{
		"iss": "https://issuer.example.com", "aud": defaultAudience, "client_id": defaultClient, "sub": defaultClient,
		"jti": rand.Text(), "iat": now.Unix(), "exp": now.Add(lifetime).Unix(),
	}
	if id, ok := claims["client_id"].(string); ok {
		full["sub"] = id
	}
	override(full, claims)
	text, err := json.Marshal(full)
	if err != nil {
		tb.Fatalf("verifiertest: Claims: %v", err)
	}
	c, err := verifier.NewClaims(text, verifier.Profile{})
	if err != nil {
		tb.Fatalf("verifiertest: Claims: %v", err)
	}
	return c
}

// Authenticated is a request as a guard hands it on: its context carries what [Claims] makes of claims. For tests of handlers
// without their guard.
func Authenticated(tb testing.TB, r *http.Request, claims map[string]any) *http.Request {
	tb.Helper()
	return r.WithContext(verifier.NewContext(r.Context(), Claims(tb, claims)))
}

// Tokens is a [verifier.TokenVerifier] for tests of handlers together with their guard: it accepts these tokens, each with
// what [Claims] makes of its claims, and no other.
func Tokens(tb testing.TB, tokens map[string]map[string]any) verifier.TokenVerifier {
	tb.Helper()
	known := knownTokens{}
	for token, claims := range tokens {
		known[token] = Claims(tb, claims)
	}
	return known
}

type knownTokens map[string]*verifier.Claims

func (k knownTokens) Verify(_ context.Context, token string) (*verifier.Claims, error) {
	if claims := k[token]; claims != nil {
		return claims, nil
	}
	return nil, fmt.Errorf("%w: none of those that this test knows", verifier.ErrInvalidToken)
}

func cloneProfile(p verifier.Profile) verifier.Profile {
	for _, list := range []*[]string{&p.Types, &p.Require, &p.Forbid, &p.AudienceClaims, &p.ScopeClaims, &p.ClientIDClaims, &p.IDClaims} {
		*list = slices.Clone(*list)
	}
	for _, m := range []*map[string][]string{&p.Match, &p.Self} {
		*m = maps.Clone(*m)
		for name, values := range *m {
			(*m)[name] = slices.Clone(values)
		}
	}
	return p
}
