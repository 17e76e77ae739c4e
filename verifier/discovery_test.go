package verifier_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bearerguard/bearerguard/verifier"
)

// web answers by URL; what it doesn't know is 404.
type web struct {
	pages map[string]func(*http.Request) (*http.Response, error)
	mu    sync.Mutex
	asked []string
}

func (w *web) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	w.asked = append(w.asked, r.URL.String())
	page := w.pages[r.URL.String()]
	w.mu.Unlock()
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if page != nil {
		return page(r)
	}
	return answer(404, nil, "not found"), nil
}

// urls gives what was asked, in order.
func (w *web) urls() []string { w.mu.Lock(); defer w.mu.Unlock(); return slices.Clone(w.asked) }

func (w *web) move(to map[string]func(*http.Request) (*http.Response, error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	maps.Copy(w.pages, to)
}

func page(status int, body string) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) { return answer(status, nil, body), nil }
}

func redirect(to string) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) {
		return answer(302, http.Header{"Location": {to}}, ""), nil
	}
}

func metadata(issuer, jwksURI string) string {
	return fmt.Sprintf(`{"issuer":%q,"jwks_uri":%q,"token_endpoint":"https://as.example.com/token"}`, issuer, jwksURI)
}

const (
	appended = "https://as.example.com/t/.well-known/openid-configuration"
	inserted = "https://as.example.com/.well-known/oauth-authorization-server/t"
	mixed    = "https://as.example.com/.well-known/openid-configuration/t"
	keysURL  = "https://as.example.com/t/keys"
)

var keySetPage = page(200, `{"keys":[`+newKey("a", "1").jwk()+`]}`)

// warmed makes a verifier and fetches its keys.
func (w *web) warmed(t *testing.T, cfg verifier.Config) (*verifier.Verifier, error) {
	t.Helper()
	cfg.Audience, cfg.Client = []string{"api"}, &http.Client{Transport: w}
	v, err := verifier.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return v, v.Warm(t.Context())
}

func TestDiscoveryFallsThrough(t *testing.T) {
	t.Parallel()
	good := page(200, metadata("https://as.example.com/t", keysURL))
	for name, first := range map[string]func(*http.Request) (*http.Response, error){
		"400 of Cognito":                       page(400, `{"message":"bad"}`),
		"401 of a CDN":                         page(401, ""),
		"403 of an API server":                 page(403, `{"issuer":"https://as.example.com/t"}`),
		"BUG-047 404":                          page(404, ""),
		"500":                                  page(500, ""),
		"204":                                  page(204, ""),
		"HTML with 200":                        page(200, "<html>"),
		"an array":                             page(200, "[]"),
		"BUG-046 another issuer":               page(200, metadata("https://other.example.com", keysURL)),
		"the name of the issuer in upper case": page(200, `{"ISSUER":"https://as.example.com/t","jwks_uri":"https://as.example.com/t/keys"}`),
		"the issuer twice":                     page(200, `{"issuer":"https://other.example.com","issuer":"https://as.example.com/t","jwks_uri":"https://as.example.com/t/keys"}`),
		"keys at a port of this machine":       page(200, metadata("https://as.example.com/t", "https://:8443/keys")),
		"no jwks_uri":                          page(200, `{"issuer":"https://as.example.com/t"}`),
		"50 MB":                                page(200, strings.Repeat(" ", 50<<20)),
		"a redirect to a sign-in page":         redirect("https://login.example.com/"),
		"a redirect to http":                   redirect("http://as.example.com/t/.well-known/openid-configuration"),
		"redirects for ever":                   redirect(appended),
		"a reset":                              func(*http.Request) (*http.Response, error) { return nil, errors.New("connection reset by peer") },
	} {
		t.Run("8414-3.2-1 "+name, func(t *testing.T) {
			t.Parallel()
			w := &web{pages: map[string]func(*http.Request) (*http.Response, error){appended: first, inserted: good, keysURL: keySetPage}}
			if _, err := w.warmed(t, verifier.Config{Issuer: "https://as.example.com/t"}); err != nil {
				t.Error(err)
			}
			if w.asked[0] != appended || !slices.Equal(w.asked[len(w.asked)-2:], []string{inserted, keysURL}) {
				t.Errorf("asked %q", w.asked)
			}
			for _, u := range w.asked {
				if !strings.HasPrefix(u, "https://as.example.com/") {
					t.Errorf("asked %q", u)
				}
			}
		})
	}
}

func TestDiscoveryURLs(t *testing.T) {
	t.Parallel()
	for issuer, want := range map[string][]string{
		"https://as.example.com/t":  {appended, inserted, mixed},
		"https://as.example.com/t/": {appended, inserted, mixed},
		"https://as.example.com":    {"https://as.example.com/.well-known/openid-configuration", "https://as.example.com/.well-known/oauth-authorization-server"},
		"https://as.example.com/":   {"https://as.example.com/.well-known/openid-configuration", "https://as.example.com/.well-known/oauth-authorization-server"},
		"https://as.example.com/a%20b": {"https://as.example.com/a%20b/.well-known/openid-configuration",
			"https://as.example.com/.well-known/oauth-authorization-server/a%20b", "https://as.example.com/.well-known/openid-configuration/a%20b"},
	} {
		t.Run("BUG-047 8414-3-1 8414-5-1 "+issuer, func(t *testing.T) {
			t.Parallel()
			w := &web{}
			_, err := w.warmed(t, verifier.Config{Issuer: issuer})
			if !errors.Is(err, verifier.ErrUnavailable) || !slices.Equal(w.asked, want) {
				t.Errorf("%v, asked %q, want %q", err, w.asked, want)
			}
			for _, u := range want {
				if !strings.Contains(err.Error(), u+": HTTP status 404") {
					t.Errorf("the error doesn't tell what %s answered: %v", u, err)
				}
			}
		})
	}
}

func TestDiscoveryIsOfTheIssuerByteByByte(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, issuer, documents, hint string }{
		{"BUG-033 8414-3.3-1 8414-4-1 a slash too many", "https://as.example.com/t", "https://as.example.com/t/", "the trailing slash differs"},
		{"8414-3.3-1 a slash too few", "https://as.example.com/t/", "https://as.example.com/t", "the trailing slash differs"},
		{"8414-3.3-1 upper case", "https://as.example.com/t", "https://AS.example.com/t", "upper and lower case differ"},
		{"8414-3.3-1 http", "https://as.example.com/t", "http://as.example.com/t", "http and https differ"},
		{"BUG-046 8414-3.3-1 another host", "https://as.example.com/t", "https://other.example.com/t", `"https://other.example.com/t"`},
		{"8414-3.3-1 a port", "https://as.example.com/t", "https://as.example.com:443/t", `"https://as.example.com:443/t"`},
		{"BUG-035 a character that can't be seen", "https://as.example.com/t", "https://as.example.com/t\u200b", `t\u200b`},
		{"BUG-039 a template", "https://as.example.com/t", "https://as.example.com/{tenantid}", "{tenantid}"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := &web{pages: map[string]func(*http.Request) (*http.Response, error){appended: page(200, metadata(tt.documents, keysURL)), keysURL: keySetPage}}
			_, err := w.warmed(t, verifier.Config{Issuer: tt.issuer})
			if err == nil || !strings.Contains(err.Error(), tt.hint) || slices.Contains(w.asked, keysURL) {
				t.Errorf("%v, asked %q", err, w.asked)
			}
		})
	}
	t.Run("BUG-032 an issuer that ends in a slash is left as it is", func(t *testing.T) {
		t.Parallel()
		w := &web{pages: map[string]func(*http.Request) (*http.Response, error){appended: page(200, metadata("https://as.example.com/t/", keysURL)), keysURL: keySetPage}}
		if _, err := w.warmed(t, verifier.Config{Issuer: "https://as.example.com/t/"}); err != nil {
			t.Error(err)
		}
	})
}

func TestJWKSURI(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, issuer, jwksURI string
		ok                    bool
	}{
		{"on the same host", "https://as.example.com/t", keysURL, true},
		{"on another host, as at Google and Entra", "https://as.example.com/t", "https://keys.example.net/jwks", true},
		{"by an address, as in Kubernetes", "https://as.example.com/t", "https://172.20.0.3:6443/openid/v1/jwks", true},
		{"with a double slash", "https://as.example.com/t", "https://as.example.com//t//keys", true},
		{"http", "https://as.example.com/t", "http://as.example.com/t/keys", false},
		{"http on loopback, from afar", "https://as.example.com/t", "http://127.0.0.1/keys", false},
		{"http, from a document on loopback", "http://127.0.0.1:9400", "http://10.0.0.5/keys", true},
		{"http, from a document on localhost", "http://localhost:9400", "http://localhost:9400/keys", true},
		{"BUG-132 a file", "https://as.example.com/t", "file:///etc/passwd", false},
		{"relative", "https://as.example.com/t", "/t/keys", false},
		{"BUG-128 with a user", "https://as.example.com/t", "https://as.example.com@attacker.example/k", false},
		{"empty", "https://as.example.com/t", "", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := &web{pages: map[string]func(*http.Request) (*http.Response, error){
				tt.issuer + "/.well-known/openid-configuration": page(200, metadata(tt.issuer, tt.jwksURI)), tt.jwksURI: keySetPage,
			}}
			if _, err := w.warmed(t, verifier.Config{Issuer: tt.issuer}); (err == nil) != tt.ok {
				t.Errorf("%v, asked %q", err, w.asked)
			}
			if asked := slices.Contains(w.asked, tt.jwksURI); asked != tt.ok {
				t.Errorf("asked for the keys: %v", asked)
			}
		})
	}
}

func TestWhereTheKeysAreSaidToBe(t *testing.T) {
	t.Parallel()
	elsewhere := "https://metadata.example.net/t"
	for _, tt := range []struct {
		name  string
		cfg   verifier.Config
		asked []string
	}{
		{"MetadataURL alone is asked", verifier.Config{Issuer: "https://as.example.com/t", MetadataURL: elsewhere}, []string{elsewhere, keysURL}},
		{"MetadataURL for an issuer that is no URL", verifier.Config{Issuer: "acme.com", MetadataURL: elsewhere + "?acme"}, []string{elsewhere + "?acme", keysURL}},
		{"JWKSURL: no discovery", verifier.Config{Issuer: "https://as.example.com/t", JWKSURL: keysURL}, []string{keysURL}},
		{"JWKSURL for an issuer that is no URL", verifier.Config{Issuer: "acme.com", JWKSURL: keysURL}, []string{keysURL}},
		{"JWKSURL over http where that is allowed", verifier.Config{Issuer: "https://as.example.com/t", JWKSURL: "http://keycloak.internal/keys", DangerouslyAllowHTTP: true},
			[]string{"http://keycloak.internal/keys"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := &web{pages: map[string]func(*http.Request) (*http.Response, error){
				elsewhere: page(200, metadata("https://as.example.com/t", keysURL)), elsewhere + "?acme": page(200, "\xef\xbb\xbf"+metadata("acme.com", keysURL)),
				keysURL: keySetPage, "http://keycloak.internal/keys": keySetPage,
			}}
			if _, err := w.warmed(t, tt.cfg); err != nil || !slices.Equal(w.asked, tt.asked) {
				t.Errorf("%v, asked %q", err, w.asked)
			}
		})
	}
}

// TestDiscoveryAtATarpit: a URL that hangs has all the time of an attempt, but of one.
func TestDiscoveryAtATarpit(t *testing.T) {
	hang := func(r *http.Request) (*http.Response, error) { <-r.Context().Done(); return nil, r.Context().Err() }
	slow := func(then func(*http.Request) (*http.Response, error)) func(*http.Request) (*http.Response, error) {
		return func(r *http.Request) (*http.Response, error) {
			select {
			case <-time.After(4 * time.Second):
				return then(r)
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
		}
	}
	good := page(200, metadata("https://as.example.com/t", keysURL))
	for name, tt := range map[string]struct {
		pages    map[string]func(*http.Request) (*http.Response, error)
		attempts int
	}{
		"the first hangs":                  {map[string]func(*http.Request) (*http.Response, error){appended: hang, inserted: good}, 2},
		"two hang":                         {map[string]func(*http.Request) (*http.Response, error){appended: hang, inserted: hang, mixed: good}, 3},
		"the first is slow and for naught": {map[string]func(*http.Request) (*http.Response, error){appended: slow(page(404, "")), inserted: slow(good)}, 2},
		"slow but good":                    {map[string]func(*http.Request) (*http.Response, error){appended: slow(good)}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				tt.pages[keysURL] = keySetPage
				v, err := (&web{pages: tt.pages}).warmed(t, verifier.Config{Issuer: "https://as.example.com/t"})
				attempts := 1
				for ; err != nil && attempts < 10; attempts++ {
					time.Sleep(time.Minute)
					err = v.Warm(t.Context())
				}
				if err != nil || attempts != tt.attempts {
					t.Errorf("%d attempts, want %d: %v", attempts, tt.attempts, err)
				}
			})
		})
	}
}

func TestDiscoveryAgain(t *testing.T) {
	moved := "https://as.example.com/t/keys2"
	setUp := func(t *testing.T) (*web, *verifier.Verifier) {
		w := &web{pages: map[string]func(*http.Request) (*http.Response, error){inserted: page(200, metadata("https://as.example.com/t", keysURL)), keysURL: keySetPage, moved: keySetPage}}
		v, err := w.warmed(t, verifier.Config{Issuer: "https://as.example.com/t"})
		if err != nil {
			t.Fatal(err)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.asked = nil
		return w, v
	}
	refresh := func(t *testing.T, v *verifier.Verifier, after time.Duration) {
		time.Sleep(after)
		v.Health()
		time.Sleep(6 * time.Second)
	}
	t.Run("not while the keys come", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			w, v := setUp(t)
			refresh(t, v, 12*time.Minute)
			if !slices.Equal(w.urls(), []string{keysURL}) {
				t.Errorf("asked %q", w.urls())
			}
		})
	})
	t.Run("once a day, the URL that answered first", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			w, v := setUp(t)
			w.move(map[string]func(*http.Request) (*http.Response, error){inserted: page(200, metadata("https://as.example.com/t", moved))})
			refresh(t, v, 25*time.Hour)
			if !slices.Equal(w.urls(), []string{inserted, moved}) {
				t.Errorf("asked %q", w.urls())
			}
		})
	})
	t.Run("when the keys can't be had", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			w, v := setUp(t)
			w.move(map[string]func(*http.Request) (*http.Response, error){keysURL: page(404, ""), inserted: page(200, metadata("https://as.example.com/t", moved))})
			refresh(t, v, 12*time.Minute)
			refresh(t, v, time.Minute)
			if !slices.Equal(w.urls(), []string{keysURL, inserted, moved}) || v.Health().Err != nil {
				t.Errorf("asked %q, %v", w.urls(), v.Health().Err)
			}
		})
	})
	t.Run("validators belong to a usable document at one URL", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			var mu sync.Mutex
			var sent []string
			etagged := func(etag, body string) func(*http.Request) (*http.Response, error) {
				return func(r *http.Request) (*http.Response, error) {
					mu.Lock()
					defer mu.Unlock()
					sent = append(sent, r.Header.Get("If-None-Match"))
					return answer(200, http.Header{"Etag": {etag}}, body), nil
				}
			}
			good := `{"keys":[` + newKey("a", "1").jwk() + `]}`
			w, v := setUp(t)
			w.move(map[string]func(*http.Request) (*http.Response, error){keysURL: etagged("one", good)})
			refresh(t, v, 12*time.Minute)
			w.move(map[string]func(*http.Request) (*http.Response, error){keysURL: etagged("two", `{"keys":[]}`)})
			refresh(t, v, 12*time.Minute)
			w.move(map[string]func(*http.Request) (*http.Response, error){keysURL: etagged("three", good)})
			refresh(t, v, time.Minute)
			w.move(map[string]func(*http.Request) (*http.Response, error){inserted: page(200, metadata("https://as.example.com/t", moved)), moved: etagged("four", good)})
			refresh(t, v, 25*time.Hour)
			mu.Lock()
			defer mu.Unlock()
			if want := []string{"", "one", "one", ""}; !slices.Equal(sent, want) {
				t.Errorf("sent %q, want %q", sent, want)
			}
		})
	})
	t.Run("a failure keeps the old jwks_uri, and a hang leaves it time", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			w, v := setUp(t)
			hang := func(r *http.Request) (*http.Response, error) { <-r.Context().Done(); return nil, r.Context().Err() }
			slow := func(r *http.Request) (*http.Response, error) {
				select {
				case <-time.After(time.Second):
					return keySetPage(r)
				case <-r.Context().Done():
					return nil, r.Context().Err()
				}
			}
			w.move(map[string]func(*http.Request) (*http.Response, error){inserted: hang, appended: hang, mixed: hang, keysURL: slow})
			refresh(t, v, 25*time.Hour)
			if asked := w.urls(); asked[len(asked)-1] != keysURL || v.Health().Err != nil || !v.Health().Ready {
				t.Errorf("asked %q, %+v", w.urls(), v.Health())
			}
		})
	})
}

func TestFetchedHookTellsWhatHappened(t *testing.T) {
	t.Parallel()
	events := make(chan verifier.FetchEvent, 2)
	w := &web{pages: map[string]func(*http.Request) (*http.Response, error){keysURL: keySetPage}}
	if _, err := w.warmed(t, verifier.Config{Issuer: "acme.com", JWKSURL: keysURL, Hooks: verifier.Hooks{
		Fetched: func(_ context.Context, e verifier.FetchEvent) { events <- e },
	}}); err != nil {
		t.Fatal(err)
	}
	if e := <-events; e.Issuer != "acme.com" || e.URL != keysURL || e.Keys != 1 || e.Err != nil || e.NotModified {
		t.Errorf("%+v", e)
	}
}
