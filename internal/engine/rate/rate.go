// Package rate estimates bytes a second from events on a virtual clock.
package rate

import (
	"math"
	"time"
)

// Meter is an exponentially weighted average. The zero Meter is ready.
type Meter struct {
	// Tau is the time constant in seconds; 0 means 3, so that request queues
	// follow a change within a few blocks. It must not change once in use.
	Tau   float64
	last  time.Time
	avg   float64
	early float64 // e to the minus age in time constants: what the average lacks yet
	total int64
}

const (
	defaultTau = 3.0
	youngest   = 0.1 // seconds: a younger average is corrected as if it were so old
)

func (m *Meter) tau() float64 {
	if m.Tau == 0 {
		return defaultTau
	}
	return m.Tau
}

// Add counts n bytes at now.
func (m *Meter) Add(now time.Time, n int) {
	m.total += int64(n)
	if m.last.IsZero() {
		m.last, m.early = now, 1
	}
	m.decay(now)
	m.avg += float64(n) / m.tau()
}

func (m *Meter) decay(now time.Time) {
	dt := now.Sub(m.last).Seconds()
	if dt <= 0 {
		return
	}
	f := faded(dt / m.tau())
	m.avg *= f
	m.early *= f
	m.last = now
}

// faded is e to the -x. A meter is asked for every block, mostly a moment after it
// was asked before, and the series costs a fifth.
func faded(x float64) float64 {
	if x > 1.0/16 {
		return math.Exp(-x)
	}
	return 1 - x*(1-x/2*(1-x/3*(1-x/4))) // within 10^-8
}

// Rate is the estimate in bytes a second. In the first seconds it is corrected
// for the average's slow start.
func (m *Meter) Rate(now time.Time) float64 {
	if m.last.IsZero() {
		return 0
	}
	m.decay(now)
	return m.avg / (1 - min(m.early, faded(youngest/m.tau())))
}

// Total is the number of bytes ever added.
func (m *Meter) Total() int64 { return m.total }
