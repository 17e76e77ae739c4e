package middleware

import (
	"errors"
	"log/slog"
	"net/http"

	"github.com/bearerguard/bearerguard/verifier"
)

// Reason is a short code for why the request was refused, for metrics and logs: that of [verifier.Reason] where the token
// was not good or could not be verified, else the error code of the answer, such as "insufficient_scope", or "no_credentials".
// There are no others, whatever a request holds. It is "" for nil: granted.
func (d *Denial) Reason() string {
	switch {
	case d == nil:
		return ""
	case errors.Is(d.Err, verifier.ErrInvalidToken), errors.Is(d.Err, verifier.ErrUnavailable):
		return verifier.Reason(d.Err)
	case d.Code == "":
		return "no_credentials"
	}
	return d.Code
}

// LogDecisions makes a Config.OnDecision that logs every decision: what was granted with level Debug, what was refused with
// Info, and with Error where the fault is not the client's. An entry has the method, the route (the pattern that matched, else
// the path), the status, the reason, the error, and of a good token's claims the issuer, the client and the token's id: never the
// token, a proof or the query. The error may quote a claim that is wrong, and of the request the URL's path and the peer's address.
func LogDecisions(l *slog.Logger) func(*http.Request, *verifier.Claims, *Denial) {
	if l == nil {
		panic("middleware: LogDecisions of a nil *slog.Logger")
	}
	return func(r *http.Request, claims *verifier.Claims, d *Denial) {
		level, message := slog.LevelDebug, "request granted"
		if d != nil {
			level, message = slog.LevelInfo, "request refused"
			if d.Status >= http.StatusInternalServerError {
				level = slog.LevelError
			}
		}
		if !l.Enabled(r.Context(), level) {
			return
		}
		route := r.Pattern
		if route == "" && r.URL != nil {
			route = r.URL.Path
		}
		attrs := []slog.Attr{slog.String("method", r.Method), slog.String("route", route)}
		if d != nil {
			attrs = append(attrs, slog.Int("status", d.Status), slog.String("reason", d.Reason()), slog.Any("error", d.Err))
		}
		if claims != nil {
			attrs = append(attrs, slog.Any("token", claims))
		}
		l.LogAttrs(r.Context(), level, message, attrs...)
	}
}
