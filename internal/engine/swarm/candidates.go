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

// waiting is a heap of candidates, the one that may be tried first on top.
type waiting []*candidate

func (h waiting) Len() int { return len(h) }
func (h waiting) Less(i, j int) bool {
	if a, b := h[i].notUntil, h[j].notUntil; !a.Equal(b) {
		return a.Before(b)
	}
	return h[i].number < h[j].number
}
func (h waiting) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i, j
}

// Push implements heap.Interface.
func (h *waiting) Push(x any) {
	c := x.(*candidate)
	c.at = len(*h)
	*h = append(*h, c)
}

// Pop implements heap.Interface.
func (h *waiting) Pop() any { return pop((*[]*candidate)(h)) }

// ready is a heap of candidates, the best on top.
type ready []*candidate

func (h ready) Len() int { return len(h) }
func (h ready) Less(i, j int) bool {
	if a, b := h[i].rank(), h[j].rank(); a != b {
		return a > b
	}
	return h[i].number < h[j].number
}
func (h ready) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].at, h[j].at = i, j
}

// Push implements heap.Interface.
func (h *ready) Push(x any) {
	c := x.(*candidate)
	c.at = len(*h)
	*h = append(*h, c)
}

// Pop implements heap.Interface.
func (h *ready) Pop() any { return pop((*[]*candidate)(h)) }

func pop(h *[]*candidate) *candidate {
	n := len(*h) - 1
	c := (*h)[n]
	(*h)[n] = nil
	*h = (*h)[:n]
	return c
}

// byNumber sorts candidates in the order they came.
type byNumber []*candidate

func (l byNumber) Len() int           { return len(l) }
func (l byNumber) Less(i, j int) bool { return l[i].number < l[j].number }
func (l byNumber) Swap(i, j int)      { l[i], l[j] = l[j], l[i] }
