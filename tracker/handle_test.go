package tracker

import (
	"encoding/json"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/shoal-p2p/shoal/signal"
	"github.com/shoal-p2p/shoal/tracker/wsframe"
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
