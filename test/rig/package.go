//go:build unix

package rig

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// packed is the tarball of the npm package, made once in a run of the tests.
var packed = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "shoal-pack-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	cmd := exec.Command("npm", "pack", "--pack-destination", dir)
	cmd.Dir = Path("web")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("npm pack: %v\n%s", err, out)
	}
	made, err := filepath.Glob(filepath.Join(dir, "shoal-*.tgz"))
	if err != nil || len(made) != 1 {
		return nil, fmt.Errorf("npm pack made %q", made)
	}
	return os.ReadFile(made[0])
})

// Project is a folder of a web developer who has installed the npm package.
type Project struct {
	Dir string
	t   T
}

// NewProject makes one with these files, by their names.
func NewProject(t T, files map[string]string) Project {
	t.Helper()
	tarball, err := packed()
	if err != nil {
		t.Fatalf("%v", err)
	}
	p := Project{t.TempDir(), t}
	p.Write("shoal.tgz", string(tarball))
	p.Write("package.json", `{ "name": "site", "private": true, "type": "module" }`)
	for name, content := range files {
		p.Write(name, content)
	}
	p.Run("npm", "install", "--offline", "--no-audit", "--no-fund", "./shoal.tgz")
	return p
}

// Lib is the folder of the installed package's files.
func (p Project) Lib() string { return filepath.Join(p.Dir, "node_modules", "shoal", "lib") }

// Write writes a file of the project.
func (p Project) Write(name, content string) {
	p.t.Helper()
	file := filepath.Join(p.Dir, name)
	err := os.MkdirAll(filepath.Dir(file), 0o755)
	if err == nil {
		err = os.WriteFile(file, []byte(content), 0o644)
	}
	if err != nil {
		p.t.Fatalf("%v", err)
	}
}

// TryRun runs a program in the project and returns what it printed.
func (p Project) TryRun(program string, args ...string) (string, error) {
	cmd := exec.Command(program, args...)
	cmd.Dir = p.Dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// Run is TryRun that fails the test.
func (p Project) Run(program string, args ...string) {
	p.t.Helper()
	if out, err := p.TryRun(program, args...); err != nil {
		p.t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
}

// Bundle has one of the bundlers of test/bundlers build the project into its dist, for a site
// that lies at the path base.
func (p Project) Bundle(bundler, base string) {
	p.t.Helper()
	p.Run("node", Path("test", "bundlers", "build.mjs"), bundler, p.Dir, base)
}

// Develop starts Vite's server for the project and returns where it listens.
func (p Project) Develop() string {
	p.t.Helper()
	server := Start(p.t, Command{Path: "node", Args: []string{Path("test", "bundlers", "build.mjs"), "develop", p.Dir}, Dir: p.Dir})
	return server.Event("ready", time.Minute).Str("url")
}

// Folder serves a folder below a path of a site of its own, as any static host does, and returns the
// folder's address; with cors, to pages of other sites too.
func Folder(t T, dir, below string, cors bool) string {
	t.Helper()
	files := http.StripPrefix(strings.TrimSuffix(below, "/"), http.FileServer(http.Dir(dir)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, below) {
			http.NotFound(w, r)
			return
		}
		if cors {
			w.Header().Set("Access-Control-Allow-Origin", "*")
		}
		files.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL + below
}
