package verifier_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/bearerguard/bearerguard/verifier"
)

// printed writes a report as an operator's tool would.
func printed(report []verifier.Check) string {
	var b strings.Builder
	for _, c := range report {
		switch {
		case c.Skipped:
			fmt.Fprintf(&b, "  skip  %s (%s)\n", c.Name, c.Rule)
		case c.Err != nil:
			fmt.Fprintf(&b, "  FAIL  %s (%s): found %s, wanted %s\n        %v\n", c.Name, c.Rule, c.Found, c.Wanted, c.Err)
		default:
			fmt.Fprintf(&b, "  ok    %s (%s): found %s, wanted %s\n", c.Name, c.Rule, c.Found, c.Wanted)
		}
	}
	return b.String()
}

// TestExplain compares with testdata/explain.golden, which GOLDEN=write writes anew.
func TestExplain(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, func(cfg *verifier.Config) {
		cfg.JWKS = keySet(jwk(keys()["rsa"], obj{"kid": "rsa"}), jwk(keys()["p256"], obj{"kid": "p256", "alg": "ES256"}))
		cfg.Clients, cfg.Match = []string{"cart"}, map[string][]string{"/tenant/id": {"a", "b"}}
	})
	good := obj{"tenant": obj{"id": "b"}}
	const golden = "testdata/explain.golden"
	var b strings.Builder
	for _, tt := range []struct{ name, token string }{
		{"a good token", mint(nil, good)},
		{"a good token that is bound, with a scope that is none", mint(nil, merge(good, obj{"cnf": obj{"jkt": "k"}, "scope": "a \u00e9"}))},
		{"an opaque token", "2YotnFZFEjr1zCsicMWpAA"},
		{"a token that is too long", strings.Repeat("a.", 10000)},
		{"an encrypted token", "e30.a.b.c.d"},
		{"an ID token of everything else", mint(obj{"typ": "JWT", "kid": "old"}, obj{"iss": issuer + "/", "aud": "spa", "azp": "spa", "client_id": gone, "jti": gone, "scope": gone, "exp": in(-3600), "nonce": "n"})},
		{"alg none", mint(obj{"alg": "none", "crit": []string{"x"}}, good)},
		{"a header that is no JSON", withHeader("RS256")},
		{"a payload that is no JSON", withPayload("iss=x")},
		{"a token not valid yet", mint(nil, merge(good, obj{"nbf": in(60), "iat": in(60)}))},
		{"a forged token", compact("RS256", "other", text(goodHeader()), text(merge(goodPayload(), good)))},
		{"claims of the wrong types", mint(nil, merge(good, obj{"exp": "tomorrow", "scope": 1}))},
		{"another client, another tenant", mint(nil, obj{"na\x1b[31m\nme": 1, "client_id": "evil\x1b[31m\n", "tenant": obj{"id": "c"}})},
	} {
		report := v.Explain(t.Context(), tt.token)
		_, err := v.Verify(t.Context(), tt.token)
		var first error // Verify stops where Explain goes on
		for _, c := range report {
			if first == nil {
				first = c.Err
			}
			if c.Name == "" || c.Rule == "" || c.Err == nil && !c.Skipped && (c.Found == "" || c.Wanted == "") || c.Skipped && c.Err != nil {
				t.Errorf("%s: %+v", tt.name, c)
			}
		}
		if len(report) != 20 || (err == nil) != (first == nil) || err != nil && err.Error() != first.Error() {
			t.Errorf("%s: %d checks, Verify says %v, the first failure is %v", tt.name, len(report), err, first)
		}
		noSecrets(t, printed(report), tt.token)
		fmt.Fprintf(&b, "%s\n%s\n", tt.name, printed(report))
	}
	if os.Getenv("GOLDEN") == "write" {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil || b.String() != string(want) {
		t.Errorf("%v; want what %s says:\n%s", err, golden, b.String())
	}
}

func TestExplainRemembersNothing(t *testing.T) {
	t.Parallel()
	var events recorder
	v := newVerifier(t, events.hook)
	token := mint(nil, nil)
	v.Explain(t.Context(), token)
	if len(events.all()) != 0 {
		t.Error("Explain called the hook of Verify")
	}
	accepted(t, v, token)
	if events.last().Cached {
		t.Error("Explain left the token in the cache")
	}
}

func TestExplainWithoutKeys(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.Close()
	for _, c := range newVerifier(t, s.config).Explain(t.Context(), s.mint(nil, nil)) {
		if wants := c.Name == "key"; errors.Is(c.Err, verifier.ErrUnavailable) != wants || wants && !strings.Contains(c.Wanted, "could not be fetched") || c.Skipped != (c.Name == "signature") {
			t.Errorf("%+v", c)
		}
	}
}

func TestZeroVerifier(t *testing.T) {
	t.Parallel()
	for _, v := range []*verifier.Verifier{nil, {}} {
		claims, err := v.Verify(t.Context(), mint(nil, nil))
		if e := (*verifier.UnavailableError)(nil); claims != nil || !errors.Is(err, verifier.ErrUnavailable) || errors.Is(err, verifier.ErrInvalidToken) || !errors.As(err, &e) {
			t.Errorf("Verify = %v, %v", claims, err)
		}
		if report := v.Explain(t.Context(), mint(nil, nil)); len(report) != 1 || !strings.Contains(report[0].Err.Error(), "verifier.New") {
			t.Errorf("Explain = %v", report)
		}
		if err := v.Warm(t.Context()); !errors.Is(err, verifier.ErrUnavailable) {
			t.Errorf("Warm: %v", err)
		}
		if h := v.Health(); h.Ready || h.Err == nil {
			t.Errorf("Health = %+v", h)
		}
	}
}

// TestHintsOfAFirstHour are the errors that an operator sees who sets up a well-known server for the first time: each says
// what is wrong and what to set.
func TestHintsOfAFirstHour(t *testing.T) {
	t.Parallel()
	at := func(provider, iss, audience string) func(*verifier.Config) {
		return profileConfig(t, provider, iss, audience)
	}
	of := func(iss string, header, payload obj) string {
		return mint(merge(obj{"typ": "JWT"}, header), merge(obj{"iss": iss, "typ": "Bearer", "tid": tenant, "ver": "2.0", "azp": "c"}, payload))
	}
	v1, v2, okta := issuers["entra v1"], issuers["entra"], issuers["okta"]
	graph := "00000003-0000-0000-c000-000000000000"
	for _, tt := range []struct {
		name   string
		config func(*verifier.Config)
		token  string
		want   error
		says   string // words of the error, separated by |
	}{
		{"Keycloak without aud", at("keycloak", issuer, audience), of(issuer, nil, obj{"aud": []string{}}), verifier.ErrAudience, "no audience|client role of the API's client|audience mapper"},
		{"Keycloak's aud is account", at("keycloak", issuer, audience), of(issuer, nil, obj{"aud": "account"}), verifier.ErrAudience, `"account"|Keycloak writes by default|audience mapper`},
		{"Keycloak's ID token", at("keycloak", issuer, audience), of(issuer, nil, obj{"typ": "ID"}), verifier.ErrType, `"typ" is "ID"|"Bearer"`},
		{"Keycloak's host name", at("keycloak", "https://keycloak.example.com/realms/x", audience), of("https://localhost/realms/x", nil, nil), verifier.ErrIssuer, `"https://localhost/realms/x"|"https://keycloak.example.com/realms/x"`},
		{"Keycloak over http", at("keycloak", issuer, audience), of("http"+issuer[5:], nil, nil), verifier.ErrIssuer, "http and https differ"},
		{"an Entra v1 token where v2 is expected", at("entra", v2, audience), of(v1, nil, nil), verifier.ErrIssuer, "version 1|accessTokenAcceptedVersion to 2"},
		{"an Entra v2 token where v1 is expected", at("entra", v1, audience), of(v2, nil, nil), verifier.ErrIssuer, "version 2|accessTokenAcceptedVersion 2"},
		{"BUG-022 BUG-052 a Graph token, by its id", at("entra", v2, audience), of(v2, obj{"nonce": "x"}, obj{"aud": graph}), verifier.ErrAudience, "Microsoft Graph|/.default"},
		{"BUG-022 BUG-052 a Graph token, by its URL", at("entra", v2, audience), of(v2, obj{"nonce": "x"}, obj{"aud": "https://graph.microsoft.com"}), verifier.ErrAudience, "Microsoft Graph|/.default"},
		{"no token of Entra", at("entra", issuer, audience), mint(obj{"typ": "JWT"}, nil), verifier.ErrMissingClaim, "tid|Entra"},
		{"Okta's org server", at("okta", okta, audience), mint(obj{"typ": "application/okta-internal-at+jwt"}, obj{"iss": "https://acme.okta.com"}), verifier.ErrType, "Okta's org authorization server|/oauth2/default"},
		{"BUG-044 Okta's org server, by its issuer", at("okta", okta, audience), mint(nil, obj{"iss": "https://acme.okta.com"}), verifier.ErrIssuer, "Okta's org authorization server|" + okta},
		{"BUG-033 Auth0's slash", at("auth0", issuers["auth0"], audience), of("https://acme.eu.auth0.com", nil, nil), verifier.ErrIssuer, "trailing slash"},
		{"an audience's slash", nil, mint(nil, obj{"aud": audience + "/"}), verifier.ErrAudience, `"https://api.example.com/"|"https://api.example.com"|trailing slash`},
		{"an audience's case", nil, mint(nil, obj{"aud": "https://API.example.com"}), verifier.ErrAudience, "upper and lower case"},
		{"an ID token, for its client", nil, mint(nil, obj{"aud": "cart"}), verifier.ErrAudience, "client's own id"},
		{"an opaque token", nil, "2YotnFZFEjr1zCsicMWpAA", verifier.ErrMalformed, "opaque|Auth0: audience=|strategies.access_token|introspection"},
		{"BUG-053 Google's access token", nil, "ya29.a0AfH6SMBx", verifier.ErrMalformed, "Google|opaque|ID token"},
		{"JSON", nil, `{"payload":"x"}`, verifier.ErrMalformed, "JSON serialization"},
		{"BUG-055 a JWE", nil, "a.b.c.d.e", verifier.ErrMalformed, "encrypted|not supported"},
		{"typ JWT under RFC 9068", nil, mint(obj{"typ": "JWT"}, nil), verifier.ErrType, `"JWT"|at+jwt|Profile|verifier.Keycloak()`},
		{"no typ under RFC 9068", nil, mint(obj{"typ": gone}, nil), verifier.ErrType, "absent|at+jwt|Profile|verifier.Keycloak()"},
		{"a logout token", at("duende", issuer, audience), mint(obj{"typ": "logout+jwt"}, nil), verifier.ErrType, "logout+jwt|another kind"},
		{"no sub under RFC 9068", nil, mint(nil, obj{"sub": gone}), verifier.ErrMissingClaim, "sub|verifier.Duende()|verifier.PingOne()"},
		{"Cognito's ID token", at("cognito", issuer, audience), mint(obj{"typ": gone}, obj{"token_use": "id"}), verifier.ErrType, `"token_use" is "id"|"access"`},
		{"Cognito without a scope of ours", at("cognito", issuer, audience), mint(obj{"typ": gone}, obj{"aud": gone, "token_use": "access"}), verifier.ErrAudience, "no audience"},
		{"Curity's ID token", at("curity", issuer, audience), mint(obj{"typ": gone}, obj{"purpose": "id"}), verifier.ErrType, `"purpose" is "id"|"access_token"`},
		{"Duende without an ApiResource", at("duende", issuer, audience), mint(nil, obj{"aud": gone}), verifier.ErrAudience, "Duende: an ApiResource"},
		{"an ID token with a nonce", at("generic", issuer, audience), mint(nil, obj{"nonce": "n"}), verifier.ErrType, `"nonce"|ID or logout token`},
		{"a client that isn't listed", func(cfg *verifier.Config) { cfg.Clients = []string{"shop"} }, mint(nil, nil), verifier.ErrClaim, `"cart"|Config.Clients`},
		{"another namespace", at("kubernetes", issuer, audience), mint(obj{"typ": gone}, obj{"kubernetes.io": obj{"namespace": "evil"}}), verifier.ErrClaim, `"/kubernetes.io/namespace" is "evil"|Config.Match|"shop"`},
		{"an unknown key", nil, mint(obj{"kid": "2019"}, nil), verifier.ErrKeyNotFound, `"2019"`},
		{"a key for something else", nil, mint(obj{"kid": "p256"}, nil), verifier.ErrKeyNotFound, `"p256"|not for RS256`},
		{"five keys", withKeys(rsaKeys(5)...), mint(obj{"kid": gone}, nil), verifier.ErrKeyNotFound, "no kid|5 keys"},
		{"a kid that five keys share", withKeys(func() []obj {
			list := rsaKeys(5)
			for _, k := range list {
				k["kid"] = "rsa"
			}
			return list
		}()...), mint(nil, nil), verifier.ErrKeyNotFound, `several keys have the kid "rsa"|5 keys`},
		{"a forged token", nil, compact("RS256", "other", text(goodHeader()), text(goodPayload())), verifier.ErrSignature, `"rsa"`},
		{"how long ago", nil, mint(nil, obj{"exp": in(-3600)}), verifier.ErrExpired, "2026-11-25T11:00:00Z|1h0m0s ago"},
		{"how long ahead", nil, mint(nil, obj{"nbf": in(90)}), verifier.ErrNotYetValid, "nbf|2026-11-25T12:01:30Z|1m30s ahead"},
		{"what looks alike is escaped", nil, mint(nil, obj{"iss": "https://\u0430s.example.com\n"}), verifier.ErrIssuer, `"https://\u0430s.example.com\n"`},
		{"a long claim is cut", nil, mint(nil, obj{"iss": strings.Repeat("x", 5000)}), verifier.ErrIssuer, strings.Repeat("x", 200) + `"...`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := refused(t, newVerifier(t, tt.config), tt.token, tt.want)
			for words := range strings.SplitSeq(tt.says, "|") {
				if !strings.Contains(err.Error(), words) {
					t.Errorf("%v\nmust say %s", err, words)
				}
			}
			if len(err.Error()) > 600 || strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Errorf("%q is no line for a log", err)
			}
		})
	}
}
