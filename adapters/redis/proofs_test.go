package redisauth_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	redisauth "github.com/bearerguard/bearerguard/adapters/redis"
)

func minute() time.Time { return time.Now().Add(time.Minute) }

func TestHowLongAProofIsKept(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	c := newClient(t, s.addr)
	r := newReplays(t, s.addr)
	// Redis' clock is no matter: what is sent is how long. A clock of ours that is years off shows it.
	past := time.Date(2001, time.January, 1, 0, 0, 0, 0, time.UTC)
	slow := mustReplays(t, redisauth.ReplayConfig{Client: newClient(t, s.addr), Now: func() time.Time { return past }})
	if first, err := slow.Once(t.Context(), "slow", past.Add(time.Minute)); !first || err != nil {
		t.Fatal(first, err)
	}
	if first, err := slow.Once(t.Context(), "slow", past.Add(time.Minute)); first || err != nil {
		t.Errorf("by a clock that is off: %v, %v", first, err)
	}
	keys := c.Keys(t.Context(), "bearerguard:proof:*").Val()
	if len(keys) != 1 || strings.Contains(keys[0], "slow") {
		t.Fatalf("%q", keys)
	}
	// Half a minute longer than it is fresh, for an instance whose clock is behind.
	if left := c.PTTL(t.Context(), keys[0]).Val(); left > 90*time.Second || left <= 60*time.Second {
		t.Errorf("kept for %v", left)
	}
	for name, until := range map[string]time.Time{"one that is over": time.Now().Add(-31 * time.Second), "the zero time": {}, "one in two days": time.Now().Add(48 * time.Hour)} {
		if first, err := r.Once(t.Context(), name, until); first || err == nil {
			t.Errorf("%s: %v, %v", name, first, err)
		}
	}
	if first, err := r.Once(t.Context(), "just over", time.Now().Add(-time.Second)); !first || err != nil {
		t.Errorf("%v, %v", first, err)
	}
	if first, err := r.Once(t.Context(), "just over", time.Now().Add(-time.Second)); first || err != nil {
		t.Errorf("%v, %v", first, err)
	}
	if n := len(c.Keys(t.Context(), "*").Val()); n != 2 {
		t.Errorf("%d keys", n)
	}
}

func mustReplays(tb testing.TB, cfg redisauth.ReplayConfig) *redisauth.Replays {
	tb.Helper()
	r, err := redisauth.NewReplays(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// TestARedisThatIsFull refuses; it makes no room by forgetting.
func TestARedisThatIsFull(t *testing.T) {
	t.Parallel()
	s := startServer(t, "--maxmemory", "1", "--maxmemory-policy", "noeviction")
	if first, err := newReplays(t, s.addr).Once(t.Context(), "p1", minute()); first || err == nil || !strings.Contains(err.Error(), "OOM") {
		t.Errorf("%v, %v", first, err)
	}
}

// TestAProofOutlivesRedis, where Redis keeps its data.
func TestAProofOutlivesRedis(t *testing.T) {
	t.Parallel()
	s := startServer(t, persistent...)
	r := newReplays(t, s.addr)
	if !once(t, r, "p1", minute()) {
		t.Fatal("not first")
	}
	s.kill()
	if first, err := r.Once(t.Context(), "p1", minute()); first || err == nil {
		t.Errorf("while it is away: %v, %v", first, err)
	}
	s.start()
	eventually(t, "Redis answers", func() bool { _, err := r.Once(t.Context(), fmt.Sprint(time.Now()), minute()); return err == nil })
	if once(t, r, "p1", minute()) {
		t.Error("the proof is forgotten")
	}
}

// TestAHangIsBoundedByTimeout, whatever the client's own timeouts are.
func TestAHangIsBoundedByTimeout(t *testing.T) {
	t.Parallel()
	patient := newClient(t, hangs(t), func(o *redis.Options) { o.DialTimeout, o.ReadTimeout, o.PoolTimeout = time.Hour, time.Hour, time.Hour })
	r := mustReplays(t, redisauth.ReplayConfig{Client: patient, Timeout: 50 * time.Millisecond})
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	if first, err := r.Once(ctx, "p1", minute()); first || err == nil || ctx.Err() != nil {
		t.Errorf("%v, %v, %v", first, err, ctx.Err())
	}
}

// TestAProofIsNotKeptForEver: to Redis, a time of zero is one without an end.
func TestAProofIsNotKeptForEver(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	now := time.Now()
	r := mustReplays(t, redisauth.ReplayConfig{Client: newClient(t, s.addr), Now: func() time.Time { return now }})
	for _, until := range []time.Time{now.Add(-30 * time.Second), now.Add(-30*time.Second - time.Nanosecond)} {
		if first, err := r.Once(t.Context(), "p1", until); first || err == nil {
			t.Errorf("%v, %v", first, err)
		}
	}
	if keys := newClient(t, s.addr).Keys(t.Context(), "*").Val(); len(keys) != 0 {
		t.Errorf("%q", keys)
	}
}
