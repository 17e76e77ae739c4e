package verifier_test

import (
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/bearerguard/bearerguard/verifier"
)

// server is an authorization server on loopback, over TLS, and what a verifier needs to know of it.
type server struct {
	*httptest.Server
	requests atomic.Int64 // for keys and metadata
	trapped  atomic.Int64 // for anything else
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/.well-known/openid-configuration":
			s.requests.Add(1)
			w.Write([]byte(text(obj{"issuer": s.URL, "jwks_uri": s.URL + "/keys"})))
		case "/keys":
			s.requests.Add(1)
			w.Write(published())
		default:
			s.trapped.Add(1)
			w.Write(keySet(jwk(keys()["other"], obj{"kid": "other"})))
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) config(cfg *verifier.Config) {
	cfg.Issuer, cfg.JWKS, cfg.Client = s.URL, nil, s.Client()
}

// mint makes a token of this server.
func (s *server) mint(header, payload obj) string {
	out := obj{"iss": s.URL}
	maps.Copy(out, payload)
	return mint(header, out)
}

// TestWhatIsRefusedWithoutAskingForKeys shows that the token's own mistakes come first: such a token does not spend the
// refetches that a rotation needs, not even one that names an unknown key.
func TestWhatIsRefusedWithoutAskingForKeys(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	v := newVerifier(t, s.config)
	unknown := obj{"kid": "unknown"}
	part := strings.Split(s.mint(unknown, nil), ".")
	for _, tt := range []struct {
		name  string
		want  error
		token string
	}{
		{"an opaque token", verifier.ErrMalformed, "opaque"},
		{"a header that is no JSON", verifier.ErrMalformed, "e30x." + part[1] + "." + part[2]},
		{"8725bis-3.14-1 a signature that is no base64url", verifier.ErrMalformed, part[0] + "." + part[1] + "." + part[2] + "*"},
		{"alg", verifier.ErrAlgorithm, s.mint(merge(unknown, obj{"alg": "none"}), nil)},
		{"typ", verifier.ErrType, s.mint(merge(unknown, obj{"typ": "JWT"}), nil)},
		{"crit", verifier.ErrMalformed, s.mint(merge(unknown, obj{"crit": []string{"x"}}), nil)},
		{"a payload that is no JSON", verifier.ErrMalformed, part[0] + ".e30x." + part[2]},
		{"8725-3.8-1 the issuer", verifier.ErrIssuer, mint(unknown, nil)},
		{"the audience", verifier.ErrAudience, s.mint(unknown, obj{"aud": "other"})},
		{"exp", verifier.ErrExpired, s.mint(unknown, obj{"exp": in(-60)})},
		{"no exp", verifier.ErrMissingClaim, s.mint(unknown, obj{"exp": gone})},
		{"nbf", verifier.ErrNotYetValid, s.mint(unknown, obj{"nbf": in(60)})},
		{"iat", verifier.ErrNotYetValid, s.mint(unknown, obj{"iat": in(60)})},
	} {
		refused(t, v, tt.token, tt.want)
		if n := s.requests.Load(); n != 0 {
			t.Errorf("%s: %d requests", tt.name, n)
		}
	}
	accepted(t, v, s.mint(nil, nil))
	if n := s.requests.Load(); n != 2 {
		t.Errorf("%d requests for the first good token, want metadata and keys", n)
	}
	refused(t, v, s.mint(unknown, nil), verifier.ErrKeyNotFound)
	if n := s.requests.Load(); n != 3 {
		t.Errorf("%d requests, want the keys fetched once more for an unknown kid", n)
	}
}

// TestATokenDoesNotChooseItsKeys offers other keys in every way that a header can.
func TestATokenDoesNotChooseItsKeys(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	v := newVerifier(t, s.config)
	if err := v.Warm(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := s.requests.Load()
	trap := s.URL + "/trap"
	own := jwk(keys()["other"], obj{"kid": "rsa"})
	for name, header := range map[string]obj{
		"BUG-127 7515-4.1.2-1 8725-3.10-2 jku": {"jku": trap}, "BUG-126 7515-4.1.2-1 jwk": {"jwk": own}, "7515-4.1.2-1 x5u": {"x5u": trap}, "BUG-126 7515-4.1.2-1 x5c": {"x5c": []string{"AQAB"}},
		"all of them": {"jku": trap, "jwk": own, "x5u": trap, "x5c": []string{"AQAB"}, "x5t": "x", "iss": trap, "url": trap},
	} {
		t.Run(name, func(t *testing.T) {
			accepted(t, v, s.mint(header, nil)) // they mean nothing, so that a good token with them is good
			forged := compact("RS256", "other", text(merge(goodHeader(), header)), text(merge(goodPayload(), obj{"iss": s.URL})))
			refused(t, v, forged, verifier.ErrSignature)
			for _, kid := range []string{trap, s.URL + "/keys", "file:///etc/passwd"} {
				if _, err := v.Verify(t.Context(), s.mint(merge(header, obj{"kid": kid}), nil)); !errors.Is(err, verifier.ErrKeyNotFound) {
					t.Errorf("kid %q: %v", kid, err)
				}
			}
		})
	}
	if n := s.trapped.Load(); n != 0 {
		t.Errorf("%d requests went where a token wanted them", n)
	}
	if n := s.requests.Load() - before; n > 3 {
		t.Errorf("%d more requests for keys than the budget has", n)
	}
}
