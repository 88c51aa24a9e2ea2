package core

import (
	"encoding/json"
	"errors"
	"net/netip"
	"strconv"
	"testing"

	"github.com/shoal-p2p/shoal/internal/netaddr"
	"github.com/shoal-p2p/shoal/internal/signal"
	"github.com/shoal-p2p/shoal/internal/tracker/limit"
	"github.com/shoal-p2p/shoal/internal/tracker/stats"
	"github.com/shoal-p2p/shoal/internal/tracker/swarm"
	"github.com/shoal-p2p/shoal/internal/tracker/wsframe"
)

// A notebook is a Peering that writes down what it is told.
type notebook struct {
	counts    map[swarm.Hash]Counts
	elsewhere Counts
	offers    []swarm.Role // a line for each offer
}

func (*notebook) Start(Local)                                              {}
func (p *notebook) Changed(h swarm.Hash, n Counts)                         { p.counts[h] = n }
func (p *notebook) Elsewhere(swarm.Hash) Counts                            { return p.elsewhere }
func (*notebook) Close() error                                             { return nil }
func (*notebook) Answer(_ swarm.Hash, _, _ swarm.PeerID, _ RemoteSDP) bool { return false }
func (p *notebook) Offers(_ swarm.Hash, _ swarm.PeerID, r swarm.Role, offers []RemoteSDP) {
	for range offers {
		p.offers = append(p.offers, r)
	}
}
func (*notebook) TCPPeers(_ swarm.Hash, _ swarm.Family, _ netaddr.Scope, _ swarm.Role, _ int, dst []swarm.TCPPeer) []swarm.TCPPeer {
	return dst
}

// listen makes a connection whose messages are written down.
func listen(t *testing.T, c *Core, client *Client) (s *Session, got *[]signal.Reply) {
	t.Helper()
	got = new([]signal.Reply)
	s = c.newSession(client, limit.Slot{})
	c.conns.Attach(&s.conn, s, func(b []byte) {
		for len(b) > 0 {
			h, n, err := wsframe.ParseHeader(b)
			if err != nil || n == 0 {
				t.Fatalf("%q: %v", b, err)
			}
			var r signal.Reply
			if text := b[n : n+h.Len]; h.Op == wsframe.Text {
				if err := r.Parse([]byte(string(text)), signal.Limits{}); err != nil || !json.Valid(text) {
					t.Fatalf("%q: %v", text, err)
				}
				*got = append(*got, r)
			}
			b = b[n+h.Len:]
		}
	})
	t.Cleanup(func() {
		b := c.conns.Begin()
		s.conn.Detach(b)
		c.conns.End(b)
	})
	return s, got
}

func say(c *Core, s *Session, m signal.Announce) {
	b := c.conns.Begin()
	s.Message(b, m.Append(nil))
	c.conns.End(b)
}

func offersOf(n int) (all []signal.Offer) {
	for i := range n {
		all = append(all, signal.Offer{SDP: signal.NewSDP("sdp"), ID: id(strconv.Itoa(i)), HasID: true})
	}
	return all
}

var errDenied = errors.New("not here")

// A large swarm is emptied in parts; whoever came by WebSocket is told, and the other nodes.
func TestEvict(t *testing.T) {
	book := &notebook{counts: map[swarm.Hash]Counts{}}
	cfg := config()
	cfg.Peering = book
	denied := map[swarm.Hash]bool{}
	cfg.AllowAnnounce = func(_ *Client, h [20]byte) error {
		if denied[h] {
			return errDenied
		}
		return nil
	}
	c := start(t, cfg)
	bad, good := id("bad"), id("good")
	var got []*[]signal.Reply
	var tabs []*Session
	const peers = evictPart + 10
	for i := range peers {
		s, replies := listen(t, c, &Client{Addr: netip.MustParseAddr("127.0.0.1")})
		tabs, got = append(tabs, s), append(got, replies)
		say(c, s, signal.Announce{InfoHash: bad, PeerID: id(strconv.Itoa(i)), Left: 1})
	}
	say(c, tabs[0], signal.Announce{InfoHash: good, PeerID: id("0"), Left: 1})
	for i := range 5 {
		c.AnnounceTCP(c.shared, cfg.Now(), stats.HTTP, swarm.TCPAnnounce{Hash: bad, Addr: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), uint16(i+1)), Left: 1}, nil)
	}
	if n := book.counts[bad]; n.RTCLeechers != peers || n.TCPLeechers != 5 {
		t.Fatalf("%+v", n)
	}
	denied[bad] = true
	check := func(h swarm.Hash) error { return cfg.AllowAnnounce(nil, h) }
	if swarms, n := c.Evict(check); swarms != 1 || n != peers+5 {
		t.Errorf("%d swarms and %d peers were ended", swarms, n)
	}
	if n := c.Totals(); n.RTCPeers != 1 || n.TCPPeers != 0 {
		t.Errorf("%+v are left", n)
	}
	if book.counts[bad] != (Counts{}) || book.counts[good].RTCLeechers != 1 {
		t.Errorf("the other nodes know %+v", book.counts)
	}
	for i, all := range got {
		last := (*all)[len(*all)-1]
		if last.FailureReason != errDenied.Error() || last.InfoHash != bad || tabs[i].conn.Gone() {
			t.Fatalf("tab %d: %+v", i, last)
		}
	}
	if swarms, n := c.Evict(check); swarms != 0 || n != 0 {
		t.Errorf("once more: %d swarms and %d peers", swarms, n)
	}
	// Offers of other nodes that are still on their way find nobody.
	if n := (local{c}).DeliverOffers(bad, id("far"), swarm.Role{}, []RemoteSDP{{SDP: signal.NewSDP("sdp")}}); n != 0 {
		t.Errorf("%d offers are delivered", n)
	}
}

// Who is refused is no member any more: nobody is introduced to somebody whom the tracker does not serve.
func TestRefusedPeersLeave(t *testing.T) {
	book := &notebook{counts: map[swarm.Hash]Counts{}}
	cfg := config()
	cfg.Peering = book
	refuse := false
	cfg.AllowAnnounce = func(c *Client, _ [20]byte) error {
		if refuse && c.PeerID == id("a") {
			return errDenied
		}
		return nil
	}
	c, h := start(t, cfg), id("hash")
	a, toA := listen(t, c, &Client{Addr: netip.MustParseAddr("127.0.0.1")})
	b, _ := listen(t, c, &Client{Addr: netip.MustParseAddr("127.0.0.1")})
	say(c, a, signal.Announce{InfoHash: h, PeerID: id("a"), Left: 1})
	refuse = true
	say(c, a, signal.Announce{InfoHash: h, PeerID: id("a"), Left: 1})
	if n := c.Totals().RTCPeers; n != 0 || len(a.peers) != 0 || book.counts[h] != (Counts{}) {
		t.Errorf("%d are left, %v, %+v", n, a.peers, book.counts)
	}
	before := len(*toA)
	say(c, b, signal.Announce{InfoHash: h, PeerID: id("b"), Left: 1, NumWant: 1, Offers: offersOf(1)})
	if len(*toA) != before {
		t.Errorf("it gets %+v", (*toA)[before:])
	}
	refuse = false
	say(c, a, signal.Announce{InfoHash: h, PeerID: id("a"), Left: 1})
	if n := c.Totals().RTCPeers; n != 2 || len(a.peers) != 1 {
		t.Errorf("%d, %v", n, a.peers)
	}
}

// A viewer keeps none of its offers back for other nodes where nobody is whom it may meet.
func TestOffersForOtherNodesByTrust(t *testing.T) {
	book := &notebook{counts: map[swarm.Hash]Counts{}, elsewhere: Counts{RTCLeechers: 100}}
	cfg := config()
	cfg.Peering, cfg.TrustedOnly = book, true
	c, h := start(t, cfg), id("stream")
	at := netip.MustParseAddr("127.0.0.1")
	for i := range 10 {
		s, _ := listen(t, c, &Client{Addr: at, Trust: swarm.Trusted})
		say(c, s, signal.Announce{InfoHash: h, PeerID: id("t" + strconv.Itoa(i)), Left: 1})
	}
	if n := book.counts[h]; n.TrustedLeechers != 10 || n.RTCLeechers != 10 {
		t.Errorf("%+v", n)
	}
	viewer, _ := listen(t, c, &Client{Addr: at})
	sent := func(s *Session, name string) (roles []swarm.Role) {
		for range 6 {
			say(c, s, signal.Announce{InfoHash: h, PeerID: id(name), Left: 1, NumWant: 5, Offers: offersOf(5)})
		}
		roles, book.offers = book.offers, nil
		return roles
	}
	if got := sent(viewer, "v"); len(got) != 0 {
		t.Errorf("%v", got)
	}
	book.elsewhere.TrustedLeechers = 1
	viewer, _ = listen(t, c, &Client{Addr: at})
	if got := sent(viewer, "w"); len(got) == 0 || got[0] != (swarm.Role{Trust: swarm.Limited}) {
		t.Errorf("with a trusted peer elsewhere: %v", got)
	}
	trusted, _ := listen(t, c, &Client{Addr: at, Trust: swarm.Trusted})
	if got := sent(trusted, "t"); len(got) == 0 || got[0] != (swarm.Role{Trust: swarm.Trusted}) {
		t.Errorf("of a trusted peer: %v", got)
	}
}
