package verifier

import (
	"errors"
	"time"
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
	ErrMalformed    error = &reason{"malformed token"}            // no compact JWT, no strict JSON, over a limit, a claim of the wrong type
	ErrAlgorithm    error = &reason{"algorithm not accepted"}     // alg
	ErrType         error = &reason{"not an access token"}        // typ, and what the profile matches and forbids
	ErrKeyNotFound  error = &reason{"no such key at the issuer"}  // kid
	ErrSignature    error = &reason{"bad signature"}              // none of the keys that fit made it
	ErrIssuer       error = &reason{"token of another issuer"}    // iss
	ErrAudience     error = &reason{"token for another audience"} // aud
	ErrExpired      error = &reason{"token expired"}              // exp
	ErrNotYetValid  error = &reason{"token not yet valid"}        // nbf, iat
	ErrMissingClaim error = &reason{"required claim missing"}     // exp, and what the profile requires
	ErrClaim        error = &reason{"claim not accepted"}         // Config.Match and Config.Clients
	ErrRevoked      error = &reason{"token revoked"}              // of WithRevocation
	ErrBinding      error = &reason{"token bound to its sender"}  // cnf: of those who enforce it, never of Verify
)

// ErrNoClaim is what [Claims.Get] returns for a claim that is absent or null. Verify never returns it.
var ErrNoClaim = errors.New("the token has no such claim")

type reason struct{ text string }

func (r *reason) Error() string { return r.text }
func (r *reason) Unwrap() error { return ErrInvalidToken }

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
