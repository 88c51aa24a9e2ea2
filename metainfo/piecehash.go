package metainfo

// BlockSize is the size in bytes of a block, the unit of requests and of the
// leaves of v2 merkle trees.
const BlockSize = 16384

// PieceHashes are the hashes of one piece. V1 is zero for v2-only torrents,
// V2 for v1-only ones and for pieces that are all padding.
type PieceHashes struct {
	V1 Hash
	V2 Hash256
}

// HashPiece hashes the bytes of a piece, PieceSize or PieceSpan of them, in
// one pass and without allocating per block. It may be called concurrently.
func (i *Info) HashPiece(index int, data []byte) PieceHashes { panic("todo") }

// LeafHash returns the hash of one block of a file, whose last block may be
// short.
func LeafHash(block []byte) Hash256 { panic("todo") }

// PieceRoot returns the root of a piece from the hashes of its blocks. width is
// the piece length in blocks for a file of several pieces; 0 is the smallest
// power of two that holds the leaves, for a file of at most one piece.
func PieceRoot(leaves []Hash256, width int) Hash256 { panic("todo") }

// PieceRootWidth returns the width to give to PieceRoot for a piece.
func (i *Info) PieceRootWidth(index int) int { panic("todo") }

// LayerRoot returns the pieces root of a file from its piece layer, 32 bytes a
// piece.
func LayerRoot(layer []byte, pieceLength int64) Hash256 { panic("todo") }

// PadHash returns the root of a tree of 1<<level leaves that are all zero.
func PadHash(level int) Hash256 { panic("todo") }
