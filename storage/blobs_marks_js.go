package storage

import (
	"context"
	"hash/maphash"

	"github.com/shoal-p2p/shoal/metainfo"
)

// BlobMarks note what the blocks of dropped files look like while a torrent is made of
// them: 8 bytes for each 16 KiB, with a seed that never leaves the tab. A block that was
// changed has the same mark by chance alone, once in 2^64.
type BlobMarks struct {
	seed maphash.Seed
	sums [][]uint64 // by piece, block
}

// NewBlobMarks returns empty marks.
func NewBlobMarks() *BlobMarks { return &BlobMarks{seed: maphash.MakeSeed()} }

// Add notes the next piece.
func (m *BlobMarks) Add(piece []byte) {
	var sums []uint64
	for len(piece) > 0 {
		n := min(len(piece), metainfo.BlockSize)
		sums = append(sums, maphash.Bytes(m.seed, piece[:n]))
		piece = piece[n:]
	}
	m.sums = append(m.sums, sums)
}

// fits reports whether a block of the piece space looks as it did. What follows a piece
// is padding.
func (m *BlobMarks) fits(info *metainfo.Info, block []byte, off int64) bool {
	i := int(off / info.PieceLength)
	in := off % info.PieceLength
	size := min(int64(len(block)), info.PieceSize(i)-in)
	return size <= 0 || maphash.Bytes(m.seed, block[:size]) == m.sums[i][in/metainfo.BlockSize]
}

// readMarked fills p from whole blocks that look as they did.
func (b *Blobs) readMarked(p []byte, off int64) (int, error) {
	first := off - off%metainfo.BlockSize
	end := off + int64(len(p))
	last := min((end+metainfo.BlockSize-1)/metainfo.BlockSize*metainfo.BlockSize, b.info.Length)
	blocks := p
	if first != off || last != end {
		blocks = make([]byte, last-first)
	}
	if _, err := b.read(blocks, first); err != nil {
		return 0, err
	}
	for at := int64(0); at < int64(len(blocks)); at += metainfo.BlockSize {
		block := blocks[at:min(at+metainfo.BlockSize, int64(len(blocks)))]
		if !b.marks.fits(b.info, block, first+at) {
			n := max(0, first+at-off)
			copy(p[:n], blocks[off-first:])
			return int(n), &Error{Kind: ErrChanged, Op: "read", Path: pathOf(b, b.info, int((first+at)/b.info.PieceLength)), Detail: bytesDiffer}
		}
	}
	if first != off || last != end {
		copy(p, blocks[off-first:])
	}
	return len(p), nil
}

// Mend returns those of the pieces that look as they did.
func (b *Blobs) Mend(_ context.Context, gone *Bits) *Bits {
	found := NewBits(gone.Len())
	for i := range gone.Len() {
		if !gone.Has(i) {
			continue
		}
		if _, err := b.ReadAt(make([]byte, b.info.PieceSize(i)), int64(i)*b.info.PieceLength); err == nil {
			found.Set(i)
		}
	}
	return found
}
