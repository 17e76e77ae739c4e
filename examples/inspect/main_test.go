package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard/verifier"
	"github.com/bearerguard/bearerguard/verifier/verifiertest"
)

func noEnvironment(string) string { return "" }

// cases are ten bad tokens, and good ones.
func cases(i *verifiertest.Issuer) []struct{ name, token, scope string } {
	return []struct{ name, token, scope string }{
		{"a good token", i.Token("orders:read"), ""},
		{"a good token, as it was pasted", "\n Bearer " + i.Token("orders:read") + "\r\n", "orders:read | admin"},
		{"a token without the scope", i.Token("orders:read"), "orders:read & orders:write | admin"},
		{"a token for an audience with a trailing slash", i.Token("orders:read", map[string]any{"aud": "https://api.example.com/"}), ""},
		{"a token of another issuer that has expired", i.Token("", map[string]any{"iss": "https://login.example.com", "exp": i.Config().Now().Add(-90 * time.Minute)}), ""},
		{"a token from tomorrow", i.NotYetValid(), ""},
		{"an ID token", i.Sign(map[string]any{"typ": "JWT"}, map[string]any{"iss": i.URL(), "sub": "alice", "aud": "web-shop", "azp": "web-shop", "nonce": "n", "iat": i.Config().Now().Unix(), "exp": i.Config().Now().Add(time.Hour).Unix()}), ""},
		{"a token without a signature", i.AlgNone(), ""},
		{"a token signed with the public key", i.HS256WithPublicKey(), ""},
		{"a token that was changed", i.Tampered(), ""},
		{"a token of an unknown key", i.UnknownKey(), ""},
		{"an opaque token", i.Opaque(), "orders:read"},
	}
}

// TestTranscripts compares with what a person sees. GOLDEN=write makes the file anew.
func TestTranscripts(t *testing.T) {
	t.Parallel()
	clock := verifiertest.NewFakeClock(time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC))
	issuer := verifiertest.NewIssuer(t, verifiertest.Clock(clock.Now))
	var all bytes.Buffer
	for _, tt := range cases(issuer) {
		var out bytes.Buffer
		args := []string{"-issuer", issuer.URL(), "-audience", "https://api.example.com", "-scope", tt.scope}
		good, err := inspect(t.Context(), args, strings.NewReader(tt.token), &out, noEnvironment, verifier.Config{Client: issuer.Client(), Now: clock.Now})
		if err != nil {
			t.Fatal(err)
		}
		if want := strings.HasPrefix(tt.name, "a good token"); good != want {
			t.Errorf("%s: good is %v", tt.name, good)
		}
		token := strings.TrimPrefix(strings.TrimSpace(tt.token), "Bearer ")
		if signature := token[strings.LastIndexByte(token, '.')+1:]; len(signature) > 2 && strings.Contains(out.String(), signature) {
			t.Errorf("%s: its signature is printed:\n%s", tt.name, &out)
		}
		all.WriteString("== " + tt.name + "\n" + out.String() + "\n")
	}
	text := regexp.MustCompile(`127\.0\.0\.1:\d+`).ReplaceAllString(all.String(), "127.0.0.1:PORT")
	text = regexp.MustCompile(`"[\w-]{43}"`).ReplaceAllString(text, `"KID"`)
	text = regexp.MustCompile(`\b\d{3} bytes`).ReplaceAllString(text, "SOME bytes")
	const golden = "testdata/transcripts.golden"
	if os.Getenv("GOLDEN") == "write" {
		if err := os.WriteFile(golden, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != text {
		t.Errorf("not as in %s (GOLDEN=write makes it anew):\n%s", golden, text)
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	issuer := verifiertest.NewIssuer(t)
	for _, tt := range cases(issuer) {
		var out bytes.Buffer
		args := []string{"-json", "-issuer", issuer.URL(), "-audience", "https://api.example.com", "-scope", tt.scope}
		good, err := inspect(t.Context(), args, strings.NewReader(tt.token), &out, noEnvironment, verifier.Config{Client: issuer.Client()})
		if err != nil {
			t.Fatal(err)
		}
		var report struct {
			Good   bool
			Checks []map[string]string
		}
		if err := json.Unmarshal(out.Bytes(), &report); err != nil {
			t.Fatal(err)
		}
		bad := 0
		for _, c := range report.Checks {
			if c["check"] == "" || c["rule"] == "" || (c["result"] == "failed") != (c["error"] != "") {
				t.Errorf("%s: %v", tt.name, c)
			}
			if c["result"] != "passed" {
				bad++
			}
		}
		if report.Good != good || (bad == 0) != good || len(report.Checks) < 10 {
			t.Errorf("%s: good is %v, in JSON %v, with %d bad checks", tt.name, good, report.Good, bad)
		}
	}
}

func TestIssuerDown(t *testing.T) {
	t.Parallel()
	issuer := verifiertest.NewIssuer(t)
	issuer.Down(500)
	var out bytes.Buffer
	args := []string{"-issuer", issuer.URL(), "-audience", "https://api.example.com"}
	good, err := inspect(t.Context(), args, strings.NewReader(issuer.Token("")), &out, noEnvironment, verifier.Config{Client: issuer.Client()})
	if good || err != nil || !strings.Contains(out.String(), "503: key.") {
		t.Errorf("%v, %v, %s", good, err, &out)
	}
	out.Reset()
	good, err = inspect(t.Context(), args, strings.NewReader(issuer.WrongIssuer()), &out, noEnvironment, verifier.Config{Client: issuer.Client()})
	if good || err != nil || !strings.Contains(out.String(), "Refused: issuer, key.") {
		t.Errorf("what an API refuses without a key: %v, %v, %s", good, err, &out)
	}
}

func TestPastedTokens(t *testing.T) {
	t.Parallel()
	for _, pasted := range []string{
		"a.b.c", "\r\n a.b.c\n", `"a.b.c"`, "Bearer a.b.c", "bearer  a.b.c", "DPoP a.b.c", "Authorization: Bearer a.b.c", "authorization:bearer a.b.c", `'Authorization: DPoP a.b.c'`,
	} {
		if token, err := readToken(strings.NewReader(pasted)); token != "a.b.c" || err != nil {
			t.Errorf("%q: %q, %v", pasted, token, err)
		}
	}
}

func TestSeveralAudiencesAndMatch(t *testing.T) {
	t.Parallel()
	issuer := verifiertest.NewIssuer(t)
	for match, want := range map[string]bool{"tenant=acme": true, "tenant=evil": false} {
		args := []string{"-issuer", issuer.URL(), "-audience", "https://old.example.com", "-audience", "https://api.example.com", "-match", match}
		var out bytes.Buffer
		token := issuer.Token("", map[string]any{"tenant": "acme"})
		if good, err := inspect(t.Context(), args, strings.NewReader(token), &out, noEnvironment, verifier.Config{Client: issuer.Client()}); good != want || err != nil {
			t.Errorf("%s: %v, %v, %s", match, good, err, &out)
		}
	}
}

func TestNothingToCheck(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		args        []string
		stdin, want string
	}{
		"no token":        {[]string{"-issuer", "https://as.example.com", "-audience", "a"}, " \n", "no token"},
		"no issuer":       {[]string{"-audience", "a"}, "a", "-issuer"},
		"no audience":     {[]string{"-issuer", "https://as.example.com"}, "a", "-audience"},
		"a bad match":     {[]string{"-issuer", "https://as.example.com", "-audience", "a", "-match", "tid"}, "a", "claim=value"},
		"another profile": {[]string{"-issuer", "https://as.example.com", "-audience", "a", "-profile", "Keycloack"}, "a", "keycloak"},
		"a bad policy":    {[]string{"-issuer", "https://as.example.com", "-audience", "a", "-scope", "& a"}, "a", "&"},
	} {
		var out bytes.Buffer
		if _, err := inspect(t.Context(), tt.args, strings.NewReader(tt.stdin), &out, noEnvironment, verifier.Config{}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q in it", name, err, tt.want)
		}
	}
	if _, err := inspect(t.Context(), []string{"-h"}, nil, nil, noEnvironment, verifier.Config{}); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("-h: %v", err)
	}
}
