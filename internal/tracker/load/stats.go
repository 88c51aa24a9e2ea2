package load

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"time"
)

// A histogram counts durations with an error of 1.6 % at most. Its methods may be called by any
// goroutine.
type histogram struct {
	counts [numBuckets]atomic.Uint32
	high   atomic.Int64
}

const (
	subBuckets = 64 // divide each power of two of microseconds
	numBuckets = subBuckets * 26
)

func (h *histogram) add(d time.Duration) {
	us := uint64(max(d, 0) / time.Microsecond)
	h.counts[bucketOf(us)].Add(1)
	for {
		high := h.high.Load()
		if int64(d) <= high || h.high.CompareAndSwap(high, int64(d)) {
			return
		}
	}
}

func bucketOf(us uint64) int {
	if us < subBuckets {
		return int(us)
	}
	shift := bits.Len64(us) - 7 // us>>shift is in [64, 128)
	return min(shift*subBuckets+int(us>>shift), numBuckets-1)
}

// lowest returns the least value of bucket i, in microseconds.
func lowest(i int) float64 {
	if i < 2*subBuckets {
		return float64(i)
	}
	shift := i/subBuckets - 1
	return float64(uint64(subBuckets+i%subBuckets) << shift)
}

// Latency is how long something took.
type Latency struct {
	Count uint64  `json:"count"`
	P50   float64 `json:"p50_ms"`
	P90   float64 `json:"p90_ms"`
	P99   float64 `json:"p99_ms"`
	Max   float64 `json:"max_ms"`
}

// latency returns the percentiles: in each case the least value that is not below
// that share of all.
func (h *histogram) latency() Latency {
	var counts [numBuckets]uint64
	var l Latency
	for i := range counts {
		counts[i] = uint64(h.counts[i].Load())
		l.Count += counts[i]
	}
	if l.Count == 0 {
		return l
	}
	l.Max = float64(h.high.Load()) / 1e6
	for _, q := range []struct {
		to    *float64
		share float64
	}{{&l.P50, 0.5}, {&l.P90, 0.9}, {&l.P99, 0.99}} {
		rank := uint64(q.share*float64(l.Count-1)) + 1
		var sum uint64
		for i, n := range counts {
			if sum += n; sum >= rank {
				*q.to = min((lowest(i)+lowest(i+1))/2/1e3, l.Max)
				break
			}
		}
	}
	return l
}

// counters are what a run counts. Those of the window are of what was sent between the
// beginning and the end of the measurement, or belongs to it.
type counters struct {
	connected, failed, lost atomic.Int64
	refused                 atomic.Int64 // requests that had a failure reason

	in, out           atomic.Int64 // messages to and from the tracker, all the time
	bytesIn, bytesOut atomic.Int64

	announces, skipped, replies    atomic.Int64 // of the window
	offers, deliverable, delivered atomic.Int64
	answers, answered              atomic.Int64
	reply, offer, answer           histogram
}

// errorCounts counts errors by kind.
type errorCounts struct {
	mu sync.Mutex
	m  map[string]int
}

// maxErrorKinds bounds the kinds that are told apart.
const maxErrorKinds = 50

func (e *errorCounts) add(kind string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.m == nil {
		e.m = make(map[string]int)
	}
	if _, known := e.m[kind]; !known && len(e.m) >= maxErrorKinds {
		kind = "others"
	}
	e.m[kind]++
}

func (e *errorCounts) all() map[string]int {
	e.mu.Lock()
	defer e.mu.Unlock()
	all := make(map[string]int, len(e.m))
	for k, n := range e.m {
		all[k] = n
	}
	return all
}
