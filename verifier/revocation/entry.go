package revocation

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Entry says which tokens are withdrawn: those of one issuer that have one name in common.
//
// Exactly one of ID, Subject and ClientID is set. They are compared byte by byte with [verifier.Claims.ID],
// [verifier.Claims.Subject] and [verifier.Claims.ClientID], which the verifier's profile reads; a token that has no such name
// is never meant.
type Entry struct {
	Issuer string // required, exactly as the tokens' iss: one issuer's names say nothing about another's tokens

	ID       string // one token, by its jti
	Subject  string // all tokens of a user
	ClientID string // all tokens of a client

	// IssuedBefore spares the tokens whose iat is this date or later; a token without iat counts as older. Zero spares
	// none, whenever it was issued: a new token is refused too, until Until. "Log out everywhere" is a date.
	//
	// Most servers write iat in whole seconds, so with time.Now() a token issued later in this very second is refused too:
	// don't round the date down. The date is compared with the issuer's clock: add what that may be ahead.
	IssuedBefore time.Time

	// Until is required: the exp of the token, or the date by which the last of the tokens meant has expired.
	// Then the entry is forgotten. Too late a date costs memory, too early a one makes withdrawn tokens good again.
	Until time.Time
}

// Record is an entry as stores keep it, with a hash in place of the names: what [Store.Records] gives can be written to a file
// or sent to another store, and restored with [Store.Restore]. The hash hides a name from a glance, not from somebody who
// guesses names.
type Record struct {
	Target       string    // "jti:", "sub:" or "client:" and SHA-256 of issuer and name, in base64url
	IssuedBefore time.Time // in whole milliseconds, as Until; zero: whenever issued
	Until        time.Time
}

// maxDate is the last second that a token's NumericDate can name.
var maxDate = time.Date(9999, time.December, 31, 23, 59, 59, 0, time.UTC)

// Record checks an entry and hides its names. Every mistake is reported at once.
func (e Entry) Record() (Record, error) {
	var errs []error
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf("revocation: "+format, args...)) }
	if e.Issuer == "" {
		wrong("Issuer is empty: set it exactly as the tokens' iss has it")
	}
	var of kind
	var name string
	count := 0
	for k, n := range [kinds]string{e.ID, e.Subject, e.ClientID} {
		if n != "" {
			of, name = kind(k), n
			count++
		}
	}
	if count != 1 {
		wrong("%d of ID, Subject and ClientID are set: set one, and make an entry for each", count)
	}
	if e.Until.IsZero() {
		wrong("Until is zero: set the exp of the token, or the date by which the last of the tokens has expired")
	}
	if e.Until.After(maxDate) || e.IssuedBefore.After(maxDate) {
		wrong("Until or IssuedBefore lies beyond the year 9999: were milliseconds taken for seconds?")
	}
	if err := errors.Join(errs...); err != nil {
		return Record{}, err
	}
	t := target{of, digest(e.Issuer, name)}
	return Record{t.String(), ceil(e.IssuedBefore), ceil(e.Until)}, nil
}

// ceil gives whole milliseconds, never sooner: what is compared is the same in every store.
func ceil(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return time.UnixMilli(t.Add(time.Millisecond - 1).UnixMilli())
}

// check reads a record that may come from anywhere.
func (r Record) check() (target, error) {
	t, err := parseTarget(r.Target)
	if err == nil && (r.Until.IsZero() || r.Until.After(maxDate) || r.IssuedBefore.After(maxDate)) {
		err = fmt.Errorf("revocation: the record of %s has no Until, or a date beyond the year 9999", r.Target)
	}
	return t, err
}

// kind is by what tokens are meant.
type kind byte

const (
	byID kind = iota
	bySubject
	byClient
	kinds // how many there are
)

var kindNames = [kinds]string{"jti:", "sub:", "client:"}

// target is what an entry is kept under.
type target struct {
	kind   kind
	digest [sha256.Size]byte
}

func (t target) String() string {
	return kindNames[t.kind] + base64.RawURLEncoding.EncodeToString(t.digest[:])
}

func parseTarget(s string) (t target, err error) {
	for k, name := range kindNames {
		if text, ok := strings.CutPrefix(s, name); ok {
			t.kind = kind(k)
			b, err := base64.RawURLEncoding.Strict().DecodeString(text)
			if err != nil || len(b) != len(t.digest) {
				break
			}
			copy(t.digest[:], b)
			return t, nil
		}
	}
	return t, fmt.Errorf("revocation: the Target of a record is %q: want what Entry.Record writes", s)
}

// digest hashes an issuer and a name, such that no other two have the same bytes, from the stack if they are not long.
func digest(issuer, name string) [sha256.Size]byte {
	var buffer [512]byte
	b := binary.BigEndian.AppendUint64(buffer[:0], uint64(len(issuer)))
	b = append(b, issuer...)
	return sha256.Sum256(append(b, name...))
}
