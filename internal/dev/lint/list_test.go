package lint

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/shoal-p2p/shoal"

// platforms are those that the machines must be the same on.
var platforms = [][2]string{{"linux", "amd64"}, {"js", "wasm"}}

// pkg is what `go list` says of a package.
type pkg struct {
	ImportPath string
	Dir        string
	Standard   bool
	GoFiles    []string
	Imports    []string
	Incomplete bool
}

// name is the import path within the module, "." for the root; ok is false for
// what is not ours.
func name(path string) (short string, ok bool) {
	if path == module {
		return ".", true
	}
	return strings.CutPrefix(path, module+"/")
}

// list runs `go list -deps` for a platform. Patterns are relative to the root of
// the module.
func list(t *testing.T, platform [2]string, deps bool, patterns ...string) []pkg {
	t.Helper()
	args := []string{"list", "-e", "-json=ImportPath,Dir,Standard,GoFiles,Imports,Incomplete"}
	if deps {
		args = append(args, "-deps")
	}
	cmd := exec.Command("go", append(args, patterns...)...)
	cmd.Dir = "../../.."
	cmd.Env = append(os.Environ(), "GOOS="+platform[0], "GOARCH="+platform[1], "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var pkgs []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
	if len(pkgs) == 0 {
		t.Fatal("go list found nothing")
	}
	return pkgs
}

// within reports whether a package is one of the patterns: a path, or a path
// followed by /... for all below it too.
func within(short string, patterns ...string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		base, all := strings.CutSuffix(p, "/...")
		return short == base || all && strings.HasPrefix(short, base+"/")
	})
}
