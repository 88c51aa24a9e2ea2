package sim

import (
	"net/netip"
	"slices"
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/bits"
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/internal/wire"
)

const (
	// window is how many bytes of blocks may be under way on one connection.
	window = 256 << 10
	// overhead is what a frame costs beside its payload.
	overhead = 40
	// dialTimeout is how long a dial to nowhere takes.
	dialTimeout = 10 * time.Second
	// deadAfter is when the peers of a crashed node notice.
	deadAfter = time.Minute
)

type blockKey struct{ index, begin uint32 }

// end is one side of a connection.
type end struct {
	node   *Node
	other  *end
	key    torrent.PeerKey
	joined bool // the machine knows of it
	closed bool
	delay  time.Duration // to the other side
	arrive time.Duration // when the last frame sent from here arrives there

	blocks   []torrent.Upload // to be sent
	inFlight int              // bytes of blocks sent and not yet taken
	ringed   bool             // waits for its turn at the uplink
	expect   map[blockKey]*buffer

	// What the machine was told, to check what it does.
	told      bits.Set
	chokes    bool
	allowed   map[uint32]bool
	asked     map[blockKey]time.Duration // requests outstanding, and since when
	lastBlock time.Duration
	lastAsk   time.Duration
}

// frame is what travels from one end to another in one go.
type frame struct {
	to    *end
	msgs  []wire.Message
	block bool    // msgs is one Piece
	piece payload // its payload
	size  int
	fin   bool // the stream ends
}

func newEnd(x *Node, delay time.Duration) *end {
	return &end{
		node: x, delay: delay, chokes: true,
		told:    bits.New(x.stored.Len()),
		expect:  map[blockKey]*buffer{},
		allowed: map[uint32]bool{},
		asked:   map[blockKey]time.Duration{},
	}
}

// dial connects to an address: one round trip for the stream, one for the
// handshakes.
func (x *Node) dial(addr netip.AddrPort) {
	net := x.net
	if addr == x.Addr() && x.honest() {
		// Allowed once: the machine cannot know before it sees its own id.
		x.after(time.Millisecond, func() { x.step(swarm.DialFailed{Addr: addr}) })
		return
	}
	if x.dialled[addr] {
		net.fail(x, "Dial to %v twice", addr)
	}
	x.dialled[addr] = true
	fail := func() {
		delete(x.dialled, addr)
		x.step(swarm.DialFailed{Addr: addr})
	}
	y := net.byIP[addr.Addr()]
	if y == nil || addr.Port() != port || y.m == nil || y.cfg.Unreachable {
		x.after(dialTimeout, fail)
		return
	}
	delay := x.cfg.Latency + y.cfg.Latency + time.Duration(net.rng.Int64N(int64(10*time.Millisecond)))
	if x.banned[y.ip] || y.banned[x.ip] {
		x.after(2*delay, fail)
		return
	}
	a, b := newEnd(x, delay), newEnd(y, delay)
	a.other, b.other = b, a
	a.arrive, b.arrive = net.now+3*delay, net.now+4*delay
	xlife, ylife := x.life, y.life
	net.After(3*delay, func() {
		if y.life != ylife || y.m == nil || x.life != xlife {
			b.closed = true
			return
		}
		b.join(swarm.PeerJoined{Addr: netip.AddrPortFrom(x.ip, uint16(20000+net.rng.IntN(40000))), ID: x.id})
	})
	net.After(4*delay, func() {
		switch {
		case x.life != xlife || x.m == nil:
			if !b.closed {
				a.close(false)
			}
		case !b.joined:
			fail()
		default:
			delete(x.dialled, addr)
			a.join(swarm.PeerJoined{Addr: addr, ID: y.id, Outgoing: true})
		}
	})
}

// join tells the machine of a connection.
func (e *end) join(ev swarm.PeerJoined) {
	x := e.node
	x.nextKey++
	e.key, e.joined = x.nextKey, true
	x.ends[e.key] = e
	x.list = append(x.list, e)
	info := x.net.cfg.Torrent.Info
	ev.Peer = e.key
	ev.Fast = !x.cfg.NoFast && !e.other.node.cfg.NoFast
	ev.Extended = true
	ev.V2 = info.HasV2
	x.net.note(1, uint64(x.index), uint64(e.key), uint64(e.other.node.index))
	x.step(ev)
}

// send puts messages on the line. They overtake blocks that wait for the
// uplink.
func (e *end) send(msgs []wire.Message) {
	x := e.node
	f := &frame{to: e.other, size: overhead}
	for i := range msgs {
		m := msgs[i]
		if x.cfg.Malice != nil && !x.cfg.Malice.tamper(x, &m) {
			continue
		}
		if m.ID == wire.Unchoke && !m.KeepAlive && x.cfg.Selfish {
			continue
		}
		e.expecting(&m)
		f.size += 17 + len(m.Payload)
		f.msgs = append(f.msgs, m)
	}
	if len(f.msgs) > 0 {
		x.transmit(e, f)
	}
}

// expecting remembers where the answer to a request goes.
func (e *end) expecting(m *wire.Message) {
	if m.KeepAlive {
		return
	}
	key := blockKey{m.Index, m.Begin}
	switch m.ID {
	case wire.Request:
		e.node.checkRequest(e, m)
		if b := e.node.buffers[int(m.Index)]; b != nil {
			e.expect[key] = b
		}
	case wire.Cancel:
		// The block may be on its way, and is welcome then.
		delete(e.asked, key)
	}
}

// transmit gives a frame to the line, which keeps the order.
func (x *Node) transmit(e *end, f *frame) {
	net := x.net
	at := net.now + e.delay
	if net.cfg.Loss > 0 && net.rng.Float64() < net.cfg.Loss {
		at += 2*e.delay + time.Duration(net.rng.Int64N(int64(200*time.Millisecond)))
	}
	at = max(at, e.arrive)
	e.arrive = at
	net.At(at, func() { f.to.node.arrived(f) })
}

// arrived puts a frame behind those that wait for the downlink.
func (x *Node) arrived(f *frame) {
	if f.to.closed {
		return
	}
	x.inbound = append(x.inbound, f)
	x.take()
}

// take lets the next frame through the downlink.
func (x *Node) take() {
	for !x.taking && len(x.inbound) > 0 {
		f := x.inbound[0]
		x.inbound = x.inbound[1:]
		if f.size < 1500 {
			f.deliver() // not worth an event
			continue
		}
		x.taking = true
		x.after(time.Duration(f.size)*time.Second/time.Duration(x.cfg.Down), func() {
			x.taking = false
			f.deliver()
			x.take()
		})
	}
}

// deliver hands a frame to the machine, as the read loop of a driver does.
func (f *frame) deliver() {
	e := f.to
	x := e.node
	if from := e.other; f.block {
		from.inFlight -= int(f.msgs[0].Length)
		from.node.enqueue(from)
	}
	if e.closed || x.m == nil {
		return
	}
	if f.fin {
		e.forget()
		x.net.note(2, uint64(x.index), uint64(e.key))
		x.step(swarm.PeerLeft{Peer: e.key})
		return
	}
	items := make([]torrent.Item, len(f.msgs))
	for i := range f.msgs {
		m := f.msgs[i]
		if x.net.cfg.Wire {
			m = x.recode(m)
		}
		items[i].Message = m
		if m.KeepAlive {
			continue
		}
		x.net.note(3, uint64(x.index), uint64(e.key), uint64(m.ID), uint64(m.Index), uint64(m.Begin))
		items[i].Buffer = e.got(&m, f.piece)
	}
	x.step(swarm.Received{Peer: e.key, Items: items})
}

// got notes what a message tells the machine, and puts the payload of a Piece
// where it was asked for.
func (e *end) got(m *wire.Message, p payload) (number uint32) {
	x := e.node
	key := blockKey{m.Index, m.Begin}
	switch m.ID {
	case wire.Piece:
		x.Received += int64(m.Length)
		b := e.expect[key]
		delete(e.expect, key)
		delete(e.asked, key)
		e.lastBlock = x.net.now
		if b != nil && b.put(m.Begin, m.Length, p) {
			return b.number
		}
	case wire.Reject:
		delete(e.asked, key)
	case wire.Choke:
		e.chokes = true
	case wire.Unchoke:
		e.chokes = false
	case wire.AllowedFast:
		e.allowed[m.Index] = true
	case wire.Have:
		e.told.Set(int(m.Index))
	case wire.HaveAll:
		e.told.Fill()
	case wire.Bitfield:
		if set, ok := bits.FromBytes(m.Payload, e.told.Len()); ok {
			e.told = set
		}
	}
	return 0
}

// close ends the connection from this side. What was sent before still arrives.
func (e *end) close(crash bool) {
	if e.closed {
		return
	}
	e.forget()
	f := &frame{to: e.other, fin: true}
	at := max(e.node.net.now+e.delay, e.arrive)
	if crash {
		at += deadAfter
	}
	e.arrive = at
	e.node.net.At(at, func() { f.to.node.arrived(f) })
}

// forget makes the end void.
func (e *end) forget() {
	e.closed = true
	e.blocks = nil
	delete(e.node.ends, e.key)
	e.node.list = slices.DeleteFunc(e.node.list, func(o *end) bool { return o == e })
	e.node.ring = slices.DeleteFunc(e.node.ring, func(o *end) bool { return o == e })
}
