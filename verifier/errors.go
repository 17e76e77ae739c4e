package verifier

import (
	"errors"
	"time"

	"github.com/bearerguard/bearerguard/internal/seam"
)

// Every error of Verify wraps exactly one of these two.
var (
	// ErrInvalidToken: the token is not good and will not become good. The client needs another one (401).
	ErrInvalidToken = errors.New("invalid token")
	// ErrUnavailable: whether the token is good can't be told now. The client keeps it and tries again (503).
	ErrUnavailable = errors.New("token verification unavailable")
)

// Why a token is not good. Each wraps [ErrInvalidToken]; the error that Verify returns wraps one of them and adds
// what was found and what was wanted, for operators: its text holds pieces of the token's claims and must not reach the client.
// Most are found before the signature is looked at: errors.Is(err, ErrExpired) does not mean that the token was ever good.
var (
	ErrMalformed    = because("malformed", "malformed token")               // no compact JWT, one that can't be decrypted, no strict JSON, over a limit, a claim of the wrong type
	ErrAlgorithm    = because("algorithm", "algorithm not accepted")        // alg
	ErrType         = because("type", "not an access token")                // typ, and what the profile matches and forbids
	ErrKeyNotFound  = because("key_not_found", "no such key at the issuer") // kid
	ErrSignature    = because("signature", "bad signature")                 // none of the keys that fit made it
	ErrIssuer       = because("issuer", "token of another issuer")          // iss
	ErrAudience     = because("audience", "token for another audience")     // aud
	ErrExpired      = because("expired", "token expired")                   // exp
	ErrNotYetValid  = because("not_yet_valid", "token not yet valid")       // nbf, iat
	ErrMissingClaim = because("missing_claim", "required claim missing")    // exp, and what the profile requires
	ErrClaim        = because("claim", "claim not accepted")                // Config.Match and Config.Clients
	ErrRevoked      = because("revoked", "token revoked")                   // of WithRevocation
	ErrBinding      = because("binding", "token bound to its sender")       // cnf: of those who enforce it, never of Verify
)

// ErrNoClaim is what [Claims.Get] returns for a claim that is absent or null. Verify never returns it.
var ErrNoClaim = errors.New("the token has no such claim")

func because(code, text string) error {
	return &seam.Reason{Code: code, Text: text, Kind: ErrInvalidToken}
}

// Reason is a short code for an error of Verify, for metrics and logs: "malformed", "algorithm", "type", "key_not_found",
// "signature", "issuer", "audience", "expired", "not_yet_valid", "missing_claim", "claim", "revoked" and "binding" for the errors
// of these names, "inactive" for that of package introspection, "invalid" for another [ErrInvalidToken], "unavailable" for
// [ErrUnavailable], "error" for any other error and "" for nil. There are no others, whatever a token holds.
func Reason(err error) string {
	var r *seam.Reason
	switch {
	case err == nil:
		return ""
	case errors.As(err, &r):
		return r.Code
	case errors.Is(err, ErrInvalidToken):
		return "invalid"
	case errors.Is(err, ErrUnavailable):
		return "unavailable"
	}
	return "error"
}

// UnavailableError is an [ErrUnavailable] with what to tell the client. Where the caller's own context ended
// while it waited for keys, the error wraps context.Canceled or context.DeadlineExceeded too.
type UnavailableError struct {
	RetryAfter time.Duration // when the next attempt may be worth it; never negative
	Err        error         // what went wrong, for operators
}

func (e *UnavailableError) Error() string {
	if e.Err == nil {
		return ErrUnavailable.Error()
	}
	return ErrUnavailable.Error() + ": " + e.Err.Error()
}

func (e *UnavailableError) Unwrap() []error { return []error{ErrUnavailable, e.Err} }

// oneKind leaves the text of an error of the caller's function that wraps ErrInvalidToken, whatever it may mean by that: an
// ErrUnavailable is not to wrap both.
func oneKind(err error) error {
	if errors.Is(err, ErrInvalidToken) {
		return errors.New(err.Error())
	}
	return err
}
