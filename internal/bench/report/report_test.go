package report_test

import (
	"bytes"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/bearerguard/bearerguard/internal/bench/report"
)

func TestPlay(t *testing.T) {
	t.Parallel()
	tries := 0
	parts := []report.Part{
		{Name: "good", Run: func(peers bool) ([]report.Row, error) {
			rows := []report.Row{{Name: "good row", Library: report.Ours, Must: "x"}}
			if peers {
				rows = append(rows, report.Row{Name: "good row", Library: "peer"})
			}
			return rows, nil
		}},
		{Name: "busy", Run: func(bool) ([]report.Row, error) {
			tries++
			r := report.Row{Name: "busy row", Library: report.Ours, Must: "x"}
			r.AtMost("tries left", float64(2-tries), 0)
			return []report.Row{r}, nil
		}},
		{Name: "bad", Run: func(bool) ([]report.Row, error) {
			r := report.Row{Name: "bad row", Library: report.Ours, Must: "x"}
			r.AtLeast("value", math.NaN(), 0)
			return []report.Row{r}, nil
		}},
	}
	var out bytes.Buffer
	missed, err := report.Play(&out, io.Discard, parts, "good row\nbusy row\nbad row\nbad other\nnobody's\n", "", true, func() string { return "versions" })
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"bad row: MISSED: value NaN < 0", "bad other: missing"}; !slices.Equal(missed, want) {
		t.Errorf("missed %q, want %q", missed, want)
	}
	for _, want := range []string{"versions; ", "| good row | bearerguard |", "|  | peer |", "met (try 2)", "MISSED"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in %s", want, &out)
		}
	}
	if missed, err := report.Play(io.Discard, io.Discard, parts, "good row\nbad row\n", "good", false, func() string { return "" }); err != nil || len(missed) != 0 {
		t.Errorf("%q, %v: of the parts that were not asked for", missed, err)
	}
}

func TestShort(t *testing.T) {
	t.Parallel()
	for ns, want := range map[float64]string{1: "1 ns", 1234: "1.23 µs", 1234567: "1.23 ms"} {
		if got := report.Short(ns); got != want {
			t.Errorf("Short(%v) = %q, want %q", ns, got, want)
		}
	}
}
