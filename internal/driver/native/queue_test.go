//go:build !js

package native

import (
	"testing"
	"time"
)

func TestAdmit(t *testing.T) {
	const (
		d = iota // a download
		s        // a seed
	)
	of := func(kind int, w will, stalled bool) standing {
		return standing{will: w, complete: kind == s, stalled: stalled}
	}
	for _, c := range []struct {
		name   string
		limits Limits
		list   []standing
		want   string // r runs, q is queued, - neither
	}{
		{"in the order of the queue", Limits{2, 1}, []standing{
			of(d, will{}, false), of(s, will{}, false), of(d, will{}, false), of(d, will{}, false), of(s, will{}, false),
		}, "rrrqq"},
		{"what is paused or rests takes no place", Limits{1, 1}, []standing{
			of(d, will{paused: true}, false), of(s, will{rested: true}, false), of(d, will{}, false), of(s, will{}, false),
		}, "--rr"},
		{"what is forced or manual takes none either", Limits{1, 1}, []standing{
			of(d, will{forced: true}, false), of(d, will{manual: true}, false), of(d, will{}, false), of(d, will{}, false),
		}, "rrrq"},
		{"force is stronger than a goal, a pause is stronger than force", Limits{1, 1}, []standing{
			of(s, will{forced: true, rested: true}, false), of(s, will{forced: true, paused: true}, false),
		}, "r-"},
		{"what has found nobody lets others try", Limits{1, 1}, []standing{
			of(d, will{active: true}, true), of(d, will{}, false), of(d, will{}, false),
		}, "rrq"},
		{"no limit", Limits{-1, -1}, []standing{of(d, will{}, false), of(d, will{}, false), of(s, will{}, false)}, "rrr"},
	} {
		admit(c.list, c.limits)
		got := ""
		for _, x := range c.list {
			switch {
			case x.active:
				got += "r"
			case x.queued:
				got += "q"
			default:
				got += "-"
			}
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	var l Limits
	if l.fill(); l.Downloads != 20 || l.Seeds != -1 {
		t.Errorf("the defaults are %+v", l)
	}
}

func TestGoals(t *testing.T) {
	for _, c := range []struct {
		goals          Goals
		up, down, size int64
		seeded         time.Duration
		want           bool
	}{
		{Goals{}, 1 << 40, 1, 1, 1e9 * time.Second / 1e9, false},
		{Goals{Ratio: 1.5}, 149, 100, 1000, 0, false},
		{Goals{Ratio: 1.5}, 150, 100, 1000, 0, true},
		{Goals{Ratio: 1.5}, 1499, 0, 1000, 0, false}, // complete from the start
		{Goals{Ratio: 1.5}, 1500, 0, 1000, 0, true},
		{Goals{Time: time.Hour}, 0, 100, 100, time.Hour - 1, false},
		{Goals{Time: time.Hour}, 0, 100, 100, time.Hour, true},
		{Goals{Ratio: 9, Time: time.Hour}, 0, 100, 100, time.Hour, true}, // the first counts
	} {
		if got := c.goals.reached(ratio(c.up, c.down, c.size), c.seeded); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
