package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/bearerguard/bearerguard/examples/internal/exampletest"
)

func noEnvironment(string) string { return "" }

// secrets is what no output may hold.
func (t *tour) secrets() []string {
	return []string{t.client.ClientSecret, t.token, t.forged, t.unseen}
}

func TestTour(t *testing.T) {
	t.Parallel()
	var taken *tour
	var first string
	var out bytes.Buffer
	remember := func(t *tour) []step {
		taken = t
		steps := t.steps()
		steps[0].before = func(context.Context) error { first = t.token; return nil }
		return steps
	}
	if err := run(t.Context(), noEnvironment, &out, remember, false); err != nil {
		t.Fatal(err)
	}
	rest := out.String()
	for _, want := range []string{
		"1. The authorization server is https://127.0.0.1:", "2. The API is http://127.0.0.1:", "3. The client gets a token", `"client_id": "nightly-report"`, `"scope": "orders:read"`,
		"4. ", "GET /orders", "✓ 200 OK\n",
		"5. ", "POST /orders", "✓ 403 Forbidden\n", `WWW-Authenticate: Bearer realm="api", error="insufficient_scope"`, `scope="orders:write"`,
		"6. ", "GET /orders", "✓ 401 Unauthorized\n", `WWW-Authenticate: Bearer realm="api", scope="orders:read"`,
		"7. ", "GET /orders", "✓ 401 Unauthorized\n", `WWW-Authenticate: Bearer realm="api", error="invalid_token"`, "bad signature",
		"8. ", "GET /orders", "✓ 200 OK: ",
		"9. ", "GET /orders", "✓ 200 OK ", "GET /orders", "✓ 200 OK ", "All 7 answers were the expected ones.\n",
	} {
		_, after, found := strings.Cut(rest, want)
		if !found {
			t.Fatalf("no %q in\n%s", want, rest)
		}
		rest = after
	}
	if strings.ContainsAny(out.String(), "✗\x1b") {
		t.Errorf("something went wrong, or is coloured though this is no terminal:\n%s", &out)
	}
	for _, secret := range append(taken.secrets(), first) {
		if secret == "" || strings.Contains(out.String(), secret) {
			t.Errorf("the transcript has the secret %q", secret)
		}
	}
	if keyID(t, first) == keyID(t, taken.token) {
		t.Error("the token after the rotation is by the old key")
	}
}

// keyID is the header, which differs with the key alone.
func keyID(t *testing.T, token string) string {
	t.Helper()
	header, _, found := strings.Cut(token, ".")
	if !found {
		t.Fatal("no token")
	}
	return header
}

func TestEveryExpectationCounts(t *testing.T) {
	t.Parallel()
	breakers := map[string]func(*step){
		"status":     func(s *step) { s.status++ },
		"challenge":  func(s *step) { s.challenge += `, scope="other"` },
		"what first": func(s *step) { s.before = func(context.Context) error { return errors.New("it failed") } },
	}
	for n, number := range []int{4, 5, 6, 7, 8, 9, 9} {
		for name, breakIt := range breakers {
			t.Run(fmt.Sprintf("%d %s", n, name), func(t *testing.T) {
				t.Parallel()
				var out bytes.Buffer
				err := run(t.Context(), noEnvironment, &out, func(t *tour) []step {
					steps := t.steps()
					if len(steps) != 7 {
						panic("a step is not tested")
					}
					breakIt(&steps[n])
					return steps
				}, false)
				if want := fmt.Sprintf("step %d: ", number); err == nil || !strings.HasPrefix(err.Error(), want) {
					t.Errorf("error %v, want one that begins %q", err, want)
				}
				if !strings.Contains(out.String(), "✗") || strings.Contains(out.String(), "All 7 answers") {
					t.Errorf("the transcript doesn't show it:\n%s", &out)
				}
			})
		}
	}
}

func TestProgram(t *testing.T) {
	t.Parallel()
	path := exampletest.Build(t)
	t.Run("on its own", func(t *testing.T) {
		t.Parallel()
		p := exampletest.Run(t, path, nil)
		if p.ExitCode(t) != 0 || !strings.HasSuffix(p.Stdout.String(), "\nAll 7 answers were the expected ones.\n") || p.Stderr.String() != "" {
			t.Errorf("exit code %d\n%s%s", p.ExitCode(t), &p.Stdout, &p.Stderr)
		}
	})
	t.Run("a real authorization server", func(t *testing.T) { t.Parallel(); testReal(t, path) })
	t.Run("a real one that doesn't fit", func(t *testing.T) { t.Parallel(); testMisfits(t, path) })
	t.Run("-serve", func(t *testing.T) { t.Parallel(); testServe(t, path, nil, nil) })
	t.Run("-serve with a real authorization server", func(t *testing.T) {
		t.Parallel()
		i := exampletest.NewIssuer(t)
		testServe(t, path, i, environment(i))
	})
}

func environment(i *exampletest.Issuer, more ...string) []string {
	return append([]string{
		"ISSUER=" + i.URL, "AUDIENCE=" + exampletest.Audience, "CLIENT_ID=" + exampletest.ClientID, "CLIENT_SECRET=" + exampletest.Secret, "SCOPE=orders:read",
	}, more...)
}

func hidesAll(t *testing.T, p *exampletest.Program, i *exampletest.Issuer) {
	t.Helper()
	_, tokens := i.Asked()
	p.HidesEach(t, append(tokens, exampletest.Secret, url.QueryEscape(exampletest.Secret))...)
}

func testReal(t *testing.T, path string) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(exampletest.Secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		env  []string
		form string
	}{
		{"as little as it takes", nil, "grant_type=client_credentials&scope=orders%3Aread"},
		{"the secret in a file", []string{"CLIENT_SECRET=", "CLIENT_SECRET_FILE=" + file}, "grant_type=client_credentials&scope=orders%3Aread"},
		{"more parameters", []string{"TOKEN_PARAMS=audience=https%3A%2F%2Fapi.example.com&resource=a"}, "audience=https%3A%2F%2Fapi.example.com&grant_type=client_credentials&resource=a&scope=orders%3Aread"},
		{"one of several scopes is required", []string{"SCOPE=orders:read orders:list", "REQUIRE_SCOPE=orders:list"}, "grant_type=client_credentials&scope=orders%3Aread+orders%3Alist"},
		{"both of several scopes are required", []string{"SCOPE=orders:read orders:list"}, "grant_type=client_credentials&scope=orders%3Aread+orders%3Alist"},
		{"a profile", []string{"PROFILE=generic"}, "grant_type=client_credentials&scope=orders%3Aread"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			i := exampletest.NewIssuer(t)
			p := exampletest.Run(t, path, environment(i, test.env...))
			if p.ExitCode(t) != 0 || !strings.Contains(p.Stdout.String(), "Left out") || !strings.Contains(p.Stdout.String(), "All 4 answers were the expected ones.") {
				t.Errorf("exit code %d\n%s%s", p.ExitCode(t), &p.Stdout, &p.Stderr)
			}
			if forms, _ := i.Asked(); len(forms) != 1 || forms[0].Encode() != test.form {
				t.Errorf("tokens were asked for with %v, want %s", forms, test.form)
			}
			hidesAll(t, p, i)
		})
	}
}

func testMisfits(t *testing.T, path string) {
	for _, test := range []struct{ name, env, want string }{
		{"the API is known by another name", "AUDIENCE=https://other.example.com", "step 3: the API won't take the token: token for another audience"},
		{"a profile of another server", "PROFILE=keycloak", "step 3: the API won't take the token: not an access token"},
		{"opaque tokens", "TOKEN_PARAMS=opaque=1", "step 3: the API won't take the token: malformed token"},
		{"a scope that the client isn't granted", "REQUIRE_SCOPE=orders:delete", `step 4: GET /orders: 403 Forbidden Bearer realm="api", error="insufficient_scope"`},
		{"a wrong secret", "CLIENT_SECRET=an-older-secret", `step 3: http://127.0.0.1:`},
		{"no secret", "CLIENT_SECRET=", "neither CLIENT_SECRET nor CLIENT_SECRET_FILE holds a secret"},
		{"a secret file that isn't there", "CLIENT_SECRET_FILE=/absent", "/absent"},
		{"no client", "CLIENT_ID=", "CLIENT_ID is not set"},
		{"no audience", "AUDIENCE=", "Audience holds an empty string"},
		{"no scope", "SCOPE=", "REQUIRE_SCOPE, or without it SCOPE"},
		{"a profile that there isn't", "PROFILE=none", `no profile is named "none"`},
		{"an issuer over http", "ISSUER=http://192.0.2.1", `"http://192.0.2.1" must be an https URL`},
		{"a token endpoint over http", "TOKEN_URL=http://192.0.2.1/token", `"http://192.0.2.1/token" must be an https URL`},
		{"parameters that can't be read", "TOKEN_PARAMS=a=%zz", "invalid URL escape"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			i := exampletest.NewIssuer(t)
			p := exampletest.Run(t, path, environment(i, test.env))
			if p.ExitCode(t) != 1 || !strings.Contains(p.Stderr.String(), test.want) || strings.Contains(p.Stdout.String(), "answers were") {
				t.Errorf("exit code %d, want 1 and %q\n%s%s", p.ExitCode(t), test.want, &p.Stdout, &p.Stderr)
			}
			hidesAll(t, p, i)
			p.HidesEach(t, "an-older-secret")
		})
	}
	t.Run("metadata of another issuer", func(t *testing.T) {
		t.Parallel()
		i := exampletest.NewIssuer(t)
		p := exampletest.Run(t, path, environment(i, "ISSUER="+i.URL+"/"))
		if want := fmt.Sprintf("this is the metadata of %q, not of %q", i.URL, i.URL+"/"); p.ExitCode(t) != 1 || !strings.Contains(p.Stderr.String(), want) {
			t.Errorf("exit code %d, want 1 and %q\n%s", p.ExitCode(t), want, &p.Stderr)
		}
	})
}

// testServe pastes the lines for curl into a shell.
func testServe(t *testing.T, path string, i *exampletest.Issuer, env []string) {
	p := exampletest.Start(t, path, env, "-serve")
	lines := p.Stdout.Await(t, `(?s)In another terminal try:\n\n(.*curl -i \S+\n)$`)[1]
	dir := filepath.Dir(regexp.MustCompile(`'([^']+/quickstart-[^']+)'`).FindStringSubmatch(lines)[1])
	for _, tool := range []string{"sh", "curl", "sed"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	shell := exec.CommandContext(t.Context(), "sh", "-c", lines+"echo; echo TOKEN=$TOKEN")
	out, err := shell.Output()
	if err != nil {
		t.Errorf("%v\n%s", err, lines)
	}
	var statuses []string
	for _, line := range regexp.MustCompile(`HTTP/1\.1 (\d+)`).FindAllStringSubmatch(string(out), -1) {
		statuses = append(statuses, line[1])
	}
	if got := strings.Join(statuses, " "); got != "200 403 401" {
		t.Errorf("curl got %s, want 200 403 401\n%s", got, out)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) == 0 {
		t.Fatalf("%v, %d files", err, len(files))
	}
	for _, file := range files {
		info, err := file.Info()
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, mode %v, want 0600", file.Name(), err, info.Mode())
		}
	}
	token := regexp.MustCompile(`TOKEN=(.+\..+\..+)`).FindStringSubmatch(string(out))
	if token == nil {
		t.Fatal("curl got no token")
	}
	p.HidesEach(t, token[1])
	if i == nil {
		config, err := os.ReadFile(filepath.Join(dir, "client.conf"))
		if err != nil {
			t.Fatal(err)
		}
		p.HidesEach(t, regexp.MustCompile(`:(\w+)"`).FindStringSubmatch(string(config))[1])
	}
	p.Stop(t)
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there: %v", dir, err)
	}
	if i != nil {
		hidesAll(t, p, i)
	}
}
