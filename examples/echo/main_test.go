package main_test

import (
	"testing"

	"github.com/bearerguard/bearerguard/examples/internal/exampletest"
)

func TestProgram(t *testing.T) {
	t.Parallel()
	path := exampletest.Build(t)
	t.Run("requests", func(t *testing.T) { t.Parallel(); exampletest.API(t, path) })
	t.Run("bad configuration", func(t *testing.T) { t.Parallel(); exampletest.APIConfig(t, path) })
}
