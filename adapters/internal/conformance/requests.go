package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/bearerguard/bearerguard/middleware"
	"github.com/bearerguard/bearerguard/scopes"
	"github.com/bearerguard/bearerguard/verifier"
	"github.com/bearerguard/bearerguard/verifier/verifiertest"
)

// mint makes the tokens and the proofs that the table names.
func mint(issuer *verifiertest.Issuer, key *verifiertest.ProofKey) map[string]string {
	now := time.Now()
	claims := func(scope string, pairs ...any) string {
		m := map[string]any{"client_id": "shop"}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i].(string)] = pairs[i+1]
		}
		return issuer.Token(scope, m)
	}
	tokens := map[string]string{
		"good":            claims("orders:read"),
		"other":           claims("invoices:read orders:write orders:read", "client_id", "warehouse"),
		"no scope":        claims(""),
		"expired":         claims("orders:read", "exp", now.Add(-time.Hour)),
		"not yet":         claims("orders:read", "nbf", now.Add(time.Hour)),
		"no expiry":       claims("orders:read", "exp", nil),
		"other issuer":    claims("orders:read", "iss", "https://other.example.com"),
		"other audience":  claims("orders:read", "aud", "https://other.example.com"),
		"injection":       claims("orders:read", "iss", "x\", error=\"y\r\nSet-Cookie: a=b"),
		"nobody's":        claims("orders:read", "sub", nil, "client_id", nil),
		"null claim":      claims("orders:read", "nats", json.RawMessage("null")),
		"DPoP-bound":      claims("orders:read", "cnf", map[string]any{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}),
		"mTLS-bound":      claims("orders:read", "cnf", map[string]any{"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}),
		"somehow bound":   claims("orders:read", "cnf", map[string]any{"kid": "1"}),
		"bound to nobody": claims("orders:read", "cnf", map[string]any{}),
		"null binding":    claims("orders:read", "cnf", json.RawMessage("null")),
		"nothing":         issuer.Sign(nil, map[string]any{"nats": json.RawMessage("null")}),
		"ID token":        issuer.Sign(map[string]any{"typ": "JWT"}, map[string]any{"iss": issuer.URL(), "aud": "https://api.example.com", "exp": now.Add(time.Hour).Unix()}),
		"unsigned":        issuer.Sign(map[string]any{"alg": "none"}, map[string]any{"iss": issuer.URL()}),
		"other key":       issuer.Sign(map[string]any{"kid": "unknown"}, map[string]any{"iss": issuer.URL(), "aud": "https://api.example.com", "exp": now.Add(time.Hour).Unix()}),
		"opaque":          "2YotnFZFEjr1zCsicMWpAA",
		"no base64url":    "e30+.e30/.e30~",
		"too long":        strings.Repeat("a", 20<<10),
	}
	tokens["the key's"] = claims("orders:read", "cnf", key.Binding()["cnf"])
	tokens["proof"] = key.Proof("GET", apiURL, tokens["the key's"], "")
	tokens["proof for POST"] = key.Proof("POST", apiURL, tokens["the key's"], "")
	tokens["proof for another token"] = key.Proof("GET", apiURL, tokens["good"], "")
	tokens["proof of another key"] = verifiertest.NewProofKey().Proof("GET", apiURL, tokens["the key's"], "")
	signed := tokens["good"][:strings.LastIndexByte(tokens["good"], '.')+1]
	tokens["forged"] = signed + strings.Repeat("A", 86)
	tokens["stripped"] = signed
	return tokens
}

// apiURL is where clients reach the guarded route.
const apiURL = "https://api.example.com/"

// route is a guarded one: how, by which verifier and with which answers.
type route struct {
	way          way
	scopes       []string
	policy       scopes.Policy
	requirements []middleware.Requirement
	verifier     verifier.TokenVerifier // nil: the world's
	config       middleware.Config
}

// way names the function that mounts the guard.
type way int

const (
	require way = iota
	requireScope
	requirePolicy
	with
	optional
)

func anyToken() route              { return route{way: require} }
func scope(all ...string) route    { return route{way: requireScope, scopes: all} }
func policy(p scopes.Policy) route { return route{way: requirePolicy, policy: p} }
func optionally() route            { return route{way: optional} }
func asking(requirements ...middleware.Requirement) route {
	return route{way: with, requirements: requirements}
}

func (r route) verifying(claims *verifier.Claims, err error) route {
	r.verifier = verifierFunc(func(context.Context, string) (*verifier.Claims, error) { return claims, err })
	return r
}

func (r route) configured(cfg middleware.Config) route {
	r.config = cfg
	return r
}

// claimsOf are those of a TokenVerifier other than ours.
func claimsOf(payload string) *verifier.Claims {
	claims, err := verifier.NewClaims([]byte(payload), verifier.Profile{})
	if err != nil {
		panic(err)
	}
	return claims
}

// request is what a client sends. Names of tokens stand in braces.
type request struct {
	method, target, body string
	authorization        []string
	header               map[string]string
	batch                []string // Authorization fields of a request that the handler dispatches; nil: none
}

// send makes a GET with these Authorization fields.
func send(authorization ...string) request {
	return request{method: http.MethodGet, target: "/", authorization: authorization}
}

func (r request) as(method, target string) request {
	r.method, r.target = method, target
	return r
}

func (r request) with(name, value string) request {
	r.header = map[string]string{name: value}
	return r
}

const urlencoded = "application/x-www-form-urlencoded"

func (r request) form(method, contentType, body string) request {
	r.body = body
	return r.with("Content-Type", contentType).as(method, "/")
}

// dispatching makes the handler serve a second request, with these Authorization fields, in the context of this one.
func (r request) dispatching(authorization ...string) request {
	r.batch = append([]string{}, authorization...)
	return r
}

func (r request) build(w *world) *http.Request {
	req := httptest.NewRequest(r.method, w.tokens.Replace(r.target), strings.NewReader(w.tokens.Replace(r.body)))
	for name, value := range r.header {
		req.Header.Set(name, w.tokens.Replace(value))
	}
	w.authorize(req, r.authorization)
	return req
}

// authorize adds the Authorization fields.
func (w *world) authorize(r *http.Request, fields []string) {
	for _, value := range fields {
		r.Header.Add("Authorization", w.tokens.Replace(value))
	}
}

// answer is everything that a request brings about.
type answer struct {
	status    int
	header    http.Header
	body      string
	decisions []string // for each OnDecision "granted" or the code, then the client id if there are claims
	reason    error    // what Denial.Err wraps; nil: any
	ran       int
	verified  int
}

// passes is the handler's answer to a client.
func passes(client string) answer {
	return answer{status: 200, header: http.Header{"Content-Type": {"text/plain"}}, body: client, decisions: []string{"granted " + client}, ran: 1, verified: 1}
}

// passesAsNobody is the handler's answer to a request without credentials.
func passesAsNobody() answer {
	a := passes("nobody").varying()
	a.decisions, a.verified = []string{"granted"}, 0
	return a
}

func refused(status int, code, description, challenge string) answer {
	a := answer{status: status, body: "{}", decisions: []string{code}, header: http.Header{"Content-Type": {"application/json"}, "Cache-Control": {"no-store"}}}
	if code != "" {
		a.body = fmt.Sprintf(`{"error":"%s","error_description":"%s"}`, code, description)
	}
	if challenge != "" {
		a.header.Set("WWW-Authenticate", challenge)
	}
	return a
}

func noCredentials() answer { return refused(401, "", "", `Bearer realm="api"`) }

func noCredentialsFor(scope string) answer {
	return refused(401, "", "", `Bearer realm="api", scope="`+scope+`"`)
}

func malformed() answer {
	return refused(400, "invalid_request", "the Authorization field is malformed or there is more than one",
		`Bearer realm="api", error="invalid_request", error_description="the Authorization field is malformed or there is more than one"`)
}

const bearerInvalid = `Bearer realm="api", error="invalid_token", error_description="the access token is malformed, expired, revoked or not for this resource"`

func badToken(reason error) answer {
	a := refused(401, "invalid_token", "the access token is malformed, expired, revoked or not for this resource",
		bearerInvalid)
	a.reason, a.verified = reason, 1
	return a
}

func insufficient(client, scope string) answer {
	if scope != "" {
		scope = `, scope="` + scope + `"`
	}
	a := refused(403, "insufficient_scope", "the access token lacks the scope that this resource requires",
		`Bearer realm="api", error="insufficient_scope", error_description="the access token lacks the scope that this resource requires"`+scope)
	a.decisions, a.verified = []string{strings.TrimSpace("insufficient_scope " + client)}, 1
	return a
}

func unavailable(retryAfter string) answer {
	a := refused(503, "temporarily_unavailable", "access tokens can't be verified at the moment", "")
	a.header.Set("Retry-After", retryAfter)
	a.reason, a.verified = verifier.ErrUnavailable, 1
	return a
}

func broken(reason error) answer {
	a := refused(500, "server_error", "access tokens can't be verified", "")
	a.reason, a.verified = reason, 1
	return a
}

func (a answer) varying() answer {
	a.header.Set("Vary", "Authorization")
	return a
}

func (a answer) challenging(challenge string) answer {
	a.header.Set("WWW-Authenticate", challenge)
	return a
}

// challengingByDPoP is the answer of a guard that takes DPoP: a second challenge, and the error in that of the scheme alone.
func (a answer) challengingByDPoP(challenges ...string) answer {
	a.header["Www-Authenticate"] = challenges
	return a
}

// badProof is the answer to a good token whose sender has not proven that it is his.
func badProof() answer {
	const description = "the DPoP proof is missing, malformed, used before or not for this request"
	a := refused(401, "invalid_dpop_proof", description, "")
	a.verified = 1
	return a.challengingByDPoP(`DPoP error="invalid_dpop_proof", error_description="`+description+`", algs="ES256"`, `Bearer realm="api"`)
}

// wrongKey is the answer to a token that is not bound to the key of the proof.
func wrongKey() answer {
	a := refused(401, "invalid_token", "Invalid DPoP key binding", "")
	a.verified, a.reason = 1, verifier.ErrBinding
	return a.challengingByDPoP(`DPoP error="invalid_token", error_description="Invalid DPoP key binding", algs="ES256"`, `Bearer realm="api"`)
}

func (a answer) saying(contentType, body string) answer {
	a.header.Set("Content-Type", contentType)
	a.body = body
	return a
}

// after is the answer to a request that another one, of this client, dispatched.
func (a answer) after(client string, verified int) answer {
	a.decisions = append([]string{"granted " + client}, a.decisions...)
	a.verified = verified
	return a
}

func (a answer) unverified() answer {
	a.verified = 0
	return a
}

var (
	errForeign = errors.New("the database is down")
	future     = `"exp": 4102444800`

	realm    = middleware.Config{Realm: "orders, and more"}
	metadata = middleware.Config{ResourceMetadata: "https://api.example.com/.well-known/oauth-protected-resource"}
	both     = middleware.Config{Realm: "orders", ResourceMetadata: "https://api.example.com/.well-known/oauth-protected-resource"}
	problem  = middleware.Config{Body: func(_ *http.Request, d *middleware.Denial) (string, []byte) {
		return "application/problem+json", fmt.Appendf(nil, "{\"status\": %d, \"title\": %q}\n", d.Status, d.Code)
	}}
	prose = middleware.Config{Body: func(r *http.Request, d *middleware.Denial) (string, []byte) {
		return "text/plain; charset=utf-8", fmt.Appendf(nil, "%s %s: %d <%s>", r.Method, r.URL.Path, d.Status, d.Code)
	}}
	number = middleware.Config{Body: func(_ *http.Request, d *middleware.Denial) (string, []byte) {
		return "text/plain", fmt.Append(nil, d.Status)
	}}
	dpop    = middleware.Config{DPoP: &middleware.DPoP{PublicURL: apiURL, Algorithms: []string{"ES256"}, MaxAge: 10 * time.Minute}} // for slow machines
	silence = middleware.Config{Body: func(*http.Request, *middleware.Denial) (string, []byte) { return "text/plain", nil }}
)

var table = []struct {
	name    string
	route   route
	request request
	want    answer
}{
	// What passes.
	{"6750-2.1-1 6749-7-1 a good token passes where any is good", anyToken(), send("Bearer {good}"), passes("shop")},
	{"6749-7-3 a token with the scope passes", scope("orders:read"), send("Bearer {good}"), passes("shop")},
	{"6749-3.3-1 scopes in another order pass", scope("orders:read", "invoices:read"), send("Bearer {other}"), passes("warehouse")},
	{"9110-11.1 6750-2.1-3 a lower-case scheme", anyToken(), send("bearer {good}"), passes("shop")},
	{"9110-11.1 6750-2.1-3 an upper-case scheme", anyToken(), send("BEARER {good}"), passes("shop")},
	{"6750-2.1-2 BUG-194 several spaces", anyToken(), send("Bearer   {good}"), passes("shop")},
	{"a null claim besides good ones", anyToken(), send("Bearer {null claim}"), passes("shop")},
	{"HEAD with a good token", scope("orders:read"), send("Bearer {good}").as("HEAD", "/"), passes("shop")},
	{"OPTIONS with a good token", anyToken(), send("Bearer {good}").as("OPTIONS", "/"), passes("shop")},

	// No credentials, or none of ours.
	{"Q-1 6750-3.1-5 BUG-204 no credentials get no error code", anyToken(), send(), noCredentials()},
	{"6750-3-1 6750-3-3 6750-3-4 9110-11.6.1 a 401 has a challenge with a parameter", anyToken(), send(), noCredentials()},
	{"Q-1 no credentials are told the scope", scope("orders:read", "orders:write"), send(), noCredentialsFor("orders:read orders:write")},
	{"Q-2 6750-3.1-5 Basic credentials get no error code", anyToken(), send("Basic dTpw"), noCredentials()},
	{"Q-2 Basic credentials are told the scope", scope("orders:read"), send("Basic dTpw"), noCredentialsFor("orders:read")},
	{"Q-2 DPoP credentials are foreign", anyToken(), send("DPoP {good}"), noCredentials()},
	{"a scheme that begins like ours is foreign", anyToken(), send("Bearers {good}"), noCredentials()},
	{"BUG-195 an empty Authorization value is foreign", anyToken(), send(""), noCredentials()},
	{"a token without a scheme is foreign", anyToken(), send("{good}"), noCredentials()},
	{"Q-3 a token behind a comma alone", anyToken(), send(", Bearer {good}"), malformed()},
	{"Digest with commas and quotes is foreign", anyToken(), send(`Digest username="Mufasa, Bearer {good}", realm="a \", Bearer b", nc=00000001, bearer="x"`), noCredentials()},
	{"a very long foreign field is foreign", anyToken(), send("Negotiate {too long}"), noCredentials()},
	{"Q-16 a CORS preflight", anyToken(), send().as("OPTIONS", "/").with("Access-Control-Request-Method", "GET"), noCredentials()},
	{"BUG-230 a path in the query opens nothing", anyToken(), send().as("GET", "/admin?x=/public/health"), noCredentials()},
	{"BUG-232 another host opens nothing", anyToken(), send().as("GET", "http://10.0.0.1:8080/"), noCredentials()},
	{"CONNECT", anyToken(), send().as("CONNECT", "/"), noCredentials()},
	{"TRACE", anyToken(), send().as("TRACE", "/"), noCredentials()},
	{"HEAD", anyToken(), send().as("HEAD", "/"), noCredentials()},
	{"BUG-214 a WebSocket's subprotocol is no token", anyToken(), send().with("Sec-Websocket-Protocol", "app.v1, bearer.token.{good}"), noCredentials()},
	{"other fields are no credentials", anyToken(), send().with("Proxy-Authorization", "Bearer {good}"), noCredentials()},

	// Tokens where none is read.
	{"6750-2.3-1 6750-2.3-2 6750-2.3-3 6750-5.3-2 BUG-198 a token in the query is not read", anyToken(), send().as("GET", "/?access_token={good}&token={good}"), noCredentials()},
	{"6750-2.2-1 6750-2.2-7 a token in a form is not read", anyToken(), send().form("POST", urlencoded, "access_token={good}"), noCredentials()},
	{"6750-2.2-2 nor in a form of another type", anyToken(), send().form("POST", "text/plain", "access_token={good}"), noCredentials()},
	{"6750-2.2-3 nor in one of several parts", anyToken(), send().form("POST", "multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"access_token\"\r\n\r\n{good}\r\n--b--"), noCredentials()},
	{"6750-2.2-4 nor in one that is not ASCII", anyToken(), send().form("POST", urlencoded, "access_token={good}&name=\u00e9"), noCredentials()},
	{"6750-2.2-5 nor in the body of a GET", anyToken(), send().form("GET", urlencoded, "access_token={good}"), noCredentials()},
	{"6750-2.2-6 nor in one that has it twice", anyToken(), send().form("POST", urlencoded, "access_token={good}&access_token={good}"), noCredentials()},
	{"6750-5.2-3 6750-5.3-1 a token in a cookie is not read", anyToken(), send().with("Cookie", "access_token={good}; Authorization=Bearer {good}"), noCredentials()},
	{"6750-2-1 BUG-197 a good token besides others in query and form", anyToken(), send("Bearer {good}").form("POST", urlencoded, "access_token={other}").as("POST", "/?access_token=bad"), passes("shop")},
	{"BUG-197 a bad token besides a good one in query and form", anyToken(), send("Bearer {forged}").form("POST", urlencoded, "access_token={good}").as("POST", "/?access_token={good}"), badToken(verifier.ErrSignature)},

	// Malformed credentials.
	{"Q-3 6750-3.1-1 9110-11.6.2 BUG-196 two Authorization fields", anyToken(), send("Bearer {good}", "Bearer {forged}"), malformed()},
	{"Q-3 two equal Authorization fields", anyToken(), send("Bearer {good}", "Bearer {good}"), malformed()},
	{"Q-3 a Basic and a Bearer field", anyToken(), send("Basic dTpw", "Bearer {good}"), malformed()},
	{"Q-3 two fields, the first one empty", anyToken(), send("", "Bearer {good}"), malformed()},
	{"Q-3 two foreign fields", anyToken(), send("Basic dTpw", "Basic dTpw"), malformed()},
	{"Q-3 BUG-196 two tokens joined by a comma", anyToken(), send("Bearer {good}, Bearer {other}"), malformed()},
	{"Q-3 two tokens joined by a comma alone", anyToken(), send("Bearer {good},Bearer {other}"), malformed()},
	{"Q-3 BUG-196 a Basic and a Bearer token joined by a comma", anyToken(), send("Basic dTpw, Bearer {good}"), malformed()},
	{"Q-3 a Digest and a Bearer token joined by a comma", anyToken(), send(`Digest username="u", realm="r", bEARER {good}`), malformed()},
	{"Q-3 a Bearer and a Basic token joined by a comma", anyToken(), send("Bearer {good}, Basic dTpw"), malformed()},
	{"Q-4 BUG-195 Bearer alone", anyToken(), send("Bearer"), malformed()},
	{"Q-4 BUG-195 an empty token", anyToken(), send("Bearer "), malformed()},
	{"Q-4 spaces for a token", anyToken(), send("Bearer    "), malformed()},
	{"Q-4 BUG-194 a tab for a space", anyToken(), send("Bearer\t{good}"), malformed()},
	{"Q-4 a tab behind the space", anyToken(), send("Bearer \t{good}"), malformed()},
	{"Q-4 BUG-194 a no-break space for a space", anyToken(), send("Bearer\u00a0{good}"), malformed()},
	{"Q-4 a space inside of the token", anyToken(), send("Bearer {good} {good}"), malformed()},
	{"Q-4 a space behind the token", anyToken(), send("Bearer {good} "), malformed()},
	{"Q-4 6750-2.1-2 a character that no b64token has", anyToken(), send("Bearer a*b"), malformed()},
	{"Q-4 a letter that is not ASCII", anyToken(), send("Bearer caf\u00e9"), malformed()},
	{"Q-4 padding alone", anyToken(), send("Bearer =="), malformed()},
	{"Q-4 padding inside", anyToken(), send("Bearer a=b"), malformed()},
	{"Q-4 quotes", anyToken(), send(`Bearer "{good}"`), malformed()},
	{"Q-4 a parameter", anyToken(), send(`Bearer token="{good}"`), malformed()},
	{"Q-4 a colon behind the scheme", anyToken(), send("Bearer: {good}"), malformed()},
	{"a malformed request is not told the scope", scope("orders:read"), send("Bearer"), malformed()},
	{"HEAD with malformed credentials", anyToken(), send("Bearer").as("HEAD", "/"), malformed()},

	// Bad tokens.
	{"Q-5 6750-3-7 6749-7.2-1 an opaque token", anyToken(), send("Bearer {opaque}"), badToken(verifier.ErrMalformed)},
	{"Q-5 bad base64url", anyToken(), send("Bearer {no base64url}"), badToken(verifier.ErrMalformed)},
	{"Q-5 a padded token", anyToken(), send("Bearer {good}="), badToken(verifier.ErrMalformed)},
	{"Q-5 a token in another case", anyToken(), send("Bearer {opaque}A"), badToken(verifier.ErrMalformed)},
	{"Q-5 6750-3.1-2 6749-7-2 an expired token", anyToken(), send("Bearer {expired}"), badToken(verifier.ErrExpired)},
	{"Q-5 a token that is not valid yet", anyToken(), send("Bearer {not yet}"), badToken(verifier.ErrNotYetValid)},
	{"Q-5 a token that never expires", anyToken(), send("Bearer {no expiry}"), badToken(verifier.ErrMissingClaim)},
	{"Q-5 6750-5.2-4 BUG-202 a token for another audience", anyToken(), send("Bearer {other audience}"), badToken(verifier.ErrAudience)},
	{"Q-5 a token of another issuer", anyToken(), send("Bearer {other issuer}"), badToken(verifier.ErrIssuer)},
	{"Q-5 a token of an unknown key", anyToken(), send("Bearer {other key}"), badToken(verifier.ErrKeyNotFound)},
	{"Q-5 BUG-222 a forged signature", anyToken(), send("Bearer {forged}"), badToken(verifier.ErrSignature)},
	{"Q-5 a stripped signature", anyToken(), send("Bearer {stripped}"), badToken(verifier.ErrInvalidToken)},
	{"Q-5 an unsigned token", anyToken(), send("Bearer {unsigned}"), badToken(verifier.ErrAlgorithm)},
	{"Q-5 an ID token", anyToken(), send("Bearer {ID token}"), badToken(verifier.ErrType)},
	{"Q-5 BUG-226 a token of nobody", anyToken(), send("Bearer {nobody's}"), badToken(verifier.ErrMissingClaim)},
	{"Q-5 BUG-229 a token of a null claim alone", anyToken(), send("Bearer {nothing}"), badToken(verifier.ErrInvalidToken)},
	{"Q-5 6750-3-12 BUG-209 claims that would break out of a header", anyToken(), send("Bearer {injection}"), badToken(verifier.ErrIssuer)},
	{"Q-5 a token that is longer than any good one", anyToken(), send("Bearer {too long}"), badToken(verifier.ErrMalformed).unverified()},
	{"Q-5 a bad token is not told the scope", scope("orders:read"), send("Bearer {expired}"), badToken(verifier.ErrExpired)},
	{"Q-5 a bad token at a route that allows nothing", asking(middleware.Requirement{}), send("Bearer {forged}"), badToken(verifier.ErrSignature)},
	{"HEAD with a bad token", anyToken(), send("Bearer {forged}").as("HEAD", "/"), badToken(verifier.ErrSignature)},
	{"Q-8 a DPoP-bound token as a bearer token", anyToken(), send("Bearer {DPoP-bound}"), badToken(verifier.ErrBinding)},
	{"Q-12 8705-3-4 an mTLS-bound token without a certificate", anyToken(), send("Bearer {mTLS-bound}"), badToken(verifier.ErrBinding)},
	{"Q-8 a token that is bound by an unknown member", anyToken(), send("Bearer {somehow bound}"), badToken(verifier.ErrBinding)},
	{"Q-8 a token with an empty cnf", anyToken(), send("Bearer {bound to nobody}"), badToken(verifier.ErrBinding)},
	{"Q-8 a token with a null cnf", anyToken(), send("Bearer {null binding}"), badToken(verifier.ErrMalformed)},
	{"Q-8 a bound token of another TokenVerifier", anyToken().verifying(claimsOf(`{"cnf": {"jkt": "a"}, `+future+`}`), nil), send("Bearer t"), badToken(verifier.ErrBinding)},
	{"Q-8 a bound token that lacks the scope too", scope("admin"), send("Bearer {DPoP-bound}"), badToken(verifier.ErrBinding)},

	// Scopes.
	{"Q-6 6750-3.1-3 6750-3.1-4 6749-7-3 BUG-205 a token without the scope", scope("orders:write"), send("Bearer {good}"), insufficient("shop", "orders:write")},
	{"Q-6 6750-3-2 a 403 has a challenge too", scope("orders:write"), send("Bearer {good}"), insufficient("shop", "orders:write")},
	{"9110-15.5.2 / 15.5.4 6750-3.1-6 a good token that lacks the scope is refused, not asked again", scope("admin"), send("Bearer {good}"), insufficient("shop", "admin")},
	{"Q-6 a token with one scope of two", scope("orders:read", "orders:write"), send("Bearer {good}"), insufficient("shop", "orders:read orders:write")},
	{"Q-6 BUG-234 a token without any scope", scope("orders:read"), send("Bearer {no scope}"), insufficient("shop", "orders:read")},
	{"Q-6 BUG-234 a lesser scope without a client id", scope("write").verifying(claimsOf(`{"sub": "a", "scope": "read", `+future+`}`), nil), send("Bearer t"), insufficient("", "write")},
	{"6749-3.3-1 a scope in another case", scope("Orders:Read"), send("Bearer {good}"), insufficient("shop", "Orders:Read")},
	{"a scope that begins like the token's", scope("orders:re"), send("Bearer {good}"), insufficient("shop", "orders:re")},
	{"a scope that contains the token's", scope("orders:read:all"), send("Bearer {good}"), insufficient("shop", "orders:read:all")},
	{"a token without any scope where any is good", anyToken(), send("Bearer {no scope}"), passes("shop")},
	{"HEAD without the scope", scope("admin"), send("Bearer {good}").as("HEAD", "/"), insufficient("shop", "admin")},
	{"a policy's first alternative", policy(scopes.Any("orders:read", "admin")), send("Bearer {good}"), passes("shop")},
	{"a policy's last alternative", policy(scopes.All("admin", "root").Or(scopes.All("orders:read"))), send("Bearer {good}"), passes("shop")},
	{"a policy asks for its first alternative", policy(scopes.All("orders:read", "orders:write").Or(scopes.All("admin"))), send("Bearer {good}"), insufficient("shop", "orders:read orders:write")},
	{"a policy tells no credentials its first alternative", policy(scopes.Any("admin", "root")), send(), noCredentialsFor("admin")},
	{"BUG-206 a policy that allows nothing has no scope to tell", policy(scopes.Policy{}), send("Bearer {other}"), insufficient("warehouse", "")},
	{"BUG-206 a policy that allows nothing, without credentials", policy(scopes.Policy{}), send(), noCredentials()},
	{"RequireScope without a scope refuses every token", scope(), send("Bearer {other}"), insufficient("warehouse", "")},
	{"a zero Requirement refuses every token", asking(middleware.Requirement{}), send("Bearer {other}"), insufficient("warehouse", "")},
	{"Scope without a scope refuses every token", asking(middleware.Scope()), send("Bearer {other}"), insufficient("warehouse", "")},
	{"With without a requirement lets any good token through", asking(), send("Bearer {no scope}"), passes("shop")},
	{"With without a requirement lets no bad token through", asking(), send("Bearer {forged}"), badToken(verifier.ErrSignature)},
	{"several requirements, all met", asking(middleware.Scope("orders:read"), middleware.Policy(scopes.Any("admin", "orders:write"))), send("Bearer {other}"), passes("warehouse")},
	{"several requirements, the last one not met", asking(middleware.Scope("orders:read"), middleware.Scope("orders:write")), send("Bearer {good}"), insufficient("shop", "orders:read orders:write")},
	{"several requirements, the first one not met", asking(middleware.Scope("orders:write"), middleware.Scope("orders:read")), send("Bearer {good}"), insufficient("shop", "orders:write orders:read")},
	{"6750-3-6 several requirements name a scope once", asking(middleware.Scope("a", "b"), middleware.Scope("b", "c")), send(), noCredentialsFor("a b c")},
	{"a zero Requirement among those that are met", asking(middleware.Scope("orders:read"), middleware.Requirement{}), send("Bearer {good}"), insufficient("shop", "orders:read")},

	// Optional.
	{"9111 an optional route without credentials", optionally(), send(), passesAsNobody()},
	{"9111 an optional route with a good token", optionally(), send("Bearer {good}"), passes("shop").varying()},
	{"BUG-233 an optional route with an expired token", optionally(), send("Bearer {expired}"), badToken(verifier.ErrExpired)},
	{"BUG-233 an optional route with a forged token", optionally(), send("Bearer {forged}"), badToken(verifier.ErrSignature)},
	{"an optional route with a bound token", optionally(), send("Bearer {DPoP-bound}"), badToken(verifier.ErrBinding)},
	{"an optional route with a foreign scheme", optionally(), send("Basic dTpw"), noCredentials()},
	{"an optional route with an empty Authorization value", optionally(), send(""), noCredentials()},
	{"an optional route with an empty token", optionally(), send("Bearer"), malformed()},
	{"an optional route with two fields", optionally(), send("Bearer {good}", "Bearer {good}"), malformed()},
	{"an optional route with a token that is too long", optionally(), send("Bearer {too long}"), badToken(verifier.ErrMalformed).unverified()},
	{"an optional route while the keys are missing", optionally().verifying(nil, verifier.ErrUnavailable), send("Bearer {good}"), unavailable("1")},
	{"an optional route without credentials while the keys are missing", optionally().verifying(nil, verifier.ErrUnavailable), send(), passesAsNobody()},
	{"an optional route with a token in the query", optionally(), send().as("GET", "/?access_token={good}"), passesAsNobody()},

	// Tokens that are bound to a key.
	{"9449-7.1-2 a bound token with its proof", scope("orders:read").configured(dpop), send("DPoP {the key's}").with("DPoP", "{proof}"), passes("shop")},
	{"9449-7.1-2 a bound token with its proof, to an optional route", optionally().configured(dpop), send("DPoP {the key's}").with("DPoP", "{proof}"), passes("shop").varying()},
	{"an unbound token as a bearer token", anyToken().configured(dpop), send("Bearer {good}"), passes("shop")},
	{"Q-9 a bound token without a proof", anyToken().configured(dpop), send("DPoP {the key's}"), badProof()},
	{"Q-9 9449-4.3-01 two proofs joined by a comma", anyToken().configured(dpop), send("DPoP {the key's}").with("DPoP", "{proof}, {proof}"), badProof()},
	{"Q-9 9449-4.3-08 a proof for another method", anyToken().configured(dpop), send("DPoP {the key's}").with("DPoP", "{proof for POST}"), badProof()},
	{"Q-9 9449-4.3-08 the method that the proof is for", anyToken().configured(dpop), send("DPoP {the key's}").with("DPoP", "{proof for POST}").as("POST", "/"), passes("shop")},
	{"Q-9 9449-4.3-09 a proof for another path", anyToken().configured(dpop), send("DPoP {the key's}").with("DPoP", "{proof}").as("GET", "/other"), badProof()},
	{"Q-9 9449-4.3-12a a proof for another token", anyToken().configured(dpop), send("DPoP {the key's}").with("DPoP", "{proof for another token}"), badProof()},
	{"Q-9 a bound token without a proof, to an optional route", optionally().configured(dpop), send("DPoP {the key's}"), badProof()},
	{"Q-10 9449-4.3-12b a proof of another key", anyToken().configured(dpop), send("DPoP {the key's}").with("DPoP", "{proof of another key}"), wrongKey()},
	{"Q-10 an unbound token with a proof", anyToken().configured(dpop), send("DPoP {good}").with("DPoP", "{proof for another token}"), wrongKey()},
	{"Q-8 9449-7.2-1 a bound token as a bearer token, with its proof", anyToken().configured(dpop), send("Bearer {the key's}").with("DPoP", "{proof}"), badToken(verifier.ErrBinding).challengingByDPoP(bearerInvalid, `DPoP algs="ES256"`)},
	{"Q-8 a bound token as a bearer token where no proof is checked", anyToken(), send("Bearer {the key's}").with("DPoP", "{proof}"), badToken(verifier.ErrBinding)},
	{"Q-2 a bound token with its proof where none is checked", anyToken(), send("DPoP {the key's}").with("DPoP", "{proof}"), noCredentials()},
	{"Q-1 9449-7.2-2 no credentials get two challenges", scope("a").configured(dpop), send(), noCredentials().challengingByDPoP(`Bearer realm="api", scope="a"`, `DPoP algs="ES256", scope="a"`)},
	{"Q-3 9449-7.2-4 two Authorization fields get an error in both", anyToken().configured(dpop), send("DPoP {the key's}", "Bearer {good}").with("DPoP", "{proof}"), malformed().challengingByDPoP(
		`Bearer realm="api", error="invalid_request", error_description="the Authorization field is malformed or there is more than one"`,
		`DPoP error="invalid_request", error_description="the Authorization field is malformed or there is more than one", algs="ES256"`)},
	{"Q-6 a scope lacking behind a good proof", scope("a").configured(dpop), send("DPoP {the key's}").with("DPoP", "{proof}"), insufficient("shop", "a").challengingByDPoP(
		`DPoP error="insufficient_scope", error_description="the access token lacks the scope that this resource requires", algs="ES256", scope="a"`, `Bearer realm="api", scope="a"`)},

	// A second request in the context of a first one that a guard let through.
	{"a batch with the same token verifies it once", anyToken(), send("Bearer {good}").dispatching("Bearer {good}"), passes("shop").after("shop", 1)},
	{"a batch with another good token has that one's claims", anyToken(), send("Bearer {good}").dispatching("Bearer {other}"), passes("warehouse").after("shop", 2)},
	{"a batch with a bad token", anyToken(), send("Bearer {good}").dispatching("Bearer {forged}"), badToken(verifier.ErrSignature).after("shop", 2)},
	{"a batch without credentials", anyToken(), send("Bearer {good}").dispatching(), noCredentials().after("shop", 1)},
	{"a batch with a foreign scheme", anyToken(), send("Bearer {good}").dispatching("Basic dTpw"), noCredentials().after("shop", 1)},
	{"a batch with two fields", anyToken(), send("Bearer {good}").dispatching("Bearer {good}", "Bearer {good}"), malformed().after("shop", 1)},
	{"a batch with a token of less scope", scope("orders:write"), send("Bearer {other}").dispatching("Bearer {good}"), insufficient("shop", "orders:write").after("warehouse", 2)},
	{"an optional batch without credentials is nobody's", optionally(), send("Bearer {good}").dispatching(), passesAsNobody().after("shop", 1)},
	{"an optional batch with a bad token", optionally(), send("Bearer {good}").dispatching("Bearer {expired}"), badToken(verifier.ErrExpired).after("shop", 2).varying()},

	// A TokenVerifier that can't tell, or is wrong.
	{"Q-13 9110-15.6.4 keys are unreachable", anyToken().verifying(nil, &verifier.UnavailableError{RetryAfter: 7 * time.Second, Err: errForeign}), send("Bearer {good}"), unavailable("7")},
	{"Q-13 Retry-After is rounded up", anyToken().verifying(nil, &verifier.UnavailableError{RetryAfter: 1001 * time.Millisecond, Err: errForeign}), send("Bearer {good}"), unavailable("2")},
	{"Q-13 Retry-After is never zero", anyToken().verifying(nil, &verifier.UnavailableError{Err: errForeign}), send("Bearer {good}"), unavailable("1")},
	{"Q-13 Retry-After is never negative", anyToken().verifying(nil, &verifier.UnavailableError{RetryAfter: -time.Hour, Err: errForeign}), send("Bearer {good}"), unavailable("1")},
	{"Q-13 an UnavailableError inside of another error", anyToken().verifying(nil, fmt.Errorf("issuer 2: %w", &verifier.UnavailableError{RetryAfter: time.Minute, Err: errForeign})), send("Bearer {good}"), unavailable("60")},
	{"Q-13 a plain ErrUnavailable", anyToken().verifying(nil, verifier.ErrUnavailable), send("Bearer {good}"), unavailable("1")},
	{"Q-13 a client that is gone", anyToken().verifying(nil, &verifier.UnavailableError{Err: context.Canceled}), send("Bearer {good}"), unavailable("1")},
	{"Q-13 what can't be told is never invalid_token", anyToken().verifying(nil, errors.Join(verifier.ErrInvalidToken, verifier.ErrUnavailable)), send("Bearer {good}"), unavailable("1")},
	{"Q-13 keys are unreachable at a route with a scope", scope("orders:read").verifying(nil, verifier.ErrUnavailable), send("Bearer {good}"), unavailable("1")},
	{"a foreign error is a 500", anyToken().verifying(nil, errForeign), send("Bearer {good}"), broken(errForeign)},
	{"a foreign error with claims is a 500", anyToken().verifying(claimsOf(`{`+future+`}`), errForeign), send("Bearer {good}"), broken(errForeign)},
	{"a bad token with claims stays bad", anyToken().verifying(claimsOf(`{`+future+`}`), verifier.ErrClaim), send("Bearer {good}"), badToken(verifier.ErrClaim)},
	{"nil claims without an error are a 500", anyToken().verifying(nil, nil), send("Bearer {good}"), broken(nil)},
	{"nil claims at an optional route are a 500", optionally().verifying(nil, nil), send("Bearer {good}"), broken(nil)},

	// What a configuration changes.
	{"a realm", anyToken().configured(realm), send(), noCredentials().challenging(`Bearer realm="orders, and more"`)},
	{"6750-3-14 resource metadata for a realm", anyToken().configured(metadata), send(), noCredentials().challenging(`Bearer resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"`)},
	{"6750-3-14 a realm, a scope and resource metadata", scope("a", "b").configured(both), send(), noCredentials().challenging(`Bearer realm="orders", scope="a b", resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"`)},
	{"6750-3-8 BUG-203 everything in one challenge", scope("a", "b").configured(both), send("Bearer {good}"), insufficient("shop", "").challenging(`Bearer realm="orders", error="insufficient_scope", error_description="the access token lacks the scope that this resource requires", scope="a b", resource_metadata="https://api.example.com/.well-known/oauth-protected-resource"`)},
	{"a body of one's own in JSON", anyToken().configured(problem), send("Bearer {forged}"), badToken(verifier.ErrSignature).saying("application/problem+json", "{\"status\": 401, \"title\": \"invalid_token\"}\n")},
	{"a body of one's own that is no JSON", anyToken().configured(prose), send("Bearer {forged}"), badToken(verifier.ErrSignature).saying("text/plain; charset=utf-8", "GET /: 401 <invalid_token>")},
	{"a body of one's own that happens to be JSON", anyToken().configured(number), send("Bearer {forged}"), badToken(verifier.ErrSignature).saying("text/plain", "401")},
	{"an empty body of one's own", anyToken().configured(silence), send("Bearer {forged}"), badToken(verifier.ErrSignature).saying("text/plain", "")},
	{"a body of one's own that is no JSON, on 503", anyToken().configured(prose).verifying(nil, verifier.ErrUnavailable), send("Bearer {good}"), unavailable("1").saying("text/plain; charset=utf-8", "GET /: 503 <temporarily_unavailable>")},
}
