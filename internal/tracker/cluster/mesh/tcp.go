package mesh

import (
	"time"

	"github.com/shoal-p2p/shoal/internal/netaddr"
	"github.com/shoal-p2p/shoal/internal/tracker/swarm"
)

// A tcpCache is what is known of a swarm's TCP peers on other nodes.
type tcpCache struct {
	peers []cachedPeer
	asked instant // when they were last asked for
	stale bool    // the counts have changed since
}

type cachedPeer struct {
	tcpPeer
	node  NodeID
	known instant
}

// TCPPeers appends to dst up to want TCP peers of other nodes that a peer here can use: whom it may
// meet, leechers if it is a seeder, with addresses of the scopes that it sees, except for Loopback. It may have them asked for, for the next time.
func (m *Mesh) TCPPeers(now time.Time, h Hash, family swarm.Family, scopes netaddr.Scope, role swarm.Role, want int, dst []swarm.TCPPeer) []swarm.TCPPeer {
	l := m.local[h]
	if l == nil || l.all.tcp() == 0 {
		return dst
	}
	t := m.at(now)
	m.askPeers(t, l, false)
	n := 0
	if l.tcp != nil {
		n = len(l.tcp.peers)
	}
	if n == 0 || want <= 0 {
		return dst
	}
	scopes &^= netaddr.Loopback // of another machine
	start := m.rng.IntN(n)
	for i := range n {
		p := &l.tcp.peers[(start+i)%n]
		v4 := p.Addr.Addr().Is4()
		switch {
		case !role.Meets(p.role), netaddr.ScopeOf(p.Addr.Addr())&scopes == 0, v4 && family == swarm.V6, !v4 && family == swarm.V4:
			continue
		}
		dst = append(dst, p.TCPPeer)
		if want--; want == 0 {
			break
		}
	}
	return dst
}

// askPeers asks some nodes for TCP peers, if that is worth a message.
func (m *Mesh) askPeers(t instant, l *local, changed bool) {
	if l.all.tcp() == 0 || len(l.others) == 0 {
		return
	}
	if l.tcp == nil {
		l.tcp = &tcpCache{stale: true, asked: t - tcpAskEvery}
	}
	c := l.tcp
	c.stale = c.stale || changed
	if age := t - c.asked; age < tcpAskEvery || age < tcpFresh && !c.stale {
		return
	}
	c.stale, c.asked = false, t
	asked := 0
	start := m.rng.IntN(len(l.others))
	for i := range l.others {
		o := &l.others[(start+i)%len(l.others)]
		if o.n.tcp() == 0 || m.others[o.node] == nil {
			continue
		}
		m.rec = record{kind: kindAsk, hash: l.hash, max: tcpAskPeers}
		m.send(t, o.node, &m.rec)
		if asked++; asked == tcpAskNodes {
			break
		}
	}
}

// A TCPPeer is a peer that listens on TCP, with what it is.
type TCPPeer struct {
	swarm.TCPPeer
	Role swarm.Role
}

// TCPPeersHere answers a Delivery of kind CollectPeers.
func (m *Mesh) TCPPeersHere(now time.Time, to NodeID, h Hash, peers []TCPPeer) {
	r := record{kind: kindPeers, hash: h, peers: m.rec.peers[:0]}
	for _, p := range peers[:min(len(peers), maxPeers)] {
		r.peers = append(r.peers, tcpPeer{p.TCPPeer, p.Role})
	}
	m.rec = r
	m.send(m.at(now), to, &m.rec)
}

// onPeers takes another node's peers in place of those it named before.
func (m *Mesh) onPeers(t instant, from NodeID, h Hash, peers []tcpPeer) {
	l := m.local[h]
	if l == nil || l.tcp == nil {
		return // not asked for
	}
	m.keepPeers(l, func(p *cachedPeer) bool { return p.node != from })
	for _, p := range peers {
		if len(l.tcp.peers) >= tcpAskNodes*tcpAskPeers || m.tcpKnown >= m.cfg.TCPPeers {
			return
		}
		l.tcp.peers = append(l.tcp.peers, cachedPeer{p, from, t})
		m.tcpKnown++
	}
}

// keepPeers removes what keep does not want.
func (m *Mesh) keepPeers(l *local, keep func(*cachedPeer) bool) {
	kept := l.tcp.peers[:0]
	for i := range l.tcp.peers {
		if keep(&l.tcp.peers[i]) {
			kept = append(kept, l.tcp.peers[i])
		}
	}
	m.tcpKnown -= len(l.tcp.peers) - len(kept)
	l.tcp.peers = kept
}

func (m *Mesh) expirePeers(t instant, l *local) {
	if l.tcp == nil {
		return
	}
	m.keepPeers(l, func(p *cachedPeer) bool { return m.alive(p.node) && t-p.known < forgetAfter })
	if len(l.tcp.peers) == 0 && t-l.tcp.asked > tcpFresh {
		l.tcp = nil
	}
}

func (m *Mesh) forgetPeers(l *local) {
	if l.tcp != nil {
		m.keepPeers(l, func(*cachedPeer) bool { return false })
		l.tcp = nil
	}
}
