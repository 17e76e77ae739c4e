package verifier_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/bearerguard/bearerguard/verifier"
)

const tenant = "6f1a1f0e-52a4-4a3b-9d1c-7c5b1a2e3d4f"

// issuers are where the shapes' tokens come from, as each server writes it.
var issuers = map[string]string{
	"entra": "https://login.microsoftonline.com/" + tenant + "/v2.0", "entra v1": "https://sts.windows.net/" + tenant + "/",
	"auth0": "https://acme.eu.auth0.com/", "cognito": "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI",
	"okta": "https://acme.okta.com/oauth2/default", "authentik": "https://id.example.com/application/o/orders/",
	"kubernetes": "https://kubernetes.default.svc.cluster.local", "fusionauth": "acme.com",
}

// profileConfig is what a deployment at that server would set, with static keys.
func profileConfig(t *testing.T, provider, iss string, audience ...string) func(*verifier.Config) {
	t.Helper()
	profile, err := verifier.ProfileNamed(provider)
	if err != nil {
		t.Fatal(err)
	}
	return func(cfg *verifier.Config) {
		cfg.Issuer, cfg.Audience, cfg.Profile = iss, audience, profile
		if provider == "kubernetes" {
			cfg.Match = map[string][]string{"/kubernetes.io/namespace": {"shop"}, "/kubernetes.io/serviceaccount/name": {"cart"}}
		}
	}
}

func TestProviderShapes(t *testing.T) {
	t.Parallel()
	var shapes []struct {
		Provider, Kind, Name string
		Header, Payload      obj
		Audience             []string
		Scope                string
		Accept               bool
	}
	if err := json.Unmarshal(vectors(t, "provider-shapes.json"), &shapes); err != nil {
		t.Fatal(err)
	}
	good, bad := 0, 0
	for _, s := range shapes {
		if s.Accept {
			good++
		} else {
			bad++
		}
		t.Run(s.Provider+" "+s.Kind+" "+s.Name, func(t *testing.T) {
			t.Parallel()
			iss := issuers[s.Provider]
			if s.Provider == "entra" && s.Payload["ver"] == "1.0" {
				iss = issuers["entra v1"]
			}
			if iss == "" {
				iss = issuer
			}
			s.Header["kid"] = "rsa"
			for name, value := range map[string]any{"iss": iss, "exp": in(600), "iat": in(-10), "nbf": in(-10), "auth_time": in(-20)} {
				if _, there := s.Payload[name]; there || name == "iss" {
					s.Payload[name] = value
				}
			}
			v := newVerifier(t, profileConfig(t, s.Provider, iss, s.Audience...))
			claims, err := v.Verify(t.Context(), compact("RS256", "rsa", text(s.Header), text(s.Payload)))
			if got := err == nil && (s.Scope == "" || claims.Scopes().Has(s.Scope)); got != s.Accept {
				t.Errorf("accepted = %t, want %t (%v)", got, s.Accept, err)
			}
			for _, wrong := range []error{verifier.ErrUnavailable, verifier.ErrMalformed, verifier.ErrIssuer, verifier.ErrExpired, verifier.ErrKeyNotFound, verifier.ErrSignature} {
				if errors.Is(err, wrong) {
					t.Errorf("refused for what this test filled in: %v", err)
				}
			}
		})
	}
	if good != 22 || bad != 16 {
		t.Errorf("%d good and %d bad shapes, want 22 and 16", good, bad)
	}
}

// oneLine writes a profile as the table of profiles does, in the order of the struct's fields.
func oneLine(p verifier.Profile) string {
	var b strings.Builder
	v := reflect.ValueOf(p)
	for i := range v.NumField() {
		if f := v.Type().Field(i); f.IsExported() && !v.Field(i).IsZero() {
			fmt.Fprintf(&b, " %s%v", strings.TrimSuffix(strings.TrimSuffix(f.Name, "Claims"), "s"), v.Field(i))
		}
	}
	return strings.TrimSpace(b.String())
}

var profileLines = map[string]string{
	"RFC9068":    "Type[at+jwt] Require[sub client_id iat jti] Audience[aud] Scope[scope] ClientID[client_id] ID[jti]",
	"Entra":      "Type[JWT at+jwt] Require[tid ver iat] Forbid[IDT] Audience[aud] Scope[scp roles] ClientID[azp appid] ID[uti jti] Selfmap[idtyp:[app]]",
	"Keycloak":   "Type[JWT at+jwt] Require[iat jti] Matchmap[typ:[Bearer bearer DPoP dpop]] Forbid[IDT] Audience[aud] Scope[scope] ClientID[azp client_id] ID[jti] Selfmap[clientHost:[]]",
	"Auth0":      "Type[JWT at+jwt] Require[sub iat] Forbid[IDT] Audience[aud] Scope[scope] ClientID[client_id azp] ID[jti] Selfmap[gty:[client-credentials]]",
	"Cognito":    "Type[ JWT at+jwt] Require[iat jti] Matchmap[token_use:[access]] Forbid[IDT] Audience[aud] AudienceFromScopetrue Scope[scope] ClientID[client_id] ID[jti]",
	"Okta":       "Type[ JWT at+jwt] Require[iat jti] Forbid[IDT] Audience[aud] Scope[scp] ClientID[cid] ID[jti]",
	"Hydra":      "Type[JWT] Require[sub iat jti] Forbid[IDT] Audience[aud] Scope[scp scope] ClientID[client_id] ID[jti]",
	"Duende":     "Type[at+jwt] Require[iat] Forbid[IDT] Audience[aud] Scope[scope] ClientID[client_id] ID[jti]",
	"PingOne":    "Type[ JWT at+jwt] Require[iat] Forbid[IDT] Audience[aud] Scope[scope] ClientID[client_id] ID[jti]",
	"Zitadel":    "Type[JWT at+jwt] Require[sub iat jti] Forbid[IDT amr acr] Audience[aud] Scope[/urn:zitadel:iam:org:project:roles/*] ClientID[client_id azp] ID[jti]",
	"Authentik":  "Type[JWT at+jwt] Require[sub iat uid] Forbid[IDT] Audience[aud] Scope[scope] ClientID[azp] ID[uid]",
	"Curity":     "Type[ JWT at+jwt] Require[sub iat jti] Matchmap[purpose:[access_token]] Forbid[IDT] Audience[aud] Scope[scope] ID[jti]",
	"FusionAuth": "Type[JWT] Require[sub iat jti tid] Forbid[IDT authenticationType] Audience[aud] Scope[permissions] ID[jti]",
	"Kubernetes": "Type[] Require[sub iat kubernetes.io] Forbid[IDT] Audience[aud] ID[jti]",
	"GitHub":     "Type[JWT] Require[sub iat jti repository_id] Audience[aud] ID[jti]",
	"Google":     "Type[JWT] Require[sub iat email] Audience[aud] ClientID[azp]",
	"Generic":    "Type[ JWT at+jwt] Require[iat] Forbid[IDT] Audience[aud] Scope[scope scp] ClientID[client_id azp cid appid] ID[jti]",
}

func TestProfilesAreWhatTheirServersWrite(t *testing.T) {
	t.Parallel()
	for name, want := range profileLines {
		want = strings.ReplaceAll(want, "IDT", "nonce at_hash c_hash s_hash events")
		for _, spelled := range []string{name, strings.ToLower(name), strings.ToUpper(name)} {
			p, err := verifier.ProfileNamed(spelled)
			if got := oneLine(p); err != nil || got != want {
				t.Errorf("ProfileNamed(%q), %v:\n%s, want\n%s", spelled, err, got, want)
			}
		}
	}
}

func TestProfilesAreFreshEachTime(t *testing.T) {
	t.Parallel()
	for name := range profileLines {
		p, _ := verifier.ProfileNamed(name)
		before := oneLine(p)
		for _, list := range [][]string{p.Types, p.Require, p.Forbid, p.AudienceClaims, p.ScopeClaims, p.ClientIDClaims, p.IDClaims} {
			for i := range list {
				list[i] = "changed"
			}
		}
		clear(p.Match)
		clear(p.Self)
		if p, _ = verifier.ProfileNamed(name); oneLine(p) != before {
			t.Errorf("%s remembers what a caller did to it: %s", name, oneLine(p))
		}
	}
}

func TestProfileNamedUnknown(t *testing.T) {
	t.Parallel()
	p, err := verifier.ProfileNamed("keycloack")
	if err == nil || !strings.Contains(err.Error(), "hydra, keycloak, kubernetes") || oneLine(p) != "" {
		t.Errorf("%v, %v: the error must list the names", p, err)
	}
}

// shape is a good access token of a server, for the rules of its profile to be broken one by one.
func shape(provider string) (header, payload obj) {
	payload = obj{"iss": issuer, "aud": audience, "sub": "s", "exp": in(600), "iat": in(-10), "jti": "j"}
	more := map[string]obj{
		"entra":      {"azp": "c", "tid": tenant, "ver": "2.0", "roles": []string{"orders:read"}},
		"keycloak":   {"azp": "c", "typ": "Bearer", "scope": "orders:read"},
		"cognito":    {"client_id": "c", "token_use": "access", "scope": "orders:read"},
		"okta":       {"cid": "c", "scp": []string{"orders:read"}},
		"authentik":  {"azp": "c", "uid": "u"},
		"curity":     {"purpose": "access_token"},
		"fusionauth": {"tid": "t", "permissions": []string{"orders:read"}},
		"kubernetes": {"kubernetes.io": obj{"namespace": "shop", "serviceaccount": obj{"name": "cart"}}},
		"github":     {"repository_id": "1234"},
		"google":     {"azp": "c", "email": "cart@acme.iam.gserviceaccount.com"},
	}[provider]
	if more == nil {
		more = obj{"client_id": "c", "scope": "orders:read"}
	}
	return obj{"alg": "RS256", "kid": "rsa"}, merge(payload, more)
}

// TestEveryRuleOfEveryProfile takes a good token of each profile and breaks one rule at a time.
func TestEveryRuleOfEveryProfile(t *testing.T) {
	t.Parallel()
	for name := range profileLines {
		name = strings.ToLower(name)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, _ := verifier.ProfileNamed(name)
			v := newVerifier(t, profileConfig(t, name, issuer, audience), func(cfg *verifier.Config) {
				cfg.Match = map[string][]string{"sub": {"s"}} // that this deployment's own match is asked for is tested elsewhere
			})
			header, payload := shape(name)
			if p.Types[0] != "" {
				header["typ"] = p.Types[0]
			}
			token := func(changes ...obj) string {
				return compact("RS256", "rsa", text(header), text(merge(payload, changes...)))
			}
			accepted(t, v, token())
			for _, claim := range p.Require {
				refusedOr(t, v, token(obj{claim: gone}), verifier.ErrMissingClaim, verifier.ErrClaim)
				refusedOr(t, v, token(obj{claim: nil}), verifier.ErrMissingClaim, verifier.ErrClaim)
			}
			for claim, values := range p.Match {
				for _, value := range values {
					accepted(t, v, token(obj{claim: value}))
					accepted(t, v, token(obj{claim: []string{"other", value}}))
				}
				for _, wrong := range []any{gone, nil, "", "ID", "id", "refresh", "access_tokens", 1, true, obj{}, []string{}, []any{1}} {
					refused(t, v, token(obj{claim: wrong}), verifier.ErrType)
				}
			}
			for _, claim := range p.Forbid {
				refused(t, v, token(obj{claim: "n"}), verifier.ErrType)
				refused(t, v, token(obj{claim: obj{}}), verifier.ErrType)
				accepted(t, v, token(obj{claim: nil})) // null is absent
			}
			if len(p.ClientIDClaims) > 0 {
				without := obj{}
				for _, claim := range p.ClientIDClaims {
					without[claim] = gone
				}
				refused(t, v, token(without), verifier.ErrMissingClaim)
				for _, claim := range p.ClientIDClaims {
					if slices.Contains(p.Require, claim) {
						continue
					}
					if got := accepted(t, v, token(without, obj{claim: "someone"})).ClientID(); got != "someone" {
						t.Errorf("%s is not read: %q", claim, got)
					}
					refused(t, v, token(without, obj{claim: ""}), verifier.ErrMissingClaim)
				}
			}
			if !p.AudienceFromScope {
				refused(t, v, token(obj{"aud": gone}), verifier.ErrAudience)
			}
			for _, typ := range []string{"", "JWT", "at+jwt", "id+jwt", "logout+jwt", "okta-internal-at+jwt"} {
				h := merge(header, obj{"typ": typ})
				if typ == "" {
					h = merge(header, obj{"typ": gone})
				}
				_, err := v.Verify(t.Context(), compact("RS256", "rsa", text(h), text(payload)))
				if want := slices.Contains(p.Types, typ); (err == nil) != want || !want && !errors.Is(err, verifier.ErrType) {
					t.Errorf("typ %q: %v", typ, err)
				}
			}
		})
	}
}

// refusedOr is refused for a claim that another rule asks for too.
func refusedOr(t *testing.T, v *verifier.Verifier, token string, want, or error) {
	t.Helper()
	if _, err := v.Verify(t.Context(), token); errors.Is(err, or) {
		want = or
	}
	refused(t, v, token, want)
}

// TestProfilesThatAnybodyCanGetATokenUnder shows that the deployment's own match decides where the audience proves nothing.
func TestProfilesThatAnybodyCanGetATokenUnder(t *testing.T) {
	t.Parallel()
	for provider, match := range map[string]map[string][]string{
		"kubernetes": {"/kubernetes.io/namespace": {"shop"}}, "github": {"repository_id": {"1234"}}, "google": {"email": {"cart@acme.iam.gserviceaccount.com"}},
	} {
		v := newVerifier(t, profileConfig(t, provider, issuer, audience), func(cfg *verifier.Config) { cfg.Match = match })
		header, payload := shape(provider)
		header["typ"] = map[bool]any{true: gone, false: "JWT"}[provider == "kubernetes"]
		accepted(t, v, compact("RS256", "rsa", text(merge(header)), text(payload)))
		other := maps.Clone(payload)
		maps.Copy(other, obj{"kubernetes.io": obj{"namespace": "evil"}, "repository_id": "666", "email": "mallory@example.com"})
		refused(t, v, compact("RS256", "rsa", text(merge(header)), text(other)), verifier.ErrClaim)
	}
}
