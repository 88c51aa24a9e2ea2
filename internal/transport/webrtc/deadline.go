package webrtc

import (
	"sync"
	"time"
)

type timeoutError struct{}

func (timeoutError) Error() string { return "webrtc: i/o timeout" }
func (timeoutError) Timeout() bool { return true }

var errTimeout = timeoutError{}

// A deadline closes a channel when its time has come, and another when it is
// changed, so that a call that waits looks again.
type deadline struct {
	mu    sync.Mutex
	at    time.Time
	timer *time.Timer
	hit   chan struct{}
	moved chan struct{}
}

// watch returns the two channels of now.
func (d *deadline) watch() (hit, moved <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.hit == nil {
		d.hit = make(chan struct{})
	}
	if d.moved == nil {
		d.moved = make(chan struct{})
	}
	return d.hit, d.moved
}

func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.at = t
	if d.moved != nil {
		close(d.moved)
		d.moved = nil
	}
	if d.hit != nil && isClosed(d.hit) {
		d.hit = nil
	}
	if d.timer != nil {
		d.timer.Stop()
	}
	if t.IsZero() {
		return
	}
	wait := time.Until(t)
	if wait <= 0 {
		d.expire()
	} else if d.timer == nil {
		d.timer = time.AfterFunc(wait, d.fire)
	} else {
		d.timer.Reset(wait)
	}
}

// fire is called by the timer, which may be late: the time may have been moved on.
func (d *deadline) fire() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.at.IsZero() && !time.Now().Before(d.at) {
		d.expire()
	}
}

// expire says that the time has come. The caller holds mu.
func (d *deadline) expire() {
	if d.hit == nil {
		d.hit = make(chan struct{})
	}
	if !isClosed(d.hit) {
		close(d.hit)
	}
}

func (d *deadline) stop() { d.set(time.Time{}) }

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// notify wakes who waits for c, which has room for one.
func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
