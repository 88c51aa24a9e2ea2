package torrent

import (
	"bytes"
	"net/netip"
	"slices"
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/bits"
	"github.com/shoal-p2p/shoal/internal/engine/choker"
	"github.com/shoal-p2p/shoal/internal/engine/rate"
	"github.com/shoal-p2p/shoal/internal/wire"
)

// Limits on what one peer may make us remember or do.
const (
	maxQueuedUploads = 2048             // requests kept for one peer
	advertisedReqQ   = 1024             // what we tell it
	minUploadWindow  = 4 * BlockSize    // bytes given to the driver at any rate
	maxStrayBlocks   = 64               // unrequested blocks beyond those we cancelled
	maxUselessHaves  = 4096             // haves that tell nothing new
	idleLimit        = 3 * time.Minute  // silence after which a peer is dropped
	keepAliveEvery   = 90 * time.Second // our own silence
	sweepInterval    = time.Second
	maxWithdrawn     = 256         // cancelled requests remembered
	answerLimit      = time.Minute // for how long
	debtTime         = 20.0        // seconds over which the choker looks at what a peer gave
)

// request is a block we asked a peer for.
type request struct {
	index, begin, length uint32
	at                   time.Time
	late                 bool // given up on: others may be asked for it
}

// upload is a block a peer asked us for.
type upload struct{ index, begin, length uint32 }

// peer is the state of one connection.
type peer struct {
	key      PeerKey
	addr     netip.AddrPort
	listens  netip.AddrPort // another known address of this peer, if any
	id       [20]byte
	outgoing bool
	fast     bool
	ext      bool
	v2       bool

	// What it has. Before the info dictionary is known the messages are kept
	// as they came.
	has        bits.Set
	allPending bool
	rawBits    []byte
	rawHaves   []uint32
	gotBits    bool // a bitfield or a have came: no bitfield may follow
	useful     int  // pieces it has that we want and lack
	seedCount  bool // counted as a seed in the picker

	choking     bool // we choke it
	interested  bool // we are interested in it
	choked      bool // it chokes us
	interesting bool // it is interested in us
	uploadOnly  bool
	allowed     []int // pieces we may request while choked (BEP 6)

	requests  []request // outstanding, oldest first
	withdrawn []request // cancelled, and not answered yet (BEP 6)
	window    int       // requests to keep outstanding, by slow start
	starting  bool      // the window still doubles
	reqq      int       // what it accepts
	snubbed   bool
	down, up  rate.Meter
	gave      rate.Meter // like down, but slow: what we owe it
	pace      float64    // bytes a second when its last block came
	lastBlock time.Time  // or when the queue became non-empty
	lastRecv  time.Time
	lastSent  time.Time
	joined    time.Time
	isDirty   bool

	uploads  []upload
	inFlight int // bytes given to the driver

	extID     map[string]uint8
	client    string
	port      int
	pexSent   []netip.AddrPort
	pexAt     time.Time
	pexFlood  int
	strays    int // unrequested blocks we still tolerate
	haveFlood int
	owes      int // bytes of answers to be forgiven by time
	out       []wire.Message
}

func (p *peer) isSeed(m *Machine) bool {
	if m.info == nil {
		return p.allPending
	}
	return p.has.Len() > 0 && p.has.All()
}

func (m *Machine) peerJoined(ev PeerJoined) {
	if ev.ID == m.cfg.PeerID {
		m.dials.never(ev.Addr)
		m.do(Close{Peer: ev.Peer, Err: ErrSelf})
		return
	}
	if ev.Outgoing {
		m.dials.connected(m.now, ev.Addr)
	}
	var listens netip.AddrPort
	if old := m.byID[ev.ID]; old != nil {
		if !m.replaces(&ev, old) {
			if ev.Outgoing {
				m.isToo(old, ev.Addr)
			}
			m.do(Close{Peer: ev.Peer, Err: ErrDuplicate})
			return
		}
		m.closePeer(old, ErrDuplicate, false)
		if old.outgoing {
			listens = old.addr
		}
	}
	if len(m.peers) >= m.cfg.MaxPeers {
		if ev.Outgoing {
			m.dials.left(m.now, ev.Addr)
		}
		m.do(Close{Peer: ev.Peer, Err: ErrFull})
		return
	}
	p := &peer{
		key: ev.Peer, addr: ev.Addr, id: ev.ID, outgoing: ev.Outgoing,
		fast: ev.Fast, ext: ev.Extended, v2: ev.V2,
		choking: true, choked: true, window: startWindow, starting: true, reqq: defaultReqQ,
		lastRecv: m.now, lastSent: m.now, joined: m.now, strays: maxStrayBlocks,
		gave: rate.Meter{Tau: debtTime},
	}
	if len(m.peers) == 0 {
		m.rechokeAt = m.now.Add(choker.Interval)
		m.sweepAt = m.now.Add(sweepInterval)
		m.pexAt = m.now.Add(pexInterval)
	}
	m.peers = append(m.peers, p)
	m.byKey[p.key] = p
	m.byID[p.id] = p
	if m.info != nil {
		p.has = bits.New(m.info.NumPieces())
	}
	if listens.IsValid() {
		m.isToo(p, listens)
	}
	if p.ext {
		m.sendExtHandshake(p)
	}
	m.sendHave(p)
	m.wantMetadata()
}

// crossing is the time within which two connections to one peer are taken for
// dials that crossed.
const crossing = 10 * time.Second

// replaces reports whether a second connection to a peer takes the place of the
// first. When both sides dialled at the same time each sees the two in another
// order, and would close what the other kept; so the one stays that was dialled
// by the smaller peer id.
func (m *Machine) replaces(ev *PeerJoined, old *peer) bool {
	if old.outgoing == ev.Outgoing || m.now.Sub(old.joined) > crossing {
		return false
	}
	return (bytes.Compare(m.cfg.PeerID[:], ev.ID[:]) < 0) == ev.Outgoing
}

// isToo notes that a known address is that of a connected peer, so that it is
// not dialled in vain.
func (m *Machine) isToo(p *peer, a netip.AddrPort) {
	switch {
	case a == p.addr && p.outgoing:
	case p.listens.IsValid() && a != p.listens:
		m.dials.left(m.now, a)
	default:
		m.dials.standsFor(m.now, a)
		p.listens = a
	}
}

// sendHave tells a new peer what we have (BEP 3 bitfield, BEP 6 have all and
// have none).
func (m *Machine) sendHave(p *peer) {
	switch {
	case p.fast && (m.info == nil || m.have.Count() == 0):
		m.send(p, wire.Message{ID: wire.HaveNone})
	case p.fast && m.have.All():
		m.send(p, wire.Message{ID: wire.HaveAll})
	case m.info != nil && m.have.Count() > 0:
		m.send(p, wire.Message{ID: wire.Bitfield, Payload: slices.Clone(m.have.Bytes())})
	}
}

// closePeer ends a connection of our own will.
func (m *Machine) closePeer(p *peer, err error, ban bool) {
	if m.byKey[p.key] == nil {
		return
	}
	m.removePeer(p)
	if ban {
		m.dials.ban(p.addr)
		m.dials.ban(p.listens)
	}
	m.do(Close{Peer: p.key, Err: err, Ban: ban})
}

func (m *Machine) peerLeft(key PeerKey) {
	if p := m.byKey[key]; p != nil {
		m.removePeer(p)
	}
}

func (m *Machine) removePeer(p *peer) {
	delete(m.byKey, p.key)
	delete(m.byID, p.id)
	m.peers = slices.DeleteFunc(m.peers, func(q *peer) bool { return q == p })
	m.releaseAll(p, false)
	p.out = nil
	if m.info != nil {
		m.uncountPieces(p)
	}
	m.disown(p)
	m.meta.peerLeft(p.key)
	m.hashes.peerLeft(p.key)
	m.wantMetadata()
	m.wantHashes()
	if p.outgoing {
		m.dials.left(m.now, p.addr)
	}
	m.dials.left(m.now, p.listens)
	if !p.choking {
		m.slotsFree = true
	}
	m.touchAll()
}

// touch marks a peer whose requests may have room.
func (m *Machine) touch(p *peer) {
	if !p.isDirty {
		p.isDirty = true
		m.dirty = append(m.dirty, p)
	}
}

func (m *Machine) touchAll() {
	for _, p := range m.peers {
		if !p.choked || len(p.allowed) > 0 {
			m.touch(p)
		}
	}
}

// dropIfUseless closes a connection between two peers that both lack nothing.
func (m *Machine) dropIfUseless(p *peer) {
	if m.Complete() && m.have.All() && (p.isSeed(m) || p.uploadOnly) {
		m.closePeer(p, ErrUseless, false)
	}
}

// sweep looks at every peer once a second: silence, snubbing, keep-alives.
func (m *Machine) sweep() {
	for _, p := range slices.Clone(m.peers) {
		switch {
		case m.now.Sub(p.lastRecv) > idleLimit:
			m.closePeer(p, ErrIdle, false)
			continue
		case m.now.Sub(p.lastSent) > keepAliveEvery:
			m.send(p, wire.Message{KeepAlive: true})
		}
		m.checkSnub(p)
		p.withdrawn = slices.DeleteFunc(p.withdrawn, func(r request) bool { return m.now.Sub(r.at) > answerLimit })
		p.owes = max(0, p.owes-answerRefill*int(sweepInterval/time.Second))
	}
	if m.info != nil && (len(m.urgent) > 0 || m.free == 0 && m.pick.Len() == 0) {
		m.touchAll() // a request may have become so late that it is worth another
	}
	m.meta.sweep(m)
	m.hashes.sweep(m)
}
