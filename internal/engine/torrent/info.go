package torrent

import (
	"slices"

	"github.com/shoal-p2p/shoal/internal/sha"
	"github.com/shoal-p2p/shoal/internal/wire"
	"github.com/shoal-p2p/shoal/metainfo"
)

// wantMetadata asks peers for pieces of the info dictionary while it is unknown.
func (m *Machine) wantMetadata() {
	if m.info != nil || m.meta.done {
		return
	}
	for _, a := range m.meta.next(m.now) {
		req := wire.MetadataMessage{Type: wire.MetadataRequest, Piece: a.piece}
		if p := m.byKey[a.from]; p != nil {
			m.swarm.SendExt(p.Peer, wire.ExtMetadata, req.Append(nil))
		}
	}
}

func (m *Machine) gotMetadata(p *peer, payload []byte) error {
	msg, err := wire.ParseMetadata(payload)
	if err != nil {
		return err
	}
	switch msg.Type {
	case wire.MetadataRequest:
		return m.serveMetadata(p, msg.Piece)
	case wire.MetadataReject:
		if m.info == nil && !m.meta.done {
			m.meta.reject(m.now, p.key)
			m.wantMetadata()
		}
		return m.charge(p, len(payload))
	case wire.MetadataData:
		return m.gotMetadataPiece(p, &msg)
	}
	return m.charge(p, len(payload))
}

func (m *Machine) serveMetadata(p *peer, piece int) error {
	msg := wire.MetadataMessage{Type: wire.MetadataReject, Piece: piece}
	if m.info != nil && piece >= 0 && piece*wire.MetadataPieceSize < len(m.info.Bytes) {
		b := m.info.Bytes
		from := piece * wire.MetadataPieceSize
		msg.Type = wire.MetadataData
		msg.TotalSize = len(b)
		msg.Data = b[from:min(len(b), from+wire.MetadataPieceSize)]
	}
	if p.Speaks(wire.ExtMetadata) {
		m.swarm.SendExt(p.Peer, wire.ExtMetadata, msg.Append(nil))
	}
	return m.charge(p, len(msg.Data))
}

func (m *Machine) gotMetadataPiece(p *peer, msg *wire.MetadataMessage) error {
	if m.info != nil || m.meta.done {
		return m.charge(p, len(msg.Data))
	}
	whole, asked, err := m.meta.data(p.key, msg)
	switch {
	case err != nil:
		return err
	case !asked:
		return m.charge(p, len(msg.Data))
	case whole != nil:
		m.finishMetadata(p, whole)
	default:
		m.wantMetadata()
	}
	return nil
}

// finishMetadata checks the assembled dictionary against the info hash.
func (m *Machine) finishMetadata(last *peer, b []byte) {
	if !m.genuineInfo(b) {
		if m.meta.forged() {
			m.closePeer(last, breach("sent a forged info dictionary"), true)
			return
		}
		m.wantMetadata()
		return
	}
	m.useInfo(b)
}

// infoGiven takes the info dictionary from the user.
func (m *Machine) infoGiven(b []byte) {
	if m.info == nil && !m.meta.done && m.genuineInfo(b) {
		m.useInfo(b)
	}
}

// useInfo ends the search for the info dictionary: it is genuine.
func (m *Machine) useInfo(b []byte) {
	m.meta.restart()
	m.meta.done = true
	info, err := metainfo.ParseInfo(b)
	if err != nil {
		// The publisher's own dictionary is broken: nobody can help.
		m.stuck = true
		m.do(Stuck{Err: err})
		return
	}
	if info.Private {
		m.swarm.SetPrivate()
	}
	m.do(Learned{Info: info})
}

// contentReady starts the torrent proper, after Learned.
func (m *Machine) contentReady(ev ContentReady) {
	if m.info != nil {
		return
	}
	m.cfg.Layers, m.cfg.Have = ev.Layers, ev.Have
	m.setInfo(ev.Info)
	m.swarm.GreetAll() // now they can fetch the info dictionary from us
	for _, p := range slices.Clone(m.peers) {
		m.announceHaves(p)
		if err := m.replay(p); err != nil {
			m.closePeer(p, err, false)
		}
	}
	if m.lacking == 0 {
		m.finished = false
		m.checkFinished()
	}
}

// announceHaves tells a peer that was connected before the info dictionary was known
// what turned out to be in the store; its bitfield said nothing.
func (m *Machine) announceHaves(p *peer) {
	for i := m.have.Next(0); i >= 0; i = m.have.Next(i + 1) {
		m.send(p, wire.Message{ID: wire.Have, Index: uint32(i)})
	}
}

func (m *Machine) genuineInfo(b []byte) bool {
	if m.cfg.HashV2 != nil && sha.Sum256(b) == *m.cfg.HashV2 {
		return true
	}
	if sha.Sum1(b) == m.cfg.Key {
		return true
	}
	sum := metainfo.Hash256(sha.Sum256(b))
	return m.cfg.HashV2 == nil && sum.Short() == m.cfg.Key
}
