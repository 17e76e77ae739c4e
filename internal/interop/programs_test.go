package interop_test

import (
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
)

// programs are the example APIs. Each has GET /orders, which needs orders:read, and
// POST /orders, which needs orders:write.
var programs = []string{"nethttp", "echo", "gin"}

// programDir is where they are built.
var programDir string

var buildPrograms = sync.OnceValue(func() error {
	args := []string{"build", "-o", programDir + string(filepath.Separator)}
	for _, name := range programs {
		args = append(args, "./examples/"+name)
	}
	cmd := exec.CommandContext(interrupted, "go", args...)
	cmd.Dir = filepath.Join("..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build the examples: %w\n%s", err, out)
	}
	return nil
})

// An api is a running example program.
type api struct {
	*process
	url string
}

var listening = regexp.MustCompile(`(?m)^listening on (http://127\.0\.0\.1:[0-9]+)$`)

// startAPI runs an example program that takes the authorization server's tokens. The
// server needn't run.
func startAPI(t *testing.T, program string, as authServer) *api {
	t.Helper()
	if err := buildPrograms(); err != nil {
		t.Fatal(err)
	}
	p := startProcess(t, program, []string{
		"ISSUER=" + as.issuer(),
		"AUDIENCE=" + apiAudience,
		"PROFILE=" + as.profile(),
		"ADDR=127.0.0.1:0",
	}, filepath.Join(programDir, program))
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s wrote:\n%s", program, p.out.redacted())
		}
	})
	var match []string
	p.waitFor(t, "its address", func() bool {
		match = listening.FindStringSubmatch(p.out.String())
		return match != nil
	})
	return &api{p, match[1]}
}

// startAPIs runs each of the example programs.
func startAPIs(t *testing.T, as authServer) []*api {
	t.Helper()
	var apis []*api
	for _, program := range programs {
		apis = append(apis, startAPI(t, program, as))
	}
	return apis
}

// An answer is what a client sees of a response.
type answer struct {
	status     int
	challenges []string // the WWW-Authenticate fields
	retryAfter string
}

// call sends a request to /orders, with the token if there is one.
func (a *api) call(t *testing.T, method, token string) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, a.url+"/orders", nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := httpClient.Do(req)
	if err != nil {
		t.Fatalf("%s: %v", a.name, err)
	}
	resp.Body.Close()
	return answer{
		status:     resp.StatusCode,
		challenges: resp.Header.Values("WWW-Authenticate"),
		retryAfter: resp.Header.Get("Retry-After"),
	}
}
