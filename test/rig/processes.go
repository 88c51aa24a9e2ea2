//go:build unix

package rig

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A BrowserProcess is one of those that a browser is made of.
type BrowserProcess struct {
	PID int
	// Renderer says that it is a Chromium's that runs pages and their workers.
	Renderer bool
	// CPU is what it has used since it began, in seconds.
	CPU float64
}

// Processes are all of the browser that live; the program that drives it is none. Only Linux
// tells of them.
func (b *Browser) Processes() []BrowserProcess {
	type process struct {
		pid int
		cpu float64
	}
	children := map[int][]process{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		raw, err := os.ReadFile(name)
		if err != nil {
			continue // gone meanwhile
		}
		// The name in parentheses may contain anything.
		f := strings.Fields(string(raw[bytes.LastIndexByte(raw, ')')+1:]))
		if len(f) < 13 {
			continue
		}
		parent, _ := strconv.Atoi(f[1])
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		user, _ := strconv.ParseFloat(f[11], 64)
		system, _ := strconv.ParseFloat(f[12], 64)
		children[parent] = append(children[parent], process{pid, (user + system) / 100}) // always hundredths
	}
	var all []BrowserProcess
	for todo := children[b.proc.PID()]; len(todo) > 0; todo = todo[1:] {
		p := todo[0]
		todo = append(todo, children[p.pid]...)
		cmd, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.pid), "cmdline"))
		all = append(all, BrowserProcess{p.pid, bytes.Contains(cmd, []byte("--type=renderer")), p.cpu})
	}
	return all
}

// Memory is the proportional set size of the process in bytes, 0 if it is gone.
func (p BrowserProcess) Memory() int64 {
	rollup, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.PID), "smaps_rollup"))
	for line := range strings.Lines(string(rollup)) {
		var kilobytes int64
		if n, _ := fmt.Sscanf(line, "Pss: %d kB", &kilobytes); n == 1 {
			return kilobytes << 10
		}
	}
	return 0
}

// RendererMemory is what the pages of the browser take, in bytes, workers included: the
// sum of the proportional set sizes of its renderers.
func (b *Browser) RendererMemory() int64 {
	b.t.Helper()
	var total int64
	for _, p := range b.Processes() {
		if p.Renderer {
			total += p.Memory()
		}
	}
	if total == 0 {
		b.t.Fatalf("no renderer's memory could be read")
	}
	return total
}
