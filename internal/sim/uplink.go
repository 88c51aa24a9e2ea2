package sim

import (
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/internal/wire"
)

// upload queues a block to be sent.
func (e *end) upload(u torrent.Upload) {
	if h := e.node.cfg.Malice; h != nil && (h.Silent || h.Refuses) {
		if h.Refuses {
			e.node.transmit(e, &frame{to: e.other, size: overhead, msgs: []wire.Message{
				{ID: wire.Reject, Index: u.Index, Begin: u.Begin, Length: u.Length},
			}})
		}
		return
	}
	e.blocks = append(e.blocks, u)
	e.node.enqueue(e)
}

// enqueue gives an end its turn at the uplink, if it has something to send and
// its window has room.
func (x *Node) enqueue(e *end) {
	if x.m == nil || e.closed || e.ringed || len(e.blocks) == 0 || e.inFlight >= window {
		return
	}
	e.ringed = true
	x.ring = append(x.ring, e)
	x.sendNext()
}

// sendNext sends one block of the next end: the connections share the uplink
// block by block.
func (x *Node) sendNext() {
	if x.sending || len(x.ring) == 0 {
		return
	}
	e := x.ring[0]
	x.ring = x.ring[1:]
	e.ringed = false
	u := e.blocks[0]
	e.blocks = e.blocks[1:]
	if !x.claims(u) {
		x.after(0, func() { x.step(torrent.ReadFailed{Peer: u.Peer, Index: u.Index, Begin: u.Begin, Length: u.Length}) })
		x.enqueue(e)
		x.sendNext()
		return
	}
	size := int(u.Length) + wire.PieceHeaderLen + overhead
	x.sending = true
	e.inFlight += int(u.Length)
	x.after(time.Duration(size)*time.Second/time.Duration(x.cfg.Up), func() {
		x.sending = false
		if !e.closed {
			x.Given += int64(u.Length)
			x.transmit(e, &frame{
				to:    e.other,
				msgs:  []wire.Message{{ID: wire.Piece, Index: u.Index, Begin: u.Begin, Length: u.Length}},
				block: true, piece: x.content(u), size: size,
			})
			x.enqueue(e)
			x.step(torrent.Sent{Peer: e.key, Bytes: int(u.Length), Blocks: 1})
		}
		x.sendNext()
	})
}

// claims reports whether the node has the piece, or says so.
func (x *Node) claims(u torrent.Upload) bool {
	return x.stored.Has(int(u.Index)) || x.cfg.Malice != nil && x.cfg.Malice.Claims
}

// content is what the node sends for a block.
func (x *Node) content(u torrent.Upload) payload {
	t := x.net.cfg.Torrent
	if x.cfg.Malice != nil && x.rng.Float64() < x.cfg.Malice.Garbage {
		return t.forged(x.rng, u.Index, u.Begin, u.Length)
	}
	return t.genuine(u.Index, u.Begin, u.Length)
}

// recode sends a message through the codec, in pieces of the worst size.
func (x *Node) recode(m wire.Message) wire.Message {
	m.Payload = append([]byte(nil), m.Payload...)
	if m.ID == wire.Piece {
		m.Payload = nil
	}
	raw := m.Append(nil)
	var dec wire.Decoder
	for n := range len(raw) {
		if _, used, err := dec.Next(raw[:n]); err != nil || used > 0 && used < len(raw) && m.ID != wire.Piece {
			x.net.fail(x, "message %d of %d bytes decoded from %d: %v", m.ID, len(raw), n, err)
		}
	}
	got, used, err := dec.Next(raw)
	if err != nil || used != len(raw) {
		x.net.fail(x, "message %d does not survive the codec: %v", m.ID, err)
		return m
	}
	return got
}
