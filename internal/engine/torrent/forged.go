package torrent

import "slices"

// forgery remembers who sent which block of a piece that failed its hash, and
// what it was, so that the culprits are known once the piece is genuine.
//
// Only the first attempt can have several senders: after it the piece is fetched
// from one peer alone, who is either a forger, found out at once, or brings the
// bytes that convict the others. So nobody is banned for the company it kept.
type forgery struct {
	from []PeerKey  // per block
	sums [][20]byte // likewise
}

func (m *Machine) pieceForged(ev PieceForged) {
	pc := m.pieces.at[ev.Index]
	if pc == nil {
		return
	}
	pc.verifying = false
	if m.suspectBlocks(pc, ev.Sums) {
		return
	}
	m.condemn(pc, ev.Sums)
}

// condemn throws a forged piece away. A peer that sent all of it is banned.
func (m *Machine) condemn(pc *piece, sums [][20]byte) {
	m.wasted += int64(pc.size)
	from := make([]PeerKey, len(pc.blocks))
	for i, b := range pc.blocks {
		from[i] = b.from
	}
	index := pc.index
	if len(sums) == len(from) && m.forged[index] == nil && index >= m.space.first {
		m.forged[index] = &forgery{from, sums}
	}
	m.closePiece(pc)
	m.offer(index)
	if key, one := soleSender(from); one {
		if p := m.byKey[key]; p != nil {
			m.closePeer(p, ErrBadData, true)
		}
	}
}

// soleSender returns who sent all blocks, if it was one peer.
func soleSender(from []PeerKey) (PeerKey, bool) {
	return from[0], !slices.ContainsFunc(from, func(key PeerKey) bool { return key != from[0] })
}

// settle bans whoever sent a block that differs from the genuine one.
func (m *Machine) settle(pc *piece, sums [][20]byte) {
	f := m.forged[pc.index]
	if f == nil {
		return
	}
	delete(m.forged, pc.index)
	if len(sums) != len(f.sums) {
		return
	}
	for b, key := range f.from {
		if p := m.byKey[key]; p != nil && f.sums[b] != sums[b] {
			m.closePeer(p, ErrBadData, true)
		}
	}
}

// mayOwn reports whether p may fetch piece i for itself alone, if the piece was
// forged before. A peer that does not send may only where nobody else can.
func (m *Machine) mayOwn(p *peer, i int) bool {
	if m.forged[i] == nil || !p.queue.snubbed {
		return true
	}
	return !slices.ContainsFunc(m.peers, func(q *peer) bool { return !q.queue.snubbed && q.may(i) })
}

// takeOver begins a piece again that a much slower peer fetches alone.
func (m *Machine) takeOver(p *peer, pc *piece) (*piece, bool) {
	if !pc.alone || pc.owner == &p.owns || pc.verifying || p.queue.snubbed || p.down.Total() == 0 || !p.may(pc.index) {
		return nil, false
	}
	left := float64((len(pc.blocks) - pc.got) * BlockSize)
	rate := 1.0
	if o := m.byKey[pc.owner.key]; o != nil && !o.queue.snubbed {
		rate = max(rate, o.down.Rate(m.now))
	}
	if left/rate < 5+2*float64(pc.size)/max(1, p.down.Rate(m.now)) {
		return nil, false
	}
	i := pc.index
	m.abandon(pc)
	return m.openPiece(i, &p.owns), true
}
