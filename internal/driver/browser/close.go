//go:build js

package browser

import (
	"sync"
	"time"
)

// goodbye is how long trackers are waited for when something ends. The page waits a
// little longer for all of it (web/src/engine.ts).
const goodbye = 2 * time.Second

// close ends every torrent as remove does, and everything else. The page ends the worker
// behind it.
func (c *Client) close() error {
	c.closing.Store(true)
	c.mu.Lock()
	list := c.torrents
	c.torrents = map[string]*tabTorrent{}
	c.mu.Unlock()
	var all sync.WaitGroup
	var mu sync.Mutex
	var first error
	for _, t := range list {
		all.Go(func() {
			if err := c.leave(t, false); err != nil {
				mu.Lock()
				first = err
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return first
}

// leave ends a torrent: peers and trackers are told, and what is stored is made permanent
// or, with forget, removed. Nothing stored waits for the trackers.
func (c *Client) leave(t *tabTorrent, forget bool) (err error) {
	c.mu.Lock()
	announces := t.announces
	c.mu.Unlock()
	ctx := timeout(goodbye)
	var told sync.WaitGroup
	for _, h := range announces {
		told.Go(func() { h.Stop(ctx) })
	}
	if t.Torrent != nil {
		t.Close()
	}
	if t.store != nil {
		err = t.store.Close()
	}
	switch {
	case t.opfs != nil && forget:
		err = t.opfs.Delete()
	case t.opfs != nil:
		err = t.opfs.Close()
	}
	c.release(t.claimed)
	told.Wait()
	return err
}
