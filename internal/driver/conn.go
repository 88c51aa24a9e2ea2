package driver

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/internal/transport"
	"github.com/shoal-p2p/shoal/internal/wire"
)

const (
	blockSize = torrent.BlockSize

	writeTimeout = 2 * time.Minute
	maxCancelled = 1024 // cancelled requests whose answers are still expected
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

	free     chan *swarm.Received // batches that the loop is done with
	sent     chan *torrent.Sent   // likewise
	released atomic.Bool          // told to let go of a block

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
		free: make(chan *swarm.Received, batches), sent: make(chan *torrent.Sent, batches),
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

// expectNot ends the expectation of a block and returns where it was to go, nil if
// it was not expected.
func (c *conn) expectNot(key blockKey) *pieceBuffer {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.expect[key]
	delete(c.expect, key)
	return b
}

// expectNothing forgets where answers to the requests so far would go.
func (c *conn) expectNothing() {
	c.mu.Lock()
	clear(c.expect)
	c.mu.Unlock()
}

// recycle gives a posted event back to the connection that made it, once the loop
// is done with it.
func (t *Torrent) recycle(ev torrent.Event) {
	switch ev := ev.(type) {
	case *swarm.Received:
		if c, ok := t.conns[ev.Peer].(*conn); ok {
			select {
			case c.free <- ev:
			default:
			}
		}
	case *torrent.Sent:
		if c, ok := t.conns[ev.Peer].(*conn); ok {
			select {
			case c.sent <- ev:
			default:
			}
		}
	}
}
