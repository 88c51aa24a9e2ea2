package sctp

import (
	"slices"
	"sync"
	"time"
)

// What arrives: TSNs, windows, acknowledgements (RFC 9260, section 6.2).

const (
	ackDelay = 40 * time.Millisecond // 500 at most; who sends little waits for it

	// Chunks that wait for one that is lost: half of a full window of ordinary ones.
	// What comes from farther ahead is sent again later.
	maxHeld = 8192

	// Runs of such chunks: as many as a SACK can tell of.
	maxGaps = 256

	// Blocks in which payload waits for its reader.
	blockSize = 64 << 10
)

// Protocol identifiers of payload (RFC 8831, section 8).
const (
	ppidControl     = 50
	ppidString      = 51
	ppidBinary      = 53
	ppidStringEmpty = 56
	ppidBinaryEmpty = 57
)

type heldChunk struct {
	stream uint16
	flags  byte
	ppid   uint32
	data   []byte
}

// A gap block: TSNs that have arrived behind one that has not.
type gap struct{ first, last uint32 }

type inbound struct {
	cum      uint32 // all TSNs to this one have arrived
	held     map[uint32]heldChunk
	heldSize int
	gaps     []gap // the runs of TSNs in held, in order

	window   int // bytes that may wait
	buffered int // bytes that do, held ones too
	told     int // window told last

	unacked int  // packets' chunks since the last SACK
	odd     bool // something to be told at once: a gap, a duplicate
	due     bool
	ackAt   time.Duration
}

// settle decides, at the end of a packet, when what has arrived is acknowledged.
func (in *inbound) settle(t time.Duration) {
	switch {
	case in.odd || in.unacked >= 2:
		in.due, in.ackAt = true, 0
	case in.unacked > 0 && in.ackAt == 0 && !in.due:
		in.ackAt = t + ackDelay
	}
	in.odd = false
}

func (a *Assoc) handleData(_ time.Duration, flags byte, v []byte) {
	in := &a.in
	if len(v) < dataHeaderLen-chunkHeaderLen {
		return
	}
	tsn, stream, ppid, data := be.Uint32(v), be.Uint16(v[4:]), be.Uint32(v[8:]), v[12:]
	if flags&flagImmediate != 0 {
		in.odd = true
	}
	if !before(in.cum, tsn) {
		in.odd = true
		return
	}
	// What goes beyond the window is not kept. The chunk that others wait for is: it
	// had its place before them.
	full := in.buffered >= in.window
	if tsn == in.cum+1 {
		full = in.buffered-in.heldSize >= in.window
	}
	if full {
		in.odd = true
		return
	}
	if tsn != in.cum+1 {
		in.odd = true
		if tsn-in.cum > maxHeld || !in.hold(tsn) {
			return
		}
		in.held[tsn] = heldChunk{stream, flags, ppid, append([]byte(nil), data...)}
		in.buffered += len(data)
		in.heldSize += len(data)
		return
	}
	in.unacked++
	in.cum++
	a.deliver(stream, flags, ppid, data)
	for len(in.gaps) > 0 && in.gaps[0].first == in.cum+1 {
		for in.cum != in.gaps[0].last {
			in.cum++
			c := in.held[in.cum]
			delete(in.held, in.cum)
			in.buffered -= len(c.data)
			in.heldSize -= len(c.data)
			a.deliver(c.stream, c.flags, c.ppid, c.data)
		}
		in.gaps = in.gaps[1:]
	}
	in.odd = in.odd || len(in.gaps) > 0
	if a.reset.waiting != nil {
		a.performReset()
	}
}

// hold puts a TSN into the gap blocks. It reports false for one that is there, or that
// there is no room for.
func (in *inbound) hold(tsn uint32) bool {
	i := len(in.gaps) // behind the last block that does not begin after it
	for i > 0 && before(tsn, in.gaps[i-1].first) {
		i--
	}
	behind := i > 0 && tsn == in.gaps[i-1].last+1
	ahead := i < len(in.gaps) && tsn+1 == in.gaps[i].first
	switch {
	case i > 0 && !before(in.gaps[i-1].last, tsn):
		return false
	case behind && ahead:
		in.gaps[i-1].last = in.gaps[i].last
		in.gaps = slices.Delete(in.gaps, i, i+1)
	case behind:
		in.gaps[i-1].last = tsn
	case ahead:
		in.gaps[i].first = tsn
	case len(in.gaps) >= maxGaps:
		return false
	default:
		in.gaps = slices.Insert(in.gaps, i, gap{tsn, tsn})
	}
	return true
}

// deliver hands the payload of the next chunk to its stream.
func (a *Assoc) deliver(id uint16, flags byte, ppid uint32, data []byte) {
	s := a.streams[id]
	switch {
	case ppid == ppidControl:
		a.control50(id, s, flags, data)
	case s == nil || s.inEnded || s.deaf:
		// Nobody reads it.
	case ppid == ppidStringEmpty, ppid == ppidBinaryEmpty:
	default:
		s.put(data)
		a.in.buffered += len(data)
		a.cfg.Wake(s)
	}
}

func (a *Assoc) appendSack(b []byte, limit int) []byte {
	in := &a.in
	if len(b)+16 > limit {
		return b
	}
	in.due, in.unacked, in.ackAt = false, 0, 0
	in.told = max(in.window-in.buffered, 0)
	at := len(b)
	b = append(b, ctSack, 0, 0, 0)
	b = be.AppendUint32(b, in.cum)
	b = be.AppendUint32(b, uint32(in.told))
	b = append(b, 0, 0, 0, 0)
	gaps := in.gaps[:min(len(in.gaps), (limit-len(b))/4)]
	for _, g := range gaps {
		b = be.AppendUint16(b, uint16(g.first-in.cum))
		b = be.AppendUint16(b, uint16(g.last-in.cum))
	}
	be.PutUint16(b[at+2:], uint16(len(b)-at))
	be.PutUint16(b[at+12:], uint16(len(gaps)))
	return b
}

// A Block is payload on its way to the reader.
type Block struct {
	mem  *[blockSize]byte
	r, w int
}

var blocks = sync.Pool{New: func() any { return new([blockSize]byte) }}

// Bytes is what has not been skipped.
func (b *Block) Bytes() []byte {
	if b.mem == nil {
		return nil
	}
	return b.mem[b.r:b.w]
}

// Skip takes n bytes away; the memory is let go with the last of them.
func (b *Block) Skip(n int) {
	if b.r += n; b.r == b.w && b.mem != nil {
		blocks.Put(b.mem)
		*b = Block{}
	}
}
