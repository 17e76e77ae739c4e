// Package transcript prints, for a person, what an example does and how it turned out.
package transcript

import (
	"fmt"
	"io"
	"os"
)

// Transcript is a list of numbered steps.
type Transcript struct {
	w       io.Writer
	colours bool
	steps   int
}

// New uses colours on a terminal, unless NO_COLOR is set (no-color.org).
func New(w io.Writer, getenv func(string) string) *Transcript {
	t := &Transcript{w: w}
	if f, ok := w.(*os.File); ok && getenv("NO_COLOR") == "" {
		info, err := f.Stat()
		t.colours = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	return t
}

// Step begins the next step.
func (t *Transcript) Step(format string, args ...any) {
	t.steps++
	fmt.Fprintf(t.w, "\n%s\n", t.Paint("1", fmt.Sprintf("%d. "+format, append([]any{t.steps}, args...)...)))
}

// Line tells what is done.
func (t *Transcript) Line(format string, args ...any) { fmt.Fprintf(t.w, "   "+format+"\n", args...) }

// End tells how all of it turned out.
func (t *Transcript) End(format string, args ...any) { fmt.Fprintf(t.w, "\n"+format+"\n", args...) }

// Good tells what turned out as it should.
func (t *Transcript) Good(format string, args ...any) {
	t.Line(t.Paint("32", "✓")+" "+format, args...)
}

// Wrong tells what didn't, and returns err with the number of the step.
func (t *Transcript) Wrong(err error) error {
	t.Line("%s %v", t.Paint("31", "✗"), err)
	return fmt.Errorf("step %d: %w", t.steps, err)
}

// Paint takes a parameter of Select Graphic Rendition (ECMA-48): 1 is bold, 2 faint, 31 red, 32 green.
func (t *Transcript) Paint(parameter, s string) string {
	if !t.colours {
		return s
	}
	return "\x1b[" + parameter + "m" + s + "\x1b[0m"
}
