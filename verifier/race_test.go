//go:build race

package verifier_test

func init() { raceEnabled = true }
