package verifier_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard/verifier"
)

func TestConfigMistakes(t *testing.T) {
	t.Parallel()
	discovered := func(iss string) func(*verifier.Config) {
		return func(cfg *verifier.Config) { cfg.Issuer, cfg.JWKS = iss, nil }
	}
	profiled := func(p verifier.Profile) func(*verifier.Config) {
		return func(cfg *verifier.Config) { cfg.Profile = p }
	}
	changed := func(change func(p *verifier.Profile)) func(*verifier.Config) {
		return func(cfg *verifier.Config) { cfg.Profile = verifier.Generic(); change(&cfg.Profile) }
	}
	refresh := func(p verifier.RefreshPolicy) func(*verifier.Config) {
		return func(cfg *verifier.Config) { cfg.Refresh = p }
	}
	elsewhere := func(iss string, p verifier.Profile) func(*verifier.Config) {
		return func(cfg *verifier.Config) { cfg.Issuer, cfg.Profile = iss, p }
	}
	claim := func(name string) func(*verifier.Config) {
		return func(cfg *verifier.Config) { cfg.Match = map[string][]string{name: {"x"}} }
	}
	static := func(document string) func(*verifier.Config) {
		return func(cfg *verifier.Config) { cfg.JWKS = []byte(document) }
	}
	for _, tt := range []struct {
		name   string
		change func(*verifier.Config)
		says   string // words of the error, separated by |
	}{
		{"no issuer", func(cfg *verifier.Config) { cfg.Issuer = "" }, "Issuer is empty|exactly as its tokens' iss"},
		{"no issuer and no keys", discovered(""), "Issuer is empty"},
		{"8414-2-1 an http issuer", discovered("http://as.example.com"), "must be https|MetadataURL or JWKSURL and DangerouslyAllowHTTP"},
		{"8414-2-1 an http issuer even with DangerouslyAllowHTTP", func(cfg *verifier.Config) { discovered("http://as.example.com")(cfg); cfg.DangerouslyAllowHTTP = true }, "must be https"},
		{"a name that only begins as loopback", discovered("http://localhost.example.com"), "must be https"},
		{"an address that only begins as loopback", discovered("http://127.0.0.1.example.com"), "must be https"},
		{"another address of the private network", discovered("http://10.0.0.5:8080"), "must be https"},
		{"an issuer of another scheme", discovered("ftp://as.example.com"), "must be https"},
		{"an issuer without a scheme", discovered("as.example.com"), "not an absolute URL|https://|JWKSURL"},
		{"an issuer that is no URL", discovered("https://as.example.com:x"), "not an absolute URL"},
		{"an issuer without a host", discovered("https:///tenant"), "not an absolute URL"},
		{"an issuer with a port and no host", discovered("https://:8443/tenant"), "not an absolute URL"},
		{"an issuer with a password", discovered("https://u:p@as.example.com"), "not an absolute URL"},
		{"8414-2-1 an issuer with a query", discovered(issuer + "?tenant=x"), "query or a fragment|RFC 8414"},
		{"8414-2-1 an issuer with an empty query", discovered(issuer + "?"), "query or a fragment"},
		{"8414-2-1 an issuer with a fragment", discovered(issuer + "#x"), "query or a fragment"},
		{"8414-2-1 an issuer with an empty fragment", discovered(issuer + "#"), "query or a fragment"},
		{"9068-5-2 no audience", func(cfg *verifier.Config) { cfg.Audience = nil }, "Audience is empty|any other API"},
		{"8725-3.9-1 an empty audience", func(cfg *verifier.Config) { cfg.Audience = []string{audience, ""} }, "Audience holds an empty string|environment variable"},
		{"an audience, and any audience", func(cfg *verifier.Config) { cfg.DangerouslyAcceptAnyAudience = true }, "Audience|DangerouslyAcceptAnyAudience|choose"},
		{"an empty client", func(cfg *verifier.Config) { cfg.Clients = []string{""} }, "Clients holds an empty string"},
		{"8725-3.2-1 HS256", func(cfg *verifier.Config) { cfg.Algorithms = []string{"RS256", "HS256"} }, `"HS256"|asymmetric|RS256`},
		{"7518-3.6-1 none", func(cfg *verifier.Config) { cfg.Algorithms = []string{"none"} }, `"none"|asymmetric`},
		{"an algorithm that nobody knows", func(cfg *verifier.Config) { cfg.Algorithms = []string{"rs256"} }, `"rs256"|RS256`},
		{"an empty algorithm", func(cfg *verifier.Config) { cfg.Algorithms = []string{""} }, `Algorithms holds ""`},
		{"9068-4-10 a skew of six minutes", func(cfg *verifier.Config) { cfg.ClockSkew = 6 * time.Minute }, "ClockSkew is 6m0s, at most 5m0s|clocks"},
		{"static keys that are no JSON", static("-----BEGIN PUBLIC KEY-----"), "JWKS|not a JSON object with an array of keys"},
		{"static keys that are empty", static(""), "JWKS|not a JSON object"},
		{"one static key without its set", static(text(jwk(keys()["rsa"], nil))), "JWKS|array of keys"},
		{"no static key", static(`{"keys":[]}`), "JWKS|0 keys, none usable"},
		{"static keys of which none can be used", static(`{"keys":[{"kty":"oct","k":"AQAB","kid":"h"}]}`), `JWKS|1 keys, none usable|"h"|kty "oct"`},
		{"more than a hundred static keys", static(`{"keys":[` + strings.Repeat(`{},`, 100) + `{}]}`), "JWKS|more than 100 keys"},
		{"JWKS and JWKSURL", func(cfg *verifier.Config) { cfg.JWKSURL = issuer + "/keys" }, "JWKS is set and JWKSURL or MetadataURL too|choose"},
		{"JWKS and MetadataURL", func(cfg *verifier.Config) { cfg.MetadataURL = issuer + "/meta" }, "JWKS is set and JWKSURL or MetadataURL too|choose"},
		{"JWKSURL and MetadataURL", func(cfg *verifier.Config) {
			cfg.JWKS, cfg.JWKSURL, cfg.MetadataURL = nil, issuer+"/keys", issuer+"/meta"
		}, "JWKSURL is set and MetadataURL too|leave one out"},
		{"an http JWKSURL", func(cfg *verifier.Config) { cfg.JWKS, cfg.JWKSURL = nil, "http://as.example.com/keys" }, "JWKSURL|must be https|DangerouslyAllowHTTP"},
		{"a JWKSURL with a port and no host", func(cfg *verifier.Config) { cfg.JWKS, cfg.JWKSURL = nil, "https://:8443/keys" }, "JWKSURL|not an absolute URL"},
		{"an http MetadataURL", func(cfg *verifier.Config) { cfg.JWKS, cfg.MetadataURL = nil, "http://as.example.com/meta" }, "MetadataURL|must be https|DangerouslyAllowHTTP"},
		{"a file for JWKSURL", func(cfg *verifier.Config) {
			cfg.JWKS, cfg.JWKSURL, cfg.DangerouslyAllowHTTP = nil, "file:///keys", true
		}, "JWKSURL|not an absolute URL"},
		{"a half-filled profile: no types", profiled(verifier.Profile{AudienceClaims: []string{"aud"}}), `Profile.Types is empty|typ`},
		{"a half-filled profile: no audience claims", profiled(verifier.Profile{Types: []string{"JWT"}}), `Profile.AudienceClaims is empty|"aud"`},
		{"a half-filled profile: both, though a list is there", profiled(verifier.Profile{Types: []string{}}), "Profile.Types is empty|Profile.AudienceClaims is empty"},
		{"Clients where no claim says the client", func(cfg *verifier.Config) { cfg.Profile, cfg.Clients = verifier.Curity(), []string{"c"} }, "Clients is set|ClientIDClaims"},
		{"Kubernetes without Match", profiled(verifier.Kubernetes()), "Match is empty|any pod of the cluster"},
		{"GitHub without Match", profiled(verifier.GitHub()), "Match is empty|any repository on GitHub"},
		{"Google without Match", profiled(verifier.Google()), "Match is empty|anybody with a Google account"},
		{"GitHub with a Match that names nobody", func(cfg *verifier.Config) {
			cfg.Profile, cfg.Match = verifier.GitHub(), map[string][]string{"repository_id": {}}
		}, "Match is empty"},
		{"Cognito's audience, from no scope", func(cfg *verifier.Config) { cfg.Profile = verifier.Cognito(); cfg.Profile.ScopeClaims = nil }, "AudienceFromScope|ScopeClaims is empty"},
		{"a copy of GitHub without Match", func(cfg *verifier.Config) { cfg.Profile = verifier.GitHub(); cfg.Profile.Require = nil }, "Match is empty"},
		{"the zero profile at Entra", elsewhere(issuers["entra"], verifier.Profile{}), "verifier.Entra()"},
		{"the zero profile at Entra v1", elsewhere(issuers["entra v1"], verifier.Profile{}), "verifier.Entra()"},
		{"the zero profile at Cognito", elsewhere(issuers["cognito"], verifier.Profile{}), "verifier.Cognito()"},
		{"the zero profile at Okta", elsewhere(issuers["okta"], verifier.Profile{}), "verifier.Okta()"},
		{"Entra's common tenant", elsewhere("https://login.microsoftonline.com/common/v2.0", verifier.Entra()), `"common"|GUID`},
		{"Entra's tenant by its domain", elsewhere("https://login.microsoftonline.com/acme.onmicrosoft.com/v2.0", verifier.Entra()), `"acme.onmicrosoft.com"|GUID`},
		{"Entra's tenant as a template", elsewhere("https://sts.windows.net/{tenantid}/", verifier.Entra()), "GUID"},
		{"Okta's org server", elsewhere("https://acme.okta.com", verifier.Okta()), "org authorization server|https://acme.okta.com/oauth2/default"},
		{"Okta's org server in a preview, with a slash", elsewhere("https://acme.oktapreview.com/", verifier.Okta()), "org authorization server|https://acme.oktapreview.com/oauth2/default"},
		{"BUG-033 Auth0 without its slash", elsewhere("https://acme.eu.auth0.com", verifier.Auth0()), "slash|https://acme.eu.auth0.com/"},
		{"Refresh with a negative Default", refresh(verifier.RefreshPolicy{Default: -1}), "Refresh|negative|MaxStale"},
		{"Refresh with a negative Timeout", refresh(verifier.RefreshPolicy{Timeout: -1}), "Refresh|negative"},
		{"Refresh with Min over Max", refresh(verifier.RefreshPolicy{Min: 2 * time.Hour}), "Min <= Default <= Max"},
		{"Refresh with Default under Min", refresh(verifier.RefreshPolicy{Default: time.Second}), "Min <= Default <= Max|1s"},
		{"Refresh with Default over Max", refresh(verifier.RefreshPolicy{Max: 5 * time.Minute}), "Min <= Default <= Max"},
		{"Refresh with MaxStale under Max", refresh(verifier.RefreshPolicy{MaxStale: time.Minute}), "MaxStale is 1m0s|Max, 1h0m0s"},
		{"an empty claim name", claim(""), "name is empty"},
		{"a pointer with a lone tilde", claim("/a~b"), `"/a~b"|~0`},
		{"a pointer with a wrong escape", claim("/a~2"), `"/a~2"|~0`},
		{"a bad name in Require", changed(func(p *verifier.Profile) { p.Require = []string{""} }), "name is empty"},
		{"a bad name in Forbid", changed(func(p *verifier.Profile) { p.Forbid = []string{"/~"} }), `"/~"`},
		{"a bad name in AudienceClaims", changed(func(p *verifier.Profile) { p.AudienceClaims = []string{"/~"} }), `"/~"`},
		{"a bad name in ScopeClaims", changed(func(p *verifier.Profile) { p.ScopeClaims = []string{"/~"} }), `"/~"`},
		{"a bad name in ClientIDClaims", changed(func(p *verifier.Profile) { p.ClientIDClaims = []string{"/~"} }), `"/~"`},
		{"a bad name in IDClaims", changed(func(p *verifier.Profile) { p.IDClaims = []string{"/~"} }), `"/~"`},
		{"a bad name in the profile's Match", changed(func(p *verifier.Profile) { p.Match = map[string][]string{"/~": nil} }), `"/~"`},
		{"a bad name in Self", changed(func(p *verifier.Profile) { p.Self = map[string][]string{"/~": nil} }), `"/~"`},
		{"several at once", func(cfg *verifier.Config) {
			*cfg = verifier.Config{Issuer: "http://as.example.com?x", Algorithms: []string{"HS256", "none"}, ClockSkew: time.Hour, Clients: []string{""}, JWKSURL: "http://x/",
				Profile: verifier.Profile{Types: []string{"JWT"}}, Match: map[string][]string{"": nil}, Refresh: verifier.RefreshPolicy{Min: time.Hour * 9}}
		}, "Audience is empty|HS256|none|ClockSkew|Clients holds|Clients is set|AudienceClaims is empty|name is empty|Min <= Default|JWKSURL"},
		{"everything", func(cfg *verifier.Config) { *cfg = verifier.Config{} }, "Issuer is empty|Audience is empty"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v, err := verifier.New(config(tt.change))
			if err == nil || v != nil {
				t.Fatalf("New = %v, %v", v, err)
			}
			for words := range strings.SplitSeq(tt.says, "|") {
				if !strings.Contains(err.Error(), words) {
					t.Errorf("%v\nmust say %s", err, words)
				}
			}
			for line := range strings.Lines(err.Error()) {
				if !strings.HasPrefix(line, "verifier: ") {
					t.Errorf("%q does not say where it comes from", line)
				}
			}
		})
	}
}

func TestConfigsThatAreGood(t *testing.T) {
	t.Parallel()
	discovered := func(iss string) func(*verifier.Config) {
		return func(cfg *verifier.Config) { cfg.Issuer, cfg.JWKS = iss, nil }
	}
	for name, change := range map[string]func(*verifier.Config){
		"an https issuer, down or not":     discovered("https://nowhere.invalid/tenant"),
		"an issuer with a slash":           discovered("https://nowhere.invalid/"),
		"http on 127.0.0.1":                discovered("http://127.0.0.1:8080"),
		"http on another loopback address": discovered("http://127.8.9.1"),
		"http on ::1":                      discovered("http://[::1]:8080/x"),
		"http on localhost":                discovered("http://localhost:8080"),
		"an issuer that is no URL, with JWKSURL": func(cfg *verifier.Config) {
			cfg.Issuer, cfg.JWKS, cfg.JWKSURL = "acme.com", nil, "https://as.example.com/keys"
		},
		"an issuer that is no URL, with MetadataURL": func(cfg *verifier.Config) {
			cfg.Issuer, cfg.JWKS, cfg.MetadataURL = "acme.com", nil, "https://as.example.com/m"
		},
		"an issuer that is no URL, with JWKS": func(cfg *verifier.Config) {
			cfg.Issuer = "628645741881-noabiu23f5a8m8ovd8ucv698lj78vv0l@developer.example.com"
		},
		"an http issuer with JWKSURL": func(cfg *verifier.Config) {
			cfg.Issuer, cfg.JWKS, cfg.JWKSURL = "http://as.example.com", nil, "https://as.example.com/keys"
		},
		"http keys, dangerously": func(cfg *verifier.Config) {
			cfg.JWKS, cfg.JWKSURL, cfg.DangerouslyAllowHTTP = nil, "http://keycloak:8080/keys", true
		},
		"http keys on loopback": func(cfg *verifier.Config) { cfg.JWKS, cfg.JWKSURL = nil, "http://127.0.0.1:8080/keys" },
		"five minutes of skew":  func(cfg *verifier.Config) { cfg.ClockSkew = 5 * time.Minute },
		"a refresh policy of one's own": func(cfg *verifier.Config) {
			cfg.Refresh = verifier.RefreshPolicy{Default: 1, Min: 1, Max: 1, MaxStale: -1, Timeout: 1}
		},
		"RFC 9068 said out loud at Okta": func(cfg *verifier.Config) { cfg.Issuer, cfg.Profile = issuers["okta"], verifier.RFC9068() },
		"Entra by its GUID":              func(cfg *verifier.Config) { cfg.Issuer, cfg.Profile = issuers["entra"], verifier.Entra() },
		"Auth0 with its slash":           func(cfg *verifier.Config) { cfg.Issuer, cfg.Profile = issuers["auth0"], verifier.Auth0() },
		"a profile of one's own without clients and scopes": func(cfg *verifier.Config) {
			cfg.Profile = verifier.Profile{Types: []string{""}, AudienceClaims: []string{"aud"}}
		},
		"a caller's client with a transport of another type": func(cfg *verifier.Config) {
			cfg.JWKS, cfg.Client = nil, &http.Client{Transport: http.NewFileTransport(http.Dir("."))}
		},
	} {
		if v, err := verifier.New(config(change)); err != nil || v == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestConfigIsCopied changes everything that a Config refers to after New.
func TestConfigIsCopied(t *testing.T) {
	t.Parallel()
	cfg := config(func(cfg *verifier.Config) {
		cfg.Profile, cfg.Clients, cfg.Match = verifier.Keycloak(), []string{"cart"}, map[string][]string{"tid": {"a"}}
		cfg.Algorithms, cfg.JWKS = []string{"RS256"}, append([]byte(nil), cfg.JWKS...)
	})
	v, err := verifier.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	accepted(t, v, mint(obj{"typ": "JWT"}, obj{"typ": "Bearer", "tid": "a", "azp": "cart"}))
	p := cfg.Profile
	for _, list := range [][]string{cfg.Audience, cfg.Clients, cfg.Algorithms, cfg.Match["tid"], p.Types, p.Require, p.Match["typ"], p.Forbid, p.AudienceClaims, p.ScopeClaims, p.ClientIDClaims, p.IDClaims} {
		for i := range list {
			list[i] = "changed"
		}
	}
	clear(cfg.JWKS)
	for _, m := range []map[string][]string{cfg.Match, p.Match, p.Self} {
		clear(m)
		m["changed"] = []string{"x"}
	}
	c := accepted(t, v, mint(obj{"typ": "JWT"}, obj{"typ": "Bearer", "tid": "a", "azp": "cart", "jti": "another"}))
	if c.ClientID() != "cart" || c.ID() != "another" || !c.Scopes().Has("orders:read") {
		t.Errorf("%v %v", c, c.Scopes())
	}
	refused(t, v, mint(obj{"typ": "JWT"}, obj{"typ": "Bearer", "tid": "b", "azp": "cart"}), verifier.ErrClaim)
	refused(t, v, mint(obj{"typ": "JWT"}, obj{"typ": "ID", "tid": "a", "azp": "cart"}), verifier.ErrType)
	refused(t, v, mint(obj{"typ": "JWT"}, obj{"typ": "Bearer", "tid": "a", "azp": "cart", "aud": "changed"}), verifier.ErrAudience)
}
