//go:build !js

package swarm

import (
	"net/netip"

	"github.com/shoal-p2p/shoal/internal/wire"
)

// sendPort tells a peer that has a DHT node of ours (BEP 5).
func (m *Machine) sendPort(p *Peer) {
	if m.cfg.DHTPort != 0 && !m.cfg.Private {
		m.Send(p, wire.Message{ID: wire.Port, Port: uint16(m.cfg.DHTPort)})
	}
}

// gotPort hands a peer's DHT node to the driver.
func (m *Machine) gotPort(p *Peer, port uint16) error {
	if port != 0 && p.Addr.IsValid() && m.cfg.DHTPort != 0 && !m.cfg.Private {
		m.Do(DHTNode{Addr: netip.AddrPortFrom(p.Addr.Addr(), port)})
	}
	return m.Charge(p, 0)
}
