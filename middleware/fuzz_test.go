package middleware_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bearerguard/bearerguard/middleware"
	"github.com/bearerguard/bearerguard/verifier"
)

// answer is all that a client sees of one.
func answer(rec *httptest.ResponseRecorder) string {
	b := strings.Builder{}
	rec.Result().Header.Write(&b) // sorted by name
	return http.StatusText(rec.Code) + "\n" + b.String() + "\n" + rec.Body.String()
}

// FuzzRequest sends whole requests as text. The handler is reached with the one good token, read by a plain reading of
// RFC 6750, and never otherwise; every refusal is one of a handful of answers, whatever the request says.
func FuzzRequest(f *testing.F) {
	for _, head := range []string{
		"", "Authorization: Bearer shop", "authorization: bearer shop", "Authorization: Bearer  shop", "Authorization: Bearer shop ", "Authorization: Bearer shop\r\nAuthorization: Bearer shop",
		"Authorization: Bearer shop\r\nAUTHORIZATION: Basic dTpw", "Authorization: Bearer shop, Bearer shop", "Authorization:Bearer\tshop", "Authorization: Bearer\r\n shop", "Authorization : Bearer shop",
		"Authorization: Basic dTpw, Bearer shop", "Authorization: Bearer warehouse", "Authorization: DPoP shop", "Proxy-Authorization: Bearer shop", "Cookie: access_token=shop", "X-Authorization: Bearer shop",
		"Authorization: Bearer shop\r\nConnection: Authorization", "Authorization: Bearer s\x00hop", "Authorization: Bearer sh\u00f6p", "Authorization: Bearer =", "Authorization: Bearer shop=", "Authorization:",
		"Authorization: Bearer " + strings.Repeat("a", 20000), "Authorization: Basic " + strings.Repeat(",", 1000) + "Bearer shop",
	} {
		f.Add("GET", "/orders", head)
	}
	f.Add("OPTIONS", "/orders?access_token=shop", "Origin: https://example.com\r\nAccess-Control-Request-Method: GET")
	f.Add("POST", "/?access_token=shop", "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 0")
	good := claimsOf(f, `{"client_id":"shop","scope":"read","exp":4102444800}`)
	const answers = 4 // 400, 401 for a bad token, and two for none: with the scope that the route asks for, and without
	known := map[string]bool{}
	f.Fuzz(func(t *testing.T, method, target, head string) {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(method + " " + target + " HTTP/1.1\r\nHost: api\r\n" + head + "\r\n\r\n")))
		if err != nil {
			return
		}
		asked := ""
		guard := newGuard(t, verifyFunc(func(_ context.Context, token string) (*verifier.Claims, error) {
			asked = token
			if token == "shop" {
				return good, nil
			}
			return nil, verifier.ErrExpired
		}), middleware.Config{Realm: "orders"})
		fields := r.Header["Authorization"]
		token := plainly(fields)
		for _, optional := range []bool{false, true} {
			reached := false
			handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				reached = true
				if claims, ok := verifier.FromContext(r.Context()); ok != (token != "") || ok && claims != good {
					t.Errorf("%q: the handler finds claims: %t, %v", head, ok, claims)
				}
			})
			rec := httptest.NewRecorder()
			if optional {
				guard.Optional(handler).ServeHTTP(rec, r)
			} else {
				guard.RequireScope("read")(handler).ServeHTTP(rec, r)
			}
			if want := token == "shop" || optional && len(fields) == 0; reached != want || asked != token {
				t.Fatalf("%q, optional %t: the handler was reached: %t, want %t; the TokenVerifier was asked about %q", head, optional, reached, want, asked)
			}
			if reached {
				continue
			}
			challenges, err := parse(rec.Header().Get("WWW-Authenticate"))
			if err != nil || len(challenges) != 1 || challenges[0].scheme != "bearer" || challenges[0].params["realm"] != "orders" || !json.Valid(rec.Body.Bytes()) {
				t.Errorf("%q: %d, challenges %+v: %v, body %q", head, rec.Code, challenges, err, rec.Body)
			}
			if known[answer(rec)] = true; len(known) > answers {
				t.Errorf("%q has an answer of its own:\n%s", head, answer(rec))
			}
		}
	})
}

// plainly reads the token that must reach the TokenVerifier, "" if none may.
func plainly(fields []string) string {
	if len(fields) != 1 {
		return ""
	}
	if m := wellFormed.FindStringSubmatch(fields[0]); m != nil && len(m[1]) <= 17<<10 {
		return m[1]
	}
	return ""
}
