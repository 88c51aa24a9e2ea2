package torrent

import "github.com/shoal-p2p/shoal/internal/wire"

// openPiece starts to fetch piece i. The owner is nil if anybody may join in.
func (m *Machine) openPiece(i int, o *owner) *piece {
	pc := m.pieces.begin(m.now, i, int(m.space.data(i)), int(m.space.size(i)), o, m.forged[i] != nil)
	m.pick.Remove(i)
	m.do(OpenPiece{Index: i, Size: pc.room, Data: pc.size, Buffer: pc.buffer})
	return pc
}

// closePiece gives the buffer back; the piece is no longer open.
func (m *Machine) closePiece(pc *piece) {
	m.acquit(pc)
	m.pieces.end(pc)
	m.starved.room = true
	m.do(DropPiece{Index: pc.index})
}

// abandon stops fetching a piece; its blocks are lost.
func (m *Machine) abandon(pc *piece) {
	for b := range pc.blocks {
		m.cancelBlock(pc, b)
	}
	m.wasted += int64(pc.got) * BlockSize
	m.closePiece(pc)
	m.offer(pc.index)
}

// offer makes a piece pickable again that is lacked and not open.
func (m *Machine) offer(i int) {
	if m.have.Has(i) || !m.needed.Has(i) {
		return
	}
	if m.wanted.Has(i) {
		m.pick.Add(i)
	}
	m.freed(i)
}

// cancelBlock withdraws all requests for a block.
func (m *Machine) cancelBlock(pc *piece, b int) {
	for pc.blocks[b].by != 0 {
		p := m.byKey[pc.blocks[b].by]
		m.cancel(p, p.queue.find(uint32(pc.index), uint32(b*BlockSize)))
	}
}

// gotBlock handles a piece message.
func (m *Machine) gotBlock(p *peer, it *Item) error {
	n := int(it.Length)
	p.down.Add(m.now, n)
	m.down.Add(m.now, n)
	m.line.Add(m.now, n)
	p.queue.answersWithdrawn(it) // and is welcome if the block was requested again
	at := p.queue.answered(it)
	if at < 0 {
		taken, err := m.takeIn(p, p.key, it)
		if !taken && err == nil {
			if p.queue.strays--; p.queue.strays < 0 {
				return breach("sent blocks that were not requested")
			}
		}
		return err
	}
	if p.queue.snubbed {
		m.revive(p)
	}
	p.pace = p.down.Rate(m.now)
	p.queue.grow(m.now)
	p.refusals.clear(int(it.Index))
	m.touch(p)
	m.blockTime.add(m.now.Sub(p.queue.all()[at].at))
	taken, err := m.takeIn(p, p.key, it)
	if !taken && m.byKey[p.key] == p {
		if at = p.queue.answered(it); at >= 0 {
			m.release(p, p.queue.remove(at))
		}
	}
	return err
}

// takeIn notes a block whose bytes are in the buffer of its piece. Whether it is
// still requested does not matter: no other copy could be put there any more. It
// may have crossed a cancel, or come before its sender was closed (p is nil then).
// The request that it answers is taken off p's list, others are withdrawn.
func (m *Machine) takeIn(p *peer, from PeerKey, it *Item) (bool, error) {
	var pc *piece
	if it.Buffer != 0 {
		pc = m.pieces.at[int(it.Index)]
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
		return false, breach("sent a block of another length than requested")
	}
	if pc.blocks[b].got {
		m.wasted += int64(it.Length)
		return false, nil
	}
	m.downloaded += int64(it.Length)
	m.pieces.put(m.now, pc, b, from)
	if p != nil {
		if p.WebSeed {
			m.byWebSeeds += int64(it.Length)
		}
		p.gave.Add(m.now, int(it.Length))
		if at := p.queue.answered(it); at >= 0 {
			m.release(p, p.queue.remove(at))
		}
	}
	m.cancelBlock(pc, b)
	if pc.leaves != nil {
		m.checkBlock(pc, b)
	}
	m.completed(pc)
	return true, nil
}

// completed has a piece verified whose blocks are all there.
func (m *Machine) completed(pc *piece) {
	if pc.full() && pc.checking == 0 && !pc.verifying && pc.suspect == nil {
		m.verify(pc)
	}
}

// verify has a piece checked against its hashes.
func (m *Machine) verify(pc *piece) {
	v := Verify{Index: pc.index, Sums: m.forged[pc.index] != nil}
	v.V1, v.V2 = m.space.hashes(pc.index, m.layers)
	if v.V1 == nil && v.V2 == nil {
		m.hashes.want(m, pc.index) // verified when the hashes arrive
		return
	}
	pc.verifying = true
	m.do(v)
}

func (m *Machine) pieceStored(ev PieceStored) {
	pc := m.pieces.at[ev.Index]
	if pc == nil {
		return
	}
	m.settle(pc, ev.Sums)
	m.closePiece(pc)
	if !m.have.Set(ev.Index) {
		return
	}
	needed := m.needed.Has(ev.Index)
	if needed {
		m.missing--
	}
	if m.wanted.Has(ev.Index) {
		m.lacking--
	}
	m.do(Have{Index: ev.Index})
	// Seeds need not hear of it, and all of them lack as much of use to us.
	for _, p := range m.partial {
		m.work++
		if !p.has.Has(ev.Index) {
			m.send(p, wire.Message{ID: wire.Have, Index: uint32(ev.Index)})
		} else if needed {
			p.useful--
			m.updateInterest(p)
		}
	}
	if m.missing == 0 {
		for _, p := range m.peers {
			m.updateInterest(p)
		}
	}
	if m.readers.stored(ev.Index, &m.have) {
		m.wakeAll()
	}
	m.checkFinished()
}

func (m *Machine) storeFailed(ev StoreFailed) {
	pc := m.pieces.at[ev.Index]
	if pc == nil {
		return
	}
	pc.verifying = false
	m.abandon(pc)
	if ev.Index < m.space.first {
		return // it expired meanwhile, and the store no longer takes it
	}
	m.stuck = true
	for _, p := range m.peers {
		m.cancelAll(p)
	}
}

// readFailed stops offering a piece that the store lost.
func (m *Machine) readFailed(ev ReadFailed) {
	m.withdraw(int(ev.Index), ev.Gone)
	if p := m.byKey[ev.Peer]; p != nil {
		p.uploads.left(int(ev.Length))
		if p.fast {
			m.send(p, wire.Message{ID: wire.Reject, Index: ev.Index, Begin: ev.Begin, Length: ev.Length})
		}
		m.pump(p)
	}
}

// withdraw forgets a stored piece and tells who understands it (BEP 54). One that is
// gone is not fetched again.
func (m *Machine) withdraw(i int, gone bool) {
	was := m.uploadOnly()
	if !m.have.Clear(i) {
		return
	}
	if gone {
		m.giveUp(i)
	} else {
		m.finished = false
	}
	m.do(Lost{Index: i})
	if m.needed.Has(i) {
		m.missing++
	}
	if m.wanted.Has(i) {
		m.lacking++
	}
	m.offer(i)
	if m.readers.holds(i) {
		m.readers.update(&m.have)
	}
	for _, p := range m.peers {
		if p.has.Has(i) && m.needed.Has(i) {
			if !p.seedCount {
				p.useful++
			}
			p.dry = 0
			m.updateInterest(p)
			m.touch(p)
		}
		m.sendDontHave(p, i)
		m.refuseUploads(p, func(u upload) bool { return int(u.index) == i })
	}
	m.wantsAgain(was)
}
