package driver

import (
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/internal/wire"
)

// maxBurst bounds the payload of one write, in bytes.
const maxBurst = 512 << 10

// writeLoop sends what is queued until the connection closes. Blocks that lie
// behind each other in the torrent are read at once, and all blocks at hand go
// out in one write.
func (c *conn) writeLoop() {
	defer c.close()
	var ctrl, heads []byte
	var data []byte
	var bufs [][]byte
	var batch []torrent.Upload
	for {
		c.mu.Lock()
		ctrl, c.ctrl = c.ctrl, ctrl[:0]
		n, size := 0, 0
		for n < len(c.blocks) && (n == 0 || size+int(c.blocks[n].Length) <= maxBurst) {
			size += int(c.blocks[n].Length)
			n++
		}
		batch = append(batch[:0], c.blocks[:n]...)
		c.blocks = append(c.blocks[:0], c.blocks[n:]...)
		c.mu.Unlock()
		if len(ctrl) == 0 && n == 0 {
			if cap(data) > blockSize {
				data = nil // an idle peer keeps no large buffer
			}
			select {
			case <-c.wake:
				continue
			case <-c.quit:
				return
			}
		}
		bufs = bufs[:0]
		if len(ctrl) > 0 {
			bufs = append(bufs, ctrl)
		}
		heads = heads[:0]
		if cap(heads) < n*wire.PieceHeaderLen {
			heads = make([]byte, 0, 64*wire.PieceHeaderLen+n*wire.PieceHeaderLen)
		}
		if cap(data) < size {
			data = make([]byte, max(size, min(maxBurst, 2*cap(data))))
		}
		data = data[:size]
		sent := torrent.Sent{Peer: c.key}
		at := 0
		for k := 0; k < n; {
			end, length := run(batch[k:])
			end += k
			off := int64(batch[k].Index)*c.t.info.Load().PieceLength + int64(batch[k].Begin)
			if err := c.t.readStore(data[at:at+length], off); err != nil {
				for _, u := range batch[k:end] {
					c.t.post(torrent.ReadFailed(u))
				}
				c.t.storeProblem(err)
				k, at = end, at+length
				continue
			}
			for ; k < end; k++ {
				u := batch[k]
				m := wire.Message{ID: wire.Piece, Index: u.Index, Begin: u.Begin, Length: u.Length}
				h := len(heads)
				heads = m.Append(heads)
				bufs = append(bufs, heads[h:], data[at:at+int(u.Length)])
				at += int(u.Length)
				sent.Bytes += int(u.Length)
				sent.Blocks++
			}
		}
		if len(bufs) == 0 {
			continue
		}
		c.c.SetWriteDeadline(time.Now().Add(writeTimeout))
		if _, err := c.c.WriteBuffers(bufs); err != nil {
			return
		}
		if sent.Blocks > 0 {
			c.t.post(sent)
		}
	}
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
