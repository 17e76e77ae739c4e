package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/bearerguard/bearerguard/verifier"
)

// class is one way in which a token breaks a rule, found by reading the token independently of our verifier.
type class struct {
	name   string
	rule   string // its ID in conformance.md
	reason error  // with which ours must refuse
	broken func(*sample) bool
}

// explain returns the first class that the token is in and for which ours gave that reason.
func explain(s *sample, err error) *class {
	for i := range classes {
		if c := &classes[i]; errors.Is(err, c.reason) && c.broken(s) {
			return c
		}
	}
	return nil
}

// brokenBy returns the first class that the token is in, whatever ours says about it.
func brokenBy(s *sample) *class {
	for i := range classes {
		if classes[i].broken(s) {
			return &classes[i]
		}
	}
	return nil
}

// classes stand from the outside of a token to its inside; the first that fits explains a refusal.
var classes = slices.Concat(formClasses, headerClasses, payloadClasses, timeClasses, claimClasses, signatureClasses)

var formClasses = []class{
	{"the JSON serialization", "7515-7.1-1", verifier.ErrMalformed, func(s *sample) bool { return len(s.parts) != 3 && strings.ContainsAny(s.token, "{[") }},
	{"five parts", "8725bis-3.3-1", verifier.ErrMalformed, func(s *sample) bool { return len(s.parts) == 5 }},
	{"not three parts", "7515-7.1-1", verifier.ErrMalformed, func(s *sample) bool { return len(s.parts) != 3 }},
	{"an empty part", "7515-7.1-1", verifier.ErrMalformed, func(s *sample) bool { return slices.Contains(s.parts, "") }},
	{"longer than 16 KiB", "8725-3.10-1", verifier.ErrMalformed, func(s *sample) bool { return len(s.token) > 16<<10 }},
	{"a header longer than 8 KiB", "8725-3.10-1", verifier.ErrMalformed, func(s *sample) bool { return len(s.parts[0]) > 8<<10 }},
	{"a line break", "7515-3-1", verifier.ErrMalformed, func(s *sample) bool { return strings.ContainsAny(s.token, "\r\n") }},
	{"padding", "7515-3-1", verifier.ErrMalformed, func(s *sample) bool { return strings.Contains(s.token, "=") }},
	{"characters outside base64url", "8725bis-3.14-1", verifier.ErrMalformed, func(s *sample) bool {
		return strings.IndexFunc(s.token, func(r rune) bool {
			return !('0' <= r && r <= '9' || 'A' <= r && r <= 'Z' || 'a' <= r && r <= 'z' || r == '-' || r == '_' || r == '.')
		}) >= 0
	}},
	{"base64url that encoding again does not give: spare bits, a letter too many", "7515-3-1", verifier.ErrMalformed, func(s *sample) bool {
		return slices.ContainsFunc(s.parts, func(part string) bool { return b64(decode(part)) != part })
	}},
}

var headerClasses = []class{
	{"header: not one JSON object", "7515-5.2-1", verifier.ErrMalformed, func(s *sample) bool { return !s.header.object }},
	{"header: invalid UTF-8", "7515-5.2-1", verifier.ErrMalformed, func(s *sample) bool { return !utf8.Valid(s.header.text) }},
	{"header: half a surrogate pair", "7515-5.2-1", verifier.ErrMalformed, func(s *sample) bool { return loneSurrogate(s.header.text) }},
	{"header: a parameter twice", "7515-4-1", verifier.ErrMalformed, func(s *sample) bool { return s.header.twice }},
	{"header: a member twice further in", "7515-10.12-1", verifier.ErrMalformed, func(s *sample) bool { return s.header.within }},
	{"header: a number that no float64 holds", "7515-10.12-1", verifier.ErrMalformed, func(s *sample) bool {
		return s.header.object && json.Unmarshal(s.header.text, &map[string]any{}) != nil
	}},
	{"header: deeper than 4 or more than 32 members", "8725-3.10-1", verifier.ErrMalformed, func(s *sample) bool { return s.header.depth > 4 || s.header.total > 32 }},
	{"alg: not a string", "7515-4.1.1-1", verifier.ErrMalformed, func(s *sample) bool { return noText(s.header.get("alg")) }},
	{"kid: not a string, or longer than 1 KiB", "8725-3.10-1", verifier.ErrMalformed, func(s *sample) bool {
		kid, _ := text(s.header.get("kid"))
		return noText(s.header.get("kid")) || len(kid) > 1<<10
	}},
	{"typ: not a string", "7515-4.1.9-1", verifier.ErrMalformed, func(s *sample) bool { return noText(s.header.get("typ")) }},
	{"alg: absent", "7515-4.1.1-1", verifier.ErrAlgorithm, func(s *sample) bool { return s.header.get("alg") == "" }},
	{"alg: none", "9068-4-8", verifier.ErrAlgorithm, func(s *sample) bool {
		alg, _ := text(s.header.get("alg"))
		return strings.EqualFold(alg, "none")
	}},
	{"alg: not on the list", "8725-3.1-1", verifier.ErrAlgorithm, func(s *sample) bool {
		alg, _ := text(s.header.get("alg"))
		return !slices.Contains(algorithms, alg)
	}},
	{"typ: not at+jwt, for the profile of RFC 9068", "9068-4-2", verifier.ErrType, func(s *sample) bool { return s.strict && !s.hasType("at+jwt") }},
	{"typ: of another kind of token", "8725-3.12-1", verifier.ErrType, func(s *sample) bool {
		return !s.strict && s.header.get("typ") != "" && !s.hasType("at+jwt") && !s.hasType("jwt")
	}},
	{"crit", "7515-4.1.11-1", verifier.ErrMalformed, func(s *sample) bool { return s.header.get("crit") != "" }},
	{"b64", "7515-4.1.11-1", verifier.ErrMalformed, func(s *sample) bool { return s.header.get("b64") != "" }},
	{"kid: of no key", "OIDC-10.1.1", verifier.ErrKeyNotFound, func(s *sample) bool { return s.header.get("kid") != "" && s.key() == nil }},
	{"alg: not the key's", "8725bis-3.1-1", verifier.ErrKeyNotFound, func(s *sample) bool {
		alg, _ := text(s.header.get("alg"))
		key := s.key()
		return key != nil && key.alg != alg
	}},
}

// hasType compares a media type as RFC 7515 section 4.1.9 says.
func (s *sample) hasType(want string) bool {
	typ, _ := text(s.header.get("typ"))
	return strings.EqualFold(typ, want) || strings.EqualFold(typ, "application/"+want)
}

// key is the one that kid names or, without a kid, the one for the alg.
func (s *sample) key() *signingKey {
	alg, _ := text(s.header.get("alg"))
	kid, _ := text(s.header.get("kid"))
	for _, k := range []*signingKey{keyRS, keyES, keyEd} {
		if s.header.get("kid") == "" && k.alg == alg || s.header.get("kid") != "" && k.kid == kid {
			return k
		}
	}
	return nil
}

// noText reports whether a member is there and no string.
func noText(raw string) bool {
	_, ok := text(raw)
	return raw != "" && !ok
}

// loneSurrogate finds \uD800 to \uDFFF that isn't half of a pair: no UTF-8 can say it.
func loneSurrogate(text []byte) bool {
	for i := 0; i+1 < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		if i++; text[i] != 'u' {
			continue
		}
		switch unit := hex(text[i+1:]); {
		case unit>>10 == 0xdc00>>10:
			return true
		case unit>>10 == 0xd800>>10:
			if i+6 >= len(text) || text[i+5] != '\\' || text[i+6] != 'u' || hex(text[i+7:])>>10 != 0xdc00>>10 {
				return true
			}
			i += 6
		}
	}
	return false
}

// hex reads four hexadecimal digits, -1 without them.
func hex(b []byte) int64 {
	n, err := strconv.ParseInt(string(b[:min(4, len(b))]), 16, 32)
	if err != nil {
		return -1
	}
	return n
}

var payloadClasses = []class{
	{"payload: not one JSON object", "7519-7.2-1", verifier.ErrMalformed, func(s *sample) bool { return !s.payload.object }},
	{"payload: invalid UTF-8", "8725-3.7-1", verifier.ErrMalformed, func(s *sample) bool { return !utf8.Valid(s.payload.text) }},
	{"payload: half a surrogate pair", "8725-3.7-1", verifier.ErrMalformed, func(s *sample) bool { return loneSurrogate(s.payload.text) }},
	{"payload: a claim twice", "7519-4-1", verifier.ErrMalformed, func(s *sample) bool { return s.payload.twice }},
	{"payload: a member twice further in", "7515-10.12-1", verifier.ErrMalformed, func(s *sample) bool { return s.payload.within }},
	{"payload: deeper than 32 or more than 1000 members", "8725-3.10-1", verifier.ErrMalformed, func(s *sample) bool {
		return s.payload.depth > 32 || s.payload.total > 1000
	}},
	{"iss: not a string", "9068-4-5", verifier.ErrMalformed, func(s *sample) bool { return noText(s.payload.claim("iss")) }},
	{"iss: absent under its exact name", "9068-4-5", verifier.ErrIssuer, func(s *sample) bool { return s.payload.claim("iss") == "" }},
	{"iss: another", "9068-4-5", verifier.ErrIssuer, func(s *sample) bool {
		iss, _ := text(s.payload.claim("iss"))
		return iss != issuer
	}},
	{"aud: neither a string nor an array of strings", "7519-4.1.3-1", verifier.ErrMalformed, func(s *sample) bool {
		_, ok := list(s.payload.claim("aud"))
		return s.payload.claim("aud") != "" && !ok
	}},
	{"aud: absent under its exact name", "8725-3.9-1", verifier.ErrAudience, func(s *sample) bool { return s.payload.claim("aud") == "" }},
	{"aud: another", "9068-4-6", verifier.ErrAudience, func(s *sample) bool {
		aud, _ := list(s.payload.claim("aud"))
		return !slices.Contains(aud, audience)
	}},
}

// The seconds of the years 1 and 9999.
const minDate, maxDate = -62135596800, 253402300799

// badDate reports whether a claim is there and no NumericDate of these years.
func badDate(s *sample, name string) bool {
	raw := s.payload.claim(name)
	f, ok := date(raw)
	return raw != "" && (!ok || f < minDate || f > maxDate)
}

// ahead reports whether a date is further in the future than clocks may differ.
func ahead(s *sample, name string) bool {
	f, ok := date(s.payload.claim(name))
	return ok && f > float64(now.Unix())+skew.Seconds()
}

var timeClasses = []class{
	{"exp: not a number of seconds before the year 10000", "7519-2-1", verifier.ErrMalformed, func(s *sample) bool { return badDate(s, "exp") }},
	{"nbf: not a number of seconds before the year 10000", "7519-2-1", verifier.ErrMalformed, func(s *sample) bool { return badDate(s, "nbf") }},
	{"iat: not a number of seconds before the year 10000", "7519-2-1", verifier.ErrMalformed, func(s *sample) bool { return badDate(s, "iat") }},
	{"exp: the first second of the year 1, time.Time's zero", "7519-4.1.4-1", verifier.ErrInvalidToken, func(s *sample) bool {
		exp, ok := date(s.payload.claim("exp"))
		return ok && exp == minDate
	}},
	{"exp: absent under its exact name", "9068-2.2-1", verifier.ErrMissingClaim, func(s *sample) bool { return s.payload.claim("exp") == "" }},
	{"exp: now is on or after it, and 30 s", "7519-4.1.4-1", verifier.ErrExpired, func(s *sample) bool {
		exp, ok := date(s.payload.claim("exp"))
		return ok && float64(now.Unix())-skew.Seconds() >= exp
	}},
	{"nbf: now is before it, and 30 s", "7519-4.1.5-1", verifier.ErrNotYetValid, func(s *sample) bool { return ahead(s, "nbf") }},
	{"iat: more than 30 s ahead", "FAPI-5.3.2.1-n", verifier.ErrNotYetValid, func(s *sample) bool { return ahead(s, "iat") }},
}

var (
	clientClaims = []string{"client_id", "azp", "cid", "appid"} // of the generic profile, the first that is there
	idOnly       = []string{"nonce", "at_hash", "c_hash", "s_hash", "events"}
)

// client is the raw client id.
func (s *sample) client() string {
	if s.strict {
		return s.payload.claim("client_id")
	}
	for _, name := range clientClaims {
		if raw := s.payload.claim(name); raw != "" {
			return raw
		}
	}
	return ""
}

// scope is the raw scope claim.
func (s *sample) scope() string {
	if raw := s.payload.claim("scope"); raw != "" || s.strict {
		return raw
	}
	return s.payload.claim("scp")
}

func lacks(name string) func(*sample) bool {
	return func(s *sample) bool { return s.strict && s.payload.claim(name) == "" }
}

var claimClasses = []class{
	{"iat: absent", "9068-2.2-1", verifier.ErrMissingClaim, func(s *sample) bool { return s.payload.claim("iat") == "" }},
	{"sub: absent, for the profile of RFC 9068", "9068-2.2-1", verifier.ErrMissingClaim, lacks("sub")},
	{"jti: absent, for the profile of RFC 9068", "9068-2.2-1", verifier.ErrMissingClaim, lacks("jti")},
	{"client_id: absent or empty", "9068-2.2-1", verifier.ErrMissingClaim, func(s *sample) bool {
		return s.client() == "" || s.client() == `""`
	}},
	{"a claim of ID or logout tokens", "8725-3.12-1", verifier.ErrType, func(s *sample) bool {
		return !s.strict && slices.ContainsFunc(idOnly, func(name string) bool { return s.payload.claim(name) != "" })
	}},
	{"sub: not a string", "8725-3.8-2", verifier.ErrMalformed, func(s *sample) bool { return noText(s.payload.claim("sub")) }},
	{"client_id: not a string", "9068-2.2-1", verifier.ErrMalformed, func(s *sample) bool { return noText(s.client()) }},
	{"jti: not a string", "9068-2.2-1", verifier.ErrMalformed, func(s *sample) bool { return noText(s.payload.claim("jti")) }},
	{"scope: neither a string nor an array of strings", "9068-2.2.3-1", verifier.ErrMalformed, func(s *sample) bool {
		_, ok := list(s.scope())
		return s.scope() != "" && !ok
	}},
	{"cnf: not an object, or a member that is no string", "9449-6-1", verifier.ErrMalformed, func(s *sample) bool {
		raw := s.payload.get("cnf")
		cnf := read([]byte(raw))
		return raw != "" && (!cnf.object || badBinding(cnf.get("jkt")) || badBinding(cnf.get("x5t#S256")))
	}},
}

func badBinding(raw string) bool { return noText(raw) || raw == `""` }

var signatureClasses = []class{
	{"a signature of another length", "7518-3.4-1", verifier.ErrSignature, func(s *sample) bool {
		key := s.key()
		return key != nil && len(s.signature) != key.size()
	}},
	{"a signature over other bytes: without the whitespace around header or payload", "9068-4-7", verifier.ErrSignature, func(s *sample) bool {
		key := s.key()
		return key != nil && key.good(b64(bytes.TrimSpace(s.header.text))+"."+b64(bytes.TrimSpace(s.payload.text)), s.signature) &&
			!key.good(s.parts[0]+"."+s.parts[1], s.signature)
	}},
	{"a signature that the standard library refuses", "9068-4-7", verifier.ErrSignature, func(s *sample) bool {
		key := s.key()
		return key == nil || !key.good(s.parts[0]+"."+s.parts[1], s.signature)
	}},
}

// size is that of a signature, in bytes.
func (k *signingKey) size() int {
	if k == keyRS {
		return 256
	}
	return 64
}
