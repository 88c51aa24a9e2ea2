package wsconn

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/tracker/limit"
	"github.com/shoal-p2p/shoal/internal/tracker/stats"
	"github.com/shoal-p2p/shoal/internal/tracker/wsframe"
)

func newServer(t testing.TB, maxMessage int, more ...func(*Config)) *Server {
	cfg := Config{
		MaxMessage: maxMessage, PingInterval: time.Minute, Buffers: NewBuffers(1<<20, nil), Counters: stats.NewSet(nil), Now: time.Now,
	}
	for _, set := range more {
		set(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// An echo sends back what it gets, and wants no "bad".
type echo struct {
	Conn
	ended int
	addr  netip.Addr
	sent  []byte
}

func (e *echo) Message(b *Batch, msg []byte) limit.Reason {
	if string(msg) == "bad" {
		return limit.BadMessages
	}
	return e.Send(b, msg)
}

func (e *echo) Ended(*Batch)     { e.ended++ }
func (e *echo) Addr() netip.Addr { return e.addr }

// frame is a masked frame with a payload of less than 64 KiB.
func frame(first byte, payload string) []byte {
	b := []byte{first, 0x80 | byte(len(payload))}
	if len(payload) > 125 {
		b = []byte{first, 0x80 | 126, byte(len(payload) >> 8), byte(len(payload))}
	}
	mask := [4]byte{7, 77, 177, 17}
	p := []byte(payload)
	wsframe.Xor(p, mask)
	return append(append(b, mask[:]...), p...)
}

// FuzzReceived feeds what a socket may bring, in pieces of any size: what was sent at once has to
// have the same effect as what came byte by byte, and every buffer comes back.
func FuzzReceived(f *testing.F) {
	const plain = `{"action":"scrape","info_hash":"hhhhhhhhhhhhhhhhhhhh"}`
	f.Add(frame(0x81, plain), uint16(3))
	f.Add(append(frame(0x01, plain[:9]), append(frame(0x89, "x"), frame(0x80, plain[9:])...)...), uint16(7))
	f.Add(append(frame(0x81, plain+strings.Repeat(" ", 700)), frame(0x81, plain)[:9]...), uint16(600))
	f.Add(frame(0xc1, "\xaa\x56\x4a\x4c\x2e\xc9\xcc\xcf\x53\x02\x00"), uint16(5))
	f.Add([]byte{0x81, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}, uint16(1))
	f.Add(append(frame(0x81, "bad"), frame(0x81, plain)...), uint16(4))
	s := newServer(f, 2000)
	run := func(t *testing.T, data []byte, size int) (n int, state connState) {
		e := new(echo)
		s.Attach(&e.Conn, e, func(b []byte) { n += len(b) })
		e.flags |= flagDeflate
		b := s.Begin()
		defer s.End(b)
		shared := make([]byte, 512)
		for len(data) > 0 {
			room := e.room(shared)
			if len(room) == 0 {
				t.Fatal("no room to read into")
			}
			m := copy(room[:min(len(room), size)], data)
			data = data[m:]
			if !e.received(b, shared, m) {
				break
			}
			b.flush()
		}
		state = e.state
		e.Detach(b)
		if e.ended != 1 {
			t.Fatalf("ended %d times", e.ended)
		}
		return n, state
	}
	f.Fuzz(func(t *testing.T, data []byte, size uint16) {
		n, state := run(t, data, max(int(size), 1))
		n1, state1 := run(t, data, 1)
		if n != n1 || state != state1 {
			t.Fatalf("%d bytes and state %d in pieces of %d, %d and %d in single bytes", n, state, size, n1, state1)
		}
		if lent := s.buffers.Used(); lent != 0 {
			t.Fatalf("%d bytes are still lent", lent)
		}
	})
}

// What ends a connection is counted by its reason, once, and told in the close frame.
func TestLimitsEndTheConnectionWithTheirReason(t *testing.T) {
	for _, c := range []struct {
		name  string
		bytes []byte
		want  limit.Reason
	}{
		{"too large", frame(0x81, strings.Repeat("x", 2001)), limit.MessageSize},
		{"too large in parts", append(frame(0x01, strings.Repeat("x", 1500)), frame(0x80, strings.Repeat("x", 501))...), limit.MessageSize},
		{"refused by the handler", append(frame(0x81, "bad"), frame(0x81, "bad")...), limit.BadMessages},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newServer(t, 2000)
			e := new(echo)
			var sent []byte
			s.Attach(&e.Conn, e, func(b []byte) { sent = append(sent, b...) })
			b := s.Begin()
			e.received(b, c.bytes, len(c.bytes))
			s.End(b)
			if got := s.cfg.Counters.Sum(); got.Limits[c.want] != 1 || limit.Of(&got.Limits, limit.Limited) != 1 {
				t.Errorf("counted %v", got.Limits)
			}
			if !strings.HasSuffix(string(sent), c.want.Error()) {
				t.Errorf("%q does not say %q", sent, c.want.Error())
			}
			b = s.Begin()
			e.Detach(b)
			s.End(b)
		})
	}
}

// parts is a message of size bytes in masked frames of at most each bytes.
func parts(size, each int) (b []byte) {
	op := wsframe.Text
	for first := true; size > 0 || first; first = false {
		n := min(size, each)
		size -= n
		at := len(b)
		b = wsframe.AppendHeader(b, op, false, n)
		if size > 0 {
			b[at] &^= 0x80
		}
		b[at+1] |= 0x80
		b = append(b, 0, 0, 0, 0)
		b = append(b, make([]byte, n)...)
		op = wsframe.Continuation
	}
	return b
}

// What is taken in one frame is taken in any parts, whatever comes with one read; one byte more never is.
func TestLargestMessage(t *testing.T) {
	for _, most := range []int{64 << 10, MaxMessage} {
		s := newServer(t, most, func(c *Config) { c.Buffers = NewBuffers(256<<20, nil) })
		for _, each := range []int{most + 1, most/2 + 1, most / 3, 1000} {
			for _, size := range []int{most, most + 1} {
				for _, read := range []int{1 << 20, 5000} {
					c := &measured{}
					s.Attach(&c.Conn, c, func([]byte) {})
					data, shared := parts(size, each), make([]byte, 64<<10)
					b := s.Begin()
					for len(data) > 0 && c.now() == open {
						n := copy(c.room(shared), data[:min(read, len(data))])
						c.received(b, shared, n)
						data = data[n:]
					}
					c.Detach(b)
					s.End(b)
					if want := size <= most; want != (c.got == size) {
						t.Errorf("%d of %d bytes in parts of %d: got %d", size, most, each, c.got)
					}
					if n := s.buffers.Used(); n != 0 {
						t.Fatalf("%d bytes are still lent", n)
					}
				}
			}
		}
		if n := s.cfg.Counters.Sum().Limits[limit.MessageSize]; n != 8 {
			t.Errorf("%d of 8 that were too large are counted as that", n)
		}
	}
}

// A measured connection knows how long its last message was.
type measured struct {
	Conn
	got int
}

func (c *measured) Message(_ *Batch, msg []byte) limit.Reason { c.got = len(msg); return limit.None }
func (*measured) Ended(*Batch)                                {}
func (*measured) Addr() netip.Addr                            { return netip.AddrFrom4([4]byte{192, 0, 2, 1}) }
