package dht

import (
	"container/heap"
	"encoding/binary"
	"net/netip"
	"time"
)

const (
	maxPending = 1024
	// rttStart is the early timeout before anything was measured.
	rttStart = time.Second
	rttMin   = 150 * time.Millisecond
	rttMax   = 2 * time.Second
	lostMin  = 2 * time.Second
	lostMax  = 8 * time.Second
)

// query is one packet that waits for its reply. It has two deadlines: at late
// the lookup stops waiting for it and asks somebody else, at lost the node
// counts as not responding.
type query struct {
	tid        uint32
	to         netip.AddrPort
	id         ID // expected of the answering node; zero = not known
	sent       time.Time
	late, lost time.Time
	isLate     bool
	heapIndex  int

	lookup *lookup    // nil for pings
	cand   *candidate // whom the lookup asked
	store  bool       // announce_peer rather than get_peers
}

func (q *query) due() time.Time {
	if q.isLate {
		return q.lost
	}
	return q.late
}

// estimator follows the round-trip time as TCP does (RFC 6298, section 2).
type estimator struct {
	mean, dev time.Duration
}

func (e *estimator) add(rtt time.Duration) {
	if e.mean == 0 {
		e.mean, e.dev = rtt, rtt/2
		return
	}
	d := e.mean - rtt
	if d < 0 {
		d = -d
	}
	e.dev += (d - e.dev) / 4
	e.mean += (rtt - e.mean) / 8
}

// late is how long a lookup waits before it turns to another node.
func (e *estimator) late() time.Duration {
	if e.mean == 0 {
		return rttStart
	}
	return min(max(e.mean+4*e.dev, rttMin), rttMax)
}

// lost is how long a reply can still be on its way.
func (e *estimator) lost() time.Duration { return min(max(4*e.late(), lostMin), lostMax) }

// rpc matches replies with queries.
type rpc struct {
	pending map[uint32]*query
	byTime  queryHeap
	rtt     [families]estimator
}

// take removes and returns the query that a reply from an address answers.
func (r *rpc) take(tid []byte, from netip.AddrPort) *query {
	if len(tid) != 4 {
		return nil
	}
	q := r.pending[binary.BigEndian.Uint32(tid)]
	if q == nil || q.to != from {
		return nil
	}
	r.drop(q)
	return q
}

func (r *rpc) drop(q *query) {
	delete(r.pending, q.tid)
	heap.Remove(&r.byTime, q.heapIndex)
}

type queryHeap []*query

func (h queryHeap) Len() int { return len(h) }
func (h queryHeap) Less(i, j int) bool {
	if a, b := h[i].due(), h[j].due(); !a.Equal(b) {
		return a.Before(b)
	}
	return h[i].tid < h[j].tid
}
func (h queryHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].heapIndex, h[j].heapIndex = i, j
}
func (h *queryHeap) Push(x any) {
	q := x.(*query)
	q.heapIndex = len(*h)
	*h = append(*h, q)
}
func (h *queryHeap) Pop() any {
	old := *h
	q := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return q
}
