package driver

import (
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/internal/engine/verify"
	"github.com/shoal-p2p/shoal/metainfo"
)

// verifyBlock holds one block in a buffer against its hash. A genuine one may be
// read before its piece is whole.
func (t *Torrent) verifyBlock(e torrent.VerifyBlock) {
	b, info := t.buffers[e.Index], t.info.Load()
	block := b.useBlock(e.Block)
	t.s.wg.Go(func() {
		defer b.done(false)
		t.s.workers <- struct{}{}
		defer func() { <-t.s.workers }()
		from, _ := b.bounds(e.Block)
		block = block[:min(len(block), int(info.TreeBytes(e.Index))-from)] // the padding of a hybrid is not hashed
		g, ok := verify.CheckBlock(block, e.Block, e.Leaf)
		if !ok {
			t.post(torrent.BlockForged{Index: e.Index, Block: e.Block, Buffer: e.Buffer})
			return
		}
		b.bless(g)
		t.mu.Lock()
		t.early[e.Index] = b
		t.broadcast()
		t.mu.Unlock()
		t.post(torrent.BlockGenuine{Index: e.Index, Block: e.Block, Buffer: e.Buffer})
	})
}

// readEarly copies genuine bytes of a piece that is not whole yet, 0 if there are
// none at that offset.
func (t *Torrent) readEarly(p []byte, index int, off int64) int {
	t.mu.Lock()
	b := t.early[index]
	t.mu.Unlock()
	if b == nil {
		return 0
	}
	return b.read(p, int(off))
}

// noLongerEarly forgets the buffer of a piece that is closed.
func (t *Torrent) noLongerEarly(index int) {
	t.mu.Lock()
	delete(t.early, index)
	t.mu.Unlock()
}

// readLeaves hashes the blocks of stored pieces for a peer that wants to know
// which block of a piece is bad.
func (t *Torrent) readLeaves(e torrent.ReadLeaves) {
	info := t.info.Load()
	t.s.wg.Go(func() {
		t.s.workers <- struct{}{}
		defer func() { <-t.s.workers }()
		ev := torrent.Leaves{Peer: e.Peer, Request: e.Request}
		buf := make([]byte, blockSize)
		for i := e.First; i < e.End; i++ {
			size := info.TreeBytes(i)
			for at := int64(0); at < size; at += blockSize {
				block := buf[:min(blockSize, size-at)]
				if _, err := t.readStore(block, int64(i)*info.PieceLength+at); err != nil {
					ev.Leaves = nil
					t.unreadable(torrent.ReadFailed{Index: uint32(i)}, err)
					t.post(ev)
					return
				}
				ev.Leaves = append(ev.Leaves, metainfo.LeafHash(block))
			}
		}
		t.post(ev)
	})
}
