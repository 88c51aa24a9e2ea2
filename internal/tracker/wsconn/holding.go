package wsconn

import (
	"net/netip"
	"sync"

	"github.com/shoal-p2p/shoal/internal/netaddr"
	"github.com/shoal-p2p/shoal/internal/tracker/limit"
)

// A holding is the memory of a Side that a connection keeps beyond the moment: for a message that
// has begun and not ended, or for replies that it does not read. The Sides know all holdings by
// age and by address; the zero Conn has none.
type holding struct {
	conn       *Conn
	addr       uint64 // netaddr.Key
	counted    bool   // in the share of the address
	evicted    bool   // the connection is being ended to make room; its bytes are in leaving
	bytes      int64
	prev, next *holding
}

var holdings = sync.Pool{New: func() any { return new(holding) }}

// hold says that c holds bytes from now on, of which h was what it held before; nil is nothing.
// It returns nil, and changes nothing, when that is more than the share of its address.
func (s *Side) hold(c *Conn, h *holding, bytes int) (*holding, limit.Reason) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if h != nil {
		more := int64(bytes) - h.bytes
		switch {
		case more == 0:
			return h, limit.None
		case more > 0 && h.counted && s.perAddr[h.addr]+more > s.share:
			return nil, limit.BuffersPerAddr
		}
		s.charge(h, more)
		return h, limit.None
	}
	addr := c.handler.Addr()
	key, counted := netaddr.Key(addr), !s.isExempt(addr)
	if counted && s.perAddr[key]+int64(bytes) > s.share {
		return nil, limit.BuffersPerAddr
	}
	h = holdings.Get().(*holding)
	*h = holding{conn: c, addr: key, counted: counted, prev: s.newest}
	if s.newest != nil {
		s.newest.next = h
	} else {
		s.oldest = h
	}
	s.newest = h
	s.charge(h, int64(bytes))
	return h, limit.None
}

func (s *Side) isExempt(a netip.Addr) bool { return s.exempt != nil && s.exempt(a) }

// charge adds to what h holds.
func (s *Side) charge(h *holding, more int64) {
	h.bytes += more
	if h.evicted {
		s.leaving.Add(more)
	}
	if !h.counted {
		return
	}
	if n := s.perAddr[h.addr] + more; n > 0 {
		s.perAddr[h.addr] = n
	} else {
		delete(s.perAddr, h.addr)
	}
}

// release says that what h stands for is held no more; nil is nothing.
func (s *Side) release(h *holding) {
	if h == nil {
		return
	}
	s.mu.Lock()
	s.charge(h, -h.bytes)
	s.unlink(h)
	s.mu.Unlock()
	*h = holding{}
	holdings.Put(h)
}

// unlink takes h out of the order by age, once.
func (s *Side) unlink(h *holding) {
	if h.evicted {
		return
	}
	if h.prev != nil {
		h.prev.next = h.next
	} else {
		s.oldest = h.next
	}
	if h.next != nil {
		h.next.prev = h.prev
	} else {
		s.newest = h.prev
	}
	h.prev, h.next = nil, nil
}

// makeRoom chooses the connection that has held memory for the longest time, other than c, and lets
// b end it; what it holds counts as given back. It reports false if there is none.
func (s *Side) makeRoom(b *Batch, c *Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.oldest
	if h != nil && h.conn == c {
		h = h.next
	}
	if h == nil {
		return false
	}
	s.unlink(h)
	h.evicted = true
	s.leaving.Add(h.bytes)
	b.evicted = append(b.evicted, h.conn)
	return true
}

// grow is Grow for c, which makes room where there is none: the oldest go.
func (s *Side) grow(b *Batch, c *Conn, buf []byte, n int) ([]byte, bool) {
	for range maxEvicted {
		if g, ok := s.Grow(buf, n); ok {
			return g, true
		}
		if !s.makeRoom(b, c) {
			break
		}
	}
	return buf, false
}

// maxEvicted bounds how many connections have to go for one: as many of the smallest as have the
// memory of one of the largest that an honest announce needs.
const maxEvicted = 1 << (largeLog - minBufferLog)
