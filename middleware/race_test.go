//go:build race

package middleware_test

func init() { raceEnabled = true }
