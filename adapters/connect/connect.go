// Package connectauth puts a guard of package middleware before the procedures of a Connect server.
//
//	m, err := connectauth.New(guard, connectauth.Config{
//		Procedures: map[string][]middleware.Requirement{"/shop.Orders/Delete": {middleware.Scope("orders:write")}},
//		Default:    []middleware.Requirement{middleware.Scope("orders:read")},
//	})
//	path, handler := shopconnect.NewOrdersHandler(orders{})
//	mux.Handle(path, m.Wrap(handler))
//
// A handler finds the token's claims with verifier.FromContext. A refusal is an error of the protocol that the client speaks
// (Connect, gRPC or gRPC-Web): unauthenticated where the token is missing or bad, permission_denied where it doesn't suffice,
// invalid_argument where the Authorization field is malformed, unavailable where tokens can't be verified now, and internal
// otherwise, each with the challenges in the header. Whoever speaks none of them gets the guard's own answer.
//
// A stream is decided when it begins. [middleware.UntilExpiry] of its context ends with the token.
package connectauth

import (
	"errors"
	"net/http"
	"strings"

	"connectrpc.com/connect"

	"github.com/bearerguard/bearerguard/adapters/internal/rpc"
	"github.com/bearerguard/bearerguard/middleware"
)

// Config says what each procedure asks for. A name is "/package.Service/Method", or "/package.Service/" for all procedures of
// a service that have none of their own.
type Config struct {
	// Default is asked for by the procedures that are not named. Nil: any good token, as [middleware.Guard.Require].
	Default []middleware.Requirement
	// Procedures ask for all of their requirements. A name that is misspelled has no effect: take the constants of the generated code.
	Procedures map[string][]middleware.Requirement
	// Open procedures ask for nothing: a token is not looked at.
	Open []string
}

// Middleware decides requests. It is safe for concurrent use.
type Middleware struct {
	guard  *middleware.Guard
	routes rpc.Routes
	errors *connect.ErrorWriter
}

// New checks a configuration. Every mistake is reported, in one errors.Join.
func New(g *middleware.Guard, cfg Config) (*Middleware, error) {
	var nilGuard error
	if g == nil {
		nilGuard = errors.New("connectauth: a nil *middleware.Guard: was the error of middleware.New dropped?")
	}
	routes, err := rpc.Routes{Default: cfg.Default, Methods: cfg.Procedures, Open: cfg.Open}.Compile("connectauth", "Procedures")
	if err := errors.Join(nilGuard, err); err != nil {
		return nil, err
	}
	return &Middleware{g, routes, connect.NewErrorWriter()}, nil
}

// Wrap puts the guard before a Connect handler. The request's path is the procedure: under a prefix, Wrap stands within
// [http.StripPrefix]. Where there are Procedures, any other path is answered with 404: it would ask for Default.
func (m *Middleware) Wrap(next http.Handler) http.Handler {
	if next == nil {
		panic("connectauth: a nil http.Handler")
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(m.routes.Methods) > 0 && strings.Count(r.URL.Path, "/") != 2 {
			http.NotFound(w, r)
			return
		}
		requirements, open := m.routes.Find(r.URL.Path)
		if open {
			next.ServeHTTP(w, r)
			return
		}
		grant, denial := m.guard.Check(r, requirements...)
		if denial != nil {
			m.refuse(w, r, denial)
			return
		}
		for name, values := range grant.Header {
			w.Header()[name] = append(w.Header()[name], values...)
		}
		next.ServeHTTP(w, grant.Request)
	})
}

func (m *Middleware) refuse(w http.ResponseWriter, r *http.Request, d *middleware.Denial) {
	if !m.errors.IsSupported(r) {
		d.ServeHTTP(w, r)
		return
	}
	code := connect.CodeInternal
	switch d.Status {
	case http.StatusUnauthorized:
		code = connect.CodeUnauthenticated
	case http.StatusForbidden:
		code = connect.CodePermissionDenied
	case http.StatusBadRequest:
		code = connect.CodeInvalidArgument
	case http.StatusServiceUnavailable:
		code = connect.CodeUnavailable
	}
	text := d.Description
	if text == "" {
		text = "an access token is required"
	}
	d.SetHeader(w.Header())
	_ = m.errors.Write(w, r, connect.NewError(code, errors.New(text))) // an error means that the client is gone
}
