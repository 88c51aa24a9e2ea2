//go:build unix

package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
)

// A mutant is one small change to one file.
type mutant struct {
	pkg        *target
	file       string // slashes, relative to the root of the repository
	fn         string // the function, with its receiver's type: "Picker.Add"
	line       int
	start, end int    // the bytes replaced
	was, now   string // what stood there, what stands there instead
	in         string // the line it stands on
	name       string // of a kept change, empty for others
}

// change describes the mutant within its function, on one line.
func (m *mutant) change() string {
	switch {
	case strings.HasPrefix(m.now, "if true { return"):
		return "returns at once"
	case m.now == "if false { "+m.was+" }":
		return "without `" + brief(m.was) + "`"
	case m.now == "false && ("+m.was+")":
		return "never `" + brief(m.was) + "`"
	case m.now == "true || ("+m.was+")":
		return "always `" + brief(m.was) + "`"
	}
	return fmt.Sprintf("`%s` -> `%s` in `%s`", m.was, m.now, brief(m.in))
}

// key names the mutant in the list of equivalent ones. It has no line number,
// which changes with every edit above.
func (m *mutant) key() string { return m.file + " " + m.fn + ": " + m.change() }

func (m *mutant) String() string {
	if m.name != "" {
		return fmt.Sprintf("%s:%d %s", m.file, m.line, m.name)
	}
	return fmt.Sprintf("%s:%d %s: %s", m.file, m.line, m.fn, m.change())
}

// brief is s on one line, its middle left out if it is long.
func brief(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 90 {
		return string(r[:60]) + " ... " + string(r[len(r)-25:])
	}
	return s
}

// apply returns the file's text with the change in it.
func (m *mutant) apply(root string) ([]byte, error) {
	src, err := os.ReadFile(filepath.Join(root, m.file))
	if err != nil {
		return nil, err
	}
	out := append([]byte{}, src[:m.start]...)
	return append(append(out, m.now...), src[m.end:]...), nil
}

// mutants lists every change that the operators make in a package.
func mutants(root string, t *target) ([]*mutant, error) {
	var all []*mutant
	for _, file := range t.files {
		src, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			return nil, err
		}
		found, err := mutantsOf(t, file, src)
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

func mutantsOf(t *target, file string, src []byte) ([]*mutant, error) {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, file, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	if ast.IsGenerated(f) {
		return nil, nil
	}
	var all []*mutant
	for _, d := range f.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok || fn.Body == nil || fn.Name.Name == "String" || fn.Name.Name == "Error" {
			continue // what is said to people is not weighed
		}
		c := collector{fset: fset, src: src, fn: functionName(fn)}
		c.add = func(from, to token.Pos, text string) {
			at, end := fset.Position(from), fset.Position(to)
			all = append(all, &mutant{
				pkg: t, file: file, fn: functionName(fn), line: at.Line,
				start: at.Offset, end: end.Offset, was: string(src[at.Offset:end.Offset]), now: text,
				in: lineOf(src, at.Offset),
			})
		}
		c.function(fn)
	}
	return all, nil
}

func lineOf(src []byte, at int) string {
	from := bytes.LastIndexByte(src[:at], '\n') + 1
	line, _, _ := bytes.Cut(src[from:], []byte("\n"))
	return string(line)
}

func functionName(f *ast.FuncDecl) string {
	if f.Recv == nil || len(f.Recv.List) == 0 {
		return f.Name.Name
	}
	e := f.Recv.List[0].Type
	for {
		switch x := e.(type) {
		case *ast.StarExpr:
			e = x.X
			continue
		case *ast.IndexExpr:
			e = x.X
			continue
		case *ast.Ident:
			return x.Name + "." + f.Name.Name
		}
		return f.Name.Name
	}
}
