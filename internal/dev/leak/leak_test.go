package leak

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// fake stands for the test that is checked.
type fake struct {
	cleanups []func()
	failed   bool
	text     string
}

func (f *fake) Helper()                   {}
func (f *fake) Setenv(_, _ string)        {}
func (f *fake) Failed() bool              { return f.failed }
func (f *fake) Cleanup(clean func())      { f.cleanups = append(f.cleanups, clean) }
func (f *fake) Errorf(s string, a ...any) { f.failed, f.text = true, fmt.Sprintf(s, a...) }

// end runs the cleanups as package testing does: the last one first.
func (f *fake) end() {
	for i := len(f.cleanups) - 1; i >= 0; i-- {
		f.cleanups[i]()
	}
}

func leftBehind(quit chan struct{}) { <-quit }

func TestGoroutineLeftBehindIsNamed(t *testing.T) {
	quit := make(chan struct{})
	defer close(quit)
	var f fake
	check(&f, 20*time.Millisecond)
	go leftBehind(quit)
	go leftBehind(quit)
	f.end()
	if !f.failed || !strings.Contains(f.text, "2 goroutines") || strings.Count(f.text, "leak.leftBehind(") != 2 {
		t.Errorf("failed %v with %q", f.failed, f.text)
	}
}

func TestWhatEndsInTimeOrRanBeforeIsNoLeak(t *testing.T) {
	before, during := make(chan struct{}), make(chan struct{})
	defer close(before)
	go leftBehind(before)
	var f fake
	check(&f, 10*time.Second)
	go leftBehind(during)
	f.Cleanup(func() { time.AfterFunc(30*time.Millisecond, func() { close(during) }) })
	f.end()
	if f.failed {
		t.Error(f.text)
	}
}

func TestFailedTestIsLeftAlone(t *testing.T) {
	quit := make(chan struct{})
	defer close(quit)
	f := fake{}
	check(&f, time.Hour)
	go leftBehind(quit)
	f.failed = true
	f.end()
	if f.text != "" {
		t.Error(f.text)
	}
}

func TestManyGoroutinesAreSeenWhole(t *testing.T) {
	quit := make(chan struct{})
	defer close(quit)
	const n = 3000 // their stacks are larger than the first buffer
	for range n {
		go leftBehind(quit)
	}
	got := 0
	for _, g := range running() {
		if strings.Contains(g.stack, "created by") && strings.Contains(g.stack, "TestManyGoroutinesAreSeenWhole") {
			got++
		}
	}
	if got != n {
		t.Errorf("%d goroutines seen of %d", got, n)
	}
}

func TestCheckInARealTest(t *testing.T) {
	Check(t)
	done := make(chan struct{})
	go leftBehind(done)
	close(done)
}
