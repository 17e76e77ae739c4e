// Package house_test holds the rules of this repository that no compiler knows: who may import what, and that a change
// of the public API is a diff in review.
package house_test

import (
	"flag"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	module = "github.com/bearerguard/bearerguard"
	root   = "../.."
)

var update = flag.Bool("update", false, "write the golden files of the API anew")

// public lists the packages whose documentation is a promise.
var public = []string{
	"scopes", "verifier", "verifier/introspection", "verifier/verifiertest", "middleware", "adapters/echo", "adapters/gin", "verifier/revocation",
}

// owners says where alone a third-party package may be imported; the last part of an entry is a file or a folder.
var owners = []struct {
	imported string
	by       []string
}{
	{"github.com/lestrrat-go/jwx/", []string{"internal/jose/keys.go", "verifier/verifiertest/issuer.go"}},
	{"github.com/go-json-experiment/json", []string{"internal/jose/json.go"}},
	{"github.com/hashicorp/golang-lru/", []string{"internal/lru/lru.go"}},
	{"github.com/labstack/echo/", []string{"adapters", "examples"}},
	{"github.com/gin-gonic/gin", []string{"adapters", "examples"}},
	{"golang.org/x/oauth2", []string{"examples"}},
}

// layers stand from the bottom up: a folder may import this module's packages of its own list alone.
var layers = []struct {
	folder string
	may    []string
}{
	{"scopes", nil},
	{"internal/jose", nil},
	{"internal/fetch", nil},
	{"internal/lru", nil},
	{"internal/ctxkey", nil},
	{"internal/seam", nil},
	{"verifier", []string{"scopes", "internal", "verifier"}},
	{"middleware", []string{"scopes", "verifier", "internal"}},
	{"adapters", []string{"scopes", "verifier", "middleware", "adapters"}},
	{"examples", []string{"scopes", "verifier", "middleware", "adapters", "examples", "internal"}},
}

// imports gives the imports of every file of this module that is not a test.
func imports(t *testing.T) map[string][]string {
	t.Helper()
	files := map[string][]string{}
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel := filepath.ToSlash(strings.TrimPrefix(name, root+string(filepath.Separator)))
		if d.IsDir() {
			if _, err := os.Stat(filepath.Join(name, "go.mod")); name != root && (err == nil || strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules") {
				return fs.SkipDir // a nested module has rules of its own
			}
			return nil
		}
		if !strings.HasSuffix(rel, ".go") || strings.HasSuffix(rel, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		files[rel] = []string{}
		for _, i := range f.Imports {
			files[rel] = append(files[rel], strings.Trim(i.Path.Value, `"`))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func under(file, place string) bool { return file == place || strings.HasPrefix(file, place+"/") }

func TestThirdPartyPackagesHaveOneOwner(t *testing.T) {
	t.Parallel()
	found := map[string]bool{}
	for file, list := range imports(t) {
		for _, imported := range list {
			first, _, _ := strings.Cut(imported, "/")
			if !strings.Contains(first, ".") || strings.HasPrefix(imported, module) {
				continue
			}
			i := slices.IndexFunc(owners, func(o struct {
				imported string
				by       []string
			}) bool {
				return strings.HasPrefix(imported, o.imported)
			})
			if i < 0 {
				t.Errorf("%s imports %s, which no list knows", file, imported)
				continue
			}
			found[owners[i].imported] = true
			if !slices.ContainsFunc(owners[i].by, func(place string) bool { return under(file, place) }) {
				t.Errorf("%s imports %s: only %s may", file, imported, strings.Join(owners[i].by, " and "))
			}
		}
	}
	for _, o := range owners {
		if !found[o.imported] {
			t.Errorf("nobody imports %s any more: take it off the list", o.imported)
		}
	}
}

func TestImportsGoOneWay(t *testing.T) {
	t.Parallel()
	for file, list := range imports(t) {
		for _, layer := range layers {
			if !under(file, layer.folder) {
				continue
			}
			for _, imported := range list {
				own, ok := strings.CutPrefix(imported, module+"/")
				if ok && !slices.ContainsFunc(layer.may, func(place string) bool { return under(own, place) }) {
					t.Errorf("%s imports %s: %s may import %v", file, own, layer.folder, layer.may)
				}
			}
			if layer.folder == "scopes" && slices.ContainsFunc(list, func(s string) bool { return strings.Contains(s, ".") }) {
				t.Errorf("%s imports more than the standard library", file)
			}
		}
	}
}

// foreign finds a type of a third-party package in documentation; an adapter shows its framework's.
var foreign = regexp.MustCompile(`\b(jwk|jwt|jws|jwa|jwe|jsontext|lru|simplelru|echo|gin|oauth2)\.[A-Z]\w*`)

func TestAPI(t *testing.T) {
	t.Parallel()
	for _, pkg := range public {
		t.Run(pkg, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command("go", "doc", "-all", "./"+pkg)
			cmd.Dir = root
			doc, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, doc)
			}
			for _, name := range foreign.FindAllString(string(doc), -1) {
				if own, _, _ := strings.Cut(name, "."); own != path.Base(pkg) {
					t.Errorf("%s shows a type of another project: %s", pkg, name)
				}
			}
			golden := filepath.Join("testdata", strings.ReplaceAll(pkg, "/", "_")+".txt")
			if *update {
				if err := os.WriteFile(golden, doc, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if string(want) != string(doc) {
				t.Errorf("the API of %s differs from %s; if that is meant: go test ./internal/house -update", pkg, golden)
			}
		})
	}
}
