package torrent

import (
	"math"
	"time"
)

const (
	snubAfter  = 15 * time.Second
	snubAtMost = time.Minute
)

// latency tracks the mean and mean deviation of the time blocks take.
type latency struct{ mean, dev float64 }

func (l *latency) add(d time.Duration) {
	s := d.Seconds()
	if l.mean == 0 {
		l.mean, l.dev = s, s/2
		return
	}
	l.dev += (math.Abs(s-l.mean) - l.dev) / 16
	l.mean += (s - l.mean) / 16
}

// overdue is the age at which a request is slower than could be expected.
func (l *latency) overdue() time.Duration {
	return time.Duration(max(0.25, l.mean+l.dev/2) * float64(time.Second))
}

// tardy is the age at which a request has fallen far behind the others.
func (l *latency) tardy() time.Duration {
	return l.overdue() + time.Duration(l.dev*1.5*float64(time.Second))
}

// patience is how long a peer may be silent before it is given up on: longer
// where all blocks take long, because then our own line is what they wait for.
func (l *latency) patience() time.Duration {
	return min(snubAtMost, max(snubAfter, time.Duration((l.mean+4*l.dev)*float64(time.Second))))
}
