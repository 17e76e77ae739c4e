package middleware

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/bearerguard/bearerguard/verifier"
)

// maxCert bounds a header field with a certificate, in bytes: a large one takes 4 KiB, and PEM in a URL's escapes twice that.
// The fields of chains are longer.
const maxCert = 64 << 10

// certificate is the client's, of the TLS connection unless Config.ClientCert says otherwise. That the client has its private
// key is what the handshake has proven; whom the certificate names, and who issued it, doesn't matter (RFC 8705 section 6.2).
func (g *Guard) certificate(r *http.Request) *x509.Certificate {
	switch {
	case g.cfg.ClientCert != nil:
		return g.cfg.ClientCert(r)
	case r.TLS != nil && len(r.TLS.PeerCertificates) > 0:
		return r.TLS.PeerCertificates[0]
	}
	return nil
}

// checkCertificate compares the certificate with the hash in the token (RFC 8705 section 3.1).
func (g *Guard) checkCertificate(r *http.Request, want string) error {
	cert := g.certificate(r)
	if cert == nil {
		return fmt.Errorf("%w: the token is bound to a client certificate, and the request came without one", verifier.ErrBinding)
	}
	sum := sha256.Sum256(cert.Raw)
	if subtle.ConstantTimeCompare([]byte(base64.RawURLEncoding.EncodeToString(sum[:])), []byte(want)) != 1 {
		return fmt.Errorf("%w: the token is bound to another client certificate", verifier.ErrBinding)
	}
	return nil
}

// CertFormat is how a proxy writes its client's certificate into a header field. The zero CertFormat is none.
type CertFormat int

const (
	// CertRFC9440 is a byte sequence between colons, as in the field Client-Cert (RFC 9440 section 2.2).
	CertRFC9440 CertFormat = iota + 1
	// CertPEM is PEM in a URL's escapes: nginx's $ssl_client_escaped_cert, and X-Amzn-Mtls-Clientcert-Leaf, or X-Amzn-Mtls-Clientcert,
	// of AWS's Application Load Balancer. Of a chain it is the first one.
	CertPEM
	// CertXFCC is Envoy's X-Forwarded-Client-Cert, in which the proxy must be told to put the certificate itself, and nothing that it
	// writes without quotes (set_current_client_cert_details: {cert: true}, without uri and dns): such a name in a certificate can hold
	// another element. forward_client_cert_details is SANITIZE_SET, or APPEND_FORWARD behind other proxies; with FORWARD_ONLY and
	// ALWAYS_FORWARD_ONLY the client writes the field. Of several elements it is the last one, which the proxy before this server added.
	CertXFCC
)

// CertFromProxy makes a Config.ClientCert for a server behind a proxy that ends TLS: it reads the certificate from a header field,
// if the request comes from one of the trusted proxies, which must set or delete that field in every request (RFC 8705 section 6.5).
// From any other peer, without the field, with several of it, or with one that can't be read there is no certificate, and a bound
// token is refused.
//
// The proxy must have asked the client for the certificate and seen the proof of its key. Every mistake is reported, in one errors.Join.
func CertFromProxy(field string, format CertFormat, trusted ...netip.Prefix) (func(*http.Request) *x509.Certificate, error) {
	var errs []error
	read, ok := map[CertFormat]func(string) ([]byte, error){CertRFC9440: certOfBytes, CertPEM: certOfPEM, CertXFCC: certOfXFCC}[format]
	if !ok {
		errs = append(errs, fmt.Errorf("middleware: CertFromProxy: format %d is none: want CertRFC9440, CertPEM or CertXFCC", format))
	}
	if field == "" || strings.ContainsFunc(field, func(r rune) bool { return r > '~' || !isTokenChar(byte(r)) }) {
		errs = append(errs, fmt.Errorf("middleware: CertFromProxy: %q is no name of a header field", field))
	}
	if len(trusted) == 0 {
		errs = append(errs, errors.New("middleware: CertFromProxy without a trusted proxy would take nobody's word: name the networks of the proxies"))
	}
	for _, prefix := range trusted {
		if !isNetwork(prefix) {
			errs = append(errs, fmt.Errorf("middleware: CertFromProxy: trusted %v must be a prefix of at least one bit: it would trust everybody, or nobody", prefix))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	field, trusted = http.CanonicalHeaderKey(field), slices.Clone(trusted)
	return func(r *http.Request) *x509.Certificate {
		values := r.Header[field]
		if len(values) != 1 || len(values[0]) > maxCert || !trusts(trusted, r.RemoteAddr) {
			return nil
		}
		der, err := read(values[0])
		if err != nil {
			return nil
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil
		}
		return cert
	}, nil
}

var errNoCert = errors.New("no certificate")

// certOfBytes reads a byte sequence: RFC 9651 section 3.3.5.
func certOfBytes(field string) ([]byte, error) {
	text, begins := strings.CutPrefix(field, ":")
	text, ends := strings.CutSuffix(text, ":")
	if !begins || !ends || strings.ContainsAny(text, "\r\n") {
		return nil, errNoCert
	}
	return base64.StdEncoding.Strict().DecodeString(text)
}

// certOfPEM leaves a plus sign as it is: AWS doesn't escape it.
func certOfPEM(field string) ([]byte, error) {
	text, err := url.PathUnescape(field)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, errNoCert
	}
	return block.Bytes, nil
}

func certOfXFCC(field string) ([]byte, error) {
	found := ""
	for _, pair := range splitUnquoted(lastOf([]string{field})) { // a subject's name may hold anything
		if name, value, _ := strings.Cut(strings.TrimSpace(pair), "="); strings.EqualFold(name, "Cert") {
			if found != "" {
				return nil, errNoCert
			}
			found = strings.Trim(value, `"`)
		}
	}
	return certOfPEM(found)
}
