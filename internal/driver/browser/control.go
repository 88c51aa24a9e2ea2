//go:build js

package browser

import (
	"context"
	"errors"
	"slices"
	"strings"
	"syscall/js"
)

const (
	// mostCritical bounds the calls of a torrent that wait for pieces: each is looked at
	// whenever a piece comes.
	mostCritical = 32
	// mostNamed is how many web seeds a page may have asked besides those of the torrent.
	mostNamed = 16
	// mostURL is how long an address may be, in bytes.
	mostURL = 4 << 10
)

// hurry has pieces fetched before everything else.
func (c *Client) hurry(arg js.Value) error {
	t, first, last, err := c.piecesOf(arg)
	if err != nil {
		return err
	}
	if t.critical.Add(1) > mostCritical {
		t.critical.Add(-1)
		return errors.New("too many pieces are critical already")
	}
	go func() {
		defer t.critical.Add(-1)
		t.Hurry(context.Background(), first, last)
	}()
	return nil
}

// pause ends all connections of a torrent and what would bring new ones, or starts both
// again.
func (c *Client) pause(arg js.Value) error {
	t, err := c.byID(arg)
	if err != nil {
		return err
	}
	on := truthy(arg.Get("on"))
	c.mu.Lock()
	changed := t.resting != on
	t.resting = on
	announces := t.announces
	if on {
		t.announces, t.swarms = nil, nil
	} else if changed {
		t.asked = 0 // the connections to web seeds have ended
	}
	c.mu.Unlock()
	t.Pause(on)
	switch {
	case on:
		for _, h := range announces {
			go h.Stop(timeout(goodbye))
		}
	case changed:
		c.publish(t)
		if isDone(t.Learned()) && len(t.webSeeds) > 0 {
			t.startWebSeeds(c, t.sendMetadata(c))
		}
	}
	return nil
}

// webServers keeps those addresses that can be web seeds.
func webServers(urls []string) (list []string) {
	for _, url := range urls {
		if len(url) <= mostURL && (strings.HasPrefix(url, "https://") || strings.HasPrefix(url, "http://")) {
			list = append(list, url)
		}
	}
	return list
}

// addWebSeed has a further server asked for what is missing. One that the torrent names, but
// that is not asked because there are enough, is asked from now on.
func (c *Client) addWebSeed(arg js.Value) error {
	t, err := c.byID(arg)
	if err != nil {
		return err
	}
	urls := webServers([]string{stringOf(arg.Get("url"))})
	if len(urls) == 0 {
		return errors.New("a web seed has an address that begins with https:// or http://")
	}
	c.mu.Lock()
	i := slices.Index(t.webSeeds, urls[0])
	if i >= 0 && i < t.asked {
		c.mu.Unlock()
		return nil
	}
	if t.named >= mostNamed {
		c.mu.Unlock()
		return errors.New("too many web seeds")
	}
	t.named++
	list := slices.Clone(t.webSeeds)
	if i >= 0 {
		list = slices.Delete(list, i, i+1)
	}
	t.webSeeds = slices.Insert(list, min(t.asked, len(list)), urls[0])
	c.mu.Unlock()
	if isDone(t.Learned()) {
		t.startWebSeeds(c, t.sendMetadata(c))
	}
	return nil
}

// watchPieces has the page told of every piece from now on.
func (c *Client) watchPieces(arg js.Value) error {
	t, err := c.byID(arg)
	if err == nil {
		t.watching.Store(true)
	}
	return err
}
