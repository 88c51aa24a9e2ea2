//go:build !js

package trackerclient

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/signal"
	"github.com/shoal-p2p/shoal/metainfo"
	"github.com/shoal-p2p/shoal/tracker"
)

func (c *evilConn) reply(more string) {
	c.t.Helper()
	c.send(`{"action":"announce","info_hash":` + key() + `,"interval":3600,"complete":1,"incomplete":1` + more + `}`)
}

const (
	relayJSON = `,"ice_servers":[{"urls":"stun:192.0.2.1:3478"},{"urls":["turn:192.0.2.1:3478?transport=udp","turns:turn.example:443?transport=tcp"],"username":"1767229200:a","credential":"x+/="}]`
	relayURLs = "stun:192.0.2.1:3478 turn:1767229200:a:x+/=@192.0.2.1:3478?transport=udp turns:1767229200:a:x+/=@turn.example:443?transport=tcp"
)

func TestServersFromATracker(t *testing.T) {
	asked := make(chan string, 10)
	tr, addr := startTracker(t, tracker.Config{ICEServers: func(c *tracker.Client) []byte {
		asked <- c.Addr.String()
		return []byte(`[{"urls":"stun:192.0.2.1:3478"}]`)
	}})
	url := "ws://" + addr + "/announce"
	n := newNode(t, newNet(), nil)
	n.start(1, 5, 0, url)
	n.announced(t, url)
	if got := n.host.handed(); got != "stun:192.0.2.1:3478" {
		t.Errorf("WebRTC is told of %q", got)
	}
	// Another torrent of the same client need not ask.
	n.c.Start(Announcement{Key: metainfo.Hash{9}, PeerID: [20]byte{1}, Trackers: [][]string{{url}}})
	eventually(t, "two torrents are announced", func() bool { return tr.Stats().WebRTCPeers == 2 })
	if len(asked) != 1 {
		t.Errorf("asked %d times", len(asked))
	}
}

func TestServersAreNotAskedForByThoseWhoHaveTheirOwn(t *testing.T) {
	e := newEvilTracker(t)
	n := newNode(t, newNet(), func(c *Config) { c.NoHandedServers = true })
	n.start(1, 5, 0, e.url)
	c, a := e.accept(t)
	c.reply(relayJSON)
	n.announced(t, e.url)
	if a.WantsICE || n.host.handed() != "" {
		t.Errorf("asked: %v, told of %q", a.WantsICE, n.host.handed())
	}
}

// Offers made before the relay was known are of no use to the peers that need it. So the
// first announce asks for servers, and the offers go out when its reply is there.
func TestOffersWaitForServers(t *testing.T) {
	for name, reply := range map[string]string{"a relay": relayJSON, "none": ""} {
		t.Run(name, func(t *testing.T) {
			e := newEvilTracker(t)
			n := newNode(t, newNet(), nil)
			n.start(1, 5, 1, e.url)
			c, first := e.accept(t)
			if made, _, _ := n.host.counts(); !first.WantsICE || len(first.Offers) != 0 || first.Event != signal.EventStarted || made != 0 {
				t.Fatalf("%+v, %d offers made", first, made)
			}
			c.reply(reply)
			if second := c.recv(); second.WantsICE || len(second.Offers) != 1 || second.Event != "" {
				t.Errorf("%+v", second)
			}
		})
	}
}

func TestNoOffersForNobody(t *testing.T) {
	_, addr := startTracker(t, tracker.Config{})
	url := "ws://" + addr + "/announce"
	n := newNode(t, newNet(), nil)
	n.start(1, 5, 5, url)
	n.announced(t, url)
	other := newNode(t, newNet(), nil) // this reply comes after whatever the first has still to do
	other.c.Start(Announcement{Key: metainfo.Hash{9}, PeerID: [20]byte{1}, Trackers: [][]string{{url}}})
	other.announced(t, url)
	if made, _, _ := n.host.counts(); made != 0 {
		t.Errorf("%d offers made", made)
	}
}

// One torrent asks, the others on the connection wait for the reply.
func TestOffersOfOtherTorrentsWaitForServersToo(t *testing.T) {
	e := newEvilTracker(t)
	n := newNode(t, newNet(), nil)
	n.start(1, 5, 1, e.url)
	c, _ := e.accept(t)
	other := metainfo.Hash{9}
	n.c.Start(Announcement{Key: other, PeerID: [20]byte{1}, Trackers: [][]string{{e.url}}, WantPeers: func() int { return 1 }})
	c.send(`{"action":"announce","info_hash":` + key() + `,"failure reason":"later"}`)
	// It is the other's turn to ask now: the first waits after its failure.
	second := c.recv()
	if second.InfoHash != other || !second.WantsICE || len(second.Offers) != 0 {
		t.Fatalf("%+v", second)
	}
	c.send(`{"action":"announce","info_hash":` + idText(other) + `,"interval":3600,"complete":1,"incomplete":1` + relayJSON + `}`)
	for range 2 {
		if a := c.recv(); len(a.Offers) != 1 || a.WantsICE {
			t.Errorf("%+v", a)
		}
	}
	if got := n.host.handed(); got != relayURLs {
		t.Errorf("WebRTC is told of %q", got)
	}
}

// A tracker that keeps silent does not keep other torrents from making offers.
func TestOffersDoNotWaitForServersForEver(t *testing.T) {
	e := newEvilTracker(t)
	n := newNode(t, newNet(), nil)
	n.start(1, 5, 1, e.url)
	c, _ := e.accept(t)
	other := metainfo.Hash{9}
	n.c.Start(Announcement{Key: other, PeerID: [20]byte{1}, Trackers: [][]string{{e.url}}, WantPeers: func() int { return 1 }})
	if a := c.recv(); a.InfoHash != other || len(a.Offers) != 1 {
		t.Errorf("%+v", a)
	}
}

// Where another tracker is the one that knows a relay, offers are made anew.
func TestOffersAreMadeAnewWithARelay(t *testing.T) {
	plain, relay := newEvilTracker(t), newEvilTracker(t)
	n := newNode(t, newNet(), func(c *Config) { c.relayHurry = 10 * time.Millisecond })
	n.start(1, 5, 1, plain.url, relay.url)
	c, _ := plain.accept(t)
	c.reply("")
	first := c.recv()
	if len(first.Offers) != 1 {
		t.Fatalf("%+v", first)
	}
	c.reply("")
	eventually(t, "it is heard", func() bool { _, reports := n.get(plain.url); return reports == 2 })
	r, _ := relay.accept(t)
	r.reply(relayJSON)
	second := c.recv()
	if second.WantsICE || len(second.Offers) != 1 || second.Offers[0].ID == first.Offers[0].ID {
		t.Errorf("after %x comes %+v", first.Offers[0].ID, second)
	}
	if got := n.host.handed(); got != relayURLs {
		t.Errorf("WebRTC is told of %q", got)
	}
	// The first offer is still open: some peer may have it.
	c.send(`{"action":"announce","info_hash":` + key() + `,"peer_id":` + key() + `,"offer_id":` + idText(first.Offers[0].ID) +
		`,"answer":{"type":"answer","sdp":"answer to ` + string(first.Offers[0].SDP) + `"}}`)
	eventually(t, "it is answered", func() bool { out, _ := n.conns(); return out == 1 })
}

// An offer that is being made when a relay becomes known is made without it.
func TestOffersInTheMakingAreMadeAnew(t *testing.T) {
	host := &fakeHost{net: newNet()}
	c := newClient(Config{Sink: newSink(), rtc: host}) // without its loop
	tor := newTorrent(c, Announcement{Key: swarmKey})
	tor.startWS(nil)
	now := time.Now()
	for range tor.pool.Want(now, 1) {
		tor.offerAnew(now)
		tor.makeOffer(0)
	}
	c.deliver(now)
	if made, _, live := host.counts(); made != 1 || live != 0 || tor.pool.Want(now, 1) != 1 {
		t.Errorf("%d of %d offers are live", live, made)
	}
}

// Who has found a relay offers again, while its first offer is still being answered in vain.
func TestAnOfferWithARelayIsAnsweredBesidesOneWithout(t *testing.T) {
	e := newEvilTracker(t)
	net := newNet()
	n := newNode(t, net, nil)
	n.start(1, 5, 0, e.url)
	c, _ := e.accept(t)
	offer := func(peer, id int, sdp string) {
		net.mu.Lock()
		net.offers[sdp] = &fakePending{ready: make(chan struct{})} // never accepted
		net.mu.Unlock()
		c.send(offerMsg(peer, id, sdp))
	}
	answered := func() string { return c.recv().Answer.String() }
	offer(1, 1, "host")
	if got := answered(); got != "answer to host" {
		t.Errorf("%q", got)
	}
	offer(1, 2, "host again")
	offer(1, 3, "a=candidate:1 1 udp 1 192.0.2.1 9 typ relay")
	if got := answered(); !strings.HasSuffix(got, "typ relay") {
		t.Errorf("%q", got)
	}
	offer(1, 4, "another a=candidate:1 1 udp 1 192.0.2.1 9 typ relay")
	offer(2, 1, "of somebody else")
	if got := answered(); got != "answer to of somebody else" {
		t.Errorf("%q", got)
	}
}

func idText(id [20]byte) string {
	m := signal.Reply{InfoHash: id, FailureReason: "x"}
	b := m.Append(nil)
	const before, after = `{"action":"announce","info_hash":`, `,"failure reason":"x"}`
	return string(b[len(before) : len(b)-len(after)])
}

func TestServersNobodyAskedFor(t *testing.T) {
	e := newEvilTracker(t)
	n := newNode(t, newNet(), nil)
	n.start(1, 5, 0, e.url)
	c, _ := e.accept(t)
	c.reply("")
	n.announced(t, e.url)
	c.reply(relayJSON)
	c.send(`{"action":"announce","info_hash":` + key() + `,"interval":3600,"complete":7,"incomplete":1,"ice_servers":[{"urls":"stun:192.0.2.9:1"}]}`)
	eventually(t, "they are read", func() bool { st, _ := n.get(e.url); return st.Seeders == 7 })
	if got := n.host.handed(); got != "" {
		t.Errorf("WebRTC is told of %q", got)
	}
}

// A tracker that refuses an announce has given no servers with it.
func TestServersAreAskedForAgain(t *testing.T) {
	e := newEvilTracker(t)
	n := newNode(t, newNet(), nil)
	n.start(1, 5, 0, e.url)
	c, a := e.accept(t)
	c.send(`{"action":"announce","info_hash":` + key() + `,"failure reason":"later"}`)
	if b := c.recv(); !a.WantsICE || !b.WantsICE {
		t.Errorf("asked: %v, then %v", a.WantsICE, b.WantsICE)
	}
	c.reply(relayJSON)
	eventually(t, "they are taken", func() bool { return n.host.handed() == relayURLs })
	// On a new connection they are asked for again; a tracker may have none any more.
	c.ws.CloseNow()
	c, a = e.accept(t)
	if !a.WantsICE {
		t.Error("not asked on a new connection")
	}
	if n.host.handed() != relayURLs {
		t.Error("forgotten with the connection")
	}
	c.reply("")
	eventually(t, "they are forgotten", func() bool { return n.host.handed() == "" })
}

func TestServersOfSeveralTrackers(t *testing.T) {
	n := newNode(t, newNet(), nil)
	var handles []*Handle
	for i := range 2 {
		e := newEvilTracker(t)
		h := n.c.Start(Announcement{Key: swarmKey, PeerID: [20]byte{1}, Trackers: [][]string{{e.url}}})
		handles = append(handles, h)
		c, _ := e.accept(t)
		c.reply(`,"ice_servers":[{"urls":"stun:192.0.2.` + strconv.Itoa(i) + `:1"}]`)
		n.announced(t, e.url)
	}
	if got := n.host.handed(); got != "stun:192.0.2.1:1 stun:192.0.2.0:1" {
		t.Errorf("of two, the latest first: %q", got)
	}
	handles[1].Stop(t.Context())
	eventually(t, "they go with their tracker", func() bool { return n.host.handed() == "stun:192.0.2.0:1" })
}
