package crowdsim

import (
	"encoding/binary"
	"math/rand/v2"
	"time"

	"github.com/shoal-p2p/shoal/internal/tracker/cluster/mesh"
	"github.com/shoal-p2p/shoal/internal/tracker/swarm"
	"github.com/shoal-p2p/shoal/internal/tracker/swarm/ledger"
)

// A node is a tracker: what package core makes of a Core and a Peering, without the doors.
type node struct {
	s      *sim
	n      int8
	core   *swarm.Core[int32]
	ledger *ledger.Ledger
	mesh   *mesh.Mesh
	armed  time.Duration
	to     []swarm.Receiver[int32]
	frames []mesh.Frame
	todo   []mesh.Delivery
	sdps   []mesh.SDP
}

var infoHash = swarm.Hash{'c', 'r', 'o', 'w', 'd'}

func newNode(s *sim, n int) *node {
	rng := func(part uint64) *rand.Rand { return rand.New(rand.NewPCG(s.cfg.Seed, uint64(n)<<8|part)) }
	d := &node{s: s, n: int8(n), armed: never}
	d.ledger = ledger.New(ledger.Config{}, rng(1))
	d.core = swarm.New[int32](swarm.Config{Ledger: d.ledger}, rng(2), start)
	d.mesh = mesh.New(mesh.Config{ID: mesh.NodeID(rng(3).Uint64() | 1)}, rng(4), start)
	d.mesh.Connected(start, 1<<20)
	d.arm()
	return d
}

// arm has the mesh stepped when it wants to be.
func (d *node) arm() {
	if at := d.mesh.Deadline().Sub(start); at < d.armed {
		d.armed = at
		d.s.cal.add(at+tick-1, event{kind: step, node: d.n})
	}
}

func (d *node) step() {
	if d.armed > d.s.now {
		return // another one was earlier
	}
	d.armed = never
	d.frames = d.mesh.Step(d.s.at(), d.frames[:0])
	for _, f := range d.frames {
		d.s.phase.Messages++
		d.s.phase.Bytes += len(f.Bytes)
		for _, o := range d.s.nodes {
			if o != d && (f.To == 0 || f.To == o.mesh.ID()) {
				d.s.carry(o, f.Bytes)
			}
		}
	}
	d.mesh.Recycle(d.frames)
	d.arm()
}

// receive is what package cluster does with a frame.
func (d *node) receive(b []byte) {
	var err error
	if d.todo, err = d.mesh.Receive(d.s.at(), b, d.todo[:0]); err != nil {
		panic(err) // the mesh does not understand itself
	}
	for i := range d.todo {
		switch t := &d.todo[i]; t.Kind {
		case mesh.DeliverOffers:
			d.to = d.core.Receivers(d.s.at(), t.Hash, t.From, t.Role, swarm.Place{}, len(t.Offers), d.to[:0])
			d.s.phase.Lost += len(t.Offers) - len(d.to)
			for i, to := range d.to {
				d.s.give(to.Conn, event{kind: replyFar, node: d.n, a: to.Conn, b: indexOf(t.From), id: binary.BigEndian.Uint64(t.Offers[i].ID[:])})
			}
			d.mesh.Delivered(t.Hash, len(d.to))
		case mesh.DeliverAnswer:
			if to, ok := d.core.RouteIn(t.Hash, t.To); ok {
				d.s.introduce(indexOf(t.From), to, true)
			} else {
				d.s.phase.Refused++
			}
		}
	}
	d.arm()
}

func (d *node) changed() {
	d.mesh.Changed(d.s.at(), infoHash, d.core.Kinds(infoHash))
}

// announce is what package core does with an announce.
func (d *node) announce(i int32, ev swarm.Event, offers int) {
	s, p := d.s, &d.s.peers[i]
	left := int64(1)
	if p.seeder {
		left = 0
	}
	n := d.mesh.Elsewhere(infoHash)
	re, to, err := d.core.AnnounceRTC(s.at(), swarm.RTCAnnounce[int32]{
		Hash: infoHash, Peer: idOf(i), Conn: i, Event: ev, Left: left, Want: offers, Offers: offers, Source: p.source,
		Shared: n.RTCSeeders+n.RTCLeechers > 0,
	}, d.to[:0])
	d.to = to
	if err != nil {
		panic(err) // no bound is near
	}
	d.changed()
	s.phase.Offers += offers
	s.phase.Here += len(to)
	for _, r := range to {
		s.give(r.Conn, event{kind: reply, node: d.n, a: r.Conn, b: i})
	}
	s.phase.Unplaced += offers - min(offers, re.Relay)
	if rest := min(offers, re.Relay) - len(to); rest > 0 {
		d.sdps = d.sdps[:0]
		for range rest {
			s.offers++
			d.sdps = append(d.sdps, offerOf(s.offers, s.sdp))
		}
		before := d.mesh.Stats().OffersOut
		d.mesh.Offers(s.at(), infoHash, idOf(i), swarm.Role{Seeder: p.seeder}, d.sdps)
		sent := int(d.mesh.Stats().OffersOut - before)
		s.phase.Sent += sent
		s.phase.Unplaced += rest - sent
	}
	d.arm()
}

func idOf(i int32) (id swarm.PeerID) {
	binary.BigEndian.PutUint32(id[:], uint32(i))
	return id
}

func indexOf(id swarm.PeerID) int32 { return int32(binary.BigEndian.Uint32(id[:])) }

func offerOf(id uint64, sdp []byte) mesh.SDP {
	o := mesh.SDP{SDP: sdp}
	binary.BigEndian.PutUint64(o.ID[:], id)
	return o
}
