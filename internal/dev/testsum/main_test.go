package main

import (
	"strings"
	"testing"
	"time"
)

// feed runs a stream of go test -json events through a package.
func feed(events ...event) tally {
	p := newPkg()
	for _, e := range events {
		if p.take(e) {
			return p.tally("x", e.Action)
		}
	}
	return tally{}
}

func names(t tally) string {
	var all []string
	for _, f := range t.failed {
		all = append(all, f.name)
	}
	return strings.Join(all, ", ")
}

func TestTallyCountsLeaves(t *testing.T) {
	got := feed(
		event{Action: "run", Test: "A"}, event{Action: "run", Test: "A/1"}, event{Action: "run", Test: "A/2"},
		event{Action: "pass", Test: "A/1"}, event{Action: "pass", Test: "A/2"}, event{Action: "pass", Test: "A"},
		event{Action: "run", Test: "B"}, event{Action: "pass", Test: "B"},
		event{Action: "pass"},
	)
	if got.passed != 3 || len(got.failed) != 0 {
		t.Errorf("%d passed, failed: %s", got.passed, names(got))
	}
}

func TestTallyCountsWhatDidNotPass(t *testing.T) {
	for _, c := range []struct {
		name   string
		events []event
		failed string
	}{
		{"a subtest, not its parent too", []event{{Action: "run", Test: "A"}, {Action: "run", Test: "A/1"}, {Action: "fail", Test: "A/1"}, {Action: "fail", Test: "A"}, {Action: "fail"}}, "x A/1"},
		{"a parent by itself", []event{{Action: "run", Test: "A"}, {Action: "run", Test: "A/1"}, {Action: "pass", Test: "A/1"}, {Action: "fail", Test: "A"}, {Action: "fail"}}, "x A"},
		{"a skipped test", []event{{Action: "run", Test: "A"}, {Action: "skip", Test: "A"}, {Action: "pass"}}, "x A"},
		{"a test that never ended", []event{{Action: "run", Test: "A"}, {Action: "fail"}}, "x A"},
		{"a package that did not build", []event{{Action: "fail"}}, "x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := feed(c.events...); names(got) != c.failed {
				t.Errorf("failed: %q, want %q", names(got), c.failed)
			}
		})
	}
}

func TestLengthsNameWhatTookLong(t *testing.T) {
	got := lengths([]length{{"fmt", 200 * time.Millisecond}, {"go", 7*time.Minute + 2*time.Second}, {"e2e", 12 * time.Minute}})
	if want := "== time\n   go 7m2s, e2e 12m0s; 19m2s in all\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := lengths([]length{{"go", 26 * time.Minute}}); !strings.Contains(got, "that is long") {
		t.Errorf("26 minutes are said to be fine: %q", got)
	}
}
