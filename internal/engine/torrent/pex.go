package torrent

import (
	"net/netip"
	"slices"
	"time"

	"github.com/shoal-p2p/shoal/internal/wire"
)

const (
	pexInterval = time.Minute
	maxPEX      = 50 // peers in one message of ours (BEP 11)
	maxPEXFlood = 10 // messages that came too soon before the peer is dropped
)

// sendPEX tells every peer which peers came and went since the last time
// (BEP 11). Peers without an address that can be dialled, as over WebRTC, are
// not told of.
func (m *Machine) sendPEX() {
	if m.cfg.Private {
		return
	}
	var now []netip.AddrPort
	for _, p := range m.peers {
		if a, ok := p.dialable(); ok {
			now = append(now, a)
		}
	}
	for _, p := range m.peers {
		id := p.theirID(wire.ExtPEX)
		if id == 0 {
			continue
		}
		self, _ := p.dialable()
		var msg wire.PEX
		for _, a := range now {
			if a != self && !slices.Contains(p.pexSent, a) && len(msg.Added) < maxPEX {
				msg.Added = append(msg.Added, wire.PEXPeer{Addr: a})
				p.pexSent = append(p.pexSent, a)
			}
		}
		p.pexSent = slices.DeleteFunc(p.pexSent, func(a netip.AddrPort) bool {
			if slices.Contains(now, a) || len(msg.Dropped) >= maxPEX {
				return false
			}
			msg.Dropped = append(msg.Dropped, wire.PEXPeer{Addr: a})
			return true
		})
		if len(msg.Added)+len(msg.Dropped) > 0 {
			m.sendExt(p, id, msg.Append(nil))
		}
	}
}

// dialable is the address under which others can reach a peer.
func (p *peer) dialable() (netip.AddrPort, bool) {
	if !p.addr.IsValid() {
		return netip.AddrPort{}, false
	}
	if p.outgoing {
		return p.addr, true
	}
	if p.port != 0 {
		return netip.AddrPortFrom(p.addr.Addr(), uint16(p.port)), true
	}
	return netip.AddrPort{}, false
}

func (m *Machine) gotPEX(p *peer, payload []byte) error {
	if m.cfg.Private {
		return nil // BEP 27
	}
	msg, err := wire.ParsePEX(payload)
	if err != nil {
		return err
	}
	if !p.pexAt.IsZero() && m.now.Sub(p.pexAt) < pexInterval/2 {
		if p.pexFlood++; p.pexFlood > maxPEXFlood {
			return breach("flood of peer exchange messages")
		}
		return nil
	}
	p.pexAt = m.now
	addrs := make([]netip.AddrPort, 0, len(msg.Added))
	for _, a := range msg.Added {
		addrs = append(addrs, a.Addr)
	}
	m.dials.add(addrs, hearsay)
	return nil
}
