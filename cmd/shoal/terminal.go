package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Everything that the commands print goes through this file: names, comments and
// messages come from strangers, and a terminal obeys what is in them. A test holds
// the others to it.

// say writes to standard output. Strings, errors and Stringers among args are shown
// by plain; format is ours, and may hold lines' ends.
func say(format string, args ...any) { fmt.Fprintf(stdout, format, shown(args)...) }

// tell is say to standard error.
func tell(format string, args ...any) { fmt.Fprintf(os.Stderr, format, shown(args)...) }

func shown(args []any) []any {
	out := make([]any, len(args))
	for i, a := range args {
		switch a := a.(type) {
		case string:
			out[i] = plain(a)
		case error:
			out[i] = plain(a.Error())
		case fmt.Stringer:
			out[i] = plain(a.String())
		default:
			out[i] = a
		}
	}
	return out
}

// plain is s with escapes, as Go writes them, for whatever is no visible character: one
// line, without a word to the terminal, and in the order in which it is stored.
func plain(s string) string {
	if strings.IndexFunc(s, commands) < 0 && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		if r == utf8.RuneError && n == 1 || commands(r) {
			q := strconv.QuoteToASCII(s[:n])
			b.WriteString(q[1 : len(q)-1])
		} else {
			b.WriteString(s[:n])
		}
		s = s[n:]
	}
	return b.String()
}

// commands reports characters that a terminal acts on: controls of C0 and C1, the two
// separators of lines and paragraphs, and what turns the direction of writing, by which
// gpj.exe looks like exe.jpg.
func commands(r rune) bool {
	return unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || unicode.Is(unicode.Bidi_Control, r)
}

// stdout is standard output. It remembers that something could not be written, so that
// a full disk behind it is no success.
var stdout = &output{}

type output struct {
	mu  sync.Mutex
	err error
}

// Write implements io.Writer.
func (o *output) Write(b []byte) (int, error) {
	n, err := os.Stdout.Write(b)
	o.mu.Lock()
	defer o.mu.Unlock()
	if err != nil && o.err == nil {
		o.err = err
	}
	return n, err
}

// failed is the first error there was since the last call, nil if all is written.
func (o *output) failed() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	err := o.err
	if o.err = nil; err == nil {
		return nil
	}
	return fmt.Errorf("cannot write to standard output: %w", cause(err))
}

// jsonOutput writes JSON to standard output, which may be a terminal, too. A character
// that plain would not show stands in a string, where JSON knows an escape for it.
type jsonOutput struct{}

// Write implements io.Writer.
func (jsonOutput) Write(b []byte) (int, error) {
	if bytes.IndexFunc(b, escapes) < 0 {
		return stdout.Write(b)
	}
	out := make([]byte, 0, len(b)+16)
	for _, r := range string(b) {
		if escapes(r) {
			out = fmt.Appendf(out, "\\u%04x", r)
		} else {
			out = utf8.AppendRune(out, r)
		}
	}
	if _, err := stdout.Write(out); err != nil {
		return 0, err
	}
	return len(b), nil
}

// escapes reports what encoding/json leaves as it is and a terminal acts on. The
// lesser controls are its own between the values, and escaped within them.
func escapes(r rune) bool { return r >= 0x7f && commands(r) }

var _ io.Writer = jsonOutput{}
