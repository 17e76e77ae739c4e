// Command mutants proves that no safeguard can be lost unnoticed: it takes each of them out of a copy of this repository
// in turn, by a small patch, and wants the tests to fail. The patches are in mutants.go.
//
//	go run ./internal/mutants [-only regexp] [-list] [-j copies]
//
// It ends with 1 if a mutant survives, if a patch no longer applies (what it replaces must occur exactly once) or no longer
// builds, or if the tests fail without any patch. Tests that read the folder shared beside the repository find it beside each copy.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// mutant is one safeguard taken out.
type mutant struct {
	Name     string   // which one
	File     string   // from the root of the module
	Old, New string   // Old occurs exactly once in File
	Packages []string // whose tests must notice; none: the package of File
	Run      string   // names, as go test's -run does, the tests that are known to notice, to save time; "": all
}

func (m *mutant) packages() []string {
	if len(m.Packages) > 0 {
		return m.Packages
	}
	return []string{"./" + path.Dir(m.File)}
}

// apply returns the file's text with the patch in it.
func (m *mutant) apply(text string) (string, error) {
	if n := strings.Count(text, m.Old); n != 1 {
		return "", fmt.Errorf("what it replaces occurs %d times", n)
	}
	return strings.Replace(text, m.Old, m.New, 1), nil
}

// verdict is what a run of the tests said. Only killed is good news.
type verdict string

const (
	killed   verdict = "killed by"
	survived verdict = "SURVIVED"
	stale    verdict = "NO LONGER APPLIES"
	broken   verdict = "DOES NOT BUILD"
	red      verdict = "NOT RUN, red without it:" // a failing test would kill every mutant
)

func main() {
	only := flag.String("only", "", "run the mutants whose name or file matches this `regexp`")
	list := flag.Bool("list", false, "list them and run none")
	copies := flag.Int("j", 2, "how many to run at a time, each in a copy of the repository of its own")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	good, err := run(ctx, *only, *list, max(1, *copies))
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
	}
	if err != nil || !good {
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, only string, list bool, copies int) (good bool, err error) {
	pattern, err := regexp.Compile(only)
	if err != nil {
		return false, err
	}
	selected := slices.DeleteFunc(slices.Clone(mutants), func(m mutant) bool {
		return !pattern.MatchString(m.Name) && !pattern.MatchString(m.File)
	})
	if len(selected) == 0 {
		return false, errors.New("-only matches no mutant")
	}
	if list {
		for _, m := range selected {
			fmt.Printf("%-70s %s\n", m.Name, m.File)
		}
		return true, nil
	}
	root, err := moduleRoot()
	if err != nil {
		return false, err
	}
	scratch, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(scratch)
	trees := make(chan string, copies)
	for i := range copies {
		tree, err := copyTree(root, filepath.Join(scratch, fmt.Sprint(i)))
		if err != nil {
			return false, err
		}
		trees <- tree
	}
	return runAll(ctx, selected, trees)
}

// runAll prints a line for each mutant as it is done, and a summary.
func runAll(ctx context.Context, selected []mutant, trees chan string) (good bool, err error) {
	start := time.Now()
	tree := <-trees
	failing, err := baseline(ctx, tree, selected)
	trees <- tree
	if err != nil {
		return false, err
	}
	var (
		mu    sync.Mutex
		wg    sync.WaitGroup
		count = map[verdict]int{}
	)
	for _, m := range selected {
		tree := <-trees
		wg.Go(func() {
			defer func() { trees <- tree }()
			began := time.Now()
			v, detail := kill(ctx, tree, &m, failing)
			if ctx.Err() != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			count[v]++
			fmt.Printf("%-70s %-25s %s %s (%.1fs)\n", m.Name, m.File, v, detail, time.Since(began).Seconds())
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return false, err
	}
	fmt.Printf("%d mutants, %d killed, %d survived, %d no longer apply, %d do not build, %d not run (%.0fs)\n",
		len(selected), count[killed], count[survived], count[stale], count[broken], count[red], time.Since(start).Seconds())
	return count[killed] == len(selected), nil
}

// baseline runs the tests without a patch and returns, for each package that fails, a test that does.
func baseline(ctx context.Context, tree string, selected []mutant) (failing map[string]string, err error) {
	var packages []string
	for i := range selected {
		packages = append(packages, selected[i].packages()...)
	}
	slices.Sort(packages)
	failing = map[string]string{}
	for _, p := range slices.Compact(packages) {
		switch v, detail := test(ctx, tree, []string{p}, ""); v {
		case killed:
			failing[p] = detail
		case broken:
			return nil, fmt.Errorf("%s does not build: %s", p, detail)
		}
	}
	return failing, ctx.Err()
}

// kill patches the tree, runs the tests and takes the patch out again. Tests that ought to kill the mutant and don't
// are no proof that none does: then the whole package runs.
func kill(ctx context.Context, tree string, m *mutant, failing map[string]string) (verdict, string) {
	for _, p := range m.packages() {
		if name := failing[p]; name != "" {
			return red, name
		}
	}
	file := filepath.Join(tree, filepath.FromSlash(m.File))
	text, err := os.ReadFile(file)
	if err != nil {
		return stale, err.Error()
	}
	mutated, err := m.apply(string(text))
	if err != nil {
		return stale, err.Error()
	}
	if err := os.WriteFile(file, []byte(mutated), 0o644); err != nil {
		return stale, err.Error()
	}
	defer os.WriteFile(file, text, 0o644) // if that fails, so does the next one
	v, detail := test(ctx, tree, m.packages(), m.Run)
	if v == survived && m.Run != "" {
		if v, detail = test(ctx, tree, m.packages(), ""); v == killed {
			detail += ", not by " + m.Run
		}
	}
	return v, detail
}

// test runs the tests of some packages. Vet is left out: a mutant may well look odd.
func test(ctx context.Context, tree string, packages []string, only string) (verdict, string) {
	args := []string{"test", "-json", "-count=1", "-failfast", "-timeout=120s", "-vet=off", "-trimpath"} // trimpath: the copies share the build cache
	if only != "" {
		args = append(args, "-run", only)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, packages...)...)
	cmd.Dir = tree
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) } // ends the tests too
	cmd.WaitDelay = 10 * time.Second
	var stderr strings.Builder
	cmd.Stderr = &stderr
	stdout, err := cmd.Output()
	if err == nil {
		return survived, ""
	}
	v, detail := read(stdout)
	return v, cmp.Or(detail, strings.TrimSpace(stderr.String()), err.Error())
}

// read finds in what go test -json wrote why it failed: the build, or else the first test that failed.
func read(stdout []byte) (verdict, string) {
	var test, crash, build string
	failed, unbuilt := false, false
	for line := range strings.Lines(string(stdout)) {
		var e struct{ Action, Package, Test, Output string }
		if json.Unmarshal([]byte(line), &e) != nil {
			continue
		}
		output := strings.TrimSpace(e.Output)
		switch {
		case e.Action == "build-fail":
			unbuilt = true
		case e.Action == "build-output" && !strings.HasPrefix(output, "#"):
			build = cmp.Or(build, output)
		case e.Action == "fail":
			failed = true
			test = cmp.Or(test, e.Test)
		case e.Action == "output" && (strings.HasPrefix(output, "panic: ") || strings.HasPrefix(output, "fatal error: ")):
			crash = cmp.Or(crash, output)
		}
	}
	switch {
	case unbuilt || !failed:
		return broken, build
	case test == "":
		return killed, cmp.Or(crash, "the package")
	}
	return killed, test
}

// moduleRoot is the folder of go.mod at or above the working directory.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if filepath.Dir(dir) == dir {
			return "", errors.New("no go.mod here or above")
		}
		dir = filepath.Dir(dir)
	}
}

// copyTree copies the repository into a folder, and makes what stands beside it as "shared" stand beside the copy.
func copyTree(root, folder string) (tree string, err error) {
	tree = filepath.Join(folder, filepath.Base(root))
	err = filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		target := filepath.Join(tree, rel)
		switch {
		case d.IsDir() && (d.Name() == ".git" || d.Name() == "node_modules"):
			return fs.SkipDir
		case d.IsDir():
			return os.MkdirAll(target, 0o755)
		case !d.Type().IsRegular():
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		return os.WriteFile(target, text, 0o644)
	})
	if err != nil {
		return "", err
	}
	shared := filepath.Join(filepath.Dir(root), "shared")
	if _, err := os.Stat(shared); err != nil {
		return tree, nil
	}
	return tree, os.Symlink(shared, filepath.Join(folder, "shared"))
}
