// Package verifiertest is an OAuth 2.0 authorization server on loopback, for tests and examples: it publishes metadata
// and keys, mints access tokens in the shape of any [verifier.Profile], speaks the client-credentials grant, answers
// about tokens (RFC 7662) and misbehaves when told to.
//
// It is for tests alone: its keys live in memory and whoever holds the [Issuer] can have any token.
package verifiertest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwe"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"

	"github.com/bearerguard/bearerguard/verifier"
)

const (
	defaultAudience  = "https://api.example.com"
	defaultAlgorithm = "ES256" // the cheapest key to make
)

// Option is one setting of an [Issuer].
type Option func(*Issuer)

// Like makes the issuer mint tokens in the shape of a profile. Zero, or without this option: RFC 9068.
//
// A minted token has what the profile requires of one: its first type, audience claim, client id claim and id claim,
// its Match, and something in every other claim of its Require; nothing that it forbids. Scopes are written in its first
// scope claim, and nowhere if it lists none. What a real server of that kind writes beside is missing.
//
//   - With [verifier.Cognito] and the like the audience stands before each scope that has no "/" of its own:
//     "orders.read" becomes "https://api.example.com/orders.read". Without scopes the token has an audience claim.
//   - With [verifier.Kubernetes], [verifier.GitHub] and [verifier.Google], [verifier.New] demands a Config.Match, which
//     only the caller knows. By default tokens have "/kubernetes.io/namespace" "default" and
//     "/kubernetes.io/serviceaccount/name" "test-client"; "repository_id" "1234"; "email" "test-client@example.com".
func Like(p verifier.Profile) Option {
	if reflect.ValueOf(p).IsZero() {
		p = verifier.RFC9068()
	}
	p = cloneProfile(p)
	return func(i *Issuer) { i.profile = p }
}

// Audience names the APIs that the issuer knows. Tokens are for the first one, unless a client asks the token endpoint
// for another. Without this option: https://api.example.com.
func Audience(names ...string) Option {
	return func(i *Issuer) { i.audience = slices.Clone(names) }
}

// Algorithm chooses the key that the issuer starts with: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512,
// EdDSA or Ed25519. Without this option: ES256. An RSA key takes a good part of a second to make.
func Algorithm(name string) Option {
	return func(i *Issuer) { i.algorithm = name }
}

// Encrypted makes the issuer encrypt the tokens that it mints, bad ones too, to an API's key that it makes for RSA-OAEP-256,
// ECDH-ES, ECDH-ES+A128KW, ECDH-ES+A256KW or dir, with A256GCM; "" is no encryption. [Issuer.Config] hands the key to the verifier.
// What [Issuer.Sign] makes is not encrypted: [Issuer.Encrypt] does that.
func Encrypted(algorithm string) Option {
	return func(i *Issuer) { i.encryption = algorithm }
}

// Clock is where the issuer takes the time from that it writes into tokens. Nil, or without this option: time.Now.
// [Issuer.Config] hands it to the verifier. [Issuer.Slow] waits in real time.
func Clock(now func() time.Time) Option {
	return func(i *Issuer) {
		if now != nil {
			i.now = now
		}
	}
}

// At makes an issuer that doesn't listen by itself: [Issuer.ServeHTTP] is to be served at this URL, which has no path. With
// http instead of https it must be loopback for a verifier to accept it.
func At(issuerURL string) Option {
	return func(i *Issuer) { i.at = issuerURL }
}

// FakeClock is a clock that stands still until it is moved, for [Clock], verifier.Config.Now and middleware.Config.Now.
// It is safe for concurrent use. The zero FakeClock stands at the zero time.
type FakeClock struct {
	mu  sync.Mutex
	now time.Time
}

// NewFakeClock makes a clock that stands at this time.
func NewFakeClock(at time.Time) *FakeClock { return &FakeClock{now: at} }

// Now is the time at which the clock stands.
func (c *FakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// Advance moves the clock, backwards too.
func (c *FakeClock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Issuer is an authorization server on loopback. It is safe for concurrent use. The zero Issuer can't be used: call
// [NewIssuer] or [Start].
//
// What a method can't do fails the test, as [testing.TB.Fatalf] does; an Issuer from [Start] panics.
type Issuer struct {
	t         reporter
	profile   verifier.Profile
	audience  []string
	algorithm string
	// encryption is the algorithm of Encrypted, "" for none, and recipient the API's key.
	encryption string
	recipient  jwk.Key

	now    func() time.Time
	at     string // its URL, where somebody else serves it; then server is nil
	server *httptest.Server
	mux    *http.ServeMux
	closed chan struct{}
	close  func()

	mu        sync.Mutex
	signing   *key
	published []*key // newest first
	clients   map[string]client
	secret    string            // of the client that introspects
	opaque    map[string][]byte // what opaque tokens say
	revoked   map[string]bool
	requests  Requests
	trouble   trouble
}

// reporter is a testing.TB, or panics.
type reporter interface {
	Helper()
	Fatalf(format string, args ...any)
}

type panics struct{}

func (panics) Helper()                           {}
func (panics) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

// NewIssuer starts an issuer that is closed when the test and its subtests are done. A bad option fails the test.
func NewIssuer(tb testing.TB, options ...Option) *Issuer {
	tb.Helper()
	i, err := Start(options...)
	if err != nil {
		tb.Fatal(err)
	}
	i.t = tb
	tb.Cleanup(i.Close)
	return i
}

// Start starts an issuer outside of a test, where the caller closes it. The error is a bad option's.
func Start(options ...Option) (*Issuer, error) {
	i := &Issuer{
		t: panics{}, profile: verifier.RFC9068(), audience: []string{defaultAudience}, algorithm: defaultAlgorithm, now: time.Now,
		closed: make(chan struct{}), clients: map[string]client{}, opaque: map[string][]byte{}, revoked: map[string]bool{}, trouble: newTrouble(),
		secret: rand.Text(),
	}
	i.RegisterClient(resourceServer, i.secret)
	for _, option := range options {
		option(i)
	}
	if len(i.audience) == 0 || slices.Contains(i.audience, "") {
		return nil, errors.New("verifiertest: Audience is empty or holds an empty string")
	}
	if _, err := verifier.NewClaims([]byte("{}"), i.profile); err != nil {
		return nil, fmt.Errorf("verifiertest: Like: %w", err)
	}
	k, err := newKey(i.algorithm)
	if err != nil {
		return nil, fmt.Errorf("verifiertest: %w", err)
	}
	i.signing, i.published = k, []*key{k}
	if i.encryption != "" {
		if i.recipient, err = newRecipient(i.encryption); err != nil {
			return nil, fmt.Errorf("verifiertest: Encrypted: %w", err)
		}
	}
	i.route()
	stop := func() {}
	if i.at == "" {
		i.listen()
		stop = i.server.Close
	} else if u, err := url.Parse(i.at); err != nil || u.Hostname() == "" || i.at != "http://"+u.Host && i.at != "https://"+u.Host {
		return nil, fmt.Errorf("verifiertest: At(%q): want http or https, a host, and nothing behind it", i.at)
	}
	i.close = sync.OnceFunc(func() {
		close(i.closed)
		stop()
	})
	return i, nil
}

// Close stops the server, and with it the requests that [Issuer.Slow] holds. Tokens can still be minted.
// Closing again does nothing.
func (i *Issuer) Close() { i.close() }

// URL is the issuer identifier, an https URL unless [At] chose another.
func (i *Issuer) URL() string {
	if i.server == nil {
		return i.at
	}
	return i.server.URL
}

// TokenURL is the token endpoint.
func (i *Issuer) TokenURL() string { return i.URL() + tokenPath }

// Client returns a client that trusts the issuer's certificate. With [At] it is an ordinary one.
func (i *Issuer) Client() *http.Client {
	if i.server == nil {
		return &http.Client{}
	}
	return i.server.Client()
}

// Config returns a configuration that accepts the issuer's tokens, with a Match still to be set where the profile asks
// for one (see [Like]). The caller may change it.
func (i *Issuer) Config() verifier.Config {
	return verifier.Config{
		Issuer: i.URL(), Audience: slices.Clone(i.audience), Profile: cloneProfile(i.profile), Client: i.Client(), Now: i.now,
		Decryption: verifier.Decryption{Keys: i.recipientSet()},
	}
}

// Verifier returns a new verifier with [Issuer.Config].
func (i *Issuer) Verifier() *verifier.Verifier {
	i.t.Helper()
	v, err := verifier.New(i.Config())
	if err != nil {
		i.t.Fatalf("verifiertest: %v", err)
	}
	return v
}

// Token mints an access token that is valid for the next five minutes, for the first audience, with scopes separated by
// spaces. The client is "test-client".
//
// Each map overrides top-level claims, by their exact names: a nil value removes the claim, a [time.Time] becomes a
// NumericDate. A client id that is overridden gives sub too, unless sub is overridden itself.
func (i *Issuer) Token(scope string, claims ...map[string]any) string {
	i.t.Helper()
	return i.seal(i.Sign(nil, i.mint(grant{scope: scope, audience: i.audience[:1]}, claims...)))
}

// Sign makes a token of exactly these claims. The header is alg, kid and the profile's typ; members of header override
// them, a nil value removes one. The signature is always a good one of the newest key over what then stands there,
// whatever the header says of it: this is for bad tokens.
func (i *Issuer) Sign(header, claims map[string]any) string {
	i.t.Helper()
	token, err := i.sign(header, claims)
	if err != nil {
		i.t.Fatalf("verifiertest: Sign: %v", err)
	}
	return token
}

func (i *Issuer) sign(header, claims map[string]any) (string, error) {
	i.mu.Lock()
	k := i.signing
	i.mu.Unlock()
	return i.signWith(k, header, claims)
}

// Encrypt encrypts a token, or any other text, to the key of [Encrypted]. Without that option it fails the test.
func (i *Issuer) Encrypt(token string) string {
	i.t.Helper()
	if i.recipient == nil {
		i.t.Fatalf("verifiertest: Encrypt: the issuer was made without the option Encrypted")
	}
	encrypted, err := i.encrypt(token)
	if err != nil {
		i.t.Fatalf("verifiertest: Encrypt: %v", err)
	}
	return encrypted
}

// seal encrypts if the issuer does.
func (i *Issuer) seal(token string) string {
	i.t.Helper()
	if i.recipient == nil {
		return token
	}
	return i.Encrypt(token)
}

func (i *Issuer) encrypt(token string) (string, error) {
	public, err := i.recipient.PublicKey()
	if err != nil {
		return "", err
	}
	header := jwe.NewHeaders()
	err = errors.Join(header.Set(jwe.ContentTypeKey, "JWT"), header.Set(jwe.KeyIDKey, public.KeyID()))
	if iss := issuerOf(token); iss != "" { // RFC 7519 section 5.3
		err = errors.Join(err, header.Set("iss", iss))
	}
	if err != nil {
		return "", err
	}
	encrypted, err := jwe.Encrypt([]byte(token), jwe.WithKey(jwa.KeyEncryptionAlgorithm(i.encryption), public),
		jwe.WithContentEncryption(jwa.A256GCM), jwe.WithProtectedHeaders(header))
	return string(encrypted), err
}

// issuerOf is "" for what is no signed token or names no issuer.
func issuerOf(token string) string {
	claims := map[string]any{} // names are exact in a map
	if parts := strings.Split(token, "."); len(parts) == 3 {
		text, _ := base64.RawURLEncoding.DecodeString(parts[1])
		_ = json.Unmarshal(text, &claims) // an odd iss is none
	}
	iss, _ := claims["iss"].(string)
	return iss
}

// recipientSet is the API's private key as a JWK set, nil without one.
func (i *Issuer) recipientSet() []byte {
	if i.recipient == nil {
		return nil
	}
	set, err := json.Marshal(map[string]any{"keys": []jwk.Key{i.recipient}})
	if err != nil {
		i.t.Fatalf("verifiertest: %v", err)
	}
	return set
}

func newRecipient(alg string) (jwk.Key, error) {
	var private any
	var err error
	switch alg {
	case "RSA-OAEP-256":
		private, err = rsa.GenerateKey(rand.Reader, 2048)
	case "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW":
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "dir":
		secret := make([]byte, 32)
		rand.Read(secret)
		private = secret
	default:
		return nil, fmt.Errorf("algorithm %q: want RSA-OAEP-256 ECDH-ES ECDH-ES+A128KW ECDH-ES+A256KW or dir", alg)
	}
	if err != nil {
		return nil, err
	}
	k, err := jwk.FromRaw(private)
	if err != nil {
		return nil, err
	}
	return k, errors.Join(k.Set(jwk.KeyIDKey, rand.Text()), k.Set(jwk.AlgorithmKey, alg), k.Set(jwk.KeyUsageKey, "enc"))
}

func (i *Issuer) signWith(k *key, header, claims map[string]any) (string, error) {
	full := map[string]any{"alg": k.alg, "kid": k.id}
	if typ := i.profile.Types[0]; typ != "" {
		full["typ"] = typ
	}
	override(full, header)
	return k.sign(full, claims)
}

// Rotate makes a new key, publishes it and signs with it from now on; older keys stay published until [Issuer.Withdraw].
// Without an argument its algorithm is that of the key before. With several, a key of each is made, and the last one signs.
func (i *Issuer) Rotate(algorithms ...string) {
	i.t.Helper()
	if len(algorithms) == 0 {
		i.mu.Lock()
		algorithms = []string{i.signing.alg}
		i.mu.Unlock()
	}
	for _, alg := range algorithms {
		k, err := newKey(alg)
		if err != nil {
			i.t.Fatalf("verifiertest: Rotate: %v", err)
		}
		i.mu.Lock()
		i.signing, i.published = k, append([]*key{k}, i.published...)
		i.mu.Unlock()
	}
}

// Withdraw takes a key out of the published set. If it is the newest, tokens are still signed with it.
func (i *Issuer) Withdraw(kid string) {
	i.t.Helper()
	i.mu.Lock()
	before := len(i.published)
	i.published = slices.DeleteFunc(i.published, func(k *key) bool { return k.id == kid })
	gone := before != len(i.published)
	i.mu.Unlock()
	if !gone {
		i.t.Fatalf("verifiertest: Withdraw: no key %q is published", kid)
	}
}

// KeyIDs lists the published keys, newest first.
func (i *Issuer) KeyIDs() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	ids := make([]string, len(i.published))
	for n, k := range i.published {
		ids[n] = k.id
	}
	return ids
}

// algorithms are those of the published keys, each once.
func (i *Issuer) algorithms() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	names := []string{}
	for _, k := range i.published {
		if !slices.Contains(names, k.alg) {
			names = append(names, k.alg)
		}
	}
	return names
}

// keySet is the published JWK set (RFC 7517 section 5).
func (i *Issuer) keySet() map[string]any {
	i.mu.Lock()
	defer i.mu.Unlock()
	keys := make([]jwk.Key, len(i.published))
	for n, k := range i.published {
		keys[n] = k.public
	}
	return map[string]any{"keys": keys}
}

// key is immutable.
type key struct {
	id      string // the RFC 7638 thumbprint, so that no two issuers have the same
	alg     string
	private crypto.Signer
	public  jwk.Key
	signer  jws.Signer
}

func newKey(alg string) (*key, error) {
	private, err := generate(alg)
	if err != nil {
		return nil, err
	}
	name := jwa.SignatureAlgorithm(alg)
	if alg == "Ed25519" {
		name = jwa.EdDSA
	}
	signer, err := jws.NewSigner(name)
	if err != nil {
		return nil, err
	}
	public, err := jwk.FromRaw(private.Public())
	if err != nil {
		return nil, err
	}
	err = errors.Join(jwk.AssignKeyID(public), public.Set(jwk.AlgorithmKey, jwa.SignatureAlgorithm(alg)), public.Set(jwk.KeyUsageKey, "sig"))
	return &key{public.KeyID(), alg, private, public, signer}, err
}

// sign makes a token of exactly this header and these claims.
func (k *key) sign(header, claims map[string]any) (string, error) {
	if claims == nil {
		claims = map[string]any{}
	}
	var parts [2]string
	for n, object := range []map[string]any{header, claims} {
		text, err := json.Marshal(object)
		if err != nil {
			return "", err
		}
		parts[n] = base64.RawURLEncoding.EncodeToString(text)
	}
	signed := parts[0] + "." + parts[1]
	signature, err := k.signer.Sign([]byte(signed), k.private)
	if err != nil {
		return "", err
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}

func generate(alg string) (crypto.Signer, error) {
	switch alg {
	case "RS256", "RS384", "RS512", "PS256", "PS384", "PS512":
		return rsa.GenerateKey(rand.Reader, 2048)
	case "ES256":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ES384":
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "ES512":
		return ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case "EdDSA", "Ed25519":
		_, private, err := ed25519.GenerateKey(rand.Reader)
		return private, err
	}
	return nil, fmt.Errorf("algorithm %q: want RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA or Ed25519", alg)
}
