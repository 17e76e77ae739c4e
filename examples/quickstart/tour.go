package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"github.com/bearerguard/bearerguard/examples/internal/transcript"
	"github.com/bearerguard/bearerguard/middleware"
	"github.com/bearerguard/bearerguard/verifier"
)

// tour leads a person from the first token to an outage.
type tour struct {
	*cast
	verifier *verifier.Verifier
	url      string                            // of the API
	denial   atomic.Pointer[middleware.Denial] // the API's last decision; nil: granted
	out      *transcript.Transcript

	token, forged, unseen string
}

// step is a call of the API and the answer that it should get.
type step struct {
	title     string                      // "": still the step before
	before    func(context.Context) error // what happens first; nil: nothing
	method    string
	token     *string // nil: none
	status    int
	challenge string // WWW-Authenticate, without its error_description
	note      string
}

func (t *tour) steps() []step {
	read, write := t.read.Ask().String(), t.write.Ask().String()
	steps := []step{
		{"The client calls the API with the token", nil, "GET", &t.token, 200, "", ""},
		{"It calls what requires " + write + ", which the token doesn't grant", nil, "POST", &t.token, 403, `Bearer realm="api", error="insufficient_scope", scope="` + write + `"`, ""},
		{"Somebody calls without a token", nil, "GET", nil, 401, `Bearer realm="api", scope="` + read + `"`, ""},
		{`Somebody adds "admin": true to the token`, nil, "GET", &t.forged, 401, `Bearer realm="api", error="invalid_token"`, ""},
	}
	if t.server == nil {
		return steps
	}
	return append(steps,
		step{"The authorization server rotates its keys; the client gets a new token", t.rotate, "GET", &t.token, 200, "", ": the API fetched the new key by itself"},
		step{"The authorization server is down", t.outage, "GET", &t.token, 200, "", " with the token in use"},
		step{"", nil, "GET", &t.unseen, 200, "", " with a token that the API has never seen"})
}

// walk takes the steps. The error says which went wrong.
func (t *tour) walk(ctx context.Context, steps []step) error {
	t.out.Step("The authorization server is %s", t.tokens.Issuer)
	t.out.Good("the client %s asks it for %s", t.client.ClientID, cmp.Or(strings.Join(t.client.Scopes, " "), "no scope by name"))
	t.out.Step("The API is %s", t.url)
	t.out.Good("GET /orders requires %v, POST /orders %v", t.read, t.write)
	t.out.Step("The client gets a token with the client-credentials grant")
	if err := t.showToken(ctx); err != nil {
		return t.out.Wrong(err)
	}
	var wrong []error
	for _, s := range steps {
		if s.title != "" {
			t.out.Step("%s", s.title)
		}
		if err := t.take(ctx, s); err != nil {
			wrong = append(wrong, t.out.Wrong(err))
		}
	}
	if len(wrong) > 0 {
		return errors.Join(wrong...)
	}
	if t.server == nil {
		t.out.End("Left out, for the authorization server would have to take part: new keys, an outage.")
	}
	t.out.End("All %d answers were the expected ones.", len(steps))
	return nil
}

// showToken shows what the token says, or why the API won't take it.
func (t *tour) showToken(ctx context.Context) (err error) {
	t.out.Line("POST %s", t.client.TokenURL)
	if t.token, err = t.client.NewToken(ctx); err != nil {
		return err
	}
	claims, err := t.verifier.Verify(ctx, t.token)
	if err != nil {
		for _, check := range t.verifier.Explain(ctx, t.token) {
			if check.Err == nil && !check.Skipped {
				t.out.Good("%s: %s", check.Name, check.Found)
			}
		}
		return fmt.Errorf("the API won't take the token: %w", err)
	}
	parts, pretty := strings.Split(t.token, "."), bytes.Buffer{}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err := errors.Join(err, json.Indent(&pretty, payload, "     ", "  ")); err != nil {
		return err
	}
	t.out.Good("it is good for %v and says:\n     %s", time.Until(claims.Expiry()).Round(time.Second), &pretty)
	forged := bytes.Replace(payload, []byte("{"), []byte(`{"admin":true,`), 1)
	t.forged = parts[0] + "." + base64.RawURLEncoding.EncodeToString(forged) + "." + parts[2]
	return nil
}

func (t *tour) rotate(ctx context.Context) (err error) {
	t.server.Rotate()
	t.token, err = t.client.NewToken(ctx)
	return err
}

func (t *tour) outage(ctx context.Context) error {
	t.unseen = t.server.Token(t.read.Ask().String())
	t.server.Down(http.StatusServiceUnavailable)
	if _, err := t.client.NewToken(ctx); err == nil {
		return errors.New("the authorization server isn't down")
	}
	return nil
}

// description is for people; an answer is judged without it.
var description = regexp.MustCompile(`, error_description="[^"]*"`)

func (t *tour) take(ctx context.Context, s step) error {
	if s.before != nil {
		if err := s.before(ctx); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, s.method, t.url+"/orders", nil)
	if err != nil {
		return err
	}
	if s.token != nil {
		req.Header.Set("Authorization", "Bearer "+*s.token)
	}
	t.out.Line("%s /orders", s.method)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	resp.Body.Close()
	challenge := strings.Join(resp.Header.Values("WWW-Authenticate"), ", ")
	if resp.StatusCode != s.status || description.ReplaceAllString(challenge, "") != s.challenge {
		return fmt.Errorf("%s /orders: %s %s, expected was %d %s", s.method, resp.Status, challenge, s.status, s.challenge)
	}
	t.out.Good("%s%s", resp.Status, s.note)
	if d := t.denial.Load(); d != nil {
		t.out.Line("  WWW-Authenticate: %s", challenge)
		t.out.Line("  the API's log: %v", d.Err)
	}
	return nil
}
