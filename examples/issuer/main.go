// Command issuer is an authorization server for a developer's machine: programs in any language get their tokens from it with
// the client-credentials grant, and an API under development verifies them.
//
//	go run ./examples/issuer -client "shop:secret:orders:read orders:write"
//	curl -s -u shop:secret -d grant_type=client_credentials http://127.0.0.1:9000/token
//
// Its page at http://127.0.0.1:9000/ shows its endpoints, keys and clients, mints a token by a click, rotates the key, and lets
// the server be down. It listens on loopback alone, keeps nothing, and gives anybody who can reach it any token: never use it for
// anything but tests.
package main

import (
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/bearerguard/bearerguard/examples/internal/serve"
	"github.com/bearerguard/bearerguard/scopes"
	"github.com/bearerguard/bearerguard/verifier"
	"github.com/bearerguard/bearerguard/verifier/verifiertest"
)

func main() {
	handler, address, err := configure(os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		log.Fatal(err)
	}
	if err := serve.At(address, handler); err != nil {
		log.Fatal(err)
	}
}

// configure makes the server that the command line asks for.
func configure(args []string) (http.Handler, string, error) {
	var clients clientList
	var audience stringList
	flags := flag.NewFlagSet("issuer", flag.ContinueOnError)
	address := flags.String("addr", "127.0.0.1:9000", "where to listen: a loopback `address` and a port")
	profile := flags.String("profile", "", "`how` tokens are written, such as Keycloak; by default as RFC 9068 says")
	algorithm := flags.String("alg", "ES256", "the `algorithm` of the first key")
	flags.Var(&clients, "client", "a client, as `id:secret:scope scope`; may be repeated. Without any: demo:demo-secret, with orders:read and orders:write")
	flags.Var(&audience, "audience", "a `name` of an API that tokens are for; may be repeated. Without any: https://api.example.com")
	if err := flags.Parse(args); err != nil {
		return nil, "", err
	}
	if len(clients) == 0 {
		clients = clientList{{"demo", "demo-secret", "orders:read orders:write"}}
	}
	if len(audience) == 0 {
		audience = stringList{"https://api.example.com"}
	}
	host, port, err := net.SplitHostPort(*address)
	if ip := net.ParseIP(host); err != nil || port == "" || port == "0" || host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, "", fmt.Errorf("-addr %q: want a loopback address and a port, such as 127.0.0.1:9000", *address)
	}
	like, err := verifier.ProfileNamed(*profile)
	if err != nil {
		return nil, "", err
	}
	issuer, err := verifiertest.Start(verifiertest.At("http://"+*address), verifiertest.Like(like), verifiertest.Algorithm(*algorithm), verifiertest.Audience(audience...))
	if err != nil {
		return nil, "", err
	}
	for _, c := range clients {
		issuer.RegisterClient(c.ID, c.Secret, c.Scope)
	}
	return newSite(issuer, *address, clients, audience), *address, nil
}

// clientList is the flag -client.
type clientList []client

type client struct{ ID, Secret, Scope string }

// Credentials are what curl's -u takes: each is encoded as in a form first (RFC 6749 section 2.3.1), which leaves nothing that a
// shell would read.
func (c client) Credentials() string { return url.QueryEscape(c.ID) + ":" + url.QueryEscape(c.Secret) }

func (l *clientList) String() string { return "" }

func (l *clientList) Set(s string) error {
	id, rest, _ := strings.Cut(s, ":")
	secret, scope, _ := strings.Cut(rest, ":")
	if id == "" || secret == "" {
		return errors.New("want id:secret:scope scope")
	}
	if _, err := scopes.Parse(scope); err != nil {
		return err
	}
	*l = append(*l, client{id, secret, scope})
	return nil
}

type stringList []string

func (l *stringList) String() string     { return "" }
func (l *stringList) Set(s string) error { *l = append(*l, s); return nil }
