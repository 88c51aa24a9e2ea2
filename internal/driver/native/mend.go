//go:build !js

package native

import (
	"slices"
	"time"

	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/metainfo"
	"github.com/shoal-p2p/shoal/storage"
)

// Pieces that are gone are looked at again after mendSoon, then ever later up to
// mendLate, and again soon when more are lost. A look hashes those pieces alone; after
// one that takes long there is a rest of restFor times as long, so that a file which is
// being written to does not keep a core busy.
const (
	mendSoon = time.Second
	mendLate = 15 * time.Second
	restFor  = 4
)

// mending is when the pieces of a torrent that are gone are looked at next. All fields
// belong to Torrent.mu.
type mending struct {
	known int           // pieces that are gone, at the last look
	wait  time.Duration // before the next look; 0: nothing is gone
	at    time.Time
	busy  bool
}

// plan returns how long it is until the next look, and whether it is now.
func (m *mending) plan(now time.Time, gone int) (wait time.Duration, due bool) {
	switch {
	case gone == 0:
		*m = mending{busy: m.busy}
		return keepEvery, false
	case m.busy:
		return keepEvery, false
	case m.wait == 0 || gone > m.known:
		if soon := now.Add(mendSoon); m.wait == 0 || soon.Before(m.at) {
			m.at = soon
		}
		m.wait = mendSoon
	}
	m.known = gone
	if wait = m.at.Sub(now); wait > 0 {
		return min(wait, keepEvery), false
	}
	m.busy = true
	return keepEvery, true
}

// rest notes the end of a look.
func (m *mending) rest(now time.Time, took time.Duration) {
	m.busy = false
	m.wait = min(2*m.wait, mendLate)
	m.at = now.Add(max(m.wait, restFor*took))
}

// mend has the pieces looked at that are gone, and returns when to call it again. The
// keeper calls it.
func (c *Client) mend(now time.Time) time.Duration {
	c.mu.Lock()
	list := slices.Clone(c.order)
	c.mu.Unlock()
	next := keepEvery
	for _, t := range list {
		n := t.NumGone()
		t.mu.Lock()
		wait, due := t.mending.plan(now, n)
		t.mu.Unlock()
		next = min(next, wait)
		if due {
			c.wg.Go(func() {
				begin := time.Now()
				t.Mend(t.ctx)
				end := time.Now()
				t.mu.Lock()
				t.mending.rest(end, end.Sub(begin))
				t.mu.Unlock()
				c.kick()
			})
		}
	}
	return next
}

// guard has nothing read from the content's store that was not looked at. layers are
// not those that the machine adds to.
func guard(c *driver.Content, info *metainfo.Info, layers *metainfo.Layers) *storage.Proven {
	p := storage.Prove(c.Store, info, layers, nil)
	c.Store, c.Mend = p, p.Mend
	return p
}

// known are the piece layers that come with a torrent; of a link, those that follow
// from the info dictionary.
func known(t *metainfo.Torrent, info *metainfo.Info) *metainfo.Layers {
	if t != nil {
		return t.Layers()
	}
	return metainfo.NewLayers(info)
}
