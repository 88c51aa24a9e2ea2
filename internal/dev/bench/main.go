//go:build unix

// Command bench measures Shoal beside its rivals in one run, on this machine.
//
// Absolute numbers drift with the machine and its load; what counts is the
// ratio of two programs measured in turn. Each row is the best of some rounds,
// and rounds of rivals alternate. The table goes to stdout as Markdown.
//
//	make bench ARGS='-rounds 3 -only tcp'
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"time"
)

type config struct {
	rounds  int
	webSize int64
	tcpSize int64
	only    string

	idleConns   int
	trackerTime time.Duration
}

// row is one line of the table.
type row struct {
	what          string
	ours, rival   string
	ratio, target string
	ok            bool
}

var groups = []struct {
	name string
	run  func(*bench)
}{
	{"size", (*bench).sizes},
	{"play", (*bench).play},
	{"web", (*bench).web},
	{"tcp", (*bench).tcp},
	{"tracker", (*bench).tracker},
}

func main() {
	var c config
	flag.IntVar(&c.rounds, "rounds", 2, "measure everything so often and keep the best")
	flag.Int64Var(&c.webSize, "web-size", 128<<20, "bytes of a transfer that a browser takes part in")
	flag.Int64Var(&c.tcpSize, "tcp-size", 1<<30, "bytes of a transfer over TCP")
	flag.IntVar(&c.idleConns, "idle-conns", 0, "idle WebSockets at a tracker; 0 means 50,000, or what the limit of open files allows")
	flag.DurationVar(&c.trackerTime, "tracker-time", 0, "length of each measurement of a tracker; 0 means 10 to 20 s")
	flag.StringVar(&c.only, "only", "", "only these groups, separated by commas: size, play, web, tcp, tracker")
	flag.Parse()

	b := &bench{config: c}
	failed := false
	for _, g := range groups {
		if c.only != "" && !strings.Contains(","+c.only+",", ","+g.name+",") {
			continue
		}
		start := time.Now()
		if err := b.group(g.run); err != nil {
			fmt.Fprintf(os.Stderr, "bench %s: %v\n", g.name, err)
			failed = true
		}
		fmt.Fprintf(os.Stderr, "bench %s took %s\n", g.name, time.Since(start).Round(time.Second))
	}
	fmt.Println("| what | Shoal | rival | ratio | wanted | |")
	fmt.Println("|---|---|---|---|---|---|")
	for _, r := range b.rows {
		mark := "yes"
		if !r.ok {
			mark = "**no**"
		}
		fmt.Printf("| %s | %s | %s | %s | %s | %s |\n", r.what, r.ours, r.rival, r.ratio, r.target, mark)
	}
	if failed {
		os.Exit(1)
	}
}
