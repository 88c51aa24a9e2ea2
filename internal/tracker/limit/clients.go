package limit

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/shoal-p2p/shoal/internal/netaddr"
)

// table is how many addresses or prefixes a rate tells apart at once: 16 bytes each.
const table = 1 << 16

// ClientsConfig bounds what clients use, all together, by address and by prefix. 0 is no bound.
type ClientsConfig struct {
	Conns, ConnsPerAddr, ConnsPerPrefix  int
	ConnectsPerAddr                      Rate
	AnnouncesPerAddr, AnnouncesPerPrefix Rate
	// Exempt are the addresses that the bounds per address and per prefix leave alone.
	Exempt []netip.Prefix
}

// Clients counts the connections of clients by place, and holds their rates. It may be used by
// many goroutines.
type Clients struct {
	cfg                          ClientsConfig
	perAddr, perPrefix, connects *Table

	mu                           sync.Mutex
	conns                        int
	connsPerAddr, connsPerPrefix map[uint64]int32
}

// NewClients returns a Clients.
func NewClients(cfg ClientsConfig) *Clients {
	return &Clients{
		cfg:       cfg,
		perAddr:   New(cfg.AnnouncesPerAddr, table),
		perPrefix: New(cfg.AnnouncesPerPrefix, table),
		connects:  New(cfg.ConnectsPerAddr, table), connsPerAddr: make(map[uint64]int32), connsPerPrefix: make(map[uint64]int32),
	}
}

// A Slot is what an open connection counts in. The zero Slot counts in nothing.
type Slot struct {
	addr, prefix uint64
	taken        bool
	counted      bool // by address and prefix, too
}

// Taken reports whether the connection has been counted in.
func (s *Slot) Taken() bool { return s.taken }

// Exempt reports whether the bounds per address and per prefix leave an address alone.
func (l *Clients) Exempt(ip netip.Addr) bool {
	return slices.ContainsFunc(l.cfg.Exempt, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// Take counts a connection in, or says why not.
func (l *Clients) Take(now time.Time, ip netip.Addr) (Slot, Reason) {
	c := &l.cfg
	s := Slot{taken: true}
	if (c.ConnsPerAddr > 0 || c.ConnsPerPrefix > 0 || l.connects != nil) && !l.Exempt(ip) {
		s.addr, s.prefix, s.counted = netaddr.Key(ip), netaddr.PrefixKey(ip), true
		if !l.connects.Allow(now.UnixNano(), s.addr, 1) {
			return Slot{}, ConnectRate
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.Conns > 0 && l.conns >= c.Conns {
		return Slot{}, Conns
	}
	if s.counted {
		if c.ConnsPerAddr > 0 && int(l.connsPerAddr[s.addr]) >= c.ConnsPerAddr {
			return Slot{}, ConnsPerAddr
		}
		if c.ConnsPerPrefix > 0 && int(l.connsPerPrefix[s.prefix]) >= c.ConnsPerPrefix {
			return Slot{}, ConnsPerPrefix
		}
		if c.ConnsPerAddr > 0 {
			l.connsPerAddr[s.addr]++
		}
		if c.ConnsPerPrefix > 0 {
			l.connsPerPrefix[s.prefix]++
		}
	}
	l.conns++
	return s, None
}

// Release counts a connection out, once.
func (l *Clients) Release(s *Slot) {
	if !s.taken {
		return
	}
	s.taken = false
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns--
	if s.counted {
		countOut(l.connsPerAddr, s.addr)
		countOut(l.connsPerPrefix, s.prefix)
	}
}

func countOut(m map[uint64]int32, key uint64) {
	switch n := m[key]; {
	case n > 1:
		m[key] = n - 1
	case n == 1:
		delete(m, key)
	}
}

// Announce takes one announce or scrape from the allowances of a client's address and prefix, or
// says which is used up.
func (l *Clients) Announce(now time.Time, ip netip.Addr) Reason {
	if l.perAddr == nil && l.perPrefix == nil || l.Exempt(ip) {
		return None
	}
	n := now.UnixNano()
	switch {
	case !l.perAddr.Allow(n, netaddr.Key(ip), 1):
		return AnnouncesPerAddr
	case !l.perPrefix.Allow(n, netaddr.PrefixKey(ip), 1):
		return AnnouncesPerPrefix
	}
	return None
}
