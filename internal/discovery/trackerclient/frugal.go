package trackerclient

import (
	"time"

	"github.com/shoal-p2p/shoal/internal/discovery/trackerclient/offers"
)

// In a browser connections are few and slow to make, and all torrents share them. So there a
// torrent's first announce carries no offers: whether somebody is there says its reply. Its
// offers wait until they are taken, go out with each announce, and pass on to another torrent
// when the one needs them no more.

const (
	// soonStale is the age from which an offer has to go when another torrent needs its
	// place, or the network may have changed.
	soonStale = 50 * time.Second
	// turnTime is how long other torrents wait with their offers for one that has just made
	// its own: a peer that they share is met in all of their swarms on one connection.
	turnTime = time.Second
	// crowdPause is between two attempts to make an offer where there is no room for it, and
	// heldMost how long an announce waits for that.
	crowdPause = 250 * time.Millisecond
	heldMost   = 20 * time.Second
)

// prepare makes an offer while the first tracker is being connected to. One is enough: most
// swarms are small, and some have nobody else.
func (t *torrent) prepare() {
	if !t.c.cfg.frugal || t.c.prepared || len(t.ws) == 0 || t.a.Seed || t.a.WantPeers == nil || t.a.WantPeers() == 0 {
		return
	}
	t.c.prepared = true
	for range t.pool.Want(time.Now(), 1) {
		go t.makeOffer(t.renewed)
	}
}

// turn says how long a torrent should wait that knows for the first time that somebody is there.
func (c *Client) turn(now time.Time) time.Duration {
	if wait := c.turned.Add(turnTime).Sub(now); wait > 0 && c.cfg.frugal {
		return wait
	}
	c.turned = now
	return 0
}

// adopt takes offers over from torrents that need none now, as far as n are lacking.
func (t *torrent) adopt(now time.Time, n int) {
	if !t.c.cfg.frugal {
		return
	}
	for _, other := range t.c.due {
		if t.pool.Usable(now) >= n {
			return
		}
		if other == t || other.rtcState == nil || other.needsOffers() {
			continue
		}
		for _, id := range other.pool.Take(now, n-t.pool.Usable(now), nil) {
			t.open[t.pool.Adopt(other.pool.Remove(id))] = other.open[id]
			delete(other.open, id)
		}
	}
}

func (t *torrent) needsOffers() bool {
	for _, w := range t.ws {
		if t.offersFor(w) > 0 {
			return true
		}
	}
	return false
}

// freeOffer gives up the offer that waits longest of all torrents, if it is old: where there
// is room for few, each torrent has its turn. It reports whether there is room now.
func (c *Client) freeOffer(now time.Time) bool {
	var owner *torrent
	var oldest offers.ID
	at := now.Add(-soonStale)
	for _, t := range c.due {
		if t.rtcState == nil || !c.cfg.frugal {
			continue
		}
		if id, made, ok := t.pool.Oldest(); ok && made.Before(at) {
			owner, oldest, at = t, id, made
		}
	}
	if owner == nil {
		return false
	}
	owner.pool.Remove(oldest)
	owner.dropOffer(oldest)
	return true
}

// held has an announce wait that should carry offers and has none, because there is no room
// for one: another torrent may give its own away.
func (t *torrent) held(now time.Time, w *wsTracker) bool {
	if !t.c.cfg.frugal || !now.Before(t.crowded) || w.want == 0 || t.pool.Usable(now) > 0 {
		return false
	}
	if w.held.IsZero() {
		w.held = now.Add(heldMost)
	}
	if w.short = !now.Before(w.held); w.short {
		return false
	}
	w.offering, w.waitUntil = false, t.crowded
	return true
}
