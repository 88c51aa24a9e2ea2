package core

import (
	"encoding/json"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/signal"
	"github.com/shoal-p2p/shoal/internal/tracker/limit"
	"github.com/shoal-p2p/shoal/internal/tracker/stats"
	"github.com/shoal-p2p/shoal/internal/tracker/wsconn"
	"github.com/shoal-p2p/shoal/internal/tracker/wsframe"
)

// config is what a tracker without a Config has.
func config() Config {
	return Config{
		Interval: 15 * time.Minute, MinInterval: time.Minute, WSInterval: 2 * time.Minute, PingInterval: 50 * time.Second,
		Offers: 10, NumWant: 200, Scrape: 70, Message: 64 << 10, SDP: 16 << 10, Swarms: 1 << 20, Peers: 4 << 20, PeersPerConn: 1000,
		Seed: 1, Now: time.Now,
		Buffers: wsconn.NewBuffers(256<<20, nil), Clients: limit.NewClients(limit.ClientsConfig{}), Counters: stats.NewSet(nil),
	}
}

func start(t testing.TB, cfg Config) *Core {
	t.Helper()
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// connect makes a connection whose other end takes everything and says nothing. What it gets
// has to be frames of JSON objects.
func connect(t testing.TB, c *Core) *Session {
	s := c.newSession(&Client{Addr: netip.MustParseAddr("127.0.0.1")}, limit.Slot{})
	c.conns.Attach(&s.conn, s, func(b []byte) {
		for len(b) > 0 {
			h, n, err := wsframe.ParseHeader(b)
			if err != nil || n == 0 || len(b) < n+h.Len || h.Masked {
				t.Fatalf("%q is no frame of a server: %v", b, err)
			}
			if h.Op == wsframe.Text && !json.Valid(b[n:n+h.Len]) {
				t.Fatalf("not JSON: %q", b[n:n+h.Len])
			}
			b = b[n+h.Len:]
		}
	})
	t.Cleanup(func() {
		b := c.conns.Begin()
		s.conn.Detach(b)
		c.conns.End(b)
	})
	return s
}

func id(name string) (b [20]byte) {
	copy(b[:], name+"--------------------")
	return b
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
	cfg := config()
	cfg.Swarms, cfg.Peers, cfg.PeersPerConn, cfg.FullScrape = 1000, 1000, 100, true
	tr := start(f, cfg)
	one, two := connect(f, tr), connect(f, tr)
	f.Fuzz(func(t *testing.T, first, second string) {
		for _, c := range []*Session{one, two} {
			c.errors = limit.Bucket{}
			if len(c.peers) > 100 {
				t.Fatalf("%d peers on one connection", len(c.peers))
			}
		}
		b := tr.conns.Begin()
		defer tr.conns.End(b)
		one.Message(b, []byte(first))
		two.Message(b, []byte(second))
		one.Message(b, []byte(second))
	})
}

// BenchmarkAnnounce is an announce with five offers in a swarm of 50, from its JSON
// to the frames of six receivers.
func BenchmarkAnnounce(b *testing.B) {
	tr := start(b, config())
	var conns []*Session
	for range 50 {
		conns = append(conns, connect(b, tr))
	}
	var messages [][]byte
	for i := range conns {
		m := signal.Announce{InfoHash: id("hash"), PeerID: id(strconv.Itoa(i)), NumWant: 5, Left: 1}
		for j := range 5 {
			m.Offers = append(m.Offers, signal.Offer{SDP: signal.NewSDP(strings.Repeat("candidate\r\n", 120)), ID: id(strconv.Itoa(j)), HasID: true})
		}
		messages = append(messages, m.Append(nil))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		batch := tr.conns.Begin()
		conns[i%len(conns)].Message(batch, messages[i%len(conns)])
		tr.conns.End(batch)
	}
	sum := tr.cfg.Counters.Sum()
	dropped := limit.Of(&sum.Limits, limit.Dropped)
	b.ReportMetric(float64(dropped)/float64(sum.Offers+dropped)*100, "%dropped")
}
