package udp

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/discovery/trackerclient/compact"
	"github.com/shoal-p2p/shoal/internal/discovery/trackerclient/udpwire"
	"github.com/shoal-p2p/shoal/internal/netaddr"
	"github.com/shoal-p2p/shoal/internal/tracker/core"
	"github.com/shoal-p2p/shoal/internal/tracker/limit"
	"github.com/shoal-p2p/shoal/internal/tracker/stats"
	"github.com/shoal-p2p/shoal/internal/tracker/swarm"
)

// A udpPeer talks to the tracker without a network, from an address of its choice.
type udpPeer struct {
	t    *testing.T
	tr   *Server
	w    *worker
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

func udpFrom(t *testing.T, tr *Server, addr string) *udpPeer {
	t.Helper()
	p := &udpPeer{t: t, tr: tr, w: tr.newWorker(), addr: netip.MustParseAddrPort(addr)}
	p.connect()
	return p
}

func TestUDPAnnounce(t *testing.T) {
	tr := newServer(t, func(c *core.Config) { c.Interval = 10 * time.Minute })
	a, b, c := udpFrom(t, tr, "1.1.1.1:1000"), udpFrom(t, tr, "1.1.1.2:1000"), udpFrom(t, tr, "[2001::1]:1000")
	if r := a.announce(udpwire.AnnounceRequest{Event: udpwire.EventStarted, NumWant: -1}); r.Interval < 540 || r.Interval > 660 || r.Seeders != 1 || r.Leechers != 0 || len(r.Peers) != 0 {
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

// Whoever cannot connect into a network is not given the peers there.
func TestUDPPrivatePeersStayAmongThemselves(t *testing.T) {
	tr := newServer(t, nil)
	for _, addr := range []string{"9.9.9.1:1000", "192.168.1.1:1000", "127.0.0.1:1000", "[2001:db8::1]:1000", "[fd00::1]:1000"} {
		udpFrom(t, tr, addr).announce(udpwire.AnnounceRequest{Left: 5})
	}
	for asker, want := range map[string]int{"9.9.9.2:1000": 1, "10.0.0.2:1000": 2, "127.0.0.2:1000": 3, "[2001:db8::2]:1000": 1, "[fd00::2]:1000": 2} {
		p, size := udpFrom(t, tr, asker), compact.Len4
		if p.addr.Addr().Is6() {
			size = compact.Len6
		}
		if r := p.announce(udpwire.AnnounceRequest{Left: 5, NumWant: 50}); len(r.Peers) != want*size {
			t.Errorf("%s: %d bytes of peers, want %d peers", asker, len(r.Peers), want)
		}
		p.announce(udpwire.AnnounceRequest{Left: 5, Event: udpwire.EventStopped})
	}
}

func TestUDPRefusals(t *testing.T) {
	tr := newServer(t, func(c *core.Config) {
		c.AllowAnnounce = func(_ *core.Client, h [20]byte) error {
			if h == raw20("no") {
				return errNotServed
			}
			return nil
		}
	})
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
	tr := newServer(t, func(c *core.Config) { c.Now = func() time.Time { return now } })
	a, b := udpFrom(t, tr, "1.1.1.1:1000"), udpFrom(t, tr, "1.1.1.2:1000")
	if a.conn == b.conn || a.conn == udpwire.Magic {
		t.Error("connection ids can be guessed")
	}
	if other := udpFrom(t, newServer(t, func(c *core.Config) { c.Now = func() time.Time { return now } }), "1.1.1.1:1000"); other.conn == a.conn {
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
	if n := tr.cfg.Core.Totals().TCPPeers; n != 1 {
		t.Errorf("%d peers", n)
	}
}

func TestUDPRepliesAreNotFragmented(t *testing.T) {
	tr := newServer(t, func(c *core.Config) { c.NumWant = 10_000 })
	for i := range 300 {
		ip := netip.AddrFrom16([16]byte{0x20, 1, 6: byte(i >> 8), 7: byte(i)})
		udpFrom(t, tr, netip.AddrPortFrom(ip, 1000).String()).announce(udpwire.AnnounceRequest{Left: 5})
		ip = netip.AddrFrom4([4]byte{1, 1, byte(i >> 8), byte(i)})
		udpFrom(t, tr, netip.AddrPortFrom(ip, 1000).String()).announce(udpwire.AnnounceRequest{Left: 5})
	}
	for _, addr := range []string{"[2002::1]:1", "9.9.9.9:9"} {
		r := udpFrom(t, tr, addr).announce(udpwire.AnnounceRequest{Left: 5, NumWant: 5000})
		if n := 20 + len(r.Peers); n > maxReply || n < maxReply-20 {
			t.Errorf("%s: reply of %d bytes", addr, n)
		}
	}
}

// A crowdPeering knows more peers elsewhere than anybody wants, of both families.
type crowdPeering struct{ asked swarm.Family }

func (*crowdPeering) Start(core.Local)                                              {}
func (*crowdPeering) Changed(swarm.Hash, core.Counts)                               {}
func (*crowdPeering) Elsewhere(swarm.Hash) core.Counts                              { return core.Counts{} }
func (*crowdPeering) Offers(swarm.Hash, swarm.PeerID, swarm.Role, []core.RemoteSDP) {}
func (*crowdPeering) Answer(swarm.Hash, swarm.PeerID, swarm.PeerID, core.RemoteSDP) bool {
	return false
}
func (*crowdPeering) Close() error { return nil }

func (p *crowdPeering) TCPPeers(_ swarm.Hash, family swarm.Family, _ netaddr.Scope, _ swarm.Role, _ int, dst []swarm.TCPPeer) []swarm.TCPPeer {
	p.asked = family
	for i := range 500 {
		dst = append(dst, swarm.TCPPeer{Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{4, 4, byte(i >> 8), byte(i)}), 4)},
			swarm.TCPPeer{Addr: netip.AddrPortFrom(netip.AddrFrom16([16]byte{0x20, 4, 14: byte(i >> 8), 15: byte(i)}), 4)})
	}
	return dst
}

func TestUDPPeersOfOtherNodes(t *testing.T) {
	crowd := new(crowdPeering)
	tr := newServer(t, func(c *core.Config) { c.Peering, c.NumWant = crowd, 10_000 })
	for _, tc := range []struct {
		addr   string
		family swarm.Family
		parse  func([]netip.AddrPort, []byte, int) []netip.AddrPort
	}{{"1.1.1.1:1", swarm.V4, compact.Parse4}, {"[2001::1]:1", swarm.V6, compact.Parse6}} {
		p := udpFrom(t, tr, tc.addr)
		r := p.announce(udpwire.AnnounceRequest{Left: 1, NumWant: 5000})
		got := tc.parse(nil, r.Peers, 10_000)
		if len(got) == 0 || 20+len(r.Peers) > maxReply || crowd.asked != tc.family {
			t.Errorf("%s: %d peers, %d bytes, asked for family %d", tc.addr, len(got), len(r.Peers), crowd.asked)
		}
		for _, a := range got {
			if a.Port() != 4 || a.Addr().Is6() != (tc.family == swarm.V6) {
				t.Errorf("%s was given %s", tc.addr, a)
			}
		}
		if r := p.announce(udpwire.AnnounceRequest{Left: 1, NumWant: 0}); len(r.Peers) > 0 {
			t.Errorf("%d bytes of peers that nobody wanted", len(r.Peers))
		}
	}
}

func TestUDPScrape(t *testing.T) {
	tr := newServer(t, func(c *core.Config) { c.Scrape = 3 })
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
	tr := newServer(t, nil)
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

// BEP 15: "do not expect packets to be exactly of a certain size".
func TestUDPTakesLongerPackets(t *testing.T) {
	tr := newServer(t, nil)
	p := udpFrom(t, tr, "1.1.1.1:1000")
	more := func(b []byte) []byte { return append(b, "\x00 and what a later version may add"...) }
	for _, tc := range []struct {
		packet []byte
		want   udpwire.Action
	}{
		{udpwire.AppendConnect(nil, 1), udpwire.Connect},
		{udpwire.AppendAnnounce(nil, p.conn, 1, &udpwire.AnnounceRequest{Port: 1}), udpwire.Announce},
		{udpwire.AppendScrape(nil, p.conn, 1, raw20("hash")), udpwire.Scrape},
	} {
		if r, ok := p.ask(more(tc.packet)); !ok || r.Action != tc.want || r.Txn != 1 {
			t.Errorf("%+v, want action %d", r, tc.want)
		}
	}
}

// BEP 15: num_want is "-1 by default".
func TestUDPNumWant(t *testing.T) {
	tr := newServer(t, nil)
	p := udpFrom(t, tr, "9.9.9.9:9")
	for i := range 100 {
		udpFrom(t, tr, netip.AddrPortFrom(netip.AddrFrom4([4]byte{1, 1, 1, byte(i)}), 1000).String()).announce(udpwire.AnnounceRequest{Left: 5})
	}
	for _, tc := range []struct{ numWant, want int }{{-1, 50}, {-1000, 50}, {0, 0}, {7, 7}, {99, 99}, {1000, 100}} {
		r := p.announce(udpwire.AnnounceRequest{Left: 5, NumWant: int32(tc.numWant)})
		if n := len(r.Peers) / compact.Len4; n != tc.want {
			t.Errorf("num_want %d: %d peers, want %d", tc.numWant, n, tc.want)
		}
	}
}

// opentracker's announce from before BEP 15 spoke of IPv6: its reply carries IPv6 peers,
// and its action, whatever brought it.
func TestUDPOldIPv6Announce(t *testing.T) {
	tr := newServer(t, nil)
	udpFrom(t, tr, "1.1.1.1:1000").announce(udpwire.AnnounceRequest{Left: 5})
	udpFrom(t, tr, "[2001::1]:1000").announce(udpwire.AnnounceRequest{Left: 5})
	for _, addr := range []string{"[2001::2]:1000", "1.1.1.2:1000"} {
		p := udpFrom(t, tr, addr)
		b := udpwire.AppendAnnounce(nil, p.conn, 5, &udpwire.AnnounceRequest{InfoHash: raw20("hash"), PeerID: raw20(addr), Left: 5, Port: 1000, NumWant: 1})
		b[11] = byte(udpwire.Announce6)
		b = append(b[:84:84], append(make([]byte, 16), b[88:]...)...)
		r, ok := p.ask(b)
		if got := compact.Parse6(nil, r.Peers, 9); !ok || r.Action != udpwire.Announce6 || len(got) != 1 || !got[0].Addr().Is6() {
			t.Errorf("%s: %+v, peers %v", addr, r, got)
		}
	}
}

// BEP 41: the query of the tracker's URL comes in options behind the announce.
func TestUDPQuery(t *testing.T) {
	var got *core.Client
	tr := newServer(t, func(c *core.Config) {
		c.AllowAnnounce = func(c *core.Client, _ [20]byte) error {
			copied := *c
			got = &copied
			if c.Query == "token=wrong" {
				return errNotServed
			}
			return nil
		}
	})
	p := udpFrom(t, tr, "1.1.1.1:1000")
	long := strings.Repeat("y", 400)
	for _, tc := range []struct{ name, options, query string }{
		{"none", "", ""},
		{"path alone", "\x02\x09/announce", ""},
		{"query", "\x02\x0e/announce?t=1&", "t=1&"},
		{"in parts", "\x02\x05/a?to\x01\x02\x03ken\x02\x03=wr\x00", "token=wr"},
		{"unknown option first", "\x42\x03???\x02\x05/?t=2", "t=2"},
		{"two question marks", "\x02\x06/?t=?2", "t=?2"},
		{"after the end", "\x00\x02\x05/?t=2", ""},
		{"more than one option holds", "\x02\xff/?" + long[:253] + "\x02\x93" + long[253:], long},
	} {
		b := udpwire.AppendAnnounce(nil, p.conn, 5, &udpwire.AnnounceRequest{InfoHash: raw20("hash"), Port: 1})
		r, ok := p.ask(append(b, tc.options...))
		if !ok || r.Action != udpwire.Announce || got.Query != tc.query || got.Door != stats.UDP || got.Addr != p.addr.Addr() {
			t.Errorf("%s: %+v, client %+v, want query %q", tc.name, r, got, tc.query)
		}
	}
	r := p.announce(udpwire.AnnounceRequest{URLData: []byte("/announce?token=wrong")})
	if r.Action != udpwire.Error || string(r.Message) != errNotServed.Error() {
		t.Errorf("%+v", r)
	}
}

func TestUDPScrapeOfMany(t *testing.T) {
	for _, tc := range []struct{ limit, want int }{{70, 70}, {10, 10}, {1000, udpwire.MaxScrape}} {
		tr := newServer(t, func(c *core.Config) { c.Scrape = tc.limit })
		p := udpFrom(t, tr, "1.1.1.1:1000")
		b := udpwire.AppendScrape(nil, p.conn, 9, make([][20]byte, udpwire.MaxScrape)...)
		r, ok := p.ask(append(b, make([]byte, 400)...))
		if n := len(r.Counters) / 12; !ok || n != tc.want {
			t.Errorf("limit %d: %d counters, want %d", tc.limit, n, tc.want)
		}
	}
}

// A flood under false addresses gets silence after a while, and stops nobody.
func TestUDPFlood(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	tr := newServer(t, func(c *core.Config) { c.Now = func() time.Time { return now } })
	honest := udpFrom(t, tr, "1.1.1.1:1000")
	w := tr.newWorker()
	honest.w = w
	flood := func() (answers int) {
		for i := range 5 * maxErrorReplies {
			from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{2, byte(i >> 16), byte(i >> 8), byte(i)}), 7)
			packet := udpwire.AppendAnnounce(nil, uint64(i)*0x9e3779b97f4a7c15, 1, &udpwire.AnnounceRequest{InfoHash: [20]byte{byte(i), byte(i >> 8)}, Port: 7})
			if i%2 == 0 {
				packet = udpwire.AppendScrape(nil, uint64(i), 1, [20]byte{})
			}
			w.now = now
			out := w.handle(nil, packet, from, netip.Addr{})
			if len(out) > len(packet) {
				t.Fatalf("%d bytes got %d", len(packet), len(out))
			}
			if len(out) > 0 {
				answers++
			}
		}
		return answers
	}
	for range 2 {
		if n := flood(); n != maxErrorReplies {
			t.Errorf("%d answers in a second", n)
		}
		if r := honest.announce(udpwire.AnnounceRequest{}); r.Action != udpwire.Announce {
			t.Errorf("an honest peer got %+v", r)
		}
		now = now.Add(time.Second)
	}
	held, sum := tr.cfg.Core.Totals(), tr.cfg.Counters.Sum()
	if held.Swarms != 1 || held.TCPPeers != 1 || sum.Refused[stats.UDP] != 10*maxErrorReplies {
		t.Errorf("%+v, %+v", held, sum)
	}
	if sum.Limits[limit.ConnectionID] != 10*maxErrorReplies || sum.Limits[limit.UDPErrors] != 8*maxErrorReplies {
		t.Errorf("counted %v", sum.Limits)
	}
}

func TestUDPRates(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	tr := newServer(t, func(c *core.Config) {
		c.Now = func() time.Time { return now }
		c.Clients = limit.NewClients(limit.ClientsConfig{AnnouncesPerAddr: limit.Rate{PerSecond: 1, Burst: 3}})
	})
	a, b := udpFrom(t, tr, "1.1.1.1:1000"), udpFrom(t, tr, "1.1.1.2:1000")
	for i := range 5 {
		r := a.announce(udpwire.AnnounceRequest{Port: uint16(1000 + i)})
		if allowed := r.Action == udpwire.Announce; allowed != (i < 3) || !allowed && string(r.Message) != limit.AnnouncesPerAddr.Error() {
			t.Errorf("announce %d: %+v", i, r)
		}
	}
	if r, _ := a.ask(udpwire.AppendScrape(nil, a.conn, 9, raw20("hash"))); r.Action != udpwire.Error {
		t.Errorf("a scrape above the limit: %+v", r)
	}
	if r := b.announce(udpwire.AnnounceRequest{}); r.Action != udpwire.Announce {
		t.Errorf("another address: %+v", r)
	}
	now = now.Add(time.Second)
	if r := a.announce(udpwire.AnnounceRequest{}); r.Action != udpwire.Announce {
		t.Errorf("a second later: %+v", r)
	}
}

// Everything a packet needs is there before it comes.
func TestUDPAllocatesNothing(t *testing.T) {
	tr := newServer(t, func(c *core.Config) {
		c.Clients = limit.NewClients(limit.ClientsConfig{AnnouncesPerAddr: limit.Rate{PerSecond: 1e9, Burst: 1e6}})
	})
	for i := range 300 {
		udpFrom(t, tr, netip.AddrPortFrom(netip.AddrFrom4([4]byte{1, 1, byte(i >> 8), byte(i)}), 1000).String()).announce(udpwire.AnnounceRequest{Left: 5})
		udpFrom(t, tr, netip.AddrPortFrom(netip.AddrFrom16([16]byte{0x20, 1, 14: byte(i >> 8), 15: byte(i)}), 1000).String()).announce(udpwire.AnnounceRequest{Left: 5})
	}
	for _, addr := range []string{"3.3.3.3:3", "[2003::3]:3"} {
		p := udpFrom(t, tr, addr)
		request := func(event uint32, numWant int32) []byte {
			return udpwire.AppendAnnounce(nil, p.conn, 5, &udpwire.AnnounceRequest{InfoHash: raw20("hash"), PeerID: raw20(addr), Left: 5,
				Event: event, NumWant: numWant, Port: 3, URLData: []byte("/announce?key=" + strings.Repeat("k", 300))})
		}
		packets := map[string][]byte{
			"connect": udpwire.AppendConnect(nil, 1), "announce": request(0, -1), "announce for many": request(0, 10_000),
			"stop": request(udpwire.EventStopped, 0), "scrape": udpwire.AppendScrape(nil, p.conn, 5, raw20("hash"), raw20("other")),
			"wrong id": udpwire.AppendAnnounce(nil, p.conn+1, 5, &udpwire.AnnounceRequest{}), "garbage": []byte("garbage"),
		}
		out := make([]byte, 0, 1500)
		for name, packet := range packets {
			if n := testing.AllocsPerRun(200, func() { p.w.handle(out, packet, p.addr, netip.Addr{}) }); n > 0 {
				t.Errorf("%s from %s: %v allocations", name, addr, n)
			}
		}
	}
}

func FuzzHandleUDP(f *testing.F) {
	tr := newServer(f, func(c *core.Config) { c.Swarms, c.Peers = 1000, 1000 })
	f.Add(udpwire.AppendConnect(nil, 1), true)
	f.Add(udpwire.AppendAnnounce(nil, 0, 2, &udpwire.AnnounceRequest{Port: 1, NumWant: -1}), true)
	f.Add(udpwire.AppendScrape(nil, 0, 2, [20]byte{1}), false)
	w := tr.newWorker()
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
		if len(out) > maxReply {
			t.Fatalf("%d bytes", len(out))
		}
		if proven := len(b) >= 16 && w.request.Action != udpwire.Connect && tr.ids.valid(&w.scratch, w.request.ConnID, addr.Addr(), w.now); !proven && len(out) > len(b) {
			t.Fatalf("%x, which anybody could have sent, got %d bytes", b, len(out))
		}
		if len(out) > 0 {
			if _, err := udpwire.ParseReply(out); err != nil {
				t.Fatal(err)
			}
		}
	})
}
