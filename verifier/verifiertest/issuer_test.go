package verifiertest_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard/verifier"
	"github.com/bearerguard/bearerguard/verifier/verifiertest"
)

const api = "https://api.example.com"

type claims = map[string]any

// profileNames are all that ProfileNamed knows, by its own words.
func profileNames(t *testing.T) []string {
	t.Helper()
	_, err := verifier.ProfileNamed("?")
	_, list, ok := strings.Cut(fmt.Sprint(err), "there are ")
	if names := strings.Split(list, ", "); ok && len(names) >= 17 {
		return names
	}
	t.Fatalf("no list of profiles in %v", err)
	return nil
}

func profileNamed(t *testing.T, name string) verifier.Profile {
	t.Helper()
	p, err := verifier.ProfileNamed(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// ownMatch is what New demands with the profiles under which anybody can have a token.
var ownMatch = map[string]map[string][]string{
	"kubernetes": {"/kubernetes.io/namespace": {"default"}, "/kubernetes.io/serviceaccount/name": {"test-client"}},
	"github":     {"repository_id": {"1234"}},
	"google":     {"email": {"test-client@example.com"}},
}

func newVerifier(t *testing.T, cfg verifier.Config) *verifier.Verifier {
	t.Helper()
	v, err := verifier.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func accept(t *testing.T, v *verifier.Verifier, token string) *verifier.Claims {
	t.Helper()
	c, err := v.Verify(t.Context(), token)
	if err != nil {
		t.Fatalf("refused: %v", err)
	}
	return c
}

func refuse(t *testing.T, v *verifier.Verifier, token string, want error) {
	t.Helper()
	if c, err := v.Verify(t.Context(), token); !errors.Is(err, want) || c != nil {
		t.Errorf("got %v, %v; want the error %v", c, err, want)
	}
}

// payload reads a token's claims without verifying anything.
func payload(t *testing.T, token string) claims { return segment(t, token, 1) }

func segment(t *testing.T, token string, n int) (object claims) {
	t.Helper()
	text, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[n])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &object); err != nil {
		t.Fatal(err)
	}
	return object
}

func TestTokensOfEveryProfileAreGood(t *testing.T) {
	t.Parallel()
	for _, name := range profileNames(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := profileNamed(t, name)
			i := verifiertest.NewIssuer(t, verifiertest.Like(p))
			cfg := i.Config()
			cfg.Match = ownMatch[name]
			v := newVerifier(t, cfg)
			c := accept(t, v, i.Token("orders:read orders:write"))

			wanted := []string{"orders:read", "orders:write"}
			switch {
			case len(p.ScopeClaims) == 0:
				wanted = nil
			case p.AudienceFromScope:
				wanted = []string{api + "/orders:read", api + "/orders:write"}
			}
			if got := slices.Collect(c.Scopes().All()); !slices.Equal(got, wanted) {
				t.Errorf("scopes %q, want %q", got, wanted)
			}
			if got := c.Audience(); !slices.Contains(got, api) {
				t.Errorf("audience %q", got)
			}
			if c.Issuer() != i.URL() || c.Subject() != "test-client" {
				t.Errorf("issuer %q, subject %q", c.Issuer(), c.Subject())
			}
			if len(p.ClientIDClaims) > 0 && (c.ClientID() != "test-client" || !c.ActsForItself()) {
				t.Errorf("client %q, for itself: %v", c.ClientID(), c.ActsForItself())
			}
			if len(p.IDClaims) > 0 && c.ID() == "" {
				t.Error("the token has no id")
			}
			if c := accept(t, v, i.Token("")); c.Scopes().Len() != 0 {
				t.Errorf("no scope was asked, granted %v", c.Scopes())
			}
		})
	}
}

// What a profile asks for is what its tokens have: without any one of it they are refused.
func TestTokensOfEveryProfileLackNothingInVain(t *testing.T) {
	t.Parallel()
	for _, name := range profileNames(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := profileNamed(t, name)
			i := verifiertest.NewIssuer(t, verifiertest.Like(p))
			cfg := i.Config()
			cfg.Match = ownMatch[name]
			v := newVerifier(t, cfg)
			for _, claim := range p.Require {
				refuse(t, v, i.Token("a", claims{claim: nil}), verifier.ErrMissingClaim)
			}
			for claim := range p.Match {
				refuse(t, v, i.Token("a", claims{claim: nil}), verifier.ErrType)
				refuse(t, v, i.Token("a", claims{claim: "another"}), verifier.ErrType)
			}
			for _, claim := range p.Forbid {
				refuse(t, v, i.Token("a", claims{claim: "there"}), verifier.ErrType)
			}
			refuse(t, v, i.Sign(claims{"typ": "logout+jwt"}, payload(t, i.Token("a"))), verifier.ErrType)
			refuse(t, v, i.Token("a", claims{"aud": "https://other.example.com"}), verifier.ErrAudience)
			if len(p.ClientIDClaims) > 0 {
				refuse(t, v, i.Token("a", claims{p.ClientIDClaims[0]: nil}), verifier.ErrMissingClaim)
			}
		})
	}
}

func TestOneProfilesTokensAreNotAnothers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		minted, expected string
		want             error
	}{
		{"keycloak", "rfc9068", verifier.ErrType},
		{"rfc9068", "keycloak", verifier.ErrType},
		{"okta", "hydra", verifier.ErrType},
		{"hydra", "entra", verifier.ErrMissingClaim},
		{"auth0", "cognito", verifier.ErrType},
		{"duende", "kubernetes", verifier.ErrType},
	} {
		i := verifiertest.NewIssuer(t, verifiertest.Like(profileNamed(t, c.minted)))
		cfg := i.Config()
		cfg.Profile, cfg.Match = profileNamed(t, c.expected), ownMatch[c.expected]
		refuse(t, newVerifier(t, cfg), i.Token(""), c.want)
	}
}

// The claims of one's own profiles, wherever they are.
func TestOwnProfiles(t *testing.T) {
	t.Parallel()
	base := func(change func(*verifier.Profile)) verifier.Profile {
		p := verifier.Generic()
		change(&p)
		return p
	}
	for _, c := range []struct {
		name    string
		profile verifier.Profile
		scope   string
		granted int
	}{
		{"scopes are roles of a client", base(func(p *verifier.Profile) { p.ScopeClaims = []string{"/resource_access/my~1api/roles"} }), "a b", 2},
		{"scopes are names of members", base(func(p *verifier.Profile) { p.ScopeClaims = []string{"/roles/*"} }), "a b", 2},
		{"an audience deep inside", base(func(p *verifier.Profile) { p.AudienceClaims = []string{"/for/api"} }), "a", 1},
		{"an audience among names of members", base(func(p *verifier.Profile) { p.AudienceClaims = []string{"/for/*"} }), "a", 1},
		{"a client id deep inside", base(func(p *verifier.Profile) { p.ClientIDClaims = []string{"/client/id"} }), "a", 1},
		{"a claim required deep inside", base(func(p *verifier.Profile) { p.Require = []string{"/a/b/c", "/a/b/d", "/e/*"} }), "a", 1},
		{"a claim that need only be there", base(func(p *verifier.Profile) { p.Match = map[string][]string{"x": {}, "sub": {}, "/y/z": nil} }), "a", 1},
		{"a claim that must hold a value, deep inside", base(func(p *verifier.Profile) { p.Match = map[string][]string{"/y/z": {"1", "2"}} }), "a", 1},
		{"a required scope claim, without a scope", base(func(p *verifier.Profile) { p.Require = []string{"scope"} }), "", 0},
		{"a required array of scopes, without a scope", base(func(p *verifier.Profile) { p.Require, p.ScopeClaims = []string{"scp"}, []string{"scp"} }), "", 0},
		{"nowhere for an id and a client", base(func(p *verifier.Profile) { p.IDClaims, p.ClientIDClaims = nil, nil }), "a", 1},
		{"iat forbidden", base(func(p *verifier.Profile) { p.Require, p.Forbid = nil, []string{"iat"} }), "a", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			i := verifiertest.NewIssuer(t, verifiertest.Like(c.profile))
			got := accept(t, i.Verifier(), i.Token(c.scope))
			if got.Scopes().Len() != c.granted {
				t.Errorf("scopes %v, want %d of them", got.Scopes(), c.granted)
			}
		})
	}
}

func TestNobodyElsesProfileIsChanged(t *testing.T) {
	t.Parallel()
	p := verifier.Keycloak()
	i := verifiertest.NewIssuer(t, verifiertest.Like(p))
	p.Match["typ"][0], p.Types[0] = "X", "X"
	cfg := i.Config()
	cfg.Profile.Match["typ"][0], cfg.Profile.Types[0], cfg.Audience[0] = "Y", "Y", "Y"
	accept(t, i.Verifier(), i.Token("a"))
}

func TestSlashedScopesNameTheirOwnAudience(t *testing.T) {
	t.Parallel()
	i := verifiertest.NewIssuer(t, verifiertest.Like(verifier.Cognito()))
	v := i.Verifier()
	refuse(t, v, i.Token("https://other.example.com/read"), verifier.ErrAudience)
	c := accept(t, v, i.Token("https://other.example.com/read write"))
	if want := "https://other.example.com/read " + api + "/write"; c.Scopes().String() != want {
		t.Errorf("scopes %q, want %q", c.Scopes(), want)
	}
	if got := payload(t, i.Token("write")); got["aud"] != nil {
		t.Errorf("aud is %v beside scopes that name it", got["aud"])
	}
}

func TestTokensAreRefused(t *testing.T) {
	t.Parallel()
	i := verifiertest.NewIssuer(t)
	v := i.Verifier()
	now := time.Now()
	for _, c := range []struct {
		name   string
		header claims
		claims claims
		want   error
	}{
		{"another issuer", nil, claims{"iss": "https://issuer.example.com"}, verifier.ErrIssuer},
		{"no issuer", nil, claims{"iss": nil}, verifier.ErrIssuer},
		{"another audience", nil, claims{"aud": "https://other.example.com"}, verifier.ErrAudience},
		{"no audience", nil, claims{"aud": nil}, verifier.ErrAudience},
		{"expired, as a time", nil, claims{"exp": now.Add(-time.Hour)}, verifier.ErrExpired},
		{"expired, as a number", nil, claims{"exp": now.Add(-time.Hour).Unix()}, verifier.ErrExpired},
		{"no expiry", nil, claims{"exp": nil}, verifier.ErrMissingClaim},
		{"not yet valid", nil, claims{"nbf": now.Add(time.Hour)}, verifier.ErrNotYetValid},
		{"issued tomorrow", nil, claims{"iat": now.Add(24 * time.Hour)}, verifier.ErrNotYetValid},
		{"no issue date", nil, claims{"iat": nil}, verifier.ErrMissingClaim},
		{"no subject", nil, claims{"sub": nil}, verifier.ErrMissingClaim},
		{"no client", nil, claims{"client_id": nil}, verifier.ErrMissingClaim},
		{"no id", nil, claims{"jti": nil}, verifier.ErrMissingClaim},
		{"a date that is a string", nil, claims{"exp": "tomorrow"}, verifier.ErrMalformed},
		{"a scope that is a number", nil, claims{"scope": 1}, verifier.ErrMalformed},
		{"another type", claims{"typ": "JWT"}, nil, verifier.ErrType},
		{"no type", claims{"typ": nil}, nil, verifier.ErrType},
		{"algorithm none", claims{"alg": "none"}, nil, verifier.ErrAlgorithm},
		{"an HMAC", claims{"alg": "HS256"}, nil, verifier.ErrAlgorithm},
		{"no algorithm", claims{"alg": nil}, nil, verifier.ErrAlgorithm},
		{"another algorithm than the key's", claims{"alg": "RS256"}, nil, verifier.ErrKeyNotFound},
		{"a key that nobody has", claims{"kid": "nobody's"}, nil, verifier.ErrKeyNotFound},
		{"a critical extension", claims{"crit": []string{"exp"}}, nil, verifier.ErrMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			all := payload(t, i.Token("a"))
			for name, value := range payload(t, i.Token("a", c.claims)) {
				all[name] = value
			}
			for name, value := range c.claims {
				if value == nil {
					delete(all, name)
				}
			}
			refuse(t, v, i.Sign(c.header, all), c.want)
		})
	}
	accept(t, v, i.Sign(claims{"kid": nil}, payload(t, i.Token("a"))))
}

func TestOverrides(t *testing.T) {
	t.Parallel()
	i := verifiertest.NewIssuer(t)
	v := i.Verifier()
	c := accept(t, v, i.Token("a", claims{"tenant": "acme", "scope": "b"}, claims{"scope": "c d", "jti": "7"}))
	var tenant string
	if err := c.Get("tenant", &tenant); err != nil || tenant != "acme" || c.Scopes().String() != "c d" || c.ID() != "7" {
		t.Errorf("tenant %q (%v), scopes %v, id %q", tenant, err, c.Scopes(), c.ID())
	}
	for _, test := range []struct {
		name            string
		claims          claims
		client, subject string
		itself          bool
	}{
		{"the client of its own", nil, "test-client", "test-client", true},
		{"another client", claims{"client_id": "billing"}, "billing", "billing", true},
		{"a user", claims{"sub": "alice"}, "test-client", "alice", false},
		{"another client for a user", claims{"client_id": "billing", "sub": "alice"}, "billing", "alice", false},
	} {
		c := accept(t, v, i.Token("a", test.claims))
		if c.ClientID() != test.client || c.Subject() != test.subject || c.ActsForItself() != test.itself {
			t.Errorf("%s: client %q, subject %q, for itself: %v", test.name, c.ClientID(), c.Subject(), c.ActsForItself())
		}
	}
	if got, there := payload(t, i.Token(""))["scope"]; there {
		t.Errorf("no scope was asked, scope is %q", got)
	}
	if one, two := payload(t, i.Token("a"))["jti"], payload(t, i.Token("a"))["jti"]; one == two {
		t.Error("two tokens have one id")
	}
}

func TestSignWritesExactlyWhatItIsGiven(t *testing.T) {
	t.Parallel()
	i := verifiertest.NewIssuer(t)
	for _, c := range []struct{ claims, want string }{
		{`{}`, `{}`},
		{`null`, `{}`},
		{`{"a":null,"aud":[],"exp":1.5}`, `{"a":null,"aud":[],"exp":1.5}`},
	} {
		var in claims
		if err := json.Unmarshal([]byte(c.claims), &in); err != nil {
			t.Fatal(err)
		}
		out, err := base64.RawURLEncoding.DecodeString(strings.Split(i.Sign(nil, in), ".")[1])
		if string(out) != c.want {
			t.Errorf("%s became %s (%v)", c.claims, out, err)
		}
	}
	if h := segment(t, i.Sign(nil, nil), 0); len(h) != 3 || h["alg"] != "ES256" || h["typ"] != "at+jwt" || h["kid"] != i.KeyIDs()[0] {
		t.Errorf("header %v", h)
	}
}

func TestAlgorithms(t *testing.T) {
	t.Parallel()
	for _, alg := range []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"} {
		t.Run(alg, func(t *testing.T) {
			t.Parallel()
			i := verifiertest.NewIssuer(t, verifiertest.Algorithm(alg))
			token := i.Token("a")
			if got := segment(t, token, 0)["alg"]; got != alg {
				t.Errorf("alg is %v", got)
			}
			accept(t, i.Verifier(), token)
			cfg := i.Config()
			cfg.Algorithms = []string{"ES256"}
			if alg == "ES256" {
				cfg.Algorithms = []string{"ES384"}
			}
			refuse(t, newVerifier(t, cfg), token, verifier.ErrAlgorithm)
		})
	}
}

func TestAudiences(t *testing.T) {
	t.Parallel()
	i := verifiertest.NewIssuer(t, verifiertest.Audience("orders", "stock"))
	if got := accept(t, i.Verifier(), i.Token("a")).Audience(); !slices.Equal(got, []string{"orders"}) {
		t.Errorf("audience %q", got)
	}
	cfg := i.Config()
	cfg.Audience = []string{"stock"}
	refuse(t, newVerifier(t, cfg), i.Token("a"), verifier.ErrAudience)
}

func TestClock(t *testing.T) {
	t.Parallel()
	now := time.Date(2031, 5, 6, 7, 8, 9, 0, time.UTC)
	i := verifiertest.NewIssuer(t, verifiertest.Clock(func() time.Time { return now }))
	v := i.Verifier()
	token := i.Token("a")
	c := accept(t, v, token)
	if !c.IssuedAt().Equal(now) || !c.Expiry().Equal(now.Add(5*time.Minute)) {
		t.Errorf("issued %v, expires %v", c.IssuedAt(), c.Expiry())
	}
	now = now.Add(5*time.Minute + 31*time.Second)
	refuse(t, v, token, verifier.ErrExpired)
	accept(t, v, i.Token("a"))
	j := verifiertest.NewIssuer(t, verifiertest.Clock(nil))
	accept(t, j.Verifier(), j.Token("a"))
}

func TestRotate(t *testing.T) {
	t.Parallel()
	i := verifiertest.NewIssuer(t)
	v := i.Verifier()
	before := i.Token("a")
	accept(t, v, before)
	old := i.KeyIDs()[0]

	i.Rotate()
	ids := i.KeyIDs()
	if len(ids) != 2 || ids[1] != old || ids[0] == old {
		t.Fatalf("keys %q, the old one is %q", ids, old)
	}
	after := i.Token("a")
	if h := segment(t, after, 0); h["kid"] != ids[0] || h["alg"] != "ES256" {
		t.Errorf("header %v", h)
	}
	accept(t, v, after)
	accept(t, v, before)

	i.Rotate("ES384", "EdDSA")
	if got := i.KeyIDs(); len(got) != 4 || got[2] != ids[0] {
		t.Errorf("keys %q", got)
	}
	if h := segment(t, i.Token("a"), 0); h["alg"] != "EdDSA" {
		t.Errorf("header %v", h)
	}
	accept(t, v, i.Token("a"))
	i.Rotate()
	if h := segment(t, i.Token("a"), 0); h["alg"] != "EdDSA" {
		t.Errorf("header %v", h)
	}
	refuse(t, v, i.Sign(claims{"kid": old, "alg": "ES256"}, payload(t, before)), verifier.ErrSignature)
}

func TestWithdraw(t *testing.T) {
	t.Parallel()
	i := verifiertest.NewIssuer(t)
	before := i.Token("a")
	old := i.KeyIDs()[0]
	i.Rotate()
	accept(t, i.Verifier(), before)
	i.Withdraw(old)
	if slices.Contains(i.KeyIDs(), old) {
		t.Error("the key is still listed")
	}
	v := i.Verifier()
	accept(t, v, i.Token("a"))
	refuse(t, v, before, verifier.ErrKeyNotFound)

	i.Rotate()
	i.Withdraw(i.KeyIDs()[0])
	refuse(t, v, i.Token("a"), verifier.ErrKeyNotFound)
	for _, kid := range i.KeyIDs() {
		i.Withdraw(kid)
	}
	refuse(t, i.Verifier(), i.Token("a"), verifier.ErrUnavailable)
}

func TestIssuersShareNothing(t *testing.T) {
	t.Parallel()
	i, j := verifiertest.NewIssuer(t), verifiertest.NewIssuer(t)
	refuse(t, i.Verifier(), j.Token("a"), verifier.ErrIssuer)
	refuse(t, i.Verifier(), j.Token("a", claims{"iss": i.URL()}), verifier.ErrKeyNotFound)
	refuse(t, i.Verifier(), j.Sign(claims{"kid": i.KeyIDs()[0]}, payload(t, i.Token("a"))), verifier.ErrSignature)
}

func TestStart(t *testing.T) {
	t.Parallel()
	half := verifier.RFC9068()
	half.AudienceClaims = nil
	for _, c := range []struct {
		name   string
		option verifiertest.Option
		want   string
	}{
		{"an unknown algorithm", verifiertest.Algorithm("RS1"), `"RS1"`},
		{"an HMAC", verifiertest.Algorithm("HS256"), `"HS256"`},
		{"no algorithm", verifiertest.Algorithm("none"), `"none"`},
		{"an encryption that no verifier takes", verifiertest.Encrypted("RSA1_5"), `"RSA1_5"`},
		{"no audience", verifiertest.Audience(), "Audience"},
		{"an empty audience", verifiertest.Audience("a", ""), "Audience"},
		{"a half-filled profile", verifiertest.Like(half), "AudienceClaims"},
	} {
		if i, err := verifiertest.Start(c.option); err == nil || i != nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, %v; want an error with %s", c.name, i, err, c.want)
		}
		tb := &recorder{TB: t}
		tb.run(func() { verifiertest.NewIssuer(tb, c.option) })
		if !strings.Contains(tb.failure, c.want) {
			t.Errorf("%s: the test failed with %q, want %s", c.name, tb.failure, c.want)
		}
	}
	i, err := verifiertest.Start(verifiertest.Like(verifier.Profile{}))
	if err != nil {
		t.Fatal(err)
	}
	accept(t, i.Verifier(), i.Token("a"))
	i.Close()
	i.Close()
	refuse(t, i.Verifier(), i.Token("a"), verifier.ErrUnavailable)
}

// recorder is a test that may fail.
type recorder struct {
	testing.TB
	failure  string
	cleanups []func()
}

func (r *recorder) Helper()          {}
func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Fatal(args ...any) {
	r.failure = fmt.Sprint(args...)
	runtime.Goexit()
}
func (r *recorder) Fatalf(format string, args ...any) { r.Fatal(fmt.Sprintf(format, args...)) }

func (r *recorder) run(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

func TestMisuseFailsTheTest(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		do   func(*verifiertest.Issuer)
		want string
	}{
		{"encryption without the option", func(i *verifiertest.Issuer) { i.Encrypt("a.b.c") }, "Encrypted"},
		{"a claim that JSON can't hold", func(i *verifiertest.Issuer) { i.Token("a", claims{"f": func() {}}) }, "Sign"},
		{"a header that JSON can't hold", func(i *verifiertest.Issuer) { i.Sign(claims{"f": func() {}}, nil) }, "Sign"},
		{"an algorithm that isn't", func(i *verifiertest.Issuer) { i.Rotate("HS256") }, "HS256"},
		{"a key that isn't", func(i *verifiertest.Issuer) { i.Withdraw("typo") }, "typo"},
		{"a key withdrawn twice", func(i *verifiertest.Issuer) { kid := i.KeyIDs()[0]; i.Withdraw(kid); i.Withdraw(kid) }, "Withdraw"},
		{"a status that isn't", func(i *verifiertest.Issuer) { i.Down(7) }, "7"},
		{"a status that is no answer", func(i *verifiertest.Issuer) { i.Down(http.StatusContinue) }, "100"},
		{"a client without a secret", func(i *verifiertest.Issuer) { i.RegisterClient("c", "") }, "RegisterClient"},
		{"a client without an id", func(i *verifiertest.Issuer) { i.RegisterClient("", "s") }, "RegisterClient"},
		{"a scope that isn't", func(i *verifiertest.Issuer) { i.RegisterClient("c", "s", `"`) }, "RegisterClient"},
	} {
		tb := &recorder{TB: t}
		tb.run(func() { c.do(verifiertest.NewIssuer(tb)) })
		if !strings.Contains(tb.failure, c.want) {
			t.Errorf("%s: the test failed with %q, want %s", c.name, tb.failure, c.want)
		}
		for _, f := range tb.cleanups {
			f()
		}
		i, err := verifiertest.Start()
		if err != nil {
			t.Fatal(err)
		}
		func() {
			defer i.Close()
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, c.want) {
					t.Errorf("%s: without a test it panicked with %q, want %s", c.name, got, c.want)
				}
			}()
			c.do(i)
		}()
	}
	tb := &recorder{TB: t}
	tb.run(func() { verifiertest.NewIssuer(tb, verifiertest.Like(verifier.GitHub())).Verifier() })
	if !strings.Contains(tb.failure, "Match is empty") {
		t.Errorf("the test failed with %q", tb.failure)
	}
	tb.cleanups[0]()
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	i := verifiertest.NewIssuer(t)
	v := i.Verifier()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			accept(t, v, i.Token("a"))
			i.RegisterClient("c", "s", "a")
			i.Slow(time.Microsecond)
			i.Up()
			i.Requests()
			i.Withdraw(i.KeyIDs()[len(i.KeyIDs())-1])
		})
		i.Rotate()
	}
	all.Wait()
}

func TestClaims(t *testing.T) {
	t.Parallel()
	c := verifiertest.Claims(t, nil)
	if c.Issuer() == "" || c.Subject() != "test-client" || c.ClientID() != "test-client" || c.ID() == "" || !slices.Equal(c.Audience(), []string{api}) ||
		time.Until(c.Expiry()) < 4*time.Minute || time.Since(c.IssuedAt()) < 0 || c.Scopes().Len() != 0 || !c.ActsForItself() {
		t.Errorf("defaults: %v %v", c, c.Scopes())
	}
	then := time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)
	c = verifiertest.Claims(t, claims{"scope": "a b", "client_id": "billing", "exp": then, "aud": []string{"x", "y"}, "jti": nil})
	if c.Scopes().String() != "a b" || c.ClientID() != "billing" || c.Subject() != "billing" || !c.Expiry().Equal(then) || len(c.Audience()) != 2 || c.ID() != "" {
		t.Errorf("given: %v %v %v", c, c.Scopes(), c.Expiry())
	}
	if c := verifiertest.Claims(t, claims{"sub": "alice"}); c.ActsForItself() || c.ClientID() != "test-client" {
		t.Errorf("a user's: %v", c)
	}
	got, ok := verifier.FromContext(verifier.NewContext(t.Context(), c))
	if !ok || got != c {
		t.Error("the context doesn't carry them")
	}
	for _, bad := range []claims{{"exp": "tomorrow"}, {"f": func() {}}, {"sub": 1}} {
		tb := &recorder{TB: t}
		tb.run(func() { verifiertest.Claims(tb, bad) })
		if !strings.Contains(tb.failure, "Claims") {
			t.Errorf("%v: the test failed with %q", bad, tb.failure)
		}
	}
}
