package fiberauth_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
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
