package torrent

import (
	"slices"

	"github.com/shoal-p2p/shoal/internal/engine/bits"
	"github.com/shoal-p2p/shoal/internal/wire"
)

func breach(msg string) error { return &wire.ProtocolError{Msg: msg} }

func (m *Machine) received(ev Received) {
	p := m.byKey[ev.Peer]
	if p != nil {
		p.lastRecv = m.now
	}
	for i := range ev.Items {
		it := &ev.Items[i]
		if m.byKey[ev.Peer] == nil {
			// Closed, perhaps by the message before. Its blocks lie in buffers
			// all the same.
			if it.ID == wire.Piece && !it.KeepAlive {
				m.takeIn(ev.Peer, it)
			}
			continue
		}
		if err := m.message(p, it); err != nil {
			m.closePeer(p, err, false)
		}
	}
}

// message handles one message. An error ends the connection.
func (m *Machine) message(p *peer, it *Item) error {
	if it.KeepAlive {
		return nil
	}
	switch it.ID {
	case wire.Piece:
		return m.gotBlock(p, it)
	case wire.Request:
		return m.gotRequest(p, it)
	case wire.Cancel:
		m.gotCancel(p, it)
	case wire.Have:
		return m.gotHave(p, it.Index)
	case wire.Bitfield:
		return m.gotBitfield(p, it.Payload)
	case wire.HaveAll, wire.HaveNone:
		return m.gotHaveAllOrNone(p, it.ID == wire.HaveAll)
	case wire.Choke:
		m.gotChoke(p)
	case wire.Unchoke:
		p.choked = false
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
	case wire.Reject:
		return m.gotReject(p, it)
	case wire.AllowedFast:
		return m.gotAllowedFast(p, it.Index)
	case wire.Suggest:
		if !p.fast {
			return breach("suggest without the fast extension")
		}
	case wire.Extended:
		return m.gotExtended(p, it.ExtID, it.Payload)
	case wire.HashRequest, wire.Hashes, wire.HashReject:
		return m.gotHashMessage(p, it)
	}
	return nil
}

func (m *Machine) gotHave(p *peer, index uint32) error {
	p.gotBits = true
	if m.info == nil {
		if len(p.rawHaves) >= maxUselessHaves {
			return breach("flood of have messages")
		}
		p.rawHaves = append(p.rawHaves, index)
		return nil
	}
	i := int(index)
	if i >= m.info.NumPieces() {
		return breach("have for a piece that does not exist")
	}
	if !m.addPiece(p, i) {
		return p.countHave()
	}
	m.dropIfUseless(p)
	return nil
}

// addPiece notes that a peer has a piece. It reports false when that was known.
func (m *Machine) addPiece(p *peer, i int) bool {
	if !p.has.Set(i) {
		return false
	}
	if p.has.All() {
		// Count it as a seed instead of piece by piece.
		for k := range p.has.Len() {
			if k != i {
				m.pick.Dec(k)
			}
		}
		m.pick.AddSeed()
		p.seedCount = true
	} else {
		m.pick.Inc(i)
	}
	if m.wanted.Has(i) && !m.have.Has(i) {
		p.useful++
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
		m.pick.RemoveSeed()
		p.seedCount = false
		for k := range p.has.Len() {
			m.pick.Inc(k)
		}
	}
	p.has.Clear(i)
	m.pick.Dec(i)
	if pc := m.openAt[i]; pc != nil && pc.alone && pc.owner == p.key && !pc.verifying {
		m.abandon(pc)
		m.touchAll()
	}
	if m.wanted.Has(i) && !m.have.Has(i) {
		p.useful--
		m.updateInterest(p)
	}
}

// setPieces replaces the empty set of a newly joined peer.
func (m *Machine) setPieces(p *peer, set bits.Set) {
	m.uncountPieces(p)
	p.has = set
	if set.All() && set.Len() > 0 {
		m.pick.AddSeed()
		p.seedCount = true
	} else {
		for i := range set.Len() {
			if set.Has(i) {
				m.pick.Inc(i)
			}
		}
	}
	m.countUseful(p)
	m.updateInterest(p)
	m.touch(p)
	m.dropIfUseless(p)
}

func (m *Machine) uncountPieces(p *peer) {
	if p.seedCount {
		m.pick.RemoveSeed()
		p.seedCount = false
		return
	}
	for i := range p.has.Len() {
		if p.has.Has(i) {
			m.pick.Dec(i)
		}
	}
}

func (m *Machine) countUseful(p *peer) {
	p.useful = 0
	if p.seedCount {
		p.useful = m.missing
		return
	}
	for i := range p.has.Len() {
		if p.has.Has(i) && m.wanted.Has(i) && !m.have.Has(i) {
			p.useful++
		}
	}
}

func (m *Machine) updateInterest(p *peer) {
	want := p.useful > 0 && !m.paused
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

func (m *Machine) gotBitfield(p *peer, b []byte) error {
	if p.gotBits {
		return breach("bitfield after other piece messages")
	}
	p.gotBits = true
	if m.info == nil {
		p.rawBits = slices.Clone(b)
		return nil
	}
	if err := wire.CheckBitfield(b, m.info.NumPieces()); err != nil {
		return err
	}
	set, _ := bits.FromBytes(b, m.info.NumPieces())
	m.setPieces(p, set)
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
	if m.info == nil {
		p.allPending = all
		return nil
	}
	set := bits.New(m.info.NumPieces())
	if all {
		set.Fill()
	}
	m.setPieces(p, set)
	return nil
}

// replay applies what a peer said about its pieces before the info dictionary
// was known.
func (m *Machine) replay(p *peer) error {
	n := m.info.NumPieces()
	p.has = bits.New(n)
	set := bits.New(n)
	if p.rawBits != nil {
		if err := wire.CheckBitfield(p.rawBits, n); err != nil {
			return err
		}
		set, _ = bits.FromBytes(p.rawBits, n)
	}
	if p.allPending {
		set.Fill()
	}
	for _, i := range p.rawHaves {
		if int(i) >= n {
			return breach("have for a piece that does not exist")
		}
		set.Set(int(i))
	}
	p.rawBits, p.rawHaves, p.allPending = nil, nil, false
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
	if m.info != nil && int(index) >= m.info.NumPieces() {
		return breach("allowed fast for a piece that does not exist")
	}
	if len(p.allowed) < 64 && !slices.Contains(p.allowed, int(index)) {
		p.allowed = append(p.allowed, int(index))
		m.touch(p)
	}
	return nil
}
