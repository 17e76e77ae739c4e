package main

import (
	"fmt"

	"github.com/bearerguard/bearerguard/internal/bench/mint"
	"github.com/bearerguard/bearerguard/internal/bench/report"
)

var algorithms = []string{"RS256", "ES256", "EdDSA"}

// uncached is a good token that comes for the first time, against the bare check of its signature.
func uncached(withPeers bool) ([]report.Row, error) {
	most := map[string]float64{"RS256": 1.10, "ES256": 1.08, "EdDSA": 1.08}
	var rows []report.Row
	for _, alg := range algorithms {
		key := mint.NewKey(alg, mint.KeyID)
		set, token := key.Set(), key.Token(1)
		ours, err := startOurs(set, -1)
		if err != nil {
			return nil, err
		}
		sides := []*side{{name: "bare signature", call: key.Bare(token)}, {name: report.Ours, call: func() error { return ours(token) }}}
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
			r := report.Row{Name: "uncached " + alg, Library: sides[i].name, Found: fmt.Sprintf("%.2f × bare, %s", c.ratio, report.Short(c.ns)), Memory: c.garbage()}
			if r.IsOurs() {
				r.Must = fmt.Sprintf("at most %.2f", most[alg])
				r.AtMost("ratio", c.ratio, most[alg])
				if alg == "RS256" {
					r.Must += ", 22 allocs, 3 KiB"
					r.AtMost("allocs", c.allocs, 22)
					r.AtMost("bytes", c.bytes, 3<<10)
				}
			}
			rows = append(rows, r)
		}
	}
	if withPeers {
		rows = append(rows, report.Row{Name: "uncached RS256", Library: "auth0 3", Found: "not to be had from the module proxy"})
	}
	return rows, nil
}
