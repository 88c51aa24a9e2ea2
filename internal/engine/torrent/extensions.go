package torrent

import (
	"github.com/shoal-p2p/shoal/internal/wire"
)

func (m *Machine) sendUploadOnly(p *peer) {
	m.swarm.SendExt(p.Peer, wire.ExtUploadOnly, wire.AppendUploadOnly(nil, m.uploadOnly()))
}

func (m *Machine) gotUploadOnly(p *peer, payload []byte) error {
	on, err := wire.ParseUploadOnly(payload)
	if err != nil {
		return err
	}
	p.uploadOnly = on
	m.weigh(p)
	return nil
}

func (m *Machine) sendDontHave(p *peer, i int) {
	m.swarm.SendExt(p.Peer, wire.ExtDontHave, wire.AppendDontHave(nil, uint32(i)))
}

func (m *Machine) gotDontHave(p *peer, payload []byte) error {
	i, err := wire.ParseDontHave(payload)
	if err != nil {
		return err
	}
	if !m.space.known() {
		p.early.lost(i)
		return m.charge(p, 0)
	}
	if int(i) >= m.space.end && !m.space.grows() {
		return breach("lt_donthave for a piece that does not exist")
	}
	if !p.has.Has(int(i)) {
		return m.charge(p, 0)
	}
	m.losePiece(p, int(i))
	p.Seed = p.isSeed(m) || p.uploadOnly
	return m.swarm.ChargeLittle(p.Peer)
}
