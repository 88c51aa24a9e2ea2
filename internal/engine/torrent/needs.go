package torrent

// need says whether piece i is needed: it is wanted, or a reader waits for it.
func (m *Machine) need(i int, on bool) {
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
