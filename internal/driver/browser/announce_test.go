//go:build js

package browser

import (
	"context"
	"strings"
	"syscall/js"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/discovery/trackerclient"
	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/internal/transport/webrtc"
	"github.com/shoal-p2p/shoal/metainfo"
	"github.com/shoal-p2p/shoal/storage"
)

// trackerSocket is a WebSocket class that keeps what is sent, beside a page whose
// connections make offers that nobody answers.
const trackerSocket = `
globalThis.announced = [];
globalThis.WebSocket = class {
	constructor() { this.readyState = 0; this.bufferedAmount = 0; setTimeout(() => { this.readyState = 1; this.onopen && this.onopen({}) }, 1) }
	send(s) { announced.push(s) }
	close() { this.readyState = 3; setTimeout(() => this.onclose && this.onclose({}), 1) }
};
globalThis.shoalRTC = {
	scratch: new Uint8Array(1024),
	listen(f) { this.f = f },
	open(id) { setTimeout(() => this.f(1, id, "v=0\na=candidate:x\na=setup:actpass\na=id=" + id), 1) },
	close() {},
};
globalThis.shoalEvent = () => {};`

// Who came by the one hash of a hybrid and who came by the other must meet.
func TestAHybridIsAnnouncedInBothSwarms(t *testing.T) {
	js.Global().Call("eval", trackerSocket)
	meta := album(t, true)
	c := &Client{torrents: map[string]*tabTorrent{}, swarms: map[metainfo.Hash]*tabTorrent{}, memory: true, session: driver.NewSession(driver.Config{})}
	rtc, err := webrtc.NewHost(webrtc.Config{})
	if err != nil {
		t.Fatal(err)
	}
	c.rtc, c.trackers = rtc, trackerclient.New(trackerclient.Config{Sink: c, WebRTC: rtc})
	tt := &tabTorrent{id: "clip", meta: meta, trackers: []string{"wss://tracker.example/"}, unwanted: map[int]bool{}}
	err = c.start(tt, driver.Options{Info: meta.Info, Key: meta.Info.Key()}, func(context.Context, *metainfo.Info) (driver.Content, error) {
		return driver.Content{Store: storage.NewMemory(meta.Info, storage.MemoryOptions{})}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	defer tt.Close()
	binary := func(h metainfo.Hash) string { // as the tracker protocol has it in JSON
		var s strings.Builder
		for _, b := range h {
			s.WriteRune(rune(b))
		}
		return js.Global().Get("JSON").Call("stringify", s.String()).String()
	}
	for _, key := range meta.Info.SwarmHashes() {
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			if strings.Contains(js.Global().Get("announced").Call("join").String(), binary(key)) {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("%v is not announced: %v", key, js.Global().Get("announced").Call("join"))
			}
		}
	}
}
