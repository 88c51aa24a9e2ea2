package tracker

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/trackerclient/compact"
	"github.com/shoal-p2p/shoal/trackerclient/udpwire"
)

// A udpPeer talks to the tracker without a network, from an address of its choice.
type udpPeer struct {
	t    *testing.T
	tr   *Tracker
	w    *udpWorker
	addr netip.AddrPort
	conn uint64
}

func (p *udpPeer) ask(packet []byte) (udpwire.Reply, bool) {
	p.t.Helper()
	p.w.now = p.tr.cfg.Now()
	out := p.w.handle(nil, packet, p.addr, netip.Addr{})
	if len(out) == 0 {
		return udpwire.Reply{}, false
	}
	r, err := udpwire.ParseReply(out)
	if err != nil {
		p.t.Fatal(err)
	}
	return r, true
}

func (p *udpPeer) connect() {
	p.t.Helper()
	r, ok := p.ask(udpwire.AppendConnect(nil, 77))
	if !ok || r.Action != udpwire.Connect || r.Txn != 77 {
		p.t.Fatalf("connect: %v %+v", ok, r)
	}
	p.conn = r.ConnID
}

func (p *udpPeer) announce(a udpwire.AnnounceRequest) udpwire.Reply {
	p.t.Helper()
	a.InfoHash, a.PeerID = raw20("hash"), raw20(p.addr.String())
	if a.Port == 0 {
		a.Port = p.addr.Port()
	}
	r, ok := p.ask(udpwire.AppendAnnounce(nil, p.conn, 78, &a))
	if !ok || r.Txn != 78 {
		p.t.Fatalf("announce: %v %+v", ok, r)
	}
	return r
}

func udpFrom(t *testing.T, tr *Tracker, addr string) *udpPeer {
	t.Helper()
	p := &udpPeer{t: t, tr: tr, w: newUDPWorker(tr), addr: netip.MustParseAddrPort(addr)}
	p.connect()
	return p
}

func TestUDPAnnounce(t *testing.T) {
	tr := newTracker(t, Config{Interval: 10 * time.Minute})
	a, b, c := udpFrom(t, tr, "1.1.1.1:1000"), udpFrom(t, tr, "1.1.1.2:1000"), udpFrom(t, tr, "[2001::1]:1000")
	if r := a.announce(udpwire.AnnounceRequest{Event: udpwire.EventStarted, NumWant: -1}); r.Interval != 600 || r.Seeders != 1 || r.Leechers != 0 || len(r.Peers) != 0 {
		t.Errorf("first: %+v", r)
	}
	c.announce(udpwire.AnnounceRequest{Left: 5})
	r := b.announce(udpwire.AnnounceRequest{Left: 5, NumWant: -1, IP: [4]byte{6, 6, 6, 6}, Port: 2000})
	if r.Seeders != 1 || r.Leechers != 2 || string(r.Peers) != "\x01\x01\x01\x01\x03\xe8" {
		t.Errorf("second: %+v, want the IPv4 peer alone", r)
	}
	r = a.announce(udpwire.AnnounceRequest{NumWant: 50})
	if got := compact.Parse4(nil, r.Peers, 9); len(got) != 1 || got[0] != netip.MustParseAddrPort("1.1.1.2:2000") {
		t.Errorf("the source counts and not the field: %v", got)
	}
	if r := b.announce(udpwire.AnnounceRequest{Left: -1, NumWant: 0, Port: 2000}); r.Leechers != 2 || len(r.Peers) != 0 {
		t.Errorf("unknown left, nobody wanted: %+v", r)
	}
	d := udpFrom(t, tr, "[2001::2]:1000")
	if r := d.announce(udpwire.AnnounceRequest{Left: 5, NumWant: -1}); len(r.Peers) != compact.Len6 {
		t.Errorf("IPv6: %d bytes of peers", len(r.Peers))
	}
	if r := b.announce(udpwire.AnnounceRequest{Event: udpwire.EventStopped, NumWant: -1, Port: 2000}); r.Leechers != 2 || len(r.Peers) != 0 {
		t.Errorf("stopped: %+v", r)
	}
	if r := a.announce(udpwire.AnnounceRequest{Event: 99, NumWant: -1}); r.Action != udpwire.Announce {
		t.Errorf("unknown event: %+v", r)
	}
}

func TestUDPRefusals(t *testing.T) {
	tr := newTracker(t, Config{AllowAnnounce: func(_ *Client, h [20]byte) error {
		if h == raw20("no") {
			return errNotServed
		}
		return nil
	}})
	p := udpFrom(t, tr, "1.1.1.1:1000")
	announce := func(hash string, port uint16) []byte {
		return udpwire.AppendAnnounce(nil, p.conn, 5, &udpwire.AnnounceRequest{InfoHash: raw20(hash), Port: port})
	}
	for name, packet := range map[string][]byte{"port 0": announce("hash", 0), "forbidden": announce("no", 1)} {
		if r, ok := p.ask(packet); !ok || r.Action != udpwire.Error || r.Txn != 5 {
			t.Errorf("%s: %v %+v", name, ok, r)
		}
	}
	for name, packet := range map[string][]byte{
		"nothing": nil, "15 bytes": make([]byte, 15), "no magic": make([]byte, 16), "short announce": announce("hash", 1)[:97],
		"unknown action": append(announce("hash", 1)[:8], 0, 0, 0, 9, 0, 0, 0, 0),
	} {
		if r, ok := p.ask(packet); ok {
			t.Errorf("%s: answered by %+v", name, r)
		}
	}
	p.addr = netip.AddrPortFrom(p.addr.Addr(), 0)
	if _, ok := p.ask(udpwire.AppendConnect(nil, 1)); ok {
		t.Error("a packet from port 0 is answered")
	}
}

func TestConnectionIDs(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	tr := newTracker(t, Config{Now: func() time.Time { return now }})
	a, b := udpFrom(t, tr, "1.1.1.1:1000"), udpFrom(t, tr, "1.1.1.2:1000")
	if a.conn == b.conn || a.conn == udpwire.Magic {
		t.Error("connection ids can be guessed")
	}
	if other := udpFrom(t, newTracker(t, Config{Now: func() time.Time { return now }}), "1.1.1.1:1000"); other.conn == a.conn {
		t.Error("two trackers make the same id")
	}
	ok := func(p *udpPeer, conn uint64) bool {
		packet := udpwire.AppendAnnounce(nil, conn, 5, &udpwire.AnnounceRequest{InfoHash: raw20("hash"), Port: 1})
		r, _ := p.ask(packet)
		if r.Action == udpwire.Error && len(r.Message) > 80 {
			t.Error("a refusal that is longer than the request")
		}
		return r.Action == udpwire.Announce
	}
	if !ok(a, a.conn) {
		t.Error("a fresh id is refused")
	}
	if ok(b, a.conn) || ok(a, udpwire.Magic) || ok(a, 0) {
		t.Error("a foreign or constant id is taken")
	}
	// BEP 15: a client may use an id for one minute, a tracker should take it for two.
	now = now.Add(2 * time.Minute)
	if !ok(a, a.conn) {
		t.Error("refused after two minutes")
	}
	now = now.Add(time.Minute)
	if ok(a, a.conn) {
		t.Error("taken after three minutes")
	}
	if n := tr.Stats().TCPPeers; n != 1 {
		t.Errorf("%d peers", n)
	}
}

func TestUDPRepliesAreNotFragmented(t *testing.T) {
	tr := newTracker(t, Config{Limits: Limits{NumWant: 10_000}})
	for i := range 300 {
		ip := netip.AddrFrom16([16]byte{0x20, 1, 14: byte(i >> 8), 15: byte(i)})
		udpFrom(t, tr, netip.AddrPortFrom(ip, 1000).String()).announce(udpwire.AnnounceRequest{Left: 5})
		ip = netip.AddrFrom4([4]byte{1, 1, byte(i >> 8), byte(i)})
		udpFrom(t, tr, netip.AddrPortFrom(ip, 1000).String()).announce(udpwire.AnnounceRequest{Left: 5})
	}
	for _, addr := range []string{"[2002::1]:1", "9.9.9.9:9"} {
		r := udpFrom(t, tr, addr).announce(udpwire.AnnounceRequest{Left: 5, NumWant: 5000})
		if n := 20 + len(r.Peers); n > maxUDPReply || n < maxUDPReply-20 {
			t.Errorf("%s: reply of %d bytes", addr, n)
		}
	}
}

func TestUDPScrape(t *testing.T) {
	tr := newTracker(t, Config{Limits: Limits{Scrape: 3}})
	p := udpFrom(t, tr, "1.1.1.1:1000")
	p.announce(udpwire.AnnounceRequest{Left: 5})
	p.announce(udpwire.AnnounceRequest{Event: udpwire.EventCompleted})
	r, ok := p.ask(udpwire.AppendScrape(nil, p.conn, 9, raw20("x"), raw20("hash"), raw20("y"), raw20("z")))
	if !ok || r.Action != udpwire.Scrape || r.Txn != 9 || len(r.Counters) != 36 {
		t.Fatalf("%v %+v", ok, r)
	}
	if s, c, l, _ := r.Counter(1); s != 1 || c != 1 || l != 0 {
		t.Errorf("%d seeders, %d completed, %d leechers", s, c, l)
	}
}

func TestLoopbackPeersAreNotGivenAway(t *testing.T) {
	tr := newTracker(t, Config{})
	udpFrom(t, tr, "127.0.0.1:1000").announce(udpwire.AnnounceRequest{})
	p := udpFrom(t, tr, "1.1.1.1:1000")
	if r := p.announce(udpwire.AnnounceRequest{Left: 5, NumWant: -1}); len(r.Peers) != 0 || r.Seeders != 1 {
		t.Errorf("%+v", r)
	}
	// Bound to one address, the tracker knows where it was reached.
	b := udpwire.AppendAnnounce(nil, p.conn, 5, &udpwire.AnnounceRequest{InfoHash: raw20("hash"), PeerID: raw20(p.addr.String()), Left: 5, Port: 1000, NumWant: -1})
	r, err := udpwire.ParseReply(p.w.handle(nil, b, p.addr, netip.MustParseAddr("5.5.5.5")))
	if got := compact.Parse4(nil, r.Peers, 9); err != nil || len(got) != 1 || got[0] != netip.MustParseAddrPort("5.5.5.5:1000") {
		t.Errorf("%v %v", err, got)
	}
}

func TestServeUDP(t *testing.T) {
	tr := newTracker(t, Config{})
	pc := listenUDP(t, "127.0.0.1:0")
	served := make(chan error, 1)
	go func() { served <- tr.ServeUDP(pc) }()
	conn, err := net.Dial("udp", pc.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	ask := func(packet []byte) udpwire.Reply {
		t.Helper()
		if _, err := conn.Write(packet); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 2000)
		n, err := conn.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		r, err := udpwire.ParseReply(b[:n])
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	conn.Write([]byte("noise"))
	id := ask(udpwire.AppendConnect(nil, 1)).ConnID
	if r := ask(udpwire.AppendAnnounce(nil, id, 2, &udpwire.AnnounceRequest{InfoHash: raw20("hash"), Port: 5})); r.Action != udpwire.Announce || r.Seeders != 1 {
		t.Errorf("%+v", r)
	}
	tr.Close()
	if err := <-served; err != nil {
		t.Errorf("ServeUDP after Close: %v", err)
	}
	if err := tr.ServeUDP(listenUDP(t, "127.0.0.1:0")); !errors.Is(err, ErrClosed) {
		t.Errorf("ServeUDP of a closed tracker: %v", err)
	}
}

func FuzzHandleUDP(f *testing.F) {
	tr, err := New(Config{Limits: Limits{Swarms: 1000, Peers: 1000}})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { tr.Close() })
	f.Add(udpwire.AppendConnect(nil, 1), true)
	f.Add(udpwire.AppendAnnounce(nil, 0, 2, &udpwire.AnnounceRequest{Port: 1, NumWant: -1}), true)
	f.Add(udpwire.AppendScrape(nil, 0, 2, [20]byte{1}), false)
	w := newUDPWorker(tr)
	w.now = tr.cfg.Now()
	f.Fuzz(func(t *testing.T, b []byte, v6 bool) {
		addr := netip.MustParseAddrPort("1.1.1.1:1")
		if v6 {
			addr = netip.MustParseAddrPort("[2001::1]:1")
		}
		if len(b) >= 16 && b[11] != 0 {
			id := tr.ids.make(&w.scratch, addr.Addr(), w.now)
			for i := range 8 {
				b[i] = byte(id >> (56 - 8*i))
			}
		}
		out := w.handle(nil, b, addr, netip.Addr{})
		if len(out) > maxUDPReply {
			t.Fatalf("%d bytes", len(out))
		}
		if len(out) > 0 {
			if _, err := udpwire.ParseReply(out); err != nil {
				t.Fatal(err)
			}
		}
	})
}
