// Package verify turns the bytes of a piece into a genuine piece.
//
// Genuine can only be made here, by a check that held, and only a Genuine may be
// stored. So that no byte reaches a reader, the store's have set or another
// peer unverified is a matter of types.
package verify

import (
	"github.com/shoal-p2p/shoal/internal/sha"
	"github.com/shoal-p2p/shoal/metainfo"
)

// Genuine is a piece whose hashes hold.
type Genuine struct {
	index int
	data  []byte
}

// Index is the piece's index.
func (g Genuine) Index() int { return g.index }

// Bytes are the piece's bytes. They belong to whoever called Check.
func (g Genuine) Bytes() []byte { return g.data }

// Want says what a piece must hash to. At least one of V1 and V2 is set; all
// that are set must hold.
type Want struct {
	Info  *metainfo.Info
	Index int
	V1    *metainfo.Hash
	V2    *metainfo.Hash256
}

// Hasher hashes pieces where the platform can do it faster than Go.
type Hasher interface {
	// Hash returns the SHA-1 of p if v1 is set, and the SHA-256 of each block of
	// the first tree bytes of p.
	Hash(p []byte, v1 bool, tree int) (sum [20]byte, leaves []metainfo.Hash256)
}

// Check hashes data and compares. A nil Hasher means Go's hashes.
func Check(data []byte, w Want, h Hasher) (Genuine, bool) {
	if w.V1 == nil && w.V2 == nil || int64(len(data)) != w.Info.PieceSize(w.Index) {
		return Genuine{}, false
	}
	if h != nil {
		return w.checkWith(data, h)
	}
	if w.V1 != nil && sha.Sum1(data) != *w.V1 {
		return Genuine{}, false
	}
	if w.V2 != nil && w.Info.TreeRoot(w.Index, data) != *w.V2 {
		return Genuine{}, false
	}
	return Genuine{w.Index, data}, true
}

func (w *Want) checkWith(data []byte, h Hasher) (Genuine, bool) {
	tree := 0
	if w.V2 != nil {
		tree = int(min(w.Info.TreeBytes(w.Index), int64(len(data))))
	}
	sum, leaves := h.Hash(data, w.V1 != nil, tree)
	if w.V1 != nil && sum != *w.V1 {
		return Genuine{}, false
	}
	if w.V2 != nil && w.Info.TreeRootOf(w.Index, leaves) != *w.V2 {
		return Genuine{}, false
	}
	return Genuine{w.Index, data}, true
}

// GenuineBlock is one block of a piece whose v2 hash holds.
type GenuineBlock struct{ block int }

// Block is the block's place in its piece.
func (g GenuineBlock) Block() int { return g.block }

// CheckBlock hashes a block, all of data, and compares.
func CheckBlock(data []byte, block int, leaf metainfo.Hash256) (GenuineBlock, bool) {
	if metainfo.LeafHash(data) != leaf {
		return GenuineBlock{}, false
	}
	return GenuineBlock{block}, true
}

// Sums returns the SHA-1 of each block of data, to tell which differ between a
// forged piece and the genuine one.
func Sums(data []byte) [][20]byte {
	sums := make([][20]byte, 0, (len(data)+metainfo.BlockSize-1)/metainfo.BlockSize)
	for len(data) > 0 {
		n := min(len(data), metainfo.BlockSize)
		sums = append(sums, sha.Sum1(data[:n]))
		data = data[n:]
	}
	return sums
}
