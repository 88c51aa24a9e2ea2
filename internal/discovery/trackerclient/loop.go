package trackerclient

import (
	"time"
)

// A letter is a function for the loop, about one torrent or none.
type letter struct {
	t *torrent
	f func(t *torrent, now time.Time)
}

// What a tracker sends in floods is dropped when so much waits for a torrent:
// offers first, so that the reply behind them is still heard.
const (
	maxOffersWaiting = 64
	maxWaiting       = 256
)

// post has f called by the loop. It reports false when the torrent has ended.
func (t *torrent) post(f func(t *torrent, now time.Time)) bool { return t.postUpTo(1<<30, f) }

// postUpTo is post, unless so much waits already: for what trackers may send in floods.
func (t *torrent) postUpTo(limit int, f func(t *torrent, now time.Time)) bool {
	c := t.c
	c.mailMu.Lock()
	defer c.mailMu.Unlock()
	if c.closed || t.ended || t.waiting >= limit {
		return false
	}
	t.waiting++
	c.mail = append(c.mail, letter{t, f})
	select {
	case c.wake <- struct{}{}:
	default:
	}
	return true
}

// tell has f called by the loop.
func (c *Client) tell(f func()) {
	c.mailMu.Lock()
	defer c.mailMu.Unlock()
	c.mail = append(c.mail, letter{f: func(*torrent, time.Time) { f() }})
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// run owns the state of all torrents, however many there are. It sleeps until the
// first of them has something to do.
func (c *Client) run() {
	defer c.wg.Done()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for c.ctx.Err() == nil {
		now := time.Now()
		c.deliver(now)
		for len(c.due) > 0 && !now.Before(c.due[0].next) {
			t := c.due[0]
			t.step(now)
			c.plan(now, t)
		}
		c.launch()
		wait := time.Hour
		if len(c.due) > 0 {
			wait = max(time.Until(c.due[0].next), 0)
		}
		timer.Reset(wait)
		select {
		case <-c.ctx.Done():
		case <-c.wake:
		case <-timer.C:
		}
	}
	// What was posted so far is still heard, the rest refused.
	for more := true; more; {
		c.deliver(time.Now())
		for len(c.due) > 0 {
			c.due[0].abandon()
		}
		c.mailMu.Lock()
		more = len(c.mail) > 0
		c.closed = !more
		c.mailMu.Unlock()
	}
	c.line.clear()
}

// deliver calls what was posted, and then what that has made due.
func (c *Client) deliver(now time.Time) {
	c.mailMu.Lock()
	mail := c.mail
	c.mail = nil
	for _, l := range mail {
		if l.t != nil {
			l.t.waiting--
		}
	}
	c.mailMu.Unlock()
	for _, l := range mail {
		l.f(l.t, now)
		if l.t != nil && l.t.at >= 0 {
			l.t.next = now
			c.due.Fix(l.t)
		}
	}
}

// plan puts a torrent in its place, by when it has something to do.
func (c *Client) plan(now time.Time, t *torrent) {
	if t.at < 0 {
		return // it was abandoned
	}
	t.next = t.deadline(now)
	c.due.Fix(t)
}

// Before implements heap.Item: the torrent that is due first comes first.
func (t *torrent) Before(other *torrent) bool { return t.next.Before(other.next) }

// Place implements heap.Item.
func (t *torrent) Place() *int { return &t.at }
