package main

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// buildPackage writes what the npm package consists of into web/lib:
//
//	shoal.js            the module; it finds the next three beside itself
//	shoal.worker.js, shoal.sw.js, shoal.wasm
//	shoal.embedded.js   the module for bundlers that move no files: it has the worker in itself
//	shoal.engine.js     ... and the engine in here
//	shoal.global.js     window.Shoal for a plain script tag
//	shoal-player.js     the elements, for a page that names addresses; it imports ./shoal.js
//	player.js           the elements for bundlers and import maps; it imports "shoal"
//	types/              the declarations, shoal.d.ts first
func buildPackage(root string) error {
	web := filepath.Join(root, "web")
	lib := filepath.Join(web, "lib")
	files, err := bundle(root)
	if err != nil {
		return err
	}
	engine, err := buildWasm(root)
	if err != nil {
		return err
	}
	made, err := bundlePackage(root, files["shoal.worker.js"])
	if err != nil {
		return err
	}
	for _, name := range packaged {
		made[name] = files[name]
	}
	made["shoal.wasm"] = engine
	if made["shoal.engine.js"], err = engineModule(engine); err != nil {
		return err
	}
	license, err := os.ReadFile(filepath.Join(root, "LICENSE"))
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(web, "LICENSE"), license, 0o644); err != nil {
		return err
	}
	if err := os.RemoveAll(lib); err != nil {
		return err
	}
	if err := os.MkdirAll(lib, 0o755); err != nil {
		return err
	}
	for name, content := range made {
		if err := os.WriteFile(filepath.Join(lib, name), content, 0o644); err != nil {
			return err
		}
	}
	return declarations(root, filepath.Join(lib, "types"))
}

// packaged are the scripts of the page that the package has too.
var packaged = []string{"shoal.js", "shoal-player.js", "shoal.worker.js", "shoal.sw.js"}

// bundlePackage makes the builds that only the package has.
func bundlePackage(root string, worker []byte) (map[string][]byte, error) {
	src := filepath.Join(root, "web", "src")
	embedded := with(imports(), func(b api.PluginBuild) {
		b.OnResolve(api.OnResolveOptions{Filter: `^\./place$`}, func(api.OnResolveArgs) (api.OnResolveResult, error) {
			return api.OnResolveResult{Path: filepath.Join(src, "place.embedded.ts")}, nil
		})
		made(b, "shoal:worker", api.LoaderText, func() []byte { return worker })
	})
	made := make(map[string][]byte)
	for name, options := range map[string]api.BuildOptions{
		"player.js": {
			EntryPoints: []string{filepath.Join(src, "player/index.ts")}, Format: api.FormatESModule,
			Plugins: []api.Plugin{with(imports(), outside(filepath.Join(src, "shoal"), "shoal"))},
		},
		"shoal.embedded.js": {
			EntryPoints: []string{filepath.Join(src, "shoal.ts")}, Format: api.FormatESModule,
			External: []string{"./shoal.engine.js"}, Plugins: []api.Plugin{embedded},
		},
		"shoal.global.js": {
			EntryPoints: []string{filepath.Join(src, "shoal.global.ts")}, Format: api.FormatIIFE,
			Define: map[string]string{"import.meta.url": "scriptURL"},
			Inject: []string{filepath.Join(src, "script.ts")}, Plugins: []api.Plugin{imports()},
		},
	} {
		b, err := esbuildWith(root, options)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		made[name] = b
	}
	return made, nil
}

// engineModule is a module with the engine as text, which is all that every bundler carries.
func engineModule(engine []byte) ([]byte, error) {
	var packed bytes.Buffer
	w, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(engine); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "export default %q;\n", base64.StdEncoding.EncodeToString(packed.Bytes())), nil
}

// declarations has TypeScript write the types of the page API.
func declarations(root, out string) error {
	cmd := exec.Command("node", filepath.Join(root, "web/node_modules/typescript/bin/tsc"), "-p", filepath.Join(root, "web/tsconfig.types.json"), "--outDir", out)
	if text, err := cmd.CombinedOutput(); err != nil {
		return errors.Join(fmt.Errorf("tsc: %w", err), errors.New(strings.TrimSpace(string(text))))
	}
	return filepath.WalkDir(out, func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		return os.WriteFile(file, []byte(wholeNames(string(text))), 0o644)
	})
}

// relative is the name of a module beside the one that imports it.
var relative = regexp.MustCompile(`((?:from|import\()\s*")(\.\.?/[^"]+)"`)

// wholeNames has imports name files with their extension: whoever resolves modules as Node does
// wants it.
func wholeNames(text string) string { return relative.ReplaceAllString(text, `$1$2.js"`) }
