package torrent

import (
	"net/netip"
	"slices"
	"time"
)

const (
	maxKnown     = 2000         // addresses remembered per torrent
	maxHearsay   = maxKnown / 2 // of which from other peers
	firstBackoff = 15 * time.Second
	maxBackoff   = 30 * time.Minute
	maxFailures  = 6
	lasting      = time.Minute // a connection that lived so long was no failure
)

// rank is how much an address is worth: better ones are dialled first.
type rank uint8

const (
	hearsay rank = iota // another peer told us
	found               // a tracker, the DHT or the local network
	trusted             // the user
)

// dialer remembers addresses and decides when to try them.
type dialer struct {
	known   map[netip.AddrPort]*candidate
	queue   []*candidate // best rank first, then in the order they came
	hearsay int          // candidates of that rank
	half    int
	banned  map[netip.Addr]bool
}

type candidate struct {
	addr     netip.AddrPort
	rank     rank
	dialling bool
	joined   bool // connected, or not to be dialled for another reason
	since    time.Time
	failures int
	notUntil time.Time
}

func (d *dialer) init() {
	d.known = map[netip.AddrPort]*candidate{}
	d.banned = map[netip.Addr]bool{}
}

func (d *dialer) add(addrs []netip.AddrPort, r rank) {
	for _, a := range addrs {
		a = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
		if !a.IsValid() || a.Port() == 0 || d.banned[a.Addr()] {
			continue
		}
		c := d.known[a]
		switch {
		case c == nil && !d.makeRoom(r):
			return
		case c == nil:
			c = &candidate{addr: a}
		case c.rank >= r:
			continue
		default:
			d.remove(c)
		}
		c.rank = r
		d.known[a] = c
		if r == hearsay {
			d.hearsay++
		}
		at := slices.IndexFunc(d.queue, func(q *candidate) bool { return q.rank < r })
		if at < 0 {
			at = len(d.queue)
		}
		d.queue = slices.Insert(d.queue, at, c)
	}
}

// makeRoom reports whether one more address of that rank may be remembered. What
// peers tell has a share of its own, so that a flood of it does not keep out
// what a tracker tells.
func (d *dialer) makeRoom(r rank) bool {
	switch {
	case r == hearsay:
		return d.hearsay < maxHearsay && len(d.known) < maxKnown
	case len(d.known) < maxKnown || r == trusted:
		return true
	}
	for _, c := range slices.Backward(d.queue) {
		if c.rank == hearsay && !c.dialling && !c.joined {
			d.remove(c)
			return true
		}
	}
	return false
}

func (d *dialer) connected(now time.Time, a netip.AddrPort) {
	if c := d.known[a]; c != nil && c.dialling {
		c.dialling = false
		c.joined, c.since = true, now
		d.half--
	}
}

// standsFor notes that an address is that of a peer we are connected with
// already. It reports false when the address is not known, or in use.
func (d *dialer) standsFor(now time.Time, a netip.AddrPort) bool {
	c := d.known[a]
	if c == nil || c.dialling || c.joined {
		return false
	}
	c.joined, c.since = true, now
	return true
}

func (d *dialer) failed(now time.Time, a netip.AddrPort) {
	if c := d.known[a]; c != nil && c.dialling {
		c.dialling = false
		d.half--
		d.pause(now, c)
	}
}

// left makes an address that was connected available again, after a pause.
func (d *dialer) left(now time.Time, a netip.AddrPort) {
	if c := d.known[a]; c != nil && c.joined {
		c.joined = false
		if now.Sub(c.since) >= lasting {
			c.failures = 0
		}
		d.pause(now, c)
	}
}

// pause doubles with every failure in a row.
func (d *dialer) pause(now time.Time, c *candidate) {
	c.failures++
	c.notUntil = now.Add(min(maxBackoff, firstBackoff<<min(c.failures-1, 10)))
	if c.failures >= maxFailures && c.rank != trusted {
		d.remove(c)
	}
}

// never keeps an address from being dialled: it is ourselves.
func (d *dialer) never(a netip.AddrPort) {
	if c := d.known[a]; c != nil {
		if c.dialling {
			c.dialling = false
			d.half--
		}
		c.joined = true
	}
}

// ban keeps everything at an address from being dialled. All of a machine's own
// peers share the loopback addresses, so there it is the port that is banned.
func (d *dialer) ban(a netip.AddrPort) {
	switch {
	case !a.IsValid():
	case a.Addr().IsLoopback():
		d.never(a)
	default:
		d.banned[a.Addr()] = true
		for _, c := range slices.Clone(d.queue) {
			if c.addr.Addr() == a.Addr() && !c.dialling {
				d.remove(c)
			}
		}
	}
}

func (d *dialer) remove(c *candidate) {
	delete(d.known, c.addr)
	if c.rank == hearsay {
		d.hearsay--
	}
	d.queue = slices.DeleteFunc(d.queue, func(q *candidate) bool { return q == c })
}

// wantsPeers reports whether outgoing connections make sense at all.
func (m *Machine) wantsPeers() bool { return !m.paused && !m.Complete() }

// dial starts connections while there is room.
func (m *Machine) dial() {
	if !m.wantsPeers() {
		return
	}
	d := &m.dials
	for _, c := range d.queue {
		if d.half >= m.cfg.MaxHalfOpen || len(m.peers)+d.half >= m.cfg.MaxPeers {
			return
		}
		if c.dialling || c.joined || m.now.Before(c.notUntil) {
			continue
		}
		if p := m.peerAt(c.addr); p != nil {
			if p.listens.IsValid() && p.listens != c.addr {
				c.notUntil = m.now.Add(maxBackoff) // it tells a new port each time
				continue
			}
			m.isToo(p, c.addr)
			continue
		}
		c.dialling = true
		d.half++
		m.do(Dial{Addr: c.addr})
	}
}

// peerAt returns the peer that can be dialled at an address, nil if it is not
// connected.
func (m *Machine) peerAt(a netip.AddrPort) *peer {
	for _, p := range m.peers {
		if b, ok := p.dialable(); ok && b == a {
			return p
		}
	}
	return nil
}

// deadline is when the next address may be tried.
func (d *dialer) deadline(m *Machine) time.Time {
	var at time.Time
	if !m.wantsPeers() || d.half >= m.cfg.MaxHalfOpen || len(m.peers)+d.half >= m.cfg.MaxPeers {
		return at
	}
	for _, c := range d.queue {
		if !c.dialling && !c.joined && (at.IsZero() || c.notUntil.Before(at)) {
			at = c.notUntil
		}
	}
	return at
}
