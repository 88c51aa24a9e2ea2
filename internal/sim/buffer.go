package sim

import (
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
)

// buffer receives one piece. Whoever brings a block first, wins.
type buffer struct {
	index, size int // size: bytes that are fetched
	room        int // with the padding behind them
	number      uint32
	blocks      []payload
	filled      []bool
	left        int
	verifying   bool
}

func newBuffer(e torrent.OpenPiece) *buffer {
	n := (e.Data + torrent.BlockSize - 1) / torrent.BlockSize
	return &buffer{
		index: e.Index, size: e.Data, room: e.Size, number: e.Buffer,
		blocks: make([]payload, n), filled: make([]bool, n), left: n,
	}
}

// put takes a block and reports whether it was the first.
func (b *buffer) put(begin, length uint32, p payload) bool {
	k := int(begin / torrent.BlockSize)
	if k >= len(b.blocks) || b.filled[k] || uint64(begin)+uint64(length) > uint64(b.size) {
		return false
	}
	b.blocks[k], b.filled[k] = p, true
	b.left--
	return true
}

// clear makes room for another copy of a block.
func (b *buffer) clear(block int) {
	if b.filled[block] {
		b.filled[block] = false
		b.left++
	}
}
