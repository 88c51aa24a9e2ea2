package swarm

import (
	"bytes"
	"net/netip"
	"slices"
	"sort"
	"time"

	"github.com/shoal-p2p/shoal/internal/wire"
)

// Peer is one connection. What is exported is the content's to read; State and
// Seed are its to write.
type Peer struct {
	Key      PeerKey
	Addr     netip.AddrPort // invalid where nobody could dial it, as over WebRTC
	ID       [20]byte
	Outgoing bool
	Fast     bool // BEP 6
	Extended bool // BEP 10
	V2       bool // BEP 52
	WebSeed  bool
	Joined   time.Time
	Client   string // what it calls itself; a web seed's URL

	State any  // the content's own
	Seed  bool // it has everything, or wants nothing

	gone    bool
	order   uint64 // of joining
	origin  netip.AddrPort
	shared  bool // strangers share origin's IP address
	used    Hint
	sources Source         // how its address was found, when we dialled it
	listens netip.AddrPort // another known address of this peer, if any
	dial    netip.AddrPort // where others can reach it, if anywhere

	lastRecv, lastSent time.Time
	out                []wire.Message
	sending            Send // of them

	names      map[string]uint8 // its numbers for extensions
	offeredPEX bool             // our handshake named ut_pex
	budget     budget
	budgets    []budget // of extensions that have their own, by place in the registry
	pex        pexPeer
}

// Mark is what identifies the peer where it misbehaves.
func (p *Peer) mark() Mark { return Mark{ID: p.ID, Addr: p.origin, Shared: p.shared} }

// Touch says that something was sent to a peer beside its messages.
func (m *Machine) Touch(p *Peer) { p.lastSent = m.now }

func (m *Machine) peerJoined(ev PeerJoined) {
	p := &Peer{
		Key: ev.Peer, Addr: ev.Addr, ID: ev.ID, Outgoing: ev.Outgoing,
		Fast: ev.Fast, Extended: ev.Extended, V2: ev.V2, Joined: m.now,
		origin: ev.Origin, shared: ev.Relayed, used: ev.Used,
		lastRecv: m.now, lastSent: m.now,
	}
	if !p.origin.IsValid() {
		p.origin = p.Addr
	}
	if ev.WebSeed {
		p.WebSeed, p.Fast, p.Client = true, true, ev.URL
		m.add(p)
		return
	}
	if ev.Outgoing {
		p.sources = m.dials.connected(m.now, ev.Addr, ev.Used)
	}
	listens, err := m.admit(p)
	if err != nil {
		m.Do(Close{Peer: p.Key, Err: err})
		return
	}
	m.byID[p.ID] = p
	m.places.take(p)
	if p.Outgoing && p.Addr.IsValid() {
		m.canBeReached(p, p.Addr)
	}
	if listens.IsValid() {
		m.isToo(p, listens)
	}
	m.watched.add(p, wholeSecond(m.now.Add(watchEvery)))
	if p.Extended {
		m.Greet(p)
	}
	m.add(p)
	if ev.DHT {
		m.sendPort(p) // not before what we have, which comes first (BEP 6)
	}
}

// add puts a peer into the lists.
func (m *Machine) add(p *Peer) {
	m.joined++
	p.order = m.joined
	m.peers = append(m.peers, p)
	m.byKey[p.Key] = p
	m.content.Joined(p)
}

// admit decides whether a newcomer may stay, and makes room for it if need be.
// It returns another address that the peer is known to listen on.
func (m *Machine) admit(p *Peer) (listens netip.AddrPort, err error) {
	if p.ID == m.cfg.PeerID {
		m.dials.never(p.Addr)
		return listens, ErrSelf
	}
	if m.bans.Has(m.now, p.mark()) {
		return listens, m.turnAway(p, ErrBanned)
	}
	if m.cfg.Private && p.Outgoing && p.Addr.IsValid() && p.sources&vouched == 0 {
		return listens, m.turnAway(p, ErrPrivate)
	}
	if old := m.byID[p.ID]; old != nil {
		if !m.replaces(p, old) {
			if p.Outgoing {
				m.isToo(old, p.Addr)
			}
			return listens, ErrDuplicate
		}
		m.Close(old, ErrDuplicate, false)
		if old.Outgoing {
			listens = old.Addr
		}
	}
	if m.places.crowded(p) {
		return listens, m.turnAway(p, ErrCrowd)
	}
	if m.places.full() && !m.evict() {
		return listens, m.turnAway(p, ErrFull)
	}
	return listens, nil
}

// turnAway gives the address of a refused newcomer back to the dialer.
func (m *Machine) turnAway(p *Peer, err error) error {
	if p.Outgoing {
		m.dials.left(m.now, p.Addr, false)
	}
	return err
}

// crossing is the time within which two connections to one peer are taken for
// dials that crossed.
const crossing = 10 * time.Second

// replaces reports whether a second connection to a peer takes the place of the
// first. When both sides dialled at the same time each sees the two in another
// order, and would close what the other kept; so the one stays that was dialled
// by the smaller peer id.
func (m *Machine) replaces(p, old *Peer) bool {
	if old.Outgoing == p.Outgoing || m.now.Sub(old.Joined) > crossing {
		return false
	}
	return (bytes.Compare(m.cfg.PeerID[:], p.ID[:]) < 0) == p.Outgoing
}

// Close ends a connection of our own will. It may be called for a peer that is
// gone already. A ban holds for an hour.
func (m *Machine) Close(p *Peer, err error, ban bool) {
	if p.gone {
		return
	}
	m.remove(p)
	if ban && !p.WebSeed {
		m.bans.Add(m.now, p.mark())
		if p.listens.IsValid() {
			m.bans.Add(m.now, Mark{ID: p.ID, Addr: p.listens, Shared: p.shared})
		}
	}
	m.Do(Close{Peer: p.Key, Err: err, Ban: ban})
}

// remove takes a peer out of the lists.
func (m *Machine) remove(p *Peer) {
	p.gone = true
	p.out = nil
	delete(m.byKey, p.Key)
	at := sort.Search(len(m.peers), func(k int) bool { return m.peers[k].order >= p.order })
	m.peers = slices.Delete(m.peers, at, at+1)
	if !p.WebSeed {
		delete(m.byID, p.ID)
		m.places.leave(p)
		m.cannotBeReached(p)
		m.noteAppetite()
		if p.Outgoing {
			m.dials.left(m.now, p.Addr, p.Seed)
		}
		m.dials.left(m.now, p.listens, p.Seed)
	}
	m.content.Left(p)
}
