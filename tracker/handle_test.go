package tracker

import (
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/shoal-p2p/shoal/signal"
)

// connect opens a connection whose other end reads everything and says nothing, and
// returns the tracker's side of it.
func connect(t testing.TB, tr *Tracker, srv *httptest.Server) *wsConn {
	t.Helper()
	before := map[*wsConn]bool{}
	for _, c := range tr.ws.all() {
		before[c] = true
	}
	ctx := t.Context()
	ws, _, err := websocket.Dial(ctx, srv.URL+"/announce", nil)
	if err != nil {
		t.Fatal(err)
	}
	ws.SetReadLimit(-1)
	go func() {
		for {
			if _, _, err := ws.Read(ctx); err != nil {
				return
			}
		}
	}()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		for _, c := range tr.ws.all() {
			if !before[c] {
				return c
			}
		}
	}
	t.Fatal("no connection")
	return nil
}

func fuzzTracker(t testing.TB) (*Tracker, *httptest.Server) {
	tr, err := New(Config{Limits: Limits{Swarms: 1000, Peers: 1000, PeersPerConn: 100}, FullScrape: true})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(tr)
	t.Cleanup(func() {
		tr.Close()
		srv.Close()
	})
	return tr, srv
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
	tr, srv := fuzzTracker(f)
	one, two := connect(f, tr, srv), connect(f, tr, srv)
	f.Fuzz(func(t *testing.T, first, second string) {
		for _, c := range []*wsConn{one, two} {
			c.errors = 0
			if len(c.peers) > 100 {
				t.Fatalf("%d peers on one connection", len(c.peers))
			}
		}
		one.handle([]byte(first))
		two.handle([]byte(second))
		one.handle([]byte(second))
	})
}

// BenchmarkAnnounce is an announce with five offers in a swarm of 50, from its JSON
// to the frames of six receivers.
func BenchmarkAnnounce(b *testing.B) {
	tr, err := New(Config{})
	if err != nil {
		b.Fatal(err)
	}
	srv := httptest.NewServer(tr)
	b.Cleanup(func() {
		tr.Close()
		srv.Close()
	})
	var conns []*wsConn
	for range 50 {
		conns = append(conns, connect(b, tr, srv))
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
		conns[i%len(conns)].handle(messages[i%len(conns)])
	}
	st := tr.Stats()
	b.ReportMetric(float64(st.Dropped)/float64(st.Offers+st.Dropped)*100, "%dropped")
}
