package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	auth0 "github.com/auth0/go-jwt-middleware/v2"
	"github.com/auth0/go-jwt-middleware/v2/jwks"
	"github.com/auth0/go-jwt-middleware/v2/validator"
	"github.com/gin-gonic/gin"
	"github.com/labstack/echo/v4"

	echoauth "github.com/bearerguard/bearerguard/adapters/echo"
	ginauth "github.com/bearerguard/bearerguard/adapters/gin"
	"github.com/bearerguard/bearerguard/internal/bench/mint"
	"github.com/bearerguard/bearerguard/middleware"
	"github.com/bearerguard/bearerguard/verifier"
)

// The routes of every server: the same handler with nothing before it, and behind a guard.
const (
	bare     = "/bare"
	cached   = "/cached"   // ours, CacheSize 8192
	uncached = "/uncached" // ours, CacheSize -1
	peer     = "/peer"
)

const cacheSize = 8192

// serve is the program as a server. It writes its address on stdout, and ends with its stdin, which is its parent's to close.
func serve(framework, jwksFile, jwksURL string) error {
	handler, err := newHandler(framework, jwksFile, jwksURL)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	return server.Serve(listener)
}

func newHandler(framework, jwksFile, jwksURL string) (http.Handler, error) {
	set, err := os.ReadFile(jwksFile)
	if err != nil {
		return nil, err
	}
	on, err := newGuard(set, cacheSize)
	if err != nil {
		return nil, err
	}
	off, err := newGuard(set, -1)
	if err != nil {
		return nil, err
	}
	switch framework {
	case "net/http":
		other, err := newAuth0(jwksURL)
		if err != nil {
			return nil, err
		}
		return onNetHTTP(on, off, other), nil
	case "Echo":
		return onEcho(on, off), nil
	case "Gin":
		return onGin(on, off), nil
	}
	return nil, fmt.Errorf("no such framework: %s", framework)
}

func newGuard(set []byte, size int) (*middleware.Guard, error) {
	v, err := verifier.New(verifier.Config{Issuer: mint.Issuer, Audience: []string{mint.Audience}, JWKS: set, CacheSize: size})
	if err != nil {
		return nil, err
	}
	return middleware.New(v, middleware.Config{})
}

func newAuth0(jwksURL string) (*auth0.JWTMiddleware, error) {
	issuer, err := url.Parse(mint.Issuer)
	if err != nil {
		return nil, err
	}
	keysAt, err := url.Parse(jwksURL)
	if err != nil {
		return nil, err
	}
	keys := jwks.NewCachingProvider(issuer, time.Hour, jwks.WithCustomJWKSURI(keysAt))
	v, err := validator.New(keys.KeyFunc, validator.RS256, mint.Issuer, []string{mint.Audience})
	if err != nil {
		return nil, err
	}
	return auth0.New(v.ValidateToken), nil
}

func onNetHTTP(on, off *middleware.Guard, other *auth0.JWTMiddleware) http.Handler {
	ok := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("ok")) })
	mux := http.NewServeMux()
	mux.Handle(bare, ok)
	mux.Handle(cached, on.Require(ok))
	mux.Handle(uncached, off.Require(ok))
	mux.Handle(peer, other.CheckJWT(ok))
	return mux
}

func onEcho(on, off *middleware.Guard) http.Handler {
	ok := func(c echo.Context) error { return c.String(http.StatusOK, "ok") }
	e := echo.New()
	e.GET(bare, ok)
	e.GET(cached, ok, echoauth.Require(on))
	e.GET(uncached, ok, echoauth.Require(off))
	return e
}

func onGin(on, off *middleware.Guard) http.Handler {
	ok := func(c *gin.Context) { c.String(http.StatusOK, "ok") }
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.GET(bare, ok)
	e.GET(cached, ginauth.Require(on), ok)
	e.GET(uncached, ginauth.Require(off), ok)
	return e
}
