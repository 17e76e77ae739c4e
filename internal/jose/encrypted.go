package jose

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// KeyManagement lists the "alg" of encrypted tokens that are read (RFC 7518 section 4.1). What is not here is refused:
// RSA1_5 and RSA-OAEP, whose paddings and hash are of the past (RFC 8725 section 3.2), and keys made from passwords,
// whose cost the token would choose.
func KeyManagement() []string {
	return []string{"RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW", "dir"}
}

// ContentEncryption lists the "enc" of encrypted tokens that are read (RFC 7518 section 5.1).
func ContentEncryption() []string { return []string{"A128GCM", "A256GCM"} }

var contentKeySize = map[string]int{"A128GCM": 16, "A256GCM": 32} // bytes

// GCM's nonce and tag have one length (RFC 7518 section 5.3); a shorter tag is easier to guess.
const gcmNonceSize, gcmTagSize = 12, 16

// Encrypted is a token in the JWE compact serialization (RFC 7516 section 7.1) with its header read, not yet decrypted.
type Encrypted struct {
	Header                             Object
	Algorithm, Encryption, ContentType string // alg, enc, cty
	KeyID                              string
	HasKeyID                           bool

	token string
	key   []byte // the encrypted key
}

// IsEncrypted reports whether a token has the five parts of an encrypted one.
func IsEncrypted(token string) bool { return strings.Count(token, ".") == 4 }

// ParseEncrypted reads a token of at most [MaxToken] bytes as far as that takes no key. The token has one spelling, as one that [Split] takes.
func ParseEncrypted(token string) (*Encrypted, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 5 {
		return nil, errors.New("not the five parts of an encrypted token")
	}
	if !compactForm.Spells(token) {
		return nil, errors.New("a character that no JWT has")
	}
	if len(parts[0]) > MaxHeader {
		return nil, fmt.Errorf("the header is longer than %d bytes", MaxHeader)
	}
	var decoded [5][]byte
	for i, part := range parts {
		var err error
		if decoded[i], err = Decode(nil, part); err != nil {
			return nil, err
		}
	}
	if len(decoded[2]) != gcmNonceSize || len(decoded[4]) != gcmTagSize || len(decoded[3]) == 0 {
		return nil, errors.New("an initialization vector, ciphertext or authentication tag of a wrong length")
	}
	e := &Encrypted{token: token, key: decoded[1]}
	return e, e.readHeader(decoded[0])
}

func (e *Encrypted) readHeader(text []byte) (err error) {
	if e.Header, err = ParseObject(text, HeaderLimits); err != nil {
		return err
	}
	for _, m := range []struct {
		name string
		dst  *string
	}{{"alg", &e.Algorithm}, {"enc", &e.Encryption}, {"kid", &e.KeyID}, {"cty", &e.ContentType}} {
		raw, there := e.Header.Get(m.name)
		if !there {
			continue
		}
		if *m.dst, there = String(raw); !there {
			return fmt.Errorf("%s is not a string", m.name)
		}
	}
	_, e.HasKeyID = e.Header.Get("kid")
	for _, name := range []string{"zip", "crit"} { // RFC 8725 section 3.6; RFC 7516 section 4.1.13: none is understood
		if _, there := e.Header.Get(name); there {
			return fmt.Errorf("the header holds %s, which is not supported", name)
		}
	}
	if !slices.Contains(KeyManagement(), e.Algorithm) {
		return fmt.Errorf("alg is %.40q, accepted are %s", e.Algorithm, strings.Join(KeyManagement(), " "))
	}
	if !slices.Contains(ContentEncryption(), e.Encryption) {
		return fmt.Errorf("enc is %.40q, accepted are %s", e.Encryption, strings.Join(ContentEncryption(), " "))
	}
	return nil
}

// errUndecryptable is all that is ever said about a key and a token that don't go together: what exactly was wrong would
// help whoever tries (RFC 7516 section 11.5).
var errUndecryptable = errors.New("it can't be decrypted")

// Decrypt tries the keys that may be meant: those of the token's kid, or all where it has none, if they fit its algorithms.
func (e *Encrypted) Decrypt(keys []*DecryptionKey) ([]byte, error) {
	for _, k := range keys {
		if (!e.HasKeyID || e.KeyID == k.ID) && k.fits(e) {
			if text, err := k.decrypt(e); err == nil {
				return text, nil
			}
		}
	}
	return nil, errUndecryptable
}
