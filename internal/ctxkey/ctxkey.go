// Package ctxkey holds the one context key under which verified claims travel with a request.
package ctxkey

// Claims is the key. Its value is a *verifier.Claims, or has a method Claims that returns one.
type Claims struct{}
