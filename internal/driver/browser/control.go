//go:build js

package browser

import (
	"errors"
	"slices"
	"syscall/js"
)

const (
	// mostCritical bounds the calls of a torrent that wait for pieces: each is looked at
	// whenever a piece comes.
	mostCritical = 32
	// mostNamed is how many web seeds a page may have asked besides those of the torrent.
	mostNamed = 16
)

// hurry has pieces fetched before everything else.
func (c *Client) hurry(arg js.Value) error {
	t, first, last, err := c.piecesOf(arg)
	if err != nil {
		return err
	}
	if t.critical.Load() >= mostCritical {
		return errors.New("too many pieces are critical already")
	}
	t.critical.Add(1)
	go t.hurry(int64(first), int64(last))
	return nil
}

// hurry reads a byte of each piece: as for any reader, it is fetched first.
func (t *tabTorrent) hurry(first, last int64) {
	info := t.Info()
	r := t.NewReader(0, info.Length, false)
	var b [1]byte
	for ; first <= last; first++ {
		r.Seek(first*info.PieceLength, 0)
		if _, err := r.Read(b[:]); err != nil {
			break
		}
	}
	r.Close()
	t.critical.Add(-1)
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

// addWebSeed has a further server asked for what is missing. One that the torrent names, but
// that is not asked because there are enough, is asked from now on.
func (c *Client) addWebSeed(arg js.Value) error {
	t, err := c.byID(arg)
	if err != nil {
		return err
	}
	url := stringOf(arg.Get("url"))
	c.mu.Lock()
	if slices.Contains(t.webSeeds[:t.asked], url) {
		c.mu.Unlock()
		return nil
	}
	if t.named >= mostNamed {
		c.mu.Unlock()
		return errors.New("too many web seeds")
	}
	t.named++
	list := append(t.webSeeds[:t.asked:t.asked], url)
	for _, other := range t.webSeeds[t.asked:] {
		if other != url {
			list = append(list, other)
		}
	}
	t.webSeeds = list
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
