//go:build unix

package test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/shoal-p2p/shoal/test/rig"
)

var (
	quoted   = regexp.MustCompile("`([^`\n]+)`")
	linked   = regexp.MustCompile(`\]\(([^)#:\s]+)(?:#[^)]*)?\)`)
	pathLike = regexp.MustCompile(`^[\w.-]+(/[\w.-]+)*/?$`)
)

// A document that names a folder or file of this repository names one that exists.
func TestDocumentsNamePathsThatExist(t *testing.T) {
	docs, err := filepath.Glob(rig.Path("docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	docs = append(docs, rig.Path("README.md"), rig.Path("testdata", "README.md"), rig.Path("test", "README.md"))
	if _, err := os.Stat(rig.Path("docs", "ARCHITECTURE.md")); err != nil {
		t.Error(err)
	}
	top := map[string]bool{}
	entries, err := os.ReadDir(rig.Root())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		top[e.Name()] = true
	}
	built := map[string]bool{"bin": true, "node_modules": true}
	ignored := map[string]bool{"test/out": true}
	for _, doc := range docs {
		text, err := os.ReadFile(doc)
		if err != nil {
			t.Error(err)
			continue
		}
		name, _ := filepath.Rel(rig.Root(), doc)
		for _, m := range linked.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(doc), m[1])); err != nil {
				t.Errorf("%s links to %s: %v", name, m[1], err)
			}
		}
		for _, m := range quoted.FindAllStringSubmatch(string(text), -1) {
			path := strings.TrimPrefix(m[1], "./")
			first, _, below := strings.Cut(path, "/")
			if !pathLike.MatchString(path) || built[first] || ignored[path] || strings.HasPrefix(path, "web/dist") {
				continue
			}
			// `engine/picker` and `Makefile` are paths; `bytes`, `application/json` and `a/b` are words.
			if !below && !strings.Contains(path, ".") || below && !top[first] {
				continue
			}
			if !below && !top[path] {
				continue
			}
			if _, err := os.Stat(rig.Path(path)); err != nil {
				t.Errorf("%s names `%s`: %v", name, m[1], err)
			}
		}
	}
}

// The rooms that ARCHITECTURE.md lists are all there: the first cell of each row of
// its tables names files or folders.
func TestArchitectureRoomsExist(t *testing.T) {
	text, err := os.ReadFile(rig.Path("docs", "ARCHITECTURE.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		cell, _, _ := strings.Cut(line[1:], "|")
		for _, m := range quoted.FindAllStringSubmatch(cell, -1) {
			found++
			if _, err := os.Stat(rig.Path(m[1])); err != nil {
				t.Errorf("ARCHITECTURE.md has a room %s: %v", m[1], err)
			}
		}
	}
	if found < 10 {
		t.Errorf("found %d rooms; has the document's form changed?", found)
	}
}

// The tests that docs/decisions.md names are there.
func TestDecisionsAreHeldByTests(t *testing.T) {
	text, err := os.ReadFile(rig.Path("docs", "decisions.md"))
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile("`((?:Test|Benchmark)\\w+)`").FindAllStringSubmatch(string(text), -1)
	if len(names) < 10 {
		t.Fatalf("found %d tests; has the document's form changed?", len(names))
	}
	var sources strings.Builder
	err = filepath.WalkDir(rig.Root(), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && d.Name() == "node_modules" {
			return fs.SkipDir
		}
		if err == nil && strings.HasSuffix(path, "_test.go") {
			b, err := os.ReadFile(path)
			sources.Write(b)
			return err
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range names {
		if !strings.Contains(sources.String(), "func "+m[1]+"(") {
			t.Errorf("decisions.md names %s, which is no test", m[1])
		}
	}
}

// Every Go package says in one sentence what it is.
func TestPackagesAreDocumented(t *testing.T) {
	cmd := exec.Command("go", "list", "-f", "{{.ImportPath}}|{{.Doc}}", "./...")
	cmd.Dir = rig.Root()
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		path, doc, _ := strings.Cut(strings.TrimSpace(line), "|")
		if strings.HasSuffix(path, "/test") {
			continue
		}
		if doc == "" {
			t.Errorf("%s has no package comment", path)
		}
	}
}
