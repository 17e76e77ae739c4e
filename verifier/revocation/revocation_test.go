package revocation_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard/verifier"
	"github.com/bearerguard/bearerguard/verifier/revocation"
	"github.com/bearerguard/bearerguard/verifier/verifiertest"
)

const (
	ours   = "https://as.example.com"
	theirs = "https://as.example.org"
	grace  = 5 * time.Minute
)

var today = time.Date(2026, time.November, 25, 12, 0, 0, 0, time.UTC)

func newStore(tb testing.TB, maximum int) (*revocation.Store, *verifiertest.FakeClock) {
	tb.Helper()
	clock := verifiertest.NewFakeClock(today)
	s, err := revocation.New(revocation.Config{Max: maximum, Now: clock.Now})
	if err != nil {
		tb.Fatal(err)
	}
	return s, clock
}

// token gives the claims of a token, "" leaving one out; iat is in seconds from today.
func token(tb testing.TB, iss, jti, sub, client string, iat any) *verifier.Claims {
	tb.Helper()
	body := []string{fmt.Sprintf(`"iss":%q`, iss)}
	for name, value := range map[string]string{"jti": jti, "sub": sub, "client_id": client} {
		if value != "" {
			body = append(body, fmt.Sprintf("%q:%q", name, value))
		}
	}
	switch iat := iat.(type) {
	case int:
		body = append(body, fmt.Sprintf(`"iat":%d`, today.Unix()+int64(iat)))
	case string:
		body = append(body, `"iat":`+iat)
	}
	c, err := verifier.NewClaims([]byte("{"+strings.Join(body, ",")+"}"), verifier.RFC9068())
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func add(tb testing.TB, s *revocation.Store, entries ...revocation.Entry) {
	tb.Helper()
	if err := s.Revoke(entries...); err != nil {
		tb.Fatal(err)
	}
}

func revoked(tb testing.TB, s *revocation.Store, c *verifier.Claims) bool {
	tb.Helper()
	is, err := s.Revoked(tb.Context(), c)
	if err != nil {
		tb.Fatal(err)
	}
	return is
}

func TestWhichTokensAreMeant(t *testing.T) {
	t.Parallel()
	later, before := today.Add(time.Hour), today
	fraction := today.Add(500*time.Millisecond + time.Nanosecond)
	for _, tt := range []struct {
		name  string
		entry revocation.Entry
		token *verifier.Claims
		want  bool
	}{
		{"FAPI-5.3.4-3 by id", revocation.Entry{Issuer: ours, ID: "t1", Until: later}, token(t, ours, "t1", "alice", "app", 0), true},
		{"by subject", revocation.Entry{Issuer: ours, Subject: "alice", Until: later}, token(t, ours, "t1", "alice", "app", 0), true},
		{"by client", revocation.Entry{Issuer: ours, ClientID: "app", Until: later}, token(t, ours, "t1", "alice", "app", 0), true},
		{"another id", revocation.Entry{Issuer: ours, ID: "t1", Until: later}, token(t, ours, "t2", "alice", "app", 0), false},
		{"another subject", revocation.Entry{Issuer: ours, Subject: "alice", Until: later}, token(t, ours, "t1", "bob", "app", 0), false},
		{"another client", revocation.Entry{Issuer: ours, ClientID: "app", Until: later}, token(t, ours, "t1", "alice", "web", 0), false},
		{"a name in another case", revocation.Entry{Issuer: ours, Subject: "alice", Until: later}, token(t, ours, "t1", "Alice", "app", 0), false},
		{"an id is no subject and no client", revocation.Entry{Issuer: ours, ID: "x", Until: later}, token(t, ours, "t1", "x", "x", 0), false},
		{"a subject is no id and no client", revocation.Entry{Issuer: ours, Subject: "x", Until: later}, token(t, ours, "x", "s", "x", 0), false},
		{"a client is no id and no subject", revocation.Entry{Issuer: ours, ClientID: "x", Until: later}, token(t, ours, "x", "x", "c", 0), false},
		{"one issuer's id says nothing of another's token", revocation.Entry{Issuer: ours, ID: "t1", Until: later}, token(t, theirs, "t1", "alice", "app", 0), false},
		{"one issuer's subject says nothing of another's user", revocation.Entry{Issuer: ours, Subject: "alice", Until: later}, token(t, theirs, "t1", "alice", "app", 0), false},
		{"one issuer's client says nothing of another's client", revocation.Entry{Issuer: ours, ClientID: "app", Until: later}, token(t, theirs, "t1", "alice", "app", 0), false},
		{"an issuer's end is not a name's beginning", revocation.Entry{Issuer: ours, ID: "/t1", Until: later}, token(t, ours+"/", "t1", "alice", "app", 0), false},
		{"a token without an id", revocation.Entry{Issuer: ours, ID: "t1", Until: later}, token(t, ours, "", "alice", "app", 0), false},
		{"a token without any name", revocation.Entry{Issuer: ours, Subject: "alice", Until: later}, token(t, ours, "", "", "", 0), false},
		{"a name of 16 KiB", revocation.Entry{Issuer: ours, ID: strings.Repeat("t", 16<<10), Until: later}, token(t, ours, strings.Repeat("t", 16<<10), "", "", 0), true},
		{"without a date a new token is meant too", revocation.Entry{Issuer: ours, Subject: "alice", Until: later}, token(t, ours, "t1", "alice", "app", 1800), true},
		{"BUG-241 issued before the date", revocation.Entry{Issuer: ours, Subject: "alice", IssuedBefore: before, Until: later}, token(t, ours, "t1", "alice", "app", -1), true},
		{"issued at the date", revocation.Entry{Issuer: ours, Subject: "alice", IssuedBefore: before, Until: later}, token(t, ours, "t1", "alice", "app", 0), false},
		{"issued after the date", revocation.Entry{Issuer: ours, Subject: "alice", IssuedBefore: before, Until: later}, token(t, ours, "t1", "alice", "app", 1), false},
		{"issued before a date that is to come", revocation.Entry{Issuer: ours, Subject: "alice", IssuedBefore: later, Until: later}, token(t, ours, "t1", "alice", "app", 60), true},
		{"BUG-241 a token without iat counts as older", revocation.Entry{Issuer: ours, Subject: "alice", IssuedBefore: before, Until: later}, token(t, ours, "t1", "alice", "app", nil), true},
		{"BUG-241 a token whose iat is null counts as older", revocation.Entry{Issuer: ours, Subject: "alice", IssuedBefore: before, Until: later}, token(t, ours, "t1", "alice", "app", "null"), true},
		{"a client's tokens from before a date", revocation.Entry{Issuer: ours, ClientID: "app", IssuedBefore: before, Until: later}, token(t, ours, "t1", "alice", "app", -1), true},
		{"a client's tokens from after a date", revocation.Entry{Issuer: ours, ClientID: "app", IssuedBefore: before, Until: later}, token(t, ours, "t1", "alice", "app", 1), false},
		{"an id from before a date", revocation.Entry{Issuer: ours, ID: "t1", IssuedBefore: before, Until: later}, token(t, ours, "t1", "alice", "app", -1), true},
		{"an id from after a date", revocation.Entry{Issuer: ours, ID: "t1", IssuedBefore: before, Until: later}, token(t, ours, "t1", "alice", "app", 1), false},
		{"a date between two seconds means the whole second", revocation.Entry{Issuer: ours, ID: "t1", IssuedBefore: fraction, Until: later}, token(t, ours, "t1", "alice", "app", 0), true},
		{"a date is never rounded down", revocation.Entry{Issuer: ours, ID: "t1", IssuedBefore: fraction, Until: later}, token(t, ours, "t1", "alice", "app", fmt.Sprintf("%d.5", today.Unix())), true},
		{"a date in 1960", revocation.Entry{Issuer: ours, ID: "t1", IssuedBefore: time.Date(1960, 1, 1, 0, 0, 0, 0, time.UTC), Until: later}, token(t, ours, "t1", "alice", "app", nil), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, _ := newStore(t, 0)
			add(t, s, tt.entry)
			if got := revoked(t, s, tt.token); got != tt.want {
				t.Errorf("revoked = %v, want %v", got, tt.want)
			}
		})
	}
}

func TestEntriesDieWithTheirTokens(t *testing.T) {
	t.Parallel()
	alice := func(iat int) *verifier.Claims { return token(t, ours, "t1", "alice", "app", iat) }
	t.Run("five minutes after Until, since a verifier may accept an expired token for so long", func(t *testing.T) {
		t.Parallel()
		s, clock := newStore(t, 0)
		add(t, s, revocation.Entry{Issuer: ours, ID: "t1", Until: today.Add(time.Hour)}, revocation.Entry{Issuer: ours, Subject: "alice", IssuedBefore: today, Until: today.Add(time.Hour)})
		clock.Advance(time.Hour + grace)
		if !revoked(t, s, alice(-1)) || s.Len() != 2 {
			t.Error("the entries died too early")
		}
		clock.Advance(time.Millisecond)
		if revoked(t, s, alice(-1)) || s.Len() != 0 {
			t.Error("the entries live on")
		}
	})
	t.Run("BUG-240 one that outlives the clock skew of its verifier", func(t *testing.T) {
		t.Parallel()
		clock := verifiertest.NewFakeClock(today)
		issuer := verifiertest.NewIssuer(t, verifiertest.Clock(clock.Now))
		cfg := issuer.Config()
		cfg.ClockSkew = grace
		v, err := verifier.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		s, err := revocation.New(revocation.Config{Now: clock.Now})
		if err != nil {
			t.Fatal(err)
		}
		tokens, raw := verifier.WithRevocation(v, s.Revoked), issuer.Token("read")
		claims, err := tokens.Verify(t.Context(), raw)
		if err != nil {
			t.Fatal(err)
		}
		add(t, s, revocation.Entry{Issuer: claims.Issuer(), ID: claims.ID(), Until: claims.Expiry()})
		for _, at := range []time.Duration{0, claims.Expiry().Sub(today), claims.Expiry().Sub(today) + grace - time.Second} {
			clock.Advance(today.Add(at).Sub(clock.Now()))
			if _, err := tokens.Verify(t.Context(), raw); !errors.Is(err, verifier.ErrRevoked) {
				t.Errorf("after %v: %v", at, err)
			}
		}
		clock.Advance(time.Second)
		if _, err := tokens.Verify(t.Context(), raw); !errors.Is(err, verifier.ErrExpired) {
			t.Errorf("when nobody accepts it any more: %v", err)
		}
	})
	t.Run("a second entry makes the dates later, never sooner", func(t *testing.T) {
		t.Parallel()
		s, clock := newStore(t, 0)
		sub := func(before, until time.Duration) revocation.Entry {
			return revocation.Entry{Issuer: ours, Subject: "alice", IssuedBefore: today.Add(before), Until: today.Add(until)}
		}
		add(t, s, sub(0, time.Hour), sub(-time.Minute, time.Minute))
		if !revoked(t, s, alice(-1)) || revoked(t, s, alice(0)) || s.Len() != 1 {
			t.Error("an older date counts")
		}
		clock.Advance(30 * time.Minute)
		if !revoked(t, s, alice(-1)) {
			t.Error("a sooner Until counts")
		}
		add(t, s, sub(time.Minute, 2*time.Hour))
		clock.Advance(time.Hour)
		if !revoked(t, s, alice(59)) || revoked(t, s, alice(60)) {
			t.Error("a later date doesn't count")
		}
	})
	t.Run("a dead date doesn't come back with a new entry", func(t *testing.T) {
		t.Parallel()
		s, clock := newStore(t, 0)
		add(t, s, revocation.Entry{Issuer: ours, Subject: "alice", IssuedBefore: today.Add(24 * time.Hour), Until: today})
		clock.Advance(time.Hour)
		add(t, s, revocation.Entry{Issuer: ours, Subject: "alice", IssuedBefore: today, Until: today.Add(2 * time.Hour)})
		if revoked(t, s, alice(0)) || !revoked(t, s, alice(-1)) || s.Len() != 1 {
			t.Error("the dead entry counts")
		}
	})
	t.Run("with and without a date are two entries", func(t *testing.T) {
		t.Parallel()
		s, clock := newStore(t, 0)
		add(t, s, revocation.Entry{Issuer: ours, Subject: "alice", IssuedBefore: today, Until: today.Add(3 * time.Hour)},
			revocation.Entry{Issuer: ours, Subject: "alice", Until: today.Add(time.Hour)})
		if !revoked(t, s, alice(10)) || s.Len() != 2 {
			t.Error("the one without a date doesn't count")
		}
		clock.Advance(2 * time.Hour)
		if revoked(t, s, alice(10)) || !revoked(t, s, alice(-1)) || s.Len() != 1 {
			t.Error("the one without a date outlives its Until, or the other one died with it")
		}
	})
	t.Run("one whose tokens have expired is passed over", func(t *testing.T) {
		t.Parallel()
		s, _ := newStore(t, 1)
		add(t, s, revocation.Entry{Issuer: ours, ID: "old", Until: today.Add(-time.Hour)}, revocation.Entry{Issuer: ours, ID: "t1", Until: today})
		if s.Len() != 1 || !revoked(t, s, alice(0)) {
			t.Error("it was kept")
		}
	})
}

func TestAFullStoreForgetsNothing(t *testing.T) {
	t.Parallel()
	s, clock := newStore(t, 100)
	entry := func(i int) revocation.Entry {
		return revocation.Entry{Issuer: ours, ID: fmt.Sprint("t", i), Until: today.Add(time.Duration(1+i%2) * time.Hour)}
	}
	for i := range 100 {
		add(t, s, entry(i))
	}
	for i := 100; i < 10_000; i++ {
		if err := s.Revoke(entry(i)); !errors.Is(err, revocation.ErrFull) {
			t.Fatalf("entry %d: %v, want ErrFull", i, err)
		}
	}
	if s.Len() != 100 {
		t.Errorf("%d entries", s.Len())
	}
	for i := range 100 {
		if !revoked(t, s, token(t, ours, fmt.Sprint("t", i), "", "", 0)) {
			t.Errorf("t%d was forgotten", i)
		}
	}
	if revoked(t, s, token(t, ours, "t100", "", "", 0)) {
		t.Error("an entry that was refused is there")
	}
	add(t, s, entry(7)) // one that is there
	if err := s.Revoke(revocation.Entry{Issuer: ours, ID: "t7", IssuedBefore: today, Until: today}); !errors.Is(err, revocation.ErrFull) {
		t.Errorf("one without a date makes room for one with a date: %v", err)
	}
	clock.Advance(time.Hour + grace + time.Second) // half of them die
	err := s.Revoke(func() (list []revocation.Entry) {
		for i := 101; i < 301; i += 2 {
			list = append(list, entry(i))
		}
		return list
	}()...)
	if !errors.Is(err, revocation.ErrFull) || !strings.Contains(err.Error(), "of 100 new ones 50 were added") {
		t.Errorf("%v", err)
	}
	for i := 1; i < 200; i += 2 {
		if !revoked(t, s, token(t, ours, fmt.Sprint("t", i), "", "", 0)) {
			t.Errorf("t%d was forgotten", i)
		}
	}
	if revoked(t, s, token(t, ours, "t201", "", "", 0)) || s.Len() != 100 {
		t.Errorf("more than Max: %d", s.Len())
	}
}

func TestMistakesAreToldAtOnce(t *testing.T) {
	t.Parallel()
	until := today.Add(time.Hour)
	for want, entry := range map[string]revocation.Entry{
		"Issuer is empty":           {ID: "t1", Until: until},
		"0 of ID, Subject and":      {Issuer: ours, Until: until},
		"2 of ID, Subject and":      {Issuer: ours, ID: "t1", Subject: "alice", Until: until},
		"3 of ID, Subject and":      {Issuer: ours, ID: "t1", Subject: "alice", ClientID: "app", Until: until},
		"Until is zero":             {Issuer: ours, ID: "t1"},
		"were milliseconds taken":   {Issuer: ours, ID: "t1", Until: time.Unix(until.UnixMilli(), 0)},
		"beyond the year 9999":      {Issuer: ours, ID: "t1", Until: until, IssuedBefore: time.Unix(until.UnixMilli(), 0)},
		"Issuer is empty: set it":   {},
		"0 of ID, Subject and Clie": {},
		"Until is zero: set the":    {},
	} {
		s, _ := newStore(t, 0)
		err := s.Revoke(revocation.Entry{Issuer: ours, ID: "good", Until: until}, entry)
		if err == nil || !strings.Contains(err.Error(), want) || s.Len() != 0 {
			t.Errorf("%v, %d entries, want %q and none", err, s.Len(), want)
		}
	}
	good, err := revocation.Entry{Issuer: ours, ID: "t1", Until: until}.Record()
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []revocation.Record{
		{}, {Target: good.Target}, {Target: "alice", Until: until}, {Target: "jti:alice", Until: until}, {Target: "tid:" + good.Target[4:], Until: until},
		{Target: good.Target + "A", Until: until}, {Target: good.Target[:len(good.Target)-1], Until: until}, {Target: good.Target, Until: time.Unix(until.UnixMilli(), 0)},
		{Target: strings.ToUpper(good.Target), Until: until}, {Target: good.Target, Until: until, IssuedBefore: time.Unix(until.UnixMilli(), 0)},
	} {
		s, _ := newStore(t, 0)
		if err := s.Restore(good, bad); err == nil || s.Len() != 0 {
			t.Errorf("%+v: %v, %d entries", bad, err, s.Len())
		}
	}
	if _, err := revocation.New(revocation.Config{Max: -1}); err == nil {
		t.Error("a store that holds nothing")
	}
}

func TestAZeroStoreIsNotAsked(t *testing.T) {
	t.Parallel()
	for _, s := range []*revocation.Store{nil, {}} {
		if is, err := s.Revoked(t.Context(), token(t, ours, "t1", "alice", "app", 0)); is || err == nil {
			t.Errorf("%v, %v", is, err)
		}
		if err := s.Revoke(revocation.Entry{Issuer: ours, ID: "t1", Until: today}); err == nil {
			t.Error("it took an entry")
		}
		for range s.Records() {
			t.Error("it has a record")
		}
		if s.Len() != 0 {
			t.Error("it has entries")
		}
	}
	tokens := verifier.WithRevocation(verifiertest.Tokens(t, map[string]map[string]any{"token": {}}), new(revocation.Store).Revoked)
	if _, err := tokens.Verify(t.Context(), "token"); !errors.Is(err, verifier.ErrUnavailable) {
		t.Errorf("%v, want ErrUnavailable", err)
	}
}

func TestRecordsRestoreAStore(t *testing.T) {
	t.Parallel()
	s, clock := newStore(t, 0)
	add(t, s,
		revocation.Entry{Issuer: ours, ID: "t1", Until: today.Add(time.Hour)},
		revocation.Entry{Issuer: ours, Subject: "alice@example.com", IssuedBefore: today, Until: today.Add(time.Hour)},
		revocation.Entry{Issuer: ours, Subject: "alice@example.com", Until: today.Add(time.Minute)},
		revocation.Entry{Issuer: ours, ClientID: "app", Until: today.Add(time.Minute)})
	clock.Advance(time.Minute + grace + time.Millisecond)
	var list []revocation.Record
	for r := range s.Records() {
		if strings.Contains(r.Target, "alice") || strings.Contains(r.Target, ours) {
			t.Errorf("a name in clear: %v", r)
		}
		list = append(list, r)
	}
	if len(list) != 2 {
		t.Errorf("%d records, want those that are live", len(list))
	}
	for range s.Records() {
		break
	}
	again, _ := newStore(t, 0)
	if err := again.Restore(list...); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		token *verifier.Claims
		want  bool
	}{
		{token(t, ours, "t1", "", "", 0), true}, {token(t, ours, "", "alice@example.com", "", -1), true}, {token(t, ours, "", "alice@example.com", "", 0), false},
		{token(t, ours, "", "", "app", -1), false}, {token(t, theirs, "t1", "", "", 0), false},
	} {
		if revoked(t, again, tt.token) != tt.want {
			t.Errorf("%v: want revoked = %v", tt.token, tt.want)
		}
	}
}

func TestBugsOfRevocation(t *testing.T) {
	t.Parallel()
	issuer := verifiertest.NewIssuer(t)
	s, err := revocation.New(revocation.Config{})
	if err != nil {
		t.Fatal(err)
	}
	tokens := verifier.WithRevocation(issuer.Verifier(), s.Revoked)
	t.Run("BUG-237 a remembered token that is revoked", func(t *testing.T) {
		t.Parallel()
		raw := issuer.Token("read", map[string]any{"jti": "remembered"})
		for range 2 {
			if _, err := tokens.Verify(t.Context(), raw); err != nil {
				t.Fatal(err)
			}
		}
		add(t, s, revocation.Entry{Issuer: issuer.URL(), ID: "remembered", Until: time.Now().Add(time.Hour)})
		if _, err := tokens.Verify(t.Context(), raw); !errors.Is(err, verifier.ErrRevoked) {
			t.Errorf("%v", err)
		}
	})
	t.Run("BUG-157 another signature of the same token is revoked with it", func(t *testing.T) {
		t.Parallel()
		claims := map[string]any{"jti": "twin"}
		one, two := issuer.Token("read", claims), issuer.Token("read", claims) // ES256: each has a signature of its own
		add(t, s, revocation.Entry{Issuer: issuer.URL(), ID: "twin", Until: time.Now().Add(time.Hour)})
		for _, raw := range []string{one, two} {
			if _, err := tokens.Verify(t.Context(), raw); !errors.Is(err, verifier.ErrRevoked) {
				t.Errorf("%v", err)
			}
		}
		if one == two {
			t.Error("the signatures are the same")
		}
	})
}

// TestConcurrency is for the race detector too.
func TestConcurrency(t *testing.T) {
	t.Parallel()
	s, clock := newStore(t, 500)
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range 300 {
				id, lives := fmt.Sprint(worker, "-", i), 24*time.Hour
				if i%2 == 1 {
					lives = -grace // dies with the next step of the clock
				}
				err := s.Revoke(revocation.Entry{Issuer: ours, ID: id, Until: clock.Now().Add(lives)})
				if err != nil && !errors.Is(err, revocation.ErrFull) {
					t.Error(err)
				}
				if is, _ := s.Revoked(t.Context(), token(t, ours, id, "alice", "app", 0)); is != (err == nil) && lives > 0 {
					t.Errorf("%s: revoked = %v after %v", id, is, err)
				}
				if i%50 == 0 {
					clock.Advance(time.Minute)
					if n := s.Len(); n > 500 {
						t.Errorf("%d entries", n)
					}
				}
			}
		})
	}
	wg.Wait()
}

var raceEnabled bool // the race detector allocates too

func TestALookupAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("under the race detector")
	}
	s, _ := newStore(t, 0)
	bad := token(t, ours, strings.Repeat("t", 200), strings.Repeat("s", 200), "app", -1)
	for _, name := range []string{"empty", "of others", "revoked"} {
		switch name {
		case "of others":
			add(t, s, revocation.Entry{Issuer: ours, ID: "t1", Until: today}, revocation.Entry{Issuer: ours, Subject: "bob", Until: today}, revocation.Entry{Issuer: ours, ClientID: "web", Until: today})
		case "revoked":
			add(t, s, revocation.Entry{Issuer: ours, ClientID: "app", IssuedBefore: today, Until: today})
		}
		if n := testing.AllocsPerRun(200, func() { s.Revoked(t.Context(), bad) }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkRevoked(b *testing.B) {
	good := token(b, ours, "b7d1c9a2-5b3e-4f7a-9c1d-2e8f6a4b0c3d", "0oa9f1k2m3n4p5q6r7s8", "0oa9f1k2m3n4p5q6r7s8", 0)
	fill := func(b *testing.B, entry func(i int) []revocation.Entry) *revocation.Store {
		s, _ := newStore(b, 0)
		for i := range 30_000 {
			add(b, s, entry(i)...)
		}
		return s
	}
	until := today.Add(time.Hour)
	for _, bb := range []struct {
		name  string
		entry func(i int) []revocation.Entry
	}{
		{"empty", func(int) []revocation.Entry { return nil }},
		{"30,000 ids", func(i int) []revocation.Entry {
			return []revocation.Entry{{Issuer: ours, ID: fmt.Sprint(i), Until: until}}
		}},
		{"30,000 of each kind", func(i int) []revocation.Entry {
			name := fmt.Sprint(i)
			return []revocation.Entry{{Issuer: ours, ID: name, Until: until}, {Issuer: ours, Subject: name, IssuedBefore: today, Until: until}, {Issuer: ours, ClientID: name, Until: until}}
		}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			s := fill(b, bb.entry)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if is, err := s.Revoked(b.Context(), good); is || err != nil {
						b.Error(is, err)
					}
				}
			})
		})
	}
	b.Run("adding to a full store", func(b *testing.B) {
		s, _ := newStore(b, 30_000)
		for i := range 30_000 {
			add(b, s, revocation.Entry{Issuer: ours, ID: fmt.Sprint(i), Until: until})
		}
		for b.Loop() {
			if err := s.Revoke(revocation.Entry{Issuer: ours, ID: "one too many", Until: until}); err == nil {
				b.Error("added")
			}
		}
	})
}
