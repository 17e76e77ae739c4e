package connectauth_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/wrapperspb"

	connectauth "github.com/bearerguard/bearerguard/adapters/connect"
	"github.com/bearerguard/bearerguard/middleware"
	"github.com/bearerguard/bearerguard/verifier"
	"github.com/bearerguard/bearerguard/verifier/verifiertest"
)

const (
	list  = "/shop.Orders/List"
	watch = "/shop.Orders/Watch"
)

type text = wrapperspb.StringValue

// shop is a Connect server over TLS with HTTP/2, whose procedures tell who calls.
type shop struct {
	*httptest.Server
	ran atomic.Int32
}

func (s *shop) who(ctx context.Context) *text {
	s.ran.Add(1)
	claims, ok := verifier.FromContext(ctx)
	if !ok {
		return wrapperspb.String("nobody")
	}
	return wrapperspb.String(claims.ClientID())
}

func open(t *testing.T, g *middleware.Guard, cfg connectauth.Config) *shop {
	t.Helper()
	m, err := connectauth.New(g, cfg)
	if err != nil {
		t.Fatal(err)
	}
	s := &shop{}
	mux := http.NewServeMux()
	mux.Handle(list, m.Wrap(connect.NewUnaryHandler(list, func(ctx context.Context, _ *connect.Request[text]) (*connect.Response[text], error) {
		return connect.NewResponse(s.who(ctx)), nil
	}, connect.WithIdempotency(connect.IdempotencyNoSideEffects))))
	mux.Handle(watch, m.Wrap(connect.NewServerStreamHandler(watch, func(ctx context.Context, _ *connect.Request[text], out *connect.ServerStream[text]) error {
		return out.Send(s.who(ctx))
	})))
	s.Server = httptest.NewUnstartedServer(mux)
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func (s *shop) call(t *testing.T, procedure string, authorization []string, options ...connect.ClientOption) (string, error) {
	t.Helper()
	client := connect.NewClient[text, text](s.Client(), s.URL+procedure, options...)
	request := connect.NewRequest(wrapperspb.String("x"))
	for _, field := range authorization {
		request.Header().Add("Authorization", field)
	}
	if procedure == list {
		response, err := client.CallUnary(t.Context(), request)
		if err != nil {
			return "", err
		}
		return response.Msg.Value, nil
	}
	stream, err := client.CallServerStream(t.Context(), request)
	if err != nil {
		return "", err
	}
	defer stream.Close()
	if !stream.Receive() {
		return "", stream.Err()
	}
	return stream.Msg().Value, nil
}

func newGuard(t *testing.T, v verifier.TokenVerifier) *middleware.Guard {
	t.Helper()
	g, err := middleware.New(v, middleware.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

type failing struct{ err error }

func (f failing) Verify(context.Context, string) (*verifier.Claims, error) { return nil, f.err }

var protocols = map[string][]connect.ClientOption{
	"Connect": nil, "Connect with GET": {connect.WithHTTPGet()}, "gRPC": {connect.WithGRPC()}, "gRPC-Web": {connect.WithGRPCWeb()},
}

// TestAnswers is the table of package conformance in Connect's terms.
func TestAnswers(t *testing.T) {
	t.Parallel()
	issuer := verifiertest.NewIssuer(t)
	good := "Bearer " + issuer.Token("orders:read", map[string]any{"client_id": "shop"})
	const invalid = `Bearer realm="api", error="invalid_token", error_description="the access token is malformed, expired, revoked or not for this resource"`
	for _, tt := range []struct {
		name      string
		verifier  verifier.TokenVerifier // nil: the issuer's
		fields    []string
		code      connect.Code // 0: passes
		challenge string
	}{
		{"a good token", nil, []string{good}, 0, ""},
		{"Q-1 no credentials", nil, nil, connect.CodeUnauthenticated, `Bearer realm="api", scope="orders:read"`},
		{"Q-2 another scheme", nil, []string{"Basic dTpw"}, connect.CodeUnauthenticated, `Bearer realm="api", scope="orders:read"`},
		{"Q-3 two fields", nil, []string{good, good}, connect.CodeInvalidArgument, `Bearer realm="api", error="invalid_request", error_description="the Authorization field is malformed or there is more than one"`},
		{"Q-5 an expired token", nil, []string{"Bearer " + issuer.Expired()}, connect.CodeUnauthenticated, invalid},
		{"Q-5 a tampered token", nil, []string{"Bearer " + issuer.Tampered()}, connect.CodeUnauthenticated, invalid},
		{"Q-6 a token without the scope", nil, []string{"Bearer " + issuer.Token("other")}, connect.CodePermissionDenied,
			`Bearer realm="api", error="insufficient_scope", error_description="the access token lacks the scope that this resource requires", scope="orders:read"`},
		{"Q-13 an outage", failing{&verifier.UnavailableError{}}, []string{"Bearer x"}, connect.CodeUnavailable, ""},
		{"an error of the verifier's", failing{errors.New("the database's password is x")}, []string{"Bearer x"}, connect.CodeInternal, ""},
	} {
		for protocol, options := range protocols {
			for _, procedure := range []string{list, watch} {
				t.Run(tt.name+", "+protocol+", "+procedure, func(t *testing.T) {
					t.Parallel()
					v := tt.verifier
					if v == nil {
						v = issuer.Verifier()
					}
					s := open(t, newGuard(t, v), connectauth.Config{Default: []middleware.Requirement{middleware.Scope("orders:read")}})
					who, err := s.call(t, procedure, tt.fields, options...)
					if tt.code == 0 {
						if err != nil || who != "shop" || s.ran.Load() != 1 {
							t.Errorf("it saw %q, and ran %d times: %v", who, s.ran.Load(), err)
						}
						return
					}
					var refused *connect.Error
					if !errors.As(err, &refused) || refused.Code() != tt.code || s.ran.Load() != 0 {
						t.Fatalf("%v; it ran %d times", err, s.ran.Load())
					}
					if got := strings.Join(refused.Meta().Values("WWW-Authenticate"), "|"); got != tt.challenge {
						t.Errorf("challenge %q, want %q", got, tt.challenge)
					}
					if refused.Message() == "" || strings.Contains(refused.Message(), "password") {
						t.Errorf("the message is %q", refused.Message())
					}
				})
			}
		}
	}
}

func TestProceduresAskForTheirOwn(t *testing.T) {
	t.Parallel()
	issuer := verifiertest.NewIssuer(t)
	s := open(t, newGuard(t, issuer.Verifier()), connectauth.Config{
		Procedures: map[string][]middleware.Requirement{list: {middleware.Scope("list")}}, Open: []string{watch},
	})
	if _, err := s.call(t, list, []string{"Bearer " + issuer.Token("list")}); err != nil {
		t.Error(err)
	}
	if _, err := s.call(t, list, []string{"Bearer " + issuer.Token("watch")}); connect.CodeOf(err) != connect.CodePermissionDenied {
		t.Error(err)
	}
	if who, err := s.call(t, watch, nil); err != nil || who != "nobody" {
		t.Errorf("%q, %v", who, err)
	}
}

// TestOtherClients: a browser or curl gets the guard's own answer.
func TestOtherClients(t *testing.T) {
	t.Parallel()
	s := open(t, newGuard(t, verifiertest.NewIssuer(t).Verifier()), connectauth.Config{})
	response, err := s.Client().Post(s.URL+list, "text/plain", nil)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusUnauthorized || response.Header.Get("WWW-Authenticate") != `Bearer realm="api"` {
		t.Errorf("%d, %v", response.StatusCode, response.Header)
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	_, err := connectauth.New(nil, connectauth.Config{
		Procedures: map[string][]middleware.Requirement{"shop.Orders/Get": nil, "/shop.Orders/Both": nil}, Open: []string{"shop.Orders/List", "/shop.Orders/Both"},
	})
	for _, want := range []string{"nil *middleware.Guard", `Procedures holds "shop.Orders/Get"`, `Open holds "shop.Orders/List"`, "in Procedures and in Open"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %s", err, want)
		}
	}
}

// TestOutsideOfStripPrefix: with the prefix before it a procedure would ask for Default.
func TestOutsideOfStripPrefix(t *testing.T) {
	t.Parallel()
	issuer := verifiertest.NewIssuer(t)
	guard := newGuard(t, issuer.Verifier())
	strip := func(h http.Handler) http.Handler { return http.StripPrefix("/api", h) }
	for _, tt := range []struct {
		name   string
		cfg    connectauth.Config
		within bool
		want   int
	}{
		{"outside, with a procedure of its own", connectauth.Config{Procedures: map[string][]middleware.Requirement{list: {middleware.Scope("orders:read")}}}, false, 404},
		{"within", connectauth.Config{Procedures: map[string][]middleware.Requirement{list: {middleware.Scope("orders:read")}}}, true, 403},
		{"outside, where all ask for the same", connectauth.Config{Default: []middleware.Requirement{middleware.Scope("orders:read")}}, false, 403},
	} {
		m, err := connectauth.New(guard, tt.cfg)
		if err != nil {
			t.Fatal(err)
		}
		reached := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
		h := m.Wrap(strip(reached))
		if tt.within {
			h = strip(m.Wrap(reached))
		}
		r, w := httptest.NewRequest(http.MethodPost, "/api"+list, nil), httptest.NewRecorder()
		r.Header.Set("Authorization", "Bearer "+issuer.Token("orders:list"))
		if h.ServeHTTP(w, r); w.Code != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, w.Code, tt.want)
		}
	}
}

// TestRefusalIsNoOtherBody: what an outer layer said of the body that it expected is not true of a refusal's.
func TestRefusalIsNoOtherBody(t *testing.T) {
	t.Parallel()
	m, err := connectauth.New(newGuard(t, verifiertest.NewIssuer(t).Verifier()), connectauth.Config{})
	if err != nil {
		t.Fatal(err)
	}
	h := m.Wrap(http.NotFoundHandler())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range map[string]string{"Content-Length": "5", "Etag": `"a"`, "Last-Modified": "Fri, 01 Jan 2027 00:00:00 GMT"} {
			w.Header().Set(name, value)
		}
		h.ServeHTTP(w, r)
	}))
	defer server.Close()
	_, err = connect.NewClient[text, text](server.Client(), server.URL+list).CallUnary(t.Context(), connect.NewRequest(wrapperspb.String("x")))
	refused := (*connect.Error)(nil)
	if !errors.As(err, &refused) || refused.Code() != connect.CodeUnauthenticated || refused.Message() != "an access token is required" || refused.Meta().Get("Etag")+refused.Meta().Get("Last-Modified") != "" {
		t.Errorf("%v %v", err, refused)
	}
}
