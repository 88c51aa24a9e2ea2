//go:build !js

package trackerclient

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/discovery/trackerclient/httpwire"
	"github.com/shoal-p2p/shoal/metainfo"
	"github.com/shoal-p2p/shoal/tracker"
)

var swarmKey = metainfo.Hash{0, 1, '"', 0xff, 0x80}

// startTracker runs a real tracker and returns its host:port.
func startTracker(t *testing.T, cfg tracker.Config) (*tracker.Tracker, string) {
	t.Helper()
	tr, err := tracker.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(tr)
	t.Cleanup(func() {
		tr.Close()
		srv.Close()
	})
	return tr, strings.TrimPrefix(srv.URL, "http://")
}

type node struct {
	*sink
	c    *Client
	host *fakeHost
	left atomic.Int64
	want atomic.Int64
	h    *Handle
}

func newNode(t *testing.T, net *fakeNet, more func(*Config)) *node {
	t.Helper()
	n := &node{sink: newSink(), host: &fakeHost{net: net}}
	cfg := Config{Sink: n, rtc: n.host, retryMin: 20 * time.Millisecond, Timeout: 5 * time.Second}
	if more != nil {
		more(&cfg)
	}
	n.c = New(cfg)
	t.Cleanup(func() { n.c.Close() })
	return n
}

func newNet() *fakeNet { return &fakeNet{offers: map[string]*fakePending{}} }

func (n *node) start(id byte, left, want int64, trackers ...string) *Handle {
	n.left.Store(left)
	n.want.Store(want)
	n.h = n.c.Start(Announcement{
		Key: swarmKey, PeerID: [20]byte{id, 0xff, '\\'}, Port: 6880 + int(id), Trackers: [][]string{trackers},
		Stats:     func() Stats { return Stats{Left: n.left.Load()} },
		WantPeers: func() int { out, _ := n.conns(); return int(n.want.Load()) - out },
	})
	return n.h
}

func (n *node) announced(t *testing.T, url string) Status {
	t.Helper()
	eventually(t, "an announce to "+url, func() bool {
		st, reports := n.get(url)
		return reports > 0 && st.Err == nil
	})
	st, _ := n.get(url)
	return st
}

func TestTwoPeersMeet(t *testing.T) {
	tr, addr := startTracker(t, tracker.Config{WSInterval: 77 * time.Second})
	url := "ws://" + addr + "/announce"
	net := newNet()
	seed, leech := newNode(t, net, nil), newNode(t, net, nil)
	seed.start(1, 0, 0, url)
	if st := seed.announced(t, url); st.Seeders != 1 || st.Leechers != 0 || (st.Interval-77*time.Second).Abs() > 8*time.Second || time.Until(st.NextAnnounce) < 60*time.Second {
		t.Errorf("%+v", st)
	}
	leech.start(2, 100, 10, url)
	eventually(t, "both ends are ready", func() bool {
		out, _ := leech.conns()
		_, in := seed.conns()
		return out == 1 && in == 1
	})
	if st := leech.announced(t, url); st.Seeders != 1 || st.Leechers != 1 {
		t.Errorf("%+v", st)
	}
	if made, _, _ := seed.host.counts(); made != 0 {
		t.Errorf("a seeder that wants nobody made %d offers", made)
	}
	if made, _, _ := leech.host.counts(); made > firstOffers {
		t.Errorf("%d offers made for a swarm of two", made)
	}
	leech.left.Store(0)
	leech.h.Completed()
	leech.h.Completed()
	eventually(t, "the tracker counts two seeders", func() bool { return tr.Stats().Seeders == 2 })
	leech.h.Stop(t.Context())
	if _, _, live := leech.host.counts(); live != 1 { // the one that opened is the sink's
		t.Errorf("%d connections are live after the stop", live)
	}
	eventually(t, "the tracker knows", func() bool { return tr.Stats().WebRTCPeers == 1 })
	seed.h.Stop(t.Context())
	eventually(t, "the socket is closed without users", func() bool { return tr.Stats().Conns == 0 })
}

func TestLargerSwarmGetsMoreOffers(t *testing.T) {
	_, addr := startTracker(t, tracker.Config{})
	url := "ws://" + addr + "/announce"
	net := newNet()
	for id := range byte(8) {
		n := newNode(t, net, nil)
		n.start(10+id, 5, 0, url)
		n.announced(t, url)
	}
	leech := newNode(t, net, nil)
	leech.start(1, 100, 4, url)
	eventually(t, "four connections", func() bool { out, _ := leech.conns(); return out == 4 })
	if made, _, _ := leech.host.counts(); made > firstOffers+4 {
		t.Errorf("%d offers made, 4 wanted", made)
	}
}

func TestOneSocketForAllTorrents(t *testing.T) {
	tr, addr := startTracker(t, tracker.Config{})
	url := "ws://" + addr + "/announce"
	n := newNode(t, newNet(), nil)
	var handles []*Handle
	for i := range 20 {
		handles = append(handles, n.c.Start(Announcement{Key: metainfo.Hash{byte(i)}, PeerID: [20]byte{1}, Trackers: [][]string{{url}, {url}}}))
	}
	eventually(t, "all are announced", func() bool { return tr.Stats().WebRTCPeers == 20 })
	if c := tr.Stats().Conns; c != 1 {
		t.Errorf("%d connections", c)
	}
	for _, h := range handles[1:] {
		h.Stop(t.Context())
	}
	eventually(t, "one is left", func() bool { return tr.Stats().WebRTCPeers == 1 })
	if c := tr.Stats().Conns; c != 1 {
		t.Errorf("%d connections", c)
	}
}

func TestOffersGoToAllTrackers(t *testing.T) {
	tr1, addr1 := startTracker(t, tracker.Config{})
	tr2, addr2 := startTracker(t, tracker.Config{})
	url1, url2 := "ws://"+addr1+"/announce", "ws://"+addr2+"/announce"
	for i, url := range []string{url1, url2} {
		n := newNode(t, newNet(), nil) // cannot answer, so the offer stays open
		n.start(byte(10+i), 0, 0, url)
		n.announced(t, url)
	}
	leech := newNode(t, newNet(), nil)
	leech.start(1, 100, 1, url1, url2)
	eventually(t, "each tracker relayed an offer", func() bool { return tr1.Stats().Offers == 1 && tr2.Stats().Offers == 1 })
	if made, _, _ := leech.host.counts(); made != 1 {
		t.Errorf("%d offers made, the same one should go to both", made)
	}
}

func TestHTTPAndUDPTrackers(t *testing.T) {
	for _, kind := range []string{"http", "udp"} {
		tr, url := startTracker(t, tracker.Config{Interval: 10 * time.Minute})
		url = "http://" + url + "/announce"
		if kind == "udp" {
			pc, err := net.ListenPacket("udp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			go tr.ServeUDP(pc)
			url = "udp://" + pc.LocalAddr().String() + "/announce"
		}
		a, b := newNode(t, nil, nil), newNode(t, nil, nil)
		a.start(1, 0, 0, url)
		if st := a.announced(t, url); st.Seeders != 1 || (st.Interval-10*time.Minute).Abs() > time.Minute {
			t.Errorf("%s: %+v", kind, st)
		}
		b.start(2, 9, 0, url)
		b.announced(t, url)
		eventually(t, "b knows a", func() bool {
			b.mu.Lock()
			defer b.mu.Unlock()
			return slices.Equal(b.peers, []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:6881")})
		})
		b.left.Store(0)
		b.h.Completed()
		eventually(t, "b is a seeder", func() bool { return tr.Stats().Seeders == 2 })
		a.h.Stop(t.Context())
		b.h.Stop(t.Context())
		if st := tr.Stats(); st.TCPPeers != 0 || st.Announces[tracker.HTTP]+st.Announces[tracker.UDP] != 5 {
			t.Errorf("%s: after the stops %+v", kind, st)
		}
	}
}

func TestTiersFallBack(t *testing.T) {
	_, addr := startTracker(t, tracker.Config{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead := "http://" + l.Addr().String() + "/announce"
	l.Close()
	n := newNode(t, nil, nil)
	good := "http://" + addr + "/announce"
	n.c.Start(Announcement{Key: swarmKey, Port: 1, Trackers: [][]string{{dead}, {good}}})
	n.announced(t, good)
	if st, _ := n.get(dead); st.Err == nil {
		t.Error("the dead tracker has no error")
	}
}

func TestReconnect(t *testing.T) {
	tr, err := tracker.New(tracker.Config{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: tr}
	go srv.Serve(l)
	url := "ws://" + l.Addr().String() + "/announce"
	n := newNode(t, newNet(), nil)
	n.start(1, 5, 0, url)
	n.announced(t, url)
	srv.Close()
	tr.Close()
	eventually(t, "the loss is reported", func() bool { st, _ := n.get(url); return st.Err != nil && !st.NextAnnounce.IsZero() })

	l, err = net.Listen("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	tr2, err := tracker.New(tracker.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer tr2.Close()
	srv = &http.Server{Handler: tr2}
	defer srv.Close()
	go srv.Serve(l)
	eventually(t, "announced again", func() bool { return tr2.Stats().WebRTCPeers == 1 })
}

func TestNewTorrentDoesNotWaitForTheBackoffOfAnother(t *testing.T) {
	var mu sync.Mutex
	dials := 0
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		dials++
		http.Error(w, "not now", http.StatusServiceUnavailable)
	})
	url := "ws" + strings.TrimPrefix(srv.URL, "http")
	count := func() int { mu.Lock(); defer mu.Unlock(); return dials }
	n := newNode(t, newNet(), func(c *Config) { c.retryMin = 50 * time.Millisecond })
	n.start(1, 5, 0, url)
	eventually(t, "backoff of some length", func() bool { return count() >= 5 })
	before := count()
	n.c.Start(Announcement{Key: metainfo.Hash{9}, Trackers: [][]string{{url}}})
	eventually(t, "a new attempt", func() bool { return count() > before })
}

func TestUnsupportedAddresses(t *testing.T) {
	n := newNode(t, newNet(), nil)
	n.start(1, 5, 0, "dht://x", "nonsense", "ftp://x/announce", "http://[::1", "udp://127.0.0.1")
	for _, url := range []string{"dht://x", "nonsense", "ftp://x/announce"} {
		eventually(t, url, func() bool { st, _ := n.get(url); return errors.Is(st.Err, ErrUnsupported) })
	}
	for _, url := range []string{"http://[::1", "udp://127.0.0.1"} {
		eventually(t, url, func() bool { st, _ := n.get(url); return st.Err != nil })
	}
}

func TestWithoutWebRTCWebSocketTrackersAreNotUsed(t *testing.T) {
	tr, addr := startTracker(t, tracker.Config{})
	s := newSink()
	c := New(Config{Sink: s})
	defer c.Close()
	c.Start(Announcement{Key: swarmKey, Port: 1, Trackers: [][]string{{"ws://" + addr + "/announce", "http://" + addr + "/announce"}}})
	eventually(t, "announced by HTTP", func() bool { return tr.Stats().TCPPeers == 1 })
	if tr.Stats().Conns != 0 {
		t.Error("a WebSocket was opened")
	}
}

func TestStopIsBounded(t *testing.T) {
	hang := make(chan struct{})
	var stops atomic.Int32
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if a, _ := httpwire.ParseAnnounce(r.URL.RawQuery); a.Event == "stopped" {
			stops.Add(1)
			<-hang
		}
		w.Write(httpwire.AppendReply(nil, &httpwire.Reply{Interval: 60}, true, false))
	})
	t.Cleanup(func() { close(hang) })
	n := newNode(t, nil, nil)
	n.start(1, 5, 0, srv.URL+"/announce")
	n.announced(t, srv.URL+"/announce")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	n.h.Stop(ctx)
	n.h.Stop(ctx) // a second stop does nothing
	if stops.Load() != 1 {
		t.Errorf("%d stops were sent", stops.Load())
	}
	n.h.Completed()
	n.h.Update()
}

func TestStopBeforeAnythingWasAnswered(t *testing.T) {
	n := newNode(t, newNet(), nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	n.start(1, 5, 3, "ws://"+l.Addr().String(), "http://"+l.Addr().String()+"/announce")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	n.h.Stop(ctx)
}

func TestCloseLeavesNothingBehind(t *testing.T) {
	before := runtime.NumGoroutine()
	func() {
		tr, err := tracker.New(tracker.Config{})
		if err != nil {
			t.Fatal(err)
		}
		srv := httptest.NewServer(tr)
		addr := strings.TrimPrefix(srv.URL, "http://")
		n := newNode(t, newNet(), nil)
		n.start(1, 5, 3, "ws://"+addr+"/announce", "http://"+addr+"/announce", "ws://"+addr+"/nothing")
		n.announced(t, "ws://"+addr+"/announce")
		n.announced(t, "http://"+addr+"/announce")
		n.c.Close()
		n.h.Stop(t.Context())
		eventually(t, "all offers are closed", func() bool { _, _, live := n.host.counts(); return live == 0 })
		tr.Close()
		srv.Close()
	}()
	http.DefaultClient.CloseIdleConnections()
	eventually(t, "all goroutines have ended", func() bool { return runtime.NumGoroutine() <= before })
}
