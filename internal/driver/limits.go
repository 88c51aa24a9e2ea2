package driver

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/shoal-p2p/shoal/internal/limit"
)

// throttle limits one direction of a session.
type throttle struct {
	rate atomic.Int64

	mu      sync.Mutex // guards bucket and those of all lanes
	bucket  limit.Bucket
	changed chan struct{} // closed and replaced when a rate changes
}

// lane limits one direction of a torrent, within the session's limit.
type lane struct {
	all    *throttle
	rate   atomic.Int64
	bucket limit.Bucket // guarded by all.mu
}

// SetLimits changes how many bytes a second all torrents together may send and
// receive, in payload and protocol; 0 means any number. It holds at once, for
// every transport.
func (s *Session) SetLimits(up, down int64) {
	s.up.set(&s.up.bucket, &s.up.rate, up)
	s.down.set(&s.down.bucket, &s.down.rate, down)
}

// SetLimits changes how many bytes a second the torrent may send and receive, in
// payload and protocol, within the limits of the session; 0 means as many as
// those allow. It holds at once.
func (t *Torrent) SetLimits(up, down int64) {
	t.up.all.set(&t.up.bucket, &t.up.rate, up)
	t.down.all.set(&t.down.bucket, &t.down.rate, down)
}

// Limits returns what SetLimits has set.
func (s *Session) Limits() (up, down int64) { return s.up.rate.Load(), s.down.rate.Load() }

// Limits returns what SetLimits has set.
func (t *Torrent) Limits() (up, down int64) { return t.up.rate.Load(), t.down.rate.Load() }

// Pay waits until n bytes just received are within the limits. It returns at once
// when there are none, and when the source is no longer wanted.
func (f *Feed) Pay(n int) { f.t.down.pay(n, f.quit) }

// Quantum is how many bytes a source should receive before it calls Pay; 0 means
// any number.
func (f *Feed) Quantum() int { return f.t.down.quantum() }

func (th *throttle) set(b *limit.Bucket, rate *atomic.Int64, n int64) {
	n = max(n, 0)
	th.mu.Lock()
	defer th.mu.Unlock()
	b.SetRate(time.Now(), n)
	rate.Store(n)
	if th.changed != nil {
		close(th.changed)
		th.changed = nil
	}
}

// limited reports whether there is a limit.
func (l *lane) limited() bool { return l.rate.Load() > 0 || l.all.rate.Load() > 0 }

// quantum is how many bytes should pass at a time; 0 means any number, because
// there is no limit.
func (l *lane) quantum() int {
	if !l.limited() {
		return 0
	}
	l.all.mu.Lock()
	defer l.all.mu.Unlock()
	own, all := l.bucket.Quantum(), l.all.bucket.Quantum()
	if own == 0 || all > 0 && all < own {
		return all
	}
	return own
}

// pay waits until n bytes may pass. It reports false when quit is closed before.
func (l *lane) pay(n int, quit <-chan struct{}) bool {
	if !l.limited() {
		return true
	}
	th := l.all
	th.mu.Lock()
	now := time.Now()
	own, all := l.bucket.Take(now, n), th.bucket.Take(now, n)
	for {
		d := max(l.bucket.Wait(now, own), th.bucket.Wait(now, all))
		if d == 0 {
			th.mu.Unlock()
			return true
		}
		if th.changed == nil {
			th.changed = make(chan struct{})
		}
		changed := th.changed
		th.mu.Unlock()
		timer := time.NewTimer(d)
		select {
		case <-timer.C:
		case <-changed:
		case <-quit:
			timer.Stop()
			return false
		}
		timer.Stop()
		th.mu.Lock()
		now = time.Now()
	}
}
