//go:build unix

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

type verdict int

const (
	survived verdict = iota // every test passed
	noticed                 // a test failed, or did not end
	unviable                // it does not compile
)

// runner tries mutants, several at a time, without touching the tree: the
// changed file is laid over its original by the go command.
type runner struct {
	root  string
	dir   string // for what is temporary
	cache string // GOCACHE; empty is the user's own
	count int    // files written so far
	mu    sync.Mutex
	base  map[string]*baseline
}

// baseline is what the tests of a target do without any change.
type baseline struct {
	once sync.Once
	took time.Duration
	err  error
}

// memory bounds a test: a loop that a change made endless may eat all there is.
const memoryKiB = 3 << 20

func newRunner(root, dir string) (*runner, error) {
	r := &runner{root: root, dir: dir, base: map[string]*baseline{}}
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("go env: %w", err)
	}
	limit := fmt.Sprintf("#!/bin/sh\nulimit -d %d\n", memoryKiB)
	// wasm_exec hands the environment to the program, which holds 12 KiB of it only.
	wasm := limit + fmt.Sprintf("exec env -i HOME=%q PATH=\"$PATH\" %q \"$@\"\n", dir, filepath.Join(strings.TrimSpace(string(goroot)), "lib", "wasm", "go_js_wasm_exec"))
	if err := os.WriteFile(filepath.Join(dir, "exec-go"), []byte(limit+"exec \"$@\"\n"), 0o700); err != nil {
		return nil, err
	}
	return r, os.WriteFile(filepath.Join(dir, "exec-js"), []byte(wasm), 0o700)
}

// prepare runs a target's tests as they are, once: to know how long they take,
// and because tests that fail anyway notice nothing. It returns the time that the
// tests of a mutant may take.
func (r *runner) prepare(ctx context.Context, t *target) (timeout time.Duration, err error) {
	key := fmt.Sprint(t.js, t.tests)
	r.mu.Lock()
	b := r.base[key]
	if b == nil {
		b = &baseline{}
		r.base[key] = b
	}
	r.mu.Unlock()
	b.once.Do(func() {
		// The first run compiles, the second is timed.
		for range 2 {
			start := time.Now()
			out, err := r.test(ctx, t.js, t.tests, "", 10*time.Minute)
			if err != nil {
				b.err = fmt.Errorf("the tests of %s fail without any change: %w\n%s", t, err, tail(out))
				return
			}
			b.took = time.Since(start)
		}
	})
	return 20*time.Second + 3*b.took, b.err
}

// try runs the tests over one mutant. prepare comes first.
func (r *runner) try(ctx context.Context, m *mutant, timeout time.Duration) (verdict, error) {
	text, err := m.apply(r.root)
	if err != nil {
		return survived, err
	}
	r.mu.Lock()
	r.count++
	name := filepath.Join(r.dir, fmt.Sprint("mutant-", r.count))
	r.mu.Unlock()
	defer os.Remove(name + ".go")
	defer os.Remove(name + ".json")
	overlay, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(r.root, m.file): name + ".go"}})
	if err == nil {
		err = os.WriteFile(name+".go", text, 0o600)
	}
	if err == nil {
		err = os.WriteFile(name+".json", overlay, 0o600)
	}
	if err != nil {
		return survived, err
	}
	for _, tests := range m.pkg.rounds() {
		out, err := r.test(ctx, m.pkg.js, tests, name+".json", timeout)
		switch {
		case ctx.Err() != nil:
			return survived, ctx.Err()
		case err == nil:
			continue
		case strings.Contains(out, "[build failed]"):
			return unviable, nil
		case strings.Contains(out, "[setup failed]"):
			return survived, fmt.Errorf("%s: %w\n%s", m, err, tail(out))
		}
		return noticed, nil
	}
	return survived, nil
}

// test runs tests, with a file laid over its original if overlay names one.
func (r *runner) test(ctx context.Context, js bool, tests []string, overlay string, timeout time.Duration) (string, error) {
	// A test that hangs is ended by go test; this is for what does not even heed that.
	ctx, cancel := context.WithTimeout(ctx, timeout+5*time.Minute)
	defer cancel()
	wrapper := "exec-go"
	if js {
		wrapper = "exec-js"
	}
	args := []string{"test", "-short", "-failfast", "-vet=off", "-count=1", "-timeout", timeout.String(), "-exec", filepath.Join(r.dir, wrapper)}
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, tests...)...)
	cmd.Dir = r.root
	cmd.Env = environ(js)
	if r.cache != "" {
		cmd.Env = append(cmd.Env, "GOCACHE="+r.cache)
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = 10 * time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // with what it starts
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	err := cmd.Run()
	return out.String(), err
}

// tail is the end of what a command printed.
func tail(s string) string {
	if len(s) > 4000 {
		s = "..." + s[len(s)-4000:]
	}
	return s
}
