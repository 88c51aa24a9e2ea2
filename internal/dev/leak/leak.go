// Package leak fails a test that leaves goroutines behind.
//
// A test that opens something and closes it calls [Check] first of all:
//
//	func TestCloseEndsEverything(t *testing.T) {
//		leak.Check(t)
//		...
//	}
package leak

import (
	"runtime"
	"strings"
	"time"
)

// T is what [Check] needs of *testing.T and *testing.B.
type T interface {
	Helper()
	Cleanup(func())
	Failed() bool
	Errorf(format string, args ...any)
	Setenv(key, value string)
}

// patience is how long goroutines may take to end after what a test closed.
// Only a test that leaks waits so long.
const patience = 10 * time.Second

// Check fails the test if goroutines that did not run yet when it was called
// still run at the end, after all cleanups registered later. So it comes first.
// Goroutines have some seconds to end; those that do not are listed with their
// stacks, even where no code of ours is on them: what a library runs for us is ours.
//
// It does not work beside other tests, so a test that calls it cannot be
// parallel: t.Parallel panics. A test that failed already is left alone.
func Check(t T) {
	t.Helper()
	check(t, patience)
}

func check(t T, patience time.Duration) {
	t.Helper()
	t.Setenv("SHOAL_LEAK_CHECK", "1") // what package testing forbids parallel tests
	before := map[string]bool{}
	for _, g := range running() {
		before[g.id] = true
	}
	t.Cleanup(func() {
		t.Helper()
		if t.Failed() {
			return
		}
		pause := time.Millisecond
		for end := time.Now().Add(patience); ; pause = min(2*pause, 100*time.Millisecond) {
			var left []goroutine
			for _, g := range running() {
				if !before[g.id] && !g.harmless() {
					left = append(left, g)
				}
			}
			if len(left) == 0 {
				return
			}
			if time.Now().After(end) {
				t.Errorf("%d goroutines are left %v after the end:\n\n%s", len(left), patience, text(left))
				return
			}
			time.Sleep(pause)
		}
	})
}

// A goroutine is one entry of a dump of all stacks.
type goroutine struct {
	id    string
	stack string // its first line names the goroutine and its state
}

// running lists all goroutines but the one that calls.
func running() []goroutine {
	buf := make([]byte, 256<<10)
	n := runtime.Stack(buf, true)
	for n == len(buf) { // cut short
		buf = make([]byte, 2*len(buf))
		n = runtime.Stack(buf, true)
	}
	var all []goroutine
	for i, stack := range strings.Split(string(buf[:n]), "\n\n") {
		rest, ok := strings.CutPrefix(stack, "goroutine ")
		id, _, _ := strings.Cut(rest, " ")
		if ok && i > 0 { // the first is the caller's
			all = append(all, goroutine{id, strings.TrimSpace(stack)})
		}
	}
	return all
}

// lasting are the goroutines that the standard library starts once and keeps.
var lasting = []string{
	"created by os/signal.Notify",
	"created by testing.(*T).Run",  // the tests themselves
	"created by testing.(*T).Fuzz", // likewise
	"testing.(*M).startAlarm",      // -timeout
}

// harmless says whether nothing a test does could end it.
func (g goroutine) harmless() bool {
	for _, s := range lasting {
		if strings.Contains(g.stack, s) {
			return true
		}
	}
	return false
}

// text shows the stacks of a few goroutines.
func text(all []goroutine) string {
	const most = 10
	var b strings.Builder
	for i, g := range all {
		if i == most {
			b.WriteString("... and more\n")
			break
		}
		b.WriteString(g.stack + "\n\n")
	}
	return b.String()
}
