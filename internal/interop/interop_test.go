package interop_test

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The challenges, whole.
const (
	noCredentials     = `Bearer realm="api", scope="orders:read"`
	invalidToken      = `Bearer realm="api", error="invalid_token", error_description="the access token is malformed, expired, revoked or not for this resource"`
	insufficientScope = `Bearer realm="api", error="insufficient_scope", error_description="the access token lacks the scope that this resource requires", scope="orders:write"`
)

// recoveryTimeout bounds how long an API may go on answering 503 once its
// authorization server is back: it asks again at least every 30 s.
const recoveryTimeout = 40 * time.Second

// TestRequests sends each kind of token to each kind of API. None of them may get
// into the API's log.
func TestRequests(t *testing.T) {
	forEachServer(t, func(t *testing.T, as authServer) {
		read := as.token(t, apiAudience, readScope)
		tests := []struct {
			name      string
			method    string
			token     string
			status    int
			challenge string // none if empty
		}{
			{"a reader reads", "GET", read, 200, ""},
			{"a reader may not write", "POST", read, 403, insufficientScope},
			{"a writer writes", "POST", as.token(t, apiAudience, writeScope), 201, ""},
			{"both scopes suffice for either", "POST", as.token(t, apiAudience, readScope, writeScope), 201, ""},
			{"no scope was granted", "POST", as.token(t, apiAudience), 403, insufficientScope},
			{"no token", "GET", "", 401, noCredentials},
			{"the signature was changed", "GET", changeSignature(t, read), 401, invalidToken},
			{"the scope was changed", "POST", changeScope(t, read), 401, invalidToken},
			{"the token is for another API", "GET", as.token(t, otherAudience, readScope), 401, invalidToken},
			{"the token is for no API", "GET", as.token(t, "", readScope), 401, invalidToken},
			{"after all that a reader still reads", "GET", read, 200, ""},
		}
		for _, a := range startAPIs(t, as) {
			t.Run(a.name, func(t *testing.T) {
				for _, test := range tests {
					t.Run(test.name, func(t *testing.T) {
						got := a.call(t, test.method, test.token)
						if got.status != test.status {
							t.Errorf("status %d, want %d", got.status, test.status)
						}
						var want []string
						if test.challenge != "" {
							want = []string{test.challenge}
						}
						if !slices.Equal(got.challenges, want) {
							t.Errorf("challenges\n%q, want\n%q", got.challenges, want)
						}
					})
				}
				a.stop() // and with that its log is whole
				for _, test := range tests {
					if test.token != "" && strings.Contains(a.out.String(), secretPart(test.token)) {
						t.Errorf("%s: the token is in the API's log", test.name)
					}
				}
			})
		}
	})
}

// TestAlgorithms starts an API on tokens of each algorithm that both servers sign
// with.
func TestAlgorithms(t *testing.T) {
	forEachServer(t, func(t *testing.T, as authServer) {
		for _, alg := range []string{"RS256", "PS256", "ES256", "EdDSA"} {
			t.Run(alg, func(t *testing.T) {
				as.rotate(t, alg, keepPublished)
				token := as.token(t, apiAudience, readScope)
				checkAlgorithm(t, token, alg)
				for _, a := range startAPIs(t, as) {
					checkStatus(t, a, token, 200)
				}
			})
		}
	})
}

// TestRotation asks that the first call with a token under a new key succeeds, on
// APIs that have seen only the old one.
func TestRotation(t *testing.T) {
	forEachServer(t, func(t *testing.T, as authServer) {
		for _, test := range []struct {
			name      string
			old       oldKeys
			oldStatus int // of tokens under the old key, once the API has the new one
		}{
			{"the old key stays published", keepPublished, 200},
			{"the old key is withdrawn", withdraw, 401},
		} {
			t.Run(test.name, func(t *testing.T) {
				apis := startAPIs(t, as)
				tokens := []string{as.token(t, apiAudience, readScope)}
				for _, a := range apis {
					checkStatus(t, a, tokens[0], 200)
				}
				for _, alg := range []string{"ES256", "RS256"} {
					as.rotate(t, alg, test.old)
					token := as.token(t, apiAudience, readScope)
					checkAlgorithm(t, token, alg)
					for _, a := range apis {
						checkStatus(t, a, token, 200)
					}
					tokens = append(tokens, token)
				}
				newest := len(tokens) - 1
				for _, a := range apis {
					for _, old := range tokens[:newest] {
						checkStatus(t, a, old, test.oldStatus)
					}
					checkStatus(t, a, tokens[newest], 200)
				}
			})
		}
	})
}

// TestOutage takes the authorization server away and brings it back.
func TestOutage(t *testing.T) {
	forEachServer(t, func(t *testing.T, as authServer) {
		seen := as.token(t, apiAudience, readScope)
		unseen := as.token(t, apiAudience, readScope, writeScope)
		running := startAPIs(t, as)
		for _, a := range running {
			checkStatus(t, a, seen, 200)
		}

		as.stop()
		for _, a := range running {
			checkStatus(t, a, seen, 200)
			checkStatus(t, a, unseen, 200)
		}
		started := startAPIs(t, as)
		for _, a := range started {
			checkUnavailable(t, a, seen)
		}

		as.start(t)
		token := as.token(t, apiAudience, readScope)
		for _, a := range running {
			checkStatus(t, a, token, 200)
		}
		for _, a := range started {
			checkRecovery(t, a, token)
		}
	})
}

// checkStatus checks the status of a GET.
func checkStatus(t *testing.T, a *api, token string, want int) {
	t.Helper()
	if got := a.call(t, http.MethodGet, token); got.status != want {
		t.Errorf("%s: status %d, challenges %q, want %d", a.name, got.status, got.challenges, want)
	}
}

// checkUnavailable checks that the API asks to come back later and doesn't find
// fault with the token, which a client would throw away.
func checkUnavailable(t *testing.T, a *api, token string) {
	t.Helper()
	got := a.call(t, http.MethodGet, token)
	if got.status != http.StatusServiceUnavailable {
		t.Errorf("%s: status %d without an authorization server, want 503", a.name, got.status)
	}
	if seconds, err := strconv.Atoi(got.retryAfter); err != nil || seconds < 1 {
		t.Errorf("%s: Retry-After %q, want a number of seconds", a.name, got.retryAfter)
	}
	if len(got.challenges) != 0 {
		t.Errorf("%s: challenges %q with 503, want none", a.name, got.challenges)
	}
}

// checkRecovery waits until the API takes the token; until then it may only be
// unavailable.
func checkRecovery(t *testing.T, a *api, token string) {
	t.Helper()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	deadline := time.After(recoveryTimeout)
	for {
		switch got := a.call(t, http.MethodGet, token); got.status {
		case http.StatusOK:
			return
		case http.StatusServiceUnavailable:
		default:
			t.Errorf("%s: status %d, challenges %q while recovering, want 503 or 200", a.name, got.status, got.challenges)
			return
		}
		select {
		case <-deadline:
			t.Errorf("%s: still unavailable %v after its authorization server came back", a.name, recoveryTimeout)
			return
		case <-tick.C:
		}
	}
}

// checkAlgorithm checks that the server signed as the test means it to.
func checkAlgorithm(t *testing.T, token, alg string) {
	t.Helper()
	header := decodeSegment(t, jwtParts(t, token)[0])
	if want := []byte(`"alg":"` + alg + `"`); !bytes.Contains(header, want) {
		t.Fatalf("the server didn't sign with %s", alg)
	}
}

// changeSignature gives the token with one bit of its signature changed.
func changeSignature(t *testing.T, token string) string {
	t.Helper()
	parts := jwtParts(t, token)
	signature := decodeSegment(t, parts[2])
	signature[len(signature)/2] ^= 1
	parts[2] = base64.RawURLEncoding.EncodeToString(signature)
	return strings.Join(parts, ".")
}

// changeScope makes a token for reading into one for writing, with the signature as
// it was.
func changeScope(t *testing.T, token string) string {
	t.Helper()
	parts := jwtParts(t, token)
	payload := decodeSegment(t, parts[1])
	changed := bytes.ReplaceAll(payload, []byte(readScope), []byte(writeScope))
	if bytes.Equal(changed, payload) {
		t.Fatalf("the token doesn't have the scope %s", readScope)
	}
	parts[1] = base64.RawURLEncoding.EncodeToString(changed)
	return strings.Join(parts, ".")
}

// secretPart is the signature of a JWT, or an opaque token.
func secretPart(token string) string {
	return token[strings.LastIndexByte(token, '.')+1:]
}

func jwtParts(t *testing.T, token string) []string {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("the token has %d parts, want the 3 of a JWT", len(parts))
	}
	return parts
}

func decodeSegment(t *testing.T, segment string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(segment)
	if err != nil {
		t.Fatal("the token has a part that isn't base64url")
	}
	return b
}
