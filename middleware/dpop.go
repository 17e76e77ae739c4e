package middleware

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/bearerguard/bearerguard/internal/jose"
	"github.com/bearerguard/bearerguard/internal/lru"
	"github.com/bearerguard/bearerguard/verifier"
)

// DPoP makes a guard accept access tokens that are bound to a key of the client's, under the scheme DPoP and with a proof that
// the client made for the request (RFC 9449). Either PublicURL or TrustedProxies is required; every other zero value is a safe
// default.
//
// A proof covers the method and the URL without its query, never the query, the body or other fields. Whatever a handler
// dispatches in the context of a request with the very token and proof of that request counts as the same request. A CORS layer
// outside of the guard must let scripts read WWW-Authenticate and DPoP-Nonce, and send DPoP.
type DPoP struct {
	// PublicURL is where clients reach this server, a URL like https://api.example.com. Its path, if it has one, is what stands
	// before the path that the guard sees: what a proxy, or http.StripPrefix, takes away. The request's Host doesn't matter then.
	PublicURL string
	// TrustedProxies are the peers whose word is taken for the URL that the client asked for, in place of PublicURL: a Forwarded
	// field (RFC 7239), or X-Forwarded-Proto and X-Forwarded-Host, with X-Forwarded-Port and X-Forwarded-Prefix if they are there.
	// The last one of several values counts, and what other peers say doesn't. Each of these fields that a client may have sent
	// must be set or deleted by the proxy (RFC 9700 section 4.13). Behind a chain of proxies that add to them use PublicURL.
	TrustedProxies []netip.Prefix
	// Required refuses tokens that are not bound to a DPoP key: the scheme Bearer is then as foreign as Basic.
	Required bool
	// Algorithms lists the signature algorithms of proofs, which challenges name. Empty: those of verifier.Config's default.
	Algorithms []string
	// MaxAge is how long after its iat a proof is accepted. 0: 60 s; at most 10 minutes.
	MaxAge time.Duration
	// MaxAhead is how far iat may lie in the future, for clocks that differ. 0: 5 s; negative: none; at most a minute.
	MaxAhead time.Duration
	// Replay remembers proofs, so that each is accepted once. Nil: in memory, which serves one instance. Guards that share one ask
	// it once for each request that passes through several of them.
	Replay ReplayStore
	// ReplaySize is how many proofs are remembered in memory; when there are more, requests are refused with 503. A key may
	// have a fourth of them. 0: a million, which take 40 to 90 MiB and are enough for 11,000 requests a second with the default
	// MaxAge, and for 4,000 with nonces.
	ReplaySize int
	// DangerouslyAllowReplay accepts a proof again and again while it is fresh. It is for a server behind another one that has
	// asked the same store about the same proof, and for nobody else.
	DangerouslyAllowReplay bool
	// RequireNonce demands a nonce of ours in each proof (RFC 9449 section 9). A proof then was made after its nonce was, at most
	// 3 minutes ago; what iat says doesn't matter, nor does the client's clock.
	RequireNonce bool
	// NonceSecrets are what nonces are sealed with, each of at least 32 random bytes: the first one seals, all of them open, so
	// that they can be replaced one by one. The instances of a fleet need the same ones. Empty: a random one for this process.
	NonceSecrets [][]byte
}

// Format prints no secret, whatever the verb.
func (d DPoP) Format(f fmt.State, verb rune) {
	type plain DPoP // has no methods
	d.NonceSecrets = make([][]byte, len(d.NonceSecrets))
	fmt.Fprintf(f, fmt.FormatString(f, verb), plain(d))
}

// MarshalJSON writes what %+v does, as one string: a log may be JSON.
func (d DPoP) MarshalJSON() ([]byte, error) { return jose.Marshal(fmt.Sprintf("%+v", d)) }

// Bounds of a proof.
const (
	defaultMaxAge   = 60 * time.Second
	maxMaxAge       = 10 * time.Minute // RFC 9449 section 11.1: on the order of seconds or minutes
	defaultMaxAhead = 5 * time.Second
	maxMaxAhead     = time.Minute
	maxProof        = 8 << 10         // bytes: an RSA-8192 key and its signature take 4 KiB, the rest is for a long URL
	proofHeaders    = 4096            // remembered, some 1 KiB each
	fleetSkew       = 5 * time.Second // by which the clocks of a fleet may differ
)

// proofs is a compiled DPoP.
type proofs struct {
	proxies    []netip.Prefix
	base       target // of PublicURL
	algorithms []string
	algs       string // the challenge's parameter
	age, ahead time.Duration
	store      ReplayStore                   // nil: replay is allowed
	nonces     *nonces                       // nil: none are asked for
	headers    *lru.Cache[*jose.ProofHeader] // by the hash of the segment: those of a client's proofs are the same, and hold a key
}

func (d *DPoP) schemes() []string {
	switch {
	case d == nil:
		return []string{schemeBearer}
	case d.Required:
		return []string{schemeDPoP}
	}
	return []string{schemeBearer, schemeDPoP}
}

// compile checks a configuration. Every mistake is reported.
func (d *DPoP) compile(now func() time.Time) (*proofs, error) {
	if d == nil {
		return nil, nil
	}
	p := &proofs{
		proxies: slices.Clone(d.TrustedProxies), algorithms: slices.Clone(d.Algorithms), store: d.Replay, headers: lru.New[*jose.ProofHeader](proofHeaders),
		age: cmp.Or(d.MaxAge, defaultMaxAge), ahead: max(0, cmp.Or(d.MaxAhead, defaultMaxAhead)),
	}
	if len(p.algorithms) == 0 {
		p.algorithms = jose.Algorithms()
	}
	p.algs = strings.Join(p.algorithms, " ")
	lifetime := p.age + p.ahead
	if d.RequireNonce {
		lifetime = nonceLifetime + fleetSkew
		p.nonces = newNonces(d.NonceSecrets)
	}
	if p.store == nil && !d.DangerouslyAllowReplay {
		p.store = newReplayMemory(max(0, d.ReplaySize), lifetime+fleetSkew, now)
	}
	err := d.check()
	if d.PublicURL != "" {
		var wrong error
		if p.base, wrong = parseBase(d.PublicURL); wrong != nil {
			err = errors.Join(err, fmt.Errorf("middleware: DPoP.PublicURL %q must be like https://api.example.com: it %w", d.PublicURL, wrong))
		}
	}
	return p, err
}

func (d *DPoP) check() error {
	var errs []error
	wrong := func(is bool, format string, args ...any) {
		if is {
			errs = append(errs, fmt.Errorf("middleware: DPoP."+format, args...))
		}
	}
	wrong(d.PublicURL == "" && len(d.TrustedProxies) == 0, "PublicURL or DPoP.TrustedProxies must tell where clients reach this server: the Host field is the client's to choose")
	wrong(d.PublicURL != "" && len(d.TrustedProxies) > 0, "PublicURL and DPoP.TrustedProxies both tell where clients reach this server: set one")
	for _, prefix := range d.TrustedProxies {
		wrong(!isNetwork(prefix), "TrustedProxies %v must be a prefix of at least one bit: it would trust everybody, or nobody", prefix)
	}
	for _, alg := range d.Algorithms {
		wrong(!slices.Contains(jose.Algorithms(), alg), "Algorithms: %q is not one of %s (RFC 9449 section 11.6)", alg, strings.Join(jose.Algorithms(), " "))
	}
	wrong(d.MaxAge < 0 || d.MaxAge > maxMaxAge, "MaxAge %v must be positive and at most %v", d.MaxAge, maxMaxAge)
	wrong(d.MaxAhead > maxMaxAhead, "MaxAhead %v must be at most %v", d.MaxAhead, maxMaxAhead)
	wrong(d.ReplaySize < 0, "ReplaySize %d must not be negative", d.ReplaySize)
	wrong(d.Replay != nil && d.ReplaySize != 0, "ReplaySize is for the store in memory, and DPoP.Replay is another one: set one")
	wrong(d.Replay != nil && isNil(d.Replay), "Replay is a nil %T: was an error dropped?", d.Replay)
	wrong(d.Replay != nil && !reflect.ValueOf(d.Replay).Comparable(), "Replay is a %T, which can't be told from another one: use a pointer", d.Replay)
	wrong(d.DangerouslyAllowReplay && (d.Replay != nil || d.ReplaySize != 0), "DangerouslyAllowReplay leaves DPoP.Replay and DPoP.ReplaySize without effect: set one")
	wrong(len(d.NonceSecrets) > 0 && !d.RequireNonce, "NonceSecrets are without effect: set RequireNonce too")
	for i, secret := range d.NonceSecrets {
		wrong(len(secret) < minNonceSecret, "NonceSecrets[%d] has %d bytes: at least %d random ones are needed", i, len(secret), minNonceSecret)
	}
	return errors.Join(errs...)
}

// proven is a proof that was checked. A stamp keeps it in the request's context, where other guards find it.
type proven struct {
	proof string // the DPoP field
	store ReplayStore
	key   string    // for the store: which proof it is
	until time.Time // when it will no longer be accepted
	nonce string    // a new one for the client; "": its own is still good
	outer *proven   // of another guard that the request passed before
}

// provenKey is the context key of the innermost *proven.
type provenKey struct{}

// by reports whether a request that has come by before comes with the same proof, or none as before.
func (p *proven) by(r *http.Request, scheme string) bool {
	if p == nil {
		return scheme != schemeDPoP
	}
	fields := r.Header["Dpop"]
	return scheme == schemeDPoP && len(fields) == 1 && fields[0] == p.proof
}

// prove asks for the proof of a token that is bound to a key with this thumbprint.
func (g *Guard) prove(r *http.Request, s *stamp, jkt string, requirements []Requirement) *Denial {
	now := g.cfg.Now()
	p, o, err := g.proofs.check(r, s.token, jkt, now)
	if err == nil {
		s.proven = p
		return nil
	}
	denial := g.deny(schemeDPoP, o, requirements, err)
	if o == useNonce {
		denial.Header["Dpop-Nonce"] = []string{g.proofs.nonces.seal(now)} // RFC 9449 section 9
	}
	return denial
}

// check runs the checks of RFC 9449 section 4.3, whose numbers stand beside them, but for the replay. Those that cost little
// come first, and only a signature under the key that the token is bound to is looked at.
func (p *proofs) check(r *http.Request, token, jkt string, now time.Time) (*proven, outcome, error) {
	passed, o := &proven{store: p.store}, invalidProof
	proof, err := p.read(r.Header["Dpop"])
	if err == nil {
		err = p.checkHeader(proof)
	}
	if err == nil {
		err = p.checkRequest(proof, r, token)
	}
	if err == nil {
		o, err = p.checkTime(proof, now, passed)
	}
	if err != nil {
		return nil, o, fmt.Errorf("DPoP proof: %w", err)
	}
	thumbprint := base64.RawURLEncoding.EncodeToString([]byte(proof.header.Key.Thumbprint))
	if thumbprint != jkt { // 12b, RFC 9449 section 6.1
		return nil, wrongKey, fmt.Errorf("%w: the DPoP proof is of another key", verifier.ErrBinding)
	}
	if err := proof.header.Verify(proof.compact); err != nil { // 6
		return nil, invalidProof, fmt.Errorf("DPoP proof: %w", err)
	}
	if !proof.known {
		p.headers.Add(sha256.Sum256([]byte(proof.compact.Header)), proof.header)
	}
	passed.proof, passed.key = r.Header["Dpop"][0], replayKey(thumbprint, proof)
	return passed, outcome{}, nil
}

// proof is one that was read, with the claims that count.
type proof struct {
	compact                           jose.Compact
	header                            *jose.ProofHeader
	known                             bool // the header is one that a good proof had
	id, method, uri, tokenHash, nonce string
	issuedAt                          time.Time
}

func (p *proofs) read(fields []string) (*proof, error) {
	switch {
	case len(fields) == 0:
		return nil, errors.New("no DPoP field")
	case len(fields) > 1: // 1
		return nil, errors.New("more than one DPoP field")
	case len(fields[0]) > maxProof:
		return nil, fmt.Errorf("longer than %d bytes", maxProof)
	}
	c, err := jose.Split(fields[0]) // 2
	if err != nil {
		return nil, err
	}
	read := &proof{compact: c}
	if read.header, read.known = p.headers.Get(sha256.Sum256([]byte(c.Header))); !read.known {
		if read.header, err = jose.ParseProofHeader(c.Header); err != nil { // 2, 7
			return nil, err
		}
	}
	return read, read.readClaims()
}

func (p *proof) readClaims() error {
	claims, err := jose.ParseSegment(p.compact.Payload, jose.PayloadLimits)
	if err != nil {
		return err
	}
	for _, claim := range []struct {
		name string
		dst  *string
	}{{"jti", &p.id}, {"htm", &p.method}, {"htu", &p.uri}, {"ath", &p.tokenHash}, {"nonce", &p.nonce}} {
		raw, _ := claims.Get(claim.name)
		if *claim.dst, _ = jose.String(raw); *claim.dst == "" && claim.dst != &p.nonce { // 3
			return fmt.Errorf("claim %q is missing or not a string", claim.name)
		}
	}
	raw, _ := claims.Get("iat")
	var ok bool
	if p.issuedAt, ok = jose.Date(raw); !ok { // 3
		return errors.New(`claim "iat" is missing or not a date`)
	}
	return nil
}

func (p *proofs) checkHeader(proof *proof) error {
	if proof.header.Type != "dpop+jwt" { // 4, RFC 9449 section 11.5
		return fmt.Errorf("typ is %.40q, not dpop+jwt", proof.header.Type)
	}
	if !slices.Contains(p.algorithms, proof.header.Algorithm) { // 5, RFC 9449 section 11.6
		return fmt.Errorf("alg is %.40q, accepted are %s", proof.header.Algorithm, p.algs)
	}
	return nil
}

// checkRequest compares the proof with the request that it came with.
func (p *proofs) checkRequest(proof *proof, r *http.Request, token string) error {
	if proof.method != r.Method { // 8; RFC 9110 section 9.1: methods are case-sensitive
		return fmt.Errorf("htm is %.40q, the request's method %q", proof.method, r.Method)
	}
	asked, err := p.targetOf(r)
	if err != nil {
		return err
	}
	made, err := parseTarget(proof.uri)
	if err != nil {
		return fmt.Errorf("htu %w", err)
	}
	if made != asked { // 9
		return fmt.Errorf("htu is %q, the request's URL %q: if it is the same to the client, see middleware.DPoP's PublicURL", made.String(), asked.String())
	}
	proof.uri = made.String()
	sum := sha256.Sum256([]byte(token))
	if proof.tokenHash != base64.RawURLEncoding.EncodeToString(sum[:]) { // 12a
		return errors.New("ath is not the hash of the access token")
	}
	return nil
}

// checkTime asks when the proof was made: the nonce tells by our own clock, else iat by the client's.
func (p *proofs) checkTime(proof *proof, now time.Time, passed *proven) (outcome, error) {
	if p.nonces == nil { // 11
		if now.Sub(proof.issuedAt) > p.age || proof.issuedAt.Sub(now) > p.ahead {
			return invalidProof, fmt.Errorf("iat is %v, it is %v now: check the clocks", proof.issuedAt.UTC(), now.UTC())
		}
		passed.until = proof.issuedAt.Add(p.age + fleetSkew)
		return outcome{}, nil
	}
	made, err := p.nonces.open(proof.nonce, now) // 10, 11
	if err != nil {
		return useNonce, err
	}
	passed.until = made.Add(nonceLifetime + fleetSkew)
	if now.Sub(made) > nonceLifetime/2 {
		passed.nonce = p.nonces.seal(now)
	}
	return outcome{}, nil
}
