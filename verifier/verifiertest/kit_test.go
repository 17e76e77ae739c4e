package verifiertest_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard/middleware"
	"github.com/bearerguard/bearerguard/verifier"
	"github.com/bearerguard/bearerguard/verifier/verifiertest"
)

// TestBadTokens: each is refused for the reason that its name says, and would be a good token without it.
func TestBadTokens(t *testing.T) {
	t.Parallel()
	reasons := map[string]error{
		"Expired": verifier.ErrExpired, "NotYetValid": verifier.ErrNotYetValid, "WrongAudience": verifier.ErrAudience, "WrongIssuer": verifier.ErrIssuer,
		"WrongType": verifier.ErrType, "Tampered": verifier.ErrSignature, "AlgNone": verifier.ErrAlgorithm, "HS256WithPublicKey": verifier.ErrAlgorithm,
		"Forged": verifier.ErrSignature, "UnknownKey": verifier.ErrKeyNotFound, "Opaque": verifier.ErrMalformed,
	}
	for name, profile := range map[string]verifier.Profile{"RFC9068": verifier.RFC9068(), "Keycloak": verifier.Keycloak(), "Okta": verifier.Okta(), "Cognito": verifier.Cognito()} {
		for alg, encryption := range map[string]string{"ES256": "", "EdDSA": "", "Ed25519": "ECDH-ES+A256KW"} {
			issuer := verifiertest.NewIssuer(t, verifiertest.Like(profile), verifiertest.Algorithm(alg), verifiertest.Encrypted(encryption))
			v := issuer.Verifier()
			if err := v.Warm(t.Context()); err != nil {
				t.Fatal(err)
			}
			bad := issuer.BadTokens()
			if len(bad) != len(reasons) {
				t.Errorf("%d bad tokens, this test knows %d", len(bad), len(reasons))
			}
			for kind, token := range bad {
				if _, err := v.Verify(t.Context(), token); !errors.Is(err, reasons[kind]) {
					t.Errorf("%s, %s: %s: %v, want %v", name, alg, kind, err, reasons[kind])
				}
				for _, check := range v.Explain(t.Context(), token) {
					if check.Err != nil && !errors.Is(check.Err, reasons[kind]) {
						t.Errorf("%s, %s: %s is bad in another way too: %v", name, alg, kind, check.Err)
					}
				}
			}
			if _, err := v.Verify(t.Context(), issuer.Token("read")); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestEncrypted(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{"RSA-OAEP-256", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW", "dir"} {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			i := verifiertest.NewIssuer(t, verifiertest.Encrypted(alg))
			i.RegisterClient("c", secret, "read")
			v := i.Verifier()
			fetched, err := credentials(i, nil).Token(clientContext(t, i))
			if err != nil {
				t.Fatal(err)
			}
			signed := i.Sign(nil, claims{"iss": i.URL(), "aud": api, "client_id": "c", "sub": "c", "jti": "1", "iat": time.Now().Unix(), "exp": time.Now().Unix() + 60})
			for _, token := range []string{i.Token("read"), fetched.AccessToken, i.Encrypt(signed)} {
				if strings.Count(token, ".") != 4 {
					t.Errorf("%d parts", strings.Count(token, ".")+1)
				}
				accept(t, v, token)
				refuse(t, verifiertest.NewIssuer(t, verifiertest.Encrypted(alg)).Verifier(), token, verifier.ErrMalformed)
			}
			refuse(t, v, signed, verifier.ErrMalformed)
			for _, text := range []string{"", "x", "a.b.c", "{}.e30.e30", i.Token("read")} {
				refuse(t, v, i.Encrypt(text), verifier.ErrMalformed)
			}
		})
	}
}

func TestFakeClock(t *testing.T) {
	t.Parallel()
	clock := verifiertest.NewFakeClock(time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC))
	issuer := verifiertest.NewIssuer(t, verifiertest.Clock(clock.Now))
	v := issuer.Verifier()
	token := issuer.Token("read")
	for _, step := range []struct {
		after time.Duration
		want  error
	}{{0, nil}, {4 * time.Minute, nil}, {2 * time.Minute, verifier.ErrExpired}, {-2 * time.Minute, nil}} {
		clock.Advance(step.after)
		if _, err := v.Verify(t.Context(), token); !errors.Is(err, step.want) {
			t.Errorf("at %v: %v, want %v", clock.Now(), err, step.want)
		}
	}
}

func TestAuthenticated(t *testing.T) {
	t.Parallel()
	r := verifiertest.Authenticated(t, httptest.NewRequest(http.MethodGet, "/", nil), map[string]any{"client_id": "billing", "scope": "orders:read"})
	claims, ok := verifier.FromContext(r.Context())
	if !ok || claims.ClientID() != "billing" || !claims.Scopes().Has("orders:read") {
		t.Errorf("%v, %v", claims, ok)
	}
	g, err := middleware.New(verifiertest.Tokens(t, nil), middleware.Config{})
	if err != nil {
		t.Fatal(err)
	}
	if _, denial := g.Check(r); denial == nil || denial.Status != http.StatusUnauthorized {
		t.Errorf("a guard takes it for a verified request: %v", denial)
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	g, err := middleware.New(verifiertest.Tokens(t, map[string]map[string]any{"reader": {"scope": "orders:read"}, "nobody": nil}), middleware.Config{})
	if err != nil {
		t.Fatal(err)
	}
	h := g.RequireScope("orders:read")(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for token, want := range map[string]int{"reader": 200, "nobody": 403, "other": 401} {
		r, w := httptest.NewRequest(http.MethodGet, "/", nil), httptest.NewRecorder()
		r.Header.Set("Authorization", "Bearer "+token)
		if h.ServeHTTP(w, r); w.Code != want {
			t.Errorf("%s: %d, want %d", token, w.Code, want)
		}
	}
}

// TestAt: an issuer that another server serves, over http on loopback.
func TestAt(t *testing.T) {
	t.Parallel()
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	defer server.Close()
	issuer := verifiertest.NewIssuer(t, verifiertest.At(server.URL))
	mux.Handle("/", issuer)
	issuer.RegisterClient("billing", "a secret", "orders:read")
	r, err := issuer.Client().Post(issuer.TokenURL(), "application/x-www-form-urlencoded", strings.NewReader("grant_type=client_credentials&client_id=billing&client_secret=a+secret"))
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatal(r, err)
	}
	r.Body.Close()
	if claims, err := issuer.Verifier().Verify(t.Context(), issuer.Token("read")); err != nil || claims.Issuer() != server.URL {
		t.Errorf("%v, %v", claims, err)
	}
	for _, bad := range []string{"", "127.0.0.1:80", "http://127.0.0.1/path", "http://127.0.0.1/", "https://a.example?q", "ftp://a.example", "http://\x00"} {
		if i, err := verifiertest.Start(verifiertest.At(bad)); err == nil && bad != "" {
			i.Close()
			t.Errorf("At(%q) is taken", bad)
		}
	}
}

func TestServeKeys(t *testing.T) {
	t.Parallel()
	issuer := verifiertest.NewIssuer(t)
	keys := string(issuer.Keys())
	for name, tt := range map[string]struct {
		document string
		good     bool
	}{
		"no set":                {"<html>", false},
		"empty":                 {`{"keys":[]}`, false},
		"an odd key beside":     {strings.Replace(keys, "[", `[{"kty":"AKP"},`, 1), true},
		"a byte order mark":     {"\ufeff" + keys, true},
		"cut off in the middle": {keys[:len(keys)/2], false},
	} {
		issuer.ServeKeys(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, tt.document) })
		if _, err := issuer.Verifier().Verify(t.Context(), issuer.Token("read")); (err == nil) != tt.good {
			t.Errorf("%s: %v", name, err)
		}
	}
	issuer.Up()
	if _, err := issuer.Verifier().Verify(t.Context(), issuer.Token("read")); err != nil {
		t.Error(err)
	}
}
