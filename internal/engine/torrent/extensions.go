package torrent

import (
	"github.com/shoal-p2p/shoal/internal/wire"
)

// extension is one protocol on top of BEP 10: the number under which we want to
// receive it and what to do with it.
type extension struct {
	name   string
	id     uint8
	handle func(m *Machine, p *peer, payload []byte) error
}

// extensions are all that we speak. A new one is a line here and a file.
var extensions = [...]extension{
	{wire.ExtMetadata, 1, (*Machine).gotMetadata},
	{wire.ExtPEX, 2, (*Machine).gotPEX},
	{wire.ExtDontHave, 3, (*Machine).gotDontHave},
	{wire.ExtUploadOnly, 4, (*Machine).gotUploadOnly},
}

func (m *Machine) sendExtHandshake(p *peer) {
	h := wire.ExtHandshake{V: m.cfg.Client, ReqQ: advertisedReqQ, Port: m.cfg.ListenPort, UploadOnly: m.Complete()}
	for _, e := range extensions {
		if e.name == wire.ExtPEX && m.cfg.Private {
			continue
		}
		h.M = append(h.M, wire.Extension{Name: e.name, ID: e.id})
	}
	if m.info != nil {
		h.MetadataSize = len(m.info.Bytes)
	}
	if p.addr.IsValid() {
		h.YourIP = p.addr.Addr()
	}
	m.sendExt(p, wire.ExtHandshakeID, h.Append(nil))
}

func (m *Machine) sendExt(p *peer, id uint8, payload []byte) {
	m.send(p, wire.Message{ID: wire.Extended, ExtID: id, Payload: payload})
}

// theirID is the number under which a peer wants an extension, 0 if it does not.
func (p *peer) theirID(name string) uint8 { return p.extID[name] }

func (m *Machine) gotExtended(p *peer, id uint8, payload []byte) error {
	if !p.ext {
		return breach("extended message without the extension bit")
	}
	if id == wire.ExtHandshakeID {
		return m.gotExtHandshake(p, payload)
	}
	for i := range extensions {
		if extensions[i].id == id {
			return extensions[i].handle(m, p, payload)
		}
	}
	return nil // unknown: BEP 10 says to ignore it
}

func (m *Machine) gotExtHandshake(p *peer, payload []byte) error {
	h, err := wire.ParseExtHandshake(payload)
	if err != nil {
		return err
	}
	if p.extID == nil {
		p.extID = map[string]uint8{}
	}
	for _, e := range extensions {
		if id, ok := h.ID(e.name); ok {
			p.extID[e.name] = id
		}
	}
	if h.V != "" {
		p.client = h.V
	}
	if h.ReqQ > 0 {
		p.reqq = h.ReqQ
	}
	if h.Port > 0 && h.Port < 65536 {
		p.port = h.Port
	}
	p.uploadOnly = h.UploadOnly
	if h.MetadataSize > 0 {
		m.meta.offer(p.key, h.MetadataSize)
		m.wantMetadata()
	}
	m.dropIfUseless(p)
	return nil
}

func (m *Machine) sendUploadOnly(p *peer) {
	if id := p.theirID(wire.ExtUploadOnly); id != 0 {
		m.sendExt(p, id, wire.AppendUploadOnly(nil, m.Complete()))
	}
}

func (m *Machine) gotUploadOnly(p *peer, payload []byte) error {
	on, err := wire.ParseUploadOnly(payload)
	if err != nil {
		return err
	}
	p.uploadOnly = on
	m.dropIfUseless(p)
	return nil
}

func (m *Machine) sendDontHave(p *peer, i int) {
	if id := p.theirID(wire.ExtDontHave); id != 0 {
		m.sendExt(p, id, wire.AppendDontHave(nil, uint32(i)))
	}
}

func (m *Machine) gotDontHave(p *peer, payload []byte) error {
	i, err := wire.ParseDontHave(payload)
	if err != nil {
		return err
	}
	if m.info == nil {
		return nil
	}
	if int(i) >= m.info.NumPieces() {
		return breach("lt_donthave for a piece that does not exist")
	}
	m.losePiece(p, int(i))
	return p.countHave()
}
