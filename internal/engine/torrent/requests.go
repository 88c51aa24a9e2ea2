package torrent

import (
	"math"
	"slices"
	"sort"
	"time"

	"github.com/shoal-p2p/shoal/internal/wire"
)

const (
	startWindow = 8   // requests to a peer we know nothing about
	crowd       = 32  // requests to all peers together that are never too many
	defaultReqQ = 250 // for peers that do not say (BEP 10)
	minWindow   = 2   // one on its way, one behind it

	queueTime       = 1500 * time.Millisecond // what a queue should last
	urgentQueueTime = 500 * time.Millisecond  // while a reader waits
	endGameTime     = 1500 * time.Millisecond // the end-game begins when so much is left
	crowdTime       = 4 * time.Second         // what all queues together may last
	wholePieceTime  = 20.0                    // seconds: whoever is faster fetches whole pieces
	snubAfter       = 15 * time.Second
	snubAtMost      = time.Minute
	maxDuplicates   = 2 // requests for one block in the end-game
)

// latency tracks the mean and mean deviation of the time blocks take.
type latency struct{ mean, dev float64 }

func (l *latency) add(d time.Duration) {
	s := d.Seconds()
	if l.mean == 0 {
		l.mean, l.dev = s, s/2
		return
	}
	l.dev += (math.Abs(s-l.mean) - l.dev) / 16
	l.mean += (s - l.mean) / 16
}

// overdue is the age at which a request is slower than could be expected.
func (l *latency) overdue() time.Duration {
	return time.Duration(max(0.25, l.mean+l.dev/2) * float64(time.Second))
}

// patience is how long a peer may be silent before it is given up on: longer
// where all blocks take long, because then our own line is what they wait for.
func (l *latency) patience() time.Duration {
	return min(snubAtMost, max(snubAfter, time.Duration((l.mean+4*l.dev)*float64(time.Second))))
}

// growWindow reacts to one received block: it doubles the window each round
// trip until the rate tells how long the queue lasts.
func (m *Machine) growWindow(p *peer) {
	if p.starting {
		p.window++
	}
}

// queueLimit is how many requests a peer should have outstanding.
func (m *Machine) queueLimit(p *peer) int {
	if p.snubbed {
		return 1
	}
	want := queueTime
	if len(m.urgent) > 0 {
		want = urgentQueueTime
	}
	byRate := int(p.down.Rate(m.now)*want.Seconds()/BlockSize) + minWindow
	if p.starting && p.window > 2*byRate && p.down.Total() > startWindow*BlockSize {
		p.starting = false
	}
	n := byRate
	if p.starting {
		n = max(n, p.window)
	}
	if p.WebSeed {
		n = max(n, crowd) // a range costs a round trip
	}
	if n > 1 && m.crowded() {
		return 1
	}
	return max(1, min(n, p.reqq, m.cfg.QueueLimit))
}

// crowded reports whether so much is requested from all peers together that it
// would fill our line for long. Each queue by itself may be short: many peers
// on a thin line make one long queue in front of it.
func (m *Machine) crowded() bool {
	return m.asked > crowd && float64((m.asked-crowd)*BlockSize) > m.down.Rate(m.now)*crowdTime.Seconds()
}

// tardy is the age at which a request has fallen far behind the others.
func (l *latency) tardy() time.Duration {
	return l.overdue() + time.Duration(l.dev*1.5*float64(time.Second))
}

// busy reports whether what is requested will keep our line busy for a while. To
// ask for it again would only make the line busier. What has fallen far behind is
// not on its way, so it does not count.
func (m *Machine) busy() bool {
	coming, limit := 0, m.blockTime.tardy()
	// A peer's requests are in the order they were made.
	for _, p := range m.peers {
		coming += len(p.requests) - sort.Search(len(p.requests), func(k int) bool { return m.now.Sub(p.requests[k].at) < limit })
	}
	return float64(coming*BlockSize) > m.line.Rate(m.now)*endGameTime.Seconds()
}

// speed is how many bytes a second p can be expected to send. Its rate takes
// seconds to fall, so a peer that owes a block counts for no more than its silence
// allows: it may have gone without a word.
func (m *Machine) speed(p *peer) float64 {
	if p.snubbed {
		return 1
	}
	s := max(p.pace, p.down.Rate(m.now))
	if len(p.requests) > 0 {
		s = min(s, BlockSize/max(m.now.Sub(p.lastBlock).Seconds(), 1e-9))
	}
	return max(s, 1<<10)
}

func (m *Machine) fillAll() {
	for len(m.dirty) > 0 {
		dirty := m.dirty
		m.dirty = nil
		for _, p := range dirty {
			p.isDirty = false
			if m.byKey[p.key] == p {
				m.fill(p)
			}
		}
	}
}

// fill sends requests to a peer until its queue is as long as it should be.
func (m *Machine) fill(p *peer) {
	if m.info == nil || m.paused || m.stuck || m.missing == 0 || p.useful == 0 {
		return
	}
	if p.choked && len(p.allowed) == 0 {
		return
	}
	limit := m.queueLimit(p)
	for len(p.requests) < limit {
		pc, b, ok := m.nextBlock(p)
		if !ok {
			return
		}
		m.request(p, pc, b)
	}
}

func (m *Machine) request(p *peer, pc *piece, b int) {
	if len(p.requests) == 0 {
		p.lastBlock = m.now
	}
	r := request{index: uint32(pc.index), begin: uint32(b * BlockSize), length: pc.blockLength(b), at: m.now}
	m.asked++
	m.take(pc, b)
	p.requests = append(p.requests, r)
	m.send(p, wire.Message{ID: wire.Request, Index: r.index, Begin: r.begin, Length: r.length})
}

// may reports whether p can be asked for blocks of piece i.
func (p *peer) may(i int) bool {
	return p.has.Has(i) && (!p.choked || slices.Contains(p.allowed, i))
}

// mayJoin reports whether p can be asked for blocks of an open piece.
func (p *peer) mayJoin(pc *piece) bool {
	return p.may(pc.index) && (!pc.alone || pc.owner == p.key)
}

// nextBlock chooses the next block to ask p for.
func (m *Machine) nextBlock(p *peer) (*piece, int, bool) {
	if pc, b, ok := m.nextUrgent(p); ok {
		return pc, b, true
	}
	if pc := m.sharedPiece(p, false); pc != nil {
		b, ok := pc.nextFree()
		return pc, b, ok
	}
	if pc := m.newPiece(p); pc != nil {
		return pc, 0, true
	}
	if pc := m.sharedPiece(p, true); pc != nil {
		b, ok := pc.nextFree()
		return pc, b, ok
	}
	for _, pc := range m.open {
		if pc, ok := m.takeOver(p, pc); ok {
			return pc, 0, true
		}
	}
	return m.endGame(p)
}

// fast reports whether p fetches a piece of that size quickly enough to have it
// for itself.
func (m *Machine) fast(p *peer, size int) bool {
	if p.snubbed {
		return false
	}
	if p.down.Total() == 0 {
		return true // unknown: believe in it
	}
	return p.down.Rate(m.now)*wholePieceTime >= float64(size)
}

// sharedPiece finds an open piece with free blocks that p may work on: its own
// first, then the one nearest to completion. Pieces of other fast peers are left
// to them unless others is set.
func (m *Machine) sharedPiece(p *peer, others bool) *piece {
	if m.free == 0 {
		return nil
	}
	var best *piece
	for _, pc := range m.open {
		if pc.free == 0 || !p.mayJoin(pc) {
			continue
		}
		if pc.owner == p.key {
			return pc
		}
		if pc.owner != 0 && !others {
			continue
		}
		if best == nil || pc.free < best.free {
			best = pc
		}
	}
	return best
}

// firstPieces are chosen at random: a newcomer needs anything to trade.
const firstPieces = 4

// newPiece opens the next piece for p.
func (m *Machine) newPiece(p *peer) *piece {
	if m.pick.Len() == 0 {
		return nil
	}
	var i int
	var ok bool
	may := func(i int) bool { return p.may(i) && m.mayOwn(p, i) }
	switch {
	case p.snubbed:
		i, ok = m.pick.Commonest(may)
	case p.WebSeed && m.continues(p):
		i, ok = p.row.next, true
	case m.have.Count() < firstPieces:
		i, ok = m.pick.Random(may)
	default:
		i, ok = m.pick.Rarest(may)
	}
	if !ok || !m.makeRoom(int(m.info.PieceSize(i))) {
		return nil
	}
	if p.WebSeed {
		p.row.add(i, m.info.PieceSize(i))
	}
	var owner PeerKey
	if m.forged[i] != nil || m.fast(p, int(m.info.PieceSize(i))) {
		owner = p.key
	}
	return m.openPiece(i, owner)
}

// makeRoom reports whether a piece of that size may be opened. When the budget
// is used up by pieces that nobody is working on, the stalest is let go.
func (m *Machine) makeRoom(size int) bool {
	if m.openSize == 0 || m.openSize+int64(size) <= m.cfg.BufferBytes {
		return true
	}
	for _, pc := range m.open {
		if pc.verifying || pc.got == len(pc.blocks) || m.now.Sub(pc.touched) < snubAfter {
			continue
		}
		if !slices.ContainsFunc(pc.blocks, func(b block) bool { return b.live > 0 }) {
			m.abandon(pc)
			return m.openSize == 0 || m.openSize+int64(size) <= m.cfg.BufferBytes
		}
	}
	return false
}

// queueSeconds is how long a peer's queue will last.
func (m *Machine) queueSeconds(p *peer) float64 {
	return float64(len(p.requests)*BlockSize) / max(p.down.Rate(m.now), 1<<10)
}

// endGame duplicates a request, now that everything is requested: the one that
// would be answered last, if it is late already and p would be much quicker.
func (m *Machine) endGame(p *peer) (*piece, int, bool) {
	if m.free > 0 || m.pick.Len() > 0 || p.snubbed || m.busy() {
		return nil, 0, false // strict: something is still unrequested
	}
	var best *piece
	at := 0
	limit := m.blockTime.tardy()
	longest := 0.5 + 4*float64((len(p.requests)+1)*BlockSize)/m.speed(p)
	for _, v := range m.peers {
		if v == p || len(v.requests) == 0 {
			continue
		}
		rate := m.speed(v)
		for k := len(v.requests) - 1; k >= 0 && float64((k+1)*BlockSize)/rate > longest; k-- {
			r := v.requests[k]
			pc := m.openAt[r.index]
			if m.now.Sub(r.at) < limit || pc == nil || !p.mayJoin(pc) {
				continue
			}
			b := int(r.begin / BlockSize)
			if bl := &pc.blocks[b]; !bl.got && bl.asked < maxDuplicates && !p.hasRequest(r.index, r.begin) {
				best, at, longest = pc, b, float64((k+1)*BlockSize)/rate
				break
			}
		}
	}
	return best, at, best != nil
}

// dropRequest removes the request at an index. Answers come in order, so it is
// nearly always the first.
func (m *Machine) dropRequest(p *peer, at int) request {
	r := p.requests[at]
	m.asked--
	if at == 0 {
		p.requests = p.requests[1:]
	} else {
		p.requests = slices.Delete(p.requests, at, at+1)
	}
	return r
}

func (p *peer) hasRequest(index, begin uint32) bool {
	return slices.ContainsFunc(p.requests, func(r request) bool { return r.index == index && r.begin == begin })
}

// is reports whether a message names the block of a request.
func (r *request) is(it *Item) bool {
	return r.index == it.Index && r.begin == it.Begin && r.length == it.Length
}

// answersWithdrawn reports whether a block or reject may be the answer to
// a request that was cancelled. Answers come in order, so if the same block was
// requested again since, that answer is still to come.
func (p *peer) answersWithdrawn(it *Item) bool {
	n := slices.IndexFunc(p.withdrawn, func(r request) bool { return r.is(it) })
	if n < 0 {
		return false
	}
	p.withdrawn = slices.Delete(p.withdrawn, n, n+1)
	return true
}

// cancelWhere withdraws those requests to p that match.
func (m *Machine) cancelWhere(p *peer, match func(request) bool) {
	kept := p.requests[:0]
	for _, r := range p.requests {
		if !match(r) {
			kept = append(kept, r)
			continue
		}
		m.asked--
		m.untake(r, false)
		p.strays++
		if p.fast && len(p.withdrawn) < maxWithdrawn {
			r.at = m.now
			p.withdrawn = append(p.withdrawn, r)
		}
		m.send(p, wire.Message{ID: wire.Cancel, Index: r.index, Begin: r.begin, Length: r.length})
	}
	if len(kept) < len(p.requests) {
		p.requests = kept
		m.touch(p)
	}
}

// releaseAll lets go of every request to p, with cancel messages if it is to
// stay connected.
func (m *Machine) releaseAll(p *peer, tell bool) {
	if tell {
		m.cancelWhere(p, func(request) bool { return true })
		return
	}
	for _, r := range p.requests {
		m.untake(r, false)
	}
	m.asked -= len(p.requests)
	p.requests = nil
}

// disown gives the pieces of a peer to everybody. One that was forged before is
// begun again, so that it comes from one peer.
func (m *Machine) disown(p *peer) {
	for _, pc := range slices.Clone(m.open) {
		if pc.owner != p.key || pc.verifying {
			continue
		}
		if pc.alone {
			m.abandon(pc)
		} else {
			pc.owner = 0
		}
	}
}

func (m *Machine) gotChoke(p *peer) {
	p.choked = true
	p.starting, p.window = true, startWindow
	m.disown(p)
	if !p.fast {
		// The requests are void (BEP 3). With the fast extension each gets a
		// reject or its block.
		m.releaseAll(p, true)
	}
	m.touchAll()
}

func (m *Machine) gotReject(p *peer, it *Item) error {
	if !p.fast {
		return breach("reject without the fast extension")
	}
	if p.answersWithdrawn(it) {
		return nil // it answers our cancel
	}
	at := slices.IndexFunc(p.requests, func(r request) bool { return r.is(it) })
	if at < 0 {
		return nil
	}
	r := m.dropRequest(p, at)
	m.untake(r, false)
	if !p.choked {
		// It does not have what it announced; asking again would loop.
		m.losePiece(p, int(r.index))
	} else {
		p.allowed = slices.DeleteFunc(p.allowed, func(i int) bool { return i == int(r.index) })
	}
	m.touchAll()
	return nil
}

// checkSnub gives up on a peer that was asked and does not send: its requests
// go to others, and it gets one at a time until it sends again.
func (m *Machine) checkSnub(p *peer) {
	if len(p.requests) == 0 || m.now.Sub(p.lastBlock) < m.blockTime.patience() {
		return
	}
	if p.requests[len(p.requests)-1].late {
		return // so are all before it
	}
	if !p.snubbed {
		p.snubbed = true
		p.starting, p.window = false, 1
		m.disown(p)
	}
	for i := range p.requests {
		r := &p.requests[i]
		if !r.late {
			m.untake(*r, true)
			r.late = true
		}
	}
	m.touchAll()
}

// wake believes again in a snubbed peer that has sent a block, late requests
// included: they are still on its list.
func (m *Machine) wake(p *peer) {
	p.snubbed = false
	for i := range p.requests {
		r := &p.requests[i]
		if !r.late {
			continue
		}
		r.late = false
		pc := m.openAt[r.index]
		if pc == nil {
			continue
		}
		bl := &pc.blocks[r.begin/BlockSize]
		if bl.live == 0 && !bl.got {
			if pc.free--; pc.free == 0 {
				m.free--
			}
		}
		bl.live++
	}
}
