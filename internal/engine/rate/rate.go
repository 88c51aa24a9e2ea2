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
	start time.Time
	avg   float64
	total int64
}

const (
	defaultTau = 3.0
	settled    = 20 // time constants after which the slow start does not show
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
	if m.start.IsZero() {
		m.start, m.last = now, now
	}
	m.decay(now)
	m.avg += float64(n) / m.tau()
}

func (m *Meter) decay(now time.Time) {
	dt := now.Sub(m.last).Seconds()
	if dt <= 0 {
		return
	}
	m.avg *= math.Exp(-dt / m.tau())
	m.last = now
}

// Rate is the estimate in bytes a second. In the first seconds it is corrected
// for the average's slow start.
func (m *Meter) Rate(now time.Time) float64 {
	if m.start.IsZero() {
		return 0
	}
	m.decay(now)
	age := now.Sub(m.start).Seconds()
	if age < 0.1 {
		age = 0.1
	}
	if age > settled*m.tau() {
		return m.avg // the correction is no longer worth its cost
	}
	return m.avg / (1 - math.Exp(-age/m.tau()))
}

// Total is the number of bytes ever added.
func (m *Meter) Total() int64 { return m.total }
