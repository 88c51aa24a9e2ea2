package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
)

// serviceWorker is asked for under its plain name, for the browser to see that it has changed.
const serviceWorker = "shoal.sw.js"

// behind are the parts of the page that it does not name itself.
var behind = []string{"index.html", "shoal.js", "shoal.worker.js", "shoal.wasm"}

// reference is an address in the page that may be one of an asset.
var reference = regexp.MustCompile(`(src|href)="([^"#?:]+)"`)

// tellVersion gives a build its version, the hash of all that it consists of, and has its parts
// ask for each other under it, so that a page gets all of them from one build. The service
// worker learns which parts there are, to keep them.
func tellVersion(assets map[string][]byte) {
	sum := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(assets)) {
		fmt.Fprintf(sum, "%s %d\n", name, len(assets[name]))
		sum.Write(assets[name])
	}
	version := hex.EncodeToString(sum.Sum(nil)[:5])
	shell := struct {
		Version string   `json:"version"`
		Files   []string `json:"files"`
	}{version, slices.Clone(behind)}
	assets["index.html"] = bytes.Replace(reference.ReplaceAllFunc(assets["index.html"], func(match []byte) []byte {
		parts := reference.FindSubmatch(match)
		if _, ok := assets[string(parts[2])]; !ok {
			return match
		}
		if name := string(parts[2]); !slices.Contains(shell.Files, name) {
			shell.Files = append(shell.Files, name)
		}
		return fmt.Appendf(nil, `%s="%s?v=%s"`, parts[1], parts[2], version)
	}), []byte(`data-version=""`), fmt.Appendf(nil, `data-version="%s"`, version), 1)
	assets["app.js"] = bytes.ReplaceAll(assets["app.js"], []byte(`"./shoal.js"`), fmt.Appendf(nil, `"./shoal.js?v=%s"`, version))

	list, err := json.Marshal(shell)
	if err != nil {
		panic(err) // strings alone
	}
	assets[serviceWorker] = fmt.Appendf(nil, "self.shoalShell=%s;\n%s", list, assets[serviceWorker])
}
