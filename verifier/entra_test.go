package verifier_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/bearerguard/bearerguard/verifier"
)

const (
	contoso  = "8eaef023-2b34-4da1-9baa-8bc8c9d6a490"
	fabrikam = "82229342-1101-4ab6-817b-70c0747630f3"
	personal = "9188040d-6c67-4c5b-b112-36a304b66dad" // everybody with a personal account
	api      = "6e74172b-be56-4843-9ff4-e66a39bb12e3"
)

func entra1(tenant string) string { return "https://sts.windows.net/" + tenant + "/" }

func entra2(tenant string) string { return "https://login.microsoftonline.com/" + tenant + "/v2.0" }

// entraSet is a key set as Entra publishes it for all tenants: the kid says whose a key is.
func entraSet() []byte {
	return keySet(
		jwk(keys()["rsa"], obj{"kid": "all", "issuer": entra2("{tenantid}")}),
		jwk(keys()["p256"], obj{"kid": "personal", "issuer": entra2(personal)}),
		jwk(keys()["p384"], obj{"kid": "contoso", "issuer": entra2(contoso)}),
		jwk(keys()["p521"], obj{"kid": "nobody"}),
		jwk(keys()["ed"], obj{"kid": "number", "issuer": 5}),
	)
}

// entraToken is a token of an app for an issuer, under the key of that kid.
func entraToken(iss, tid, kid string, payload obj) string {
	use := map[string][2]string{"all": {"RS256", "rsa"}, "personal": {"ES256", "p256"}, "contoso": {"ES384", "p384"}, "nobody": {"ES512", "p521"}, "number": {"EdDSA", "ed"}}[kid]
	header := obj{"alg": use[0], "typ": "JWT", "kid": kid}
	return compact(use[0], use[1], text(header), text(merge(obj{
		"iss": iss, "aud": api, "tid": tid, "ver": "2.0", "azp": "c", "sub": "o", "oid": "o", "uti": "u", "roles": []string{"Orders.Write"}, "exp": in(600), "iat": in(-10), "nbf": in(-10),
	}, payload)))
}

func entraTenants(t testing.TB, cfg verifier.Config, tenants ...string) *verifier.Verifier {
	t.Helper()
	cfg.Audience, cfg.Now = []string{api}, clock
	v, err := verifier.EntraTenants(cfg, tenants...)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestEntraTenants(t *testing.T) {
	t.Parallel()
	v := entraTenants(t, verifier.Config{JWKS: entraSet()}, contoso, strings.ToUpper(fabrikam))
	both := newIssuers(t, v, newVerifier(t))
	consumers := entraTenants(t, verifier.Config{JWKS: entraSet()}, personal)
	for _, tt := range []struct {
		name          string
		iss, tid, kid string
		want          error // nil: good
	}{
		{"BUG-039 a tenant that is listed", entra2(contoso), contoso, "all", nil},
		{"BUG-039 another one that is listed", entra2(fabrikam), fabrikam, "all", nil},
		{"BUG-041 a token of version 1", entra1(contoso), contoso, "all", nil},
		{"a tenant's own key", entra2(contoso), contoso, "contoso", nil},
		{"a tenant's own key, version 1", entra1(contoso), contoso, "contoso", nil},
		{"BUG-039 a tenant that is not listed", entra2(personal), personal, "all", verifier.ErrIssuer},
		{"BUG-039 a tenant that is not listed, version 1", entra1(personal), personal, "all", verifier.ErrIssuer},
		{"BUG-039 the template itself", entra2("{tenantid}"), "{tenantid}", "all", verifier.ErrIssuer},
		{"BUG-039 common", entra2("common"), "common", "all", verifier.ErrIssuer},
		{"BUG-039 no tenant", entra2(""), "", "all", verifier.ErrIssuer},
		{"BUG-039 iss and tid disagree", entra2(contoso), fabrikam, "all", verifier.ErrIssuer},
		{"BUG-039 iss and tid disagree, version 1", entra1(fabrikam), contoso, "all", verifier.ErrIssuer},
		{"BUG-039 the tid in capitals", entra2(contoso), strings.ToUpper(contoso), "all", verifier.ErrIssuer},
		{"BUG-036 iss in capitals", entra2(strings.ToUpper(contoso)), contoso, "all", verifier.ErrIssuer},
		{"BUG-036 a slash more", entra2(contoso) + "/", contoso, "all", verifier.ErrIssuer},
		{"BUG-036 a slash less, version 1", strings.TrimSuffix(entra1(contoso), "/"), contoso, "all", verifier.ErrIssuer},
		{"the beginning of one and the end of the other", "https://sts.windows.net/" + contoso + "/v2.0", contoso, "all", verifier.ErrIssuer},
		{"another host", "https://login.example.com/" + contoso + "/v2.0", contoso, "all", verifier.ErrIssuer},
		{"another path", "https://login.microsoftonline.com/x/" + contoso + "/v2.0", contoso, "all", verifier.ErrIssuer},
		{"8725-3.8-1 a key of personal accounts for an organization", entra2(contoso), contoso, "personal", verifier.ErrKeyNotFound},
		{"8725-3.8-1 a key of personal accounts for an organization, version 1", entra1(contoso), contoso, "personal", verifier.ErrKeyNotFound},
		{"BUG-124 another tenant's key", entra2(fabrikam), fabrikam, "contoso", verifier.ErrKeyNotFound},
		{"BUG-124 another tenant's key, version 1", entra1(fabrikam), fabrikam, "contoso", verifier.ErrKeyNotFound},
		{"a key that doesn't say whose it is", entra2(contoso), contoso, "nobody", verifier.ErrKeyNotFound},
		{"a key whose issuer is no string", entra2(contoso), contoso, "number", verifier.ErrKeyNotFound},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, v := range []verifier.TokenVerifier{v, both} {
				token := entraToken(tt.iss, tt.tid, tt.kid, nil)
				for range 2 {
					if tt.want == nil {
						if c := accepted(t, v, token); c.Issuer() != tt.iss {
							t.Errorf("issuer %q", c.Issuer())
						}
						continue
					}
					refused(t, v, token, tt.want)
				}
			}
		})
	}
	refused(t, v, entraToken(entra2(contoso), contoso, "all", obj{"tid": gone}), verifier.ErrIssuer)
	refused(t, v, entraToken(entra2(contoso), contoso, "all", obj{"tid": 5}), verifier.ErrIssuer)
	refused(t, v, entraToken(entra2(contoso), contoso, "all", obj{"aud": "another"}), verifier.ErrAudience)
	refused(t, v, entraToken(entra2(contoso), contoso, "all", obj{"azp": gone}), verifier.ErrMissingClaim)
	accepted(t, consumers, entraToken(entra2(personal), personal, "personal", nil))
	accepted(t, both, mint(nil, nil))
}

// TestEntraOneTenant: the keys that a plain Config fetches for one tenant may be the shared ones.
func TestEntraOneTenant(t *testing.T) {
	t.Parallel()
	for _, iss := range []string{entra2(contoso), entra1(contoso)} {
		v := newVerifier(t, func(cfg *verifier.Config) {
			cfg.Issuer, cfg.Audience, cfg.Profile, cfg.JWKS = iss, []string{api}, verifier.Entra(), entraSet()
		})
		for kid, want := range map[string]error{"all": nil, "contoso": nil, "nobody": nil, "personal": verifier.ErrKeyNotFound} {
			if token := entraToken(iss, contoso, kid, nil); want == nil {
				accepted(t, v, token)
			} else {
				refused(t, v, token, want)
			}
		}
	}
	anybody := newVerifier(t, func(cfg *verifier.Config) {
		cfg.JWKS = keySet(jwk(keys()["rsa"], obj{"kid": "rsa", "issuer": "means something else here"}))
	})
	accepted(t, anybody, mint(nil, nil))
}

// TestEntraKeyChangesHands: a remembered token dies when its key becomes another tenant's.
func TestEntraKeyChangesHands(t *testing.T) {
	t.Parallel()
	one := func(iss string) []byte { return keySet(jwk(keys()["rsa"], obj{"kid": "all", "issuer": iss})) }
	s := &served{body: one(entra2("{tenantid}"))}
	v := entraTenants(t, verifier.Config{Client: &http.Client{Transport: s}}, contoso, fabrikam)
	token := entraToken(entra2(contoso), contoso, "all", nil)
	accepted(t, v, token)
	s.set(one(entra2(fabrikam)))
	if _, err := v.Verify(t.Context(), entraToken(entra2(fabrikam), fabrikam, "contoso", nil)); !errors.Is(err, verifier.ErrKeyNotFound) { // fetches
		t.Error(err)
	}
	refused(t, v, token, verifier.ErrKeyNotFound)
	accepted(t, v, entraToken(entra2(fabrikam), fabrikam, "all", nil))
}

// served is a network that answers every URL with one document.
type served struct {
	mu   sync.Mutex
	body []byte
	urls []string
}

func (s *served) set(body []byte) { s.mu.Lock(); s.body = body; s.mu.Unlock() }

func (s *served) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.urls = append(s.urls, r.URL.String())
	return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(string(s.body)))}, nil
}

func TestEntraTenantsShareOneFetch(t *testing.T) {
	t.Parallel()
	s := &served{body: entraSet()}
	v := entraTenants(t, verifier.Config{Client: &http.Client{Transport: s}}, contoso, fabrikam)
	refused(t, v, entraToken(entra2(personal), personal, "all", nil), verifier.ErrIssuer)
	if len(s.urls) != 0 {
		t.Errorf("Q-15 a tenant that is not allowed cost %q", s.urls)
	}
	for _, tenant := range []string{contoso, fabrikam} {
		accepted(t, v, entraToken(entra2(tenant), tenant, "all", nil))
		accepted(t, v, entraToken(entra1(tenant), tenant, "all", nil))
	}
	if len(s.urls) != 1 || s.urls[0] != "https://login.microsoftonline.com/common/discovery/v2.0/keys" {
		t.Errorf("requests %q", s.urls)
	}
	if h := v.Health(); !h.Ready || h.Keys != 5 {
		t.Errorf("health %+v", h)
	}
}

func TestEntraEvents(t *testing.T) {
	t.Parallel()
	told := make(chan string, 2)
	v := entraTenants(t, verifier.Config{
		Client: &http.Client{Transport: &served{body: []byte("oops")}},
		Hooks: verifier.Hooks{
			Verified: func(_ context.Context, e verifier.VerifyEvent) { told <- e.Issuer },
			Fetched:  func(_ context.Context, e verifier.FetchEvent) { told <- e.Issuer },
		},
	}, contoso)
	if _, err := v.Verify(t.Context(), entraToken(entra2(contoso), contoso, "all", nil)); !errors.Is(err, verifier.ErrUnavailable) || !strings.Contains(err.Error(), "keys of "+entra2("{tenantid}")) {
		t.Error(err)
	}
	for range 2 {
		if iss := <-told; iss != entra2("{tenantid}") {
			t.Errorf("told of issuer %q", iss)
		}
	}
}

// TestEntraCapture uses the key set that Entra published, of whose private keys nobody here has any.
func TestEntraCapture(t *testing.T) {
	t.Parallel()
	var captures struct {
		Providers []struct {
			Provider  string
			Discovery struct{ Body struct{ Issuer string } } `json:"discovery_document"`
			JWKS      struct{ Body json.RawMessage }
		}
	}
	if err := json.Unmarshal(vectors(t, "vectors", "real-world-jwks", "http-captures.json"), &captures); err != nil {
		t.Fatal(err)
	}
	for _, p := range captures.Providers {
		if p.Provider != "azure" {
			continue
		}
		if p.Discovery.Body.Issuer != entra2("{tenantid}") {
			t.Errorf("issuer %q", p.Discovery.Body.Issuer)
		}
		v := entraTenants(t, verifier.Config{JWKS: p.JWKS.Body}, contoso, personal)
		for _, tt := range []struct {
			name, tenant, kid string
			want              error
		}{
			{"everybody's key", contoso, "nOo3ZDrODXEK1jKWhXslHR_KXEg", verifier.ErrSignature},
			{"everybody's key for personal accounts", personal, "nOo3ZDrODXEK1jKWhXslHR_KXEg", verifier.ErrSignature},
			{"personal accounts' key", personal, "1LTMzakihiRla_8z2BEJVXeWMqo", verifier.ErrSignature},
			{"8725-3.8-1 personal accounts' key for an organization", contoso, "1LTMzakihiRla_8z2BEJVXeWMqo", verifier.ErrKeyNotFound},
		} {
			for _, iss := range []string{entra1(tt.tenant), entra2(tt.tenant)} {
				token := compact("RS256", "rsa", text(obj{"alg": "RS256", "typ": "JWT", "kid": tt.kid}), text(obj{
					"iss": iss, "aud": api, "tid": tt.tenant, "ver": "2.0", "azp": "c", "exp": in(600), "iat": in(-10)}))
				if err := refused(t, v, token, tt.want); tt.want == verifier.ErrKeyNotFound && !strings.Contains(err.Error(), personal) {
					t.Errorf("%s: %v doesn't say whose key it is", tt.name, err)
				}
			}
		}
		return
	}
	t.Error("no capture of Entra")
}

var bom = []byte("\ufeff")

// TestEntraVersion1Document: the key set of version 1 doesn't say whose keys are, so it serves one tenant and not all.
func TestEntraVersion1Document(t *testing.T) {
	t.Parallel()
	var metadata struct{ Issuer string }
	if err := json.Unmarshal(bytes.TrimPrefix(vectors(t, "vectors", "azuread-identitymodel", "OpenIdConnectMetadataEnd2End.json"), bom), &metadata); err != nil {
		t.Fatal(err)
	}
	tenant := strings.Trim(strings.TrimPrefix(metadata.Issuer, "https://sts.windows.net"), "/")
	set := vectors(t, "vectors", "azuread-identitymodel", "JsonWebKeySetEnd2EndEC.json")
	var ids struct{ Keys []struct{ Kid, Crv string } }
	if err := json.Unmarshal(bytes.TrimPrefix(set, bom), &ids); err != nil {
		t.Fatal(err)
	}
	tried := 0
	for _, k := range ids.Keys {
		alg := map[string]string{"P-256": "ES256", "P-384": "ES384"}[k.Crv]
		if alg == "" {
			continue
		}
		token := compact(alg, kidFor(alg), text(obj{"alg": alg, "typ": "JWT", "kid": k.Kid}), text(obj{
			"iss": metadata.Issuer, "aud": api, "tid": tenant, "ver": "1.0", "appid": "c", "exp": in(600), "iat": in(-10)}))
		one, err := verifier.New(verifier.Config{Issuer: metadata.Issuer, Audience: []string{api}, Profile: verifier.Entra(), JWKS: set, Now: clock})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := one.Verify(t.Context(), token); !errors.Is(err, verifier.ErrSignature) {
			t.Errorf("one tenant, %s: %v", k.Crv, err)
		}
		refused(t, entraTenants(t, verifier.Config{JWKS: set}, tenant), token, verifier.ErrKeyNotFound)
		tried++
	}
	if tried == 0 {
		t.Error("no key was tried")
	}
}

// TestEntraShapes: what holds for one tenant's tokens holds for each of several.
func TestEntraShapes(t *testing.T) {
	t.Parallel()
	var shapes []struct {
		Provider, Name  string
		Header, Payload obj
		Audience        []string
		Scope           string
		Accept          bool
	}
	if err := json.Unmarshal(vectors(t, "provider-shapes.json"), &shapes); err != nil {
		t.Fatal(err)
	}
	tried := 0
	for _, s := range shapes {
		if s.Provider != "entra" {
			continue
		}
		tried++
		iss := entra2(fabrikam)
		if s.Payload["ver"] == "1.0" {
			iss = entra1(fabrikam)
		}
		s.Header["kid"] = "all"
		v, err := verifier.EntraTenants(verifier.Config{Audience: s.Audience, JWKS: entraSet(), Now: clock}, contoso, fabrikam)
		if err != nil {
			t.Fatal(err)
		}
		token := compact("RS256", "rsa", text(s.Header), text(merge(s.Payload, obj{"iss": iss, "tid": fabrikam, "exp": in(600), "iat": in(-10), "nbf": in(-10)})))
		claims, err := v.Verify(t.Context(), token)
		if got := err == nil && claims.Scopes().Has(s.Scope); got != s.Accept || errors.Is(err, verifier.ErrIssuer) || errors.Is(err, verifier.ErrKeyNotFound) {
			t.Errorf("%s: accepted = %t, want %t (%v)", s.Name, got, s.Accept, err)
		}
	}
	if tried != 5 {
		t.Errorf("%d shapes, want 5", tried)
	}
}

func TestEntraTenantsMistakes(t *testing.T) {
	t.Parallel()
	good := verifier.Config{Audience: []string{api}}
	for _, tt := range []struct {
		want    string
		change  func(*verifier.Config)
		tenants []string
	}{
		{"without a tenant", func(*verifier.Config) {}, nil},
		{`tenant "common" is no GUID`, func(*verifier.Config) {}, []string{"common"}},
		{`tenant "contoso.onmicrosoft.com" is no GUID`, func(*verifier.Config) {}, []string{contoso, "contoso.onmicrosoft.com"}},
		{`tenant "" is no GUID`, func(*verifier.Config) {}, []string{""}},
		{"Issuer or MetadataURL is set", func(cfg *verifier.Config) { cfg.Issuer = entra2(contoso) }, []string{contoso}},
		{"Issuer or MetadataURL is set", func(cfg *verifier.Config) { cfg.MetadataURL = "https://example.com" }, []string{contoso}},
		{"Audience is empty", func(cfg *verifier.Config) { cfg.Audience = nil }, []string{contoso}},
		{"JWKSURL", func(cfg *verifier.Config) { cfg.JWKSURL = "http://keys.example.com" }, []string{contoso}},
	} {
		cfg := good
		tt.change(&cfg)
		if v, err := verifier.EntraTenants(cfg, tt.tenants...); v != nil || err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v, want %q", err, tt.want)
		}
	}
	_, err := verifier.EntraTenants(verifier.Config{Issuer: "x"}, "common")
	if err == nil || strings.Count(err.Error(), "verifier:") != 3 {
		t.Errorf("%v, want three mistakes", err)
	}
	cfg := good
	cfg.Issuer, cfg.Profile = entra2("common"), verifier.Entra()
	if _, err := verifier.New(cfg); err == nil || !strings.Contains(err.Error(), "EntraTenants") {
		t.Errorf("New: %v, want a hint", err)
	}
	one, several := newVerifier(t, profileConfig(t, "entra", entra1(contoso), api)), entraTenants(t, verifier.Config{JWKS: entraSet()}, contoso)
	if _, err := verifier.Issuers(one, several); err == nil || !strings.Contains(err.Error(), "two verifiers for "+`"`+entra1(contoso)) {
		t.Errorf("Issuers: %v", err)
	}
}

func TestEntraExplains(t *testing.T) {
	t.Parallel()
	v := entraTenants(t, verifier.Config{JWKS: entraSet()}, contoso)
	for _, c := range v.Explain(t.Context(), entraToken(entra2(fabrikam), contoso, "all", nil)) {
		if c.Name == "issuer" && (c.Err == nil || !strings.Contains(c.Found, fabrikam) || !strings.Contains(c.Found, contoso) || !strings.Contains(c.Wanted, "one of 1 tenants")) {
			t.Errorf("%+v", c)
		}
	}
}

// TestEntraExplainsWhatCannotBeRead: whose a key is stands in the payload, and Explain looks at the key even so.
func TestEntraExplainsWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	for _, v := range []*verifier.Verifier{
		entraTenants(t, verifier.Config{JWKS: entraSet()}, contoso),
		newVerifier(t, func(cfg *verifier.Config) {
			cfg.Issuer, cfg.Audience, cfg.Profile, cfg.JWKS = entra2(contoso), []string{api}, verifier.Entra(), entraSet()
		}),
	} {
		parts := strings.Split(entraToken(entra2(contoso), contoso, "all", nil), ".")
		for _, payload := range []string{"A", "AB", "e30", "WzBd"} {
			token := parts[0] + "." + payload + "." + parts[2]
			failed := 0
			for _, c := range v.Explain(t.Context(), token) {
				if c.Err != nil {
					failed++
				}
			}
			if failed == 0 {
				t.Errorf("payload %s: no check failed", payload)
			}
		}
	}
}
