package metainfo

import "github.com/shoal-p2p/shoal/internal/sha"

// PieceHashes are the hashes of one piece. V1 is zero for v2-only torrents,
// V2 for v1-only ones and for pieces that are all padding.
type PieceHashes struct {
	V1 Hash
	V2 Hash256
}

// HashPiece hashes the bytes of a piece, PieceSize or PieceSpan of them. SHA-1
// and the merkle tree advance by two blocks over the same warm memory, and
// nothing is allocated per block. It may be called concurrently.
func (i *Info) HashPiece(index int, data []byte) (h PieceHashes) {
	var v2 int // bytes that belong to the merkle tree
	if i.HasV2 {
		v2 = int(min(i.fileBytes(index), int64(len(data))))
	}
	if !i.HasV1 {
		h.V2 = i.treeOf(index, data[:v2])
		return h
	}
	v1 := sha.New1()
	if v2 == 0 {
		v1.Write(data)
	} else {
		var s stack
		for off := 0; off < len(data); off += 2 * BlockSize {
			part := data[off:min(off+2*BlockSize, len(data))]
			v1.Write(part)
			if off < v2 {
				s.addBlocks(part[:min(len(part), v2-off)])
			}
		}
		h.V2 = s.root(i.pieceHeight(index), 0)
	}
	v1.Sum(h.V1[:0])
	return h
}

// TreeRoot returns the root of the merkle tree over the file bytes of a piece,
// the v2 half of HashPiece. Padding in data does not count.
func (i *Info) TreeRoot(index int, data []byte) Hash256 {
	return i.treeOf(index, data[:min(i.fileBytes(index), int64(len(data)))])
}

// TreeBytes returns how many bytes at the start of a piece its merkle tree
// covers: those of a file, without padding.
func (i *Info) TreeBytes(index int) int64 { return i.fileBytes(index) }

// TreeRootOf is TreeRoot for a caller that has hashed the blocks of the piece's
// TreeBytes already.
func (i *Info) TreeRootOf(index int, leaves []Hash256) Hash256 {
	if len(leaves) == 0 {
		return Hash256{}
	}
	var s stack
	for k := range leaves {
		s.add(&leaves[k])
	}
	return s.root(i.pieceHeight(index), 0)
}

// treeOf returns the root of the file bytes of a piece.
func (i *Info) treeOf(index int, data []byte) Hash256 {
	if len(data) == 0 {
		return Hash256{}
	}
	var s stack
	s.addBlocks(data)
	return s.root(i.pieceHeight(index), 0)
}

// addBlocks adds the hashes of the blocks of data.
func (s *stack) addBlocks(data []byte) {
	for len(data) >= 2*BlockSize {
		a, b := sha.Sum256Pair(data[:BlockSize], data[BlockSize:2*BlockSize])
		s.add((*Hash256)(&a))
		s.add((*Hash256)(&b))
		data = data[2*BlockSize:]
	}
	for len(data) > 0 {
		n := min(len(data), BlockSize)
		leaf := LeafHash(data[:n])
		s.add(&leaf)
		data = data[n:]
	}
}

// fileBytes returns how many bytes of a piece belong to a file rather than to
// padding, in a torrent whose files are aligned to pieces.
func (i *Info) fileBytes(index int) int64 {
	span := i.PieceSpan(index)
	if span == 0 {
		return 0
	}
	off := int64(index) * i.PieceLength
	f := &i.Files[i.FileAt(off)]
	if f.Pad {
		return 0
	}
	return min(span, f.End()-off)
}

// PieceRootWidth returns the width to give to PieceRoot for a piece: the piece
// length in blocks, or 0 where the file has no other piece.
func (i *Info) PieceRootWidth(index int) int {
	if i.PieceSpan(index) == 0 || i.Files[i.FileAt(int64(index)*i.PieceLength)].Length <= i.PieceLength {
		return 0
	}
	return blocksIn(i.PieceLength)
}

// pieceHeight returns the height of a piece's tree.
func (i *Info) pieceHeight(index int) int {
	if w := i.PieceRootWidth(index); w > 0 {
		return heightFor(w)
	}
	return heightFor(blocksIn(i.fileBytes(index)))
}
