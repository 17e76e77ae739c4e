// Command observed is an API whose decisions, verifications and keys can be watched: GET /orders needs the scope orders:read,
// and GET /metrics is for Prometheus. Refusals are logged.
//
// The environment configures it as the example nethttp: ISSUER, AUDIENCE, PROFILE and ADDR. grafana/dashboard.json shows what
// Prometheus has collected. /metrics is open to all here; a service keeps it on a port of its own.
package main

import (
	"cmp"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	exporter "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"

	otelauth "github.com/bearerguard/bearerguard/adapters/otel"
	"github.com/bearerguard/bearerguard/middleware"
	"github.com/bearerguard/bearerguard/verifier"
)

func main() {
	profile, err := verifier.ProfileNamed(os.Getenv("PROFILE"))
	if err != nil {
		log.Fatal(err)
	}
	handler, err := newAPI(verifier.Config{Issuer: os.Getenv("ISSUER"), Audience: []string{os.Getenv("AUDIENCE")}, Profile: profile})
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", cmp.Or(os.Getenv("ADDR"), "127.0.0.1:8080"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening on http://%s\n", listener.Addr())
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 30 * time.Second}
	log.Fatal(server.Serve(listener))
}

func newAPI(cfg verifier.Config) (http.Handler, error) {
	registry := prometheus.NewRegistry()
	reader, err := exporter.New(exporter.WithRegisterer(registry), exporter.WithoutScopeInfo())
	if err != nil {
		return nil, err
	}
	telemetry, err := otelauth.New(otelauth.Config{MeterProvider: metric.NewMeterProvider(metric.WithReader(reader))})
	if err != nil {
		return nil, err
	}
	cfg.Hooks = telemetry.Hooks()
	tokens, err := verifier.New(cfg)
	if err != nil {
		return nil, err
	}
	if _, err := telemetry.ObserveKeys(cfg.Issuer, tokens.Health); err != nil {
		return nil, err
	}
	logged := middleware.LogDecisions(slog.Default())
	guard, err := middleware.New(tokens, middleware.Config{OnDecision: func(r *http.Request, c *verifier.Claims, d *middleware.Denial) {
		telemetry.OnDecision(r, c, d)
		logged(r, c, d)
	}})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /orders", guard.RequireScope("orders:read")(http.HandlerFunc(listOrders)))
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	return mux, nil
}

func listOrders(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "tea, scones\n") }
