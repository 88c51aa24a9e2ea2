package dht

import (
	"slices"
	"time"
)

const (
	announceEvery = 15 * time.Minute
	announceYoung = 3 * time.Minute // when fewer than K nodes took it
	// announceSoon keeps repeated requests from sending twice.
	announceSoon = 2 * time.Minute
	retryMin     = 10 * time.Second
	retryMax     = 5 * time.Minute
)

// announcement is a peer that is announced again and again.
type announcement struct {
	hash      ID
	port      uint16
	implied   bool
	next      time.Time
	last      time.Time // when it was last confirmed by somebody
	failures  int
	running   bool
	again     bool // asked for while it was running
	withdrawn bool
}

func (m *Machine) startAnnouncing(now time.Time, ev Announce) {
	if ev.Port == 0 {
		return
	}
	a := m.announced[ev.InfoHash]
	if a == nil {
		a = &announcement{hash: ev.InfoHash, next: now}
		m.announced[ev.InfoHash] = a
		m.schedule = append(m.schedule, a)
	}
	same := a.port == ev.Port && a.implied == ev.Implied
	a.port, a.implied = ev.Port, ev.Implied
	switch {
	case a.running:
		a.again = a.again || !same
	case !same || now.Sub(a.last) > announceSoon:
		a.next = now
	}
	m.announce = now
}

func (m *Machine) withdraw(hash ID) {
	a := m.announced[hash]
	if a == nil {
		return
	}
	a.withdrawn = true
	delete(m.announced, hash)
	m.schedule = slices.DeleteFunc(m.schedule, func(o *announcement) bool { return o == a })
	m.waiting = slices.DeleteFunc(m.waiting, func(j *job) bool { return j.ann == a })
}

// dueAnnouncements starts those whose time has come.
func (m *Machine) dueAnnouncements(now time.Time) {
	if m.announce.IsZero() || now.Before(m.announce) {
		return
	}
	m.announce = time.Time{}
	for _, a := range m.schedule {
		if a.running {
			continue
		}
		if !a.next.After(now) {
			a.running = true
			m.enqueue(&job{hash: a.hash, ann: a, at: now})
			continue
		}
		m.announceBy(a.next)
	}
}

func (m *Machine) announceBy(t time.Time) {
	if m.announce.IsZero() || t.Before(m.announce) {
		m.announce = t
	}
}

// announcedOnce plans the next round: after 15 minutes with some jitter, so
// that many torrents spread out, or soon when nobody took the announcement.
func (m *Machine) announcedOnce(now time.Time, j *job) {
	a := j.ann
	a.running = false
	if j.stored > 0 {
		a.failures, a.last = 0, now
		every := announceEvery
		if j.stored < K { // a small network, which may be about to grow
			every = announceYoung
		}
		a.next = now.Add(every - time.Duration(m.rand.Int64N(int64(every/10))))
	} else {
		a.next = now.Add(backoff(a.failures, retryMin, retryMax))
		a.failures++
	}
	if a.again {
		a.again, a.next = false, now
	}
	if !a.withdrawn {
		m.announceBy(a.next)
	}
}

// retryAnnouncements brings those forward that found nobody so far.
func (m *Machine) retryAnnouncements(now time.Time) {
	for _, a := range m.schedule {
		if a.failures > 0 {
			a.next = now
			m.announce = now
		}
	}
}

// backoff doubles from least to most.
func backoff(failures int, least, most time.Duration) time.Duration {
	return min(least<<min(failures, 16), most)
}
