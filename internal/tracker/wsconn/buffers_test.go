package wsconn

import (
	"net/netip"
	"testing"
)

func TestLargeBuffersLeaveRoomForSmallOnes(t *testing.T) {
	p := NewBuffers(2<<20, nil)
	s := &p.In
	var lent [][]byte
	take := func(n int) (count int) {
		for b := s.Get(n); b != nil; b = s.Get(n) {
			lent = append(lent, b)
			count++
		}
		return count
	}
	if n := take(65_000); n != 8 {
		t.Errorf("%d large ones, want 8: half of a side", n)
	}
	if n := take(14_000); n != 24 { // announces with ten offers
		t.Errorf("%d of middle size, want 24: all but an eighth", n)
	}
	if n := take(2000); n != 64 {
		t.Errorf("%d small ones, want 64: the last eighth", n)
	}
	if b := p.Out.Get(14_000); b == nil {
		t.Error("what comes in keeps out what goes out")
	} else {
		p.Out.Put(b)
	}
	for _, b := range lent {
		s.Put(b)
	}
	if n := p.Used(); n != 0 {
		t.Errorf("%d bytes are still lent", n)
	}
	if s.Get(1<<20+1) != nil {
		t.Error("more than anybody needs")
	}
	b, ok := s.Grow(append(s.Get(10), "0123456789"...), 5000)
	if !ok || string(b) != "0123456789" || cap(b) < 5010 {
		t.Errorf("%q, %d", b, cap(b))
	}
	if b, ok := s.Grow(b, 1<<20); ok || string(b) != "0123456789" {
		t.Error("grown beyond the memory")
	}
}

// A slice that was cut would be lent as a larger one: whose bytes would the rest be?
func TestOnlyWholeBuffersAreTakenBack(t *testing.T) {
	p := NewBuffers(1<<20, nil)
	b := p.In.Get(1000)
	defer func() {
		if recover() == nil {
			t.Error("a part of a buffer is taken back")
		}
		p.In.Put(b)
		if p.Used() != 0 {
			t.Errorf("%d bytes are still lent", p.Used())
		}
	}()
	p.In.Put(b[100:])
}

// Whatever is held, given back, grown and evicted in any order, the accounts come out even.
func TestHoldingsAddUp(t *testing.T) {
	p := NewBuffers(1<<20, func(a netip.Addr) bool { return a == netip.AddrFrom4([4]byte{192, 0, 2, 9}) })
	s, b := &p.In, &Batch{}
	conn := func(last byte) *Conn {
		return &Conn{handler: &echo{addr: netip.AddrFrom4([4]byte{192, 0, 2, last})}}
	}
	one, two, free := conn(1), conn(2), conn(9)
	h1, _ := s.hold(one, nil, 1000)
	h2, _ := s.hold(two, nil, 2000)
	h3, _ := s.hold(one, nil, 3000)
	h4, why := s.hold(free, nil, 1<<30)
	if h4 == nil {
		t.Errorf("an exempt address may not hold more than its share: %v", why)
	}
	if h, _ := s.hold(two, h2, int(s.share)+1); h != nil {
		t.Error("more than the share of an address")
	}
	if h, _ := s.hold(one, h3, 1500); h != h3 {
		t.Error("less than before is refused")
	}
	for i, want := range []*Conn{two, one, free} {
		asker := one
		if i > 0 {
			asker = two
		}
		if !s.makeRoom(b, asker) || b.evicted[i] != want {
			t.Fatalf("the wrong one goes at %d", i)
		}
		if i == 0 {
			s.release(h1)
		}
	}
	if s.makeRoom(b, one) {
		t.Error("somebody goes twice")
	}
	if got := s.leaving.Load(); got != 2000+1500+1<<30 {
		t.Errorf("%d bytes are leaving", got)
	}
	for _, h := range []*holding{h2, h3, h4} {
		s.release(h)
	}
	if s.leaving.Load() != 0 || len(s.perAddr) != 0 || s.oldest != nil || s.newest != nil {
		t.Errorf("leaving %d, addresses %v, list %v %v", s.leaving.Load(), s.perAddr, s.oldest, s.newest)
	}
}
