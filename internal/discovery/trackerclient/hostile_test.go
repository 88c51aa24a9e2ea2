//go:build !js

package trackerclient

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/shoal-p2p/shoal/internal/signal"
)

// evilTracker is a WebSocket server whose every word the test chooses.
type evilTracker struct {
	url   string
	conns chan *evilConn
}

type evilConn struct {
	t  *testing.T
	ws *websocket.Conn
}

func newEvilTracker(t *testing.T) *evilTracker {
	e := &evilTracker{conns: make(chan *evilConn, 10)}
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		ws, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		e.conns <- &evilConn{t, ws}
	})
	e.url = "ws" + strings.TrimPrefix(srv.URL, "http") + "/announce"
	return e
}

// accept waits for a connection and its first announce.
func (e *evilTracker) accept(t *testing.T) (*evilConn, signal.Announce) {
	t.Helper()
	select {
	case c := <-e.conns:
		t.Cleanup(func() { c.ws.CloseNow() })
		return c, c.recv()
	case <-time.After(10 * time.Second):
		t.Fatal("nobody connects")
		return nil, signal.Announce{}
	}
}

func (c *evilConn) recv() signal.Announce {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 10*time.Second)
	defer cancel()
	_, b, err := c.ws.Read(ctx)
	if err != nil {
		c.t.Fatalf("no message: %v", err)
	}
	var req signal.Request
	if err := req.Parse(b, signal.Limits{}); err != nil {
		c.t.Fatalf("%v in %s", err, b)
	}
	return req.Announce
}

func (c *evilConn) send(s string) {
	c.t.Helper()
	if err := c.ws.Write(c.t.Context(), websocket.MessageText, []byte(s)); err != nil {
		c.t.Fatal(err)
	}
}

// key is the info hash as it stands in JSON.
func key() string {
	r := make([]rune, 20)
	for i, b := range swarmKey {
		r[i] = rune(b)
	}
	b, _ := json.Marshal(string(r))
	return string(b)
}

func TestIntervalsOfWebSocketTrackers(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"60": time.Minute, "0": 2 * time.Minute, "-7": 2 * time.Minute, "1": 15 * time.Second, `"x"`: 2 * time.Minute,
		"null": 2 * time.Minute, "1e300": 0, "99999999": time.Hour, "90.5": 0, "[1]": 2 * time.Minute,
	} {
		e := newEvilTracker(t)
		n := newNode(t, newNet(), nil)
		n.start(1, 5, 0, e.url)
		c, _ := e.accept(t)
		c.send(`{"action":"announce","info_hash":` + key() + `,"interval":` + in + `,"complete":1,"incomplete":2}`)
		st := n.announced(t, e.url)
		if want != 0 && st.Interval != want || st.Interval < 15*time.Second || st.Interval > time.Hour {
			t.Errorf("interval %s: %v, want %v", in, st.Interval, want)
		}
		n.c.Close()
	}
}

func TestNonsenseFromATracker(t *testing.T) {
	e := newEvilTracker(t)
	n := newNode(t, newNet(), func(c *Config) { c.NoHandedServers = true })
	n.start(1, 5, 3, e.url)
	c, a := e.accept(t)
	if a.Event != signal.EventStarted || len(a.Offers) != firstOffers || a.NumWant != firstOffers {
		t.Errorf("first announce: %+v", a)
	}
	id := `"aaaaaaaaaaaaaaaaaaaa"`
	for _, s := range []string{
		"", "nonsense", "[]", "{}", "null", `{"action":"dance"}`, `{"failure reason":"x"}`,
		`{"action":"announce"}`, `{"action":"announce","info_hash":"short"}`,
		`{"action":"announce","info_hash":` + id + `,"interval":5}`, // of no torrent of ours
		`{"action":"announce","info_hash":` + key() + `,"offer":{"type":"offer","sdp":"x"}}`,
		`{"action":"announce","info_hash":` + key() + `,"offer":{"type":"offer","sdp":"x"},"offer_id":` + id + `,"peer_id":"short"}`,
		`{"action":"announce","info_hash":` + key() + `,"offer":5,"offer_id":` + id + `,"peer_id":` + id + `}`,
		`{"action":"announce","info_hash":` + key() + `,"offer":{"type":"offer","sdp":"no such offer"},"offer_id":` + id + `,"peer_id":` + id + `}`,
		`{"action":"announce","info_hash":` + key() + `,"answer":{"type":"answer","sdp":"x"},"offer_id":` + id + `,"peer_id":` + id + `}`,
		strings.Repeat("[", 50_000),
	} {
		c.send(s)
	}
	c.send(`{"action":"announce","info_hash":` + key() + `,"interval":100,"complete":1,"incomplete":2}`)
	n.announced(t, e.url) // still there, still listening
	c.send(`{"action":"announce","info_hash":` + key() + `,"failure reason":"go \u001b[31maway"}`)
	eventually(t, "the refusal is reported", func() bool {
		st, _ := n.get(e.url)
		var r *Refusal
		return errors.As(st.Err, &r) && strings.HasPrefix(r.Reason, "go ") && !strings.Contains(r.Reason, "\x1b")
	})
}

func TestRefusedAnnounceIsRepeated(t *testing.T) {
	e := newEvilTracker(t)
	n := newNode(t, newNet(), nil)
	n.start(1, 5, 0, e.url)
	c, _ := e.accept(t)
	for range 3 {
		c.send(`{"action":"announce","info_hash":` + key() + `,"failure reason":"busy"}`)
		if a := c.recv(); a.Event != signal.EventStarted {
			t.Errorf("%+v", a)
		}
	}
}

func TestLargeMessageEndsTheConnection(t *testing.T) {
	e := newEvilTracker(t)
	n := newNode(t, newNet(), nil)
	n.start(1, 5, 0, e.url)
	c, _ := e.accept(t)
	c.ws.Write(t.Context(), websocket.MessageText, make([]byte, 4<<20)) // may fail half-way
	e.accept(t)                                                         // comes again
}

func offerMsg(peer, offer int, sdp string) string {
	id := func(prefix string, n int) string {
		s := prefix + strconv.Itoa(n)
		return s + strings.Repeat("-", 20-len(s))
	}
	b, _ := json.Marshal(sdp)
	return `{"action":"announce","info_hash":` + key() + `,"offer":{"type":"offer","sdp":` + string(b) + `},"offer_id":"` + id("o", offer) + `","peer_id":"` + id("p", peer) + `"}`
}

func TestFloodOfOffers(t *testing.T) {
	e := newEvilTracker(t)
	net := newNet()
	n := newNode(t, net, func(c *Config) { c.MaxAnswers = 4 })
	n.start(1, 5, 0, e.url)
	c, _ := e.accept(t)
	offerer := &fakeHost{net: net}
	var p rtcPending
	for i := range 500 {
		p, _ = offerer.Offer(t.Context())
		c.send(offerMsg(i, i, p.SDP()))
	}
	// None is ever accepted, so no place gets free; four are answered.
	for range 4 {
		if a := c.recv(); !a.HasAnswer || !strings.HasPrefix(a.Answer.String(), "answer to offer ") || string(a.ToPeerID[:1]) != "p" {
			t.Errorf("%+v", a)
		}
	}
	c.send(`{"action":"announce","info_hash":` + key() + `,"interval":100,"complete":1,"incomplete":2}`)
	n.announced(t, e.url)
	if _, answered, _ := n.host.counts(); answered != 4 {
		t.Errorf("%d offers are being answered", answered)
	}
	n.h.Stop(t.Context())
	eventually(t, "all are closed", func() bool { _, _, live := n.host.counts(); return live == 0 })
}

func TestSameOfferTwiceAndOwnOffers(t *testing.T) {
	e := newEvilTracker(t)
	net := newNet()
	n := newNode(t, net, func(c *Config) { c.NoHandedServers = true })
	n.start(1, 5, 1, e.url)
	c, a := e.accept(t)
	offerer := &fakeHost{net: net}
	p, _ := offerer.Offer(t.Context())
	for range 5 {
		c.send(offerMsg(1, 1, p.SDP()))
	}
	if r := c.recv(); !r.HasAnswer {
		t.Errorf("%+v", r)
	}
	// Our own offer comes back to us.
	m := signal.Reply{Action: signal.ActionAnnounce, InfoHash: swarmKey, Offer: a.Offers[0].SDP, OfferID: a.Offers[0].ID, PeerID: a.PeerID}
	c.send(string(m.Append(nil)))
	c.send(`{"action":"announce","info_hash":` + key() + `,"interval":100,"complete":1,"incomplete":0}`)
	n.announced(t, e.url)
	if _, answered, _ := n.host.counts(); answered != 1 {
		t.Errorf("%d answered", answered)
	}
}

func TestBadAnswerClosesItsOffer(t *testing.T) {
	e := newEvilTracker(t)
	n := newNode(t, newNet(), func(c *Config) { c.NoHandedServers = true })
	n.start(1, 5, 2, e.url)
	c, a := e.accept(t)
	m := signal.Reply{Action: signal.ActionAnnounce, InfoHash: swarmKey, Answer: signal.NewSDP("nonsense"), OfferID: a.Offers[0].ID, PeerID: [20]byte{9}}
	c.send(string(m.Append(nil)))
	c.send(string(m.Append(nil)))
	eventually(t, "it is closed", func() bool { _, _, live := n.host.counts(); return live == firstOffers-1 })
}

func TestAnnounceDoesNotWaitForOffersThatFail(t *testing.T) {
	e := newEvilTracker(t)
	n := newNode(t, newNet(), func(c *Config) { c.NoHandedServers = true })
	n.host.fail = true
	n.start(1, 5, 5, e.url)
	if _, a := e.accept(t); len(a.Offers) != 0 || a.NumWant != 0 {
		t.Errorf("%+v", a)
	}
}

// The clock of this test is the argument of step.
func TestStaleOffersAreClosed(t *testing.T) {
	host := &fakeHost{net: newNet()}
	c := newClient(Config{Sink: newSink(), rtc: host}) // without its loop
	tor := newTorrent(c, Announcement{Key: swarmKey})
	tor.startWS(nil)
	now := time.Now()
	tor.pool.Want(now, 2)
	tor.makeOffer(0)
	tor.makeOffer(0)
	c.deliver(now)
	if len(tor.open) != 2 || tor.deadline(now).Sub(now) > 50*time.Second {
		t.Fatalf("%d open, sleeps %v", len(tor.open), tor.deadline(now).Sub(now))
	}
	tor.step(now.Add(49 * time.Second))
	if _, _, live := host.counts(); live != 2 {
		t.Errorf("after 49 s %d are live", live)
	}
	tor.step(now.Add(50 * time.Second))
	if _, _, live := host.counts(); live != 0 || len(tor.open) != 0 {
		t.Errorf("after 50 s %d are live", live)
	}
}
