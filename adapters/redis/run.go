package redisauth

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/bearerguard/bearerguard/verifier/revocation"
)

const (
	// beats is how often within MaxSilence Redis is asked for a sign of life: some may be late.
	beats = 4
	// auditEvery is after how many beats what is known is compared with what Redis has: its data may be lost, or a failover
	// overlooked, without any connection's end.
	auditEvery = 10 * beats
	// firstPause and longestPause are between attempts to reach Redis. The pause doubles.
	firstPause   = 50 * time.Millisecond
	longestPause = time.Second
	// page is how many entries one call loads.
	page = 500
)

// Run follows what is revoked until ctx ends, and then returns its error: start it once, in a goroutine of its own, and end
// it after the server has shut down. Errors of Redis don't end it: it tries again, at the latest after a second. It starts
// one or two more goroutines, and returns when they have ended.
func (r *Revocations) Run(ctx context.Context) error {
	if r == nil || r.known == nil {
		return errZero
	}
	if !r.running.CompareAndSwap(false, true) {
		return errors.New("redisauth: Run runs already")
	}
	defer r.running.Store(false)
	pause := firstPause
	for {
		began := r.trusted.Load()
		err := r.follow(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		r.note(err)
		if r.trusted.Load() != began {
			pause = firstPause // it worked
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause/2 + rand.N(pause/2)): // not all instances at once
		}
		pause = min(2*pause, longestPause)
	}
}

// note keeps how it goes, and tells OnChange if that is different from before.
func (r *Revocations) note(err error) {
	before := r.outcome.Swap(&outcome{err})
	if r.onChange != nil && (before == nil || (before.err == nil) != (err == nil)) {
		r.onChange(err)
	}
}

// session is one connection on which news come.
type session struct {
	*Revocations
	stop    context.CancelCauseFunc
	news    *redis.PubSub
	in      chan received
	asked   time.Duration // when the ping was sent whose pong is to come
	waiting bool

	auditing bool
	audited  chan error // how that went
}

type received struct {
	value any
	err   error
}

// follow subscribes, reads all entries, and then keeps up: what was written before the subscription is among the entries,
// and what was written later comes on the connection. It ends at the first doubt.
func (r *Revocations) follow(ctx context.Context) error {
	ctx, stop := context.WithCancelCause(ctx)
	s := &session{Revocations: r, stop: stop, in: make(chan received), audited: make(chan error)}
	if err := r.bounded(ctx, s.subscribe); err != nil {
		stop(nil)
		return errors.Join(err, s.news.Close())
	}
	go s.receive(ctx)
	defer func() {
		stop(nil)
		s.news.Close()
		for range s.in { // until receive has ended
		}
		if s.auditing {
			<-s.audited
		}
	}()
	if err := r.load(ctx); err != nil {
		return err
	}
	return s.keepUp(ctx)
}

// subscribe waits for the confirmation.
func (s *session) subscribe(ctx context.Context) error {
	s.news = s.client.Subscribe(ctx, s.channel) // its error comes from the next call
	value, err := s.news.ReceiveTimeout(ctx, s.timeout)
	if _, ok := value.(*redis.Subscription); err == nil && !ok {
		err = fmt.Errorf("redisauth: a %T in place of the confirmation of a subscription", value)
	}
	return err
}

// receive reads without a deadline, for one that passes in the middle of a message would spoil the connection. It ends
// when the connection is closed.
func (s *session) receive(ctx context.Context) {
	defer close(s.in)
	for {
		value, err := s.news.Receive(ctx)
		select {
		case s.in <- received{value, err}:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// load reads all entries, and writes to Redis those that it has lost.
func (r *Revocations) load(ctx context.Context) error {
	there := map[fact]bool{}
	for cursor := uint64(0); ; {
		var list []string
		err := r.bounded(ctx, func(ctx context.Context) (err error) {
			list, cursor, err = r.client.HScan(ctx, r.entries, cursor, "", page).Result()
			return err
		})
		if err != nil {
			return err
		}
		records := make([]revocation.Record, 0, len(list)/2)
		for i := 0; i+1 < len(list); i += 2 {
			f := fact{list[i], list[i+1]}
			there[f] = true
			record, err := f.record()
			if err != nil {
				return err
			}
			records = append(records, record)
		}
		if err := r.known.Restore(records...); err != nil {
			return err
		}
		if cursor == 0 {
			return r.restore(ctx, there)
		}
	}
}

// restore writes what is known here and not there.
func (r *Revocations) restore(ctx context.Context, there map[fact]bool) error {
	var lost []revocation.Record
	for record := range r.known.Records() {
		if !there[factOf(record)] {
			lost = append(lost, record)
		}
	}
	done, err := r.write(ctx, lost)
	if err == nil && done < len(lost) {
		err = fmt.Errorf("%w: %d entries that Redis had lost don't fit any more", revocation.ErrFull, len(lost)-done)
	}
	return err
}

// keepUp learns what is revoked, and trusts what is known for MaxSilence from each ping that was answered: all news from
// before that ping came before its pong.
func (s *session) keepUp(ctx context.Context) error {
	watchdog := time.AfterFunc(s.silence, func() { s.stop(errSilent) })
	defer watchdog.Stop()
	beat := time.NewTicker(s.silence / beats)
	defer beat.Stop()
	if err := s.ping(ctx); err != nil {
		return err
	}
	for n := 1; ; {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case m := <-s.in:
			pong, err := s.take(m)
			if err != nil {
				return cmp.Or(context.Cause(ctx), err)
			}
			if pong {
				watchdog.Reset(s.silence)
				s.trusted.Store(int64(s.asked + s.silence))
				s.note(nil)
			}
		case <-beat.C:
			if err := s.ping(ctx); err != nil {
				return cmp.Or(context.Cause(ctx), err)
			}
			if n++; n%auditEvery == 0 && !s.auditing {
				s.auditing = true
				go func() { s.audited <- s.audit(ctx) }() // all may have to be read again: news and pongs don't wait for that
			}
		case err := <-s.audited:
			if s.auditing = false; err != nil {
				return cmp.Or(context.Cause(ctx), err)
			}
		}
	}
}

// ping asks for a sign of life, unless one is due.
func (s *session) ping(ctx context.Context) error {
	if s.waiting {
		return nil
	}
	s.waiting, s.asked = true, s.clock()
	return s.news.Ping(ctx)
}

// take reads a message.
func (s *session) take(m received) (pong bool, err error) {
	switch value := m.value.(type) {
	case *redis.Message:
		records, err := parseNews(value.Payload)
		if err != nil {
			return false, err
		}
		return false, s.known.Restore(records...)
	case *redis.Pong:
		pong, s.waiting = s.waiting, false
		return pong, nil
	}
	if m.err == nil { // a second confirmation: the client has replaced the connection, and news are lost
		m.err = fmt.Errorf("redisauth: a %T: the subscription is another one", m.value)
	}
	return false, m.err
}

// audit compares how many entries are live here and there. Where that differs all are read again.
func (r *Revocations) audit(ctx context.Context) error {
	var there int64
	err := r.bounded(ctx, func(ctx context.Context) (err error) {
		alive := strconv.FormatInt(r.now().Add(-grace).UnixMilli(), 10)
		there, err = r.client.ZCount(ctx, r.index, alive, "+inf").Result()
		return err
	})
	if err == nil && int(there) != r.known.Len() {
		return r.load(ctx)
	}
	return err
}
