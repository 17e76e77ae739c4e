package interop_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/bearerguard/bearerguard/middleware"
	"github.com/bearerguard/bearerguard/verifier"
)

// TestIssuers puts a server of each kind behind one resolver and takes one of them away.
func TestIssuers(t *testing.T) {
	t.Parallel()
	var servers []authServer
	known := map[string]verifier.Config{}
	for _, kind := range authServers {
		as := kind.make(t)
		as.start(t)
		servers = append(servers, as)
		profile, err := verifier.ProfileNamed(as.profile())
		if err != nil {
			t.Fatal(err)
		}
		known[as.issuer()] = verifier.Config{
			Issuer: as.issuer(), Audience: []string{apiAudience}, Profile: profile, DangerouslyAllowPrivateNetwork: true,
		}
	}
	stays, falls := servers[0], servers[1]

	running := startResolving(t, known)
	for _, as := range servers {
		read := as.token(t, apiAudience, readScope)
		checkStatus(t, running, read, 200)
		checkStatus(t, running, read, 200)
		checkStatus(t, running, changeSignature(t, read), 401)
		checkStatus(t, running, as.token(t, otherAudience, readScope), 401)
		checkStatus(t, running, as.token(t, apiAudience), 403)
	}
	checkStrangers(t, running, stays)
	checkStatus(t, running, changeIssuer(t, stays.token(t, apiAudience, readScope), stays.issuer(), falls.issuer()), 401)
	checkStatus(t, running, changeIssuer(t, falls.token(t, apiAudience, readScope), falls.issuer(), stays.issuer()), 401)

	token, old := stays.token(t, apiAudience, readScope), falls.token(t, apiAudience, readScope)
	falls.stop()
	started := startResolving(t, known)
	for range 3 {
		checkStatus(t, running, old, 200)
		checkUnavailable(t, started, old)
		checkStatus(t, running, token, 200)
		checkStatus(t, started, token, 200)
	}
	stays.rotate(t, "ES256", withdraw)
	rotated := stays.token(t, apiAudience, readScope)
	for _, a := range []*api{running, started} {
		checkStatus(t, a, rotated, 200)
		checkStatus(t, a, token, 401)
	}

	falls.start(t)
	fresh := falls.token(t, apiAudience, readScope)
	for _, a := range []*api{running, started} {
		checkRecovery(t, a, fresh)
		checkStatus(t, a, old, 401) // its keys are gone
		checkStatus(t, a, rotated, 200)
	}
}

// TestIssuersOnLoopback: what a resolver names must not be in the private network unless its Config says so.
func TestIssuersOnLoopback(t *testing.T) {
	t.Parallel()
	as := authServers[0].make(t)
	as.start(t)
	a := startResolving(t, map[string]verifier.Config{as.issuer(): {Issuer: as.issuer(), Audience: []string{apiAudience}}})
	checkUnavailable(t, a, as.token(t, apiAudience, readScope))
}

// startResolving runs an API in this process. Its issuers are those that are known.
func startResolving(t *testing.T, known map[string]verifier.Config) *api {
	t.Helper()
	v, err := verifier.ResolveIssuers(verifier.IssuersConfig{Resolve: func(_ context.Context, iss string) (verifier.Config, error) {
		if cfg, ok := known[iss]; ok {
			return cfg, nil
		}
		return verifier.Config{}, fmt.Errorf("%w: nobody's", verifier.ErrIssuer)
	}})
	if err != nil {
		t.Fatal(err)
	}
	return serve(t, "an API of several issuers", v)
}

// serve runs an API in this process.
func serve(t *testing.T, name string, v verifier.TokenVerifier) *api {
	t.Helper()
	guard, err := middleware.New(v, middleware.Config{})
	if err != nil {
		t.Fatal(err)
	}
	ok := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	s := httptest.NewServer(guard.RequireScope(readScope)(ok))
	t.Cleanup(s.Close)
	return &api{&process{name: name}, s.URL}
}

// checkStrangers sends a token of an issuer that nobody knows, who must not be asked for anything.
func checkStrangers(t *testing.T, a *api, as authServer) {
	t.Helper()
	var requests atomic.Int64
	stranger := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests.Add(1) }))
	defer stranger.Close()
	checkStatus(t, a, changeIssuer(t, as.token(t, apiAudience, readScope), as.issuer(), stranger.URL), 401)
	if n := requests.Load(); n != 0 {
		t.Errorf("%d requests to an issuer that is not allowed", n)
	}
}

// changeIssuer writes another issuer into a token, with the signature as it was.
func changeIssuer(t *testing.T, token, from, to string) string {
	t.Helper()
	parts := jwtParts(t, token)
	payload := decodeSegment(t, parts[1])
	changed := bytes.ReplaceAll(payload, []byte(`"`+from+`"`), []byte(`"`+to+`"`))
	if bytes.Equal(changed, payload) {
		t.Fatal("the token doesn't have its issuer")
	}
	parts[1] = base64.RawURLEncoding.EncodeToString(changed)
	return strings.Join(parts, ".")
}
