package lint

import (
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// public are the packages that others may import.
var public = []string{".", "metainfo", "magnet", "storage", "tracker"}

// Whoever imports a public package must be able to name every type that it takes or
// gives: one from internal/ needs an alias in a public package.
func TestPublicSignaturesCanBeNamed(t *testing.T) {
	args := []string{"list", "-deps", "-export", "-f", "{{.ImportPath}} {{.Export}}"}
	for _, p := range public {
		args = append(args, "./"+p)
	}
	cmd := exec.Command("go", args...)
	cmd.Dir = "../../.."
	cmd.Env = append(os.Environ(), "GOFLAGS=-buildvcs=false")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for line := range strings.Lines(string(out)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		files[path] = file
	}
	imp := importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) { return os.Open(files[path]) })
	n := naming{t: t, named: map[string]bool{}}
	var scopes []*types.Package
	for _, p := range public {
		pkg, err := imp.Import(strings.TrimSuffix(module+"/"+p, "/."))
		if err != nil {
			t.Fatal(err)
		}
		scopes = append(scopes, pkg)
		for _, name := range pkg.Scope().Names() {
			if tn, ok := pkg.Scope().Lookup(name).(*types.TypeName); ok && tn.Exported() && tn.IsAlias() {
				n.named[types.Unalias(tn.Type()).String()] = true
			}
		}
	}
	for _, pkg := range scopes {
		for _, name := range pkg.Scope().Names() {
			if obj := pkg.Scope().Lookup(name); obj.Exported() {
				n.object(strings.TrimPrefix(obj.Pkg().Path(), module)+"."+name, obj)
			}
		}
	}
}

// naming looks for types that nobody outside can name.
type naming struct {
	t     *testing.T
	named map[string]bool // by an alias in a public package
}

func (n *naming) object(where string, obj types.Object) {
	tn, ok := obj.(*types.TypeName)
	if !ok {
		n.walk(where, obj.Type())
		return
	}
	named, ok := tn.Type().(*types.Named)
	if tn.IsAlias() || !ok {
		return
	}
	n.walk(where, named.Underlying())
	for m := range named.Methods() {
		if m.Exported() {
			n.walk(where+"."+m.Name(), m.Type())
		}
	}
}

// walk looks at a type as it is written: it does not go into named ones.
func (n *naming) walk(where string, typ types.Type) {
	switch typ := types.Unalias(typ).(type) {
	case *types.Named:
		if p := typ.Obj().Pkg(); p != nil && strings.HasPrefix(p.Path(), module+"/internal/") && !n.named[typ.String()] {
			n.t.Errorf("%s needs %s, which nobody outside can name", where, typ)
		}
	case *types.Pointer:
		n.walk(where, typ.Elem())
	case *types.Slice:
		n.walk(where, typ.Elem())
	case *types.Array:
		n.walk(where, typ.Elem())
	case *types.Chan:
		n.walk(where, typ.Elem())
	case *types.Map:
		n.walk(where, typ.Key())
		n.walk(where, typ.Elem())
	case *types.Signature:
		for v := range typ.Params().Variables() {
			n.walk(where, v.Type())
		}
		for v := range typ.Results().Variables() {
			n.walk(where, v.Type())
		}
	case *types.Struct:
		for f := range typ.Fields() {
			if f.Exported() {
				n.walk(where+"."+f.Name(), f.Type())
			}
		}
	case *types.Interface:
		for m := range typ.ExplicitMethods() {
			n.walk(where+"."+m.Name(), m.Type())
		}
	}
}
