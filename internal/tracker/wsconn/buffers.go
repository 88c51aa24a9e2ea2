package wsconn

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"unsafe"
)

// Buffers lends byte slices to connections for as long as a frame has begun and not ended, or
// a reply waits for its socket. A connection at rest has none. It may be used by many goroutines.
type Buffers struct {
	max   int64
	used  atomic.Int64
	pools [maxBufferLog + 1]sync.Pool // of *byte, by the logarithm of the capacity
}

const (
	minBufferLog = 9  // 512 bytes
	maxBufferLog = 20 // 1 MiB, more than any queue or message here
	// largeLog is the largest that an honest announce needs. Larger ones get half of the
	// memory, so that whoever sends or piles up the largest cannot keep out everybody.
	largeLog = 15
)

// NewBuffers returns Buffers that lend at most max bytes at a time.
func NewBuffers(max int) *Buffers { return &Buffers{max: int64(max)} }

// Used returns how many bytes are lent.
func (p *Buffers) Used() int { return int(p.used.Load()) }

// Get returns an empty slice with room for n bytes, or nil when all the memory set aside is
// lent.
func (p *Buffers) Get(n int) []byte {
	log := max(minBufferLog, bits.Len(uint(max(n, 1)-1)))
	most := p.max
	if log > largeLog {
		most /= 2
	}
	if log > maxBufferLog || p.used.Add(1<<log) > most {
		if log <= maxBufferLog {
			p.used.Add(-1 << log)
		}
		return nil
	}
	if b, ok := p.pools[log].Get().(*byte); ok {
		return unsafe.Slice(b, 1<<log)[:0]
	}
	return make([]byte, 0, 1<<log)
}

// Put takes a slice of Get back.
func (p *Buffers) Put(b []byte) {
	if b == nil {
		return
	}
	if cap(b)&(cap(b)-1) != 0 {
		panic("wsconn: a slice that is not of Get") // the pool would lend it as larger than it is
	}
	p.used.Add(-int64(cap(b)))
	p.pools[bits.Len(uint(cap(b)))-1].Put(unsafe.SliceData(b[:1]))
}

// Grow returns b with room for n more bytes, and false if there is no memory left for
// that; b is then as it was.
func (p *Buffers) Grow(b []byte, n int) ([]byte, bool) {
	if cap(b)-len(b) >= n {
		return b, true
	}
	g := p.Get(len(b) + n)
	if g == nil {
		return b, false
	}
	g = append(g, b...)
	p.Put(b)
	return g, true
}
