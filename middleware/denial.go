package middleware

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bearerguard/bearerguard/internal/jose"
	"github.com/bearerguard/bearerguard/verifier"
)

// Denial is a refused request and the answer to it. It is not an error: a nil *Denial in an error would not be nil.
type Denial struct {
	Status      int
	Header      http.Header      // what ServeHTTP sends: challenges, Retry-After, Cache-Control, DPoP-Nonce
	Code        string           // the error code of RFC 6750 section 3.1 or RFC 9449 section 7.1; "" where the request had no credentials
	Description string           // a fixed sentence for developers; "" where Code is
	Claims      *verifier.Claims // of a good token that was not enough; else nil
	Err         error            // what happened, for operators: never to be sent to a client

	body func(*http.Request, *Denial) (string, []byte)
}

// ServeHTTP sends the answer.
func (d *Denial) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	contentType, body := d.Body(r)
	d.SetHeader(w.Header())
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(d.Status)
	w.Write(body) // an error means that the client is gone
}

// SetHeader puts the fields of Header into an answer's, and takes out those that tell of a body which an outer layer meant to
// send: for adapters that write the answer themselves.
func (d *Denial) SetHeader(h http.Header) {
	maps.Copy(h, d.Header)
	for _, ofAnotherBody := range []string{"Content-Length", "Etag", "Last-Modified"} { // but Content-Encoding is an outer layer's
		h.Del(ofAnotherBody)
	}
}

// Body is what ServeHTTP sends: that of Config.Body, else a JSON object with error and error_description.
func (d *Denial) Body(r *http.Request) (contentType string, body []byte) {
	if d.body != nil {
		return d.body(r, d)
	}
	body, _ = jose.Marshal(struct {
		Code        string `json:"error,omitempty"`
		Description string `json:"error_description,omitempty"`
	}{d.Code, d.Description}) // two strings: can't fail
	return "application/json", body
}

// outcome is a row of the matrix of answers: RFC 6750 section 3.1.
type outcome struct {
	status      int
	code        string
	description string // RFC 6750 section 3: of %x20-21 / %x23-5B / %x5D-7E, and never a piece of the request
}

var (
	noCredentials     = outcome{status: http.StatusUnauthorized} // no error code: RFC 6750 section 3.1
	invalidRequest    = outcome{http.StatusBadRequest, "invalid_request", "the Authorization field is malformed or there is more than one"}
	invalidToken      = outcome{http.StatusUnauthorized, "invalid_token", "the access token is malformed, expired, revoked or not for this resource"}
	insufficientScope = outcome{http.StatusForbidden, "insufficient_scope", "the access token lacks the scope that this resource requires"}
	noUser            = outcome{http.StatusForbidden, "insufficient_scope", "this resource requires a user who has authenticated, and the access token is a client's own"}
	otherDetails      = outcome{http.StatusForbidden, "insufficient_scope", "the access token has no authorization_details that allow this request"} // no other scope would help
	unavailable       = outcome{http.StatusServiceUnavailable, "temporarily_unavailable", "access tokens can't be verified at the moment"}
	serverError       = outcome{http.StatusInternalServerError, "server_error", "access tokens can't be verified"}

	// RFC 9470 section 3.
	insufficientAuthentication = outcome{http.StatusUnauthorized, "insufficient_user_authentication", "this resource requires another authentication of the user, or a more recent one"}

	// RFC 9449 sections 7.1 and 9.
	wrongKey     = outcome{http.StatusUnauthorized, "invalid_token", "Invalid DPoP key binding"} // the RFC's own words
	invalidProof = outcome{http.StatusUnauthorized, "invalid_dpop_proof", "the DPoP proof is missing, malformed, used before or not for this request"}
	useNonce     = outcome{http.StatusUnauthorized, "use_dpop_nonce", "this resource asks for the nonce of its DPoP-Nonce field in the DPoP proof"}
)

// deny is the answer to credentials of a scheme, "" where the request doesn't tell which.
func (g *Guard) deny(scheme string, o outcome, requirements []Requirement, err error) *Denial {
	d := &Denial{Status: o.status, Code: o.code, Description: o.description, Err: err, Header: http.Header{"Cache-Control": {"no-store"}}, body: g.cfg.Body}
	if o.status < http.StatusInternalServerError {
		d.Header["Www-Authenticate"] = g.challenges(scheme, o, requirements)
	}
	return d
}

// challenges has one for each scheme of the guard, each in a field of its own. What went wrong with credentials of one
// scheme stands in its challenge alone, which comes first (RFC 9449 section 7.2).
func (g *Guard) challenges(scheme string, o outcome, requirements []Requirement) []string {
	list := make([]string, 0, len(g.schemes))
	for _, s := range g.schemes {
		if c := g.challenge(s, o, scheme == "" || scheme == s, requirements); scheme == s {
			list = slices.Insert(list, 0, c)
		} else {
			list = append(list, c)
		}
	}
	return list
}

// challenge is never without a parameter (RFC 6750 section 3): Bearer has a realm or metadata, DPoP has algs. It names the
// scope where the client may need to ask for one: before it has a token, and with one that was not enough.
func (g *Guard) challenge(scheme string, o outcome, named bool, requirements []Requirement) string {
	b := strings.Builder{}
	separator := scheme + " "
	add := func(name, value string) {
		if value != "" {
			b.WriteString(separator + name + `="` + value + `"`)
			separator = ", "
		}
	}
	if scheme == schemeBearer {
		add("realm", g.cfg.Realm)
	}
	if named {
		add("error", o.code)
		add("error_description", o.description)
	}
	if scheme == schemeDPoP {
		add("algs", g.proofs.algs) // RFC 9449 section 7.1
	}
	if o == noCredentials || o == insufficientScope || o == insufficientAuthentication {
		add("scope", ask(requirements))
	}
	if o == insufficientAuthentication {
		acrValues, maxAge := askAuthentication(requirements)
		add("acr_values", acrValues)
		add("max_age", maxAge)
	}
	add("resource_metadata", g.cfg.ResourceMetadata)
	return b.String()
}

// denyUnavailable is the answer where nothing is wrong with the request: without a challenge, for the client must keep its token.
func (g *Guard) denyUnavailable(err error) *Denial {
	d := g.deny("", unavailable, nil, err)
	d.Header["Retry-After"] = []string{retryAfter(err)}
	return d
}

// retryAfter is in whole seconds, at least one (RFC 9110 section 10.2.3).
func retryAfter(err error) string {
	var d time.Duration
	if e := (*verifier.UnavailableError)(nil); errors.As(err, &e) {
		d = e.RetryAfter
	}
	return strconv.FormatInt(int64(max(1, (d+time.Second-1)/time.Second)), 10)
}
