package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/shoal-p2p/shoal/internal/discovery/trackerclient/httpwire"
	"github.com/shoal-p2p/shoal/tracker"
)

// A site is a real tracker in a cluster.
type site struct {
	cluster *Cluster
	tracker *tracker.Tracker
	addr    string
}

func startSite(t *testing.T, url string) *site {
	t.Helper()
	return startSiteWith(t, url, tracker.Config{})
}

func startSiteWith(t *testing.T, url string, cfg tracker.Config) *site {
	t.Helper()
	c, err := Join(Config{URLs: []string{url}})
	if err != nil {
		t.Fatal(err)
	}
	cfg.Peering, cfg.TrustedProxies = c, []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	tr, err := tracker.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close() })
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go tr.Serve(ln)
	return &site{c, tr, ln.Addr().String()}
}

func startSites(t *testing.T, n int, url string) (sites []*site) {
	t.Helper()
	for range n {
		sites = append(sites, startSite(t, url))
	}
	for _, s := range sites {
		until(t, "the trackers know each other", func() bool { return s.cluster.Stats().Nodes == n })
	}
	return sites
}

// A tab is a WebTorrent client in one swarm: it makes offers, and answers those it gets.
type tab struct {
	t    *testing.T
	id   string
	hash string
	conn *websocket.Conn
	done chan struct{}

	mu       sync.Mutex
	replies  int
	failures []string
	offers   map[string]string // got: offer id to the SDP
	answers  map[string]string // got: offer id to the SDP
}

func openTab(t *testing.T, s *site, hash, id string) *tab {
	t.Helper()
	return openTabAt(t, s, "/announce", hash, id)
}

func openTabAt(t *testing.T, s *site, path, hash, id string) *tab {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, "ws://"+s.addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &tab{t: t, id: id, hash: hash, conn: conn, done: make(chan struct{}), offers: map[string]string{}, answers: map[string]string{}}
	go b.read()
	t.Cleanup(b.close)
	return b
}

func (b *tab) close() {
	b.conn.CloseNow()
	<-b.done
}

type sdp struct {
	Type string `json:"type"`
	SDP  string `json:"sdp"`
}

func (b *tab) read() {
	defer close(b.done)
	for {
		_, data, err := b.conn.Read(context.Background())
		if err != nil {
			return
		}
		var m struct {
			Failure string `json:"failure reason"`
			OfferID string `json:"offer_id"`
			PeerID  string `json:"peer_id"`
			Offer   *sdp   `json:"offer"`
			Answer  *sdp   `json:"answer"`
		}
		if err := json.Unmarshal(data, &m); err != nil {
			b.t.Errorf("tab %s got %q: %v", b.id, data, err)
			return
		}
		b.mu.Lock()
		switch {
		case m.Failure != "":
			b.failures = append(b.failures, m.Failure)
		case m.Offer != nil:
			if b.offers[m.OfferID] != "" {
				b.t.Errorf("tab %s got offer %s twice", b.id, m.OfferID)
			}
			b.offers[m.OfferID] = m.Offer.SDP
			b.send(map[string]any{
				"to_peer_id": m.PeerID, "offer_id": m.OfferID,
				"answer": sdp{"answer", "v=0 answer to " + m.Offer.SDP},
			})
		case m.Answer != nil:
			if b.answers[m.OfferID] != "" {
				b.t.Errorf("tab %s got answer %s twice", b.id, m.OfferID)
			}
			b.answers[m.OfferID] = m.Answer.SDP
		default:
			b.replies++
		}
		b.mu.Unlock()
	}
}

func (b *tab) send(m map[string]any) {
	m["action"], m["info_hash"], m["peer_id"] = "announce", b.hash, b.id
	data, err := json.Marshal(m)
	if err == nil {
		err = b.conn.Write(context.Background(), websocket.MessageText, data)
	}
	if err != nil {
		b.t.Errorf("tab %s cannot announce: %v", b.id, err)
	}
}

// announce makes five offers.
func (b *tab) announce(event string, round int) {
	var offers []map[string]any
	for i := range 5 {
		id := fmt.Sprintf("%.14s %02d %02d", b.id, round, i)
		offers = append(offers, map[string]any{"offer_id": fmt.Sprintf("%-20.20s", id), "offer": sdp{"offer", "v=0 of " + id}})
	}
	b.send(map[string]any{"event": event, "left": 1, "uploaded": 0, "downloaded": 0, "numwant": 5, "offers": offers})
}

func (b *tab) met() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.answers) > 0 || len(b.offers) > 0
}

func (b *tab) replied(n int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.replies >= n
}

func TestTabsOfThreeTrackersMeet(t *testing.T) {
	noLeaks(t)
	ns := startNATS(t, -1, nil)
	port := ns.Addr().(*net.TCPAddr).Port
	sites := startSites(t, 3, ns.ClientURL())
	rng := rand.New(rand.NewPCG(1, 2))

	// Swarms of 1.8 on average, spread over the trackers.
	swarms := map[string][]*tab{}
	crowd := func(prefix string, n int) (tabs []*tab) {
		for i := range n {
			h := fmt.Sprintf("%-20.20s", fmt.Sprintf("%s %d", prefix, rng.IntN(n*10/18)))
			b := openTab(t, sites[rng.IntN(3)], h, fmt.Sprintf("%-20.20s", fmt.Sprintf("%s %d", prefix, i)))
			swarms[h] = append(swarms[h], b)
			tabs = append(tabs, b)
			b.announce("started", 0)
		}
		return tabs
	}
	lonely := func(tabs []*tab) (n, all int) {
		for _, b := range tabs {
			if len(swarms[b.hash]) > 1 {
				all++
				if !b.met() {
					n++
				}
			}
		}
		return n, all
	}
	tabs := crowd("first", 200)
	until(t, "everybody with a mate has met somebody", func() bool {
		n, _ := lonely(tabs)
		return n == 0
	})
	if _, all := lonely(tabs); all < 100 {
		t.Fatalf("only %d tabs have a mate", all)
	}
	// What arrived is what was sent.
	for _, b := range tabs {
		b.mu.Lock()
		for id, sdp := range b.answers {
			if want := "v=0 answer to v=0 of "; len(sdp) < len(want) || sdp[:len(want)] != want || fmt.Sprintf("%-20.20s", sdp[len(want):]) != id {
				t.Errorf("the answer to %q is %q", id, sdp)
			}
		}
		b.mu.Unlock()
	}
	var relayed uint64
	for _, s := range sites {
		st := s.cluster.Stats()
		relayed += st.OffersIn
		if st.Malformed+st.Dropped > 0 {
			t.Errorf("%+v", st)
		}
	}
	if relayed == 0 {
		t.Error("no offer went from tracker to tracker")
	}

	// NATS is away: no announce fails, and tabs of one tracker meet.
	stopNATS(ns)
	until(t, "the loss is noticed", func() bool { return !sites[0].cluster.Stats().Connected && sites[0].cluster.Stats().Nodes == 1 })
	for _, b := range tabs {
		b.announce("", 1)
	}
	away := crowd("away", 60)
	for _, b := range tabs {
		until(t, "announces are answered without NATS", func() bool { return b.replied(2) })
	}
	for _, b := range away {
		until(t, "first announces are answered without NATS", func() bool { return b.replied(1) })
	}

	startNATS(t, port, nil)
	until(t, "those who announced meanwhile have met somebody", func() bool {
		n, _ := lonely(away)
		return n == 0
	})
	later := crowd("later", 60)
	until(t, "everybody after that has met somebody", func() bool {
		n, _ := lonely(later)
		return n == 0
	})
	for _, b := range append(append(tabs, away...), later...) {
		b.mu.Lock()
		for _, f := range b.failures {
			t.Errorf("tab %s got the failure %q", b.id, f)
		}
		b.mu.Unlock()
	}
}

// The swarm of TCP clients is one, too: counts and addresses.
func TestHTTPClientsOfTwoTrackersMeet(t *testing.T) {
	sites := startSites(t, 2, startNATS(t, -1, nil).ClientURL())
	// Client i announces to tracker i, with port 1000+i, from addresses to which others can connect.
	announce := func(i int) httpwire.Reply {
		req, err := http.NewRequest(http.MethodGet, fmt.Sprintf("http://%s/announce?info_hash=aaaaaaaaaaaaaaaaaaaa&peer_id=%020d&port=%d&uploaded=0&downloaded=0&left=1&compact=1",
			sites[i].addr, i, 1000+i), nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Forwarded-For", fmt.Sprintf("192.0.2.%d", i+1))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		r, err := httpwire.ParseReply(b)
		if err != nil {
			t.Fatalf("%q: %v", b, err)
		}
		return r
	}
	announce(0)
	announce(1)
	for i := range 2 {
		until(t, "each is told of the other", func() bool {
			r := announce(i)
			return r.Incomplete == 2 && len(r.Peers) == 1 && int(r.Peers[0].Addr.Port()) == 1001-i
		})
	}
}
