//go:build unix

package main

import (
	"bytes"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"github.com/shoal-p2p/shoal/test/rig"
)

// goTest runs go test in the root of the repository and returns what it said,
// which is worth something even where a test fails.
func (b *bench) goTest(args ...string) string {
	cmd := exec.Command("go", append([]string{"test", "-count", "1", "-timeout", "30m"}, args...)...)
	cmd.Dir = rig.Root()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		b.broken = append(b.broken, fmt.Errorf("go test %s: %w\n%s", strings.Join(args, " "), err, lastLines(out.String(), 30)))
	}
	return out.String()
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// figure is one line that a test prints for the table:
//
//	figure: NAME VALUE UNIT [<= LIMIT | >= LIMIT]
//
// NAME is one word, with hyphens for spaces; UNIT is one word as well. The limit
// is what is wanted, in the same unit; the test that prints it asserts it.
type figure struct {
	name  string
	value float64
	unit  string
	most  bool // the limit is an upper one
	limit float64
	asked bool // there is a limit
}

// figures finds the lines in what go test -v printed, where a log line begins
// with the place it comes from.
func figures(out string) (all []figure, err error) {
	for line := range strings.Lines(out) {
		_, rest, ok := strings.Cut(line, "figure: ")
		if !ok {
			continue
		}
		f := strings.Fields(rest)
		bad := fmt.Errorf("%q is not of the form figure: NAME VALUE UNIT [<= LIMIT | >= LIMIT]", strings.TrimSpace(line))
		if len(f) != 3 && len(f) != 5 {
			return nil, bad
		}
		x := figure{name: f[0], unit: f[2]}
		if x.value, err = strconv.ParseFloat(f[1], 64); err != nil {
			return nil, bad
		}
		if len(f) == 5 {
			x.asked, x.most = true, f[3] == "<="
			if x.limit, err = strconv.ParseFloat(f[4], 64); err != nil || f[3] != "<=" && f[3] != ">=" {
				return nil, bad
			}
		}
		all = append(all, x)
	}
	return all, nil
}

func (f figure) row(load string) row {
	r := row{what: load + ": " + strings.ReplaceAll(f.name, "-", " "), ours: strconv.FormatFloat(f.value, 'f', -1, 64) + " " + f.unit, rival: "-", ratio: "-", target: "-", ok: true}
	if f.asked {
		r.target, r.ok = fmt.Sprintf("%g %s or more", f.limit, f.unit), f.value >= f.limit
		if f.most {
			r.target, r.ok = fmt.Sprintf("%g %s or less", f.limit, f.unit), f.value <= f.limit
		}
	}
	return r
}

// figuresOf runs one test and makes a row of each figure it prints. A test that
// prints none leaves a row that says so.
func (b *bench) figuresOf(load, pkg, test string, args ...string) {
	b.round(test, func() {
		out := b.goTest(append([]string{"-v", "-run", "^" + test + "$", pkg}, args...)...)
		all, err := figures(out)
		if err == nil && len(all) == 0 {
			err = fmt.Errorf("%s in %s printed no figure", test, pkg)
		}
		if err != nil {
			b.rows = append(b.rows, row{what: load, ours: "failed", rival: "-", ratio: "-", target: "-"})
			b.Fatalf("%v", err)
		}
		for _, f := range all {
			b.rows = append(b.rows, f.row(load))
		}
	})
}

// benchmark is a Go benchmark and the medians of its metrics by their units.
type benchmark struct {
	name    string
	metrics map[string]float64
}

// benchmarks reads what go test -bench printed, several lines for one benchmark
// where it ran several times.
func benchmarks(out string) (all []benchmark) {
	values := map[string]map[string][]float64{}
	var order []string
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		if len(f) < 4 || len(f)%2 != 0 || !strings.HasPrefix(f[0], "Benchmark") {
			continue
		}
		name := f[0]
		if i := strings.LastIndexByte(name, '-'); i > 0 { // the number of processors
			if _, err := strconv.Atoi(name[i+1:]); err == nil {
				name = name[:i]
			}
		}
		if values[name] == nil {
			values[name] = map[string][]float64{}
			order = append(order, name)
		}
		for i := 2; i < len(f); i += 2 {
			if v, err := strconv.ParseFloat(f[i], 64); err == nil {
				values[name][f[i+1]] = append(values[name][f[i+1]], v)
			}
		}
	}
	for _, name := range order {
		x := benchmark{name: strings.TrimPrefix(name, "Benchmark"), metrics: map[string]float64{}}
		for unit, list := range values[name] {
			slices.Sort(list)
			x.metrics[unit] = list[len(list)/2]
		}
		all = append(all, x)
	}
	return all
}
