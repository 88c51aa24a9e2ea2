package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
)

// crasher works its stacks and its collector hard, then panics in a function of its own.
const crasher = `package main

import (
	"runtime"
	"strings"
)

type node struct{ next *node; text string }

func grow(depth int, list *node) *node {
	var room [256]byte
	room[depth%256] = 'x'
	if depth == 0 {
		runtime.GC()
		return list
	}
	return grow(depth-1, &node{list, string(room[depth%256:][:1])})
}

func main() {
	done := make(chan int)
	for range 8 {
		go func() {
			n := 0
			for l := grow(2000, nil); l != nil; l = l.next {
				n += len(strings.ToUpper(l.text))
			}
			done <- n
		}()
	}
	sum := 0
	for range 8 {
		sum += <-done
	}
	println("sum", sum)
	defer func() {
		println("recovered", recover() != nil)
		fallOver(nil)
	}()
	panic("once")
}

func fallOver(n *node) { println(n.text) }
`

// A stripped program runs as before, weighs less, and a crash still names our
// functions.
func TestStripKeepsWhatRuns(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"main.go": crasher, "go.mod": "module crasher\n\ngo 1.26\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-w", "-gcflags", "all=-l", "-o", "plain.wasm", ".")
	build.Dir = dir
	build.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm", "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	plain, err := os.ReadFile(filepath.Join(dir, "plain.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := strip(plain, "crasher", []string{"runtime.noSuchFunction"}); err == nil {
		t.Error("a function that is not there was taken for unused")
	}
	small, err := strip(plain, "crasher", []string{"runtime.schedtrace*", "runtime.traceLocker."})
	if err != nil {
		t.Fatal(err)
	}
	if before, after := compressed(t, plain), compressed(t, small); after > before*9/10 {
		t.Errorf("a visitor downloads %d bytes instead of %d", after, before)
	}
	for _, gone := range []string{"traceback.go", "runtime.mallocgc"} {
		if !bytes.Contains(plain, []byte(gone)) || bytes.Contains(small, []byte(gone)) {
			t.Errorf("%s: is it gone?", gone)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "small.wasm"), small, 0o600); err != nil {
		t.Fatal(err)
	}
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	run := exec.Command("node", filepath.Join(strings.TrimSpace(string(goroot)), "lib", "wasm", "wasm_exec_node.js"), "small.wasm")
	run.Dir = dir
	run.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}
	out, err := run.CombinedOutput()
	if err == nil {
		t.Error("the program did not crash")
	}
	for _, want := range []string{"sum 16000", "recovered true", "invalid memory address", "main.fallOver("} {
		if !strings.Contains(string(out), want) {
			t.Errorf("it did not print %q:\n%s", want, out)
		}
	}
}

// compressed is about what a visitor downloads of a program.
func compressed(t *testing.T, b []byte) int {
	t.Helper()
	var out bytes.Buffer
	w := brotli.NewWriterLevel(&out, brotli.DefaultCompression)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Len()
}

func TestStripRefusesWhatItDoesNotKnow(t *testing.T) {
	data := (&memory{first: 0, bytes: []byte("no tables of Go are here")}).encode()
	s := section{dataSection, data}
	good := s.append(bytes.Clone(wasmMagic))
	for name, program := range map[string][]byte{
		"nothing":      nil,
		"no program":   []byte("#!/bin/sh\n"),
		"no data":      wasmMagic,
		"no tables":    good,
		"cut short":    good[:len(good)-1],
		"huge section": append(bytes.Clone(wasmMagic), dataSection, 0xff, 0xff, 0xff, 0xff, 0x0f),
	} {
		if _, err := strip(program, "m", nil); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestMemoryIsTheSameAfterwards(t *testing.T) {
	m := &memory{first: 70, bytes: make([]byte, 9000)}
	for _, at := range []int{70, 71, 80, 200, 4000, 4001, 8999} {
		m.bytes[at] = byte(at) | 1
	}
	again, err := readMemory(m.encode())
	if err != nil {
		t.Fatal(err)
	}
	if again.first != m.first || !bytes.Equal(again.bytes, m.bytes) {
		t.Error("memory differs")
	}
}
