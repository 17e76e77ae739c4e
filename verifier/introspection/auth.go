package introspection

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/bearerguard/bearerguard/internal/jose"
)

// Auth is how this server shows the endpoint who it is (RFC 7662 section 2.1). The zero Auth is no way at all: [New]
// refuses it. It keeps its secret out of what prints it.
type Auth struct {
	method   string
	clientID string // "" where the endpoint learns none
	add      func(context.Context, *request) error
	cert     *tls.Certificate
	tls      bool // the endpoint must be https
	err      error
}

// request is what is sent to the endpoint.
type request struct {
	form   url.Values
	header http.Header
	issuer string
	now    time.Time
}

// String names the method and the client.
func (a Auth) String() string {
	if a.clientID == "" {
		return a.method
	}
	return fmt.Sprintf("%s(%q)", a.method, a.clientID)
}

// GoString is String for %#v.
func (a Auth) GoString() string { return a.String() }

// None is for an endpoint that only this server's network reaches, as the administration port of Ory Hydra.
func None() Auth {
	return Auth{method: "None", add: func(context.Context, *request) error { return nil }}
}

// ClientSecretBasic sends a client's id and secret in the Authorization field, each form-encoded first (RFC 6749 section 2.3.1).
// A server that doesn't decode them again takes only letters, digits and "-_." in them, or [ClientSecretPost].
func ClientSecretBasic(clientID, secret string) Auth {
	credentials := base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(clientID) + ":" + url.QueryEscape(secret)))
	return Auth{method: "ClientSecretBasic", clientID: clientID, err: notEmpty("ClientSecretBasic", clientID, secret),
		add: func(_ context.Context, r *request) error {
			r.header.Set("Authorization", "Basic "+credentials)
			return nil
		}}
}

// ClientSecretPost sends a client's id and secret in the form (RFC 6749 section 2.3.1).
func ClientSecretPost(clientID, secret string) Auth {
	return Auth{method: "ClientSecretPost", clientID: clientID, err: notEmpty("ClientSecretPost", clientID, secret),
		add: func(_ context.Context, r *request) error {
			r.form.Set("client_id", clientID)
			r.form.Set("client_secret", secret)
			return nil
		}}
}

// PrivateKey is what a client signs with.
type PrivateKey struct {
	// Signer holds the key, or leads to where it is held: RSA of 2048 bits and more, P-256, P-384, P-521 or Ed25519.
	// It must be safe for concurrent use, as those of the standard library are.
	Signer crypto.Signer
	// KeyID is the kid under which the authorization server knows the public key. It may be empty.
	KeyID string
	// Algorithm is the signature algorithm. Empty: RS256, the one of the curve, or EdDSA.
	Algorithm string
	// Audience is whom the assertion is for. Empty: the issuer. Some servers want the URL of their token endpoint.
	Audience string
}

// assertionLife is how long an assertion may be used; it is made for one call.
const assertionLife = time.Minute

// PrivateKeyJWT sends an assertion that the client has signed (RFC 7523 section 2.2), a new one with each call.
func PrivateKeyJWT(clientID string, key PrivateKey) Auth {
	signer, err := jose.NewSigner(key.Signer, key.Algorithm)
	if err != nil {
		err = fmt.Errorf("introspection: PrivateKeyJWT: %w", err)
	}
	add := func(_ context.Context, r *request) error {
		header := map[string]any{"alg": signer.Algorithm(), "typ": "JWT"}
		if key.KeyID != "" {
			header["kid"] = key.KeyID
		}
		audience := key.Audience
		if audience == "" {
			audience = r.issuer
		}
		assertion, err := sign(signer, header, map[string]any{
			"iss": clientID, "sub": clientID, "aud": audience, "jti": rand.Text(), "iat": r.now.Unix(), "exp": r.now.Add(assertionLife).Unix(),
		})
		if err != nil {
			return fmt.Errorf("signing the client's assertion: %w", err)
		}
		r.form.Set("client_id", clientID)
		r.form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		r.form.Set("client_assertion", assertion)
		return nil
	}
	return Auth{method: "PrivateKeyJWT", clientID: clientID, add: add, err: errors.Join(err, notEmpty("PrivateKeyJWT", clientID))}
}

func sign(signer *jose.Signer, header, payload map[string]any) (string, error) {
	h, err := jose.Marshal(header)
	if err != nil {
		return "", err
	}
	p, err := jose.Marshal(payload)
	if err != nil {
		return "", err
	}
	return signer.Sign(h, p)
}

// MutualTLS authenticates the client by its certificate (RFC 8705 section 2). Without one, nil, the certificate is for
// Config.Tokens.Client to bring: by GetClientCertificate of its transport's TLS configuration, where it is renewed.
// An endpoint that is found by discovery is the one of mtls_endpoint_aliases, if there is any (RFC 8705 section 5).
func MutualTLS(clientID string, certificate *tls.Certificate) Auth {
	return Auth{method: "MutualTLS", clientID: clientID, cert: certificate, tls: true, err: notEmpty("MutualTLS", clientID),
		add: func(_ context.Context, r *request) error {
			r.form.Set("client_id", clientID)
			return nil
		}}
}

// BearerToken sends an access token of this server's own, which token returns: one of the client-credentials grant, kept
// until it expires and then renewed. token is called for each call to the endpoint, concurrently and with its deadline,
// which it must heed, or have a shorter one of its own.
// The package's example shows it with golang.org/x/oauth2.
func BearerToken(token func(context.Context) (string, error)) Auth {
	var err error
	if token == nil {
		err = errors.New("introspection: BearerToken: the function is nil")
	}
	return Auth{method: "BearerToken", err: err, add: func(ctx context.Context, r *request) error {
		own, err := token(ctx)
		if err != nil {
			return fmt.Errorf("getting this server's own token: %w", err)
		}
		if !isB64Token(own) { // RFC 6750 section 2.1
			return errors.New("this server's own token is empty, or holds a character that no bearer token has")
		}
		r.header.Set("Authorization", "Bearer "+own)
		return nil
	}}
}

func notEmpty(method string, values ...string) error {
	for i, value := range values {
		if value == "" {
			return fmt.Errorf("introspection: %s: the client's %s is empty: is an environment variable unset?", method, []string{"id", "secret"}[i])
		}
	}
	return nil
}
