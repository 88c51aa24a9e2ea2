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
		[]string{"metainfo", "magnet", "storage", "internal/bencode", "internal/wire", "internal/signal", "internal/transport", "internal/httpfile"},
		[]string{".", "internal/engine/torrent/...", "internal/driver/...", "internal/discovery/...", "internal/tracker/...", "tracker", "internal/node/..."},
		"formats and the tools below the engine know nothing of who uses them",
	},
	{
		[]string{"internal/engine/..."},
		[]string{
			".", "magnet", "storage/...", "tracker/...", "internal/driver/...", "internal/transport/...", "internal/discovery/...",
			"internal/tracker/...", "internal/signal", "internal/sim", "internal/node/...",
		},
		"the engine decides about one swarm; how peers are found, reached and stored is not its business",
	},
	{
		[]string{"internal/engine/swarm", "internal/engine/bits", "internal/engine/rate", "internal/engine/choker", "internal/engine/picker", "internal/engine/verify"},
		[]string{"internal/engine/torrent", "internal/engine/live", "internal/engine/room"},
		"contents stand on the swarm and on tools, which know none of them",
	},
	{
		[]string{"internal/engine/swarm"},
		[]string{"metainfo", "internal/engine/bits", "internal/engine/picker", "internal/engine/choker", "internal/engine/verify"},
		"who is in a swarm has nothing to do with pieces",
	},
	{
		[]string{"tracker/...", "internal/tracker/..."},
		[]string{
			".", "storage/...", "internal/engine/...", "internal/driver/...", "internal/transport/...", "internal/node/...",
			"internal/discovery/dht/...", "internal/discovery/trackerclient", "internal/discovery/trackerclient/offers", "internal/discovery/trackerclient/schedule",
		},
		"a tracker is a product of its own: it introduces peers and is none",
	},
	{
		[]string{
			"internal/tracker/wsconn", "internal/tracker/core", "internal/tracker/front", "internal/tracker/udp", "internal/tracker/limit",
			"internal/tracker/stats", "internal/tracker/swarm", "internal/tracker/httphead", "internal/tracker/wsframe",
		},
		[]string{"tracker"},
		"the tracker is made of these rooms",
	},
	{
		[]string{"internal/tracker/front", "internal/tracker/udp"},
		[]string{"internal/tracker/front", "internal/tracker/udp"},
		"doors meet in the core alone",
	},
	{
		[]string{"internal/tracker/core"},
		[]string{"internal/tracker/front", "internal/tracker/udp", "internal/tracker/httphead"},
		"the core does not know by which door somebody comes in",
	},
	{
		[]string{"internal/tracker/wsconn"},
		[]string{"internal/tracker/core", "internal/tracker/front", "internal/tracker/udp", "internal/tracker/swarm", "internal/signal"},
		"a connection carries messages; what they say is the core's business",
	},
	{
		[]string{"internal/tracker/limit", "internal/tracker/stats"},
		[]string{"internal/tracker/wsconn", "internal/tracker/core", "internal/tracker/front", "internal/tracker/udp"},
		"limits and counts are below all that is limited and counted",
	},
	{
		[]string{"internal/netaddr"},
		[]string{".", "metainfo", "magnet", "storage/...", "tracker/...", "internal/..."},
		"everybody may name an address",
	},
	{
		[]string{"storage/...", "internal/driver/...", "internal/transport/...", "internal/discovery/..."},
		[]string{".", "cmd/...", "internal/node/..."},
		"arrows point down: the root package is built of these",
	},
	{
		[]string{"internal/driver"},
		[]string{
			"internal/driver/native/...", "internal/driver/browser/...", "internal/transport/tcp", "internal/transport/webrtc",
			"internal/discovery/...", "internal/tracker/...", "tracker/...",
		},
		"what differs between platforms is given to the driver",
	},
	{
		[]string{"internal/transport/..."},
		[]string{"metainfo", "internal/engine/...", "internal/driver/...", "internal/wire"},
		"a transport carries bytes",
	},
	{
		[]string{"internal/discovery/..."},
		[]string{"internal/engine/...", "internal/driver/...", "tracker/...", "internal/tracker/..."},
		"discovery finds addresses, for anybody",
	},
	{
		[]string{"internal/sim"},
		[]string{".", "storage/...", "tracker/...", "internal/driver/...", "internal/transport/...", "internal/discovery/...", "internal/tracker/..."},
		"the simulation stands in for all of these",
	},
	{
		[]string{
			".", "metainfo", "magnet", "storage/...", "tracker/...", "internal/bencode", "internal/wire", "internal/signal", "internal/engine/...",
			"internal/discovery/...", "internal/driver/...", "internal/transport/...", "internal/node/...", "internal/tracker/...",
		},
		[]string{"cmd/...", "test/...", "internal/dev/..."},
		"programs, tests and tools stand on top",
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
