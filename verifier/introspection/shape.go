package introspection

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/bearerguard/bearerguard/internal/jose"
	"github.com/bearerguard/bearerguard/internal/seam"
	"github.com/bearerguard/bearerguard/verifier"
)

// ByShape sends each token to the one of two verifiers that its shape suggests: what looks like a signed JWT to jwts,
// everything else to opaque. Encrypted tokens (JWE) go to jwts where that is a [verifier.Verifier] with a Decryption, alone, behind
// [verifier.Issuers] or [verifier.WithRevocation]; else they are opaque. It is for authorization servers that issue both,
// and for the time in which one changes to the other.
//
// The sender of a token chooses its shape, so both must be for tokens that this API accepts; neither is asked about
// what the other has refused. A JWT is then good until it expires or its key is withdrawn. For routes where
// revocation must count at once, an [Introspector] by itself asks the authorization server about JWTs too.
func ByShape(jwts, opaque verifier.TokenVerifier) (verifier.TokenVerifier, error) {
	var errs []error
	for i, v := range []verifier.TokenVerifier{jwts, opaque} {
		if value := reflect.ValueOf(v); v == nil || value.Kind() == reflect.Pointer && value.IsNil() {
			errs = append(errs, fmt.Errorf("introspection: ByShape: the verifier for %s is nil: was the error of New dropped?", []string{"JWTs", "opaque tokens"}[i]))
		}
	}
	if _, swapped := jwts.(*Introspector); swapped {
		errs = append(errs, errors.New("introspection: ByShape: an Introspector for JWTs: the arguments are swapped, or it is all that is needed, for it takes tokens of every shape"))
	}
	if _, swapped := opaque.(*verifier.Verifier); swapped {
		errs = append(errs, errors.New("introspection: ByShape: a Verifier for opaque tokens would refuse them all: pass an Introspector"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return &byShape{jwts, opaque, seam.Decrypts(jwts)}, nil
}

type byShape struct {
	jwts, opaque verifier.TokenVerifier
	decrypts     bool // jwts does
}

func (s *byShape) Verify(ctx context.Context, token string) (*verifier.Claims, error) {
	if looksLikeJWT(token) || s.decrypts && jose.IsEncrypted(token) {
		return s.jwts.Verify(ctx, token)
	}
	return s.opaque.Verify(ctx, token)
}

// looksLikeJWT reports whether a token has the three parts of a signed JWT (RFC 7515 section 7.1), the first of which
// begins as a JSON object does in base64url: "{" and then a quote or white space. PASETO has three parts too.
func looksLikeJWT(token string) bool {
	return len(token) > 2 && token[0] == 'e' && (token[1] == 'y' || token[1] == 'w') && strings.Count(token, ".") == 2
}

// isB64Token reports whether s is 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"=" (RFC 6750 section 2.1).
func isB64Token(s string) bool {
	body := strings.TrimRight(s, "=")
	return body != "" && b64Token.Spells(body)
}

var b64Token = jose.NewAlphabet("-._~+/")
