package main

import (
	"encoding/json"
	"errors"
	"flag"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/bearerguard/bearerguard/verifier"
)

// start serves what the command line asks for where a free port is.
func start(t *testing.T, args ...string) *httptest.Server {
	t.Helper()
	server := httptest.NewUnstartedServer(nil)
	handler, _, err := configure(append(args, "-addr", server.Listener.Addr().String()))
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = handler
	server.Start()
	t.Cleanup(server.Close)
	return server
}

func get(t *testing.T, url string) string {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, _ := io.ReadAll(r.Body)
	return string(text)
}

func post(t *testing.T, u string, form url.Values) string {
	t.Helper()
	r, err := http.PostForm(u, form)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, _ := io.ReadAll(r.Body)
	return string(text)
}

var tokenOnPage = regexp.MustCompile(`<pre id="token">([\w.-]+)</pre>`)

// TestDeveloperDay is what the program is for: a client in any language, an API under development, a click in the page.
func TestDeveloperDay(t *testing.T) {
	t.Parallel()
	server := start(t, "-client", "shop:a secret:orders:read orders:write", "-client", "<b>:x:y", "-audience", "https://orders.example.com")
	v, err := verifier.New(verifier.Config{Issuer: server.URL, Audience: []string{"https://orders.example.com"}})
	if err != nil {
		t.Fatal(err)
	}

	page := get(t, server.URL)
	for _, want := range []string{server.URL + "/token", "shop", "a secret", "orders:read orders:write", "https://orders.example.com", "&lt;b&gt;"} {
		if !strings.Contains(page, want) {
			t.Errorf("no %q on the page", want)
		}
	}
	if strings.Contains(page, "<b>") {
		t.Error("a client's name is taken for HTML")
	}

	var granted struct {
		AccessToken string `json:"access_token"`
	}
	answer := post(t, server.URL+"/token", url.Values{"grant_type": {"client_credentials"}, "client_id": {"shop"}, "client_secret": {"a secret"}})
	if err := json.Unmarshal([]byte(answer), &granted); err != nil {
		t.Fatal(err, answer)
	}
	if claims, err := v.Verify(t.Context(), granted.AccessToken); err != nil || claims.ClientID() != "shop" {
		t.Errorf("%v, %v", claims, err)
	}

	mint := func(form url.Values) string {
		m := tokenOnPage.FindStringSubmatch(post(t, server.URL+"/mint", form))
		if m == nil {
			t.Fatalf("no token for %v", form)
		}
		return m[1]
	}
	clicked := mint(url.Values{"client": {"shop"}, "scope": {"orders:read"}, "claims": {`{"tenant": "acme"}`}})
	claims, err := v.Verify(t.Context(), clicked)
	if err != nil || !claims.Scopes().Has("orders:read") {
		t.Fatal(claims, err)
	}
	var tenant string
	if err := claims.Get("tenant", &tenant); err != nil || tenant != "acme" {
		t.Error(tenant, err)
	}
	if _, err := v.Verify(t.Context(), mint(url.Values{"claims": {`{"exp": 1}`}})); !errors.Is(err, verifier.ErrExpired) {
		t.Error(err)
	}
	for _, bad := range []string{"nothing", "null", "[]", "1"} {
		if page := post(t, server.URL+"/mint", url.Values{"client": {"shop"}, "claims": {bad}}); !strings.Contains(page, "no JSON object") {
			t.Errorf("claims %s: %s", bad, page)
		}
	}

	post(t, server.URL+"/rotate", nil)
	if _, err := v.Verify(t.Context(), mint(nil)); err != nil {
		t.Errorf("after a rotation: %v", err)
	}
	if page := post(t, server.URL+"/withdraw", nil); strings.Count(page, "for tokens of before") != 0 {
		t.Error("old keys are still published")
	}
	if page := post(t, server.URL+"/down", nil); !strings.Contains(page, "It is down") || get(t, server.URL+"/jwks") != "" {
		t.Errorf("it is not down: %s", page)
	}
	if page := post(t, server.URL+"/up", nil); strings.Contains(page, "It is down") || !strings.Contains(get(t, server.URL+"/jwks"), "keys") {
		t.Error("it is not up again")
	}
}

// TestCurl: the line on the page gets a token, whatever the client's id and secret hold.
func TestCurl(t *testing.T) {
	t.Parallel()
	server := start(t, "-client", "a+b&c:1+1=2%41' \\$(x):orders:read")
	page := html.UnescapeString(get(t, server.URL))
	line := regexp.MustCompile(`<pre>curl -s -u '([\w.%+~-]+):([\w.%+~-]+)' -d`).FindStringSubmatch(page)
	if line == nil {
		t.Fatalf("no such line: %s", page)
	}
	r, err := http.NewRequest(http.MethodPost, server.URL+"/token", strings.NewReader("grant_type=client_credentials"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(line[1], line[2])
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Error(response.Status)
	}
}

// TestOtherSites: neither a page of another site nor a name that was made to lead here gets a token.
func TestOtherSites(t *testing.T) {
	t.Parallel()
	server := start(t)
	for name, change := range map[string]func(*http.Request){
		"another host":         func(r *http.Request) { r.Host = "attacker.example.com" },
		"another port":         func(r *http.Request) { r.Host = "127.0.0.1:1" },
		"a form elsewhere":     func(r *http.Request) { r.Header.Set("Origin", "https://attacker.example.com") },
		"a cross-site request": func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
	} {
		r, err := http.NewRequest(http.MethodPost, server.URL+"/mint", nil)
		if err != nil {
			t.Fatal(err)
		}
		change(r)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if response.StatusCode < 400 || tokenOnPage.Match(text) {
			t.Errorf("%s: %d", name, response.StatusCode)
		}
	}
}

func TestConfigure(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"an address of the network":   {"-addr", "0.0.0.0:9000"},
		"no port":                     {"-addr", "127.0.0.1"},
		"any port":                    {"-addr", "127.0.0.1:0"},
		"an empty port":               {"-addr", "127.0.0.1:"},
		"a client without a secret":   {"-client", "shop"},
		"a client with a bad scope":   {"-client", `shop:secret:"`},
		"a profile that is not known": {"-profile", "Keycloack"},
		"an algorithm that is none":   {"-alg", "HS256"},
	} {
		func() {
			defer func() {
				if r := recover(); r != nil {
					t.Errorf("%s: it panics: %v", name, r)
				}
			}()
			if _, _, err := configure(args); err == nil || errors.Is(err, flag.ErrHelp) {
				t.Errorf("%s: %v", name, err)
			}
		}()
	}
	if _, address, err := configure([]string{"-profile", "keycloak"}); err != nil || address != "127.0.0.1:9000" {
		t.Error(address, err)
	}
}
