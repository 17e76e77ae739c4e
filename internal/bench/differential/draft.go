package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// member is one of a JSON object, both as raw JSON text: that is where parsers differ.
type member struct{ name, value string }

type object []member

func (o object) text() string {
	parts := make([]string, len(o))
	for i, m := range o {
		parts[i] = m.name + ":" + m.value
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func (o object) index(name string) int {
	return slices.IndexFunc(o, func(m member) bool { return m.name == strconv.Quote(name) })
}

func (o *object) set(name, value string) {
	if i := o.index(name); i >= 0 {
		(*o)[i].value = value
		return
	}
	o.add(name, value)
}

func (o *object) add(name, value string) { *o = append(*o, member{strconv.Quote(name), value}) }

func (o *object) drop(name string) {
	if i := o.index(name); i >= 0 {
		*o = slices.Delete(*o, i, i+1)
	}
}

// stage says when in a draft's life a mutation happens.
type stage int

const (
	atMembers   stage = iota // header and payload are lists of members
	atTexts                  // they are JSON texts
	atSegments               // they are encoded, and not signed yet
	atSignature              // the signature is bytes
	atToken                  // all is one string
)

// draft is a token in the making.
type draft struct {
	random *rand.Rand
	key    *signingKey
	strict bool // by RFC 9068, for our verifier with that profile; else one that many servers write

	header, payload object
	texts           [2]string // of header and payload
	segments        [2]string
	signature       []byte
	token           string

	sign     func(input string) []byte // what signs it; nil: the key
	forged   bool                      // signed before the mutations of header and payload, not behind them
	resigned bool                      // header or payload were changed, and the signature is over the change
}

// newDraft starts from a good token.
func newDraft(random *rand.Rand) *draft {
	d := &draft{random: random, key: keyES, strict: random.IntN(2) == 0}
	switch n := random.IntN(100); {
	case n < 12: // an RSA signature costs 20 of the others
		d.key = keyRS
	case n < 56:
		d.key = keyEd
	}
	d.header = object{{`"alg"`, strconv.Quote(d.key.alg)}, {`"kid"`, strconv.Quote(d.key.kid)}}
	switch {
	case d.strict:
		d.header.add("typ", `"at+jwt"`)
	case random.IntN(4) > 0:
		d.header.add("typ", `"JWT"`)
	}
	id := strconv.Quote(fmt.Sprintf("%016x", random.Uint64()))
	d.payload = object{
		{`"iss"`, strconv.Quote(issuer)}, {`"aud"`, strconv.Quote(audience)}, {`"sub"`, `"cart"`}, {`"client_id"`, `"cart"`},
		{`"iat"`, seconds(-10)}, {`"exp"`, seconds(600)}, {`"jti"`, id}, {`"scope"`, `"orders:read orders:write"`},
	}
	if !d.strict && random.IntN(2) == 0 {
		d.payload[3].name = `"azp"`
	}
	return d
}

// seconds is a NumericDate some seconds from the clock's now.
func seconds(n int64) string { return strconv.FormatInt(now.Unix()+n, 10) }

// generate makes the token of a number: a good one with some mutations, named in what it returns. The same seed and number
// always give the same token.
func generate(seed, number uint64) (d *draft, names []string) {
	random := rand.New(rand.NewPCG(seed, number))
	d = newDraft(random)
	chosen := choose(random)
	for _, m := range chosen {
		names = append(names, m.name)
	}
	d.forged = random.IntN(7) == 0
	before := d.header.text() + "." + d.payload.text()
	good := d.encoded()
	for _, step := range []struct {
		stage stage
		do    func()
	}{
		{atMembers, func() { d.texts = [2]string{d.header.text(), d.payload.text()} }},
		{atTexts, func() { d.segments = [2]string{b64([]byte(d.texts[0])), b64([]byte(d.texts[1]))} }},
		{atSegments, func() { d.signIt(good) }},
		{atSignature, func() { d.token = d.signedPart() + "." + b64(d.signature) }},
		{atToken, func() {}},
	} {
		for _, m := range chosen {
			if m.stage == step.stage {
				m.apply(d)
			}
		}
		step.do()
	}
	d.resigned = !d.forged && (d.texts[0]+"."+d.texts[1] != before || d.signedPart() != b64([]byte(d.texts[0]))+"."+b64([]byte(d.texts[1])))
	return d, names
}

// choose takes one mutation, which shows best what a parser makes of it, or some that hide behind each other; none, for a
// good token. Those are of different stages: of two harmless oddities in one place, each might put off some of the peers.
func choose(random *rand.Rand) []mutation {
	n := []int{0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3}[random.IntN(20)]
	var chosen []mutation
	for len(chosen) < n {
		m := pick(random, mutations)
		if !slices.ContainsFunc(chosen, func(other mutation) bool { return other.stage == m.stage }) {
			chosen = append(chosen, m)
		}
	}
	return chosen
}

func (d *draft) encoded() string {
	return b64([]byte(d.header.text())) + "." + b64([]byte(d.payload.text()))
}

func (d *draft) signedPart() string { return d.segments[0] + "." + d.segments[1] }

func (d *draft) signIt(good string) {
	input := d.signedPart()
	if d.forged {
		input = good
	}
	if d.sign == nil {
		d.sign = d.key.sign
	}
	d.signature = d.sign(input)
}

// side chooses the header or, more often, the payload.
func (d *draft) side() int { return min(1, d.random.IntN(3)) }

// object chooses one that has members.
func (d *draft) object() *object {
	if d.side() == 0 && len(d.header) > 0 {
		return &d.header
	}
	return &d.payload
}

func pick[T any](random *rand.Rand, list []T) T { return list[random.IntN(len(list))] }

// at is a position in a text, its end included.
func (d *draft) at(text string) int { return d.random.IntN(len(text) + 1) }

func insert(text string, at int, what string) string { return text[:at] + what + text[at:] }
