package swarm

import (
	"net/netip"
	"time"
)

const (
	banTime = time.Hour
	// maxBans bounds what is remembered; the oldest are forgotten first.
	maxBans = 4096
	// bansPerAddress is how many different peers of one address are banned before
	// the address itself is: a single cheat behind a carrier's NAT must not lock
	// out all others behind it, but one that comes again and again from other
	// ports under other names must not go on for ever.
	bansPerAddress = 4
)

// Mark is what identifies a peer for a ban.
type Mark struct {
	ID     [20]byte       // its peer id
	Addr   netip.AddrPort // what its transport vouches for; invalid where that is nothing
	Shared bool           // strangers share the IP address, as behind a relay
}

// Bans remembers peers that sent what was not genuine, for an hour each. A peer
// is known by its id at its address, and by its port; an address where several
// were banned is banned itself, unless strangers share it. The zero Bans is
// ready. It is not safe for concurrent use.
type Bans struct {
	queue []ban // in the order they end
	peers map[idAt]time.Time
	ports map[netip.AddrPort]time.Time
	addrs map[netip.Addr]int // bans that count against an address
}

type ban struct {
	mark  Mark
	until time.Time
}

type idAt struct {
	id   [20]byte
	addr netip.Addr
}

func (k *Mark) idAt() idAt {
	at := idAt{id: k.ID}
	if k.Addr.IsValid() {
		at.addr = household(k.Addr.Addr())
	}
	return at
}

// Add bans a peer.
func (b *Bans) Add(now time.Time, k Mark) {
	if b.peers == nil {
		b.peers, b.ports, b.addrs = map[idAt]time.Time{}, map[netip.AddrPort]time.Time{}, map[netip.Addr]int{}
	}
	b.expire(now)
	if len(b.queue) == maxBans {
		b.end()
	}
	until := now.Add(banTime)
	b.queue = append(b.queue, ban{k, until})
	b.peers[k.idAt()] = until
	if k.Addr.IsValid() {
		b.ports[k.Addr] = until
	}
	if counted(k.Addr, k.Shared) {
		b.addrs[household(k.Addr.Addr())]++
	}
}

// expire ends the bans whose time is over.
func (b *Bans) expire(now time.Time) {
	for len(b.queue) > 0 && !now.Before(b.queue[0].until) {
		b.end()
	}
}

// end ends the oldest ban.
func (b *Bans) end() {
	old := b.queue[0]
	b.queue = b.queue[1:]
	if k := old.mark.idAt(); b.peers[k].Equal(old.until) {
		delete(b.peers, k)
	}
	if a := old.mark.Addr; b.ports[a].Equal(old.until) {
		delete(b.ports, a)
	}
	if counted(old.mark.Addr, old.mark.Shared) {
		h := household(old.mark.Addr.Addr())
		if b.addrs[h]--; b.addrs[h] == 0 {
			delete(b.addrs, h)
		}
	}
}

// Has reports whether a peer is banned. The zero ID stands for a peer that has
// not told its own.
func (b *Bans) Has(now time.Time, k Mark) bool {
	_, banned := b.until(now, k)
	return banned
}

// until is when a ban ends, at the latest.
func (b *Bans) until(now time.Time, k Mark) (time.Time, bool) {
	if len(b.queue) == 0 {
		return time.Time{}, false
	}
	b.expire(now)
	if k.ID != ([20]byte{}) {
		if until, ok := b.peers[k.idAt()]; ok {
			return until, true
		}
	}
	if until, ok := b.ports[k.Addr]; ok {
		return until, true
	}
	if counted(k.Addr, k.Shared) && b.addrs[household(k.Addr.Addr())] >= bansPerAddress {
		return now.Add(banTime), true
	}
	return time.Time{}, false
}
