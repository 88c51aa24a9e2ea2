// Package limit bounds how often something may happen, for each address, prefix or connection.
//
// All limits are GCRA: of each key one time is kept, the one at which its allowance is
// whole again. The caller passes the time, so a virtual clock works as well.
package limit

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"sync"
)

// A Rate allows Burst things at once and PerSecond of them in the long run.
//
// PerSecond of zero or less, or not a number, is no bound. A Burst below 1 is what a second
// allows, at least 1.
type Rate struct {
	PerSecond float64
	Burst     int
}

// maxWindow is the longest time that an allowance may take to become whole, some 36 years,
// so that no sum of times overflows.
const maxWindow = math.MaxInt64 / 8

// Pace returns the Rate made ready for use.
func (r Rate) Pace() Pace {
	if !(r.PerSecond > 0) {
		return Pace{}
	}
	burst := float64(r.Burst)
	if r.Burst < 1 {
		burst = max(1, math.Ceil(r.PerSecond))
	}
	step := 1e9 / r.PerSecond
	if step < 1 {
		return Pace{} // above what a clock of nanoseconds can tell
	}
	step = min(step, maxWindow)
	return Pace{step: int64(step), window: int64(min(math.Floor(step)*burst, maxWindow))}
}

// A Pace is a Rate in nanoseconds. The zero Pace is no bound.
type Pace struct {
	step   int64 // between two things
	window int64 // of a whole burst
}

// Bounded reports whether the Pace ever refuses.
func (p Pace) Bounded() bool { return p.step > 0 }

// A Bucket holds one allowance; the zero Bucket is whole. It belongs to one goroutine,
// or to whoever holds its lock.
type Bucket struct {
	whole int64 // when it is whole again, Unix nanoseconds
}

// Allow takes n from the allowance if there is so much, and reports whether it did. now
// is in Unix nanoseconds. What is refused costs nothing; an n of zero or less is allowed.
func (b *Bucket) Allow(p Pace, now int64, n int) bool {
	if p.step == 0 || n <= 0 {
		return true
	}
	if int64(n) > p.window/p.step {
		return false
	}
	// A clock that was set back must not close the bucket for as long.
	b.whole = min(b.whole, now+p.window)
	whole := max(b.whole, now) + int64(n)*p.step
	if whole-now > p.window {
		return false
	}
	b.whole = whole
	return true
}

const (
	ways  = 8  // entries of one set: two cache lines
	locks = 64 // each stands for every 64th set
)

type entry struct {
	key    uint64
	bucket Bucket
}

// A Table holds the allowances of many keys in memory of a fixed size. A key that finds no
// room takes the place of the one nearest to a whole allowance, so whoever is at the
// limit is remembered best. It may be used by many goroutines. A nil Table allows
// everything.
type Table struct {
	pace  Pace
	seed  [2]uint64 // so that nobody can choose keys that meet in one set
	sets  [][ways]entry
	shift uint
	locks [locks]struct {
		sync.Mutex
		_ [56]byte // a cache line each
	}
}

// New returns a Table for at least capacity keys, at 16 bytes each, or nil if the Rate is
// no bound.
func New(r Rate, capacity int) *Table {
	pace := r.Pace()
	if !pace.Bounded() {
		return nil
	}
	log := bits.Len(uint(max(capacity-1, 0)) / ways)
	return &Table{
		pace:  pace,
		seed:  [2]uint64{rand.Uint64(), rand.Uint64() | 1},
		sets:  make([][ways]entry, 1<<log),
		shift: uint(64 - log),
	}
}

// set is the number of a key's set. A second product mixes the first, which alone leaves
// neighbouring keys in few sets under one seed in a hundred.
func (t *Table) set(key uint64) uint64 {
	hi, lo := bits.Mul64(key^t.seed[0], t.seed[1])
	hi, lo = bits.Mul64(hi^lo^t.seed[0], 0x9e3779b97f4a7c15)
	return (hi ^ lo) >> t.shift
}

// Allow takes n from the allowance of key if there is so much, and reports whether it
// did. now is in Unix nanoseconds.
func (t *Table) Allow(now int64, key uint64, n int) bool {
	if t == nil {
		return true
	}
	i := t.set(key)
	l := &t.locks[i%locks]
	l.Lock()
	set := &t.sets[i]
	oldest := &set[0]
	for j := range set {
		e := &set[j]
		if e.key == key {
			ok := e.bucket.Allow(t.pace, now, n)
			l.Unlock()
			return ok
		}
		if e.bucket.whole < oldest.bucket.whole {
			oldest = e
		}
	}
	*oldest = entry{key: key}
	ok := oldest.bucket.Allow(t.pace, now, n)
	l.Unlock()
	return ok
}
