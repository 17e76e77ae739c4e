package verifier

import (
	"slices"
	"strings"

	"github.com/bearerguard/bearerguard/internal/jose"
)

// The mistakes of a first hour, told to the operator beside what was found. Each hint begins with a colon or is empty.

// entraGraph are the audiences of Microsoft Graph and of its predecessor.
var entraGraph = []string{"00000003-0000-0000-c000-000000000000", "https://graph.microsoft.com", "00000002-0000-0000-c000-000000000000", "https://graph.windows.net"}

// hintForm is for a token that is no JWT at all.
func (t *inspection) hintForm() string {
	switch {
	case strings.HasPrefix(t.token, "{"):
		return ": the JSON serialization is never accepted (RFC 7519 section 1)"
	case strings.HasPrefix(t.token, "ya29."):
		return ": Google's access tokens are opaque; a service account's ID token is what can be verified"
	case t.encrypted == nil && jose.IsEncrypted(t.token):
		return ": if the authorization server encrypts to this API, set Config.Decryption"
	case !strings.Contains(t.token, "."):
		return ": it needs introspection, or a client that asks for a JWT (Auth0: audience=...; Hydra: strategies.access_token: jwt; Zitadel, Curity: access token type JWT)"
	}
	return ""
}

func (t *inspection) hintType() string {
	switch typ := typeName(t.header.typ); {
	case typ == "okta-internal-at+jwt":
		return ": a token of Okta's org authorization server, which nobody else can verify; let the client ask a custom one (/oauth2/default)"
	case (typ == "jwt" || !t.header.hasType) && len(t.v.rules.types) == 1 && t.v.rules.types[0] == "at+jwt":
		return ": this server's tokens are not RFC 9068's; set Profile to the one for it, verifier.Keycloak() for example, or verifier.Generic()"
	case typ == "logout+jwt" || typ == "dpop+jwt" || typ == "token-introspection+jwt":
		return ": that is another kind of JWT"
	}
	return ""
}

func (t *inspection) hintIssuer() string {
	iss, want := t.claims.issuer, t.v.issuer
	switch {
	case strings.HasPrefix(iss, entraV1) && strings.HasPrefix(want, entraV2):
		return ": a token of version 1 where version 2 is expected; set accessTokenAcceptedVersion to 2 in the API's manifest, or expect that issuer"
	case strings.HasPrefix(iss, entraV2) && strings.HasPrefix(want, entraV1):
		return ": a token of version 2 where version 1 is expected; the API's manifest has accessTokenAcceptedVersion 2, expect that issuer"
	case strings.HasPrefix(want, iss+"/oauth2/"):
		return ": a token of Okta's org authorization server; let the client ask for its token at the issuer that is expected"
	}
	return difference(iss, want)
}

// difference names what is easily overlooked.
func difference(found, wanted string) string {
	switch {
	case found == "":
		return ""
	case strings.TrimSuffix(found, "/") == strings.TrimSuffix(wanted, "/"):
		return ": the trailing slash differs"
	case strings.EqualFold(found, wanted):
		return ": upper and lower case differ"
	case strings.TrimPrefix(found, "http://") == strings.TrimPrefix(wanted, "https://"), strings.TrimPrefix(found, "https://") == strings.TrimPrefix(wanted, "http://"):
		return ": http and https differ"
	}
	return ""
}

func (t *inspection) hintAudience() string {
	if len(t.claims.audience) == 0 {
		return ": let the client ask for this API (Auth0, Hydra: audience=...; RFC 8707: resource=...), or let the server add it" +
			" (Keycloak: a client role of the API's client, or an audience mapper; Duende: an ApiResource; Cognito: verifier.Cognito() takes it from the scopes)"
	}
	for _, found := range t.claims.audience {
		switch {
		case found == "account":
			return `: "account" is what Keycloak writes by default; give the client a client role of the API's client, or add an audience mapper`
		case slices.Contains(entraGraph, strings.TrimSuffix(found, "/")):
			return ": a token for Microsoft Graph, which nobody else can verify; let the client ask for api://.../.default of this API"
		case found == t.claims.clientIDByAnyName():
			return ": that is the client's own id, as in an ID token"
		}
		for _, wanted := range t.v.audience {
			if hint := difference(found, wanted); hint != "" {
				return hint
			}
		}
	}
	return ""
}

// clientIDByAnyName is for hints alone.
func (c *Claims) clientIDByAnyName() string {
	for _, name := range []string{"client_id", "azp", "cid", "appid"} {
		if s, err := c.text(name); err == nil && s != "" {
			return s
		}
	}
	return ""
}

func (t *inspection) hintSignature() string {
	if t.header.kid == "" {
		return ": the token has no kid, and none of the keys that fit its alg made it"
	}
	return ": not made by the key " + quote(t.header.kid) + " over these bytes"
}

func (t *inspection) hintRequired(name string) string {
	switch {
	case name == "sub" && t.claims.clientIDByAnyName() != "":
		return ": a client's own token has none at Duende IdentityServer and PingOne; set Profile: verifier.Duende() or verifier.PingOne()"
	case name == "tid" || name == "ver":
		return ": is this a token of Entra?"
	}
	return ""
}
