package wsconn

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/shoal-p2p/shoal/internal/tracker/limit"
)

// attach makes a connection of an address that answers nothing, until the test ends.
func attach(t *testing.T, s *Server, addr netip.Addr) *echo {
	e := &echo{addr: addr}
	s.Attach(&e.Conn, e, func(b []byte) { e.sent = append(e.sent, b...) })
	t.Cleanup(func() {
		b := s.Begin()
		e.Detach(b)
		s.End(b)
	})
	return e
}

// get hands bytes to a connection as its loop does, so many at a time.
func get(s *Server, e *echo, data []byte, size int) {
	b := s.Begin()
	defer s.End(b)
	shared := make([]byte, 64<<10)
	for len(data) > 0 {
		n := copy(e.room(shared), data[:min(size, len(data))])
		e.received(b, shared, n)
		b.flush()
		data = data[n:]
	}
}

func nth(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{198, byte(18 + n>>16), byte(n >> 8), byte(n)})
}

// begun is the first bytes of a frame that declares 32 KiB.
var begun = frame(0x81, strings.Repeat("x", 32<<10))[:9]

// What a frame declares takes no memory, what came of it does: thousands that have begun leave room for
// everybody, and nobody is ended.
func TestHalfFramesTakeWhatTheySent(t *testing.T) {
	s := newServer(t, 64<<10)
	for i := range 8202 {
		if i%2 == 0 {
			get(s, attach(t, s, nth(i/8)), begun, 1)
		} else {
			get(s, attach(t, s, nth(i/8)), begun, 9)
		}
	}
	// The 1 MiB of newServer is for more than these declare: 256 MiB.
	if n := s.buffers.Used(); n > 8202*128 {
		t.Errorf("%d bytes are lent for 9 of each", n)
	}
	small := attach(t, s, nth(1<<16))
	for range 10 {
		get(s, small, frame(0x81, strings.Repeat("y", 300)), 100)
	}
	if len(small.sent) != 10*304 {
		t.Errorf("%d bytes come back", len(small.sent))
	}
}

// A message that comes in pieces of any size takes no more than twice its own memory.
func TestMemoryFollowsTheBytes(t *testing.T) {
	s := newServer(t, 64<<10)
	e := attach(t, s, nth(1))
	whole := frame(0x81, strings.Repeat("x", 60_000))
	for i := range whole[:len(whole)-1] {
		get(s, e, whole[i:i+1], 1)
		if used := s.buffers.Used(); used > max(2*(i+1), 128)+1 {
			t.Fatalf("%d bytes are lent for %d", used, i+1)
		}
	}
	get(s, e, whole[len(whole)-1:], 1)
	if len(e.sent) != 60_004 || s.buffers.Used() != 0 {
		t.Errorf("%d bytes come back, %d are still lent", len(e.sent), s.buffers.Used())
	}
}

// When the memory for what has begun is used up, those go who began first, and no others.
func TestTheOldestHalfMessageGoes(t *testing.T) {
	s := newServer(t, 64<<10) // 512 KiB for what has begun, 256 KiB for large ones
	var all []*echo
	part := frame(0x81, strings.Repeat("x", 30_000))[:20_000]
	for i := range 40 {
		e := attach(t, s, nth(i))
		get(s, e, part, 5000)
		all = append(all, e)
	}
	gone := 0
	for i, e := range all {
		if e.state != open {
			gone++
			if i >= gone {
				t.Errorf("connection %d goes before older ones", i)
			}
			if !strings.Contains(string(e.sent), limit.Buffers.Error()) {
				t.Errorf("%q does not say why", e.sent)
			}
		}
	}
	got := s.cfg.Counters.Sum().Limits
	if gone == 0 || gone > 30 || got[limit.Buffers] != uint64(gone) {
		t.Errorf("%d of 40 have to go, counted %d", gone, got[limit.Buffers])
	}
	rest := frame(0x81, strings.Repeat("x", 30_000))[20_000:]
	get(s, all[39], rest, len(rest))
	if !strings.Contains(string(all[39].sent), "xxx") {
		t.Error("the youngest is not served")
	}
}

// One address has its share of what has begun. What is more ends, and touches nobody else.
func TestShareOfAnAddress(t *testing.T) {
	s := newServer(t, 64<<10)
	other := attach(t, s, nth(1))
	get(s, other, begun, 9)
	part := frame(0x81, strings.Repeat("x", 30_000))[:20_000]
	var last *echo
	for range 10 {
		last = attach(t, s, nth(2))
		get(s, last, part, len(part))
	}
	got := s.cfg.Counters.Sum().Limits
	if got[limit.BuffersPerAddr] != 5 || got[limit.Buffers] != 0 { // 160 KiB are the share, 32 KiB each
		t.Errorf("counted %d and %d", got[limit.BuffersPerAddr], got[limit.Buffers])
	}
	if last.state == open || other.state != open {
		t.Error("the wrong ones go")
	}
}
