// Package limit spreads bytes over time.
//
// A Bucket is a token bucket seen from the other end: every taker draws a number,
// the count of all bytes taken until then, and may go on once as many bytes have
// been earned. So takers are served in the order they came, a change of the rate
// holds for those who wait already, and nobody polls.
package limit

import "time"

// burst is how long an unused bucket saves what it earns. What passes in any time
// t is at most rate*(t+burst), and the bytes under way with one taker.
const burst = 250 * time.Millisecond

// Bucket limits the bytes that pass it. The zero value does not limit. It reads no
// clock and is not safe for concurrent use.
type Bucket struct {
	rate   int64 // bytes a second; 0: unlimited
	taken  int64 // bytes in all
	earned float64
	at     time.Time // when earned was right
}

// Rate returns the bytes a second that may pass; 0 means any number.
func (b *Bucket) Rate() int64 { return b.rate }

// SetRate changes the bytes a second that may pass from now on; 0 and less mean
// any number. Who waits already is served at the new rate.
func (b *Bucket) SetRate(now time.Time, rate int64) {
	if b.rate == 0 {
		b.earned = float64(b.taken)
	}
	b.settle(now)
	b.rate, b.at = max(rate, 0), now
	b.earned = min(b.earned, b.most())
}

// most is what can be earned at a time at which nobody waits.
func (b *Bucket) most() float64 {
	return float64(b.taken) + float64(b.rate)*burst.Seconds()
}

func (b *Bucket) settle(now time.Time) {
	if dt := now.Sub(b.at); b.rate > 0 && dt > 0 {
		b.earned = min(b.earned+float64(b.rate)*dt.Seconds(), b.most())
		b.at = now
	}
}

// Take notes that n bytes pass and returns the taker's number for Wait.
func (b *Bucket) Take(now time.Time, n int) (number int64) {
	b.settle(now)
	b.taken += int64(n)
	return b.taken
}

// Wait returns how long the taker with that number has to wait yet.
func (b *Bucket) Wait(now time.Time, number int64) time.Duration {
	if b.rate == 0 {
		return 0
	}
	b.settle(now)
	short := float64(number) - b.earned
	if short <= 0 {
		return 0
	}
	return time.Duration(short/float64(b.rate)*float64(time.Second)) + 1
}

// Quantum returns how many bytes should be taken at a time, so that several takers
// get their turns and none has to wait for long; 0 means any number.
func (b *Bucket) Quantum() int {
	if b.rate == 0 {
		return 0
	}
	return int(min(max(b.rate/64, 256), 16<<10))
}
