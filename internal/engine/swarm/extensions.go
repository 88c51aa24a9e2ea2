package swarm

import (
	"errors"
	"net/netip"

	"github.com/shoal-p2p/shoal/internal/wire"
)

const (
	pexID              = 1        // our number for ut_pex
	firstContentID     = 2        // and for what the content speaks
	firstApplicationID = 16       // and for what the application registers
	defaultMaxSize     = 64 << 10 // of an extension's message
)

// Extension is one protocol on top of BEP 10.
type Extension struct {
	Name    string // in the handshake's "m"; at most 64 bytes
	MaxSize int    // bytes of a message at most; 0 means 64 KiB. A larger one ends the connection
	// Rate is the bytes a second that a peer may send for long, at 256 a message
	// at least; a burst of ten seconds or of four messages is let through. 0: the
	// peer's common budget pays, see [Machine.Charge].
	Rate int
	// Charges says that Handle itself charges for what is of no use.
	Charges bool
	// Handle takes a message. nil: the driver gets it as [GotExt].
	Handle func(p *Peer, payload []byte) error
}

// registry is all extensions that we speak: the machine's own, the content's and
// the application's.
type registry struct {
	list []Extension
	ids  []uint8
	byID map[uint8]int // place in list
}

// isApplications reports whether the application registered an extension of that name,
// whose messages it takes.
func (r *registry) isApplications(name string) bool {
	for i := range r.list {
		if r.list[i].Name == name {
			return r.list[i].Handle == nil
		}
	}
	return false
}

// register fills the registry.
func (m *Machine) register() error {
	r := &m.ext
	r.byID = map[uint8]int{}
	names := map[string]bool{wire.ExtPEX: true}
	add := func(id int, list []Extension) (ok bool) {
		for _, e := range list {
			if names[e.Name] && id != pexID || e.Name == "" || len(e.Name) > 64 || id > 255 {
				return false
			}
			if e.MaxSize == 0 {
				e.MaxSize = defaultMaxSize
			}
			names[e.Name] = true
			r.byID[uint8(id)] = len(r.list)
			r.list, r.ids = append(r.list, e), append(r.ids, uint8(id))
			id++
		}
		return true
	}
	if !add(pexID, m.exchangePeers()) || !add(firstContentID, m.content.Extensions()) || !add(firstApplicationID, m.cfg.Extensions) {
		return errors.New("swarm: an extension's name is empty, too long, or taken; or there are too many")
	}
	return nil
}

// MaxPayload is the size of the largest message of an extension that is welcome,
// in bytes.
func (m *Machine) MaxPayload() int {
	most := wire.MaxExtHandshakeSize
	for i := range m.ext.list {
		most = max(most, m.ext.list[i].MaxSize)
	}
	return most
}

// Greet sends our extension handshake. It may be sent again when something in it
// has changed.
func (m *Machine) Greet(p *Peer) {
	if !p.Extended || p.WebSeed {
		return
	}
	h := wire.ExtHandshake{V: m.cfg.Client, Port: m.cfg.ListenPort}
	for i := range m.ext.list {
		e := wire.Extension{Name: m.ext.list[i].Name, ID: m.ext.ids[i]}
		if e.Name == wire.ExtPEX && m.cfg.Private {
			if !p.offeredPEX {
				continue
			}
			e.ID = 0 // no longer
		}
		h.M = append(h.M, e)
	}
	if p.origin.IsValid() {
		h.YourIP = p.origin.Addr()
	}
	p.offeredPEX = !m.cfg.Private
	m.content.Greeting(&h)
	m.sendExt(p, wire.ExtHandshakeID, h.Append(nil))
}

// GreetAll sends our extension handshake again to everybody.
func (m *Machine) GreetAll() {
	for _, p := range m.peers {
		m.Greet(p)
	}
}

func (m *Machine) sendExt(p *Peer, id uint8, payload []byte) {
	m.Send(p, wire.Message{ID: wire.Extended, ExtID: id, Payload: payload})
}

// SendExt sends a message of an extension. It reports false if the peer does not
// speak it.
func (m *Machine) SendExt(p *Peer, name string, payload []byte) bool {
	id := p.names[name]
	if id == 0 || p.gone {
		return false
	}
	m.sendExt(p, id, payload)
	return true
}

// Speaks reports whether a peer has told a number for an extension, whether we
// speak it or not.
func (p *Peer) Speaks(name string) bool { return p.names[name] != 0 }

func (m *Machine) gotExtended(p *Peer, id uint8, payload []byte) error {
	if !p.Extended {
		return Breach("extended message without the extension bit")
	}
	if id == wire.ExtHandshakeID {
		return m.gotGreeting(p, payload)
	}
	at, ok := m.ext.byID[id]
	if !ok {
		return m.Charge(p, len(payload)) // unknown: BEP 10 says to ignore it
	}
	e := &m.ext.list[at]
	if len(payload) > e.MaxSize {
		return Breach("extended message is larger than its extension allows")
	}
	if err := m.chargeExt(p, at, len(payload)); err != nil {
		return err
	}
	if e.Handle == nil {
		m.Do(GotExt{Peer: p.Key, Name: e.Name, Payload: payload})
		return nil
	}
	return e.Handle(p, payload)
}

func (m *Machine) chargeExt(p *Peer, at, size int) error {
	e := &m.ext.list[at]
	switch {
	case e.Charges:
		return nil
	case e.Rate == 0:
		return m.Charge(p, size)
	case p.budgets == nil:
		p.budgets = make([]budget, len(m.ext.list))
	}
	if !p.budgets[at].spend(m.now, max(size, 256), float64(e.Rate), float64(max(10*e.Rate, 4*e.MaxSize))) {
		return Breach("flood of messages of one extension")
	}
	return nil
}

// gotGreeting takes a peer's extension handshake. All names in its "m" are kept,
// those that we do not speak too: their number is bounded by package wire in one
// handshake, and here in all.
func (m *Machine) gotGreeting(p *Peer, payload []byte) error {
	if err := m.Charge(p, len(payload)); err != nil {
		return err
	}
	h, err := wire.ParseExtHandshake(payload)
	if err != nil {
		return err
	}
	if p.names == nil {
		p.names = make(map[string]uint8, len(h.M))
	}
	for _, e := range h.M {
		if e.ID == 0 {
			delete(p.names, e.Name)
		} else if _, known := p.names[e.Name]; known || len(p.names) < wire.MaxExtensions {
			p.names[e.Name] = e.ID
			if !known && m.ext.isApplications(e.Name) {
				m.Do(Speaks{Peer: p.Key, Name: e.Name})
			}
		}
	}
	if h.V != "" {
		p.Client = h.V
	}
	if h.Port > 0 && !p.Outgoing && p.Addr.IsValid() {
		m.canBeReached(p, netip.AddrPortFrom(p.Addr.Addr(), uint16(h.Port)))
	}
	if p.Speaks(wire.ExtPEX) && !m.cfg.Private {
		m.pex.begin(m.now, p)
	}
	return m.content.Greeted(p, h)
}
