//go:build js

package browser

import (
	"context"
	"syscall/js"
	"testing"

	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/metainfo"
	"github.com/shoal-p2p/shoal/storage"
)

func TestLimitsOfATab(t *testing.T) {
	c := &Client{session: driver.NewSession(driver.Config{}), torrents: map[string]*tabTorrent{}}
	defer c.session.Close()
	for _, tt := range []struct {
		call     map[string]any
		up, down int64 // of the session, for which 0 is any number
		mute     bool
	}{
		{map[string]any{}, 0, 0, false},
		{map[string]any{"down": 5000}, 0, 5000, false},
		{map[string]any{"up": 3000, "allowed": 9000}, 3000, 5000, false},
		{map[string]any{"allowed": 1000}, 1000, 5000, false},
		{map[string]any{"up": -1}, 1000, 5000, false},
		{map[string]any{"allowed": 0, "down": 0}, 0, 1, true},
		{map[string]any{"up": 3000}, 0, 1, true},
		{map[string]any{"allowed": -1, "down": -1}, 3000, 0, false},
		{map[string]any{"up": js.Global().Get("Infinity"), "down": js.Global().Get("NaN"), "allowed": "many"}, 0, 0, false},
	} {
		if _, err := c.call("limits", js.ValueOf(tt.call)); err != nil {
			t.Fatal(err)
		}
		if up, down := c.session.Limits(); up != tt.up || down != tt.down || c.limits.silent() != tt.mute {
			t.Errorf("after %v: %d up, %d down, mute: %v", tt.call, up, down, c.limits.silent())
		}
	}
}

// Of what passes the page is told the sum, with that of torrents that are gone, and only
// when it has changed.
func TestTotalsOfATab(t *testing.T) {
	var told []js.Value
	js.Global().Set("shoalEvent", js.FuncOf(func(_ js.Value, args []js.Value) any {
		told = append(told, args[0])
		return nil
	}))
	meta := album(t, true)
	c := &Client{session: driver.NewSession(driver.Config{}), torrents: map[string]*tabTorrent{}}
	defer c.session.Close()
	tt := &tabTorrent{id: "album"}
	var err error
	tt.Torrent, err = c.session.Add(driver.Options{Info: meta.Info, Open: func(context.Context, *metainfo.Info) (driver.Content, error) {
		return driver.Content{Store: storage.NewMemory(meta.Info, storage.MemoryOptions{})}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	c.torrents[tt.id] = tt
	c.past = totals{fromPeers: 7, toPeers: 9}
	for range 2 {
		c.sendTotals([]*tabTorrent{tt})
	}
	if len(told) != 1 {
		t.Fatalf("told %d times", len(told))
	}
	if e := told[0]; e.Get("type").String() != "totals" || e.Get("fromPeers").Int() != 7 || e.Get("fromWebSeeds").Int() != 0 || e.Get("toPeers").Int() != 9 {
		t.Error("the sums are wrong")
	}
	if _, err := c.call("remove", js.ValueOf(map[string]any{"id": "album"})); err != nil {
		t.Fatal(err)
	}
	if c.past.toPeers != 9 || len(c.torrents) != 0 {
		t.Errorf("%+v", c.past)
	}
}
