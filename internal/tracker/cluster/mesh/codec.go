package mesh

import (
	"encoding/binary"
	"errors"
	"math"
	"net/netip"
	"slices"

	"github.com/shoal-p2p/shoal/internal/tracker/swarm"
)

const (
	version   = 1
	headerLen = 1 + 8 + 4
)

// The kinds of records.
const (
	kindBeat = 1 + iota
	kindReport
	kindOthers
	kindOffers
	kindAnswer
	kindAsk
	kindPeers
)

// The flags, by kind.
const (
	beatHello   = 1
	beatLeaving = 2
	reportAsk   = 1
	reportKnows = 2

	// Of offers and of TCP peers.
	roleSeeder  = 1
	peerV6      = 2
	roleTrusted = 4
	roleLimited = 8
)

// Bounds on the lists in one record.
const (
	maxOthers = 32  // nodes named for a swarm
	maxOffers = 64  // offers of one announce
	maxPeers  = 100 // TCP peers
)

var (
	errShort    = errors.New("mesh: a frame ends too early; was it sent by another program on this subject?")
	errVersion  = errors.New("mesh: a frame is of another version; run the same version of the tracker on all nodes")
	errSender   = errors.New("mesh: a frame names no sender; was it sent by another program on this subject?")
	errRecord   = errors.New("mesh: a record's body does not fit its kind; was it sent by another program on this subject?")
	errOversize = errors.New("mesh: a record's length goes beyond its frame; was it cut on its way?")
)

// A tally is Counts as they travel.
type tally struct {
	rtcSeeders, rtcLeechers, tcpSeeders, tcpLeechers uint32
	trustedSeeders, trustedLeechers                  uint32
}

func (n tally) zero() bool { return n == tally{} }

// suits is how many peers an offer can go to: a seeder has no use for seeders.
func (n tally) suits(r swarm.Role) int { return n.counts().RTC(r) }

func (n tally) tcp() int { return int(n.tcpSeeders) + int(n.tcpLeechers) }

// trusted reports whether there is something to say of those who are.
func (n tally) trusted() bool { return n.trustedSeeders|n.trustedLeechers != 0 }

func (n tally) plus(o tally) tally {
	return tally{sum(n.rtcSeeders, o.rtcSeeders), sum(n.rtcLeechers, o.rtcLeechers),
		sum(n.tcpSeeders, o.tcpSeeders), sum(n.tcpLeechers, o.tcpLeechers),
		sum(n.trustedSeeders, o.trustedSeeders), sum(n.trustedLeechers, o.trustedLeechers)}
}

func (n tally) minus(o tally) tally {
	return tally{diff(n.rtcSeeders, o.rtcSeeders), diff(n.rtcLeechers, o.rtcLeechers),
		diff(n.tcpSeeders, o.tcpSeeders), diff(n.tcpLeechers, o.tcpLeechers),
		diff(n.trustedSeeders, o.trustedSeeders), diff(n.trustedLeechers, o.trustedLeechers)}
}

// Sums stay within what a count may be on the wire.
const maxCount = 1 << 30

func sum(a, b uint32) uint32  { return min(a+b, maxCount) }
func diff(a, b uint32) uint32 { return a - min(a, b) }

func tallyOf(c Counts) tally {
	clamp := func(n int) uint32 { return uint32(min(max(n, 0), maxCount)) }
	return tally{clamp(c.RTCSeeders), clamp(c.RTCLeechers), clamp(c.TCPSeeders), clamp(c.TCPLeechers),
		clamp(c.TrustedSeeders), clamp(c.TrustedLeechers)}
}

func (n tally) counts() Counts {
	return Counts{RTCSeeders: int(n.rtcSeeders), RTCLeechers: int(n.rtcLeechers), TCPSeeders: int(n.tcpSeeders), TCPLeechers: int(n.tcpLeechers),
		TrustedSeeders: int(n.trustedSeeders), TrustedLeechers: int(n.trustedLeechers)}
}

// A holding is what one node has of a swarm.
type holding struct {
	node NodeID
	n    tally
}

// A tcpPeer is a TCP peer as it travels.
type tcpPeer struct {
	swarm.TCPPeer
	role swarm.Role
}

// flagsOf is a role as it travels.
func flagsOf(r swarm.Role) (flags byte) {
	if r.Seeder {
		flags = roleSeeder
	}
	switch r.Trust {
	case swarm.Trusted:
		flags |= roleTrusted
	case swarm.Limited:
		flags |= roleLimited
	}
	return flags
}

func roleOf(flags byte) (r swarm.Role) {
	r.Seeder = flags&roleSeeder != 0
	switch {
	case flags&roleTrusted != 0:
		r.Trust = swarm.Trusted
	case flags&roleLimited != 0:
		r.Trust = swarm.Limited
	}
	return r
}

// A record is one of any kind; its kind says which fields count. parse reuses the slices.
type record struct {
	kind     byte
	flags    byte
	hash     Hash
	from, to PeerID
	n        tally
	max      int
	holdings []holding
	sdps     []SDP // an answer has one
	peers    []tcpPeer
}

func appendHeader(b []byte, sender NodeID, generation uint32) []byte {
	b = append(b, version)
	b = binary.BigEndian.AppendUint64(b, uint64(sender))
	return binary.BigEndian.AppendUint32(b, generation)
}

func parseHeader(b []byte) (sender NodeID, generation uint32, records []byte, err error) {
	switch {
	case len(b) > 0 && b[0] != version:
		return 0, 0, nil, errVersion
	case len(b) < headerLen:
		return 0, 0, nil, errShort
	}
	sender = NodeID(binary.BigEndian.Uint64(b[1:]))
	if sender == 0 {
		return 0, 0, nil, errSender
	}
	return sender, binary.BigEndian.Uint32(b[9:]), b[headerLen:], nil
}

// next splits the first record off.
func next(b []byte) (kind byte, body, rest []byte, err error) {
	n, size := binary.Uvarint(b[1:])
	if size <= 0 || n > uint64(len(b)-1-size) {
		return 0, nil, nil, errOversize
	}
	b, kind = b[1+size:], b[0]
	return kind, b[:n], b[n:], nil
}

// append writes the body.
func (r *record) append(b []byte) []byte {
	if r.kind == kindBeat {
		return append(b, r.flags)
	}
	b = append(b, r.hash[:]...)
	switch r.kind {
	case kindReport:
		b = appendTally(append(b, r.flags), r.n)
		if r.n.trusted() {
			b = appendTrusted(b, r.n)
		}
	case kindOthers:
		b = appendTally(b, r.n)
		b = binary.AppendUvarint(b, uint64(len(r.holdings)))
		for i := range r.holdings {
			b = binary.BigEndian.AppendUint64(b, uint64(r.holdings[i].node))
			b = appendTally(b, r.holdings[i].n)
		}
		if r.n.trusted() || slices.ContainsFunc(r.holdings, func(h holding) bool { return h.n.trusted() }) {
			b = appendTrusted(b, r.n)
			for i := range r.holdings {
				b = appendTrusted(b, r.holdings[i].n)
			}
		}
	case kindOffers:
		b = append(b, r.from[:]...)
		b = append(b, r.flags)
		b = binary.AppendUvarint(b, uint64(len(r.sdps)))
		for i := range r.sdps {
			b = append(b, r.sdps[i].ID[:]...)
			b = binary.AppendUvarint(b, uint64(len(r.sdps[i].SDP)))
			b = append(b, r.sdps[i].SDP...)
		}
	case kindAnswer:
		b = append(b, r.from[:]...)
		b = append(b, r.to[:]...)
		b = append(b, r.sdps[0].ID[:]...)
		b = append(b, r.sdps[0].SDP...)
	case kindAsk:
		b = binary.AppendUvarint(b, uint64(r.max))
	case kindPeers:
		b = binary.AppendUvarint(b, uint64(len(r.peers)))
		for i := range r.peers {
			b = appendPeer(b, &r.peers[i])
		}
	}
	return b
}

func appendTally(b []byte, n tally) []byte {
	for _, v := range [...]uint32{n.rtcSeeders, n.rtcLeechers, n.tcpSeeders, n.tcpLeechers} {
		b = binary.AppendUvarint(b, uint64(v))
	}
	return b
}

func appendTrusted(b []byte, n tally) []byte {
	b = binary.AppendUvarint(b, uint64(n.trustedSeeders))
	return binary.AppendUvarint(b, uint64(n.trustedLeechers))
}

func appendPeer(b []byte, p *tcpPeer) []byte {
	flags := flagsOf(p.role)
	ip := p.Addr.Addr().Unmap()
	if !ip.Is4() {
		flags |= peerV6
	}
	b = append(b, flags)
	b = append(b, p.ID[:]...)
	if ip.Is4() {
		a := ip.As4()
		b = append(b, a[:]...)
	} else {
		a := ip.As16()
		b = append(b, a[:]...)
	}
	return binary.BigEndian.AppendUint16(b, p.Addr.Port())
}

// parse reads a body. SDPs point into it. A record of an unknown kind is read as nothing.
func (r *record) parse(kind byte, body []byte) error {
	d := decoder{b: body}
	*r = record{kind: kind, holdings: r.holdings[:0], sdps: r.sdps[:0], peers: r.peers[:0]}
	switch {
	case kind == kindBeat:
		r.flags = d.byte()
		return d.err()
	case kind < kindBeat || kind > kindPeers:
		return nil
	}
	r.hash = d.id()
	switch kind {
	case kindReport:
		r.flags = d.byte()
		r.n = d.tally()
		if len(d.b) > 0 {
			d.trusted(&r.n)
		}
	case kindOthers:
		r.n = d.tally()
		for range d.count(maxOthers, 8+4) {
			r.holdings = append(r.holdings, holding{node: NodeID(d.uint64()), n: d.tally()})
		}
		if len(d.b) > 0 {
			d.trusted(&r.n)
			for i := range r.holdings {
				d.trusted(&r.holdings[i].n)
			}
		}
	case kindOffers:
		r.from = d.id()
		r.flags = d.byte()
		for range d.count(maxOffers, 20+1) {
			id := d.id()
			r.sdps = append(r.sdps, SDP{ID: id, SDP: d.take(d.count(math.MaxInt, 1))})
		}
	case kindAnswer:
		r.from, r.to = d.id(), d.id()
		id := d.id()
		r.sdps = append(r.sdps, SDP{ID: id, SDP: d.take(len(d.b))})
	case kindAsk:
		r.max = int(min(d.uvarint(), maxPeers))
	case kindPeers:
		for range d.count(maxPeers, 1+20+4+2) {
			r.peers = append(r.peers, d.peer())
		}
	}
	return d.err()
}

// A decoder reads a body; after the first thing that is missing it returns zeros.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) err() error {
	if d.bad {
		return errRecord
	}
	return nil
}

func (d *decoder) take(n int) []byte {
	if n < 0 || n > len(d.b) {
		d.bad, d.b = true, nil
		return nil
	}
	v := d.b[:n:n]
	d.b = d.b[n:]
	return v
}

func (d *decoder) byte() byte {
	if b := d.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (d *decoder) id() (id [20]byte) {
	copy(id[:], d.take(20))
	return id
}

func (d *decoder) uint64() uint64 {
	if b := d.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

// count reads how many things of at least size bytes follow.
func (d *decoder) count(most, size int) int {
	v := d.uvarint()
	if v > uint64(most) || v > uint64(len(d.b)/size) {
		d.bad, d.b = true, nil
		return 0
	}
	return int(v)
}

func (d *decoder) tally() tally {
	var v [4]uint32
	for i := range v {
		v[i] = uint32(min(d.uvarint(), maxCount))
	}
	return tally{rtcSeeders: v[0], rtcLeechers: v[1], tcpSeeders: v[2], tcpLeechers: v[3]}
}

// trusted reads how many of the WebRTC peers are.
func (d *decoder) trusted(n *tally) {
	n.trustedSeeders = uint32(min(d.uvarint(), uint64(n.rtcSeeders)))
	n.trustedLeechers = uint32(min(d.uvarint(), uint64(n.rtcLeechers)))
}

func (d *decoder) peer() (p tcpPeer) {
	flags := d.byte()
	p.role = roleOf(flags)
	p.ID = d.id()
	var ip netip.Addr
	if flags&peerV6 != 0 {
		ip, _ = netip.AddrFromSlice(d.take(16))
	} else {
		ip, _ = netip.AddrFromSlice(d.take(4))
	}
	port := d.take(2)
	if port == nil {
		return tcpPeer{}
	}
	p.Addr = netip.AddrPortFrom(ip.Unmap(), binary.BigEndian.Uint16(port))
	return p
}
