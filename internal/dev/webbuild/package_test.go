package main

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/shoal-p2p/shoal/internal/driver"
)

func TestThePackageFindsItsParts(t *testing.T) {
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	assets, err := bundle(root)
	if err != nil {
		t.Fatal(err)
	}
	made, err := bundlePackage(root, []byte(`"the worker's text"`))
	if err != nil {
		t.Fatal(err)
	}
	// Bundlers look for just this form.
	for _, name := range []string{"shoal.worker.js", "shoal.wasm", "shoal.sw.js"} {
		if !strings.Contains(string(assets["shoal.js"]), `new URL("./`+name+`",import.meta.url)`) {
			t.Errorf("no bundler finds %s", name)
		}
	}
	embedded := string(made["shoal.embedded.js"])
	if strings.Contains(embedded, "import.meta") || !strings.Contains(embedded, `import("./shoal.engine.js")`) || !strings.Contains(embedded, "the worker's text") {
		t.Error("the module for bundlers that move no files does not have all in itself")
	}
	if global := string(made["shoal.global.js"]); strings.Contains(global, "import.meta") || !strings.Contains(global, "document.currentScript") || regexp.MustCompile(`^(var|let|const) `).MatchString(global) {
		t.Error("the script does not look beside itself, or leaves more than window.Shoal")
	}
}

// What package.json names is made, and it is of the engine's version.
func TestThePackageIsWhole(t *testing.T) {
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "web", "package.json"))
	if err != nil {
		t.Fatal(err)
	}
	var about struct {
		Version         string
		DevDependencies map[string]string
	}
	if err := json.Unmarshal(text, &about); err != nil {
		t.Fatal(err)
	}
	if about.Version != driver.Version {
		t.Errorf("the package is version %s, the engine %s", about.Version, driver.Version)
	}
	for name, version := range about.DevDependencies {
		if !regexp.MustCompile(`^\d+\.\d+\.\d+$`).MatchString(version) {
			t.Errorf("%s is not pinned but %s", name, version)
		}
	}
	made, err := bundlePackage(root, nil)
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{"shoal.wasm": true, "types/shoal.d.ts": true, "types/player/index.d.ts": true}
	for name := range made {
		there[name] = true
	}
	for _, name := range packaged {
		there[name] = true
	}
	for _, m := range regexp.MustCompile(`"\./lib/([^"]+)"`).FindAllStringSubmatch(string(text), -1) {
		if !there[m[1]] {
			t.Errorf("package.json names lib/%s, which is not made", m[1])
		}
	}
	// A page has one client, whichever build of it a bundler picks.
	if player := string(made["player.js"]); !strings.Contains(player, `from"shoal"`) {
		t.Error("the player of the package carries a client of its own")
	}
}

// Lock files name no server: whoever installs has one.
func TestLockFilesNameNoRegistry(t *testing.T) {
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"web", "test", "test/bundlers"} {
		text, err := os.ReadFile(filepath.Join(root, dir, "package-lock.json"))
		if err != nil {
			t.Error(err)
		}
		if bytes.Contains(text, []byte(`"resolved"`)) {
			t.Errorf("%s/package-lock.json says where packages were taken from", dir)
		}
	}
}

func TestEngineModuleCarriesTheEngine(t *testing.T) {
	engine := []byte(strings.Repeat("an engine ", 1000))
	module, err := engineModule(engine)
	if err != nil {
		t.Fatal(err)
	}
	text, ok := strings.CutPrefix(string(module), `export default "`)
	text, end := strings.CutSuffix(text, "\";\n")
	packed, err := base64.StdEncoding.DecodeString(text)
	if err != nil || !ok || !end {
		t.Fatalf("%.60s...: %v", module, err)
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, engine) {
		t.Errorf("the engine is not in it: %v", err)
	}
}

func TestDeclarationsNameWholeFiles(t *testing.T) {
	for in, want := range map[string]string{
		`import { Emitter } from "./emitter";`:             `import { Emitter } from "./emitter.js";`,
		`export declare const x: import("../a/b").Thing;`:  `export declare const x: import("../a/b.js").Thing;`,
		`import type { Thing } from "elsewhere";`:          `import type { Thing } from "elsewhere";`,
		`export { A } from "./a"; export { B } from "./b"`: `export { A } from "./a.js"; export { B } from "./b.js"`,
	} {
		if got := wholeNames(in); got != want {
			t.Errorf("%s became %s", in, got)
		}
	}
}
