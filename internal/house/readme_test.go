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

// readmeImports are the packages that the README's code may use.
var readmeImports = map[string]string{
	"http.": "net/http", "log.": "log", "echo.": "github.com/labstack/echo/v4", "gin.": "github.com/gin-gonic/gin",
	"verifier.": module + "/verifier", "middleware.": module + "/middleware", "scopes.": module + "/scopes",
	"echoauth.": module + "/adapters/echo", "ginauth.": module + "/adapters/gin",
}

// declared is what the README's code takes for granted, unless a block declares it.
var declared = map[string]string{
	"guard":      "var guard *middleware.Guard",
	"listOrders": "var listOrders http.Handler",
}

func TestReadmeCompiles(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(readme), "\n"); n > 200 {
		t.Errorf("the README has %d lines, at most 200 are read", n)
	}
	overlay := map[string]map[string]string{"Replace": {}}
	parts := strings.Split(string(readme), "```go\n")[1:]
	for i, part := range parts {
		body, _, _ := strings.Cut(part, "```")
		for name, declaration := range declared {
			if strings.Contains(body, name) && !strings.Contains(body, name+", err :=") {
				body = declaration + "\n" + body
			}
		}
		source := "package main\n"
		for prefix, path := range readmeImports {
			if regexp.MustCompile(`\b` + regexp.QuoteMeta(prefix)).MatchString(body) {
				alias := strings.TrimSuffix(prefix, ".")
				source += fmt.Sprintf("import %s %q\n", alias, path)
			}
		}
		file := filepath.Join(t.TempDir(), fmt.Sprintf("block%d.go", i))
		if err := os.WriteFile(file, []byte(source+"func main() {\n"+body+"\n}\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		place, err := filepath.Abs(filepath.Join("readme", fmt.Sprint(i), "main.go"))
		if err != nil {
			t.Fatal(err)
		}
		overlay["Replace"][place] = file
	}
	if len(parts) < 3 {
		t.Fatalf("%d blocks of code, want one for each framework", len(parts))
	}
	text, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(t.TempDir(), "overlay.json")
	if err := os.WriteFile(list, text, 0o644); err != nil {
		t.Fatal(err)
	}
	for i := range parts {
		if out, err := exec.Command("go", "build", "-overlay", list, "-o", os.DevNull, fmt.Sprintf("./readme/%d", i)).CombinedOutput(); err != nil {
			t.Errorf("block %d: %v\n%s", i+1, err, out)
		}
	}
}
