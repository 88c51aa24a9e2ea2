//go:build unix

package main

import (
	"os"
	"slices"
	"strings"
	"testing"
)

func TestFigures(t *testing.T) {
	got, err := figures(`=== RUN   TestPlayback
    play_test.go:12: figure: start-median 1.32 s <= 1.5
figure: goroutines 41 goroutines
    play_test.go:13: seed 7: 1.3 s
    play_test.go:14: figure: complete 99.5 % >= 100
--- PASS: TestPlayback (3.11s)
`)
	if err != nil {
		t.Fatal(err)
	}
	want := []figure{
		{name: "start-median", value: 1.32, unit: "s", asked: true, most: true, limit: 1.5},
		{name: "goroutines", value: 41, unit: "goroutines"},
		{name: "complete", value: 99.5, unit: "%", asked: true, limit: 100},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	for i, want := range []row{
		{what: "film: start median", ours: "1.32 s", rival: "-", ratio: "-", target: "1.5 s or less", ok: true},
		{what: "film: goroutines", ours: "41 goroutines", rival: "-", ratio: "-", target: "-", ok: true},
		{what: "film: complete", ours: "99.5 %", rival: "-", ratio: "-", target: "100 % or more", ok: false},
	} {
		if r := got[i].row("film"); r != want {
			t.Errorf("got %+v, want %+v", r, want)
		}
	}
}

func TestFiguresRefuseWhatTheyDoNotUnderstand(t *testing.T) {
	for _, line := range []string{"figure: start 1.3", "figure: start fast s", "figure: a b 1 s", "figure: start 1 s < 2", "figure: start 1 s <= two"} {
		if got, err := figures(line); err == nil {
			t.Errorf("%q is taken for %+v", line, got)
		}
	}
}

func TestBenchmarks(t *testing.T) {
	got := benchmarks(`goos: linux
pkg: github.com/shoal-p2p/shoal/internal/engine/torrent
BenchmarkBlock/200-seeds-2         	 1000000	      1100 ns/op	       2 B/op	       0 allocs/op
BenchmarkBlock/200-seeds-2         	 1000000	      1300 ns/op	       2 B/op	       0 allocs/op
BenchmarkBlock/200-seeds-2         	 1000000	      9900 ns/op	       2 B/op	       0 allocs/op
BenchmarkDownload 	     100	  90000000 ns/op	         0.0021 allocs/block	 745 MB/s
PASS
ok  	github.com/shoal-p2p/shoal/internal/engine/torrent	3.1s
`)
	if len(got) != 2 || got[0].name != "Block/200-seeds" || got[0].metrics["ns/op"] != 1300 || got[0].metrics["allocs/op"] != 0 ||
		got[1].name != "Download" || got[1].metrics["allocs/block"] != 0.0021 {
		t.Errorf("got %+v", got)
	}
	if what := got[0].what(); what != "block, 200 seeds" {
		t.Errorf("called %q", what)
	}
}

func TestMedian(t *testing.T) {
	var r runs
	if r.seconds() != 0 || r.rate(1) != 0 || r.speed(1) != "failed" {
		t.Error("nothing measured is something")
	}
	for _, s := range []float64{5, 1, 2, 90} {
		r.take(run{seconds: s, user: s, system: 1, memory: int64(s)})
	}
	if r.seconds() != 3.5 || r.cpu() != 4.5 || r.peak() != 90 || r.rate(7e6) != 2 {
		t.Errorf("%v s, %v s of processor, %v bytes, %v MB/s", r.seconds(), r.cpu(), r.peak(), r.rate(7e6))
	}
}

func TestCompare(t *testing.T) {
	ours, theirs := runs{{seconds: 1}, {seconds: 2}, {seconds: 2}}, runs{{seconds: 3}, {seconds: 2}, {seconds: 4}}
	if r := compare("x", 6e6, ours, theirs, 1.5); !r.ok || r.ratio != "1.50 x (pairs 1.00 to 3.00)" || r.ours != "3.0 MB/s" || r.target != "1.5 x or more" {
		t.Errorf("%+v", r)
	}
	if r := compare("x", 6e6, ours, theirs, 1.6); r.ok {
		t.Errorf("%+v", r)
	}
	if r := compare("x", 6e6, nil, theirs, 0); r.ok || r.ours != "failed" {
		t.Errorf("%+v", r)
	}
	if r := compareTime("x", 3, 10, 0.3); !r.ok || r.ratio != "0.30 x" {
		t.Errorf("%+v", r)
	}
	if compareTime("x", 3.2, 10, 0.3).ok || compareTime("x", 0, 10, 0.3).ok {
		t.Error("too much, or what was not measured, is fine")
	}
}

func TestUsageOfThisProcess(t *testing.T) {
	stop := watch(os.Getpid())
	block := make([]byte, 64<<20)
	for i := range block {
		block[i] = byte(i)
	}
	for i := 0; i < 40; i++ { // some hundredths of a second, whatever the machine
		if strings.Count(string(block), "\x00") == 0 {
			t.Fatal("lost")
		}
	}
	u := stop()
	if u.user+u.system <= 0 || u.peak < int64(len(block)) {
		t.Errorf("%+v", u)
	}
	if _, ok := usageOf(-1); ok {
		t.Error("there is no such process")
	}
}
