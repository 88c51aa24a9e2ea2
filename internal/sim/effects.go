package sim

import (
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
)

// hashRate is how many bytes of a piece are hashed and stored in a second.
const hashRate = 200 << 20

// carryOut does what the machine decided, as the driver does. Everything that
// follows from it happens in later events.
func (x *Node) carryOut(e torrent.Effect) {
	switch e := e.(type) {
	case *swarm.Send:
		if c := x.live(e.Peer, "Send"); c != nil {
			c.send(e.Messages)
		}
	case torrent.Void:
		if c := x.live(e.Peer, "Void"); c != nil {
			clear(c.expect)
			clear(c.asked)
		}
	case *torrent.Upload:
		if c := x.live(e.Peer, "Upload"); c != nil {
			x.checkUpload(*e)
			c.upload(*e)
		}
	case swarm.Close:
		if c := x.live(e.Peer, "Close"); c != nil {
			x.checkClose(e, c)
			if e.Ban {
				x.banned[c.other.node.ip] = true
			}
			c.close(false)
		}
	case torrent.OpenPiece:
		x.checkOpen(e)
		x.buffers[e.Index] = newBuffer(e)
		x.openBytes += int64(e.Size)
	case torrent.DropPiece:
		b := x.buffers[e.Index]
		if b == nil {
			x.net.fail(x, "DropPiece of piece %d, which is not open", e.Index)
			return
		}
		delete(x.buffers, e.Index)
		x.openBytes -= int64(b.room)
	case torrent.Verify:
		x.verify(e)
	case torrent.VerifyBlock:
		x.verifyBlock(e)
	case torrent.ClearBlock:
		x.buffers[e.Index].clear(e.Block)
	case torrent.ReadLeaves:
		x.readLeaves(e)
	case swarm.Dial:
		x.dial(e.Addr)
	case torrent.Have:
		x.checkHave(e)
		x.at[e.Index] = x.net.now
	case torrent.Learned:
		if string(e.Info.Bytes) != string(x.net.cfg.Torrent.Info.Bytes) {
			x.net.fail(x, "learned a forged info dictionary")
			return
		}
		x.after(5*time.Millisecond, func() {
			x.knows = true
			have := x.claimed()
			x.step(torrent.ContentReady{Info: e.Info, Have: &have})
		})
	case torrent.Finished:
		if x.honest() && !x.stored.All() && !x.Selective {
			x.net.fail(x, "Finished with %d of %d pieces", x.stored.Count(), x.stored.Len())
		}
	case torrent.Lost:
		x.stored.Clear(e.Index)
	case torrent.Stuck:
		x.net.fail(x, "Stuck: %v", e.Err)
	}
}

// verify hashes a complete buffer and stores it if it is genuine.
func (x *Node) verify(e torrent.Verify) {
	b := x.buffers[e.Index]
	switch {
	case b == nil:
		x.net.fail(x, "Verify of piece %d, which is not open", e.Index)
		return
	case b.left > 0:
		x.net.fail(x, "Verify of piece %d, which lacks %d blocks", e.Index, b.left)
		return
	case b.verifying:
		x.net.fail(x, "Verify of piece %d twice", e.Index)
		return
	}
	b.verifying = true
	x.after(time.Millisecond+time.Duration(b.size)*time.Second/hashRate, func() {
		ok, sums := x.net.cfg.Torrent.check(e, b.blocks)
		if !ok {
			b.verifying = false
			x.step(torrent.PieceForged{Index: e.Index, Sums: sums})
			return
		}
		if !x.net.cfg.Torrent.isTrue(e.Index, b.blocks) {
			x.net.fail(x, "piece %d passed its check and is not genuine", e.Index)
			return
		}
		if x.cfg.FailStore != nil && x.cfg.FailStore(e.Index) {
			x.step(torrent.StoreFailed{Index: e.Index})
			return
		}
		x.stored.Set(e.Index)
		x.net.moved = true
		if x.stored.All() && x.Done == 0 {
			x.Done = x.net.now
		}
		if !e.Sums {
			sums = nil
		}
		x.step(torrent.PieceStored{Index: e.Index, Sums: sums})
	})
}

// verifyBlock holds one block in a buffer against its hash.
func (x *Node) verifyBlock(e torrent.VerifyBlock) {
	b := x.buffers[e.Index]
	if b == nil || b.number != e.Buffer || !b.filled[e.Block] {
		x.net.fail(x, "VerifyBlock of block %d of piece %d, which is not there", e.Block, e.Index)
		return
	}
	p := b.blocks[e.Block]
	tree := x.net.cfg.Torrent.Info.TreeBytes(e.Index) - int64(e.Block)*torrent.BlockSize
	x.after(time.Millisecond, func() {
		if p.leaf(int(min(torrent.BlockSize, tree))) == e.Leaf {
			x.step(torrent.BlockGenuine{Index: e.Index, Block: e.Block, Buffer: e.Buffer})
			return
		}
		x.step(torrent.BlockForged{Index: e.Index, Block: e.Block, Buffer: e.Buffer})
	})
}

// readLeaves hashes the blocks of stored pieces.
func (x *Node) readLeaves(e torrent.ReadLeaves) {
	tor := x.net.cfg.Torrent
	ev := torrent.Leaves{Peer: e.Peer, Request: e.Request}
	for i := e.First; i < e.End; i++ {
		if !x.stored.Has(i) && x.honest() {
			x.net.fail(x, "ReadLeaves of piece %d, which is not stored", i)
			return
		}
		ev.Leaves = append(ev.Leaves, leaves(i, tor.Info.PieceData(i), tor.Info.TreeBytes(i), tor.genuine)...)
	}
	x.after(10*time.Millisecond, func() { x.step(ev) })
}
