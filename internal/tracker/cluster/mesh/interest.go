package mesh

import (
	"time"
)

// A local is a swarm with a peer on this node.
type local struct {
	hash   Hash
	slot   int    // index in Mesh.locals
	queued bool   // in Mesh.later
	round  uint32 // of the Reconcile that it was last met or changed in

	mine tally
	// What was last reported, to whom, and when.
	told           tally
	toldTo         NodeID
	toldGeneration uint32
	toldAt         instant

	// What the owner said of the others.
	all    tally
	others []holding

	parks []*park
	tcp   *tcpCache
}

// Changed tells the counts of a swarm on this node.
func (m *Mesh) Changed(now time.Time, h Hash, n Counts) {
	m.change(m.at(now), h, tallyOf(n))
}

func (m *Mesh) change(t instant, h Hash, n tally) {
	l := m.local[h]
	if l == nil {
		if n.zero() {
			return
		}
		if l = m.open(h); l == nil {
			return
		}
	}
	l.round = m.round
	if l.mine == n {
		return
	}
	l.mine = n
	switch {
	case n.zero():
		m.report(t, l, false)
		m.drop(l)
		return
	case l.toldTo == 0 || differs(n, l.told):
		m.report(t, l, false)
	case !l.queued:
		l.queued = true
		m.later.push(t+changeAfter, l)
	}
	m.watch(l)
}

func (m *Mesh) watch(l *local) {
	if m.cfg.Watch != nil {
		m.cfg.Watch(l.hash, l.mine.counts(), l.all.counts())
	}
}

// differs reports whether there are peers of a kind now and were none, or the
// reverse: that decides whether a node is sent offers.
func differs(a, b tally) bool {
	return (a.rtcSeeders == 0) != (b.rtcSeeders == 0) || (a.rtcLeechers == 0) != (b.rtcLeechers == 0) ||
		(a.tcpSeeders == 0) != (b.tcpSeeders == 0) || (a.tcpLeechers == 0) != (b.tcpLeechers == 0) ||
		(a.trustedSeeders == 0) != (b.trustedSeeders == 0) || (a.trustedLeechers == 0) != (b.trustedLeechers == 0)
}

// Elsewhere returns what is known of a swarm on the other nodes.
func (m *Mesh) Elsewhere(h Hash) Counts {
	if l := m.local[h]; l != nil {
		return l.all.counts()
	}
	return Counts{}
}

// open adds a swarm, or returns nil if there are too many.
func (m *Mesh) open(h Hash) *local {
	if len(m.local) >= m.cfg.Swarms {
		return nil
	}
	l := &local{hash: h, slot: len(m.locals)}
	m.local[h] = l
	m.locals = append(m.locals, l)
	return l
}

func (m *Mesh) drop(l *local) {
	delete(m.local, l.hash)
	last := len(m.locals) - 1
	m.locals[l.slot] = m.locals[last]
	m.locals[l.slot].slot = l.slot
	m.locals[last] = nil
	m.locals = m.locals[:last]
	m.unpark(l)
	m.forgetPeers(l)
	l.queued, l.slot = false, -1
	l.mine, l.all = tally{}, tally{}
	m.watch(l)
}

// report tells the owner of a swarm what is here. ask wants to know who else has it;
// a new owner is asked in any case.
func (m *Mesh) report(t instant, l *local, ask bool) {
	if len(m.live) == 1 {
		l.toldTo = 0 // nobody to tell, nobody who would want to know
		return
	}
	owner := m.owner(&l.hash)
	generation := m.generationOf(owner)
	var flags byte
	if ask || l.toldTo != owner || l.toldGeneration != generation {
		flags = reportAsk
	}
	if len(l.others) > 0 {
		flags |= reportKnows
	}
	l.told, l.toldTo, l.toldGeneration, l.toldAt = l.mine, owner, generation, t
	if owner == m.cfg.ID {
		m.onReport(t, owner, generation, l.hash, l.mine, flags)
		return
	}
	m.rec = record{kind: kindReport, hash: l.hash, flags: flags, n: l.mine}
	m.send(t, owner, &m.rec)
}

// onOthers takes the owner's word on who else has a swarm.
func (m *Mesh) onOthers(t instant, from NodeID, h Hash, all tally, others []holding) {
	l := m.local[h]
	if l == nil {
		// The owner missed that the last peer has gone.
		m.rec = record{kind: kindReport, hash: h}
		m.send(t, from, &m.rec)
		return
	}
	if from != l.toldTo {
		return // it was the owner once
	}
	fresh, before := l.all.tcp() != all.tcp(), l.all
	l.others, l.all = l.others[:0], all
	for _, o := range others {
		switch {
		case o.node == m.cfg.ID || o.n.zero():
		case m.alive(o.node):
			l.others = append(l.others, o)
		default:
			l.all = l.all.minus(o.n)
		}
	}
	if len(l.others) == 0 {
		l.others = nil
	}
	if l.all != before {
		m.watch(l)
	}
	m.release(t, l)
	if l.mine.tcp() > 0 {
		m.askPeers(t, l, fresh)
	}
}

// hasten begins a fast walk through all swarms: the nodes have changed.
func (m *Mesh) hasten(t instant) {
	m.hurry = true
	m.walking, m.walkingE = len(m.locals), len(m.entries)
	m.walkAt = min(m.walkAt, t+walkEvery)
}

// walk looks after some swarms, and after all of them in the course of a lap. It goes
// downwards: when a swarm is removed, one that was already met takes its place.
func (m *Mesh) walk(t instant) {
	lap, pause := slowLap, beatEvery
	if m.hurry {
		lap, pause = lapTime, walkEvery
	}
	m.walkAt = t + pause
	share := func(n int) int { return n*int(pause)/int(lap) + 16 }
	if m.walking, m.walkingE = min(m.walking, len(m.locals)), min(m.walkingE, len(m.entries)); m.walking == 0 && m.walkingE == 0 {
		m.hurry = false
		m.walking, m.walkingE = len(m.locals), len(m.entries)
	}
	for range min(share(len(m.locals)), m.walking) {
		m.walking--
		m.lookAfter(t, m.locals[m.walking])
		m.walking = min(m.walking, len(m.locals))
	}
	for range min(share(len(m.entries)), m.walkingE) {
		m.walkingE--
		m.audit(t, m.entries[m.walkingE])
		m.walkingE = min(m.walkingE, len(m.entries))
	}
	m.expireParks(t)
	m.expireRoutes(t)
}

// lookAfter does for a swarm what is due.
func (m *Mesh) lookAfter(t instant, l *local) {
	if l.mine.zero() && len(l.parks) == 0 {
		m.drop(l) // somebody offered and never joined
		return
	}
	kept, before := l.others[:0], l.all
	for _, o := range l.others {
		if m.alive(o.node) {
			kept = append(kept, o)
		} else {
			l.all = l.all.minus(o.n)
		}
	}
	if l.others = kept; len(kept) == 0 {
		// Nobody is known; the owner, if there is one, names who else there is.
		l.others, l.all = nil, tally{}
	}
	if l.all != before {
		m.watch(l)
	}
	m.expirePeers(t, l)
	if l.mine.zero() {
		return
	}
	owner := m.owner(&l.hash)
	if owner != l.toldTo || l.toldGeneration != m.generationOf(owner) || t-l.toldAt >= slowLap {
		m.report(t, l, true)
	}
}

// A Reconciliation goes through the swarms of this node's tracker, in case a Changed was
// overtaken by an older one.
type Reconciliation struct {
	m    *Mesh
	left int // swarms that Done has not looked at
}

// Reconcile begins one. It ends with Done.
func (m *Mesh) Reconcile() *Reconciliation {
	m.round++
	return &Reconciliation{m, -1}
}

// Swarm tells the counts of one swarm.
func (r *Reconciliation) Swarm(now time.Time, h Hash, n Counts) { r.m.Changed(now, h, n) }

// Done forgets swarms that were neither met nor changed since Reconcile. It looks at some thousand and reports
// false if it has to be called again.
func (r *Reconciliation) Done(now time.Time) bool {
	m := r.m
	if r.left < 0 {
		r.left = len(m.locals)
	}
	for range 4096 {
		if r.left = min(r.left, len(m.locals)); r.left == 0 {
			return true
		}
		r.left--
		if l := m.locals[r.left]; l.round != m.round && !l.mine.zero() {
			m.change(m.at(now), l.hash, tally{})
		}
	}
	return false
}
