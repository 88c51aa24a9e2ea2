package lint

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// pure packages decide; they do nothing. A test runs a thousand of them on a
// virtual clock, and a tab runs the same code as a server.
var pure = []string{
	"metainfo", "magnet", "internal/bencode", "internal/wire", "internal/signal",
	"internal/engine/swarm", "internal/engine/torrent", "internal/engine/bits", "internal/engine/choker", "internal/engine/picker", "internal/engine/rate", "internal/engine/verify", "internal/limit", "internal/engine/webseed",
	"internal/discovery/dht", "internal/netaddr",
	"internal/discovery/trackerclient/schedule", "internal/discovery/trackerclient/offers", "internal/discovery/trackerclient/httpwire",
	"internal/discovery/trackerclient/udpwire", "internal/discovery/trackerclient/compact",
	"internal/tracker/swarm", "internal/tracker/swarm/localsim", "internal/tracker/wsframe", "internal/tracker/httphead", "internal/tracker/cluster/mesh",
}

// impure says why a pure package, or what it needs of ours, may not import it.
var impure = map[string]string{
	"net":              "bytes come and go through the driver; net/netip is enough to name an address",
	"net/http":         "bytes come and go through the driver",
	"net/url":          "hundreds of kilobytes in the tab; what is needed is parsed by hand",
	"os":               "the store belongs to the driver",
	"os/exec":          "a machine starts nothing",
	"os/signal":        "a machine listens to its driver alone",
	"io/fs":            "the store belongs to the driver",
	"path/filepath":    "paths differ between platforms, a torrent's do not",
	"sync":             "one loop owns a machine, so there is nothing to lock",
	"sync/atomic":      "one loop owns a machine, so nothing is shared",
	"context":          "a machine is told what ended; it waits for nothing",
	"runtime":          "behaviour must not depend on the machine it runs on",
	"syscall":          "platforms are the driver's business",
	"syscall/js":       "platforms are the driver's business",
	"log":              "a machine returns what it has to say",
	"log/slog":         "a machine returns what it has to say",
	"fmt":              "reflection, and 150 kB in the tab",
	"reflect":          "keeps everything reachable alive in the tab",
	"encoding/json":    "reflection, and its leniency is not ours",
	"regexp":           "unbounded work on what strangers send, and size",
	"text/template":    "reflection and size",
	"math/rand":        "its global source is shared and seeded by chance",
	"crypto/rand":      "chance comes from the source the driver injects",
	"time/tzdata":      "size",
	"unsafe":           "hostile bytes are parsed here",
	"runtime/debug":    "behaviour must not depend on the machine it runs on",
	"internal/testlog": "not ours",
}

// forbiddenCalls of a package, with the reason.
var forbiddenCalls = map[string]map[string]string{
	"time": {
		"Now":       "time comes as an argument",
		"Since":     "it reads the clock",
		"Until":     "it reads the clock",
		"Sleep":     "a machine waits for nothing; it has a deadline",
		"After":     "a machine has a deadline, the driver a timer",
		"AfterFunc": "a machine has a deadline, the driver a timer",
		"NewTimer":  "a machine has a deadline, the driver a timer",
		"NewTicker": "a machine has a deadline, the driver a timer",
		"Tick":      "a machine has a deadline, the driver a timer",
	},
}

// seeded are the names of math/rand/v2 that do not use the global source.
var seeded = map[string]bool{
	"New": true, "NewPCG": true, "NewChaCha8": true, "NewZipf": true,
	"Rand": true, "Source": true, "PCG": true, "ChaCha8": true, "Zipf": true,
}

func TestPurePackagesImportNothingThatActs(t *testing.T) {
	for _, platform := range platforms {
		t.Run(platform[0], func(t *testing.T) {
			var patterns []string
			for _, p := range pure {
				patterns = append(patterns, "./"+p)
			}
			seen := map[string]bool{}
			for _, p := range list(t, platform, true, patterns...) {
				short, ours := name(p.ImportPath)
				if !ours {
					if !p.Standard {
						t.Errorf("%s is reached from a pure package: these stand on the standard library alone", p.ImportPath)
					}
					continue
				}
				seen[short] = true
				for _, imp := range p.Imports {
					if why, bad := impure[imp]; bad {
						t.Errorf("%s imports %s: %s", short, imp, why)
					}
				}
				for _, problem := range scan(t, short, p) {
					t.Error(problem)
				}
			}
			for _, p := range pure {
				if !seen[p] {
					t.Errorf("%s does not exist here: is the list of pure packages out of date?", p)
				}
			}
		})
	}
}

// scan reads the source of a pure package for what the imports do not show.
func scan(t *testing.T, short string, p pkg) (problems []string) {
	t.Helper()
	fset := token.NewFileSet()
	for _, file := range p.GoFiles {
		f, err := parser.ParseFile(fset, filepath.Join(p.Dir, file), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		imported := map[string]string{} // name in the file -> path
		for _, spec := range f.Imports {
			path, _ := strconv.Unquote(spec.Path.Value)
			local := filepath.Base(path)
			if path == "math/rand/v2" {
				local = "rand"
			}
			if spec.Name != nil {
				local = spec.Name.Name
			}
			imported[local] = path
		}
		report := func(n ast.Node, what string) {
			at := fset.Position(n.Pos())
			problems = append(problems, short+"/"+file+":"+strconv.Itoa(at.Line)+" "+what)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				report(n, "starts a goroutine: only drivers do")
			case *ast.ChanType:
				report(n, "has a channel: events go in by argument and come out as results")
			case *ast.SelectStmt:
				report(n, "selects: a machine waits for nothing")
			case *ast.SelectorExpr:
				id, ok := n.X.(*ast.Ident)
				if !ok {
					break
				}
				path := imported[id.Name]
				if why, bad := forbiddenCalls[path][n.Sel.Name]; bad {
					report(n, "uses "+path+"."+n.Sel.Name+": "+why)
				}
				if path == "math/rand/v2" && !seeded[n.Sel.Name] {
					report(n, "uses the global source rand."+n.Sel.Name+": chance comes from the one injected")
				}
			}
			return true
		})
	}
	return problems
}

func TestScanFindsWhatItIsFor(t *testing.T) {
	dir := t.TempDir()
	src := `package bad

import (
	"math/rand/v2"
	clock "time"
)

var c chan int

func f() {
	go f()
	_ = clock.Now()
	clock.Sleep(clock.Second)
	_ = rand.IntN(5)
	_ = rand.New(rand.NewPCG(1, 2)).IntN(5)
	select {}
}
`
	if err := os.WriteFile(filepath.Join(dir, "bad.go"), []byte(src), 0o666); err != nil {
		t.Fatal(err)
	}
	got := scan(t, "bad", pkg{Dir: dir, GoFiles: []string{"bad.go"}})
	if len(got) != 6 {
		t.Fatalf("%d of 6 problems found: %q", len(got), got)
	}
}
