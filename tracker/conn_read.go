package tracker

import (
	"errors"

	"github.com/shoal-p2p/shoal/internal/tracker/wsframe"
)

// errNoBuffer reports that Limits.Buffers is used up.
var errNoBuffer = errors.New("tracker: no memory left for messages")

// room returns where the next bytes of the socket go: behind the frame that has begun, or to
// shared if none has. Only the owner calls it.
func (c *conn) room(shared []byte) []byte {
	if c.in == nil {
		return shared
	}
	return c.in[len(c.in):cap(c.in)]
}

// received handles n bytes that were read into what room returned. It reports false when the
// connection is to end without more ado.
func (c *conn) received(b *batch, shared []byte, n int) bool {
	c.alive(b)
	b.n.bytesIn.Add(uint64(n))
	data := c.in
	if data == nil {
		data = shared[:n]
	} else { // which may have more room than shared
		data = data[:len(data)+n]
		c.in = data
	}
	rest, ok := c.frames(b, data)
	if !ok {
		return false
	}
	if err := c.keep(b, rest, len(rest) != len(data)); err != nil {
		c.close(b, wsframe.CloseBusy, "tracker is out of memory")
	}
	return true
}

// keep stores the beginning of a frame that has not ended, with room for all of it.
func (c *conn) keep(b *batch, rest []byte, moved bool) error {
	if len(rest) == 0 {
		c.t.buffers.put(c.in)
		c.in = nil
		if c.parts == nil {
			c.since.Store(0)
		}
		return nil
	}
	if moved && c.parts == nil || c.since.Load() == 0 {
		c.since.Store(b.now.UnixNano())
	}
	need := wsframe.MaxHeader
	if h, n, _ := wsframe.ParseHeader(rest); n > 0 {
		need = n + h.Len
	}
	if c.in != nil && cap(c.in) >= need {
		c.in = c.in[:copy(c.in[:cap(c.in)], rest)]
		return nil
	}
	in := c.t.buffers.get(need)
	if in == nil {
		return errNoBuffer
	}
	in = append(in, rest...)
	c.t.buffers.put(c.in)
	c.in = in
	return nil
}

// frames handles the frames in data, which it changes, and returns what is left of it.
func (c *conn) frames(b *batch, data []byte) (rest []byte, ok bool) {
	for len(data) > 0 {
		if c.closes() {
			return nil, true // nothing that comes after our close frame matters
		}
		h, n, err := wsframe.ParseHeader(data)
		switch {
		case err != nil:
			return nil, c.breach(b, wsframe.CloseProtocol, err.Error())
		case n == 0:
			return data, true
		case !h.Masked:
			return nil, c.breach(b, wsframe.CloseProtocol, "frame is not masked")
		case h.RSV1 && (c.flags&flagDeflate == 0 || h.Op != wsframe.Text && h.Op != wsframe.Binary):
			return nil, c.breach(b, wsframe.CloseProtocol, "frame is deflated")
		case h.Len > c.t.cfg.Limits.Message:
			b.n.limited.Add(1)
			return nil, c.breach(b, wsframe.CloseTooBig, "message is too large")
		case len(data) < n+h.Len:
			return data, true
		}
		payload := data[n : n+h.Len]
		data = data[n+h.Len:]
		wsframe.Xor(payload, h.Mask)
		if !c.frame(b, h, payload) {
			return nil, false
		}
	}
	return nil, true
}

// closes reports whether a close frame of ours is on its way.
func (c *conn) closes() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state != open
}

// breach ends the connection for what its peer did.
func (c *conn) breach(b *batch, code int, reason string) bool {
	b.n.malformed.Add(1)
	c.close(b, code, reason)
	return true
}

func (c *conn) frame(b *batch, h wsframe.Header, payload []byte) bool {
	switch h.Op {
	case wsframe.Ping:
		c.send(b, wsframe.Pong, payload)
		return true
	case wsframe.Pong:
		return true
	case wsframe.Close:
		c.close(b, wsframe.CloseNormal, "")
		return true
	case wsframe.Continuation:
		if c.parts == nil {
			return c.breach(b, wsframe.CloseProtocol, "nothing to continue")
		}
	default:
		if c.parts != nil {
			return c.breach(b, wsframe.CloseProtocol, "the message before has not ended")
		}
		if h.Fin {
			return c.message(b, payload, h.RSV1)
		}
		c.flags &^= flagPartsDeflate
		if h.RSV1 {
			c.flags |= flagPartsDeflate
		}
		c.since.Store(b.now.UnixNano())
		if c.parts = c.t.buffers.get(2 * len(payload)); c.parts == nil {
			c.close(b, wsframe.CloseBusy, "tracker is out of memory")
			return true
		}
	}
	if len(c.parts)+len(payload) > c.t.cfg.Limits.Message {
		b.n.limited.Add(1)
		return c.breach(b, wsframe.CloseTooBig, "message is too large")
	}
	var ok bool
	if c.parts, ok = c.t.buffers.grow(c.parts, len(payload)); !ok {
		c.close(b, wsframe.CloseBusy, "tracker is out of memory")
		return true
	}
	c.parts = append(c.parts, payload...)
	if !h.Fin {
		return true
	}
	whole := c.parts
	c.parts = nil
	c.since.Store(0)
	ok = c.message(b, whole, c.flags&flagPartsDeflate != 0)
	c.t.buffers.put(whole)
	return ok
}

// message handles a whole message.
func (c *conn) message(b *batch, payload []byte, deflated bool) bool {
	b.n.messagesIn.Add(1)
	if deflated {
		var err error
		if payload, err = b.inflate.inflate(payload, c.t.cfg.Limits.Message); err != nil {
			if errors.Is(err, errTooBig) {
				b.n.limited.Add(1)
				return c.breach(b, wsframe.CloseTooBig, "message is too large")
			}
			return c.breach(b, wsframe.CloseInvalid, "message cannot be inflated")
		}
	}
	if !c.handle(b, payload) {
		c.close(b, wsframe.ClosePolicy, "")
	}
	return true
}
