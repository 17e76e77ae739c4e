package jose_test

import (
	"encoding/json"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/bearerguard/bearerguard/internal/jose"
)

// signed reports whether a compact token was signed by one of these keys, as the verifier asks: the whole header read
// strictly, keys by their kid and for their own algorithms only.
func signed(keys [][]byte, token string) bool {
	c, err := jose.Split(token)
	if err != nil {
		return false
	}
	text, err := jose.Decode(nil, c.Header)
	if err != nil {
		return false
	}
	header, err := jose.ParseObject(text, jose.HeaderLimits)
	if err != nil {
		return false
	}
	if _, err := jose.Decode(nil, c.Payload); err != nil {
		return false
	}
	raw, _ := header.Get("alg")
	alg, _ := jose.String(raw)
	raw, named := header.Get("kid")
	kid, _ := jose.String(raw)
	_, crit := header.Get("crit")
	_, b64 := header.Get("b64")
	signature, err := jose.Decode(nil, c.Signature)
	if err != nil || crit || b64 {
		return false
	}
	return slices.ContainsFunc(keys, func(text []byte) bool {
		k, err := jose.ParseKey(text)
		return err == nil && (!named || k.ID == kid) && k.Fits(alg) && k.Verify(alg, []byte(c.Signed), signature) == nil
	})
}

func TestWycheproofSignatures(t *testing.T) {
	t.Parallel()
	hmac := []int{1, 348, 352, 357, 358, 359, 376, 377} // valid, but symmetric: never accepted here
	stricter := map[int]string{
		346: "RFC 7517 section 4.4: the key is for PS256", 350: "RFC 7517 section 4.4: the key is for PS256",
		347: "ES521 is no algorithm", 351: "ES521 is no algorithm",
		372: "RFC 7515 section 2: a character outside base64url", 373: "RFC 7515 section 2: a character outside base64url",
	}
	for _, id := range []int{259, 264, 268, 272, 320, 325} {
		stricter[id] = "RFC 7519 section 7.2: no JWT has an empty payload"
	}
	var file struct {
		TestGroups []struct {
			Public, Private json.RawMessage
			Tests           []struct {
				TcID                 int
				Comment, JWS, Result string
			}
		}
	}
	if err := json.Unmarshal(vectors(t, "wycheproof", "json_web_signature_test.json"), &file); err != nil {
		t.Fatal(err)
	}
	cases, accepted := 0, 0
	for _, g := range file.TestGroups {
		key := g.Public
		if key == nil {
			key = g.Private
		}
		keys := [][]byte{key}
		if set, err := jose.KeySet(key); err == nil {
			keys = set
		}
		for _, c := range g.Tests {
			cases++
			want := c.Result == "valid" && !slices.Contains(hmac, c.TcID) && stricter[c.TcID] == ""
			got := signed(keys, c.JWS)
			if got {
				accepted++
			}
			if got != want {
				t.Errorf("%d %s (%s): accepted is %v", c.TcID, c.Comment, strings.TrimSpace(c.Result), got)
			}
		}
	}
	if cases != 401 || accepted != 26 {
		t.Errorf("%d cases, %d accepted; there were 401 and 26", cases, accepted)
	}
}

// TestWycheproofKeys: which keys verify, and the signed half of the file that mixes everything. What HMAC signed is never accepted.
func TestWycheproofKeys(t *testing.T) {
	t.Parallel()
	// A modulus made by the generator of CVE-2017-15361 is not told from another one: whether a key is weak is its owner's duty.
	const rocaOfKeys, rocaOfCrypto = 7, 46
	for _, tt := range []struct {
		name     string
		cases    int
		accepted []int
		usable   func(id int) bool // whether the case has a key that can verify anything
	}{
		// The first case has an elliptic key; the secret beside it is passed over.
		{"json_web_key_test.json", 26, []int{5, rocaOfKeys}, func(id int) bool { return id == 1 || id == 5 || id == rocaOfKeys }},
		{"json_web_crypto_test.json", 49, []int{18, 33, rocaOfCrypto}, func(id int) bool { return 18 <= id && id <= 47 }},
	} {
		var file struct {
			TestGroups []struct {
				Public, Private json.RawMessage
				Tests           []struct {
					TcID            int
					Comment, Result string
					JWS             json.RawMessage
				}
			}
		}
		if err := json.Unmarshal(vectors(t, "wycheproof", tt.name), &file); err != nil {
			t.Fatal(err)
		}
		cases := 0
		for _, g := range file.TestGroups {
			key := g.Public
			if key == nil {
				key = g.Private
			}
			keys := [][]byte{key}
			if set, err := jose.KeySet(key); err == nil {
				keys = set
			}
			good, _, _ := usable(t, key)
			for _, c := range g.Tests {
				if c.JWS == nil {
					continue // an encrypted one
				}
				cases++
				if (good > 0) != tt.usable(c.TcID) {
					t.Errorf("%s: %d %s (%s): %d usable keys", tt.name, c.TcID, c.Comment, c.Result, good)
				}
				token := string(c.JWS) // the JSON serialization
				if _ = json.Unmarshal(c.JWS, &token); signed(keys, token) != slices.Contains(tt.accepted, c.TcID) {
					t.Errorf("%s: %d %s (%s): accepted is %v", tt.name, c.TcID, c.Comment, c.Result, signed(keys, token))
				}
			}
		}
		if cases != tt.cases {
			t.Errorf("%s: %d cases, there were %d", tt.name, cases, tt.cases)
		}
	}
}

// TestJoserfc: tokens of another library, under its public keys. Of the twenty that it has, nine are signed with such a key.
func TestJoserfc(t *testing.T) {
	t.Parallel()
	var pems struct {
		Keys map[string]struct{ JWK json.RawMessage }
	}
	if err := json.Unmarshal(vectors(t, "joserfc", "keys", "public-pems.json"), &pems); err != nil {
		t.Fatal(err)
	}
	var loaded []string
	for name, key := range pems.Keys {
		if _, err := jose.ParseKey(key.JWK); err == nil {
			loaded = append(loaded, name)
		}
	}
	slices.Sort(loaded)
	// secp256k1 and Ed448 are no curves of ours.
	if want := []string{"ec-p256-public.pem", "ec-p384-public.pem", "ec-p512-public.pem", "rsa-openssl-public.pem"}; len(pems.Keys) != 6 || !slices.Equal(loaded, want) {
		t.Errorf("of %d keys %v are usable, want %v", len(pems.Keys), loaded, want)
	}
	cases, accepted := 0, 0
	for _, name := range []string{"jws_examples.json", "jws_rfc7520.json", "jws_rfc7797.json", "jwt_use_jws.json"} {
		var file struct {
			Tests []struct {
				Name, Compact, Token string
				PublicKey            string `json:"public_key"`
			}
		}
		if err := json.Unmarshal(vectors(t, "joserfc", name), &file); err != nil {
			t.Fatal(err)
		}
		for _, c := range file.Tests {
			token := c.Compact + c.Token // one of them
			if token == "" {
				continue
			}
			cases++
			var keys [][]byte
			switch {
			case strings.HasSuffix(c.PublicKey, ".pem"):
				keys = [][]byte{pems.Keys[c.PublicKey].JWK}
			case c.PublicKey != "":
				keys = [][]byte{vectors(t, "joserfc", "keys", c.PublicKey)}
			}
			want := strings.HasPrefix(c.Name, "RS") || strings.HasPrefix(c.Name, "ECDSA")
			if signed(keys, token) != want {
				t.Errorf("%s: %s: accepted is %v", name, c.Name, !want)
			}
			if want {
				accepted++
			}
		}
	}
	if cases != 20 || accepted != 9 {
		t.Errorf("%d cases, %d accepted; there were 20 and 9", cases, accepted)
	}
}

func TestSpringsSignatures(t *testing.T) {
	t.Parallel()
	var fixtures struct {
		JWKS   map[string]json.RawMessage `json:"jwks_public"`
		Tokens []struct{ Name, JWKS, Token string }
	}
	if err := json.Unmarshal(vectors(t, "spring-security", "resource-server-fixtures.json"), &fixtures); err != nil {
		t.Fatal(err)
	}
	good := 0
	for _, s := range fixtures.Tokens {
		keys, err := jose.KeySet(fixtures.JWKS[s.JWKS])
		if err != nil {
			t.Fatal(err)
		}
		want := s.Name != "Unsigned" && s.Name != "WrongSignature"
		if got := signed(keys, s.Token); got != want {
			t.Errorf("%s: signed is %v", s.Name, got)
		} else if got {
			good++
		}
	}
	if good != 10 {
		t.Errorf("%d good signatures, there were 10", good)
	}
}

// printed is a signed token of a document, in each form that it has, and the keys beside it.
type printed struct {
	keys           [][]byte
	compact, other []string
}

// bundled are those of RFC 7515 and RFC 7520, by their section.
func bundled(t *testing.T, tokens map[string]*printed) {
	t.Helper()
	var bundle struct{ Files map[string]string }
	if err := json.Unmarshal(vectors(t, "rfc7515-7517-7638", "latchset-jose-vectors.json"), &bundle); err != nil {
		t.Fatal(err)
	}
	for file, text := range bundle.Files {
		kind := path.Ext(file)
		name := strings.TrimSuffix(file, kind)
		if !strings.HasPrefix(kind, ".jws") {
			continue
		}
		p := tokens[name]
		if p == nil {
			p = &printed{keys: [][]byte{[]byte(bundle.Files[name+".jwk"])}}
			if set, err := jose.KeySet([]byte(bundle.Files[name+".jwkset"])); err == nil {
				p.keys = set
			}
			tokens[name] = p
		}
		if text = strings.TrimSpace(text); kind == ".jwsc" {
			p.compact = append(p.compact, text)
		} else {
			p.other = append(p.other, text)
		}
	}
}

// cookbook are those of RFC 7520, RFC 7797 and RFC 8037, from the examples that the working group keeps, by their file.
func cookbook(t *testing.T, tokens map[string]*printed) {
	t.Helper()
	for _, name := range []string{
		"jws/4_1.rsa_v15_signature", "jws/4_2.rsa-pss_signature", "jws/4_3.ecdsa_signature", "jws/4_4.hmac-sha2_integrity_protection", "jws/4_5.signature_with_detached_content",
		"jws/4_6.protecting_specific_header_fields", "jws/4_7.protecting_content_only", "jws/4_8.multiple_signatures", "curve25519/jws", "rfc7797/4.2.hmac-sha2_b64_false", "rfc7797/hmac-sha2_b64_false",
	} {
		var v struct {
			Input  struct{ Key json.RawMessage }
			Output struct {
				Compact string
				JSON    json.RawMessage
				Flat    json.RawMessage `json:"json_flat"`
			}
		}
		if err := json.Unmarshal(vectors(t, "rfc7520-cookbook", name+".json"), &v); err != nil {
			t.Fatal(err)
		}
		p := &printed{keys: [][]byte{v.Input.Key}}
		if set, err := jose.KeySet([]byte(`{"keys":` + string(v.Input.Key) + `}`)); err == nil {
			p.keys = set // one of several signers
		}
		if v.Output.Compact != "" {
			p.compact = []string{v.Output.Compact}
		}
		for _, text := range []json.RawMessage{v.Output.JSON, v.Output.Flat} {
			if text != nil {
				p.other = append(p.other, string(text))
			}
		}
		tokens[name] = p
	}
}

// TestTokensOfTheRFCs: good is the compact form of what one public key signed. HMAC, "none", a payload that is elsewhere or
// unencoded, and JSON are refused (RFC 7519 section 1: a JWT is compact).
func TestTokensOfTheRFCs(t *testing.T) {
	t.Parallel()
	tokens := map[string]*printed{}
	bundled(t, tokens)
	cookbook(t, tokens)
	good := []string{"rfc7515_A.2", "rfc7515_A.3", "rfc7515_A.4", "rfc7520_4.1", "rfc7520_4.2", "rfc7520_4.3", "jws/4_1.rsa_v15_signature", "jws/4_2.rsa-pss_signature", "jws/4_3.ecdsa_signature", "curve25519/jws"}
	compact, other := 0, 0
	for name, p := range tokens {
		if len(p.keys) == 0 {
			t.Errorf("%s: no keys", name)
		}
		for _, token := range p.compact {
			compact++
			if got := signed(p.keys, token); got != slices.Contains(good, name) {
				t.Errorf("%s: accepted is %v", name, got)
			}
		}
		for _, token := range p.other {
			other++
			if signed(p.keys, token) {
				t.Errorf("%s: JSON is accepted", name)
			}
		}
	}
	if compact != 17 || other != 38 {
		t.Errorf("%d compact tokens and %d in JSON, there were 17 and 38", compact, other)
	}
}
