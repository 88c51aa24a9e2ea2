package torrent

import (
	"slices"

	"github.com/shoal-p2p/shoal/internal/engine/bits"
	"github.com/shoal-p2p/shoal/internal/engine/picker"
	"github.com/shoal-p2p/shoal/internal/wire"
)

// superSeed hands out a torrent piece by piece (BEP 16). A peer is told of one
// piece that nobody else has, and of the next once somebody else has that one,
// too: it has passed it on. So every piece leaves us about once.
type superSeed struct {
	on    bool
	pick  *picker.Picker // by who was told of a piece
	given []gift
}

// gift is a piece that a peer was told of, until it is seen elsewhere.
type gift struct {
	piece int
	p     *peer
	had   bool // the peer has it: it can pass it on
}

// atOnce is how many pieces a peer is told of before it has passed any on: one
// under way, one to be passed on.
const atOnce = 2

// shown reports whether a peer may ask for piece i.
func (s *superSeed) shown(p *peer, i int) bool { return !p.hidden.Has(i) }

func (s *superSeed) left(p *peer) {
	s.given = slices.DeleteFunc(s.given, func(g gift) bool { return g.p == p })
}

func (m *Machine) setSuperSeed(on bool) {
	if m.info == nil || m.super.on == on {
		return
	}
	m.super = superSeed{on: on}
	if !on {
		for _, p := range m.peers {
			for i := p.hidden.Next(0); i >= 0; i = p.hidden.Next(i + 1) {
				if !p.has.Has(i) {
					m.send(p, wire.Message{ID: wire.Have, Index: uint32(i)})
				}
			}
			p.hidden = bits.Set{}
		}
		return
	}
	n := m.space.len()
	m.super.pick = picker.New(n, m.cfg.Rand)
	for i := range n {
		m.super.pick.Add(i)
		for range m.pick.Availability(i) {
			m.super.pick.Inc(i)
		}
	}
}

// hide greets a newcomer as if we had nothing, and tells it of the first pieces.
func (m *Machine) hide(p *peer) {
	if p.fast {
		m.send(p, wire.Message{ID: wire.HaveNone})
	}
	p.hidden = m.space.none()
	p.hidden.Fill()
	for range atOnce {
		m.show(p)
	}
}

// show tells a peer of one more piece: the one that the fewest were told of.
func (m *Machine) show(p *peer) {
	i, ok := m.super.pick.Scarcest(&p.hidden)
	if !ok {
		return
	}
	p.hidden.Clear(i)
	m.super.pick.Inc(i)
	m.super.given = append(m.super.given, gift{piece: i, p: p})
	m.send(p, wire.Message{ID: wire.Have, Index: uint32(i)})
}

// spread takes note that a peer has piece i: whoever else was given it has passed
// it on, and gets another.
func (m *Machine) spread(p *peer, i int) {
	s := &m.super
	if !s.on {
		return
	}
	if p.hidden.Clear(i) {
		s.pick.Inc(i) // it has it from elsewhere
	}
	var next []*peer
	s.given = slices.DeleteFunc(s.given, func(g gift) bool {
		if g.piece == i && g.p != p {
			next = append(next, g.p)
			return true
		}
		return false
	})
	for k := range s.given {
		if g := &s.given[k]; g.piece == i {
			g.had = true
		}
	}
	for _, q := range next {
		m.show(q)
	}
}

// showOn tells those of another piece that have one which nobody takes from them:
// there may be nobody who could.
func (m *Machine) showOn() {
	s := &m.super
	if !s.on {
		return
	}
	var next []*peer
	s.given = slices.DeleteFunc(s.given, func(g gift) bool {
		if g.had {
			next = append(next, g.p)
		}
		return g.had
	})
	for _, p := range next {
		m.show(p)
	}
}
