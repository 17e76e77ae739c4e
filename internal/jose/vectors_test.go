package jose_test

import (
	"encoding/json"
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
	if cases < 401 || accepted != 26 {
		t.Errorf("%d cases, %d accepted; there were 401 and 26", cases, accepted)
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
