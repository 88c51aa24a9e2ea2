package driver

import (
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/internal/wire"
)

const (
	// maxBurst bounds the payload of one write, in bytes.
	maxBurst = 512 << 10
	// idleControl is what an idle connection keeps of its memory for messages, in
	// bytes.
	idleControl = 4 << 10
)

// outlet is the work of a connection's write loop.
type outlet struct {
	*conn
	ctrl, heads []byte
	data        []byte // from the pool; nil while there is nothing to send
	bufs        [][]byte
	part        [][]byte // of bufs, while the rate is limited
	batch       []torrent.Upload
}

// writeLoop sends what is queued until the connection closes. Blocks that lie
// behind each other in the torrent are read at once, and all blocks at hand go
// out in one write.
func (c *conn) writeLoop() {
	w := &outlet{conn: c}
	defer c.close()
	defer w.rest()
	for {
		most := maxBurst
		if q := c.t.up.quantum(); q > 0 {
			most = q // so that messages do not wait behind many blocks
		}
		size := w.collect(most)
		if len(w.ctrl) == 0 && len(w.batch) == 0 {
			w.rest()
			select {
			case <-c.wake:
				continue
			case <-c.quit:
				return
			}
		}
		blocks, bytes := w.assemble(size)
		if len(w.bufs) == 0 {
			continue
		}
		if err := w.write(); err != nil {
			return
		}
		if blocks > 0 {
			c.t.post(c.sentEvent(bytes, blocks))
		}
	}
}

// collect takes what is queued, blocks of at most bytes or a single one. It returns
// the bytes of the blocks.
func (w *outlet) collect(most int) (size int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ctrl, w.conn.ctrl = w.conn.ctrl, w.ctrl[:0]
	n := 0
	for n < len(w.blocks) && (n == 0 || size+int(w.blocks[n].Length) <= most) {
		size += int(w.blocks[n].Length)
		n++
	}
	w.batch = append(w.batch[:0], w.blocks[:n]...)
	w.blocks = w.blocks[:copy(w.blocks, w.blocks[n:])]
	return size
}

// rest gives back the memory that an idle peer does not need.
func (w *outlet) rest() {
	if w.data != nil {
		w.t.s.pool.put(w.data)
		w.data = nil
	}
	if cap(w.ctrl) > idleControl {
		w.ctrl = nil
	}
}

// assemble reads the blocks of the batch, size bytes in all, and lists what is to
// be written in bufs.
func (w *outlet) assemble(size int) (blocks, bytes int) {
	w.bufs = w.bufs[:0]
	if len(w.ctrl) > 0 {
		w.bufs = append(w.bufs, w.ctrl)
	}
	n := len(w.batch)
	if w.heads = w.heads[:0]; cap(w.heads) < n*wire.PieceHeaderLen {
		w.heads = make([]byte, 0, 2*n*wire.PieceHeaderLen) // bufs point into it
	}
	if cap(w.data) < size {
		if w.data != nil {
			w.t.s.pool.put(w.data)
		}
		w.data = w.t.s.pool.get(size)
	}
	data := w.data[:cap(w.data)]
	for k, at := 0, 0; k < n; {
		end, length := run(w.batch[k:])
		end += k
		off := int64(w.batch[k].Index)*w.t.info.Load().PieceLength + int64(w.batch[k].Begin)
		if _, err := w.t.readStore(data[at:at+length], off); err != nil {
			for _, u := range w.batch[k:end] {
				w.t.unreadable(torrent.ReadFailed{Peer: u.Peer, Index: u.Index, Begin: u.Begin, Length: u.Length}, err)
			}
			k, at = end, at+length
			continue
		}
		for ; k < end; k++ {
			u := w.batch[k]
			m := wire.Message{ID: wire.Piece, Index: u.Index, Begin: u.Begin, Length: u.Length}
			h := len(w.heads)
			w.heads = m.Append(w.heads)
			w.bufs = append(w.bufs, w.heads[h:], data[at:at+int(u.Length)])
			at += int(u.Length)
			bytes += int(u.Length)
			blocks++
		}
	}
	return blocks, bytes
}

// write sends bufs, in small parts where the rate is limited.
func (w *outlet) write() error {
	for rest := w.bufs; len(rest) > 0; {
		part := rest
		if q := w.t.up.quantum(); q > 0 {
			n := 0
			part, rest, n = w.cut(rest, q)
			if !w.t.up.pay(n, w.quit) {
				return errReaderClosed
			}
		} else {
			rest = nil
		}
		w.c.SetWriteDeadline(time.Now().Add(writeTimeout))
		if _, err := w.c.WriteBuffers(part); err != nil {
			return err
		}
	}
	return nil
}

// cut takes the first q bytes of bufs.
func (w *outlet) cut(bufs [][]byte, q int) (part, rest [][]byte, n int) {
	w.part = w.part[:0]
	for len(bufs) > 0 && n < q {
		b := bufs[0]
		if k := q - n; k < len(b) {
			b, bufs[0] = b[:k], b[k:]
		} else {
			bufs = bufs[1:]
		}
		w.part = append(w.part, b)
		n += len(b)
	}
	return w.part, bufs, n
}

func (c *conn) sentEvent(bytes, blocks int) *torrent.Sent {
	var ev *torrent.Sent
	select {
	case ev = <-c.sent:
	default:
		ev = new(torrent.Sent)
	}
	*ev = torrent.Sent{Peer: c.key, Bytes: bytes, Blocks: blocks}
	return ev
}

// run returns how many uploads from the first on are contiguous in one piece,
// with their length.
func run(us []torrent.Upload) (n, length int) {
	n, length = 1, int(us[0].Length)
	for n < len(us) && us[n].Index == us[n-1].Index && us[n].Begin == us[n-1].Begin+us[n-1].Length {
		length += int(us[n].Length)
		n++
	}
	return n, length
}
