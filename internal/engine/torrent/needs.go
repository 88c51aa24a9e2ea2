package torrent

import (
	"slices"

	"github.com/shoal-p2p/shoal/internal/engine/picker"
)

// recount rebuilds the counts of missing pieces and what may be picked.
func (m *Machine) recount() {
	m.missing, m.lacking = 0, 0
	for i := m.space.first; i < m.space.end; i++ {
		lacks := !m.have.Has(i)
		if lacks && m.needed.Has(i) {
			m.missing++
		}
		if lacks && m.wanted.Has(i) {
			m.lacking++
		}
		if lacks && m.wanted.Has(i) && m.pieces.at[i] == nil {
			m.pick.Add(i)
		} else {
			m.pick.Remove(i)
		}
	}
}

// setPriorities says what is wanted, and how eagerly.
func (m *Machine) setPriorities(levels []Priority) {
	if m.info == nil || levels != nil && len(levels) != m.space.len() {
		return
	}
	was := m.uploadOnly()
	m.wanted.Fill()
	for i := range m.wanted.Len() {
		l := Normal
		if levels != nil {
			l = min(levels[i], High)
		}
		if l == Skip || m.readers.gone.Has(i) {
			m.wanted.Clear(i)
			continue
		}
		m.pick.SetLevel(i, picker.Level(l-Low))
	}
	m.needed = m.wanted.Clone()
	for _, r := range m.readers.list {
		for i := r.first; i <= r.last; i++ {
			if !m.readers.gone.Has(i) {
				m.needed.Set(i)
			}
		}
	}
	m.recount()
	for _, pc := range slices.Clone(m.pieces.open.list) {
		if !m.needed.Has(pc.index) && !pc.verifying {
			m.abandon(pc)
		}
	}
	for _, p := range m.peers {
		m.countUseful(p)
		p.dry = 0
		m.updateInterest(p)
		m.touch(p)
	}
	m.finished = false
	m.checkFinished()
	m.wantsAgain(was)
}

// wantsAgain tells everybody that we want something, after we had said that we do
// not (BEP 21): seeds would leave us.
func (m *Machine) wantsAgain(was bool) {
	if !was || m.uploadOnly() {
		return
	}
	for _, p := range m.peers {
		m.sendUploadOnly(p)
	}
}

// need says whether piece i is needed: it is wanted, or a reader waits for it.
func (m *Machine) need(i int, on bool) {
	if on && m.readers.gone.Has(i) {
		return
	}
	if on && !m.needed.Set(i) || !on && !m.needed.Clear(i) || m.have.Has(i) {
		return
	}
	d := 1
	if !on {
		d = -1
	}
	m.missing += d
	for _, p := range m.partial {
		if p.has.Has(i) {
			p.useful += d
			m.updateInterest(p)
		}
	}
	if on && m.missing == 1 || m.missing == 0 {
		for _, p := range m.peers {
			m.updateInterest(p)
			m.touch(p)
		}
	}
	if pc := m.pieces.at[i]; !on && pc != nil && !pc.verifying {
		m.abandon(pc)
	}
}

// uploadOnly is what we tell of ourselves: that we want nothing. A super-seed
// does not say so, or it would not look like one that has little.
func (m *Machine) uploadOnly() bool { return m.sated() && !m.super.on }

// sated reports whether nothing is needed any more, nor will be by itself.
func (m *Machine) sated() bool { return m.info != nil && m.missing == 0 && !m.onDemand }

// usefulOf is how many pieces p has that we need and lack.
func (m *Machine) usefulOf(p *peer) int {
	if p.seedCount {
		return m.missing
	}
	return p.useful
}

// setSeed counts a peer as one that has everything, or as another.
func (m *Machine) setSeed(p *peer, on bool) {
	if p.seedCount != on {
		p.seedCount = on
		if on {
			m.pick.AddSeed()
		} else {
			m.pick.RemoveSeed()
		}
	}
	if on {
		m.removePartial(p)
	} else {
		m.addPartial(p)
	}
}

// addPartial puts a peer on the list of those that are no seeds.
func (m *Machine) addPartial(p *peer) {
	if p.partialAt == 0 {
		m.partial = append(m.partial, p)
		p.partialAt = len(m.partial)
	}
}

// removePartial takes a peer off the list of those that are no seeds.
func (m *Machine) removePartial(p *peer) {
	at := p.partialAt
	if at == 0 {
		return
	}
	last := m.partial[len(m.partial)-1]
	m.partial[at-1] = last
	last.partialAt = at
	m.partial = m.partial[:len(m.partial)-1]
	p.partialAt = 0
}
