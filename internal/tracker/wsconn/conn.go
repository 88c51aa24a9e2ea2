package wsconn

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/shoal-p2p/shoal/internal/tracker/limit"
	"github.com/shoal-p2p/shoal/internal/tracker/wsframe"
)

const (
	// writeTimeout is how long a socket may take nothing while something waits for it. Whoever
	// reads, however slowly, is not ended by it.
	writeTimeout = 10 * time.Second
	// frameTimeout is how long a message may take from its first byte to its last.
	frameTimeout = 20 * time.Second
	// closeTimeout is how long the answer to our close frame may take.
	closeTimeout = 2 * time.Second
	// ProbeTimeout is how long a connection has to show life after Probe.
	ProbeTimeout = 10 * time.Second
	// maxQueued is how many bytes may wait for a slow receiver.
	maxQueued = 512 << 10
	// flushFrom is how many bytes are written at once, and not at the end of the batch: more save
	// nothing, and only a receiver that does not read shall come near maxQueued.
	flushFrom = 64 << 10
	// deflateFrom is the size from which a message is worth deflating.
	deflateFrom = 1024
)

// A Conn is one WebSocket connection. Whoever reads from its socket owns it: a loop, or a
// goroutine of its own. What others touch is under mu, or atomic. It must not be copied.
type Conn struct {
	srv     *Server
	handler Handler
	link    link
	// deflates is whether messages may go deflated; set before the first.
	deflates bool
	heard    atomic.Int64 // when the last frame came, Unix nanoseconds
	probed   atomic.Int64 // when it has to have shown life; 0 = no probe
	since    atomic.Int64 // when the oldest message that has not ended began; 0 = none
	until    atomic.Int64 // when it is ended; 0 = never

	// The owner's:

	in    []byte   // a frame that has begun and not ended, lent by Buffers.In
	parts []byte   // a message in parts that has not ended, likewise
	held  *holding // of in and parts, from one read to the next
	home  int8     // the loop where it is to be, -1 = not known
	flags connFlags

	mu      sync.Mutex
	out     []byte   // frames to be written, lent by Buffers.Out
	waits   *holding // of out, while the socket does not take it
	state   connState
	dirty   bool  // in a batch that will flush it
	blocked bool  // the link flushes it when the socket takes bytes again
	moved   bool  // the socket took some since the last sweep
	resumed bool  // Resume was called for the Pause of now
	waiting int64 // since when out waits, or when the close frame went; Unix nanoseconds
}

type connFlags uint8

const (
	flagDeflate      connFlags = 1 << iota // messages may come deflated
	flagPartsDeflate                       // the message in parts is deflated
	flagSettled                            // it stays on the loop where it is
	flagPaused                             // between Pause and Resume; the message is what in begins with, and parts
	flagAgain                              // the message that comes next has come before
)

type connState uint8

const (
	open    connState = iota
	closing           // a close frame is the last thing in out, or is sent
	cut               // nothing is sent or read any more, and the owner will see that
	gone
)

// A link is the socket below a Conn. Its methods are called with the Conn's mu held and do
// not block.
type link interface {
	// flush writes out, as much as the socket takes, and sees to the rest.
	flush(c *Conn)
	// hangup makes the owner see the end of the stream. What the kernel has not sent is
	// thrown away.
	hangup(c *Conn)
	// resume makes the owner call Conn.again.
	resume(c *Conn)
	// waiting is how many bytes of memory the link keeps itself for what is to be sent.
	waiting() int
}

// MeetAt says, once, with whom the connection has to do: those of the same number meet on one
// loop as far as that is fair. The owner calls it; later calls have no effect.
func (c *Conn) MeetAt(number int) {
	if n := len(c.srv.loops); c.home < 0 && n > 0 {
		c.home = int8(number % n)
	}
}

// Send queues a text message by any goroutine. When the connection does not take it, it says
// why: ReceiverGone, ReceiverSlow, ReceiverBuffer.
func (c *Conn) Send(b *Batch, payload []byte) limit.Reason { return c.send(b, wsframe.Text, payload) }

// send queues a frame.
func (c *Conn) send(b *Batch, op wsframe.Op, payload []byte) limit.Reason {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.state != open:
		return limit.ReceiverGone
	case len(c.out)+len(payload) > maxQueued:
		return limit.ReceiverSlow
	}
	deflated := false
	if c.deflates && len(payload) >= deflateFrom {
		payload, deflated = b.inflate.deflate(payload), true
	}
	if why := c.growOut(b, wsframe.MaxHeader+len(payload)); why != limit.None {
		return why
	}
	c.out = wsframe.AppendHeader(c.out, op, deflated, len(payload))
	c.out = append(c.out, payload...)
	c.touch(b)
	if !op.IsControl() {
		b.N.MessagesOut.Add(1)
	}
	b.N.BytesOut.Add(uint64(len(payload)) + 4)
	if len(c.out) >= flushFrom && !c.blocked {
		c.flush(b)
	}
	return limit.None
}

// flush writes what is queued; mu is held.
func (c *Conn) flush(b *Batch) {
	if c.waiting == 0 {
		c.waiting = b.Now.UnixNano()
	}
	c.link.flush(c)
}

// growOut makes room for n more bytes in out, or says why not. With mu held.
func (c *Conn) growOut(b *Batch, n int) limit.Reason {
	var ok bool
	if c.out, ok = c.srv.buffers.Out.grow(b, c, c.out, n); !ok {
		return limit.ReceiverBuffer
	}
	if c.waits != nil && c.holdOut() != limit.None {
		return limit.ReceiverSlow // enough waits for its address
	}
	return limit.None
}

// holdOut says that out has to wait. With mu held.
func (c *Conn) holdOut() limit.Reason {
	h, why := c.srv.buffers.Out.hold(c, c.waits, cap(c.out)+c.link.waiting())
	if why == limit.None {
		c.waits = h
	}
	return why
}

// touch sees to it that out is flushed.
func (c *Conn) touch(b *Batch) {
	if !c.dirty && !c.blocked {
		c.dirty = true
		b.dirty = append(b.dirty, c)
	}
}

// Close queues a close frame with the Reason's text, after which nothing is sent and nothing is
// read any more. It counts nothing; see Limit.
func (c *Conn) Close(b *Batch, code int, r limit.Reason) { c.close(b, code, r.Error()) }

// Limit is Close for a client that is above a limit, and counts that.
func (c *Conn) Limit(b *Batch, code int, r limit.Reason) {
	if c.close(b, code, r.Error()) {
		b.N.Limit(r, c.handler.Addr())
	}
}

// close reports false if the connection has been closed before.
func (c *Conn) close(b *Batch, code int, text string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != open {
		return false
	}
	c.state = closing
	var ok bool
	if c.out, ok = c.srv.buffers.Out.Grow(c.out, wsframe.MaxHeader+wsframe.MaxControl); !ok {
		c.hangup()
		return true
	}
	c.out = wsframe.AppendClose(c.out, code, text)
	if c.waiting == 0 {
		c.waiting = b.Now.UnixNano()
	}
	c.touch(b)
	return true
}

// kill ends the connection without waiting for anything.
func (c *Conn) kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hangup()
}

// evict ends the connection to make room for others, after one try to tell it why.
func (c *Conn) evict(b *Batch) {
	c.Limit(b, wsframe.CloseBusy, limit.Buffers)
	c.mu.Lock()
	if c.state < cut && !c.blocked && len(c.out) > 0 {
		c.link.flush(c)
	}
	c.mu.Unlock()
	c.kill()
}

// hangup ends the connection, with mu held.
func (c *Conn) hangup() {
	if c.state < cut {
		c.state = cut
		c.link.hangup(c)
	}
}

// flushed is called by the link, with mu held, when out is written.
func (c *Conn) flushed() {
	c.dropOut()
	if c.state == open {
		c.waiting = 0
	}
}

// dropOut gives the memory of out back. With mu held.
func (c *Conn) dropOut() {
	o := &c.srv.buffers.Out
	o.release(c.waits)
	o.Put(c.out)
	c.waits, c.out = nil, nil
}

func (c *Conn) alive(b *Batch) {
	c.heard.Store(b.Now.UnixNano())
	if c.probed.Load() != 0 {
		c.probed.Store(0)
	}
}

// Probe makes the connection show life within ProbeTimeout, or ends it. Any goroutine may call it.
func (c *Conn) Probe(b *Batch) {
	if c.probed.CompareAndSwap(0, b.Now.Add(ProbeTimeout).UnixNano()) {
		c.send(b, wsframe.Ping, nil)
	}
}

// sweep is called by the owner every few seconds. It pings the silent and ends what takes
// too long.
func (c *Conn) sweep(b *Batch) {
	now := b.Now.UnixNano()
	ping := int64(c.srv.cfg.PingInterval)
	silent, probe, since, until := now-c.heard.Load(), c.probed.Load(), c.since.Load(), c.until.Load()
	c.mu.Lock()
	if c.moved && c.state == open && c.waiting != 0 {
		c.waiting = now
	}
	c.moved = false
	slow := c.state == open && c.waiting != 0 && now-c.waiting > int64(writeTimeout)
	late := c.waiting != 0 && now-c.waiting > int64(writeTimeout) ||
		c.state == closing && now-c.waiting > int64(closeTimeout)
	c.mu.Unlock()
	switch {
	case late, silent >= 2*ping+ping/2, probe != 0 && now >= probe:
		if slow {
			b.N.Limit(limit.SlowReader, c.handler.Addr())
		}
		c.kill()
	case until != 0 && now >= until:
		c.Limit(b, wsframe.CloseUnauthorized, limit.TokenEnded)
	case since != 0 && now-since > int64(frameTimeout):
		c.Limit(b, wsframe.ClosePolicy, limit.MessageTime)
	case silent >= ping:
		c.send(b, wsframe.Ping, nil)
	}
}

// end is called by the owner, once, when the socket is no more.
func (c *Conn) end(b *Batch) {
	s := c.srv
	c.mu.Lock()
	c.state = gone
	c.dropOut()
	c.mu.Unlock()
	c.forget()
	c.handler.Ended(b)
	s.open.Add(-1)
}

// Gone reports whether the connection has ended. Any goroutine may call it.
func (c *Conn) Gone() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state == gone
}
