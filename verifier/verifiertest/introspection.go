package verifiertest

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/bearerguard/bearerguard/verifier"
	"github.com/bearerguard/bearerguard/verifier/introspection"
)

const (
	introspectionPath = "/introspect"
	resourceServer    = "resource-server" // the client that Introspection makes
)

// Introspection returns a configuration that asks the issuer about tokens, with credentials of its own; see [Issuer.Config]. Clients
// that are registered may ask too. The endpoint knows the tokens of [Issuer.OpaqueToken], and JWTs that a verifier of
// [Issuer.Config] would take for any audience; an encrypted token it calls inactive.
func (i *Issuer) Introspection() introspection.Config {
	return introspection.Config{Tokens: i.Config(), Auth: introspection.ClientSecretBasic(resourceServer, i.secret)}
}

// OpaqueToken mints a token as [Issuer.Token] does, with the same claims, but no JWT: the introspection endpoint alone tells what
// it is good for. Every token is kept as long as the issuer.
func (i *Issuer) OpaqueToken(scope string, claims ...map[string]any) string {
	i.t.Helper()
	text, err := json.Marshal(i.mint(grant{scope: scope, audience: i.audience[:1]}, claims...))
	if err != nil {
		i.t.Fatalf("verifiertest: OpaqueToken: %v", err)
	}
	token := rand.Text()
	i.mu.Lock()
	defer i.mu.Unlock()
	i.opaque[token] = text
	return token
}

// Revoke makes the introspection endpoint call a token inactive, an opaque one or a JWT. Who verifies the JWT doesn't notice.
func (i *Issuer) Revoke(token string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.revoked[token] = true
}

// serveIntrospection: RFC 7662 section 2.
func (i *Issuer) serveIntrospection(w http.ResponseWriter, r *http.Request) {
	if r.ParseForm() != nil || len(r.PostForm["token"]) != 1 {
		refuse(w, noForm)
		return
	}
	if _, _, refused := i.authenticate(r); refused != nil {
		refuse(w, refused)
		return
	}
	claims := i.active(r.Context(), r.PostForm.Get("token"))
	if claims == nil {
		answer(w, http.StatusOK, map[string]any{"active": false})
		return
	}
	claims["active"], claims["token_type"] = true, "Bearer"
	answer(w, http.StatusOK, claims)
}

// active is what a token says, nil if it is not good now.
func (i *Issuer) active(ctx context.Context, token string) (claims map[string]any) {
	i.mu.Lock()
	text, revoked := i.opaque[token], i.revoked[token]
	i.mu.Unlock()
	if revoked {
		return nil
	}
	if text == nil {
		parts := strings.Split(token, ".")
		v, err := i.anyAudience()
		if err != nil || len(parts) != 3 {
			return nil
		}
		if _, err := v.Verify(ctx, token); err != nil {
			return nil
		}
		text, _ = base64.RawURLEncoding.DecodeString(parts[1])
	}
	if json.Unmarshal(text, &claims) != nil {
		return nil
	}
	now := float64(i.now().Unix())
	if exp, ok := claims["exp"].(float64); ok && now >= exp {
		return nil
	}
	if nbf, ok := claims["nbf"].(float64); ok && now < nbf {
		return nil
	}
	return claims
}

// anyAudience is a verifier of the tokens that the issuer signs, whoever they are for.
func (i *Issuer) anyAudience() (*verifier.Verifier, error) {
	cfg := i.Config()
	cfg.JWKS, cfg.Decryption, cfg.Audience, cfg.DangerouslyAcceptAnyAudience = i.Keys(), verifier.Decryption{}, nil, true
	cfg.Match = map[string][]string{"iss": {i.URL()}} // some profiles want one
	return verifier.New(cfg)
}
