package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// event is one line of go test -json, build output included.
type event struct {
	Action, Package, ImportPath, Test, Output string
	Elapsed                                   float64
	FailedBuild                               string
}

// pkg is what is known of one package under test.
type pkg struct {
	output map[string]*strings.Builder // by test; "" is the package itself
	parent map[string]bool             // tests that have subtests
	result map[string]string           // pass, fail or skip
	order  []string
}

func newPkg() *pkg {
	return &pkg{output: map[string]*strings.Builder{}, parent: map[string]bool{}, result: map[string]string{}}
}

func (p *pkg) text(test string) string {
	if b := p.output[test]; b != nil {
		return b.String()
	}
	return ""
}

// goTest runs go test -json with args and tallies leaf tests: one with
// subtests counts through them. label goes in front of package names.
func goTest(label string, env []string, args ...string) tally {
	var t tally
	cmd := exec.Command("go", append([]string{"test", "-json"}, args...)...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.fail(label+"go test", err.Error())
		return t
	}
	pkgs := map[string]*pkg{}
	builds := map[string]*strings.Builder{}
	sc := bufio.NewScanner(out)
	sc.Buffer(nil, 16<<20)
	for sc.Scan() {
		var e event
		if json.Unmarshal(sc.Bytes(), &e) != nil {
			fmt.Println(sc.Text()) // go itself speaks plainly sometimes
			continue
		}
		if e.Action == "build-output" {
			if builds[e.ImportPath] == nil {
				builds[e.ImportPath] = &strings.Builder{}
			}
			builds[e.ImportPath].WriteString(e.Output)
			continue
		}
		if e.Package == "" {
			continue
		}
		p := pkgs[e.Package]
		if p == nil {
			p = newPkg()
			pkgs[e.Package] = p
		}
		done := p.take(e)
		if e.FailedBuild != "" && builds[e.FailedBuild] != nil {
			p.note("", builds[e.FailedBuild].String())
		}
		if done {
			pt := p.tally(label+shortName(e.Package), e.Action)
			report(label, e, pt)
			t.add(pt)
			delete(pkgs, e.Package)
		}
	}
	scanErr := sc.Err()
	err = cmd.Wait()
	for name, p := range pkgs { // go test ended without a word on these
		t.fail(label+shortName(name), "no result\n"+p.text(""))
	}
	if scanErr != nil {
		t.fail(label+"go test", scanErr.Error())
	}
	if err != nil && len(t.failed) == 0 {
		t.fail(label+"go test", err.Error())
	}
	return t
}

func report(label string, e event, t tally) {
	switch {
	case len(t.failed) > 0:
		fmt.Printf("   FAIL  %-40s %d passed, %d failed (%.1fs)\n", label+shortName(e.Package), t.passed, len(t.failed), e.Elapsed)
	case t.passed > 0:
		fmt.Printf("   ok    %-40s %d (%.1fs)\n", label+shortName(e.Package), t.passed, e.Elapsed)
	}
}

func (p *pkg) note(test, text string) {
	b := p.output[test]
	if b == nil {
		b = &strings.Builder{}
		p.output[test] = b
	}
	if b.Len() < 64<<10 {
		b.WriteString(text)
	}
}

// take records e. It says whether the package is finished.
func (p *pkg) take(e event) bool {
	switch e.Action {
	case "output":
		p.note(e.Test, e.Output)
	case "run":
		p.order = append(p.order, e.Test)
		if i := strings.LastIndexByte(e.Test, '/'); i > 0 {
			p.parent[e.Test[:i]] = true
		}
	case "pass", "fail", "skip":
		if e.Test == "" {
			return true
		}
		p.result[e.Test] = e.Action
		if e.Test != "" && !p.parent[e.Test] && e.Elapsed > 5 {
			fmt.Printf("         %s %s (%.1fs)\n", e.Action, e.Test, e.Elapsed)
		} else if e.Action == "fail" {
			fmt.Printf("         fail %s\n", e.Test)
		}
	}
	return false
}

// tally counts the finished package, whose own result is action.
func (p *pkg) tally(name, action string) tally {
	var t tally
	for _, test := range p.order {
		result := p.result[test]
		switch {
		case p.parent[test] && (result == "pass" || p.failedBelow(test)):
			// its subtests are counted
		case result == "pass":
			t.passed++
		case result == "fail":
			t.fail(name+" "+test, p.text(test))
		case result == "skip":
			t.fail(name+" "+test, "skipped: a check that cannot run has not passed\n"+p.text(test))
		default:
			t.fail(name+" "+test, "never ended\n"+p.text(test)+p.text(""))
		}
	}
	if action == "fail" && len(t.failed) == 0 {
		t.fail(name, p.text(""))
	}
	return t
}

func (p *pkg) failedBelow(test string) bool {
	for name, result := range p.result {
		if strings.HasPrefix(name, test+"/") && result != "pass" {
			return true
		}
	}
	return false
}

func shortName(pkg string) string {
	return strings.TrimPrefix(strings.TrimPrefix(pkg, "github.com/shoal-p2p/shoal"), "/")
}
