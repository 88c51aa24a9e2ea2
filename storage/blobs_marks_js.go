package storage

import (
	"context"

	"github.com/shoal-p2p/shoal/metainfo"
)

// BlobMarks note what the blocks of dropped files look like: the first 8 bytes of the
// SHA-256 of each 16 KiB, which hashing them for BEP 52 yields anyway. A block that was
// changed has the same mark by chance alone, once in 2^64.
type BlobMarks struct {
	hash func(p []byte) []metainfo.Hash256
	sums [][][8]byte // by piece, block
}

// NewBlobMarks returns empty marks for so many pieces. hash returns the SHA-256 of each
// block of p; nil is Go's.
func NewBlobMarks(pieces int, hash func(p []byte) []metainfo.Hash256) *BlobMarks {
	if hash == nil {
		hash = leaves
	}
	return &BlobMarks{hash: hash, sums: make([][][8]byte, pieces)}
}

func leaves(p []byte) (list []metainfo.Hash256) {
	for len(p) > 0 {
		n := min(len(p), metainfo.BlockSize)
		list = append(list, metainfo.LeafHash(p[:n]))
		p = p[n:]
	}
	return list
}

// Set notes the SHA-256 of the blocks of a piece, without its padding.
func (m *BlobMarks) Set(piece int, blocks []metainfo.Hash256) {
	sums := make([][8]byte, len(blocks))
	for i, h := range blocks {
		sums[i] = [8]byte(h[:8])
	}
	m.sums[piece] = sums
}

// markedBytes is how many bytes of a piece have marks.
func markedBytes(info *metainfo.Info, piece int) int64 {
	if !info.HasV2 {
		return info.PieceSize(piece)
	}
	return info.TreeBytes(piece)
}

// fits returns how many bytes of whole blocks in a row look as they did. What follows a
// piece's marks is padding.
func (m *BlobMarks) fits(info *metainfo.Info, p []byte, off int64) (n int64) {
	for n < int64(len(p)) {
		i := int((off + n) / info.PieceLength)
		in := (off + n) % info.PieceLength
		all := min(int64(len(p))-n, info.PieceLength-in)
		size := min(all, max(markedBytes(info, i)-in, 0))
		for k, h := range m.hash(p[n : n+size]) {
			if [8]byte(h[:8]) != m.sums[i][int(in/metainfo.BlockSize)+k] {
				return n + int64(k)*metainfo.BlockSize
			}
		}
		n += all
	}
	return n
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
	if good := first + b.marks.fits(b.info, blocks, first); good < last {
		n := max(0, good-off)
		copy(p[:n], blocks[off-first:])
		return int(n), &Error{Kind: ErrChanged, Op: "read", Path: pathOf(b, b.info, int(good/b.info.PieceLength)), Detail: bytesDiffer}
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
