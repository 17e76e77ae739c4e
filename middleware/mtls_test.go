package middleware_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard/middleware"
	"github.com/bearerguard/bearerguard/verifier"
	"github.com/bearerguard/bearerguard/verifier/verifiertest"
)

// newCert makes a certificate that nobody issued, for a name.
func newCert(tb testing.TB, name string) tls.Certificate {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	template.Subject.CommonName = name
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		tb.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// thumbprint is cnf.x5t#S256 (RFC 8705 section 3.1).
func thumbprint(cert tls.Certificate) string {
	sum := sha256.Sum256(cert.Leaf.Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func boundTo(thumbprint string, more ...string) map[string]any {
	cnf := map[string]any{"x5t#S256": thumbprint}
	for _, name := range more {
		cnf[name] = "x"
	}
	return map[string]any{"cnf": cnf}
}

// TestMutualTLS calls a server over TLS with and without certificates.
func TestMutualTLS(t *testing.T) {
	t.Parallel()
	issuer := verifiertest.NewIssuer(t)
	own, other := newCert(t, "shop"), newCert(t, "other")
	var reason error
	guard := newGuard(t, issuer.Verifier(), middleware.Config{OnDecision: func(_ *http.Request, _ *verifier.Claims, d *middleware.Denial) {
		reason = nil
		if d != nil {
			reason = d.Err
		}
	}})
	server := httptest.NewUnstartedServer(guard.Require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	server.TLS = &tls.Config{ClientAuth: tls.RequestClientCert} // 8705-6.2-1: no chain is validated
	server.StartTLS()
	defer server.Close()
	call := func(token string, certs ...tls.Certificate) *http.Response {
		config := server.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
		config.Certificates = certs
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
		r, err := http.NewRequest(http.MethodGet, server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		return response
	}
	chain := tls.Certificate{Certificate: [][]byte{own.Certificate[0], other.Certificate[0]}, PrivateKey: own.PrivateKey}
	for _, tt := range []struct {
		name  string
		token string
		certs []tls.Certificate
		good  bool
	}{
		{"8705-3-1 8705-3-2 8705-3-3 8705-3-5 8705-6.2-1 9700-2.2.1-1 9700-4.10.1-1 FAPI-5.3.4-5 the certificate that the token is bound to", issuer.Token("", boundTo(thumbprint(own))), []tls.Certificate{own}, true},
		{"the first one of a chain", issuer.Token("", boundTo(thumbprint(own))), []tls.Certificate{chain}, true},
		{"an unbound token with a certificate", issuer.Token(""), []tls.Certificate{own}, true},
		{"an unknown member beside", issuer.Token("", boundTo(thumbprint(own), "osc")), []tls.Certificate{own}, true},
		{"Q-12 8705-3-4 no certificate", issuer.Token("", boundTo(thumbprint(own))), nil, false},
		{"Q-12 8705-3-3 8705-6.3-1 another certificate", issuer.Token("", boundTo(thumbprint(own))), []tls.Certificate{other}, false},
		{"another one of the chain", issuer.Token("", boundTo(thumbprint(other))), []tls.Certificate{chain}, false},
		{"8705-3.1-1 a padded hash", issuer.Token("", boundTo(thumbprint(own)+"=")), []tls.Certificate{own}, false},
		{"8705-3.1-1 a hash with a space", issuer.Token("", boundTo(thumbprint(own)+" ")), []tls.Certificate{own}, false},
		{"8705-3.1-1 a hash in hex", issuer.Token("", boundTo(fmt.Sprintf("%x", sha256.Sum256(own.Leaf.Raw)))), []tls.Certificate{own}, false},
		{"a hash that is cut off", issuer.Token("", boundTo(thumbprint(own)[:42])), []tls.Certificate{own}, false},
		{"an unknown member alone", issuer.Token("", map[string]any{"cnf": map[string]any{"osc": "x"}}), []tls.Certificate{own}, false},
		{"a DPoP key beside", issuer.Token("", boundTo(thumbprint(own), "jkt")), []tls.Certificate{own}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			response := call(tt.token, tt.certs...)
			if good := response.StatusCode == http.StatusOK; good != tt.good {
				t.Errorf("%d, %v", response.StatusCode, reason)
			}
			if !tt.good && (response.StatusCode != http.StatusUnauthorized || !errors.Is(reason, verifier.ErrBinding) || !strings.Contains(response.Header.Get("WWW-Authenticate"), `error="invalid_token"`)) {
				t.Errorf("%d, %q, %v", response.StatusCode, response.Header["Www-Authenticate"], reason)
			}
		})
	}
}

var proxies = netip.MustParsePrefix("10.0.0.0/8")

// TestCertFromProxy reads what proxies write, and nothing else.
func TestCertFromProxy(t *testing.T) {
	t.Parallel()
	own, other := newCert(t, "shop"), newCert(t, `x;Cert=y,Cert="z`)
	inPEM := func(c tls.Certificate) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Leaf.Raw}))
	}
	key := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: own.Leaf.Raw}))
	aws := strings.NewReplacer("%2B", "+", "%2F", "/", "%3D", "=").Replace(url.PathEscape(inPEM(own)))
	escaped := func(c tls.Certificate) string { return url.QueryEscape(strings.ReplaceAll(inPEM(c), " ", "\x00")) }
	escape := func(c tls.Certificate) string { return strings.ReplaceAll(escaped(c), "%00", "%20") }
	bytes := func(c tls.Certificate) string { return ":" + base64.StdEncoding.EncodeToString(c.Leaf.Raw) + ":" }
	const peer = "10.1.2.3:4444"
	for _, tt := range []struct {
		name   string
		format middleware.CertFormat
		values []string
		peer   string
		good   bool
	}{
		{"8705-6.5-1 RFC 9440's", middleware.CertRFC9440, []string{bytes(own)}, peer, true},
		{"nginx's", middleware.CertPEM, []string{escape(own)}, peer, true},
		{"AWS's, with its own escapes", middleware.CertPEM, []string{aws}, peer, true},
		{"AWS's chain", middleware.CertPEM, []string{escape(own) + escape(other)}, peer, true},
		{"Envoy's", middleware.CertXFCC, []string{`Hash=468e;Cert="` + escape(own) + `";Subject="CN=shop,O=x";URI=`}, peer, true},
		{"Envoy's, unquoted", middleware.CertXFCC, []string{`cert=` + escape(own)}, peer, true},
		{"Envoy's, behind another Envoy", middleware.CertXFCC, []string{`Cert="` + escape(other) + `", By=x;Cert="` + escape(own) + `"`}, peer, true},
		{"8705-6.5-1 behind another one, with a quote that a client left open", middleware.CertXFCC, []string{`Cert="` + escape(other) + `";Subject=",Hash=x;Cert="` + escape(own) + `"`}, peer, true},
		{"8705-6.5-1 such a quote, and one in a subject that closes it", middleware.CertXFCC, []string{`Cert="` + escape(other) + `";Subject=",Hash=x;Cert="` + escape(own) + `";Subject="CN=\"a"`}, peer, true},
		{"a subject that ends with a backslash", middleware.CertXFCC, []string{`By=x, Cert="` + escape(own) + `";Subject="CN=a\\"`}, peer, true},
		{"a subject that looks like a separator", middleware.CertXFCC, []string{`Subject="a;Cert=b,\";Cert=c";Cert="` + escape(own) + `"`}, peer, true},
		{"IPv4 written as IPv6", middleware.CertRFC9440, []string{bytes(own)}, "[::ffff:10.1.2.3]:4444", true},
		{"8705-6.5-1 9700-4.13-3 another peer", middleware.CertRFC9440, []string{bytes(own)}, "192.0.2.1:4444", false},
		{"no peer", middleware.CertRFC9440, []string{bytes(own)}, "", false},
		{"a Unix socket", middleware.CertRFC9440, []string{bytes(own)}, "@", false},
		{"no field", middleware.CertRFC9440, nil, peer, false},
		{"two fields", middleware.CertRFC9440, []string{bytes(own), bytes(own)}, peer, false},
		{"an empty field", middleware.CertPEM, []string{""}, peer, false},
		{"no colons", middleware.CertRFC9440, []string{strings.Trim(bytes(own), ":")}, peer, false},
		{"one colon", middleware.CertRFC9440, []string{strings.TrimSuffix(bytes(own), ":")}, peer, false},
		{"a line break", middleware.CertRFC9440, []string{bytes(own)[:20] + "\n" + bytes(own)[20:]}, peer, false},
		{"another base64", middleware.CertRFC9440, []string{":" + base64.RawURLEncoding.EncodeToString(own.Leaf.Raw) + ":"}, peer, false},
		{"DER with something behind it", middleware.CertRFC9440, []string{":" + base64.StdEncoding.EncodeToString(append(own.Leaf.Raw, 0)) + ":"}, peer, false},
		{"a list", middleware.CertRFC9440, []string{bytes(own) + ", " + bytes(other)}, peer, false},
		{"PEM of a key", middleware.CertPEM, []string{url.PathEscape(key)}, peer, false},
		{"text before the PEM", middleware.CertPEM, []string{"x" + escape(own)}, peer, false},
		{"a broken escape", middleware.CertPEM, []string{"%zz" + escape(own)}, peer, false},
		{"no PEM", middleware.CertPEM, []string{"(null)"}, peer, false},
		{"a certificate twice", middleware.CertXFCC, []string{`Cert="` + escape(own) + `";Cert="` + escape(own) + `"`}, peer, false},
		{"a certificate in a subject", middleware.CertXFCC, []string{`Hash=x;Subject="a;Cert=` + escape(own) + `;b"`}, peer, false},
		{"a certificate behind an escaped quote in a subject", middleware.CertXFCC, []string{`Subject="a\";Cert=` + escape(own) + `;b"`}, peer, false},
		{"a certificate that another proxy saw", middleware.CertXFCC, []string{`Cert="` + escape(own) + `", By=x`}, peer, false},
		{"a field of 65 KiB", middleware.CertPEM, []string{escape(own) + strings.Repeat("%0A", 22<<10)}, peer, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			find, err := middleware.CertFromProxy("x-client-cert", tt.format, proxies)
			if err != nil {
				t.Fatal(err)
			}
			r := request("Bearer t")
			r.RemoteAddr = tt.peer
			r.Header["X-Client-Cert"] = tt.values
			r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{own.Leaf}} // the proxy's own
			cert := find(r)
			if got := cert != nil && cert.Equal(own.Leaf); got != tt.good || !tt.good && cert != nil {
				t.Errorf("found %v", cert != nil)
			}
			claims := claimsOf(t, fmt.Sprintf(`{"exp": 4102444800, "cnf": {"x5t#S256": %q}}`, thumbprint(own)))
			g := newGuard(t, verifiertest.Tokens(t, map[string]map[string]any{"t": {"cnf": map[string]any{"x5t#S256": claims.Confirmation().X5TS256}}}), middleware.Config{ClientCert: find})
			if _, denial := g.Check(r); (denial == nil) != tt.good {
				t.Errorf("the guard: %v", denial)
			}
		})
	}
}

func TestCertFromProxyMistakes(t *testing.T) {
	t.Parallel()
	_, err := middleware.CertFromProxy("Client Cert", 0, netip.Prefix{}, netip.MustParsePrefix("::/0"), netip.MustParsePrefix("::ffff:10.0.0.0/104"))
	if err == nil {
		t.Fatal("taken")
	}
	for _, want := range []string{`"Client Cert" is no name`, "format 0", "invalid Prefix", "::/0", "::ffff:10.0.0.0/104"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
	if _, err := middleware.CertFromProxy("", middleware.CertPEM, proxies); err == nil || !strings.Contains(err.Error(), `"" is no name`) {
		t.Errorf("an empty name: %v", err)
	}
	if _, err := middleware.CertFromProxy("Client-Cert", middleware.CertRFC9440); err == nil || !strings.Contains(err.Error(), "without a trusted proxy") {
		t.Errorf("no proxy: %v", err)
	}
	own := newCert(t, "shop")
	trusted := []netip.Prefix{proxies}
	find, err := middleware.CertFromProxy("Client-Cert", middleware.CertRFC9440, trusted...)
	if err != nil {
		t.Fatal(err)
	}
	trusted[0] = netip.MustParsePrefix("192.0.2.0/24")
	r := request()
	r.RemoteAddr = "192.0.2.1:1"
	r.Header.Set("Client-Cert", ":"+base64.StdEncoding.EncodeToString(own.Leaf.Raw)+":")
	if find(r) != nil {
		t.Error("the caller's list can be changed afterwards")
	}
}
