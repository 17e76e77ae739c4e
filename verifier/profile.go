package verifier

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Profile says how one kind of authorization server writes its access tokens, and how they differ from its other
// tokens. It is data: print one, copy one and change it, write your own. The zero Profile stands for [RFC9068].
//
// A claim name is exact and top-level. One that begins with "/" is a JSON pointer (RFC 6901) through objects, not into
// arrays; its last part may be "*", which gives the names of an object's members.
//
// A claim that is null counts as absent.
type Profile struct {
	// Types are the accepted "typ" headers, compared whole, in any case, with or without "application/"
	// (RFC 7515 section 4.1.9). "" accepts a token without one.
	Types []string
	// Require lists claims that must be there beside iss, exp and the audience.
	Require []string
	// Match lists claims that must hold one of these strings, or be an array with one of them;
	// an empty list asks only that the claim is there.
	Match map[string][]string
	// Forbid lists claims that this server's access tokens never have and its ID or logout tokens may.
	Forbid []string
	// AudienceClaims: the first that is there decides alone.
	AudienceClaims []string
	// AudienceFromScope takes, without an audience claim, the part of each scope before its last "/" for an audience.
	AudienceFromScope bool
	// ScopeClaims: the first that is there decides alone, even when it is empty. A string is split at spaces,
	// an array's elements are not. What is not a scope-token (RFC 6749 section 3.3) is passed over.
	ScopeClaims []string
	// ClientIDClaims: the first that is there. If any are listed, one must be there and not empty.
	ClientIDClaims []string
	// IDClaims name the token: the first that is there. Without one, a token can't be revoked by its id.
	IDClaims []string
	// Self says how a token that a client got for itself is told, beside "no sub" and "sub is the client": as Match, any one of them.
	Self map[string][]string

	// anybody, if set, says who can get a token for any audience they like; Config.Match must then say whose are meant.
	anybody string
}

// idToken lists claims of ID tokens and logout tokens (OpenID Connect Core section 2 and 3.3, Back-Channel Logout section 2.4).
// It is a second line: an ID token of the code flow may have none of them.
func idToken(more ...string) []string {
	return append([]string{"nonce", "at_hash", "c_hash", "s_hash", "events"}, more...)
}

// RFC9068 is the standard's own profile for JWT access tokens (RFC 9068 section 2): typ at+jwt, and sub, client_id, iat and jti required.
func RFC9068() Profile {
	return Profile{
		Types: []string{"at+jwt"}, Require: []string{"sub", "client_id", "iat", "jti"},
		AudienceClaims: []string{"aud"}, ScopeClaims: []string{"scope"}, ClientIDClaims: []string{"client_id"}, IDClaims: []string{"jti"},
	}
}

// Entra is Microsoft Entra ID, tokens of version 1 and 2.
//
//   - The manifest of the API decides the version, not the endpoint that the client asked; unset means 1, whose issuer is
//     https://sts.windows.net/TENANT/ (with MetadataURL https://login.microsoftonline.com/TENANT/.well-known/openid-configuration).
//     Version 2 has https://login.microsoftonline.com/TENANT/v2.0. TENANT is the GUID, never a name or "common".
//   - The audience of version 2 is the API's client id, a GUID. Version 1 has any app-id URI of the API, with or without a slash.
//   - Any app of the tenant gets a token for the API, without roles, unless assignment is required: ask for a role on every route.
//   - scp, of a user's token, is read first; roles, the app's own, only where there is no scp: a user's token holds the user's roles there.
//   - A client asks for api://.../.default: the scope that a 403 names can't be asked for.
//   - There is no jti: uti is it. ActsForItself is sure only with the optional claim idtyp.
//   - Tokens for Microsoft Graph can't be verified by anyone else.
func Entra() Profile {
	return Profile{
		Types: []string{"JWT", "at+jwt"}, Require: []string{"tid", "ver", "iat"}, Forbid: idToken(),
		AudienceClaims: []string{"aud"}, ScopeClaims: []string{"scp", "roles"}, ClientIDClaims: []string{"azp", "appid"},
		IDClaims: []string{"uti", "jti"}, Self: map[string][]string{"idtyp": {"app"}},
	}
}

// Keycloak is Keycloak and Red Hat's build of it.
//
//   - By default aud is absent or "account": give the client's service account a client role of the API's client, or add an
//     audience mapper. Never accept "account".
//   - iss follows the host that the client used unless "hostname" is set. Where keys are fetched by an internal name, set MetadataURL or JWKSURL.
//   - The kind of a token stands in the payload's typ: Bearer or DPoP, in either case, against ID, Refresh and Logout.
//   - Roles are not scopes: for those of a client copy the profile and set ScopeClaims to "/resource_access/CLIENT/roles".
//   - A service account is told by clientHost; its preferred_username could be a person's.
func Keycloak() Profile {
	return Profile{
		Types: []string{"JWT", "at+jwt"}, Require: []string{"iat", "jti"},
		Match: map[string][]string{"typ": {"Bearer", "bearer", "DPoP", "dpop"}}, Forbid: idToken(),
		AudienceClaims: []string{"aud"}, ScopeClaims: []string{"scope"}, ClientIDClaims: []string{"azp", "client_id"},
		IDClaims: []string{"jti"}, Self: map[string][]string{"clientHost": {}},
	}
}

// Auth0 is Auth0, its own dialect and its RFC 9068 dialect.
//
//   - The issuer ends in a slash; a custom domain is another issuer with the same keys.
//   - A client that does not ask for audience=... gets an opaque token.
//   - permissions is what the user may do, scope what the client was given: reading both as one lets any client do all that its user may.
//   - The default dialect has no jti: revocation by id can't work. Custom claims have URLs as names.
//   - An API set to HS256 can't be used.
func Auth0() Profile {
	return Profile{
		Types: []string{"JWT", "at+jwt"}, Require: []string{"sub", "iat"}, Forbid: idToken(),
		AudienceClaims: []string{"aud"}, ScopeClaims: []string{"scope"}, ClientIDClaims: []string{"client_id", "azp"},
		IDClaims: []string{"jti"}, Self: map[string][]string{"gty": {"client-credentials"}},
	}
}

// Cognito is Amazon Cognito.
//
//   - A machine's token has no aud: what names the API is the part of its scopes before the last slash, so Config.Audience is
//     the identifier of the resource server, and RequireScope takes the whole "https://api.example.com/orders.read".
//   - Where there is an aud (a user's token bound to a resource) it alone decides.
//   - token_use tells access tokens from ID tokens. Don't list client ids as audiences: an ID token has those.
func Cognito() Profile {
	return Profile{
		Types: []string{"", "JWT", "at+jwt"}, Require: []string{"iat", "jti"},
		Match: map[string][]string{"token_use": {"access"}}, Forbid: idToken(),
		AudienceClaims: []string{"aud"}, AudienceFromScope: true, ScopeClaims: []string{"scope"},
		ClientIDClaims: []string{"client_id"}, IDClaims: []string{"jti"},
	}
}

// Okta is a custom authorization server of Okta.
//
//   - The issuer has a path, /oauth2/default or /oauth2/aus...; tokens of the org's own server (no path) can't be verified by anyone else.
//   - One audience stands for all APIs of a server and api://default for none in particular: list Config.Clients too.
//   - New service apps have DPoP switched on; a bound token is refused unless the guard checks proofs.
func Okta() Profile {
	return Profile{
		Types: []string{"", "JWT", "at+jwt"}, Require: []string{"iat", "jti"}, Forbid: idToken(),
		AudienceClaims: []string{"aud"}, ScopeClaims: []string{"scp"}, ClientIDClaims: []string{"cid"}, IDClaims: []string{"jti"},
	}
}

// Hydra is Ory Hydra and Ory Network.
//
//   - Tokens are opaque unless strategies.access_token is jwt.
//   - aud is empty unless the client asks for audience=... and is allowed it; the resource parameter is ignored.
//   - Discovery lists the algorithms of ID tokens; access tokens may use others.
func Hydra() Profile {
	return Profile{
		Types: []string{"JWT"}, Require: []string{"sub", "iat", "jti"}, Forbid: idToken(),
		AudienceClaims: []string{"aud"}, ScopeClaims: []string{"scp", "scope"}, ClientIDClaims: []string{"client_id"}, IDClaims: []string{"jti"},
	}
}

// Duende is Duende IdentityServer.
//
//   - A client's own token has no sub, and scope is an array.
//   - aud is missing until an ApiResource is defined; ApiScopes alone give none.
func Duende() Profile {
	return Profile{
		Types: []string{"at+jwt"}, Require: []string{"iat"}, Forbid: idToken(),
		AudienceClaims: []string{"aud"}, ScopeClaims: []string{"scope"}, ClientIDClaims: []string{"client_id"}, IDClaims: []string{"jti"},
	}
}

// PingOne is PingOne.
//
//   - A client's own token has no sub, and none has a jti: revocation by id can't work.
//   - There is no typ until 2 March 2027, then at+jwt.
func PingOne() Profile {
	return Profile{
		Types: []string{"", "JWT", "at+jwt"}, Require: []string{"iat"}, Forbid: idToken(),
		AudienceClaims: []string{"aud"}, ScopeClaims: []string{"scope"}, ClientIDClaims: []string{"client_id"}, IDClaims: []string{"jti"},
	}
}

// Zitadel is Zitadel with access token type JWT; the default is opaque.
//
//   - There are no scopes: what RequireScope asks for are roles, the names in urn:zitadel:iam:org:project:roles.
//   - aud lists every client of the project and the project: accept the project's id. ID tokens have the same; jti tells them apart.
func Zitadel() Profile {
	return Profile{
		Types: []string{"JWT", "at+jwt"}, Require: []string{"sub", "iat", "jti"}, Forbid: idToken("amr", "acr"),
		AudienceClaims: []string{"aud"}, ScopeClaims: []string{"/urn:zitadel:iam:org:project:roles/*"},
		ClientIDClaims: []string{"client_id", "azp"}, IDClaims: []string{"jti"},
	}
}

// Authentik is authentik.
//
//   - The issuer ends in a slash.
//   - aud is the client's own id, one for each provider; ID tokens have it too, and only azp and uid tell them apart.
//   - There is no scope unless a scope mapping puts it in.
func Authentik() Profile {
	return Profile{
		Types: []string{"JWT", "at+jwt"}, Require: []string{"sub", "iat", "uid"}, Forbid: idToken(),
		AudienceClaims: []string{"aud"}, ScopeClaims: []string{"scope"}, ClientIDClaims: []string{"azp"}, IDClaims: []string{"uid"},
	}
}

// Curity is the Curity Identity Server with JWT access tokens; the default is opaque.
//
//   - purpose tells access tokens from ID tokens; aud is the client's id unless configured.
//   - There is no client id claim by default, so Config.Clients can't be used: copy the profile and list one where the server writes it.
func Curity() Profile {
	return Profile{
		Types: []string{"", "JWT", "at+jwt"}, Require: []string{"sub", "iat", "jti"},
		Match: map[string][]string{"purpose": {"access_token"}}, Forbid: idToken(),
		AudienceClaims: []string{"aud"}, ScopeClaims: []string{"scope"}, IDClaims: []string{"jti"},
	}
}

// FusionAuth is FusionAuth's entity grant.
//
//   - The issuer is the tenant's setting and need not be a URL: then set JWKSURL.
//   - What RequireScope asks for are permissions, aud is the target entity's id, and sub is the client.
func FusionAuth() Profile {
	return Profile{
		Types: []string{"JWT"}, Require: []string{"sub", "iat", "jti", "tid"}, Forbid: idToken("authenticationType"),
		AudienceClaims: []string{"aud"}, ScopeClaims: []string{"permissions"}, IDClaims: []string{"jti"},
	}
}

// Kubernetes is a projected service account token. Any pod can have one for any audience, so Config.Match must say whose are
// meant: {"/kubernetes.io/namespace": {"shop"}, "/kubernetes.io/serviceaccount/name": {"cart"}}. There are no scopes.
// Discovery at an API server wants credentials unless a role is bound; give a Client that trusts the cluster's CA.
func Kubernetes() Profile {
	return Profile{
		Types: []string{""}, Require: []string{"sub", "iat", "kubernetes.io"}, Forbid: idToken(),
		AudienceClaims: []string{"aud"}, IDClaims: []string{"jti"}, anybody: "any pod of the cluster",
	}
}

// GitHub is the ID token of a GitHub Actions job. Any repository can have one for any audience, so Config.Match must say whose
// are meant: {"repository_id": {"1234"}}, and which branch or environment; sub can be changed by the repository. There are no scopes.
func GitHub() Profile {
	return Profile{
		Types: []string{"JWT"}, Require: []string{"sub", "iat", "jti", "repository_id"},
		AudienceClaims: []string{"aud"}, IDClaims: []string{"jti"}, anybody: "any repository on GitHub",
	}
}

// Google is the ID token of a Google service account; access tokens (ya29...) are opaque. Anybody with a Google account can have
// one for any audience, so Config.Match must say whose are meant: {"email": {"cart@PROJECT.iam.gserviceaccount.com"}}. There are no scopes.
func Google() Profile {
	return Profile{
		Types: []string{"JWT"}, Require: []string{"sub", "iat", "email"},
		AudienceClaims: []string{"aud"}, ClientIDClaims: []string{"azp"}, anybody: "anybody with a Google account",
	}
}

// Generic takes the shapes that most servers write. Prefer the profile of yours: this one knows no sure sign of an access token.
func Generic() Profile {
	return Profile{
		Types: []string{"", "JWT", "at+jwt"}, Require: []string{"iat"}, Forbid: idToken(),
		AudienceClaims: []string{"aud"}, ScopeClaims: []string{"scope", "scp"},
		ClientIDClaims: []string{"client_id", "azp", "cid", "appid"}, IDClaims: []string{"jti"},
	}
}

var profiles = map[string]func() Profile{
	"rfc9068": RFC9068, "entra": Entra, "keycloak": Keycloak, "auth0": Auth0, "cognito": Cognito, "okta": Okta, "hydra": Hydra,
	"duende": Duende, "pingone": PingOne, "zitadel": Zitadel, "authentik": Authentik, "curity": Curity, "fusionauth": FusionAuth,
	"kubernetes": Kubernetes, "github": GitHub, "google": Google, "generic": Generic,
}

// ProfileNamed returns a profile by the name of its function, in any case: for environment variables and configuration files.
// No name gives the zero Profile, which stands for [RFC9068].
func ProfileNamed(name string) (Profile, error) {
	if name == "" {
		return Profile{}, nil
	}
	if f, ok := profiles[strings.ToLower(name)]; ok {
		return f(), nil
	}
	names := slices.Sorted(maps.Keys(profiles))
	return Profile{}, fmt.Errorf("verifier: no profile is named %q: there are %s", name, strings.Join(names, ", "))
}

// rules are a profile and a configuration made ready for use. They are immutable.
type rules struct {
	types                         []string // as typeName gives them
	noType                        bool     // a token without typ is accepted
	require, forbid               []claimName
	match, ownMatch, self         []matchRule
	audience, scope, clientID, id []claimName
	audienceFromScope             bool
}

type matchRule struct {
	claim  claimName
	values []string
}

func (p Profile) isZero() bool {
	return p.Types == nil && p.Require == nil && p.Match == nil && p.Forbid == nil && p.AudienceClaims == nil && !p.AudienceFromScope &&
		p.ScopeClaims == nil && p.ClientIDClaims == nil && p.IDClaims == nil && p.Self == nil
}

// compile reports every mistake of the profile at once.
func (p Profile) compile() (*rules, error) {
	if p.isZero() {
		p = RFC9068()
	}
	var errs []error
	if len(p.Types) == 0 {
		errs = append(errs, errors.New(`verifier: Profile.Types is empty: list the accepted typ headers, "" for a token without one`))
	}
	if len(p.AudienceClaims) == 0 {
		errs = append(errs, errors.New(`verifier: Profile.AudienceClaims is empty: list the claim that names the audience, usually "aud"`))
	}
	if p.AudienceFromScope && len(p.ScopeClaims) == 0 {
		errs = append(errs, errors.New(`verifier: Profile.AudienceFromScope is set, but ScopeClaims is empty: list the claim that holds the scopes, usually "scope"`))
	}
	names := func(list []string) (out []claimName) {
		for _, name := range list {
			c, err := parseClaimName(name)
			errs = append(errs, err)
			out = append(out, c)
		}
		return out
	}
	r := &rules{
		require: names(p.Require), forbid: names(p.Forbid), audience: names(p.AudienceClaims), audienceFromScope: p.AudienceFromScope,
		scope: names(p.ScopeClaims), clientID: names(p.ClientIDClaims), id: names(p.IDClaims),
	}
	for _, t := range p.Types {
		if t == "" {
			r.noType = true
			continue
		}
		r.types = append(r.types, typeName(t))
	}
	for _, m := range []struct {
		from map[string][]string
		to   *[]matchRule
	}{{p.Match, &r.match}, {p.Self, &r.self}} {
		rules, err := compileMatch(m.from)
		errs = append(errs, err)
		*m.to = rules
	}
	return r, errors.Join(errs...)
}

// compileMatch sorts by name, so that the same token always gets the same answer.
func compileMatch(m map[string][]string) (out []matchRule, err error) {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		c, e := parseClaimName(name)
		err = errors.Join(err, e)
		out = append(out, matchRule{c, slices.Clone(m[name])})
	}
	return out, err
}

// typeName brings a media type to one form: lower case (ASCII alone), without "application/" (RFC 7515 section 4.1.9).
func typeName(t string) string {
	lower := strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, t)
	return strings.TrimPrefix(lower, "application/")
}
