package driver

import (
	"errors"
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/internal/wire"
)

const (
	// batchItems bounds the messages that are posted to the loop at once.
	batchItems = 256
	// batchBytes bounds the payload that is posted at once: what was received
	// should be asked for anew while more is on its way.
	batchBytes = 256 << 10
	// batches is how many batches a connection has: one that it fills, the others
	// with the loop.
	batches = 3
	// maxEarlyBitfield bounds the bitfield of a peer while the number of pieces is
	// not known, in bytes. An info dictionary of the size that we take
	// (wire.MaxMetadataSize) has no more v1 hashes.
	maxEarlyBitfield = wire.MaxMetadataSize / 20 / 8
)

// intake is the work of a connection's read loop.
type intake struct {
	*conn
	in    *input
	dec   wire.Decoder
	batch *swarm.Received      // being filled
	bytes int                  // payload in it
	free  chan *swarm.Received // batches that the loop is done with
}

// readLoop decodes messages and posts them in batches until the stream ends.
func (c *conn) readLoop() {
	r := &intake{conn: c, in: newInput(c.c, c.t.s.cfg.ReadBuffer), free: c.free}
	r.in.idle, r.in.pay, r.in.quantum = r.post, r.pay, c.t.down.quantum
	for range batches {
		r.free <- &swarm.Received{Peer: c.key}
	}
	r.next()
	for r.message() == nil {
	}
	r.post()
	c.close()
	c.t.post(swarm.PeerLeft{Peer: c.key})
}

// next takes a batch to fill. It waits for the loop if that has all of them.
func (r *intake) next() {
	select {
	case r.batch = <-r.free:
		clear(r.batch.Items)
		r.batch.Items = r.batch.Items[:0]
	case <-r.quit: // the loop may have forgotten us
		r.batch = &swarm.Received{Peer: r.key}
	}
	r.bytes = 0
}

// post gives the loop what was received so far.
func (r *intake) post() {
	if len(r.batch.Items) == 0 {
		return
	}
	r.t.post(r.batch)
	r.next()
}

// pay waits until the n bytes just read are within the limits.
func (r *intake) pay(n int) {
	if r.t.down.limited() {
		r.post()
		r.t.down.pay(n, r.quit)
	}
}

func (r *intake) add(item torrent.Item) {
	r.batch.Items = append(r.batch.Items, item)
	if len(r.batch.Items) >= batchItems || r.bytes >= batchBytes {
		r.post()
	}
}

// fill waits for bytes, also while the peer is only told to let go of a block.
func (r *intake) fill(need int) error {
	for {
		if err := r.in.fill(need); err == nil || !r.letsGo(err) {
			return err
		}
	}
}

// message takes one message from the stream.
func (r *intake) message() error {
	r.dec.Limits = *r.t.limits.Load()
	m, n, err := r.dec.Next(r.in.ready())
	if err != nil {
		return err
	}
	if n == 0 {
		need, err := r.dec.Need(r.in.ready())
		if err != nil {
			return err
		}
		return r.fill(need)
	}
	r.in.skip(n)
	item := torrent.Item{Message: m}
	switch {
	case m.KeepAlive: // its id is that of another message
	case m.ID == wire.Piece:
		if item.Buffer, err = r.payload(&m); err != nil {
			return err
		}
		r.bytes += int(m.Length)
	case m.ID == wire.Reject:
		r.expectNot(blockKey{m.Index, m.Begin})
	case m.Payload != nil:
		item.Payload = append([]byte(nil), m.Payload...)
		r.bytes += len(m.Payload)
	}
	r.add(item)
	return nil
}

// payload takes the bytes of a piece message to their place in the piece, or
// throws them away if nobody wants them. It returns the number of the buffer, 0
// for none.
func (r *intake) payload(m *wire.Message) (uint32, error) {
	b := r.expectNot(blockKey{m.Index, m.Begin})
	total := int(m.Length)
	if b == nil || total > blockSize {
		return 0, r.discard(total)
	}
	dst := b.claim(r.conn, m.Begin, total)
	if dst == nil { // another copy is there, or on its way and perhaps slower
		return r.payloadAside(b, m)
	}
	n, err := r.in.fillInto(dst)
	if b.landed(r.conn, m.Begin, err == nil) {
		return b.number, nil
	}
	if err == nil || r.letsGo(err) {
		return 0, r.discard(total - n)
	}
	return 0, err
}

// payloadAside takes a block whose place is taken: whichever copy is whole first
// counts.
func (r *intake) payloadAside(b *pieceBuffer, m *wire.Message) (uint32, error) {
	block := r.t.s.pool.get(int(m.Length))
	defer r.t.s.pool.put(block)
	for at := 0; at < len(block); {
		n, err := r.in.fillInto(block[at:])
		if at += n; err != nil && !r.letsGo(err) {
			return 0, err
		}
	}
	if b.write(m.Begin, block) {
		return b.number, nil
	}
	return 0, nil
}

// discard skips what nobody wants.
func (r *intake) discard(n int) error {
	for {
		k := min(n, len(r.in.ready()))
		r.in.skip(k)
		if n -= k; n == 0 {
			return nil
		}
		if err := r.fill(1); err != nil {
			return err
		}
	}
}

// letGo interrupts a read into a piece that is complete without it. It may come
// late: then any read is interrupted, and goes on.
func (c *conn) letGo() {
	c.released.Store(true)
	c.c.SetReadDeadline(time.Unix(1, 0))
}

// letsGo reports whether a read failed because of letGo alone.
func (c *conn) letsGo(err error) bool {
	var timeout interface{ Timeout() bool }
	if !errors.As(err, &timeout) || !timeout.Timeout() || !c.released.Swap(false) {
		return false
	}
	c.c.SetReadDeadline(time.Time{})
	return true
}
