// Package exampletest runs the examples as their users do.
package exampletest

import (
	"bytes"
	"errors"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds how long a test waits for something, on a busy machine too.
const patience = 30 * time.Second

// Build builds the program whose test this is, and returns its path.
func Build(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "example")
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-s -w", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

// Program is a program that runs, or ran.
type Program struct {
	Stdout, Stderr Output
	cmd            *exec.Cmd
	exited         chan struct{}
}

// Start starts a program with this environment and no other. It is killed at the end of the test.
func Start(t *testing.T, path string, env []string, args ...string) *Program {
	t.Helper()
	p := &Program{cmd: exec.Command(path, args...), exited: make(chan struct{})}
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = append([]string{"TMPDIR=" + t.TempDir()}, env...), &p.Stdout, &p.Stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.exited)
		_ = p.cmd.Wait() // ExitCode tells
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // an error means that it has ended
		<-p.exited
	})
	return p
}

// Run runs a program to its end.
func Run(t *testing.T, path string, env []string, args ...string) *Program {
	t.Helper()
	p := Start(t, path, env, args...)
	p.ExitCode(t)
	return p
}

// ExitCode waits for the end.
func (p *Program) ExitCode(t *testing.T) int {
	t.Helper()
	select {
	case <-p.exited:
	case <-time.After(patience):
		t.Fatalf("the program runs on\n%s%s", &p.Stdout, &p.Stderr)
	}
	return p.cmd.ProcessState.ExitCode()
}

// Stop asks the program to stop, and expects that it does so in good order.
func (p *Program) Stop(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); errors.Is(err, errors.ErrUnsupported) || runtime.GOOS == "windows" {
		t.Skip("there are no signals here")
	} else if err != nil {
		t.Fatal(err)
	}
	if code := p.ExitCode(t); code != 0 {
		t.Errorf("exit code %d after SIGTERM, want 0\n%s", code, &p.Stderr)
	}
}

// HidesEach expects that no secret stands in what the program wrote.
func (p *Program) HidesEach(t *testing.T, secrets ...string) {
	t.Helper()
	for _, secret := range secrets {
		for _, out := range []string{p.Stdout.String(), p.Stderr.String()} {
			if strings.Contains(out, secret) {
				t.Errorf("the output has the secret %q:\n%s", secret, out)
			}
		}
	}
}

// Output is what a program has written so far.
type Output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// Await waits until the output matches, and returns what FindStringSubmatch does.
func (o *Output) Await(t *testing.T, pattern string) (match []string) {
	t.Helper()
	expr := regexp.MustCompile(pattern)
	Eventually(t, pattern+" in the output", func() bool {
		match = expr.FindStringSubmatch(o.String())
		return match != nil
	})
	return match
}

// Eventually asks again and again until something is true.
func Eventually(t *testing.T, what string, isTrue func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !isTrue(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("no %s within %v", what, patience)
		}
	}
}
