package torrent

import (
	"slices"
	"time"

	"github.com/shoal-p2p/shoal/internal/wire"
)

const (
	crowd          = 32              // requests to all peers together that are never too many
	crowdTime      = 4 * time.Second // what all queues together may last
	wholePieceTime = 20.0            // seconds: whoever is quicker fetches whole pieces
)

// queueLimit is how many requests a peer should have outstanding.
func (m *Machine) queueLimit(p *peer) int {
	last := queueTime
	if m.readers.waiting() {
		last = urgentQueueTime
	}
	n := p.queue.limit(p.down.Rate(m.now), p.down.Total(), last, min(p.reqq, m.cfg.QueueLimit))
	if p.WebSeed && !p.queue.snubbed {
		n = max(n, min(crowd, p.reqq, m.cfg.QueueLimit)) // a range costs a round trip
	}
	if n > 1 && m.crowded() {
		return 1
	}
	return n
}

// crowded reports whether so much is requested from all peers together that it
// would fill our line for long. Each queue by itself may be short: many peers
// on a thin line make one long queue in front of it.
func (m *Machine) crowded() bool {
	return m.asked > crowd && float64((m.asked-crowd)*BlockSize) > m.down.Rate(m.now)*crowdTime.Seconds()
}

// speed is how many bytes a second p can be expected to send. Its rate takes
// seconds to fall, so a peer that owes a block counts for no more than its silence
// allows: it may have gone without a word.
func (m *Machine) speed(p *peer) float64 {
	if p.queue.snubbed {
		return 1
	}
	s := max(p.pace, p.down.Rate(m.now))
	if p.queue.len() > 0 {
		s = min(s, BlockSize/max(m.now.Sub(p.queue.last).Seconds(), 1e-9))
	}
	return max(s, 1<<10)
}

// fill sends requests to a peer until its queue is as long as it should be. One
// for which there is nothing is starved.
func (m *Machine) fill(p *peer) {
	m.starved.remove(p)
	if !m.space.known() || m.paused || m.stuck || m.missing == 0 || m.usefulOf(p) == 0 {
		return
	}
	if p.choked && len(p.allowed) == 0 {
		return
	}
	limit := m.queueLimit(p)
	for p.queue.len() < limit {
		pc, b, ok := m.nextBlock(p)
		if !ok {
			m.starved.add(p)
			return
		}
		m.request(p, pc, b)
	}
}

func (m *Machine) request(p *peer, pc *piece, b int) {
	r := request{index: uint32(pc.index), begin: uint32(b * BlockSize), length: pc.blockLength(b), at: m.now}
	m.asked++
	m.pieces.ask(m.now, pc, b, p.key)
	p.queue.add(r)
	m.send(p, wire.Message{ID: wire.Request, Index: r.index, Begin: r.begin, Length: r.length})
}

// may reports whether p can be asked for blocks of piece i.
func (p *peer) may(i int) bool {
	return p.has.Has(i) && (!p.choked || slices.Contains(p.allowed, i)) && !p.refusals.bar(i)
}

// mayJoin reports whether p can be asked for blocks of an open piece.
func (p *peer) mayJoin(pc *piece) bool {
	return (!pc.alone || pc.owner == &p.owns) && p.may(pc.index)
}

// queueSeconds is how long a peer's queue will last.
func (m *Machine) queueSeconds(p *peer) float64 {
	return float64(p.queue.len()*BlockSize) / max(p.down.Rate(m.now), 1<<10)
}

// release lets go of a request that will not be answered.
func (m *Machine) release(p *peer, r request) {
	m.asked--
	if pc := m.pieces.at[int(r.index)]; pc != nil && m.pieces.unask(pc, r.block(), p.key, r.late) {
		m.freed(pc.index)
	}
}

// cancel withdraws the request to p at an index.
func (m *Machine) cancel(p *peer, at int) {
	r := p.queue.remove(at)
	m.release(p, r)
	p.queue.withdraw(m.now, r, p.fast)
	m.send(p, wire.Message{ID: wire.Cancel, Index: r.index, Begin: r.begin, Length: r.length})
	m.touch(p)
}

// cancelAll withdraws every request to p.
func (m *Machine) cancelAll(p *peer) {
	for n := p.queue.len(); n > 0; n-- {
		m.cancel(p, 0)
	}
}

// releaseAll lets go of every request to p, which knows that they are void.
func (m *Machine) releaseAll(p *peer) {
	for _, r := range p.queue.all() {
		m.release(p, r)
	}
	p.queue.clear()
}

// disown gives the pieces of a peer to everybody. One that was forged before is
// begun again, so that it comes from one peer.
func (m *Machine) disown(p *peer) {
	for k := len(p.owns.all.list) - 1; k >= 0; k-- {
		pc := p.owns.all.list[k]
		switch {
		case pc.verifying:
		case pc.alone:
			m.abandon(pc)
		default:
			m.pieces.disown(pc)
			m.freed(pc.index)
		}
	}
}

func (m *Machine) gotChoke(p *peer) {
	p.choked = true
	p.queue.reset()
	m.disown(p)
	if !p.fast {
		// The requests are void (BEP 3), which needs no cancels. With the fast
		// extension each gets a reject or its block.
		p.queue.strays += p.queue.len()
		m.releaseAll(p)
		m.do(Void{p.key})
	}
	m.touch(p)
}

func (m *Machine) gotReject(p *peer, it *Item) error {
	if !p.fast {
		return breach("reject without the fast extension")
	}
	if p.queue.answersWithdrawn(it) {
		return nil // it answers our cancel
	}
	at := p.queue.answered(it)
	if at < 0 {
		return nil
	}
	r := p.queue.remove(at)
	m.release(p, r)
	if p.choked {
		p.allowed = slices.DeleteFunc(p.allowed, func(i int) bool { return i == int(r.index) })
	} else {
		m.refused(p, int(r.index))
	}
	m.touch(p)
	return nil
}

// refused takes note that p did not send what it announced. It is not asked for
// that piece for a while, and after some times not at all.
func (m *Machine) refused(p *peer, i int) {
	if !p.refusals.note(m.now, i) {
		m.losePiece(p, i)
		return
	}
	if pc := m.pieces.at[i]; pc != nil && pc.owner == &p.owns && !pc.verifying {
		if pc.alone {
			m.abandon(pc)
		} else {
			m.pieces.disown(pc)
			m.freed(i)
		}
	}
}

// checkSnub gives up on a peer that was asked and does not send: its requests
// go to others, and it gets one at a time until it sends again.
func (m *Machine) checkSnub(p *peer) {
	if !p.queue.silent(m.now, m.blockTime.patience()) {
		return
	}
	if !p.queue.snubbed {
		p.queue.snubbed = true
		p.queue.starting, p.queue.window = false, 1
		m.disown(p)
	}
	list := p.queue.all()
	for k := range list {
		r := &list[k]
		if r.late {
			continue
		}
		r.late = true
		if pc := m.pieces.at[int(r.index)]; pc != nil && m.pieces.doubt(pc, r.block()) {
			m.freed(pc.index)
		}
	}
	m.touch(p)
}

// revive believes again in a snubbed peer that has sent a block, late requests
// included: they are still on its list.
func (m *Machine) revive(p *peer) {
	p.queue.snubbed = false
	p.dry = 0
	list := p.queue.all()
	for k := range list {
		r := &list[k]
		if !r.late {
			continue
		}
		r.late = false
		if pc := m.pieces.at[int(r.index)]; pc != nil {
			m.pieces.believe(pc, r.block())
		}
	}
}
