// Command webbuild builds the browser client into web/dist.
//
// It needs the Go tool chain and the packages that web/package-lock.json names, which it installs
// with npm where they are missing; esbuild is used through its Go API.
//
//	go run ./internal/dev/webbuild           build
//	go run ./internal/dev/webbuild package   build web/lib, the npm package's files; npm pack does it
//	go run ./internal/dev/webbuild test      run web/test/*.test.ts with node --test
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/shoal-p2p/shoal/internal/dev/npm"
)

func main() {
	out := flag.String("o", "", "folder to write; default web/dist of the module")
	noWasm := flag.Bool("no-wasm", false, "leave the engine as it is and skip the size check, for work on the page alone")
	flag.Parse()
	root, err := moduleRoot()
	if err == nil {
		err = npm.CI(filepath.Join(root, "web"), func(what string) { fmt.Fprintln(os.Stderr, "webbuild:", what) })
	}
	if err == nil {
		switch {
		case flag.NArg() == 0:
			if *out == "" {
				*out = filepath.Join(root, "web", "dist")
			}
			err = build(root, *out, !*noWasm)
		case flag.NArg() == 1 && flag.Arg(0) == "package":
			err = buildPackage(root)
		case flag.NArg() == 1 && flag.Arg(0) == "test":
			err = runTests(root)
		default:
			err = errors.New("unknown argument " + flag.Arg(0))
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "webbuild:", err)
		os.Exit(1)
	}
}

// moduleRoot is the folder of the module's go.mod.
func moduleRoot() (string, error) {
	b, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	mod := strings.TrimSpace(string(b))
	if filepath.Base(mod) != "go.mod" {
		return "", errors.New("not inside the module")
	}
	return filepath.Dir(mod), nil
}

// tellSize tells the page how large the engine is, so that it can show how much of it has
// come: what the server sends is compressed, and what the page reads is not.
func tellSize(page []byte, size int) []byte {
	return bytes.Replace(page, []byte(`data-engine="0"`), fmt.Appendf(nil, `data-engine="%d"`, size), 1)
}

// build makes every asset, writes what changed together with its compressed
// forms, removes what is no longer made and checks the size of the code.
func build(root, out string, withWasm bool) error {
	assets, err := bundle(root)
	if err != nil {
		return err
	}
	if withWasm {
		engine, err := buildWasm(root)
		if err != nil {
			return err
		}
		assets["shoal.wasm"] = engine
	} else if old, err := os.ReadFile(filepath.Join(out, "shoal.wasm")); err == nil {
		assets["shoal.wasm"] = old
	}
	assets["index.html"] = tellSize(assets["index.html"], len(assets["shoal.wasm"]))
	tellVersion(assets)
	sizes, err := writeAll(out, assets)
	if err != nil {
		return err
	}
	return report(os.Stdout, sizes, withWasm)
}
