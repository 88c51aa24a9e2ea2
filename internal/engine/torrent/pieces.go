package torrent

import (
	"slices"
	"time"

	"github.com/shoal-p2p/shoal/metainfo"
)

// block is one block of an open piece.
type block struct {
	asked uint16    // requests outstanding, those given up on included
	live  uint16    // requests outstanding and still believed in
	got   bool      // its bytes are in the buffer
	from  PeerKey   // who sent it
	by    PeerKey   // who was asked first of those who still are, 0 for nobody
	at    time.Time // when it was asked for last
}

// free reports whether the block is neither there nor believed to come.
func (b *block) free() bool { return !b.got && b.live == 0 }

// piece is a piece being fetched.
type piece struct {
	index     int
	size      int // bytes to be fetched
	room      int // bytes of its buffer, with the padding at its end
	buffer    uint32
	blocks    []block
	also      []ask // requests for a block beyond its first
	free      int   // blocks neither got nor believed to come
	got       int
	live      int    // requests outstanding and still believed in, of all blocks
	owner     *owner // a swift peer that fetches the whole piece, nil for none
	alone     bool   // nobody but the owner may: it was forged before
	verifying bool
	leaves    []metainfo.Hash256 // of its blocks (BEP 52), nil while not known
	checking  int                // blocks being checked against them
	suspect   *suspicion         // it failed its hash, and is looked at block by block
	touched   time.Time
	next      int // no free block lies before this one
	lacks     int // no block that lacks lies before this one

	in [numLists]int32 // place in the lists it is in, counted from 1
}

// ask is one more request for a block that somebody else was asked for already.
type ask struct {
	block int
	peer  PeerKey
}

// pieces are the open pieces: what is there of each, who was asked for the rest,
// and how much memory they take. It knows peers by their keys only.
//
// Words: a block is free while it is neither there nor believed to come. A piece
// is ready while it has free blocks. A ready piece is shared if anybody may join
// in, lent if it has an owner, to whom it is left while there is other work.
type pieces struct {
	budget  int64 // bytes
	size    int64 // bytes of all that are open
	cramped bool  // a piece was not opened for want of room
	at      map[int]*piece
	open    pieceList
	shared  pieceList
	lent    pieceList
	alone   pieceList
	buffer  uint32    // the last number given
	stale   time.Time // no piece was left lying before that
	spare   []*piece  // closed ones, to be used again
	turn    int       // where the next search begins
	work    int       // pieces and blocks looked at so far
}

func (s *pieces) init(budget int64) {
	*s = pieces{
		budget: budget, at: map[int]*piece{}, open: pieceList{kind: inOpen},
		shared: pieceList{kind: inPool}, lent: pieceList{kind: inPool}, alone: pieceList{kind: inAlone},
	}
}

// maxSpare is how many closed pieces are kept for use.
const maxSpare = 64

// begin opens piece i, of which size bytes are fetched into a buffer of room bytes.
// The owner is nil if anybody may join in.
func (s *pieces) begin(now time.Time, i, size, room int, o *owner, alone bool) *piece {
	var pc *piece
	if n := len(s.spare); n > 0 {
		pc = s.spare[n-1]
		s.spare = s.spare[:n-1]
	} else {
		pc = &piece{}
	}
	n := (size + BlockSize - 1) / BlockSize
	blocks := slices.Grow(pc.blocks[:0], n)[:n]
	clear(blocks)
	s.buffer++
	*pc = piece{
		index: i, size: size, room: room, buffer: s.buffer, blocks: blocks, also: pc.also[:0],
		free: n, owner: o, alone: alone, touched: now,
	}
	s.at[i] = pc
	s.size += int64(room)
	s.open.add(pc)
	if alone {
		s.alone.add(pc)
	}
	if o != nil {
		o.all.add(pc)
	}
	s.place(pc)
	return pc
}

// end closes a piece.
func (s *pieces) end(pc *piece) {
	s.displace(pc)
	if pc.owner != nil {
		pc.owner.all.remove(pc)
	}
	s.alone.remove(pc)
	s.open.remove(pc)
	delete(s.at, pc.index)
	s.size -= int64(pc.room)
	if len(s.spare) < maxSpare {
		s.spare = append(s.spare, pc)
	}
}

// place puts a piece in the lists for pieces with free blocks, if it has any.
func (s *pieces) place(pc *piece) {
	switch {
	case pc.free == 0:
	case pc.owner == nil:
		s.shared.add(pc)
	default:
		s.lent.add(pc)
		pc.owner.ready.add(pc)
	}
}

func (s *pieces) displace(pc *piece) {
	if pc.owner == nil {
		s.shared.remove(pc)
		return
	}
	s.lent.remove(pc)
	pc.owner.ready.remove(pc)
}

// disown gives a piece to everybody.
func (s *pieces) disown(pc *piece) {
	if pc.owner == nil {
		return
	}
	s.displace(pc)
	pc.owner.all.remove(pc)
	pc.owner = nil
	s.place(pc)
}

// ready reports whether any open piece has free blocks.
func (s *pieces) ready() bool { return len(s.shared.list)+len(s.lent.list) > 0 }

// room reports whether a piece of that size fits the budget. The first fits
// always.
func (s *pieces) room(size int) bool { return s.size == 0 || s.size+int64(size) <= s.budget }

// lying returns a piece that nobody has sent a block of for a while, nor is
// believed to. It looks through the pieces no more often than once a second.
func (s *pieces) lying(now time.Time) *piece {
	if now.Before(s.stale) {
		return nil
	}
	s.stale = now.Add(snubAfter)
	var oldest *piece
	for _, pc := range s.open.list {
		s.work++
		if pc.verifying || pc.got == len(pc.blocks) {
			continue
		}
		if at := pc.touched.Add(snubAfter); pc.live > 0 || now.Before(at) {
			if at.Before(s.stale) {
				s.stale = at
			}
		} else if oldest == nil || pc.touched.Before(oldest.touched) {
			oldest = pc
		}
	}
	if soon := now.Add(sweepInterval); s.stale.Before(soon) {
		s.stale = soon
	}
	if oldest != nil {
		s.stale = now // there may be more
	}
	return oldest
}

func (pc *piece) blockLength(b int) uint32 {
	return uint32(min(BlockSize, pc.size-b*BlockSize))
}

// full reports whether all blocks are there.
func (pc *piece) full() bool { return pc.got == len(pc.blocks) }

// ask notes a request for block b; it was free unless this is a duplicate.
func (s *pieces) ask(now time.Time, pc *piece, b int, key PeerKey) {
	bl := &pc.blocks[b]
	if bl.asked++; bl.by == 0 {
		bl.by = key
	} else {
		pc.also = append(pc.also, ask{b, key})
	}
	bl.at = now
	s.believe(pc, b)
}

// believe counts on a request of block b.
func (s *pieces) believe(pc *piece, b int) {
	bl := &pc.blocks[b]
	if bl.free() {
		if pc.free--; pc.free == 0 {
			s.displace(pc)
		}
	}
	bl.live++
	pc.live++
}

// doubt undoes believe for a request that may still be answered, but is not
// counted on. It reports whether the block is free now.
func (s *pieces) doubt(pc *piece, b int) bool {
	bl := &pc.blocks[b]
	bl.live--
	pc.live--
	if !bl.free() {
		return false
	}
	if pc.free++; pc.free == 1 {
		s.place(pc)
	}
	pc.next = min(pc.next, b)
	return true
}

// unask undoes ask for a request that will not be answered. A late one is not
// believed in any more. It reports whether the block has become free by it.
func (s *pieces) unask(pc *piece, b int, key PeerKey, late bool) bool {
	bl := &pc.blocks[b]
	bl.asked--
	first := bl.by == key
	if first {
		bl.by = 0
	}
	at := slices.IndexFunc(pc.also, func(a ask) bool { return a.block == b && (first || a.peer == key) })
	if at >= 0 {
		if first {
			bl.by = pc.also[at].peer
		}
		pc.also = slices.Delete(pc.also, at, at+1)
	}
	return !late && s.doubt(pc, b)
}

// put notes that the bytes of block b are there, from a peer.
func (s *pieces) put(now time.Time, pc *piece, b int, from PeerKey) {
	bl := &pc.blocks[b]
	if bl.free() {
		if pc.free--; pc.free == 0 {
			s.displace(pc)
		}
	}
	bl.got, bl.from = true, from
	pc.got++
	pc.touched = now
}

// lose takes block b back: its bytes were forged.
func (s *pieces) lose(pc *piece, b int) {
	bl := &pc.blocks[b]
	bl.got, bl.from = false, 0
	pc.got--
	if bl.free() {
		if pc.free++; pc.free == 1 {
			s.place(pc)
		}
	}
	pc.next, pc.lacks = min(pc.next, b), min(pc.lacks, b)
}

// nextFree returns the first free block.
func (s *pieces) nextFree(pc *piece) (int, bool) {
	for b := pc.next; b < len(pc.blocks); b++ {
		s.work++
		if pc.blocks[b].free() {
			pc.next = b
			return b, true
		}
	}
	return 0, false
}

// firstMissing returns the first block that is not there.
func (s *pieces) firstMissing(pc *piece) int {
	for pc.lacks < len(pc.blocks) && pc.blocks[pc.lacks].got {
		s.work++
		pc.lacks++
	}
	return pc.lacks
}

const (
	enough  = 32  // candidates among which the one nearest to completion is chosen
	lookFar = 256 // pieces looked at if fewer can be joined
)

// join returns the piece of a list, shared or lent, that a peer had better work
// on: of those that it may join, the one nearest to completion, unless there are
// many.
func (s *pieces) join(l *pieceList, may func(*piece) bool) *piece {
	n := len(l.list)
	if n == 0 {
		return nil
	}
	var best *piece
	s.turn++
	for k := range min(n, lookFar) {
		if k >= enough && best != nil {
			break
		}
		s.work++
		pc := l.list[(s.turn+k)%n]
		if may(pc) && (best == nil || pc.free < best.free) {
			best = pc
		}
	}
	return best
}
