package torrent

import (
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/choker"
	"github.com/shoal-p2p/shoal/internal/engine/rate"
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/wire"
)

// content is the machine as its swarm sees it.
type content Machine

func (c *content) machine() *Machine { return (*Machine)(c) }

func state(p *swarm.Peer) *peer { return p.State.(*peer) }

// Extensions implements swarm.Content.
func (c *content) Extensions() []swarm.Extension {
	m := c.machine()
	handle := func(f func(p *peer, payload []byte) error) func(*swarm.Peer, []byte) error {
		return func(p *swarm.Peer, payload []byte) error { return f(state(p), payload) }
	}
	return []swarm.Extension{
		{Name: wire.ExtMetadata, Handle: handle(m.gotMetadata), Charges: true},
		{Name: wire.ExtDontHave, Handle: handle(m.gotDontHave), Charges: true},
		{Name: wire.ExtUploadOnly, Handle: handle(m.gotUploadOnly)},
	}
}

// Joined implements swarm.Content.
func (c *content) Joined(sp *swarm.Peer) {
	m := c.machine()
	p := &peer{
		Peer: sp, key: sp.Key, fast: sp.Fast,
		choking: true, choked: true, queue: newQueue(), owns: newOwner(sp.Key), reqq: defaultReqQ,
		gave: rate.Meter{Tau: debtTime},
	}
	sp.State = p
	if len(m.peers) == 0 {
		m.rechokeAt = m.now.Add(choker.Interval)
		m.sweepAt = m.now.Add(sweepInterval)
	}
	m.peers = append(m.peers, p)
	m.byKey[p.key] = p
	m.addPartial(p)
	p.has = m.space.none()
	if p.WebSeed {
		p.reqq = m.cfg.QueueLimit
		return
	}
	m.sendHave(p)
}

// Left implements swarm.Content.
func (c *content) Left(p *swarm.Peer) { c.machine().removePeer(state(p)) }

// Greeting implements swarm.Content.
func (c *content) Greeting(h *wire.ExtHandshake) {
	m := c.machine()
	h.ReqQ, h.UploadOnly = advertisedReqQ, m.uploadOnly()
	if m.info != nil {
		h.MetadataSize = len(m.info.Bytes)
	}
}

// Greeted implements swarm.Content.
func (c *content) Greeted(sp *swarm.Peer, h *wire.ExtHandshake) error {
	m, p := c.machine(), state(sp)
	if h.ReqQ > 0 {
		p.reqq = h.ReqQ
	}
	p.uploadOnly = h.UploadOnly
	if h.MetadataSize > 0 && !m.space.known() {
		m.meta.offer(p.key, h.MetadataSize)
		m.wantMetadata()
	}
	m.weigh(p)
	return nil
}

// Message implements swarm.Content.
func (c *content) Message(p *swarm.Peer, it *Item) error { return c.machine().message(state(p), it) }

// Late implements swarm.Content. Blocks of a closed peer lie in buffers all the
// same.
func (c *content) Late(from PeerKey, it *Item) {
	if it.ID == wire.Piece && !it.KeepAlive {
		c.machine().takeIn(nil, from, it)
	}
}

// Event implements swarm.Content.
func (c *content) Event(ev Event) { c.machine().handle(ev) }

// Settle implements swarm.Content.
func (c *content) Settle() {
	m := c.machine()
	m.timers()
	m.fillAll()
}

// Deadline implements swarm.Content.
func (c *content) Deadline() time.Time { return c.machine().timersDue() }

// Wants implements swarm.Content.
func (c *content) Wants() swarm.Appetite {
	switch m := c.machine(); {
	case m.paused:
		return swarm.Nobody
	case m.sated() && m.selfish:
		return swarm.Nobody
	case m.sated():
		return swarm.Leechers
	}
	return swarm.Anybody
}

// Worth implements swarm.Content.
func (c *content) Worth(sp *swarm.Peer) float64 {
	m, p := c.machine(), state(sp)
	if m.space.known() && !p.interested && !p.interesting {
		return 0
	}
	return max(1, p.down.Rate(m.now)+p.up.Rate(m.now))
}
