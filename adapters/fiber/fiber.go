// Package fiberauth puts a guard of package middleware before Fiber's handlers.
//
// A handler finds the token's claims with [Claims], or with verifier.FromContext in the Context of its fiber.Ctx. A refusal is
// answered as [middleware.Denial] says, and the handlers behind don't run; Fiber's ErrorHandler doesn't see it.
//
// Of a request with a chunked body the guard sees the fields of the header section alone, and an Authorization field that a handler
// before it has set: fasthttp mixes trailers with them.
//
// Fiber answers 431 to a request whose header is longer than fiber.Config.ReadBufferSize, by default 4 KiB: tokens may need 16.
package fiberauth

import (
	"bytes"
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v3"

	"github.com/bearerguard/bearerguard/middleware"
	"github.com/bearerguard/bearerguard/scopes"
	"github.com/bearerguard/bearerguard/verifier"
)

// Require lets any good token through; see [middleware.Guard.Require]. Like all of this package, it panics on a nil guard.
func Require(g *middleware.Guard) fiber.Handler { return With(g) }

// RequireScope asks for all of the scopes; see [middleware.Guard.RequireScope].
func RequireScope(g *middleware.Guard, all ...string) fiber.Handler {
	return With(g, middleware.Scope(all...))
}

// RequirePolicy asks for what a policy allows.
func RequirePolicy(g *middleware.Guard, p scopes.Policy) fiber.Handler {
	return With(g, middleware.Policy(p))
}

// With asks for all of the requirements; without any it is [Require].
func With(g *middleware.Guard, requirements ...middleware.Requirement) fiber.Handler {
	requirements = slices.Clone(requirements)
	return wrap(g, func(r *http.Request) (middleware.Grant, *middleware.Denial) { return g.Check(r, requirements...) })
}

// Optional lets a request without credentials through, without claims; see [middleware.Guard.Optional].
func Optional(g *middleware.Guard) fiber.Handler { return wrap(g, g.CheckOptional) }

// Claims returns the claims of the request's token; false where no guard has let the request through with one.
func Claims(c fiber.Ctx) (*verifier.Claims, bool) { return verifier.FromContext(c.Context()) }

func wrap(g *middleware.Guard, check func(*http.Request) (middleware.Grant, *middleware.Denial)) fiber.Handler {
	if g == nil {
		panic("fiberauth: a nil *middleware.Guard: was the error of middleware.New dropped?")
	}
	return func(c fiber.Ctx) error {
		r := request(c)
		grant, denial := check(r)
		if denial != nil {
			return refuse(c, denial, r)
		}
		for name, values := range grant.Header {
			for _, value := range values {
				c.Response().Header.Add(name, value)
			}
		}
		c.SetContext(grant.Request.Context())
		return c.Next()
	}
}

// request is what the guard reads, in memory of its own: Fiber's is used again for another request.
func request(c fiber.Ctx) *http.Request {
	r := &http.Request{
		Method: string(c.Request().Header.Method()), Host: string(c.Request().Host()), Header: http.Header{}, Body: http.NoBody,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, RemoteAddr: c.RequestCtx().RemoteAddr().String(), TLS: c.RequestCtx().TLSConnectionState(),
	}
	r.RequestURI = string(c.Request().Header.RequestURI())
	target, _, _ := strings.Cut(r.RequestURI, "#")     // no request target has a fragment (RFC 9112 section 3.2), and Fiber's path ends where one begins
	routed := string(c.Request().URI().PathOriginal()) // what Fiber's router sees: all of x:/orders
	var err error
	if r.URL, err = url.ParseRequestURI(target); err != nil || cmp.Or(r.URL.RawPath, r.URL.EscapedPath()) != routed {
		r.URL = &url.URL{Path: routed, RawQuery: string(c.Request().URI().QueryString())}
	}
	sent := headerSection(c.Request().Header.RawHeaders())
	for name, value := range c.Request().Header.All() {
		name := http.CanonicalHeaderKey(string(name))
		if sent["Transfer-Encoding"] > 0 && len(r.Header[name]) >= sent[name] && name != "Authorization" { // which fasthttp takes from no trailer
			continue
		}
		r.Header.Add(name, string(value))
	}
	return r.WithContext(c.Context())
}

// headerSection counts the fields of a request's header section: behind a chunked body fasthttp adds those of the trailer section
// to them, which RFC 9110 section 6.5.1 forbids, and which a proxy that deletes a client's fields may not have looked through.
func headerSection(raw []byte) map[string]int {
	sent := map[string]int{}
	for line := range bytes.Lines(raw) {
		if name, _, ok := bytes.Cut(line, []byte(":")); ok {
			sent[http.CanonicalHeaderKey(string(name))]++
		}
	}
	return sent
}

func refuse(c fiber.Ctx, d *middleware.Denial, r *http.Request) error {
	contentType, body := d.Body(r)
	h := &c.Response().Header
	for _, ofAnotherBody := range []string{"Content-Length", "Etag", "Last-Modified"} { // as Denial.ServeHTTP does
		h.Del(ofAnotherBody)
	}
	for name, values := range d.Header {
		h.Del(name)
		for _, value := range values {
			h.Add(name, value)
		}
	}
	h.SetContentType(contentType)
	return c.Status(d.Status).Send(body)
}
