//go:build js

package browser

import (
	"strings"
	"syscall/js"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/discovery/trackerclient"
	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/internal/transport/webrtc"
	"github.com/shoal-p2p/shoal/metainfo"
)

// tab is a client in memory whose trackers are sockets of the given class; events are
// what it says to the page.
func tab(t *testing.T, class string) (c *Client, events *[]js.Value) {
	t.Helper()
	js.Global().Call("eval", class)
	events = new([]js.Value)
	f := js.FuncOf(func(_ js.Value, args []js.Value) any {
		*events = append(*events, args[0])
		return nil
	})
	js.Global().Set("shoalEvent", f)
	c = &Client{torrents: map[string]*tabTorrent{}, swarms: map[metainfo.Hash]*tabTorrent{}, memory: true, session: driver.NewSession(driver.Config{})}
	rtc, err := webrtc.NewHost(webrtc.Config{})
	if err != nil {
		t.Fatal(err)
	}
	c.rtc, c.trackers = rtc, trackerclient.New(trackerclient.Config{Sink: c, WebRTC: rtc})
	t.Cleanup(func() {
		c.trackers.Close()
		c.session.Close()
		js.Global().Set("shoalEvent", js.FuncOf(func(js.Value, []js.Value) any { return nil }))
	})
	return c, events
}

func soon(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("never: " + what)
		}
	}
}

// last is the latest event of a kind.
func last(events []js.Value, kind string) js.Value {
	for i := len(events) - 1; i >= 0; i-- {
		if events[i].Get("type").String() == kind {
			return events[i]
		}
	}
	return js.Null()
}

// A better link to a torrent that is there already brings its trackers, its web seeds and
// what is in it.
func TestABetterLinkImprovesTheTorrent(t *testing.T) {
	c, events := tab(t, trackerSocket+`
globalThis.dialled = [];
globalThis.WebSocket = class extends globalThis.WebSocket { constructor(url) { super(url); dialled.push(url) } };`)
	dialled := func(url string) bool {
		return strings.Contains(js.Global().Get("dialled").Call("join", " ").String(), url)
	}
	meta := album(t, true)
	id := meta.Info.Key().String()
	add := func(source any, link string) {
		t.Helper()
		got, err := c.add(js.ValueOf(map[string]any{"source": source, "link": link, "trackers": []any{}}))
		if err != nil || got.(map[string]any)["id"] != id {
			t.Fatal(got, err)
		}
	}
	add("magnet:?xt=urn:btih:"+id+"&tr=wss%3A%2F%2Fone.example%2F", "")
	soon(t, "the first tracker is asked", func() bool { return dialled("one.example") })
	add("magnet:?xt=urn:btih:"+id+"&tr=wss%3A%2F%2Ftwo.example%2F&tr=udp%3A%2F%2Fthree.example%3A80&ws=https%3A%2F%2Fseed.example%2Fx", "")
	soon(t, "the second tracker is asked", func() bool { return dialled("two.example") })
	// By the other hash of the hybrid it is the same torrent, once that is known.
	add(toJS(meta.Marshal()), "")
	soon(t, "its files are known", func() bool {
		told := last(*events, "metadata")
		return told.Truthy() && told.Get("id").String() == id // not what another test has left
	})
	add("magnet:?xt=urn:btmh:1220"+metainfoV2(meta)+"&tr=wss%3A%2F%2Ffour.example%2F", "")
	soon(t, "the fourth tracker is asked", func() bool { return dialled("four.example") })
	link := last(*events, "metadata").Get("magnet").String()
	for _, part := range []string{"one.example", "two.example", "udp%3A%2F%2Fthree.example", "four.example", "seed.example"} {
		if !strings.Contains(link, part) {
			t.Errorf("what is passed on lacks %s: %s", part, link)
		}
	}
	if len(c.torrents) != 1 {
		t.Errorf("%d torrents", len(c.torrents))
	}
}

func metainfoV2(m *metainfo.Torrent) string { return m.Info.HashV2.String() }

// The page is told which tracker failed and why.
func TestTheFailureOfATrackerIsTold(t *testing.T) {
	c, events := tab(t, trackerSocket+`
globalThis.WebSocket = class { constructor() { setTimeout(() => this.onclose && this.onclose({}), 1) } close() {} };`)
	if _, err := c.add(js.ValueOf(map[string]any{"source": "magnet:?xt=urn:btih:" + strings.Repeat("ab", 20), "trackers": []any{"wss://gone.example/"}})); err != nil {
		t.Fatal(err)
	}
	soon(t, "the failure is told", func() bool {
		c.sendStats()
		stats := last(*events, "stats")
		if !stats.Truthy() || stats.Get("trackers").Length() != 1 {
			return false
		}
		tr := stats.Get("trackers").Index(0)
		return tr.Get("url").String() == "wss://gone.example/" && tr.Get("state").String() == "failed" &&
			tr.Get("reason").String() == "the connection could not be opened" && tr.Get("next").Float() > float64(time.Now().UnixMilli())
	})
}
