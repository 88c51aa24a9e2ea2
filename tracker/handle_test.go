package tracker

import (
	"encoding/json"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/shoal-p2p/shoal/internal/signal"
	"github.com/shoal-p2p/shoal/internal/tracker/wsframe"
)

// memLink takes everything at once and checks that it is frames of JSON objects.
type memLink struct{ t testing.TB }

func (k memLink) flush(c *conn) {
	for b := c.out; len(b) > 0; {
		h, n, err := wsframe.ParseHeader(b)
		if err != nil || n == 0 || len(b) < n+h.Len || h.Masked {
			k.t.Fatalf("%q is no frame of a server: %v", b, err)
		}
		if h.Op == wsframe.Text && !json.Valid(b[n:n+h.Len]) {
			k.t.Fatalf("not JSON: %q", b[n:n+h.Len])
		}
		b = b[n+h.Len:]
	}
	c.flushed()
}

func (k memLink) hangup(*conn) {}

// connect makes a connection whose other end takes everything and says nothing.
func connect(t testing.TB, tr *Tracker) *conn {
	c := &conn{t: tr, link: memLink{t}, client: &Client{Addr: netip.MustParseAddr("127.0.0.1")}, home: -1}
	tr.arrived(c)
	t.Cleanup(func() {
		b := tr.newBatch()
		c.end(b)
		tr.endBatch(b)
	})
	return c
}

func fuzzTracker(t testing.TB) *Tracker {
	tr, err := New(Config{Limits: Limits{Swarms: 1000, Peers: 1000, PeersPerConn: 100}, FullScrape: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close() })
	return tr
}

// FuzzMessage feeds messages of two connections to the tracker; it must survive
// them, and everything that it relays must be readable for a strict client.
func FuzzMessage(f *testing.F) {
	const a, b, h = "aaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbb", "hhhhhhhhhhhhhhhhhhhh"
	announce := func(peer, more string) string {
		return `{"action":"announce","info_hash":"` + h + `","peer_id":"` + peer + `"` + more + `}`
	}
	f.Add(announce(a, `,"event":"started","left":0`), announce(b, `,"numwant":5,"offers":[{"offer":{"type":"offer","sdp":"x"},"offer_id":"`+h+`"}]`))
	f.Add(announce(a, ""), announce(b, `,"to_peer_id":"`+a+`","offer_id":"`+h+`","answer":{"type":"answer","sdp":"x"}`))
	f.Add(announce(a, `,"event":"stopped"`), `{"action":"scrape","info_hash":["`+h+`"]}`)
	f.Add(`{"action":"scrape"}`, "nonsense")
	tr := fuzzTracker(f)
	one, two := connect(f, tr), connect(f, tr)
	f.Fuzz(func(t *testing.T, first, second string) {
		for _, c := range []*conn{one, two} {
			c.errors = 0
			if len(c.peers) > 100 {
				t.Fatalf("%d peers on one connection", len(c.peers))
			}
		}
		b := tr.newBatch()
		defer tr.endBatch(b)
		one.handle(b, []byte(first))
		two.handle(b, []byte(second))
		one.handle(b, []byte(second))
	})
}

// BenchmarkAnnounce is an announce with five offers in a swarm of 50, from its JSON
// to the frames of six receivers.
func BenchmarkAnnounce(b *testing.B) {
	tr, err := New(Config{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { tr.Close() })
	var conns []*conn
	for range 50 {
		conns = append(conns, connect(b, tr))
	}
	var messages [][]byte
	for i := range conns {
		m := signal.Announce{InfoHash: raw20("hash"), PeerID: raw20(strconv.Itoa(i)), NumWant: 5, Left: 1}
		for j := range 5 {
			m.Offers = append(m.Offers, signal.Offer{SDP: signal.NewSDP(strings.Repeat("candidate\r\n", 120)), ID: raw20(strconv.Itoa(j)), HasID: true})
		}
		messages = append(messages, m.Append(nil))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		batch := tr.newBatch()
		conns[i%len(conns)].handle(batch, messages[i%len(conns)])
		tr.endBatch(batch)
	}
	st := tr.Stats()
	b.ReportMetric(float64(st.Dropped)/float64(st.Offers+st.Dropped)*100, "%dropped")
}

// FuzzReceived feeds what a socket may bring, in pieces of any size: what was sent at once has to
// have the same effect as what came byte by byte, and every buffer comes back.
func FuzzReceived(f *testing.F) {
	f.Add(frame(0x81, plain), uint16(3))
	f.Add(append(frame(0x01, plain[:9]), append(frame(0x89, "x"), frame(0x80, plain[9:])...)...), uint16(7))
	f.Add(append(frame(0x81, plain+strings.Repeat(" ", 700)), frame(0x81, plain)[:9]...), uint16(600))
	f.Add(frame(0xc1, "\xaa\x56\x4a\x4c\x2e\xc9\xcc\xcf\x53\x02\x00"), uint16(5))
	f.Add([]byte{0x81, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}, uint16(1))
	tr := fuzzTracker(f)
	tr.cfg.Limits.Message = 2000
	run := func(t *testing.T, data []byte, size int) (n int, state connState) {
		c := &conn{t: tr, client: &Client{}, home: -1, flags: flagDeflate}
		c.link = countLink{&n}
		tr.arrived(c)
		b := &batch{now: tr.cfg.Now(), n: new(counters)}
		shared := make([]byte, 512)
		for len(data) > 0 {
			room := c.room(shared)
			if len(room) == 0 {
				t.Fatal("no room to read into")
			}
			m := copy(room[:min(len(room), size)], data)
			data = data[m:]
			if !c.received(b, shared, m) {
				break
			}
			b.flush()
		}
		state = c.state
		c.end(b)
		return n, state
	}
	f.Fuzz(func(t *testing.T, data []byte, size uint16) {
		n, state := run(t, data, max(int(size), 1))
		n1, state1 := run(t, data, 1)
		if n != n1 || state != state1 {
			t.Fatalf("%d bytes and state %d in pieces of %d, %d and %d in single bytes", n, state, size, n1, state1)
		}
		if lent := tr.buffers.used.Load(); lent != 0 {
			t.Fatalf("%d bytes are still lent", lent)
		}
	})
}

// countLink counts what is written.
type countLink struct{ n *int }

func (k countLink) flush(c *conn) {
	*k.n += len(c.out)
	c.flushed()
}

func (k countLink) hangup(*conn) {}
