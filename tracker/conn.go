package tracker

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shoal-p2p/shoal/internal/signal"
	"github.com/shoal-p2p/shoal/internal/tracker/limit"
	"github.com/shoal-p2p/shoal/internal/tracker/swarm"
	"github.com/shoal-p2p/shoal/internal/tracker/wsframe"
)

const (
	// writeTimeout is how long a socket may take nothing while something waits for it.
	writeTimeout = 10 * time.Second
	// frameTimeout is how long a message may take from its first byte to its last.
	frameTimeout = 20 * time.Second
	// closeTimeout is how long the answer to our close frame may take.
	closeTimeout = 2 * time.Second
	// probeTimeout is how long a connection has to show life when another one claims
	// its peer id.
	probeTimeout = 10 * time.Second
	// maxQueued is how many bytes may wait for a slow receiver.
	maxQueued = 512 << 10
	// maxErrors is how many bad messages a connection may send in its life.
	maxErrors = 50
	// deflateFrom is the size from which a message is worth deflating.
	deflateFrom = 1024
)

// A conn is one WebSocket connection. Whoever reads from its socket owns it: a loop, or a
// goroutine of its own. What others touch is under mu, or atomic.
type conn struct {
	t      *Tracker
	link   link
	client *Client
	place  swarm.Place
	// deflates is whether messages may go deflated; set before the first.
	deflates bool
	heard    atomic.Int64 // when the last frame came, Unix nanoseconds
	probed   atomic.Int64 // when it has to have shown life; 0 = no probe
	since    atomic.Int64 // when the oldest message that has not ended began; 0 = none
	// key is what the client proves its identity with (BEP 3), set once.
	key atomic.Pointer[string]

	// The owner's:

	in     []byte // a frame that has begun and not ended, lent by buffers
	parts  []byte // a message in parts that has not ended, lent by buffers
	peers  []membership
	rate   limit.Bucket // of announces
	offers limit.Bucket
	slots  connSlots
	errors uint8
	home   int8 // the loop where its first swarm is, -1 = not known
	flags  connFlags

	mu      sync.Mutex
	out     []byte // frames to be written, lent by buffers
	state   connState
	dirty   bool  // in a batch that will flush it
	blocked bool  // the link flushes it when the socket takes bytes again
	waiting int64 // since when out waits, or when the close frame went; Unix nanoseconds
}

type connFlags uint8

const (
	flagDeflate      connFlags = 1 << iota // messages may come deflated
	flagPartsDeflate                       // the message in parts is deflated
	flagSettled                            // it stays on the loop where it is
)

type connState uint8

const (
	open    connState = iota
	closing           // a close frame is the last thing in out, or is sent
	gone
)

// A link is the socket below a conn. Its methods are called with the conn's mu held and do
// not block.
type link interface {
	// flush writes out, as much as the socket takes, and sees to the rest.
	flush(c *conn)
	// hangup makes the owner see the end of the stream.
	hangup(c *conn)
}

type membership struct {
	hash swarm.Hash
	peer swarm.PeerID
}

// counters are written by one loop, mostly, and read by Stats.
type counters struct {
	announces, scrapes, refused                 atomic.Uint64
	offers, answers, unplaced, dropped, limited atomic.Uint64
	malformed, accepted                         atomic.Uint64
	messagesIn, messagesOut, bytesIn, bytesOut  atomic.Uint64

	_ [64]byte
}

// A batch is the handling of what came in at one time. It collects the connections that
// got something to send, so that each is written to once, and holds what the
// handling of a message needs for its duration.
type batch struct {
	now   time.Time
	n     *counters
	dirty []*conn

	req     signal.Request
	to      []swarm.Receiver[*conn]
	out     []byte
	inflate inflater
	remote  []RemoteSDP
}

// flush writes what the batch has queued.
func (b *batch) flush() {
	for i, c := range b.dirty {
		b.dirty[i] = nil
		c.mu.Lock()
		c.dirty = false
		if c.state != gone && !c.blocked && len(c.out) > 0 {
			if c.waiting == 0 {
				c.waiting = b.now.UnixNano()
			}
			c.link.flush(c)
		}
		c.mu.Unlock()
	}
	b.dirty = b.dirty[:0]
}

// batches are for those who are no loop.
func (t *Tracker) newBatch() *batch {
	b := t.batches.Get().(*batch)
	b.now = t.cfg.Now()
	return b
}

func (t *Tracker) endBatch(b *batch) {
	b.flush()
	t.batches.Put(b)
}

// send queues a frame. It reports false when the connection takes nothing more: it is
// ending, or its peer is too slow.
func (c *conn) send(b *batch, op wsframe.Op, payload []byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != open || len(c.out)+len(payload) > maxQueued {
		return false
	}
	deflated := false
	if c.deflates && len(payload) >= deflateFrom {
		payload, deflated = b.inflate.deflate(payload), true
	}
	var ok bool
	if c.out, ok = c.t.buffers.grow(c.out, wsframe.MaxHeader+len(payload)); !ok {
		return false
	}
	c.out = wsframe.AppendHeader(c.out, op, deflated, len(payload))
	c.out = append(c.out, payload...)
	c.touch(b)
	if !op.IsControl() {
		b.n.messagesOut.Add(1)
	}
	b.n.bytesOut.Add(uint64(len(payload)) + 4)
	return true
}

// touch sees to it that out is flushed.
func (c *conn) touch(b *batch) {
	if !c.dirty && !c.blocked {
		c.dirty = true
		b.dirty = append(b.dirty, c)
	}
}

// close queues a close frame, after which nothing is sent and nothing is read any more.
func (c *conn) close(b *batch, code int, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != open {
		return
	}
	c.state = closing
	var ok bool
	if c.out, ok = c.t.buffers.grow(c.out, wsframe.MaxHeader+wsframe.MaxControl); !ok {
		c.link.hangup(c)
		return
	}
	c.out = wsframe.AppendClose(c.out, code, reason)
	if c.waiting == 0 {
		c.waiting = b.now.UnixNano()
	}
	c.touch(b)
}

// kill ends the connection without waiting for anything.
func (c *conn) kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != gone {
		c.state = closing
		c.link.hangup(c)
	}
}

// flushed is called by the link, with mu held, when out is written.
func (c *conn) flushed() {
	c.t.buffers.put(c.out)
	c.out = nil
	if c.state == open {
		c.waiting = 0
	}
}

func (c *conn) alive(b *batch) {
	c.heard.Store(b.now.UnixNano())
	if c.probed.Load() != 0 {
		c.probed.Store(0)
	}
}

// probe makes the connection show life or lose its place.
func (c *conn) probe(b *batch) {
	if c.probed.CompareAndSwap(0, b.now.Add(probeTimeout).UnixNano()) {
		c.send(b, wsframe.Ping, nil)
	}
}

// sweep is called by the owner every few seconds. It pings the silent and ends what takes
// too long.
func (c *conn) sweep(b *batch) {
	now := b.now.UnixNano()
	ping := int64(c.t.cfg.PingInterval)
	silent, probe, since := now-c.heard.Load(), c.probed.Load(), c.since.Load()
	c.mu.Lock()
	late := c.waiting != 0 && now-c.waiting > int64(writeTimeout) ||
		c.state == closing && now-c.waiting > int64(closeTimeout)
	c.mu.Unlock()
	switch {
	case late, silent >= 2*ping+ping/2, probe != 0 && now >= probe:
		c.kill()
	case since != 0 && now-since > int64(frameTimeout):
		b.n.limited.Add(1)
		c.close(b, wsframe.ClosePolicy, "message takes too long")
	case silent >= ping:
		c.send(b, wsframe.Ping, nil)
	}
}

// end is called by the owner, once, when the socket is no more.
func (c *conn) end(b *batch) {
	t := c.t
	c.mu.Lock()
	c.state = gone
	t.buffers.put(c.out)
	c.out = nil
	c.mu.Unlock()
	t.buffers.put(c.in)
	t.buffers.put(c.parts)
	c.in, c.parts = nil, nil
	for _, m := range c.peers {
		t.part(b, c, m)
	}
	c.peers = nil
	t.release(&c.slots)
	t.departed(c)
}

// isGone reports whether the connection has ended.
func (c *conn) isGone() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state == gone
}

func (c *conn) forget(m membership) {
	if i := slices.Index(c.peers, m); i >= 0 {
		c.peers[i] = c.peers[len(c.peers)-1]
		c.peers = c.peers[:len(c.peers)-1]
	}
}
