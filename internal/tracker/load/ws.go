package load

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shoal-p2p/shoal/internal/tracker/wsframe"
)

const (
	writeTimeout = 10 * time.Second
	replyTimeout = 30 * time.Second
)

// A conn is a WebSocket connection that announces one peer.
type conn struct {
	g       *generator
	n       uint32
	nc      net.Conn
	frames  frames
	swarm   *group
	peer    []byte
	t       *template
	joined  atomic.Bool  // swarm.joined counts it
	waiting atomic.Int64 // when the announce without reply was sent, in microseconds; 0 = none
	sent    []int64      // when the announces without reply were sent, in lock-step
	member  *member      // whose connection it is, in the cluster profile
	ended   atomic.Bool
}

// connect opens connection n.
func (g *generator) connect(ctx context.Context, t *target, n int, tmpl *template, s *group) (*conn, error) {
	nc, err := t.dial(ctx, n)
	if err != nil {
		g.counts.failed.Add(1)
		g.fail("connect", err)
		return nil, err
	}
	size := 16 << 10
	if g.Conns > 10_000 {
		size = 4 << 10
	}
	c := &conn{g: g, n: uint32(n), nc: nc, frames: newFrames(size), swarm: s, peer: peerID(g.Seed, n), t: tmpl}
	if err := t.upgrade(nc, &c.frames); err != nil {
		nc.Close()
		g.counts.failed.Add(1)
		g.fail("connect", err)
		return nil, err
	}
	g.counts.connected.Add(1)
	g.mu.Lock()
	g.conns[c] = struct{}{}
	g.mu.Unlock()
	return c, nil
}

// close ends the connection.
func (c *conn) close() {
	c.nc.Close()
	if c.ended.Swap(true) {
		return
	}
	if c.joined.Load() {
		c.swarm.joined.Add(-1)
	}
	c.g.mu.Lock()
	delete(c.g.conns, c)
	c.g.mu.Unlock()
}

var buffers = sync.Pool{New: func() any { return new([]byte) }}

func (c *conn) write(b []byte, messages int) error {
	c.nc.SetWriteDeadline(time.Now().Add(writeTimeout))
	if _, err := c.nc.Write(b); err != nil {
		return err
	}
	c.g.counts.in.Add(int64(messages))
	c.g.counts.bytesIn.Add(int64(len(b)))
	return nil
}

// announce sends an announce that is due. It is skipped while the last one has no reply.
func (c *conn) announce() error {
	g := c.g
	now := max(g.now(), 1)
	measured := g.measured(now)
	if !c.waiting.CompareAndSwap(0, now) {
		if measured {
			g.counts.skipped.Add(1)
		}
		return nil
	}
	if measured {
		g.counts.announces.Add(1)
		g.counts.offers.Add(int64(len(c.t.stamps)))
		others := int(c.swarm.joined.Load())
		if c.joined.Load() {
			others--
		}
		g.counts.deliverable.Add(int64(min(len(c.t.stamps), others)))
	}
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	*buf = c.t.appendAnnounce((*buf)[:0], c.swarm.hash, c.peer, now, c.n)
	return c.write(*buf, 1)
}

// join announces for the first time and reads up to the reply.
func (c *conn) join() error {
	if err := c.announce(); err != nil {
		return err
	}
	c.nc.SetReadDeadline(time.Now().Add(replyTimeout))
	defer c.nc.SetReadDeadline(time.Time{})
	for c.waiting.Load() != 0 {
		if err := c.step(); err != nil {
			return err
		}
	}
	if !c.joined.Load() {
		return errRefused
	}
	return nil
}

// read handles messages until the connection ends.
func (c *conn) read() {
	defer c.g.ended.Done()
	defer c.close()
	for {
		if err := c.step(); err != nil {
			if !c.g.closing.Load() {
				c.g.counts.lost.Add(1)
				c.g.fail("connection", err)
			}
			return
		}
	}
}

var (
	errClosed  = errors.New("closed by the tracker")
	errRefused = errors.New("announce refused")
)

// step waits for a message and handles it with those that came along; then it sends the answers.
func (c *conn) step() error {
	op, payload, err := c.frames.next(c.nc)
	if err != nil {
		return err
	}
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	out, messages := (*buf)[:0], 0
	for {
		switch op {
		case wsframe.Ping:
			out = appendFrame(out, wsframe.Pong, payload)
		case wsframe.Close:
			return closeError(payload)
		case wsframe.Text, wsframe.Binary:
			n := len(out)
			if out = c.receive(out, payload); len(out) > n {
				messages++
			}
		}
		// Answers are kept together up to what a socket takes at once.
		if !c.frames.ready() || len(out) > 32<<10 {
			break
		}
		if op, payload, err = c.frames.next(c.nc); err != nil {
			return err
		}
	}
	*buf = out
	if len(out) == 0 {
		return nil
	}
	return c.write(out, messages)
}

// closeError says why the tracker closed (RFC 6455, section 5.5.1).
func closeError(payload []byte) error {
	if len(payload) < 2 {
		return errClosed
	}
	return fmt.Errorf("%w: %d %.60s", errClosed, int(payload[0])<<8|int(payload[1]), payload[2:])
}

// receive handles a message and appends what is to be sent for it.
func (c *conn) receive(out, payload []byte) []byte {
	g := c.g
	g.counts.out.Add(1)
	g.counts.bytesOut.Add(int64(len(payload)))
	m := parse(payload)
	switch m.kind {
	case kindReply:
		if c.swarm != nil && c.joined.CompareAndSwap(false, true) {
			c.swarm.joined.Add(1)
		}
		sent := c.waiting.Swap(0)
		if len(c.sent) > 0 {
			sent, c.sent = c.sent[0], c.sent[1:]
		}
		if c.member != nil {
			c.member.replied(sent)
		}
		if sent != 0 && g.measured(sent) {
			g.counts.replies.Add(1)
			g.counts.reply.add(time.Duration(g.now()-sent) * time.Microsecond)
		}
	case kindOffer:
		sent, _, ok := readStamp(m.offerID)
		if !ok || len(m.peer) == 0 || len(m.hash) == 0 {
			g.errs.add("an offer that is not as it was sent")
			return out
		}
		if g.measured(sent) {
			g.counts.delivered.Add(1)
			g.counts.answers.Add(1)
			g.counts.offer.add(time.Duration(g.now()-sent) * time.Microsecond)
		}
		if c.member != nil {
			c.member.introduced()
		}
		return c.t.appendAnswer(out, m.hash, c.peer, m.peer, m.offerID)
	case kindAnswer:
		sent, from, ok := readStamp(m.offerID)
		if !ok || from != c.n {
			g.errs.add("an answer to somebody else")
			return out
		}
		if g.measured(sent) {
			g.counts.answered.Add(1)
			g.counts.answer.add(time.Duration(g.now()-sent) * time.Microsecond)
		}
		if c.member != nil {
			c.member.introduced()
		}
	case kindFailure:
		c.waiting.Store(0)
		g.counts.refused.Add(1)
		g.errs.add(fmt.Sprintf("failure reason: %.80s", m.failure))
	default:
		g.errs.add("a message that makes no sense")
	}
	return out
}
