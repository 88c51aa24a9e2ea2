package schedule

import (
	"math/rand/v2"
	"time"
)

// A Backoff spaces retries: from Min, doubling up to Max, each made up to a
// quarter longer or shorter by chance so that clients do not come back in step.
type Backoff struct {
	Min, Max time.Duration
	failures int
}

// Next counts a failure and returns how long to wait after it.
func (b *Backoff) Next(rng *rand.Rand) time.Duration {
	d := b.Max
	if b.failures < 32 {
		if e := b.Min << b.failures; e > 0 && e < b.Max {
			d = e
		}
	}
	b.failures++
	return d - d/4 + time.Duration(rng.Int64N(int64(d/2)+1))
}

// Reset forgets the failures.
func (b *Backoff) Reset() { b.failures = 0 }
