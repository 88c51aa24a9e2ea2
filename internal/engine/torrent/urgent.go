package torrent

// nextUrgent chooses a block that a reader waits for. A peer that would be too
// late for a piece leaves it to quicker ones, and takes a later one.
func (m *Machine) nextUrgent(p *peer) (*piece, int, bool) {
	s := &m.readers
	if len(s.urgent) == 0 {
		return nil, 0, false
	}
	mine := m.expected(p)
	for k := 0; k < len(s.urgent); k++ {
		if k == doubled && s.from > k {
			k = s.from
			if k == len(s.urgent) {
				break
			}
		}
		s.work++
		d := s.urgent[k]
		pc := m.pieces.at[d.piece]
		if k == s.from && pc != nil && pc.free == 0 {
			s.from++
		}
		if !p.may(d.piece) || m.tooSlowFor(p, mine, d.piece, d.at) {
			continue
		}
		switch {
		case pc == nil:
			if !m.mayOwn(p, d.piece) {
				continue
			}
			// Readers come before the memory budget.
			var o *owner
			if m.forged[d.piece] != nil {
				o = &p.owns
			}
			return m.openPiece(d.piece, o), 0, true
		case !p.mayJoin(pc):
			if pc, ok := m.takeOver(p, pc); ok {
				return pc, 0, true
			}
		case pc.free > 0:
			b, ok := m.pieces.nextFree(pc)
			return pc, b, ok
		case k < doubled && !pc.verifying:
			if b, ok := m.overdueBlock(p, mine, pc); ok {
				return pc, b, true
			}
		}
	}
	return nil, 0, false
}

const (
	doubled      = 2  // the first urgent pieces, so many, are worth asking for twice
	overdueLooks = 64 // blocks of a piece looked at
	// maxAsked bounds the requests for one block that a reader waits for. It is one more
	// than in the end-game: where the first two peers are slow or silent, a reader stalls.
	maxAsked = 3
)

// overdueBlock finds a block of an urgent piece whose request is older than the
// mean plus half the deviation, so that it may be asked from p too, if p would
// be much quicker.
func (m *Machine) overdueBlock(p *peer, mine float64, pc *piece) (int, bool) {
	limit := m.blockTime.overdue()
	first := m.pieces.firstMissing(pc)
	for b := first; b < min(len(pc.blocks), first+overdueLooks); b++ {
		m.readers.work++
		bl := &pc.blocks[b]
		if bl.got || bl.asked == 0 || bl.asked >= maxAsked || m.now.Sub(bl.at) < limit || bl.by == p.key {
			continue
		}
		v := m.byKey[bl.by]
		at := v.queue.find(uint32(pc.index), uint32(b*BlockSize))
		if float64((at+1)*BlockSize)/m.speed(v) < 2*mine || p.queue.find(uint32(pc.index), uint32(b*BlockSize)) >= 0 {
			continue
		}
		return b, true
	}
	return 0, false
}
