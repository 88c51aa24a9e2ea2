package tracker

import (
	"net/http"
	"net/netip"
	"sync"
	"testing"

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
