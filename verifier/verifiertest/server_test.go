package verifiertest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/bearerguard/bearerguard/verifier"
	"github.com/bearerguard/bearerguard/verifier/verifiertest"
)

// secret holds characters that a form encodes, so that it also tells whether the server decodes them.
const secret = "s3cr3t :+%/é"

type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) object(t *testing.T) (o map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), &o); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	return o
}

func send(t *testing.T, i *verifiertest.Issuer, method, url, body string, edit func(*http.Request)) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if edit != nil {
		edit(req)
	}
	res, err := i.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(text)}
}

func get(t *testing.T, i *verifiertest.Issuer, path string) answer {
	t.Helper()
	return send(t, i, http.MethodGet, i.URL()+path, "", nil)
}

func TestMetadata(t *testing.T) {
	t.Parallel()
	i := verifiertest.NewIssuer(t)
	i.Rotate("EdDSA", "ES256")
	for _, path := range []string{"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"} {
		a := get(t, i, path)
		o := a.object(t)
		if a.status != 200 || a.header.Get("Content-Type") != "application/json" || o["issuer"] != i.URL() || o["token_endpoint"] != i.TokenURL() {
			t.Errorf("%s: %+v", path, a)
		}
		if got := fmt.Sprint(o["id_token_signing_alg_values_supported"]); got != "[ES256 EdDSA]" {
			t.Errorf("%s: algorithms %s", path, got)
		}
		if a := get(t, i, strings.TrimPrefix(o["jwks_uri"].(string), i.URL())); len(a.object(t)["keys"].([]any)) != 3 {
			t.Errorf("keys: %+v", a)
		}
	}
	if a := get(t, i, "/elsewhere"); a.status != http.StatusNotFound {
		t.Errorf("elsewhere: %+v", a)
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	i := verifiertest.NewIssuer(t)
	i.Rotate("RS256", "EdDSA", "Ed25519", "ES512")
	a := get(t, i, "/jwks")
	if a.status != 200 || !strings.Contains(a.header.Get("Cache-Control"), "max-age=300") {
		t.Errorf("%+v", a)
	}
	keys := a.object(t)["keys"].([]any)
	for n, kid := range i.KeyIDs() {
		k := keys[n].(map[string]any)
		if k["kid"] != kid || k["use"] != "sig" || k["alg"] != []string{"ES512", "Ed25519", "EdDSA", "RS256", "ES256"}[n] {
			t.Errorf("key %d: %v", n, k)
		}
		for _, private := range []string{"d", "p", "q", "dp", "dq", "qi", "k"} {
			if _, there := k[private]; there {
				t.Errorf("the key set has the private member %s of %s", private, kid)
			}
		}
	}
	again := func(r *http.Request) { r.Header.Set("If-None-Match", a.header.Get("ETag")) }
	if b := send(t, i, http.MethodGet, i.URL()+"/jwks", "", again); b.status != http.StatusNotModified || b.body != "" || b.header.Get("ETag") != a.header.Get("ETag") {
		t.Errorf("asked again: %+v", b)
	}
	i.Rotate()
	if b := send(t, i, http.MethodGet, i.URL()+"/jwks", "", again); b.status != http.StatusOK {
		t.Errorf("asked again after a rotation: %+v", b)
	}
}

func TestVerifiersRenewWithoutABody(t *testing.T) {
	t.Parallel()
	now := time.Now()
	fetched := make(chan verifier.FetchEvent, 1)
	i := verifiertest.NewIssuer(t, verifiertest.Clock(func() time.Time { return now }))
	cfg := i.Config()
	cfg.Hooks.Fetched = func(_ context.Context, e verifier.FetchEvent) { fetched <- e }
	v := newVerifier(t, cfg)
	if err := v.Warm(t.Context()); err != nil {
		t.Fatal(err)
	}
	if e := <-fetched; e.NotModified || e.Keys != 1 {
		t.Errorf("first %+v", e)
	}
	now = now.Add(time.Hour)
	if err := v.Warm(t.Context()); err != nil {
		t.Fatal(err)
	}
	if e := <-fetched; !e.NotModified || e.Keys != 1 || e.Err != nil {
		t.Errorf("then %+v", e)
	}
	if got, want := i.Requests(), (verifiertest.Requests{Discovery: 1, Keys: 2}); got != want {
		t.Errorf("requests %+v, want %+v", got, want)
	}
}

func TestCertificate(t *testing.T) {
	t.Parallel()
	i := verifiertest.NewIssuer(t)
	if !strings.HasPrefix(i.URL(), "https://127.0.0.1:") && !strings.HasPrefix(i.URL(), "https://[::1]:") {
		t.Errorf("URL %s", i.URL())
	}
	if i.Client().Transport.(*http.Transport).TLSClientConfig.InsecureSkipVerify {
		t.Error("the client trusts anybody")
	}
	if res, err := (&http.Client{}).Get(i.URL() + "/jwks"); err == nil {
		res.Body.Close()
		t.Error("a client that knows nothing of the certificate was served")
	}
	cfg := i.Config()
	cfg.Client = nil
	refuse(t, newVerifier(t, cfg), i.Token("a"), verifier.ErrUnavailable)
	if got := i.Requests(); got != (verifiertest.Requests{}) {
		t.Errorf("requests %+v", got)
	}
}

func TestDown(t *testing.T) {
	t.Parallel()
	i := verifiertest.NewIssuer(t)
	i.RegisterClient("c", secret, "a")
	warm := i.Verifier()
	accept(t, warm, i.Token("a"))
	for _, status := range []int{http.StatusOK, http.StatusNotModified, http.StatusUnauthorized, http.StatusServiceUnavailable, 0} {
		i.Down(status)
		accept(t, warm, i.Token("b"))
		refuse(t, i.Verifier(), i.Token("a"), verifier.ErrUnavailable)
		for _, path := range []string{"/.well-known/openid-configuration", "/.well-known/oauth-authorization-server", "/jwks", "/token", "/"} {
			res, err := i.Client().Get(i.URL() + path)
			if err == nil {
				res.Body.Close()
			}
			if status == 0 && err == nil || status != 0 && (err != nil || res.StatusCode != status) {
				t.Errorf("down with %d: %s answers %v, %v", status, path, res, err)
			}
		}
		if token, err := credentials(i, nil).Token(clientContext(t, i)); err == nil {
			t.Errorf("down with %d: the token endpoint gave %v", status, token)
		}
	}
	i.Up()
	accept(t, i.Verifier(), i.Token("a"))
	if _, err := credentials(i, nil).Token(clientContext(t, i)); err != nil {
		t.Error(err)
	}
}

// A request that finds the server down is counted once: no client sends it a second time by itself.
func TestRequestsAreCounted(t *testing.T) {
	t.Parallel()
	i := verifiertest.NewIssuer(t)
	get(t, i, "/jwks")
	get(t, i, "/jwks?again")
	get(t, i, "/.well-known/openid-configuration")
	get(t, i, "/.well-known/oauth-authorization-server")
	get(t, i, "/.well-known/other")
	get(t, i, "/token")
	i.Down(0)
	if res, err := i.Client().Get(i.URL() + "/jwks"); err == nil {
		res.Body.Close()
		t.Error("answered while down")
	}
	if got, want := i.Requests(), (verifiertest.Requests{Discovery: 2, Keys: 3, Token: 1}); got != want {
		t.Errorf("requests %+v, want %+v", got, want)
	}
}

func TestSlow(t *testing.T) {
	t.Parallel()
	i := verifiertest.NewIssuer(t)
	i.Slow(time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	ctx, sent := traced(ctx)
	refused := make(chan error)
	v := i.Verifier()
	go func() {
		_, err := v.Verify(ctx, i.Token("a"))
		refused <- err
	}()
	<-sent
	cancel()
	if err := <-refused; !errors.Is(err, verifier.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("a caller that gave up: %v", err)
	}
	i.Up()
	accept(t, v, i.Token("a"))

	i.Slow(time.Millisecond)
	accept(t, i.Verifier(), i.Token("a"))
	i.Slow(0)
	accept(t, i.Verifier(), i.Token("a"))
	i.Slow(time.Millisecond)
	i.Down(http.StatusTeapot)
	if a := get(t, i, "/jwks"); a.status != http.StatusTeapot {
		t.Errorf("slow and down: %+v", a)
	}
}

func TestUpEndsTheWaiting(t *testing.T) {
	t.Parallel()
	i := verifiertest.NewIssuer(t)
	i.Slow(time.Hour)
	ctx, sent := traced(t.Context())
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, i.URL()+"/jwks", nil)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		res, err := i.Client().Do(req)
		if err == nil {
			res.Body.Close()
		}
		done <- err
	}()
	<-sent
	for i.Requests().Keys == 0 {
		runtime.Gosched()
	}
	i.Up()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// traced returns a context that tells when a request made under it has been sent.
func traced(ctx context.Context) (context.Context, <-chan struct{}) {
	sent := make(chan struct{}, 1)
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { sent <- struct{}{} }}), sent
}

func TestNothingHoldsUpClose(t *testing.T) {
	t.Parallel()
	i, err := verifiertest.Start()
	if err != nil {
		t.Fatal(err)
	}
	i.Slow(time.Hour)
	done := make(chan error)
	for _, r := range []struct{ method, url string }{{http.MethodGet, i.URL() + "/jwks"}, {http.MethodPost, i.TokenURL()}} {
		ctx, sent := traced(t.Context())
		req, err := http.NewRequestWithContext(ctx, r.method, r.url, strings.NewReader("grant_type=client_credentials"))
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			res, err := i.Client().Do(req)
			if err == nil {
				res.Body.Close()
			}
			done <- err
		}()
		<-sent
	}
	i.Close()
	for range 2 {
		if err := <-done; err == nil {
			t.Error("a closed server answered")
		}
	}
}

func credentials(i *verifiertest.Issuer, change func(*clientcredentials.Config)) *clientcredentials.Config {
	c := &clientcredentials.Config{ClientID: "c", ClientSecret: secret, TokenURL: i.TokenURL(), AuthStyle: oauth2.AuthStyleInHeader}
	if change != nil {
		change(c)
	}
	return c
}

func clientContext(t *testing.T, i *verifiertest.Issuer) context.Context {
	return context.WithValue(t.Context(), oauth2.HTTPClient, i.Client())
}

func TestClientCredentials(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*clientcredentials.Config)
		scope  string
		aud    []string
	}{
		{"in the header", nil, "orders:read orders:write", []string{"one"}},
		{"in the form", func(c *clientcredentials.Config) { c.AuthStyle = oauth2.AuthStyleInParams }, "orders:read orders:write", []string{"one"}},
		{"as the client finds out", func(c *clientcredentials.Config) { c.AuthStyle = oauth2.AuthStyleAutoDetect }, "orders:read orders:write", []string{"one"}},
		{"one scope of two", func(c *clientcredentials.Config) { c.Scopes = []string{"orders:write"} }, "orders:write", []string{"one"}},
		{"another audience", params("audience", "two"), "orders:read orders:write", []string{"two"}},
		{"another resource", params("resource", "two"), "orders:read orders:write", []string{"two"}},
		{"two resources", params("resource", "two", "resource", "one", "audience", "two"), "orders:read orders:write", []string{"one", "two"}},
		{"an empty resource", params("resource", "", "audience", ""), "orders:read orders:write", []string{"one"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			i := verifiertest.NewIssuer(t, verifiertest.Audience("one", "two"))
			i.RegisterClient("c", secret, "orders:read", "orders:write")
			token, err := credentials(i, c.change).Token(clientContext(t, i))
			if err != nil {
				t.Fatal(err)
			}
			got := accept(t, i.Verifier(), token.AccessToken)
			if got.ClientID() != "c" || !got.ActsForItself() || got.Scopes().String() != c.scope || !slices.Equal(got.Audience(), c.aud) {
				t.Errorf("%v for %q with scopes %v", got, got.Audience(), got.Scopes())
			}
			if left := time.Until(token.Expiry); token.Type() != "Bearer" || token.Extra("scope") != c.scope || left < 4*time.Minute || left > 5*time.Minute {
				t.Errorf("type %s, scope %v, for %v", token.Type(), token.Extra("scope"), left)
			}
		})
	}
}

func params(pairs ...string) func(*clientcredentials.Config) {
	values := url.Values{}
	for n := 0; n < len(pairs); n += 2 {
		values.Add(pairs[n], pairs[n+1])
	}
	return func(c *clientcredentials.Config) { c.EndpointParams = values }
}

func TestClientCredentialsOfEveryProfile(t *testing.T) {
	t.Parallel()
	for _, name := range profileNames(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			i := verifiertest.NewIssuer(t, verifiertest.Like(profileNamed(t, name)))
			i.RegisterClient("test-client", secret, "a b")
			i.RegisterClient("none", secret)
			cfg := i.Config()
			cfg.Match = ownMatch[name]
			token, err := credentials(i, func(c *clientcredentials.Config) { c.ClientID = "test-client" }).Token(clientContext(t, i))
			if err != nil {
				t.Fatal(err)
			}
			accept(t, newVerifier(t, cfg), token.AccessToken)
			token, err = credentials(i, func(c *clientcredentials.Config) { c.ClientID = "none" }).Token(clientContext(t, i))
			if err != nil || token.Extra("scope") != nil {
				t.Errorf("without any scope: %v, scope %v", err, token.Extra("scope"))
			}
		})
	}
}

const grant = "grant_type=client_credentials"

func basic(user, password string) func(*http.Request) {
	return func(r *http.Request) { r.SetBasicAuth(url.QueryEscape(user), url.QueryEscape(password)) }
}

var good = basic("c", secret)

func TestTokenRequestsAreRefused(t *testing.T) {
	t.Parallel()
	i := verifiertest.NewIssuer(t)
	i.RegisterClient("c", secret, "a", "b")
	inForm := "&client_secret=" + url.QueryEscape(secret)
	for _, c := range []struct {
		name string
		body string
		edit func(*http.Request)
		code string
	}{
		{"no credentials", grant, nil, "invalid_client"},
		{"an unknown client", grant, basic("d", secret), "invalid_client"},
		{"another secret", grant, basic("c", "guess"), "invalid_client"},
		{"no secret", grant, basic("c", ""), "invalid_client"},
		{"an unknown client without a secret", grant, basic("d", ""), "invalid_client"},
		{"neither id nor secret", grant, basic("", ""), "invalid_client"},
		{"a secret that isn't encoded as in a form", grant, func(r *http.Request) { r.SetBasicAuth("c", secret) }, "invalid_client"},
		{"another scheme", grant, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+secret) }, "invalid_client"},
		{"no base64", grant, func(r *http.Request) { r.Header.Set("Authorization", "Basic ?") }, "invalid_client"},
		{"another secret in the form", grant + "&client_id=c&client_secret=guess", nil, "invalid_client"},
		{"no secret in the form", grant + "&client_id=c", nil, "invalid_client"},
		{"the id of another client in the form", grant + "&client_id=d", good, "invalid_client"},
		{"a secret in both places", grant + inForm, good, "invalid_request"},
		{"credentials in the query", grant, func(r *http.Request) { r.URL.RawQuery = "client_id=c" + inForm }, "invalid_client"},
		{"no grant type", "scope=a", good, "invalid_request"},
		{"an empty grant type", "grant_type=", good, "invalid_request"},
		{"a grant type in the query", "scope=a", func(r *http.Request) { good(r); r.URL.RawQuery = grant }, "invalid_request"},
		{"another grant type", "grant_type=password", good, "unsupported_grant_type"},
		{"the grant type twice", grant + "&" + grant, good, "invalid_request"},
		{"the scope twice", grant + "&scope=a&scope=b", good, "invalid_request"},
		{"the id twice", grant + "&client_id=c&client_id=c" + inForm, nil, "invalid_request"},
		{"no form", `{"grant_type":"client_credentials"}`, func(r *http.Request) { good(r); r.Header.Set("Content-Type", "application/json") }, "invalid_request"},
		{"a form that can't be read", grant + "&scope=%zz", good, "invalid_request"},
		{"a scope beyond the registered", grant + "&scope=a+c", good, "invalid_scope"},
		{"a scope that isn't one", grant + "&scope=%22", good, "invalid_scope"},
		{"an unknown audience", grant + "&audience=other", good, "invalid_target"},
		{"an unknown resource", grant + "&resource=other", good, "invalid_target"},
		{"a known resource and an unknown one", grant + "&resource=" + url.QueryEscape(api) + "&resource=other", good, "invalid_target"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := send(t, i, http.MethodPost, i.TokenURL(), c.body, c.edit)
			o := a.object(t)
			if o["error"] != c.code || o["access_token"] != nil || o["error_description"] == "" {
				t.Errorf("got %s, want %s", a.body, c.code)
			}
			status, challenge := http.StatusBadRequest, ""
			if c.code == "invalid_client" {
				status, challenge = http.StatusUnauthorized, `Basic realm="token endpoint"`
			}
			if a.status != status || a.header.Get("WWW-Authenticate") != challenge {
				t.Errorf("status %d, challenge %q", a.status, a.header.Get("WWW-Authenticate"))
			}
			checkTokenAnswer(t, a)
		})
	}
}

func TestTokenEndpointTakesOnlyAForm(t *testing.T) {
	t.Parallel()
	i := verifiertest.NewIssuer(t)
	i.RegisterClient("c", secret, "a", "b")
	for _, c := range []struct {
		name, method, body string
		status             int
	}{
		{"a GET", http.MethodGet, "", http.StatusMethodNotAllowed},
		{"a PUT", http.MethodPut, grant, http.StatusMethodNotAllowed},
		{"a body that is too long", http.MethodPost, grant + strings.Repeat(" ", 1<<17), http.StatusBadRequest},
	} {
		if a := send(t, i, c.method, i.TokenURL(), c.body, good); a.status != c.status || strings.Contains(a.body, "access_token") {
			t.Errorf("%s: %+v", c.name, a)
		}
	}
	a := send(t, i, http.MethodPost, i.TokenURL(), grant+"&client_id=c", good)
	if a.status != http.StatusOK {
		t.Errorf("the same id in both places: %+v", a)
	}
	checkTokenAnswer(t, a)
}

// checkTokenAnswer: RFC 6749 sections 5.1 and 5.2; and no answer tells a secret.
func checkTokenAnswer(t *testing.T, a answer) {
	t.Helper()
	if a.header.Get("Cache-Control") != "no-store" || a.header.Get("Content-Type") != "application/json" {
		t.Errorf("header %v", a.header)
	}
	for _, s := range []string{secret, url.QueryEscape(secret), "s3cr3t", "guess"} {
		if strings.Contains(fmt.Sprint(a), s) {
			t.Errorf("the answer holds the secret: %+v", a)
		}
	}
}

func TestNothingPrintsASecret(t *testing.T) {
	t.Parallel()
	i := verifiertest.NewIssuer(t)
	i.RegisterClient("c", "s3cr3t", "a")
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		if strings.Contains(fmt.Sprintf(format, i), "s3cr3t") || strings.Contains(fmt.Sprintf(format, reflect.ValueOf(i).Elem()), "s3cr3t") {
			t.Errorf("%s prints the secret", format)
		}
	}
}

func TestClientIDsAreDecoded(t *testing.T) {
	t.Parallel()
	const id = "https://client.example.com/a:b+c"
	i := verifiertest.NewIssuer(t)
	i.RegisterClient(id, secret, "a")
	for _, style := range []oauth2.AuthStyle{oauth2.AuthStyleInHeader, oauth2.AuthStyleInParams} {
		token, err := credentials(i, func(c *clientcredentials.Config) { c.ClientID, c.AuthStyle = id, style }).Token(clientContext(t, i))
		if err != nil {
			t.Fatal(err)
		}
		if c := accept(t, i.Verifier(), token.AccessToken); c.ClientID() != id {
			t.Errorf("client %q", c.ClientID())
		}
	}
}

func TestClientsAreReplaced(t *testing.T) {
	t.Parallel()
	i := verifiertest.NewIssuer(t)
	i.RegisterClient("c", "old", "a")
	i.RegisterClient("c", secret, "b")
	token, err := credentials(i, nil).Token(clientContext(t, i))
	if err != nil || token.Extra("scope") != "b" {
		t.Errorf("%v, %v", token, err)
	}
	if _, err := credentials(i, func(c *clientcredentials.Config) { c.ClientSecret = "old" }).Token(clientContext(t, i)); err == nil {
		t.Error("the old secret still works")
	}
}
