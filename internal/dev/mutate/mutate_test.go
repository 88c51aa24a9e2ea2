//go:build unix

package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// changesOf lists what the rules make of the body of a function f.
func changesOf(t *testing.T, body string) []string {
	t.Helper()
	all, err := mutantsOf(&target{}, "x.go", []byte("package x\n\nfunc f(a, b int, s []int) (int, error) {\n"+body+"\n}\n"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range all {
		got = append(got, m.change())
	}
	return got
}

func TestRules(t *testing.T) {
	for _, c := range []struct {
		body string
		want []string
	}{
		{"g(a)", []string{"without `g(a)`"}},
		{"defer g(a)", []string{"without `defer g(a)`"}},
		{"a = b", []string{"without `a = b`"}},
		{"a := b\n_ = a", nil}, // its name is needed
		{"if a < b { return }", []string{"never `a < b`", "always `a < b`", "`<` -> `<=` in `if a < b { return }`"}},
		{"if g() { return }", []string{"never `g()`", "always `g()`"}},
		{"for a >= b {}", []string{"`>=` -> `>` in `for a >= b {}`", "`>=` -> `<` in `for a >= b {}`"}},
		{"if len(s) > 0 { return }", []string{"never `len(s) > 0`", "always `len(s) > 0`", "`0` -> `1` in `if len(s) > 0 { return }`"}},
		{"return min(a, b) + a, err", []string{
			"`err` -> `nil` in `return min(a, b) + a, err`", "`+` -> `-` in `return min(a, b) + a, err`", "`min` -> `max` in `return min(a, b) + a, err`",
		}},
		{"_ = make([]bool, 1, 2)", []string{"`1` -> `2` in `_ = make([]bool, 1, 2)`"}},
		{"_ = make([]bool, 1, a+2)", []string{"`1` -> `2` in `_ = make([]bool, 1, a+2)`"}},
		{"x.work += a - b\nx.work++", nil},
		{"return 0, false", []string{"`false` -> `true` in `return 0, false`"}},
		{"return 0, err", []string{"`err` -> `nil` in `return 0, err`"}},
		{"return 0, errors.New(a)", nil},
		{"return 0, nil", []string{"`0` -> `1` in `return 0, nil`"}},
		{"x := !ok && true", []string{"`&&` -> `||` in `x := !ok && true`", "`!` -> `` in `x := !ok && true`", "`true` -> `false` in `x := !ok && true`"}},
		{"a := 64 << 10\n_ = 2 * time.Second", nil},
		{"a := b << 3", []string{"`<<` -> `>>` in `a := b << 3`", "`3` -> `4` in `a := b << 3`"}},
		{"panic(a + b)", nil},
		{"c.log.Warn(a)", nil},
	} {
		got := changesOf(t, c.body)
		if len(got) == 0 || got[0] != "returns at once" {
			t.Errorf("%s: %q does not begin with a return", c.body, got)
			continue
		}
		if !slices.Equal(got[1:], c.want) {
			t.Errorf("%s:\n got %q\nwant %q", c.body, got[1:], c.want)
		}
	}
}

// How much was read counts even with an error.
func TestReadsCount(t *testing.T) {
	all, err := mutantsOf(&target{}, "x.go", []byte("package x\n\nfunc (r *R) ReadAt(p []byte, off int64) (int, error) { return 0, err }\n"))
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 3 {
		t.Errorf("%v", all)
	}
}

// Every change applies to the bytes it names, and leaves the others alone.
func TestApply(t *testing.T) {
	dir := t.TempDir()
	src := "package x\n\n// Größe.\nfunc f(a int) (n int, err error) {\n\tif a < 3 {\n\t\treturn 0, err\n\t}\n\treturn a, nil\n}\n"
	if err := os.WriteFile(filepath.Join(dir, "x.go"), []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	all, err := mutants(dir, &target{files: []string{"x.go"}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range all {
		text, err := m.apply(dir)
		if err != nil {
			t.Fatal(err)
		}
		// What differs, between what is alike in front and behind.
		a := string(text)
		front := 0
		for front < len(src) && front < len(a) && src[front] == a[front] {
			front++
		}
		got = append(got, strings.SplitN(a[strings.LastIndexByte(a[:front], '\n')+1:], "\n", 2)[0])
	}
	want := []string{
		"\tif true { return *new(int), *new(error) }; if a < 3 {",
		"\tif false && (a < 3) {",
		"\tif true || (a < 3) {",
		"\tif a <= 3 {",
		"\tif a < 4 {",
		"\t\treturn 0, nil",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A module of two functions, of which one is tested.
func TestTry(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":    "module example.org/x\n\ngo 1.24\n",
		"x.go":      "package x\n\nfunc Add(a, b int) int { return a + b }\n\nfunc Sub(a, b int) int { return a - b }\n\nfunc Name() string { return \"a\" + \"b\" }\n\nfunc Loop(n int) {\n\tfor n > 0 {\n\t\tn--\n\t}\n}\n",
		"x_test.go": "package x\n\nimport \"testing\"\n\nfunc TestAdd(t *testing.T) {\n\tLoop(3)\n\tif Add(2, 3) != 5 {\n\t\tt.Error()\n\t}\n}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r, err := newRunner(dir, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	tg := &target{path: "x", files: []string{"x.go"}, tests: []string{"."}}
	all, err := mutants(dir, tg)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]verdict{
		"Add: `+` -> `-` in `func Add(a, b int) int { return a + b }`":      noticed,
		"Sub: `-` -> `+` in `func Sub(a, b int) int { return a - b }`":      survived,
		"Name: `+` -> `-` in `func Name() string { return \"a\" + \"b\" }`": unviable,
		"Loop: without `n--`": noticed, // it never ends
	}
	for _, m := range all {
		v, ok := want[m.fn+": "+m.change()]
		if !ok {
			continue
		}
		delete(want, m.fn+": "+m.change())
		if _, err := r.prepare(context.Background(), tg); err != nil {
			t.Fatal(err)
		}
		got, err := r.try(context.Background(), m, 3*time.Second)
		if err != nil || got != v {
			t.Errorf("%s: %v, %v", m, got, err)
		}
	}
	for name := range want {
		t.Errorf("not made: %s", name)
	}
	src, _ := os.ReadFile(filepath.Join(dir, "x.go"))
	if !strings.Contains(string(src), "return a + b") {
		t.Error("the tree was touched")
	}
}

func TestEquivalents(t *testing.T) {
	got, err := parseEquivalents("# a\n\na/b.go f: x\n\tbecause\n\tof this\n\na/b.go g: y\n\tthat\n")
	if err != nil || len(got) != 2 || got["a/b.go f: x"] != "because of this" {
		t.Errorf("%q, %v", got, err)
	}
	for _, bad := range []string{"a/b.go f: x\n", "\twhy\n", "x\n\twhy\nx\n\twhy\n"} {
		if _, err := parseEquivalents(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// The lists speak of the code as it is.
func TestListsFitTheCode(t *testing.T) {
	root, err := repository()
	if err != nil {
		t.Fatal(err)
	}
	all, err := targets(root)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for i := range kept {
		k := &kept[i]
		if _, err := k.find(root, all); err != nil {
			t.Error(err)
		}
		if names[k.name] || k.old == k.new {
			t.Errorf("%s: twice, or no change", k.name)
		}
		names[k.name] = true
	}
	equals, err := parseEquivalents(equivalentText)
	if err != nil {
		t.Fatal(err)
	}
	for _, tg := range all {
		found, err := mutants(root, tg)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range found {
			delete(equals, m.key())
		}
	}
	for key := range equals {
		t.Errorf("equivalent.txt: the code has changed, there is no such mutant any more: %s", key)
	}
}
