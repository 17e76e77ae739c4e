// Command client calls an API with an access token of its own: the client-credentials grant (RFC 6749 section 4.4).
// One token serves every call until it expires; then the next call gets another.
//
// The environment configures it:
//
//	TOKEN_URL           the authorization server's token endpoint
//	CLIENT_ID           who the client is
//	CLIENT_SECRET_FILE  where its secret is, as a container's secrets are mounted
//	CLIENT_SECRET       or the secret itself
//	SCOPE               what to ask for, separated by spaces
//	TOKEN_PARAMS        what else the server wants, as audience=https://api.example.com
//	API_URL             what to call
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

func main() {
	secret, secretErr := readSecret()
	params, paramsErr := url.ParseQuery(os.Getenv("TOKEN_PARAMS"))
	if err := errors.Join(secretErr, paramsErr, requireHTTPS("TOKEN_URL"), requireHTTPS("API_URL")); err != nil {
		log.Fatal(err)
	}
	config := clientcredentials.Config{
		TokenURL: os.Getenv("TOKEN_URL"), ClientID: os.Getenv("CLIENT_ID"), ClientSecret: secret,
		Scopes: strings.Fields(os.Getenv("SCOPE")), EndpointParams: params,
	}
	// A redirect could carry the secret or the token to somebody else, so none is followed.
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	base := &http.Client{Timeout: 10 * time.Second, CheckRedirect: stay}
	// The client gets a token when a call first needs one, keeps it, and gets another once it has expired.
	client := config.Client(context.WithValue(context.Background(), oauth2.HTTPClient, base))
	client.Timeout, client.CheckRedirect = base.Timeout, base.CheckRedirect
	for range 3 {
		resp, err := client.Get(os.Getenv("API_URL"))
		if refused := (*oauth2.RetrieveError)(nil); errors.As(err, &refused) {
			log.Fatalf("no token: %s %q", refused.Response.Status, refused.ErrorCode) // the whole answer may hold what was sent
		} else if err != nil {
			log.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body) // so that the next call finds the connection free
		resp.Body.Close()
		fmt.Println(strings.TrimSpace(resp.Status + " " + resp.Header.Get("WWW-Authenticate")))
	}
}

func readSecret() (string, error) {
	name := os.Getenv("CLIENT_SECRET_FILE")
	if name == "" {
		return os.Getenv("CLIENT_SECRET"), nil
	}
	content, err := os.ReadFile(name)
	return strings.TrimRight(string(content), "\r\n"), err
}

// requireHTTPS refuses a URL over which others could read the secret or the token: http is for loopback.
func requireHTTPS(name string) error {
	u, err := url.Parse(os.Getenv(name))
	if err == nil && u.Hostname() != "" && (u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback())) {
		return nil
	}
	return fmt.Errorf("%s must be an https URL", name)
}
