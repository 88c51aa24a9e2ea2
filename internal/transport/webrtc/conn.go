//go:build !js

package webrtc

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/datachannel"
	"github.com/shoal-p2p/shoal/internal/transport"
)

const (
	// writeMessage is the largest message we send.
	writeMessage = 64 << 10

	// maxUnacked bounds what is written and not yet acknowledged, whatever window
	// the other side grants.
	maxUnacked = 8 << 20

	firstReadBuffer = 32 << 10
)

// Conn is one open data channel as a byte stream.
type Conn struct {
	p      *peer
	dc     *datachannel.DataChannel
	remote string

	rmu  sync.Mutex // a Read
	rbuf []byte
	rest []byte // of the last message

	wmu     sync.Mutex // a Write
	message int        // bytes in one message at most
	low     chan struct{}

	closed atomic.Bool // by us
	ended  chan struct{}

	mu    sync.Mutex // guards what follows
	over  bool
	cause error // why it ended, if neither side closed it
	read  readDeadline
	write time.Time
}

var _ transport.Conn = (*Conn)(nil)

func newConn(p *peer, dc *datachannel.DataChannel, remote string, maxOut int) *Conn {
	c := &Conn{
		p: p, dc: dc, remote: remote,
		message: min(writeMessage, max(maxOut, 1)),
		low:     make(chan struct{}, 1),
		ended:   make(chan struct{}),
	}
	dc.SetBufferedAmountLowThreshold(maxUnacked / 2)
	dc.OnBufferedAmountLow(func() {
		select {
		case c.low <- struct{}{}:
		default:
		}
	})
	return c
}

// Read implements transport.Conn. Data that arrived before the other side closed
// is given first, then io.EOF.
func (c *Conn) Read(p []byte) (int, error) {
	c.rmu.Lock()
	defer c.rmu.Unlock()
	if c.closed.Load() {
		return 0, ErrClosed
	}
	if len(p) == 0 {
		return 0, nil
	}
	for len(c.rest) == 0 {
		// A message goes straight into p if the largest one so far would have fit.
		into := p
		if len(p) < max(len(c.rbuf), firstReadBuffer) {
			if c.rbuf == nil {
				c.rbuf = make([]byte, firstReadBuffer)
			}
			into = c.rbuf
		}
		n, err := c.dc.Read(into)
		switch {
		case err == nil && &into[0] == &p[0]:
			if n > 0 {
				return n, nil
			}
		case err == nil:
			c.rest = into[:n]
		case errors.Is(err, io.ErrShortBuffer):
			// The message is still there. It is larger than any before.
			if len(into) >= maxMessage {
				c.end(errHugeMessage, false)
				return 0, errHugeMessage
			}
			c.rbuf = make([]byte, min(max(2*len(into), firstReadBuffer), maxMessage))
		case c.closed.Load():
			return 0, ErrClosed
		case errors.Is(err, os.ErrDeadlineExceeded):
			if c.readTimedOut() {
				return 0, os.ErrDeadlineExceeded
			}
		default:
			return 0, c.end(nil, false)
		}
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

var errHugeMessage = errors.New("webrtc: the other side sent a message larger than announced")

// Write implements transport.Conn. Message boundaries mean nothing.
func (c *Conn) Write(p []byte) (int, error) {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	return c.writeAll(p)
}

func (c *Conn) writeAll(p []byte) (int, error) {
	done := 0
	for done < len(p) {
		n := min(len(p)-done, c.message)
		if err := c.writeOne(p[done : done+n]); err != nil {
			return done, err
		}
		done += n
	}
	return done, nil
}

// writeBuffers keeps the memory in which small buffers are joined.
var writeBuffers = sync.Pool{New: func() any { return new([writeMessage]byte) }}

// WriteBuffers implements transport.Conn. The buffers are joined into messages,
// because each message costs both sides some work.
func (c *Conn) WriteBuffers(bufs [][]byte) (int64, error) {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	mem := writeBuffers.Get().(*[writeMessage]byte)
	defer writeBuffers.Put(mem)
	joined := mem[:0:c.message]
	var done int64
	flush := func() error {
		n, err := c.writeAll(joined)
		done += int64(n)
		joined = joined[:0]
		return err
	}
	for _, b := range bufs {
		for len(b) > 0 {
			if len(joined) == 0 && len(b) >= c.message {
				n, err := c.writeAll(b[:c.message])
				done += int64(n)
				if err != nil {
					return done, err
				}
				b = b[n:]
				continue
			}
			n := min(len(b), cap(joined)-len(joined))
			joined = append(joined, b[:n]...)
			b = b[n:]
			if len(joined) == cap(joined) {
				if err := flush(); err != nil {
					return done, err
				}
			}
		}
	}
	return done, flush()
}

// writeOne sends one message. The layers below block while earlier ones wait for
// the network; what is sent and not acknowledged is bounded here.
func (c *Conn) writeOne(b []byte) error {
	if c.dc.BufferedAmount() > maxUnacked {
		if err := c.waitAcked(); err != nil {
			return err
		}
	}
	if c.closed.Load() {
		return ErrClosed
	}
	_, err := c.dc.Write(b)
	switch {
	case err == nil:
		return nil
	case c.closed.Load():
		return ErrClosed
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return os.ErrDeadlineExceeded
	}
	if err := c.end(nil, false); err != io.EOF {
		return err
	}
	return ErrPeerClosed
}

func (c *Conn) waitAcked() error {
	for c.dc.BufferedAmount() > maxUnacked {
		c.mu.Lock()
		deadline := c.write
		c.mu.Unlock()
		// The deadline may be changed meanwhile, so it is looked at again.
		wait := time.Second
		if !deadline.IsZero() {
			if wait = min(wait, time.Until(deadline)); wait <= 0 {
				return os.ErrDeadlineExceeded
			}
		}
		t := time.NewTimer(wait)
		select {
		case <-c.low:
		case <-t.C:
		case <-c.ended:
			t.Stop()
			if c.closed.Load() {
				return ErrClosed
			}
			return ErrPeerClosed
		}
		t.Stop()
	}
	return nil
}

// Close implements transport.Conn. It returns at once; what was written is still
// delivered if the other side takes it within a few seconds.
func (c *Conn) Close() error {
	if c.closed.CompareAndSwap(false, true) {
		c.end(nil, true)
		past := time.Unix(1, 0)
		_ = c.dc.SetReadDeadline(past)
		_ = c.dc.SetWriteDeadline(past)
	}
	return nil
}

// end frees the connection and returns what Read says from now on. A cause is
// given when it ends for another reason than that one side closed it.
func (c *Conn) end(cause error, linger bool) error {
	c.mu.Lock()
	if !c.over {
		c.over = true
		c.cause = cause
		c.read.stop()
		close(c.ended)
	}
	cause = c.cause
	c.mu.Unlock()
	c.p.startTeardown(linger)
	switch {
	case c.closed.Load():
		return ErrClosed
	case cause != nil:
		return cause
	}
	return io.EOF
}

// Kind implements transport.Conn.
func (c *Conn) Kind() transport.Kind { return transport.WebRTC }

// RemoteAddr implements transport.Conn: the address of the path in use when the
// connection was made.
func (c *Conn) RemoteAddr() string { return c.remote }

// SetWriteDeadline implements transport.Conn.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed.Load() {
		return ErrClosed
	}
	c.write = t
	return c.dc.SetWriteDeadline(t)
}

// A readDeadline wakes a Read through the channel's own deadline, which costs a
// goroutine, only when the time has come; moving it is only a timer's reset.
type readDeadline struct {
	at    time.Time
	timer *time.Timer
	fired bool
}

func (d *readDeadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
	}
}

// SetReadDeadline implements transport.Conn.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed.Load() {
		return ErrClosed
	}
	if c.over {
		return nil
	}
	c.read.at = t
	c.read.stop()
	if c.read.fired {
		c.read.fired = false
		_ = c.dc.SetReadDeadline(time.Time{})
	}
	if t.IsZero() {
		return nil
	}
	wait := max(time.Until(t), 0)
	if c.read.timer == nil {
		c.read.timer = time.AfterFunc(wait, c.fireRead)
	} else {
		c.read.timer.Reset(wait)
	}
	return nil
}

func (c *Conn) fireRead() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over || c.read.at.IsZero() || time.Now().Before(c.read.at) {
		return
	}
	c.read.fired = true
	_ = c.dc.SetReadDeadline(time.Unix(1, 0))
}

// readTimedOut reports whether a time-out is the one that was asked for. One that
// was taken back at the last moment is cleared.
func (c *Conn) readTimedOut() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.read.fired {
		return true
	}
	_ = c.dc.SetReadDeadline(time.Time{})
	return false
}
