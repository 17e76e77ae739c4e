package redisauth_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	redisauth "github.com/bearerguard/bearerguard/adapters/redis"
	"github.com/bearerguard/bearerguard/verifier/revocation"
)

// freezeOpen holds the connections that there are. Later ones pass.
func (p *proxy) freezeOpen() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		p.held[c] = true
	}
}

// say writes to the clients what Redis didn't.
func (p *proxy) say(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for n, c := range p.conns {
		if n%2 == 0 {
			_, _ = c.Write([]byte(text))
		}
	}
}

// losesAndRegains waits until the connection is no longer trusted, and then for another one.
func (i *instance) losesAndRegains() {
	i.tb.Helper()
	for _, lost := range []bool{true, false} {
		select {
		case err := <-i.changes:
			if (err != nil) != lost {
				i.tb.Errorf("OnChange: %v, lost: %t", err, lost)
			}
		case <-time.After(soon):
			i.tb.Fatalf("OnChange is not called, lost: %t", lost)
		}
	}
}

// TestAConnectionThatDiesInSilence: nobody says that it is over, so another one must be made.
func TestAConnectionThatDiesInSilence(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	p := startProxy(t, s.addr)
	// Its end is to be noticed by the missing pong. What compares the entries comes too late for this test: after 40 s.
	i := newInstance(t, p.addr(), func(cfg *redisauth.RevocationConfig) { cfg.MaxSilence = soon / 8 }).run().ready()
	if err := <-i.changes; err != nil {
		t.Fatal(err)
	}
	p.freezeOpen()
	i.losesAndRegains()
	i.ready()
}

// TestASubscriptionThatIsReplaced: the client made another connection by itself. What was revoked in between came on neither.
func TestASubscriptionThatIsReplaced(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	p := startProxy(t, s.addr)
	i := newInstance(t, p.addr()).run().ready()
	if err := <-i.changes; err != nil {
		t.Fatal(err)
	}
	const channel = "bearerguard:{revoked}:news"
	p.say(fmt.Sprintf(">3\r\n$9\r\nsubscribe\r\n$%d\r\n%s\r\n:1\r\n", len(channel), channel))
	i.losesAndRegains()
}

// TestMoreDeadThanOneCallTakesOut: those that are left don't lend their dates to new ones.
func TestMoreDeadThanOneCallTakesOut(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	c := newClient(t, s.addr)
	now := time.Now()
	alice := revocation.Entry{Issuer: issuer, Subject: "alice", IssuedBefore: now, Until: now.Add(time.Hour)}
	dead := func(field string, until time.Time) {
		c.HSet(t.Context(), "bearerguard:{revoked}:entries", field, fmt.Sprint(now.Add(time.Hour).UnixMilli(), " ", until.UnixMilli()))
		c.ZAdd(t.Context(), "bearerguard:{revoked}:index", redis.Z{Score: float64(until.UnixMilli()), Member: field})
	}
	for n := range 1000 {
		dead(fmt.Sprint(n), now.Add(-time.Hour))
	}
	dead(record(t, alice).Target+"@", now.Add(-10*time.Minute))
	newInstance(t, s.addr).revoke(alice)
	want := fmt.Sprint(record(t, alice).IssuedBefore.UnixMilli(), " ", record(t, alice).Until.UnixMilli())
	if got := c.HGetAll(t.Context(), "bearerguard:{revoked}:entries").Val(); len(got) != 1 || got[record(t, alice).Target+"@"] != want {
		t.Errorf("%v, want %s", got, want)
	}
}

// holds lets each command of one kind wait: its channel is received from when one arrives, and again to let it pass.
type holds struct {
	command string
	turn    chan struct{}
}

func (h holds) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h holds) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func (h holds) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, c redis.Cmder) error {
		for range 2 {
			if c.Name() != h.command {
				break
			}
			select {
			case h.turn <- struct{}{}:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return next(ctx, c)
	}
}

// TestNewsDontWaitForTheComparison: while what is known is compared with what Redis has, and all of it read again perhaps,
// revocations are followed all the same.
func TestNewsDontWaitForTheComparison(t *testing.T) {
	t.Parallel()
	const silence = 200 * time.Millisecond
	s := startServer(t)
	compares := holds{"zcount", make(chan struct{})}
	a := newInstance(t, s.addr)
	b := newInstance(t, s.addr, func(cfg *redisauth.RevocationConfig) {
		client := newClient(t, s.addr)
		client.AddHook(compares)
		cfg.Client, cfg.MaxSilence, cfg.Timeout = client, silence, soon
	}).run().ready()
	for try := range 5 { // a machine that is busy may make a pause of its own
		<-compares.turn
		for len(b.changes) > 0 {
			<-b.changes
		}
		select {
		case err := <-b.changes:
			t.Logf("try %d: %v", try, err)
			continue
		case <-time.After(3 * silence):
		}
		a.revoke(byID("t1"))
		b.becomes(claims(t, "t1"), "revoked")
		return
	}
	t.Error("each time they are no longer followed")
}

// TestRunLeavesNoGoroutine is not parallel: the goroutines of the other tests are not its.
func TestRunLeavesNoGoroutine(t *testing.T) {
	s := startServer(t)
	stacks := make([]byte, 1<<20)
	for range 50 {
		newInstance(t, s.addr).run().ready().stop()
		eventually(t, "no goroutine is left", func() bool { // Run waits for its last act, behind which it ends
			return !strings.Contains(string(stacks[:runtime.Stack(stacks, true)]), "adapters/redis.(*session)")
		})
	}
}
