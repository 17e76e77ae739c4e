package verifier_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/bearerguard/bearerguard/verifier"
)

// The keys of the fuzz targets are fixed and sign deterministically: a fuzzer's workers are processes of their own, and a
// seed that is good in one must be good in all.
var (
	fixedEd = ed25519.NewKeyFromSeed([]byte("thirty-two bytes: a fuzz target."))
	fixedEC = must(ecdsa.ParseRawPrivateKey(elliptic.P256(), []byte("thirty-two bytes: a fuzz target.")))
)

// fixedRSA is a token that was signed once with RS256, by a key of which only this public part was kept.
const (
	fixedRSA = "eyJhbGciOiJSUzI1NiIsInR5cCI6ImF0K2p3dCIsImtpZCI6ImZpeGVkLXJzYSJ9.eyJpc3MiOiJodHRwczovL2FzLmV4YW1wbGUuY29tIiwiYXVkIjoiaHR" +
		"0cHM6Ly9hcGkuZXhhbXBsZS5jb20iLCJzdWIiOiJjYXJ0IiwiY2xpZW50X2lkIjoiY2FydCIsImV4cCI6MTc5NTYwODYwMCwiaWF0IjoxNzk1NjA3OTkwLCJ" +
		"qdGkiOiJqMSIsInNjb3BlIjoib3JkZXJzOnJlYWQifQ.LlEoCyJfKvZQBVM78cNBM78sMtiUl5SLncl28Xm3mGB-P0sZk_jCiJO-MWLZn_F1njHUfHPfqRgf" +
		"8J-b5iyVUGWL2GWi96fDuOclga4yeNTJFJbiLkLQaXeLE8V-LiYB-zx6vFHINR7xBU9TF9JH_R8xZpMOD1PrAdacKAUJg6YhHv1-VYOffTXPjt8ssF7lYNai" +
		"MUQpMJ3VuYbxYQaop3eMGqmNZDuz8O7NCRYatdnUo8QN3yEUnO_tGkGMAFvjLwuLmEv6YhweGVujthAYDBAAcaavLHh_ka5fhNTzqKA0KftpT8BZJCOrEqts" +
		"7UX-DYFA1pkK3d4qxeF-BOS25w"
	fixedModulus = "v8kS0f_ztdMh-t_GYca9LLM9G2TYMWdEj4m7vOQKoZ2OqCPoEbEjRqIiyLWm8H8qRW9G-UJUL5RIY2l6J1lGdxiUHQ-0UxgxMKyZpDcD_ObjHxPs3vHwcT9O" +
		"bXsl9p4yhtUFAfDuaIhRN2AW5lXL9toHtadpxdgIqLoDtd0XM9DJgQAC9bJQdTfvbStVNb7FwYVsWKfgkmLHzKIDXXcSwndmDd2MzmZIgTJZL-zAM-YWMfT3" +
		"0Xua8tgkKbqYexic9IK9rNmk9yYD5p9PUEJwtw_zLAFb6GorGwPRy0IMronjI2vYdST3SsovlY0CoY6atBIDKC9Ki8L0EYLodW1o4w"
)

var fixedSet = sync.OnceValue(func() []byte {
	rsa := obj{"kty": "RSA", "kid": "fixed-rsa", "e": "AQAB", "n": fixedModulus}
	return keySet(jwk(fixedEd, obj{"kid": "ed"}), jwk(fixedEC, obj{"kid": "ec"}), rsa)
})

// fixedToken signs texts as they are, with Ed25519 or P-256.
func fixedToken(key crypto.Signer, header, payload string) string {
	input := b64(header) + "." + b64(payload)
	if _, ed := key.(ed25519.PrivateKey); ed {
		return input + "." + b64(ed25519.Sign(fixedEd, []byte(input)))
	}
	digest := sha256.Sum256([]byte(input))
	var pair struct{ R, S *big.Int }
	must(asn1.Unmarshal(must(fixedEC.Sign(nil, digest[:], crypto.SHA256)), &pair)) // without a source of randomness: RFC 6979
	return input + "." + b64(rawPair(pair.R, pair.S))
}

func rawPair(r, s *big.Int) []byte {
	return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
}

// twin is the other signature that ECDSA has for the same text.
func twin(token string) string {
	dot := strings.LastIndexByte(token, '.')
	raw := must(base64.RawURLEncoding.DecodeString(token[dot+1:]))
	s := new(big.Int).Sub(elliptic.P256().Params().N, new(big.Int).SetBytes(raw[32:]))
	return token[:dot+1] + b64(rawPair(new(big.Int).SetBytes(raw[:32]), s))
}

func fuzzVerifiers(f *testing.F) (strict, generic *verifier.Verifier) {
	fixed := func(cfg *verifier.Config) { cfg.JWKS = fixedSet() }
	return newVerifier(f, fixed), newVerifier(f, fixed, func(cfg *verifier.Config) { cfg.Profile = verifier.Generic() })
}

const (
	edHeader = `{"alg":"EdDSA","typ":"at+jwt","kid":"ed"}`
	ecHeader = `{"alg":"ES256","typ":"at+jwt","kid":"ec"}`
)

// FuzzVerify: of all texts only the good tokens are accepted, and the twin that ECDSA has for one of them.
func FuzzVerify(f *testing.F) {
	strict, generic := fuzzVerifiers(f)
	payload := text(goodPayload())
	ec := fixedToken(fixedEC, ecHeader, payload)
	good := []string{fixedRSA, ec, twin(ec), fixedToken(fixedEd, edHeader, payload), fixedToken(fixedEd, `{"typ":"at+jwt","alg":"EdDSA"}`, payload)}
	for _, token := range good {
		accepted(f, strict, token) // from here on it is remembered
		accepted(f, generic, token)
		f.Add(token)
		parts := strings.Split(token, ".")
		for _, bad := range []string{
			token + "=", token + "A", token[:len(token)-1], token + "." + parts[2], parts[0] + "." + parts[1] + ".", parts[0] + "." + parts[1], token + "\n", " " + token,
			parts[1] + "." + parts[0] + "." + parts[2], strings.ToLower(token), strings.NewReplacer("-", "+", "_", "/").Replace(token), `{"payload":"` + parts[1] + `"}`,
			b64(`{"alg":"none"}`) + "." + parts[1] + ".", parts[0] + "." + b64(`{}`) + "." + parts[2], parts[0] + "." + parts[1] + "." + b64(make([]byte, 64)),
			token[:len(token)-1] + nextLetter(token[len(token)-1]),
		} {
			f.Add(bad)
		}
	}
	for _, seed := range []string{"", ".", "..", "...", "a.b.c", "a.b.c.d.e", "2YotnFZFEjr1zCsicMWpAA", "e30.e30.AA", strings.Repeat(".", 100), "\x00\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		for _, v := range []*verifier.Verifier{strict, generic} {
			claims, err := v.Verify(t.Context(), token)
			if err == nil != slices.Contains(good, token) {
				t.Errorf("%q: %v, %v", token, claims, err)
			}
			consistent(t, v, token, claims, err)
		}
	})
}

// nextLetter is the one behind a letter in base64url's alphabet: at the end of a signature it may stand for the same bytes.
func nextLetter(c byte) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_A"
	i := strings.IndexByte(alphabet, c) + 1
	return alphabet[i : i+1]
}

// consistent holds for every answer: claims or a reason, the reason is one of ours and gives nothing away, and Explain agrees.
func consistent(t *testing.T, v *verifier.Verifier, token string, claims *verifier.Claims, err error) {
	t.Helper()
	if (claims == nil) != (err != nil) {
		t.Errorf("%q: %v, %v", token, claims, err)
	}
	failed := slices.ContainsFunc(v.Explain(t.Context(), token), func(c verifier.Check) bool { return c.Err != nil || c.Skipped })
	if failed != (err != nil) {
		t.Errorf("%q: %v, and of Explain's checks one fails: %t", token, err, failed)
	}
	if err == nil {
		return
	}
	known := 0
	for _, reason := range reasons {
		if errors.Is(err, reason) {
			known++
		}
	}
	if known != 1 || !errors.Is(err, verifier.ErrInvalidToken) || errors.Is(err, verifier.ErrUnavailable) {
		t.Errorf("%q: %v has %d reasons", token, err, known)
	}
	signature := token[strings.LastIndexByte(token, '.')+1:]
	if len(signature) > 40 && strings.Contains(err.Error(), signature) || !utf8.ValidString(err.Error()) || len(err.Error()) > 4096 {
		t.Errorf("%q: its error is %q", token, err)
	}
}

// FuzzVerifySigned signs any header and payload properly. What is accepted must pass a second opinion by the standard
// library, mean the same to encoding/json, and fail when one of its characters is another.
func FuzzVerifySigned(f *testing.F) {
	strict, generic := fuzzVerifiers(f)
	headers := []string{
		edHeader, ecHeader, `{"alg":"EdDSA"}`, `{"alg":"ES256","typ":"JWT"}`, `{"alg":"Ed25519","typ":"application/AT+JWT","kid":"ed"}`, ` {"alg" : "\u0045dDSA","typ":"at+jwt"} `,
		`{"alg":"EdDSA","alg":"ES256","typ":"at+jwt"}`, `{"alg":"EdDSA","ALG":"none","typ":"at+jwt"}`, `{"alg":"EdDSA","typ":"at+jwt","crit":[]}`, `{"alg":"EdDSA","typ":"at+jwt","b64":true}`,
		`{"alg":"EdDSA","typ":"at+jwt","x":[[[]]]}`, `{"alg":"EdDSA","typ":"at+jwt","x":[-1e400]}`, `{"alg":"EdDSA","typ":"at+jwt","x":"1e400","y":1e308}`, `{"alg":"EdDSA","typ":"at+jwt","kid":1}`, `{"alg":"EdDSA","typ":"at+jwt","kid":"ec"}`, "null", "", "[]",
	}
	payloads := []string{
		text(goodPayload()), splice(`"EXP":1`, goodPayload()), splice(`"iss":"x"`, goodPayload()), splice(`"x":{"a":1,"a":2}`, goodPayload()), text(goodPayload()) + "{}",
		strings.ReplaceAll(text(goodPayload()), "https", `\u0068ttps`), strings.ReplaceAll(text(goodPayload()), "cart", "\xff"), strings.ReplaceAll(text(goodPayload()), "cart", `\ud800`),
	}
	for _, changes := range []obj{
		{"iss": issuer + "/"}, {"iss": "HTTPS://as.example.com"}, {"iss": gone}, {"iss": []string{issuer}}, {"aud": "https://other.example.com"}, {"exp": in(-31)}, {"jti": nil},
		{"exp": 1e300}, {"exp": json.RawMessage("4.1e9")}, {"exp": "4100000000"}, {"exp": json.RawMessage("1e400")}, {"exp": gone}, {"nbf": in(29)}, {"nbf": in(31)}, {"iat": json.RawMessage("1.5")},
		{"aud": []any{"x", audience}}, {"aud": []any{audience, 1}}, {"aud": nil}, {"sub": nil}, {"sub": 1}, {"scope": []string{"a", "b c"}}, {"scope": " a  b "}, {"scope": 1},
		{"client_id": gone, "azp": "cart"}, {"client_id": ""}, {"nonce": "x"}, {"cnf": obj{"jkt": "x"}}, {"cnf": nil}, {"jti": 1}, {"x": []any{[]any{}, obj{"": nil}}},
	} {
		payloads = append(payloads, text(merge(goodPayload(), changes)))
	}
	for choice := range uint8(4) {
		for _, header := range headers {
			f.Add(header, payloads[0], choice, uint16(choice)*77)
		}
		for _, payload := range payloads {
			f.Add([]string{edHeader, ecHeader}[choice&1], payload, choice, uint16(choice)*77)
		}
	}
	f.Fuzz(func(t *testing.T, header, payload string, choice uint8, at uint16) {
		key, v := crypto.Signer(fixedEd), strict
		if choice&1 != 0 {
			key = fixedEC
		}
		if choice&2 != 0 {
			v = generic
		}
		token := fixedToken(key, header, payload)
		claims, err := v.Verify(t.Context(), token)
		consistent(t, v, token, claims, err)
		if err != nil {
			return
		}
		if err := secondOpinion(header, payload, token, v == generic); err != nil {
			t.Errorf("%s %s is accepted: %v", header, payload, err)
		}
		sameMeaning(t, claims, payload)
		i := int(at) % len(token)
		for _, c := range "Aa0_-.=/+" {
			changed := token[:i] + string(c) + token[i+1:]
			if _, err := v.Verify(t.Context(), changed); changed != token && err == nil {
				t.Errorf("%q is accepted, and so is %q", token, changed)
			}
		}
	})
}

// secondOpinion verifies a token with crypto/* and encoding/json alone, as plainly as possible.
func secondOpinion(header, payload, token string, generic bool) error {
	var h, p map[string]json.RawMessage
	if err := errors.Join(json.Unmarshal([]byte(header), &h), json.Unmarshal([]byte(payload), &p)); err != nil {
		return err
	}
	if !utf8.ValidString(header + payload) {
		return errors.New("no UTF-8")
	}
	if err := json.Unmarshal([]byte(header), &map[string]any{}); err != nil { // a number that no float64 holds
		return err
	}
	var alg, kid, typ string
	for _, m := range []struct {
		name string
		dst  *string
	}{{"alg", &alg}, {"kid", &kid}, {"typ", &typ}} {
		if raw, ok := h[m.name]; ok && (raw[0] != '"' || json.Unmarshal(raw, m.dst) != nil) {
			return fmt.Errorf("%s is not a string", m.name)
		}
	}
	parts := strings.Split(token, ".")
	signature, err := base64.RawURLEncoding.Strict().DecodeString(parts[2])
	if err != nil || len(signature) != 64 {
		return fmt.Errorf("a signature of %d bytes: %v", len(signature), err)
	}
	input := []byte(parts[0] + "." + parts[1])
	digest := sha256.Sum256(input)
	switch _, named := h["kid"]; {
	case alg == "ES256" && (!named || kid == "ec"):
		if !ecdsa.Verify(&fixedEC.PublicKey, digest[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
			return errors.New("bad ECDSA signature")
		}
	case (alg == "EdDSA" || alg == "Ed25519") && (!named || kid == "ed"):
		if !ed25519.Verify(fixedEd.Public().(ed25519.PublicKey), input, signature) {
			return errors.New("bad EdDSA signature")
		}
	default:
		return fmt.Errorf("alg %q with kid %q", alg, kid)
	}
	short := strings.TrimPrefix(strings.ToLower(typ), "application/")
	_, typed := h["typ"]
	if short != "at+jwt" && (!generic || typed && short != "jwt") {
		return fmt.Errorf("typ %q", typ)
	}
	if h["crit"] != nil || h["b64"] != nil {
		return errors.New("crit or b64")
	}
	return goodClaims(p, generic)
}

func goodClaims(p map[string]json.RawMessage, generic bool) error {
	for name, raw := range p { // null is absent
		if string(raw) == "null" {
			delete(p, name)
		}
	}
	var iss string
	var audiences []string
	if json.Unmarshal(p["iss"], &iss) != nil || iss != issuer {
		return fmt.Errorf("iss %s", p["iss"])
	}
	if aud := p["aud"]; json.Unmarshal(aud, &audiences) != nil {
		audiences = []string{""}
		if json.Unmarshal(aud, &audiences[0]) != nil {
			return fmt.Errorf("aud %s", aud)
		}
	}
	if !slices.Contains(audiences, audience) {
		return fmt.Errorf("aud %q", audiences)
	}
	exp, nbf, iat := 0.0, float64(in(0)), float64(in(0))
	if json.Unmarshal(p["exp"], &exp) != nil || exp <= float64(in(-30)) {
		return fmt.Errorf("exp %s", p["exp"])
	}
	if p["nbf"] != nil && json.Unmarshal(p["nbf"], &nbf) != nil || nbf > float64(in(30)) {
		return fmt.Errorf("nbf %s", p["nbf"])
	}
	if json.Unmarshal(p["iat"], &iat) != nil || iat > float64(in(30)) {
		return fmt.Errorf("iat %s", p["iat"])
	}
	if !generic {
		for _, name := range []string{"sub", "client_id", "jti"} {
			if p[name] == nil {
				return fmt.Errorf("no %s", name)
			}
		}
		return nil
	}
	if p["client_id"] == nil && p["azp"] == nil && p["cid"] == nil && p["appid"] == nil {
		return errors.New("no client id")
	}
	for _, name := range []string{"nonce", "at_hash", "c_hash", "s_hash", "events"} {
		if p[name] != nil {
			return fmt.Errorf("%s is there", name)
		}
	}
	return nil
}

// sameMeaning compares claims with what encoding/json reads.
func sameMeaning(t *testing.T, claims *verifier.Claims, payload string) {
	t.Helper()
	var ours, theirs map[string]any
	err, other := claims.Decode(&ours), json.Unmarshal([]byte(payload), &theirs)
	if (err != nil) != (other != nil) || err == nil && !reflect.DeepEqual(ours, theirs) {
		t.Errorf("%s: %v, %v; encoding/json reads %v, %v", payload, ours, err, theirs, other)
	}
	if err != nil { // a number that no float64 holds
		return
	}
	sub, _ := theirs["sub"].(string)
	exp, _ := theirs["exp"].(float64)
	if claims.Issuer() != theirs["iss"] || claims.Subject() != sub || !slices.Contains(claims.Audience(), audience) || exp-float64(claims.Expiry().Unix()) > 1 || exp < float64(claims.Expiry().Unix()) {
		t.Errorf("%s: %v, subject %q, audience %q, expiry %v", payload, claims, claims.Subject(), claims.Audience(), claims.Expiry())
	}
	for scope := range claims.Scopes().All() {
		if !grants(theirs["scope"], scope) && !grants(theirs["scp"], scope) {
			t.Errorf("%s doesn't grant %q", payload, scope)
		}
	}
}

func grants(claim any, scope string) bool {
	switch claim := claim.(type) {
	case string:
		return slices.Contains(strings.Split(claim, " "), scope)
	case []any:
		return slices.Contains(claim, any(scope))
	}
	return false
}

// fuzzWeb answers one URL with a document, one with a key set, and writes down all that it was asked.
type fuzzWeb struct {
	status   int
	document []byte
	set      []byte
	asked    []string
}

func (w *fuzzWeb) RoundTrip(r *http.Request) (*http.Response, error) {
	w.asked = append(w.asked, r.URL.String())
	status, body := http.StatusOK, w.set
	switch r.URL.String() {
	case appended:
		status, body = w.status, w.document
	case inserted, mixed:
		status, body = http.StatusNotFound, nil
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body)), Request: r}, nil
}

// FuzzDiscovery: a document leads to keys only if it is the issuer's and names an https URL, to encoding/json and net/url too.
// No other URL is ever asked, and what is then served came from the set.
func FuzzDiscovery(f *testing.F) {
	const fuzzed = "https://as.example.com/t"
	good := metadata(fuzzed, keysURL)
	for _, document := range []string{
		good, "\ufeff" + good, " " + good + "\n", good + "x", strings.ToUpper(good), "", "null", "[]", "<html>", metadata(fuzzed+"/", keysURL), metadata(fuzzed, "http://as.example.com/t/keys"),
		metadata(fuzzed, "https://user:pass@as.example.com/"), metadata(fuzzed, "file:///dev/null"), metadata(fuzzed, "//as.example.com/keys"), metadata(fuzzed, "https://other.example.com/keys?a=b#c"),
		metadata(fuzzed, "https://:"), metadata(fuzzed, "https://:8443/keys"), metadata(fuzzed, "https://[]/keys"), metadata(fuzzed, "https://as.example.com:/keys"),
		metadata(fuzzed, "https://[::1]:99999/"), metadata(fuzzed, "https://169.254.169.254/"), `{"issuer":"x",` + good[1:], good[:len(good)-1] + `,"issuer":"x"}`, `{"issuer":["` + fuzzed + `"],"jwks_uri":"` + keysURL + `"}`,
	} {
		f.Add(200, []byte(document), fixedSet())
	}
	for _, status := range []int{100, 201, 204, 206, 304, 400, 404, 500, 0, -1} {
		f.Add(status, []byte(good), fixedSet())
	}
	for _, set := range []string{"", "{}", `{"keys":[]}`, `{"keys":[1,null]}`, "\ufeff" + string(fixedSet()), `{"keys":{}}`, string(fixedSet()) + "x", `{"keys":[` + strings.Repeat(`{"kty":"oct"},`, 101) + `1]}`} {
		f.Add(200, []byte(good), []byte(set))
	}
	f.Fuzz(func(t *testing.T, status int, document, set []byte) {
		w := &fuzzWeb{status: status, document: document, set: set}
		v, err := verifier.New(verifier.Config{Issuer: fuzzed, Audience: []string{audience}, Client: &http.Client{Transport: w}, Now: clock})
		if err != nil {
			t.Fatal(err)
		}
		err = v.Warm(context.Background())
		health := v.Health()
		if health.Ready != (err == nil) || (health.Keys > 0) != (err == nil) || err != nil && !errors.Is(err, verifier.ErrUnavailable) {
			t.Errorf("Warm: %v, Health: %+v", err, health)
		}
		var leads []string
		for _, asked := range w.asked {
			if asked != appended && asked != inserted && asked != mixed {
				leads = append(leads, asked)
			}
		}
		if len(leads) > 1 || err == nil && len(leads) == 0 {
			t.Fatalf("asked %q, Warm: %v", w.asked, err)
		}
		if len(leads) == 1 {
			if found, err := jwksURI(status, document, fuzzed); err != nil || found != leads[0] {
				t.Errorf("%d %q led to %q; encoding/json and net/url find %q, %v", status, document, leads[0], found, err)
			}
		}
		if published := memberCount(set); health.Keys > min(100, published) {
			t.Errorf("%d keys of the %d in %q: %+v", health.Keys, published, set, health)
		}
	})
}

// jwksURI reads a metadata document with encoding/json and net/url.
func jwksURI(status int, document []byte, issuer string) (string, error) {
	var members map[string]json.RawMessage
	var name, uri string
	err := json.Unmarshal(bytes.TrimPrefix(document, []byte("\ufeff")), &members)
	if err = errors.Join(err, json.Unmarshal(members["issuer"], &name), json.Unmarshal(members["jwks_uri"], &uri)); err != nil {
		return "", err
	}
	u, err := url.Parse(uri)
	if err != nil {
		return "", err
	}
	if status != http.StatusOK || name != issuer || u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		return "", fmt.Errorf("status %d, issuer %q, jwks_uri %q", status, name, uri)
	}
	u.Host = strings.TrimSuffix(u.Host, ":") // net/http leaves out an empty port
	return u.String(), nil
}

// memberCount is how many members the array of keys has.
func memberCount(set []byte) int {
	var members map[string]json.RawMessage
	var keys []json.RawMessage
	if json.Unmarshal(bytes.TrimPrefix(set, []byte("\ufeff")), &members) != nil || json.Unmarshal(members["keys"], &keys) != nil {
		return 0
	}
	return len(keys)
}
