package trackerclient

import (
	"slices"
	"strings"
	"time"

	"github.com/shoal-p2p/shoal/signal"
)

// renewServers is how old a tracker's STUN and TURN servers become before the next announce
// asks for new ones. Their credentials last an hour or so, and longer for connections that
// use them already.
const renewServers = 20 * time.Minute

// handed is what one tracker named.
type handed struct {
	url     string // the tracker's
	servers []string
}

// hand remembers the servers of a tracker in place of its earlier ones, and tells WebRTC
// of all, the latest first. The caller holds c.mu. It reports whether the tracker's first
// relay is among them.
func (c *Client) hand(url string, servers []string) (relay bool) {
	had := false
	c.handed = slices.DeleteFunc(c.handed, func(h handed) bool {
		if h.url == url {
			had = slices.ContainsFunc(h.servers, isRelay)
		}
		return h.url == url
	})
	if len(servers) > 0 {
		c.handed = slices.Insert(c.handed, 0, handed{url, servers})
	}
	var all []string
	for _, h := range c.handed {
		all = append(all, h.servers...)
	}
	c.rtc.SetServers(all)
	return !had && slices.ContainsFunc(servers, isRelay)
}

func isRelay(url string) bool { return strings.HasPrefix(url, "turn") }

// serverURL is a server in the form of webrtc.Config.ICEServers; false if it has none.
func serverURL(s signal.ICEServer) (string, bool) {
	if strings.Contains(s.URL, "@") || strings.Contains(s.Credential, ":") {
		return "", false
	}
	if s.Username == "" {
		return s.URL, true
	}
	scheme, rest, _ := strings.Cut(s.URL, ":")
	return scheme + ":" + s.Username + ":" + s.Credential + "@" + rest, true
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
	var servers []string
	for _, server := range signal.ParseICEServers(raw) {
		if url, ok := serverURL(server); ok {
			servers = append(servers, url)
		}
	}
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if s.c.sockets[s.url] != s || !s.c.hand(s.url, servers) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range s.users {
		u.t.post(func(t *torrent, now time.Time) { t.relayKnown(now, u.w) })
	}
}

// relayKnown makes offers anew that were made before a relay was known. They go out a little
// later: most peers can be reached without.
func (t *torrent) relayKnown(now time.Time, w *wsTracker) {
	t.pool.Renew()
	if w.others != 0 && t.offersFor(w) > 0 {
		w.m.Hurry(now, t.c.cfg.relayHurry)
	}
}
