package main

import (
	"fmt"
	"strings"
	"time"
)

// wholeRun is how long all suites together may take: whoever waits for them
// does not wait longer, and something may stop them then.
const wholeRun = 30 * time.Minute

// length is how long a suite took.
type length struct {
	suite string
	took  time.Duration
}

// lengths says where the time went, and whether it gets too much: a suite that
// grows is noticed before the run is too long.
func lengths(all []length) string {
	var sum time.Duration
	var parts []string
	for _, l := range all {
		sum += l.took
		if l.took >= time.Second {
			parts = append(parts, fmt.Sprintf("%s %s", l.suite, l.took.Round(time.Second)))
		}
	}
	s := fmt.Sprintf("== time\n   %s; %s in all\n", strings.Join(parts, ", "), sum.Round(time.Second))
	if sum > wholeRun*5/6 {
		s += fmt.Sprintf("   that is long: the whole run is to stay below %s\n", wholeRun)
	}
	return s
}
