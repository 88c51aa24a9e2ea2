package wsconn

import (
	"net"
	"time"

	"github.com/shoal-p2p/shoal/internal/tracker/limit"
)

// A streamLink is a connection with a goroutine that reads, and while something waits to be
// written, one that writes: where there is no loop, and for connections that came by somebody
// else's http.Server over TLS.
type streamLink struct {
	nc      net.Conn
	writing bool // guarded by Conn.mu
	wake    chan struct{}
}

func (k *streamLink) flush(c *Conn) {
	if !k.writing {
		k.writing = true
		c.srv.wg.Go(func() { k.write(c) })
	}
}

func (k *streamLink) write(c *Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.out) > 0 && c.state < cut {
		out := c.out
		c.out = nil
		err := k.writeAll(c, out)
		c.srv.buffers.Out.Put(out)
		if err != nil {
			c.hangup()
			break
		}
	}
	if len(c.out) == 0 {
		c.flushed()
	}
	k.writing = false
	if c.state == closing {
		// The other side closes when it has our close frame; until then it is read.
		k.nc.SetReadDeadline(time.Now().Add(closeTimeout))
	}
}

// pieceSize is how much of what waits has to go within writeTimeout.
const pieceSize = 16 << 10

// writeAll writes b, which waits no longer than the socket takes it. It lets go of mu meanwhile.
func (k *streamLink) writeAll(c *Conn, b []byte) error {
	h, why := c.srv.buffers.Out.hold(c, nil, cap(b))
	if why != limit.None {
		c.srv.shared.Limit(why, c.handler.Addr())
		return why
	}
	var err error
	for err == nil && len(b) > 0 {
		piece := b[:min(len(b), pieceSize)]
		c.mu.Unlock()
		k.nc.SetWriteDeadline(time.Now().Add(writeTimeout))
		_, err = k.nc.Write(piece)
		c.mu.Lock()
		b = b[len(piece):]
		c.moved = c.moved || err == nil
	}
	c.srv.buffers.Out.release(h)
	return err
}

// waiting is none: writeAll accounts for what it has taken.
func (*streamLink) waiting() int { return 0 }

func (k *streamLink) hangup(c *Conn) {
	k.resume(c) // it may not be reading
	nc := k.nc
	if t, ok := nc.(interface{ NetConn() net.Conn }); ok {
		nc = t.NetConn() // TLS would wait to say goodbye
	}
	if t, ok := nc.(*net.TCPConn); ok {
		t.SetLinger(0)
	}
	nc.Close()
}

func (k *streamLink) resume(*Conn) {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// serveStream reads from a connection that no loop has taken, until it ends.
func (s *Server) serveStream(c *Conn, nc net.Conn, buffered []byte) {
	defer nc.Close()
	k := &streamLink{nc: nc, wake: make(chan struct{}, 1)}
	c.link = k
	s.mu.Lock()
	closed := s.closed
	if !closed {
		s.streams[c] = struct{}{}
		s.wg.Add(1)
	}
	s.mu.Unlock()
	if closed {
		b := s.Begin()
		c.end(b)
		s.End(b)
		return
	}
	defer func() {
		s.mu.Lock()
		delete(s.streams, c)
		s.mu.Unlock()
		s.wg.Done()
	}()
	nc.SetDeadline(time.Time{})
	shared := make([]byte, 4096)
	for first := len(buffered) > 0; ; first = false {
		var n int
		var err error
		from := shared
		if first {
			from, n = buffered, len(buffered)
		} else {
			n, err = nc.Read(c.room(shared))
		}
		b := s.Begin()
		ok := err == nil && n > 0 && c.received(b, from, n)
		for ok && c.paused() {
			s.End(b)
			<-k.wake
			b = s.Begin()
			ok = c.again(b)
		}
		if !ok {
			c.end(b)
		}
		s.End(b)
		if !ok {
			return
		}
	}
}
