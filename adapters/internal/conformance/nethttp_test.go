package conformance

import (
	"net/http"
	"testing"

	"github.com/bearerguard/bearerguard/middleware"
	"github.com/bearerguard/bearerguard/verifier"
)

// layer is what chi, alice and other routers for net/http take.
type layer = func(http.Handler) http.Handler

// overNetHTTP is the guard's own methods, put together in one of several ways.
func overNetHTTP(serve func(http.Handler, []layer) http.Handler) Framework[layer] {
	return Framework[layer]{
		Require:       func(g *middleware.Guard) layer { return g.Require },
		RequireScope:  (*middleware.Guard).RequireScope,
		RequirePolicy: (*middleware.Guard).RequirePolicy,
		With:          (*middleware.Guard).With,
		Optional:      func(g *middleware.Guard) layer { return g.Optional },
		Serve: func(h Handler, layers ...layer) http.Handler {
			return serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				claims, ok := verifier.FromContext(r.Context())
				h(w, r, claims, ok)
			}), layers)
		},
	}
}

// wrap puts the first layer outside.
func wrap(h http.Handler, layers []layer) http.Handler {
	for i := range layers {
		h = layers[len(layers)-1-i](h)
	}
	return h
}

func TestMuxOfGuardedRoutes(t *testing.T) {
	t.Parallel()
	Run(t, overNetHTTP(func(h http.Handler, layers []layer) http.Handler {
		mux := http.NewServeMux()
		mux.Handle("/", wrap(h, layers))
		return mux
	}))
}

func TestGuardedMux(t *testing.T) {
	t.Parallel()
	Run(t, overNetHTTP(func(h http.Handler, layers []layer) http.Handler {
		mux := http.NewServeMux()
		mux.Handle("/", h)
		return wrap(mux, layers)
	}))
}

// TestChain composes layers before it knows the handler, as chi's Use and alice do.
func TestChain(t *testing.T) {
	t.Parallel()
	Run(t, overNetHTTP(func(h http.Handler, layers []layer) http.Handler {
		chain := layer(func(next http.Handler) http.Handler { return next })
		for _, l := range layers {
			outer := chain
			chain = func(next http.Handler) http.Handler { return outer(l(next)) }
		}
		return chain(h)
	}))
}
