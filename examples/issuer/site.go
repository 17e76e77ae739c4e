package main

import (
	"bytes"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"html/template"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/bearerguard/bearerguard/verifier/verifiertest"
)

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// site is the issuer and the page that shows it.
type site struct {
	issuer   *verifiertest.Issuer
	address  string // the only Host that is answered: a page elsewhere must not reach this server by another name for it
	clients  []client
	audience []string
	down     atomic.Bool
	mux      *http.ServeMux
}

func newSite(issuer *verifiertest.Issuer, address string, clients []client, audience []string) http.Handler {
	s := &site{issuer: issuer, address: address, clients: clients, audience: audience, mux: http.NewServeMux()}
	s.mux.Handle("/", issuer)
	s.mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { s.show(w, minted{}) })
	s.mux.HandleFunc("POST /mint", s.mint)
	s.mux.HandleFunc("POST /rotate", s.change(func() { issuer.Rotate() }))
	s.mux.HandleFunc("POST /withdraw", s.change(s.withdrawOld))
	s.mux.HandleFunc("POST /down", s.change(func() { issuer.Down(http.StatusServiceUnavailable); s.down.Store(true) }))
	s.mux.HandleFunc("POST /up", s.change(func() { issuer.Up(); s.down.Store(false) }))
	return http.NewCrossOriginProtection().Handler(s)
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Host != s.address {
		http.Error(w, "this server is http://"+s.address, http.StatusMisdirectedRequest)
		return
	}
	s.mux.ServeHTTP(w, r)
}

// change does something to the issuer and shows the page again.
func (s *site) change(do func()) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		do()
		http.Redirect(w, r, "/", http.StatusSeeOther)
	}
}

func (s *site) withdrawOld() {
	for _, kid := range s.issuer.KeyIDs()[1:] {
		s.issuer.Withdraw(kid)
	}
}

// minted is a token and what it says.
type minted struct{ Token, Header, Payload, Error string }

func (s *site) mint(w http.ResponseWriter, r *http.Request) {
	claims := map[string]any{}
	if text := strings.TrimSpace(r.PostFormValue("claims")); text != "" {
		err := json.Unmarshal([]byte(text), &claims)
		if err == nil && claims == nil {
			err = errors.New("null")
		}
		if err != nil {
			s.show(w, minted{Error: "The claims are no JSON object: " + err.Error()})
			return
		}
	}
	if names := s.issuer.Config().Profile.ClientIDClaims; len(names) > 0 && r.PostFormValue("client") != "" {
		claims[names[0]] = r.PostFormValue("client")
	}
	m := minted{Token: s.issuer.Token(r.PostFormValue("scope"), claims)}
	parts := strings.Split(m.Token, ".")
	m.Header, m.Payload = readable(parts[0]), readable(parts[1])
	s.show(w, m)
}

func readable(segment string) string {
	text, _ := base64.RawURLEncoding.DecodeString(segment) // it was made here
	var b bytes.Buffer
	_ = json.Indent(&b, text, "", "  ")
	return b.String()
}

func (s *site) show(w http.ResponseWriter, m minted) {
	var keys bytes.Buffer
	_ = json.Indent(&keys, s.issuer.Keys(), "", "  ")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'")
	w.Header().Set("Cache-Control", "no-store")
	_ = pageTemplate.Execute(w, map[string]any{
		"Issuer": s.issuer.URL(), "Token": s.issuer.TokenURL(), "Clients": s.clients, "Audience": s.audience, "KeyIDs": s.issuer.KeyIDs(),
		"Keys": keys.String(), "Down": s.down.Load(), "Minted": m, "Requests": s.issuer.Requests(),
	}) // an error means that the browser has gone
}
