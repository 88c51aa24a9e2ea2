//go:build unix

package main

import (
	"errors"
	"strings"
	"testing"
)

func TestRowOfPairs(t *testing.T) {
	seconds := func(o outcome) float64 { return o.Seconds }
	run := func(s float64) outcome { return outcome{report: report{Seconds: s}} }
	broken := outcome{err: failedBy(errors.New("the page: no | here\nand a log"))}
	p := pairs{ours: []outcome{run(1), run(2), broken, run(4)}, theirs: []outcome{run(2), run(8), run(1), run(4)}}
	r := p.row("x", seconds, inSeconds, "0.5 x or less", most(0.5))
	if r.ours != "2.00 s" || r.rival != "3.00 s" || r.ratio != "0.50 x (3 pairs, 0.25 to 1.00)" || !r.ok {
		t.Errorf("%+v", r)
	}
	if r := p.row("x", seconds, inSeconds, "-", least(0.6)); r.ok {
		t.Errorf("%+v", r)
	}
	p = pairs{ours: []outcome{broken}, theirs: []outcome{run(1)}}
	for _, fine := range []func(_, _ float64) bool{most(1), least(0), func(ours, _ float64) bool { return ours <= 50 }} {
		if r := p.row("x", seconds, inSeconds, "-", fine); r.ok || r.ours != "failed: the page: no / here" || r.ratio != "-" {
			t.Errorf("%+v", r)
		}
	}
	if r := (pairs{ours: []outcome{run(1)}}).row("x", seconds, inSeconds, "-", func(ours, _ float64) bool { return ours == 1 }); !r.ok || r.rival != "-" {
		t.Errorf("%+v", r)
	}
}

func TestRowOfConnections(t *testing.T) {
	run := func(made, used, open int) outcome {
		return outcome{report: report{Made: made, Used: used, Open: open}}
	}
	p := pairs{ours: []outcome{run(2, 1, 1), run(3, 1, 2), run(2, 1, 1)}, theirs: []outcome{run(6, 1, 5)}}
	if r := p.connections("then"); !r.ok || r.ours != "2 / 1 / 1" || r.rival != "6 / 1 / 5" {
		t.Errorf("%+v", r)
	}
	p.ours = p.theirs
	if r := p.connections("then"); r.ok {
		t.Errorf("%+v", r)
	}
	p.ours = []outcome{run(2, 0, 0)}
	if r := p.connections("then"); r.ok || !strings.HasPrefix(r.ours, "2 / 0") {
		t.Errorf("nothing was carried: %+v", r)
	}
}

// A measurement that breaks is told of in its place, and the next one goes on.
func TestDuelGoesOnAfterAFailure(t *testing.T) {
	b := &bench{}
	var order []string
	p := b.duel("x", 2, func(library string) outcome {
		order = append(order, library)
		if library == theirLibrary {
			b.Fatalf("broken")
		}
		return outcome{report: report{Seconds: 1}}
	})
	if got := strings.Join(order, " "); got != "shoal webtorrent webtorrent shoal" {
		t.Errorf("in the order %s", got)
	}
	if len(p.ours) != 2 || len(p.theirs) != 2 || p.ours[1].err != "" || p.theirs[0].err != "failed: broken" || len(b.broken) != 2 {
		t.Errorf("%+v, %v", p, b.broken)
	}
}
