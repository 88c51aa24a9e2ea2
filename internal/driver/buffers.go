package driver

import (
	"slices"
	"sync"

	"github.com/shoal-p2p/shoal/internal/engine/verify"
)

// blockState says what is in the place of a block.
type blockState uint8

const (
	blockMissing   blockState = iota
	blockComing               // a connection receives it in place
	blockOvertaken            // likewise, but another connection's copy was whole before; it lies in aside
	blockThere
)

// pieceBuffer receives one piece. Several connections may have blocks of it, even
// the same block. The first receives it in place; whoever has it whole first has
// brought it, so that a peer that stops in the middle keeps nobody out. The memory
// goes back to the pool when the piece was dropped and nobody uses it any more.
type pieceBuffer struct {
	pool   *pool
	key    pieceKey
	number uint32
	size   int // bytes that are fetched; behind them, data is zeros

	mu      sync.Mutex
	data    []byte
	blocks  []blockState
	genuine []bool         // by block, of those checked one by one; nil: none
	coming  []claim        // who receives a block in place
	aside   map[int][]byte // whole blocks whose place is taken by one still coming
	users   int            // of data: blocks coming, a worker
	kept    bool           // the piece is genuine and stored
	dropped bool
}

// claim is a block on its way into its place.
type claim struct {
	block int
	c     *conn
}

// newPieceBuffer makes a buffer of room bytes, of which size are fetched.
func newPieceBuffer(p *pool, key pieceKey, room, size int, number uint32) *pieceBuffer {
	b := &pieceBuffer{
		pool: p, key: key, number: number, size: size, data: p.get(room),
		blocks: make([]blockState, (size+blockSize-1)/blockSize),
	}
	clear(b.data[size:])
	return b
}

// at returns the place of a block that may still be put there, nil if it is not
// one that was asked for. Callers hold mu.
func (b *pieceBuffer) at(begin uint32, length int) (k int, place []byte) {
	k = int(begin / blockSize)
	if b.dropped || begin%blockSize != 0 || k >= len(b.blocks) || length != min(blockSize, b.size-int(begin)) {
		return k, nil
	}
	return k, b.data[begin:][:length:length]
}

// claim returns the place of a block for c to receive it in, nil if the block is
// unwanted or another copy is there or on its way. Every claim is followed by
// landed.
func (b *pieceBuffer) claim(c *conn, begin uint32, length int) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	k, place := b.at(begin, length)
	if place == nil || b.blocks[k] != blockMissing {
		return nil
	}
	b.blocks[k] = blockComing
	b.coming = append(b.coming, claim{k, c})
	b.users++
	return place
}

// landed ends a claim; whole says whether the block came to its end. It reports
// whether the block is there now because of it.
func (b *pieceBuffer) landed(c *conn, begin uint32, whole bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := int(begin / blockSize)
	i := slices.Index(b.coming, claim{k, c})
	if i < 0 {
		return false // the piece was moved away meanwhile
	}
	b.coming = slices.Delete(b.coming, i, i+1)
	defer b.unuse()
	switch {
	case b.blocks[k] == blockOvertaken:
		copy(b.data[begin:], b.aside[k])
		delete(b.aside, k)
		b.blocks[k] = blockThere
		return false
	case !whole:
		b.blocks[k] = blockMissing
		return false
	}
	b.blocks[k] = blockThere
	return !b.dropped
}

// write puts in a whole block that was received elsewhere. It reports false if
// that is not where the block belongs, or another copy is there.
func (b *pieceBuffer) write(begin uint32, block []byte) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	k, place := b.at(begin, len(block))
	if place == nil {
		return false
	}
	switch b.blocks[k] {
	case blockMissing:
		copy(place, block)
		b.blocks[k] = blockThere
		return true
	case blockComing:
		if b.aside == nil {
			b.aside = map[int][]byte{}
		}
		b.aside[k] = slices.Clone(block)
		b.blocks[k] = blockOvertaken
		return true
	}
	return false
}

// use returns the bytes of a complete piece and keeps them while a worker hashes
// and stores it; done follows. Where a block still comes in, from a peer that was
// overtaken, the piece moves to memory of its own, and the peer is told to let go.
func (b *pieceBuffer) use() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.coming) > 0 {
		// What they still write into goes to the garbage collector, not to the pool.
		fresh := b.pool.get(len(b.data))
		copy(fresh, b.data)
		for k, block := range b.aside {
			copy(fresh[k*blockSize:], block)
			b.blocks[k] = blockThere
		}
		b.data, b.aside = fresh, nil
		for _, late := range b.coming {
			b.users--
			late.c.letGo()
		}
		b.coming = nil
	}
	b.users++
	return b.data
}

// useBlock returns the bytes of a block that is there and keeps them while a worker
// hashes them; done follows.
func (b *pieceBuffer) useBlock(block int) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.users++
	return b.bytes(block)
}

// bytes are those of a block that is there. Callers hold mu.
func (b *pieceBuffer) bytes(block int) []byte {
	if b.blocks[block] == blockOvertaken {
		return b.aside[block]
	}
	from, to := b.bounds(block)
	return b.data[from:to]
}

// has reports whether a block is there, or can no longer be put there.
func (b *pieceBuffer) has(begin uint32) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	state := b.blocks[begin/blockSize]
	return b.dropped || state == blockThere || state == blockOvertaken
}

// bounds is where a block lies in the piece.
func (b *pieceBuffer) bounds(block int) (from, to int) {
	return block * blockSize, min((block+1)*blockSize, b.size)
}

// bless notes that a block may be read before the piece is whole.
func (b *pieceBuffer) bless(g verify.GenuineBlock) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.genuine == nil {
		b.genuine = make([]bool, len(b.blocks))
	}
	b.genuine[g.Block()] = true
}

// erase makes room for another copy of a block.
func (b *pieceBuffer) erase(block int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.blocks[block] == blockOvertaken {
		delete(b.aside, block)
		b.blocks[block] = blockComing
	} else {
		b.blocks[block] = blockMissing
	}
}

// read copies genuine bytes from an offset on and returns how many, 0 if there are
// none yet, or no more.
func (b *pieceBuffer) read(p []byte, off int) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.dropped || b.genuine == nil {
		return 0
	}
	for n < len(p) && off+n < b.size {
		k := (off + n) / blockSize
		if !b.genuine[k] {
			break
		}
		n += copy(p[n:], b.bytes(k)[off+n-k*blockSize:])
	}
	return n
}

// done ends use; kept says that the piece is genuine and stored, so that its bytes
// may be read from memory for a while.
func (b *pieceBuffer) done(kept bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.kept = b.kept || kept
	b.unuse()
}

// drop says that nobody wants to put blocks in any more.
func (b *pieceBuffer) drop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dropped = true
	b.users++
	b.unuse()
}

// unuse is called with the lock held.
func (b *pieceBuffer) unuse() {
	if b.users--; b.users > 0 || !b.dropped || b.data == nil {
		return
	}
	if b.kept && b.key.t.inDemand() {
		b.pool.keep(b.data, b.key)
	} else {
		b.pool.put(b.data)
	}
	b.data = nil
}
