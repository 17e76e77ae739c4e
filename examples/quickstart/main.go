// Command quickstart shows an API that takes access tokens, from end to end:
//
//	go run ./examples/quickstart
//
// It starts an authorization server and an API on loopback, gets a token with the client-credentials grant, calls the API
// with it and without, changes the server's key and takes the server down. It exits with 0 only if each answer was the
// expected one. With -serve it then keeps everything running and prints lines for curl.
//
// With ISSUER set it uses that authorization server instead, to find out whether an API will take its tokens:
//
//	ISSUER              its issuer identifier, exactly as its tokens' iss has it
//	AUDIENCE            the name by which tokens address the API
//	PROFILE             how it writes access tokens, such as Keycloak; by default as RFC 9068 says
//	CLIENT_ID           a client of it
//	CLIENT_SECRET       the client's secret, or
//	CLIENT_SECRET_FILE  where that is
//	SCOPE               what the client asks for, separated by spaces
//	REQUIRE_SCOPE       what the API requires, if that is something else
//	TOKEN_PARAMS        what else the server wants to be sent, as audience=https://api.example.com
//	TOKEN_URL           its token endpoint; by default what its metadata says
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"syscall"

	"github.com/bearerguard/bearerguard/examples/internal/transcript"
	"github.com/bearerguard/bearerguard/middleware"
	"github.com/bearerguard/bearerguard/scopes"
	"github.com/bearerguard/bearerguard/verifier"
)

func main() {
	stay := flag.Bool("serve", false, "keep everything running and print lines for curl")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Getenv, os.Stdout, (*tour).steps, *stay); err != nil {
		fmt.Fprintf(os.Stderr, "\nquickstart: %v\n", err)
		os.Exit(1)
	}
}

// run makes the API, takes the steps and returns an error if an answer was not the expected one.
func run(ctx context.Context, getenv func(string) string, stdout io.Writer, steps func(*tour) []step, stay bool) error {
	c, err := newCast(ctx, getenv)
	if err != nil {
		return err
	}
	if c.server != nil {
		defer c.server.Close()
	}
	t := &tour{cast: c, out: transcript.New(stdout, getenv)}
	if t.verifier, err = verifier.New(c.tokens); err != nil {
		return err
	}
	remember := func(_ *http.Request, _ *verifier.Claims, d *middleware.Denial) { t.denial.Store(d) }
	guard, err := middleware.New(t.verifier, middleware.Config{OnDecision: remember})
	if err != nil {
		return err
	}
	api := httptest.NewServer(newAPI(guard, c.read, c.write))
	defer api.Close()
	t.url = api.URL
	if err := t.walk(ctx, steps(t)); err != nil || !stay {
		return err
	}
	return t.stay(ctx, stdout)
}

// newAPI knows nothing of the tour: an API of your own would look like this.
func newAPI(guard *middleware.Guard, read, write scopes.Policy) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /orders", guard.RequirePolicy(read)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "tea, scones")
	})))
	mux.Handle("POST /orders", guard.RequirePolicy(write)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusCreated)
	})))
	return mux
}
