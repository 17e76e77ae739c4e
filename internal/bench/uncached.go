package main

import (
	"fmt"

	"github.com/bearerguard/bearerguard/internal/bench/mint"
)

var algorithms = []string{"RS256", "ES256", "EdDSA"}

// uncached is a good token that comes for the first time, against the bare check of its signature.
func uncached(withPeers bool) ([]row, error) {
	most := map[string]float64{"RS256": 1.10, "ES256": 1.08, "EdDSA": 1.08}
	var rows []row
	for _, alg := range algorithms {
		key := mint.NewKey(alg, mint.KeyID)
		set, token := key.Set(), key.Token(1)
		ours, err := startOurs(set, -1)
		if err != nil {
			return nil, err
		}
		sides := []*side{{name: "bare signature", call: key.Bare(token)}, {name: oursName, call: func() error { return ours(token) }}}
		if withPeers {
			more, err := startPeers(set, alg, token)
			if err != nil {
				return nil, err
			}
			sides = append(sides, more...)
		}
		costs, err := compare(sides...)
		if err != nil {
			return nil, err
		}
		for i, c := range costs {
			r := row{name: "uncached " + alg, library: sides[i].name, found: fmt.Sprintf("%.2f × bare, %s", c.ratio, short(c.ns)), memory: c.garbage()}
			if r.isOurs() {
				r.must = fmt.Sprintf("at most %.2f", most[alg])
				r.demand("ratio", c.ratio, most[alg])
				if alg == "RS256" {
					r.must += ", 22 allocs, 3 KiB"
					r.demand("allocs", c.allocs, 22)
					r.demand("bytes", c.bytes, 3<<10)
				}
			}
			rows = append(rows, r)
		}
	}
	if withPeers {
		rows = append(rows, row{name: "uncached RS256", library: "auth0 3", found: "not to be had from the module proxy"})
	}
	return rows, nil
}
