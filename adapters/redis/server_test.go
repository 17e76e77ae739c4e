package redisauth_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	// soon is how long a test waits for what should happen at once, on a machine that is busy with other tests.
	soon = 30 * time.Second
	// look is how often a condition is looked at meanwhile.
	look = time.Millisecond
)

// eventually waits until ok reports true.
func eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	tick := time.NewTicker(look)
	defer tick.Stop()
	for end := time.Now().Add(soon); !ok(); <-tick.C {
		if time.Now().After(end) {
			tb.Fatalf("not within %v: %s", soon, what)
		}
	}
}

// server is a Redis on loopback that can be killed and started again at its port.
type server struct {
	tb   testing.TB
	addr string
	args []string
	cmd  *exec.Cmd
	out  bytes.Buffer
}

// startServer starts one that is killed when the test is over. Further arguments are Redis' own.
func startServer(tb testing.TB, args ...string) *server {
	tb.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		tb.Fatal("redis-server is missing: run ./install.sh")
	}
	const attempts = 20 // somebody may take the port between its choice and the start
	for range attempts {
		port := freePort(tb)
		s := &server{tb: tb, addr: net.JoinHostPort("127.0.0.1", port)}
		s.args = append([]string{"--port", port, "--bind", "127.0.0.1", "--dir", tb.TempDir(), "--save", "", "--daemonize", "no"}, args...)
		if s.tryStart() {
			tb.Cleanup(s.kill)
			return s
		}
	}
	tb.Fatalf("redis-server did not start in %d attempts", attempts)
	return nil
}

// persistent servers keep what they have confirmed, whatever happens to them.
var persistent = []string{"--appendonly", "yes", "--appendfsync", "always"}

func (s *server) tryStart() bool {
	s.cmd = exec.Command("redis-server", s.args...)
	s.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
	s.cmd.Stdout, s.cmd.Stderr = &s.out, &s.out
	if err := s.cmd.Start(); err != nil {
		s.tb.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = s.cmd.Wait()
		close(ended)
	}()
	s.cmd.Cancel = func() error { <-ended; return nil }
	tick := time.NewTicker(look)
	defer tick.Stop()
	for end := time.Now().Add(soon); time.Now().Before(end); {
		if c, err := net.Dial("tcp", s.addr); err == nil {
			c.Close()
			return true
		}
		select {
		case <-ended:
			return false
		case <-tick.C:
		}
	}
	s.tb.Fatal("redis-server does not listen")
	return false
}

// start starts it again.
func (s *server) start() {
	s.tb.Helper()
	if !s.tryStart() {
		s.tb.Fatalf("redis-server ended: %s", s.out.String())
	}
}

// kill ends it without a chance to save anything.
func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Cancel()
}

// freePort lies below those of outgoing connections.
func freePort(tb testing.TB) string {
	tb.Helper()
	const low, high, attempts = 10_000, 32_000, 100
	for range attempts {
		port := strconv.Itoa(low + rand.IntN(high-low))
		if l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port)); err == nil {
			l.Close()
			return port
		}
	}
	tb.Fatalf("no free port in %d attempts", attempts)
	return ""
}

// newClient is closed when the test is over.
func newClient(tb testing.TB, addr string, change ...func(*redis.Options)) *redis.Client {
	tb.Helper()
	o := &redis.Options{Addr: addr, ContextTimeoutEnabled: true}
	for _, f := range change {
		f(o)
	}
	c := redis.NewClient(o)
	tb.Cleanup(func() { c.Close() })
	return c
}

// quiet keeps the client's own log out of the tests' output: outages are meant here.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

func TestMain(m *testing.M) {
	redis.SetLogger(quiet{})
	os.Exit(m.Run())
}

// proxy stands between a client and Redis, and misbehaves when told to.
type proxy struct {
	net.Listener
	to string

	mu     sync.Mutex
	conns  []net.Conn
	frozen chan struct{} // closed: bytes pass
	held   map[net.Conn]bool
	mute   bool // the next answer is lost, and the connection with it
}

func startProxy(tb testing.TB, to string) *proxy {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	p := &proxy{Listener: l, to: to, frozen: make(chan struct{}), held: map[net.Conn]bool{}}
	close(p.frozen)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { p.serve(in) })
		}
	})
	tb.Cleanup(func() {
		l.Close()
		p.thaw()
		p.cut()
		wg.Wait()
	})
	return p
}

func (p *proxy) addr() string { return p.Listener.Addr().String() }

func (p *proxy) serve(in net.Conn) {
	defer in.Close()
	out, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	defer out.Close()
	p.mu.Lock()
	p.conns = append(p.conns, in, out)
	p.mu.Unlock()
	var wg sync.WaitGroup
	wg.Go(func() { p.pass(out, in, false) })
	wg.Go(func() { p.pass(in, out, true) })
	wg.Wait()
}

func (p *proxy) pass(dst, src net.Conn, answers bool) {
	defer dst.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := src.Read(buffer)
		p.mu.Lock()
		frozen, mute := p.frozen, answers && p.mute && n > 0
		if mute {
			p.mute = false
		}
		held := p.held[src]
		p.mu.Unlock()
		if held && err == nil {
			continue // swallowed
		}
		<-frozen
		if err != nil || mute {
			src.Close()
			return
		}
		if _, err := dst.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// freeze holds all bytes, in both directions, without closing anything.
func (p *proxy) freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frozen = make(chan struct{})
}

func (p *proxy) thaw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.frozen:
	default:
		close(p.frozen)
	}
}

// cut closes all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		c.Close()
	}
	p.conns = nil
}

// loseAnswer lets the next answer get lost.
func (p *proxy) loseAnswer() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mute = true
}

// hangs is the address of a listener that accepts and never answers.
func hangs(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				_, _ = io.Copy(io.Discard, c)
			})
		}
	})
	tb.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

// refuses is an address where nobody listens.
func refuses(tb testing.TB) string { return fmt.Sprint("127.0.0.1:", freePort(tb)) }
