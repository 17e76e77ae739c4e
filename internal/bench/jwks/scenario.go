package main

import (
	_ "embed"
	"strings"
)

// scenario is a row of the table.
type scenario struct {
	name   string
	target string // what ours must reach
	played by
	alone  bool // nothing else runs meanwhile: a burst would disturb others
	play   func(r *run, v *verdict)
}

// by says who can play a scenario.
type by int

const (
	everyone  by = iota
	withTTL      // ours, and peers whose keys can be made to expire
	oursAlone    // for want of a clock, a token cache or a Health
)

func (b by) includes(l *library) bool {
	switch {
	case b == everyone || l.name == oursName:
		return true
	case b == withTTL:
		return l.ttl
	}
	return false
}

// scenarios lists all, in the order of the table.
func scenarios() []scenario {
	list := []scenario{
		{"cold, 1000 concurrent first requests", "1 fetch, each discovery URL at most once, 0 failures", everyone, true, playCold},
		{"1000 unknown kids in 1 s among 200 good requests", "at most 4 fetches, no good request fails or gets slower", everyone, true, playUnknownKids},
		{"1000 bad signatures of the known kid in 1 s", "at most 4 fetches, none waited for", everyone, true, playBadSignatures},
		{"keys expire under 200 req/s", "1 fetch a life, nobody waits", withTTL, true, playExpiry},
	}
	for _, f := range failures {
		target := "0 failures, at most 5 fetches"
		if f.name == "hangs" {
			target = "0 failures, at most 5 fetches, nobody waits over 1 s, and only until the first failure"
		}
		list = append(list, scenario{"warm, 6 s: " + f.name, target, everyone, false, outageWarm(f)})
	}
	for _, f := range failures {
		list = append(list, scenario{"cold, 6 s: " + f.name, "503 within 5.5 s in an attempt, under 50 ms between, heals in 11 s", everyone, false, outageCold(f)})
	}
	return append(list,
		scenario{"rotation: a new key signs at once, the old one is gone", "0 failures, 1 fetch", everyone, false, playRotation},
		scenario{"20 unknown kids, then that rotation", "healed within 5 s and 1 fetch", everyone, false, playRotationAfterKids},
		scenario{"30 s of unknown kids, that rotation in the middle", "healed within 5 s and 1 fetch, at most 9 fetches", everyone, false, playRotationInFlood},
		scenario{"that rotation while the endpoint is down for 6 s", "503, never 401, heals in 11 s", everyone, false, playRotationWhileDown},
		scenario{"a key withdrawn, its tokens cached", "refused from the next refresh on", everyone, false, playWithdrawn},
		scenario{"a key replaced under its kid", "healed by the refetch of the first bad signature", everyone, false, playReplaced},
		scenario{"unchanged keys refreshed 10 times, 1000 cached tokens", "0 tokens lost", oursAlone, false, playUnchanged},
		scenario{"one caller hangs up during the shared fetch", "the others are served", everyone, false, playHangUp},
		scenario{"down for 25 h", "503 after 24 h, not before", oursAlone, false, playStaleLimit},
		scenario{"3000 requests against a hung endpoint", "no goroutine beyond them, all gone afterwards", everyone, true, playHungEndpoint},
		scenario{"no traffic until ready, down for 3 s at first", "gets ready", oursAlone, false, playReadiness},
	)
}

//go:embed rows.golden
var golden string

// expectedRows are the names of the rows that the table must have.
func expectedRows() []string { return strings.Split(strings.TrimSpace(golden), "\n") }
