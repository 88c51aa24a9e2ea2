package dht_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// The machine is pure: time is an argument and randomness is injected.
func TestMachineImportsNoIO(t *testing.T) {
	forbidden := map[string]string{
		"net": "sockets belong to dht/node", "os": "no files", "sync": "one goroutine owns a machine",
		"log": "no output", "fmt": "lean", "syscall": "no I/O", "context": "no waiting",
	}
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, imp := range f.Imports {
			path, _ := strconv.Unquote(imp.Path.Value)
			if why, bad := forbidden[path]; bad {
				t.Errorf("%s imports %s: %s", name, path, why)
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			pkg, ok := sel.X.(*ast.Ident)
			if ok && (pkg.Name == "time" && (sel.Sel.Name == "Now" || sel.Sel.Name == "Since" || sel.Sel.Name == "After") ||
				pkg.Name == "rand" && pkg.Obj == nil && sel.Sel.Name != "Rand") {
				t.Errorf("%s uses %s.%s", name, pkg.Name, sel.Sel.Name)
			}
			return true
		})
	}
}
