// Command mcp is a server of the Model Context Protocol that takes access tokens, and a client of it that has never heard of its
// authorization server:
//
//	go run .
//
// The client's first request gets a 401, whose challenge says where the metadata is; that says which authorization server gives
// tokens, whose own metadata says where; and with a token from there the client calls a tool. The client is that of the protocol's Go
// SDK. All of it runs on loopback and ends with 0 only if each step was as it should be.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/auth/extauth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"

	"github.com/bearerguard/bearerguard/middleware"
	"github.com/bearerguard/bearerguard/verifier"
	"github.com/bearerguard/bearerguard/verifier/verifiertest"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := run(ctx, os.Stdout); err != nil {
		log.Fatal("mcp: ", err)
	}
}

func run(ctx context.Context, out io.Writer) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	resource := "http://" + listener.Addr().String() + "/mcp"
	issuer, err := verifiertest.Start(verifiertest.Audience(resource)) // in a program: your authorization server
	if err != nil {
		return err
	}
	defer issuer.Close()
	issuer.RegisterClient("assistant", "a-secret", "notes:read")

	handler, err := newServer(issuer.Config(), resource)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	go server.Serve(listener)
	defer server.Close()

	walk := &recorder{next: issuer.Client().Transport, out: out}
	answer, err := callTool(ctx, resource, &http.Client{Transport: walk}, "assistant", "a-secret")
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "the tool answers: %s\n", answer)
	return walk.check([]string{
		"POST /mcp 401", "GET /.well-known/oauth-protected-resource/mcp 200", "GET /.well-known/oauth-authorization-server 200", "POST /token 200", "POST /mcp 200",
	})
}

// newServer is the API: the protocol's server behind a guard, and the metadata beside it, which is open to all.
func newServer(cfg verifier.Config, resource string) (http.Handler, error) {
	tokens, err := verifier.New(cfg)
	if err != nil {
		return nil, err
	}
	guard, err := middleware.New(tokens, middleware.Config{Metadata: &middleware.Metadata{
		Resource: resource, AuthorizationServers: []string{cfg.Issuer}, Scopes: []string{"notes:read"}, Name: "Notes",
	}})
	if err != nil {
		return nil, err
	}
	notes := mcp.NewServer(&mcp.Implementation{Name: "notes", Version: "1"}, nil)
	mcp.AddTool(notes, &mcp.Tool{Name: "who", Description: "tells who calls"}, func(ctx context.Context, _ *mcp.CallToolRequest, _ struct{}) (*mcp.CallToolResult, any, error) {
		claims, ok := verifier.FromContext(ctx)
		if !ok {
			return nil, nil, errors.New("no claims")
		}
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "you are " + claims.ClientID() + ", and may " + claims.Scopes().String()}}}, nil, nil
	})
	mux := http.NewServeMux()
	// Each request is decided by its own token, so it needs no session; one that is kept would have to be bound to its caller, for
	// whoever learned its id could use it with a token of his own.
	stateless := &mcp.StreamableHTTPOptions{Stateless: true}
	mux.Handle("/mcp", guard.RequireScope("notes:read")(mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return notes }, stateless)))
	mux.Handle(guard.Metadata())
	return mux, nil
}

// callTool knows the server's URL, and a client's id and secret.
func callTool(ctx context.Context, endpoint string, client *http.Client, id, secret string) (string, error) {
	authorization, err := extauth.NewClientCredentialsHandler(&extauth.ClientCredentialsHandlerConfig{
		Credentials: &oauthex.ClientCredentials{ClientID: id, ClientSecretAuth: &oauthex.ClientSecretAuth{ClientSecret: secret}}, HTTPClient: client,
	})
	if err != nil {
		return "", err
	}
	session, err := mcp.NewClient(&mcp.Implementation{Name: "assistant", Version: "1"}, nil).Connect(ctx, &mcp.StreamableClientTransport{
		Endpoint: endpoint, HTTPClient: client, OAuthHandler: authorization, MaxRetries: -1, DisableStandaloneSSE: true,
	}, nil)
	if err != nil {
		return "", err
	}
	defer session.Close()
	result, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "who"})
	if err != nil {
		return "", err
	}
	if result.IsError || len(result.Content) == 0 {
		return "", fmt.Errorf("the tool failed: %+v", result)
	}
	text, ok := result.Content[0].(*mcp.TextContent)
	if !ok {
		return "", fmt.Errorf("the tool answers a %T", result.Content[0])
	}
	return text.Text, nil
}

// recorder prints the requests of a client, without what is secret of them.
type recorder struct {
	next http.RoundTripper
	out  io.Writer

	mu   sync.Mutex
	seen []string
}

func (c *recorder) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := c.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	line := fmt.Sprintf("%s %s %d", r.Method, r.URL.Path, response.StatusCode)
	c.seen = append(c.seen, line)
	fmt.Fprintln(c.out, line)
	for _, challenge := range response.Header.Values("WWW-Authenticate") {
		fmt.Fprintln(c.out, "    WWW-Authenticate:", challenge)
	}
	return response, nil
}

// check wants these requests, in this order; there may be others between them.
func (c *recorder) check(want []string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	rest := c.seen
	for _, line := range want {
		at := slices.Index(rest, line)
		if at < 0 {
			return fmt.Errorf("no request %q in its place among %q", line, c.seen)
		}
		rest = rest[at+1:]
	}
	return nil
}
