package driver

import (
	"errors"
	"io"
	"sync"
	"time"

	"github.com/shoal-p2p/shoal/engine"
	"github.com/shoal-p2p/shoal/transport"
	"github.com/shoal-p2p/shoal/wire"
)

const (
	blockSize = engine.BlockSize

	minReadBuffer = 16 << 10
	writeTimeout  = 2 * time.Minute
)

// conn carries the messages of one peer between its stream and its torrent's
// loop. The read loop puts payloads where the engine wants them; the write loop
// reads blocks from the store and sends them.
type conn struct {
	key  engine.PeerKey
	t    *Torrent
	c    transport.Conn
	quit chan struct{}
	once sync.Once

	mu     sync.Mutex
	expect map[blockKey]*pieceBuffer // requests sent and not cancelled
	ctrl   []byte                    // messages to send
	blocks []engine.Upload           // blocks to send
	wake   chan struct{}
}

type blockKey struct{ index, begin uint32 }

func newConn(t *Torrent, key engine.PeerKey, c transport.Conn) *conn {
	return &conn{
		key: key, t: t, c: c, quit: make(chan struct{}),
		expect: map[blockKey]*pieceBuffer{}, wake: make(chan struct{}, 1),
	}
}

// close ends both loops. It may be called any number of times.
func (c *conn) close() {
	c.once.Do(func() {
		close(c.quit)
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
			delete(c.expect, blockKey{m.Index, m.Begin})
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

// upload queues a block to be read from the store and sent.
func (c *conn) upload(u engine.Upload) {
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
		c.t.post(engine.PeerLeft{Peer: c.key})
	}()
	var dec wire.Decoder
	buf := make([]byte, minReadBuffer)
	r, w := 0, 0
	var items []engine.Item
	flush := func() {
		if len(items) > 0 {
			c.t.post(engine.Received{Peer: c.key, Items: items})
			items = nil
		}
	}
	for {
		m, n, err := dec.Next(buf[r:w])
		if err != nil {
			flush()
			return
		}
		if n > 0 {
			r += n
			if m.ID == wire.Piece && !m.KeepAlive {
				number, used, err := c.payload(&m, buf[r:w], flush)
				if err != nil {
					flush()
					return
				}
				r += used
				items = append(items, engine.Item{Message: m, Buffer: number})
				continue
			}
			if m.Payload != nil {
				m.Payload = append([]byte(nil), m.Payload...)
			}
			items = append(items, engine.Item{Message: m})
			continue
		}
		flush()
		need, err := dec.Need(buf[r:w])
		if err != nil {
			return
		}
		copy(buf, buf[r:w])
		r, w = 0, w-r
		if need > len(buf) {
			buf = append(buf, make([]byte, need-len(buf))...)
		}
		k, err := c.c.Read(buf[w:])
		w += k
		if err != nil && k == 0 {
			return
		}
		if w == len(buf) && len(buf) < c.t.s.cfg.ReadBuffer {
			buf = append(buf, make([]byte, len(buf))...) // a busy peer earns a larger buffer
		}
	}
}

var errShortBlock = errors.New("stream ended inside a block")

// payload takes the bytes of a piece message, first from what was read already,
// the rest from the stream, into the piece's buffer. Bytes that nobody wants
// are thrown away. It returns the number of the buffer, 0 for none, and how much
// of head was used.
func (c *conn) payload(m *wire.Message, head []byte, flush func()) (number uint32, used int, err error) {
	key := blockKey{m.Index, m.Begin}
	c.mu.Lock()
	b := c.expect[key]
	delete(c.expect, key)
	c.mu.Unlock()
	total := int(m.Length)
	used = min(total, len(head))
	var dst []byte
	ok := false
	if b != nil {
		dst, ok = b.claim(m.Begin, m.Length)
	}
	if ok {
		copy(dst, head[:used])
		if used < total {
			flush()
			if _, err = io.ReadFull(c.c, dst[used:]); err != nil {
				err = errShortBlock
			}
		}
		b.release(m.Begin, err == nil)
		return b.number, used, err
	}
	if used < total {
		flush()
		var waste [4096]byte
		for left := total - used; left > 0; {
			n, err := c.c.Read(waste[:min(left, len(waste))])
			if left -= n; err != nil && left > 0 {
				return 0, used, errShortBlock
			}
		}
	}
	return 0, used, nil
}
