package redisauth

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/bearerguard/bearerguard/verifier/revocation"
)

// A field of the hash of entries is a target, with this behind it if its entry has a date.
const dated = "@"

// fact is an entry as it stands in Redis and in messages: entries with and without a date are kept apart, as in a store.
type fact struct {
	field string
	value string // "before until", in Unix milliseconds; before is 0 without a date
}

func factOf(r revocation.Record) fact {
	before := int64(0)
	if !r.IssuedBefore.IsZero() {
		r.Target += dated
		before = r.IssuedBefore.UnixMilli()
	}
	return fact{r.Target, fmt.Sprint(before, " ", r.Until.UnixMilli())}
}

func (f fact) record() (r revocation.Record, err error) {
	before, until, _ := strings.Cut(f.value, " ")
	b, errBefore := strconv.ParseInt(before, 10, 64)
	u, errUntil := strconv.ParseInt(until, 10, 64)
	if errBefore != nil || errUntil != nil {
		return r, fmt.Errorf("redisauth: an entry in Redis that none of us wrote: %.100q is %.100q", f.field, f.value)
	}
	r.Until = time.UnixMilli(u)
	var hasDate bool
	if r.Target, hasDate = strings.CutSuffix(f.field, dated); hasDate {
		r.IssuedBefore = time.UnixMilli(b)
	}
	return r, nil
}

// parseNews reads a message: a fact a line.
func parseNews(message string) (records []revocation.Record, err error) {
	for line := range strings.SplitSeq(message, "\n") {
		field, value, _ := strings.Cut(line, " ")
		r, err := fact{field, value}.record()
		if err != nil {
			return nil, err
		}
		records = append(records, r)
	}
	return records, nil
}

// join adds facts to those in Redis, and tells the instances what is new: as in a store, dates become later, never sooner,
// and it holds so many and no more. Keys are the hash of entries, which alone is read, and an index by Until, to find the dead.
// Arguments are the most that it may hold, the milliseconds that an entry outlives its Until, the channel, and field, before
// and until of each fact. It returns how many facts are there now, the first ones. Numbers stay texts: Lua would write large
// ones with an exponent.
var join = redis.NewScript(`
local time = redis.call('TIME')
local alive = time[1] * 1000 - ARGV[2]
local dead = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', '(' .. alive, 'LIMIT', 0, 1000)
if #dead > 0 then
	redis.call('HDEL', KEYS[1], unpack(dead))
	redis.call('ZREM', KEYS[2], unpack(dead))
end
local news, done = {}, 0
for i = 4, #ARGV, 3 do
	local field, before, till = ARGV[i], ARGV[i + 1], ARGV[i + 2]
	local old = redis.call('HGET', KEYS[1], field)
	if old then
		local b, t = string.match(old, '^(%-?%d+) (%d+)$')
		if t and tonumber(t) >= alive then
			if tonumber(b) > tonumber(before) then before = b end
			if tonumber(t) > tonumber(till) then till = t end
		end
	elseif redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[1]) then
		break
	end
	local value = before .. ' ' .. till
	if value ~= old then
		redis.call('HSET', KEYS[1], field, value)
		redis.call('ZADD', KEYS[2], till, field)
		news[#news + 1] = field .. ' ' .. value
	end
	done = done + 1
end
if #news > 0 then redis.call('PUBLISH', ARGV[3], table.concat(news, '\n')) end
return done
`)
