package wsconn

import (
	"math/bits"
	"net/netip"
	"sync"
	"sync/atomic"
	"unsafe"
)

// Buffers lends byte slices to connections for as long as a frame has begun and not ended, or
// a reply waits for its socket. A connection at rest has none. It may be used by many goroutines.
//
// What comes in and what goes out have one half of the memory each, so that neither keeps out the
// other. In each half, large slices leave a part to smaller ones.
type Buffers struct {
	In  Side // for what has begun to come
	Out Side // for what waits to go

	pools [maxBufferLog + 1]sync.Pool // of *byte, by the logarithm of the capacity
}

const (
	// minBufferLog is the logarithm of the least: nine bytes of a frame must not take up
	// half a kilobyte.
	minBufferLog = 7
	maxBufferLog = 21 // a message of MaxMessage and its header
	// largeLog is the largest that an honest announce needs. Larger ones get half of a Side,
	// so that whoever sends or piles up the largest cannot keep out everybody.
	largeLog = 15
	// smallLog is the largest of those for which the last eighth of a Side is kept: the
	// beginnings of frames, close frames, pongs, the heads of requests.
	smallLog = 11
	// minShare is the least that the share of an address may be: a message of the largest size
	// that is usual, in parts.
	minShare = 128 << 10
)

// NewBuffers returns Buffers that lend at most max bytes at a time. exempt, if it is not nil,
// says which addresses may have more than an address's share.
func NewBuffers(max int, exempt func(netip.Addr) bool) *Buffers {
	p := &Buffers{}
	for _, s := range []*Side{&p.In, &p.Out} {
		s.all, s.max, s.exempt = p, int64(max)/2, exempt
		s.share = min(s.max, int64(minShare)+s.max/16)
		s.perAddr = make(map[uint64]int64)
	}
	return p
}

// Used returns how many bytes are lent.
func (p *Buffers) Used() int { return int(p.In.used.Load() + p.Out.used.Load()) }

// A Side is one half of Buffers.
type Side struct {
	all  *Buffers
	max  int64
	used atomic.Int64
	// leaving is how much of used belongs to connections that are being ended to make room.
	leaving atomic.Int64

	share  int64 // of one address, of what is held
	exempt func(netip.Addr) bool

	mu      sync.Mutex // guards what follows, and the fields of all holdings
	oldest  *holding
	newest  *holding
	perAddr map[uint64]int64 // bytes held, by netaddr.Key
}

// Get returns an empty slice with room for n bytes, or nil when all the memory set aside is
// lent.
func (s *Side) Get(n int) []byte {
	log := max(minBufferLog, bits.Len(uint(max(n, 1)-1)))
	if log > maxBufferLog {
		return nil
	}
	most := s.max
	switch {
	case log > largeLog:
		most /= 2
	case log > smallLog:
		most -= most / 8
	}
	if s.used.Add(1<<log)-s.leaving.Load() > most {
		s.used.Add(-1 << log)
		return nil
	}
	if b, ok := s.all.pools[log].Get().(*byte); ok {
		return unsafe.Slice(b, 1<<log)[:0]
	}
	return make([]byte, 0, 1<<log)
}

// Put takes a slice of Get back.
func (s *Side) Put(b []byte) {
	if b == nil {
		return
	}
	if cap(b)&(cap(b)-1) != 0 {
		panic("wsconn: a slice that is not of Get") // the pool would lend it as larger than it is
	}
	s.used.Add(-int64(cap(b)))
	s.all.pools[bits.Len(uint(cap(b)))-1].Put(unsafe.SliceData(b[:1]))
}

// Grow returns b with room for n more bytes, and false if there is no memory left for
// that; b is then as it was.
func (s *Side) Grow(b []byte, n int) ([]byte, bool) {
	if cap(b)-len(b) >= n {
		return b, true
	}
	g := s.Get(len(b) + n)
	if g == nil {
		return b, false
	}
	g = append(g, b...)
	s.Put(b)
	return g, true
}
