package verifier_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard/internal/ctxkey"
	"github.com/bearerguard/bearerguard/verifier"
)

func newClaims(t *testing.T, payload string, p verifier.Profile) *verifier.Claims {
	t.Helper()
	c, err := verifier.NewClaims([]byte(payload), p)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestClaimsOfAVerifiedToken(t *testing.T) {
	t.Parallel()
	c := accepted(t, newVerifier(t), mint(nil, obj{"sub": "s\u00fc\n\"", "aud": []string{"b", audience}, "nbf": in(-20), "exp": float64(in(60)) + 0.25}))
	got := []any{c.Issuer(), c.Subject(), c.ClientID(), c.ID(), c.Audience(), c.Scopes().String(), c.Confirmation(), c.ActsForItself()}
	want := []any{issuer, "s\u00fc\n\"", "cart", "j1", []string{"b", audience}, "orders:read orders:write", verifier.Confirmation{}, false}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if !c.Expiry().Equal(today.Add(60250*time.Millisecond)) || !c.IssuedAt().Equal(today.Add(-10*time.Second)) || !c.NotBefore().Equal(today.Add(-20*time.Second)) {
		t.Errorf("exp %v, iat %v, nbf %v", c.Expiry(), c.IssuedAt(), c.NotBefore())
	}
	c.Audience()[0] = "changed"
	if c.Audience()[0] != "b" {
		t.Error("Audience gave its own slice away")
	}
	if a := accepted(t, newVerifier(t), mint(nil, obj{"nbf": gone})); !a.NotBefore().IsZero() {
		t.Errorf("nbf %v where there is none", a.NotBefore())
	}
}

func TestAudienceFromScope(t *testing.T) {
	t.Parallel()
	for payload, want := range map[string][]string{
		`{"scope":"openid https://api.example.com/orders/read b/c /d"}`: {"https://api.example.com/orders", "b"},
		`{"scope":"b/c","aud":"a"}`:                                     {"a"}, `{"scope":"b/c","aud":[]}`: {}, `{"scope":"openid"}`: nil, `{}`: nil,
	} {
		if got := newClaims(t, payload, verifier.Cognito()).Audience(); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", payload, got, want)
		}
	}
	if got := newClaims(t, `{"scope":"b/c"}`, verifier.Generic()).Audience(); got != nil {
		t.Errorf("%q where nobody asked for it", got)
	}
}

func TestZeroClaims(t *testing.T) {
	t.Parallel()
	var c verifier.Claims
	if c.Issuer()+c.Subject()+c.ClientID()+c.ID()+c.Scopes().String() != "" || c.Audience() != nil || !c.Expiry().IsZero() || c.ActsForItself() {
		t.Error("the zero Claims say something about someone")
	}
	if err := c.Get("iss", new(string)); !errors.Is(err, verifier.ErrNoClaim) {
		t.Errorf("Get: %v", err)
	}
	if err := c.Decode(&obj{}); err == nil {
		t.Error("Decode: no error")
	}
}

func TestScopesOfATokenByTheFirstClaimThatIsThere(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, payload, claims, want string }{
		{"6749-3.3-1 a string is split at spaces", `{"scope":"a b"}`, "scope", "a b"},
		{"runs of spaces, and spaces at the ends", `{"scope":"  a   b "}`, "scope", "a b"},
		{"a tab does not separate", `{"scope":"a\tb c"}`, "scope", "c"},
		{"an empty string", `{"scope":""}`, "scope", ""},
		{"spaces alone", `{"scope":"   "}`, "scope", ""},
		{"an array", `{"scope":["a","b"]}`, "scope", "a b"},
		{"an empty array", `{"scope":[]}`, "scope", ""},
		{"elements of an array are never split", `{"scope":["a b","c"]}`, "scope", "c"},
		{"9068-2.2.3-1 a string's element that is no scope-token is passed over", `{"scope":"a \"x\" b\\ \u00e9 c"}`, "scope", "a c"},
		{"an array's element that is no scope-token is passed over", `{"scope":["a","","\u00e9","b\n","c"]}`, "scope", "a c"},
		{"6749-3.3-1 the same one twice", `{"scope":"a a"}`, "scope", "a"},
		{"case counts", `{"scope":"A a"}`, "scope", "A a"},
		{"absent", `{}`, "scope", ""},
		{"null is absent", `{"scope":null,"scp":"b"}`, "scope scp", "b"},
		{"the first decides", `{"scp":"b","scope":"a"}`, "scope scp", "a"},
		{"the first decides, even when it is empty", `{"scope":"","scp":"b"}`, "scope scp", ""},
		{"the first decides, even when it is an empty array", `{"scope":[],"scp":"b"}`, "scope scp", ""},
		{"the first decides, even when all of it is passed over", `{"scope":"\u00e9","scp":"b"}`, "scope scp", ""},
		{"never a union", `{"scope":"a","roles":["b"]}`, "roles scope", "b"},
		{"Scope is not scope", `{"Scope":"a","SCOPE":"b"}`, "scope", ""},
		{"a pointer", `{"resource_access":{"orders":{"roles":["a"]}}}`, "/resource_access/orders/roles", "a"},
		{"a pointer to nothing, then a name", `{"scope":"a"}`, "/resource_access/orders/roles scope", "a"},
		{"a pointer through null", `{"x":null,"scope":"a"}`, "/x/y scope", "a"},
		{"the names of an object's members", `{"roles":{"a":{"org":"d"},"b c":{},"d":null}}`, "/roles/*", "a d"},
		{"the names of an empty object's members", `{"roles":{},"scope":"a"}`, "/roles/* scope", ""},
		{"Zitadel's own", `{"urn:zitadel:iam:org:project:roles":{"orders:write":{"org":"d"}}}`, "/urn:zitadel:iam:org:project:roles/*", "orders:write"},
		{"no claim is one for scopes", `{"scope":"a"}`, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := verifier.Generic()
			p.ScopeClaims = strings.Fields(tt.claims)
			if got := newClaims(t, tt.payload, p).Scopes().String(); got != tt.want {
				t.Errorf("scopes %q, want %q", got, tt.want)
			}
		})
	}
}

func TestConfirmation(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, payload string
		want          verifier.Confirmation
	}{
		{"a bearer token", `{}`, verifier.Confirmation{}},
		{"a DPoP key", `{"cnf":{"jkt":"k"}}`, verifier.Confirmation{JKT: "k"}},
		{"a certificate", `{"cnf":{"x5t#S256":"c"}}`, verifier.Confirmation{X5TS256: "c"}},
		{"both", `{"cnf":{"x5t#S256":"c","jkt":"k"}}`, verifier.Confirmation{JKT: "k", X5TS256: "c"}},
		{"an unknown member beside a known one", `{"cnf":{"jkt":"k","kid":1}}`, verifier.Confirmation{JKT: "k"}},
		{"unknown members alone still bind", `{"cnf":{"jwk":{"kty":"EC"}}}`, verifier.Confirmation{Unknown: true}},
		{"nothing at all still binds", `{"cnf":{}}`, verifier.Confirmation{Unknown: true}},
		{"names are exact", `{"cnf":{"JKT":"k"}}`, verifier.Confirmation{Unknown: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := newClaims(t, tt.payload, verifier.RFC9068()).Confirmation(); got != tt.want {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestActsForItself(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, payload string
		profile       verifier.Profile
		want          bool
	}{
		{"9068-5-3 sub is the client", `{"sub":"c","client_id":"c"}`, verifier.RFC9068(), true},
		{"9068-5-3 sub is a user", `{"sub":"u","client_id":"c"}`, verifier.RFC9068(), false},
		{"sub is the client in another case", `{"sub":"C","client_id":"c"}`, verifier.RFC9068(), false},
		{"no sub: Duende, PingOne", `{"client_id":"c"}`, verifier.Duende(), true},
		{"Auth0: sub is the client's with @clients", `{"sub":"c@clients","azp":"c"}`, verifier.Auth0(), true},
		{"Auth0: sub is another client's", `{"sub":"d@clients","azp":"c"}`, verifier.Auth0(), false},
		{"a user who calls himself @clients, without a client id", `{"sub":"@clients"}`, verifier.Auth0(), false},
		{"Auth0: gty", `{"sub":"x","azp":"c","gty":"client-credentials"}`, verifier.Auth0(), true},
		{"Auth0: another gty", `{"sub":"x","azp":"c","gty":"password"}`, verifier.Auth0(), false},
		{"Entra: idtyp", `{"sub":"o","azp":"c","idtyp":"app"}`, verifier.Entra(), true},
		{"Entra: a user's token", `{"sub":"o","azp":"c","idtyp":"user"}`, verifier.Entra(), false},
		{"Keycloak: clientHost", `{"sub":"uuid","azp":"c","clientHost":"10.0.0.1"}`, verifier.Keycloak(), true},
		{"Keycloak: a person who calls himself a service account", `{"sub":"uuid","azp":"c","preferred_username":"service-account-c"}`, verifier.Keycloak(), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := newClaims(t, tt.payload, tt.profile).ActsForItself(); got != tt.want {
				t.Errorf("%t", got)
			}
		})
	}
}

func TestIDClaims(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		payload string
		profile verifier.Profile
		want    string
	}{
		{`{"jti":"j"}`, verifier.RFC9068(), "j"}, {`{"uti":"u","jti":"j"}`, verifier.Entra(), "u"}, {`{"jti":"j"}`, verifier.Entra(), "j"},
		{`{"uid":"u","jti":"j"}`, verifier.Authentik(), "u"}, {`{"jti":"j"}`, verifier.Google(), ""}, {`{}`, verifier.Auth0(), ""},
	} {
		if got := newClaims(t, tt.payload, tt.profile).ID(); got != tt.want {
			t.Errorf("%s: ID %q, want %q", tt.payload, got, tt.want)
		}
	}
}

func TestGet(t *testing.T) {
	t.Parallel()
	c := newClaims(t, `{"s":"x","n":null,"f":false,"i":7,"list":["a","b"],"https://example.com/x":{"y":[1]},"o":{"a/b":{"~":"deep"},"":"empty","n":null},"/p":"slash","*":"star"}`, verifier.Generic())
	for _, tt := range []struct {
		name      string
		dst, want any // want: what dst then points to, or an error to be wrapped
	}{
		{"s", new(string), "x"},
		{"f", new(bool), false},
		{"i", new(int), 7},
		{"list", new([]string), []string{"a", "b"}},
		{"https://example.com/x", new(map[string][]int), map[string][]int{"y": {1}}},
		{"/o/a~1b/~0", new(string), "deep"},
		{"/o/", new(string), "empty"},
		{"/~1p", new(string), "slash"},
		{"/s", new(string), "x"},
		{"*", new(string), "star"},
		{"/o/*", new([]string), []string{"a/b", "", "n"}},
		{"S", new(string), verifier.ErrNoClaim},
		{"n", new(string), verifier.ErrNoClaim},
		{"absent", new(string), verifier.ErrNoClaim},
		{"/p", new(string), verifier.ErrNoClaim},
		{"/o/n", new(string), verifier.ErrNoClaim},
		{"/s/x", new(string), verifier.ErrNoClaim},
		{"/absent/*", new([]string), verifier.ErrNoClaim},
		{"", new(string), nil},
		{"/o/~2", new(string), nil},
		{"/o/~", new(string), nil},
		{"i", new(string), nil},
		{"s", new(int), nil},
		{"/o/*", new(string), nil},
		{"/list/*", new([]string), nil},
	} {
		err := c.Get(tt.name, tt.dst)
		switch want := tt.want.(type) {
		case error:
			if !errors.Is(err, want) {
				t.Errorf("Get(%q): %v, want %v", tt.name, err, want)
			}
		case nil:
			if err == nil || errors.Is(err, verifier.ErrNoClaim) {
				t.Errorf("Get(%q, %T): %v, want an error that is not ErrNoClaim", tt.name, tt.dst, err)
			}
		default:
			if got := reflect.ValueOf(tt.dst).Elem().Interface(); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("Get(%q) = %v, %v; want %v", tt.name, got, err, want)
			}
		}
	}
}

func TestDecode(t *testing.T) {
	t.Parallel()
	c := newClaims(t, `{"sub":"s","Tenant":"not this one","tenant":"t","groups":["a"]}`, verifier.Generic())
	var got struct {
		Sub    string   `json:"sub"`
		Tenant string   `json:"tenant"`
		Groups []string `json:"groups"`
	}
	if err := c.Decode(&got); err != nil || got.Sub != "s" || got.Tenant != "t" || !slices.Equal(got.Groups, []string{"a"}) {
		t.Errorf("%+v, %v", got, err)
	}
	var wrong struct {
		Sub int `json:"sub"`
	}
	if err := c.Decode(&wrong); err == nil {
		t.Error("a string went into an int")
	}
}

func TestNewClaimsRefuses(t *testing.T) {
	t.Parallel()
	for _, payload := range []string{``, `null`, `[]`, `{"iss":1}`, `{"exp":"1"}`, `{"aud":1}`, `{"sub":1}`, `{"client_id":1}`, `{"scope":1}`, `{"cnf":null}`, `{"iss":"a","iss":"b"}`, `{}x`} {
		if c, err := verifier.NewClaims([]byte(payload), verifier.RFC9068()); !errors.Is(err, verifier.ErrMalformed) || c != nil {
			t.Errorf("NewClaims(%s) = %v, %v", payload, c, err)
		}
	}
	if _, err := verifier.NewClaims([]byte(`{}`), verifier.Profile{Types: []string{"JWT"}}); err == nil || errors.Is(err, verifier.ErrInvalidToken) {
		t.Errorf("a half-filled profile: %v", err)
	}
	payload := []byte(`{"sub":"s"}`)
	c := newClaims(t, string(payload), verifier.RFC9068())
	if payload[8] = 'x'; c.Subject() != "s" {
		t.Error("the claims changed with the caller's bytes")
	}
}

// grant is what a guard puts into a context: not claims, but something that has them.
type grant struct{ claims *verifier.Claims }

func (g grant) Claims() *verifier.Claims { return g.claims }

func TestContext(t *testing.T) {
	t.Parallel()
	c := newClaims(t, `{"sub":"s"}`, verifier.RFC9068())
	under := func(value any) context.Context { return context.WithValue(t.Context(), ctxkey.Claims{}, value) }
	for name, ctx := range map[string]context.Context{"NewContext's": verifier.NewContext(t.Context(), c), "a guard's": under(grant{c})} {
		if got, ok := verifier.FromContext(ctx); !ok || got != c {
			t.Errorf("%s: FromContext = %v, %t", name, got, ok)
		}
	}
	for name, ctx := range map[string]context.Context{"an empty context": t.Context(), "nil claims": verifier.NewContext(t.Context(), nil),
		"a guard's without claims": under(grant{}), "something else": under("claims"), "claims under another key": context.WithValue(t.Context(), grant{}, c)} {
		if got, ok := verifier.FromContext(ctx); ok || got != nil {
			t.Errorf("%s: FromContext = %v, %t", name, got, ok)
		}
	}
}

func TestWhatClaimsPrint(t *testing.T) {
	t.Parallel()
	token := mint(nil, obj{"email": "someone@example.com", "jti": "j\n1"})
	c := accepted(t, newVerifier(t), token)
	const want = `issuer="https://as.example.com" client="cart" id="j\n1"`
	if c.String() != want {
		t.Errorf("String() = %s", c)
	}
	var b bytes.Buffer
	slog.New(slog.NewTextHandler(&b, nil)).Info("m", "token", c)
	slog.New(slog.NewJSONHandler(&b, nil)).Info("m", "token", c)
	logged := b.String()
	if !strings.Contains(logged, `token.issuer=https://as.example.com token.client=cart token.id="j\n1"`) || !strings.Contains(logged, `"token":{"issuer":"https://as.example.com","client":"cart"`) {
		t.Errorf("LogValue: %s", logged)
	}
	noSecrets(t, c.String()+logged, token)
	if strings.Contains(c.String()+logged, "someone@") || strings.Contains(logged, "orders:read") {
		t.Errorf("more was printed than issuer, client and id: %s", logged)
	}
}
