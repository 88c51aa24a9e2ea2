//go:build !js

package swarm

import "net/netip"

// isToo notes that a known address is that of a connected peer, so that it is
// not dialled in vain.
func (m *Machine) isToo(p *Peer, a netip.AddrPort) {
	switch {
	case a == p.Addr && p.Outgoing:
		m.dials.standsFor(m.now, a)
	case p.listens.IsValid() && a != p.listens:
		m.dials.left(m.now, a, p.Seed)
	default:
		m.dials.standsFor(m.now, a)
		p.listens = a
	}
}

// canBeReached notes where others can dial a peer.
func (m *Machine) canBeReached(p *Peer, a netip.AddrPort) {
	if p.dial == a {
		return
	}
	m.cannotBeReached(p)
	p.dial = a
	m.at[a] = p
	m.pex.came(p)
}

func (m *Machine) cannotBeReached(p *Peer) {
	if !p.dial.IsValid() {
		return
	}
	if m.at[p.dial] == p {
		delete(m.at, p.dial)
	}
	m.pex.went(p)
	p.dial = netip.AddrPort{}
}
