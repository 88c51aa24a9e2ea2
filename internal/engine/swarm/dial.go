//go:build !js

package swarm

import "time"

// found remembers addresses that somebody gave.
func (m *Machine) found(ev PeersFound) {
	src := ev.Source
	if src == 0 {
		src = Tracker
	}
	if m.cfg.Private && src&vouched == 0 {
		return // BEP 27
	}
	for _, a := range ev.Addrs {
		if !m.dials.add(m.now, a, candidate{sources: src, hint: ev.Hint}) {
			return
		}
	}
}

// appetite is whom to dial, and whether the swarm is hungry for it now: half-open
// dials and places are left.
func (m *Machine) appetite() (Appetite, bool) {
	want := m.content.Wants()
	half, most := m.cfg.MaxHalfOpen, m.cfg.MaxPeers
	switch want {
	case Nobody:
		return want, false
	case Leechers:
		half, most = min(half, seedHalfOpen), (most+1)/2
	}
	return want, m.dials.half < half && m.places.taken+m.dials.half < most
}

// noteAppetite has the dialer know since when seeds are wanted. It is asked before
// one goes.
func (m *Machine) noteAppetite() {
	if m.content.Wants() != Anybody {
		m.dials.sated = m.now
	}
}

// dial starts connections while there is room.
func (m *Machine) dial() {
	d := &m.dials
	m.noteAppetite()
	want, hungry := m.appetite()
	if want == Anybody && len(d.parked) > 0 {
		d.unpark()
	}
	if !hungry {
		return
	}
	m.work += d.wake(m.now)
	for hungry && len(d.ready) > 0 {
		if want == Leechers && m.now.Before(d.nextDial) {
			return
		}
		m.work++
		c := d.ready[0]
		if until, no := m.notNow(c); no {
			d.putOff(c, until)
			continue
		}
		d.take(c)
		switch p := m.at[c.addr]; {
		case p != nil && p.listens.IsValid() && p.listens != c.addr:
			c.notUntil = m.now.Add(maxBackoff) // it tells a new port each time
			d.put(c, isWaiting)
		case p != nil:
			d.put(c, isWaiting)
			m.isToo(p, c.addr)
		case want == Leechers && c.seed:
			d.put(c, isParked)
		default:
			d.put(c, isDialling)
			d.nextDial = m.now.Add(seedDialEvery)
			m.Do(Dial{Addr: c.addr, Hint: c.hint})
		}
		_, hungry = m.appetite()
	}
}

// notNow reports whether an address must wait because it is banned, or because
// enough others at it are connected or being dialled.
func (m *Machine) notNow(c *candidate) (until time.Time, no bool) {
	if m.bans.Has(m.now, Mark{Addr: c.addr}) {
		return m.now.Add(bannedPause), true
	}
	if !counted(c.addr, false) {
		return until, false
	}
	h := household(c.addr.Addr())
	half, taken := m.dials.halfAt[h], m.places.at[h]
	return m.now.Add(crowdPause), half >= maxHalfPerAddress || half+taken >= m.places.perAddress
}

// wake makes those ready whose pause is over, and counts them.
func (d *dialer) wake(now time.Time) (n int) {
	for ; len(d.waiting) > 0 && !now.Before(d.waiting[0].notUntil); n++ {
		c := d.waiting[0]
		d.take(c)
		d.put(c, isReady)
	}
	return n
}

// unpark makes the seeds ready again.
func (d *dialer) unpark() {
	for len(d.parked) > 0 {
		c := d.parked[len(d.parked)-1]
		d.take(c)
		d.put(c, isReady)
	}
}

// dialDeadline is when the next address may be tried.
func (m *Machine) dialDeadline() time.Time {
	d := &m.dials
	want, hungry := m.appetite()
	var at time.Time
	switch {
	case !hungry:
		return at
	case len(d.ready) > 0:
		at = d.ready[0].notUntil
	case len(d.waiting) > 0:
		at = d.waiting[0].notUntil
	default:
		return at
	}
	if want == Leechers && at.Before(d.nextDial) {
		at = d.nextDial
	}
	if at.IsZero() {
		at = m.now
	}
	return at
}
