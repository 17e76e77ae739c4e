package middleware

import (
	"net/http"
	"strings"

	"github.com/bearerguard/bearerguard/internal/jose"
)

// maxCredentials is the longest Authorization value that is looked at byte by byte; a good token is shorter.
const maxCredentials = 17 << 10

// presented is what a request carries in its Authorization field.
type presented int

const (
	nothing   presented = iota // no field
	foreign                    // a scheme that is not ours, or no scheme
	ours                       // one token, whose characters have not been looked at
	malformed                  // what no client should send
	oversized                  // a token that is longer than any good one
)

// The schemes under which an access token comes.
const (
	schemeBearer = "Bearer" // RFC 6750 section 2.1
	schemeDPoP   = "DPoP"   // RFC 9449 section 7.1
)

// credentials reads the Authorization field by its grammar: RFC 9110 section 11.6.2, RFC 6750 section 2.1 and RFC 9449
// section 7.1. The scheme is one of the schemes given, or "" where the field is none's.
// Tokens in a query, a form or a cookie are never looked at (RFC 9700 section 4.3.2).
func credentials(h http.Header, schemes []string) (scheme, token string, p presented) {
	fields := h["Authorization"]
	switch len(fields) {
	case 0:
		return "", "", nothing
	case 1:
	default: // RFC 9110 section 11.6.2: a singleton
		return "", "", malformed
	}
	name, rest := cutScheme(fields[0])
	if scheme = oneOf(schemes, name); scheme == "" {
		if hidesCredentials(rest, schemes) {
			return "", "", malformed
		}
		return "", "", foreign
	}
	token = strings.TrimLeft(rest, " ") // RFC 6750 section 2.1: 1*SP
	switch {
	case len(token) > maxCredentials:
		return scheme, "", oversized
	case token == "" || len(token) == len(rest):
		return scheme, "", malformed
	}
	return scheme, token, ours
}

// oneOf finds the scheme of this name, "" if there is none.
func oneOf(schemes []string, name string) string {
	for _, scheme := range schemes {
		if len(scheme) == len(name) && strings.EqualFold(scheme, name) { // RFC 9110 section 11.1: schemes are case-insensitive
			return scheme
		}
	}
	return ""
}

// cutScheme ends the scheme at the first character that no token has (RFC 9110 section 5.6.2).
func cutScheme(field string) (scheme, rest string) {
	i := 0
	for i < len(field) && isTokenChar(field[i]) {
		i++
	}
	return field[:i], field[i:]
}

// isB64Token reports whether s is 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"=" (RFC 6750 section 2.1).
func isB64Token(s string) bool {
	body := strings.TrimRight(s, "=")
	return body != "" && b64Token.Spells(body)
}

var b64Token = jose.NewAlphabet("-._~+/")

func isTokenChar(c byte) bool { return tokenChars[c] == 0 }

var tokenChars = jose.NewAlphabet("!#$%&'*+-.^_`|~")

func isAlphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// hidesCredentials reports whether a second set of credentials was joined to a foreign one by a comma, as proxies join fields
// (RFC 9110 section 5.3): which of the two counts would differ from hop to hop.
func hidesCredentials(rest string, schemes []string) bool {
	if len(rest) > maxCredentials {
		return false
	}
	quoted := false
	for i := 0; i < len(rest); i++ {
		switch {
		case quoted && rest[i] == '\\':
			i++
		case rest[i] == '"':
			quoted = !quoted
		case rest[i] == ',' && !quoted:
			for i+1 < len(rest) && (rest[i+1] == ' ' || rest[i+1] == '\t') {
				i++
			}
			if i+1 == len(rest) || !isTokenChar(rest[i+1]) { // thousands of commas cost no more than so many other characters
				continue
			}
			scheme, after := cutScheme(rest[i+1:])
			if oneOf(schemes, scheme) != "" && !strings.HasPrefix(strings.TrimLeft(after, " \t"), "=") {
				return true
			}
		}
	}
	return false
}
