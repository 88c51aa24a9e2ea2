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

// askAgain has the next announce ask, because this one was refused.
func (s *socket) askAgain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.iceAt = time.Time{}
}

// takeServers takes the reply to an announce that asked for servers.
func (s *socket) takeServers(raw []byte) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if s.c.sockets[s.url] != s || !s.c.hand(s, signal.ParseICEServers(raw)) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.each(func(u socketUser) {
		u.t.post(func(t *torrent, now time.Time) { t.relayKnown(now, u.w) })
	})
}

// relayKnown makes offers anew that were made before a relay was known. They go out a little
// later: most peers can be reached without.
func (t *torrent) relayKnown(now time.Time, w *wsTracker) {
	t.pool.Renew()
	if w.others != 0 && t.offersFor(w) > 0 {
		w.m.Hurry(now, t.c.cfg.relayHurry)
	}
}
