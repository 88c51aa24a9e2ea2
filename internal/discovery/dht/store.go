package dht

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"
)

// peerLifetime is how long an announced peer is named to others; announcers
// come back every 15 minutes or so.
const peerLifetime = 45 * time.Minute

// store remembers who announced themselves to us: a bounded number of info
// hashes, of peers for each, and of peers that one host may place.
type store struct {
	maxHashes, maxPeers, maxPerHost, maxTotal int

	rand   *rand.Rand
	swarms map[ID]*swarm
	order  []*swarm // the same, in order of creation: maps are never ranged over
	placed map[netip.Prefix]int
	total  int
	swept  time.Time
}

type swarm struct {
	hash  ID
	peers [families][]storedPeer
}

type storedPeer struct {
	addr netip.AddrPort
	host netip.Prefix // of the announcer, zero when its host is not counted
	at   time.Time
}

func (s *swarm) len() int { return len(s.peers[ipv4]) + len(s.peers[ipv6]) }

func newStore(r *rand.Rand) *store {
	return &store{
		maxHashes: 4096, maxPeers: 500, maxPerHost: 256, maxTotal: 65536, rand: r,
		swarms: make(map[ID]*swarm), placed: make(map[netip.Prefix]int),
	}
}

// full reports whether nothing more can be taken in. No token is given out
// then, so that announcers turn to the next nodes.
func (s *store) full(now time.Time) bool {
	if s.total < s.maxTotal {
		return false
	}
	s.sweep(now)
	return s.total >= s.maxTotal
}

// put stores a peer. It reports false when there is no room for it or its host
// has placed too many.
func (s *store) put(now time.Time, hash ID, addr netip.AddrPort) bool {
	f := familyOf(addr.Addr())
	if sw := s.swarms[hash]; sw != nil {
		for i := range sw.peers[f] {
			if p := &sw.peers[f][i]; p.addr == addr {
				p.at = now
				return true
			}
		}
	}
	if s.full(now) {
		return false
	}
	p := storedPeer{addr: addr, at: now}
	if !isLocal(addr.Addr()) { // a local network is one "host" of many peers
		p.host = host(addr.Addr())
		if s.placed[p.host] >= s.maxPerHost {
			return false
		}
	}
	sw := s.swarms[hash] // looked up again: making room may have dropped it
	if sw == nil {
		if len(s.order) >= s.maxHashes {
			s.evict(now)
		}
		sw = &swarm{hash: hash}
		s.swarms[hash] = sw
		s.order = append(s.order, sw)
	}
	list := &sw.peers[f]
	if len(*list) >= s.maxPeers { // the longest silent one makes room
		oldest := 0
		for i := range *list {
			if (*list)[i].at.Before((*list)[oldest].at) {
				oldest = i
			}
		}
		s.forget((*list)[oldest])
		*list = slices.Delete(*list, oldest, oldest+1)
	}
	*list = append(*list, p)
	s.total++
	if p.host.IsValid() {
		s.placed[p.host]++
	}
	return true
}

func (s *store) forget(p storedPeer) {
	s.total--
	if !p.host.IsValid() {
		return
	}
	if s.placed[p.host]--; s.placed[p.host] <= 0 {
		delete(s.placed, p.host)
	}
}

// get returns up to n live peers of one family in random order, starting
// anywhere, so that every peer of a large swarm is named to somebody.
func (s *store) get(dst []netip.AddrPort, now time.Time, hash ID, f family, n int) []netip.AddrPort {
	sw := s.swarms[hash]
	if sw == nil || len(sw.peers[f]) == 0 {
		return dst
	}
	list := sw.peers[f]
	start, end := s.rand.IntN(len(list)), len(dst)+n
	for i := range list {
		if p := list[(start+i)%len(list)]; len(dst) < end && now.Sub(p.at) < peerLifetime {
			dst = append(dst, p.addr)
		}
	}
	return dst
}

// sweep drops what has expired, at most once a minute.
func (s *store) sweep(now time.Time) {
	if now.Sub(s.swept) < time.Minute {
		return
	}
	s.swept = now
	s.order = slices.DeleteFunc(s.order, func(sw *swarm) bool {
		for f := range sw.peers {
			sw.peers[f] = slices.DeleteFunc(sw.peers[f], func(p storedPeer) bool {
				gone := now.Sub(p.at) >= peerLifetime
				if gone {
					s.forget(p)
				}
				return gone
			})
		}
		if sw.len() == 0 {
			delete(s.swarms, sw.hash)
		}
		return sw.len() == 0
	})
}

// evict makes room for one more info hash: first by dropping what expired, then
// by dropping the smallest of a few drawn swarms, since a swarm that few
// announce here loses least.
func (s *store) evict(now time.Time) {
	if s.sweep(now); len(s.order) < s.maxHashes {
		return
	}
	victim := s.rand.IntN(len(s.order))
	for range 7 {
		if i := s.rand.IntN(len(s.order)); s.order[i].len() < s.order[victim].len() {
			victim = i
		}
	}
	sw := s.order[victim]
	for f := range sw.peers {
		for _, p := range sw.peers[f] {
			s.forget(p)
		}
	}
	delete(s.swarms, sw.hash)
	s.order = slices.Delete(s.order, victim, victim+1)
}
