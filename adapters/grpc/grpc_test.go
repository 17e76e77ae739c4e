package grpcauth_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	grpcauth "github.com/bearerguard/bearerguard/adapters/grpc"
	"github.com/bearerguard/bearerguard/middleware"
	"github.com/bearerguard/bearerguard/verifier"
	"github.com/bearerguard/bearerguard/verifier/verifiertest"
)

// orders is a service of two methods, one of them a stream. Both tell who calls.
type orders struct{ ran atomic.Int32 }

func (o *orders) who(ctx context.Context) *wrapperspb.StringValue {
	o.ran.Add(1)
	claims, ok := verifier.FromContext(ctx)
	if !ok {
		return wrapperspb.String("nobody")
	}
	return wrapperspb.String(claims.ClientID())
}

func unary(server any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
	in := new(wrapperspb.StringValue)
	if err := decode(in); err != nil {
		return nil, err
	}
	handler := func(ctx context.Context, _ any) (any, error) { return server.(*orders).who(ctx), nil }
	return interceptor(ctx, in, &grpc.UnaryServerInfo{Server: server, FullMethod: "/shop.Orders/List"}, handler)
}

func stream(server any, s grpc.ServerStream) error {
	return s.SendMsg(server.(*orders).who(s.Context()))
}

var service = grpc.ServiceDesc{
	ServiceName: "shop.Orders", HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{{MethodName: "List", Handler: unary}},
	Streams: []grpc.StreamDesc{{StreamName: "Watch", Handler: stream, ServerStreams: true}},
}

// shop is a gRPC server over TLS, and a client of it.
type shop struct {
	orders *orders
	client *grpc.ClientConn
}

func open(t *testing.T, g *middleware.Guard, cfg grpcauth.Config, options ...grpc.ServerOption) *shop {
	t.Helper()
	i, err := grpcauth.New(g, cfg)
	if err != nil {
		t.Fatal(err)
	}
	borrowed := httptest.NewUnstartedServer(nil) // for its certificate
	borrowed.StartTLS()
	t.Cleanup(borrowed.Close)
	roots := x509.NewCertPool()
	roots.AddCert(borrowed.Certificate())
	s := &shop{orders: &orders{}}
	server := grpc.NewServer(append(options, grpc.Creds(credentials.NewTLS(&tls.Config{Certificates: borrowed.TLS.Certificates})),
		grpc.ChainUnaryInterceptor(i.Unary), grpc.ChainStreamInterceptor(i.Stream))...)
	server.RegisterService(&service, s.orders)
	healthpb.RegisterHealthServer(server, health.NewServer())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go server.Serve(listener)
	t.Cleanup(server.Stop)
	s.client, err = grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: roots, ServerName: "example.com"})))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.client.Close() })
	return s
}

// call calls one of the two methods, and returns who was seen and the answer's metadata.
func (s *shop) call(t *testing.T, method string, authorization ...string) (who string, header metadata.MD, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for _, field := range authorization {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", field)
	}
	out := new(wrapperspb.StringValue)
	if method == "/shop.Orders/List" {
		err = s.client.Invoke(ctx, method, wrapperspb.String("x"), out, grpc.Header(&header))
		return out.Value, header, err
	}
	st, err := s.client.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, method)
	if err != nil {
		return "", nil, err
	}
	if err = errors.Join(st.SendMsg(wrapperspb.String("x")), st.CloseSend()); err != nil {
		return "", nil, err
	}
	err = st.RecvMsg(out)
	header, _ = st.Header()
	if trailer := st.Trailer(); len(header.Get("www-authenticate"))+len(header.Get("vary")) == 0 {
		header = trailer
	}
	return out.Value, header, err
}

func newGuard(t *testing.T, v verifier.TokenVerifier, cfg middleware.Config) *middleware.Guard {
	t.Helper()
	g, err := middleware.New(v, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

type verifyFunc func(string) (*verifier.Claims, error)

func (f verifyFunc) Verify(_ context.Context, token string) (*verifier.Claims, error) {
	return f(token)
}

// TestAnswers is the table of package conformance in gRPC's terms.
func TestAnswers(t *testing.T) {
	t.Parallel()
	issuer := verifiertest.NewIssuer(t)
	good := "Bearer " + issuer.Token("orders:read", map[string]any{"client_id": "shop"})
	failing := func(err error) verifier.TokenVerifier {
		return verifyFunc(func(string) (*verifier.Claims, error) { return nil, err })
	}
	const invalid = `Bearer realm="api", error="invalid_token", error_description="the access token is malformed, expired, revoked or not for this resource"`
	for _, tt := range []struct {
		name      string
		verifier  verifier.TokenVerifier // nil: the issuer's
		fields    []string
		code      codes.Code
		reason    string
		challenge string
	}{
		{"a good token", nil, []string{good}, codes.OK, "", ""},
		{"a lower-case scheme", nil, []string{"bearer" + good[6:]}, codes.OK, "", ""},
		{"Q-1 no credentials", nil, nil, codes.Unauthenticated, "", `Bearer realm="api", scope="orders:read"`},
		{"Q-2 another scheme", nil, []string{"Basic dTpw"}, codes.Unauthenticated, "", `Bearer realm="api", scope="orders:read"`},
		{"Q-3 two fields", nil, []string{good, good}, codes.InvalidArgument, "INVALID_REQUEST", `Bearer realm="api", error="invalid_request", error_description="the Authorization field is malformed or there is more than one"`},
		{"Q-4 an empty token", nil, []string{"Bearer "}, codes.InvalidArgument, "INVALID_REQUEST", `Bearer realm="api", error="invalid_request", error_description="the Authorization field is malformed or there is more than one"`},
		{"Q-5 an expired token", nil, []string{"Bearer " + issuer.Expired()}, codes.Unauthenticated, "INVALID_TOKEN", invalid},
		{"Q-5 a tampered token", nil, []string{"Bearer " + issuer.Tampered()}, codes.Unauthenticated, "INVALID_TOKEN", invalid},
		{"Q-5 an unsigned token", nil, []string{"Bearer " + issuer.AlgNone()}, codes.Unauthenticated, "INVALID_TOKEN", invalid},
		{"Q-5 an opaque token", nil, []string{"Bearer " + issuer.Opaque()}, codes.Unauthenticated, "INVALID_TOKEN", invalid},
		{"Q-6 a token without the scope", nil, []string{"Bearer " + issuer.Token("other")}, codes.PermissionDenied, "INSUFFICIENT_SCOPE",
			`Bearer realm="api", error="insufficient_scope", error_description="the access token lacks the scope that this resource requires", scope="orders:read"`},
		{"Q-8 a bound token", nil, []string{"Bearer " + issuer.Token("orders:read", map[string]any{"cnf": map[string]any{"jkt": "x"}})}, codes.Unauthenticated, "INVALID_TOKEN", invalid},
		{"Q-13 an outage", failing(&verifier.UnavailableError{RetryAfter: 7 * time.Second}), []string{"Bearer x"}, codes.Unavailable, "TEMPORARILY_UNAVAILABLE", ""},
		{"an error of the verifier's", failing(errors.New("the database's password is x")), []string{"Bearer x"}, codes.Internal, "SERVER_ERROR", ""},
	} {
		for _, method := range []string{"/shop.Orders/List", "/shop.Orders/Watch"} {
			t.Run(tt.name+", "+method, func(t *testing.T) {
				t.Parallel()
				v := tt.verifier
				if v == nil {
					v = issuer.Verifier()
				}
				var decided []string
				g := newGuard(t, v, middleware.Config{OnDecision: func(r *http.Request, _ *verifier.Claims, d *middleware.Denial) {
					decided = append(decided, r.Method+" "+r.Pattern+" "+r.Host+" "+d.Reason())
					if r.TLS == nil || !r.TLS.HandshakeComplete || r.RemoteAddr == "" {
						t.Errorf("the peer is not told: %+v", r)
					}
				}})
				s := open(t, g, grpcauth.Config{Default: []middleware.Requirement{middleware.Scope("orders:read")}})
				who, header, err := s.call(t, method, tt.fields...)
				st := status.Convert(err)
				if st.Code() != tt.code {
					t.Fatalf("%v", err)
				}
				if len(decided) != 1 || !strings.HasPrefix(decided[0], "POST "+method+" example.com ") {
					t.Errorf("decided %q", decided)
				}
				if tt.code == codes.OK {
					if who != "shop" || s.orders.ran.Load() != 1 {
						t.Errorf("it saw %q, and ran %d times", who, s.orders.ran.Load())
					}
					return
				}
				if s.orders.ran.Load() != 0 {
					t.Error("a refused call ran")
				}
				if got := strings.Join(header.Get("www-authenticate"), "|"); got != tt.challenge {
					t.Errorf("challenge %q, want %q", got, tt.challenge)
				}
				compareDetails(t, st, tt.reason)
				if text := st.Message(); strings.Contains(text, "password") || text == "" {
					t.Errorf("the message is %q", text)
				}
			})
		}
	}
}

func compareDetails(t *testing.T, st *status.Status, reason string) {
	t.Helper()
	got, retry := "", time.Duration(0)
	for _, detail := range st.Details() {
		switch d := detail.(type) {
		case *errdetails.ErrorInfo:
			got = d.Reason
		case *errdetails.RetryInfo:
			retry = d.RetryDelay.AsDuration()
		default:
			t.Errorf("a detail of type %T", d)
		}
	}
	if got != reason {
		t.Errorf("the reason is %q, want %q", got, reason)
	}
	if want := map[codes.Code]time.Duration{codes.Unavailable: 7 * time.Second}[st.Code()]; retry != want {
		t.Errorf("retry after %v, want %v", retry, want)
	}
}

func TestMethodsAskForTheirOwn(t *testing.T) {
	t.Parallel()
	issuer := verifiertest.NewIssuer(t)
	s := open(t, newGuard(t, issuer.Verifier(), middleware.Config{}), grpcauth.Config{
		Methods: map[string][]middleware.Requirement{"/shop.Orders/List": {middleware.Scope("list"), middleware.Scope("read")}, "/shop.Orders/": {middleware.Scope("watch")}},
		Open:    []string{"/grpc.health.v1.Health/"},
	})
	for _, tt := range []struct {
		method, scope string
		code          codes.Code
	}{
		{"/shop.Orders/List", "list read", codes.OK}, {"/shop.Orders/List", "list", codes.PermissionDenied}, {"/shop.Orders/List", "watch", codes.PermissionDenied},
		{"/shop.Orders/Watch", "watch", codes.OK}, {"/shop.Orders/Watch", "list read", codes.PermissionDenied},
	} {
		if _, _, err := s.call(t, tt.method, "Bearer "+issuer.Token(tt.scope)); status.Code(err) != tt.code {
			t.Errorf("%s with %q: %v, want %v", tt.method, tt.scope, err, tt.code)
		}
	}
	checks := healthpb.NewHealthClient(s.client)
	if _, err := checks.Check(t.Context(), &healthpb.HealthCheckRequest{}); err != nil {
		t.Errorf("the health service asks for a token: %v", err)
	}
	watch, err := checks.Watch(t.Context(), &healthpb.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := watch.Recv(); err != nil {
		t.Errorf("the health service's stream asks for a token: %v", err)
	}
	closed := open(t, newGuard(t, issuer.Verifier(), middleware.Config{}), grpcauth.Config{})
	if _, err := healthpb.NewHealthClient(closed.client).Check(t.Context(), &healthpb.HealthCheckRequest{}); status.Code(err) != codes.Unauthenticated {
		t.Errorf("by default the health service is open: %v", err)
	}
}

// TestCheck: a name that is misspelled falls to Default, which may ask for less.
func TestCheck(t *testing.T) {
	t.Parallel()
	server := grpc.NewServer()
	server.RegisterService(&service, &orders{})
	healthpb.RegisterHealthServer(server, health.NewServer())
	guard := newGuard(t, verifiertest.NewIssuer(t).Verifier(), middleware.Config{})
	for name, wrong := range map[string]bool{"/shop.Orders/List": false, "/shop.Orders/Watch": false, "/shop.Orders/": false, "/shop.Orders/list": true, "/shop.Order/": true, "/shop.Orders/Delete": true} {
		i, err := grpcauth.New(guard, grpcauth.Config{Methods: map[string][]middleware.Requirement{name: nil}, Open: []string{"/grpc.health.v1.Health/"}})
		if err != nil {
			t.Fatal(err)
		}
		if err := i.Check(server.GetServiceInfo()); (err != nil) != wrong || wrong && !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
		if err := i.Check(nil); err == nil || !strings.Contains(err.Error(), "/grpc.health.v1.Health/") {
			t.Errorf("no services: %v", err)
		}
	}
}

// TestUnknownMethodsAreNoPatterns: a name that the client made up would be one more series of a metric.
func TestUnknownMethodsAreNoPatterns(t *testing.T) {
	t.Parallel()
	issuer := verifiertest.NewIssuer(t)
	decided := make(chan string, 1)
	guard := newGuard(t, issuer.Verifier(), middleware.Config{OnDecision: func(r *http.Request, _ *verifier.Claims, d *middleware.Denial) {
		decided <- r.Pattern + "|" + r.URL.Path + "|" + d.Reason()
	}})
	s := open(t, guard, grpcauth.Config{}, grpc.UnknownServiceHandler(func(_ any, s grpc.ServerStream) error { return s.SendMsg(wrapperspb.String("x")) }))
	for method, want := range map[string]string{"/shop.Orders/Watch": "/shop.Orders/Watch|/shop.Orders/Watch|", "/made.Up/Method": "|/made.Up/Method|", "/shop.Orders/MadeUp": "|/shop.Orders/MadeUp|"} {
		if _, _, err := s.call(t, method, "Bearer "+issuer.Token("")); err != nil {
			t.Error(err)
		}
		if got := <-decided; got != want {
			t.Errorf("%s: %s, want %s", method, got, want)
		}
		s.call(t, method)
		if got := <-decided; got != want+"no_credentials" {
			t.Errorf("%s without a token: %s", method, got)
		}
	}
}

// TestAnOuterInterceptorsClaims: whatever stands outside can't make a call look verified.
func TestAnOuterInterceptorsClaims(t *testing.T) {
	t.Parallel()
	issuer := verifiertest.NewIssuer(t)
	i, err := grpcauth.New(newGuard(t, issuer.Verifier(), middleware.Config{}), grpcauth.Config{})
	if err != nil {
		t.Fatal(err)
	}
	ctx := verifier.NewContext(t.Context(), verifiertest.Claims(t, nil))
	_, err = i.Unary(ctx, nil, &grpc.UnaryServerInfo{FullMethod: "/shop.Orders/List"}, func(context.Context, any) (any, error) {
		t.Error("it ran")
		return nil, nil
	})
	if status.Code(err) != codes.Unauthenticated {
		t.Error(err)
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	_, err := grpcauth.New(nil, grpcauth.Config{Open: []string{"grpc.health.v1.Health/Check"}})
	if err == nil || !strings.Contains(err.Error(), "nil *middleware.Guard") || !strings.Contains(err.Error(), "grpc.health.v1.Health/Check") {
		t.Errorf("%v", err)
	}
}
