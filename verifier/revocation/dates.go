package revocation

import "github.com/bearerguard/bearerguard/verifier"

// dates are the one or two entries of a target, in Unix milliseconds. A zero until means that there is none.
type dates struct {
	all    int64 // until when all its tokens are withdrawn
	before int64 // those that were issued before this
	until  int64 // ... until then
}

// with joins an entry: dates grow later, never sooner.
func (d dates) with(r Record) dates {
	until := ceil(r.Until).UnixMilli()
	if r.IssuedBefore.IsZero() {
		d.all = max(d.all, until)
		return d
	}
	before := ceil(r.IssuedBefore).UnixMilli()
	if d.until != 0 {
		before, until = max(d.before, before), max(d.until, until)
	}
	d.before, d.until = before, until
	return d
}

// live leaves out what has died by now.
func (d dates) live(now int64) dates {
	if d.all < now {
		d.all = 0
	}
	if d.until < now {
		d.before, d.until = 0, 0
	}
	return d
}

// mean reports whether a token is withdrawn. One without iat has the zero time, which is older than any date.
func (d dates) mean(c *verifier.Claims) bool {
	return d.all != 0 || d.until != 0 && c.IssuedAt().UnixMilli() < d.before
}

func (d dates) len() (n int) {
	if d.all != 0 {
		n++
	}
	if d.until != 0 {
		n++
	}
	return n
}

// earliest is when the first of them dies.
func (d dates) earliest() int64 {
	switch {
	case d.all != 0 && d.until != 0:
		return min(d.all, d.until)
	case d.len() == 0:
		return maxDate.UnixMilli()
	}
	return max(d.all, d.until)
}
