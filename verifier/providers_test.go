package verifier_test

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard/verifier"
)

// TestProvidersDocument: each recipe's token is good under the recipe's configuration.
func TestProvidersDocument(t *testing.T) {
	t.Parallel()
	text := string(must(os.ReadFile("../docs/providers.md")))
	recipes := strings.Split(text, "\n## ")[1:]
	if len(recipes) < 17 {
		t.Fatalf("%d recipes", len(recipes))
	}
	for _, recipe := range recipes {
		title, _, _ := strings.Cut(recipe, "\n")
		t.Run(title, func(t *testing.T) {
			t.Parallel()
			code, sample := block(t, recipe, "go"), block(t, recipe, "json")
			cfg := verifier.Config{
				Issuer: one(t, code, `Issuer:\s+"([^"]*)"`), Audience: all(code, `(?m)Audience:\s+\[\]string\{(.*)\}`), Clients: all(code, `(?m)Clients:\s+\[\]string\{(.*)\}`),
				JWKS: published(),
			}
			if m := regexp.MustCompile(`verifier\.(\w+)\(\)`).FindStringSubmatch(code); m != nil {
				cfg.Profile = must(verifier.ProfileNamed(m[1]))
			}
			if strings.Contains(code, "Match:") {
				cfg.Match = map[string][]string{}
				for _, m := range regexp.MustCompile(`"([^"]+)":\s+\{"([^"]+)"\}`).FindAllStringSubmatch(code, -1) {
					cfg.Match[m[1]] = []string{m[2]}
				}
			}
			v := must(verifier.New(cfg))
			header, payload, _ := strings.Cut(sample, "\n")
			header = strings.Replace(header, `"kid": "1"`, `"kid": "rsa"`, 1)
			header = strings.Replace(header, `"kid" : "1"`, `"kid" : "rsa"`, 1)
			shift := time.Now().Unix() - 1700000000
			payload = regexp.MustCompile(`\b17000\d{5}\b`).ReplaceAllStringFunc(payload, func(s string) string {
				var n json.Number = json.Number(s)
				return string(must(json.Marshal(must(n.Int64()) + shift)))
			})
			good := compact("RS256", "rsa", header, payload)
			if _, err := v.Verify(t.Context(), good); err != nil {
				t.Error(err)
			}
		})
	}
}

// block is the one block of a language in a recipe.
func block(t *testing.T, recipe, language string) string {
	t.Helper()
	parts := strings.Split(recipe, "```"+language+"\n")
	if len(parts) != 2 {
		t.Fatalf("%d blocks of %s, want one", len(parts)-1, language)
	}
	body, _, _ := strings.Cut(parts[1], "```")
	return body
}

func one(t *testing.T, code, pattern string) string {
	t.Helper()
	m := regexp.MustCompile(pattern).FindStringSubmatch(code)
	if m == nil {
		t.Fatalf("no %s in %s", pattern, code)
	}
	return m[1]
}

// all are the strings of a list.
func all(code, pattern string) (list []string) {
	m := regexp.MustCompile(pattern).FindStringSubmatch(code)
	if m == nil {
		return nil
	}
	for _, quoted := range regexp.MustCompile(`"([^"]*)"`).FindAllStringSubmatch(m[1], -1) {
		list = append(list, quoted[1])
	}
	return list
}
