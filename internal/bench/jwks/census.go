package main

import (
	"bufio"
	"bytes"
	"context"
	"regexp"
	"runtime/pprof"
	"strconv"
)

// Runs share a process. Each runs under a label of its own, which every goroutine that is started in it inherits,
// so that its goroutines can be told from those of others, of the endpoints and of the program.

const label = "run"

func labelled(ctx context.Context, id string, f func()) {
	pprof.Do(ctx, pprof.Labels(label, id), func(context.Context) { f() })
}

var (
	stackLine = regexp.MustCompile(`^([0-9]+) @ `)
	labelLine = regexp.MustCompile(`^# labels: .*"` + label + `":"([^"]*)"`)
)

// census counts the goroutines under each label.
func census() (map[string]int, error) {
	var profile bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
		return nil, err
	}
	found := map[string]int{}
	n := 0
	lines := bufio.NewScanner(&profile)
	for lines.Scan() {
		if m := stackLine.FindSubmatch(lines.Bytes()); m != nil {
			n, _ = strconv.Atoi(string(m[1])) // digits; the number of goroutines fits
		} else if m := labelLine.FindSubmatch(lines.Bytes()); m != nil {
			found[string(m[1])] += n
		}
	}
	return found, lines.Err()
}
