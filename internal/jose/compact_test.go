package jose_test

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/bearerguard/bearerguard/internal/jose"
)

func TestSplit(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", jose.MaxHeader)
	for _, tt := range []struct {
		name, token string
		want        jose.Compact
		says        string // words of the error; "": none
	}{
		{"three parts", "a.b.c", jose.Compact{Signed: "a.b", Header: "a", Payload: "b", Signature: "c"}, ""},
		{"a header as long as is allowed", long + ".b.c", jose.Compact{Signed: long + ".b", Header: long, Payload: "b", Signature: "c"}, ""},
		{"8725bis-3.14-1 a header that is longer", long + "a.b.c", jose.Compact{}, "header is longer"},
		{"nothing", "", jose.Compact{}, "no dots"},
		{"one part", "a", jose.Compact{}, "no dots"},
		{"two parts", "a.b", jose.Compact{}, "two parts"},
		{"four parts", "a.b.c.d", jose.Compact{}, "more than three parts"},
		{"8725bis-3.3-1 five parts", "a.b.c.d.e", jose.Compact{}, "JWE"},
		{"six parts", "a.b.c.d.e.f", jose.Compact{}, "more than three parts"},
		{"an empty header", ".b.c", jose.Compact{}, "empty part"},
		{"an empty payload", "a..c", jose.Compact{}, "empty part"},
		{"an empty signature", "a.b.", jose.Compact{}, "empty part"},
		{"dots alone", "..", jose.Compact{}, "empty part"},
		{"7515-3-1 a line feed", "a.b\n.c", jose.Compact{}, "character"},
		{"7515-3-1 a carriage return", "a.b.c\r", jose.Compact{}, "character"},
	} {
		got, err := jose.Split(tt.token)
		if got != tt.want || (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %+v, %v", tt.name, got, err)
		}
	}
}

func TestDecode(t *testing.T) {
	t.Parallel()
	for segment, want := range map[string]string{"": "", "YQ": "a", "YWI": "ab", "YWJj": "abc", "-_8": "\xfb\xff"} {
		if got, err := jose.Decode([]byte("x"), segment); err != nil || string(got) != "x"+want {
			t.Errorf("Decode(x, %q) = %q, %v", segment, got, err)
		}
	}
	for _, segment := range []string{"YQ==", "YQ=", "Y", "YWJjY", "YR", "YWJ", "+/8", "YW I", "YW\x00", "Y\u00e9", "YW%49"} {
		if got, err := jose.Decode(nil, segment); err == nil {
			t.Errorf("Decode(%q) = %q", segment, got)
		}
	}
}

// FuzzSplit: what is taken apart has one spelling, the one that encoding it again gives.
func FuzzSplit(f *testing.F) {
	for _, seed := range []string{"e30.e30.AA", "a.b.c", "a.b.c.d.e", "..", "YR.YQ.YQ", "e30=.e30.AA", "e3\n0.e30.AA", "opaque", `{"payload":"e30"}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		c, err := jose.Split(token)
		if err != nil {
			if c != (jose.Compact{}) {
				t.Errorf("%+v beside an error", c)
			}
			return
		}
		var parts []string
		for _, segment := range []string{c.Header, c.Payload, c.Signature} {
			decoded, err := jose.Decode(nil, segment)
			if err != nil {
				return
			}
			parts = append(parts, base64.RawURLEncoding.EncodeToString(decoded))
		}
		if again := strings.Join(parts, "."); again != token || c.Signed != parts[0]+"."+parts[1] {
			t.Errorf("%q has another spelling, %q (%+v)", token, again, c)
		}
	})
}
