package jose

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"slices"
	"strings"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwe"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"
)

// Algorithms that a verifier accepts unless told otherwise: every asymmetric one of RFC 7518 section 3.1
// and RFC 8037, EdDSA also under its newer name (RFC 9864). HMAC and none are not to be had.
func Algorithms() []string {
	return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"}
}

// Bounds of a key.
const (
	minRSABits = 2048      // RFC 7518 sections 3.3 and 3.5
	maxRSABits = 8192      // a signature check costs 16 times that of 2048 bits
	maxKeyText = 64 << 10  // a JWK with a long x5c chain has some 8 KiB
	maxRSAExp  = 1<<31 - 1 // what crypto/rsa takes
)

// MaxKeyID bounds a kid, in bytes (RFC 8725 section 3.10).
const MaxKeyID = 1 << 10

// keyLimits bound the JSON of one JWK.
var keyLimits = Limits{Depth: 8, Members: 128}

// Key is a public key that may verify signatures. It is immutable: a key has one *Key for as long as its set keeps it unchanged.
type Key struct {
	ID         string // "kid", "" if it has none
	Issuer     string // "issuer", which Entra's keys have: for whose tokens the key is; "" if it has none
	Thumbprint string // RFC 7638, SHA-256: tells whether the key's material is the same
	Private    bool   // the JWK held private members, which were set aside

	algorithms []string
	public     crypto.PublicKey
}

// verifiers are jwx's: the cryptography of this package is theirs and the standard library's.
var verifiers = map[string]jws.Verifier{}

func init() {
	for _, alg := range Algorithms() {
		name := jwa.SignatureAlgorithm(alg)
		if alg == "Ed25519" {
			name = jwa.EdDSA
		}
		v, err := jws.NewVerifier(name)
		if err != nil {
			panic(err)
		}
		verifiers[alg] = v
	}
}

// ParseKey reads one JWK (RFC 7517 section 4). A key that is not for verifying signatures by one of [Algorithms] is an error.
func ParseKey(text []byte) (*Key, error) {
	o, err := parseJWK(text)
	if err != nil {
		return nil, err
	}
	k := &Key{}
	k.Issuer, _ = stringMember(o, "issuer")
	if k.ID, err = readUse(o, "sig", "verify"); err != nil {
		return nil, err
	}
	for _, name := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
		if _, there := given(o, name); there {
			k.Private = true
		}
	}
	if err := k.readMaterial(o); err != nil {
		return nil, err
	}
	if err := k.readAlgorithm(o); err != nil {
		return nil, err
	}
	return k, nil
}

func parseJWK(text []byte) (Object, error) {
	if len(text) > maxKeyText {
		return Object{}, fmt.Errorf("longer than %d bytes", maxKeyText)
	}
	return ParseObject(text, keyLimits)
}

// KeyID reads the kid of a JWK that [ParseKey] has refused, "" if that can't be done either.
func KeyID(text []byte) string {
	o, err := ParseObject(text, keyLimits)
	if err != nil {
		return ""
	}
	id, _ := stringMember(o, "kid")
	return id[:min(len(id), MaxKeyID)]
}

// given is a member that is there and not null: serializers write null for what a key has not.
func given(o Object, name string) (raw string, there bool) {
	raw, there = o.Get(name)
	return raw, there && raw != "null"
}

// readUse refuses a key that is for something else (RFC 7517 sections 4.2 and 4.3), and reads its kid.
func readUse(o Object, use string, operations ...string) (id string, err error) {
	if raw, there := given(o, "kid"); there {
		var ok bool
		if id, ok = String(raw); !ok || len(id) > MaxKeyID {
			return "", errors.New("kid is not a string of reasonable length")
		}
	}
	if raw, there := given(o, "use"); there {
		if found, _ := String(raw); found != use {
			return "", fmt.Errorf("use is %.20s, not %s", raw, use)
		}
	}
	if raw, there := given(o, "key_ops"); there {
		found, ok := Strings(raw)
		if !ok || !slices.ContainsFunc(found, func(op string) bool { return slices.Contains(operations, op) }) {
			return "", fmt.Errorf("key_ops does not hold %s", strings.Join(operations, " or "))
		}
	}
	return id, nil
}

// readMaterial hands jwx the required public members alone (RFC 7638 section 3.2): what else a JWK holds,
// certificates and private members above all, reaches no parser.
func (k *Key) readMaterial(o Object) error {
	kty, _ := stringMember(o, "kty")
	required := map[string][]string{"RSA": {"e", "kty", "n"}, "EC": {"crv", "kty", "x", "y"}, "OKP": {"crv", "kty", "x"}}[kty]
	if required == nil {
		return fmt.Errorf("kty %.20q is not one of RSA, EC, OKP", kty)
	}
	parsed, err := parseMembers(o, kty, required)
	if err != nil {
		return err
	}
	if err := parsed.Raw(&k.public); err != nil {
		return fmt.Errorf("unusable %s key: %w", kty, err)
	}
	sum, err := parsed.Thumbprint(crypto.SHA256)
	k.Thumbprint = string(sum)
	return errors.Join(err, checkPublic(k.public))
}

// parseMembers reads the key that these members make.
func parseMembers(o Object, kty string, names []string) (jwk.Key, error) {
	if crv, _ := stringMember(o, "crv"); slices.Contains(names, "crv") && curveSize[crv] == 0 {
		return nil, fmt.Errorf("crv %.20q is not supported", crv)
	}
	members := make([]string, len(names))
	for i, name := range names {
		value, ok := stringMember(o, name)
		if !ok {
			return nil, fmt.Errorf("%s is missing or not a string", name)
		}
		if name != "kty" && name != "crv" {
			if err := checkNumber(o, kty, name, value); err != nil {
				return nil, err
			}
		}
		members[i] = `"` + name + `":"` + value + `"`
	}
	parsed, err := jwk.ParseKey([]byte("{" + strings.Join(members, ",") + "}"))
	if err != nil {
		return nil, fmt.Errorf("unusable %s key", kty) // jwx's own words might hold a private member
	}
	return parsed, nil
}

// curveSize is the length of a coordinate in bytes (RFC 7518 section 6.2.1.2, RFC 8037 section 2).
var curveSize = map[string]int{"P-256": 32, "P-384": 48, "P-521": 66, "Ed25519": 32}

// checkNumber looks at one base64url number before any arithmetic is done with it.
func checkNumber(o Object, kty, name, value string) error {
	if strings.ContainsAny(value, "\r\n") {
		return fmt.Errorf("%s holds a line break", name)
	}
	if len(value) > maxRSABits/6+8 {
		return fmt.Errorf("%s is longer than a number of %d bits", name, maxRSABits)
	}
	number, err := Decode(nil, value)
	if err != nil {
		return fmt.Errorf("%s is %w", name, err)
	}
	// RFC 7518 section 6.2.1.2 wants all of a coordinate's bytes. Some servers leave out leading zeros: the same point.
	crv, _ := stringMember(o, "crv")
	if short := kty == "EC" && len(number) > 0 && len(number) < curveSize[crv]; (kty == "EC" || kty == "OKP") && len(number) != curveSize[crv] && !short {
		return fmt.Errorf("%s has %d bytes, %s wants %d", name, len(number), crv, curveSize[crv])
	}
	if name == "e" {
		e := new(big.Int).SetBytes(number) // as a big number: an exponent of 2^64+1 must not shrink to 1
		if !e.IsInt64() || e.Int64() < 3 || e.Int64() > maxRSAExp || e.Bit(0) == 0 {
			return errors.New("e is not odd and between 3 and 2^31-1")
		}
	}
	return nil
}

// checkPublic refuses keys that jwx lets through (RFC 7518 sections 3.3 and 3.5, RFC 8725 section 3.4).
func checkPublic(public crypto.PublicKey) error {
	switch public := public.(type) {
	case *rsa.PublicKey:
		if bits := public.N.BitLen(); bits < minRSABits || bits > maxRSABits {
			return fmt.Errorf("an RSA modulus of %d bits: %d to %d are accepted", bits, minRSABits, maxRSABits)
		}
		if public.N.Bit(0) == 0 {
			return errors.New("n is even")
		}
	case *ecdsa.PublicKey:
		if _, err := public.ECDH(); err != nil {
			return errors.New("the point is not on its curve")
		}
	case ed25519.PublicKey:
		if slices.Contains(smallOrder, fmt.Sprintf("%x%02x", public[:31], public[31]&0x7f)) {
			return errors.New("a point of small order, under which anybody can sign")
		}
	default:
		return fmt.Errorf("a %T is no public key for signatures", public)
	}
	return nil
}

// smallOrder lists the points of edwards25519 whose order divides 8, in each encoding, without the sign: with such a key
// a constant is a signature of most messages (RFC 8725 section 3.4).
var smallOrder = []string{
	"0000000000000000000000000000000000000000000000000000000000000000", "0100000000000000000000000000000000000000000000000000000000000000",
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
}

// readAlgorithm infers what the key may verify from its type, and narrows it to the JWK's own alg (RFC 7517 section 4.4).
func (k *Key) readAlgorithm(o Object) error {
	k.algorithms = algorithmsOf(k.public)
	raw, there := given(o, "alg")
	if !there {
		return nil
	}
	alg, _ := String(raw)
	if !slices.Contains(k.algorithms, alg) {
		return fmt.Errorf("alg %.20s is not one for this key", raw)
	}
	if _, ed := k.public.(ed25519.PublicKey); !ed {
		k.algorithms = []string{alg}
	}
	return nil
}

// algorithmsOf lists what a key of this type can do, the usual one first.
func algorithmsOf(public crypto.PublicKey) []string {
	switch public := public.(type) {
	case *rsa.PublicKey:
		return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
	case *ecdsa.PublicKey:
		// RFC 7518 section 3.4: the algorithm fixes the curve.
		return map[elliptic.Curve][]string{elliptic.P256(): {"ES256"}, elliptic.P384(): {"ES384"}, elliptic.P521(): {"ES512"}}[public.Curve]
	case ed25519.PublicKey:
		return []string{"EdDSA", "Ed25519"} // RFC 9864: two names of one algorithm
	}
	return nil
}

// Fits reports whether the key may verify signatures of an algorithm (RFC 8725 sections 3.1 and 3.2).
func (k *Key) Fits(alg string) bool { return slices.Contains(k.algorithms, alg) }

// Equal reports whether two keys are the same for every token: name, issuer, material and algorithms.
func (k *Key) Equal(other *Key) bool {
	return k.ID == other.ID && k.Thumbprint == other.Thumbprint && k.Issuer == other.Issuer && slices.Equal(k.algorithms, other.algorithms)
}

// Algorithms names what the key may verify, for people.
func (k *Key) Algorithms() string { return strings.Join(k.algorithms, " ") }

// Verify checks a signature over the signing input. The key must fit alg.
func (k *Key) Verify(alg string, signed, signature []byte) error {
	if len(signature) != k.signatureSize() {
		return fmt.Errorf("a signature of %d bytes, %s with this key has %d", len(signature), alg, k.signatureSize())
	}
	if public, ok := k.public.(*rsa.PublicKey); ok && alg[0] == 'P' { // RFC 7518 section 3.5: the salt is as long as the hash; jwx takes any
		hash := map[string]crypto.Hash{"PS256": crypto.SHA256, "PS384": crypto.SHA384, "PS512": crypto.SHA512}[alg]
		h := hash.New()
		h.Write(signed)
		return rsa.VerifyPSS(public, hash, h.Sum(nil), signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	}
	return verifiers[alg].Verify(signed, signature, k.public)
}

// signatureSize is exact: RFC 8017 section 8.2.2, RFC 7518 section 3.4, RFC 8032 section 5.1.7.
func (k *Key) signatureSize() int {
	switch public := k.public.(type) {
	case *rsa.PublicKey:
		return public.Size()
	case *ecdsa.PublicKey:
		return 2 * ((public.Curve.Params().BitSize + 7) / 8)
	default:
		return ed25519.SignatureSize
	}
}

// DecryptionKey is a private key of this API, or a secret that it shares with the authorization server. It is immutable.
type DecryptionKey struct {
	ID string // "kid", "" if it has none

	algorithms  []string // "alg" that it decrypts
	encryptions []string // "enc" that it decrypts
	private     any      // *rsa.PrivateKey, *ecdsa.PrivateKey or []byte
}

// ParseDecryptionKey reads one JWK with its private members (RFC 7518 section 6). A key that is not for one of
// [KeyManagement] is an error, whose text holds nothing of the key.
func ParseDecryptionKey(text []byte) (*DecryptionKey, error) {
	o, err := parseJWK(text)
	if err != nil {
		return nil, err
	}
	k := &DecryptionKey{encryptions: ContentEncryption()}
	if k.ID, err = readUse(o, "enc", "decrypt", "unwrapKey", "deriveKey", "deriveBits"); err != nil {
		return nil, err
	}
	if err := k.readMaterial(o); err != nil {
		return nil, err
	}
	return k, k.readAlgorithm(o)
}

// decryptionKinds are the keys that decrypt, by their kty: the members that make one, and its algorithms.
var decryptionKinds = map[string]struct{ members, algorithms []string }{
	"RSA": {[]string{"d", "e", "kty", "n", "p", "q"}, []string{"RSA-OAEP-256"}},
	"EC":  {[]string{"crv", "d", "kty", "x", "y"}, []string{"ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW"}},
	"oct": {[]string{"k", "kty"}, []string{"dir"}},
}

func (k *DecryptionKey) readMaterial(o Object) error {
	kty, _ := stringMember(o, "kty")
	kind, ok := decryptionKinds[kty]
	if !ok {
		return fmt.Errorf("kty %.20q is not one of RSA, EC, oct", kty)
	}
	parsed, err := parseMembers(o, kty, kind.members)
	if err != nil {
		return err
	}
	k.algorithms = kind.algorithms
	if parsed.Raw(&k.private) != nil {
		return fmt.Errorf("unusable %s key", kty)
	}
	return k.checkPrivate()
}

// checkPrivate refuses a private key that does not belong to its public members, and a secret that fits no encryption.
func (k *DecryptionKey) checkPrivate() error {
	switch private := k.private.(type) {
	case *rsa.PrivateKey:
		private.Precompute()
		if private.Validate() != nil {
			return errors.New("n, e, d, p and q do not belong together")
		}
		return checkPublic(&private.PublicKey)
	case *ecdsa.PrivateKey:
		secret, err := private.ECDH()
		public, offCurve := private.PublicKey.ECDH()
		if err != nil || offCurve != nil || !secret.PublicKey().Equal(public) {
			return errors.New("d, x and y do not belong together")
		}
	case []byte: // RFC 7518 section 4.5: it is the content encryption key itself
		k.encryptions = slices.DeleteFunc(k.encryptions, func(enc string) bool { return contentKeySize[enc] != len(private) })
		if len(k.encryptions) == 0 {
			return fmt.Errorf("a secret of %d bytes: %s take 16 and 32", len(private), strings.Join(ContentEncryption(), " and "))
		}
	}
	return nil
}

// readAlgorithm narrows what the key decrypts to the JWK's own alg (RFC 7517 section 4.4).
func (k *DecryptionKey) readAlgorithm(o Object) error {
	raw, there := given(o, "alg")
	alg, _ := String(raw)
	switch {
	case !there || k.algorithms[0] == "dir" && alg == k.encryptions[0]: // RFC 7520 section 5.6.1: a secret has its enc there
		return nil
	case !slices.Contains(k.algorithms, alg):
		return fmt.Errorf("alg %.20s is not one for this key: %s", raw, k.Algorithms())
	}
	k.algorithms = strings.Fields(alg)
	return nil
}

// Algorithms names what the key decrypts, for people.
func (k *DecryptionKey) Algorithms() string { return strings.Join(k.algorithms, " ") }

// fits reports whether the key is for a token's algorithms (RFC 8725 section 3.1).
func (k *DecryptionKey) fits(e *Encrypted) bool {
	return slices.Contains(k.algorithms, e.Algorithm) && slices.Contains(k.encryptions, e.Encryption)
}

// decrypt looks at what jwx doesn't. That an ephemeral key is a point of this key's curve is for jwx to see.
func (k *DecryptionKey) decrypt(e *Encrypted) ([]byte, error) {
	size := 0 // of the encrypted key: RFC 7516 section 5.2 step 10: with dir and plain ECDH-ES there is none
	switch private := k.private.(type) {
	case *rsa.PrivateKey:
		size = private.Size()
	case *ecdsa.PrivateKey:
		if strings.HasSuffix(e.Algorithm, "KW") {
			size = contentKeySize[e.Encryption] + 8 // RFC 3394 section 2.2.1; an empty one makes jwx panic
		}
		raw, _ := e.Header.Get("epk")
		epk, err := ParseObject([]byte(raw), HeaderLimits)
		if crv, _ := stringMember(epk, "crv"); err != nil || crv != private.Params().Name { // jwx takes the point alone
			return nil, errUndecryptable
		}
	}
	if len(e.key) != size {
		return nil, errUndecryptable
	}
	return jwe.Decrypt([]byte(e.token), jwe.WithKey(jwa.KeyEncryptionAlgorithm(e.Algorithm), k.private))
}

// Signer makes signatures with a private key of one's own. It is safe for concurrent use where its key is.
type Signer struct {
	algorithm string
	key       crypto.Signer
	signer    jws.Signer
}

// NewSigner makes a Signer for an algorithm of [Algorithms] that the key can do; "" takes the usual one. The bounds of a
// key are those of [ParseKey].
func NewSigner(key crypto.Signer, alg string) (*Signer, error) {
	// What a failed type assertion leaves is nil behind the interface, and panics when it is asked for its public key.
	if v := reflect.ValueOf(key); !v.IsValid() || (v.Kind() == reflect.Pointer || v.Kind() == reflect.Slice) && v.IsNil() {
		return nil, errors.New("the key is nil")
	}
	fitting := algorithmsOf(key.Public())
	if err := checkPublic(key.Public()); err != nil {
		return nil, err
	}
	if alg == "" && len(fitting) > 0 {
		alg = fitting[0]
	}
	if !slices.Contains(fitting, alg) {
		return nil, fmt.Errorf("algorithm %q is not one for this key: %s", alg, strings.Join(fitting, " "))
	}
	name := jwa.SignatureAlgorithm(alg)
	if alg == "Ed25519" {
		name = jwa.EdDSA
	}
	signer, err := jws.NewSigner(name)
	return &Signer{alg, key, signer}, err
}

// Algorithm is the "alg" of what it signs.
func (s *Signer) Algorithm() string { return s.algorithm }

// Sign makes a JWS in the compact serialization (RFC 7515 section 7.1) of two JSON texts.
func (s *Signer) Sign(header, payload []byte) (string, error) {
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode(header) + "." + encode(payload)
	signature, err := s.signer.Sign([]byte(signed), s.key)
	if err != nil {
		return "", err
	}
	return signed + "." + encode(signature), nil
}

func stringMember(o Object, name string) (string, bool) {
	raw, ok := o.Get(name)
	if !ok {
		return "", false
	}
	return String(raw)
}
