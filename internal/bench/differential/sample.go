package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
)

// sample is a token read leniently by the standard library: whatever any parser could make of it. The classes of
// classes.go look at it; nothing of the verifier under test is in here.
type sample struct {
	token           string
	strict          bool // it is for the profile of RFC 9068
	parts           []string
	header, payload reading
	signature       []byte
}

func newSample(token string, strict bool) *sample {
	s := &sample{token: token, strict: strict, parts: strings.Split(token, ".")}
	if len(s.parts) == 3 {
		s.header, s.payload = read(decode(s.parts[0])), read(decode(s.parts[1]))
		s.signature = decode(s.parts[2])
	}
	return s
}

// decode passes over line breaks, padding, spare bits and the choice of the alphabet.
func decode(segment string) []byte {
	plain := strings.NewReplacer("\r", "", "\n", "", "=", "", "+", "-", "/", "_").Replace(segment)
	data, err := base64.RawURLEncoding.DecodeString(plain)
	if err != nil {
		return nil
	}
	return data
}

// reading is what a JSON object says.
type reading struct {
	text    []byte
	object  bool // it is one JSON object, and nothing else
	members []claim
	twice   bool // a name of its own occurs twice
	within  bool // a name occurs twice in an object inside of it
	depth   int
	total   int // members, those of inner objects included
}

type claim struct {
	name string
	raw  json.RawMessage
}

func read(text []byte) reading {
	r := reading{text: text}
	decoder := json.NewDecoder(bytes.NewReader(text))
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') || !json.Valid(text) {
		return r
	}
	r.object = true
	for seen := map[string]bool{}; decoder.More(); {
		name, err := decoder.Token()
		if err != nil {
			panic(err) // it is valid
		}
		c := claim{name: name.(string)}
		if err := decoder.Decode(&c.raw); err != nil {
			panic(err)
		}
		r.twice = r.twice || seen[c.name]
		seen[c.name] = true
		r.members = append(r.members, c)
		depth, total, within := measure(c.raw)
		r.depth, r.total, r.within = max(r.depth, depth), r.total+total+1, r.within || within
	}
	r.depth++
	return r
}

// measure walks through a JSON value.
func measure(raw json.RawMessage) (depth, members int, twice bool) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var open []*level
	for {
		token, err := decoder.Token()
		if err != nil {
			return depth, members, twice
		}
		if delim, ok := token.(json.Delim); ok && (delim == '}' || delim == ']') {
			open = open[:len(open)-1]
			continue
		}
		name, isName := token.(string)
		if len(open) > 0 {
			if inner := open[len(open)-1]; inner.names != nil {
				if inner.value = !inner.value; inner.value && isName {
					twice = twice || inner.names[name]
					inner.names[name] = true
					members++
					continue
				}
			}
		}
		if delim, ok := token.(json.Delim); ok {
			l := &level{}
			if delim == '{' {
				l.names = map[string]bool{}
			}
			open = append(open, l)
			depth = max(depth, len(open))
		}
	}
}

// level is an object or array that is not closed yet.
type level struct {
	names map[string]bool // nil: an array
	value bool            // a name was read, its value comes next
}

// get returns a member's raw text, exactly named; "" if it isn't there.
func (r reading) get(name string) string {
	for _, c := range r.members {
		if c.name == name {
			return string(c.raw)
		}
	}
	return ""
}

// claim is get for a claim: null counts as absent.
func (r reading) claim(name string) string {
	if raw := r.get(name); raw != "null" {
		return raw
	}
	return ""
}

// text reads a JSON string.
func text(raw string) (s string, ok bool) {
	if !strings.HasPrefix(raw, `"`) {
		return "", false
	}
	return s, json.Unmarshal([]byte(raw), &s) == nil
}

// date reads a JSON number.
func date(raw string) (f float64, ok bool) {
	if raw == "" || strings.IndexByte("-0123456789", raw[0]) < 0 {
		return 0, false
	}
	return f, json.Unmarshal([]byte(raw), &f) == nil
}

// list reads a JSON string or an array of strings.
func list(raw string) (all []string, ok bool) {
	if s, ok := text(raw); ok {
		return []string{s}, true
	}
	var elements []json.RawMessage
	if !strings.HasPrefix(raw, "[") || json.Unmarshal([]byte(raw), &elements) != nil {
		return nil, false
	}
	for _, e := range elements {
		s, ok := text(string(e))
		if !ok {
			return nil, false
		}
		all = append(all, s)
	}
	return all, true
}
