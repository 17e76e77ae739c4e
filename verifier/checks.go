package verifier

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bearerguard/bearerguard/internal/jose"
)

// inspection is one token on its way through the checks.
type inspection struct {
	v     *Verifier
	ctx   context.Context
	now   time.Time
	token string // once it is decrypted, what was in it

	encrypted *jose.Encrypted // nil: it was not, or has not been read
	compact   jose.Compact
	header    *header
	claims    *Claims // not to be trusted before checkSignature has passed
	keys      []*jose.Key
	key       *jose.Key // the one that made the signature
	scratch   []byte    // for what is decoded
}

var inspections = sync.Pool{New: func() any { return new(inspection) }}

func newInspection(v *Verifier, ctx context.Context, token string, now time.Time) *inspection {
	t := inspections.Get().(*inspection)
	t.v, t.ctx, t.token, t.now = v, ctx, token, now
	return t
}

// release leaves nothing of the token behind.
func (t *inspection) release() {
	scratch := t.scratch[:cap(t.scratch)]
	clear(scratch)
	*t = inspection{scratch: scratch[:0]}
	inspections.Put(t)
}

// have tells what a check has worked out for those behind it.
type have uint8

const (
	haveSize have = 1 << iota
	havePlain
	haveForm
	haveHeader
	haveAlgorithm
	haveClaims
	haveKeys
	haveTypes
)

// check is one thing that must be true of a token.
type check struct {
	name  string
	rule  string
	needs have // without these it can't be judged
	gives have
	run   func(*inspection) error
	show  func(*inspection) (found, wanted string) // for Explain, once it could be judged
}

// checks stand in the order in which they run. What comes before the signature only refuses. It stands first because a
// token of another issuer, for another audience or long expired would otherwise look like one signed by an unknown key:
// it would spend the refetch budget that a rotation needs, and leave the wrong reason in the log.
var checks = []check{
	{name: "size", rule: "RFC 8725 section 3.10", gives: haveSize, run: (*inspection).checkSize, show: (*inspection).showSize},
	{name: "encryption", rule: "RFC 9068 section 4", needs: haveSize, gives: havePlain, run: (*inspection).checkEncryption, show: (*inspection).showEncryption},
	{name: "form", rule: "RFC 7515 section 7.1", needs: havePlain, gives: haveForm, run: (*inspection).checkForm, show: (*inspection).showForm},
	{name: "header", rule: "RFC 7515 section 4", needs: haveForm, gives: haveHeader, run: (*inspection).checkHeader, show: (*inspection).showHeader},
	{name: "algorithm", rule: "RFC 8725 section 3.1", needs: haveHeader, gives: haveAlgorithm, run: (*inspection).checkAlgorithm, show: (*inspection).showAlgorithm},
	{name: "type", rule: "RFC 9068 section 4", needs: haveHeader, run: (*inspection).checkType, show: (*inspection).showType},
	{name: "critical extensions", rule: "RFC 7515 section 4.1.11", needs: haveHeader, run: (*inspection).checkCritical, show: (*inspection).showCritical},
	{name: "payload", rule: "RFC 7519 section 7.2", needs: haveForm, gives: haveClaims, run: (*inspection).checkPayload, show: (*inspection).showPayload},
	{name: "issuer", rule: "RFC 9068 section 4", needs: haveClaims, run: (*inspection).checkIssuer, show: (*inspection).showIssuer},
	{name: "audience", rule: "RFC 9068 section 4", needs: haveClaims, run: (*inspection).checkAudience, show: (*inspection).showAudience},
	{name: "expiry", rule: "RFC 7519 section 4.1.4", needs: haveClaims, run: (*inspection).checkExpiry, show: (*inspection).showExpiry},
	{name: "not before", rule: "RFC 7519 section 4.1.5", needs: haveClaims, run: (*inspection).checkNotBefore, show: (*inspection).showNotBefore},
	{name: "issued at", rule: "RFC 7519 section 4.1.6", needs: haveClaims, run: (*inspection).checkIssuedAt, show: (*inspection).showIssuedAt},
	{name: "key", rule: "RFC 8725 section 3.8", needs: haveAlgorithm, gives: haveKeys, run: (*inspection).checkKey, show: (*inspection).showKey},
	{name: "signature", rule: "RFC 7515 section 5.2", needs: haveKeys, run: (*inspection).checkSignature, show: (*inspection).showSignature},
	{name: "required claims", rule: "RFC 9068 section 2.2", needs: haveClaims, run: (*inspection).checkRequired, show: (*inspection).showRequired},
	{name: "kind of token", rule: "RFC 8725 section 3.12", needs: haveClaims, run: (*inspection).checkKind, show: (*inspection).showKind},
	{name: "claim types", rule: "RFC 7519 section 4.1", needs: haveClaims, gives: haveTypes, run: (*inspection).checkTypes, show: (*inspection).showTypes},
	{name: "client", rule: "RFC 9068 section 2.2", needs: haveTypes, run: (*inspection).checkClient, show: (*inspection).showClient},
	{name: "deployment's claims", rule: "RFC 8725 section 3.8", needs: haveClaims, run: (*inspection).checkMatch, show: (*inspection).showMatch},
}

func (t *inspection) checkSize() error {
	if len(t.token) > jose.MaxToken {
		return errTooLong // made once: a flood of them costs nothing
	}
	return nil
}

var errTooLong = fmt.Errorf("%w: longer than %d bytes", ErrMalformed, jose.MaxToken)

func (t *inspection) checkForm() (err error) {
	if t.compact, err = jose.Split(t.token); err != nil {
		return t.malformed("form", err)
	}
	return nil
}

// malformed reports what can't be read. A token without dots is opaque: the operator is told how to get a JWT.
func (t *inspection) malformed(part string, err error) error {
	return fmt.Errorf("%w: %s: %w%s", ErrMalformed, part, err, t.hintForm())
}

func (t *inspection) checkHeader() (err error) {
	if t.header = t.v.headers.get(t.compact.Header); t.header != nil {
		return nil
	}
	if t.header, err = parseHeader(t.compact.Header); err != nil {
		return t.malformed("header", err)
	}
	return nil
}

// checkAlgorithm compares exactly: "none", "nOnE" and "rs256" are all just not on the list.
func (t *inspection) checkAlgorithm() error {
	if !slices.Contains(t.v.algorithms, t.header.alg) {
		return fmt.Errorf("%w: alg is %.40q, accepted are %s", ErrAlgorithm, t.header.alg, strings.Join(t.v.algorithms, " "))
	}
	return nil
}

func (t *inspection) checkType() error {
	if t.header.hasType && slices.Contains(t.v.rules.types, typeName(t.header.typ)) || !t.header.hasType && t.v.rules.noType {
		return nil
	}
	found, wanted := t.showType()
	return fmt.Errorf("%w: typ is %s, the profile accepts %s%s", ErrType, found, wanted, t.hintType())
}

// checkCritical refuses every critical extension, for none is understood (RFC 7515 section 4.1.11), and b64, which
// changes what is signed (RFC 7797 section 6).
func (t *inspection) checkCritical() error {
	if t.header.critical {
		return fmt.Errorf("%w: the header holds crit or b64: no extension is supported", ErrMalformed)
	}
	return nil
}

func (t *inspection) checkPayload() error {
	t.claims = &Claims{} // even if nothing can be read: Explain goes on
	payload, err := jose.Decode(t.scratch[:0], t.compact.Payload)
	if err != nil {
		return t.malformed("payload", err)
	}
	t.scratch = payload
	if err := t.claims.readEnvelope(payload, t.v.rules); err != nil {
		return err
	}
	return t.checkReplicated()
}

// checkIssuer compares byte by byte: no case folding, no normalization (RFC 8414 section 4).
func (t *inspection) checkIssuer() error {
	if t.v.tenants != nil {
		return t.checkTenant()
	}
	if t.claims.issuer != t.v.issuer {
		return fmt.Errorf("%w: iss is %s, this server expects %q%s", ErrIssuer, quote(t.claims.issuer), t.v.issuer, t.hintIssuer())
	}
	return nil
}

func (t *inspection) checkAudience() error {
	if len(t.v.audience) == 0 { // New has seen to it that this was asked for
		return nil
	}
	if slices.ContainsFunc(t.claims.audience, func(a string) bool { return slices.Contains(t.v.audience, a) }) {
		return nil
	}
	found, wanted := t.showAudience()
	return fmt.Errorf("%w: the token is for %s, this server is %s%s", ErrAudience, found, wanted, t.hintAudience())
}

// checkExpiry: on or after exp is too late (RFC 7519 section 4.1.4).
func (t *inspection) checkExpiry() error {
	if t.claims.expiry.IsZero() {
		return fmt.Errorf("%w: exp", ErrMissingClaim)
	}
	if !t.now.Before(t.claims.expiry.Add(t.v.skew)) {
		return fmt.Errorf("%w: %s", ErrExpired, relative(t.claims.expiry, t.now))
	}
	return nil
}

func (t *inspection) checkNotBefore() error { return t.notAhead("nbf", t.claims.notBefore) }

func (t *inspection) checkIssuedAt() error { return t.notAhead("iat", t.claims.issuedAt) }

func (t *inspection) notAhead(claim string, date time.Time) error {
	if !date.IsZero() && t.now.Add(t.v.skew).Before(date) {
		return fmt.Errorf("%w: %s is %s", ErrNotYetValid, claim, relative(date, t.now))
	}
	return nil
}

// checkKey never looks at jku, jwk, x5u or x5c: a token doesn't choose its keys (RFC 9068 section 4, RFC 8725 section 3.10).
func (t *inspection) checkKey() (err error) {
	t.keys, err = t.v.keys.find(t.ctx, t.now, t.header)
	if err == nil && t.v.entra {
		err = t.entraKeysOnly()
	}
	return err
}

func (t *inspection) checkSignature() error {
	signed := append(t.scratch[:0], t.compact.Signed...)
	both, err := jose.Decode(signed, t.compact.Signature)
	if err != nil {
		return t.malformed("signature", err)
	}
	t.scratch = both
	for _, key := range t.keys {
		if err = key.Verify(t.header.alg, both[:len(signed)], both[len(signed):]); err == nil {
			t.key = key
			return nil
		}
	}
	t.v.keys.suspect(t.ctx, t.now) // the key may have been replaced under its kid
	return fmt.Errorf("%w%s", ErrSignature, t.hintSignature())
}

func (t *inspection) checkRequired() error {
	for _, name := range t.v.rules.require {
		if t.claims.lookup(name) == "" {
			return fmt.Errorf("%w: %s%s", ErrMissingClaim, name.text, t.hintRequired(name.text))
		}
	}
	return nil
}

// checkKind tells access tokens from the issuer's other tokens (RFC 9068 section 5).
func (t *inspection) checkKind() error {
	for _, m := range t.v.rules.match {
		if !t.claims.holds(m) {
			return fmt.Errorf("%w: claim %q is %s, an access token of this profile has %s", ErrType, m.claim.text, t.claims.show(m.claim), m.wanted())
		}
	}
	for _, name := range t.v.rules.forbid {
		if t.claims.lookup(name) != "" {
			return fmt.Errorf("%w: claim %q is there: this looks like an ID or logout token", ErrType, name.text)
		}
	}
	return nil
}

func (t *inspection) checkTypes() error { return t.claims.readRest(t.v.rules) }

func (t *inspection) checkClient() error {
	if len(t.v.rules.clientID) > 0 && t.claims.clientID == "" {
		return fmt.Errorf("%w: the client id (%s)", ErrMissingClaim, names(t.v.rules.clientID))
	}
	if len(t.v.clients) > 0 && !slices.Contains(t.v.clients, t.claims.clientID) {
		return fmt.Errorf("%w: client %s is not one of Config.Clients", ErrClaim, quote(t.claims.clientID))
	}
	return nil
}

func (t *inspection) checkMatch() error {
	for _, m := range t.v.rules.ownMatch {
		if !t.claims.holds(m) {
			return fmt.Errorf("%w: %q is %s, Config.Match wants %s", ErrClaim, m.claim.text, t.claims.show(m.claim), m.wanted())
		}
	}
	return nil
}

// header is a parsed JOSE header: what of it counts. It is immutable.
type header struct {
	alg, kid, typ   string
	hasKid, hasType bool
	critical        bool
}

func parseHeader(segment string) (*header, error) {
	text, err := jose.Decode(nil, segment)
	if err != nil {
		return nil, err
	}
	o, err := jose.ParseObject(text, jose.HeaderLimits)
	if err != nil {
		return nil, err
	}
	// Readers differ on a number that no float64 holds, wherever it stands (RFC 8259 section 6).
	if mayOverflow(o.Text()) && jose.Unmarshal(o.Text(), &map[string]any{}) != nil {
		return nil, errors.New("a number that is too large")
	}
	h := &header{}
	for _, m := range []struct {
		name  string
		dst   *string
		there *bool
	}{{"alg", &h.alg, new(bool)}, {"kid", &h.kid, &h.hasKid}, {"typ", &h.typ, &h.hasType}} {
		raw, ok := o.Get(m.name)
		if !ok {
			continue
		}
		*m.there = true
		if *m.dst, ok = jose.String(raw); !ok {
			return nil, fmt.Errorf("%s is not a string", m.name)
		}
	}
	_, crit := o.Get("crit")
	_, b64 := o.Get("b64")
	h.critical = crit || b64
	if len(h.kid) > jose.MaxKeyID {
		return nil, errors.New("kid is too long")
	}
	return h, nil
}

// mayOverflow reports whether a number of this JSON may be larger than the largest float64, which has 309 digits.
func mayOverflow(json string) bool {
	for i := 1; i < len(json); i++ {
		if json[i]|0x20 == 'e' && '0' <= json[i-1] && json[i-1] <= '9' {
			return true
		}
	}
	return len(json) >= 309
}
