//go:build js

package browser

import (
	"context"
	"errors"
	"sync/atomic"
	"syscall/js"
	"testing"
	"time"

	"github.com/shoal-p2p/shoal/internal/discovery/trackerclient"
	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/internal/transport/webrtc"
	"github.com/shoal-p2p/shoal/metainfo"
	"github.com/shoal-p2p/shoal/storage"
)

// Two tabs may ask for one torrent at the same time: both may read from it once they are answered.
func TestATorrentThatIsBeingAdded(t *testing.T) {
	meta := album(t, true)
	id := meta.Info.Key().String()
	first := &tabTorrent{id: id, begun: make(chan struct{})}
	c := &Client{torrents: map[string]*tabTorrent{id: first}, swarms: map[metainfo.Hash]*tabTorrent{}, memory: true, session: driver.NewSession(driver.Config{})}
	js.Global().Call("eval", trackerSocket)
	rtc, err := webrtc.NewHost(webrtc.Config{})
	if err != nil {
		t.Fatal(err)
	}
	c.rtc, c.trackers = rtc, trackerclient.New(trackerclient.Config{Sink: c, WebRTC: rtc})
	second := &tabTorrent{id: id, meta: meta, unwanted: map[int]bool{}}
	answered := make(chan error, 1)
	go func() {
		answered <- c.start(second, driver.Options{Info: meta.Info, Key: meta.Info.Key()}, func(context.Context, *metainfo.Info) (driver.Content, error) {
			return driver.Content{Store: storage.NewMemory(meta.Info, storage.MemoryOptions{})}, nil
		})
	}()
	time.Sleep(20 * time.Millisecond)
	if len(answered) > 0 {
		t.Error("answered before there is anything to read from")
	}
	c.mu.Lock()
	delete(c.torrents, id) // the first could not be added
	c.mu.Unlock()
	close(first.begun)
	if err := <-answered; err != nil || second.Torrent == nil {
		t.Fatalf("the other was not added in its place: %v", err)
	}
	second.Close()
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("the torrent is closed") }
func (brokenReader) Close() error             { return nil }

// A reader of an engine that hands over says nothing of its end: the next goes on with it.
func TestAReaderOfAnEngineThatCloses(t *testing.T) {
	for closing, want := range map[bool]int{false: 1, true: 0} {
		port := js.Global().Call("eval", "({ said: 0, postMessage() { this.said++; }, close() { this.closed = true; } })")
		var c atomic.Bool
		c.Store(closing)
		ended := make(chan struct{})
		go func() {
			stream(port, brokenReader{}, func(int) {}, &c)
			close(ended)
		}()
		for port.Get("onmessage").Type() != js.TypeFunction {
			time.Sleep(time.Millisecond)
		}
		port.Call("onmessage", js.ValueOf(map[string]any{"data": true}))
		<-ended
		if said := port.Get("said").Int(); said != want || !port.Get("closed").Bool() {
			t.Errorf("closing %v: %d messages, not %d", closing, said, want)
		}
	}
}
