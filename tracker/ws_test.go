package tracker

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/shoal-p2p/shoal/internal/tracker/core"
	"github.com/shoal-p2p/shoal/internal/tracker/wsconn"
)

// Peers that came together are told different intervals, and longer ones when they are many.
func TestIntervals(t *testing.T) {
	_, srv := start(t, Config{WSInterval: 10 * time.Second, Limits: Limits{AnnouncesPerSecond: 1}})
	c := dial(t, srv)
	var first, last []float64
	for i := range 20 {
		interval, _ := c.announce(fmt.Sprint("hash", i%5), "a", nil)["interval"].(float64)
		first = append(first, interval)
	}
	for i := range 30 {
		c.announce(fmt.Sprint("hash", i), "a", nil)
	}
	for range 20 {
		interval, _ := c.announce("hash1", "a", nil)["interval"].(float64)
		last = append(last, interval)
	}
	for _, tc := range []struct {
		got         []float64
		least, most float64
	}{{first, 9, 11}, {last, 27, 33}} {
		slices.Sort(tc.got)
		if n := len(tc.got) - 1; tc.got[0] < tc.least || tc.got[n] > tc.most || tc.got[0] == tc.got[n] {
			t.Errorf("intervals %v, want some from %v to %v", tc.got, tc.least, tc.most)
		}
	}
}

func TestAnnounceOfferAnswer(t *testing.T) {
	tr, srv := start(t, Config{WSInterval: 90 * time.Second})
	a, b := dial(t, srv), dial(t, srv)
	m := a.announce("hash", "a", msg{"event": "started", "left": 0, "offers": offers("unused"), "numwant": 5})
	m.counts(t, 1, 0)
	// A tenth more or less than 90, by chance.
	if interval, _ := m["interval"].(float64); m["action"] != "announce" || interval < 81 || interval > 99 || m["info_hash"] != bin20("hash") {
		t.Errorf("reply: %v", m)
	}
	m = b.announce("hash", "b", msg{"event": "started", "offers": offers("o1", "o2"), "numwant": 5})
	m.counts(t, 1, 1) // the reply comes first
	b.nothingElse()   // and nobody gets its own offer

	offer := a.recv()
	want := msg{"action": "announce", "info_hash": bin20("hash"), "peer_id": bin20("b"), "offer_id": offer["offer_id"],
		"offer": map[string]any{"type": "offer", "sdp": offer["offer"].(map[string]any)["sdp"]}}
	equal(t, offer, want)
	if id := offer["offer_id"]; id != bin20("o1") && id != bin20("o2") {
		t.Errorf("offer id %q", id)
	}
	a.nothingElse() // one peer gets one offer

	a.send(msg{"action": "announce", "info_hash": bin20("hash"), "peer_id": bin20("a"), "to_peer_id": bin20("b"),
		"offer_id": offer["offer_id"], "answer": msg{"type": "answer", "sdp": "back\r\n"}})
	a.nothingElse() // an answer gets no reply
	equal(t, b.recv(), msg{"action": "announce", "info_hash": bin20("hash"), "peer_id": bin20("a"), "offer_id": offer["offer_id"],
		"answer": map[string]any{"type": "answer", "sdp": "back\r\n"}})

	if st := tr.Stats(); st.Offers != 1 || st.Answers != 1 || st.Announces[WebSocket] != 2 || st.WebRTCPeers != 2 || st.Seeders != 1 || st.Conns != 2 {
		t.Errorf("%+v", st)
	}
}

func equal(t *testing.T, got, want msg) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for k := range want {
		g, w := got[k], want[k]
		if gm, ok := g.(map[string]any); ok {
			equal(t, gm, w.(map[string]any))
		} else if g != w {
			t.Errorf("%s is %q, want %q", k, g, w)
		}
	}
}

func TestRelayCarriesTheDescriptionUnchanged(t *testing.T) {
	_, srv := start(t, Config{})
	a, b := dial(t, srv), dial(t, srv)
	a.announce("hash", "a", nil)
	sdp := "v=0\r\no=- \"quoted\" \\ / \u00e9 \u4e16 \U0001F600 \x01 end"
	b.announce("hash", "b", msg{"offers": []any{msg{"offer": msg{"type": "offer", "sdp": sdp, "extra": 1}, "offer_id": bin20("\x00\u00ff")}}})
	m := a.recv()
	equal(t, m["offer"].(map[string]any), msg{"type": "offer", "sdp": sdp})
	if m["offer_id"] != bin20("\x00\u00ff") {
		t.Errorf("offer id %q", m["offer_id"])
	}
}

// Each of these is sent by a client in the wild.
func TestAnnouncesOfRealClients(t *testing.T) {
	for _, tc := range []struct {
		name                 string
		more                 msg
		complete, incomplete float64
	}{
		{"anacrolix: event <regular>", msg{"event": "<regular>", "numwant": 1}, 0, 1},
		{"libtorrent: event paused", msg{"event": "paused", "key": "0a1b2c3d", "corrupt": 0}, 0, 1},
		{"event empty", msg{"event": ""}, 0, 1},
		{"event null", msg{"event": nil}, 0, 1},
		{"event update", msg{"event": "update"}, 0, 1},
		{"left null", msg{"left": nil}, 0, 1},
		{"left negative", msg{"left": -1}, 0, 1},
		{"left a fraction", msg{"left": 0.5}, 0, 1},
		{"left huge", msg{"left": 1e300}, 0, 1},
		{"left text", msg{"left": "12"}, 0, 1},
		{"left 0", msg{"left": 0}, 1, 0},
		{"completed before started", msg{"event": "completed", "left": 0}, 1, 0},
		{"numwant text", msg{"numwant": "5"}, 0, 1},
		{"numwant negative", msg{"numwant": -3}, 0, 1},
		{"offers null", msg{"offers": nil}, 0, 1},
		{"offers empty", msg{"offers": []any{}}, 0, 1},
		{"unknown fields", msg{"trackerid": nil, "x": []any{msg{"y": 1}}}, 0, 1},
		{"stopped", msg{"event": "stopped"}, 0, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, srv := start(t, Config{})
			dial(t, srv).announce("hash", "a", tc.more).counts(t, tc.complete, tc.incomplete)
		})
	}
}

func TestLeftAbsentIsALeecher(t *testing.T) {
	_, srv := start(t, Config{})
	c := dial(t, srv)
	c.send(msg{"action": "announce", "info_hash": bin20("hash"), "peer_id": bin20("a")})
	c.recv().counts(t, 0, 1)
}

func TestBinaryFramesAreRead(t *testing.T) {
	_, srv := start(t, Config{})
	c := dial(t, srv)
	b := `{"action":"announce","info_hash":"aaaaaaaaaaaaaaaaaaaa","peer_id":"bbbbbbbbbbbbbbbbbbbb","left":0}`
	if err := c.ws.Write(t.Context(), websocket.MessageBinary, []byte(b)); err != nil {
		t.Fatal(err)
	}
	c.recv().counts(t, 1, 0)
}

func TestOffersThatAreNotRelayed(t *testing.T) {
	tr, srv := start(t, Config{Limits: Limits{Offers: 3}})
	all := []*client{dial(t, srv), dial(t, srv), dial(t, srv), dial(t, srv), dial(t, srv)}
	for i, c := range all {
		c.announce("hash", "peer"+string(rune('a'+i)), nil)
	}
	c := dial(t, srv)
	count := func(more msg) uint64 {
		t.Helper()
		before := tr.Stats().Offers
		if m := c.announce("hash", "me", more); m["failure reason"] != nil {
			t.Errorf("%v", m)
		}
		c.nothingElse() // offers go out before the next request is looked at
		return tr.Stats().Offers - before
	}
	noID := []any{msg{"offer": msg{"type": "offer", "sdp": "x"}}, offers("good")[0]}
	if n := count(msg{"offers": noID}); n != 1 {
		t.Errorf("an offer without id and a good one: %d relayed, want 1", n)
	}
	if n := count(msg{"offers": offers("1", "2", "3"), "numwant": 2}); n != 2 {
		t.Errorf("numwant 2: %d relayed", n)
	}
	if n := count(msg{"offers": offers("1", "2", "3"), "numwant": 0}); n != 0 {
		t.Errorf("numwant 0: %d relayed", n)
	}
	if n := count(msg{"offers": offers("1", "2", "3", "4", "5")}); n != 3 {
		t.Errorf("more than MaxOffers: %d relayed, want 3", n)
	}
	if n := count(msg{"offers": offers("1", "2"), "event": "stopped"}); n != 0 {
		t.Errorf("stopped: %d relayed", n)
	}
}

func TestNoOffersBetweenSeeders(t *testing.T) {
	tr, srv := start(t, Config{})
	a, b, c := dial(t, srv), dial(t, srv), dial(t, srv)
	a.announce("hash", "a", msg{"left": 0})
	b.announce("hash", "b", msg{"left": 0, "offers": offers("1", "2")}).counts(t, 2, 0)
	b.nothingElse()
	if n := tr.Stats().Offers; n != 0 {
		t.Errorf("%d offers between seeders", n)
	}
	c.announce("hash", "c", msg{"left": 9})
	b.announce("hash", "b", msg{"left": 0, "offers": offers("1", "2")})
	if m := c.recv(); m["peer_id"] != bin20("b") {
		t.Errorf("the leecher got %v", m)
	}
	a.nothingElse()
}

func TestErrorsKeepTheConnection(t *testing.T) {
	_, srv := start(t, Config{Limits: Limits{Message: 20 << 10}})
	c := dial(t, srv)
	id, short, wide := bin20("x"), "short", strings.Repeat("\u4e16", 20)
	hash := bin20("hash")
	for _, tc := range []struct {
		name     string
		in       any
		wantHash any
	}{
		{"no JSON", "hello", nil},
		{"an array", "[]", nil},
		{"truncated", `{"action":"announce"`, nil},
		{"trailing bytes", `{"action":"announce"} x`, nil},
		{"no action", msg{"info_hash": hash, "peer_id": id}, hash},
		{"unknown action", msg{"action": "dance", "info_hash": hash, "peer_id": id}, hash},
		{"action is a number", msg{"action": 5, "info_hash": hash, "peer_id": id}, hash},
		{"no info_hash", msg{"action": "announce", "peer_id": id}, nil},
		{"short info_hash", msg{"action": "announce", "info_hash": short, "peer_id": id}, nil},
		{"info_hash beyond U+00FF", msg{"action": "announce", "info_hash": wide, "peer_id": id}, nil},
		{"no peer_id", msg{"action": "announce", "info_hash": hash}, hash},
		{"short peer_id", msg{"action": "announce", "info_hash": hash, "peer_id": short}, hash},
		{"short offer_id", msg{"action": "announce", "info_hash": hash, "peer_id": id, "offers": []any{msg{"offer": msg{"type": "offer", "sdp": "x"}, "offer_id": short}}}, hash},
		{"answer without to_peer_id", msg{"action": "announce", "info_hash": hash, "peer_id": id, "offer_id": id, "answer": msg{"type": "answer", "sdp": "x"}}, hash},
		{"two info_hashes", `{"action":"announce","info_hash":"aaaaaaaaaaaaaaaaaaaa","info_hash":"aaaaaaaaaaaaaaaaaaaa","peer_id":"bbbbbbbbbbbbbbbbbbbb"}`, nil},
		{"deep", `{"action":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`, nil},
	} {
		if s, ok := tc.in.(string); ok {
			c.sendRaw(s)
		} else {
			c.send(tc.in.(msg))
		}
		m := c.recv()
		if m["action"] != "announce" || m["failure reason"] == nil || len([]rune(m["info_hash"].(string))) != 20 {
			t.Errorf("%s: %v", tc.name, m)
		}
		if tc.wantHash != nil && m["info_hash"] != tc.wantHash {
			t.Errorf("%s: info_hash %q", tc.name, m["info_hash"])
		}
	}
	c.announce("hash", "a", nil).counts(t, 0, 1)
}

func TestTooManyErrorsCloseTheConnection(t *testing.T) {
	_, srv := start(t, Config{})
	c := dial(t, srv)
	for range core.MaxErrors {
		c.sendRaw("nonsense")
	}
	if code := c.closed(); code != websocket.StatusPolicyViolation {
		t.Errorf("closed with %v", code)
	}
}

func TestLargeMessageClosesTheConnection(t *testing.T) {
	_, srv := start(t, Config{Limits: Limits{Message: 1000}})
	c := dial(t, srv)
	c.sendRaw(strings.Repeat("x", 1001))
	if code := c.closed(); code != websocket.StatusMessageTooBig {
		t.Errorf("closed with %v", code)
	}
}

func TestAnswersThatAreDropped(t *testing.T) {
	tr, srv := start(t, Config{})
	a, b, eve := dial(t, srv), dial(t, srv), dial(t, srv)
	a.announce("hash", "a", nil)
	b.announce("hash", "b", nil)
	eve.announce("other", "eve", nil)
	answer := func(c *client, hash, from, to string) {
		c.send(msg{"action": "announce", "info_hash": bin20(hash), "peer_id": bin20(from), "to_peer_id": bin20(to),
			"offer_id": bin20("o"), "answer": msg{"type": "answer", "sdp": "x"}})
		c.nothingElse() // dropped without a word, and the connection stays
	}
	answer(eve, "hash", "eve", "a")  // not a member
	answer(eve, "hash", "b", "a")    // with somebody else's peer id
	answer(eve, "other", "eve", "a") // to a member of another swarm
	answer(b, "hash", "b", "nobody") // to nobody
	answer(b, "none", "b", "a")      // in a swarm that does not exist
	if st := tr.Stats(); st.Dropped != 5 || st.Answers != 0 {
		t.Errorf("%+v", st)
	}
	a.nothingElse()
}

func TestPeerIDOfALiveConnectionIsNotTakenOver(t *testing.T) {
	_, srv := start(t, Config{})
	a, eve, c := dial(t, srv), dial(t, srv), dial(t, srv)
	a.announce("hash", "a", msg{"left": 0})
	m := eve.announce("hash", "a", msg{"offers": offers("evil")})
	if m["action"] != "announce" || m["failure reason"] == nil || m["info_hash"] != bin20("hash") {
		t.Errorf("reply to the second: %v", m)
	}
	eve.announce("hash", "a", msg{"event": "stopped"}).counts(t, 1, 0)
	c.announce("hash", "c", msg{"offers": offers("o")}).counts(t, 1, 1)
	if m := a.recv(); m["offer_id"] != bin20("o") {
		t.Errorf("the first got %v", m)
	}
	// With the end of the first the name is free.
	a.ws.CloseNow()
	eventually(t, "the name is free", func() bool { return eve.announce("hash", "a", nil)["failure reason"] == nil })
}

func TestSameKeyTakesOver(t *testing.T) {
	tr, srv := start(t, Config{})
	a, b, c := dial(t, srv), dial(t, srv), dial(t, srv)
	a.announce("hash", "a", msg{"key": "secret"})
	b.announce("hash", "a", msg{"key": "secret"}).counts(t, 0, 1)
	c.announce("hash", "c", msg{"offers": offers("o")})
	if m := b.recv(); m["offer_id"] != bin20("o") {
		t.Errorf("%v", m)
	}
	a.ws.CloseNow()
	eventually(t, "first connection gone", func() bool { return tr.Stats().Conns == 2 })
	c.announce("hash", "c", nil).counts(t, 0, 2) // the peer of the second is still there
}

func TestSeveralPeersAndSwarmsOnOneConnection(t *testing.T) {
	tr, srv := start(t, Config{})
	a, b := dial(t, srv), dial(t, srv)
	a.announce("h1", "p1", nil).counts(t, 0, 1)
	a.announce("h1", "p2", nil).counts(t, 0, 2)
	a.announce("h2", "p1", nil).counts(t, 0, 1)
	a.announce("h2", "p3", msg{"left": 0}).counts(t, 1, 1)
	b.announce("h2", "b", msg{"offers": offers("1", "2", "3")}).counts(t, 1, 2)
	for range 2 {
		if m := a.recv(); m["info_hash"] != bin20("h2") || m["offer"] == nil {
			t.Errorf("%v", m)
		}
	}
	a.announce("h1", "p1", msg{"event": "stopped"}).counts(t, 0, 1)
	a.ws.CloseNow()
	eventually(t, "all peers of the connection are gone", func() bool { return tr.Stats().WebRTCPeers == 1 })
	b.announce("h2", "b", nil).counts(t, 0, 1)
}

func TestPeersOutliveTheirAnnounces(t *testing.T) {
	var now atomic.Int64
	now.Store(time.Now().UnixNano())
	tr, srv := start(t, Config{PingInterval: time.Hour, Now: func() time.Time { return time.Unix(0, now.Load()) }})
	a, b := dial(t, srv), dial(t, srv)
	a.announce("hash", "a", nil)
	now.Add(int64(50 * time.Minute))
	tr.core.Expire(1 << 30) // all of them
	b.announce("hash", "b", nil).counts(t, 0, 2)
}

func TestDeadConnectionsAreClosed(t *testing.T) {
	var now atomic.Int64
	now.Store(time.Now().UnixNano())
	tr, srv := start(t, Config{PingInterval: 50 * time.Second, Now: func() time.Time { return time.Unix(0, now.Load()) }})
	live, dead := dial(t, srv), dial(t, srv)
	live.announce("hash", "a", nil)
	dead.announce("hash", "b", nil)
	// A client that reads answers pings, one that does not is dead.
	done := make(chan struct{})
	go func() { live.ws.Read(t.Context()); close(done) }()
	before := tr.Stats().BytesIn
	for range 3 {
		now.Add(int64(50 * time.Second))
		eventually(t, "the live one has answered", func() bool { return tr.Stats().BytesIn > before })
		before = tr.Stats().BytesIn
	}
	eventually(t, "the silent one is gone", func() bool { return tr.Stats().WebRTCPeers == 1 })
	live.send(msg{"action": "scrape", "info_hash": bin20("hash")})
	<-done
}

func TestClaimedPeerIDProbesItsOwner(t *testing.T) {
	var now atomic.Int64
	now.Store(time.Now().UnixNano())
	_, srv := start(t, Config{PingInterval: 50 * time.Second, Now: func() time.Time { return time.Unix(0, now.Load()) }})
	live, dead, next := dial(t, srv), dial(t, srv), dial(t, srv)
	live.announce("hash", "live", nil)
	dead.announce("hash", "dead", nil)
	if next.announce("hash", "dead", nil)["failure reason"] == nil || next.announce("hash", "live", nil)["failure reason"] == nil {
		t.Fatal("taken over at once")
	}
	live.nothingElse() // this one shows life
	now.Add(int64(wsconn.ProbeTimeout))
	eventually(t, "the dead one lost its place", func() bool { return next.announce("hash", "dead", nil)["failure reason"] == nil })
	live.nothingElse()
}

func TestScrape(t *testing.T) {
	_, srv := start(t, Config{Limits: Limits{Scrape: 5}})
	a, b := dial(t, srv), dial(t, srv)
	a.announce("h1", "a", nil)
	a.announce("h1", "a", msg{"event": "completed", "left": 0})
	b.announce("h1", "b", nil)
	b.announce("h2", "b", nil)
	counts := func(m msg, hash string) [3]any {
		f, _ := m["files"].(map[string]any)[bin20(hash)].(map[string]any)
		return [3]any{f["complete"], f["incomplete"], f["downloaded"]}
	}
	a.send(msg{"action": "scrape", "info_hash": bin20("h1")})
	m := a.recv()
	if m["action"] != "scrape" || counts(m, "h1") != [3]any{1.0, 1.0, 1.0} {
		t.Errorf("one: %v", m)
	}
	a.send(msg{"action": "scrape", "info_hash": []string{bin20("h1"), bin20("h2"), bin20("unknown")}})
	m = a.recv()
	if counts(m, "h2") != [3]any{0.0, 1.0, 0.0} || counts(m, "unknown") != [3]any{0.0, 0.0, 0.0} {
		t.Errorf("several: %v", m)
	}
	many := make([]string, 100)
	for i := range many {
		many[i] = bin20("h" + string(rune('a'+i)))
	}
	a.send(msg{"action": "scrape", "info_hash": many})
	if m = a.recv(); len(m["files"].(map[string]any)) != 5 {
		t.Errorf("100 with MaxScrape 5: %d files", len(m["files"].(map[string]any)))
	}
	a.send(msg{"action": "scrape"})
	if m = a.recv(); m["action"] != "scrape" || m["failure reason"] == nil {
		t.Errorf("all: %v", m)
	}

	_, srv = start(t, Config{FullScrape: true})
	c := dial(t, srv)
	c.announce("h1", "a", nil)
	c.announce("h2", "a", nil)
	c.send(msg{"action": "scrape"})
	if m := c.recv(); len(m["files"].(map[string]any)) != 2 {
		t.Errorf("all, allowed: %v", m)
	}
}

func TestAllowAndOrigin(t *testing.T) {
	_, srv := start(t, Config{
		AllowAnnounce: func(_ *Client, h [20]byte) error {
			if h[0] != 'g' {
				return errNotServed
			}
			return nil
		},
		AllowClient: func(c *Client) error {
			if c.Origin != "" && c.Origin != "https://good.example" {
				return errors.New("this origin is not served here")
			}
			return nil
		},
	})
	c := dialWith(t, srv, http.Header{"Origin": {"https://good.example"}})
	if m := c.announce("bad", "a", nil); m["failure reason"] != errNotServed.Error() {
		t.Errorf("%v", m)
	}
	c.announce("good", "a", nil).counts(t, 0, 1)
	_, resp, err := websocket.Dial(t.Context(), srv.URL+"/announce", &websocket.DialOptions{HTTPHeader: http.Header{"Origin": {"https://evil.example"}}})
	if err == nil || resp.StatusCode != http.StatusForbidden {
		t.Errorf("another origin: %v, %v", err, resp)
	}
}

func TestCloseEndsConnections(t *testing.T) {
	tr, srv := start(t, Config{})
	c := dial(t, srv)
	c.announce("hash", "a", nil)
	done := make(chan struct{})
	go func() { tr.Close(); close(done) }()
	if code := c.closed(); code != websocket.StatusGoingAway {
		t.Errorf("closed with %v", code)
	}
	<-done
	if st := tr.Stats(); st.Conns != 0 || st.WebRTCPeers != 0 {
		t.Errorf("%+v", st)
	}
	if _, _, err := websocket.Dial(t.Context(), srv.URL+"/announce", nil); err == nil {
		t.Error("a closed tracker takes connections")
	}
}

// A full scrape of many swarms comes in several messages, and more of it than may wait for a client at
// one time; the client is served beside it.
func TestLongFullScrape(t *testing.T) {
	tr, srv := start(t, Config{FullScrape: true})
	const swarms = 9000
	for i := range swarms {
		addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{9, byte(i >> 8), byte(i), 1}), 9).String()
		from(t, tr, addr, "", "/announce"+query(fmt.Sprint("swarm", i), "a", 1000, 5, ""))
	}
	c := dial(t, srv)
	c.send(msg{"action": "scrape"})
	files := make(map[string]bool)
	for len(files) < swarms {
		m := c.recv()
		part, ok := m["files"].(map[string]any)
		if !ok || m["action"] != "scrape" {
			t.Fatalf("after %d swarms: %.100v", len(files), m)
		}
		for h := range part {
			files[h] = true
		}
	}
	c.announce("hash", "web", msg{"left": 0}).counts(t, 1, 0)
}
