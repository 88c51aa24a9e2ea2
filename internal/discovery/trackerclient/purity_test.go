//go:build !js

package trackerclient

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// imports returns the imports of the files of dir that are not tests and that
// keep wants.
func imports(t *testing.T, dir string, keep func(src string) bool) (paths map[string]string, text string) {
	t.Helper()
	files, _ := filepath.Glob(filepath.Join(dir, "*.go"))
	paths = make(map[string]string)
	for _, name := range files {
		src, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "_test.go") || !keep(string(src)) {
			continue
		}
		text += string(src)
		f, err := parser.ParseFile(token.NewFileSet(), name, src, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, imp := range f.Imports {
			path, _ := strconv.Unquote(imp.Path.Value)
			paths[path] = name
		}
	}
	if len(paths) == 0 {
		t.Fatalf("%s has no files", dir)
	}
	return paths, text
}

// The machines and codecs read no clock, no randomness of their own, no socket.
func TestPurePackages(t *testing.T) {
	for _, dir := range []string{"schedule", "offers", "compact", "httpwire", "udpwire"} {
		paths, text := imports(t, dir, func(string) bool { return true })
		for _, bad := range []string{"net", "net/http", "os", "sync", "log", "context", "syscall/js", "math/rand"} {
			if name := paths[bad]; name != "" {
				t.Errorf("%s imports %s", name, bad)
			}
		}
		for _, call := range []string{"time.Now", "time.Since", "time.After", "rand.Int", "rand.New("} {
			if strings.Contains(text, call) {
				t.Errorf("%s uses %s", dir, call)
			}
		}
	}
}

// What a page downloads does not contain the large packages of the native half.
func TestBrowserHalfIsLean(t *testing.T) {
	for _, dir := range []string{".", "schedule", "offers"} {
		paths, _ := imports(t, dir, func(src string) bool { return !strings.HasPrefix(src, "//go:build !js") })
		for _, bad := range []string{"fmt", "net", "net/http", "net/url", "encoding/json", "encoding/binary", "regexp", "text/template", "log",
			"log/slog", "github.com/coder/websocket", "github.com/shoal-p2p/shoal/internal/discovery/trackerclient/httpwire", "github.com/shoal-p2p/shoal/internal/discovery/trackerclient/udpwire"} {
			if name := paths[bad]; name != "" {
				t.Errorf("%s imports %s", name, bad)
			}
		}
	}
}
