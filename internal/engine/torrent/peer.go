package torrent

import (
	"slices"
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/bits"
	"github.com/shoal-p2p/shoal/internal/engine/rate"
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/wire"
)

// Limits on what one peer may make us remember or do.
const (
	maxQueuedUploads = 2048          // requests kept for one peer
	advertisedReqQ   = 1024          // what we tell it
	minUploadWindow  = 4 * BlockSize // bytes given to the driver at any rate
	maxStrayBlocks   = 64            // unrequested blocks beyond those we cancelled
	sweepInterval    = time.Second
	maxWithdrawn     = 256         // cancelled requests remembered
	answerLimit      = time.Minute // for how long
	debtTime         = 20.0        // seconds over which the choker looks at what a peer gave
)

// peer is what the torrent knows of a peer. key and fast are the swarm's, nearer
// at hand.
type peer struct {
	*swarm.Peer
	key  PeerKey
	fast bool // BEP 6

	has       bits.Set // what it has
	early     early    // what it said of that before the info dictionary was known
	hidden    bits.Set // pieces that it was not told of (BEP 16)
	gotBits   bool     // a bitfield or a have came: have all and have none may not follow
	useful    int      // pieces it has that we need and lack; not counted for seeds
	seedCount bool     // counted as a seed in the picker
	partialAt int      // place among the peers that are no seeds, counted from 1
	dry       uint64   // Picker.Adds when there was nothing to pick for it, else 0
	refusals  refusals

	choking     bool // we choke it
	interested  bool // we are interested in it
	choked      bool // it chokes us
	interesting bool // it is interested in us
	uploadOnly  bool
	allowed     []int // pieces we may request while choked (BEP 6)

	queue     queue
	owns      owner // the pieces it fetches for itself
	reqq      int   // what it accepts
	starvedAt int   // place among the starved, counted from 1
	roomless  bool  // there was no memory for another piece
	down, up  rate.Meter
	gave      rate.Meter // like down, but slow: what we owe it
	pace      float64    // bytes a second when its last block came
	isDirty   bool
	row       row // of a web seed
	uploads   uploads
}

func (p *peer) isSeed(m *Machine) bool {
	if m.info == nil {
		return p.early.all
	}
	return p.has.Len() > 0 && p.has.All()
}

// progress is how much of the pieces p has, 0 to 1.
func (p *peer) progress(m *Machine) float64 {
	return min(1, float64(p.has.Count())/float64(max(1, m.space.len())))
}

// sendHave tells a new peer what we have (BEP 3 bitfield, BEP 6 have all and
// have none).
func (m *Machine) sendHave(p *peer) {
	switch {
	case m.space.grows():
		if p.fast {
			m.send(p, wire.Message{ID: wire.HaveNone})
		}
		m.announceHaves(p)
	case m.super.on && m.have.All():
		m.hide(p)
	case p.fast && (m.info == nil || m.have.Count() == 0):
		m.send(p, wire.Message{ID: wire.HaveNone})
	case p.fast && m.have.All():
		m.send(p, wire.Message{ID: wire.HaveAll})
	case m.info != nil && m.have.Count() > 0:
		m.send(p, wire.Message{ID: wire.Bitfield, Payload: slices.Clone(m.have.Bytes())})
	}
}

// removePeer lets go of everything that a peer had to do.
func (m *Machine) removePeer(p *peer) {
	delete(m.byKey, p.key)
	m.peers = slices.DeleteFunc(m.peers, func(q *peer) bool { return q == p })
	m.releaseAll(p)
	m.starved.remove(p)
	if m.space.known() {
		m.uncountPieces(p)
	}
	m.removePartial(p)
	m.super.left(p)
	m.disown(p)
	m.meta.peerLeft(p.key)
	m.hashes.peerLeft(p.key)
	m.wantMetadata()
	m.wantHashes()
	if !p.choking {
		m.slotsFree = true
	}
}

// weigh notes whether a peer is a seed, and closes a connection between two peers
// that both lack nothing.
func (m *Machine) weigh(p *peer) {
	p.Seed = p.isSeed(m) || p.uploadOnly
	if p.Seed && m.Complete() && m.have.All() {
		m.closePeer(p, swarm.ErrUseless, false)
	}
}

// sweep looks once a second, while something is fetched, at the peers that were
// asked for it.
func (m *Machine) sweep() {
	for _, p := range m.peers {
		m.checkSnub(p)
		p.queue.forget(m.now)
		if p.refusals.sweep(m.now) {
			p.dry = 0
			m.touch(p)
		}
	}
	m.wakeAll()
	m.sweepSuspects()
	m.wantUrgentLeaves()
	m.hashes.sweep(m)
}
