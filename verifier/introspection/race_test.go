//go:build race

package introspection_test

func init() { raceEnabled = true }
