package driver

import (
	"sync"

	"github.com/shoal-p2p/shoal/internal/engine/verify"
)

// pool keeps piece buffers for reuse, because making and clearing megabytes per
// piece costs more than hashing them.
type pool struct {
	mu   sync.Mutex
	free map[int][][]byte
	held int
	max  int // bytes kept
}

func (p *pool) get(size int) []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	if list := p.free[size]; len(list) > 0 {
		b := list[len(list)-1]
		p.free[size] = list[:len(list)-1]
		p.held -= size
		return b
	}
	return make([]byte, size)
}

func (p *pool) put(b []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held+len(b) > p.max {
		return
	}
	if p.free == nil {
		p.free = map[int][][]byte{}
	}
	p.free[len(b)] = append(p.free[len(b)], b)
	p.held += len(b)
}

// pieceBuffer receives one piece. Several connections may have blocks of it, even
// the same block; whoever has a block whole first writes it. The memory goes back
// to the pool when the piece was dropped and nobody hashes or stores it any more.
type pieceBuffer struct {
	pool   *pool
	index  int
	number uint32

	mu      sync.Mutex
	data    []byte
	written []bool // by block
	genuine []bool // by block, of those checked one by one; nil: none
	users   int
	dropped bool
}

func newPieceBuffer(p *pool, index, size int, number uint32) *pieceBuffer {
	return &pieceBuffer{
		pool: p, index: index, number: number, data: p.get(size),
		written: make([]bool, (size+blockSize-1)/blockSize),
	}
}

// write puts a whole block in its place. It reports false if that is not where the
// block belongs, or another copy is there.
func (b *pieceBuffer) write(begin uint32, block []byte) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := int(begin / blockSize)
	if b.dropped || begin%blockSize != 0 || k >= len(b.written) || b.written[k] {
		return false
	}
	if len(block) != min(blockSize, len(b.data)-int(begin)) {
		return false // not the block that was asked for
	}
	b.written[k] = true
	copy(b.data[begin:], block)
	return true
}

// has reports whether a block is there, or can no longer be put there.
func (b *pieceBuffer) has(begin uint32) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.dropped || b.written[begin/blockSize]
}

// bounds is where a block lies in the piece.
func (b *pieceBuffer) bounds(block int) (from, to int) {
	return block * blockSize, min((block+1)*blockSize, len(b.data))
}

// bless notes that a block may be read before the piece is whole.
func (b *pieceBuffer) bless(g verify.GenuineBlock) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.genuine == nil {
		b.genuine = make([]bool, len(b.written))
	}
	b.genuine[g.Block()] = true
}

// erase makes room for another copy of a block.
func (b *pieceBuffer) erase(block int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.written[block] = false
}

// read copies genuine bytes from an offset on and returns how many, 0 if there are
// none yet, or no more.
func (b *pieceBuffer) read(p []byte, off int) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.dropped || b.genuine == nil {
		return 0
	}
	for n < len(p) && off+n < len(b.data) {
		k := (off + n) / blockSize
		if !b.genuine[k] {
			break
		}
		_, to := b.bounds(k)
		n += copy(p[n:], b.data[off+n:to])
	}
	return n
}

// use keeps the memory while a worker hashes and stores the piece.
func (b *pieceBuffer) use() {
	b.mu.Lock()
	b.users++
	b.mu.Unlock()
}

func (b *pieceBuffer) done() {
	b.mu.Lock()
	b.unuse()
	b.mu.Unlock()
}

func (b *pieceBuffer) drop() {
	b.mu.Lock()
	b.dropped = true
	b.users++
	b.unuse()
	b.mu.Unlock()
}

// unuse is called with the lock held.
func (b *pieceBuffer) unuse() {
	if b.users--; b.users == 0 && b.dropped && b.data != nil {
		b.pool.put(b.data)
		b.data = nil
	}
}
