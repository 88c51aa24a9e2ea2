package torrent

import (
	"slices"
	"time"

	"github.com/shoal-p2p/shoal/internal/sha"
	"github.com/shoal-p2p/shoal/internal/wire"
	"github.com/shoal-p2p/shoal/metainfo"
)

const (
	metadataTimeout  = 8 * time.Second
	maxMetadataQueue = 4 // requests outstanding per peer
)

// metadata fetches the info dictionary (BEP 9). Peers that claim the same size
// share one buffer; when the result does not match the info hash, it is fetched
// from one peer at a time, so that a forger is found out.
type metadata struct {
	offers   []metaOffer // in order of arrival
	size     int
	buf      []byte
	pieces   []metaPiece
	got      int
	single   PeerKey // fetching from this peer alone
	distrust bool    // a forged result was seen
	done     bool    // it is known, the store is being opened
}

type metaOffer struct {
	peer     PeerKey
	size     int
	rejected time.Time // not to be asked again for a while
}

type metaPiece struct {
	from PeerKey // asked or answered
	at   time.Time
	got  bool
}

func (d *metadata) offer(key PeerKey, size int) {
	for i := range d.offers {
		if d.offers[i].peer == key {
			d.offers[i].size = size
			return
		}
	}
	d.offers = append(d.offers, metaOffer{peer: key, size: size})
}

func (d *metadata) peerLeft(key PeerKey) {
	d.offers = slices.DeleteFunc(d.offers, func(o metaOffer) bool { return o.peer == key })
	for i := range d.pieces {
		if d.pieces[i].from == key && !d.pieces[i].got {
			d.pieces[i] = metaPiece{}
		}
	}
	if d.single == key {
		d.restart()
	}
}

// restart throws away what was collected.
func (d *metadata) restart() {
	d.size, d.buf, d.pieces, d.got, d.single = 0, nil, nil, 0, 0
}

func (d *metadata) sweep(m *Machine) {
	if m.info != nil {
		return
	}
	for i := range d.pieces {
		if pc := &d.pieces[i]; !pc.got && pc.from != 0 && m.now.Sub(pc.at) > metadataTimeout {
			d.reject(m, pc.from)
		}
	}
	m.wantMetadata()
}

// reject stops asking a peer for half a minute.
func (d *metadata) reject(m *Machine, key PeerKey) {
	for i := range d.offers {
		if d.offers[i].peer == key {
			d.offers[i].rejected = m.now
		}
	}
	for i := range d.pieces {
		if d.pieces[i].from == key && !d.pieces[i].got {
			d.pieces[i] = metaPiece{}
		}
	}
	if d.single == key {
		d.restart()
	}
}

func (o *metaOffer) usable(now time.Time) bool {
	return o.rejected.IsZero() || now.Sub(o.rejected) > 30*time.Second
}

// deserted reports whether nobody who can be asked claims the size that is being
// fetched, while others claim another: a liar's size must not hold us up.
func (d *metadata) deserted(now time.Time) bool {
	others := false
	for i := range d.offers {
		o := &d.offers[i]
		if o.usable(now) && o.size == d.size {
			return false
		}
		others = others || o.usable(now)
	}
	return others
}

// wantMetadata asks peers for pieces of the info dictionary while it is unknown.
func (m *Machine) wantMetadata() {
	if m.info != nil || m.meta.done {
		return
	}
	d := &m.meta
	if d.size != 0 && d.deserted(m.now) {
		d.restart()
	}
	if d.size == 0 {
		for i := range d.offers {
			if o := &d.offers[i]; o.usable(m.now) {
				d.size = o.size
				d.buf = make([]byte, 0, min(o.size, 1<<20)) // grows with what really arrives
				d.pieces = make([]metaPiece, (o.size+wire.MetadataPieceSize-1)/wire.MetadataPieceSize)
				if d.distrust {
					d.single = o.peer
				}
				break
			}
		}
	}
	for i := range d.offers {
		o := &d.offers[i]
		p := m.byKey[o.peer]
		if p == nil || o.size != d.size || !o.usable(m.now) || d.single != 0 && d.single != o.peer {
			continue
		}
		id := p.theirID(wire.ExtMetadata)
		if id == 0 {
			continue
		}
		asked := 0
		for k := range d.pieces {
			if d.pieces[k].from == o.peer && !d.pieces[k].got {
				asked++
			}
		}
		for k := range d.pieces {
			if asked >= maxMetadataQueue {
				break
			}
			if d.pieces[k].from != 0 {
				continue
			}
			d.pieces[k] = metaPiece{from: o.peer, at: m.now}
			asked++
			req := wire.MetadataMessage{Type: wire.MetadataRequest, Piece: k}
			m.sendExt(p, id, req.Append(nil))
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
		if m.info == nil {
			m.meta.reject(m, p.key)
			m.wantMetadata()
		}
	case wire.MetadataData:
		return m.gotMetadataPiece(p, &msg)
	}
	return nil
}

func (m *Machine) serveMetadata(p *peer, piece int) error {
	id := p.theirID(wire.ExtMetadata)
	if id == 0 {
		return nil
	}
	msg := wire.MetadataMessage{Type: wire.MetadataReject, Piece: piece}
	if m.info != nil && piece >= 0 && piece*wire.MetadataPieceSize < len(m.info.Bytes) {
		b := m.info.Bytes
		from := piece * wire.MetadataPieceSize
		msg.Type = wire.MetadataData
		msg.TotalSize = len(b)
		msg.Data = b[from:min(len(b), from+wire.MetadataPieceSize)]
	}
	m.sendExt(p, id, msg.Append(nil))
	return m.charge(p, len(msg.Data))
}

func (m *Machine) gotMetadataPiece(p *peer, msg *wire.MetadataMessage) error {
	d := &m.meta
	if m.info != nil || msg.Piece < 0 || msg.Piece >= len(d.pieces) {
		return nil // late, or not asked for
	}
	pc := &d.pieces[msg.Piece]
	if pc.from != p.key || pc.got {
		return nil
	}
	if msg.TotalSize != d.size {
		return breach("metadata size differs from the one it announced")
	}
	from := msg.Piece * wire.MetadataPieceSize
	end := min(d.size, from+wire.MetadataPieceSize)
	if len(msg.Data) != end-from {
		return breach("metadata piece of the wrong length")
	}
	if len(d.buf) < end {
		d.buf = slices.Grow(d.buf, end-len(d.buf))[:end]
	}
	copy(d.buf[from:], msg.Data)
	pc.got = true
	if d.got++; d.got < len(d.pieces) {
		m.wantMetadata()
		return nil
	}
	return m.finishMetadata(p)
}

// finishMetadata checks the assembled dictionary against the info hash.
func (m *Machine) finishMetadata(last *peer) error {
	d := &m.meta
	b := d.buf
	if !m.genuineInfo(b) {
		single := d.single
		d.distrust = true
		d.restart()
		if single != 0 || len(d.offers) == 1 {
			m.closePeer(last, breach("sent a forged info dictionary"), true)
			return nil
		}
		m.wantMetadata()
		return nil
	}
	info, err := metainfo.ParseInfo(b)
	if err != nil {
		// The publisher's own dictionary is broken: nobody can help.
		m.stuck = true
		m.do(Stuck{Err: err})
		return nil
	}
	d.restart()
	d.done = true
	m.do(Learned{Info: info})
	return nil
}

// contentReady starts the torrent proper, after Learned.
func (m *Machine) contentReady(ev ContentReady) {
	if m.info != nil {
		return
	}
	m.cfg.Layers, m.cfg.Have = ev.Layers, ev.Have
	m.setInfo(ev.Info)
	for _, p := range slices.Clone(m.peers) {
		if p.ext {
			m.sendExtHandshake(p) // now they can fetch the info dictionary from us
		}
		m.announceHaves(p)
		if err := m.replay(p); err != nil {
			m.closePeer(p, err, false)
		}
	}
	if m.missing == 0 {
		m.finished = false
		m.checkFinished()
	}
}

// announceHaves tells a peer that was connected before the info dictionary was known
// what turned out to be in the store; its bitfield said nothing.
func (m *Machine) announceHaves(p *peer) {
	for i := range m.have.Len() {
		if m.have.Has(i) {
			m.send(p, wire.Message{ID: wire.Have, Index: uint32(i)})
		}
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
