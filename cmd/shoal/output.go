package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// events writes one JSON object a line; a nil *events writes nothing.
type events struct {
	mu  sync.Mutex
	enc *json.Encoder
}

func newEvents(on bool) *events {
	if !on {
		return nil
	}
	enc := json.NewEncoder(jsonOutput{})
	enc.SetEscapeHTML(false)
	return &events{enc: enc}
}

func (e *events) emit(v any) {
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.enc.Encode(v)
}

func terminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// bar is a progress bar in bytes on a terminal's stderr; elsewhere it is silent.
type bar struct {
	mu sync.Mutex
	b  *progressbar.ProgressBar
}

func newBar(what string, quiet bool) *bar {
	if quiet || !terminal(os.Stderr) {
		return &bar{}
	}
	return &bar{b: progressbar.NewOptions64(1,
		progressbar.OptionSetDescription(plain(what)),
		progressbar.OptionSetWriter(os.Stderr),
		progressbar.OptionShowBytes(true),
		progressbar.OptionUseIECUnits(true),
		progressbar.OptionSetWidth(24),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionSetPredictTime(true),
	)}
}

func (b *bar) set(done, total int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.b == nil || total <= 0 {
		return
	}
	if b.b.GetMax64() != total {
		b.b.ChangeMax64(total)
	}
	b.b.Set64(done)
}

func (b *bar) describe(s string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.b != nil {
		b.b.Describe(plain(s))
	}
}

func (b *bar) clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.b != nil {
		b.b.Clear()
		b.b = nil
	}
}

// status rewrites one line of a terminal; elsewhere it is silent.
type status struct {
	w     io.Writer
	shown bool
}

func newStatus(quiet bool) *status {
	if quiet || !terminal(os.Stderr) {
		return &status{}
	}
	return &status{w: os.Stderr}
}

func (s *status) show(format string, args ...any) {
	if s.w != nil {
		fmt.Fprintf(s.w, "\r\x1b[2K"+format, shown(args)...)
		s.shown = true
	}
}

func (s *status) clear() {
	if s.w != nil && s.shown {
		fmt.Fprint(s.w, "\r\x1b[2K")
	}
}

// size writes bytes as people read them.
func size(n int64) string {
	f := float64(n)
	for _, unit := range []string{"B", "KiB", "MiB", "GiB"} {
		if f < 1024 {
			if unit == "B" {
				return fmt.Sprintf("%d B", n)
			}
			return fmt.Sprintf("%.1f %s", f, unit)
		}
		f /= 1024
	}
	return fmt.Sprintf("%.1f TiB", f)
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
