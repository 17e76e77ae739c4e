package main

import (
	"fmt"
	"strings"

	"github.com/bearerguard/bearerguard/internal/bench/mint"
	"github.com/bearerguard/bearerguard/internal/bench/report"
)

// spellings counts in how many ways one token can be written and is still accepted.
func spellings(withPeers bool) ([]report.Row, error) {
	var rows []report.Row
	for _, alg := range algorithms {
		key := mint.NewKey(alg, mint.KeyID)
		set, token := key.Set(), key.Token(1)
		variants := variants(token)
		ours := library{name: report.Ours, start: func(set []byte, _ string) (verify, error) { return startOurs(set, 0) }}
		libraries := []library{ours}
		if withPeers {
			libraries = append(libraries, peers...)
		}
		for _, l := range libraries {
			v, err := l.start(set, alg)
			if err != nil {
				return nil, err
			}
			accepted := 0
			for _, variant := range variants {
				if v(variant) == nil {
					accepted++
				}
			}
			r := report.Row{Name: "spellings of one token, " + alg, Library: l.name, Found: fmt.Sprintf("%d of %d accepted", accepted, len(variants))}
			if r.IsOurs() {
				r.Must = "one"
				r.AtMost("accepted", float64(accepted), 1)
				r.AtMost("refused", float64(1-accepted), 0)
			}
			rows = append(rows, r)
		}
	}
	return rows, nil
}

// variants are the token itself and other strings that lax decoders take for it.
func variants(token string) []string {
	seen := map[string]bool{token: true}
	list := []string{token}
	add := func(s string) {
		if !seen[s] {
			seen[s] = true
			list = append(list, s)
		}
	}
	for i := 0; i <= len(token); i++ { // what decoders skip
		for _, extra := range []string{"\n", "\r", " ", "\t", "=", "\x00", "."} {
			add(token[:i] + extra + token[i:])
		}
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/"
	for i := range len(token) { // the unused bits of a segment's last character
		if i+1 == len(token) || token[i+1] == '.' {
			for _, c := range alphabet {
				add(token[:i] + string(c) + token[i+1:])
			}
		}
	}
	parts := strings.Split(token, ".")
	for i := range parts {
		for _, padded := range []string{parts[i] + "=", parts[i] + "==", "AA" + parts[i], "AAAA" + parts[i], parts[i] + "AAAA"} {
			changed := append([]string(nil), parts...)
			changed[i] = padded
			add(strings.Join(changed, "."))
		}
	}
	add(strings.NewReplacer("-", "+", "_", "/").Replace(token))
	add(fmt.Sprintf(`{"protected":%q,"payload":%q,"signature":%q}`, parts[0], parts[1], parts[2]))
	add(fmt.Sprintf(`{"payload":%q,"signatures":[{"protected":%q,"signature":%q}]}`, parts[1], parts[0], parts[2]))
	return list
}
