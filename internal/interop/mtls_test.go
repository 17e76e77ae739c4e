package interop_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
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

// clientCertificate is one that the authority vouches for, or that nobody else does.
func clientCertificate(t *testing.T, name string, a *authority) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	parent, signer := template, any(key)
	if a != nil {
		parent, signer = a.certificate.Leaf, a.certificate.PrivateKey
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
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

// TestMutualTLS has tokens that real servers bound to the certificate of the client's connection, over https all the way.
func TestMutualTLS(t *testing.T) {
	t.Parallel()
	for name, server := range map[string]func(t *testing.T, a *authority) (issuer string, own tls.Certificate, request url.Values){
		"oidc-provider": func(t *testing.T, a *authority) (string, tls.Certificate, url.Values) {
			secret := rand.Text()
			return startOIDCProviderTLS(t, a, secret, false, "CERT_BOUND=1"), clientCertificate(t, "", nil),
				url.Values{"client_id": {clientID}, "client_secret": {secret}, "resource": {apiAudience + "/ES256"}}
		},
		"glewlwyd": func(t *testing.T, a *authority) (string, tls.Certificate, url.Values) {
			return startGlewlwyd(t, a, rand.Text(), false), clientCertificate(t, certClient, a), url.Values{"client_id": {certClient}, "resource": {apiAudience}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newAuthority(t)
			issuer, own, request := server(t, a)
			checkBound(t, a, issuer, boundToken(t, a.with(own), issuer+"/token", request), own)
		})
	}
}

// checkBound calls an API with the token over connections with its certificate, with another one of the same name, and with none.
func checkBound(t *testing.T, a *authority, issuer, token string, own tls.Certificate) {
	t.Helper()
	other := clientCertificate(t, certClient, a)
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

func boundToken(t *testing.T, client *http.Client, tokenURL string, request url.Values) string {
	t.Helper()
	request.Set("grant_type", "client_credentials")
	request.Set("scope", readScope)
	response, err := client.PostForm(tokenURL, request)
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
