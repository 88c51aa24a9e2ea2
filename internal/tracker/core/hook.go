package core

import (
	"net/netip"
	"time"

	"github.com/shoal-p2p/shoal/internal/signal"
	"github.com/shoal-p2p/shoal/internal/tracker/hook"
	"github.com/shoal-p2p/shoal/internal/tracker/limit"
	"github.com/shoal-p2p/shoal/internal/tracker/stats"
	"github.com/shoal-p2p/shoal/internal/tracker/swarm"
	"github.com/shoal-p2p/shoal/internal/tracker/wsconn"
)

// Asks reports whether the Hook is asked about an announce: who leaves may do so.
func (t *Core) Asks(e swarm.Event) bool { return t.cfg.Hook != nil && e != swarm.Stopped }

// Known returns what the Hook has said of a client and a swarm, and whether it is known. c.PeerID must be set.
func (t *Core) Known(c *Client, h swarm.Hash) (hook.Verdict, bool) {
	return t.cfg.Hook.Known(&hook.Key{InfoHash: h, PeerID: c.PeerID, Addr: c.Addr})
}

// Ask asks the Hook about an announce; later is as for hook.Hook.Ask.
func (t *Core) Ask(c *Client, h swarm.Hash, port uint16, left int64, e swarm.Event, later func(hook.Verdict)) hook.Verdict {
	return t.cfg.Hook.Ask(&hook.Question{
		Key:  hook.Key{InfoHash: h, PeerID: c.PeerID, Addr: c.Addr},
		Port: port, Left: max(left, swarm.LeftUnknown), Event: [...]string{swarm.Started: "started", swarm.Completed: "completed", swarm.Stopped: ""}[e],
		Protocol: [...]string{stats.WebSocket: "websocket", stats.HTTP: "http", stats.UDP: "udp"}[c.Door],
		Origin:   c.Origin, Query: c.Query,
	}, later)
}

// denied counts a denial in n. A service that is away is not the client's fault, so then its address is not
// told.
func denied(n *stats.Counters, c *Client, v hook.Verdict) limit.Reason {
	if v.Away() {
		n.Refuse(c.Door, limit.HookAway, netip.Addr{})
		return limit.HookAway
	}
	n.Refuse(c.Door, limit.HookDenied, c.Addr)
	return limit.HookDenied
}

// DenyTCP counts that the Hook has denied an announce of HTTP or UDP in n, and takes the peer out of the swarm: it
// may have been allowed before. While the service is away everybody stays where it is.
func (t *Core) DenyTCP(n *stats.Counters, now time.Time, c *Client, a *swarm.TCPAnnounce, v hook.Verdict) {
	if denied(n, c, v) == limit.HookAway {
		return
	}
	s := t.shard(a.Hash)
	s.mu.Lock()
	s.core.AnnounceTCP(now, swarm.TCPAnnounce{Hash: a.Hash, Peer: a.Peer, Addr: a.Addr, Event: swarm.Stopped}, nil)
	kinds := t.countsLocked(s, a.Hash)
	s.mu.Unlock()
	if p := t.cfg.Peering; p != nil {
		p.Changed(a.Hash, kinds)
	}
}

// An asked is the announce of a Session that waits for the Hook.
type asked struct {
	verdict hook.Verdict
	offers  int // that it has, within the rates
}

// ask returns the verdict about an announce. If it is Pending, the connection pauses, and the message comes again;
// before is then what it was asked.
func (s *Session) ask(a *signal.Announce, before *asked) hook.Verdict {
	t := s.core
	if before != nil {
		return before.verdict
	}
	if v, ok := t.Known(s.client, a.InfoHash); ok {
		return v
	}
	now := &asked{offers: len(a.Offers)}
	v := t.Ask(s.client, a.InfoHash, 0, a.Left, swarm.ParseEvent(a.Event), func(v hook.Verdict) {
		now.verdict = v
		s.conn.Resume()
	})
	if v.Answer == hook.Pending {
		s.asked = now
		s.conn.Pause()
	}
	return v
}

// deny counts a denial and takes the peer out of the swarm, as DenyTCP does.
func (s *Session) deny(b *wsconn.Batch, a *signal.Announce, v hook.Verdict) {
	if denied(b.N, s.client, v) == limit.HookAway {
		return
	}
	t := s.core
	sh := t.shard(a.InfoHash)
	sh.mu.Lock()
	re, _, _ := sh.core.AnnounceRTC(b.Now, swarm.RTCAnnounce[*Session]{
		Hash: a.InfoHash, Peer: a.PeerID, Conn: s, Event: swarm.Stopped, Owned: &s.peers,
	}, nil)
	n := t.countsLocked(sh, a.InfoHash)
	sh.mu.Unlock()
	if p := t.cfg.Peering; p != nil && re.Parted {
		p.Changed(a.InfoHash, n)
	}
}
