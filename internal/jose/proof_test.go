package jose_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/bearerguard/bearerguard/internal/jose"
)

func TestParseProofHeader(t *testing.T) {
	t.Parallel()
	const ec = `{"kty":"EC","crv":"P-256","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs","y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA"}`
	h, err := jose.ParseProofHeader(b64([]byte(`{"typ":"dpop+jwt","alg":"ES256","jwk":` + ec + `,"more":1}`)))
	if err != nil || h.Type != "dpop+jwt" || h.Algorithm != "ES256" || b64([]byte(h.Key.Thumbprint)) != "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" {
		t.Errorf("9449-6.1-1 the RFC's key: %+v, %v", h, err)
	}
	for name, tt := range map[string]struct{ header, want string }{
		"no JSON":                    {`typ`, "not a JSON object"},
		"an array":                   {`[]`, "not a JSON object"},
		"a member twice":             {`{"typ":"a","typ":"b","jwk":` + ec + `}`, "twice"},
		"a member of the key twice":  {`{"jwk":{"kty":"EC","kty":"EC"}}`, "twice"},
		"a critical extension":       {`{"crit":["exp"],"jwk":` + ec + `}`, "no extension"},
		"an unencoded payload":       {`{"b64":false,"jwk":` + ec + `}`, "no extension"},
		"9449-4.2-1 no key":          {`{"alg":"ES256"}`, "no jwk"},
		"no key but the name of one": {`{"alg":"ES256","jku":"https://example.com","kid":"1"}`, "no jwk"},
		"9449-4.2-1 a symmetric key": {`{"jwk":{"kty":"oct","k":"AQ"}}`, "kty"},
		"9449-4.3-07 a private key":  {`{"jwk":` + strings.Replace(ec, "{", `{"d":"AQ",`, 1) + `}`, "private"},
		"9449-4.3-07 a key with k":   {`{"jwk":` + strings.Replace(ec, "{", `{"k":"AQ",`, 1) + `}`, "private"},
		"too many members":           {`{` + strings.Repeat(`"a":1,`, 40) + `"jwk":` + ec + `}`, "more than"},
		"too deep":                   {`{"jwk":` + ec + `,"a":[[[[1]]]]}`, "deeper"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if h, err := jose.ParseProofHeader(b64([]byte(tt.header))); err == nil || h != nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%+v, %v, want %s", h, err, tt.want)
			}
		})
	}
	if _, err := jose.ParseProofHeader("a"); err == nil {
		t.Error("no base64url")
	}
}

func TestDate(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]int64{"0": 0, "1800000000": 1800000000, "1.8e9": 1800000000, "1800000000.9": 1800000000, "-1": -1} {
		if got, ok := jose.Date(raw); !ok || got.Unix() != want {
			t.Errorf("Date(%s) = %v, %t", raw, got, ok)
		}
	}
	for _, raw := range []string{"", "null", "true", `"1"`, "1e400", "253402300800", "-62135596801", "[]", "{}"} {
		if got, ok := jose.Date(raw); ok {
			t.Errorf("Date(%s) = %v", raw, got)
		}
	}
}

func FuzzProofHeader(f *testing.F) {
	key, _ := json.Marshal(p256)
	for _, s := range []string{`{"typ":"dpop+jwt","alg":"ES256","jwk":` + string(key) + `}`, `{"jwk":{"kty":"RSA"}}`, `{"jwk":1}`, `{}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		h, err := jose.ParseProofHeader(b64(text))
		if err != nil {
			return
		}
		var plain struct{ JWK map[string]any }
		if json.Unmarshal(text, &plain) != nil || plain.JWK == nil || plain.JWK["d"] != nil || plain.JWK["k"] != nil || len(h.Key.Thumbprint) != 32 {
			t.Errorf("%s is accepted", text)
		}
		if c, err := jose.Split(b64(text) + ".e30." + b64(make([]byte, 64))); err == nil && h.Verify(c) == nil {
			t.Errorf("%s takes zeros for a signature", text)
		}
	})
}
