package fiberauth_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/gofiber/fiber/v3"

	fiberauth "github.com/bearerguard/bearerguard/adapters/fiber"
	"github.com/bearerguard/bearerguard/middleware"
	"github.com/bearerguard/bearerguard/scopes"
	"github.com/bearerguard/bearerguard/verifier"
	"github.com/bearerguard/bearerguard/verifier/verifiertest"
)

// TestMemoryIsNotShared: Fiber uses the memory of one request again for the next, and claims are remembered.
func TestMemoryIsNotShared(t *testing.T) {
	t.Parallel()
	issuer := verifiertest.NewIssuer(t)
	var mu sync.Mutex
	kept := map[*verifier.Claims]string{}
	var hosts []*http.Request
	guard, err := middleware.New(issuer.Verifier(), middleware.Config{OnDecision: func(r *http.Request, _ *verifier.Claims, _ *middleware.Denial) {
		mu.Lock()
		defer mu.Unlock()
		hosts = append(hosts, r)
	}})
	if err != nil {
		t.Fatal(err)
	}
	app := fiber.New()
	app.Get("/orders/:id", fiberauth.RequireScope(guard, "orders:read"), func(c fiber.Ctx) error {
		claims, _ := fiberauth.Claims(c)
		mu.Lock()
		defer mu.Unlock()
		kept[claims] = claims.ClientID()
		return c.SendString(claims.ClientID())
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go app.Listener(listener, fiber.ListenConfig{DisableStartupMessage: true})
	t.Cleanup(func() { app.Shutdown() })
	var wait sync.WaitGroup
	for n := range 4 {
		wait.Go(func() {
			for i := range 50 {
				client := fmt.Sprintf("client-%d-%d", n, i%10)
				r, _ := http.NewRequest(http.MethodGet, "http://"+listener.Addr().String()+"/orders/"+client, nil)
				r.Header.Set("Authorization", "Bearer "+issuer.Token("orders:read", map[string]any{"client_id": client}))
				response, err := http.DefaultClient.Do(r)
				if err != nil {
					t.Error(err)
					return
				}
				body, _ := io.ReadAll(response.Body)
				response.Body.Close()
				if string(body) != client {
					t.Errorf("%s was taken for %q", client, body)
				}
			}
		})
	}
	wait.Wait()
	for claims, client := range kept {
		if claims.ClientID() != client {
			t.Errorf("%s has become %s", client, claims.ClientID())
		}
	}
	for _, r := range hosts {
		if r.Host != listener.Addr().String() || r.Method != http.MethodGet || r.RemoteAddr == "" || r.URL.Path[:15] != "/orders/client-" {
			t.Errorf("%s %s %s of %s", r.Method, r.Host, r.URL, r.RemoteAddr)
		}
	}
}

// TestProofIsForThePathThatFiberSees: Fiber's path ends where a fragment begins, which a request target has no right to.
func TestProofIsForThePathThatFiberSees(t *testing.T) {
	t.Parallel()
	issuer, key := verifiertest.NewIssuer(t), verifiertest.NewProofKey()
	guard, err := middleware.New(issuer.Verifier(), middleware.Config{DPoP: &middleware.DPoP{PublicURL: "https://api.example.com"}})
	if err != nil {
		t.Fatal(err)
	}
	app := fiber.New()
	for _, path := range []string{"/orders", "/admin", "/files/*"} {
		app.Get(path, fiberauth.Require(guard), func(c fiber.Ctx) error { return c.SendString(path) })
	}
	token := issuer.Token("", key.Binding())
	for target, want := range map[string]int{"/orders": 200, "/orders?page=2": 200, "/orders#top": 200, "/%6Frders": 404, "/admin": 401, "/admin#/../orders": 401, "/admin?#/../orders": 401, "/files/%zz": 401, "/files/%zz/../../orders": 401} {
		r, _ := http.NewRequest(http.MethodGet, "https://api.example.com/", nil)
		r.RequestURI = target
		r.Header.Set("Authorization", "DPoP "+token)
		r.Header.Set("DPoP", key.Proof(http.MethodGet, "https://api.example.com/orders", token, ""))
		response, err := app.Test(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		if response.Body.Close(); response.StatusCode != want || want == 200 && string(body) != "/orders" {
			t.Errorf("9449-4.3-09 %s: %d from %s, want %d", target, response.StatusCode, body, want)
		}
	}
}

// TestTargetsThatAreNoPaths: all of such a target is a path to Fiber, which a route of /* takes.
func TestTargetsThatAreNoPaths(t *testing.T) {
	t.Parallel()
	issuer, key := verifiertest.NewIssuer(t), verifiertest.NewProofKey()
	var query string
	guard, err := middleware.New(issuer.Verifier(), middleware.Config{
		DPoP:       &middleware.DPoP{PublicURL: "https://api.example.com"},
		OnDecision: func(r *http.Request, _ *verifier.Claims, _ *middleware.Denial) { query = r.URL.RawQuery },
	})
	if err != nil {
		t.Fatal(err)
	}
	app := fiber.New()
	app.Get("/*", fiberauth.Require(guard), func(c fiber.Ctx) error { return c.SendString(c.Path()) })
	token := issuer.Token("", key.Binding())
	for _, tt := range []struct {
		target, path string
		want         int
	}{
		{"x:/orders?page=2", "/orders", 401}, {"http:/orders?page=2", "/orders", 401}, {"x:orders?page=2", "/", 401}, {"x:orders?page=2", "/x:orders", 200},
		{"http://api.example.com/orders?page=2", "/orders", 200}, {"http://api.example.com?page=2", "/", 200}, {"/caf\u00e9|%2Fa?page=2", "/caf%C3%A9%7C%2Fa", 200},
	} {
		r, _ := http.NewRequest(http.MethodGet, "https://api.example.com/", nil)
		r.RequestURI = tt.target
		r.Header.Set("Authorization", "DPoP "+token)
		r.Header.Set("DPoP", key.Proof(http.MethodGet, "https://api.example.com"+tt.path, token, ""))
		response, err := app.Test(r)
		if err != nil {
			t.Fatal(err)
		}
		if response.Body.Close(); response.StatusCode != tt.want || query != "page=2" {
			t.Errorf("9449-4.3-09 %s with a proof for %s: %d, want %d, query %q", tt.target, tt.path, response.StatusCode, tt.want, query)
		}
	}
}

// TestTrailersAreNotFields: a proxy that deletes a client's fields from the header may let those of its trailer pass.
func TestTrailersAreNotFields(t *testing.T) {
	t.Parallel()
	issuer := verifiertest.NewIssuer(t)
	token := issuer.Token("")
	for _, tt := range []struct {
		name, header, body string
		want               []string
	}{
		{"a field in the trailer", "", "1\r\na\r\n0\r\nClient-Cert: evil\r\n\r\n", nil},
		{"behind no body", "", "0\r\nclient-cert: evil\r\n\r\n", nil},
		{"one that is announced", "Trailer: Client-Cert\r\n", "0\r\nClient-Cert: evil\r\n\r\n", nil},
		{"one that is in the header too", "Client-Cert: good\r\n", "0\r\nClient-Cert: evil\r\n\r\n", []string{"good"}},
		{"two of the header", "Client-Cert: good\r\nCLIENT-CERT: better\r\n", "0\r\n\r\n", []string{"good", "better"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			decided := make(chan []string, 1)
			guard, err := middleware.New(issuer.Verifier(), middleware.Config{OnDecision: func(r *http.Request, _ *verifier.Claims, _ *middleware.Denial) { decided <- r.Header["Client-Cert"] }})
			if err != nil {
				t.Fatal(err)
			}
			app := fiber.New()
			app.Post("/", func(c fiber.Ctx) error {
				c.Request().Header.Set("Authorization", "Bearer "+token) // of a cookie, perhaps
				return c.Next()
			}, fiberauth.Require(guard))
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			go app.Listener(listener, fiber.ListenConfig{DisableStartupMessage: true})
			t.Cleanup(func() { app.Shutdown() })
			connection, err := net.Dial("tcp", listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer connection.Close()
			fmt.Fprintf(connection, "POST / HTTP/1.1\r\nHost: api.example.com\r\n%sTransfer-Encoding: chunked\r\n\r\n%s", tt.header, tt.body)
			response, err := http.ReadResponse(bufio.NewReader(connection), nil)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if seen := <-decided; response.StatusCode == http.StatusUnauthorized || !slices.Equal(seen, tt.want) {
				t.Errorf("9110-6.5.1 %d, the guard saw %q", response.StatusCode, seen)
			}
		})
	}
}

func TestNilGuard(t *testing.T) {
	t.Parallel()
	for name, mount := range map[string]func(){
		"Require": func() { fiberauth.Require(nil) }, "RequireScope": func() { fiberauth.RequireScope(nil, "a") },
		"RequirePolicy": func() { fiberauth.RequirePolicy(nil, scopes.Any("a")) }, "With": func() { fiberauth.With(nil) }, "Optional": func() { fiberauth.Optional(nil) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s takes a nil guard", name)
				}
			}()
			mount()
		}()
	}
}
