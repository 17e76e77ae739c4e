package introspection

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/bearerguard/bearerguard/internal/fetch"
	"github.com/bearerguard/bearerguard/internal/jose"
	"github.com/bearerguard/bearerguard/internal/lru"
	"github.com/bearerguard/bearerguard/verifier"
)

// signedType is the media type of a signed answer (RFC 9701 section 5).
const signedType = "application/token-introspection+jwt"

// inside is what package verifier gives to this one alone.
type inside interface {
	Discover(context.Context) (string, error)
	Read(ctx context.Context, answer string) (*verifier.Claims, error)
	Open(ctx context.Context, answer string) (envelope *verifier.Claims, introspection string, err error)
	Keys() verifier.Health
	WarmKeys(context.Context) error
}

// introspect makes one call. It turns a panic of a caller's function or transport into a failure: it would end the
// process from here.
func (i *Introspector) introspect(ctx context.Context, h lru.Hash, token string, now time.Time, event *CallEvent) (v *verdict, err error) {
	defer func() {
		if r := recover(); r != nil {
			v, err = nil, &failure{err: fmt.Errorf("asking the introspection endpoint panicked: %v", r), endpoint: true}
		}
	}()
	accept := "application/json"
	if i.signed {
		accept = signedType // RFC 9701 section 4
	}
	answer, err := i.post(ctx, token, accept, now, event)
	if err != nil {
		return nil, err
	}
	event.Status = answer.Status
	if answer.Status != http.StatusOK {
		if i.signed && answer.Status == http.StatusBadRequest && len(answer.Body) == 0 && i.isInactive(ctx, token, now, event) {
			return &verdict{err: ErrInactive}, nil
		}
		return i.refused(answer, event.URL)
	}
	text, envelope, err := i.open(ctx, answer, now)
	if err == nil {
		v, err = i.read(ctx, text)
	}
	if err == nil && envelope != nil {
		err = i.checkFor(envelope, v)
	}
	if err == nil && envelope != nil && v.claims != nil && !i.isAbout(token, h, v.claims, string(answer.Body)) {
		err = errReplayed
	}
	if err != nil {
		return nil, &failure{err: fmt.Errorf("%s: %w", event.URL, err), retryAfter: retryAfter(err)}
	}
	return v, nil
}

// isInactive asks for an unsigned answer. Glewlwyd signs none about an inactive token: its answer is 400 and nothing.
// What is unsigned is believed only where it refuses: whoever can forge it could cut the line as well.
func (i *Introspector) isInactive(ctx context.Context, token string, now time.Time, event *CallEvent) bool {
	answer, err := i.post(ctx, token, "application/json", now, event)
	if err != nil || answer.Status != http.StatusOK {
		return false
	}
	v, err := i.read(ctx, string(answer.Body))
	return err == nil && v.err == ErrInactive
}

// post sends the token. Where discovery fails no token is to blame, whatever was answered: it counts as a failure of the endpoint.
func (i *Introspector) post(ctx context.Context, token, accept string, now time.Time, event *CallEvent) (*fetch.Answer, error) {
	var err error
	if event.URL, err = i.endpoint.locate(ctx, now, i.timeout); err != nil {
		return nil, &failure{err: err, retryAfter: retryAfter(err), endpoint: true}
	}
	if i.auth.tls && schemeOf(event.URL) != "https" {
		i.endpoint.doubt()
		return nil, &failure{err: fmt.Errorf("the metadata's endpoint %.100q is not https, where MutualTLS can show no certificate: set Endpoint", event.URL), endpoint: true}
	}
	r := &request{
		form:   url.Values{"token": {token}, "token_type_hint": {"access_token"}}, // RFC 7662 section 2.1
		header: http.Header{"Accept": {accept}},
		issuer: i.issuer, now: now,
	}
	if err := i.auth.add(ctx, r); err != nil {
		return nil, &failure{err: err, endpoint: true}
	}
	answer, err := fetch.Post(ctx, i.client, event.URL, r.form, r.header)
	if err == nil {
		return answer, nil
	}
	e := (*fetch.Error)(nil)
	answered := errors.As(err, &e) && e.Status != 0 // it could only not be read to its end
	if !answered {
		i.endpoint.doubt()
	}
	return nil, &failure{err: err, endpoint: !answered}
}

// refused judges an answer that is not 200.
func (i *Introspector) refused(answer *fetch.Answer, url string) (*verdict, error) {
	code := errorCode(answer.Body)
	err := fmt.Errorf("%s: HTTP status %d %s, error %.40q", url, answer.Status, http.StatusText(answer.Status), code)
	f := &failure{err: err, retryAfter: answer.RetryAfter, endpoint: true}
	switch {
	case answer.Status == http.StatusUnauthorized, answer.Status == http.StatusForbidden,
		code == "invalid_client", code == "unauthorized_client":
		// RFC 7662 section 2.3: it is about us, never about the token.
		f.err = fmt.Errorf("%w: %w", ErrCredentials, err)
	case answer.Status == http.StatusBadRequest && code == "unsupported_token_type":
		// RFC 7009 section 2.2.1. Some servers vouch for opaque tokens alone, and say so of every JWT, however made up.
		return &verdict{err: fmt.Errorf("%w: the endpoint doesn't take such tokens (%s): ByShape sends JWTs to a Verifier", ErrInactive, code)}, nil
	case answer.Status == http.StatusNotFound, answer.Status == http.StatusMethodNotAllowed, answer.Status == http.StatusGone:
		i.endpoint.doubt()
	case answer.Status == http.StatusBadRequest, answer.Status == http.StatusInternalServerError:
		f.endpoint = false // a token may have caused it: nobody else should suffer
	}
	return nil, f
}

// errorCode reads the error of RFC 6749 section 5.2, "" if there is none.
func errorCode(body []byte) string {
	o, err := jose.ParseObject(body, jose.PayloadLimits)
	if err != nil {
		return ""
	}
	raw, _ := o.Get("error")
	code, _ := jose.String(raw)
	return code
}

// open returns the JSON text of RFC 7662 section 2.2, and what it came in if it was signed.
func (i *Introspector) open(ctx context.Context, answer *fetch.Answer, now time.Time) (text string, envelope *verifier.Claims, err error) {
	mediaType, _, _ := mime.ParseMediaType(answer.ContentType)
	if !i.signed {
		if mediaType == signedType {
			return "", nil, errors.New("a signed answer, which nobody asked for: set Signed")
		}
		return string(jose.TrimBOM(answer.Body)), nil, nil
	}
	if mediaType != signedType { // RFC 9701 section 5; an unsigned answer in its place would undo the protection
		return "", nil, fmt.Errorf("the answer is %.60q, Signed asks for %s: is introspection_signed_response_alg registered for this client?", answer.ContentType, signedType)
	}
	envelope, text, err = i.inside.Open(ctx, string(answer.Body))
	if err != nil {
		return "", nil, fmt.Errorf("signed answer: %w", err)
	}
	// An answer is made when it is asked for: an older one is replayed. iat may be cut to the second.
	if made := envelope.IssuedAt(); made.Add(i.skew + time.Second).Before(now) {
		return "", nil, fmt.Errorf("signed answer: made at %s, before it was asked for", made.UTC().Format(time.RFC3339))
	}
	return text, envelope, nil
}

// checkFor: a signed answer is for whom its aud names (RFC 9701 section 5). A server that writes the token's
// audience there has thereby said that the token is for another API, which is the token's fault and stays the verdict.
func (i *Introspector) checkFor(envelope *verifier.Claims, v *verdict) error {
	audience := envelope.Audience()
	if slices.ContainsFunc(audience, func(a string) bool { return slices.Contains(i.answerAudience, a) }) || errors.Is(v.err, verifier.ErrAudience) {
		return nil
	}
	return fmt.Errorf("signed answer: its aud is %.200q, AnswerAudience is %q", audience, i.answerAudience)
}

// read judges the members of RFC 7662 section 2.2. What the server got wrong is an error, what is wrong with the token
// is in the verdict.
func (i *Introspector) read(ctx context.Context, text string) (*verdict, error) {
	o, err := jose.ParseObject([]byte(text), jose.PayloadLimits)
	if err != nil {
		return nil, fmt.Errorf("the answer is %w", err)
	}
	switch active, _ := o.Get("active"); active {
	case "false":
		return &verdict{err: ErrInactive}, nil
	case "true":
	default:
		return nil, errors.New("the answer has no active that is true or false")
	}
	claims, err := i.inside.Read(ctx, text)
	if err == nil {
		err = i.checkKind(claims)
	}
	if err != nil {
		return &verdict{err: err}, nil
	}
	return &verdict{claims: claims}, nil
}

// kinds are members by which servers tell access tokens from refresh and ID tokens, which the endpoint takes as well,
// whatever the hint says. Some mark none: there only the audience tells.
var kinds = []struct {
	member   string
	accepted []string
}{
	{"token_type", []string{"bearer", "dpop", "access_token"}},           // RFC 6749 section 7.1; the last one is Salesforce's
	{"token_use", []string{"access_token", "access"}},                    // Ory Hydra
	{"typ", []string{"bearer", "dpop", "access_token", "at+jwt", "jwt"}}, // Keycloak
}

// checkKind refuses what is no access token, and a bound token of whose binding the answer says too little.
// A member that Profile.Match names is the profile's to judge.
func (i *Introspector) checkKind(c *verifier.Claims) error {
	for _, kind := range kinds {
		var found string
		err := c.Get(kind.member, &found)
		if errors.Is(err, verifier.ErrNoClaim) || i.matched[kind.member] {
			continue
		}
		if err != nil || !slices.Contains(kind.accepted, strings.ToLower(found)) {
			return fmt.Errorf("%w: %s is %.40q, not one of %s", verifier.ErrType, kind.member, found, strings.Join(kind.accepted, " "))
		}
		if strings.EqualFold(found, "DPoP") && c.Confirmation().JKT == "" {
			return fmt.Errorf("%w: %s is DPoP, but the answer has no cnf with a jkt (RFC 9449 section 6.2)", verifier.ErrBinding, kind.member)
		}
	}
	var hidden map[string]any
	if c.Confirmation() == (verifier.Confirmation{}) && !errors.Is(c.Get("/ext/cnf", &hidden), verifier.ErrNoClaim) {
		return fmt.Errorf("%w: Ory Hydra's ext holds a cnf: have the server put it at the top (oauth2.allowed_top_level_claims)", verifier.ErrBinding)
	}
	return nil
}

var errReplayed = errors.New("signed answer: it was made for another token")

// isAbout reports whether a signed answer can be this token's. Nothing in it names the token (RFC 9701 section 5), so it
// goes by what there is: a jti, which serves for one token, and must be the token's own where the token is a JWT that
// has one; without a jti, a signature that is never made twice.
func (i *Introspector) isAbout(token string, h lru.Hash, c *verifier.Claims, answer string) bool {
	var id string
	if c.Get("jti", &id) == nil && id != "" {
		own := jwtID(token)
		return (own == "" || own == id) && i.owners.claim("jti "+id, h)
	}
	head, _, _ := strings.Cut(answer, ".")
	if alg := member(head, "alg"); strings.HasPrefix(alg, "RS") || strings.HasPrefix(alg, "Ed") {
		return true // the same claims have the same signature: two tokens of one second may share it
	}
	return i.owners.claim("signature "+answer[strings.LastIndexByte(answer, '.')+1:], h)
}

// jwtID is the jti of a token that is a JWT, of which nothing is known to be true; else "".
func jwtID(token string) string {
	c, err := jose.Split(token)
	if err != nil {
		return ""
	}
	return member(c.Payload, "jti")
}

// member reads a string out of a part of a JWT, "" if that can't be done.
func member(segment, name string) string {
	text, err := jose.Decode(nil, segment)
	if err != nil {
		return ""
	}
	o, err := jose.ParseObject(text, jose.PayloadLimits)
	if err != nil {
		return ""
	}
	raw, _ := o.Get(name)
	s, _ := jose.String(raw)
	return s
}

// retryAfter is what the issuer asks for: its keys, where a signed answer could not be verified for want of them, or its
// metadata, where that could not be had.
func retryAfter(err error) time.Duration {
	if e := (*verifier.UnavailableError)(nil); errors.As(err, &e) {
		return e.RetryAfter
	}
	return fetch.RetryAfter(err)
}
