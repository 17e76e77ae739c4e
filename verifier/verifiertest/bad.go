package verifiertest

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strings"
	"time"
)

// Expired mints a token that was good until an hour ago.
func (i *Issuer) Expired() string {
	then := i.now().Add(-time.Hour)
	return i.Token("", map[string]any{"iat": then.Add(-lifetime), "exp": then})
}

// NotYetValid mints a token that will be good in an hour.
func (i *Issuer) NotYetValid() string {
	then := i.now().Add(time.Hour)
	return i.Token("", map[string]any{"nbf": then, "exp": then.Add(lifetime)})
}

// WrongAudience mints a token for another API.
func (i *Issuer) WrongAudience() string {
	return i.seal(i.Sign(nil, i.mint(grant{audience: []string{"https://another-api.example.com"}})))
}

// WrongIssuer mints a token that names another issuer, under a good signature.
func (i *Issuer) WrongIssuer() string {
	return i.Token("", map[string]any{"iss": "https://another-issuer.example.com"})
}

// WrongType mints a token whose typ no access token has: that of a logout token.
func (i *Issuer) WrongType() string {
	return i.seal(i.Sign(map[string]any{"typ": "logout+jwt"}, i.mint(grant{audience: i.audience[:1]})))
}

// Tampered mints a token and gives it more scopes after it was signed.
func (i *Issuer) Tampered() string {
	good := strings.Split(i.Sign(nil, i.mint(grant{audience: i.audience[:1]})), ".")
	better := strings.Split(i.Sign(nil, i.mint(grant{scope: "admin", audience: i.audience[:1]})), ".")
	return i.seal(good[0] + "." + better[1] + "." + good[2])
}

// AlgNone makes a token that says that it needs no signature, and has a single byte for one.
func (i *Issuer) AlgNone() string {
	parts := strings.Split(i.Sign(map[string]any{"alg": "none"}, i.mint(grant{audience: i.audience[:1]})), ".")
	return i.seal(parts[0] + "." + parts[1] + ".AA")
}

// HS256WithPublicKey makes a token whose HMAC has the published key for its secret, in PEM as attackers find it:
// a verifier that lets the token choose how its key is used takes it for a good one.
func (i *Issuer) HS256WithPublicKey() string {
	i.t.Helper()
	i.mu.Lock()
	public := i.signing.private.Public()
	i.mu.Unlock()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		i.t.Fatalf("verifiertest: HS256WithPublicKey: %v", err)
	}
	mac := hmac.New(sha256.New, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	token := i.Sign(map[string]any{"alg": "HS256"}, i.mint(grant{audience: i.audience[:1]}))
	signed := token[:strings.LastIndexByte(token, '.')]
	mac.Write([]byte(signed))
	return i.seal(signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)))
}

// Forged mints a token that names the issuer's key and is signed by somebody else's.
func (i *Issuer) Forged() string {
	i.t.Helper()
	forger := *i.forger()
	i.mu.Lock()
	forger.id = i.signing.id
	i.mu.Unlock()
	return i.signedBy(&forger)
}

// UnknownKey mints a token that is signed by a key which was never published, and names it.
func (i *Issuer) UnknownKey() string {
	i.t.Helper()
	return i.signedBy(i.forger())
}

func (i *Issuer) forger() *key {
	i.t.Helper()
	i.mu.Lock()
	alg := i.signing.alg
	i.mu.Unlock()
	k, err := newKey(alg)
	if err != nil {
		i.t.Fatalf("verifiertest: %v", err)
	}
	return k
}

func (i *Issuer) signedBy(k *key) string {
	i.t.Helper()
	token, err := i.signWith(k, nil, i.mint(grant{audience: i.audience[:1]}))
	if err != nil {
		i.t.Fatalf("verifiertest: %v", err)
	}
	return i.seal(token)
}

// Opaque makes a token that is no JWT.
func (i *Issuer) Opaque() string { return "2YotnFZFEjr1zCsicMWpAA" }

// BadTokens makes one of each kind of bad token, by its name, for a table: an API refuses every one with 401.
func (i *Issuer) BadTokens() map[string]string {
	i.t.Helper()
	return map[string]string{
		"Expired": i.Expired(), "NotYetValid": i.NotYetValid(), "WrongAudience": i.WrongAudience(), "WrongIssuer": i.WrongIssuer(),
		"WrongType": i.WrongType(), "Tampered": i.Tampered(), "AlgNone": i.AlgNone(), "HS256WithPublicKey": i.HS256WithPublicKey(),
		"Forged": i.Forged(), "UnknownKey": i.UnknownKey(), "Opaque": i.Opaque(),
	}
}
