package driver

import (
	"io"
	"sync"
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/internal/transport"
	"github.com/shoal-p2p/shoal/internal/wire"
)

const (
	blockSize = torrent.BlockSize

	minReadBuffer = wire.PieceHeaderLen + blockSize // a whole block
	writeTimeout  = 2 * time.Minute
	maxCancelled  = 1024 // cancelled requests whose answers are still expected
)

// conn carries the messages of one peer between its stream and its torrent's
// loop. The read loop puts payloads where the engine wants them; the write loop
// reads blocks from the store and sends them.
type conn struct {
	key  torrent.PeerKey
	id   [20]byte // the peer's
	t    *Torrent
	c    transport.Conn
	quit chan struct{}
	once sync.Once

	limits wire.Limits // what the machine welcomes, when the peer joined

	mu      sync.Mutex
	expect  map[blockKey]*pieceBuffer // requests sent and not answered
	cancels int
	ctrl    []byte           // messages to send
	blocks  []torrent.Upload // blocks to send
	wake    chan struct{}
}

type blockKey struct{ index, begin uint32 }

func newConn(t *Torrent, key torrent.PeerKey, id [20]byte, c transport.Conn) *conn {
	return &conn{
		key: key, id: id, t: t, c: c, quit: make(chan struct{}),
		expect: map[blockKey]*pieceBuffer{}, wake: make(chan struct{}, 1),
	}
}

// close ends both loops. It may be called any number of times.
func (c *conn) close() {
	c.once.Do(func() {
		close(c.quit)
		c.t.s.left(c)
		c.c.Close()
	})
}

// maxControl bounds the messages queued for a peer that does not read.
const maxControl = 4 << 20

// send queues messages; for requests it remembers where the answer goes. The
// loop of the torrent calls it.
func (c *conn) send(msgs []wire.Message) {
	c.mu.Lock()
	for i := range msgs {
		m := &msgs[i]
		switch m.ID {
		case wire.Request:
			if !m.KeepAlive {
				if b := c.t.buffers[int(m.Index)]; b != nil {
					c.expect[blockKey{m.Index, m.Begin}] = b
				}
			}
		case wire.Cancel:
			// The block may be on its way, and is welcome then if nobody else
			// brought it. Now and again those that no longer can be are forgotten.
			if c.cancels++; c.cancels%maxCancelled == 0 {
				for key, b := range c.expect {
					if b.has(key.begin) {
						delete(c.expect, key)
					}
				}
			}
		}
		c.ctrl = m.Append(c.ctrl)
	}
	deaf := len(c.ctrl) > maxControl
	c.mu.Unlock()
	if deaf {
		c.close()
		return
	}
	c.signal()
}

// expectNothing forgets where answers to the requests so far would go.
func (c *conn) expectNothing() {
	c.mu.Lock()
	clear(c.expect)
	c.mu.Unlock()
}

// upload queues a block to be read from the store and sent.
func (c *conn) upload(u torrent.Upload) {
	c.mu.Lock()
	c.blocks = append(c.blocks, u)
	c.mu.Unlock()
	c.signal()
}

func (c *conn) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// readLoop decodes messages and posts them in batches until the stream ends.
func (c *conn) readLoop() {
	defer func() {
		c.close()
		c.t.post(swarm.PeerLeft{Peer: c.key})
	}()
	in := input{from: c.c, most: c.t.s.cfg.ReadBuffer, buf: make([]byte, minReadBuffer)}
	dec := wire.Decoder{Limits: c.limits}
	var items []torrent.Item
	// more posts what there is before it waits for need bytes.
	more := func(need int) bool {
		if len(items) > 0 {
			c.t.post(swarm.Received{Peer: c.key, Items: items})
			items = nil
		}
		return in.fill(need) == nil
	}
	for {
		m, n, err := dec.Next(in.ready())
		if err != nil {
			break
		}
		if n == 0 {
			need, err := dec.Need(in.ready())
			if err != nil || !more(need) {
				break
			}
			continue
		}
		in.skip(n)
		item := torrent.Item{Message: m}
		if m.ID == wire.Piece && !m.KeepAlive {
			var ok bool
			if item.Buffer, ok = c.payload(&m, &in, more); !ok {
				break
			}
		} else if m.Payload != nil {
			item.Payload = append([]byte(nil), m.Payload...)
		}
		items = append(items, item)
	}
	if len(items) > 0 {
		c.t.post(swarm.Received{Peer: c.key, Items: items})
	}
}

// payload takes the bytes of a piece message, into the piece's buffer once all of
// them are here: a peer that stops in the middle of a block, or sends it drop by
// drop, must not keep the same block of another peer out. Bytes that nobody wants
// are thrown away. It returns the number of the buffer, 0 for none.
func (c *conn) payload(m *wire.Message, in *input, more func(need int) bool) (number uint32, ok bool) {
	key := blockKey{m.Index, m.Begin}
	c.mu.Lock()
	b := c.expect[key]
	delete(c.expect, key)
	c.mu.Unlock()
	total := int(m.Length)
	if b != nil && total <= blockSize {
		if total > len(in.ready()) && !more(total) {
			return 0, false
		}
		if b.write(m.Begin, in.ready()[:total]) {
			number = b.number
		}
		in.skip(total)
		return number, true
	}
	for total > 0 {
		n := min(total, len(in.ready()))
		in.skip(n)
		if total -= n; total > 0 && !more(1) {
			return 0, false
		}
	}
	return 0, true
}

// input is what was read of a stream and not used yet.
type input struct {
	from io.Reader
	buf  []byte
	r, w int // buf[r:w] is ready
	most int // bytes that buf grows to by itself
}

func (in *input) ready() []byte { return in.buf[in.r:in.w] }

func (in *input) skip(n int) { in.r += n }

// fill reads until at least need bytes are ready.
func (in *input) fill(need int) error {
	copy(in.buf, in.buf[in.r:in.w])
	in.r, in.w = 0, in.w-in.r
	if need > len(in.buf) {
		in.buf = append(in.buf, make([]byte, need-len(in.buf))...)
	}
	for in.w < need {
		n, err := in.from.Read(in.buf[in.w:])
		in.w += n
		if err != nil && in.w < need {
			return err
		}
	}
	if in.w == len(in.buf) && len(in.buf) < in.most {
		in.buf = append(in.buf, make([]byte, len(in.buf))...) // a busy peer earns a larger buffer
	}
	return nil
}
