package main

import (
	"fmt"
	"slices"
	"strings"
)

// counts are those of some tokens: how many there are, and how many each accepts.
type counts struct {
	tokens, ours int
	peers        [peerCount]int
}

func (c *counts) count(ours bool, theirs verdict) {
	c.tokens++
	if ours {
		c.ours++
	}
	for i, accepted := range theirs {
		if accepted {
			c.peers[i]++
		}
	}
}

func (c *counts) add(other counts) {
	c.tokens += other.tokens
	c.ours += other.ours
	for i := range c.peers {
		c.peers[i] += other.peers[i]
	}
}

// result is what came of a comparison.
type result struct {
	names      []string // of the peers
	all        counts
	resigned   int
	byMutation map[string]counts
	refused    map[string]int    // by ours, by class
	differ     map[string]counts // those of them that some peer accepts, by class
	missed     []string          // tokens that ours got wrong
	misses     int
}

// maxMissed is how many wrong tokens are shown.
const maxMissed = 20

func newResult(peers []peer) *result {
	r := &result{byMutation: map[string]counts{}, refused: map[string]int{}, differ: map[string]counts{}}
	for _, p := range peers {
		r.names = append(r.names, p.name)
	}
	return r
}

func (r *result) count(d *draft, names []string, ours bool, theirs verdict) {
	r.all.count(ours, theirs)
	if d.resigned {
		r.resigned++
	}
	if len(names) == 0 {
		names = []string{"none"}
	}
	for _, name := range slices.Compact(names) {
		c := r.byMutation[name]
		c.count(ours, theirs)
		r.byMutation[name] = c
	}
}

// explained counts a token that ours refuses by a rule.
func (r *result) explained(c *class, theirs verdict) {
	r.refused[c.name]++
	if theirs.any() {
		d := r.differ[c.name]
		d.count(false, theirs)
		r.differ[c.name] = d
	}
}

func (r *result) wrong(number uint64, names []string, what, token string) {
	r.misses++
	if len(r.missed) < maxMissed {
		r.missed = append(r.missed, fmt.Sprintf("token %d (%s): %s\n\t%.2000q", number, strings.Join(names, "; "), what, token))
	}
}

func (r *result) add(other *result) {
	r.all.add(other.all)
	r.resigned += other.resigned
	for _, m := range []struct{ to, from map[string]counts }{{r.byMutation, other.byMutation}, {r.differ, other.differ}} {
		for name, c := range m.from {
			sum := m.to[name]
			sum.add(c)
			m.to[name] = sum
		}
	}
	for name, n := range other.refused {
		r.refused[name] += n
	}
	r.misses += other.misses
	r.missed = append(r.missed, other.missed[:min(len(other.missed), maxMissed-min(maxMissed, len(r.missed)))]...)
}

// bad lists what makes the program fail: tokens that ours got wrong, and a run that proves nothing.
func (r *result) bad() []string {
	bad := slices.Clone(r.missed)
	if r.misses > 0 {
		bad = append(bad, fmt.Sprintf("%d in all", r.misses))
	}
	if r.all.ours < r.all.tokens/20 || r.resigned < r.all.tokens/3 {
		bad = append(bad, fmt.Sprintf("of %d tokens ours accepts %d, and %d were signed behind a mutation: too few to prove anything", r.all.tokens, r.all.ours, r.resigned))
	}
	if r.all.tokens >= 100*len(mutations) {
		for _, m := range mutations {
			if r.byMutation[m.name].tokens == 0 {
				bad = append(bad, "no token has the mutation "+m.name)
			}
		}
	}
	if good := r.byMutation["none"]; good.ours != good.tokens || slices.Min(good.peers[:]) != good.tokens {
		bad = append(bad, fmt.Sprintf("of %d good tokens ours accepts %d and the others %v", good.tokens, good.ours, good.peers))
	}
	return bad
}

func (r *result) summary() string {
	differing := 0
	for _, c := range r.differ {
		differing += c.tokens
	}
	accepted := []string{fmt.Sprintf("ours %d", r.all.ours)}
	for i, name := range r.names {
		accepted = append(accepted, fmt.Sprintf("%s %d", name, r.all.peers[i]))
	}
	return fmt.Sprintf("%d tokens, %d signed by the issuer's key behind a change of header or payload. Accepted: %s. "+
		"Ours refuses %d that some other accepts. Of what ours accepts or refuses, %d tokens are unexplained.",
		r.all.tokens, r.resigned, strings.Join(accepted, ", "), differing, r.misses)
}

// differences is the table of what ours refuses and some other accepts.
func (r *result) differences() string {
	b := &strings.Builder{}
	fmt.Fprintf(b, "| ours refuses | rule | tokens | %s |\n|---|---|--:|%s\n", strings.Join(r.names, " | "), strings.Repeat("--:|", len(r.names)))
	for _, c := range classes {
		if d := r.differ[c.name]; d.tokens > 0 {
			fmt.Fprintf(b, "| %s | %s | %d |%s\n", c.name, c.rule, d.tokens, cells(d.peers))
		}
	}
	var same []string
	for _, c := range classes {
		if n := r.refused[c.name]; n > 0 && r.differ[c.name].tokens == 0 {
			same = append(same, fmt.Sprintf("%s (%s, %d)", c.name, c.rule, n))
		}
	}
	fmt.Fprintf(b, "\nAll refuse: %s.\n", strings.Join(same, "; "))
	return b.String()
}

// mutations is the table of what was done to the tokens. One with several mutations counts for each.
func (r *result) mutations() string {
	b := &strings.Builder{}
	fmt.Fprintf(b, "| mutation | tokens | ours | %s |\n|---|--:|--:|%s\n", strings.Join(r.names, " | "), strings.Repeat("--:|", len(r.names)))
	for _, m := range append([]mutation{{name: "none"}}, mutations...) {
		c := r.byMutation[m.name]
		fmt.Fprintf(b, "| %s | %d | %d |%s\n", m.name, c.tokens, c.ours, cells(c.peers))
	}
	return b.String()
}

// cells are empty where there is nothing.
func cells(peers [peerCount]int) string {
	b := strings.Builder{}
	for _, n := range peers {
		if n == 0 {
			b.WriteString(" |")
		} else {
			fmt.Fprintf(&b, " %d |", n)
		}
	}
	return b.String()
}
