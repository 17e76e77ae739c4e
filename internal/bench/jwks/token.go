package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"
)

const (
	audience = "https://api.example.com"
	lifetime = 48 * time.Hour // of a token, so that nothing but the keys decides, whatever a clock is set to
)

var b64 = base64.RawURLEncoding.EncodeToString

// signingKey makes tokens and is published as a JWK. ES256 is what every library takes by default, and cheap to sign.
type signingKey struct {
	kid     string
	private *ecdsa.PrivateKey
}

func newKey(kid string) *signingKey {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err) // crypto/rand ends the program before it fails
	}
	return &signingKey{kid, private}
}

func (k *signingKey) jwk() json.RawMessage {
	point, err := k.private.PublicKey.Bytes()
	if err != nil {
		panic(err) // a key that was made for its curve has a point on it
	}
	return fmt.Appendf(nil, `{"kty":"EC","crv":"P-256","use":"sig","alg":"ES256","kid":%q,"x":%q,"y":%q}`, k.kid, b64(point[1:33]), b64(point[33:]))
}

var tokenID atomic.Int64

// token is an RFC 9068 access token.
func (k *signingKey) token(issuer string) string {
	now := time.Now()
	header := fmt.Appendf(nil, `{"alg":"ES256","typ":"at+jwt","kid":%q}`, k.kid)
	payload := fmt.Appendf(nil, `{"iss":%q,"aud":%q,"sub":"cart","client_id":"cart","jti":%q,"iat":%d,"exp":%d}`,
		issuer, audience, strconv.FormatInt(tokenID.Add(1), 10), now.Unix(), now.Add(lifetime).Unix())
	input := b64(header) + "." + b64(payload)
	digest := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, k.private, digest[:])
	if err != nil {
		panic(err) // as in newKey
	}
	var signature [64]byte
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return input + "." + b64(signature[:])
}

// tokens makes n tokens beforehand and hands them out in turn, so that a load costs no signatures.
func (k *signingKey) tokens(issuer string, n int) func(i int) string {
	made := make([]string, n)
	for i := range made {
		made[i] = k.token(issuer)
	}
	return func(i int) string { return made[i%n] }
}

// madeUp makes n tokens, each with a kid that nobody has.
func madeUp(issuer string, n int) func(i int) string {
	k := newKey("")
	made := make([]string, n)
	for i := range made {
		k.kid = "made up " + rand.Text()
		made[i] = k.token(issuer)
	}
	return func(i int) string { return made[i%n] }
}
