package metainfo

import (
	"math/bits"

	"github.com/shoal-p2p/shoal/internal/sha"
)

// BlockSize is the size in bytes of a block, the unit of requests and of the
// leaves of v2 merkle trees.
const BlockSize = 16384

// maxLevels bounds the height of a tree: MaxLength in blocks is below 1<<34.
const maxLevels = 36

// padHashes are the roots of trees of 1<<level leaves that lie behind the end of
// the file. Such a leaf is all zeros, not the hash of zeros (BEP 52).
var padHashes = func() (p [maxLevels]Hash256) {
	for k := 1; k < maxLevels; k++ {
		p[k] = hashPair(&p[k-1], &p[k-1])
	}
	return p
}()

// LeafHash returns the hash of one block of a file. The last block of a file
// may be short; it is not padded.
func LeafHash(block []byte) Hash256 { return sha.Sum256(block) }

func hashPair(a, b *Hash256) Hash256 {
	var buf [64]byte
	copy(buf[:32], a[:])
	copy(buf[32:], b[:])
	return sha.Sum256(buf[:])
}

// stack folds leaves into a tree as they come. Node k is the root of a full
// subtree of 1<<k leaves whenever bit k of n is set.
type stack struct {
	nodes [maxLevels]Hash256
	n     uint64
}

func (s *stack) add(h *Hash256) {
	k := bits.TrailingZeros64(^s.n)
	if k == 0 {
		s.nodes[0] = *h
	} else {
		node := hashPair(&s.nodes[0], h)
		for l := 1; l < k; l++ {
			node = hashPair(&s.nodes[l], &node)
		}
		s.nodes[k] = node
	}
	s.n++
}

// root returns the root of the leaves padded to 1<<height, where the leaves
// stand base layers above the blocks.
func (s *stack) root(height, base int) Hash256 {
	if s.n>>height != 0 {
		return s.nodes[height]
	}
	k := bits.TrailingZeros64(s.n)
	if s.n == 0 {
		return padHashes[height+base]
	}
	node := hashPair(&s.nodes[k], &padHashes[k+base])
	for k++; k < height; k++ {
		if s.n>>k&1 != 0 {
			node = hashPair(&s.nodes[k], &node)
		} else {
			node = hashPair(&node, &padHashes[k+base])
		}
	}
	return node
}

// heightFor returns the height of the smallest tree with n leaves.
func heightFor(n int) int {
	if n <= 1 {
		return 0
	}
	return bits.Len(uint(n - 1))
}

// blocksIn returns how many blocks n bytes fill.
func blocksIn(n int64) int { return int((n + BlockSize - 1) / BlockSize) }

// PieceRoot returns the root of a piece from the hashes of its blocks. width is
// the piece length in blocks for a file of several pieces; 0 is the smallest
// power of two that holds the leaves, for a file of at most one piece. See
// Info.PieceRootWidth.
func PieceRoot(leaves []Hash256, width int) Hash256 {
	var s stack
	for k := range leaves {
		s.add(&leaves[k])
	}
	return s.root(heightFor(max(width, len(leaves))), 0)
}

// LayerRoot returns the pieces root of a file from its piece layer, 32 bytes a
// piece. A layer of no pieces has no root: the result is zero.
func LayerRoot(layer []byte, pieceLength int64) Hash256 {
	n := len(layer) / 32
	if n == 0 {
		return Hash256{}
	}
	var s stack
	for k := range n {
		s.add((*Hash256)(layer[32*k:]))
	}
	return s.root(heightFor(n), heightFor(blocksIn(pieceLength)))
}

// layerUp appends the parents of a layer of nodes to dst. pad stands in for
// what lies behind the layer's end.
func layerUp(dst []byte, layer []byte, pad *Hash256) []byte {
	for len(layer) >= 64 {
		h := sha.Sum256(layer[:64])
		dst = append(dst, h[:]...)
		layer = layer[64:]
	}
	if len(layer) > 0 {
		h := hashPair((*Hash256)(layer), pad)
		dst = append(dst, h[:]...)
	}
	return dst
}
