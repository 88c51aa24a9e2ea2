package swarm

import "slices"

// SetPrivate takes over the private flag of an info dictionary that was fetched
// from peers (BEP 27): what hearsay, the DHT and the local network told is
// forgotten, who was found in those ways alone is closed, and everybody hears
// that we exchange no peers any more.
func (m *Machine) SetPrivate() {
	if m.cfg.Private {
		return
	}
	m.cfg.Private = true
	m.Do(Private{})
	for _, p := range slices.Clone(m.peers) {
		if p.Outgoing && p.Addr.IsValid() && p.sources&vouched == 0 {
			m.Close(p, ErrPrivate, false)
		}
	}
	m.dials.forget(vouched)
	m.GreetAll()
}
