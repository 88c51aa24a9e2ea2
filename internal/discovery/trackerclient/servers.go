package trackerclient

import (
	"strings"
	"time"

	"github.com/shoal-p2p/shoal/internal/signal"
)

// renewServers is how old a tracker's STUN and TURN servers become before the next announce
// asks for new ones. Their credentials last an hour or so, and longer for connections that
// use them already.
const renewServers = 20 * time.Minute

// hand remembers the servers of a tracker in place of its earlier ones, and tells WebRTC
// of those of all. The caller holds c.mu. It reports whether there is a relay where
// there was none.
func (c *Client) hand(s *socket, servers []string) (relay bool) {
	had := hasRelay(s.servers)
	s.servers = servers
	all := servers[:len(servers):len(servers)]
	for _, other := range c.sockets {
		if other != s {
			all = append(all, other.servers...)
		}
	}
	c.rtc.SetServers(all)
	c.relay = hasRelay(all)
	return !had && hasRelay(s.servers)
}

func hasRelay(servers []string) bool {
	for _, url := range servers {
		if strings.HasPrefix(url, "turn") {
			return true
		}
	}
	return false
}

// needsServers reports whether an announce that goes out now should ask for servers.
func (s *socket) needsServers(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.c.cfg.NoHandedServers || !s.iceAt.IsZero() && now.Sub(s.iceAt) < renewServers {
		return false
	}
	s.iceAt = now
	return true
}

// A serverState says whether offers that are made now have all the servers they could have.
type serverState int

const (
	serversKnown   serverState = iota // or there are none
	serversAsked                      // the reply is under way
	serversUnasked                    // nobody has asked the tracker on this connection
)

// awaitServers reports whether an announce of t should wait with its offers. Without a relay
// an offer is of no use to some peers, and it takes a peer long to find that out; the
// tracker's first reply, which may name one, comes sooner. Who has to wait is woken.
func (s *socket) awaitServers(t *torrent, w *wsTracker) serverState {
	s.c.mu.Lock()
	relay := s.c.relay
	s.c.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.c.cfg.NoHandedServers || s.iceKnown || relay:
		return serversKnown
	case s.iceAt.IsZero():
		return serversUnasked
	}
	if !w.waits {
		w.waits = true
		s.waiting = append(s.waiting, socketUser{t, w})
	}
	return serversAsked
}

// wakeWaiting has those go on that wait for servers. The caller holds mu.
func (s *socket) wakeWaiting() {
	for _, u := range s.waiting {
		u.t.post(func(*torrent, time.Time) { u.w.waits = false })
	}
	s.waiting = nil
}

// askAgain has the next announce ask, because this one was refused.
func (s *socket) askAgain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.iceAt = time.Time{}
	s.wakeWaiting()
}

// takeServers takes the reply to an announce of t that asked for servers. It tells the other
// torrents if there is a relay where there was none, and reports it.
func (s *socket) takeServers(t *torrent, raw []byte) (relay bool) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if s.c.sockets[s.key] != s {
		return false
	}
	relay = s.c.hand(s, signal.ParseICEServers(raw))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.iceKnown = true
	s.wakeWaiting()
	if relay {
		s.each(func(u socketUser) {
			if u.t != t {
				u.t.post((*torrent).offerAnew)
			}
		})
	}
	return relay
}

// offerAnew makes offers anew that were made before a relay was known, for this tracker or
// another, or in another network. They go out a little later: most peers can be reached without.
func (t *torrent) offerAnew(now time.Time) {
	t.pool.Renew()
	t.renewed++
	for _, w := range t.ws {
		if w.sent > 0 && w.others != 0 && t.offersFor(w) > 0 {
			w.m.Hurry(now, t.c.cfg.relayHurry)
		}
		// What was to go out now waits for better offers.
		w.offering = false
	}
}
