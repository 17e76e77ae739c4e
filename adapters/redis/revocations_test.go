package redisauth_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	redisauth "github.com/bearerguard/bearerguard/adapters/redis"
	"github.com/bearerguard/bearerguard/verifier"
	"github.com/bearerguard/bearerguard/verifier/revocation"
	"github.com/bearerguard/bearerguard/verifier/verifiertest"
)

const issuer = "https://as.example.com"

// instance is one of several that share revocations.
type instance struct {
	*redisauth.Revocations
	tb      testing.TB
	changes chan error // of OnChange
	stop    func()     // ends Run, and waits for that
}

func newInstance(tb testing.TB, addr string, change ...func(*redisauth.RevocationConfig)) *instance {
	tb.Helper()
	i := &instance{tb: tb, changes: make(chan error, 10_000)}
	cfg := redisauth.RevocationConfig{Client: newClient(tb, addr), OnChange: func(err error) { i.changes <- err }}
	for _, f := range change {
		f(&cfg)
	}
	var err error
	if i.Revocations, err = redisauth.NewRevocations(cfg); err != nil {
		tb.Fatal(err)
	}
	return i
}

// run starts Run, which ends with the test at the latest.
func (i *instance) run() *instance {
	i.tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- i.Run(ctx) }()
	i.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if !errors.Is(err, context.Canceled) {
				i.tb.Errorf("Run = %v", err)
			}
		case <-time.After(soon):
			i.tb.Error("Run does not end")
		}
	})
	i.tb.Cleanup(i.stop)
	return i
}

// ready waits until revocations are followed.
func (i *instance) ready() *instance {
	i.tb.Helper()
	eventually(i.tb, "revocations are up to date", func() bool { return i.Health() == nil })
	return i
}

func (i *instance) revoke(entries ...revocation.Entry) {
	i.tb.Helper()
	if err := i.Revoke(i.tb.Context(), entries...); err != nil {
		i.tb.Fatal(err)
	}
}

// says is "good", "revoked" or "unavailable".
func (i *instance) says(c *verifier.Claims) string {
	i.tb.Helper()
	revoked, err := i.Revoked(i.tb.Context(), c)
	switch {
	case errors.Is(err, verifier.ErrUnavailable) && !revoked:
		return "unavailable"
	case err != nil:
		i.tb.Fatalf("%v, %v", revoked, err)
	case revoked:
		return "revoked"
	}
	return "good"
}

// becomes waits until an instance says so of a token.
func (i *instance) becomes(c *verifier.Claims, want string) {
	i.tb.Helper()
	eventually(i.tb, "a token is "+want, func() bool { return i.says(c) == want })
}

func claims(tb testing.TB, jti string, more ...map[string]any) *verifier.Claims {
	tb.Helper()
	all := map[string]any{"iss": issuer, "jti": jti}
	for _, m := range more {
		for name, value := range m {
			all[name] = value
		}
	}
	return verifiertest.Claims(tb, all)
}

func byID(jti string) revocation.Entry {
	return revocation.Entry{Issuer: issuer, ID: jti, Until: time.Now().Add(time.Hour)}
}

// quick lets outages be noticed at once.
func quick(cfg *redisauth.RevocationConfig) { cfg.MaxSilence = 100 * time.Millisecond }

func TestARevocationReachesEveryInstance(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	a := newInstance(t, s.addr).run().ready()
	// With so long a silence b compares its entries with Redis' every ten minutes: the news alone can tell it.
	b := newInstance(t, s.addr, func(cfg *redisauth.RevocationConfig) { cfg.MaxSilence = time.Minute }).run().ready()
	now := time.Now()
	for name, tt := range map[string]struct {
		entry      revocation.Entry
		bad, spare *verifier.Claims
	}{
		"FAPI-5.3.4-3 by id": {byID("t1"), claims(t, "t1"), claims(t, "t2")},
		"by subject": {revocation.Entry{Issuer: issuer, Subject: "alice", Until: now.Add(time.Hour)},
			claims(t, "t3", map[string]any{"sub": "alice"}), claims(t, "t3", map[string]any{"sub": "alice", "iss": "https://as.example.org"})},
		"by client": {revocation.Entry{Issuer: issuer, ClientID: "app", Until: now.Add(time.Hour)},
			claims(t, "t4", map[string]any{"client_id": "app"}), claims(t, "t4", map[string]any{"sub": "app"})},
		"BUG-241 by date": {revocation.Entry{Issuer: issuer, Subject: "bob", IssuedBefore: now, Until: now.Add(time.Hour)},
			claims(t, "t5", map[string]any{"sub": "bob", "iat": now.Add(-time.Second)}), claims(t, "t6", map[string]any{"sub": "bob", "iat": now.Add(time.Second)})},
		"BUG-241 by date, without iat": {revocation.Entry{Issuer: issuer, Subject: "carol", IssuedBefore: now, Until: now.Add(time.Hour)},
			claims(t, "t7", map[string]any{"sub": "carol", "iat": nil}), claims(t, "t7", map[string]any{"sub": "dave", "iat": nil})},
	} {
		t.Run(name, func(t *testing.T) {
			if got := b.says(tt.bad); got != "good" {
				t.Fatalf("before: %s", got)
			}
			a.revoke(tt.entry)
			if got := a.says(tt.bad); got != "revoked" {
				t.Errorf("where it was revoked: %s", got)
			}
			b.becomes(tt.bad, "revoked")
			late := newInstance(t, s.addr).run().ready()
			for who, i := range map[string]*instance{"a": a, "b": b, "one that starts later": late} {
				if bad, spare := i.says(tt.bad), i.says(tt.spare); bad != "revoked" || spare != "good" {
					t.Errorf("%s: %s, %s", who, bad, spare)
				}
			}
		})
	}
}

// TestARevocationReachesEveryInstanceWithinASecond: by the news alone, for with so long a silence entries are compared every ten
// minutes. Of several times the shortest counts: a machine that is busy makes each of the others as long as it likes.
func TestARevocationReachesEveryInstanceWithinASecond(t *testing.T) {
	t.Parallel()
	const instances, tries = 3, 10
	s := startServer(t)
	seldom := func(cfg *redisauth.RevocationConfig) { cfg.MaxSilence = time.Minute }
	a := newInstance(t, s.addr)
	var others []*instance
	for range instances {
		others = append(others, newInstance(t, s.addr, seldom).run().ready())
	}
	least := soon
	for n := range tries {
		c := claims(t, fmt.Sprint("t", n))
		start := time.Now()
		a.revoke(byID(c.ID()))
		for _, i := range others {
			i.becomes(c, "revoked")
		}
		least = min(least, time.Since(start))
	}
	if least >= time.Second {
		t.Errorf("after %v at the soonest", least)
	}
	for _, i := range others {
		if n := len(i.changes); n != 1 {
			t.Errorf("OnChange was told %d times: what was read at a new connection came by no news", n)
		}
	}
}

func TestBehindAVerifier(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	as := verifiertest.NewIssuer(t)
	i := newInstance(t, s.addr, quick)
	tokens := verifier.WithRevocation(as.Verifier(), i.Revoked)
	one, two := as.Token("read", map[string]any{"jti": "one"}), as.Token("read", map[string]any{"jti": "two"})
	verify := func(token string) error { _, err := tokens.Verify(t.Context(), token); return err }

	var away *verifier.UnavailableError
	if err := verify(one); !errors.As(err, &away) || away.RetryAfter <= 0 || !strings.Contains(err.Error(), "does Run run?") {
		t.Errorf("before Run: %v", err)
	}
	i.run().ready()
	eventually(t, "a token is good", func() bool { return verify(one) == nil })
	i.revoke(revocation.Entry{Issuer: as.URL(), ID: "one", Until: time.Now().Add(time.Hour)})
	t.Run("BUG-237 a remembered token", func(t *testing.T) {
		if err := verify(one); !errors.Is(err, verifier.ErrRevoked) {
			t.Errorf("%v", err)
		}
	})
	s.kill()
	eventually(t, "a token can't be told", func() bool { return errors.Is(verify(two), verifier.ErrUnavailable) })
	if err := verify(one); !errors.Is(err, verifier.ErrRevoked) {
		t.Errorf("a token that is known to be revoked, in an outage: %v", err)
	}
	if err := i.Health(); err == nil || !strings.Contains(err.Error(), "not up to date") {
		t.Errorf("Health = %v", err)
	}
}

func TestOutages(t *testing.T) {
	t.Parallel()
	for name, persists := range map[string][]string{"Redis keeps its data": persistent, "Redis loses its data": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startServer(t, persists...)
			a, b := newInstance(t, s.addr, quick).run().ready(), newInstance(t, s.addr, quick).run().ready()
			before, dated, meanwhile, good := claims(t, "before"), claims(t, "dated", map[string]any{"sub": "alice"}), claims(t, "meanwhile"), claims(t, "good")
			a.revoke(byID("before"), revocation.Entry{Issuer: issuer, Subject: "alice", IssuedBefore: time.Now().Add(time.Minute), Until: time.Now().Add(time.Hour)})
			b.becomes(dated, "revoked")

			s.kill()
			for _, i := range []*instance{a, b} {
				i.becomes(good, "unavailable")
				if i.says(before) != "revoked" || i.says(dated) != "revoked" {
					t.Error("what was known to be revoked no longer is")
				}
			}
			err := a.Revoke(t.Context(), byID("meanwhile"))
			if err == nil || !strings.Contains(err.Error(), "not surely in the others") || a.says(meanwhile) != "revoked" {
				t.Errorf("a revocation in an outage: %v, %s", err, a.says(meanwhile))
			}

			s.start()
			b.becomes(meanwhile, "revoked") // written by a when it was back
			a.ready()
			b.ready()
			late := newInstance(t, s.addr, quick).run().ready()
			for who, i := range map[string]*instance{"a": a, "b": b, "one that starts later": late} {
				i.becomes(good, "good")
				for _, c := range []*verifier.Claims{before, dated, meanwhile} {
					if got := i.says(c); got != "revoked" {
						t.Errorf("%s: %v is %s", who, c, got)
					}
				}
			}
		})
	}
}

// TestNothingMissedIsLost: an instance whose connection is held or cut never takes a token for good that was revoked
// longer than MaxSilence ago.
func TestNothingMissedIsLost(t *testing.T) {
	t.Parallel()
	const silence = 200 * time.Millisecond
	for name, disturb := range map[string]func(*proxy){
		"the connection is held":              func(p *proxy) { p.freeze() },
		"the connection is held and then cut": func(p *proxy) { p.freeze(); p.cut() },
		"the connection is cut":               func(p *proxy) { p.cut() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startServer(t)
			p := startProxy(t, s.addr)
			a := newInstance(t, s.addr).run().ready()
			b := newInstance(t, p.addr(), func(cfg *redisauth.RevocationConfig) { cfg.MaxSilence = silence }).run().ready()
			for round := range 5 {
				c := claims(t, fmt.Sprint("t", round))
				if round > 0 {
					b.ready()
				}
				disturb(p)
				a.revoke(byID(c.ID()))
				limit := time.Now().Add(silence)
				thaw := time.AfterFunc(3*silence, p.thaw)
				eventually(t, "it is revoked", func() bool {
					asked := time.Now()
					got := b.says(c)
					if got == "good" && asked.After(limit) {
						t.Fatalf("round %d: good %v too late", round, asked.Sub(limit))
					}
					return got == "revoked"
				})
				thaw.Stop()
				p.thaw()
			}
		})
	}
}

func TestTheServerEndsASubscription(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	c := newClient(t, s.addr)
	a, b := newInstance(t, s.addr).run().ready(), newInstance(t, s.addr).run().ready()
	for i := range 30 {
		if err := c.ClientKillByFilter(t.Context(), "TYPE", "pubsub").Err(); err != nil {
			t.Fatal(err)
		}
		a.revoke(byID(fmt.Sprint("t", i)))
	}
	for i := range 30 {
		b.becomes(claims(t, fmt.Sprint("t", i)), "revoked")
	}
}

func TestDataThatIsLostWithoutAnOutage(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	c := newClient(t, s.addr)
	a := newInstance(t, s.addr, quick).run().ready()
	a.revoke(byID("t1"), byID("t2"))
	if err := c.FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is written again", func() bool { return c.HLen(t.Context(), "bearerguard:{revoked}:entries").Val() == 2 })
	if got := newInstance(t, s.addr).run().ready().says(claims(t, "t1")); got != "revoked" {
		t.Errorf("%s", got)
	}
	t.Run("and an entry whose news were lost", func(t *testing.T) {
		b := newInstance(t, s.addr)
		quietly := newClient(t, s.addr)
		if err := b.Revoke(t.Context(), byID("t3")); err != nil { // to see how it is written
			t.Fatal(err)
		}
		a.becomes(claims(t, "t3"), "revoked")
		field := record(t, byID("t4")).Target
		until := time.Now().Add(time.Hour).UnixMilli()
		quietly.HSet(t.Context(), "bearerguard:{revoked}:entries", field, fmt.Sprint("0 ", until))
		quietly.ZAdd(t.Context(), "bearerguard:{revoked}:index", redis.Z{Score: float64(until), Member: field})
		a.becomes(claims(t, "t4"), "revoked")
	})
}

func record(tb testing.TB, e revocation.Entry) revocation.Record {
	tb.Helper()
	r, err := e.Record()
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func TestRedisIsAwayAtTheStart(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	s.kill()
	good := claims(t, "good")
	i := newInstance(t, s.addr, quick)
	if got := i.says(good); got != "unavailable" {
		t.Errorf("before Run: %s", got)
	}
	i.run()
	if err := <-i.changes; err == nil {
		t.Error("OnChange: revocations are followed, it says")
	}
	if got := i.says(good); got != "unavailable" || i.Health() == nil {
		t.Errorf("without Redis: %s", got)
	}
	s.start()
	if err := <-i.changes; err != nil {
		t.Errorf("OnChange: %v", err)
	}
	i.becomes(good, "good")
	if err := i.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("a second Run: %v", err)
	}
	i.stop()
	i.becomes(good, "unavailable")
	i.run().ready()
}

func TestGoingOnWithoutRedis(t *testing.T) {
	t.Parallel()
	s := startServer(t, persistent...)
	dangerous := func(cfg *redisauth.RevocationConfig) { quick(cfg); cfg.DangerouslyGoOnWithoutRedis = true }
	i := newInstance(t, s.addr, dangerous)
	good, bad, meanwhile := claims(t, "good"), claims(t, "bad"), claims(t, "meanwhile")
	if got := i.says(good); got != "unavailable" {
		t.Errorf("before the first attempt: %s", got)
	}
	i.run().ready().revoke(byID("bad"))
	s.kill()
	eventually(t, "Redis is away", func() bool { return i.Health() != nil })
	if i.says(good) != "good" || i.says(bad) != "revoked" {
		t.Error("it does not go on with what it knows")
	}
	late := newInstance(t, s.addr, dangerous)
	if got := late.says(bad); got != "unavailable" {
		t.Errorf("before the first attempt: %s", got)
	}
	late.run()
	late.becomes(bad, "good") // that is the danger
	if late.Health() == nil {
		t.Error("its health is good")
	}
	s.start()
	late.becomes(bad, "revoked")
	i.ready().revoke(byID("meanwhile"))
	late.becomes(meanwhile, "revoked")
}

func TestWrongPassword(t *testing.T) {
	t.Parallel()
	s := startServer(t, "--requirepass", "correct horse")
	wrong := func(cfg *redisauth.RevocationConfig) {
		cfg.Client = newClient(t, s.addr, func(o *redis.Options) { o.Password = "battery staple" })
	}
	i := newInstance(t, s.addr, quick, wrong).run()
	err := <-i.changes
	if err == nil || !strings.Contains(err.Error(), "WRONGPASS") || strings.Contains(err.Error(), "staple") {
		t.Errorf("OnChange: %v", err)
	}
	if got := i.says(claims(t, "t1")); got != "unavailable" {
		t.Errorf("%s", got)
	}
	if err := i.Health(); err == nil || !strings.Contains(err.Error(), "WRONGPASS") {
		t.Errorf("Health = %v", err)
	}
	if err := i.Revoke(t.Context(), byID("t1")); err == nil || !strings.Contains(err.Error(), "WRONGPASS") {
		t.Errorf("Revoke = %v", err)
	}
	right := newInstance(t, s.addr, func(cfg *redisauth.RevocationConfig) {
		cfg.Client = newClient(t, s.addr, func(o *redis.Options) { o.Password = "correct horse" })
	})
	right.run().ready()
}

func TestRedisHangs(t *testing.T) {
	t.Parallel()
	const timeout = 50 * time.Millisecond
	i := newInstance(t, hangs(t), func(cfg *redisauth.RevocationConfig) { quick(cfg); cfg.Timeout = timeout }).run()
	start := time.Now()
	if err := i.Revoke(t.Context(), byID("t1")); !errors.Is(err, context.DeadlineExceeded) && !strings.Contains(fmt.Sprint(err), "timeout") {
		t.Errorf("Revoke = %v", err)
	}
	if err := <-i.changes; err == nil {
		t.Error("OnChange: revocations are followed, it says")
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("noticed after %v", took)
	}
	if i.says(claims(t, "t1")) != "revoked" || i.says(claims(t, "t2")) != "unavailable" {
		t.Error("it does not fail closed")
	}
	start = time.Now()
	i.stop()
	if took := time.Since(start); took > time.Second {
		t.Errorf("Run ended after %v", took)
	}
}

func TestFlood(t *testing.T) {
	t.Parallel()
	const most, tries = 250, 400
	s := startServer(t)
	bound := func(cfg *redisauth.RevocationConfig) { cfg.Max = most }
	a, b := newInstance(t, s.addr, bound).run().ready(), newInstance(t, s.addr, bound).run().ready()
	var wg sync.WaitGroup
	added := make([][]string, 2)
	for n, i := range []*instance{a, b} {
		wg.Go(func() {
			for k := range tries {
				id := fmt.Sprint(n, "-", k)
				switch err := i.Revoke(t.Context(), byID(id)); {
				case err == nil:
					added[n] = append(added[n], id)
				case !errors.Is(err, revocation.ErrFull):
					t.Errorf("%v", err)
				}
			}
		})
	}
	wg.Wait()
	if n := len(added[0]) + len(added[1]); n != most {
		t.Errorf("%d were added, want %d", n, most)
	}
	for _, list := range added {
		for _, id := range list {
			a.becomes(claims(t, id), "revoked")
			b.becomes(claims(t, id), "revoked")
		}
	}
	if a.says(claims(t, "other")) != "good" || b.says(claims(t, "other")) != "good" {
		t.Error("the flood takes the instances down")
	}
	if err := a.Revoke(t.Context(), byID(added[0][0]), byID("one too many")); !errors.Is(err, revocation.ErrFull) || !strings.Contains(err.Error(), "of 2 new ones 1 were added") {
		t.Errorf("one that is there and one that is not: %v", err)
	}
	if got := a.says(claims(t, "one too many")); got != "good" {
		t.Errorf("one that was refused: %s", got)
	}
	small := newInstance(t, s.addr, quick, func(cfg *redisauth.RevocationConfig) { cfg.Max = most/2 - 1 }).run()
	if err := <-small.changes; !errors.Is(err, revocation.ErrFull) || small.says(claims(t, "other")) != "unavailable" {
		t.Errorf("an instance that can't hold them all: %v", err)
	}
}

func TestManyEntries(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	a := newInstance(t, s.addr).run().ready()
	var list []revocation.Entry
	for i := range 20_000 {
		list = append(list, byID(fmt.Sprint("t", i)))
	}
	a.revoke(list...)
	b := newInstance(t, s.addr).run().ready()
	for i := range 20_000 {
		a.becomes(claims(t, fmt.Sprint("t", i)), "revoked")
		b.becomes(claims(t, fmt.Sprint("t", i)), "revoked")
	}
}

func TestDatesGrowLater(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	c := newClient(t, s.addr)
	a := newInstance(t, s.addr) // without Run: Redis joins the entries
	now := time.Now()
	sub := func(before, until time.Duration) revocation.Entry {
		return revocation.Entry{Issuer: issuer, Subject: "alice", IssuedBefore: now.Add(before), Until: now.Add(until)}
	}
	a.revoke(sub(0, time.Minute), sub(-time.Hour, time.Hour), sub(-time.Minute, time.Second), revocation.Entry{Issuer: issuer, Subject: "alice", Until: now.Add(time.Second)})
	b := newInstance(t, s.addr).run().ready()
	clock := verifiertest.NewFakeClock(now.Add(time.Hour))
	late := newInstance(t, s.addr, func(cfg *redisauth.RevocationConfig) { cfg.Now = clock.Now }).run().ready()
	alice := func(iat time.Duration) *verifier.Claims {
		return claims(t, "t", map[string]any{"sub": "alice", "iat": now.Add(iat)})
	}
	if b.says(alice(time.Hour)) != "revoked" {
		t.Error("the entry without a date")
	}
	if late.says(alice(-2*time.Second)) != "revoked" || late.says(alice(time.Hour)) != "good" {
		t.Error("in an hour, when the one without a date is dead")
	}
	a.revoke(revocation.Entry{Issuer: issuer, Subject: "bob", IssuedBefore: now.AddDate(-70, 0, 0), Until: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)})
	a.revoke(revocation.Entry{Issuer: issuer, Subject: "bob", IssuedBefore: now.AddDate(-80, 0, 0), Until: now})
	clock.Advance(now.AddDate(5000, 0, 0).Sub(now))
	late.becomes(claims(t, "t", map[string]any{"sub": "bob", "iat": nil}), "revoked")
	t.Run("the dead are taken out, and their dates with them", func(t *testing.T) {
		dead := record(t, sub(0, 0)).Target + "@"
		for _, field := range []string{dead, dead + "2"} {
			c.HSet(t.Context(), "bearerguard:{revoked}:entries", field, fmt.Sprint(now.Add(time.Hour).UnixMilli(), " ", now.Add(-10*time.Minute).UnixMilli()))
			c.ZAdd(t.Context(), "bearerguard:{revoked}:index", redis.Z{Score: float64(now.Add(-10 * time.Minute).UnixMilli()), Member: field})
		}
		a.revoke(sub(-time.Hour, time.Hour))
		if n := c.HLen(t.Context(), "bearerguard:{revoked}:entries").Val(); n != 3 {
			t.Errorf("%d entries, want 3", n)
		}
		if got := c.HGet(t.Context(), "bearerguard:{revoked}:entries", dead).Val(); !strings.HasPrefix(got, fmt.Sprint(now.Add(-time.Hour).Unix())) {
			t.Errorf("%s", got)
		}
	})
}

func TestNoNameIsInClear(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	c := newClient(t, s.addr)
	news := c.PSubscribe(t.Context(), "*")
	defer news.Close()
	if _, err := news.Receive(t.Context()); err != nil {
		t.Fatal(err)
	}
	a := newInstance(t, s.addr, func(cfg *redisauth.RevocationConfig) { cfg.Prefix = "shop" })
	a.revoke(revocation.Entry{Issuer: issuer, Subject: "alice", Until: time.Now().Add(time.Hour)}, byID("a-token-id"), revocation.Entry{Issuer: issuer, ClientID: "a-client", Until: time.Now().Add(time.Hour)})
	message, err := news.ReceiveMessage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	keys := c.Keys(t.Context(), "*").Val()
	written := fmt.Sprint(keys, message, c.HGetAll(t.Context(), "shop:{revoked}:entries").Val(), c.ZRange(t.Context(), "shop:{revoked}:index", 0, -1).Val())
	if !strings.Contains(written, "sub:") || !strings.Contains(written, "client:") || !strings.Contains(written, "jti:") {
		t.Fatalf("not what was written: %s", written)
	}
	for _, name := range []string{"alice", "a-token-id", "a-client", "example.com"} {
		if strings.Contains(written, name) {
			t.Errorf("%q is in clear: %s", name, written)
		}
	}
	for _, key := range append(keys, message.Channel) {
		if !strings.HasPrefix(key, "shop:") {
			t.Errorf("%q doesn't begin with the prefix", key)
		}
	}
	t.Run("another prefix is another service", func(t *testing.T) {
		if got := newInstance(t, s.addr).run().ready().says(claims(t, "a-token-id")); got != "good" {
			t.Errorf("%s", got)
		}
	})
}

func TestWhatNoneOfUsWrote(t *testing.T) {
	t.Parallel()
	target := record(t, byID("t1")).Target
	for name, write := range map[string]func(c *redis.Client){
		"a field that is no target": func(c *redis.Client) { c.HSet(context.Background(), "bearerguard:{revoked}:entries", "x", "0 1") },
		"a value that is no dates":  func(c *redis.Client) { c.HSet(context.Background(), "bearerguard:{revoked}:entries", target, "soon") },
		"a value with one date":     func(c *redis.Client) { c.HSet(context.Background(), "bearerguard:{revoked}:entries", target, "1") },
		"a key of another type":     func(c *redis.Client) { c.Set(context.Background(), "bearerguard:{revoked}:entries", "x", 0) },
		"an Until in the year 50000": func(c *redis.Client) {
			c.HSet(context.Background(), "bearerguard:{revoked}:entries", target, "0 1515724800000000")
		},
		"a message that is no entries": nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startServer(t)
			c := newClient(t, s.addr)
			if write != nil {
				write(c)
			}
			i := newInstance(t, s.addr, quick).run()
			if write == nil {
				if err := <-i.changes; err != nil {
					t.Fatal(err)
				}
				c.Publish(t.Context(), "bearerguard:{revoked}:news", "hello")
			}
			if err := <-i.changes; err == nil {
				t.Error("OnChange: nil")
			}
			if write != nil && i.says(claims(t, "good")) != "unavailable" {
				t.Error("it is trusted")
			}
		})
	}
}

func TestACluster(t *testing.T) {
	t.Parallel()
	s := startServer(t, "--cluster-enabled", "yes")
	c := newClient(t, s.addr)
	if err := c.ClusterAddSlotsRange(t.Context(), 0, 16383).Err(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the cluster is up", func() bool { return strings.Contains(c.ClusterInfo(t.Context()).Val(), "cluster_state:ok") })
	clustered := func(cfg *redisauth.RevocationConfig) {
		client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{s.addr}, ContextTimeoutEnabled: true})
		t.Cleanup(func() { client.Close() })
		cfg.Client = client
	}
	a, b := newInstance(t, s.addr, clustered).run().ready(), newInstance(t, s.addr, clustered).run().ready()
	a.revoke(byID("t1"), byID("t2"))
	b.becomes(claims(t, "t2"), "revoked")
}

func TestMistakesOfRevocations(t *testing.T) {
	t.Parallel()
	client := newClient(t, refuses(t))
	careless := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1"})
	cluster := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{"127.0.0.1:1"}})
	ring := redis.NewRing(&redis.RingOptions{Addrs: map[string]string{"a": "127.0.0.1:1"}})
	replicas := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{"127.0.0.1:1"}, ContextTimeoutEnabled: true, ReadOnly: true})
	nearest := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{"127.0.0.1:1"}, ContextTimeoutEnabled: true, RouteByLatency: true})
	t.Cleanup(func() { careless.Close(); cluster.Close(); ring.Close(); replicas.Close(); nearest.Close() })
	for want, cfgs := range map[string][]redisauth.RevocationConfig{
		"Client is nil":               {{}, {Client: (*redis.Client)(nil)}},
		"ContextTimeoutEnabled":       {{Client: careless}, {Client: cluster}, {Client: ring}},
		"asks replicas":               {{Client: replicas}, {Client: nearest}},
		"Prefix is":                   {{Client: client, Prefix: "{shop}"}},
		"Timeout is":                  {{Client: client, Timeout: -1}, {Client: client, Timeout: time.Hour}},
		"MaxSilence is":               {{Client: client, MaxSilence: -1}, {Client: client, MaxSilence: 1}, {Client: client, MaxSilence: time.Hour}},
		"Max is -1":                   {{Client: client, Max: -1}, {Max: -1}},
		"nil: make one with redis.Ne": {{Max: -1}},
	} {
		for _, cfg := range cfgs {
			if r, err := redisauth.NewRevocations(cfg); r != nil || err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %q", err, want)
			}
		}
	}
	i := newInstance(t, refuses(t))
	if err := i.Revoke(t.Context(), byID("t1"), revocation.Entry{}, revocation.Entry{Issuer: issuer, ID: "t2"}); err == nil || strings.Count(err.Error(), "Until is zero") != 2 || i.says(claims(t, "t1")) == "revoked" {
		t.Errorf("%v", err)
	}
	for _, zero := range []*redisauth.Revocations{nil, {}} {
		_, err := zero.Revoked(t.Context(), claims(t, "t1"))
		if err == nil || zero.Run(t.Context()) == nil || zero.Revoke(t.Context(), byID("t1")) == nil || zero.Health() == nil {
			t.Error("a zero Revocations knows something")
		}
	}
}
