package tracker

import (
	"net"
	"time"
)

// A streamLink is a connection with a goroutine that reads, and while something waits to be
// written, one that writes: where there is no loop, and for connections that came by somebody
// else's http.Server over TLS.
type streamLink struct {
	nc      net.Conn
	writing bool // guarded by conn.mu
}

func (k *streamLink) flush(c *conn) {
	if !k.writing {
		k.writing = true
		c.t.wg.Add(1)
		go k.write(c)
	}
}

func (k *streamLink) write(c *conn) {
	defer c.t.wg.Done()
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.out) > 0 && c.state != gone {
		out := c.out
		c.out = nil
		c.mu.Unlock()
		k.nc.SetWriteDeadline(time.Now().Add(writeTimeout))
		_, err := k.nc.Write(out)
		c.t.buffers.put(out)
		c.mu.Lock()
		if err != nil {
			k.nc.Close()
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

func (k *streamLink) hangup(*conn) { k.nc.Close() }

// serveStream reads from a connection that no loop has taken, until it ends.
func (t *Tracker) serveStream(c *conn, nc net.Conn, buffered []byte) {
	c.link = &streamLink{nc: nc}
	t.streamsMu.Lock()
	t.streams[c] = struct{}{}
	t.streamsMu.Unlock()
	defer func() {
		t.streamsMu.Lock()
		delete(t.streams, c)
		t.streamsMu.Unlock()
	}()
	defer nc.Close()
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
		b := t.newBatch()
		ok := err == nil && n > 0 && c.received(b, from, n)
		if !ok {
			c.end(b)
		}
		t.endBatch(b)
		if !ok {
			return
		}
	}
}
