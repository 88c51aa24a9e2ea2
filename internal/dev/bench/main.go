//go:build unix

// Command bench measures Shoal beside its rivals in one run, on this machine.
//
// Absolute numbers drift with the machine and its load; what counts is the
// ratio of two programs measured in turn. Each row is the median of some rounds,
// and rounds of rivals alternate. The table goes to stdout as Markdown, what
// happens meanwhile to stderr.
//
// The groups, and how long they take with the rounds that they have by default:
//
//	size     what a visitor downloads                           no time
//	play     what a person waits for, in a browser              2 minutes
//	web      a tab of Shoal beside one of webtorrent.js        20 minutes
//	tcp      1 GiB between all pairs of Shoal and libtorrent    8 minutes
//	mse      the same with all bytes encrypted                 14 minutes
//	webrtc   native to native, and into a tab                   8 minutes
//	engine   the engine alone; allocations a block              3 minutes
//	sim      swarms on a virtual clock                          5 minutes
//	idle     ten thousand idle torrents                         2 minutes
//	limits   how well rate limits are kept                      2 minutes
//	tracker  the tracker beside others                         15 minutes
//
//	make bench ARGS='-rounds 3 -only tcp,limits'
//	make bench ARGS='-only web -row down,tab'
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
)

type config struct {
	rounds  int // 0: as many as the group likes
	webSize int64
	tcpSize int64
	rtcSize int64
	only    string
	webRow  string

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
	{"mse", (*bench).mse},
	{"webrtc", (*bench).webrtc},
	{"engine", (*bench).engine},
	{"sim", (*bench).sim},
	{"idle", (*bench).idle},
	{"limits", (*bench).limits},
	{"tracker", (*bench).tracker},
}

func names() (all []string) {
	for _, g := range groups {
		all = append(all, g.name)
	}
	return all
}

func webNames() (all []string) {
	for _, r := range webRows {
		all = append(all, r.name)
	}
	return all
}

func main() {
	var c config
	flag.IntVar(&c.rounds, "rounds", 0, "measure everything so often and take the median; 0 means 5, fewer for what takes long, 2 for the tracker")
	flag.Int64Var(&c.webSize, "web-size", 256<<20, "bytes of a transfer that a browser takes part in; large ones are 4 and 8 times that")
	flag.StringVar(&c.webRow, "row", "", "of the group web only these measurements, separated by commas: "+strings.Join(webNames(), ", "))
	flag.Int64Var(&c.tcpSize, "tcp-size", 1<<30, "bytes of a transfer over TCP")
	flag.Int64Var(&c.rtcSize, "rtc-size", 256<<20, "bytes of a transfer over WebRTC beside bare senders")
	flag.IntVar(&c.idleConns, "idle-conns", 0, "idle WebSockets at a tracker; 0 means 50,000, or what the limit of open files allows")
	flag.DurationVar(&c.trackerTime, "tracker-time", 0, "length of each measurement of a tracker; 0 means 10 to 20 s")
	flag.StringVar(&c.only, "only", "", "only these groups, separated by commas: "+strings.Join(names(), ", "))
	flag.Parse()
	for g := range strings.SplitSeq(c.only, ",") {
		if g != "" && !slices.Contains(names(), g) {
			fmt.Fprintf(os.Stderr, "bench: no group is called %q\n", g)
			os.Exit(2)
		}
	}

	for r := range strings.SplitSeq(c.webRow, ",") {
		if r != "" && !slices.Contains(webNames(), r) {
			fmt.Fprintf(os.Stderr, "bench: no measurement of the web is called %q\n", r)
			os.Exit(2)
		}
	}

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
