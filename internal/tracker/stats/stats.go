// Package stats counts what a tracker does.
//
// Whoever counts often has Counters of its own, which nobody else writes to: a loop, a socket.
// A Set holds them all, and sums them up when somebody asks.
package stats

import (
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/shoal-p2p/shoal/internal/tracker/limit"
)

// A Door is a way to speak to the tracker.
type Door uint8

// The doors.
const (
	WebSocket Door = iota
	HTTP
	UDP
	NumDoors
)

// String returns "ws", "http" or "udp".
func (d Door) String() string { return [...]string{"ws", "http", "udp"}[d] }

// Counters are written by one goroutine, mostly, and read by Sum.
type Counters struct {
	Announces, Scrapes, Refused                [NumDoors]atomic.Uint64
	Offers, Answers, Unplaced                  atomic.Uint64
	Malformed, Accepted, TLSFailures           atomic.Uint64
	MessagesIn, MessagesOut, BytesIn, BytesOut atomic.Uint64

	limits  limit.Counts
	onLimit func(limit.Reason, netip.Addr)

	_ [64]byte // a cache line to the next
}

// Limit counts that something of a client was limited, dropped or refused. It is the one place
// that all limits go through.
func (n *Counters) Limit(r limit.Reason, client netip.Addr) {
	n.limits.Add(r)
	if n.onLimit != nil {
		n.onLimit(r, client)
	}
}

// Refuse counts a request that was answered with a failure, and why.
func (n *Counters) Refuse(d Door, r limit.Reason, client netip.Addr) {
	n.Refused[d].Add(1)
	n.Limit(r, client)
}

// A Set is all Counters of a tracker. It may be used by many goroutines.
type Set struct {
	onLimit func(limit.Reason, netip.Addr)
	shared  *Counters

	mu  sync.Mutex
	all []*Counters
}

// NewSet returns a Set. onLimit, if it is not nil, is told of everything that was limited, and
// whose it was.
func NewSet(onLimit func(limit.Reason, netip.Addr)) *Set {
	s := &Set{onLimit: onLimit}
	s.shared = s.New()
	return s
}

// New returns further Counters.
func (s *Set) New() *Counters {
	n := &Counters{onLimit: s.onLimit}
	s.mu.Lock()
	s.all = append(s.all, n)
	s.mu.Unlock()
	return n
}

// Shared returns the Counters of those who have none of their own.
func (s *Set) Shared() *Counters { return s.shared }

// A Sum is what all Counters of a Set have counted.
type Sum struct {
	Announces, Scrapes, Refused                [NumDoors]uint64
	Offers, Answers, Unplaced                  uint64
	Malformed, Accepted, TLSFailures           uint64
	MessagesIn, MessagesOut, BytesIn, BytesOut uint64
	Limits                                     [limit.NumReasons]uint64
}

// Sum returns the counts of now.
func (s *Set) Sum() (sum Sum) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.all {
		for d := range NumDoors {
			sum.Announces[d] += n.Announces[d].Load()
			sum.Scrapes[d] += n.Scrapes[d].Load()
			sum.Refused[d] += n.Refused[d].Load()
		}
		sum.Offers += n.Offers.Load()
		sum.Answers += n.Answers.Load()
		sum.Unplaced += n.Unplaced.Load()
		sum.Malformed += n.Malformed.Load()
		sum.Accepted += n.Accepted.Load()
		sum.TLSFailures += n.TLSFailures.Load()
		sum.MessagesIn += n.MessagesIn.Load()
		sum.MessagesOut += n.MessagesOut.Load()
		sum.BytesIn += n.BytesIn.Load()
		sum.BytesOut += n.BytesOut.Load()
		n.limits.AddTo(&sum.Limits)
	}
	return sum
}
