package main_test

import (
	"strings"
	"testing"

	"github.com/bearerguard/bearerguard/examples/internal/exampletest"
)

func TestProgram(t *testing.T) {
	t.Parallel()
	path := exampletest.Build(t)
	t.Run("requests", func(t *testing.T) { t.Parallel(); exampletest.API(t, path) })
	t.Run("bad configuration", func(t *testing.T) { t.Parallel(); exampletest.APIConfig(t, path) })
	t.Run("readiness", func(t *testing.T) { t.Parallel(); testReadiness(t, path) })
}

func testReadiness(t *testing.T, path string) {
	i := exampletest.NewIssuer(t)
	i.Down.Store(true)
	_, base := exampletest.StartAPI(t, path, i)
	exampletest.Eventually(t, "reason why it isn't ready", func() bool {
		got := exampletest.Call(t, "GET", base+"/readyz", "")
		if got.Status != 503 || !strings.Contains(got.Body, `"ready":false`) {
			t.Fatalf("while the issuer is down: %+v, want 503 and that it isn't ready", got)
		}
		return strings.Contains(got.Body, "503")
	})
	i.Down.Store(false)
	exampletest.Eventually(t, "readiness without any request with a token", func() bool {
		got := exampletest.Call(t, "GET", base+"/readyz", "")
		return got.Status == 200 && strings.Contains(got.Body, `"keys":1`) && strings.Contains(got.Body, `"ready":true`)
	})
}
