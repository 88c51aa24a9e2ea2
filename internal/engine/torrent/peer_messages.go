package torrent

import (
	"slices"

	"github.com/shoal-p2p/shoal/internal/engine/bits"
	"github.com/shoal-p2p/shoal/internal/wire"
)

// message handles one message. An error ends the connection. What says nothing, or
// could be said for ever, is charged.
func (m *Machine) message(p *peer, it *Item) error {
	switch it.ID {
	case wire.Piece:
		return m.gotBlock(p, it)
	case wire.Request:
		return m.gotRequest(p, it)
	case wire.Cancel:
		m.gotCancel(p, it)
		return m.swarm.ChargeLittle(p.Peer)
	case wire.Have:
		return m.gotHave(p, it.Index)
	case wire.Bitfield:
		return m.gotBitfield(p, it.Payload)
	case wire.HaveAll, wire.HaveNone:
		return m.gotHaveAllOrNone(p, it.ID == wire.HaveAll)
	case wire.Choke, wire.Unchoke, wire.Interested, wire.NotInterested:
		m.gotState(p, it.ID)
		return m.charge(p, 0)
	case wire.Reject:
		if err := m.swarm.ChargeLittle(p.Peer); err != nil {
			return err
		}
		return m.gotReject(p, it)
	case wire.AllowedFast:
		return m.gotAllowedFast(p, it.Index)
	case wire.Suggest:
		if !p.fast {
			return breach("suggest without the fast extension")
		}
		return m.charge(p, 0)
	case wire.HashRequest, wire.Hashes, wire.HashReject:
		return m.gotHashMessage(p, it)
	}
	return nil
}

// gotState takes one of the four messages of BEP 3 that switch something on or
// off.
func (m *Machine) gotState(p *peer, id wire.ID) {
	switch id {
	case wire.Choke:
		m.gotChoke(p)
	case wire.Unchoke:
		p.choked, p.dry = false, 0
		m.touch(p)
	case wire.Interested:
		p.interesting = true
		m.slotsFree = true
	case wire.NotInterested:
		if p.interesting {
			p.interesting = false
			if !p.choking {
				m.setChoke(p, true)
				m.slotsFree = true
			}
		}
	}
}

func (m *Machine) gotHave(p *peer, index uint32) error {
	p.gotBits = true
	if !m.space.known() {
		switch p.early.have(index) {
		case earlyKnown:
			return m.charge(p, 0)
		case earlyApart:
			return m.swarm.ChargeLittle(p.Peer)
		case earlyTooFar:
			return breach("have for a piece that cannot exist")
		}
		return nil
	}
	i := int(index)
	if i >= m.space.end && !m.space.grows() {
		return breach("have for a piece that does not exist")
	}
	if !m.addPiece(p, i) {
		return m.charge(p, 0)
	}
	m.weigh(p)
	return nil
}

// addPiece notes that a peer has a piece. It reports false when that was known.
func (m *Machine) addPiece(p *peer, i int) bool {
	if !p.has.Set(i) {
		return false
	}
	if p.has.All() && !m.space.grows() {
		// Count it as a seed instead of piece by piece.
		for k := p.has.Next(0); k >= 0; k = p.has.Next(k + 1) {
			if k != i {
				m.pick.Dec(k)
			}
		}
		m.setSeed(p, true)
	} else {
		m.pick.Inc(i)
	}
	m.spread(p, i)
	if m.needed.Has(i) && !m.have.Has(i) {
		p.useful++
		p.dry = 0
		m.updateInterest(p)
		m.touch(p)
	}
	return true
}

// losePiece notes that a peer no longer has a piece.
func (m *Machine) losePiece(p *peer, i int) {
	if !p.has.Has(i) {
		return
	}
	if p.seedCount {
		m.setSeed(p, false)
		m.countUseful(p)
		for k := p.has.Next(0); k >= 0; k = p.has.Next(k + 1) {
			m.pick.Inc(k)
		}
	}
	p.has.Clear(i)
	m.pick.Dec(i)
	if pc := m.pieces.at[i]; pc != nil && pc.alone && pc.owner == &p.owns && !pc.verifying {
		m.abandon(pc)
	}
	if m.needed.Has(i) && !m.have.Has(i) {
		p.useful--
		m.updateInterest(p)
	}
}

// setPieces replaces the empty set of a newly joined peer.
func (m *Machine) setPieces(p *peer, set bits.Set) {
	m.uncountPieces(p)
	p.has = set
	if set.All() && !m.space.grows() {
		m.setSeed(p, true)
	} else {
		for i := set.Next(0); i >= 0; i = set.Next(i + 1) {
			m.pick.Inc(i)
		}
	}
	m.countUseful(p)
	p.dry = 0
	m.updateInterest(p)
	m.touch(p)
	m.weigh(p)
}

func (m *Machine) uncountPieces(p *peer) {
	if p.seedCount {
		m.setSeed(p, false)
		return
	}
	for i := p.has.Next(0); i >= 0; i = p.has.Next(i + 1) {
		m.pick.Dec(i)
	}
}

func (m *Machine) countUseful(p *peer) {
	if p.useful = 0; p.seedCount {
		return // see usefulOf
	}
	for i := p.has.Next(0); i >= 0; i = p.has.Next(i + 1) {
		if m.needed.Has(i) && !m.have.Has(i) {
			p.useful++
		}
	}
}

func (m *Machine) updateInterest(p *peer) {
	want := m.usefulOf(p) > 0 && !m.paused
	if want == p.interested {
		return
	}
	p.interested = want
	id := wire.NotInterested
	if want {
		id = wire.Interested
	}
	m.send(p, wire.Message{ID: id})
}

// gotBitfield takes what a peer has. BEP 3 wants it first; one that comes later,
// as aria2 sends it, is as many haves. A web seed finds out by and by what it has,
// and what it has not.
func (m *Machine) gotBitfield(p *peer, b []byte) error {
	late := p.gotBits && !p.WebSeed
	p.gotBits = true
	if late {
		if err := m.charge(p, len(b)); err != nil {
			return err
		}
	}
	switch {
	case m.space.grows():
		return breach("bitfield of content that grows")
	case !m.space.known():
		p.early.bitfield(b)
		return nil
	}
	n := m.space.end
	if err := wire.CheckBitfield(b, n); err != nil {
		return err
	}
	set, _ := bits.FromBytes(b, n)
	if !late {
		m.setPieces(p, set)
		return nil
	}
	for i := set.Next(0); i >= 0; i = set.Next(i + 1) {
		m.addPiece(p, i)
	}
	m.weigh(p)
	return nil
}

func (m *Machine) gotHaveAllOrNone(p *peer, all bool) error {
	if !p.fast {
		return breach("have all or have none without the fast extension")
	}
	if p.gotBits {
		return breach("have all or have none after other piece messages")
	}
	p.gotBits = true
	switch {
	case all && m.space.grows():
		return breach("have all of content that grows")
	case !m.space.known():
		p.early.all = all
		return nil
	}
	set := m.space.none()
	if all {
		set.Fill()
	}
	m.setPieces(p, set)
	return nil
}

// replay applies what a peer said about its pieces before the info dictionary
// was known.
func (m *Machine) replay(p *peer) error {
	n := m.space.end
	p.has = m.space.none()
	set, err := p.early.set(n)
	if err != nil {
		return err
	}
	p.early = early{}
	for _, i := range p.allowed {
		if i >= n {
			return breach("allowed fast for a piece that does not exist")
		}
	}
	m.setPieces(p, set)
	return nil
}

func (m *Machine) gotAllowedFast(p *peer, index uint32) error {
	if !p.fast {
		return breach("allowed fast without the fast extension")
	}
	if m.info != nil && int(index) >= m.space.end {
		return breach("allowed fast for a piece that does not exist")
	}
	if len(p.allowed) < 64 && !slices.Contains(p.allowed, int(index)) {
		p.allowed = append(p.allowed, int(index))
		p.dry = 0
		m.touch(p)
	}
	return m.charge(p, 0)
}
