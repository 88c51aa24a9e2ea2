//go:build unix

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/shoal-p2p/shoal/test/rig"
)

// bench runs the groups. It is the rig's T: a failure ends the group.
type bench struct {
	config
	rows     []row
	mu       sync.Mutex
	cleanups []func()
	failed   bool
	broken   []error // rounds that failed
}

type failure struct{ error }

// group runs one group and cleans up after it.
func (b *bench) group(run func(*bench)) (err error) {
	b.failed = false
	defer b.cleanTo(0)
	defer func() {
		if r := recover(); r != nil {
			f, ok := r.(failure)
			if !ok {
				panic(r)
			}
			b.failed = true
			err = f.error
		}
	}()
	b.broken = nil
	run(b)
	return errors.Join(b.broken...)
}

// round runs one measurement and ends everything it started. One that fails is
// told of and leaves its row open; the others go on.
func (b *bench) round(what string, measure func()) (err error) {
	b.mu.Lock()
	n := len(b.cleanups)
	b.mu.Unlock()
	start := time.Now()
	defer b.cleanTo(n)
	defer func() {
		if r := recover(); r != nil {
			f, ok := r.(failure)
			if !ok {
				panic(r)
			}
			err = f.error
			b.broken = append(b.broken, fmt.Errorf("%s: %w", what, err))
			b.Logf("  %s failed: %v", what, err)
			return
		}
		b.Logf("  %s, %.1f s with set-up", what, time.Since(start).Seconds())
	}()
	measure()
	return nil
}

// times is how many rounds a group makes that likes to make n.
func (b *bench) times(n int) int {
	if b.rounds > 0 {
		return b.rounds
	}
	return n
}

func (b *bench) cleanTo(n int) {
	for {
		b.mu.Lock()
		if len(b.cleanups) <= n {
			b.mu.Unlock()
			return
		}
		last := b.cleanups[len(b.cleanups)-1]
		b.cleanups = b.cleanups[:len(b.cleanups)-1]
		b.mu.Unlock()
		last()
	}
}

func (b *bench) Helper()                           {}
func (b *bench) Failed() bool                      { return b.failed }
func (b *bench) Logf(format string, args ...any)   { fmt.Fprintf(os.Stderr, format+"\n", args...) }
func (b *bench) Fatalf(format string, args ...any) { panic(failure{fmt.Errorf(format, args...)}) }

func (b *bench) Cleanup(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cleanups = append(b.cleanups, f)
}

func (b *bench) TempDir() string {
	dir, err := os.MkdirTemp("", "shoal-bench-")
	if err != nil {
		b.Fatalf("%v", err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// payload makes the file to transfer.
func (b *bench) payload(size int64) string {
	path := filepath.Join(b.TempDir(), "payload.bin")
	rig.Payload(b, path, size, uint64(time.Now().UnixNano()))
	return path
}

func mark(ok bool, r row) row {
	r.ok = ok
	return r
}
