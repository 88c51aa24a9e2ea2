// Command apidoc writes docs/api.md, the page about the browser client's API, from the
// types and comments of web/src.
//
// TypeScript writes the declarations, which have one regular form; this reads them and
// sets them as text. It needs Node, and the packages of web/package.json.
//
//	go run ./internal/dev/apidoc
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// modules are what a page imports, and where they are declared.
var modules = []struct{ name, file, about string }{
	{"shoal", "shoal", "The client: `import Shoal from \"shoal\"`."},
	{"shoal/player", "player/index", "Elements for pages: `import \"shoal/player\"`. The [guide](guide/README.md) shows them at work."},
}

func main() {
	root, err := moduleRoot()
	if err == nil {
		var page []byte
		if page, err = generate(root); err == nil {
			err = os.WriteFile(filepath.Join(root, "docs", "api.md"), page, 0o644)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "apidoc:", err)
		os.Exit(1)
	}
}

// moduleRoot is the folder of the module's go.mod.
func moduleRoot() (string, error) {
	b, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	return filepath.Dir(strings.TrimSpace(string(b))), nil
}

// generate makes the page.
func generate(root string) ([]byte, error) {
	dir, err := os.MkdirTemp("", "shoal-apidoc-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if err := declarations(root, dir); err != nil {
		return nil, err
	}
	tree := reader{dir: filepath.Join(dir, "src"), files: map[string]*file{}}
	var sections []section
	for _, m := range modules {
		names, err := tree.exports(m.file)
		if err != nil {
			return nil, err
		}
		sections = append(sections, section{m.name, m.about, names})
	}
	return render(sections), nil
}

// declarations has TypeScript write a .d.ts for every module below web.
func declarations(root, out string) error {
	web := filepath.Join(root, "web")
	tsc := filepath.Join(web, "node_modules", "typescript", "bin", "tsc")
	if _, err := os.Stat(tsc); err != nil {
		return fmt.Errorf("TypeScript is not installed, `make setup` does it: %w", err)
	}
	cmd := exec.Command("node", tsc, "-p", filepath.Join(web, "tsconfig.json"), "--noEmit", "false", "--declaration", "--emitDeclarationOnly",
		"--stripInternal", "--rootDir", web, "--outDir", out)
	if text, err := cmd.CombinedOutput(); err != nil {
		return errors.Join(fmt.Errorf("tsc: %w", err), errors.New(strings.TrimSpace(string(text))))
	}
	return nil
}
