package wsconn

import (
	"errors"

	"github.com/shoal-p2p/shoal/internal/tracker/limit"
	"github.com/shoal-p2p/shoal/internal/tracker/wsframe"
)

// room returns where the next bytes of the socket go: to shared, behind a copy of the frame that
// has begun, if any. So a frame needs few reads, and no more memory of its own than has come. A
// frame of which much has come is not copied for every byte: what follows goes behind it.
// Only the owner calls it.
func (c *Conn) room(shared []byte) []byte {
	if c.inPlace(shared) {
		return c.in[len(c.in):cap(c.in)]
	}
	return shared[copy(shared, c.in):]
}

func (c *Conn) inPlace(shared []byte) bool { return len(c.in) > len(shared)/4 }

// received handles n bytes that were read into what room returned. It reports false when the
// connection is to end without more ado.
func (c *Conn) received(b *Batch, shared []byte, n int) bool {
	c.alive(b)
	b.N.BytesIn.Add(uint64(n))
	data := shared
	if c.inPlace(shared) {
		data = c.in[:cap(c.in)]
	}
	data = data[:len(c.in)+n]
	rest, ok := c.frames(b, data)
	if !ok {
		return false
	}
	if len(rest) == 0 && c.in == nil && c.parts == nil && c.held == nil {
		return true
	}
	c.keepRest(b, rest, len(rest) != len(data), c.inPlace(shared))
	return true
}

// keepRest is keep and hold, or ends the connection.
func (c *Conn) keepRest(b *Batch, rest []byte, moved, inPlace bool) {
	why := limit.Buffers
	if c.keep(b, rest, moved, inPlace) {
		why = c.hold()
	}
	if why != limit.None {
		c.Limit(b, wsframe.CloseBusy, why)
		c.forget()
	}
}

// keep stores the beginning of a frame that has not ended, and no more than a part again of free room.
// moved says that rest is not what in begins with, inPlace that it stands in in. keep reports false
// when there is no memory.
func (c *Conn) keep(b *Batch, rest []byte, moved, inPlace bool) (ok bool) {
	s := &c.srv.buffers.In
	if len(rest) == 0 {
		s.Put(c.in)
		c.in = nil
		if c.parts != nil && c.now() != open {
			s.Put(c.parts)
			c.parts = nil
		}
		if c.parts == nil {
			c.since.Store(0)
		}
		return true
	}
	switch {
	case c.paused():
		c.since.Store(0) // it does not wait for the client
	case moved && c.parts == nil, c.since.Load() == 0:
		c.since.Store(b.Now.UnixNano())
	}
	switch {
	case moved:
		old := c.in
		if c.in, ok = s.grow(b, c, nil, len(rest)); !ok {
			c.in = old
			return false
		}
		c.in = append(c.in, rest...)
		s.Put(old)
	case inPlace:
		c.in = rest
	default:
		more := rest[len(c.in):]
		if c.in, ok = s.grow(b, c, c.in, len(more)); !ok {
			return false
		}
		c.in = append(c.in, more...)
	}
	if len(c.in) == cap(c.in) {
		c.in, ok = s.grow(b, c, c.in, 1)
		return ok
	}
	return true
}

// hold accounts for what has begun and not ended.
func (c *Conn) hold() limit.Reason {
	s := &c.srv.buffers.In
	n := cap(c.in) + cap(c.parts)
	if n == 0 {
		s.release(c.held)
		c.held = nil
		return limit.None
	}
	h, why := s.hold(c, c.held, n)
	if why == limit.None {
		c.held = h
	}
	return why
}

// forget gives the memory of what has begun back.
func (c *Conn) forget() {
	s := &c.srv.buffers.In
	s.release(c.held)
	s.Put(c.in)
	s.Put(c.parts)
	c.held, c.in, c.parts = nil, nil, nil
	c.since.Store(0)
}

// frames handles the frames in data, which it changes, and returns what is left of it.
func (c *Conn) frames(b *Batch, data []byte) (rest []byte, ok bool) {
	for len(data) > 0 {
		if s := c.now(); s != open {
			return nil, s == closing // nothing that comes after our close frame matters
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
		payload, from := data[n:n+h.Len], data
		data = data[n+h.Len:]
		wsframe.Xor(payload, h.Mask)
		if !c.frame(b, h, payload) {
			return nil, false
		}
		if c.paused() {
			wsframe.Xor(payload, h.Mask) // as it came
			return from, true
		}
	}
	return nil, true
}

// now returns the state of this moment.
func (c *Conn) now() connState {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
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
	}
	if len(c.parts)+len(payload) > c.srv.cfg.MaxMessage {
		c.Limit(b, wsframe.CloseTooBig, limit.MessageSize)
		return true
	}
	var ok bool
	if c.parts, ok = c.srv.buffers.In.grow(b, c, c.parts, max(len(payload), 1)); !ok {
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
	if c.paused() {
		c.parts = whole[:len(whole)-len(payload)]
		return ok
	}
	c.srv.buffers.In.Put(whole)
	return ok
}

// message handles a whole message.
func (c *Conn) message(b *Batch, payload []byte, deflated bool) bool {
	if c.flags&flagAgain == 0 {
		b.N.MessagesIn.Add(1)
	}
	c.flags &^= flagAgain
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
