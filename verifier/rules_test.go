package verifier_test

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/bearerguard/bearerguard/verifier"
	"github.com/bearerguard/bearerguard/verifier/verifiertest"
)

// Rules whose whole point is not one row of another test.

func only(set ...obj) func(*verifier.Config) {
	return func(cfg *verifier.Config) { cfg.JWKS = keySet(set...) }
}

func TestRulesForKeys(t *testing.T) {
	t.Parallel()
	short := obj{"kty": "RSA", "kid": "rsa", "e": "AQAB", "n": b64(strings.Repeat("\xab", 128))}
	offCurve := jwk(keys()["p256"], obj{"kid": "p256", "y": b64(strings.Repeat("\x01", 32))})
	for _, tt := range []struct {
		name string
		key  obj
		want string
	}{
		{"7518-3.3-1 FAPI-5.4.1-2 an RSA key of 1024 bits verifies nothing", short, "1024 bits"},
		{"8725-3.4-1 a point off its curve verifies nothing", offCurve, "none usable"},
		{"7518-3.2-1 8725-3.5-1 a symmetric key verifies nothing", obj{"kty": "oct", "kid": "rsa", "k": "c2VjcmV0"}, `"oct"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if _, err := verifier.New(config(only(tt.key))); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("alone: %v", err)
			}
			v := newVerifier(t, only(tt.key, jwk(keys()["ed"], obj{"kid": "ed"})))
			accepted(t, v, mint(obj{"alg": "EdDSA"}, nil))
			if h := v.Health(); h.Keys != 1 || len(h.Skipped) != 1 || !strings.Contains(h.Skipped[0].Reason, strings.TrimPrefix(tt.want, "none usable")) {
				t.Errorf("7517-5-1: the good key beside it: %+v", h)
			}
		})
	}
	t.Run("7517-5-1 a key that can't be used takes no other with it", func(t *testing.T) {
		t.Parallel()
		accepted(t, newVerifier(t, only(short, offCurve, obj{"kty": "AKP"}, jwk(keys()["rsa"], obj{"kid": "rsa"}))), mint(nil, nil))
	})
	t.Run("FAPI-5.4.2-1 of two keys with one kid, type and alg choose", func(t *testing.T) {
		t.Parallel()
		v := newVerifier(t, only(jwk(keys()["rsa"], obj{"kid": "1"}), jwk(keys()["p256"], obj{"kid": "1"})))
		accepted(t, v, mint(obj{"kid": "1"}, nil))
		accepted(t, v, mint(obj{"kid": "1", "alg": "ES256"}, nil))
	})
	t.Run("8725-3.8-1 a key of another issuer is no key of this one", func(t *testing.T) {
		t.Parallel()
		v := newVerifier(t, only(jwk(keys()["other"], obj{"kid": "rsa"})))
		refused(t, v, mint(nil, nil), verifier.ErrSignature)
	})
}

func TestRulesForAlgorithms(t *testing.T) {
	t.Parallel()
	t.Run("8725-3.2-2 the list is the operator's", func(t *testing.T) {
		t.Parallel()
		v := newVerifier(t, func(cfg *verifier.Config) { cfg.Algorithms = []string{"ES256"} })
		accepted(t, v, mint(obj{"alg": "ES256"}, nil))
		refused(t, v, mint(nil, nil), verifier.ErrAlgorithm)
	})
	for _, alg := range []string{"none", "HS256", "HS512", "nOnE", "RSA1_5", "ES256K", ""} {
		t.Run("8725-3.2-3 8725bis-3.1-3 7518-3.2-1 no setting allows "+alg, func(t *testing.T) {
			t.Parallel()
			if _, err := verifier.New(config(func(cfg *verifier.Config) { cfg.Algorithms = []string{"RS256", alg} })); err == nil {
				t.Error("New takes it")
			}
			refused(t, newVerifier(t), mint(obj{"alg": alg, "kid": "rsa"}, nil), verifier.ErrAlgorithm)
		})
	}
	for _, alg := range []string{"PS256", "ES256", "EdDSA"} {
		t.Run("FAPI-5.4.1-1 accepted by default: "+alg, func(t *testing.T) {
			t.Parallel()
			accepted(t, newVerifier(t), mint(obj{"alg": alg}, nil))
		})
	}
	t.Run("8725-3.3-1 one bit of the signature", func(t *testing.T) {
		t.Parallel()
		token := mint(obj{"alg": "EdDSA"}, nil)
		at := strings.LastIndexByte(token, '.') + 1
		changed := token[:at] + string("AB"[strings.Count(token[at:at+1], "A")]) + token[at+1:]
		refused(t, newVerifier(t), changed, verifier.ErrSignature)
	})
	t.Run("BUG-186 8725-3.6-1 nothing is decompressed", func(t *testing.T) {
		t.Parallel()
		jwe := b64(`{"alg":"RSA-OAEP-256","enc":"A128GCM","zip":"DEF","cty":"JWT"}`) + ".AAAA.AAAA.AAAA.AAAA"
		refused(t, newVerifier(t), jwe, verifier.ErrMalformed)
	})
}

func TestRulesForClaims(t *testing.T) {
	t.Parallel()
	t.Run("9068-4-1 a token that passes every check is good", func(t *testing.T) {
		t.Parallel()
		c := accepted(t, newVerifier(t), mint(nil, obj{"acr": "2", "amr": []string{"pwd"}, "auth_time": in(-60), "roles": []string{"clerk"}, "groups": []string{"a", "b"}}))
		t.Run("9068-4-13 its scope is there to be asked for", func(t *testing.T) {
			if !c.Scopes().Has("orders:read") || c.Scopes().Has("orders:delete") {
				t.Errorf("scopes %q", c.Scopes())
			}
		})
		t.Run("9068-2.2.1 9068-2.2.3.1 its authentication and its groups can be read", func(t *testing.T) {
			var acr string
			var groups, roles []string
			var authTime int64
			err := errors.Join(c.Get("acr", &acr), c.Get("auth_time", &authTime), c.Get("groups", &groups), c.Get("roles", &roles))
			if err != nil || acr != "2" || authTime != in(-60) || !slices.Equal(groups, []string{"a", "b"}) || !slices.Equal(roles, []string{"clerk"}) {
				t.Errorf("%v: %q %d %q %q", err, acr, authTime, groups, roles)
			}
		})
	})
	t.Run("9068-5-1 8725-3.11-1 an ID token for this very audience is no access token", func(t *testing.T) {
		t.Parallel()
		refused(t, newVerifier(t), mint(obj{"typ": "JWT"}, obj{"nonce": "n"}), verifier.ErrType)
		refused(t, newVerifier(t), mint(obj{"typ": gone}, nil), verifier.ErrType)
	})
	t.Run("8725-3.12-1 the issuer's other kinds of token, signed by the same key and with our audience, are no access tokens", func(t *testing.T) {
		t.Parallel()
		v := newVerifier(t, func(cfg *verifier.Config) { cfg.Profile = verifier.Keycloak() })
		token := func(claims obj) string {
			return mint(obj{"typ": "JWT"}, merge(obj{"typ": "Bearer", "azp": "cart"}, claims))
		}
		accepted(t, v, token(nil))
		for _, claims := range []obj{{"typ": "ID"}, {"typ": "Refresh"}, {"typ": "Offline"}, {"typ": "Logout"}, {"typ": gone}, {"nonce": "n"}, {"at_hash": "x"}, {"events": obj{}}} {
			refused(t, v, token(claims), verifier.ErrType)
		}
	})
	t.Run("8725-3.8-2 the subject must be one of this application's, where it says which", func(t *testing.T) {
		t.Parallel()
		v := newVerifier(t, func(cfg *verifier.Config) { cfg.Match = map[string][]string{"sub": {"cart", "checkout"}} })
		accepted(t, v, mint(nil, nil))
		refused(t, v, mint(nil, obj{"sub": "mallory"}), verifier.ErrClaim)
	})
	t.Run("9700-2.3-1 9700-4.10.2-1 the audience is asked of every token", func(t *testing.T) {
		t.Parallel()
		v := newVerifier(t)
		for range 2 {
			accepted(t, v, mint(nil, nil))
			refused(t, v, mint(nil, obj{"aud": "https://other.example.com"}), verifier.ErrAudience)
		}
	})
	t.Run("9700-4.9.3-1 no audience, no verifier", func(t *testing.T) {
		t.Parallel()
		if _, err := verifier.New(config(func(cfg *verifier.Config) { cfg.Audience = nil })); err == nil {
			t.Error("New accepts tokens for anybody")
		}
	})
	t.Run("9700-4.15-1 a client that acts for itself is told from a user", func(t *testing.T) {
		t.Parallel()
		v := newVerifier(t)
		if !accepted(t, v, mint(nil, nil)).ActsForItself() || accepted(t, v, mint(nil, obj{"sub": "alice"})).ActsForItself() {
			t.Error("not told apart")
		}
	})
	t.Run("9700-4.9.3-2 no error shows the token", func(t *testing.T) {
		t.Parallel()
		token := mint(obj{"kid": "nobody's"}, nil)
		noSecrets(t, refused(t, newVerifier(t), token, verifier.ErrKeyNotFound).Error(), token)
	})
	for _, claim := range []string{"iat", "nbf"} {
		t.Run("FAPI-5.3.2.1-n "+claim+" 10 s ahead is tolerated, 60 s is not", func(t *testing.T) {
			t.Parallel()
			accepted(t, newVerifier(t), mint(nil, obj{claim: in(10)}))
			refused(t, newVerifier(t), mint(nil, obj{claim: in(61)}), verifier.ErrNotYetValid)
		})
	}
}

func TestRulesForDiscovery(t *testing.T) {
	t.Parallel()
	t.Run("BUG-133 8414-6.1-1 a certificate that nobody vouches for is no issuer's", func(t *testing.T) {
		t.Parallel()
		i := verifiertest.NewIssuer(t)
		cfg := i.Config()
		cfg.Client = nil
		v, err := verifier.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.Verify(t.Context(), i.Token("")); !errors.Is(err, verifier.ErrUnavailable) || !strings.Contains(err.Error(), "certificate") {
			t.Error(err)
		}
	})
	t.Run("8414-3.1-1 8414-3.2-1 8414-2.1-1 metadata is fetched by GET, and of it only what is known is used", func(t *testing.T) {
		t.Parallel()
		methods := []string{}
		document := func(r *http.Request) (*http.Response, error) {
			methods = append(methods, r.Method)
			return answer(200, nil, `{"issuer":"https://as.example.com/t","jwks_uri":"`+keysURL+`","x":{"y":[1]},"signed_metadata":"a.b.c"}`), nil
		}
		w := &web{pages: map[string]func(*http.Request) (*http.Response, error){appended: document, keysURL: keySetPage}}
		if _, err := w.warmed(t, verifier.Config{Issuer: "https://as.example.com/t"}); err != nil || !slices.Equal(methods, []string{"GET"}) {
			t.Errorf("%v, %q", err, methods)
		}
	})
	t.Run("OIDCD-4.3 the issuer of the metadata is the issuer of the tokens", func(t *testing.T) {
		t.Parallel()
		i := verifiertest.NewIssuer(t)
		v := i.Verifier()
		accepted(t, v, i.Token(""))
		refused(t, v, i.Token("", obj{"iss": i.URL() + "/"}), verifier.ErrIssuer)
	})
}
