package rig

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// RendererMemory is what the pages of the browser take, in bytes, workers included: the
// sum of the proportional set sizes of its renderers.
func (b *Browser) RendererMemory() int64 {
	b.t.Helper()
	children := map[int][]int{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		raw, err := os.ReadFile(name)
		if err != nil {
			continue // gone meanwhile
		}
		var state string
		var parent int
		// The name in parentheses may contain anything.
		if _, err := fmt.Sscan(string(raw[bytes.LastIndexByte(raw, ')')+1:]), &state, &parent); err == nil {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
			children[parent] = append(children[parent], pid)
		}
	}
	var total int64
	for todo := []int{b.proc.PID()}; len(todo) > 0; todo = todo[1:] {
		todo = append(todo, children[todo[0]]...)
		dir := filepath.Join("/proc", strconv.Itoa(todo[0]))
		if cmd, _ := os.ReadFile(filepath.Join(dir, "cmdline")); !bytes.Contains(cmd, []byte("--type=renderer")) {
			continue
		}
		rollup, _ := os.ReadFile(filepath.Join(dir, "smaps_rollup"))
		for line := range strings.Lines(string(rollup)) {
			var kilobytes int64
			if n, _ := fmt.Sscanf(line, "Pss: %d kB", &kilobytes); n == 1 {
				total += kilobytes << 10
			}
		}
	}
	if total == 0 {
		b.t.Fatalf("no renderer's memory could be read")
	}
	return total
}
