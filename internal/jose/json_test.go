package jose_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/bearerguard/bearerguard/internal/jose"
)

var wide = jose.Limits{Depth: 600, Members: 1000}

func TestObject(t *testing.T) {
	t.Parallel()
	const text = " {\"a\" : \"x\\u0041\" ,\n\"\\u0062\":[1, {\"c\":null}],\"\":{},\"n\":-1.5e3,\"t\":true } "
	o, err := jose.ParseObject([]byte(text), wide)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"a": `"x\u0041"`, "b": `[1, {"c":null}]`, "": `{}`, "n": `-1.5e3`, "t": `true`} {
		if raw, ok := o.Get(name); !ok || raw != want {
			t.Errorf("Get(%q) = %s, %t", name, raw, ok)
		}
	}
	for _, name := range []string{"A", "c", `\u0062`, "B"} {
		if raw, ok := o.Get(name); ok || raw != "" {
			t.Errorf("Get(%q) = %s", name, raw)
		}
	}
	if !slices.Equal(o.Names(), []string{"a", "b", "", "n", "t"}) || o.Text() != text {
		t.Errorf("%q, %q", o.Names(), o.Text())
	}
	if names := (jose.Object{}).Names(); len(names) != 0 {
		t.Errorf("the zero Object has %q", names)
	}
}

func TestParseObjectRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", " ", "null", "[]", `""`, "1", "true", "{", "}", "{}{}", "{} x", "{}\x00", "\xef\xbb\xbf{}", `{"a"}`, `{"a":}`, `{"a":1,}`, `{,}`, `{a:1}`, `{'a':1}`, `{"a":1 "b":2}`, `{"a" 1}`, `{"a"::1}`,
		`{"a":1,"a":2}`, `{"a":1,"\u0061":2}`, `{"a":{"b":1,"b":1}}`, `{"a":[{"b":1,"b":1}]}`, `{"a":[[{"b":[{"c":1,"\u0063":2}]}]]}`, `{"":1,"":2}`,
		"{\"a\":\"\xff\"}", "{\"\xff\":1}", "{\"a\":\"\xed\xa0\x80\"}", "{\"a\":\"\xc0\x80\"}", `{"a":"\ud800"}`, `{"a":"\udc00\ud800"}`, `{"\ud800":1}`, "{\"a\":\"\x01\"}", `{"a":"\x"}`, `{"a":"\u00g0"}`,
		`{"a":01}`, `{"a":+1}`, `{"a":.5}`, `{"a":1.}`, `{"a":1e}`, `{"a":0x1}`, `{"a":NaN}`, `{"a":Infinity}`, `{"a":-}`, `{"a":True}`, `{"a":nul}`, `{"a":undefined}`, `{"a":/**/1}`, "{\"a\":1//\n}", "{\f}", "{\u00a0}",
	} {
		if o, err := jose.ParseObject([]byte(text), wide); err == nil {
			t.Errorf("%q is accepted: %q", text, o.Names())
		} else if len(err.Error()) > 40 {
			t.Errorf("%q: the error may quote what no log should have: %v", text, err)
		}
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	nest := func(n int) string { return `{"a":` + strings.Repeat("[", n-1) + strings.Repeat("]", n-1) + `}` }
	objects := func(n int) string { return strings.Repeat(`{"a":`, n) + `1` + strings.Repeat("}", n) }
	flat := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"%d":0`, i)
		}
		return `{"a":{` + b.String()[1:] + `}}`
	}
	for _, l := range []jose.Limits{jose.HeaderLimits, jose.PayloadLimits} {
		for _, tt := range []struct {
			name, text string
			ok         bool
		}{
			{"as deep as allowed", nest(l.Depth), true}, {"too deep", nest(l.Depth + 1), false}, {"objects as deep as allowed", objects(l.Depth), true}, {"objects too deep", objects(l.Depth + 1), false},
			{"as many members as allowed", flat(l.Members - 1), true}, {"too many members", flat(l.Members), false},
			{"side by side is not deep", `{"a":[` + strings.Repeat("[],", 500) + `[]]}`, true},
			{"brackets, colons and quotation marks in a string", `{"a":"` + strings.Repeat(`{[:\"\\`, 2000) + `"}`, true},
			{"a string that ends in a backslash, then too deep", `{"a":"\\","b":` + strings.Repeat("[", l.Depth) + strings.Repeat("]", l.Depth) + `}`, false},
			{"a closing bracket in a string opens nothing", `{"a":["]]]]]]]]",` + nest(l.Depth-1) + `]}`, false},
		} {
			if _, err := jose.ParseObject([]byte(tt.text), l); (err == nil) != tt.ok {
				t.Errorf("%+v: %s: %v", l, tt.name, err)
			}
		}
	}
}

func TestABombCostsNothing(t *testing.T) { // not parallel: it counts allocations
	bomb := []byte(strings.Repeat("[", 1<<20)) // refused before a decoder keeps any state for it
	if n := testing.AllocsPerRun(200, func() { jose.ParseObject(bomb, wide) }); n > 4 {
		t.Errorf("%v allocations for a bomb", n)
	}
}

func TestStringAndStrings(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{`""`: "", `"a"`: "a", `"\u0061\n\"\\\/"`: "a\n\"\\/", `"\ud83d\ude00"`: "\U0001f600"} {
		if got, ok := jose.String(raw); !ok || got != want {
			t.Errorf("String(%s) = %q, %t", raw, got, ok)
		}
	}
	for _, raw := range []string{"", "1", "null", "true", "[]", "{}", `["a"]`} {
		if got, ok := jose.String(raw); ok || got != "" {
			t.Errorf("String(%s) = %q", raw, got)
		}
	}
	for raw, want := range map[string][]string{`[]`: {}, `["a", "\u0062" ,""]`: {"a", "b", ""}} {
		if got, ok := jose.Strings(raw); !ok || !slices.Equal(got, want) {
			t.Errorf("Strings(%s) = %q, %t", raw, got, ok)
		}
	}
	for _, raw := range []string{"", `"a"`, "null", "1", "{}", "[1]", `["a",1]`, `["a",null]`, `[["a"]]`, `["a",{}]`, `[true]`} {
		if got, ok := jose.Strings(raw); ok || got != nil {
			t.Errorf("Strings(%s) = %q", raw, got)
		}
	}
}

func TestKeySetIsLenientOutside(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, document string
		want           int // keys; -1: an error
	}{
		{"a set", `{"keys":[{"kty":"RSA"},{"kty":"EC"}]}`, 2},
		{"7517-4-1 unknown members", `{"x":[1,{"y":null}],"keys":[{}],"z":1}`, 1},
		{"a byte order mark", "\xef\xbb\xbf" + `{"keys":[{}]}`, 1},
		{"a member twice", `{"a":1,"a":2,"keys":[{}]}`, 1},
		{"a member twice inside of one key", `{"keys":[{"kid":"a","kid":"b"},{}]}`, 2},
		{"bad UTF-8 inside of one key", "{\"keys\":[{\"kid\":\"\xff\"},{}]}", 2},
		{"7517-5-1 keys that are no objects", `{"keys":[1,null,"x",[],{}]}`, 5},
		{"an empty set", `{"keys":[]}`, 0},
		{"Keys is not keys", `{"Keys":[{}]}`, -1},
		{"keys that are no array", `{"keys":{}}`, -1},
		{"keys that are null", `{"keys":null}`, -1},
		{"no keys", `{}`, -1},
		{"an array", `[{"kty":"RSA"}]`, -1},
		{"nothing", ``, -1},
		{"a page", `<html>`, -1},
		{"half a set", `{"keys":[{}`, -1},
		{"something behind it", `{"keys":[]}x`, -1},
		{"a hundred", `{"keys":[` + strings.Repeat("{},", 99) + `{}]}`, 100},
		{"one more", `{"keys":[` + strings.Repeat("{},", 100) + `{}]}`, -1},
		{"two arrays", `{"keys":[1,2],"keys":[{}]}`, 1},
	} {
		keys, err := jose.KeySet([]byte(tt.document))
		if n := len(keys); (err != nil) != (tt.want < 0) || err == nil && n != tt.want {
			t.Errorf("%s: %d keys, %v", tt.name, n, err)
		}
	}
}

// TestKeySetOfManyKeys: what a document makes of memory is bounded before its keys are kept, and counted.
func TestKeySetOfManyKeys(t *testing.T) {
	document := []byte(`{"keys":[` + strings.Repeat("0,", 500_000) + `0]}`)
	if n := testing.AllocsPerRun(1, func() {
		if _, err := jose.KeySet(document); err == nil || !strings.Contains(err.Error(), "more than 100 keys") {
			t.Error(err)
		}
	}); n > 1000 {
		t.Errorf("%v allocations", n)
	}
}

// TestJSONTestSuite runs the cases that nobody may accept, and those objects that everybody must.
func TestJSONTestSuite(t *testing.T) {
	t.Parallel()
	var suite struct {
		Cases []struct {
			Name, Expect string
			Bytes        []byte `json:"bytes_b64"`
		}
	}
	if err := json.Unmarshal(vectors(t, "jsontestsuite", "jsontestsuite.json"), &suite); err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, c := range suite.Cases {
		_, err := jose.ParseObject(c.Bytes, wide)
		object := bytes.HasPrefix(bytes.TrimLeft(c.Bytes, " \t\r\n"), []byte("{"))
		twice := strings.Contains(c.Name, "duplicated_key") || strings.Contains(c.Name, "object_same_key")
		switch {
		case c.Expect == "reject" || twice || !object:
			if err == nil {
				t.Errorf("%s is accepted", c.Name)
			}
			count["refused"]++
		case c.Expect == "accept":
			if err != nil {
				t.Errorf("%s: %v", c.Name, err)
			}
			count["accepted"]++
		default:
			count["either"]++
		}
	}
	if len(suite.Cases) != 340 || count["accepted"] < 10 {
		t.Errorf("%d cases: %v", len(suite.Cases), count)
	}
}

// FuzzParseObject: what is accepted means the same to encoding/json, and has each name once.
func FuzzParseObject(f *testing.F) {
	for _, seed := range []string{`{}`, ` {"a":1,"b":[{"c":"d"}]} `, `{"a":"\u0061\ud83d\ude00"}`, `{"a":1,"a":2}`, `{"a":{"b":1,"b":2}}`, `{"a":1e400}`, "{\"\xff\":1}", `[]`, `{"a":"\ud800"}`, `{"":""}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		o, err := jose.ParseObject(text, jose.PayloadLimits)
		var want map[string]json.RawMessage
		theirs := json.Unmarshal(text, &want)
		if err != nil {
			return
		}
		if theirs != nil || !utf8.Valid(text) {
			t.Fatalf("%q is accepted, encoding/json says %v", text, theirs)
		}
		names := o.Names()
		if len(names) != len(want) {
			t.Fatalf("%q has names twice: %q", text, names)
		}
		for _, name := range names {
			raw, _ := o.Get(name)
			if raw != string(want[name]) {
				t.Errorf("%q: %q is %s, encoding/json says %s", text, name, raw, want[name])
			}
			s, isString := jose.String(raw)
			var other string
			if theirs := json.Unmarshal([]byte(raw), &other); isString != (theirs == nil && raw != "null") || s != other {
				t.Errorf("String(%s) = %q, %t; encoding/json says %q, %v", raw, s, isString, other, theirs)
			}
			list, isList := jose.Strings(raw)
			var others []string
			if theirs := json.Unmarshal([]byte(raw), &others); isList && (theirs != nil || !slices.Equal(list, others)) {
				t.Errorf("Strings(%s) = %q; encoding/json says %q, %v", raw, list, others, theirs)
			}
		}
	})
}

// vectors is the folder of data that others made, beside the repository. Where it is missing, the test is skipped,
// unless BEARERGUARD_VECTORS=required.
func vectors(t testing.TB, path ...string) []byte {
	t.Helper()
	shared := filepath.Join("..", "..", "..", "shared", "vectors")
	if _, err := os.Stat(shared); errors.Is(err, os.ErrNotExist) && os.Getenv("BEARERGUARD_VECTORS") != "required" {
		t.Skip(err)
	}
	data, err := os.ReadFile(filepath.Join(append([]string{shared}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}
