//go:build !js

package webrtc

import (
	"net"
	"sync"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/ice/v4"
)

// maxQueued bounds what SCTP has sent and DTLS has not yet encrypted, in bytes.
const maxQueued = 256 << 10

// dtlsPackets is what DTLS runs on: ICE's packets, without those that are not
// DTLS, and written in runs.
type dtlsPackets struct {
	*ice.Conn
	out *runWriter
}

func (d *dtlsPackets) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, err := d.Conn.Read(b)
		if err != nil || isDTLS(b[:n]) {
			return n, d.Conn.RemoteAddr(), err
		}
	}
}

func (d *dtlsPackets) WriteTo(b []byte, _ net.Addr) (int, error) { return d.out.Write(b) }

// writeRecords writes each record of a run as a packet of its own.
func writeRecords(c *ice.Conn, b []byte) (int, error) {
	total := len(b)
	for len(b) > 0 {
		n := recordLen(b)
		if _, err := c.Write(b[:n]); err != nil {
			return 0, err
		}
		b = b[n:]
	}
	return total, nil
}

type dtlsConn struct {
	*dtls.Conn
	packets *dtlsPackets
	client  bool
}

// A link is the net.Conn between SCTP and DTLS. SCTP hands over all packets that
// it may send, one after the other; a goroutine here encrypts them, so that what
// SCTP gave in one go becomes one run and SCTP goes on meanwhile.
type link struct {
	dtls *dtlsConn
	run  *runWriter

	mu     sync.Mutex
	work   sync.Cond // queue is not empty, or closed
	room   sync.Cond // queue is small enough, or closed
	queue  []byte
	sizes  []int
	err    error // of the writer
	closed bool

	dead     chan struct{} // closed when nothing comes in any more
	deadOnce sync.Once
	onDead   func()
	stopped  chan struct{} // the writer has ended
}

func newLink(d *dtlsConn) *link {
	l := &link{dtls: d, run: d.packets.out, dead: make(chan struct{}), stopped: make(chan struct{})}
	l.work.L, l.room.L = &l.mu, &l.mu
	go l.writer()
	return l
}

func (l *link) writer() {
	defer close(l.stopped)
	var queue []byte
	var sizes []int
	for {
		l.mu.Lock()
		for len(l.sizes) == 0 && !l.closed {
			l.work.Wait()
		}
		if len(l.sizes) == 0 {
			l.mu.Unlock()
			return
		}
		queue, l.queue = l.queue, queue[:0]
		sizes, l.sizes = l.sizes, sizes[:0]
		l.room.Broadcast()
		l.mu.Unlock()

		l.run.hold()
		var err error
		for rest := queue; len(sizes) > 0 && err == nil; sizes = sizes[1:] {
			_, err = l.dtls.Write(rest[:sizes[0]])
			rest = rest[sizes[0]:]
		}
		l.run.release()
		if err != nil {
			l.mu.Lock()
			l.err, l.closed = err, true
			l.room.Broadcast()
			l.mu.Unlock()
			return
		}
	}
}

// Write implements net.Conn for SCTP.
func (l *link) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.queue) > maxQueued && !l.closed {
		l.room.Wait()
	}
	if l.closed {
		if l.err != nil {
			return 0, l.err
		}
		return 0, net.ErrClosed
	}
	l.queue = append(l.queue, b...)
	l.sizes = append(l.sizes, len(b))
	l.work.Signal()
	return len(b), nil
}

// Read implements net.Conn for SCTP.
func (l *link) Read(b []byte) (int, error) {
	n, err := l.dtls.Read(b)
	if err != nil {
		l.die()
	}
	return n, err
}

func (l *link) die() {
	l.deadOnce.Do(func() {
		close(l.dead)
		l.mu.Lock()
		f := l.onDead
		l.mu.Unlock()
		if f != nil {
			go f()
		}
	})
}

// whenDead has f called, in a goroutine of its own, when nothing comes in any more.
func (l *link) whenDead(f func()) {
	l.mu.Lock()
	l.onDead = f
	l.mu.Unlock()
	select {
	case <-l.dead:
		go f()
	default:
	}
}

// Close writes what is queued and ends DTLS. It may be called any number of times.
func (l *link) Close() error {
	l.mu.Lock()
	l.closed = true
	l.work.Broadcast()
	l.room.Broadcast()
	l.mu.Unlock()
	_ = l.dtls.SetWriteDeadline(time.Now().Add(time.Second))
	<-l.stopped
	l.die()
	return l.dtls.Close()
}

// The rest of net.Conn.

func (l *link) LocalAddr() net.Addr               { return l.dtls.LocalAddr() }
func (l *link) RemoteAddr() net.Addr              { return l.dtls.RemoteAddr() }
func (l *link) SetDeadline(t time.Time) error     { return l.dtls.SetReadDeadline(t) }
func (l *link) SetReadDeadline(t time.Time) error { return l.dtls.SetReadDeadline(t) }

// SetWriteDeadline does nothing: a Write only waits for the writer, which does
// not wait for the network.
func (l *link) SetWriteDeadline(time.Time) error { return nil }
