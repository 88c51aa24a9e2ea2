package sim

import (
	"errors"
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/internal/wire"
)

// live returns the connection that an effect names. The machine must never name
// one that has ended.
func (x *Node) live(key torrent.PeerKey, what string) *end {
	e := x.ends[key]
	if e == nil {
		x.net.fail(x, "%s to peer %d, whose connection has ended", what, key)
	}
	return e
}

// maxCopies is how often one block may be requested at the same time. Requests to
// peers that have been silent for snubAfter do not count; one of those may wake up.
const (
	maxCopies = 3
	snubAfter = 15 * time.Second
)

// checkRequest holds a request against what the peer said and the piece's size.
func (x *Node) checkRequest(c *end, m *wire.Message) {
	if !x.honest() {
		return
	}
	info := x.net.cfg.Torrent.Info
	index := int(m.Index)
	if index >= info.NumPieces() {
		x.net.fail(x, "request for piece %d of %d", index, info.NumPieces())
		return
	}
	size := uint32(info.PieceData(index))
	b := x.buffers[index]
	key := blockKey{m.Index, m.Begin}
	switch {
	case m.Begin%torrent.BlockSize != 0 || m.Begin >= size || m.Length != min(torrent.BlockSize, size-m.Begin):
		x.net.fail(x, "request for %d bytes at %d of a piece of %d", m.Length, m.Begin, size)
	case b == nil:
		x.net.fail(x, "request for piece %d, which is not open", index)
	case b.filled[m.Begin/torrent.BlockSize]:
		x.net.fail(x, "request for block %v, which is there", key)
	case x.stored.Has(index):
		x.net.fail(x, "request for piece %d, which is stored", index)
	case !c.told.Has(index):
		x.net.fail(x, "request for piece %d, which the peer did not announce", index)
	case c.chokes && !c.allowed[m.Index]:
		x.net.fail(x, "request for piece %d while choked", index)
	case c.asked[key] != 0:
		x.net.fail(x, "request for block %v twice from one peer", key)
	}
	c.asked[key], c.lastAsk = x.net.now, x.net.now
	limit := x.cfg.Machine.QueueLimit
	if limit == 0 {
		limit = 500
	}
	if len(c.asked) > limit {
		x.net.fail(x, "%d requests outstanding to one peer", len(c.asked))
	}
	copies := 0
	for _, o := range x.list {
		if len(o.asked) == 0 || x.net.now-o.lastAsk >= snubAfter {
			continue
		}
		at := o.asked[key]
		if at != 0 && x.net.now-at < snubAfter && x.net.now-o.lastBlock < snubAfter {
			copies++
		}
	}
	x.MaxCopies = max(x.MaxCopies, copies)
	if copies > maxCopies {
		x.net.fail(x, "block %v is requested from %d peers", key, copies)
	}
}

func (x *Node) checkUpload(e torrent.Upload) {
	if !x.honest() {
		return
	}
	if !x.stored.Has(int(e.Index)) {
		x.net.fail(x, "upload of piece %d, which is not stored", e.Index)
	}
	if int64(e.Begin)+int64(e.Length) > x.net.cfg.Torrent.Info.PieceSpan(int(e.Index)) {
		x.net.fail(x, "upload beyond the end of piece %d", e.Index)
	}
}

// checkClose holds an end against who is at the other side: honest nodes break
// no rule and send no forged data.
func (x *Node) checkClose(e swarm.Close, c *end) {
	if !x.honest() || !c.other.node.honest() {
		return
	}
	if e.Ban {
		x.net.fail(x, "banned the honest node %d: %v", c.other.node.index, e.Err)
	}
	if broken := new(wire.ProtocolError); errors.As(e.Err, &broken) {
		x.net.fail(x, "closed the honest node %d: %v", c.other.node.index, e.Err)
	}
}

func (x *Node) checkOpen(e torrent.OpenPiece) {
	switch {
	case e.Buffer == 0 || e.Buffer <= x.lastBuffer:
		x.net.fail(x, "buffer number %d after %d", e.Buffer, x.lastBuffer)
	case x.buffers[e.Index] != nil:
		x.net.fail(x, "OpenPiece of piece %d, which is open", e.Index)
	case int64(e.Size) != x.net.cfg.Torrent.Info.PieceSize(e.Index) || int64(e.Data) != x.net.cfg.Torrent.Info.PieceData(e.Index):
		x.net.fail(x, "OpenPiece of piece %d with %d bytes, %d of them to be fetched", e.Index, e.Size, e.Data)
	case x.honest() && x.stored.Has(e.Index):
		x.net.fail(x, "OpenPiece of piece %d, which is stored", e.Index)
	}
	x.lastBuffer = e.Buffer
}

func (x *Node) checkHave(e torrent.Have) {
	if x.honest() && !x.stored.Has(e.Index) {
		x.net.fail(x, "Have of piece %d, which is not stored", e.Index)
	}
}

// checkStep holds the machine's own view against what is really stored.
func (x *Node) checkStep() {
	if !x.honest() || !x.knows {
		return
	}
	limit := x.cfg.Machine.BufferBytes
	if limit == 0 {
		limit = 64 << 20
	}
	if x.openBytes > limit+x.Ahead {
		x.net.fail(x, "%d bytes in open pieces", x.openBytes)
	}
	if x.net.Steps%64 > 0 {
		return // the copy of the set is dear
	}
	set := x.m.HavePieces()
	for i := range set.Len() {
		if set.Has(i) && !x.stored.Has(i) {
			x.net.fail(x, "the machine counts piece %d, which is not stored", i)
		}
	}
}
