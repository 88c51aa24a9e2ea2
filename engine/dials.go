package engine

import (
	"net/netip"
	"slices"
	"time"
)

const (
	maxKnown     = 2000 // addresses remembered per torrent
	firstBackoff = 15 * time.Second
	maxBackoff   = 30 * time.Minute
	maxFailures  = 6
)

// dialer remembers addresses and decides when to try them.
type dialer struct {
	known  map[netip.AddrPort]*candidate
	queue  []*candidate // in the order they came, trusted ones first
	half   int
	banned map[netip.Addr]bool
}

type candidate struct {
	addr     netip.AddrPort
	trusted  bool
	dialling bool
	joined   bool
	failures int
	notUntil time.Time
}

func (d *dialer) init() {
	d.known = map[netip.AddrPort]*candidate{}
	d.banned = map[netip.Addr]bool{}
}

func (d *dialer) add(addrs []netip.AddrPort, trusted bool) {
	for _, a := range addrs {
		a = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
		if !a.IsValid() || a.Port() == 0 || d.banned[a.Addr()] || d.known[a] != nil {
			continue
		}
		if len(d.known) >= maxKnown && !trusted {
			return
		}
		c := &candidate{addr: a, trusted: trusted}
		d.known[a] = c
		if trusted {
			d.queue = slices.Insert(d.queue, 0, c)
		} else {
			d.queue = append(d.queue, c)
		}
	}
}

func (d *dialer) connected(a netip.AddrPort) {
	if c := d.known[a]; c != nil && c.dialling {
		c.dialling = false
		c.joined = true
		c.failures = 0
		d.half--
	}
}

func (d *dialer) failed(now time.Time, a netip.AddrPort) {
	c := d.known[a]
	if c == nil || !c.dialling {
		return
	}
	c.dialling = false
	d.half--
	c.failures++
	c.notUntil = now.Add(min(maxBackoff, firstBackoff<<min(c.failures-1, 10)))
	if c.failures >= maxFailures && !c.trusted {
		d.remove(c)
	}
}

// left makes an address that was connected available again, after a pause.
func (d *dialer) left(now time.Time, a netip.AddrPort, outgoing bool) {
	if c := d.known[a]; c != nil && outgoing {
		c.joined = false
		c.failures++
		c.notUntil = now.Add(min(maxBackoff, firstBackoff<<min(c.failures-1, 10)))
	}
}

// forget drops an address for good: it is ourselves.
func (d *dialer) forget(a netip.AddrPort) {
	if c := d.known[a]; c != nil {
		if c.dialling {
			d.half--
		}
		d.remove(c)
	}
}

func (d *dialer) ban(a netip.AddrPort) {
	if a.IsValid() {
		d.banned[a.Addr()] = true
		d.forget(a)
	}
}

func (d *dialer) remove(c *candidate) {
	delete(d.known, c.addr)
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
		c.dialling = true
		d.half++
		m.do(Dial{Addr: c.addr})
	}
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
