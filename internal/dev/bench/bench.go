//go:build unix

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
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
func (b *bench) round(what string, measure func()) {
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
			b.broken = append(b.broken, fmt.Errorf("%s: %w", what, f.error))
			b.Logf("  %s failed: %v", what, f.error)
			return
		}
		b.Logf("  %s, %.1f s with set-up", what, time.Since(start).Seconds())
	}()
	measure()
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

// best keeps the fastest of several measurements.
type best struct {
	seconds float64
	memory  int64
	cpu     float64
}

func (x *best) take(seconds float64, memory int64, cpu float64) {
	if x.seconds == 0 || seconds < x.seconds {
		x.seconds, x.cpu = seconds, cpu
	}
	x.memory = max(x.memory, memory)
}

func (x best) rate(size int64) float64 {
	if x.seconds == 0 {
		return 0
	}
	return float64(size) / x.seconds / 1e6
}

func (x best) speed(size int64) string {
	if x.seconds == 0 {
		return "failed"
	}
	return fmt.Sprintf("%.1f MB/s", x.rate(size))
}

// watch samples the peak resident size and the processor time of a process
// until stop is called.
func watch(pid int) (stop func() (peak int64, cpu float64)) {
	quit, done := make(chan struct{}), make(chan struct{})
	var peak int64
	var cpu float64
	sample := func() {
		if status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status")); err == nil {
			for line := range strings.Lines(string(status)) {
				if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
					kb, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
					peak = max(peak, kb*1024)
				}
			}
		}
		if stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat")); err == nil {
			if _, rest, ok := strings.Cut(string(stat), ") "); ok {
				f := strings.Fields(rest)
				user, _ := strconv.ParseFloat(f[11], 64)
				system, _ := strconv.ParseFloat(f[12], 64)
				cpu = max(cpu, (user+system)/100)
			}
		}
	}
	go func() {
		defer close(done)
		for {
			sample()
			select {
			case <-quit:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	return func() (int64, float64) {
		close(quit)
		<-done
		return peak, cpu
	}
}

// settle writes dirty pages out, so that one measurement does not pay for the one before.
func settle() {
	syscall.Sync()
	time.Sleep(300 * time.Millisecond)
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
