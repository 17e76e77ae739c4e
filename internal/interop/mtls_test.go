package interop_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard/middleware"
	"github.com/bearerguard/bearerguard/verifier"
)

// selfSigned is a client certificate that nobody else vouches for.
func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(2), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// with is a client that trusts the authority and has certificates of its own.
func (a *authority) with(certificates ...tls.Certificate) *http.Client {
	config := a.client.Transport.(*http.Transport).TLSClientConfig.Clone()
	config.Certificates = certificates
	return &http.Client{Timeout: requestTimeout, Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
}

// TestMutualTLS has a token that oidc-provider bound to the certificate of the client's connection, over https all the way.
func TestMutualTLS(t *testing.T) {
	t.Parallel()
	a, secret := newAuthority(t), rand.Text()
	own, other := selfSigned(t), selfSigned(t)
	issuer := startOIDCProviderTLS(t, a, secret, false, "CERT_BOUND=1")
	token := boundToken(t, a.with(own), issuer+"/token", secret)

	v, err := verifier.New(verifier.Config{Issuer: issuer, Audience: []string{apiAudience}, Client: a.client})
	if err != nil {
		t.Fatal(err)
	}
	guard, err := middleware.New(v, middleware.Config{})
	if err != nil {
		t.Fatal(err)
	}
	api := httptest.NewUnstartedServer(guard.RequireScope(readScope)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("{}")) })))
	api.TLS = &tls.Config{Certificates: []tls.Certificate{a.certificate}, ClientAuth: tls.RequestClientCert}
	api.StartTLS()
	t.Cleanup(api.Close)
	for name, tt := range map[string]struct {
		client *http.Client
		status int
	}{"its certificate": {a.with(own), 200}, "another certificate": {a.with(other), 401}, "no certificate": {a.with(), 401}} {
		r, err := http.NewRequest(http.MethodGet, api.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		response, err := tt.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if challenge := response.Header.Get("WWW-Authenticate"); response.StatusCode != tt.status || tt.status == 401 && !strings.Contains(challenge, `error="invalid_token"`) {
			t.Errorf("with %s: %d, %s", name, response.StatusCode, challenge)
		}
	}
}

func boundToken(t *testing.T, client *http.Client, tokenURL, secret string) string {
	t.Helper()
	response, err := client.PostForm(tokenURL, url.Values{
		"grant_type": {"client_credentials"}, "client_id": {clientID}, "client_secret": {secret}, "scope": {readScope}, "resource": {apiAudience + "/ES256"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var granted struct {
		Token string `json:"access_token"`
		Error string `json:"error_description"`
	}
	if err := json.NewDecoder(response.Body).Decode(&granted); err != nil || granted.Token == "" {
		t.Fatalf("%d: %v: %s", response.StatusCode, err, granted.Error)
	}
	return granted.Token
}
