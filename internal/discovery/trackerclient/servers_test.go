//go:build !js

package trackerclient

import (
	"strconv"
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

// Offers made before the relay was known are of no use to the peers that need it.
func TestOffersAreMadeAnewWithARelay(t *testing.T) {
	e := newEvilTracker(t)
	n := newNode(t, newNet(), func(c *Config) { c.relayHurry = 10 * time.Millisecond })
	n.start(1, 5, 1, e.url)
	c, first := e.accept(t)
	if !first.WantsICE || len(first.Offers) != 1 {
		t.Fatalf("%+v", first)
	}
	c.reply(relayJSON)
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
