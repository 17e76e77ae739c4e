package main

import (
	"os"
	"path/filepath"
	"testing"
)

// A patch that no longer applies is found at once, not in the minutes that a run takes.
func TestPatchesApply(t *testing.T) {
	t.Parallel()
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, m := range mutants {
		if names[m.Name] {
			t.Errorf("%s: a second mutant of that name", m.Name)
		}
		names[m.Name] = true
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(m.File)))
		if err != nil {
			t.Errorf("%s: %v", m.Name, err)
			continue
		}
		mutated, err := m.apply(string(text))
		if err != nil {
			t.Errorf("%s: %s: %v: %s", m.Name, m.File, err, m.Old)
		} else if mutated == string(text) {
			t.Errorf("%s: changes nothing", m.Name)
		}
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, output string
		want         verdict
		detail       string
	}{
		{"a subtest fails before its parent", `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"fail","Package":"p","Test":"TestA/b"}
{"Action":"fail","Package":"p","Test":"TestA"}
{"Action":"fail","Package":"p"}`, killed, "TestA/b"},
		{"a crash between tests", `{"Action":"output","Package":"p","Output":"panic: oops\n"}
{"Action":"fail","Package":"p"}`, killed, "panic: oops"},
		{"a build that fails is no kill", `{"ImportPath":"p","Action":"build-output","Output":"# p\n"}
{"ImportPath":"p","Action":"build-output","Output":"p.go:1:1: no\n"}
{"ImportPath":"p","Action":"build-fail"}
{"Action":"fail","Package":"p","FailedBuild":"p"}`, broken, "p.go:1:1: no"},
		{"nothing ran", ``, broken, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got, detail := read([]byte(tt.output)); got != tt.want || detail != tt.detail {
				t.Errorf("got %s %q", got, detail)
			}
		})
	}
}
