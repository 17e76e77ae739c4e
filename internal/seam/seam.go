// Package seam lets package verifier/introspection use what package verifier does not export: the checks of claims, the
// issuer's keys and its discovery.
package seam

// Introspected is set by package verifier. It takes a verifier.Config and returns what introspection needs of it, as an
// interface that package introspection declares. Every mistake of the configuration is in the error.
var Introspected func(config any, o Options) (any, error)

// Decrypts is set by package verifier. It reports whether a verifier.TokenVerifier of that package takes encrypted tokens.
var Decrypts func(tokenVerifier any) bool

// Options are what package introspection adds to a verifier.Config.
type Options struct {
	MayLack  []string // "iss", "exp", "aud", "client_id" and names of Profile.Require
	Endpoint string   // configured, to be checked
	Discover []string // else the members of the issuer's metadata that name it, the best first
	Signed   bool     // answers are signed by the issuer's keys
}

// Reason is why a token is not good, with the code that verifier.Reason gives for it.
type Reason struct {
	Code, Text string
	Kind       error // verifier.ErrInvalidToken
}

func (r *Reason) Error() string { return r.Text }
func (r *Reason) Unwrap() error { return r.Kind }
