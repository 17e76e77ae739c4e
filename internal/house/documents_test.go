package house_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// documentImports are the packages that the code of the README and of docs may use.
var documentImports = map[string]string{
	"http.": "net/http", "log.": "log", "os.": "os", "time.": "time", "errors.": "errors", "context.": "context", "echo.": "github.com/labstack/echo/v4", "gin.": "github.com/gin-gonic/gin",
	"verifier.": module + "/verifier", "middleware.": module + "/middleware", "scopes.": module + "/scopes",
	"introspection.": module + "/verifier/introspection", "oauth2.": "golang.org/x/oauth2", "clientcredentials.": "golang.org/x/oauth2/clientcredentials",
	"echoauth.": module + "/adapters/echo", "ginauth.": module + "/adapters/gin",
	"testing.": "testing", "verifiertest.": module + "/verifier/verifiertest",
}

// declared is what that code takes for granted.
var declared = map[string]string{
	"guard":      "var guard *middleware.Guard",
	"listOrders": "var listOrders http.Handler",
	"ctx":        "var ctx context.Context",
	"raw":        "var raw string",
	"jwks":       "var jwks []byte",
	"t.Fatal":    "var t *testing.T",
}

// TestDocumentsCompile compiles every block of Go in the README and in docs; what others' code looked like stands in
// blocks of "go before".
func TestDocumentsCompile(t *testing.T) {
	t.Parallel()
	documents, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	overlay := map[string]map[string]string{"Replace": {}}
	var names []string
	for _, document := range append(documents, filepath.Join(root, "README.md")) {
		text, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		for i, part := range strings.Split(string(text), "```go\n")[1:] {
			body, _, _ := strings.Cut(part, "```")
			name := fmt.Sprintf("%s-%d", strings.TrimSuffix(filepath.Base(document), ".md"), i+1)
			file := filepath.Join(t.TempDir(), name+".go")
			if err := os.WriteFile(file, []byte(program(body)), 0o644); err != nil {
				t.Fatal(err)
			}
			place, err := filepath.Abs(filepath.Join("documents", name, "main.go"))
			if err != nil {
				t.Fatal(err)
			}
			overlay["Replace"][place] = file
			names = append(names, name)
		}
	}
	if len(names) < 9 {
		t.Fatalf("%d blocks of code, want one for each framework and each library that is left", len(names))
	}
	text, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(t.TempDir(), "overlay.json")
	if err := os.WriteFile(list, text, 0o644); err != nil {
		t.Fatal(err)
	}
	args := []string{"build", "-overlay", list} // of several programs none is linked
	for _, name := range names {
		args = append(args, "./documents/"+name)
	}
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// program is a block of a document as a whole program.
func program(body string) string {
	if strings.Contains(body, "cfg := ") {
		body += "_ = cfg"
	}
	code := "func main() {\n" + body + "\n}\n"
	for name, declaration := range declared {
		if regexp.MustCompile(`\b` + name + `\b`).MatchString(body) {
			code = declaration + "\n" + code
		}
	}
	source := "package main\n"
	for prefix, path := range documentImports {
		if regexp.MustCompile(`\b` + regexp.QuoteMeta(prefix)).MatchString(code) {
			source += fmt.Sprintf("import %s %q\n", strings.TrimSuffix(prefix, "."), path)
		}
	}
	return source + code
}

func TestReadmeIsShort(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(readme), "\n"); n > 200 {
		t.Errorf("the README has %d lines, at most 200 are read", n)
	}
}
