package torrent

import (
	"slices"
	"time"

	"github.com/shoal-p2p/shoal/internal/wire"
)

// block is one block of an open piece.
type block struct {
	asked uint8   // requests outstanding, those given up on included
	live  uint8   // requests outstanding and still believed in
	got   bool    // its bytes are in the buffer
	from  PeerKey // who sent it
}

// piece is a piece being fetched.
type piece struct {
	index     int
	size      int
	buffer    uint32
	blocks    []block
	free      int // blocks neither got nor believed to come
	got       int
	owner     PeerKey // a fast peer that fetches the whole piece, 0 for none
	alone     bool    // nobody but the owner may: it was forged before
	verifying bool
	touched   time.Time
	next      int // no free block lies before this one
}

// openPiece starts to fetch piece i. The owner is 0 if anybody may join in.
func (m *Machine) openPiece(i int, owner PeerKey) *piece {
	size := int(m.info.PieceSize(i))
	n := (size + BlockSize - 1) / BlockSize
	m.buffers++
	pc := &piece{
		index: i, size: size, buffer: m.buffers, blocks: make([]block, n),
		free: n, owner: owner, alone: m.forged[i] != nil, touched: m.now,
	}
	m.pick.Remove(i)
	m.open = append(m.open, pc)
	m.openAt[i] = pc
	m.openSize += int64(size)
	m.free++
	m.do(OpenPiece{Index: i, Size: size, Buffer: pc.buffer})
	return pc
}

// closePiece gives the buffer back; the piece is no longer open.
func (m *Machine) closePiece(pc *piece) {
	m.open = slices.DeleteFunc(m.open, func(q *piece) bool { return q == pc })
	m.openAt[pc.index] = nil
	m.openSize -= int64(pc.size)
	if pc.free > 0 {
		m.free--
	}
	m.do(DropPiece{Index: pc.index})
}

// abandon stops fetching a piece; its blocks are lost.
func (m *Machine) abandon(pc *piece) {
	for _, p := range m.peers {
		m.cancelWhere(p, func(r request) bool { return int(r.index) == pc.index })
	}
	m.wasted += int64(pc.got) * BlockSize
	m.closePiece(pc)
	if m.wanted.Has(pc.index) && !m.have.Has(pc.index) {
		m.pick.Add(pc.index)
	}
}

func (pc *piece) blockLength(b int) uint32 {
	return uint32(min(BlockSize, pc.size-b*BlockSize))
}

// take notes a request for block b; it was free unless this is a duplicate.
func (m *Machine) take(pc *piece, b int) {
	bl := &pc.blocks[b]
	if bl.live == 0 && !bl.got {
		if pc.free--; pc.free == 0 {
			m.free--
		}
	}
	bl.asked++
	bl.live++
}

// untake undoes take for a request that will not be answered, or no longer is
// believed in (late: it may still come).
func (m *Machine) untake(r request, late bool) {
	pc := m.openAt[r.index]
	if pc == nil {
		return
	}
	b := int(r.begin / BlockSize)
	bl := &pc.blocks[b]
	if !late {
		bl.asked--
	}
	if r.late {
		return // already not live
	}
	bl.live--
	if bl.live == 0 && !bl.got {
		if pc.free++; pc.free == 1 {
			m.free++
		}
		pc.next = min(pc.next, b)
	}
}

// nextFree returns the first free block, at or after pc.next.
func (pc *piece) nextFree() (int, bool) {
	for b := pc.next; b < len(pc.blocks); b++ {
		if bl := &pc.blocks[b]; !bl.got && bl.live == 0 {
			pc.next = b
			return b, true
		}
	}
	return 0, false
}

// gotBlock handles a piece message.
func (m *Machine) gotBlock(p *peer, it *Item) error {
	p.down.Add(m.now, int(it.Length))
	m.down.Add(m.now, int(it.Length))
	m.line.Add(m.now, int(it.Length))
	p.answersWithdrawn(it) // and is welcome if the block was requested again
	at := slices.IndexFunc(p.requests, func(r request) bool { return r.is(it) })
	var pc *piece
	next := 0
	if at >= 0 {
		if pc = m.openAt[it.Index]; pc != nil {
			next = pc.next
		}
		if p.snubbed {
			m.wake(p)
		}
		r := m.dropRequest(p, at)
		p.lastBlock = m.now
		p.pace = p.down.Rate(m.now)
		m.growWindow(p)
		m.touch(p)
		m.untake(r, false)
		m.blockTime.add(m.now.Sub(r.at))
	}
	taken, err := m.takeIn(p.key, it)
	if taken && pc != nil {
		pc.next = next // untake believed the block to be free
	}
	if at < 0 && !taken && err == nil {
		if p.strays--; p.strays < 0 {
			return breach("sent blocks that were not requested")
		}
	}
	return err
}

// takeIn notes a block whose bytes are in the buffer of its piece. Whether it is
// still requested does not matter: no other copy could be put there any more. It
// may have crossed a cancel, or come before its sender was closed.
func (m *Machine) takeIn(from PeerKey, it *Item) (bool, error) {
	var pc *piece
	if m.info != nil && int(it.Index) < len(m.openAt) && it.Buffer != 0 {
		pc = m.openAt[it.Index]
	}
	if pc == nil || pc.buffer != it.Buffer {
		m.wasted += int64(it.Length)
		return false, nil
	}
	b := int(it.Begin / BlockSize)
	if it.Begin%BlockSize != 0 || b >= len(pc.blocks) || it.Length != pc.blockLength(b) {
		// Part of the buffer is spoiled.
		m.wasted += int64(it.Length)
		m.abandon(pc)
		m.touchAll()
		return false, breach("sent a block of another length than requested")
	}
	bl := &pc.blocks[b]
	if bl.got {
		m.wasted += int64(it.Length)
		return false, nil
	}
	m.downloaded += int64(it.Length)
	if p := m.byKey[from]; p != nil {
		p.gave.Add(m.now, int(it.Length))
	}
	if bl.live == 0 {
		if pc.free--; pc.free == 0 {
			m.free--
		}
	}
	bl.got, bl.from = true, from
	pc.got++
	pc.touched = m.now
	if bl.asked > 0 {
		m.cancelElsewhere(it.Index, it.Begin)
	}
	if pc.got == len(pc.blocks) {
		m.verify(pc)
	}
	return true, nil
}

// cancelElsewhere withdraws the requests that others have for a block.
func (m *Machine) cancelElsewhere(index, begin uint32) {
	for _, p := range m.peers {
		m.cancelWhere(p, func(q request) bool { return q.index == index && q.begin == begin })
	}
}

func (m *Machine) verify(pc *piece) {
	v := Verify{Index: pc.index, Sums: m.forged[pc.index] != nil}
	if h, ok := m.info.PieceHashV1(pc.index); ok {
		v.V1 = &h
	}
	if m.layers != nil {
		if h, ok := m.layers.PieceHash(pc.index); ok {
			v.V2 = &h
		}
	}
	if v.V1 == nil && v.V2 == nil {
		m.hashes.want(m, pc.index) // verified when the hashes arrive
		return
	}
	pc.verifying = true
	m.do(v)
}

func (m *Machine) pieceStored(ev PieceStored) {
	pc := m.openAt[ev.Index]
	if pc == nil {
		return
	}
	m.settle(pc, ev.Sums)
	m.closePiece(pc)
	if !m.have.Set(ev.Index) {
		return
	}
	if m.wanted.Has(ev.Index) {
		m.missing--
	}
	m.do(Have{Index: ev.Index})
	for _, p := range m.peers {
		if !p.has.Has(ev.Index) {
			m.send(p, wire.Message{ID: wire.Have, Index: uint32(ev.Index)})
		} else if m.wanted.Has(ev.Index) {
			p.useful--
			m.updateInterest(p)
		}
	}
	m.updateUrgent()
	m.touchAll()
	m.checkFinished()
}

func (m *Machine) storeFailed(ev StoreFailed) {
	pc := m.openAt[ev.Index]
	if pc == nil {
		return
	}
	pc.verifying = false
	m.stuck = true
	m.abandon(pc)
	for _, p := range m.peers {
		m.releaseAll(p, true)
	}
}

// readFailed stops offering a piece that the store lost.
func (m *Machine) readFailed(ev ReadFailed) {
	m.losePieceOfOurs(int(ev.Index))
	if p := m.byKey[ev.Peer]; p != nil {
		p.inFlight -= int(ev.Length)
		if p.fast {
			m.send(p, wire.Message{ID: wire.Reject, Index: ev.Index, Begin: ev.Begin, Length: ev.Length})
		}
		m.pump(p)
	}
}

// losePieceOfOurs forgets a stored piece and tells who understands it (BEP 54).
func (m *Machine) losePieceOfOurs(i int) {
	if !m.have.Clear(i) {
		return
	}
	m.finished = false
	m.do(Lost{Index: i})
	if m.wanted.Has(i) {
		m.missing++
		m.pick.Add(i)
	}
	for _, p := range m.peers {
		if p.has.Has(i) && m.wanted.Has(i) {
			p.useful++
			m.updateInterest(p)
			m.touch(p)
		}
		m.sendDontHave(p, i)
		m.refuseUploads(p, func(u upload) bool { return int(u.index) == i })
	}
}
