package main

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/shoal-p2p/shoal"
	"github.com/shoal-p2p/shoal/metainfo"
)

// printed runs f with standard output and standard error in files, and returns both.
func printed(t *testing.T, f func()) (stdout, stderr string) {
	t.Helper()
	var out [2]*os.File
	for i, std := range []**os.File{&os.Stdout, &os.Stderr} {
		file, err := os.CreateTemp(t.TempDir(), "std")
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		was := *std
		defer func() { *std = was }()
		*std, out[i] = file, file
	}
	f()
	text := func(f *os.File) string {
		f.Seek(0, io.SeekStart)
		b, _ := io.ReadAll(f)
		return string(b)
	}
	return text(out[0]), text(out[1])
}

func TestPlainShowsWhatATerminalWouldObey(t *testing.T) {
	for in, want := range map[string]string{
		"Ünïcödé 名前 👨‍👩‍👧.mkv":      "Ünïcödé 名前 👨‍👩‍👧.mkv",
		"a\x1b[2Jb\nc\t\x07":        `a\x1b[2Jb\nc\t\a`,
		"csi\u009b31m":              `csi\u009b31m`,
		"del\x7f":                   `del\x7f`,
		"caf\xe9":                   `caf\xe9`,
		"photo\u202egpj.exe":        `photo\u202egpj.exe`,
		"two\u2028lines":            `two\u2028lines`,
		"the replacement is \ufffd": "the replacement is \ufffd",
	} {
		if got := plain(in); got != want {
			t.Errorf("%q is shown as %q, want %q", in, got, want)
		}
	}
}

// What a torrent carries reaches neither of the streams as it is, whatever prints it.
func TestStrangersDoNotCommandTheTerminal(t *testing.T) {
	evil := "a\x1b]0;owned\x07\u009b2J"
	meta := &metainfo.Torrent{Comment: evil}
	good, err := shoal.Create(t.Context(), []string{put(t, t.TempDir(), "x", "content")}, shoal.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	meta.Info = good.Info
	file := filepath.Join(t.TempDir(), "e\x1b[31mvil.torrent")
	os.WriteFile(file, meta.Marshal(), 0o644)
	for _, args := range [][]string{
		{"info", file}, {"info", "--json", file}, {"info", file + "\u202e"}, {"bo\x1b[1mgus"}, {"get", "--limit-down", "\x1b[1m0-", file},
	} {
		var code int
		stdout, stderr := printed(t, func() { code = run(args) })
		if i := strings.IndexFunc(stdout+stderr, func(r rune) bool { return r != '\n' && commands(r) }); i >= 0 {
			t.Errorf("%q prints %q", args, (stdout + stderr)[i:])
		}
		if stdout+stderr == "" {
			t.Errorf("%q prints nothing, exit %d", args, code)
		}
	}
	// JSON says all the same what it was.
	stdout, _ := printed(t, func() { run([]string{"info", "--json", file}) })
	var out infoOut
	if err := json.Unmarshal([]byte(stdout), &out); err != nil || out.Comment != evil {
		t.Errorf("%v: comment %q", err, out.Comment)
	}
}

func put(t *testing.T, dir, name, content string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAFullDiskBehindStandardOutputIsAnError(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if errors.Is(err, os.ErrNotExist) {
		return // of this system's own kind; nothing to try it with
	}
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	dir := t.TempDir()
	path := put(t, dir, "x", "content")
	torrent := filepath.Join(dir, "x.torrent")
	for _, args := range [][]string{
		{"create", path, "-o", torrent}, {"info", torrent}, {"info", "--json", torrent}, {"version"}, {"--help"},
		{"create", path, "-o", "-"},
		{"get", "--json", "--no-dht", "--no-lsd", "--stun", "none", "-o", dir, torrent},
		{"share", "--no-dht", "--no-lsd", "--no-nat", "--stun", "none", "--listen", "127.0.0.1:0", "--peer-listen", "127.0.0.1:0", path},
	} {
		var code int
		_, stderr := printed(t, func() {
			os.Stdout = full
			code = run(args)
		})
		if code != 1 || !strings.Contains(stderr, "cannot write to standard output: no space left") || strings.Count(strings.TrimSpace(stderr), "\n") > 1 {
			t.Errorf("%q: exit %d, %q", args, code, stderr)
		}
	}
}

// All output goes through terminal.go.
func TestNothingElsePrints(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 10 {
		t.Fatal(files, err)
	}
	// What may name a stream itself: a test whether it is a terminal, a bar that shows
	// what plain made, a log that quotes.
	streams := []string{"terminal.go", "output.go", "main.go", "tracker.go"}
	set := token.NewFileSet()
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(set, file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			pkg, _ := sel.X.(*ast.Ident)
			if pkg == nil {
				return true
			}
			switch name := pkg.Name + "." + sel.Sel.Name; {
			case strings.HasPrefix(name, "fmt.Print"), strings.HasPrefix(name, "os.Std") && name != "os.Stdin" && !slices.Contains(streams, file):
				t.Errorf("%s: %s: use say, tell or stdout", set.Position(n.Pos()), name)
			}
			return true
		})
	}
}
