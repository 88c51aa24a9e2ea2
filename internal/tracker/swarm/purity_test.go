package swarm

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// The core is pure: time comes as an argument, randomness is injected.
func TestCoreImportsNoIO(t *testing.T) {
	allowed := map[string]bool{"errors": true, "math/bits": true, "math/rand/v2": true, "net/netip": true, "time": true,
		"github.com/shoal-p2p/shoal/internal/netaddr": true}
	files, _ := filepath.Glob("*.go")
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, src, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, imp := range f.Imports {
			if path, _ := strconv.Unquote(imp.Path.Value); !allowed[path] {
				t.Errorf("%s imports %s", name, path)
			}
		}
		for _, call := range []string{"time.Now", "time.Since", "rand.Int", "rand.New("} {
			if strings.Contains(string(src), call) {
				t.Errorf("%s uses %s", name, call)
			}
		}
	}
}
