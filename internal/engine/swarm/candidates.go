//go:build !js

package swarm

import (
	"net/netip"
	"time"
)

// candidate is an address that may be dialled.
type candidate struct {
	addr     netip.AddrPort
	sources  Source
	hint     Hint
	seed     bool   // said to have everything, or seen to
	number   uint64 // in the order they came
	state    candidateState
	at       int // place in the list of its state
	hearsay  int // place in the list of hearsay, from 1; 0: not in it
	since    time.Time
	failures int
	notUntil time.Time
}

type candidateState uint8

const (
	isWaiting candidateState = iota
	isReady
	isParked
	isDialling
	isUsed // connected, or not to be dialled for another reason
)

// rank is how much an address is worth: better ones are dialled first.
func (c *candidate) rank() int {
	switch {
	case c.sources&User != 0:
		return 2
	case c.sources&^PEX != 0:
		return 1
	}
	return 0
}

// Before implements heap.Item, for the heap of those that are ready, the best first, and
// for that of those that wait, the one that may be tried first.
func (c *candidate) Before(other *candidate) bool {
	if c.state == isReady {
		if a, b := c.rank(), other.rank(); a != b {
			return a > b
		}
	} else if a, b := c.notUntil, other.notUntil; !a.Equal(b) {
		return a.Before(b)
	}
	return c.number < other.number
}

// Place implements heap.Item.
func (c *candidate) Place() *int { return &c.at }

// byNumber sorts candidates in the order they came.
type byNumber []*candidate

func (l byNumber) Len() int           { return len(l) }
func (l byNumber) Less(i, j int) bool { return l[i].number < l[j].number }
func (l byNumber) Swap(i, j int)      { l[i], l[j] = l[j], l[i] }
