package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
)

const (
	unitTimeout = "8m"
	e2eTimeout  = "30m"
)

// run executes a command and returns what it printed on either stream.
func run(env []string, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// check counts one command as one test.
func check(name string, env []string, args ...string) tally {
	var t tally
	if out, err := run(env, args[0], args[1:]...); err != nil {
		t.fail(name, out+err.Error())
		return t
	}
	t.passed++
	return t
}

func runFmt(options) tally {
	var t tally
	out, err := run(nil, "gofmt", "-l", ".")
	var wrong []string
	for line := range strings.Lines(out) {
		if !strings.Contains(line, "node_modules") {
			wrong = append(wrong, line)
		}
	}
	switch {
	case err != nil:
		t.fail("gofmt", out+err.Error())
	case len(wrong) > 0:
		t.fail("gofmt", "not formatted, `make fmt` does it:\n"+strings.Join(wrong, ""))
	default:
		t.passed++
	}
	return t
}

func runVet(options) tally { return check("go vet", nil, "go", "vet", "./...") }

// platforms are where the product has to compile without a C compiler. Foreign
// ones are compiled without optimisation: whether it compiles is the question,
// and nothing of it is used again.
var platforms = []string{"linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64", "windows/amd64", "windows/arm64"}

func runCross(options) tally {
	var t tally
	for _, p := range platforms {
		goos, goarch, _ := strings.Cut(p, "/")
		args := []string{"go", "build", "-o", os.DevNull}
		if goos != runtime.GOOS || goarch != runtime.GOARCH {
			args = append(args, "-gcflags=all=-N -l -dwarf=false", "-ldflags=-s -w")
		}
		t.add(check("compile for "+p, []string{"CGO_ENABLED=0", "GOOS=" + goos, "GOARCH=" + goarch}, append(args, "./cmd/shoal")...))
	}
	t.add(check("compile for js/wasm", []string{"GOOS=js", "GOARCH=wasm"}, "go", "build", "-o", os.DevNull, "./cmd/shoal-wasm"))
	return t
}

// listed is one package of the project as go list sees it.
type listed struct {
	path  string // below the module
	tests bool
}

func list(env []string, patterns ...string) ([]listed, error) {
	const format = `{{if and .Module .Module.Main}}{{.ImportPath}}|{{if or .TestGoFiles .XTestGoFiles}}y{{end}}{{end}}`
	out, err := run(env, "go", append([]string{"list", "-f", format}, patterns...)...)
	if err != nil {
		return nil, fmt.Errorf("go list: %v\n%s", err, out)
	}
	var all []listed
	for line := range strings.Lines(out) {
		f := strings.Split(strings.TrimSpace(line), "|")
		if len(f) == 2 {
			all = append(all, listed{shortName(f[0]), f[1] == "y"})
		}
	}
	return all, nil
}

// runWasm runs the tests of everything that a tab's engine is made of, as a tab
// has it: compiled to WebAssembly.
func runWasm(options) tally {
	var t tally
	goroot, err := run(nil, "go", "env", "GOROOT")
	if err != nil {
		t.fail("wasm", goroot)
		return t
	}
	env := []string{"GOOS=js", "GOARCH=wasm"}
	pkgs, err := list(env, "-deps", "./cmd/shoal-wasm")
	if err != nil {
		t.fail("wasm", err.Error())
		return t
	}
	// wasm_exec hands the whole environment to the program, in 12 KiB with
	// its arguments; a developer's may be larger. So it runs with little.
	dir := filepath.Join(strings.TrimSpace(goroot), "lib", "wasm")
	wrapper, err := os.CreateTemp("", "shoal-wasm-exec-*")
	if err != nil {
		t.fail("wasm", err.Error())
		return t
	}
	defer os.Remove(wrapper.Name())
	fmt.Fprintf(wrapper, "#!/bin/sh\nexec env -i HOME=\"${TMPDIR:-/tmp}\" PATH=\"$PATH\" \"%s\" \"$@\"\n", filepath.Join(dir, "go_js_wasm_exec"))
	wrapper.Chmod(0o700)
	wrapper.Close()
	args := []string{"-short", "-timeout", unitTimeout, "-exec", wrapper.Name()}
	for _, p := range pkgs {
		if p.tests {
			args = append(args, "./"+p.path)
		}
	}
	return goTest("js/wasm ", env, args...)
}

func runGo(opt options) tally {
	var t tally
	pkgs, err := list(nil, "./...")
	if err != nil {
		t.fail("go", err.Error())
		return t
	}
	args := []string{"-timeout", unitTimeout, "-run", opt.run}
	for _, p := range pkgs {
		if p.path != "test" && !strings.HasPrefix(p.path, "test/") {
			args = append(args, "./"+p.path)
		}
	}
	return goTest("", nil, args...)
}

// runE2E runs the end-to-end tests alone, so that no unit test takes the
// processor from a playing video.
func runE2E(opt options) tally {
	return goTest("", nil, "-count", "1", "-p", "1", "-timeout", e2eTimeout, "-run", opt.run, "./test/...")
}

var fuzzName = regexp.MustCompile(`(?m)^Fuzz\w+`)

func runFuzz(opt options) tally {
	var t tally
	pkgs, err := list(nil, "./...")
	if err != nil {
		t.fail("fuzz", err.Error())
		return t
	}
	for _, p := range pkgs {
		if !p.tests {
			continue
		}
		out, err := run(nil, "go", "test", "-list", "^Fuzz", "./"+p.path)
		if err != nil {
			t.fail("fuzz "+p.path, out)
			continue
		}
		targets := fuzzName.FindAllString(out, -1)
		slices.Sort(targets)
		for _, name := range targets {
			fmt.Printf("   %s %s\n", p.path, name)
			t.add(check("fuzz "+p.path+" "+name, nil, "go", "test", "-run", "^$", "-fuzz", "^"+name+"$", "-fuzztime", opt.fuzzTime.String(), "./"+p.path))
		}
	}
	return t
}
