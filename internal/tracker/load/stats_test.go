package load

import (
	"math"
	"testing"
	"time"
)

func TestHistogramIsWithinTwoPercent(t *testing.T) {
	for us := int64(1); us < 1e9; us = us*5/4 + 1 {
		i := bucketOf(uint64(us))
		low, high := lowest(i), lowest(i+1)
		if float64(us) < low || float64(us) >= high {
			t.Errorf("%d µs is in the bucket from %v to %v", us, low, high)
		}
		if us > subBuckets && (high-low)/low > 0.02 {
			t.Errorf("the bucket of %d µs is from %v to %v", us, low, high)
		}
	}
}

func TestPercentiles(t *testing.T) {
	var h histogram
	if l := h.latency(); l != (Latency{}) {
		t.Errorf("of nothing: %+v", l)
	}
	for i := range 1000 {
		h.add(time.Duration(i+1) * time.Millisecond)
	}
	l := h.latency()
	near := func(name string, got, want float64) {
		if math.Abs(got-want)/want > 0.02 {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	near("p50", l.P50, 500)
	near("p90", l.P90, 900)
	near("p99", l.P99, 990)
	near("max", l.Max, 1000)
	if l.Count != 1000 {
		t.Errorf("count %d", l.Count)
	}
	var one histogram
	one.add(70 * time.Microsecond)
	if l := one.latency(); l.P50 > l.Max || l.P99 > l.Max || l.Max != 0.07 {
		t.Errorf("of one: %+v", l)
	}
	one.add(-time.Second)
	one.add(1000 * time.Hour)
	if l := one.latency(); l.Count != 3 {
		t.Errorf("beyond the ends: %+v", l)
	}
}

func TestErrorKindsAreBounded(t *testing.T) {
	var e errorCounts
	for i := range 1000 {
		e.add(string(rune('A' + i)))
	}
	all := e.all()
	if len(all) > maxErrorKinds+1 || all["others"] != 1000-maxErrorKinds {
		t.Errorf("%d kinds, %d others", len(all), all["others"])
	}
}
