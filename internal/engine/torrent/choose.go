package torrent

// nextBlock chooses the next block to ask p for. Pieces that other peers fetch
// for themselves are left to them while there is other work.
func (m *Machine) nextBlock(p *peer) (*piece, int, bool) {
	p.roomless = false
	if pc, b, ok := m.nextUrgent(p); ok {
		return pc, b, true
	}
	pc := m.ownPiece(p)
	if pc == nil {
		pc = m.pieces.join(&m.pieces.shared, p.mayJoin)
	}
	if pc == nil {
		pc = m.newPiece(p)
	}
	if pc == nil {
		pc = m.pieces.join(&m.pieces.lent, p.mayJoin)
	}
	if pc != nil {
		b, ok := m.pieces.nextFree(pc)
		return pc, b, ok
	}
	for _, pc := range m.pieces.alone.list {
		if pc, ok := m.takeOver(p, pc); ok {
			return pc, 0, true
		}
	}
	return m.endGame(p)
}

// ownPiece returns a piece that p fetches for itself and that has free blocks.
func (m *Machine) ownPiece(p *peer) *piece {
	for _, pc := range p.owns.ready.list {
		if p.may(pc.index) {
			return pc
		}
	}
	return nil
}

// swift reports whether p fetches a piece of that size quickly enough to have it
// for itself.
func (m *Machine) swift(p *peer, size int) bool {
	if p.queue.snubbed {
		return false
	}
	if p.down.Total() == 0 {
		return true // unknown: believe in it
	}
	return p.down.Rate(m.now)*wholePieceTime >= float64(size)
}

// firstPieces are chosen at random: a newcomer needs anything to trade.
const firstPieces = 4

// newPiece opens the next piece for p.
func (m *Machine) newPiece(p *peer) *piece {
	if m.pick.Len() == 0 || p.dry == m.pick.Adds() {
		return nil
	}
	if !m.makeRoom(int(m.space.length)) {
		p.roomless = true
		return nil
	}
	i, ok := m.choose(p)
	if !ok {
		p.dry = m.pick.Adds()
		return nil
	}
	size := int(m.space.data(i))
	if p.WebSeed {
		p.row.add(i, int64(size))
	}
	var o *owner
	if m.forged[i] != nil || m.swift(p, size) {
		o = &p.owns
	}
	return m.openPiece(i, o)
}

// choose picks a piece for p.
func (m *Machine) choose(p *peer) (int, bool) {
	var ok func(i int) bool
	if p.queue.snubbed || p.refusals.any() {
		ok = func(i int) bool { return p.may(i) && m.mayOwn(p, i) }
	}
	switch {
	case p.choked:
		for _, i := range p.allowed {
			if m.pick.Pickable(i) && p.may(i) && m.mayOwn(p, i) {
				return i, true
			}
		}
		return 0, false
	case p.queue.snubbed:
		return m.pick.Commonest(&p.has, ok)
	case p.WebSeed && m.continues(p):
		return p.row.next, true
	case m.sequential:
		return m.pick.First(&p.has, ok)
	case m.have.Count() < firstPieces:
		return m.pick.Random(&p.has, ok)
	}
	return m.pick.Rarest(&p.has, ok)
}

// makeRoom reports whether a piece of that size may be opened. When the budget
// is used up by pieces that nobody is working on, the stalest is let go.
func (m *Machine) makeRoom(size int) bool {
	if m.pieces.room(size) {
		return true
	}
	m.pieces.cramped = true
	pc := m.pieces.lying(m.now)
	if pc == nil {
		return false
	}
	m.abandon(pc)
	return m.pieces.room(size)
}

// setBudget changes how much memory the open pieces may take.
func (m *Machine) setBudget(bytes int64) {
	if bytes > m.pieces.budget {
		m.wakeAll()
	}
	m.pieces.budget = bytes
}

// Buffers returns how many bytes the open pieces take, and whether more would be
// open since the last call if the budget allowed it.
func (m *Machine) Buffers() (used int64, cramped bool) {
	cramped = m.pieces.cramped
	m.pieces.cramped = false
	return m.pieces.size, cramped
}
