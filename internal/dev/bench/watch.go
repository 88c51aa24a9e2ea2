//go:build unix

package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// usage is what a process has used since it began.
type usage struct {
	user, system float64 // seconds
	peak         int64   // resident bytes
}

// usageOf reads the usage of a process that lives; ok is false if it does not.
func usageOf(pid int) (u usage, ok bool) {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return u, false
	}
	_, rest, found := strings.Cut(string(stat), ") ") // its name may hold anything
	f := strings.Fields(rest)
	if !found || len(f) < 13 {
		return u, false
	}
	u.user, u.system = ticks(f[11]), ticks(f[12])
	status, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return u, false
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, _ := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
			u.peak = kb * 1024
			return u, true
		}
	}
	return u, false // it has ended and was not waited for yet
}

// ticks are hundredths of a second, whatever the kernel counts in.
func ticks(s string) float64 {
	n, _ := strconv.ParseFloat(s, 64)
	return n / 100
}

// watch samples a process until stop is called, because one that has ended says
// nothing any more. stop returns what it has used since watch was called.
func watch(pid int) (stop func() usage) {
	before, _ := usageOf(pid)
	last := before
	end := every(10*time.Millisecond, func() {
		if u, ok := usageOf(pid); ok {
			last = u
		}
	})
	return func() usage {
		end()
		return usage{last.user - before.user, last.system - before.system, last.peak}
	}
}

// ran joins the length of a run and what it used.
func ran(seconds float64, u usage) run {
	return run{seconds: seconds, user: u.user, system: u.system, memory: u.peak}
}

// settle writes dirty pages out, so that one measurement does not pay for the one before.
func settle() {
	syscall.Sync()
	time.Sleep(300 * time.Millisecond)
}

// level writes a file of that size and deletes it, so that every round finds as
// many pages that were in use a moment ago: on many machines a page that was
// never touched costs more than all we do with it.
func (b *bench) level(size int64) {
	path := filepath.Join(b.TempDir(), "level.bin")
	f, err := os.Create(path)
	if err != nil {
		b.Fatalf("%v", err)
	}
	defer f.Close()
	chunk := make([]byte, 1<<20)
	for n := int64(0); n < size; n += int64(len(chunk)) {
		if _, err := f.Write(chunk); err != nil {
			b.Fatalf("%v", err)
		}
	}
	if err := os.Remove(path); err != nil {
		b.Fatalf("%v", err)
	}
}

// every samples on a goroutine of its own until end is called, which takes a last sample.
func every(pause time.Duration, sample func()) (end func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-quit:
				sample()
				return
			case <-time.After(pause):
				sample()
			}
		}
	}()
	return func() {
		close(quit)
		<-done
	}
}
