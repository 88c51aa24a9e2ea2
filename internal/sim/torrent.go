package sim

import (
	"crypto/sha1"
	"encoding/binary"
	"math/rand/v2"
	"strconv"

	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/internal/engine/verify"
	"github.com/shoal-p2p/shoal/metainfo"
)

// TorrentOptions say what the nodes share.
type TorrentOptions struct {
	Pieces      int   // 0: 32
	PieceLength int64 // bytes; 0: 64 KiB
	Short       int64 // bytes by which the last piece is shorter
	Files       int   // it is divided into so many; 0: 1
	V1, V2      bool  // neither: a hybrid
	// Real makes bytes and hashes them for real. Without it each block is
	// a number that stands for its bytes, which is enough to tell the genuine one
	// from any other.
	Real bool
}

// Torrent is what the nodes of a network share. It is not changed once made.
type Torrent struct {
	Info *metainfo.Info

	file   *metainfo.Torrent
	layers *metainfo.Layers
	data   []byte // nil: stand-ins
}

// NewTorrent makes a torrent whose content follows from the seed.
func NewTorrent(seed uint64, opt TorrentOptions) (*Torrent, error) {
	if opt.Pieces == 0 {
		opt.Pieces = 32
	}
	if opt.PieceLength == 0 {
		opt.PieceLength = 64 << 10
	}
	size := int64(opt.Pieces)*opt.PieceLength - opt.Short
	b, err := metainfo.NewBuilder(metainfo.BuildOptions{
		Name: "sim", PieceLength: opt.PieceLength, V1: opt.V1, V2: opt.V2, Files: files(size, opt.Files),
	})
	if err != nil {
		return nil, err
	}
	rng := rand.New(rand.NewPCG(seed, 0x746f7272656e74))
	t := &Torrent{}
	for i := range b.NumPieces() {
		var h metainfo.PieceHashes
		if opt.Real {
			piece := make([]byte, b.PieceSize(i))
			for _, r := range b.AppendRanges(nil, i) {
				fill(rng, piece[r.Offset:r.Offset+r.Length])
			}
			h = b.HashPiece(i, piece)
			if at := i * int(opt.PieceLength); len(t.data) < at {
				t.data = append(t.data, make([]byte, at-len(t.data))...) // the padding that v2 does not send
			}
			t.data = append(t.data, piece...)
		} else {
			fill(rng, h.V1[:])
			h.V2 = b.TreeRootOf(i, leaves(i, dataOf(b, i), b.TreeBytes(i), t.genuine))
		}
		b.SetPiece(i, h)
	}
	if t.file, err = b.Finish(); err != nil {
		return nil, err
	}
	t.Info = t.file.Info
	t.layers = t.Layers()
	return t, nil
}

// dataOf is how many bytes of a piece are no padding at its end.
func dataOf(b *metainfo.Builder, index int) (n int64) {
	for _, r := range b.AppendRanges(nil, index) {
		n = r.Offset + r.Length
	}
	return n
}

// files divides size into n files of different lengths.
func files(size int64, n int) []metainfo.BuildFile {
	if n < 2 {
		return []metainfo.BuildFile{{Path: []string{"sim"}, Length: size}}
	}
	var list []metainfo.BuildFile
	for k := range n {
		part := size / int64(n-k)
		if k < n-1 {
			part = part*3/4 + 1
		}
		list = append(list, metainfo.BuildFile{Path: []string{"f" + strconv.Itoa(k)}, Length: part})
		size -= part
	}
	return list
}

func fill(rng *rand.Rand, b []byte) {
	for len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, rng.Uint64())
		b = b[8:]
	}
	for k := range b {
		b[k] = byte(rng.Uint32())
	}
}

// Layers returns the complete v2 piece layers, nil for a v1 torrent.
func (t *Torrent) Layers() *metainfo.Layers {
	if !t.Info.HasV2 {
		return nil
	}
	l := metainfo.NewLayers(t.Info)
	for k := range t.Info.Files {
		root := t.Info.Files[k].PiecesRoot
		if layer, ok := t.file.PieceLayers[root]; ok {
			if err := l.AddLayer(root, layer); err != nil {
				panic(err) // the builder made them
			}
		}
	}
	return l
}

// payload is what a block holds: bytes, or a number that stands for them.
type payload struct {
	tag  uint64
	data []byte
}

// genuine returns the true content of a range of a piece.
func (t *Torrent) genuine(index, begin, length uint32) payload {
	if t.data != nil {
		from := int64(index)*t.Info.PieceLength + int64(begin)
		return payload{data: t.data[from : from+int64(length)]}
	}
	return payload{tag: mix(mix(mix(1, uint64(index)), uint64(begin)), uint64(length))}
}

// forged returns some other content for a range.
func (t *Torrent) forged(rng *rand.Rand, index, begin, length uint32) payload {
	p := t.genuine(index, begin, length)
	if p.data == nil {
		p.tag ^= 1 + rng.Uint64N(1<<32)
		return p
	}
	p.data = append([]byte(nil), p.data...)
	p.data[rng.IntN(len(p.data))] ^= byte(1 + rng.IntN(255))
	return p
}

// same reports whether two contents of one block are equal.
func (p payload) same(q payload) bool {
	return p.tag == q.tag && string(p.data) == string(q.data)
}

// leaf is what a block's content hashes to.
func (p payload) leaf(size int) metainfo.Hash256 {
	if p.data != nil {
		return metainfo.LeafHash(p.data[:size])
	}
	return metainfo.LeafHash(binary.LittleEndian.AppendUint64(nil, p.tag))
}

// leaves are the hashes of the blocks of a piece of which tree bytes are hashed.
func leaves(index int, size, tree int64, content func(index, begin, length uint32) payload) (list []metainfo.Hash256) {
	for at := int64(0); at < tree; at += torrent.BlockSize {
		p := content(uint32(index), uint32(at), uint32(min(torrent.BlockSize, size-at)))
		list = append(list, p.leaf(int(min(torrent.BlockSize, tree-at))))
	}
	return list
}

// isTrue reports whether blocks are the true content of a piece.
func (t *Torrent) isTrue(index int, blocks []payload) bool {
	size := int(t.Info.PieceData(index))
	for k, p := range blocks {
		begin := k * torrent.BlockSize
		length := min(torrent.BlockSize, size-begin)
		if !p.same(t.genuine(uint32(index), uint32(begin), uint32(length))) {
			return false
		}
	}
	return len(blocks) == (size+torrent.BlockSize-1)/torrent.BlockSize
}

// check verifies a piece as the driver does, with engine/verify where there
// are bytes. Sums are those of the blocks.
func (t *Torrent) check(e torrent.Verify, blocks []payload) (ok bool, sums [][20]byte) {
	if t.data != nil {
		var piece []byte
		for _, p := range blocks {
			piece = append(piece, p.data...)
		}
		piece = append(piece, make([]byte, t.Info.PieceSize(e.Index)-int64(len(piece)))...) // padding
		_, ok = verify.Check(piece, verify.Want{Info: t.Info, Index: e.Index, V1: e.V1, V2: e.V2}, nil)
		for _, p := range blocks {
			sums = append(sums, sha1.Sum(p.data))
		}
		return ok, sums
	}
	ok = (e.V1 != nil || e.V2 != nil) && t.isTrue(e.Index, blocks)
	if h, has := t.Info.PieceHashV1(e.Index); e.V1 != nil && (!has || *e.V1 != h) {
		ok = false
	}
	if e.V2 != nil {
		if h, has := t.layers.PieceHash(e.Index); !has || *e.V2 != h {
			ok = false
		}
	}
	for _, p := range blocks {
		var s [20]byte
		binary.LittleEndian.PutUint64(s[:], p.tag)
		sums = append(sums, s)
	}
	return ok, sums
}

// mix folds a number into a hash.
func mix(h, x uint64) uint64 {
	h ^= x + 0x9e3779b97f4a7c15
	h *= 0xbf58476d1ce4e5b9
	return h ^ h>>29
}
