package tracker

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/discovery/trackerclient/httpwire"
	"github.com/shoal-p2p/shoal/internal/discovery/trackerclient/udpwire"
	"github.com/shoal-p2p/shoal/internal/tracker/hook"
	"github.com/shoal-p2p/shoal/internal/tracker/limit"
)

// An office is an operator's service: it decides by the peer id, "no…" is denied, "slow…" has to wait.
type office struct {
	*httptest.Server
	asked  atomic.Int64
	status atomic.Int64  // of all answers, if not 0
	slow   chan struct{} // the slow wait until it is closed

	mu   sync.Mutex
	last map[string]any
}

func newOffice(t *testing.T) *office {
	o := &office{slow: make(chan struct{})}
	o.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o.asked.Add(1)
		var q map[string]any
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
			t.Error(err)
		}
		o.mu.Lock()
		o.last = q
		o.mu.Unlock()
		id, _ := q["peer_id"].(string)
		if strings.HasPrefix(id, fmt.Sprintf("%x", "slow")) {
			select {
			case <-o.slow:
			case <-r.Context().Done():
			}
		}
		switch status := int(o.status.Load()); {
		case status != 0:
			w.WriteHeader(status)
		case strings.HasPrefix(id, fmt.Sprintf("%x", "no")):
			w.WriteHeader(http.StatusForbidden)
			io.WriteString(w, `{"reason": "subscribe first"}`)
		}
	}))
	t.Cleanup(func() {
		o.CloseClientConnections()
		o.Close()
	})
	return o
}

func (o *office) told() map[string]any {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.last
}

// hooked is a tracker with an office and all doors; its clock goes faster by what is added to ahead.
func hooked(t *testing.T, o *office, conf HookConfig, cfg Config) (tr *Tracker, srv *httptest.Server, udpAddr string, ahead *atomic.Int64) {
	t.Helper()
	ahead = new(atomic.Int64)
	conf.URL, conf.Now = o.URL, func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	if conf.Timeout == 0 {
		conf.Timeout = time.Minute
	}
	var err error
	if cfg.Hook, err = NewHook(conf); err != nil {
		t.Fatal(err)
	}
	tr, srv = start(t, cfg)
	pc := listenUDP(t, "127.0.0.1:0")
	serveUDP(t, tr, pc)
	return tr, srv, pc.LocalAddr().String(), ahead
}

// httpAnnounce returns the failure of an announce by HTTP, and the counts.
func httpAnnounce(t *testing.T, srv *httptest.Server, peer, more string) (failure string, r httpwire.Reply) {
	t.Helper()
	r, err := httpwire.ParseReply([]byte(get(t, srv.URL+"/announce"+query("hash", peer, 1000, 5, more))))
	if err != nil {
		t.Fatal(err)
	}
	return r.Failure, r
}

func (c *udpClient) announceAs(peer string, event uint32) udpwire.Reply {
	c.t.Helper()
	id := c.ask(udpwire.AppendConnect(nil, 1)).ConnID
	return c.ask(udpwire.AppendAnnounce(nil, id, 2, &udpwire.AnnounceRequest{
		InfoHash: raw20("hash"), PeerID: raw20(peer), Left: 1, Port: 1001, NumWant: -1, Event: event, URLData: []byte("/announce?pass=x")}))
}

// Each door asks once for each peer, tells the reason to whom is denied, and asks nothing for those who
// leave and for scrapes.
func TestHookDecidesAtAllDoors(t *testing.T) {
	var blamed sync.Map
	o := newOffice(t)
	tr, srv, udpAddr, _ := hooked(t, o, HookConfig{}, Config{OnLimit: func(r Reason, addr netip.Addr) { blamed.Store(r, addr) }})
	ws, udp := dialWith(t, srv, http.Header{"Origin": {"https://example.org"}}), dialUDP(t, udpAddr)
	for range 3 {
		ws.announce("hash", "yes-ws", msg{"event": "started"}).counts(t, 0, 1)
		if m := ws.announce("hash", "no-ws", nil); m["failure reason"] != "subscribe first" || m["info_hash"] != bin20("hash") {
			t.Errorf("%v", m)
		}
		if f, _ := httpAnnounce(t, srv, "no-http", ""); f != "subscribe first" {
			t.Errorf("by HTTP: %q", f)
		}
		if r := udp.announceAs("no-udp", 0); r.Action != udpwire.Error || string(r.Message) != "subscribe first" {
			t.Errorf("by UDP: %+v", r)
		}
	}
	if n := o.asked.Load(); n != 4 {
		t.Errorf("%d questions about 4 peers that announce three times", n)
	}
	if n := tr.Stats(); n.WebRTCPeers != 1 || n.TCPPeers != 0 || n.Reasons[limit.HookDenied] != 9 || n.Refused != [3]uint64{3, 3, 3} {
		t.Errorf("%+v", n)
	}
	if a, _ := blamed.Load(limit.HookDenied); a != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("the log has %v for those who are denied", a)
	}
	// The others are let in, and the service learns what there is to know.
	for door, c := range map[string]struct {
		announce func()
		want     msg
	}{
		"websocket": {func() { ws.announce("hash", "yes2-ws", msg{"event": "completed", "left": 0}) },
			msg{"event": "completed", "left": 0.0, "origin": "https://example.org"}},
		"http": {func() { httpAnnounce(t, srv, "yes-http", "&event=started&pass=x") }, msg{"event": "started", "left": 5.0, "port": 1000.0}},
		"udp":  {func() { udp.announceAs("yes-udp", udpwire.EventStarted) }, msg{"event": "started", "left": 1.0, "port": 1001.0, "query": "pass=x"}},
	} {
		c.announce()
		got := o.told()
		c.want["protocol"], c.want["address"] = door, "127.0.0.1"
		for k, v := range c.want {
			if got[k] != v {
				t.Errorf("%s: the service is told %s = %v, want %v", door, k, got[k], v)
			}
		}
		if query, _ := got["query"].(string); door == "http" && !strings.HasSuffix(query, "&pass=x") {
			t.Errorf("the query of HTTP: %q", query)
		}
	}
	asked := o.asked.Load()
	ws.announce("hash", "bye-ws", msg{"event": "stopped"})
	if f, _ := httpAnnounce(t, srv, "bye-http", "&event=stopped"); f != "" {
		t.Error(f)
	}
	udp.announceAs("bye-udp", udpwire.EventStopped)
	ws.send(msg{"action": "scrape", "info_hash": bin20("hash")})
	ws.recv()
	get(t, srv.URL+"/scrape?info_hash="+url.QueryEscape(string(httpwire.AppendScrapeQuery(nil, raw20("hash")))))
	if n := o.asked.Load(); n != asked {
		t.Errorf("%d questions about stops and scrapes", n-asked)
	}
}

// Whoever waits for an answer has no part in the swarm; its messages are handled afterwards, in their order, and
// nobody else waits with it.
func TestHookKeepsTheOrder(t *testing.T) {
	o := newOffice(t)
	tr, srv, _, _ := hooked(t, o, HookConfig{}, Config{})
	fast := dial(t, srv)
	fast.announce("hash", "yes", msg{"offers": offers("x"), "numwant": 1}).counts(t, 0, 1)
	slow := dial(t, srv)
	slow.send(msg{"action": "announce", "info_hash": bin20("hash"), "peer_id": bin20("slow"), "left": 0, "numwant": 1, "offers": offers("s")})
	slow.send(msg{"action": "scrape", "info_hash": bin20("hash")})
	slow.send(msg{"action": "announce", "info_hash": bin20("hash"), "peer_id": bin20("no"), "left": 0, "offers": offers("n")})
	slow.send(msg{"action": "announce", "info_hash": bin20("hash"), "peer_id": bin20("slow"), "left": 0, "event": "completed"})
	slow.send(msg{"action": "announce", "info_hash": bin20("hash"), "peer_id": bin20("slow"), "event": "stopped"})
	eventually(t, "the question", func() bool { return o.asked.Load() == 2 })
	for range 10 {
		fast.announce("hash", "yes", msg{"offers": offers("f"), "numwant": 1}).counts(t, 0, 1)
	}
	fast.nothingElse()
	if n := tr.Stats(); n.Offers != 0 || n.WebRTCPeers != 1 {
		t.Errorf("while it waits: %+v", n)
	}
	close(o.slow)
	slow.recv().counts(t, 1, 1)
	if m := slow.recv(); m["action"] != "scrape" || !strings.Contains(fmt.Sprint(m["files"]), "complete:1") {
		t.Errorf("second: %v", m)
	}
	if m := slow.recv(); m["failure reason"] != "subscribe first" {
		t.Errorf("third: %v", m)
	}
	slow.recv().counts(t, 1, 1)
	slow.recv().counts(t, 0, 1)
	slow.nothingElse()
	if m := fast.recv(); m["offer_id"] != bin20("s") || m["peer_id"] != bin20("slow") {
		t.Errorf("the offer of who was allowed: %v", m)
	}
	fast.nothingElse()
	if n := o.asked.Load(); n != 3 {
		t.Errorf("%d questions", n)
	}
	if n := tr.Stats(); n.MessagesIn != 19 || n.Announces[WebSocket] != 14 {
		t.Errorf("%+v", n)
	}
	eventually(t, "no memory is held", func() bool { return tr.Stats().Buffers == 0 })
}

// An announce that waits is the same when it comes again: neither its rates nor its candidates count twice.
func TestHookCountsAnAnnounceOnce(t *testing.T) {
	o := newOffice(t)
	tr, srv, _, _ := hooked(t, o, HookConfig{}, Config{Limits: Limits{
		AnnouncesPerConn: Rate{PerSecond: 0.001, Burst: 2}, OffersPerConn: Rate{PerSecond: 0.001, Burst: 3}, AnnouncesPerAddr: Rate{PerSecond: 0.001, Burst: 3},
	}})
	other, c := dial(t, srv), dial(t, srv)
	other.announce("hash", "other", nil)
	sdp := strings.Repeat("a=candidate:1 1 udp 1 192.0.2.1 1 typ host\r\n", 40)
	c.send(msg{"action": "announce", "info_hash": bin20("hash"), "peer_id": bin20("slow"), "left": 1, "offers": []any{
		msg{"offer": msg{"type": "offer", "sdp": sdp}, "offer_id": bin20("o")}, offers("a")[0], offers("b")[0], offers("c")[0],
	}})
	eventually(t, "the question", func() bool { return o.asked.Load() == 2 })
	close(o.slow)
	c.recv().counts(t, 0, 2)
	m := other.recv()
	if got := fmt.Sprint(m["offer"]); strings.Count(got, "a=candidate") != 32 || m["offer_id"] != bin20("o") {
		t.Errorf("%v", m)
	}
	c.announce("hash", "slow", nil).counts(t, 0, 2)
	n := tr.Stats()
	if n.Reasons[limit.Candidates] != 1 || n.Reasons[limit.OffersPerConn] != 1 || n.Offers+n.Unplaced != 2 {
		t.Errorf("%d candidates, %d offers cut, %d offers", n.Reasons[limit.Candidates], n.Reasons[limit.OffersPerConn], n.Offers+n.Unplaced)
	}
}

// UDP and HTTP get their replies when the answer has come.
func TestHookAnswersLate(t *testing.T) {
	o := newOffice(t)
	tr, srv, udpAddr, _ := hooked(t, o, HookConfig{}, Config{})
	udp := dialUDP(t, udpAddr)
	byHTTP, byUDP := make(chan httpwire.Reply, 1), make(chan udpwire.Reply, 1)
	go func() {
		_, r := httpAnnounce(t, srv, "slow-http", "")
		byHTTP <- r
	}()
	go func() { byUDP <- udp.announceAs("slow-udp", 0) }()
	eventually(t, "the questions", func() bool { return o.asked.Load() == 2 })
	if n := tr.Stats(); n.TCPPeers != 0 {
		t.Errorf("%d peers before they are allowed", n.TCPPeers)
	}
	// Others do not wait with them.
	if f, r := httpAnnounce(t, srv, "yes-http", ""); f != "" || r.Incomplete != 1 {
		t.Errorf("%q, %+v", f, r)
	}
	if r := dialUDP(t, udpAddr).announceAs("yes-udp", 0); r.Leechers != 2 {
		t.Errorf("%+v", r)
	}
	close(o.slow)
	if r := <-byHTTP; r.Failure != "" || r.Interval == 0 {
		t.Errorf("%+v", r)
	}
	if r := <-byUDP; r.Action != udpwire.Announce || r.Leechers == 0 {
		t.Errorf("%+v", r)
	}
}

// Who was allowed and is denied later leaves at its next announce, and gets nobody's offers any more.
func TestHookTakesBackWhatItAllowed(t *testing.T) {
	o := newOffice(t)
	tr, srv, udpAddr, ahead := hooked(t, o, HookConfig{}, Config{})
	a, b, udp := dial(t, srv), dial(t, srv), dialUDP(t, udpAddr)
	a.announce("hash", "a", nil)
	b.announce("hash", "b", nil)
	b.announce("other", "b", nil)
	httpAnnounce(t, srv, "c", "")
	udp.announceAs("d", 0)
	if n := tr.Stats(); n.WebRTCPeers != 3 || n.TCPPeers != 2 {
		t.Fatalf("%+v", n)
	}
	o.status.Store(http.StatusForbidden)
	a.announce("hash", "a", nil).counts(t, 0, 4) // still holds
	ahead.Add(int64(11 * time.Minute))
	for _, m := range []msg{a.announce("hash", "a", msg{"numwant": 1, "offers": offers("o")}), a.announce("hash", "a", nil)} {
		if m["failure reason"] != limit.HookDenied.Error() {
			t.Errorf("%v", m)
		}
	}
	if f, _ := httpAnnounce(t, srv, "c", ""); f != limit.HookDenied.Error() {
		t.Error(f)
	}
	if r := udp.announceAs("d", 0); string(r.Message) != limit.HookDenied.Error() {
		t.Errorf("%+v", r)
	}
	if n := tr.Stats(); n.WebRTCPeers != 2 || n.TCPPeers != 0 || n.Offers != 0 {
		t.Errorf("after the denial: %+v", n)
	}
	o.status.Store(0)
	ahead.Add(int64(2 * time.Minute))
	b.announce("hash", "b", msg{"numwant": 1, "offers": offers("p")}).counts(t, 0, 1)
	a.nothingElse()
	a.announce("hash", "a", nil).counts(t, 0, 2)
}

// While the service is away the answer is what the operator has said. Who is in the swarm stays, and
// nobody is blamed in the log.
func TestHookWhileTheServiceIsAway(t *testing.T) {
	for name, away := range map[string]hook.Answer{"deny": HookDenies, "allow": HookAllows} {
		t.Run(name, func(t *testing.T) {
			var blamed atomic.Bool
			o := newOffice(t)
			tr, srv, udpAddr, ahead := hooked(t, o, HookConfig{Away: away}, Config{OnLimit: func(_ Reason, addr netip.Addr) {
				if addr.IsValid() {
					blamed.Store(true)
				}
			}})
			ws, udp := dial(t, srv), dialUDP(t, udpAddr)
			ws.announce("hash", "old", nil).counts(t, 0, 1)
			httpAnnounce(t, srv, "old-http", "")
			o.status.Store(http.StatusInternalServerError)
			ahead.Add(int64(11 * time.Minute))
			for range 3 {
				fail, _ := ws.announce("hash", "old", nil)["failure reason"].(string)
				failHTTP, _ := httpAnnounce(t, srv, "old-http", "")
				r := udp.announceAs("new-udp", 0)
				for door, text := range map[string]string{"ws": fail, "http": failHTTP, "udp": string(r.Message)} {
					if want := map[bool]string{true: limit.HookAway.Error(), false: ""}[away == HookDenies]; text != want {
						t.Errorf("%s: %q", door, text)
					}
				}
			}
			n := tr.Stats()
			wantTCP, wantAway := 1, uint64(9)
			if away == HookAllows {
				wantTCP, wantAway = 2, 0
			}
			if n.WebRTCPeers != 1 || n.TCPPeers != wantTCP || n.Reasons[limit.HookAway] != wantAway || n.Reasons[limit.HookDenied] != 0 || blamed.Load() {
				t.Errorf("%+v, somebody is blamed: %v", n, blamed.Load())
			}
			if n := o.asked.Load(); n != 5 {
				t.Errorf("%d questions: a service that is away is left in peace", n)
			}
		})
	}
}

// A flood of new peers while the service hangs takes a bounded number of questions, goroutines and bytes, and those
// who are known go on.
func TestHookFlood(t *testing.T) {
	o := newOffice(t)
	const queue, atOnce, each = 40, 4, 3
	tr, srv, udpAddr, _ := hooked(t, o, HookConfig{Queue: queue, Concurrent: atOnce, PerAddr: 1000}, Config{Limits: Limits{Buffers: 4 << 20}})
	known := dial(t, srv)
	known.announce("hash", "known", nil).counts(t, 0, 1)
	httpAnnounce(t, srv, "known-http", "")
	udp := dialUDP(t, udpAddr)
	var clients []*client
	for range 60 {
		clients = append(clients, dial(t, srv))
	}
	before := runtime.NumGoroutine()
	for i, c := range clients {
		for j := range each {
			c.send(msg{"action": "announce", "info_hash": bin20("hash"), "peer_id": bin20(fmt.Sprintf("slow%d.%d", i, j)), "offers": offers("a", "b", "c")})
		}
	}
	flood := dialUDP(t, udpAddr)
	id := flood.ask(udpwire.AppendConnect(nil, 1)).ConnID
	for i := range 2000 {
		flood.conn.Write(udpwire.AppendAnnounce(nil, id, 2, &udpwire.AnnounceRequest{InfoHash: raw20("hash"), PeerID: raw20(fmt.Sprint("slow", i)), Left: 1, Port: 1001}))
	}
	eventually(t, "all places are taken", func() bool { return tr.hook.Stats().Waiting == queue+atOnce })
	for range 20 {
		known.announce("hash", "known", nil).counts(t, 0, 2)
		if f, _ := httpAnnounce(t, srv, "known-http", ""); f != "" {
			t.Error(f)
		}
	}
	if r := udp.announceAs("new", 0); string(r.Message) != limit.HookAway.Error() {
		t.Errorf("who comes when all places are taken: %+v", r)
	}
	st := tr.hook.Stats()
	if st.Waiting > queue+atOnce || o.asked.Load() > 2+atOnce || st.Down {
		t.Errorf("%d questions, %+v", o.asked.Load(), st)
	}
	// Each question under way has a connection of the client and one of the test's service, with some goroutines.
	if n := runtime.NumGoroutine() - before; n > 10*atOnce+20 {
		t.Errorf("%d goroutines more", n)
	}
	if n := tr.Stats(); n.Buffers > 512<<10 || n.WebRTCPeers != 1 || n.TCPPeers != 1 {
		t.Errorf("%d bytes, %d and %d peers", n.Buffers, n.WebRTCPeers, n.TCPPeers)
	}
	close(o.slow)
	for _, c := range clients {
		for range each {
			c.recv()
		}
	}
	eventually(t, "nothing waits", func() bool { return tr.hook.Stats().Waiting == 0 && tr.Stats().Buffers == 0 })
}

// Close waits for nobody who waits.
func TestCloseWhileTheHookIsAsked(t *testing.T) {
	o := newOffice(t)
	tr, srv, _, _ := hooked(t, o, HookConfig{}, Config{})
	ws := dial(t, srv)
	ws.send(msg{"action": "announce", "info_hash": bin20("hash"), "peer_id": bin20("slow")})
	failed := make(chan string, 1)
	go func() {
		f, _ := httpAnnounce(t, srv, "slow2", "")
		failed <- f
	}()
	eventually(t, "the questions", func() bool { return o.asked.Load() == 2 })
	tr.Close()
	if f := <-failed; f != limit.HookAway.Error() {
		t.Error(f)
	}
	ws.closed()
}
