//go:build race

package revocation_test

func init() { raceEnabled = true }
