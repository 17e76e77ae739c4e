package verifier_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard/verifier"
)

// Metadata and key sets as real servers have sent them, caching headers included.

func TestDocumentsOfRealProviders(t *testing.T) {
	t.Parallel()
	type document struct {
		Headers [][2]string
		Body    json.RawMessage
	}
	var captures struct {
		Providers []struct {
			Provider          string
			DiscoveryDocument document `json:"discovery_document"`
			JWKS              document
		}
	}
	if err := json.Unmarshal(vectors(t, "vectors", "real-world-jwks", "http-captures.json"), &captures); err != nil {
		t.Fatal(err)
	}
	if len(captures.Providers) != 8 {
		t.Fatalf("%d providers, there were 8", len(captures.Providers))
	}
	send := func(d document) func(*http.Request) (*http.Response, error) {
		return func(*http.Request) (*http.Response, error) {
			h := http.Header{}
			for _, field := range d.Headers {
				h.Add(field[0], field[1])
			}
			return answer(200, h, string(d.Body)), nil
		}
	}
	for _, p := range captures.Providers {
		t.Run(p.Provider, func(t *testing.T) {
			t.Parallel()
			var metadata struct{ Issuer, JWKS_URI string }
			if err := json.Unmarshal(p.DiscoveryDocument.Body, &metadata); err != nil {
				t.Fatal(err)
			}
			cfg := verifier.Config{Issuer: metadata.Issuer, MetadataURL: "https://metadata.example.com", Profile: verifier.Generic(),
				DangerouslyAllowHTTP: strings.HasPrefix(metadata.JWKS_URI, "http://")} // two were captured from servers on a developer's machine
			if strings.Contains(metadata.Issuer, "{tenantid}") { // a template: a tenant's verifier names the keys
				cfg.Issuer, cfg.MetadataURL, cfg.JWKSURL = strings.Replace(metadata.Issuer, "{tenantid}", "11111111-2222-3333-4444-555555555555", 1), "", metadata.JWKS_URI
			}
			if strings.HasSuffix(cfg.Issuer, ".okta.com") { // the org's own server: New refuses it, its keys are read all the same
				cfg.Issuer = "https://issuer.example.com"
				cfg.MetadataURL, cfg.JWKSURL = "", metadata.JWKS_URI
			}
			w := &web{pages: map[string]func(*http.Request) (*http.Response, error){"https://metadata.example.com": send(p.DiscoveryDocument), metadata.JWKS_URI: send(p.JWKS)}}
			v, err := w.warmed(t, cfg)
			if err != nil {
				t.Fatal(err)
			}
			h := v.Health()
			if h.Keys == 0 || h.Err != nil {
				t.Errorf("%+v", h)
			}
			if due := h.NextAttempt.Sub(h.FetchedAt); due < 43*time.Second || due > 53*time.Minute {
				t.Errorf("refreshed after %v", due)
			}
			encryption := slices.ContainsFunc(h.Skipped, func(k verifier.SkippedKey) bool { return strings.Contains(k.Reason, "use is") })
			if encryption != strings.Contains(string(p.JWKS.Body), `"enc"`) {
				t.Errorf("encryption keys passed over: %v", h.Skipped)
			}
		})
	}
}

func TestDiscoveryDocumentsThatOthersMade(t *testing.T) {
	t.Parallel()
	const sts = "https://sts.windows.net/d062b2b0-9aca-4ff7-b32a-ba47231a4002/"
	for _, tt := range []struct{ file, issuer, says string }{
		{"as-samples/oidc-provider/discovery.json", "http://127.0.0.1:9400", ""},
		{"as-samples/oidc-provider/discovery-tls.json", "https://127.0.0.1:9443", ""},
		{"as-samples/hydra/discovery.json", "http://127.0.0.1:4444", ""},
		{"as-samples/glewlwyd/discovery.json", "http://127.0.0.1:4593/api/oidc", ""},
		{"as-samples/glewlwyd/discovery-tls.json", "https://127.0.0.1:4594/api/oidc", ""},
		{"as-samples/django-oauth-toolkit/discovery.json", "http://127.0.0.1:9800/o", ""},
		{"as-samples/hydra/discovery.json", "http://127.0.0.1:4444/", "the trailing slash differs"},
		{"vectors/azuread-identitymodel/OpenIdConnectMetadata.json", sts, `jwks_uri "JsonWebKeySet.json" is not an absolute URL`},
		{"vectors/azuread-identitymodel/OpenIdConnectMetadata2.json", sts, "sts.windows.net2"},
		{"vectors/azuread-identitymodel/OpenIdConnectMetadataEnd2EndEC.json", sts, `jwks_uri "JsonWebKeySetEnd2EndEC.json" is not an absolute URL`}, // with a BOM
		{"vectors/azuread-identitymodel/OpenIdConnectMetadataJsonWebKeySetBadUri.json", sts, `jwks_uri "OidcKeySetBadMetadata.json" is not an absolute URL`},
		{"vectors/azuread-identitymodel/OpenIdConnectMetadataBadBase64Data.json", sts, `jwks_uri "JsonWebKeySetBadBase64Data.json" is not an absolute URL`},
		{"vectors/azuread-identitymodel/OpenIdConnectMetadataBadRsaDataMissingComponent.json", sts, `jwks_uri "JsonWebKeySetBadRsaDataMissingComponent.json" is not an absolute URL`},
		{"vectors/azuread-identitymodel/OpenIdConnectMetadataBadX509Data.json", sts, `jwks_uri "JsonWebKeySetBad509Data.json" is not an absolute URL`},
		{"vectors/azuread-identitymodel/OpenIdConnectMetadataEnd2End.json", sts, `jwks_uri "JsonWebKeySetEnd2End.json" is not an absolute URL`},
		{"vectors/azuread-identitymodel/OpenIdConnectMetadataEnd2EndAcrValuesLast.json", sts, `jwks_uri "JsonWebKeySetEnd2End.json" is not an absolute URL`},
		{"vectors/azuread-identitymodel/OpenIdConnectMetadataUnrecognizedKty.json", sts, `jwks_uri "JsonWebKeySetUnrecognizedKty.json" is not an absolute URL`},
		{"vectors/azuread-identitymodel/google-openid-configuration.json", "accounts.google.com", ""},
		{"vectors/azuread-identitymodel/PingLabs-openid-configuration.json", "https://connect-interop.pinglabs.org:9031", ""},
	} {
		t.Run(tt.file+" for "+tt.issuer, func(t *testing.T) {
			t.Parallel()
			body := string(vectors(t, strings.Split(tt.file, "/")...))
			var named struct{ JWKS_URI string }
			_ = json.Unmarshal([]byte(strings.TrimPrefix(body, "\xef\xbb\xbf")), &named)
			const metadataURL = "http://127.0.0.1:1/metadata"
			w := &web{pages: map[string]func(*http.Request) (*http.Response, error){metadataURL: page(200, body), named.JWKS_URI: keySetPage}}
			_, err := w.warmed(t, verifier.Config{Issuer: tt.issuer, MetadataURL: metadataURL, Profile: verifier.Generic()})
			if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v, want %q", err, tt.says)
			}
		})
	}
}
