package lint

import (
	"go/doc"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// arrows that must not be: from, to, why. Both are patterns as in within.
var arrows = []struct {
	from, to []string
	why      string
}{
	{
		[]string{"bencode", "wire", "metainfo", "magnet", "signal", "transport", "storage"},
		[]string{".", "engine/...", "driver/...", "trackerclient/...", "tracker/...", "dht/..."},
		"formats and the tools below the engine know nothing of who uses them",
	},
	{
		[]string{"engine/..."},
		[]string{".", "driver/...", "transport/...", "storage/...", "trackerclient/...", "tracker/...", "dht/...", "signal", "magnet", "sim", "lsd", "natmap"},
		"the engine decides about one torrent; how peers are found, reached and stored is not its business",
	},
	{
		[]string{"tracker/..."},
		[]string{".", "engine/...", "driver/...", "trackerclient", "trackerclient/offers", "trackerclient/schedule", "dht/...", "storage/...", "transport/..."},
		"a tracker is a product of its own: it introduces peers and is none",
	},
	{
		[]string{"driver/...", "transport/...", "storage/...", "trackerclient/...", "dht/...", "lsd/...", "natmap/..."},
		[]string{".", "cmd/..."},
		"arrows point down: the root package is built of these",
	},
	{
		[]string{"driver"},
		[]string{"driver/native/...", "driver/browser/...", "transport/tcp", "transport/webrtc", "trackerclient/...", "dht/...", "lsd", "natmap", "tracker/..."},
		"what differs between platforms is given to the driver",
	},
	{
		[]string{"transport/..."},
		[]string{"engine/...", "driver/...", "wire", "metainfo"},
		"a transport carries bytes",
	},
	{
		[]string{"dht/..."},
		[]string{"engine/...", "driver/...", "tracker/...", "trackerclient/..."},
		"the DHT finds addresses, for anybody",
	},
	{
		[]string{"sim"},
		[]string{".", "driver/...", "transport/...", "storage/...", "trackerclient/...", "tracker/..."},
		"the simulation stands in for all of these",
	},
	{
		[]string{".", "bencode", "metainfo", "magnet", "wire", "signal", "engine/...", "dht/...", "driver/...", "transport/...", "storage/...", "trackerclient/...", "tracker/..."},
		[]string{"cmd/...", "test/...", "internal/bench", "internal/testsum", "internal/webbuild", "internal/setup"},
		"programs and tests stand on top",
	},
}

func TestArrowsPointDown(t *testing.T) {
	for _, platform := range platforms {
		t.Run(platform[0], func(t *testing.T) {
			for _, p := range list(t, platform, false, "./...") {
				from, _ := name(p.ImportPath)
				for _, imp := range p.Imports {
					to, ours := name(imp)
					if !ours {
						continue
					}
					for _, a := range arrows {
						if within(from, a.from...) && within(to, a.to...) {
							t.Errorf("%s imports %s: %s", from, to, a.why)
						}
					}
				}
			}
		})
	}
}

// heavy says why the program of the tab may not reach a package, on any way.
var heavy = map[string]string{
	"fmt":           "with what it keeps alive it is a sixth of the whole download",
	"encoding/json": "reflection; package signal has its own",
	"encoding/gob":  "reflection",
	"encoding/xml":  "reflection",
	"net":           "a tab has no sockets",
	"net/http":      "a tab has fetch",
	"net/url":       "addresses are parsed by hand where needed",
	"crypto/tls":    "the browser does it",
	"crypto/x509":   "the browser does it",
	"log":           "it brings fmt",
	"log/slog":      "it brings fmt and encoding/json",
	"os":            "a tab has no files; it brings its poller along",
	"regexp":        "size, for what a loop does",
	"text/template": "reflection keeps every method alive",
	"html/template": "reflection keeps every method alive",
	"math/big":      "nothing here calculates with it",
	"flag":          "it brings fmt",
}

func TestTheTabsProgramStaysLean(t *testing.T) {
	found := false
	for _, p := range list(t, [2]string{"js", "wasm"}, true, "./cmd/shoal-wasm") {
		short, ours := name(p.ImportPath)
		found = found || short == "cmd/shoal-wasm"
		if why, bad := heavy[p.ImportPath]; bad {
			t.Errorf("cmd/shoal-wasm reaches %s: %s", p.ImportPath, why)
		}
		if !ours && !p.Standard {
			t.Errorf("cmd/shoal-wasm reaches %s: the tab gets our own code alone", p.ImportPath)
		}
		if !ours {
			continue
		}
		for _, imp := range p.Imports {
			if imp == "reflect" {
				t.Errorf("%s imports reflect: it keeps every method alive", short)
			}
		}
	}
	if !found {
		t.Error("cmd/shoal-wasm does not exist for js")
	}
}

// A package says in one place what it is for. Two comments would be shown one
// behind the other, in the order of file names.
func TestEveryPackageHasOneDocComment(t *testing.T) {
	done := map[string]bool{}
	for _, platform := range platforms {
		for _, p := range list(t, platform, false, "./...") {
			short, _ := name(p.ImportPath)
			if len(p.GoFiles) == 0 || done[platform[0]+short] {
				continue
			}
			done[platform[0]+short] = true
			fset := token.NewFileSet()
			var texts, files []string
			for _, file := range p.GoFiles {
				f, err := parser.ParseFile(fset, filepath.Join(p.Dir, file), nil, parser.PackageClauseOnly|parser.ParseComments)
				if err != nil {
					t.Fatal(err)
				}
				if f.Doc != nil && strings.TrimSpace(f.Doc.Text()) != "" {
					texts, files = append(texts, f.Doc.Text()), append(files, file)
				}
			}
			switch {
			case len(texts) == 0:
				t.Errorf("%s (%s) has no doc comment", short, platform[0])
				continue
			case len(texts) > 1:
				t.Errorf("%s (%s) has %d doc comments: %s", short, platform[0], len(texts), strings.Join(files, ", "))
				continue
			}
			if first := new(doc.Package).Synopsis(texts[0]); !strings.HasPrefix(first, "Package ") && !strings.HasPrefix(first, "Command ") {
				t.Errorf("%s: %q does not say what it is", short, first)
			}
		}
	}
}
