package main

import (
	"bytes"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/bearerguard/bearerguard/verifier/verifiertest"
)

func TestWalk(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := run(t.Context(), &out); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	for _, want := range []string{`resource_metadata="http://127.0.0.1:`, `scope="notes:read"`, "you are assistant, and may notes:read"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %s in\n%s", want, &out)
		}
	}
	if strings.Contains(out.String(), "a-secret") || strings.Contains(out.String(), "eyJ") {
		t.Errorf("a secret is printed:\n%s", &out)
	}
}

// TestRefusals: a client without the scope, or with another secret, calls no tool.
func TestRefusals(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	resource := "http://" + listener.Addr().String() + "/mcp"
	issuer := verifiertest.NewIssuer(t, verifiertest.Audience(resource))
	issuer.RegisterClient("reader", "r", "notes:list")
	handler, err := newServer(issuer.Config(), resource)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler}
	go server.Serve(listener)
	defer server.Close()
	for name, secret := range map[string]string{"without the scope": "r", "with another secret": "x"} {
		if answer, err := callTool(t.Context(), resource, issuer.Client(), "reader", secret); err == nil {
			t.Errorf("%s: %s", name, answer)
		}
	}
}
