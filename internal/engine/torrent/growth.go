package torrent

import (
	"slices"

	"github.com/shoal-p2p/shoal/internal/wire"
)

// maxAhead is how many pieces beyond the last one we know of a peer may have. What is
// further is as good as not said.
const maxAhead = 4096

// setLive builds everything whose size depends on the content, for content that
// grows.
func (m *Machine) setLive(l *Live) {
	m.space = space{first: l.First, end: l.First, length: l.PieceLength}
	m.build()
}

// change is what only content that grows tells the machine. It is called by this
// interface so that a program without any does not carry what is done about it.
type change interface{ apply(m *Machine) }

// apply adds pieces at the end. All of them are wanted.
func (ev Grown) apply(m *Machine) {
	if !m.space.grows() || len(ev.Pieces) == 0 {
		return
	}
	from, n := m.space.end, len(ev.Pieces)
	m.space.extend(ev.Pieces)
	m.have.Grow(n)
	m.wanted.Grow(n)
	m.needed.Grow(n)
	m.pick.Extend(n)
	m.allow()
	for i := from; i < m.space.end; i++ {
		m.wanted.Set(i)
		m.needed.Set(i)
		if ev.Stored {
			m.have.Set(i)
			m.do(Have{Index: i})
			continue
		}
		m.missing++
		m.lacking++
		m.pick.Add(i)
	}
	for _, p := range m.peers {
		m.work++
		p.has.Grow(n)
		m.meet(p, from)
	}
	if m.readers.extend(m.space.end) {
		m.readers.update(&m.have)
		m.wakeAll()
	}
}

// meet takes note of which pieces from one on, new to us, a peer has, and tells it
// of those that we have.
func (m *Machine) meet(p *peer, from int) {
	for i := from; i < m.space.end; i++ {
		has := p.has.Has(i)
		if has {
			m.pick.Inc(i)
		}
		switch have := m.have.Has(i); {
		case have && !has:
			m.send(p, wire.Message{ID: wire.Have, Index: uint32(i)})
		case has && !have:
			p.useful++
			p.dry = 0
			m.touch(p)
		}
	}
	m.updateInterest(p)
}

// apply forgets the pieces before First: they are no longer fetched, offered or
// waited for. Blocks that are on their way to a peer go on; so does the check of a
// piece, the result of which no longer matters.
func (ev Expired) apply(m *Machine) {
	first := ev.First
	if !m.space.grows() || first <= m.space.first {
		return
	}
	for i := m.space.first; i < min(first, m.space.end); i++ {
		delete(m.forged, i)
		if m.have.Has(i) {
			continue
		}
		if m.wanted.Has(i) {
			m.lacking--
		}
		if !m.needed.Has(i) {
			continue
		}
		m.missing--
		for _, p := range m.partial {
			m.work++
			if p.has.Has(i) {
				p.useful--
			}
		}
	}
	m.space.retire(first)
	m.have.Retire(first)
	m.wanted.Retire(first)
	m.needed.Retire(first)
	m.pick.Retire(first)
	for _, pc := range slices.Clone(m.pieces.open.list) {
		if pc.index < first && !pc.verifying {
			m.abandon(pc)
		}
	}
	for _, p := range m.peers {
		m.work++
		p.has.Retire(first)
		p.has.Grow(m.space.end + maxAhead - p.has.End())
		p.refusals.retire(first)
		p.allowed = slices.DeleteFunc(p.allowed, func(i int) bool { return i < first })
		m.refuseUploads(p, func(u upload) bool { return int(u.index) < first })
		m.updateInterest(p)
	}
	for _, r := range m.readers.list {
		if r.first < first {
			r.skip(first)
			m.do(ReaderExpired{Reader: r.id, First: first})
		}
	}
	m.readers.update(&m.have)
}
