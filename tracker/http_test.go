package tracker

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/discovery/trackerclient/httpwire"
	"github.com/shoal-p2p/shoal/internal/tracker/core"
)

func raw20(name string) (b [20]byte) {
	for i, r := range []rune(bin20(name)) {
		b[i] = byte(r)
	}
	return b
}

func query(hash, peer string, port uint16, left int64, more string) string {
	a := httpwire.Announce{InfoHash: raw20(hash), PeerID: raw20(peer), Port: port, Left: left, NumWant: -1}
	return "?" + string(httpwire.AppendQuery(nil, &a)) + more
}

// from asks as a client with that address would, without a network.
func from(t *testing.T, tr *Tracker, remote, local, target string, header ...string) httpwire.Reply {
	t.Helper()
	r := httptest.NewRequest("GET", target, nil)
	r.RemoteAddr = remote
	if local != "" {
		r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, net.Addr(net.TCPAddrFromAddrPort(netip.MustParseAddrPort(local)))))
	}
	for _, h := range header {
		r.Header.Add("X-Forwarded-For", h)
	}
	w := httptest.NewRecorder()
	tr.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Fatalf("status %d", w.Code)
	}
	reply, err := httpwire.ParseReply(w.Body.Bytes())
	if err != nil {
		t.Fatalf("%v in %q", err, w.Body)
	}
	return reply
}

func newTracker(t *testing.T, cfg Config) *Tracker {
	t.Helper()
	tr, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tr.Close() })
	return tr
}

func TestHTTPAnnounce(t *testing.T) {
	tr, srv := start(t, Config{Interval: 10 * time.Minute, MinInterval: 30 * time.Second})
	// The interval is 600 s, a tenth more or less by chance.
	ask := func(url string) string {
		return regexp.MustCompile(`8:intervali(5[4-9]\d|6[0-5]\d|660)e`).ReplaceAllString(get(t, url), "8:intervali600e")
	}
	if got, want := ask(srv.URL+"/announce"+query("hash", "a", 1000, 0, "&event=started")),
		"d8:completei1e11:external ip4:\x7f\x00\x00\x0110:incompletei0e8:intervali600e12:min intervali30e5:peers0:e"; got != want {
		t.Errorf("first:\n got %q\nwant %q", got, want)
	}
	if got, want := ask(srv.URL+"/x/announce"+query("hash", "b", 1001, 5, "")),
		"d8:completei1e11:external ip4:\x7f\x00\x00\x0110:incompletei1e8:intervali600e12:min intervali30e5:peers6:\x7f\x00\x00\x01\x03\xe8e"; got != want {
		t.Errorf("second:\n got %q\nwant %q", got, want)
	}
	// At the root, too.
	r, err := httpwire.ParseReply([]byte(get(t, srv.URL+"/"+query("hash", "c", 1002, 5, "&event=completed"))))
	if err != nil || r.Complete != 2 || len(r.Peers) != 1 {
		t.Errorf("third: %v %+v", err, r) // a seeder by now: it is given the leecher alone
	}
	r, err = httpwire.ParseReply([]byte(get(t, srv.URL+"/announce"+query("hash", "b", 1001, 5, "&event=stopped"))))
	if err != nil || r.Complete != 2 || r.Incomplete != 0 || len(r.Peers) != 0 {
		t.Errorf("stopped: %v %+v", err, r)
	}
	if st := tr.Stats(); st.TCPPeers != 2 || st.Announces[HTTP] != 4 {
		t.Errorf("%+v", st)
	}
}

func TestHTTPForms(t *testing.T) {
	tr := newTracker(t, Config{})
	from(t, tr, "1.1.1.1:9", "", "/announce"+query("hash", "a", 1000, 0, ""))
	from(t, tr, "[2001::1]:9", "", "/announce"+query("hash", "b", 1001, 0, ""))
	want4, want6 := netip.MustParseAddrPort("1.1.1.1:1000"), netip.MustParseAddrPort("[2001::1]:1001")
	both := func(name string, r httpwire.Reply, ids bool) {
		t.Helper()
		if len(r.Peers) != 2 || r.Peers[0].Addr != want4 || r.Peers[1].Addr != want6 {
			t.Errorf("%s: %+v", name, r.Peers)
		} else if got := r.Peers[0].ID == raw20("a"); got != ids {
			t.Errorf("%s: peer id %x", name, r.Peers[0].ID)
		}
	}
	// Either family gets both: the asker may have the other one as well.
	both("compact", from(t, tr, "3.3.3.3:9", "", "/announce"+query("hash", "c", 1, 5, "")), false)
	both("compact by IPv6", from(t, tr, "[2001::3]:9", "", "/announce"+query("hash", "c", 1, 5, "")), false)
	list := strings.Replace(query("hash", "c", 1, 5, ""), "compact=1", "compact=0", 1)
	both("list", from(t, tr, "3.3.3.3:9", "", "/announce"+list), true)
	both("list without ids", from(t, tr, "3.3.3.3:9", "", "/announce"+list+"&no_peer_id=1"), false)
	both("compact is the default", from(t, tr, "3.3.3.3:9", "", "/announce"+strings.Replace(query("hash", "c", 1, 5, ""), "&compact=1", "", 1)), false)

	r := from(t, tr, "[2001::3]:9", "", "/announce"+query("hash", "c", 1, 5, ""))
	if r.ExternalIP != netip.MustParseAddr("2001::3") {
		t.Errorf("external ip %v", r.ExternalIP)
	}
}

func TestHTTPNumwant(t *testing.T) {
	tr := newTracker(t, Config{Limits: Limits{NumWant: 80}})
	for i := range 100 {
		from(t, tr, netip.AddrPortFrom(netip.AddrFrom4([4]byte{1, 1, 1, byte(i)}), 9).String(), "", "/announce"+query("hash", string(rune('a'+i)), 1000, 5, ""))
	}
	for want, n := range map[string]int{"": core.DefaultNumWant, "&numwant=7": 7, "&numwant=0": 0, "&numwant=1000": 80, "&numwant=-1": core.DefaultNumWant, "&numwant=x": core.DefaultNumWant} {
		if r := from(t, tr, "3.3.3.3:9", "", "/announce"+query("hash", "me", 1, 5, want)); len(r.Peers) != n {
			t.Errorf("%q: %d peers, want %d", want, len(r.Peers), n)
		}
	}
}

func TestHTTPTraps(t *testing.T) {
	tr := newTracker(t, Config{AllowAnnounce: func(_ *Client, h [20]byte) error {
		if h[0] == 'f' {
			return errNotServed
		}
		return nil
	}})
	for name, q := range map[string]string{
		"no query":        "",
		"no info_hash":    "?peer_id=aaaaaaaaaaaaaaaaaaaa&port=1",
		"short info_hash": "?info_hash=aaa&peer_id=aaaaaaaaaaaaaaaaaaaa&port=1",
		"port 0":          query("hash", "a", 0, 0, ""),
		"broken escape":   query("hash", "a", 1, 0, "&x=%"),
		"forbidden hash":  query("forbidden", "a", 1, 0, ""),
		"query of 5 kB":   query("hash", "a", 1, 0, "&x="+strings.Repeat("x", 5000)),
	} {
		if r := from(t, tr, "1.1.1.1:9", "", "/announce"+q); r.Failure == "" {
			t.Errorf("%s: %+v", name, r)
		}
	}
	// Not failures: unknown events, an address in the query (ignored).
	r := from(t, tr, "1.1.1.1:9", "", "/announce"+query("hash", "a", 1, 5, "&event=paused&ip=6.6.6.6"))
	if r.Failure != "" || r.Incomplete != 1 {
		t.Errorf("%+v", r)
	}
	r = from(t, tr, "1.1.1.2:9", "", "/announce"+query("hash", "b", 1, 5, "&event=%3Cregular%3E"))
	if len(r.Peers) != 1 || r.Peers[0].Addr != netip.MustParseAddrPort("1.1.1.1:1") {
		t.Errorf("%+v", r)
	}
}

func TestHTTPOtherRequests(t *testing.T) {
	_, srv := start(t, Config{})
	for _, tc := range []struct {
		method, path string
		want         int
	}{
		{"GET", "/", 200}, {"GET", "/favicon.ico", 404}, {"GET", "/announce/x", 404}, {"POST", "/announce", 405}, {"HEAD", "/announce", 200},
	} {
		req, _ := http.NewRequest(tc.method, srv.URL+tc.path, nil)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != tc.want {
			t.Errorf("%s %s: %d", tc.method, tc.path, resp.StatusCode)
		}
	}
}

func TestOneSwarmForAllDoors(t *testing.T) {
	tr, srv := start(t, Config{})
	c := dial(t, srv)
	c.announce("hash", "web", msg{"left": 0}).counts(t, 1, 0)
	r := from(t, tr, "1.1.1.1:9", "", "/announce"+query("hash", "a", 1, 5, ""))
	if r.Complete != 1 || r.Incomplete != 1 || len(r.Peers) != 0 {
		t.Errorf("HTTP: %+v", r)
	}
	c.announce("hash", "web", msg{"left": 0, "offers": offers("o")}).counts(t, 1, 1)
	c.nothingElse()
}

// A node that shares with the world announces to its own tracker over loopback.
func TestPeersOnTheTrackersMachine(t *testing.T) {
	tr := newTracker(t, Config{})
	from(t, tr, "127.0.0.1:9", "127.0.0.1:80", "/announce"+query("hash", "own", 6881, 0, ""))
	ask := func(remote, local string) []httpwire.Peer {
		return from(t, tr, remote, local, "/announce"+query("hash", "me", 1, 5, "")).Peers
	}
	if p := ask("192.168.1.7:9", "192.168.1.2:80"); len(p) != 1 || p[0].Addr != netip.MustParseAddrPort("192.168.1.2:6881") {
		t.Errorf("by the LAN: %v", p)
	}
	if p := ask("127.0.0.1:10", "127.0.0.1:80"); len(p) != 1 || p[0].Addr != netip.MustParseAddrPort("127.0.0.1:6881") {
		t.Errorf("by loopback: %v", p)
	}
	tr2 := newTracker(t, Config{})
	from(t, tr2, "127.0.0.1:9", "127.0.0.1:80", "/announce"+query("hash", "own", 6881, 0, ""))
	if r := from(t, tr2, "9.9.9.9:9", "", "/announce"+query("hash", "me", 1, 5, "")); len(r.Peers) != 0 || r.Complete != 1 {
		t.Errorf("unknown way: %+v", r)
	}
}

// Whoever cannot connect into a network is not given the peers there, compact or not.
func TestPrivatePeersStayAmongThemselves(t *testing.T) {
	tr := newTracker(t, Config{})
	peers := []string{"9.9.9.1", "2001:db8::1", "192.168.1.1", "10.0.0.1", "169.254.0.1", "100.64.0.1", "fd00::1", "fe80::1", "127.0.0.1", "::1"}
	for _, ip := range peers {
		from(t, tr, netip.AddrPortFrom(netip.MustParseAddr(ip), 9).String(), "", "/announce"+query("hash", ip, 6881, 5, ""))
	}
	const public, private = "9.9.9.1 2001:db8::1", " 192.168.1.1 10.0.0.1 169.254.0.1 100.64.0.1 fd00::1 fe80::1"
	for _, c := range []struct{ asker, local, want string }{
		{"9.9.9.9:9", "", public},
		{"9.9.9.9:9", "127.0.0.1:80", public},   // by a proxy on this machine
		{"9.9.9.9:9", "192.168.1.2:80", public}, // by a proxy, or a router that forwards the port
		{"9.9.9.9:9", "8.8.8.8:80", public + " 8.8.8.8 8.8.8.8"},
		{"[2001:db8::9]:9", "", public},
		{"192.168.1.9:9", "", public + private},
		{"192.168.1.9:9", "192.168.1.2:80", public + private + " 192.168.1.2 192.168.1.2"},
		{"[fd00::9]:9", "", public + private},
		{"100.64.0.9:9", "", public + private},
		{"127.0.0.1:9", "", public + private + " 127.0.0.1 ::1"},
	} {
		for _, more := range []string{"", "&compact=0"} {
			r := from(t, tr, c.asker, c.local, "/announce"+query("hash", "me", 7000, 5, more+"&numwant=50"))
			from(t, tr, c.asker, c.local, "/announce"+query("hash", "me", 7000, 5, "&event=stopped"))
			var got []string
			for _, p := range r.Peers {
				got = append(got, p.Addr.Addr().String())
			}
			want := strings.Fields(c.want)
			slices.Sort(got)
			slices.Sort(want)
			if r.Incomplete != int64(len(peers))+1 || !slices.Equal(got, want) {
				t.Errorf("%s by %q%s: %d peers, %v, want %v", c.asker, c.local, more, r.Incomplete, got, want)
			}
		}
	}
}

func TestForwardedFor(t *testing.T) {
	tr := newTracker(t, Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	for _, tc := range []struct {
		name, remote string
		header       []string
		want         string
	}{
		{"no proxy", "1.1.1.1:9", []string{"6.6.6.6"}, "1.1.1.1"},
		{"a proxy", "10.0.0.1:9", []string{"2.2.2.2"}, "2.2.2.2"},
		{"the client made up more", "10.0.0.1:9", []string{"6.6.6.6, 2.2.2.2"}, "2.2.2.2"},
		{"two proxies", "10.0.0.1:9", []string{"6.6.6.6, 2.2.2.2, 10.0.0.2"}, "2.2.2.2"},
		{"two headers", "10.0.0.1:9", []string{"2.2.2.2", "10.0.0.2"}, "2.2.2.2"},
		{"nonsense", "10.0.0.1:9", []string{"2.2.2.2, nonsense"}, "10.0.0.1"},
		{"no header", "10.0.0.1:9", nil, "10.0.0.1"},
		{"IPv6", "10.0.0.1:9", []string{"2001::2"}, "2001::2"},
	} {
		r := from(t, tr, tc.remote, "", "/announce"+query("hash", "a", 1, 5, ""), tc.header...)
		if r.ExternalIP != netip.MustParseAddr(tc.want) {
			t.Errorf("%s: %v, want %s", tc.name, r.ExternalIP, tc.want)
		}
	}
}

func TestHTTPScrape(t *testing.T) {
	_, srv := start(t, Config{MinInterval: 60 * time.Second})
	get(t, srv.URL+"/announce"+query("h1", "a", 1000, 5, ""))
	get(t, srv.URL+"/announce"+query("h1", "a", 1000, 0, "&event=completed"))
	files, failure, err := httpwire.ParseScrapeReply([]byte(get(t, srv.URL+"/scrape?"+string(httpwire.AppendScrapeQuery(nil, raw20("zz"), raw20("h1"))))))
	if err != nil || failure != "" || len(files) != 2 || files[0] != (httpwire.ScrapeFile{InfoHash: raw20("h1"), Complete: 1, Downloaded: 1}) {
		t.Errorf("%v %q %+v", err, failure, files)
	}
	if _, failure, err := httpwire.ParseScrapeReply([]byte(get(t, srv.URL+"/scrape"))); err != nil || failure == "" {
		t.Errorf("full: %v %q", err, failure)
	}
	_, srv = start(t, Config{FullScrape: true})
	get(t, srv.URL+"/announce"+query("h1", "a", 1000, 5, ""))
	if files, _, err := httpwire.ParseScrapeReply([]byte(get(t, srv.URL+"/scrape"))); err != nil || len(files) != 1 {
		t.Errorf("full, allowed: %v %+v", err, files)
	}
}
