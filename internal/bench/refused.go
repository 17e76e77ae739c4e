package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/bearerguard/bearerguard/internal/bench/mint"
	"github.com/bearerguard/bearerguard/internal/bench/report"
	"github.com/bearerguard/bearerguard/verifier"
)

func parseJose(set []byte) (*jose.JSONWebKeySet, error) {
	var keys jose.JSONWebKeySet
	return &keys, json.Unmarshal(set, &keys)
}

// badToken is refused, at no more cost than that of something.
type badToken struct {
	name  string
	token string
	good  string  // a good uncached token that it must not cost more than; "" for the usual one
	ns    float64 // or the nanoseconds that it may cost
	peers bool
}

var errAccepted = errors.New("accepted")

// refusing makes a refusal the success of a side.
func refusing(v verify, token string) func() error {
	return func() error {
		if v(token) == nil {
			return errAccepted
		}
		return nil
	}
}

// badTokens are what attackers and mistakes send.
func badTokens(key *mint.Key) []badToken {
	header, payload := key.Header(), mint.Payload(1, "")
	with := func(old, new string) string { return key.Sign(header, strings.Replace(payload, old, new, 1)) }
	forged := func(token string) string { return token[:len(token)-12] + "AAAA" + token[len(token)-8:] }
	deep := strings.Repeat(`{"a":`, 1400) + "1" + strings.Repeat("}", 1400)
	long := key.TokenOf(2, 15<<10)
	return []badToken{
		{"over the size cap, 800 KB", strings.Repeat("a", 800_000), "", 50, true},
		{"malformed, 1 KiB", strings.Repeat("a", 1<<10), "", 2000, true},
		{"malformed, 1 KiB with two dots", strings.Repeat("a", 500) + "." + strings.Repeat("a", 300) + "." + strings.Repeat("a", 222), "", 2000, false},
		{"another issuer", with(mint.Issuer, "https://as.example.com/tenant-2"), "", 0, false},
		{"another audience", with(mint.Audience, "https://other.example.com"), "", 0, false},
		{"expired", with(`"exp":1`, `"exp":`), "", 0, true},
		{"no jti", with(`"jti"`, `"jtj"`), "", 0, false},
		{"unknown kid", strings.Replace(key.Token(3), key.Token(3)[:strings.IndexByte(key.Token(3), '.')], b64(strings.Replace(header, mint.KeyID, "other", 1)), 1), "", 0, false},
		{"alg none", b64(`{"alg":"none","typ":"at+jwt"}`) + "." + b64(payload) + ".AA", "", 0, false},
		{"crit", key.Sign(strings.TrimSuffix(header, "}")+`,"crit":["x"],"x":1}`, payload), "", 0, false},
		{"forged signature", forged(key.Token(4)), "", 0, true},
		{"12 KB of objects in the header", b64(deep)[:8000] + "." + b64(payload) + ".AA", "", 0, false},
		{"12 KB of objects in the payload", key.Sign(header, deep), "", 0, false},
		{"16,000 dots", strings.Repeat(".", 16_000), "", 0, false},
		{"forged signature, 15 KB", forged(long), long, 0, false},
	}
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// refused is each bad token against a good uncached one, RS256.
func refused(withPeers bool) ([]report.Row, error) {
	key := mint.NewKey("RS256", mint.KeyID)
	set, usual := key.Set(), key.Token(1)
	ours, err := startOurs(set, -1)
	if err != nil {
		return nil, err
	}
	var rows []report.Row
	for _, bad := range badTokens(key) {
		if bad.good == "" {
			bad.good = usual
		}
		sides := []*side{{name: "good", call: func() error { return ours(bad.good) }}, {name: report.Ours, call: refusing(ours, bad.token)}}
		for _, l := range peers {
			if withPeers && bad.peers {
				v, err := l.start(set, "RS256")
				if err != nil {
					return nil, err
				}
				sides = append(sides, &side{name: l.name, call: refusing(v, bad.token)})
			}
		}
		costs, err := compare(sides...)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", bad.name, err)
		}
		for i, c := range costs[1:] {
			rows = append(rows, bad.row(sides[i+1].name, c))
		}
	}
	return rows, nil
}

func (bad badToken) row(library string, c cost) report.Row {
	r := report.Row{Name: "refused: " + bad.name, Library: library, Found: fmt.Sprintf("%s, %.2f × our good one", report.Short(c.ns), c.ratio), Memory: c.garbage()}
	if !r.IsOurs() {
		return r
	}
	if bad.ns > 0 {
		r.Must = "under " + report.Short(bad.ns)
		r.AtMost("ns", c.ns, bad.ns)
		return r
	}
	r.Must = "at most 1.00"
	r.AtMost("ratio", c.ratio, 1.005)
	return r
}

// headerFlood sends a million tokens, each with a header of its own and a bad signature.
func headerFlood(bool) ([]report.Row, error) {
	const n = 1_000_000
	key := mint.NewKey("ES256", mint.KeyID)
	v, err := newOurs(key.Set(), 0, verifier.Hooks{})
	if err != nil {
		return nil, err
	}
	good := key.Token(1)
	if _, err := v.Verify(context.Background(), good); err != nil {
		return nil, err
	}
	payload, signature := b64(mint.Payload(1, "")), strings.Repeat("A", 86) // r = 0: quickly seen
	head := strings.TrimSuffix(key.Header(), "}")
	before := heap()
	for i := range n {
		_, err := v.Verify(context.Background(), b64(fmt.Sprintf(`%s,"x":%d}`, head, i))+"."+payload+"."+signature)
		if !errors.Is(err, verifier.ErrSignature) {
			return nil, fmt.Errorf("not refused for its signature: %v", err)
		}
	}
	grown := (heap() - before) / 1024
	r := report.Row{Name: "flood of headers, a million", Library: report.Ours, Found: fmt.Sprintf("the heap grew by %.0f KiB", grown), Must: "at most 64 KiB"}
	r.AtMost("KiB", grown, 64)
	if _, err := v.Verify(context.Background(), good); err != nil {
		return nil, err
	}
	return []report.Row{r}, nil
}
