package webrtc

import (
	"io"
	"sync"
	"syscall/js"
	"time"

	"github.com/shoal-p2p/shoal/internal/transport"
)

// Conn is one open data channel as a byte stream.
type Conn struct {
	p *peer

	rmu      sync.Mutex // a Read
	readable chan struct{}

	wmu      sync.Mutex // a Write
	full     bool       // the channel's buffer is; wait for writable
	writable chan struct{}

	read, write deadline

	mu     sync.Mutex
	closed bool          // by us
	over   bool          // nothing more comes in
	cause  error         // why, if the other side did not close it
	end    chan struct{} // closed with over or closed
}

var _ transport.Conn = (*Conn)(nil)

func newConn(p *peer) *Conn {
	return &Conn{
		p:        p,
		readable: make(chan struct{}, 1),
		writable: make(chan struct{}, 1),
		end:      make(chan struct{}),
	}
}

// Read implements transport.Conn. Data that arrived before the other side closed
// is given first, then io.EOF.
func (c *Conn) Read(p []byte) (int, error) {
	c.rmu.Lock()
	defer c.rmu.Unlock()
	for {
		if c.isClosed() {
			return 0, ErrClosed
		}
		if len(p) == 0 {
			return 0, nil
		}
		expired, changed := c.read.watch()
		select {
		case <-expired:
			return 0, errTimeout
		default:
		}
		over := c.isOver() // before we look: what came until then is in the queue
		if part := bridge.rtc.Call("take", c.p.id, len(p)); !part.IsNull() {
			return js.CopyBytesToGo(p, part), nil
		}
		if over {
			c.p.hangUp()
			return 0, c.lastError(io.EOF)
		}
		select {
		case <-c.readable:
		case <-c.end:
		case <-expired:
		case <-changed:
		}
	}
}

// Write implements transport.Conn. Message boundaries mean nothing.
func (c *Conn) Write(p []byte) (int, error) {
	n, err := c.WriteBuffers([][]byte{p})
	return int(n), err
}

// WriteBuffers implements transport.Conn. The buffers are joined into messages,
// because each message costs both sides some work.
func (c *Conn) WriteBuffers(bufs [][]byte) (int64, error) {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	var done int64
	for {
		for len(bufs) > 0 && len(bufs[0]) == 0 {
			bufs = bufs[1:]
		}
		if err := c.waitWritable(); err != nil || len(bufs) == 0 {
			return done, err
		}
		// The script's memory is shared by all connections, which is safe because
		// nothing else runs between the copy and the call.
		n := 0
		for len(bufs) > 0 && n < bridge.size {
			into := bridge.scratch
			if n > 0 {
				into = into.Call("subarray", n)
			}
			k := js.CopyBytesToJS(into, bufs[0])
			n += k
			if bufs[0] = bufs[0][k:]; len(bufs[0]) == 0 {
				bufs = bufs[1:]
			}
		}
		c.full = !bridge.rtc.Call("send", c.p.id, n).Bool()
		done += int64(n)
	}
}

func (c *Conn) waitWritable() error {
	for {
		expired, changed := c.write.watch()
		select {
		case <-c.end:
			return c.lastError(ErrPeerClosed)
		case <-expired:
			return errTimeout
		default:
		}
		if !c.full {
			return nil
		}
		select {
		case <-c.writable:
			c.full = false
		case <-c.end:
		case <-expired:
		case <-changed:
		}
	}
}

// Close implements transport.Conn. It returns at once; what was written is still
// delivered if the other side takes it within a few seconds.
func (c *Conn) Close() error {
	c.mu.Lock()
	first := !c.closed
	c.closed = true
	if first && !c.over {
		close(c.end)
	}
	c.mu.Unlock()
	if first {
		c.read.stop()
		c.write.stop()
		c.p.hangUp()
	}
	return nil
}

// ended is called when nothing more comes in.
func (c *Conn) ended(cause error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return
	}
	c.over = true
	c.cause = cause
	if !c.closed {
		close(c.end)
	}
}

func (c *Conn) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

func (c *Conn) isOver() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.over
}

// lastError is what a call says after the end; orderly if the other side closed.
func (c *Conn) lastError(orderly error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return ErrClosed
	case c.cause != nil:
		return c.cause
	}
	return orderly
}

// Kind implements transport.Conn.
func (c *Conn) Kind() transport.Kind { return transport.WebRTC }

// RemoteAddr implements transport.Conn: the address of the path in use, as far
// as the browser tells it.
func (c *Conn) RemoteAddr() string {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	return c.p.remote
}

// SetReadDeadline implements transport.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.read.set(t) }

// SetWriteDeadline implements transport.Conn.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.write.set(t) }

type timeoutError struct{}

func (timeoutError) Error() string { return "webrtc: i/o timeout" }
func (timeoutError) Timeout() bool { return true }

var errTimeout = timeoutError{}

// A deadline closes a channel when its time has come, and another when it is
// changed, so that a call that waits looks again.
type deadline struct {
	mu    sync.Mutex
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

func (d *deadline) set(t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
	}
	d.hit = make(chan struct{})
	if d.moved != nil {
		close(d.moved)
		d.moved = nil
	}
	if t.IsZero() {
		return nil
	}
	hit := d.hit
	if wait := time.Until(t); wait <= 0 {
		close(hit)
	} else {
		d.timer = time.AfterFunc(wait, func() { close(hit) })
	}
	return nil
}

func (d *deadline) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
	}
}
