package introspection_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard/verifier"
	"github.com/bearerguard/bearerguard/verifier/introspection"
	"github.com/bearerguard/bearerguard/verifier/verifiertest"
)

func TestIntrospectionSigned(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	at := func(d time.Duration) int64 { return s.clock.Now().Add(d).Unix() }
	other := verifiertest.NewIssuer(t)
	typed := func(contentType, body string) http.HandlerFunc { return raw(200, body, "Content-Type", contentType) }
	good := s.signed(nil, nil, nil)
	forSomeoneElse := func(c *introspection.Config) { c.AnswerAudience = []string{"billing-api"} }
	forTheAPI := func(c *introspection.Config) { c.AnswerAudience = []string{audience} }
	for _, tt := range []struct {
		name     string
		endpoint http.HandlerFunc
		want     error  // nil: the token is good
		says     string // in the error
		change   func(*introspection.Config)
	}{
		{"9701-5-2 a good answer", s.signs(nil, nil, nil), nil, "", nil},
		{"9701-5-1 a content type with a parameter", typed(signedBy+"; charset=utf-8", good), nil, "", nil},
		{"9701-5-1 a content type in capitals", typed("Application/Token-Introspection+JWT", good), nil, "", nil},
		{"9701-5-1 typ with application/", s.signs(obj{"typ": "application/token-introspection+jwt"}, nil, nil), nil, "", nil},
		{"9701-5-1 typ is JWT", s.signs(obj{"typ": "JWT"}, nil, nil), verifier.ErrUnavailable, "typ", nil},
		{"9701-5-1 typ is at+jwt", s.signs(obj{"typ": "at+jwt"}, nil, nil), verifier.ErrUnavailable, "typ", nil},
		{"9701-5-1 no typ", s.signs(obj{"typ": nil}, nil, nil), verifier.ErrUnavailable, "typ", nil},
		{"9701-5-1 the content type of JSON", typed("application/json", good), verifier.ErrUnavailable, "introspection_signed_response_alg", nil},
		{"9701-5-1 an unsigned answer", s.says(nil), verifier.ErrUnavailable, "introspection_signed_response_alg", nil},
		{"9701-5-1 an unsigned inactive answer", inactive, verifier.ErrUnavailable, "introspection_signed_response_alg", nil},
		{"9701-5-1 JSON under the signed content type", typed(signedBy, `{"active":true}`), verifier.ErrUnavailable, "form", nil},
		{"9701-5-2 iss is another server", s.signs(nil, obj{"iss": "https://evil.example.com"}, nil), verifier.ErrUnavailable, "issuer", nil},
		{"9701-5-2 no iss", s.signs(nil, obj{"iss": nil}, nil), verifier.ErrUnavailable, "issuer", nil},
		{"9701-5-2 aud is another resource server", s.signs(nil, obj{"aud": "billing-api"}, nil), verifier.ErrUnavailable, "its aud is", nil},
		{"9701-5-2 aud is us among others", s.signs(nil, obj{"aud": []string{"billing-api", "orders-api"}}, nil), nil, "", nil},
		{"9701-5-2 no aud", s.signs(nil, obj{"aud": nil}, nil), verifier.ErrUnavailable, "aud", nil},
		{"9701-5-2 aud is the API, where that is not us", s.signs(nil, obj{"aud": audience}, nil), verifier.ErrUnavailable, "its aud is", nil},
		{"9701-5-2 aud is the token's, as glewlwyd writes it", s.signs(nil, obj{"aud": audience}, nil), nil, "", forTheAPI},
		{"9701-5-2 aud is the token's, for another API", s.signs(nil, obj{"aud": "x"}, obj{"aud": "x"}), verifier.ErrAudience, "", forTheAPI},
		{"9701-5-2 aud is another resource server, of an inactive token", s.signs(nil, obj{"aud": "x", "token_introspection": obj{"active": false}}, nil), verifier.ErrUnavailable, "its aud is", nil},
		{"9701-5-2 our own name, where another is expected", s.signs(nil, nil, nil), verifier.ErrUnavailable, "its aud is", forSomeoneElse},
		{"9701-5-2 no iat", s.signs(nil, obj{"iat": nil}, nil), verifier.ErrUnavailable, "iat", nil},
		{"9701-5-2 iat in the future", s.signs(nil, obj{"iat": at(time.Minute)}, nil), verifier.ErrUnavailable, "issued at", nil},
		{"9701-5-2 an old answer, replayed", s.signs(nil, obj{"iat": at(-time.Minute)}, nil), verifier.ErrUnavailable, "before it was asked for", nil},
		{"9701-5-2 an answer within the clock skew", s.signs(nil, obj{"iat": at(-30 * time.Second)}, nil), nil, "", nil},
		{"9701-5-2 an answer just beyond the clock skew", s.signs(nil, obj{"iat": at(-32 * time.Second)}, nil), verifier.ErrUnavailable, "before it was asked for", nil},
		{"9701-5-2 no token_introspection", s.signs(nil, obj{"token_introspection": nil}, nil), verifier.ErrUnavailable, "token_introspection", nil},
		{"9701-5-2 token_introspection is a string", s.signs(nil, obj{"token_introspection": `{"active":true}`}, nil), verifier.ErrUnavailable, "not a JSON object", nil},
		{"9701-5-2 active stands beside token_introspection", s.signs(nil, obj{"active": true, "token_introspection": obj{}}, nil), verifier.ErrUnavailable, "no active", nil},
		{"9701-5-2 the token is for another API", s.signs(nil, nil, obj{"aud": "x"}), verifier.ErrAudience, "", nil},
		{"9701-5-3 an inactive token", s.signs(nil, obj{"token_introspection": obj{"active": false}}, nil), introspection.ErrInactive, "", nil},
		{"9701-5-3 active is no boolean", s.signs(nil, nil, obj{"active": "true"}), verifier.ErrUnavailable, "no active", nil},
		{"9701-5-4 exp outside counts for the answer, not for the token", s.signs(nil, obj{"exp": at(time.Hour)}, obj{"exp": nil}), verifier.ErrMissingClaim, "", nil},
		{"9701-5-4 an answer that has expired", s.signs(nil, obj{"exp": at(-time.Hour)}, nil), verifier.ErrUnavailable, "expiry", nil},
		{"an encrypted answer", typed(signedBy, "eyJhbGciOiJkaXIifQ.a.b.c.d"), verifier.ErrUnavailable, "encrypted", nil},
		{"9701-6-1 the registered algorithm", s.signs(nil, nil, nil), nil, "", func(c *introspection.Config) { c.Tokens.Algorithms = []string{"ES256"} }},
		{"9701-6-1 another algorithm", s.signs(nil, nil, nil), verifier.ErrUnavailable, "algorithm", func(c *introspection.Config) { c.Tokens.Algorithms = []string{"RS256"} }},
		{"9701-6-1 alg none", s.signs(obj{"alg": "none"}, nil, nil), verifier.ErrUnavailable, "algorithm", nil},
		{"9701-6-1 alg HS256", s.signs(obj{"alg": "HS256"}, nil, nil), verifier.ErrUnavailable, "algorithm", nil},
		{"a critical extension", s.signs(obj{"crit": []string{"x"}}, nil, nil), verifier.ErrUnavailable, "crit", nil},
		{"a signature that was tampered with", typed(signedBy, tampered(good)), verifier.ErrUnavailable, "signature", nil},
		{"another issuer's key", typed(signedBy, other.Sign(obj{"typ": "token-introspection+jwt"}, obj{"iss": s.URL, "aud": "orders-api", "iat": at(0), "token_introspection": s.active(nil)})), verifier.ErrUnavailable, "key", nil},
		{"an access token of the issuer", typed(signedBy, s.issuer.Token("a")), verifier.ErrUnavailable, "typ", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s.answers(tt.endpoint)
			i := s.introspector(t, func(c *introspection.Config) {
				c.Signed = true
				if tt.change != nil {
					tt.change(c)
				}
			})
			claims, err := i.Verify(t.Context(), opaque)
			if !errors.Is(err, tt.want) || (claims != nil) != (tt.want == nil) || errors.Is(err, verifier.ErrUnavailable) && errors.Is(err, verifier.ErrInvalidToken) {
				t.Fatalf("%v, want %v", err, tt.want)
			}
			if tt.says != "" && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v; want %q", err, tt.says)
			}
			if tt.want == nil && claims.Subject() != "test-client" {
				t.Error(claims)
			}
		})
	}
	t.Run("9701-4-1 it is asked for by its media type", func(t *testing.T) {
		if accept := s.seen()[0].header.Get("Accept"); accept != signedBy {
			t.Error(accept)
		}
	})
	t.Run("9701-4-2 this server authenticates", func(t *testing.T) {
		if !strings.HasPrefix(s.seen()[0].authorization, "Basic ") {
			t.Error("no credentials")
		}
	})
}

// tampered has other bits in its signature.
func tampered(jwt string) string {
	dot := strings.LastIndexByte(jwt, '.')
	return jwt[:dot+1] + "AAAAAAAA" + jwt[dot+9:]
}

// TestIntrospectionSignedIsNoAccessToken: a signed answer gets nobody in, though the same keys signed it.
func TestIntrospectionSignedIsNoAccessToken(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	// As much like an access token as an answer can be.
	answer := s.signed(nil, obj{
		"aud": []string{audience, "orders-api"}, "sub": "test-client", "client_id": "test-client", "jti": "id-1", "exp": s.clock.Now().Add(time.Minute).Unix(), "scope": "orders:read",
	}, nil)
	for name, profile := range map[string]verifier.Profile{
		"9701-5-5 RFC 9068's profile": verifier.RFC9068(), "9701-5-5 the most lenient profile": verifier.Generic(), "9701-8.1-1 Keycloak's profile": verifier.Keycloak(),
	} {
		t.Run(name, func(t *testing.T) {
			cfg := s.issuer.Config()
			cfg.Client, cfg.Profile = s.Client(), profile
			if _, err := must(verifier.New(cfg)).Verify(t.Context(), answer); !errors.Is(err, verifier.ErrType) {
				t.Error(err)
			}
		})
	}
	t.Run("9701-8.1-1 an access token without what its profile requires", func(t *testing.T) {
		cfg := s.issuer.Config()
		cfg.Client = s.Client()
		v := must(verifier.New(cfg))
		for _, claim := range []string{"iss", "exp", "aud", "sub", "client_id", "iat", "jti"} {
			if _, err := v.Verify(t.Context(), s.issuer.Token("a", obj{claim: nil})); !errors.Is(err, verifier.ErrInvalidToken) {
				t.Errorf("without %s: %v", claim, err)
			}
		}
	})
}

// TestIntrospectionSignedReplay: the answer for one token is sent for another one.
func TestIntrospectionSignedReplay(t *testing.T) {
	t.Parallel()
	const ahead, other = "the-first-token", "the-other-token"
	for _, tt := range []struct {
		name    string
		alg     string
		members obj
		refused bool
	}{
		{"9701-5-2 a jti serves for one token", "ES256", nil, true},
		{"9701-5-2 a jti serves for one token, whatever the signature", "RS256", nil, true},
		{"9701-5-2 without a jti a signature serves for one token", "ES256", obj{"jti": nil}, true},
		{"9701-5-2 without a jti a signature serves for one token", "PS256", obj{"jti": nil}, true},
		{"without a jti two tokens of one second have the same answer, byte for byte", "RS256", obj{"jti": nil}, false},
		{"without a jti two tokens of one second have the same answer, byte for byte", "EdDSA", obj{"jti": nil}, false},
	} {
		t.Run(tt.name+", "+tt.alg, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			s.issuer.Rotate(tt.alg)
			answer := s.signed(nil, nil, tt.members)
			s.answers(raw(200, answer, "Content-Type", signedBy))
			i := s.introspector(t, signedAnswers)
			for range 2 {
				if _, err := i.Verify(t.Context(), ahead); err != nil {
					t.Fatal(err)
				}
				s.clock.Advance(10 * time.Second)
			}
			_, err := i.Verify(t.Context(), other)
			if refused := errors.Is(err, verifier.ErrUnavailable) && strings.Contains(err.Error(), "for another token"); refused != tt.refused || !refused && err != nil {
				t.Errorf("%v, want refused %v", err, tt.refused)
			}
			// The server's own answer for that token heals it, and the first token's comes again when it is due.
			s.answers(s.signs(nil, nil, obj{"jti": "id-2"}))
			if _, err := i.Verify(t.Context(), other); err != nil {
				t.Error(err)
			}
			s.clock.Advance(2 * time.Minute)
			s.answers(s.signs(nil, nil, tt.members))
			if _, err := i.Verify(t.Context(), ahead); err != nil {
				t.Errorf("the first token again: %v", err)
			}
		})
	}
	t.Run("9701-5-2 the answer names another JWT", func(t *testing.T) {
		t.Parallel()
		s := newServer(t)
		i := s.introspector(t, signedAnswers)
		token := s.issuer.Token("orders:read", obj{"jti": "its-own"})
		s.answers(s.signs(nil, nil, obj{"jti": "another"}))
		if _, err := i.Verify(t.Context(), token); !errors.Is(err, verifier.ErrUnavailable) || !strings.Contains(err.Error(), "for another token") {
			t.Error(err)
		}
		s.answers(s.signs(nil, nil, obj{"jti": "its-own"}))
		if _, err := i.Verify(t.Context(), token); err != nil {
			t.Error(err)
		}
	})
}

// TestIntrospectionSignedNot: glewlwyd's answer about an inactive token is 400 and nothing, unless an unsigned one is asked for.
func TestIntrospectionSignedNot(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, tt := range []struct {
		name             string
		signed, unsigned http.HandlerFunc
		want             error
		calls            int
	}{
		{"9701-5-3 inactive, unsigned", raw(400, ``), inactive, introspection.ErrInactive, 2},
		{"active, unsigned", raw(400, ``), s.says(nil), verifier.ErrUnavailable, 2},
		{"for another API, unsigned", raw(400, ``), s.says(obj{"aud": "x"}), verifier.ErrUnavailable, 2},
		{"nothing either time", raw(400, ``), raw(400, ``), verifier.ErrUnavailable, 2},
		{"401 the second time", raw(400, ``), raw(401, `{"active":false}`), verifier.ErrUnavailable, 2},
		{"400 with a reason", raw(400, `{"error":"invalid_request"}`), inactive, verifier.ErrUnavailable, 1},
		{"500", raw(500, ``), inactive, verifier.ErrUnavailable, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s.answers(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Accept") == signedBy {
					tt.signed(w, r)
					return
				}
				tt.unsigned(w, r)
			})
			before := len(s.seen())
			if claims, err := s.introspector(t, signedAnswers).Verify(t.Context(), opaque); !errors.Is(err, tt.want) || claims != nil {
				t.Errorf("%v, want %v", err, tt.want)
			}
			if n := len(s.seen()) - before; n != tt.calls {
				t.Errorf("%d calls, want %d", n, tt.calls)
			}
		})
	}
}

// TestIntrospectionSignedKeys: the keys live as those of a Verifier do.
func TestIntrospectionSignedKeys(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.answers(func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		s.signs(nil, nil, obj{"jti": r.PostForm.Get("token")})(w, r)
	})
	i := s.introspector(t, signedAnswers)
	s.issuer.Down(503)
	if _, err := i.Verify(t.Context(), "a"); !errors.Is(err, verifier.ErrUnavailable) {
		t.Fatal(err)
	}
	if h := i.Health(); h.Ready {
		t.Error("ready without keys")
	}
	s.issuer.Up()
	s.clock.Advance(time.Minute)
	if _, err := i.Verify(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if h := i.Health(); !h.Ready {
		t.Errorf("%+v", h)
	}
	s.issuer.Rotate()
	if _, err := i.Verify(t.Context(), "b"); err != nil {
		t.Errorf("after a rotation: %v", err)
	}
	if n := s.issuer.Requests().Keys; n > 3 {
		t.Errorf("%d requests for keys", n)
	}
	s.answers(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept") == signedBy {
			w.WriteHeader(400)
			return
		}
		inactive(w, r)
	})
	warmed := s.introspector(t, signedAnswers)
	if err := warmed.Warm(t.Context()); err != nil || !warmed.Health().Ready {
		t.Errorf("warmed, but not ready: %v", err)
	}
	s.issuer.Down(503)
	keyless := s.introspector(t, signedAnswers)
	if err := keyless.Warm(t.Context()); !errors.Is(err, verifier.ErrUnavailable) || keyless.Health().Ready || keyless.Health().AnsweredAt.IsZero() {
		t.Errorf("ready with an endpoint and no keys: %v, %+v", err, keyless.Health())
	}
	s.issuer.Up()
	s.answers(s.signs(nil, nil, nil))
	static := s.introspector(t, signedAnswers, func(c *introspection.Config) { c.Tokens.JWKS = s.issuer.Keys() })
	if _, err := static.Verify(t.Context(), "c"); err != nil {
		t.Errorf("configured keys: %v", err)
	}
}

// TestIntrospectionSignedLong: an answer may be longer than a token.
func TestIntrospectionSignedLong(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.answers(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", signedBy)
		groups := make([]string, 900)
		for n := range groups {
			groups[n] = fmt.Sprintf("group-%d-%s", n, strings.Repeat("g", 10))
		}
		io.WriteString(w, s.signed(nil, nil, obj{"groups": groups}))
	})
	if _, err := s.introspector(t, signedAnswers).Verify(t.Context(), opaque); err != nil {
		t.Error(err)
	}
}
