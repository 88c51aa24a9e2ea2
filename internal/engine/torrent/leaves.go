package torrent

import (
	"slices"
	"time"

	"github.com/shoal-p2p/shoal/internal/wire"
	"github.com/shoal-p2p/shoal/metainfo"
)

const (
	suspectFor = 10 * time.Second // how long the hashes of the blocks of a forged piece are waited for
	leafAhead  = 4                // of so many urgent pieces the blocks are checked one by one
)

// suspicion is that of a piece which failed its v2 hash and has blocks of several
// peers. It is kept until each of its blocks was held against its own hash: the
// forger is found out at the first block, and the others are not lost.
type suspicion struct {
	sums  [][20]byte
	until time.Time // when the hashes of the blocks must be here
	found bool      // a forged block
}

// suspectBlocks keeps a forged piece to look at it block by block. It reports
// false where that cannot be done, or need not be.
func (m *Machine) suspectBlocks(pc *piece, sums [][20]byte) bool {
	from := make([]PeerKey, len(pc.blocks))
	for i, b := range pc.blocks {
		from[i] = b.from
	}
	if _, one := soleSender(from); one || pc.leaves != nil || !m.wantLeaves(pc.index) {
		return false
	}
	pc.suspect = &suspicion{sums: sums, until: m.now.Add(suspectFor)}
	m.suspects++
	return true
}

// wantLeaves asks for the hashes of the blocks of a piece. It reports false if
// nobody can be asked.
func (m *Machine) wantLeaves(i int) bool {
	if m.layers == nil {
		return false
	}
	req, ok := m.layers.BlockRequest(i)
	return ok && m.hashes.ask(m, req, i)
}

// wantUrgentLeaves asks for the hashes of the blocks that readers wait for, so that
// they can have them before their piece is whole.
func (m *Machine) wantUrgentLeaves() {
	for _, d := range m.readers.urgent[:min(leafAhead, len(m.readers.urgent))] {
		if pc := m.pieces.at[d.piece]; pc != nil && pc.leaves == nil && !pc.full() {
			m.wantLeaves(d.piece)
		}
	}
}

// gotLeaves takes the hashes of the blocks of a piece.
func (m *Machine) gotLeaves(req metainfo.HashRequest, payload []byte) error {
	leaves, err := m.layers.CheckBlocks(req, payload)
	if err != nil {
		return breach("sent hashes that do not prove themselves")
	}
	for _, pc := range slices.Clone(m.pieces.open.list) {
		// Files of the same content share their hashes.
		if want, ok := m.layers.BlockRequest(pc.index); !ok || want != req || pc.leaves != nil || pc.verifying {
			continue
		}
		if len(leaves) < len(pc.blocks) {
			continue // padding of a hybrid has no hash
		}
		pc.leaves = leaves
		for b := range pc.blocks {
			if pc.blocks[b].got {
				m.checkBlock(pc, b)
			}
		}
	}
	return nil
}

func (m *Machine) checkBlock(pc *piece, b int) {
	pc.checking++
	m.do(VerifyBlock{Index: pc.index, Block: b, Buffer: pc.buffer, Leaf: pc.leaves[b]})
}

// blockChecked takes the result of a VerifyBlock. Whoever sent a forged block is
// banned for it, and the block fetched again.
func (m *Machine) blockChecked(i, b int, buffer uint32, genuine bool) {
	pc := m.pieces.at[i]
	if pc == nil || pc.buffer != buffer || pc.checking == 0 || b < 0 || b >= len(pc.blocks) || !pc.blocks[b].got {
		return
	}
	pc.checking--
	var forger *peer
	if !genuine {
		m.wasted += int64(pc.blockLength(b))
		forger = m.byKey[pc.blocks[b].from]
		m.pieces.lose(pc, b)
		m.do(ClearBlock{i, b})
		m.freed(i)
	}
	if s := pc.suspect; s != nil {
		s.found = s.found || !genuine
		if pc.checking == 0 {
			if !s.found {
				m.condemn(pc, s.sums) // its hashes contradict each other
				return
			}
			m.acquit(pc)
		}
	}
	m.completed(pc)
	if forger != nil {
		m.closePeer(forger, ErrBadData, true)
	}
}

// acquit ends the suspicion of a piece.
func (m *Machine) acquit(pc *piece) {
	if pc.suspect != nil {
		pc.suspect = nil
		m.suspects--
	}
}

// sweepSuspects gives up on hashes of blocks that nobody sends.
func (m *Machine) sweepSuspects() {
	if m.suspects == 0 {
		return
	}
	for _, pc := range slices.Clone(m.pieces.open.list) {
		s := pc.suspect
		if s == nil || pc.leaves != nil {
			continue
		}
		if !m.now.Before(s.until) || !m.wantLeaves(pc.index) {
			m.condemn(pc, s.sums)
		}
	}
}

// Limits on what peers may have us read and hash for them.
const (
	leafBurst  = 32 << 20 // bytes at once
	leafRefill = 4 << 20  // bytes a second that are earned again
)

// leafBudget bounds the bytes that are read and hashed to answer requests for the
// hashes of blocks. It is one for all peers: a store has one disk.
type leafBudget struct {
	spent int64
	at    time.Time
	busy  []PeerKey // who waits for an answer
}

// spend reports whether n bytes may be read for a peer now.
func (b *leafBudget) spend(now time.Time, key PeerKey, n int64) bool {
	b.spent = max(0, b.spent-int64(now.Sub(b.at).Seconds()*leafRefill))
	b.at = now
	if b.spent+n > leafBurst || slices.Contains(b.busy, key) {
		return false
	}
	b.spent += n
	b.busy = append(b.busy, key)
	return true
}

func (b *leafBudget) done(key PeerKey) {
	b.busy = slices.DeleteFunc(b.busy, func(k PeerKey) bool { return k == key })
}

// serveHashes answers a hash request from the piece layers, or from the store
// where it goes below them.
func (m *Machine) serveHashes(p *peer, req metainfo.HashRequest) error {
	first, end, err := m.layers.Blocks(req)
	if err != nil {
		return m.rejectHashes(p, req)
	}
	if first == end {
		return m.answerHashes(p, req, nil)
	}
	for i := first; i < end; i++ {
		if !m.have.Has(i) {
			return m.rejectHashes(p, req)
		}
	}
	if m.paused || !m.leafBudget.spend(m.now, p.key, int64(end-first)*m.info.PieceLength) {
		return m.rejectHashes(p, req)
	}
	m.do(ReadLeaves{Peer: p.key, Request: req, First: first, End: end})
	return nil
}

func (m *Machine) gotLeavesToServe(ev Leaves) {
	m.leafBudget.done(ev.Peer)
	p := m.byKey[ev.Peer]
	if p == nil {
		return
	}
	if err := m.answerHashes(p, ev.Request, ev.Leaves); err != nil {
		m.closePeer(p, err, false)
	}
}

func (m *Machine) answerHashes(p *peer, req metainfo.HashRequest, leaves []metainfo.Hash256) error {
	b, err := m.layers.Answer(req, leaves)
	if err != nil {
		return m.rejectHashes(p, req)
	}
	m.send(p, wire.Message{ID: wire.Hashes, Hash: toWire(req), Payload: b})
	return m.charge(p, len(b))
}

func (m *Machine) rejectHashes(p *peer, req metainfo.HashRequest) error {
	m.send(p, wire.Message{ID: wire.HashReject, Hash: toWire(req)})
	return m.charge(p, 0)
}
