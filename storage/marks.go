//go:build !js

package storage

import (
	"container/list"
	"hash/maphash"
	"sync"
	"unsafe"

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
	at     map[markKey]*list.Element
	oldest list.List // of *mark, by last use
	stores uint64    // that were given a number
}

// markKey names a piece by what it is: by its hash, so that whoever hashed it last may
// have been another store, or who made the torrent; by its place where that is unknown.
type markKey struct {
	hash  metainfo.Hash256 // the root of its tree, else its SHA-1
	size  int
	store uint64 // 0 where the hash is known
	piece int
}

// mark is what one piece looks like.
type mark struct {
	key  markKey
	sums []uint64 // by block, never written to again
}

// NewMarks returns a bound of that many bytes of content; 0 means 32 GiB.
func NewMarks(bytes int64) *Marks {
	if bytes <= 0 {
		bytes = markedBytes
	}
	return &Marks{max: int(bytes / metainfo.BlockSize), seed: maphash.MakeSeed(), at: make(map[markKey]*list.Element)}
}

// processMarks is shared by all stores that are not given one.
var processMarks = NewMarks(0)

// Remember notes what a piece looks like that was just hashed, for the stores that will
// read it. Without, they hash it once more.
func Remember(sum metainfo.PieceHashes, piece []byte) {
	if len(piece) > 0 {
		processMarks.put(hashKey(sum, len(piece)), piece)
	}
}

func hashKey(sum metainfo.PieceHashes, size int) markKey {
	k := markKey{hash: sum.V2, size: size}
	if k.hash == (metainfo.Hash256{}) {
		copy(k.hash[:], sum.V1[:])
	}
	return k
}

// sum tells a block from any other. It is no cryptographic hash and need not be: its
// seed never leaves the process, so that whoever changes a file hits the same value
// by chance alone, once in 2^64. It costs a third of a microsecond: as a string the
// block is hashed in one go, where maphash.Bytes goes by 128 bytes and takes four times
// as long. A block is never empty.
func (m *Marks) sum(block []byte) uint64 {
	return maphash.Comparable(m.seed, unsafe.String(&block[0], len(block)))
}

// number returns one that no other store has.
func (m *Marks) number() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stores++
	return m.stores
}

// get returns what a piece looks like, nil where that is not known.
func (m *Marks) get(k markKey) []uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.at[k]
	if e == nil {
		return nil
	}
	m.oldest.MoveToBack(e)
	return e.Value.(*mark).sums
}

// put remembers what a piece looks like.
func (m *Marks) put(k markKey, piece []byte) {
	sums := make([]uint64, 0, (len(piece)+metainfo.BlockSize-1)/metainfo.BlockSize)
	for len(piece) > 0 {
		n := min(len(piece), metainfo.BlockSize)
		sums = append(sums, m.sum(piece[:n]))
		piece = piece[n:]
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget(m.at[k])
	m.at[k] = m.oldest.PushBack(&mark{k, sums})
	for m.n += len(sums); m.n > m.max && m.oldest.Len() > 1; {
		m.forget(m.oldest.Front())
	}
}

// drop forgets what a piece looks like.
func (m *Marks) drop(k markKey) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.forget(m.at[k])
}

// forget is called with the lock held; e may be nil.
func (m *Marks) forget(e *list.Element) {
	if e == nil {
		return
	}
	k := m.oldest.Remove(e).(*mark)
	delete(m.at, k.key)
	m.n -= len(k.sums)
}
