// Package jose reads the outer forms of a token and of a key set: the compact
// serialization, strict JSON, and JWKs. It decides nothing about claims.
package jose

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// Bounds of a token in its compact form, in bytes.
const (
	// MaxToken is twice what common proxies let through in all headers together.
	MaxToken = 16 << 10
	// MaxHeader bounds the header segment, which is decoded before anything of the token is known to be good.
	MaxHeader = 8 << 10
)

// Compact is a token in the JWS compact serialization (RFC 7515 section 7.1),
// cut into its three segments but not decoded.
type Compact struct {
	Signed                     string // the signing input: header, dot, payload
	Header, Payload, Signature string
}

// Split cuts a token of at most [MaxToken] bytes into its segments. Every other form of a JOSE
// object (JSON serialization, JWE, a detached payload) is an error.
func Split(token string) (Compact, error) {
	// Before any decoding (RFC 8725bis section 3.14): Go's base64 skips line breaks even when strict, so that one token
	// would have many spellings.
	if !compactForm.Spells(token) {
		return Compact{}, errors.New("a character that no JWT has")
	}
	head := strings.IndexByte(token, '.')
	if head < 0 {
		return Compact{}, errors.New("no dots: not a JWT but an opaque token, or no token at all")
	}
	if head > MaxHeader {
		return Compact{}, fmt.Errorf("the header is longer than %d bytes", MaxHeader)
	}
	tail := strings.IndexByte(token[head+1:], '.')
	if tail < 0 {
		return Compact{}, errors.New("two parts where a signed JWT has three")
	}
	tail += head + 1
	c := Compact{Signed: token[:tail], Header: token[:head], Payload: token[head+1 : tail], Signature: token[tail+1:]}
	if strings.IndexByte(c.Signature, '.') >= 0 {
		if strings.Count(c.Signature, ".") == 2 {
			return Compact{}, errors.New("five parts: an encrypted token (JWE), which is not supported")
		}
		return Compact{}, errors.New("more than three parts")
	}
	if c.Header == "" || c.Payload == "" || c.Signature == "" {
		return Compact{}, errors.New("an empty part")
	}
	return c, nil
}

// compactForm is base64url's alphabet and the dot.
var compactForm = NewAlphabet("-_.")

// Alphabet is a set of bytes: 0 stands at each that belongs to it.
type Alphabet [256]byte

// NewAlphabet is the ASCII letters and digits, and what is added to them.
func NewAlphabet(more string) *Alphabet {
	a := &Alphabet{}
	for c := range a {
		a[c] = 1
	}
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789" + more) {
		a[c] = 0
	}
	return a
}

// Spells reports whether s has no other bytes. Every byte of every token is looked up, without a branch for each:
// that takes a third of the time.
func (a *Alphabet) Spells(s string) bool {
	var b0, b1, b2, b3 byte
	for len(s) >= 8 {
		b0 |= a[s[0]] | a[s[4]]
		b1 |= a[s[1]] | a[s[5]]
		b2 |= a[s[2]] | a[s[6]]
		b3 |= a[s[3]] | a[s[7]]
		s = s[8:]
	}
	for i := range len(s) {
		b0 |= a[s[i]]
	}
	return b0|b1|b2|b3 == 0
}

// strict refuses non-zero trailing bits, so that bytes have one spelling (RFC 4648 section 3.5).
var strict = base64.RawURLEncoding.Strict()

// Decode appends the bytes of a base64url segment to dst. The segment must hold no line break, as [Split] has seen to.
func Decode(dst []byte, segment string) ([]byte, error) {
	dst, err := strict.AppendDecode(dst, []byte(segment))
	if err != nil {
		return nil, errors.New("not base64url without padding")
	}
	return dst, nil
}
