package torrent

import (
	"slices"
	"sort"
	"time"
)

// reader is a window of pieces that somebody is about to play.
type reader struct {
	id          int
	first, last int
	due         time.Time // when first is needed
	spacing     time.Duration
}

// maxUrgent bounds the pieces treated as urgent at one time.
const maxUrgent = 256

func (m *Machine) readerMoved(ev ReaderMoved) {
	if m.info == nil {
		return
	}
	n := m.info.NumPieces()
	first, last := max(0, ev.First), min(ev.Last, n-1)
	r := m.reader(ev.Reader)
	if r == nil {
		r = &reader{id: ev.Reader}
		m.readers = append(m.readers, r)
	}
	r.first, r.last = first, last
	r.due = m.now.Add(ev.Urgent)
	r.spacing = ev.Spacing
	m.updateUrgent()
	if ev.Jump {
		m.letGo()
	}
	m.touchAll()
}

func (m *Machine) reader(id int) *reader {
	for _, r := range m.readers {
		if r.id == id {
			return r
		}
	}
	return nil
}

func (m *Machine) readerClosed(id int) {
	m.readers = slices.DeleteFunc(m.readers, func(r *reader) bool { return r.id == id })
	m.updateUrgent()
	m.touchAll()
}

// due is a piece that a reader waits for, and since when it is late.
type due struct {
	piece int
	at    time.Time
}

// byDue sorts through sort.Interface, as wire does, for the tab's sake.
type byDue []due

func (l byDue) Len() int           { return len(l) }
func (l byDue) Less(i, j int) bool { return l[i].at.Before(l[j].at) }
func (l byDue) Swap(i, j int)      { l[i], l[j] = l[j], l[i] }

// updateUrgent lists the pieces that readers wait for, by deadline.
func (m *Machine) updateUrgent() {
	if len(m.readers) == 0 {
		m.urgent = nil
		return
	}
	var list byDue
	for _, r := range m.readers {
		at := r.due
		for i := r.first; i <= r.last && len(list) < maxUrgent; i++ {
			if !m.have.Has(i) {
				list = append(list, due{i, at})
			}
			at = at.Add(r.spacing)
		}
	}
	sort.Stable(list)
	m.urgent, m.urgentAt = m.urgent[:0], m.urgentAt[:0]
	for _, d := range list {
		if !slices.Contains(m.urgent, d.piece) {
			m.urgent = append(m.urgent, d.piece)
			m.urgentAt = append(m.urgentAt, d.at)
		}
	}
}

// letGo cancels what is not urgent in long queues, so that a seek does not wait
// behind blocks that nobody is about to play.
func (m *Machine) letGo() {
	for _, p := range m.peers {
		if m.queueSeconds(p) < urgentQueueTime.Seconds() {
			continue
		}
		skip := m.queueLimit(p) / 4 // these are on their way already
		m.cancelWhere(p, func(r request) bool {
			if skip > 0 {
				skip--
				return false
			}
			return !slices.Contains(m.urgent, int(r.index))
		})
	}
}

// nextUrgent chooses a block that a reader waits for. A peer that would be too
// late for a piece leaves it to quicker ones, and takes a later one.
func (m *Machine) nextUrgent(p *peer) (*piece, int, bool) {
	for k, i := range m.urgent {
		if !m.wanted.Has(i) || !p.may(i) {
			continue
		}
		if m.tooSlowFor(p, i, m.urgentAt[k]) {
			continue
		}
		pc := m.openAt[i]
		if pc == nil {
			if !m.mayOwn(p, i) {
				continue
			}
			// Readers come before the memory budget.
			var owner PeerKey
			if m.forged[i] != nil {
				owner = p.key
			}
			return m.openPiece(i, owner), 0, true
		}
		if !p.mayJoin(pc) {
			if pc, ok := m.takeOver(p, pc); ok {
				return pc, 0, true
			}
			continue
		}
		if pc.verifying {
			continue
		}
		if b, ok := pc.nextFree(); ok {
			return pc, b, true
		}
		if k < 2 {
			if b, ok := m.overdueBlock(p, pc); ok {
				return pc, b, true
			}
		}
	}
	return nil, 0, false
}

// expected is how many seconds p would take to deliver one more block.
func (m *Machine) expected(p *peer) float64 {
	switch {
	case p.snubbed:
		return snubAtMost.Seconds()
	case p.down.Total() == 0:
		return 1 + float64(len(p.requests))/startWindow // nobody knows
	}
	return float64((len(p.requests)+1)*BlockSize) / m.speed(p)
}

// tooSlowFor reports whether p would deliver piece i too late and another peer
// that has it much sooner.
func (m *Machine) tooSlowFor(p *peer, i int, due time.Time) bool {
	mine := m.expected(p)
	if mine < 1 || !m.now.Add(time.Duration(mine*float64(time.Second))).After(due) {
		return false
	}
	for _, q := range m.peers {
		if q != p && q.may(i) && !q.snubbed && q.down.Total() > 0 && 2*m.expected(q) < mine {
			return true
		}
	}
	return false
}

// overdueBlock finds a block of an urgent piece whose request is older than the
// mean plus half the deviation, so that it may be asked from p too, if p would
// be much quicker.
func (m *Machine) overdueBlock(p *peer, pc *piece) (int, bool) {
	limit := m.blockTime.overdue()
	mine := m.expected(p)
	for _, q := range m.peers {
		if q == p {
			continue
		}
		rate := m.speed(q)
		for k, r := range q.requests {
			if int(r.index) != pc.index || m.now.Sub(r.at) < limit ||
				float64((k+1)*BlockSize)/rate < 2*mine || p.hasRequest(r.index, r.begin) {
				continue
			}
			if b := int(r.begin / BlockSize); !pc.blocks[b].got && pc.blocks[b].asked <= maxDuplicates {
				return b, true
			}
		}
	}
	return 0, false
}
