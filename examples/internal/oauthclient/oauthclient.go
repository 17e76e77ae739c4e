// Package oauthclient is a client of an authorization server, as the environment describes it, for the examples that try
// out one. A program that is only a client needs less: see the example client.
package oauthclient

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"github.com/bearerguard/bearerguard/internal/fetch"
	"github.com/bearerguard/bearerguard/internal/jose"
)

// Client gets access tokens with the client-credentials grant (RFC 6749 section 4.4).
type Client struct {
	clientcredentials.Config
	HTTP *http.Client // reaches the authorization server
}

// FromEnvironment reads ISSUER, CLIENT_ID, CLIENT_SECRET or CLIENT_SECRET_FILE, SCOPE, TOKEN_PARAMS and TOKEN_URL.
// Without the last one it asks the issuer. The client follows no redirect, for that could carry the secret to somebody else.
func FromEnvironment(ctx context.Context, getenv func(string) string) (*Client, error) {
	params, paramsErr := url.ParseQuery(getenv("TOKEN_PARAMS"))
	secret, secretErr := readSecret(getenv)
	if getenv("CLIENT_ID") == "" {
		secretErr = errors.Join(errors.New("CLIENT_ID is not set"), secretErr)
	}
	if err := errors.Join(paramsErr, secretErr); err != nil {
		return nil, err
	}
	c := &Client{
		Config: clientcredentials.Config{
			TokenURL: getenv("TOKEN_URL"), ClientID: getenv("CLIENT_ID"), ClientSecret: secret,
			Scopes: strings.Fields(getenv("SCOPE")), EndpointParams: params,
		},
		HTTP: &http.Client{
			Timeout:       10 * time.Second,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	if c.TokenURL == "" {
		if err := c.discover(ctx, getenv("ISSUER")); err != nil {
			return nil, fmt.Errorf("%w (or set TOKEN_URL)", err)
		}
	}
	return c, requireHTTPS(c.TokenURL)
}

// NewToken asks for a new token. Its error holds nothing of what was sent, and nothing of the answer but the error code.
func (c *Client) NewToken(ctx context.Context) (string, error) {
	token, err := c.Token(context.WithValue(ctx, oauth2.HTTPClient, c.HTTP))
	if refused := (*oauth2.RetrieveError)(nil); errors.As(err, &refused) {
		return "", fmt.Errorf("%s: %s %q", c.TokenURL, refused.Response.Status, refused.ErrorCode)
	}
	if err != nil {
		return "", err
	}
	return token.AccessToken, nil
}

func readSecret(getenv func(string) string) (string, error) {
	secret := getenv("CLIENT_SECRET")
	if file := getenv("CLIENT_SECRET_FILE"); file != "" {
		content, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		secret = strings.TrimRight(string(content), "\r\n")
	}
	if secret == "" {
		return "", errors.New("neither CLIENT_SECRET nor CLIENT_SECRET_FILE holds a secret")
	}
	return secret, nil
}

// discover finds the token endpoint in the issuer's metadata (OpenID Connect Discovery section 4, RFC 8414 section 3).
func (c *Client) discover(ctx context.Context, issuer string) error {
	if err := requireHTTPS(issuer); err != nil {
		return err
	}
	base, _ := url.Parse(issuer) // requireHTTPS has parsed it
	base.Path = strings.TrimSuffix(base.Path, "/")
	var errs []error
	for _, path := range []string{base.Path + "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server" + base.Path} {
		metadataURL := *base
		metadataURL.Path = path
		endpoint, err := c.ask(ctx, metadataURL.String(), issuer)
		if err == nil {
			c.TokenURL = endpoint
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (c *Client) ask(ctx context.Context, metadataURL, issuer string) (tokenEndpoint string, err error) {
	response, err := fetch.Get(ctx, c.HTTP, metadataURL, fetch.Validators{})
	if err != nil {
		return "", err
	}
	metadata, err := jose.ParseObject(jose.TrimBOM(response.Body), jose.PayloadLimits)
	if err != nil {
		return "", response.Unusable(metadataURL, err)
	}
	raw, _ := metadata.Get("issuer")
	// RFC 8414 section 3.3: of a document with another issuer nothing may be used.
	if found, _ := jose.String(raw); found != issuer {
		return "", fmt.Errorf("%s: this is the metadata of %q, not of %q", metadataURL, found, issuer)
	}
	raw, _ = metadata.Get("token_endpoint")
	if tokenEndpoint, _ = jose.String(raw); tokenEndpoint == "" {
		return "", fmt.Errorf("%s: it names no token endpoint", metadataURL)
	}
	return tokenEndpoint, nil
}

// requireHTTPS refuses a URL over which others could read the secret or the token: http is for loopback.
func requireHTTPS(s string) error {
	u, err := url.Parse(s)
	if err == nil && u.Hostname() != "" && (u.Scheme == "https" || u.Scheme == "http" && (u.Hostname() == "localhost" || net.ParseIP(u.Hostname()).IsLoopback())) {
		return nil
	}
	return fmt.Errorf("%q must be an https URL", s)
}
