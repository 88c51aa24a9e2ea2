//go:build !js

package swarm

import (
	"net/netip"
	"sort"
	"time"

	"github.com/shoal-p2p/shoal/internal/heap"
)

const (
	maxKnown     = 2000         // addresses remembered per swarm
	maxHearsay   = maxKnown / 2 // of which from other peers
	firstBackoff = 15 * time.Second
	maxBackoff   = 30 * time.Minute
	maxFailures  = 6
	lasting      = time.Minute // a connection that lived so long was no failure

	maxHalfPerAddress = 2                // dials under way to one address
	crowdPause        = 30 * time.Second // before an address is looked at again whose place is taken
	bannedPause       = 10 * time.Minute // or that is banned

	// Who has everything dials leechers, but leaves most of it to them: they
	// want something.
	seedHalfOpen  = 4
	seedDialEvery = 2 * time.Second
)

// dialer remembers addresses and decides when to try them. No address is looked
// at that is not due.
type dialer struct {
	known    map[netip.AddrPort]*candidate
	waiting  heap.Heap[*candidate] // not before a time
	ready    heap.Heap[*candidate] // to be dialled, best first
	parked   []*candidate          // seeds, while we want leechers only
	hearsay  []*candidate          // those known from other peers alone
	half     int
	halfAt   map[netip.Addr]int
	number   uint64
	nextDial time.Time // while we want leechers only
	sated    time.Time // when we last wanted no seeds
}

func (d *dialer) init() {
	d.known = map[netip.AddrPort]*candidate{}
	d.halfAt = map[netip.Addr]int{}
}

// size is how many addresses are remembered.
func (d *dialer) size() int { return len(d.known) }

// add remembers an address with what is said of it, or what is said beside what
// was known. It reports false when there is no room for more of its kind.
func (d *dialer) add(now time.Time, a netip.AddrPort, said candidate) bool {
	a = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
	if !a.IsValid() || a.Port() == 0 {
		return true
	}
	if c := d.known[a]; c != nil {
		d.hear(c, said)
		if said.sources&User != 0 && c.state == isWaiting {
			d.take(c) // whoever names it knows better than its past
			c.failures, c.notUntil = 0, time.Time{}
			d.put(c, isReady)
		}
		return true
	}
	if !d.makeRoom(said.rank()) {
		return false
	}
	said.addr = a
	d.number++
	said.number = d.number
	c := &said
	d.known[a] = c
	if c.rank() == 0 {
		d.hearsay = append(d.hearsay, c)
		c.hearsay = len(d.hearsay)
	}
	d.put(c, isReady)
	return true
}

// hear adds what another source says of an address.
func (d *dialer) hear(c *candidate, said candidate) {
	was := c.rank()
	c.sources |= said.sources
	c.seed = c.seed || said.seed
	c.hint.UTP = c.hint.UTP || said.hint.UTP
	c.hint.Encrypted = c.hint.Encrypted || said.hint.Encrypted
	if c.rank() == was {
		return
	}
	d.noHearsay(c)
	d.number++
	c.number = d.number
	if c.state == isReady {
		d.ready.Fix(c)
	}
}

// makeRoom reports whether one more address of that rank may be remembered. What
// peers tell has a share of its own, so that a flood of it does not keep out
// what a tracker tells.
func (d *dialer) makeRoom(rank int) bool {
	switch {
	case rank == 0:
		return len(d.hearsay) < maxHearsay && len(d.known) < maxKnown
	case len(d.known) < maxKnown || rank == 2:
		return true
	}
	for k := len(d.hearsay) - 1; k >= 0; k-- {
		if c := d.hearsay[k]; c.state < isDialling {
			d.remove(c)
			return true
		}
	}
	return false
}

func (d *dialer) noHearsay(c *candidate) {
	if c.hearsay == 0 {
		return
	}
	n := len(d.hearsay) - 1
	last := d.hearsay[n]
	d.hearsay[c.hearsay-1], last.hearsay = last, c.hearsay
	d.hearsay[n] = nil
	d.hearsay = d.hearsay[:n]
	c.hearsay = 0
}

// take removes a candidate from the list of its state.
func (d *dialer) take(c *candidate) {
	switch c.state {
	case isWaiting:
		d.waiting.Remove(c)
	case isReady:
		d.ready.Remove(c)
	case isParked:
		n := len(d.parked) - 1
		last := d.parked[n]
		d.parked[c.at], last.at = last, c.at
		d.parked[n] = nil
		d.parked = d.parked[:n]
	case isDialling:
		d.half--
		h := household(c.addr.Addr())
		if d.halfAt[h]--; d.halfAt[h] == 0 {
			delete(d.halfAt, h)
		}
	}
}

// put gives a candidate, which is in no list, another state.
func (d *dialer) put(c *candidate, s candidateState) {
	c.state = s
	switch s {
	case isWaiting:
		d.waiting.Push(c)
	case isReady:
		d.ready.Push(c)
	case isParked:
		c.at = len(d.parked)
		d.parked = append(d.parked, c)
	case isDialling:
		d.half++
		d.halfAt[household(c.addr.Addr())]++
	}
}

// putOff lets a candidate wait, without calling it a failure.
func (d *dialer) putOff(c *candidate, until time.Time) {
	d.take(c)
	c.notUntil = until
	d.put(c, isWaiting)
}

func (d *dialer) remove(c *candidate) {
	d.take(c)
	d.noHearsay(c)
	delete(d.known, c.addr)
}

// connected notes that a dial succeeded and how, and tells how the address was known.
func (d *dialer) connected(now time.Time, a netip.AddrPort, used Hint) Source {
	c := d.known[a]
	if c == nil {
		return 0
	}
	if c.state == isDialling {
		d.take(c)
		c.since = now
		c.hint.Encrypted = used.Encrypted // it saves a dial the next time
		d.put(c, isUsed)
	}
	return c.sources
}

// standsFor notes that an address is that of a peer we are connected with
// already.
func (d *dialer) standsFor(now time.Time, a netip.AddrPort) {
	if c := d.known[a]; c != nil && c.state < isDialling {
		d.take(c)
		c.since = now
		d.put(c, isUsed)
	}
}

func (d *dialer) failed(now time.Time, a netip.AddrPort) {
	if c := d.known[a]; c != nil && c.state == isDialling {
		d.pause(now, c)
	}
}

// left makes an address that was connected available again, after a pause. A seed
// that leaves us when we want nothing has not failed: it is there again as soon as
// we do, also when that has just begun.
func (d *dialer) left(now time.Time, a netip.AddrPort, seed bool) {
	c := d.known[a]
	if c == nil || c.state != isUsed {
		return
	}
	if c.seed = c.seed || seed; now.Sub(c.since) >= lasting {
		c.seed, c.failures = seed, 0 // long enough to know it
	}
	if seed && !c.since.After(d.sated) {
		d.take(c)
		d.put(c, isParked)
		return
	}
	d.pause(now, c)
}

// pause doubles with every failure in a row.
func (d *dialer) pause(now time.Time, c *candidate) {
	if c.failures++; c.failures >= maxFailures && c.rank() < 2 {
		d.remove(c)
		return
	}
	d.putOff(c, now.Add(min(maxBackoff, firstBackoff<<min(c.failures-1, 10))))
}

// never keeps an address from being dialled: it is ourselves.
func (d *dialer) never(a netip.AddrPort) {
	if c := d.known[a]; c != nil {
		d.take(c)
		d.put(c, isUsed)
	}
}

// forget drops the addresses that no source of some vouches for.
func (d *dialer) forget(sources Source) {
	var gone byNumber
	for _, c := range d.known {
		if c.sources&sources == 0 {
			gone = append(gone, c)
		}
	}
	sort.Stable(gone) // as others do: a tool that is linked already
	for _, c := range gone {
		d.remove(c)
	}
}
