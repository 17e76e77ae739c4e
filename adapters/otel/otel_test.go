package otelauth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	otelauth "github.com/bearerguard/bearerguard/adapters/otel"
	"github.com/bearerguard/bearerguard/middleware"
	"github.com/bearerguard/bearerguard/verifier"
	"github.com/bearerguard/bearerguard/verifier/introspection"
	"github.com/bearerguard/bearerguard/verifier/verifiertest"
)

// observed is an API whose verifier and guard are measured.
type observed struct {
	issuer    *verifiertest.Issuer
	telemetry *otelauth.Telemetry
	verifier  *verifier.Verifier
	mux       *http.ServeMux
	reader    *metric.ManualReader
	spans     *tracetest.SpanRecorder
	tracing   *trace.TracerProvider
	fetched   chan struct{}
}

func observe(tb testing.TB) *observed {
	tb.Helper()
	o := &observed{issuer: verifiertest.NewIssuer(tb), reader: metric.NewManualReader(), spans: tracetest.NewSpanRecorder(), fetched: make(chan struct{}, 100)}
	o.tracing = trace.NewTracerProvider(trace.WithSpanProcessor(o.spans))
	var err error
	o.telemetry, err = otelauth.New(otelauth.Config{MeterProvider: metric.NewMeterProvider(metric.WithReader(o.reader)), TracerProvider: o.tracing})
	if err != nil {
		tb.Fatal(err)
	}
	cfg := o.issuer.Config()
	cfg.Hooks = verifier.JoinHooks(o.telemetry.Hooks(), verifier.Hooks{Fetched: func(context.Context, verifier.FetchEvent) { o.fetched <- struct{}{} }})
	if o.verifier, err = verifier.New(cfg); err != nil {
		tb.Fatal(err)
	}
	g, err := middleware.New(o.verifier, middleware.Config{OnDecision: o.telemetry.OnDecision})
	if err != nil {
		tb.Fatal(err)
	}
	o.mux = http.NewServeMux()
	o.mux.Handle("GET /orders/{id}", g.RequireScope("read")(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	return o
}

func (o *observed) get(ctx context.Context, token string) int {
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/orders/a-private-order", nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	o.mux.ServeHTTP(w, r)
	return w.Code
}

// collect gives each data point as "name{attribute=value ...} = count or value".
func (o *observed) collect(t *testing.T) map[string]float64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := o.reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	points := map[string]float64{}
	note := func(name string, set attribute.Set, value float64) {
		text := set.Encoded(attribute.DefaultEncoder())
		points[name+"{"+strings.ReplaceAll(text, o.issuer.URL(), "ISSUER")+"}"] = value
	}
	for _, s := range all.ScopeMetrics {
		for _, m := range s.Metrics {
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					note(m.Name, p.Attributes, float64(p.Value))
				}
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					note(m.Name, p.Attributes, float64(p.Count))
				}
			case metricdata.Gauge[int64]:
				for _, p := range data.DataPoints {
					note(m.Name, p.Attributes, float64(p.Value))
				}
			case metricdata.Gauge[float64]:
				for _, p := range data.DataPoints {
					note(m.Name, p.Attributes, p.Value)
				}
			default:
				t.Errorf("%s is a %T", m.Name, data)
			}
		}
	}
	return points
}

func TestMeasurements(t *testing.T) {
	t.Parallel()
	o := observe(t)
	if _, err := o.telemetry.ObserveKeys(o.issuer.URL(), o.verifier.Health); err != nil {
		t.Fatal(err)
	}
	good := o.issuer.Token("read")
	for range 3 {
		o.get(t.Context(), good)
	}
	<-o.fetched
	o.get(t.Context(), "")
	o.get(t.Context(), o.issuer.Token("other"))
	for range 2 {
		o.get(t.Context(), o.issuer.Expired())
	}
	points := o.collect(t)
	for name, want := range map[string]float64{
		`bearerguard.decisions{bearerguard.outcome=granted,http.request.method=GET,http.route=/orders/{id}}`:                                                             3,
		`bearerguard.decisions{bearerguard.outcome=refused,error.type=no_credentials,http.request.method=GET,http.response.status_code=401,http.route=/orders/{id}}`:     1,
		`bearerguard.decisions{bearerguard.outcome=refused,error.type=insufficient_scope,http.request.method=GET,http.response.status_code=403,http.route=/orders/{id}}`: 1,
		`bearerguard.decisions{bearerguard.outcome=refused,error.type=expired,http.request.method=GET,http.response.status_code=401,http.route=/orders/{id}}`:            2,
		`bearerguard.verification.duration{bearerguard.cached=false,bearerguard.issuer=ISSUER}`:                                                                          2,
		`bearerguard.verification.duration{bearerguard.cached=true,bearerguard.issuer=ISSUER}`:                                                                           2,
		`bearerguard.verification.duration{bearerguard.cached=false,bearerguard.issuer=ISSUER,error.type=expired}`:                                                       2,
		`bearerguard.keys.fetch.duration{bearerguard.issuer=ISSUER}`:                                                                                                     1,
		`bearerguard.keys.usable{bearerguard.issuer=ISSUER}`:                                                                                                             1,
		`bearerguard.ready{bearerguard.issuer=ISSUER}`:                                                                                                                   1,
	} {
		if points[name] != want {
			t.Errorf("%s = %v, want %v", name, points[name], want)
		}
		delete(points, name)
	}
	if age, ok := points["bearerguard.keys.age{bearerguard.issuer=ISSUER}"]; !ok || age < 0 || age > 60 {
		t.Errorf("the keys' age is %v", age)
	}
	delete(points, "bearerguard.keys.age{bearerguard.issuer=ISSUER}")
	if len(points) > 0 {
		t.Errorf("more than was asked for: %v", points)
	}
}

// TestNothingThatAClientChooses: whatever clients send, the number of series stays, and nothing of a token is in one.
func TestNothingThatAClientChooses(t *testing.T) {
	t.Parallel()
	o := observe(t)
	o.get(t.Context(), o.issuer.Token("read"))
	<-o.fetched
	send := func(n int) {
		for i := range n {
			text := strings.Repeat("x", i+1)
			o.get(t.Context(), text)
			o.get(t.Context(), o.issuer.Sign(map[string]any{"kid": "kid-" + text}, map[string]any{"iss": o.issuer.URL(), "aud": "https://api.example.com", "exp": time.Now().Add(time.Hour).Unix()}))
			o.get(t.Context(), o.issuer.Token("read", map[string]any{"iss": "https://" + text}))
			o.get(t.Context(), o.issuer.Token("scope-"+text, map[string]any{"sub": "subject-" + text, "client_id": "client-" + text}))
		}
	}
	send(1)
	before := len(o.collect(t))
	send(20)
	after := o.collect(t)
	if len(after) != before {
		t.Errorf("%d series, %d before", len(after), before)
	}
	for name := range after {
		if strings.Contains(name, "xx") {
			t.Errorf("%s has something that a client sent", name)
		}
	}
}

func TestSpans(t *testing.T) {
	t.Parallel()
	o := observe(t)
	ctx, request := o.tracing.Tracer("test").Start(t.Context(), "request")
	if code := o.get(ctx, o.issuer.Token("read")); code != http.StatusOK {
		t.Fatal(code)
	}
	<-o.fetched
	o.issuer.Down(http.StatusInternalServerError)
	cfg := o.issuer.Config()
	failed := make(chan struct{}, 10)
	cfg.Hooks = verifier.JoinHooks(o.telemetry.Hooks(), verifier.Hooks{Fetched: func(context.Context, verifier.FetchEvent) { failed <- struct{}{} }})
	v, err := verifier.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	v.Warm(ctx)
	<-failed
	request.End()
	var fetches []trace.ReadOnlySpan
	for _, s := range o.spans.Ended() {
		if s.Name() == "bearerguard fetch keys" {
			fetches = append(fetches, s)
		}
	}
	if len(fetches) != 2 {
		t.Fatalf("%d spans of fetches", len(fetches))
	}
	for i, s := range fetches {
		if s.Parent().SpanID() != request.SpanContext().SpanID() {
			t.Errorf("fetch %d is not a child of the request that caused it", i)
		}
		if d := s.EndTime().Sub(s.StartTime()); d <= 0 || d > time.Minute {
			t.Errorf("fetch %d took %v", i, d)
		}
	}
	if s := fetches[0]; s.Status().Code != codes.Unset || !slices.Contains(s.Attributes(), attribute.String("url.full", o.issuer.URL()+"/jwks")) {
		t.Errorf("%v, %v", s.Status(), s.Attributes())
	}
	if s := fetches[1]; s.Status().Code != codes.Error || !slices.Contains(s.Attributes(), attribute.String("error.type", "_OTHER")) {
		t.Errorf("%v, %v", s.Status(), s.Attributes())
	}
	if points := o.collect(t); points[`bearerguard.keys.fetch.duration{bearerguard.issuer=ISSUER,error.type=_OTHER}`] != 1 {
		t.Errorf("%v", points)
	}
}

// once is a ReplayStore that answers in turn.
type once struct{ answers []any }

func (o *once) Once(context.Context, string, time.Time) (bool, error) {
	answer := o.answers[0]
	o.answers = o.answers[1:]
	if err, ok := answer.(error); ok {
		return false, err
	}
	return answer.(bool), nil
}

func TestReplayAndIntrospection(t *testing.T) {
	t.Parallel()
	o := observe(t)
	store := o.telemetry.Replay(&once{[]any{true, true, false, errors.New("away")}})
	for range 4 {
		store.Once(t.Context(), "a-key", time.Now())
	}
	o.telemetry.OnCalled(t.Context(), introspection.CallEvent{Issuer: o.issuer.URL(), URL: "https://as.example.com/introspect", Status: 200, Duration: time.Second, Active: true})
	o.telemetry.OnCalled(t.Context(), introspection.CallEvent{Issuer: o.issuer.URL(), Duration: time.Second, Err: fmt.Errorf("no answer: %w", context.DeadlineExceeded)})
	points := o.collect(t)
	for name, want := range map[string]float64{
		`bearerguard.replay.checks{bearerguard.outcome=first}`: 2, `bearerguard.replay.checks{bearerguard.outcome=again}`: 1, `bearerguard.replay.checks{bearerguard.outcome=error}`: 1,
		`bearerguard.introspection.duration{bearerguard.active=true,bearerguard.issuer=ISSUER}`:                     1,
		`bearerguard.introspection.duration{bearerguard.active=false,bearerguard.issuer=ISSUER,error.type=timeout}`: 1,
	} {
		if points[name] != want {
			t.Errorf("%s = %v, want %v", name, points[name], want)
		}
		delete(points, name)
	}
	if len(points) > 0 {
		t.Errorf("more: %v", points)
	}
	spans := o.spans.Ended()
	if len(spans) != 2 || spans[0].Name() != "bearerguard introspect" || spans[1].Status().Code != codes.Error || spans[0].EndTime().Sub(spans[0].StartTime()) != time.Second {
		t.Errorf("%d spans", len(spans))
	}
}

// TestGlobalProviders: without an SDK nothing is measured, and nothing breaks.
func TestGlobalProviders(t *testing.T) {
	t.Parallel()
	telemetry, err := otelauth.New(otelauth.Config{})
	if err != nil {
		t.Fatal(err)
	}
	telemetry.OnDecision(httptest.NewRequest(http.MethodGet, "/", nil), nil, nil)
	telemetry.Hooks().Verified(t.Context(), verifier.VerifyEvent{})
}

// BenchmarkHooks is what measuring adds to a request with a remembered token: under a microsecond.
func BenchmarkHooks(b *testing.B) {
	o := observe(b)
	token := o.issuer.Token("read")
	o.get(b.Context(), token)
	plain, err := middleware.New(o.issuer.Verifier(), middleware.Config{})
	if err != nil {
		b.Fatal(err)
	}
	measured, err := middleware.New(o.verifier, middleware.Config{OnDecision: o.telemetry.OnDecision})
	if err != nil {
		b.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	for name, g := range map[string]*middleware.Guard{"without": plain, "with": measured} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, denial := g.Check(r); denial != nil {
					b.Fatal(denial.Err)
				}
			}
		})
	}
}

func TestReplayOfNil(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("it is taken, and panics with the first proof")
		}
	}()
	telemetry, err := otelauth.New(otelauth.Config{})
	if err != nil {
		t.Fatal(err)
	}
	telemetry.Replay(nil)
}
