package interop_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"regexp"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	// readyTimeout bounds how long a process may take to get ready, on a machine
	// that is busy with other tests.
	readyTimeout = 30 * time.Second
	// pollInterval is how often a condition is looked at while waiting for it.
	pollInterval = 25 * time.Millisecond
	// exitMargin is what is kept of the test binary's own time limit to end the
	// processes in: past the limit no cleanup runs.
	exitMargin = 5 * time.Second
	// outputLimit bounds what is kept of a process's output.
	outputLimit = 64 << 10
)

// interrupted ends when somebody stops the test binary. The processes are in groups
// of their own, so the terminal's signal doesn't reach them.
var interrupted context.Context

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	interrupted = ctx

	dir, err := os.MkdirTemp("", "interop")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	programDir = dir
	return m.Run()
}

// A process is a running program, and the processes that it started.
type process struct {
	name string
	out  output
	exit chan struct{} // closed once it has ended
	kill context.CancelFunc
}

// startProcess runs a program with these environment variables and PATH and HOME
// only, and kills it when the test ends.
func startProcess(t *testing.T, name string, env []string, command string, args ...string) *process {
	t.Helper()
	ctx, cancel := processContext(t)
	p := &process{name: name, exit: make(chan struct{}), kill: cancel}
	cmd := exec.CommandContext(ctx, command, args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}, env...)
	cmd.Stdout, cmd.Stderr = &p.out, &p.out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	if err := cmd.Start(); err != nil {
		cancel()
		t.Fatalf("start %s: %v", name, err)
	}
	go func() {
		defer close(p.exit)
		_ = cmd.Wait() // how it ended is in its output
	}()
	t.Cleanup(p.stop)
	return p
}

// processContext ends with the test, when somebody stops the test binary, or shortly
// before its time is up.
func processContext(t *testing.T) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(t.Context())
	context.AfterFunc(interrupted, cancel)
	if limit, ok := t.Deadline(); ok {
		return context.WithDeadline(ctx, limit.Add(-exitMargin))
	}
	return ctx, cancel
}

// stop kills the process and waits until it is gone. It may be called again.
func (p *process) stop() {
	p.kill()
	<-p.exit
}

// waitFor waits until ok reports true. A process that ends or takes too long fails
// the test.
func (p *process) waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	deadline := time.After(readyTimeout)
	for !ok() {
		select {
		case <-p.exit:
			t.Fatalf("%s ended while waiting for %s; it wrote:\n%s", p.name, what, p.out.redacted())
		case <-deadline:
			t.Fatalf("%s: no %s within %v; it wrote:\n%s", p.name, what, readyTimeout, p.out.redacted())
		case <-tick.C:
		}
	}
}

// output keeps the beginning of what a process writes.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.buf.Write(b[:min(len(b), outputLimit-o.buf.Len())])
	return len(b), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

var jwt = regexp.MustCompile(`\beyJ[\w-]*(\.[\w-]*)+`)

// redacted is for test logs: it has no tokens in it.
func (o *output) redacted() string {
	return jwt.ReplaceAllLiteralString(o.String(), "[token]")
}

// freePort finds a port on 127.0.0.1 for a server that has to keep it over a
// restart. It lies below the ranges from which systems number outgoing connections,
// so that none of those takes it in between.
func freePort(t *testing.T) string {
	t.Helper()
	const low, high, attempts = 10_000, 32_000, 100
	for range attempts {
		port := strconv.Itoa(low + rand.IntN(high-low))
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
		if err != nil {
			continue
		}
		l.Close()
		return port
	}
	t.Fatalf("no free port found in %d attempts", attempts)
	return ""
}
