package middleware_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"testing"
)

// The challenges of these tests are read by a parser of their own; it passes what others collected for parsers.
func TestParserOnChallengesThatOthersMade(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(filepath.Join("..", "..", "shared", "vectors", "greenbytes-httpauth", "www-authenticate-challenges.json"))
	if os.IsNotExist(err) && os.Getenv("BEARERGUARD_VECTORS") != "required" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	type row struct {
		Name, Header string
		Expected     any
	}
	var file struct {
		Cases []row
		Own   []row `json:"own_output_must_parse_as"`
		Bad   []row `json:"bad_output_seen_in_the_wild"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Cases) < 28 || len(file.Own) < 5 || len(file.Bad) < 4 {
		t.Errorf("%d, %d and %d cases: fewer than there were", len(file.Cases), len(file.Own), len(file.Bad))
	}
	for _, c := range append(file.Cases, file.Own...) {
		got, err := parse(c.Header)
		switch want := c.Expected.(type) {
		case string:
			if want == "invalid" && err == nil {
				t.Errorf("%s: %q parses as %v", c.Name, c.Header, got)
			}
		case []any:
			if err != nil || len(got) != len(want) {
				t.Errorf("%s: %q: %v, %v", c.Name, c.Header, got, err)
				continue
			}
			for i := range want {
				pair := want[i].([]any)
				params := map[string]string{}
				for name, value := range pair[1].(map[string]any) {
					params[name] = value.(string)
				}
				if got[i].scheme != pair[0] || !maps.Equal(got[i].params, params) {
					t.Errorf("%s: %q: %v, want %v", c.Name, c.Header, got[i], pair)
				}
			}
		}
	}
	for _, c := range file.Bad {
		if got, err := parse(c.Header); err == nil && len(got) == 1 && got[0].scheme == "bearer" && got[0].params["error"] != "" {
			t.Errorf("%q parses as one good challenge: %v", c.Header, got)
		}
	}
}
