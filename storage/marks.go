//go:build !js

package storage

import (
	"container/list"
	"hash/maphash"
	"sync"

	"github.com/shoal-p2p/shoal/metainfo"
)

// markedBytes is how much content all stores of the process may have marked at one
// time, in bytes: 32 GiB, whose marks take 16 MiB.
const markedBytes = 32 << 30

// Marks bounds the memory in which the Proven stores that share it remember what
// genuine blocks look like: 8 bytes for each 16 KiB. What was read longest ago goes
// first; it is hashed again when it is read.
type Marks struct {
	max  int // blocks
	seed maphash.Seed

	mu     sync.Mutex
	n      int
	oldest list.List // of *mark, by last use
}

// mark is what one piece of one store looks like.
type mark struct {
	of    *Proven
	piece int
	sums  []uint64 // by block, never written to again
}

// NewMarks returns a bound of that many bytes of content; 0 means 32 GiB.
func NewMarks(bytes int64) *Marks {
	if bytes <= 0 {
		bytes = markedBytes
	}
	return &Marks{max: int(bytes / metainfo.BlockSize), seed: maphash.MakeSeed()}
}

// processMarks is shared by all stores that are not given one.
var processMarks = NewMarks(0)

// sum tells a block from any other. It is no cryptographic hash and need not be: its
// seed never leaves the process, so that whoever changes a file hits the same value
// by chance alone, once in 2^64. It costs a tenth of what sending the block does.
func (m *Marks) sum(block []byte) uint64 { return maphash.Bytes(m.seed, block) }

// sums are those of the blocks of a piece.
func (m *Marks) sums(piece []byte) []uint64 {
	out := make([]uint64, 0, (len(piece)+metainfo.BlockSize-1)/metainfo.BlockSize)
	for len(piece) > 0 {
		n := min(len(piece), metainfo.BlockSize)
		out = append(out, m.sum(piece[:n]))
		piece = piece[n:]
	}
	return out
}

// get returns what a piece looks like, nil where that is not known.
func (m *Marks) get(s *Proven, piece int) []uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := s.marked[piece]
	if e == nil {
		return nil
	}
	m.oldest.MoveToBack(e)
	return e.Value.(*mark).sums
}

// put remembers what a piece looks like.
func (m *Marks) put(s *Proven, piece int, sums []uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget(s.marked[piece])
	s.marked[piece] = m.oldest.PushBack(&mark{s, piece, sums})
	for m.n += len(sums); m.n > m.max && m.oldest.Len() > 1; {
		m.forget(m.oldest.Front())
	}
}

// drop forgets what a piece looks like.
func (m *Marks) drop(s *Proven, piece int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget(s.marked[piece])
}

// dropAll forgets everything of a store.
func (m *Marks) dropAll(s *Proven) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, e := range s.marked {
		m.forget(e)
	}
}

// forget is called with the lock held; e may be nil.
func (m *Marks) forget(e *list.Element) {
	if e == nil {
		return
	}
	k := m.oldest.Remove(e).(*mark)
	delete(k.of.marked, k.piece)
	m.n -= len(k.sums)
}
