//go:build unix

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const module = "github.com/shoal-p2p/shoal"

// subjects are the packages that are changed, by pattern, and whose tests must
// notice beside their own. Those of js are changed and tested as a tab has them,
// by node. internal/driver/browser is not among them: nothing but a browser runs
// it, and the tests that have one take minutes.
var subjects = []struct {
	pattern string
	js      bool
	tests   []string
}{
	{"./internal/engine/...", false, []string{"./internal/engine/..."}}, // the simulation notices by chance
	{"./internal/driver/...", false, []string{"./internal/driver/..."}},
	{"./storage", false, nil},
	{"./internal/transport/...", false, nil},
	{".", false, []string{"./internal/node/..."}}, // streams are served by the library
	{"./internal/node/...", false, nil},
	{"./internal/httpfile", false, []string{"."}},
	{"./internal/transport/webrtc", true, nil},
	{"./storage", true, nil},
}

// A target is one package that is changed, on one platform.
type target struct {
	path  string // relative to the root: "internal/engine/bits", "." for the root itself
	js    bool
	files []string
	tests []string // patterns; the package's own come first
}

// rounds are the tests in the order in which they are run over a mutant, until one
// notices: the package's own take less time than all that must notice beside them.
func (t *target) rounds() [][]string {
	if len(t.tests) == 1 {
		return [][]string{t.tests}
	}
	return [][]string{t.tests[:1], t.tests[1:]}
}

func (t *target) String() string {
	if t.js {
		return "js/wasm " + t.path
	}
	return t.path
}

// targets lists what is to be changed. A file that both platforms have belongs
// to the first, so that nothing is weighed twice.
func targets(root string) ([]*target, error) {
	seen := map[string]bool{}
	var all []*target
	for _, s := range subjects {
		pkgs, err := list(root, s.js, s.pattern)
		if err != nil {
			return nil, err
		}
		for _, p := range pkgs {
			path := "."
			if p.ImportPath != module {
				path = strings.TrimPrefix(p.ImportPath, module+"/")
			}
			t := &target{path: path, js: s.js, tests: append([]string{"./" + path}, s.tests...)}
			for _, name := range p.GoFiles {
				file := filepath.ToSlash(filepath.Join(path, name))
				if !seen[file] {
					seen[file] = true
					t.files = append(t.files, file)
				}
			}
			if len(t.files) > 0 {
				all = append(all, t)
			}
		}
	}
	return all, nil
}

// chosen says whether a path begins with one of those that commas separate;
// none takes all.
func chosen(path, only string) bool {
	if only == "" {
		return true
	}
	for o := range strings.SplitSeq(only, ",") {
		if o = strings.Trim(strings.TrimPrefix(o, "./"), "/"); path == o || strings.HasPrefix(path, o+"/") {
			return true
		}
	}
	return false
}

type listed struct {
	ImportPath string
	GoFiles    []string
}

func list(root string, js bool, pattern string) ([]listed, error) {
	cmd := exec.Command("go", "list", "-json=ImportPath,GoFiles", pattern)
	cmd.Dir = root
	cmd.Env = environ(js)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list %s: %w", pattern, err)
	}
	var all []listed
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
}

func environ(js bool) []string {
	env := os.Environ()
	if js {
		env = append(env, "GOOS=js", "GOARCH=wasm")
	}
	return env
}

// repository is the root of the module this runs in.
func repository() (string, error) {
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env: %w", err)
	}
	mod := strings.TrimSpace(string(out))
	if filepath.Base(mod) != "go.mod" {
		return "", errors.New("not inside a module")
	}
	return filepath.Dir(mod), nil
}
