package admin

import (
	"crypto/tls"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/shoal-p2p/shoal/tracker"
)

func TestLandingNamesTheAddressesTheVisitorUsed(t *testing.T) {
	secure := func(r *http.Request) { r.TLS = &tls.ConnectionState{} }
	proxied := func(r *http.Request) { r.Header.Set("X-Forwarded-Proto", "https") }
	none := func(*http.Request) {}
	for _, c := range []struct {
		host  string
		by    func(*http.Request)
		port  int
		wants []string
	}{
		{"tracker.test:8000", none, 8000, []string{"ws://tracker.test:8000/announce", "http://tracker.test:8000/announce", "udp://tracker.test:8000/announce"}},
		{"tracker.test", secure, 6969, []string{"wss://tracker.test/announce", "https://tracker.test/announce", "udp://tracker.test:6969/announce"}},
		{"tracker.test", proxied, 0, []string{"wss://tracker.test/announce", "https://tracker.test/announce"}},
		{"[2001:db8::1]:8000", none, 8000, []string{"ws://[2001:db8::1]:8000/announce", "udp://[2001:db8::1]:8000/announce"}},
		{"[2001:db8::1]", none, 8000, []string{"ws://[2001:db8::1]/announce", "udp://[2001:db8::1]:8000/announce"}},
		{"192.0.2.1", none, 8000, []string{"http://192.0.2.1/announce", "udp://192.0.2.1:8000/announce"}},
	} {
		l := Landing(LandingConfig{UDPPort: c.port})
		for kind, accept := range map[string]func(*http.Request){"text/html": browser, "text/plain": none} {
			r := ask(l, "GET", "/", c.by, accept, func(r *http.Request) { r.Host = c.host })
			body := text(t, r)
			if r.StatusCode != 200 || !strings.HasPrefix(r.Header.Get("Content-Type"), kind) {
				t.Errorf("%s: %s %s", c.host, r.Status, r.Header.Get("Content-Type"))
			}
			for _, want := range c.wants {
				if !strings.Contains(body, want) {
					t.Errorf("%s, %s: no %s in\n%s", c.host, kind, want, body)
				}
			}
			if c.port == 0 && strings.Contains(body, "udp://") {
				t.Errorf("%s: a UDP address without the door", c.host)
			}
		}
	}
}

func TestLandingRefusesHostsThatAreNone(t *testing.T) {
	for _, host := range []string{
		"", ":8000", "a b", "<script>", `x"y`, "x'y", "a/b", "user@host", "a:b", "a:99999", "[::1", "[x]", "[::1]x", "[fe80::1%25eth0]:1",
		"[1.2.3.4]", strings.Repeat("a", 254), "münchen.test", "a\r\nb",
	} {
		if r := ask(Landing(LandingConfig{UDPPort: 1}), "GET", "/", browser, func(r *http.Request) { r.Host = host }); r.StatusCode != 400 {
			t.Errorf("%q: %s", host, r.Status)
		}
	}
}

func FuzzHostname(f *testing.F) {
	for _, s := range []string{"tracker.test", "tracker.test:80", "[::1]:1", "127.0.0.1", "[", "a:", "%", "<b>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, host string) {
		name, err := hostname(host)
		if err == nil && (name == "" || !strings.Contains(host, name) || strings.ContainsAny(host, " <>\"'&/\\@?#\x00\r\n")) {
			t.Errorf("%q gives %q", host, name)
		}
	})
}

func TestLandingServesNothingElse(t *testing.T) {
	l := Landing(LandingConfig{})
	for _, path := range []string{"/favicon.ico", "/stats.json", "/metrics", "/x/"} {
		if r := ask(l, "GET", path, browser); r.StatusCode != 404 {
			t.Errorf("%s: %s", path, r.Status)
		}
	}
	if r := ask(l, "POST", "/", browser); r.StatusCode != 405 || r.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %s", r.Status)
	}
}

// Strangers may ask for the page as often as they like; the tracker is asked seldom.
func TestLandingCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{stats: tracker.Stats{Swarms: 1234567, WebRTCPeers: 800, TCPPeers: 200}}
		l := Landing(LandingConfig{Tracker: f})
		for range 1000 {
			if body := text(t, ask(l, "GET", "/", browser)); !strings.Contains(body, "<dd>1,234,567</dd>") || !strings.Contains(body, "<dd>1,000</dd>") {
				t.Fatalf("no counts in\n%s", body)
			}
		}
		if f.asked != 1 {
			t.Errorf("asked the tracker %d times", f.asked)
		}
		f.set(func(s *tracker.Stats) { s.Swarms = 12 })
		time.Sleep(countsFor)
		if body := text(t, ask(l, "GET", "/", browser)); !strings.Contains(body, "<dd>12</dd>") {
			t.Errorf("old counts in\n%s", body)
		}
	})
	if body := text(t, ask(Landing(LandingConfig{}), "GET", "/", browser)); strings.Contains(body, "swarms</dt>") {
		t.Error("counts of no tracker")
	}
}
