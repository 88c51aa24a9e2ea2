package sim

import (
	"math/rand/v2"
	"time"

	"github.com/shoal-p2p/shoal/internal/wire"
)

// Malice says what a hostile node does. Beside that it runs a machine like
// everybody else, so it is found and talked to.
type Malice struct {
	Claims  bool    // says that it has every piece
	Garbage float64 // share of the blocks it sends that hold other bytes
	Silent  bool    // never answers a request
	Refuses bool    // rejects every request
	// Forges makes it send another info dictionary than the true one, of
	// ForgedSize bytes if that is set.
	Forges     bool
	ForgedSize int
	// Flood makes messages to be sent to every peer each FloodEvery.
	Flood      func(rng *rand.Rand) []wire.Message
	FloodEvery time.Duration
}

func (h *Malice) start(x *Node) {
	if h.Flood == nil {
		return
	}
	var tick func()
	tick = func() {
		for _, e := range x.list {
			f := &frame{to: e.other, size: overhead, msgs: h.Flood(x.rng)}
			f.size += 17 * len(f.msgs)
			x.transmit(e, f)
		}
		x.after(h.FloodEvery, tick)
	}
	x.after(h.FloodEvery, tick)
}

// tamper changes a message that the machine sends. It reports false to swallow
// it.
func (h *Malice) tamper(x *Node, m *wire.Message) bool {
	if m.ID != wire.Extended || m.KeepAlive || !h.Forges {
		return true
	}
	if m.ExtID == wire.ExtHandshakeID {
		hs, err := wire.ParseExtHandshake(m.Payload)
		if err == nil && h.ForgedSize > 0 {
			hs.MetadataSize = h.ForgedSize
			m.Payload = hs.Append(nil)
		}
		return true
	}
	msg, err := wire.ParseMetadata(m.Payload)
	if err != nil || msg.Type == wire.MetadataUnknown {
		return true
	}
	switch {
	case msg.Type == wire.MetadataRequest:
		return true
	case h.ForgedSize > 0:
		msg.Type = wire.MetadataData
		msg.TotalSize = h.ForgedSize
		n := min(wire.MetadataPieceSize, h.ForgedSize-msg.Piece*wire.MetadataPieceSize)
		if n <= 0 {
			return true
		}
		msg.Data = make([]byte, n)
		fill(x.rng, msg.Data)
	case msg.Type == wire.MetadataData:
		msg.Data = append([]byte(nil), msg.Data...)
		msg.Data[x.rng.IntN(len(msg.Data))] ^= 0x20
	}
	m.Payload = msg.Append(nil)
	return true
}
