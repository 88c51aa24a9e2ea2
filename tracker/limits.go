package tracker

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/shoal-p2p/shoal/internal/netaddr"
	"github.com/shoal-p2p/shoal/internal/signal"
	"github.com/shoal-p2p/shoal/internal/tracker/limit"
)

// limitTable is how many addresses or prefixes a rate limit tells apart at once: 16 bytes each.
const limitTable = 1 << 16

// limits counts connections by place, and holds the rates.
type limits struct {
	announces, offers            limit.Pace // of one connection
	perAddr, perPrefix, connects *limit.Table
	mu                           sync.Mutex
	conns                        int
	connsPerAddr, connsPerPrefix map[uint64]int32
}

// connSlots is what an open connection counts in.
type connSlots struct {
	addr, prefix uint64
	taken        bool
	counted      bool // by address and prefix, too
}

func (l *limits) init(c *Limits) {
	l.announces, l.offers = c.AnnouncesPerConn.Pace(), c.OffersPerConn.Pace()
	l.perAddr = limit.New(c.AnnouncesPerAddr, limitTable)
	l.perPrefix = limit.New(c.AnnouncesPerPrefix, limitTable)
	l.connects = limit.New(c.ConnectsPerAddr, limitTable)
	l.connsPerAddr, l.connsPerPrefix = make(map[uint64]int32), make(map[uint64]int32)
}

func (t *Tracker) exempt(ip netip.Addr) bool {
	return slices.ContainsFunc(t.cfg.Limits.Exempt, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// take counts a connection in, or says why not.
func (t *Tracker) take(ip netip.Addr) (connSlots, error) {
	l, c := &t.limits, &t.cfg.Limits
	s := connSlots{taken: true}
	if (c.ConnsPerAddr > 0 || c.ConnsPerPrefix > 0 || l.connects != nil) && !t.exempt(ip) {
		s.addr, s.prefix, s.counted = netaddr.Key(ip), netaddr.PrefixKey(ip), true
		if !l.connects.Allow(t.cfg.Now().UnixNano(), s.addr, 1) {
			return connSlots{}, errTooManyHere
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.Conns > 0 && l.conns >= c.Conns {
		return connSlots{}, errFull
	}
	if s.counted {
		if c.ConnsPerAddr > 0 && int(l.connsPerAddr[s.addr]) >= c.ConnsPerAddr ||
			c.ConnsPerPrefix > 0 && int(l.connsPerPrefix[s.prefix]) >= c.ConnsPerPrefix {
			return connSlots{}, errTooManyHere
		}
		if c.ConnsPerAddr > 0 {
			l.connsPerAddr[s.addr]++
		}
		if c.ConnsPerPrefix > 0 {
			l.connsPerPrefix[s.prefix]++
		}
	}
	l.conns++
	return s, nil
}

// release counts a connection out.
func (t *Tracker) release(s *connSlots) {
	if !s.taken {
		return
	}
	s.taken = false
	l := &t.limits
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

// admitRate reports whether a client's address and prefix may announce once more.
func (t *Tracker) admitRate(now time.Time, ip netip.Addr) bool {
	l := &t.limits
	if l.perAddr == nil && l.perPrefix == nil || t.exempt(ip) {
		return true
	}
	n := now.UnixNano()
	return l.perAddr.Allow(n, netaddr.Key(ip), 1) && l.perPrefix.Allow(n, netaddr.PrefixKey(ip), 1)
}

// withinRates reports whether a connection may announce once more; it strips the offers
// that are too many.
func (c *conn) withinRates(b *batch, a *signal.Announce) bool {
	l := &c.t.limits
	now := b.now.UnixNano()
	if !c.rate.Allow(l.announces, now, 1) || !c.t.admitRate(b.now, c.client.Addr) {
		return false
	}
	for len(a.Offers) > 0 && !c.offers.Allow(l.offers, now, len(a.Offers)) {
		a.Offers = a.Offers[:len(a.Offers)/2]
		b.n.limited.Add(1)
	}
	return true
}
