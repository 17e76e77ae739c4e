package transcript_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bearerguard/bearerguard/examples/internal/transcript"
)

func TestTranscript(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	var w strings.Builder
	out := transcript.New(&w, os.Getenv)
	out.Step("First %d%%", 100)
	out.Line("GET %s", "/")
	out.Good("100%%")
	out.Step("Second")
	err := out.Wrong(broken)
	out.End("%d steps", 2)
	if !errors.Is(err, broken) || err.Error() != "step 2: broken" {
		t.Errorf("error %q, want the step and the cause", err)
	}
	want := "\n1. First 100%\n   GET /\n   ✓ 100%\n\n2. Second\n   ✗ broken\n\n2 steps\n"
	if w.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &w, want)
	}
}

func TestFilesGetNoColours(t *testing.T) {
	t.Parallel()
	f, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	transcript.New(f, func(string) string { return "" }).Step("First")
	if text, err := os.ReadFile(f.Name()); err != nil || string(text) != "\n1. First\n" {
		t.Errorf("%q, %v; want no colours", text, err)
	}
}
