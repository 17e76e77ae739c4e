package verifier

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bearerguard/bearerguard/internal/jose"
)

// Check is one check of a token, told to a person.
type Check struct {
	Name    string // as "issuer"
	Rule    string // where the rule stands, as "RFC 9068 section 4"
	Found   string // what the token has; "" if the check was not judged
	Wanted  string // what this verifier accepts; "" if the check was not judged
	Err     error  // nil: passed, or not judged
	Skipped bool   // not judged, for what it needs could not be read
}

// Explain runs every check, where [Verifier.Verify] stops at the first failure, and reports what each found and wanted.
// It is for operators: what it returns holds the token's claims and must not reach a client. It holds neither the token
// nor its signature. A token is good when no check has an Err and none was skipped.
//
// As Verify, it may fetch keys. It takes nothing from the memory of verified tokens and adds nothing to it.
func (v *Verifier) Explain(ctx context.Context, token string) []Check {
	if v == nil || v.keys == nil {
		return []Check{{Name: "configuration", Err: errZeroVerifier}}
	}
	t := newInspection(v, ctx, token, v.now())
	defer t.release()
	report := make([]Check, len(checks))
	var has have
	for i, c := range checks {
		report[i] = Check{Name: c.name, Rule: c.rule}
		if has&c.needs != c.needs {
			report[i].Skipped = true
			continue
		}
		report[i].Err = c.run(t)
		report[i].Found, report[i].Wanted = c.show(t)
		if report[i].Err == nil {
			has |= c.gives
		}
	}
	return report
}

func (t *inspection) showSize() (string, string) {
	return fmt.Sprintf("%d bytes", len(t.token)), fmt.Sprintf("at most %d bytes", jose.MaxToken)
}

func (t *inspection) showEncryption() (found, wanted string) {
	found, wanted = "none", "none: Config.Decryption has no keys"
	if e := t.encrypted; e != nil {
		found = fmt.Sprintf("alg %s, enc %s, kid %s, cty %s", quote(e.Algorithm), quote(e.Encryption), quote(e.KeyID), quote(e.ContentType))
	} else if jose.IsEncrypted(t.token) {
		found = "five parts, of which nothing could be read"
	}
	if d := t.v.decryption; d != nil {
		wanted = d.show()
	}
	return found, wanted
}

func (t *inspection) showForm() (string, string) {
	return fmt.Sprintf("%d parts", strings.Count(t.token, ".")+1), "three parts in base64url: a signed JWT"
}

func (t *inspection) showHeader() (string, string) {
	if t.header == nil {
		return "unreadable", "a strict JSON object"
	}
	return "a JSON object", "a strict JSON object"
}

func (t *inspection) showAlgorithm() (string, string) {
	return quote(t.header.alg), strings.Join(t.v.algorithms, " ")
}

func (t *inspection) showType() (found, wanted string) {
	found = "absent"
	if t.header.hasType {
		found = quote(t.header.typ)
	}
	types := slices.Clone(t.v.rules.types)
	if t.v.rules.noType {
		types = append(types, "none at all")
	}
	return found, strings.Join(types, " or ")
}

func (t *inspection) showCritical() (string, string) {
	if t.header.critical {
		return "crit or b64 is there", "neither"
	}
	return "none", "none"
}

func (t *inspection) showPayload() (string, string) {
	if t.claims == nil || t.claims.body.Text() == "" {
		return "unreadable", "a strict JSON object"
	}
	return fmt.Sprintf("a JSON object with %d claims", len(t.claims.body.Names())), "a strict JSON object"
}

func (t *inspection) showIssuer() (string, string) {
	if t.v.tenants != nil {
		tid, _ := t.claims.text("tid")
		return quote(t.claims.issuer) + " with tid " + quote(tid), fmt.Sprintf("an issuer and the tid of one of %d tenants", len(t.v.tenants))
	}
	return quote(t.claims.issuer), quote(t.v.issuer)
}

func (t *inspection) showAudience() (string, string) {
	wanted := "any audience"
	if len(t.v.audience) > 0 {
		wanted = quoteAll(t.v.audience)
	}
	if len(t.claims.audience) == 0 {
		return "no audience", wanted
	}
	return quoteAll(t.claims.audience), wanted
}

func (t *inspection) showExpiry() (string, string) {
	return relative(t.claims.expiry, t.now), "later than " + t.clock(-t.v.skew)
}

func (t *inspection) showNotBefore() (string, string) {
	return relative(t.claims.notBefore, t.now), "absent or not after " + t.clock(t.v.skew)
}

func (t *inspection) showIssuedAt() (string, string) {
	return relative(t.claims.issuedAt, t.now), "absent or not after " + t.clock(t.v.skew)
}

func (t *inspection) showKey() (found, wanted string) {
	found = "no kid"
	if t.header.hasKid {
		found = "kid " + quote(t.header.kid)
	}
	set := t.v.keys.served.Load()
	if set == nil {
		return found, "one of the issuer's keys, which could not be fetched"
	}
	known := make([]string, len(set.keys))
	for i, key := range set.keys {
		known[i] = fmt.Sprintf("%s (%s)", quote(key.ID), key.Algorithms())
	}
	return found, "one of " + strings.Join(known, ", ")
}

func (t *inspection) showSignature() (string, string) {
	if t.key == nil {
		return "not made by that key", "made by that key"
	}
	return "made by the issuer's key " + quote(t.key.ID), "made by that key"
}

func (t *inspection) showRequired() (string, string) {
	return quoteEach(t.claims.body.Names(), ", "), names(t.v.rules.require)
}

func (t *inspection) showKind() (found, wanted string) {
	var has, wants []string
	for _, m := range t.v.rules.match {
		has = append(has, m.claim.text+" is "+t.claims.show(m.claim))
		wants = append(wants, m.claim.text+" is "+m.wanted())
	}
	for _, name := range t.v.rules.forbid {
		if t.claims.lookup(name) != "" {
			has = append(has, name.text+" is there")
		}
		wants = append(wants, "no "+name.text)
	}
	return orNothing(has), orNothing(wants)
}

func (t *inspection) showTypes() (string, string) {
	found := fmt.Sprintf("scopes %q", t.claims.scopes.String())
	if t.claims.passedOver > 0 {
		found += fmt.Sprintf(", and %d that are no scope-tokens", t.claims.passedOver)
	}
	if t.claims.confirmation != (Confirmation{}) {
		found += ", bound to its sender (cnf): whoever takes the request must check the proof"
	}
	return found, "strings, and scopes as a string or an array of strings"
}

func (t *inspection) showClient() (string, string) {
	wanted := "any client of the issuer"
	if len(t.v.clients) > 0 {
		wanted = quoteAll(t.v.clients)
	}
	return quote(t.claims.clientID), wanted
}

func (t *inspection) showMatch() (found, wanted string) {
	var has, wants []string
	for _, m := range t.v.rules.ownMatch {
		has = append(has, m.claim.text+" is "+t.claims.show(m.claim))
		wants = append(wants, m.claim.text+" is "+m.wanted())
	}
	return orNothing(has), orNothing(wants)
}

// show prints a claim for a person: cut short, and escaped so that a difference can be seen.
func (c *Claims) show(n claimName) string {
	raw := c.lookup(n)
	if raw == "" {
		return "absent"
	}
	if list, err := c.list(n); err == nil {
		return quoteAll(list)
	}
	return quote(raw)
}

func (m matchRule) wanted() string {
	if len(m.values) == 0 {
		return "there"
	}
	return quoteAll(m.values)
}

const maxShown = 200 // bytes of one string, and elements of one list

// quote escapes what may look like something else: RFC 8414 section 4 compares code points.
func quote(s string) string {
	if len(s) > maxShown {
		return fmt.Sprintf("%+q...", s[:maxShown])
	}
	return fmt.Sprintf("%+q", s)
}

func quoteAll(list []string) string { return quoteEach(list, " or ") }

func quoteEach(list []string, separator string) string {
	quoted := make([]string, 0, len(list))
	for _, s := range list[:min(len(list), maxShown)] {
		quoted = append(quoted, quote(s))
	}
	return strings.Join(quoted, separator)
}

func names(list []claimName) string {
	texts := make([]string, len(list))
	for i, n := range list {
		texts[i] = n.text
	}
	return orNothing(texts)
}

func orNothing(list []string) string {
	if len(list) == 0 {
		return "nothing more"
	}
	return strings.Join(list, ", ")
}

// relative tells a date and how far from now it is.
func relative(date, now time.Time) string {
	if date.IsZero() {
		return "absent"
	}
	d := date.Sub(now).Round(time.Second)
	if d < 0 {
		return fmt.Sprintf("%s, %v ago", date.UTC().Format(time.RFC3339), -d)
	}
	return fmt.Sprintf("%s, %v ahead", date.UTC().Format(time.RFC3339), d)
}

func (t *inspection) clock(offset time.Duration) string {
	return t.now.Add(offset).UTC().Format(time.RFC3339)
}
