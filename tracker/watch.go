package tracker

import "slices"

// A Swarm says how many peers a swarm has.
type Swarm struct {
	InfoHash              InfoHash
	Seeders               int // of either kind
	WebRTCPeers, TCPPeers int
	Downloads             int // as a scrape tells
}

// Largest returns the n swarms with the most peers, the largest first. It looks at all swarms: who
// shows them to many keeps the result for a while.
func (t *Tracker) Largest(n int) []Swarm {
	sizes := t.core.Largest(n)
	all := make([]Swarm, len(sizes))
	for i, s := range sizes {
		all[i] = Swarm{InfoHash: s.Hash, Seeders: s.Seeders, WebRTCPeers: s.RTCPeers, TCPPeers: s.TCPPeers, Downloads: s.Downloaded}
	}
	return all
}

// Limits returns the limits in force, defaults filled in.
func (t *Tracker) Limits() Limits {
	l := t.bounds
	l.Exempt = slices.Clone(l.Exempt)
	return l
}

// A Watch tells whether the loops of a Tracker turn. It belongs to one goroutine.
type Watch struct {
	t              *Tracker
	loops, sockets []uint32 // as they were the last time
}

// Watch returns a Watch that begins now.
func (t *Tracker) Watch() *Watch {
	w := &Watch{t: t}
	w.loops, w.sockets = t.core.Conns().Turns(nil), t.udp.Turns(nil)
	return w
}

// Alive reports whether everything has come round since the last call, or since Watch. Seconds must lie
// between two calls. Where a lock of the Tracker is never given back, it does not return.
func (w *Watch) Alive() bool {
	w.t.core.Totals() // takes each lock once
	loops, sockets := w.t.core.Conns().Turns(nil), w.t.udp.Turns(nil)
	ok := true
	for i, n := range loops {
		ok = ok && (i >= len(w.loops) || n != w.loops[i])
	}
	for i, n := range sockets { // one that waits stands still
		ok = ok && (n%2 == 0 || i >= len(w.sockets) || n != w.sockets[i])
	}
	w.loops, w.sockets = loops, sockets
	return ok
}
