package webrtc

import (
	"io"
	"sync"
	"time"

	"github.com/shoal-p2p/shoal/internal/transport"
)

// A Conn is one open data channel as a byte stream. Message boundaries mean nothing.
type Conn struct {
	ch *channel // the platform's end

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

var (
	_ transport.Conn   = (*Conn)(nil)
	_ transport.Linked = (*Conn)(nil)
)

func newConn(ch *channel) *Conn {
	return &Conn{
		ch:       ch,
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
		expired, changed := c.read.watch()
		if isClosed(expired) {
			return 0, errTimeout
		}
		closed, over := c.state() // before we look: what came until then is in the queue
		if closed {
			return 0, ErrClosed
		}
		if len(p) == 0 {
			return 0, nil
		}
		if n := c.ch.take(p); n > 0 {
			return n, nil
		}
		if over {
			c.ch.hangUp()
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

// Write implements transport.Conn.
func (c *Conn) Write(p []byte) (int, error) {
	one := [1][]byte{p}
	n, err := c.WriteBuffers(one[:])
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
		var n int
		n, bufs, c.full = c.ch.put(bufs)
		done += int64(n)
	}
}

func (c *Conn) waitWritable() error {
	for {
		expired, changed := c.write.watch()
		switch {
		case isClosed(c.end):
			return c.lastError(ErrPeerClosed)
		case isClosed(expired):
			return errTimeout
		case !c.full:
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
		c.ch.hangUp()
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

func (c *Conn) state() (closed, over bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed, c.over
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

// Link implements transport.Linked.
func (c *Conn) Link() transport.Link { return c.ch.p }

// RemoteAddr implements transport.Conn: the address of the path in use when the
// connection was made, as far as a browser tells it.
func (c *Conn) RemoteAddr() string { return c.ch.p.remoteAddr() }

// SetReadDeadline implements transport.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.setDeadline(&c.read, t) }

// SetWriteDeadline implements transport.Conn.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.setDeadline(&c.write, t) }

func (c *Conn) setDeadline(d *deadline, t time.Time) error {
	if closed, _ := c.state(); closed {
		return ErrClosed
	}
	d.set(t)
	return nil
}
