package mesh

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/shoal-p2p/shoal/internal/tracker/swarm"
)

// A park is the offers of one announce, waiting for a node with a peer for them.
type park struct {
	l      *local
	from   PeerID
	role   swarm.Role
	offers []SDP // nil when they were sent or given up
	bytes  int
}

// parkCost is what a park takes besides its offers.
const parkCost = 200

// Offers hands over offers of a peer here that found no peer here.
func (m *Mesh) Offers(now time.Time, h Hash, from PeerID, role swarm.Role, offers []SDP) {
	if len(offers) == 0 {
		return
	}
	t := m.at(now)
	l := m.local[h]
	if l == nil {
		if l = m.open(h); l == nil {
			return
		}
	}
	if m.distribute(t, l, from, role, offers) {
		m.removePark(l, from)
		return
	}
	m.park(t, l, from, role, offers)
	if l.mine.zero() {
		return // Changed reports it
	}
	if owner := m.owner(&h); owner != l.toldTo || m.generationOf(owner) != l.toldGeneration {
		m.report(t, l, true)
	}
}

// distribute sends offers to the nodes with peers for them, one for each peer at most, and
// to each node in proportion to its peers. It reports false if there is none.
func (m *Mesh) distribute(t instant, l *local, from PeerID, role swarm.Role, offers []SDP) bool {
	var left, take [maxOthers]int
	total := 0
	for i, o := range l.others {
		if m.others[o.node] != nil {
			left[i] = o.n.suits(role)
			total += left[i]
		}
	}
	if total == 0 || !m.connected {
		return false
	}
	offers = offers[:min(len(offers), total, maxOffers)]
	for range offers {
		k := m.rng.IntN(total)
		for i := range l.others {
			if k < left[i] {
				left[i]--
				take[i]++
				break
			}
			k -= left[i]
		}
		total--
	}
	flags := flagsOf(role)
	for i, o := range l.others {
		for take[i] > 0 {
			// Long offers are spread over several records, each short enough for the bus.
			n, size := 0, headerLen+100
			for n < take[i] && (n == 0 || size+len(offers[n].SDP)+30 <= m.maxFrame) {
				size += len(offers[n].SDP) + 30
				n++
			}
			m.rec = record{kind: kindOffers, hash: l.hash, from: from, flags: flags, sdps: offers[:n]}
			m.send(t, o.node, &m.rec)
			m.stats.OffersOut += uint64(n)
			offers = offers[n:]
			take[i] -= n
		}
	}
	return true
}

// park keeps offers until it is known who can use them. The latest of a peer replace
// its earlier ones, which the peer has given up.
func (m *Mesh) park(t instant, l *local, from PeerID, role swarm.Role, offers []SDP) {
	m.removePark(l, from)
	if len(l.parks) >= parkedSets {
		m.endPark(l.parks[0])
	}
	p := &park{l: l, from: from, role: role}
	offers = offers[:min(len(offers), parkedOffers)]
	size := 0
	for i := range offers {
		size += len(offers[i].SDP)
	}
	text := make([]byte, 0, size)
	p.offers = make([]SDP, len(offers))
	for i := range offers {
		start := len(text)
		text = append(text, offers[i].SDP...)
		p.offers[i] = SDP{offers[i].ID, text[start:len(text):len(text)]}
	}
	p.bytes = size + len(offers)*48
	l.parks = append(l.parks, p)
	m.parked.push(t+m.cfg.ParkFor, p)
	m.parkedBytes += parkCost + p.bytes
	for m.parkedBytes > m.cfg.Parked && m.parked.len() > 0 {
		m.popPark()
	}
	if !l.queued {
		// The first report may be lost, or have been made before there was an owner.
		l.queued = true
		m.later.push(t+changeAfter, l)
	}
}

func (m *Mesh) removePark(l *local, from PeerID) {
	for _, p := range l.parks {
		if p.from == from {
			m.endPark(p)
			return
		}
	}
}

// endPark frees the offers. The park itself stays in Mesh.parked until its time.
func (m *Mesh) endPark(p *park) {
	if p.offers == nil {
		return
	}
	m.parkedBytes -= p.bytes
	p.offers = nil
	if i := slices.Index(p.l.parks, p); i >= 0 {
		p.l.parks = slices.Delete(p.l.parks, i, i+1)
	}
	if len(p.l.parks) == 0 {
		p.l.parks = nil
	}
	p.l = nil
}

func (m *Mesh) popPark() {
	m.endPark(m.parked.pop())
	m.parkedBytes -= parkCost
}

func (m *Mesh) expireParks(t instant) {
	for m.parked.due() <= t {
		m.popPark()
	}
}

func (m *Mesh) unpark(l *local) {
	for len(l.parks) > 0 {
		m.endPark(l.parks[0])
	}
}

// release sends what was parked to the nodes that are known now.
func (m *Mesh) release(t instant, l *local) {
	for i := 0; i < len(l.parks); {
		p := l.parks[i]
		if m.distribute(t, l, p.from, p.role, p.offers) {
			m.endPark(p)
		} else {
			i++
		}
	}
}

// Delivered says how many offers of a Delivery found a peer here. If that is all peers here, they have
// met somebody, and what was parked for the swarm would only connect them twice.
func (m *Mesh) Delivered(h Hash, n int) {
	if l := m.local[h]; l != nil && n > 0 && n >= l.mine.suits(swarm.Role{}) {
		m.unpark(l)
	}
}

// A route leads an answer back to the node that sent the offer.
type route struct {
	key      uint64
	node     NodeID
	answered bool
}

// routeKey is enough of a hash that two offers do not meet by chance; if they did, an answer would
// go to a node that does not know the peer.
func routeKey(h *Hash, peer *PeerID, offer *[20]byte) uint64 {
	k := uint64(0x9e3779b97f4a7c15)
	for _, b := range [...]*[20]byte{h, peer, offer} {
		k = mix(k ^ binary.LittleEndian.Uint64(b[0:]))
		k = mix(k ^ binary.LittleEndian.Uint64(b[8:]))
		k = mix(k ^ uint64(binary.LittleEndian.Uint32(b[16:])))
	}
	return k
}

// accept remembers where offers came from and returns those that are new.
func (m *Mesh) accept(t instant, from NodeID, r *record) []SDP {
	fresh := make([]SDP, 0, len(r.sdps))
	for _, o := range r.sdps {
		key := routeKey(&r.hash, &r.from, &o.ID)
		if m.routes[key] != nil {
			continue // a message that came twice
		}
		for m.routeOrder.len() >= m.cfg.Routes {
			delete(m.routes, m.routeOrder.pop().key)
		}
		rt := &route{key: key, node: from}
		m.routes[key] = rt
		m.routeOrder.push(t+routeFor, rt)
		fresh = append(fresh, o)
	}
	m.stats.OffersIn += uint64(len(fresh))
	return fresh
}

func (m *Mesh) expireRoutes(t instant) {
	for m.routeOrder.due() <= t {
		delete(m.routes, m.routeOrder.pop().key)
	}
}

// Answer passes on the answer of a peer here to an offer of another node's peer. It reports false if no
// such offer is waiting for one.
func (m *Mesh) Answer(now time.Time, h Hash, from, to PeerID, answer SDP) bool {
	t := m.at(now)
	m.expireRoutes(t)
	rt := m.routes[routeKey(&h, &to, &answer.ID)]
	if rt == nil || rt.answered || !m.connected || m.others[rt.node] == nil {
		return false
	}
	rt.answered = true
	m.rec = record{kind: kindAnswer, hash: h, from: from, to: to, sdps: append(m.rec.sdps[:0], answer)}
	m.send(t, rt.node, &m.rec)
	m.rec.sdps[0] = SDP{} // the caller's bytes
	m.stats.AnswersOut++
	return true
}
