package interop_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard/middleware"
	"github.com/bearerguard/bearerguard/verifier"
)

// authority is a certificate for 127.0.0.1 that vouches for itself.
type authority struct {
	certFile, keyFile string
	certificate       tls.Certificate
	client            *http.Client // trusts it
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "interop"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	certDER, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certDER})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	a := &authority{certFile: filepath.Join(t.TempDir(), "cert.pem"), keyFile: filepath.Join(t.TempDir(), "key.pem")}
	for name, content := range map[string][]byte{a.certFile: certPEM, a.keyFile: keyPEM} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if a.certificate, err = tls.X509KeyPair(certPEM, keyPEM); err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(certPEM)
	a.client = &http.Client{Timeout: requestTimeout, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	return a
}

// dpopAPI runs an API over https that takes the tokens of an issuer, with DPoP.
func dpopAPI(t *testing.T, a *authority, issuer string, dpop middleware.DPoP) (url string) {
	t.Helper()
	v, err := verifier.New(verifier.Config{Issuer: issuer, Audience: []string{apiAudience}, Client: a.client})
	if err != nil {
		t.Fatal(err)
	}
	var handler http.Handler
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{a.certificate}}
	server.StartTLS()
	t.Cleanup(server.Close)
	dpop.PublicURL = server.URL
	guard, err := middleware.New(v, middleware.Config{DPoP: &dpop})
	if err != nil {
		t.Fatal(err)
	}
	handler = guard.RequireScope(readScope)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("{}")) }))
	return server.URL + "/orders"
}

// dpopAnswer is a line of dpop.mjs.
type dpopAnswer struct {
	Name   string
	Status int
	Error  string
	Nonce  bool // there is one in the answer
}

// runDPoPClient runs dpop.mjs to its end.
func runDPoPClient(t *testing.T, a *authority, env ...string) (answers []dpopAnswer) {
	t.Helper()
	p := startProcess(t, "dpop.mjs", append(env, "NODE_EXTRA_CA_CERTS="+a.certFile), "node", "dpop.mjs")
	select {
	case <-p.exit:
	case <-time.After(readyTimeout):
		t.Fatalf("the client is still at it; it wrote:\n%s", p.out.redacted())
	}
	d := json.NewDecoder(bytes.NewReader([]byte(p.out.String())))
	for d.More() {
		var answer dpopAnswer
		if err := d.Decode(&answer); err != nil {
			t.Fatalf("the client wrote:\n%s", p.out.redacted())
		}
		answers = append(answers, answer)
	}
	return answers
}

// A dpopServer is an authorization server over https, which binds the token to the key
// of the proof that comes with the request for it.
type dpopServer struct {
	name     string
	start    func(t *testing.T, a *authority, secret string, nonces bool) (issuer string)
	resource string // what names the API in a token request
}

var dpopServers = []dpopServer{
	{"oidc-provider", startDPoPProvider, apiAudience + "/ES256"},
	{"glewlwyd", startGlewlwyd, apiAudience},
}

func startOIDCProviderTLS(t *testing.T, a *authority, secret string, nonces bool, more ...string) (issuer string) {
	t.Helper()
	if _, err := os.Stat("node_modules/oidc-provider"); err != nil {
		missing(t, "the npm package oidc-provider")
	}
	port := freePort(t)
	env := append(more, "PORT="+port, "CLIENT_ID="+clientID, "CLIENT_SECRET="+secret, "TLS_CERT="+a.certFile, "TLS_KEY="+a.keyFile)
	if nonces {
		env = append(env, "DPOP_NONCE=1")
	}
	issuer = "https://127.0.0.1:" + port
	startProcess(t, "oidc-provider", env, "node", "as.mjs").waitFor(t, "an answer", a.answers(issuer+"/.well-known/openid-configuration"))
	return issuer
}

// answers reports whether a GET of the URL is answered with 200.
func (a *authority) answers(target string) func() bool {
	return func() bool {
		resp, err := a.client.Get(target)
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}
}

// TestDPoP has tokens of real servers and proofs of jose, all over https, with nonces of
// both the authorization server and the API, and without.
func TestDPoP(t *testing.T) {
	if _, err := exec.LookPath("node"); err != nil {
		missing(t, "node")
	}
	for _, server := range dpopServers {
		for _, test := range []struct {
			name, alg string
			nonces    bool
		}{
			{"ES256", "ES256", false},
			{"ES256 and nonces", "ES256", true},
			{"PS256", "PS256", false},
			{"RS256 and nonces", "RS256", true},
			{"EdDSA", "EdDSA", false},
		} {
			t.Run(server.name+" "+test.name, func(t *testing.T) {
				t.Parallel()
				a, secret := newAuthority(t), rand.Text()
				issuer := server.start(t, a, secret, test.nonces)
				api := dpopAPI(t, a, issuer, middleware.DPoP{RequireNonce: test.nonces})
				got := runDPoPClient(t, a, "TOKEN_URL="+issuer+"/token", "CLIENT_ID="+clientID, "CLIENT_SECRET="+secret, "RESOURCE="+server.resource, "API_URL="+api, "ALG="+test.alg)
				if want := dpopAnswers(test.nonces); !slices.Equal(got, want) {
					t.Errorf("answers\n%+v, want\n%+v", got, want)
				}
			})
		}
	}
}

// dpopAnswers are those to dpop.mjs.
func dpopAnswers(nonces bool) []dpopAnswer {
	const badProof, badToken = "invalid_dpop_proof", "invalid_token"
	first, old := dpopAnswer{Status: 200}, dpopAnswer{Status: 401, Error: badProof}
	if nonces { // the first call brings the authorization server's nonce; with ours a client's clock doesn't matter
		first, old = dpopAnswer{Status: 401, Error: "use_dpop_nonce", Nonce: true}, dpopAnswer{Status: 200}
	}
	first.Name, old.Name = "the first call", "an old proof"
	return []dpopAnswer{
		first,
		{"a good proof", 200, "", false},
		{"the same proof again", 401, badProof, false},
		{"another good proof", 200, "", false},
		{"the URL in another spelling", 200, "", false},
		{"no proof", 401, badProof, false},
		{"two proofs", 401, badProof, false},
		{"a proof for another method", 401, badProof, false},
		{"a proof for another URL", 401, badProof, false},
		{"a proof for another token", 401, badProof, false},
		{"a proof without a token", 401, badProof, false},
		{"a proof of another type", 401, badProof, false},
		{"a proof of another key", 401, badToken, false},
		old,
		{"the token as a bearer token", 401, badToken, false},
	}
}

func startDPoPProvider(t *testing.T, a *authority, secret string, nonces bool) (issuer string) {
	t.Helper()
	return startOIDCProviderTLS(t, a, secret, nonces)
}
