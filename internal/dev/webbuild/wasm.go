package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// module is the path of our own functions' names.
const module = "github.com/shoal-p2p/shoal"

// buildWasm compiles the engine for the browser.
func buildWasm(root string) ([]byte, error) {
	if _, err := os.Stat(filepath.Join(root, "cmd", "shoal-wasm")); err != nil {
		return nil, errors.New("cmd/shoal-wasm is missing; use -no-wasm to build the page alone")
	}
	dir, err := os.MkdirTemp("", "shoal-wasm-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "shoal.wasm")
	// Without the VCS stamp the same sources give the same bytes, so that an
	// unchanged engine is not compressed again.
	// Without inlining the engine is a tenth smaller after brotli, and no slower
	// where it counts: hashing and the data channels set the pace. The names of functions stay
	// until strip has used them.
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-w", "-gcflags", "all=-l", "-o", file, "./cmd/shoal-wasm")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("go build ./cmd/shoal-wasm: %w\n%s", err, out)
	}
	program, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return strip(program, module, unused)
}
