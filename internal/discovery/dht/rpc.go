package dht

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/shoal-p2p/shoal/internal/heap"
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
	byTime  heap.Heap[*query]
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
	r.byTime.Remove(q)
}

// Before implements heap.Item: what is due first comes first.
func (q *query) Before(other *query) bool {
	if a, b := q.due(), other.due(); !a.Equal(b) {
		return a.Before(b)
	}
	return q.tid < other.tid
}

// Place implements heap.Item.
func (q *query) Place() *int { return &q.heapIndex }
