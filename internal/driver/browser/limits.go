//go:build js

package browser

import (
	"sync"
	"syscall/js"
)

// limits are the bytes a second that all torrents together may receive and send.
type limits struct {
	mu sync.Mutex
	// What throttles of the page allow, and, of sending, its manners (web/src/manners.ts).
	down, up, allowed rate
	mute              bool // nothing may be sent
}

// A rate is a number of bytes a second. The zero value is any number.
type rate struct {
	limited bool
	n       int64
}

// read takes what the page says, if it says a number; one that is negative, or that Go does not
// have, stands for any number.
func (r *rate) read(v js.Value) {
	if kind(v) != js.TypeNumber {
		return
	}
	*r = rate{}
	if n := v.Float(); n >= 0 && n < 1<<53 {
		r.limited, r.n = true, int64(n)
	}
}

func lesser(a, b rate) rate {
	if !a.limited || b.limited && b.n < a.n {
		return b
	}
	return a
}

// setLimits changes the limits that are given, each a number of bytes a second, negative for
// any number: `down` and `up`, and `allowed`, which bounds sending besides `up`. Of 0 to send,
// peers are choked, so that they ask others; of 0 to receive nearly nothing comes.
func (c *Client) setLimits(arg js.Value) {
	l := &c.limits
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down.read(arg.Get("down"))
	l.up.read(arg.Get("up"))
	l.allowed.read(arg.Get("allowed"))
	up, down := lesser(l.up, l.allowed), l.down
	l.mute = up.limited && up.n == 0
	if down.limited {
		down.n = max(down.n, 1) // 0 is any number to the session
	}
	c.session.SetLimits(up.n, down.n)
	c.mu.Lock()
	list := make([]*tabTorrent, 0, len(c.torrents))
	for _, t := range c.torrents {
		if t.Torrent != nil {
			list = append(list, t)
		}
	}
	c.mu.Unlock()
	for _, t := range list {
		t.SetDownloadOnly(l.mute)
	}
}

// greet has a torrent that was just added to the session keep to the limits.
func (l *limits) greet(t *tabTorrent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.mute {
		t.SetDownloadOnly(true)
	}
}

// silent reports whether nothing may be sent.
func (l *limits) silent() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mute
}
