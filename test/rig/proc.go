//go:build unix

// Package rig starts the real programs of an end-to-end test: the product, foreign clients, a browser.
//
// Every process runs in a group of its own, gets signals by its own id, and is
// gone when the test is. Nothing here talks to anything but this machine.
package rig

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// T is what the rig needs of *testing.T; the benchmarks bring their own.
type T interface {
	Helper()
	Fatalf(format string, args ...any)
	Logf(format string, args ...any)
	Cleanup(func())
	TempDir() string
	Failed() bool
}

// Event is one JSON object a program printed on a line of its own.
type Event map[string]any

// Str returns a string field, or "".
func (e Event) Str(key string) string { s, _ := e[key].(string); return s }

// Num returns a number field, or 0.
func (e Event) Num(key string) float64 { n, _ := e[key].(float64); return n }

// Into decodes the whole event into v.
func (e Event) Into(v any) error {
	b, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}

// Proc is a running program.
type Proc struct {
	t     T
	name  string
	cmd   *exec.Cmd
	stdin io.WriteCloser

	mu     sync.Mutex
	events []Event
	text   []string // lines of stdout that were no JSON objects
	raw    bytes.Buffer
	stderr bytes.Buffer
	grown  chan struct{} // closed and replaced at each new line

	done chan struct{} // closed after exit, when all output is read
	err  error
}

// Command is how to start a program.
type Command struct {
	Path string
	Args []string
	Dir  string
	Env  []string // added to the own environment
}

// Start runs the program and reads its output until it ends. Its stdin stays
// open: helpers of ours take its end as the order to go.
func Start(t T, c Command) *Proc {
	t.Helper()
	p := &Proc{t: t, name: baseName(c), grown: make(chan struct{}), done: make(chan struct{})}
	p.cmd = exec.Command(c.Path, c.Args...)
	p.cmd.Dir = c.Dir
	p.cmd.Env = append(os.Environ(), c.Env...)
	p.cmd.WaitDelay = 5 * time.Second
	p.cmd.Stderr = lockedWriter{&p.mu, &p.stderr}
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatalf("%s: %v", p.name, err)
	}
	p.stdin = stdin
	out, in := io.Pipe()
	p.cmd.Stdout = in
	if err := spawn(p.cmd); err != nil {
		t.Fatalf("cannot start %s: %v", p.name, err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		r := bufio.NewReaderSize(out, 64<<10)
		for {
			line, err := r.ReadString('\n')
			p.take(strings.TrimRight(line, "\r\n"))
			if err != nil {
				return
			}
		}
	}()
	go func() {
		err := p.cmd.Wait()
		in.Close()
		<-read
		p.mu.Lock()
		p.err = err
		p.mu.Unlock()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("%s said:\n%s", p.name, p.Transcript())
		}
	})
	return p
}

func baseName(c Command) string {
	name := c.Path[strings.LastIndexByte(c.Path, '/')+1:]
	for i, a := range c.Args {
		if i == 3 {
			break
		}
		name += " " + a
	}
	return name
}

type lockedWriter struct {
	mu *sync.Mutex
	w  *bytes.Buffer
}

func (l lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.w.Len() > 1<<20 {
		return len(b), nil
	}
	return l.w.Write(b)
}

func (p *Proc) take(line string) {
	if line == "" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.raw.Len() < 1<<20 {
		p.raw.WriteString(line + "\n")
	}
	var e Event
	if line[0] == '{' && json.Unmarshal([]byte(line), &e) == nil {
		p.events = append(p.events, e)
	} else {
		p.text = append(p.text, line)
	}
	close(p.grown)
	p.grown = make(chan struct{})
}

// Send writes one line to the program's stdin.
func (p *Proc) Send(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = p.stdin.Write(append(b, '\n'))
	return err
}

// Wait returns the first event for which match is true, past ones included. It
// fails the test when the program ends or the time passes without one.
func (p *Proc) Wait(what string, limit time.Duration, match func(Event) bool) Event {
	p.t.Helper()
	e, err := p.wait(what, limit, match)
	if err != nil {
		p.t.Fatalf("%v", err)
	}
	return e
}

func (p *Proc) wait(what string, limit time.Duration, match func(Event) bool) (Event, error) {
	deadline := time.After(limit)
	for seen := 0; ; {
		p.mu.Lock()
		events, grown := p.events, p.grown
		p.mu.Unlock()
		for ; seen < len(events); seen++ {
			if match(events[seen]) {
				return events[seen], nil
			}
		}
		select {
		case <-grown:
		case <-p.done:
			p.mu.Lock()
			last, err := p.events[seen:], p.err
			p.mu.Unlock()
			for _, e := range last {
				if match(e) {
					return e, nil
				}
			}
			return nil, fmt.Errorf("%s ended (%v) before %s", p.name, err, what)
		case <-deadline:
			return nil, fmt.Errorf("%s: no %s within %v", p.name, what, limit)
		}
	}
}

// Event waits for the first event of that name.
func (p *Proc) Event(name string, limit time.Duration) Event {
	p.t.Helper()
	return p.Wait("event "+name, limit, func(e Event) bool { return e.Str("event") == name })
}

// Events are all events of that name so far.
func (p *Proc) Events(name string) []Event {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []Event
	for _, e := range p.events {
		if e.Str("event") == name {
			all = append(all, e)
		}
	}
	return all
}

// All are all events so far.
func (p *Proc) All() []Event {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]Event(nil), p.events...)
}

// PID is the process id.
func (p *Proc) PID() int { return p.cmd.Process.Pid }

// Signal sends a signal to the program alone.
func (p *Proc) Signal(s os.Signal) { p.cmd.Process.Signal(s) }

// Interrupt is the Ctrl-C of a terminal.
func (p *Proc) Interrupt() { p.Signal(os.Interrupt) }

// Exit waits for the program's end and returns its exit code; -1 stands for a signal.
func (p *Proc) Exit(limit time.Duration) int {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(limit):
		p.t.Fatalf("%s still runs after %v", p.name, limit)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var exit *exec.ExitError
	if errors.As(p.err, &exit) {
		return exit.ExitCode()
	}
	if p.err != nil && !errors.Is(p.err, exec.ErrWaitDelay) {
		p.t.Fatalf("%s: %v", p.name, p.err)
	}
	return 0
}

// Running says whether the program has not ended yet.
func (p *Proc) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Close closes stdin, which ends our own helpers, and waits for that.
func (p *Proc) Close() {
	p.stdin.Close()
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
		p.Kill()
	}
}

// Kill ends the program and everything it started at once, as kill -9 does.
func (p *Proc) Kill() {
	if p.Running() {
		syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	}
	p.stdin.Close()
	<-p.done
}

// Stderr is what the program wrote there so far.
func (p *Proc) Stderr() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stderr.String()
}

// Stdout is what the program wrote there so far, but for empty lines.
func (p *Proc) Stdout() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.raw.String()
}

// Transcript is the end of all the program wrote, for the log of a failed test.
func (p *Proc) Transcript() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var b strings.Builder
	events := p.events
	if len(events) > 30 {
		fmt.Fprintf(&b, "  (%d events before)\n", len(events)-30)
		events = events[len(events)-30:]
	}
	for _, e := range events {
		line, _ := json.Marshal(e)
		if len(line) > 600 {
			line = append(line[:600], "..."...)
		}
		fmt.Fprintf(&b, "  %s\n", line)
	}
	text := p.text
	if len(text) > 40 {
		text = text[len(text)-40:]
	}
	for _, line := range text {
		// A progress line repaints itself with \r or by going back; its end is enough.
		line = line[strings.LastIndexByte(line, '\r')+1:]
		if len(line) > 600 {
			line = "..." + line[len(line)-600:]
		}
		fmt.Fprintf(&b, "  stdout: %s\n", line)
	}
	stderr := p.stderr.String()
	if len(stderr) > 8000 {
		stderr = "..." + stderr[len(stderr)-8000:]
	}
	for line := range strings.Lines(stderr) {
		fmt.Fprintf(&b, "  stderr: %s\n", strings.TrimRight(line, "\n"))
	}
	return b.String()
}
