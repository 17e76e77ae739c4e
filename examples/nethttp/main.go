// Command nethttp is an API on net/http: the same two routes as the examples on other frameworks, each behind an access token.
//
//	GET  /orders  needs the scope orders:read
//	POST /orders  needs the scope orders:write
//
// and GET /readyz, open to all, which says whether tokens can be verified now.
//
// The environment configures it:
//
//	ISSUER    the authorization server's issuer identifier, exactly as its tokens' iss has it
//	AUDIENCE  the name by which tokens address this API
//	PROFILE   how the authorization server writes access tokens, such as Keycloak; by default as RFC 9068 says
//	ADDR      where to listen; by default 127.0.0.1:8080
//
// The authorization server may be down when it starts: requests get 503 until the keys could be fetched.
package main

import (
	"encoding/json"
	"log"
	"log/slog"
	"net/http"
	"os"

	"github.com/bearerguard/bearerguard/examples/internal/serve"
	"github.com/bearerguard/bearerguard/middleware"
	"github.com/bearerguard/bearerguard/verifier"
)

func main() {
	profile, err := verifier.ProfileNamed(os.Getenv("PROFILE"))
	if err != nil {
		log.Fatal(err)
	}
	tokens, err := verifier.New(verifier.Config{Issuer: os.Getenv("ISSUER"), Audience: []string{os.Getenv("AUDIENCE")}, Profile: profile})
	if err != nil {
		log.Fatal(err)
	}
	guard, err := middleware.New(tokens, middleware.Config{OnDecision: logRefusal})
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /orders", guard.RequireScope("orders:read")(http.HandlerFunc(listOrders)))
	mux.Handle("POST /orders", guard.RequireScope("orders:write")(http.HandlerFunc(createOrder)))
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { reportHealth(w, tokens.Health()) })
	if err := serve.HTTP(mux); err != nil {
		log.Fatal(err)
	}
}

func listOrders(w http.ResponseWriter, r *http.Request) {
	reply(w, http.StatusOK, []string{"tea", "scones"})
}

func createOrder(w http.ResponseWriter, r *http.Request) {
	claims, _ := verifier.FromContext(r.Context()) // always there: the guard let the request through
	reply(w, http.StatusCreated, map[string]string{"ordered_by": claims.ClientID()})
}

func reportHealth(w http.ResponseWriter, h verifier.Health) {
	status, body := http.StatusOK, map[string]any{"ready": h.Ready, "keys": h.Keys}
	if !h.Ready {
		status = http.StatusServiceUnavailable
	}
	if h.Err != nil {
		body["error"] = h.Err.Error()
	}
	reply(w, status, body)
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // an error means that the client has gone
}

// logRefusal is for operators. It leaves out the Authorization field: whoever reads the log must not get a token.
func logRefusal(r *http.Request, _ *verifier.Claims, d *middleware.Denial) {
	if d != nil {
		slog.Warn("refused", "route", r.Method+" "+r.URL.Path, "status", d.Status, "code", d.Code, "error", d.Err)
	}
}
