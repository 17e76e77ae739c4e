package verifier

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/bearerguard/bearerguard/internal/jose"
)

// Decryption says how tokens are read that the authorization server encrypts to this API: signed JWTs inside the JWE
// compact serialization (RFC 7519 appendix A.2). What is inside goes through every check, as a token that came unencrypted
// does. The zero Decryption refuses encrypted tokens.
//
// Accepted are RSA-OAEP-256, ECDH-ES (plain, or with A128KW or A256KW; P-256, P-384, P-521) and dir, each with A128GCM or A256GCM.
// Not supported are compression, passwords, X25519 and an encrypted token inside another one. The header's cty must be
// JWT, or one of the profile's types, as oidc-provider writes it; iss, sub and aud, where they stand in it too, must be those of
// the claims (RFC 7519 section 5.3). Behind [Issuers] and [ResolveIssuers] the header must
// name the issuer.
//
// Anybody can encrypt to a published key, and a token that can't be decrypted costs the attempt: a millisecond for RSA with
// 2048 bits, a tenth of it for ECDH-ES with P-256. A good token that comes again costs neither.
type Decryption struct {
	// Keys is a JWK set (RFC 7517 section 5) of this API's private keys, as registered with the authorization server, and
	// of secrets shared with it, for dir: at most 4. A token that names its key by kid is tried against keys of that kid only,
	// another one against all that fit its algorithms.
	Keys []byte
	// Optional accepts tokens that are signed but not encrypted, too: while the authorization server changes over.
	Optional bool
}

// Format prints no key, whatever the verb.
func (d Decryption) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "{Keys:(%d bytes) Optional:%t}", len(d.Keys), d.Optional)
}

// MarshalJSON writes no key: a log may be JSON.
func (d Decryption) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, `{"Optional":%t}`, d.Optional), nil
}

// maxDecryptionKeys bounds what a token without a kid costs: the one in use, one to come, for each of two algorithms.
const maxDecryptionKeys = 4

// decryption is a compiled Decryption.
type decryption struct {
	keys     []*jose.DecryptionKey
	optional bool
}

// compile returns nil for the zero Decryption.
func (d Decryption) compile() (*decryption, error) {
	if d.Keys == nil {
		if d.Optional {
			return nil, errors.New("verifier: Decryption.Optional is set without Keys: give this API's private keys, or leave it out")
		}
		return nil, nil
	}
	texts, err := jose.KeySet(d.Keys)
	if err != nil {
		return nil, errors.New(`verifier: Decryption.Keys is not a JWK set: write {"keys":[...]} with this API's private keys`)
	}
	if len(texts) == 0 || len(texts) > maxDecryptionKeys {
		return nil, fmt.Errorf("verifier: Decryption.Keys holds %d keys: 1 to %d are accepted", len(texts), maxDecryptionKeys)
	}
	c := &decryption{optional: d.Optional}
	var errs []error
	for i, text := range texts {
		key, err := jose.ParseDecryptionKey(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("verifier: Decryption.Keys: key %d (kid %q): %w", i+1, jose.KeyID(text), err))
		}
		c.keys = append(c.keys, key)
	}
	return c, errors.Join(errs...)
}

func (d *decryption) show() string {
	known := make([]string, len(d.keys))
	for i, key := range d.keys {
		known[i] = fmt.Sprintf("%s (%s)", quote(key.ID), key.Algorithms())
	}
	wanted := "encrypted to one of this API's keys " + strings.Join(known, ", ")
	if d.optional {
		wanted += ", or not encrypted"
	}
	return wanted
}

// checkEncryption puts what was encrypted in the token's place. Nothing of it is known to be true: anybody can encrypt.
func (t *inspection) checkEncryption() (err error) {
	d := t.v.decryption
	encrypted := jose.IsEncrypted(t.token)
	switch {
	case d == nil || d.optional && !encrypted:
		return nil // an encrypted one is refused for its form
	case !encrypted: // RFC 9068 section 4: if encryption was agreed upon
		return fmt.Errorf("%w: not encrypted, and Config.Decryption wants it to be%s", ErrMalformed, t.hintForm())
	}
	if t.encrypted, err = jose.ParseEncrypted(t.token); err != nil {
		return fmt.Errorf("%w: encryption: %w", ErrMalformed, err)
	}
	// RFC 7519 section 5.2 wants JWT; oidc-provider writes the type of what is inside.
	if cty := typeName(t.encrypted.ContentType); cty != "jwt" && !slices.Contains(t.v.rules.types, cty) {
		return fmt.Errorf("%w: encryption: cty is %s, not JWT", ErrMalformed, quote(t.encrypted.ContentType))
	}
	text, err := t.encrypted.Decrypt(d.keys)
	if err != nil {
		return fmt.Errorf("%w: encryption: %w", ErrMalformed, err)
	}
	t.token = string(text)
	return nil
}

// checkReplicated: claims that an encrypted token's header shows must be those that were signed (RFC 7519 section 5.3).
func (t *inspection) checkReplicated() error {
	if t.encrypted == nil {
		return nil
	}
	header := Claims{body: t.encrypted.Header}
	for _, name := range []claimName{{text: "iss"}, {text: "sub"}, {text: "aud"}} {
		if header.lookup(name) == "" {
			continue
		}
		shown, err := header.list(name)
		if signed, _ := t.claims.list(name); err != nil || !slices.Equal(shown, signed) {
			return fmt.Errorf("%w: encryption: %s in the header is not the claim", ErrMalformed, name.text)
		}
	}
	return nil
}

// statedIssuer reads the issuer that an encrypted token's header names, to find the verifier that decides about it.
func statedIssuer(token string) (string, error) {
	e, err := jose.ParseEncrypted(token)
	if err != nil {
		return "", fmt.Errorf("%w: encryption: %w", ErrMalformed, err)
	}
	header := Claims{body: e.Header}
	iss, err := header.text("iss")
	return strings.Clone(iss), err
}
