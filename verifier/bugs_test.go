package verifier_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net/http"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard/scopes"
	"github.com/bearerguard/bearerguard/verifier"
)

// What has gone wrong for others: the cases of shared/bugs/cases.jsonl, each by its ID and with its own input, and beside
// it the rest of its kind. What is about keys stands in bugs_keys_test.go.

// bug is a token of a case and what must become of it.
type bug struct {
	name   string
	config func(*verifier.Config) // nil: the default
	token  string
	want   error  // nil: it is good
	says   string // words of the error, separated by |
}

// runBugs asks twice: a token that is good or bad stays so when it comes again.
func runBugs(t *testing.T, bugs []bug) {
	t.Helper()
	shared := newVerifier(t)
	for _, tt := range bugs {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v := shared
			if tt.config != nil {
				v = newVerifier(t, tt.config)
			}
			for range 2 {
				if tt.want == nil {
					accepted(t, v, tt.token)
					continue
				}
				wantWords(t, refused(t, v, tt.token, tt.want).Error(), tt.says)
			}
		})
	}
}

func wantWords(t *testing.T, found, words string) {
	t.Helper()
	for w := range strings.SplitSeq(words, "|") {
		if !strings.Contains(found, w) {
			t.Errorf("%s\nmust say %s", found, w)
		}
	}
}

// raw is a claim as it is written.
func raw(value string) json.RawMessage { return json.RawMessage(value) }

// over puts changes over others: what is gone stays so.
func over(base, changes obj) obj {
	maps.Copy(base, changes)
	return base
}

func ofProfile(p verifier.Profile) func(*verifier.Config) {
	return func(cfg *verifier.Config) { cfg.Profile = p }
}

// at is a deployment that expects this issuer and these audiences.
func at(issuer string, audience ...string) func(*verifier.Config) {
	return func(cfg *verifier.Config) { cfg.Issuer, cfg.Audience = issuer, audience }
}

func TestBugsOfScopes(t *testing.T) {
	t.Parallel()
	generic, named := verifier.Generic(), verifier.RFC9068()
	named.ScopeClaims = []string{"scopes"}
	for _, tt := range []struct {
		name    string
		profile verifier.Profile // zero: RFC 9068
		claims  obj
		want    string // "malformed", or the scopes
	}{
		{"BUG-001 a string is a list, split at spaces", verifier.Profile{}, obj{"scope": "openid profile email"}, "openid profile email"},
		{"BUG-002 an array of strings", verifier.Profile{}, obj{"scope": []string{"read:all", "write:all"}}, "read:all write:all"},
		{"BUG-002 null is absent", verifier.Profile{}, obj{"scope": nil}, ""},
		{"BUG-002 a number among strings", verifier.Profile{}, obj{"scope": []any{1, "read:all"}}, "malformed"},
		{"BUG-002 an object", verifier.Profile{}, obj{"scope": obj{"read:all": true}}, "malformed"},
		{"BUG-002 null among strings", verifier.Profile{}, obj{"scope": []any{"read:all", nil}}, "malformed"},
		{"BUG-002 an array in an array", verifier.Profile{}, obj{"scope": []any{[]string{"read:all"}}}, "malformed"},
		{"BUG-002 a boolean", verifier.Profile{}, obj{"scope": true}, "malformed"},
		{"BUG-002 an array under the other name", generic, obj{"scope": gone, "scp": []string{"read:all"}}, "read:all"},
		{"BUG-002 a number under the other name", generic, obj{"scope": gone, "scp": 1}, "malformed"},
		{"BUG-003 the sample of a mesh", verifier.Profile{}, obj{"scope": []string{"scope1", "scope2"}, "groups": []string{"group1", "group2"}}, "scope1 scope2"},
		{"BUG-009 scp as Okta writes it", generic, obj{"scope": gone, "scp": []string{"a"}}, "a"},
		{"BUG-009 no scope claim at all", generic, obj{"scope": gone}, ""},
		{"BUG-009 a null scope", generic, obj{"scope": nil}, ""},
		{"BUG-009 a null scope gives way to scp", generic, obj{"scope": nil, "scp": []string{"a"}}, "a"},
		{"BUG-011 a claim that nobody named", verifier.Profile{}, obj{"scope": gone, "scopes": []string{"a"}}, ""},
		{"BUG-011 a claim that the operator named", named, obj{"scope": gone, "scopes": []string{"a"}}, "a"},
		{"BUG-011 a null claim that the operator named", named, obj{"scope": gone, "scopes": nil}, ""},
		{"BUG-011 the operator named another claim", named, obj{"scope": "a"}, ""},
		{"BUG-011 the default claim", verifier.Profile{}, obj{"scope": "a"}, "a"},
		{"a comma does not separate", verifier.Profile{}, obj{"scope": "read,write"}, "read,write"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v, token := newVerifier(t, ofProfile(tt.profile)), mint(nil, tt.claims)
			if tt.want == "malformed" {
				refused(t, v, token, verifier.ErrMalformed)
				return
			}
			want := scopes.Of(strings.Fields(tt.want)...)
			if got := accepted(t, v, token).Scopes(); got.Len() != want.Len() || !got.Contains(want) {
				t.Errorf("scopes %q, want %q", got, want)
			}
		})
	}
}

// TestBugsOfClaimsThatNobodyAsksFor: what is not used may have any type.
func TestBugsOfClaimsThatNobodyAsksFor(t *testing.T) {
	t.Parallel()
	var bugs []bug
	for claim, value := range map[string]any{"email": []string{"a@example.com"}, "name": 1, "groups": obj{}, "azp": false, "scp": 1, "cid": []int{1}, "uti": nil, "updated_at": "today", "x": []any{obj{"y": nil}}} {
		bugs = append(bugs, bug{"BUG-012 an odd " + claim, nil, mint(nil, obj{claim: value}), nil, ""})
	}
	runBugs(t, bugs)
}

func TestBugsOfTheAudience(t *testing.T) {
	t.Parallel()
	my := at(issuer, "my-api")
	aud := func(value any) string { return mint(nil, obj{"aud": value}) }
	amazon := at(issuers["cognito"], "api")
	pool := func(payload obj) string {
		return mint(obj{"typ": gone}, over(obj{"iss": issuers["cognito"], "aud": gone, "client_id": "1example23456789", "token_use": "access", "scope": "api/read"}, payload))
	}
	cognitoClient := func(cfg *verifier.Config) { amazon(cfg); cognito(cfg); cfg.Clients = []string{"1example23456789"} }
	genericAtCognito := func(cfg *verifier.Config) { amazon(cfg); cfg.Profile = verifier.Generic() }
	entra := profileConfig(t, "entra", issuers["entra"], "api://my-api")
	graph := func(id string) string {
		return mint(obj{"typ": "JWT", "nonce": "abc"}, obj{"iss": issuers["entra"], "aud": id, "tid": tenant, "ver": "2.0", "azp": "c"})
	}
	bugs := []bug{
		{"BUG-014 an array without us", my, aud([]string{"other-api"}), verifier.ErrAudience, `"other-api"|"my-api"`},
		{"BUG-014 an array of one that begins as we do", my, aud([]string{"my-api-2"}), verifier.ErrAudience, ""},
		{"BUG-015 a string", my, aud("my-api"), nil, ""},
		{"BUG-015 an array with others before us", my, aud([]string{"https://userinfo.example/", "my-api"}), nil, ""},
		{"BUG-015 an array of us alone", my, aud([]string{"my-api"}), nil, ""},
		{"BUG-016 any of the token's is any of ours", at(issuer, "y", "z"), aud([]string{"x", "y"}), nil, ""},
		{"BUG-016 none of the token's is one of ours", at(issuer, "y", "z"), aud([]string{"x", "w"}), verifier.ErrAudience, ""},
		{"BUG-016 a string that joins ours", at(issuer, "y", "z"), aud("y z"), verifier.ErrAudience, ""},
		{"BUG-018 Cognito without its profile", genericAtCognito, pool(nil), verifier.ErrAudience, "no audience|verifier.Cognito()"},
		{"BUG-018 Cognito with its profile and our client", cognitoClient, pool(nil), nil, ""},
		{"BUG-018 Cognito: another client", cognitoClient, pool(obj{"client_id": "2example23456789"}), verifier.ErrClaim, "2example23456789"},
		{"BUG-018 Cognito: no client", cognitoClient, pool(obj{"client_id": gone}), verifier.ErrMissingClaim, ""},
		{"BUG-018 Cognito: an ID token", cognitoClient, pool(obj{"token_use": "id"}), verifier.ErrType, ""},
		{"BUG-018 Cognito: no token_use", cognitoClient, pool(obj{"token_use": gone}), verifier.ErrType, ""},
		{"BUG-018 Cognito: another API's scope", cognitoClient, pool(obj{"scope": "other/read"}), verifier.ErrAudience, ""},
		{"BUG-019 any audience takes its long name, and then any passes", anyAudience, mint(nil, obj{"aud": gone, "client_id": "some-other-app"}), nil, ""},
		{"BUG-019 any audience is not any client", func(cfg *verifier.Config) { anyAudience(cfg); cfg.Clients = []string{"cart"} }, mint(nil, obj{"aud": gone, "client_id": "some-other-app"}), verifier.ErrClaim, ""},
		{"BUG-022 a token for Microsoft Graph", entra, graph("00000003-0000-0000-c000-000000000000"), verifier.ErrAudience, "Microsoft Graph|api://my-api"},
		{"BUG-022 a token for Graph's predecessor", entra, graph("00000002-0000-0000-c000-000000000000"), verifier.ErrAudience, `"00000002-0000-0000-c000-000000000000"|api://my-api`},
		{"BUG-022 a token for Graph whose signature does not fit either", entra, forgery(graph("00000003-0000-0000-c000-000000000000")), verifier.ErrAudience, "Microsoft Graph"},
		{"BUG-023 an array of two others", at(issuer, "c"), aud([]string{"a", "b"}), verifier.ErrAudience, ""},
		{"BUG-023 an array that holds ours joined to another", at(issuer, "c"), aud([]string{"a", "b,c"}), verifier.ErrAudience, ""},
		{"BUG-024 another app of the same provider", at("https://idp.example", "argo"), mint(nil, obj{"iss": "https://idp.example", "aud": "other-app"}), verifier.ErrAudience, `"other-app"|"argo"`},
		{"BUG-024 no app", at("https://idp.example", "argo"), mint(nil, obj{"iss": "https://idp.example", "aud": gone}), verifier.ErrAudience, ""},
		{"BUG-027 the token for dev at dev", at(issuer, "registry-dev"), aud("registry-dev"), nil, ""},
		{"BUG-027 the token for dev at prod, which shares its keys", at(issuer, "registry-prod"), aud("registry-dev"), verifier.ErrAudience, ""},
		{"BUG-027 a token for the registry of no deployment", at(issuer, "registry-prod"), aud("registry"), verifier.ErrAudience, ""},
		{"BUG-027 a token for nobody", at(issuer, "registry-prod"), aud(gone), verifier.ErrAudience, ""},
		{"BUG-030 a number that reads like our name", at(issuer, "5"), aud(5), verifier.ErrMalformed, ""},
		{"BUG-030 a boolean that reads like our name", at(issuer, "true"), aud(true), verifier.ErrMalformed, ""},
		{"BUG-030 an object's member that reads like our name", at(issuer, "a"), aud(obj{"a": 1}), verifier.ErrMalformed, ""},
	}
	for _, aud := range []string{`null`, `[]`, `""`, `[""]`} {
		bugs = append(bugs, bug{"BUG-030 aud is " + aud, my, mint(nil, obj{"aud": raw(aud)}), verifier.ErrAudience, ""})
	}
	for _, aud := range []string{`5`, `{"a":1}`, `["a",5]`, `[["my-api"]]`, `["my-api",5]`, `["my-api",null]`, `[null]`, `[{"my-api":1}]`, `1e3`, `true`} {
		bugs = append(bugs, bug{"BUG-030 aud is " + aud, my, mint(nil, obj{"aud": raw(aud)}), verifier.ErrMalformed, ""})
	}
	runBugs(t, bugs)
	for name, list := range map[string][]string{"none": nil, "an empty list": {}, "an empty name": {""}} {
		t.Run("BUG-019 New takes no audience for a mistake: "+name, func(t *testing.T) {
			t.Parallel()
			if v, err := verifier.New(config(at(issuer, list...))); err == nil || v != nil {
				t.Errorf("New = %v, %v", v, err)
			}
		})
	}
}

// forgery puts another key's signature under a token.
func forgery(token string) string {
	signed := token[:strings.LastIndexByte(token, '.')]
	return signed + "." + b64(sign("RS256", keys()["other"], signed))
}

// TestBugsOfKeySources asks the same of a token wherever the keys come from.
func TestBugsOfKeySources(t *testing.T) {
	t.Parallel()
	metadataURL, keysURL := issuer+"/.well-known/openid-configuration", issuer+"/keys"
	pages := map[string]func(*http.Request) (*http.Response, error){metadataURL: page(200, metadata(issuer, keysURL)), keysURL: page(200, string(published()))}
	for source, change := range map[string]func(*verifier.Config){
		"static keys": nil,
		"keys by their URL": func(cfg *verifier.Config) {
			cfg.JWKS, cfg.JWKSURL, cfg.Client = nil, keysURL, &http.Client{Transport: &web{pages: pages}}
		},
		"keys by the metadata's URL": func(cfg *verifier.Config) {
			cfg.JWKS, cfg.MetadataURL, cfg.Client = nil, metadataURL, &http.Client{Transport: &web{pages: pages}}
		},
		"keys by discovery": func(cfg *verifier.Config) { cfg.JWKS, cfg.Client = nil, &http.Client{Transport: &web{pages: pages}} },
	} {
		t.Run("BUG-025 "+source, func(t *testing.T) {
			t.Parallel()
			v := newVerifier(t, change, at(issuer, "mine"))
			mine := func(header, payload obj) string { return mint(header, over(obj{"aud": "mine"}, payload)) }
			accepted(t, v, mine(nil, nil))
			for want, token := range map[error]string{
				verifier.ErrAudience: mine(nil, obj{"aud": "other"}), verifier.ErrIssuer: mine(nil, obj{"iss": "https://other.example"}), verifier.ErrExpired: mine(nil, obj{"exp": in(-60)}),
				verifier.ErrNotYetValid: mine(nil, obj{"nbf": in(60)}), verifier.ErrMissingClaim: mine(nil, obj{"jti": gone}), verifier.ErrType: mine(obj{"typ": "JWT"}, nil),
				verifier.ErrAlgorithm: mine(obj{"alg": "HS256"}, nil), verifier.ErrSignature: forgery(mine(nil, nil)), verifier.ErrMalformed: mine(obj{"crit": []string{"x"}}, nil),
			} {
				refused(t, v, token, want)
			}
		})
	}
}

// TestBugsOfTheObject: which object a token is for only the program knows; what it needs to tell is an error, not a log line.
func TestBugsOfTheObject(t *testing.T) {
	t.Parallel()
	token := mint(nil, obj{"source_id": "tenant-a"})
	t.Run("BUG-029 a binding claim can be read, and compared with the request", func(t *testing.T) {
		t.Parallel()
		var source string
		if err := accepted(t, newVerifier(t), token).Get("source_id", &source); err != nil || source != "tenant-a" {
			t.Errorf("source_id %q, %v", source, err)
		}
	})
	t.Run("BUG-029 a token without the binding claim gives an error, and no empty string to compare", func(t *testing.T) {
		t.Parallel()
		if err := accepted(t, newVerifier(t), mint(nil, nil)).Get("source_id", new(string)); !errors.Is(err, verifier.ErrNoClaim) {
			t.Errorf("Get: %v", err)
		}
	})
	tenants := func(id string) func(*verifier.Config) {
		return func(cfg *verifier.Config) { cfg.Match = map[string][]string{"source_id": {id}} }
	}
	email := func(values ...string) func(*verifier.Config) {
		return func(cfg *verifier.Config) { cfg.Match = map[string][]string{"email": values} }
	}
	runBugs(t, []bug{
		{"BUG-029 one tenant's token at its deployment", tenants("tenant-a"), token, nil, ""},
		{"BUG-029 one tenant's token at another's deployment", tenants("tenant-b"), token, verifier.ErrClaim, `"tenant-a"|"tenant-b"`},
		{"BUG-029 a token of no tenant", tenants("tenant-b"), mint(nil, nil), verifier.ErrClaim, ""},
		{"BUG-235 an e-mail address is compared whole, by no suffix", email("@example.com", "example.com", "*@example.com"), mint(nil, obj{"email": "a@evil.test@example.com"}), verifier.ErrClaim, ""},
		{"BUG-235 nor is its last part an address", email("test@example.com"), mint(nil, obj{"email": "a@evil.test@example.com"}), verifier.ErrClaim, ""},
		{"BUG-235 nor its beginning", email("a@evil.test"), mint(nil, obj{"email": "a@evil.test@example.com"}), verifier.ErrClaim, ""},
		{"BUG-235 the very address", email("a@example.com"), mint(nil, obj{"email": "a@example.com"}), nil, ""},
	})
}

func TestBugsOfTheIssuer(t *testing.T) {
	t.Parallel()
	iss := func(value string) string { return mint(nil, obj{"iss": value}) }
	idp := at("https://idp.example", audience)
	arn := "arn:aws:elasticloadbalancing:us-east-1:999999999999:loadbalancer/app/evil/1"
	okta := func(cfg *verifier.Config) {
		cfg.Issuer, cfg.Profile = "https://org.okta.example/oauth2/default", verifier.Okta()
	}
	bugs := []bug{
		{"BUG-042 a good token of another issuer", idp, iss("https://other-issuer.example"), verifier.ErrIssuer, `"https://other-issuer.example"|"https://idp.example"`},
		{"BUG-042 a forged token of another issuer", idp, forgery(iss("https://other-issuer.example")), verifier.ErrIssuer, ""},
		{"BUG-042 a forged token of our issuer", idp, forgery(iss("https://idp.example")), verifier.ErrSignature, ""},
		{"BUG-043 an issuer that stands in the header alone", idp, mint(obj{"alg": "ES256", "signer": arn, "iss": "https://idp.example"}, obj{"iss": gone}), verifier.ErrIssuer, ""},
		{"BUG-043 an issuer that stands in the header, another in the payload", idp, mint(obj{"alg": "ES256", "signer": arn, "iss": "https://idp.example"}, obj{"iss": "https://evil.example"}), verifier.ErrIssuer, ""},
		{"BUG-043 a signer of one's own choice", idp, mint(obj{"alg": "ES256", "kid": "evil", "signer": arn, "iss": "https://idp.example"}, obj{"iss": "https://idp.example"}), verifier.ErrKeyNotFound, ""},
		{"BUG-044 Okta's org server, under a key that is not published", okta, mint(obj{"kid": "org"}, obj{"iss": "https://org.okta.example", "aud": "https://org.okta.example"}), verifier.ErrIssuer, "https://org.okta.example|Okta's org authorization server"},
		{"BUG-051 a verifiable presentation", nil, mint(obj{"typ": "JWT"}, obj{"iss": "did:web:x", "aud": "api", "vp": obj{"type": []string{"VerifiablePresentation"}}}), verifier.ErrType, ""},
		{"BUG-051 a verifiable presentation where typ JWT passes", ofProfile(verifier.Generic()), mint(obj{"typ": "JWT"}, obj{"iss": "did:web:x", "aud": "api", "vp": obj{"type": []string{"VerifiablePresentation"}}}), verifier.ErrIssuer, `"did:web:x"`},
		{"BUG-051 a verifiable credential by its own type", ofProfile(verifier.Generic()), mint(obj{"typ": "vc+jwt"}, obj{"vc": obj{}}), verifier.ErrType, ""},
	}
	for _, spelled := range []string{"https://IDP.example:443/t1", "https://user@idp.example/t1", "https://idp.example/%741", "https://idp.example/t1?x=1",
		"https://idp.example:443/t1", "https://IDP.example/t1", "HTTPS://idp.example/t1", "https://idp.example./t1", "https://idp.example/./t1", "https://idp.example//t1", "https://idp.example/t1/", "https://idp.example/t1#",
		"https://idp.example/t1?", "https://idp.example/x/../t1", "https://idp.example/T1", "https://idp.example\\t1", "https://idp.example/t1\u200b", "\ufeffhttps://idp.example/t1"} {
		bugs = append(bugs, bug{fmt.Sprintf("BUG-036 %+q", spelled), at("https://idp.example/t1", audience), iss(spelled), verifier.ErrIssuer, fmt.Sprintf("%+q", spelled)})
	}
	runBugs(t, bugs)
}

func TestBugsOfTheTokensType(t *testing.T) {
	t.Parallel()
	keycloak := ofProfile(verifier.Keycloak())
	kc := func(header string, payload any) string { return mint(obj{"typ": header}, obj{"typ": payload}) }
	bugs := []bug{
		{"BUG-050 Keycloak's access token", keycloak, kc("JWT", "Bearer"), nil, ""},
		{"BUG-050 Keycloak's ID token", keycloak, kc("JWT", "ID"), verifier.ErrType, `"ID"|"Bearer"`},
		{"BUG-050 Keycloak's refresh token", keycloak, kc("JWT", "Refresh"), verifier.ErrType, `"Refresh"`},
		{"BUG-050 Keycloak's offline token", keycloak, kc("JWT", "Offline"), verifier.ErrType, `"Offline"`},
		{"BUG-050 Keycloak's logout token", keycloak, kc("JWT", "Logout"), verifier.ErrType, `"Logout"`},
		{"BUG-050 Keycloak's initial access token for registration", keycloak, kc("JWT", "InitialAccessToken"), verifier.ErrType, ""},
		{"BUG-050 Keycloak without the claim", keycloak, kc("JWT", gone), verifier.ErrType, ""},
		{"BUG-050 Keycloak's claim as a list", keycloak, kc("JWT", []string{"ID", "Refresh"}), verifier.ErrType, ""},
		{"BUG-050 typ in lower case", keycloak, kc("jwt", "Bearer"), nil, ""},
		{"BUG-050 typ with its prefix", keycloak, kc("application/JWT", "Bearer"), nil, ""},
		{"BUG-050 typ as Keycloak can be told to write it", keycloak, kc("application/at+jwt", "Bearer"), nil, ""},
		{"BUG-050 without the profile the claim proves nothing", nil, kc("JWT", "Bearer"), verifier.ErrType, "verifier.Keycloak()"},
		{"BUG-053 Google's opaque token", nil, "ya29.opaque_example_value", verifier.ErrMalformed, "opaque"},
		{"BUG-053 Auth0's opaque token", nil, "opaque_example_value", verifier.ErrMalformed, "opaque|introspection|Auth0: audience="},
	}
	for name, p := range map[string]verifier.Profile{"RFC 9068": verifier.RFC9068(), "any server": verifier.Generic(), "Keycloak": verifier.Keycloak()} {
		for _, typ := range []string{"logout+jwt", "application/logout+jwt", "reset+jwt", "registration+jwt", "secevent+jwt", "dpop+jwt", "kb+jwt", "client-authentication+jwt", "oauth-authz-req+jwt", "token-introspection+jwt", "JOSE", "JOSE+JSON"} {
			bugs = append(bugs, bug{"BUG-049 " + typ + " by the profile for " + name, ofProfile(p), mint(obj{"typ": typ}, obj{"typ": "Bearer"}), verifier.ErrType, ""})
		}
	}
	for parts := 1; parts <= 12; parts++ { // "a" is no base64url: who says anything else has not decoded it
		if parts != 3 {
			says := map[bool]string{true: "JWE|not supported", false: "part"}[parts == 5]
			if parts == 1 {
				says = "opaque"
			}
			bugs = append(bugs, bug{fmt.Sprintf("BUG-055 %d parts", parts), nil, "a" + strings.Repeat(".a", parts-1), verifier.ErrMalformed, says})
		}
	}
	runBugs(t, bugs)
}

func TestBugsOfAlgorithms(t *testing.T) {
	t.Parallel()
	secret := []byte("a secret that somebody knows, 32 bytes and more")
	oct := obj{"kty": "oct", "kid": "h", "k": b64(secret), "alg": "HS256"}
	mixed := withKeys(jwk(keys()["rsa"], obj{"kid": "rsa"}), oct)
	bugs := []bug{
		{"BUG-135 the shortest unsigned token", nil, "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.", verifier.ErrMalformed, ""},
		{"BUG-135 a good payload, unsigned", nil, b64(`{"alg":"none","typ":"at+jwt"}`) + "." + b64(text(goodPayload())) + ".", verifier.ErrMalformed, ""},
		{"BUG-135 alg none beside a good signature", nil, mint(obj{"alg": "none", "kid": "rsa"}, nil), verifier.ErrAlgorithm, ""},
		{"BUG-135 alg none under a kid that nobody has", nil, mint(obj{"alg": "none", "kid": "new"}, nil), verifier.ErrAlgorithm, ""},
		{"BUG-135 alg none without a kid", nil, mint(obj{"alg": "none", "kid": gone}, nil), verifier.ErrAlgorithm, ""},
		{"BUG-140 the secret of a set that has both kinds", mixed, macked(secret, "h"), verifier.ErrAlgorithm, ""},
		{"BUG-140 the secret under the RSA key's kid", mixed, macked(secret, "rsa"), verifier.ErrAlgorithm, ""},
		{"BUG-140 an RSA signature under the secret's kid", mixed, mint(obj{"kid": "h"}, nil), verifier.ErrKeyNotFound, ""},
		{"BUG-140 an RSA signature in the same set", mixed, mint(nil, nil), nil, ""},
		{"BUG-142 an empty secret", nil, macked(nil, "rsa"), verifier.ErrAlgorithm, ""},
		{"BUG-142 an empty secret without a kid", nil, macked(nil, ""), verifier.ErrAlgorithm, ""},
		{"BUG-144 alg dir in three parts", nil, mint(obj{"alg": "dir", "enc": "A256GCM"}, nil), verifier.ErrAlgorithm, ""},
		{"BUG-144 alg dir in five parts", nil, jwe(obj{"alg": "dir", "enc": "A256GCM"}, "AA"), verifier.ErrMalformed, "JWE|not supported"},
		{"BUG-145 an unsigned token in an encrypted one", nil, jwe(obj{"alg": "RSA-OAEP", "enc": "A128GCM", "cty": "JWT"}, b64(`{"alg":"none"}`)+"AA"), verifier.ErrMalformed, "JWE"},
		{"BUG-145 an encrypted token's header in three parts", nil, mint(obj{"alg": "RSA-OAEP", "enc": "A128GCM", "cty": "JWT"}, nil), verifier.ErrAlgorithm, ""},
		{"BUG-145 an unsigned token inside of a signed one", nil, compact("RS256", "rsa", text(merge(goodHeader(), obj{"cty": "JWT"})), b64(`{"alg":"none"}`)+"."+b64(text(goodPayload()))+"."), verifier.ErrMalformed, ""},
		{"BUG-145 an enc in the header of a signed token means nothing", nil, mint(obj{"enc": "A128GCM"}, nil), nil, ""},
	}
	for _, alg := range []string{"None", "NONE", "nOnE", "none ", "\x00none", "non\u0435", " none", "none\x00", "n\u043fne", "no\u200bne", "\uff4eone"} {
		bugs = append(bugs, bug{fmt.Sprintf("BUG-136 alg %+q", alg), nil, mint(obj{"alg": alg}, nil), verifier.ErrAlgorithm, ""})
	}
	for _, alg := range []string{"rs256", "Rs256", "rS256", "ps256", "es256", "eddsa", "EDDSA", "ed25519"} {
		bugs = append(bugs, bug{"BUG-137 alg " + alg, nil, mint(obj{"alg": alg}, nil), verifier.ErrAlgorithm, ""})
	}
	for _, alg := range algorithms {
		for _, listed := range []string{"RS256", "ES256", "EdDSA", "PS512"} {
			b := bug{"BUG-147 " + alg + " where " + listed + " is on the list", func(cfg *verifier.Config) { cfg.Algorithms = []string{listed} }, mint(obj{"alg": alg}, nil), verifier.ErrAlgorithm, ""}
			if alg == listed {
				b.want = nil
			}
			bugs = append(bugs, b)
		}
	}
	runBugs(t, bugs)
	t.Run("BUG-135 none can't be put on the list", func(t *testing.T) {
		t.Parallel()
		for _, alg := range []string{"none", "None", "NONE", ""} {
			if _, err := verifier.New(config(func(cfg *verifier.Config) { cfg.Algorithms = []string{"RS256", alg} })); err == nil {
				t.Errorf("New takes %q", alg)
			}
		}
	})
	for name, change := range map[string]func(*verifier.Config){
		"HS256 on the list": func(cfg *verifier.Config) { cfg.Algorithms = []string{"HS256"} }, "a set of an empty secret": withKeys(obj{"kty": "oct", "k": ""}),
		"a set of a short secret": withKeys(obj{"kty": "oct", "k": "AA"}), "a set of a long secret": withKeys(oct),
	} {
		t.Run("BUG-142 New takes no secret: "+name, func(t *testing.T) {
			t.Parallel()
			if v, err := verifier.New(config(change)); err == nil || v != nil {
				t.Errorf("New = %v, %v", v, err)
			}
		})
	}
}

// macked is a token by HS256.
func macked(secret []byte, kid string) string {
	header := merge(goodHeader(), obj{"alg": "HS256", "kid": kid})
	if kid == "" {
		delete(header, "kid")
	}
	input := b64(text(header)) + "." + b64(text(goodPayload()))
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(input))
	return input + "." + b64(mac.Sum(nil))
}

// jwe looks like an encrypted token.
func jwe(header obj, tag string) string { return b64(text(header)) + ".AAAA.AAAA.AAAA." + tag }

func TestBugsOfForm(t *testing.T) {
	t.Parallel()
	token := mint(nil, nil)
	part := strings.Split(token, ".")
	h, p, s := part[0], part[1], part[2]
	forged := b64(text(merge(goodPayload(), obj{"scope": "admin"})))
	hs := obj{"alg": "HS256", "typ": "at+jwt", "b64": false, "crit": []string{"b64"}}
	bugs := []bug{
		{"BUG-143 a compact and a JSON token at once", nil, `{"  ` + h + `.` + forged + `.":"","protected":"` + h + `","payload":"` + p + `","signature":"` + s + `"}`, verifier.ErrMalformed, "JSON serialization"},
		{"BUG-143 a JSON token whose dots are those of the compact one", nil, `{"protected":"` + h + `.` + p + `.` + s + `"}`, verifier.ErrMalformed, "JSON serialization"},
		{"BUG-143 a compact token with JSON behind it", nil, token + `{"payload":"` + forged + `"}`, verifier.ErrMalformed, ""},
		{"BUG-150 a critical parameter of one's own", nil, mint(obj{"crit": []string{"cnf-bound"}, "cnf-bound": true}, nil), verifier.ErrMalformed, "crit"},
		{"BUG-150 a critical parameter that is a registered one", nil, mint(obj{"crit": []string{"kid"}}, nil), verifier.ErrMalformed, "crit"},
		{"BUG-150 a critical parameter that is not there", nil, mint(obj{"crit": []string{"cnf-bound"}}, nil), verifier.ErrMalformed, "crit"},
		{"BUG-150 an empty list of critical parameters", nil, mint(obj{"crit": []string{}}, nil), verifier.ErrMalformed, "crit"},
		{"BUG-150 the parameter itself, without crit, means nothing", nil, mint(obj{"cnf-bound": true}, nil), nil, ""},
		{"BUG-152 an unencoded payload", nil, b64(text(hs)) + ".$.02." + s, verifier.ErrMalformed, ""},
		{"BUG-152 a detached payload", nil, b64(text(hs)) + ".." + s, verifier.ErrMalformed, ""},
		{"BUG-152 b64 and crit by HS256", nil, mint(hs, nil), verifier.ErrAlgorithm, ""},
		{"BUG-152 b64 and crit by RS256", nil, mint(obj{"b64": false, "crit": []string{"b64"}}, nil), verifier.ErrMalformed, "b64"},
		{"BUG-152 a payload signed unencoded, sent encoded", nil, h + "." + p + "." + b64(sign("RS256", keys()["rsa"], h+"."+text(goodPayload()))), verifier.ErrSignature, ""},
		{"BUG-185 a key from a password, hashed two billion times", nil, jwe(obj{"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": 2147483647, "p2s": "AAAA"}, "AA"), verifier.ErrMalformed, "JWE|not supported"},
		{"BUG-185 the same header in three parts", nil, mint(obj{"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": 2147483647, "p2s": "AAAA"}, nil), verifier.ErrAlgorithm, ""},
		{"BUG-185 its count in a good token's header", nil, mint(obj{"p2c": 2147483647, "p2s": "AAAA"}, nil), nil, ""},
		{"BUG-186 a compressed encrypted token", nil, jwe(obj{"alg": "RSA-OAEP", "enc": "A128GCM", "zip": "DEF"}, "AA"), verifier.ErrMalformed, "JWE|not supported"},
		{"BUG-186 the same header in three parts", nil, mint(obj{"alg": "RSA-OAEP", "enc": "A128GCM", "zip": "DEF"}, nil), verifier.ErrAlgorithm, ""},
		{"BUG-187 an encrypted token without its key", nil, "h..iv.ct.tag", verifier.ErrMalformed, "JWE"},
		{"BUG-187 an encrypted token without any of its parts", nil, "....", verifier.ErrMalformed, "JWE"},
		{"BUG-187 a JSON token without a header", nil, `{"signatures":[{}]}`, verifier.ErrMalformed, "JSON serialization"},
		{"BUG-187 a JSON token without signatures", nil, `{"signatures":null}`, verifier.ErrMalformed, "JSON serialization"},
		{"BUG-187 an empty JSON token", nil, `{}`, verifier.ErrMalformed, "JSON serialization"},
		{"BUG-188 a tag of one byte", nil, jwe(obj{"alg": "dir", "enc": "A128GCM"}, "AA"), verifier.ErrMalformed, "JWE"},
		{"BUG-188 a tag of no bytes", nil, jwe(obj{"alg": "dir", "enc": "A128GCM"}, ""), verifier.ErrMalformed, "JWE"},
		{"BUG-190 a token of 900 KiB", nil, strings.Repeat("a", 900<<10), verifier.ErrMalformed, "longer than 16384 bytes"},
		{"BUG-190 a token of 900 KiB with two dots", nil, h + "." + strings.Repeat("a", 900<<10) + "." + s, verifier.ErrMalformed, "longer than 16384 bytes"},
		{"BUG-191 a JSON token with a bad signature before a good one", nil, text(obj{"payload": p, "signatures": []obj{{"protected": h, "signature": "AAAA"}, {"protected": h, "signature": s}}}), verifier.ErrMalformed, "JSON serialization"},
		{"BUG-191 a JSON token with a good signature before a bad one", nil, text(obj{"payload": p, "signatures": []obj{{"protected": h, "signature": s}, {"protected": h, "signature": "AAAA"}}}), verifier.ErrMalformed, "JSON serialization"},
		{"BUG-191 a JSON token with an unprotected header", nil, text(obj{"payload": p, "header": obj{"alg": "none"}, "signature": ""}), verifier.ErrMalformed, "JSON serialization"},
		{"BUG-191 a JSON token behind a space", nil, " " + text(obj{"payload": p, "protected": h, "signature": s}), verifier.ErrMalformed, ""},
	}
	for _, token := range []string{"", ".", "..", "...", "a.b", "a..c", ".b.c", "a.b.", "A.A.A", ".....", "AAAAA.AAAA.AAAA", "AAAA.AAAAA.AAAA", "AAAA.AAAA.AAAAA", h + "." + p + "." + s[:341], h + "." + p + "A." + s, h + "A." + p + "." + s} {
		bugs = append(bugs, bug{fmt.Sprintf("BUG-160 %.40q of %d", token, len(token)), nil, token, verifier.ErrMalformed, ""})
	}
	for _, value := range []string{`true`, `false`, `null`, `0`, `"false"`, `[]`, `{}`} {
		bugs = append(bugs, bug{"BUG-152 b64 is " + value, nil, mint(obj{"b64": raw(value)}, nil), verifier.ErrMalformed, "b64"})
	}
	runBugs(t, bugs)
}

// TestBugsOfSignatures: one length, one spelling.
func TestBugsOfSignatures(t *testing.T) {
	t.Parallel()
	sized := func(alg string, size int) string {
		return resigned(alg, func(s []byte) []byte { return append(s, make([]byte, size)...)[:size] })
	}
	fixed := func(alg string, signature []byte) string {
		return resigned(alg, func([]byte) []byte { return signature })
	}
	bugs := []bug{
		{"BUG-153 r and s are zero, in DER", nil, fixed("ES256", must(base64.RawURLEncoding.DecodeString("MAYCAQACAQA"))), verifier.ErrSignature, ""},
		{"BUG-156 a signature of one byte", nil, fixed("ES256", []byte{0}), verifier.ErrSignature, ""},
		{"BUG-156 a signature of one byte by RS256", nil, fixed("RS256", []byte{0}), verifier.ErrSignature, ""},
		{"BUG-156 a signature of one byte by EdDSA", nil, fixed("EdDSA", []byte{0}), verifier.ErrSignature, ""},
	}
	for alg, kid := range map[string]string{"ES256": "p256", "ES384": "p384", "ES512": "p521"} {
		n := keys()[kid].(*ecdsa.PrivateKey).Params().N
		size := (n.BitLen() + 7) / 8
		for rName, r := range map[string]*big.Int{"0": new(big.Int), "1": big.NewInt(1), "n": n, "n+1": new(big.Int).Add(n, big.NewInt(1)), "as large as can be": new(big.Int).SetBytes([]byte(strings.Repeat("\xff", size)))} {
			for sName, s := range map[string]*big.Int{"0": new(big.Int), "1": big.NewInt(1), "n": n, "n+1": new(big.Int).Add(n, big.NewInt(1))} {
				bugs = append(bugs, bug{"BUG-153 " + alg + ": r is " + rName + ", s is " + sName, nil, fixed(alg, append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)), verifier.ErrSignature, ""})
			}
		}
		for _, length := range []int{0, 1, 63, 64, 65, 66, 95, 96, 97, 128, 131, 132, 133} {
			if length == 2*size {
				continue
			}
			b := bug{fmt.Sprintf("BUG-155 %s: %d bytes", alg, length), nil, sized(alg, length), verifier.ErrSignature, ""}
			if length == 0 {
				b.want = verifier.ErrMalformed
			}
			bugs = append(bugs, b)
		}
	}
	for _, alg := range []string{"RS256", "PS256", "ES256", "EdDSA"} {
		for i, name := range []string{"header", "payload", "signature"} {
			// A payload and a header of a length that leaves bits unused, as these signatures do.
			token := mint(obj{"alg": alg}, nil)
			for pad := ""; len(strings.Split(token, ".")[i])%4 == 0; pad += "x" {
				token = mint(obj{"alg": alg, "x": pad}, obj{"x": pad})
			}
			bugs = append(bugs, bug{"BUG-158 an unused bit of the " + name + " by " + alg, nil, flipUnused(token, i), verifier.ErrMalformed, "base64url"})
		}
	}
	runBugs(t, bugs)
	t.Run("BUG-157 the twin of an ECDSA signature is the same token by its id, and dies with it", func(t *testing.T) {
		t.Parallel()
		var now movable
		v, token := newVerifier(t, now.hook), mint(obj{"alg": "ES256"}, nil)
		dot := strings.LastIndexByte(token, '.')
		signature := must(base64.RawURLEncoding.DecodeString(token[dot+1:]))
		s := new(big.Int).SetBytes(signature[32:])
		s.Sub(keys()["p256"].(*ecdsa.PrivateKey).Params().N, s).FillBytes(signature[32:])
		twin := token[:dot+1] + b64(signature)
		for range 2 {
			if a, b := accepted(t, v, token), accepted(t, v, twin); a.ID() != b.ID() || a.ID() == "" {
				t.Errorf("a revocation by id misses the twin: %q and %q", a.ID(), b.ID())
			}
		}
		now.seconds.Store(700)
		refused(t, v, token, verifier.ErrExpired)
		refused(t, v, twin, verifier.ErrExpired)
	})
}

// flipUnused sets a bit of a segment's last character that no byte holds.
func flipUnused(token string, segment int) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	part := strings.Split(token, ".")
	last := len(part[segment]) - 1
	part[segment] = part[segment][:last] + string(alphabet[strings.IndexByte(alphabet, part[segment][last])^1])
	return strings.Join(part, ".")
}

func TestBugsOfJSON(t *testing.T) {
	t.Parallel()
	good := goodPayload()
	bugs := []bug{
		{"BUG-163 kid twice", nil, withHeader(`{"alg":"RS256","kid":"a","kid":"b"}`), verifier.ErrMalformed, "twice"},
		{"BUG-163 kid twice, the same", nil, withHeader(`{"alg":"RS256","typ":"at+jwt","kid":"rsa","kid":"rsa"}`), verifier.ErrMalformed, "twice"},
		{"BUG-163 a member twice inside of a header's member", nil, withHeader(splice(`"jwk":{"kty":"EC","kty":"oct"}`, goodHeader())), verifier.ErrMalformed, "twice"},
		{"BUG-163 a member twice inside of cnf", nil, withPayload(splice(`"cnf":{"jkt":"A","jkt":"B"}`, good)), verifier.ErrMalformed, "twice"},
		{"BUG-163 cnf twice", nil, withPayload(splice(`"cnf":{"jkt":"A"},"cnf":{}`, good)), verifier.ErrMalformed, "twice"},
		{"BUG-163 a member twice inside of a claim that nobody knows", nil, withPayload(splice(`"x":[{"y":[{"z":1,"z":1}]}]`, good)), verifier.ErrMalformed, "twice"},
		{"BUG-167 the bytes 7B 22 73 75 62 22 3A 22 FF FE 22 7D", nil, withPayload("\x7b\x22\x73\x75\x62\x22\x3a\x22\xff\xfe\x22\x7d"), verifier.ErrMalformed, ""},
		{"BUG-167 bad UTF-8 in a payload that is good otherwise", nil, withPayload(splice("\"x\":\"\xff\xfe\"", good)), verifier.ErrMalformed, ""},
		{"BUG-167 bad UTF-8 in a header", nil, withHeader(splice("\"x\":\"\xff\xfe\"", goodHeader())), verifier.ErrMalformed, ""},
		{"BUG-167 a payload that is no base64url", nil, strings.Replace(mint(nil, nil), ".", ".*", 1), verifier.ErrMalformed, ""},
		{"BUG-167 a payload whose base64url is cut", nil, b64(text(goodHeader())) + ".eyJ9A.AAAA", verifier.ErrMalformed, "base64url"},
		{"BUG-168 a payload nested 10000 deep", nil, withPayload(nested(10000)), verifier.ErrMalformed, "longer than"},
		{"BUG-168 a payload nested 1900 deep, as a token can hold it", nil, withPayload(nested(1900)), verifier.ErrMalformed, "deeper"},
		{"BUG-168 a payload of arrays nested 10000 deep", nil, withPayload(strings.Repeat("[", 10000)), verifier.ErrMalformed, "deeper"},
		{"BUG-168 a header nested 1000 deep", nil, withHeader(nested(1000)), verifier.ErrMalformed, "deeper"},
		{"BUG-168 a header of arrays nested 6000 deep", nil, withHeader(strings.Repeat("[", 6000)), verifier.ErrMalformed, "deeper"},
		{"BUG-168 a claim that nobody knows, nested 1000 deep", nil, withPayload(splice(`"x":`+nested(1000), good)), verifier.ErrMalformed, "deeper"},
	}
	for _, text := range []string{`"hello"`, `null`, `5`, `[]`, `true`, `false`, `""`, `[{}]`, ``, ` `} {
		bugs = append(bugs, bug{fmt.Sprintf("BUG-166 the payload is %q", text), nil, withPayload(text), verifier.ErrMalformed, ""},
			bug{fmt.Sprintf("BUG-166 the header is %q", text), nil, withHeader(text), verifier.ErrMalformed, ""})
	}
	for _, text := range []string{"{}x", `{"exp":NaN}`, "\ufeff{}", `{"a":"\ud800"}`, `{"exp":1e999}`,
		splice(`"a":NaN`, good), splice(`"a":-Infinity`, good), "\ufeff" + text(good), splice(`"a":"\ud800"`, good), splice(`"a":"\udfff\ud800"`, good), splice(`/* x */"a":1`, good), text(good) + "{}", text(good) + ",", text(good) + "\x00", splice(`"exp":1e999`, merge(good, obj{"exp": gone}))} {
		bugs = append(bugs, bug{fmt.Sprintf("BUG-170 %.24q of %d", text, len(text)), nil, withPayload(text), verifier.ErrMalformed, ""})
	}
	runBugs(t, bugs)
}

// nested is an object in an object in an object.
func nested(depth int) string {
	return strings.Repeat(`{"a":`, depth) + "1" + strings.Repeat("}", depth)
}

func TestBugsOfTime(t *testing.T) {
	t.Parallel()
	with := func(claims obj) string { return mint(nil, claims) }
	match := func(cfg *verifier.Config) { cfg.Match = map[string][]string{"sub": {"cart"}} }
	bugs := []bug{
		{"BUG-171 exp with half a second", nil, with(obj{"exp": 4102444800.5}), nil, ""},
		{"BUG-171 exp with a zero behind its point", nil, with(obj{"exp": raw("4102444800.0")}), nil, ""},
		{"BUG-171 iat with milliseconds", nil, with(obj{"iat": raw("1700000000.123")}), nil, ""},
		{"BUG-171 nbf with an exponent", nil, with(obj{"nbf": raw("1.7e9")}), nil, ""},
		{"BUG-171 exp with an exponent", nil, with(obj{"exp": raw("4.1024448E+9")}), nil, ""},
		{"BUG-171 exp with a fraction, over", nil, with(obj{"exp": raw("1700000000.999")}), verifier.ErrExpired, ""},
		{"BUG-173 nbf so large that it would turn negative", nil, with(obj{"nbf": raw("1e+19"), "exp": 4102444800}), verifier.ErrMalformed, `"nbf"`},
		{"BUG-173 nbf of 2^63", nil, with(obj{"nbf": raw("9223372036854775808"), "exp": 4102444800}), verifier.ErrMalformed, `"nbf"`},
		{"BUG-173 nbf of 2^64 and a day", nil, with(obj{"nbf": raw("18446744073709638016"), "exp": 4102444800}), verifier.ErrMalformed, `"nbf"`},
		{"BUG-173 iat so large that it would turn negative", nil, with(obj{"iat": raw("1e19")}), verifier.ErrMalformed, `"iat"`},
		{"BUG-169 exp beyond 64 bits", nil, with(obj{"exp": raw("99999999999999999999999999")}), verifier.ErrMalformed, `"exp"`},
		{"BUG-169 exp in the year 10000", nil, with(obj{"exp": raw("253402300800")}), verifier.ErrMalformed, `"exp"`},
		{"BUG-169 exp in milliseconds", nil, with(obj{"exp": raw("4102444800000")}), verifier.ErrMalformed, `"exp"`},
		{"BUG-174 exp of 10^50", nil, with(obj{"exp": raw("1e+50")}), verifier.ErrMalformed, `"exp"`},
		{"BUG-174 exp of 10^50, written out", nil, with(obj{"exp": raw("1" + strings.Repeat("0", 50))}), verifier.ErrMalformed, `"exp"`},
		{"BUG-174 exp of -10^50", nil, with(obj{"exp": raw("-1e50")}), verifier.ErrMalformed, `"exp"`},
		{"BUG-175 exp of -1", nil, with(obj{"exp": -1}), verifier.ErrExpired, ""},
		{"BUG-175 exp of 0", nil, with(obj{"exp": 0}), verifier.ErrExpired, ""},
		{"BUG-175 exp of -0.5", nil, with(obj{"exp": raw("-0.5")}), verifier.ErrExpired, ""},
		{"BUG-175 exp of -2^31", nil, with(obj{"exp": -2147483648}), verifier.ErrExpired, ""},
		{"BUG-175 exp of -0", nil, with(obj{"exp": raw("-0")}), verifier.ErrExpired, ""},
		{"BUG-177 exp of 2^31", nil, with(obj{"exp": 2147483648}), nil, ""},
		{"BUG-177 exp of 2^32", nil, with(obj{"exp": 4294967296}), nil, ""},
		{"BUG-177 nbf of 2^31 is ahead", nil, with(obj{"nbf": 2147483648}), verifier.ErrNotYetValid, ""},
		{"BUG-177 iat of 2^32 and a bit is ahead", nil, with(obj{"iat": 4294967301}), verifier.ErrNotYetValid, ""},
		{"BUG-179 no exp", nil, with(obj{"exp": gone}), verifier.ErrMissingClaim, "exp"},
		{"BUG-179 a null exp", nil, with(obj{"exp": nil}), verifier.ErrMissingClaim, "exp"},
		{"BUG-179 no exp where another claim is asked for", match, with(obj{"exp": gone}), verifier.ErrMissingClaim, "exp"},
		{"BUG-179 no exp where iat and nbf are there", nil, with(obj{"exp": gone, "nbf": in(-60)}), verifier.ErrMissingClaim, "exp"},
		{"BUG-179 EXP is not exp", nil, with(obj{"exp": gone, "EXP": 4102444800, "expires_in": 300}), verifier.ErrMissingClaim, "exp"},
		{"BUG-180 no exp, and the same token again", ofProfile(verifier.Generic()), with(obj{"exp": gone}), verifier.ErrMissingClaim, "exp"},
	}
	for _, provider := range []string{"keycloak", "auth0", "okta", "hydra", "duende", "generic"} {
		p, err := verifier.ProfileNamed(provider)
		if err != nil {
			t.Fatal(err)
		}
		header, payload := shape(provider)
		header["typ"] = p.Types[len(p.Types)-1]
		bugs = append(bugs, bug{"BUG-179 no exp by the profile for " + provider, ofProfile(p), compact("RS256", "rsa", text(header), text(merge(payload, obj{"exp": gone}))), verifier.ErrMissingClaim, "exp"})
	}
	runBugs(t, bugs)
	t.Run("BUG-182 an expired token with a broken signature leaves no claims that a grace period could let pass", func(t *testing.T) {
		t.Parallel()
		for _, v := range []*verifier.Verifier{newVerifier(t), newVerifier(t, func(cfg *verifier.Config) { cfg.CacheSize = -1 })} {
			for _, token := range []string{forgery(with(obj{"exp": in(-60)})), resigned("RS256", func(s []byte) []byte { s[9] ^= 1; return s }), forgery(with(obj{"nbf": in(60)}))} {
				if claims, err := v.Verify(t.Context(), token); claims != nil || !errors.Is(err, verifier.ErrInvalidToken) {
					t.Errorf("Verify = %v, %v", claims, err)
				}
			}
		}
		// Within the skew, which is the only grace there is, the signature counts.
		refused(t, newVerifier(t), forgery(with(obj{"exp": in(-10)})), verifier.ErrSignature)
	})
}

func TestBugsOfRevocation(t *testing.T) {
	t.Parallel()
	removed, revokedBefore := false, today.Add(-5*time.Second)
	undated := verifier.RFC9068()
	undated.Require = nil
	users := verifier.WithRevocation(newIssuers(t, newVerifier(t)), func(context.Context, *verifier.Claims) (bool, error) { return removed, nil })
	dated := verifier.WithRevocation(newVerifier(t, ofProfile(undated)), func(_ context.Context, c *verifier.Claims) (bool, error) {
		return c.IssuedAt().Before(revokedBefore), nil
	})
	t.Run("BUG-240 a user who is removed after the token was used", func(t *testing.T) {
		token := mint(nil, nil)
		accepted(t, users, token)
		removed = true
		refused(t, users, token, verifier.ErrRevoked)
		refused(t, users, mint(nil, obj{"jti": "later"}), verifier.ErrRevoked)
	})
	t.Run("BUG-241 a token from before the date, from after it, and one that doesn't say", func(t *testing.T) {
		refused(t, dated, mint(nil, obj{"iat": in(-6)}), verifier.ErrRevoked)
		accepted(t, dated, mint(nil, obj{"iat": in(-5)}))
		refused(t, dated, mint(nil, obj{"iat": gone}), verifier.ErrRevoked)
		refused(t, dated, mint(nil, obj{"iat": nil}), verifier.ErrRevoked)
	})
}

// TestBugsOfOptions sets everything that is dangerous to set: the signature is checked all the same.
func TestBugsOfOptions(t *testing.T) {
	t.Parallel()
	t.Run("BUG-223 no option skips the signature", func(t *testing.T) {
		t.Parallel()
		var flags []string
		v := newVerifier(t, func(cfg *verifier.Config) {
			c := reflect.ValueOf(cfg).Elem()
			for i := range c.NumField() {
				if c.Field(i).Kind() == reflect.Bool {
					flags = append(flags, c.Type().Field(i).Name)
					c.Field(i).SetBool(true)
				}
			}
			cfg.Audience = nil
		})
		for _, name := range flags {
			if !strings.HasPrefix(name, "Dangerously") || strings.Contains(name, "Signature") || strings.Contains(name, "Verif") {
				t.Errorf("the option %s", name)
			}
		}
		accepted(t, v, mint(nil, nil))
		refused(t, v, forgery(mint(nil, nil)), verifier.ErrSignature)
		refused(t, v, mint(obj{"alg": "none"}, nil), verifier.ErrAlgorithm)
		refused(t, v, mint(nil, obj{"exp": in(-60)}), verifier.ErrExpired)
	})
}

// TestBugsOfGarbage is not parallel: it looks at the memory of the whole program.
func TestBugsOfGarbage(t *testing.T) {
	key := newKey("ed", "thirty-two bytes")
	seen := 0
	v := newVerifier(t, withKeys(obj{"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": b64(string(key.private[32:]))}), func(cfg *verifier.Config) {
		cfg.Hooks.Verified = func(_ context.Context, e verifier.VerifyEvent) {
			if e.Cached {
				seen++
			}
		}
	})
	header := b64(`{"alg":"EdDSA","typ":"at+jwt","kid":"ed"}`)
	payload := func(n int) string { return b64(text(merge(goodPayload(), obj{"n": n}))) }
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC() // what a sync.Pool holds goes with the second
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	for _, tt := range []struct {
		name  string
		n     int
		token func(n int) string
	}{
		{"BUG-238 opaque tokens", 20000, func(n int) string { return fmt.Sprintf("garbage%032d", n) }},
		{"BUG-238 headers of one's own", 10000, func(n int) string { return b64(fmt.Sprintf(`{"alg":"none","n":"%032d"}`, n)) + ".e30.AAAA" }},
		{"BUG-238 payloads of one's own", 5000, func(n int) string { return header + "." + payload(n) + ".AAAA" }},
		{"BUG-238 unknown keys", 5000, func(n int) string {
			return b64(fmt.Sprintf(`{"alg":"EdDSA","typ":"at+jwt","kid":"%032d"}`, n)) + "." + payload(n) + ".AAAA"
		}},
		{"BUG-238 signatures of one's own", 2000, func(n int) string {
			return header + "." + payload(n) + "." + b64(fmt.Sprintf("%064d", n))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ask := func(from, to int) {
				for n := from; n < to; n++ {
					if claims, err := v.Verify(t.Context(), tt.token(n)); claims != nil || err == nil {
						t.Fatalf("%v, %v", claims, err)
					}
				}
			}
			ask(0, 100)
			before := heap()
			ask(100, tt.n)
			ask(100, 200) // again
			if grown := heap() - before; grown > 64<<10+int64(tt.n)*16 || seen > 0 {
				t.Errorf("%d bytes are kept of %d refused tokens, %d verdicts came from memory", grown, tt.n, seen)
			}
		})
	}
}

// TestBugsOfKeyIDs: a kid is a name and nothing else.
func TestBugsOfKeyIDs(t *testing.T) {
	t.Parallel()
	quoted := "aBc+dEf/gHi0jKl="
	var bugs []bug
	for _, kid := range []string{"../../../../dev/null", "x' UNION SELECT 'aaaa", "|/usr/bin/id", "https://attacker.example/k", "\x00", "/proc/self/environ", "$(id)", "{{.}}", "%s%s%n", "rsa\x00", "..\\rsa", "./rsa", "file:///etc/passwd"} {
		bugs = append(bugs, bug{fmt.Sprintf("BUG-134 kid %+q", kid), nil, mint(obj{"kid": kid}, nil), verifier.ErrKeyNotFound, strings.Trim(fmt.Sprintf("%+q", kid), `"`)})
	}
	bugs = append(bugs,
		bug{"BUG-134 a kid of 256 KiB", nil, mint(obj{"kid": strings.Repeat("k", 256<<10)}, nil), verifier.ErrMalformed, "longer than"},
		bug{"BUG-134 a kid of 4 KiB", nil, mint(obj{"kid": strings.Repeat("k", 4<<10)}, nil), verifier.ErrMalformed, "kid is too long"},
		bug{"BUG-134 a kid that would write lines of its own into a log", nil, mint(obj{"kid": "x\nINFO token accepted\x1b[2K"}, nil), verifier.ErrKeyNotFound, `x\nINFO token accepted\x1b[2K`},
		bug{"BUG-093 a kid with plus, slash and padding", withKeys(jwk(keys()["rsa"], obj{"kid": quoted})), mint(obj{"kid": quoted}, nil), nil, ""})
	for _, kid := range []string{"aBc-dEf_gHi0jKl=", "aBc+dEf/gHi0jKl", "abc+def/ghi0jkl=", "aBc+dEf", "gHi0jKl=", "aBc dEf/gHi0jKl=", "aBc%2BdEf%2FgHi0jKl%3D", "aBc+dEf/../gHi0jKl=", " aBc+dEf/gHi0jKl="} {
		bugs = append(bugs, bug{"BUG-093 nor is it " + kid, withKeys(jwk(keys()["rsa"], obj{"kid": quoted})), mint(obj{"kid": kid}, nil), verifier.ErrKeyNotFound, ""})
	}
	runBugs(t, bugs)
	t.Run("BUG-093 kids that differ in case alone are two keys", func(t *testing.T) {
		t.Parallel()
		v := newVerifier(t, withKeys(jwk(keys()["other"], obj{"kid": strings.ToLower(quoted)}), jwk(keys()["rsa"], obj{"kid": quoted})))
		accepted(t, v, mint(obj{"kid": quoted}, nil))
		refused(t, v, mint(obj{"kid": strings.ToLower(quoted)}, nil), verifier.ErrSignature)
	})
}
