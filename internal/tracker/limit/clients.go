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
	// OnMajority, when set, is told of an address, exempt or not, from which more than a half of all
	// connections come, and how many; at most once an hour.
	OnMajority func(ip netip.Addr, conns, all int)
}

const (
	// majorityFrom is how many connections are too few to wonder about.
	majorityFrom = 50
	// majorityEvery is how often OnMajority is told.
	majorityEvery = time.Hour
)

// Clients counts the connections of clients by place, and holds their rates. It may be used by
// many goroutines.
type Clients struct {
	cfg                          ClientsConfig
	perAddr, perPrefix, connects *Table

	mu                           sync.Mutex
	conns                        int
	connsPerAddr, connsPerPrefix map[uint64]int32
	exemptPerAddr                map[uint64]int32
	majorityAt                   time.Time // when OnMajority was last told
}

// NewClients returns a Clients.
func NewClients(cfg ClientsConfig) *Clients {
	return &Clients{
		cfg:       cfg,
		perAddr:   New(cfg.AnnouncesPerAddr, table),
		perPrefix: New(cfg.AnnouncesPerPrefix, table),
		connects:  New(cfg.ConnectsPerAddr, table), connsPerAddr: make(map[uint64]int32), connsPerPrefix: make(map[uint64]int32),
		exemptPerAddr: make(map[uint64]int32),
	}
}

// A Slot is what an open connection counts in. The zero Slot counts in nothing.
type Slot struct {
	addr, prefix uint64
	taken        bool
	whose        whose
}

// whose says by which address a connection is counted.
type whose uint8

const (
	nobodys whose = iota // a proxy's, whose client is not known yet
	exempts              // that of an exempt address
	bounded              // that of an address with bounds
)

// Known reports whether the connection has been counted in, and for a client.
func (s *Slot) Known() bool { return s.taken && s.whose != nobodys }

// Exempt reports whether the bounds per address and per prefix leave an address alone.
func (l *Clients) Exempt(ip netip.Addr) bool {
	return slices.ContainsFunc(l.cfg.Exempt, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// Take counts a connection of a client in, or says why not.
func (l *Clients) Take(now time.Time, ip netip.Addr) (s Slot, why Reason) {
	why = l.Name(now, &s, ip)
	return s, why
}

// TakeProxy counts a connection of a proxy in, among all, as long as it has not said whose it
// is, or says why not.
func (l *Clients) TakeProxy() (s Slot, why Reason) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.full() {
		return Slot{}, Conns
	}
	l.conns++
	return Slot{taken: true}, None
}

// Name says whose a connection is: one of TakeProxy, or one that was not counted in yet. When it
// says why not, nothing has changed.
func (l *Clients) Name(now time.Time, s *Slot, ip netip.Addr) Reason {
	c := &l.cfg
	t := Slot{addr: netaddr.Key(ip), prefix: netaddr.PrefixKey(ip), taken: true, whose: exempts}
	if !l.Exempt(ip) {
		t.whose = bounded
		if !l.connects.Allow(now.UnixNano(), t.addr, 1) {
			return ConnectRate
		}
	}
	l.mu.Lock()
	if why := l.mayTake(s, &t); why != None {
		l.mu.Unlock()
		return why
	}
	if !s.taken {
		l.conns++
	}
	*s = t
	of := l.exemptPerAddr
	if t.whose == bounded {
		of = l.connsPerAddr
		l.connsPerPrefix[t.prefix]++
	}
	of[t.addr]++
	n, all := int(of[t.addr]), l.conns
	tell := c.OnMajority != nil && all > majorityFrom && n > all/2 && (l.majorityAt.IsZero() || now.Sub(l.majorityAt) >= majorityEvery)
	if tell {
		l.majorityAt = now
	}
	l.mu.Unlock()
	if tell {
		c.OnMajority(ip, n, all)
	}
	return None
}

func (l *Clients) full() bool { return l.cfg.Conns > 0 && l.conns >= l.cfg.Conns }

// mayTake says why t may not take the place of s, with mu held.
func (l *Clients) mayTake(s, t *Slot) Reason {
	c := &l.cfg
	switch {
	case !s.taken && l.full():
		return Conns
	case t.whose != bounded:
	case c.ConnsPerAddr > 0 && int(l.connsPerAddr[t.addr]) >= c.ConnsPerAddr:
		return ConnsPerAddr
	case c.ConnsPerPrefix > 0 && int(l.connsPerPrefix[t.prefix]) >= c.ConnsPerPrefix:
		return ConnsPerPrefix
	}
	return None
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
	switch s.whose {
	case exempts:
		countOut(l.exemptPerAddr, s.addr)
	case bounded:
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
