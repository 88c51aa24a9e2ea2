package swarm

import (
	"net/netip"
	"time"

	"github.com/shoal-p2p/shoal/internal/wire"
)

// Machine is the state of one swarm. It is not safe for concurrent use: one loop
// owns it.
type Machine struct {
	cfg     Config
	content Content
	now     time.Time

	peers   []*Peer // in the order they joined
	byKey   map[PeerKey]*Peer
	byID    map[[20]byte]*Peer
	at      map[netip.AddrPort]*Peer // by the address others can dial
	joined  uint64                   // peers that ever joined
	talking []*Peer                  // have messages to be sent
	places  places

	ext       registry
	dials     dialer
	pex       exchange
	bans      Bans
	watched   rota
	allowance int // what the content adds to a peer's budget, in bytes

	effects []Effect
	work    int // peers and addresses looked at so far, for tests
}

// New returns a machine for one swarm of a content.
func New(cfg Config, content Content) (*Machine, error) {
	if err := cfg.fill(); err != nil {
		return nil, err
	}
	m := &Machine{
		cfg: cfg, content: content,
		byKey: map[PeerKey]*Peer{}, byID: map[[20]byte]*Peer{}, at: map[netip.AddrPort]*Peer{},
		places: places{max: cfg.MaxPeers, perAddress: cfg.MaxPerAddress},
	}
	m.dials.init()
	if err := m.register(); err != nil {
		return nil, err
	}
	return m, nil
}

// Step takes what has happened since the last call and returns what to do. The
// effects, and the slices in them, are good until the next Step.
func (m *Machine) Step(now time.Time, events ...Event) []Effect {
	m.now = now
	clear(m.effects)
	m.effects = m.effects[:0]
	for _, p := range m.talking {
		clear(p.out)
		p.out = p.out[:0]
	}
	clear(m.talking)
	m.talking = m.talking[:0]
	for _, ev := range events {
		m.handle(ev)
	}
	m.watch()
	m.tellPEX()
	m.content.Settle()
	m.dial()
	for _, p := range m.talking {
		if len(p.out) > 0 {
			p.lastSent = now
			p.sending = Send{Peer: p.Key, Messages: p.out}
			m.Do(&p.sending)
		}
	}
	return m.effects
}

func (m *Machine) handle(ev Event) {
	switch ev := ev.(type) {
	case *Received:
		m.received(*ev)
	case Received:
		m.received(ev)
	case PeerJoined:
		m.peerJoined(ev)
	case PeerLeft:
		if p := m.byKey[ev.Peer]; p != nil {
			m.remove(p)
		}
	case DialFailed:
		m.dials.failed(m.now, ev.Addr)
	case PeersFound:
		m.found(ev)
	case SendExt:
		if p := m.byKey[ev.Peer]; p != nil {
			m.SendExt(p, ev.Name, ev.Payload)
		}
	default:
		m.content.Event(ev)
	}
}

// Deadline is when Step wants to be called even if nothing happens; the zero
// time means never.
func (m *Machine) Deadline() time.Time {
	d := m.content.Deadline()
	for _, t := range [...]time.Time{m.watched.next(), m.pex.next(), m.dialDeadline()} {
		if !t.IsZero() && (d.IsZero() || t.Before(d)) {
			d = t
		}
	}
	return d
}

// Do adds an effect.
func (m *Machine) Do(e Effect) { m.effects = append(m.effects, e) }

// Send sends a message to a peer at the end of the Step. To a web seed nothing
// but requests and cancels is sent.
func (m *Machine) Send(p *Peer, msg wire.Message) {
	if p.WebSeed && msg.ID != wire.Request && msg.ID != wire.Cancel || p.gone {
		return
	}
	if len(p.out) == 0 {
		m.talking = append(m.talking, p)
	}
	p.out = append(p.out, msg)
}

// Peer returns a connected peer, nil if it is gone.
func (m *Machine) Peer(key PeerKey) *Peer { return m.byKey[key] }

// Private reports whether the swarm is private (BEP 27).
func (m *Machine) Private() bool { return m.cfg.Private }

// Stats is a snapshot of a machine.
type Stats struct {
	Peers    int // connections, web seeds not counted
	WebSeeds int
	HalfOpen int // dials under way
	Known    int // addresses remembered
}

// Stats returns a snapshot.
func (m *Machine) Stats() Stats {
	return Stats{
		Peers: m.places.taken, WebSeeds: len(m.peers) - m.places.taken,
		HalfOpen: m.dials.half, Known: m.dials.size(),
	}
}

// received takes the messages of one peer.
func (m *Machine) received(ev Received) {
	p := m.byKey[ev.Peer]
	if p != nil {
		p.lastRecv = m.now
	}
	for i := range ev.Items {
		it := &ev.Items[i]
		if p == nil || p.gone {
			m.content.Late(ev.Peer, it)
			continue
		}
		if err := m.message(p, it); err != nil {
			m.Close(p, err, false)
		}
	}
}

// message handles one message. An error ends the connection.
func (m *Machine) message(p *Peer, it *Item) error {
	if it.KeepAlive {
		return m.Charge(p, 0)
	}
	switch it.ID {
	case wire.Choke, wire.Unchoke, wire.Interested, wire.NotInterested, wire.Have, wire.Bitfield,
		wire.Request, wire.Piece, wire.Cancel, wire.Suggest, wire.HaveAll, wire.HaveNone, wire.Reject,
		wire.AllowedFast, wire.HashRequest, wire.Hashes, wire.HashReject:
		return m.content.Message(p, it)
	case wire.Extended:
		return m.gotExtended(p, it.ExtID, it.Payload)
	case wire.Port:
		return m.gotPort(p, it.Port)
	}
	return m.Charge(p, len(it.Payload)) // unknown: to be ignored, but not without end
}
