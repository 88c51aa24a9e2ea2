package tracker

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/shoal-p2p/shoal/internal/discovery/trackerclient/httpwire"
	"github.com/shoal-p2p/shoal/internal/tracker/limit"
)

// Whatever door somebody comes by, and whatever bound is hit, the reason is counted once under
// its own name, OnLimit hears whose it was, and the client is told in the reason's words.
func TestEveryLimitHasItsReason(t *testing.T) {
	slow := Rate{PerSecond: 0.001, Burst: 1}
	dialAgain := func(t *testing.T, c *client, url string) string {
		_, resp, err := websocket.Dial(t.Context(), url+"/announce", nil)
		if err == nil || resp.StatusCode == http.StatusSwitchingProtocols {
			t.Fatal("it was let in")
		}
		b := make([]byte, 200)
		n, _ := resp.Body.Read(b)
		return string(b[:n])
	}
	announceAgain := func(t *testing.T, c *client, url string) string {
		c.announce("hash", "a", nil)
		text, _ := c.announce("hash", "b", nil)["failure reason"].(string)
		return text
	}
	getAgain := func(t *testing.T, c *client, url string) string {
		get(t, url+"/announce"+query("hash", "a", 1, 1, ""))
		return get(t, url+"/announce"+query("hash", "b", 2, 1, ""))
	}
	for name, tc := range map[string]struct {
		limits Limits
		do     func(t *testing.T, c *client, url string) string
		want   Reason
	}{
		"connections":               {Limits{Conns: 1}, dialAgain, limit.Conns},
		"connections of an address": {Limits{ConnsPerAddr: 1}, dialAgain, limit.ConnsPerAddr},
		"connections of a prefix":   {Limits{ConnsPerPrefix: 1}, dialAgain, limit.ConnsPerPrefix},
		"connecting":                {Limits{ConnectsPerAddr: slow}, dialAgain, limit.ConnectRate},
		"a connection's announces":  {Limits{AnnouncesPerConn: slow}, announceAgain, limit.AnnouncesPerConn},
		"an address's announces":    {Limits{AnnouncesPerAddr: slow}, announceAgain, limit.AnnouncesPerAddr},
		"a prefix's announces":      {Limits{AnnouncesPerPrefix: slow}, announceAgain, limit.AnnouncesPerPrefix},
		"a connection's peers":      {Limits{PeersPerConn: 1}, announceAgain, limit.PeersPerConn},
		"by HTTP":                   {Limits{AnnouncesPerAddr: slow}, getAgain, limit.AnnouncesPerAddr},
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			told := map[Reason]int{}
			tr, srv := start(t, Config{Limits: tc.limits, OnLimit: func(r Reason, addr netip.Addr) {
				mu.Lock()
				defer mu.Unlock()
				if !addr.IsLoopback() {
					t.Errorf("%s of %v", r, addr)
				}
				told[r]++
			}})
			text := tc.do(t, dial(t, srv), srv.URL)
			for len(text) > 0 && text[len(text)-1] == '\n' {
				text = text[:len(text)-1]
			}
			if want := tc.want.Error(); text != want && text != string(httpwire.AppendFailure(nil, want, 0)) {
				t.Errorf("the client reads %q", text)
			}
			st := tr.Stats()
			mu.Lock()
			defer mu.Unlock()
			if st.Reasons[tc.want] != 1 || st.Limited != 1 || told[tc.want] != 1 || len(told) != 1 {
				t.Errorf("counted %v, told %v", st.Reasons, told)
			}
		})
	}
}

func TestConnectionLimits(t *testing.T) {
	_, srv := start(t, Config{Limits: Limits{Conns: 3, ConnsPerAddr: 1}, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	try := func(from string) (*websocket.Conn, int) {
		ws, resp, err := websocket.Dial(t.Context(), srv.URL+"/announce", &websocket.DialOptions{HTTPHeader: http.Header{"X-Forwarded-For": {from}}})
		if err != nil {
			return nil, resp.StatusCode
		}
		t.Cleanup(func() { ws.CloseNow() })
		return ws, 0
	}
	first, status := try("1.2.3.4")
	if status != 0 {
		t.Fatal(status)
	}
	if _, status := try("1.2.3.4"); status != http.StatusTooManyRequests {
		t.Errorf("second from one address: %d", status)
	}
	if _, status := try("2001::1"); status != 0 {
		t.Errorf("another address: %d", status)
	}
	if _, status := try("2001::2"); status != http.StatusTooManyRequests {
		t.Errorf("second from one /64: %d", status)
	}
	if _, status := try("5.6.7.8"); status != 0 {
		t.Errorf("third: %d", status)
	}
	if _, status := try("5.6.7.9"); status != http.StatusServiceUnavailable {
		t.Errorf("fourth of three: %d", status)
	}
	first.CloseNow()
	eventually(t, "there is room again", func() bool { _, status := try("1.2.3.4"); return status == 0 })
}

func TestTooManyPeersOnOneConnection(t *testing.T) {
	tr, srv := start(t, Config{Limits: Limits{PeersPerConn: 2}})
	c := dial(t, srv)
	c.announce("hash", "a", nil)
	c.announce("hash", "b", nil)
	if m := c.announce("hash", "c", nil); m["failure reason"] == nil {
		t.Errorf("%v", m)
	}
	c.announce("hash", "a", nil).counts(t, 0, 2)
	c.announce("hash", "a", msg{"event": "stopped"})
	c.announce("hash", "c", nil).counts(t, 0, 2)
	if n := tr.Stats().WebRTCPeers; n != 2 {
		t.Errorf("%d peers", n)
	}
}

func TestSlowReceiverLosesOffersOnly(t *testing.T) {
	tr, srv := start(t, Config{})
	slow, fast := dial(t, srv), dial(t, srv)
	big := []any{msg{"offer": msg{"type": "offer", "sdp": strings.Repeat("x", 15_000)}, "offer_id": bin20("o")}}
	for i := range 900 { // 13 MB for somebody who does not read
		hash := fmt.Sprint("hash", i)
		slow.send(msg{"action": "announce", "info_hash": bin20(hash), "peer_id": bin20("slow"), "left": 1})
		for fast.announce(hash, "fast", nil)["incomplete"] != 2.0 {
			time.Sleep(time.Millisecond)
		}
		fast.announce(hash, "fast", msg{"offers": big})
		if tr.Stats().Dropped > 0 {
			return
		}
	}
	t.Error("everything was queued")
}
