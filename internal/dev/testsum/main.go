// Command testsum runs every check of the project and ends with one line that
// counts them: "N passed, N failed".
//
// Its arguments pick the suites; without any it runs all of them:
//
//	fmt    every Go file is as gofmt writes it
//	vet    go vet
//	cross  the product compiles for every platform
//	wasm   the tests of all a tab's engine is made of, compiled to WebAssembly, run by node
//	web    the unit tests of the TypeScript modules
//	go     the tests of all packages but test/...
//	e2e    the tests of test/...: the real binary, browsers, foreign clients
//	fuzz   each fuzz target for -fuzztime (never part of the default)
//
// A suite without a single test has failed, so has a skipped test: what cannot
// be checked is not known to work.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// tally counts what ran. Failures keep enough text to be understood alone.
type tally struct {
	passed int
	failed []failure
}

type failure struct{ name, output string }

func (t *tally) fail(name, output string) { t.failed = append(t.failed, failure{name, output}) }

func (t *tally) add(o tally) {
	t.passed += o.passed
	t.failed = append(t.failed, o.failed...)
}

// options are the command line, as far as suites need it.
type options struct {
	run      string        // -run of go test, empty for all
	fuzzTime time.Duration // per fuzz target
}

var suites = []struct {
	name string
	run  func(options) tally
}{
	{"fmt", runFmt},
	{"vet", runVet},
	{"cross", runCross},
	{"wasm", runWasm},
	{"web", runWeb},
	{"go", runGo},
	{"e2e", runE2E},
	{"fuzz", runFuzz},
}

func main() {
	var opt options
	flag.StringVar(&opt.run, "run", "", "run only the tests that match this expression")
	flag.DurationVar(&opt.fuzzTime, "fuzztime", 30*time.Second, "how long each fuzz target runs")
	flag.Parse()
	chosen := flag.Args()
	if len(chosen) == 0 {
		chosen = []string{"fmt", "vet", "cross", "wasm", "web", "go", "e2e"}
	}
	// A terminal's Ctrl-C reaches the children as well; let them end first.
	signal.Notify(make(chan os.Signal, 1), os.Interrupt, syscall.SIGTERM)

	var all tally
	var took []length
	for _, name := range chosen {
		suite := -1
		for i := range suites {
			if suites[i].name == name {
				suite = i
			}
		}
		if suite < 0 {
			fmt.Fprintf(os.Stderr, "testsum: no suite is called %q\n", name)
			os.Exit(2)
		}
		start := time.Now()
		fmt.Printf("== %s\n", name)
		t := suites[suite].run(opt)
		if t.passed == 0 && len(t.failed) == 0 {
			t.fail(name, "no test ran")
		}
		fmt.Printf("   %d passed, %d failed in %s\n", t.passed, len(t.failed), time.Since(start).Round(100*time.Millisecond))
		all.add(t)
		took = append(took, length{name, time.Since(start)})
	}
	if len(took) > 1 {
		fmt.Print(lengths(took))
	}
	if len(all.failed) > 0 {
		fmt.Printf("\n== failures\n")
		for _, f := range all.failed {
			fmt.Printf("\n--- %s\n%s\n", f.name, f.output)
		}
		fmt.Println()
		for _, f := range all.failed {
			fmt.Println("failed:", f.name)
		}
	}
	fmt.Printf("%d passed, %d failed\n", all.passed, len(all.failed))
	if len(all.failed) > 0 || all.passed == 0 {
		os.Exit(1)
	}
}
