// Package grpcauth puts a guard of package middleware before the methods of a gRPC server.
//
//	i, err := grpcauth.New(guard, grpcauth.Config{
//		Methods: map[string][]middleware.Requirement{"/shop.Orders/Delete": {middleware.Scope("orders:write")}},
//		Default: []middleware.Requirement{middleware.Scope("orders:read")},
//		Open:    []string{"/grpc.health.v1.Health/"},
//	})
//	s := grpc.NewServer(grpc.ChainUnaryInterceptor(i.Unary), grpc.ChainStreamInterceptor(i.Stream))
//	pb.RegisterOrdersServer(s, orders{})
//	err = i.Check(s.GetServiceInfo())
//
// Both interceptors are needed: without Stream each streaming method is open, that of the reflection service too.
//
// To the guard a call is a POST to its method's full name, with its metadata as header fields and the TLS state of its peer. A
// handler finds the token's claims with verifier.FromContext. A refusal has the code Unauthenticated where the token is missing or
// bad, PermissionDenied where it doesn't suffice, InvalidArgument where the authorization metadata is malformed, Unavailable (with
// RetryInfo) where tokens can't be verified now, and Internal otherwise; ErrorInfo in its details has the error code of RFC 6750
// for a reason, and the challenges are in the metadata of the answer, as www-authenticate.
//
// A stream is decided when it begins. [middleware.UntilExpiry] of its context ends with the token.
package grpcauth

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/bearerguard/bearerguard/adapters/internal/rpc"
	"github.com/bearerguard/bearerguard/middleware"
)

// Config says what each method asks for. A name is "/package.Service/Method", or "/package.Service/" for all methods of a
// service that have none of their own.
type Config struct {
	// Default is asked for by the methods that are not named. Nil: any good token, as [middleware.Guard.Require].
	Default []middleware.Requirement
	// Methods ask for all of their requirements.
	Methods map[string][]middleware.Requirement
	// Open methods ask for nothing: their metadata is not looked at. The health service is meant to be among them.
	Open []string
}

// Interceptor decides calls. It is safe for concurrent use.
type Interceptor struct {
	guard  *middleware.Guard
	routes rpc.Routes
}

// New checks a configuration. Every mistake is reported, in one errors.Join.
func New(g *middleware.Guard, cfg Config) (*Interceptor, error) {
	var nilGuard error
	if g == nil {
		nilGuard = errors.New("grpcauth: a nil *middleware.Guard: was the error of middleware.New dropped?")
	}
	routes, err := rpc.Routes(cfg).Compile("grpcauth", "Methods")
	if err := errors.Join(nilGuard, err); err != nil {
		return nil, err
	}
	return &Interceptor{g, routes}, nil
}

// Check reports, in one errors.Join, each name in Methods and Open that none of a server's services has: what is misspelled asks
// for Default. It is for the server's GetServiceInfo, when all services are registered. Methods that only a
// grpc.UnknownServiceHandler knows are among what it reports.
func (i *Interceptor) Check(services map[string]grpc.ServiceInfo) error {
	var methods []string
	for service, info := range services {
		methods = append(methods, "/"+service+"/")
		for _, method := range info.Methods {
			methods = append(methods, "/"+service+"/"+method.Name)
		}
	}
	return i.routes.Unknown("grpcauth", methods)
}

// Unary is a grpc.UnaryServerInterceptor.
func (i *Interceptor) Unary(ctx context.Context, request any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	ctx, err := i.check(ctx, info.FullMethod, info.FullMethod, func(m metadata.MD) { _ = grpc.SetHeader(ctx, m) }) // fails only where the headers are gone
	if err != nil {
		return nil, err
	}
	return next(ctx, request)
}

// Stream is a grpc.StreamServerInterceptor.
func (i *Interceptor) Stream(server any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	pattern := info.FullMethod
	if server == nil { // grpc.UnknownServiceHandler: the name is the client's to choose
		pattern = ""
	}
	ctx, err := i.check(stream.Context(), info.FullMethod, pattern, func(m metadata.MD) { _ = stream.SetHeader(m) })
	if err != nil {
		return err
	}
	return next(server, &guarded{stream, ctx})
}

// guarded is a stream whose context carries the claims.
type guarded struct {
	grpc.ServerStream
	ctx context.Context
}

func (g *guarded) Context() context.Context { return g.ctx }

func (i *Interceptor) check(ctx context.Context, method, pattern string, setHeader func(metadata.MD)) (context.Context, error) {
	requirements, open := i.routes.Find(method)
	if open {
		return ctx, nil
	}
	grant, denial := i.guard.Check(request(ctx, method, pattern), requirements...)
	if denial != nil {
		setHeader(lowered(denial.Header))
		return nil, refusal(denial)
	}
	setHeader(lowered(grant.Header))
	return grant.Request.Context(), nil
}

// request is what the guard reads.
func request(ctx context.Context, method, pattern string) *http.Request {
	r := &http.Request{
		Method: http.MethodPost, URL: &url.URL{Path: method}, Proto: "HTTP/2.0", ProtoMajor: 2, Header: http.Header{}, Body: http.NoBody, Pattern: pattern,
	}
	fields, _ := metadata.FromIncomingContext(ctx)
	for name, values := range fields {
		switch {
		case name == ":authority":
			r.Host = strings.Join(values, "")
		case !strings.HasPrefix(name, ":"):
			r.Header[http.CanonicalHeaderKey(name)] = values
		}
	}
	if p, ok := peer.FromContext(ctx); ok {
		if p.Addr != nil {
			r.RemoteAddr = p.Addr.String()
		}
		if info, ok := p.AuthInfo.(credentials.TLSInfo); ok {
			r.TLS = &info.State
		}
	}
	return r.WithContext(ctx)
}

// lowered is metadata: its names are lower-case.
func lowered(h http.Header) metadata.MD {
	m := metadata.MD{}
	for name, values := range h {
		m.Append(name, values...)
	}
	return m
}

func refusal(d *middleware.Denial) error {
	code := codes.Internal
	switch d.Status {
	case http.StatusUnauthorized:
		code = codes.Unauthenticated
	case http.StatusForbidden:
		code = codes.PermissionDenied
	case http.StatusBadRequest:
		code = codes.InvalidArgument
	case http.StatusServiceUnavailable:
		code = codes.Unavailable
	}
	text := d.Description
	if text == "" {
		text = "an access token is required"
	}
	s := status.New(code, text)
	var details []protoadapt.MessageV1
	if d.Code != "" {
		details = append(details, &errdetails.ErrorInfo{Reason: strings.ToUpper(d.Code), Domain: "oauth2"})
	}
	if seconds, err := strconv.Atoi(d.Header.Get("Retry-After")); err == nil {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(time.Duration(seconds) * time.Second)})
	}
	if with, err := s.WithDetails(details...); err == nil {
		s = with
	}
	return s.Err()
}
