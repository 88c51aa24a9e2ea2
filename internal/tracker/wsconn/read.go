package wsconn

import (
	"errors"

	"github.com/shoal-p2p/shoal/internal/tracker/limit"
	"github.com/shoal-p2p/shoal/internal/tracker/wsframe"
)

// room returns where the next bytes of the socket go: behind the frame that has begun, or to
// shared if none has. Only the owner calls it.
func (c *Conn) room(shared []byte) []byte {
	if c.in == nil {
		return shared
	}
	return c.in[len(c.in):cap(c.in)]
}

// received handles n bytes that were read into what room returned. It reports false when the
// connection is to end without more ado.
func (c *Conn) received(b *Batch, shared []byte, n int) bool {
	c.alive(b)
	b.N.BytesIn.Add(uint64(n))
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
	if !c.keep(b, rest, len(rest) != len(data)) {
		c.Limit(b, wsframe.CloseBusy, limit.Buffers)
	}
	return true
}

// keep stores the beginning of a frame that has not ended, with room for all of it. It reports
// false when there is no memory for that.
func (c *Conn) keep(b *Batch, rest []byte, moved bool) bool {
	if len(rest) == 0 {
		c.srv.buffers.Put(c.in)
		c.in = nil
		if c.parts == nil {
			c.since.Store(0)
		}
		return true
	}
	if moved && c.parts == nil || c.since.Load() == 0 {
		c.since.Store(b.Now.UnixNano())
	}
	need := wsframe.MaxHeader
	if h, n, _ := wsframe.ParseHeader(rest); n > 0 {
		need = n + h.Len
	}
	if c.in != nil && cap(c.in) >= need {
		c.in = c.in[:copy(c.in[:cap(c.in)], rest)]
		return true
	}
	in := c.srv.buffers.Get(need)
	if in == nil {
		return false
	}
	in = append(in, rest...)
	c.srv.buffers.Put(c.in)
	c.in = in
	return true
}

// frames handles the frames in data, which it changes, and returns what is left of it.
func (c *Conn) frames(b *Batch, data []byte) (rest []byte, ok bool) {
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
		case h.Len > c.srv.cfg.MaxMessage:
			c.Limit(b, wsframe.CloseTooBig, limit.MessageSize)
			return nil, true
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
func (c *Conn) closes() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state != open
}

// NotText ends the connection because what came is no UTF-8 (RFC 6455 section 8.1). The
// Handler calls it.
func (c *Conn) NotText(b *Batch) { c.breach(b, wsframe.CloseInvalid, "text is not UTF-8") }

// breach ends the connection for what its peer did.
func (c *Conn) breach(b *Batch, code int, reason string) bool {
	b.N.Malformed.Add(1)
	c.close(b, code, reason)
	return true
}

func (c *Conn) frame(b *Batch, h wsframe.Header, payload []byte) bool {
	switch h.Op {
	case wsframe.Ping:
		c.send(b, wsframe.Pong, payload)
		return true
	case wsframe.Pong:
		return true
	case wsframe.Close:
		code, why := closeAnswer(payload)
		c.close(b, code, why)
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
		c.since.Store(b.Now.UnixNano())
		if c.parts = c.srv.buffers.Get(2 * len(payload)); c.parts == nil {
			c.Limit(b, wsframe.CloseBusy, limit.Buffers)
			return true
		}
	}
	if len(c.parts)+len(payload) > c.srv.cfg.MaxMessage {
		c.Limit(b, wsframe.CloseTooBig, limit.MessageSize)
		return true
	}
	var ok bool
	if c.parts, ok = c.srv.buffers.Grow(c.parts, len(payload)); !ok {
		c.Limit(b, wsframe.CloseBusy, limit.Buffers)
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
	c.srv.buffers.Put(whole)
	return ok
}

// message handles a whole message.
func (c *Conn) message(b *Batch, payload []byte, deflated bool) bool {
	b.N.MessagesIn.Add(1)
	if deflated {
		var err error
		if payload, err = b.inflate.inflate(payload, c.srv.cfg.MaxMessage); err != nil {
			if errors.Is(err, errTooBig) {
				c.Limit(b, wsframe.CloseTooBig, limit.MessageSize)
				return true
			}
			return c.breach(b, wsframe.CloseInvalid, "message cannot be inflated")
		}
	}
	if r := c.handler.Message(b, payload); r != limit.None {
		c.Limit(b, wsframe.ClosePolicy, r)
	}
	return true
}
