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
	known map[banKey]int
}

type ban struct {
	mark  Mark
	until time.Time
}

// banKey is one of the ways in which a peer is known: an id at an address without
// its port, a port without an id, or an address without either.
type banKey struct {
	id   [20]byte
	addr netip.AddrPort
}

// keys are the ways in which a peer is known, and how many bans of each it takes
// to be banned; 0 means any number is too few.
func (k *Mark) keys() (keys [3]banKey, enough [3]int) {
	var at netip.AddrPort
	if k.Addr.IsValid() {
		at = netip.AddrPortFrom(household(k.Addr.Addr()), 0)
		keys[1].addr, enough[1] = k.Addr, 1
	}
	if k.ID != ([20]byte{}) {
		keys[0], enough[0] = banKey{k.ID, at}, 1
	}
	if counted(k.Addr, k.Shared) {
		keys[2].addr, enough[2] = at, bansPerAddress
	}
	return keys, enough
}

// count adds to the bans of a peer.
func (b *Bans) count(k *Mark, n int) {
	keys, enough := k.keys()
	for i, key := range keys {
		if enough[i] == 0 {
			continue
		}
		if b.known[key] += n; b.known[key] == 0 {
			delete(b.known, key)
		}
	}
}

// Add bans a peer.
func (b *Bans) Add(now time.Time, k Mark) {
	if b.known == nil {
		b.known = map[banKey]int{}
	}
	if b.expire(now); len(b.queue) == maxBans {
		b.end()
	}
	b.queue = append(b.queue, ban{k, now.Add(banTime)})
	b.count(&k, 1)
}

// expire ends the bans whose time is over.
func (b *Bans) expire(now time.Time) {
	for len(b.queue) > 0 && !now.Before(b.queue[0].until) {
		b.end()
	}
}

// end ends the oldest ban.
func (b *Bans) end() {
	b.count(&b.queue[0].mark, -1)
	b.queue = b.queue[1:]
}

// Has reports whether a peer is banned. The zero ID stands for a peer that has
// not told its own.
func (b *Bans) Has(now time.Time, k Mark) bool {
	if len(b.queue) == 0 {
		return false
	}
	b.expire(now)
	keys, enough := k.keys()
	for i, key := range keys {
		if enough[i] > 0 && b.known[key] >= enough[i] {
			return true
		}
	}
	return false
}
