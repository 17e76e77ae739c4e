// Package otelauth tells OpenTelemetry what a verifier and a guard do: how requests were decided, how long verifications took,
// whether the issuer's keys could be had and how old they are. It uses OpenTelemetry's API alone; the program chooses the SDK.
//
//	t, err := otelauth.New(otelauth.Config{})
//	v, err := verifier.New(verifier.Config{..., Hooks: t.Hooks()})
//	g, err := middleware.New(v, middleware.Config{OnDecision: t.OnDecision})
//	_, err = t.ObserveKeys("https://login.example.com", v.Health)
//
// The instruments:
//
//	bearerguard.decisions              counter, {decision}: requests that a guard decided; bearerguard.outcome is granted or refused, error.type the reason of a refusal
//	bearerguard.verification.duration  histogram, s: of a token, by bearerguard.cached and error.type
//	bearerguard.keys.fetch.duration    histogram, s: of an attempt to get keys; error.type if it failed
//	bearerguard.keys.age               gauge, s: since the keys were last fetched or confirmed
//	bearerguard.keys.usable            gauge, {key}
//	bearerguard.ready                  gauge, 1 or 0: whether tokens can be verified
//	bearerguard.introspection.duration histogram, s: of a call to the introspection endpoint, by bearerguard.active; error.type if it told nothing
//	bearerguard.replay.checks          counter, {proof}: DPoP proofs that a store was asked about; bearerguard.outcome is first, again or error
//
// All but the first and the last have the configured issuer as bearerguard.issuer. Decisions have http.request.method, and http.route where
// the mux of net/http matched a pattern (its path), and refusals http.response.status_code. error.type is one of the codes of
// [verifier.Reason] and [middleware.Denial.Reason], and of a call that failed timeout or _OTHER: no attribute has a value that a client
// can make up. Attempts to get keys and calls of introspection are spans too, children of the span of the request that caused them.
package otelauth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/bearerguard/bearerguard/middleware"
	"github.com/bearerguard/bearerguard/verifier"
	"github.com/bearerguard/bearerguard/verifier/introspection"
)

const scope = "github.com/bearerguard/bearerguard/adapters/otel"

// Config says where measurements go. The zero Config is usable.
type Config struct {
	MeterProvider  metric.MeterProvider // nil: the global one
	TracerProvider trace.TracerProvider // nil: the global one
	Now            func() time.Time     // for the keys' age; nil: time.Now
}

// Telemetry holds the instruments. It is safe for concurrent use; one serves any number of verifiers and guards.
type Telemetry struct {
	meter        metric.Meter
	tracer       trace.Tracer
	now          func() time.Time
	decisions    metric.Int64Counter
	verification metric.Float64Histogram
	fetch        metric.Float64Histogram
	age          metric.Float64ObservableGauge
	usable       metric.Int64ObservableGauge
	ready        metric.Int64ObservableGauge
	introspected metric.Float64Histogram
	replays      metric.Int64Counter

	decided  sync.Map // of decision: metric.AddOption
	verified sync.Map // of verification: metric.RecordOption
}

// New makes the instruments.
func New(cfg Config) (*Telemetry, error) {
	if cfg.MeterProvider == nil {
		cfg.MeterProvider = otel.GetMeterProvider()
	}
	if cfg.TracerProvider == nil {
		cfg.TracerProvider = otel.GetTracerProvider()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	m := cfg.MeterProvider.Meter(scope)
	t := &Telemetry{meter: m, tracer: cfg.TracerProvider.Tracer(scope), now: cfg.Now}
	var errs [8]error
	t.decisions, errs[0] = m.Int64Counter("bearerguard.decisions", metric.WithUnit("{decision}"), metric.WithDescription("Requests that a guard decided."))
	// From a remembered token, under a microsecond, to one that waited for keys.
	t.verification, errs[1] = m.Float64Histogram("bearerguard.verification.duration", metric.WithUnit("s"), metric.WithDescription("Time that the verification of a token took."),
		metric.WithExplicitBucketBoundaries(1e-6, 2e-6, 5e-6, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4, 1e-3, 1e-2, 0.1, 1, 5))
	t.fetch, errs[2] = m.Float64Histogram("bearerguard.keys.fetch.duration", metric.WithUnit("s"), metric.WithDescription("Time that an attempt to get the issuer's keys took."),
		metric.WithExplicitBucketBoundaries(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5))
	t.age, errs[3] = m.Float64ObservableGauge("bearerguard.keys.age", metric.WithUnit("s"), metric.WithDescription("Time since the issuer's keys were last fetched or confirmed."))
	t.usable, errs[4] = m.Int64ObservableGauge("bearerguard.keys.usable", metric.WithUnit("{key}"), metric.WithDescription("Keys that tokens are verified with."))
	t.ready, errs[5] = m.Int64ObservableGauge("bearerguard.ready", metric.WithDescription("Whether tokens can be verified: 1 or 0."))
	t.introspected, errs[6] = m.Float64Histogram("bearerguard.introspection.duration", metric.WithUnit("s"), metric.WithDescription("Time that a call to the introspection endpoint took."),
		metric.WithExplicitBucketBoundaries(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5))
	t.replays, errs[7] = m.Int64Counter("bearerguard.replay.checks", metric.WithUnit("{proof}"), metric.WithDescription("DPoP proofs that a replay store was asked about."))
	if err := errors.Join(errs[:]...); err != nil {
		return nil, fmt.Errorf("otelauth: %w", err)
	}
	return t, nil
}

// decision and verification are what a measurement is told by: each combination's attributes are made once.
type (
	decision     struct{ reason, method, pattern string }
	verification struct {
		issuer, reason string
		cached         bool
	}
)

// OnDecision is for middleware.Config.
func (t *Telemetry) OnDecision(r *http.Request, _ *verifier.Claims, d *middleware.Denial) {
	key := decision{d.Reason(), method(r.Method), r.Pattern}
	option, ok := t.decided.Load(key)
	if !ok {
		attrs := []attribute.KeyValue{attribute.String("http.request.method", key.method), attribute.String("bearerguard.outcome", "granted")}
		if d != nil {
			attrs = append(attrs[:1], attribute.String("bearerguard.outcome", "refused"), attribute.String("error.type", key.reason), attribute.Int("http.response.status_code", d.Status))
		}
		if path := strings.IndexByte(key.pattern, '/'); path >= 0 { // behind the pattern's method and host
			attrs = append(attrs, attribute.String("http.route", key.pattern[path:]))
		}
		option, _ = t.decided.LoadOrStore(key, []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(attrs...))})
	}
	t.decisions.Add(r.Context(), 1, option.([]metric.AddOption)...)
}

// method is one of those that semantic conventions know: what clients make up must not multiply attributes.
func method(name string) string {
	switch name {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodConnect, http.MethodOptions, http.MethodTrace:
		return name
	}
	return "_OTHER"
}

// Hooks are for verifier.Config.
func (t *Telemetry) Hooks() verifier.Hooks {
	return verifier.Hooks{Verified: t.onVerified, Fetched: t.onFetched}
}

func (t *Telemetry) onVerified(ctx context.Context, e verifier.VerifyEvent) {
	key := verification{e.Issuer, verifier.Reason(e.Err), e.Cached}
	option, ok := t.verified.Load(key)
	if !ok {
		attrs := []attribute.KeyValue{issuer(e.Issuer), attribute.Bool("bearerguard.cached", e.Cached)}
		if key.reason != "" {
			attrs = append(attrs, attribute.String("error.type", key.reason))
		}
		option, _ = t.verified.LoadOrStore(key, []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(attrs...))})
	}
	t.verification.Record(ctx, e.Duration.Seconds(), option.([]metric.RecordOption)...)
}

func (t *Telemetry) onFetched(ctx context.Context, e verifier.FetchEvent) {
	attrs := t.after(ctx, "bearerguard fetch keys", e.URL, e.Duration, e.Err, issuer(e.Issuer), attribute.Int("bearerguard.keys.usable", e.Keys),
		attribute.Int("bearerguard.keys.skipped", e.Skipped), attribute.Bool("bearerguard.keys.not_modified", e.NotModified))
	t.fetch.Record(ctx, e.Duration.Seconds(), metric.WithAttributes(append(attrs, issuer(e.Issuer))...))
}

// OnCalled is for introspection.Config.Called.
func (t *Telemetry) OnCalled(ctx context.Context, e introspection.CallEvent) {
	attrs := t.after(ctx, "bearerguard introspect", e.URL, e.Duration, e.Err, issuer(e.Issuer), attribute.Bool("bearerguard.active", e.Active),
		attribute.Int("http.response.status_code", e.Status))
	t.introspected.Record(ctx, e.Duration.Seconds(), metric.WithAttributes(append(attrs, issuer(e.Issuer), attribute.Bool("bearerguard.active", e.Active))...))
}

// after makes the span of a call that is over, and returns how it failed, if it did.
func (t *Telemetry) after(ctx context.Context, name, url string, took time.Duration, err error, attrs ...attribute.KeyValue) (failed []attribute.KeyValue) {
	end := time.Now()
	_, span := t.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindClient), trace.WithTimestamp(end.Add(-took)), trace.WithAttributes(append(attrs, attribute.String("url.full", url))...))
	if err != nil {
		failed = []attribute.KeyValue{attribute.String("error.type", errorType(err))}
		span.SetAttributes(failed...)
		span.SetStatus(codes.Error, err.Error())
	}
	span.End(trace.WithTimestamp(end))
	return failed
}

func errorType(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "timeout"
	}
	return "_OTHER"
}

// Replay counts what a store of DPoP proofs is asked, for middleware.DPoP.Replay. Guards that share a store share what this returns.
// It panics on nil: the store in memory, which a nil DPoP.Replay stands for, can't be counted.
func (t *Telemetry) Replay(store middleware.ReplayStore) middleware.ReplayStore {
	if store == nil {
		panic("otelauth: Replay of a nil ReplayStore")
	}
	return &replayStore{store, t}
}

type replayStore struct {
	store middleware.ReplayStore
	t     *Telemetry
}

func (s *replayStore) Once(ctx context.Context, key string, until time.Time) (bool, error) {
	first, err := s.store.Once(ctx, key, until)
	outcome := "again"
	switch {
	case err != nil:
		outcome = "error"
	case first:
		outcome = "first"
	}
	s.t.replays.Add(ctx, 1, metric.WithAttributes(attribute.String("bearerguard.outcome", outcome)))
	return first, err
}

func issuer(name string) attribute.KeyValue { return attribute.String("bearerguard.issuer", name) }

// ObserveKeys reports the keys of one issuer whenever measurements are collected; health is the method of its verifier, and
// starts a fetch where keys are missing or due. Unregister ends it.
func (t *Telemetry) ObserveKeys(name string, health func() verifier.Health) (metric.Registration, error) {
	attrs := metric.WithAttributes(issuer(name))
	return t.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		h := health()
		ready := int64(0)
		if h.Ready {
			ready = 1
		}
		o.ObserveInt64(t.ready, ready, attrs)
		o.ObserveInt64(t.usable, int64(h.Keys), attrs)
		if !h.FetchedAt.IsZero() {
			o.ObserveFloat64(t.age, t.now().Sub(h.FetchedAt).Seconds(), attrs)
		}
		return nil
	}, t.age, t.usable, t.ready)
}
