package middleware_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard/middleware"
	"github.com/bearerguard/bearerguard/verifier"
	"github.com/bearerguard/bearerguard/verifier/verifiertest"
)

// The cases of shared/bugs/cases.jsonl whose point is what the client gets. Most of them stand in the adapters' table.

// guarded answers one request, and tells whether the handler ran.
func guarded(h func(http.Handler) http.Handler, authorization ...string) (rec *httptest.ResponseRecorder, ran bool) {
	rec = httptest.NewRecorder()
	h(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { ran = true })).ServeHTTP(rec, request(authorization...))
	return rec, ran
}

// wantAnswer looks at a status and the challenge's code, "" for a challenge without one and for none.
func wantAnswer(t *testing.T, rec *httptest.ResponseRecorder, ran bool, status int, code string) {
	t.Helper()
	challenge := rec.Header().Get("WWW-Authenticate")
	if rec.Code != status || ran != (status == 200) || strings.Contains(challenge, "error=") != (code != "") || code != "" && !strings.Contains(challenge, `error="`+code+`"`) {
		t.Errorf("status %d, challenge %s, the handler ran: %t; want %d %s", rec.Code, challenge, ran, status, code)
	}
}

func TestBugsOfScopes(t *testing.T) {
	t.Parallel()
	issuer := verifiertest.NewIssuer(t, verifiertest.Like(verifier.Generic()))
	g := newGuard(t, issuer.Verifier(), middleware.Config{})
	for _, tt := range []struct {
		name, claim, value string // "": the claim is absent
		scope              string
		status             int
		code               string
	}{
		{"BUG-002 an array", "scope", `["read:all","write:all"]`, "read:all", 200, ""},
		{"BUG-002 null", "scope", `null`, "read:all", 403, "insufficient_scope"},
		{"BUG-002 a number among strings", "scope", `[1,"read:all"]`, "read:all", 401, "invalid_token"},
		{"BUG-002 an object", "scope", `{"read:all":true}`, "read:all", 401, "invalid_token"},
		{"BUG-009 scp as an array", "scp", `["a"]`, "a", 200, ""},
		{"BUG-009 neither claim", "scope", ``, "a", 403, "insufficient_scope"},
		{"BUG-009 a null scope", "scope", `null`, "a", 403, "insufficient_scope"},
		{"BUG-009 an empty scope", "scope", `""`, "a", 403, "insufficient_scope"},
		{"BUG-009 an empty array", "scp", `[]`, "a", 403, "insufficient_scope"},
		{"BUG-011 a claim that nobody named", "scopes", `["a"]`, "a", 403, "insufficient_scope"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			claims := map[string]any{}
			if tt.value != "" {
				claims[tt.claim] = json.RawMessage(tt.value)
			}
			rec, ran := guarded(g.RequireScope(tt.scope), "Bearer "+issuer.Token("", claims))
			wantAnswer(t, rec, ran, tt.status, tt.code)
		})
	}
}

// TestBugsOfWhatIsNoToken: what can't be read at all is a bad token like any other.
func TestBugsOfWhatIsNoToken(t *testing.T) {
	t.Parallel()
	issuer := verifiertest.NewIssuer(t)
	good := issuer.Token("")
	for name, token := range map[string]string{
		"BUG-053 Google's opaque token": "ya29.opaque_example_value", "BUG-055 five parts": "a.b.c.d.e", "BUG-135 an unsigned token": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.",
		"BUG-156 a signature of one byte": good[:strings.LastIndexByte(good, '.')] + ".AA", "BUG-160 dots alone": "..", "BUG-187 an encrypted token without its key": "h..iv.ct.tag",
		"BUG-167 a payload that is no UTF-8": "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiL__iJ9.AAAA", "BUG-168 a payload nested 2000 deep": "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9." + base64.RawURLEncoding.EncodeToString([]byte(strings.Repeat("[", 2000))) + ".AAAA",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var reason error
			g := newGuard(t, issuer.Verifier(), middleware.Config{OnDecision: func(_ *http.Request, _ *verifier.Claims, d *middleware.Denial) { reason = d.Err }})
			rec, ran := guarded(g.Require, "Bearer "+token)
			wantAnswer(t, rec, ran, 401, "invalid_token")
			if strings.Contains(name, "BUG-053") && !strings.Contains(fmt.Sprint(reason), "opaque") {
				t.Errorf("the operator is told %v", reason)
			}
			if strings.Contains(rec.Body.String()+rec.Header().Get("WWW-Authenticate"), "opaque") {
				t.Error("and the client too")
			}
		})
	}
	t.Run("BUG-160 no token at all behind the scheme", func(t *testing.T) {
		t.Parallel()
		rec, ran := guarded(newGuard(t, issuer.Verifier(), middleware.Config{}).Require, "Bearer ")
		wantAnswer(t, rec, ran, 400, "invalid_request")
	})
}

func TestBugsOfLongTokens(t *testing.T) {
	t.Parallel()
	v := knowing(t)
	var ran atomic.Bool
	server := httptest.NewUnstartedServer(newGuard(t, v, middleware.Config{}).Require(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { ran.Store(true) })))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	for protocol, client := range map[string]*http.Client{"HTTP/2.0": server.Client(), "HTTP/1.1": {Transport: func() http.RoundTripper {
		one := server.Client().Transport.(*http.Transport).Clone()
		one.ForceAttemptHTTP2, one.TLSClientConfig.NextProtos = false, []string{"http/1.1"}
		return one
	}()}} {
		t.Run("BUG-190 a token of 900 KiB over "+protocol, func(t *testing.T) {
			req, _ := http.NewRequest("GET", server.URL, nil)
			req.Header.Set("Authorization", "Bearer "+strings.Repeat("a", 900<<10))
			res, err := client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			body, _ := io.ReadAll(res.Body)
			if res.Proto != protocol || res.StatusCode != 401 || !strings.Contains(res.Header.Get("WWW-Authenticate"), "invalid_token") || len(body) > 200 || v.asked > 0 || ran.Load() {
				t.Errorf("%s, status %d, %d bytes, the verifier was asked %d times, the handler ran: %t", res.Proto, res.StatusCode, len(body), v.asked, ran.Load())
			}
		})
	}
}

// TestBugsOfOutages: what can't be told is neither let through nor called a bad token.
func TestBugsOfOutages(t *testing.T) {
	t.Parallel()
	// outage is an issuer, a guard for it, and the seconds that have passed since.
	outage := func(t *testing.T) (*verifiertest.Issuer, *middleware.Guard, *atomic.Int64) {
		issuer, seconds, start := verifiertest.NewIssuer(t), new(atomic.Int64), time.Now()
		cfg := issuer.Config()
		cfg.Now = func() time.Time { return start.Add(time.Duration(seconds.Load()) * time.Second) }
		v, err := verifier.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		return issuer, newGuard(t, v, middleware.Config{}), seconds
	}
	unavailable := func(t *testing.T, g *middleware.Guard, authorization string) {
		t.Helper()
		rec, ran := guarded(g.Require, authorization)
		if wantAnswer(t, rec, ran, 503, ""); rec.Header().Get("Retry-After") == "" || rec.Header()["Www-Authenticate"] != nil {
			t.Errorf("headers %q", rec.Header())
		}
	}
	t.Run("BUG-113 a guard whose keys could not be had opens nothing, and heals", func(t *testing.T) {
		t.Parallel()
		issuer, g, seconds := outage(t)
		issuer.Down(500)
		for range 3 {
			rec, ran := guarded(g.Require)
			wantAnswer(t, rec, ran, 401, "")
			rec, ran = guarded(g.Require, "Bearer "+issuer.Token("")[1:])
			wantAnswer(t, rec, ran, 401, "invalid_token")
			unavailable(t, g, "Bearer "+issuer.Token(""))
			seconds.Add(1)
		}
		issuer.Up()
		seconds.Add(60)
		rec, ran := guarded(g.Require, "Bearer "+issuer.Token(""))
		wantAnswer(t, rec, ran, 200, "")
	})
	t.Run("BUG-119 an unknown key is a bad token while its issuer answers, and unavailable while it does not", func(t *testing.T) {
		t.Parallel()
		issuer, g, _ := outage(t)
		claims := map[string]any{"iss": issuer.URL(), "aud": issuer.Config().Audience[0], "sub": "c", "client_id": "c", "jti": "1", "iat": time.Now().Unix(), "exp": time.Now().Unix() + 300}
		unknown := func(n int) string {
			return "Bearer " + issuer.Sign(map[string]any{"kid": fmt.Sprint("made up ", n)}, claims)
		}
		for n := range 10 { // the budget of refetches is spent on the way
			rec, ran := guarded(g.Require, unknown(n))
			wantAnswer(t, rec, ran, 401, "invalid_token")
		}
		issuer, g, _ = outage(t)
		claims["iss"] = issuer.URL()
		rec, ran := guarded(g.Require, "Bearer "+issuer.Token(""))
		wantAnswer(t, rec, ran, 200, "")
		issuer.Down(503)
		for n := range 10 {
			unavailable(t, g, unknown(n))
		}
		rec, ran = guarded(g.Require, "Bearer "+issuer.Token(""))
		wantAnswer(t, rec, ran, 200, "")
	})
}

// TestBugsOfSecrets: a secret that an issuer has published by mistake is shown to nobody.
func TestBugsOfSecrets(t *testing.T) {
	t.Parallel()
	b64 := base64.RawURLEncoding.EncodeToString
	const secret = "a-secret-of-an-issuer-that-nobody-sees"
	v, err := verifier.New(verifier.Config{Issuer: "https://as.example.com", Audience: []string{"api"},
		JWKS: fmt.Appendf(nil, `{"keys":[{"kty":"oct","kid":"h","k":%q},{"kty":"OKP","crv":"Ed25519","kid":"e","x":%q}]}`, b64([]byte(secret)), b64(ed25519.NewKeyFromSeed(make([]byte, 32)).Public().(ed25519.PublicKey)))})
	if err != nil {
		t.Fatal(err)
	}
	g := newGuard(t, v, middleware.Config{})
	for _, tt := range []struct {
		alg, kid string
		want     error
	}{{"RS256", "h", verifier.ErrKeyNotFound}, {"HS256", "h", verifier.ErrAlgorithm}, {"HS256", "e", verifier.ErrAlgorithm}, {"RS256", "e", verifier.ErrKeyNotFound}} {
		t.Run("BUG-148 "+tt.alg+" under the kid "+tt.kid, func(t *testing.T) {
			t.Parallel()
			token := b64(fmt.Appendf(nil, `{"alg":%q,"typ":"at+jwt","kid":%q}`, tt.alg, tt.kid)) + "." +
				b64(fmt.Appendf(nil, `{"iss":"https://as.example.com","aud":"api","sub":"c","client_id":"c","jti":"1","iat":1,"exp":%d}`, time.Now().Unix()+300)) + ".AAAA"
			_, denial := g.Check(request("Bearer " + token))
			if denial == nil || !errors.Is(denial.Err, tt.want) {
				t.Fatalf("%+v", denial)
			}
			rec, ran := guarded(g.Require, "Bearer "+token)
			wantAnswer(t, rec, ran, 401, "invalid_token")
			shown := fmt.Sprintf("%v %+v %q %s %+v %v", denial.Err, denial, rec.Header(), rec.Body, v.Health(), v.Explain(t.Context(), token))
			if strings.Contains(shown, secret) || strings.Contains(shown, b64([]byte(secret))) {
				t.Errorf("the secret is shown: %s", shown)
			}
		})
	}
}
