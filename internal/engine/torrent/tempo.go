package torrent

import (
	"sort"
	"time"
)

const (
	endGameTime   = 1500 * time.Millisecond // the end-game begins when so much is left
	maxDuplicates = 2                       // requests for one block in the end-game

	tempoFor  = 250 * time.Millisecond // a look at all peers serves for so long
	maxQuick  = 16
	maxLag    = 16
	lagLooks  = 128 // requests of one peer looked at
	gameLooks = 512 // requests looked at for one duplicate
)

// tempo is how the peers keep up, as a look at all of them showed a moment ago:
// whom a reader's piece may be left to, whose requests are worth another.
type tempo struct {
	at     time.Time
	coming int // requests that are believed to be on their way
	asked  int // requests outstanding at that time
	quick  []pacer
	lag    []pacer
	work   int // peers and requests looked at so far
}

// pacer is a peer and how many seconds it would take.
type pacer struct {
	p       *peer
	seconds float64
}

// keep inserts x into a list of at most n, the best first.
func keep(list []pacer, x pacer, n int, better func(a, b float64) bool) []pacer {
	at := len(list)
	for at > 0 && better(x.seconds, list[at-1].seconds) {
		at--
	}
	if at == n {
		return list
	}
	if len(list) < n {
		list = append(list, x)
	}
	copy(list[at+1:], list[at:])
	list[at] = x
	return list
}

func less(a, b float64) bool { return a < b }
func more(a, b float64) bool { return a > b }

// look returns the tempo, after a new look if the last is too long ago.
func (m *Machine) look() *tempo {
	t := &m.tempo
	if !t.at.IsZero() && m.now.Sub(t.at) < tempoFor {
		return t
	}
	limit := m.blockTime.tardy()
	t.at, t.asked, t.coming = m.now, m.asked, 0
	t.quick, t.lag = t.quick[:0], t.lag[:0]
	for _, p := range m.peers {
		t.work++
		if !p.queue.snubbed && p.down.Total() > 0 {
			t.quick = keep(t.quick, pacer{p, m.expected(p)}, maxQuick, less)
		}
		n := p.queue.len()
		if n == 0 {
			continue
		}
		late := m.tardyOf(p, limit)
		t.coming += n - late
		if k := m.duplicable(p, late); k >= 0 {
			t.lag = keep(t.lag, pacer{p, float64((k+1)*BlockSize) / m.speed(p)}, maxLag, more)
		}
	}
	return t
}

// tardyOf is how many requests of p have fallen behind by limit. A peer's requests
// are in the order they were made.
func (m *Machine) tardyOf(p *peer, limit time.Duration) int {
	list := p.queue.all()
	return sort.Search(len(list), func(k int) bool { return m.now.Sub(list[k].at) < limit })
}

// duplicable returns the last of the first n requests of p that somebody else may
// be asked too, -1 if there is none.
func (m *Machine) duplicable(p *peer, n int) int {
	list := p.queue.all()
	for k := n - 1; k >= max(0, n-lagLooks); k-- {
		m.tempo.work++
		pc := m.pieces.at[int(list[k].index)]
		if pc == nil {
			continue
		}
		if bl := &pc.blocks[list[k].block()]; !bl.got && bl.asked < maxDuplicates {
			return k
		}
	}
	return -1
}

// busy reports whether what is requested will keep our line busy for a while. To
// ask for it again would only make the line busier. What has fallen far behind is
// not on its way, so it does not count.
func (m *Machine) busy() bool {
	t := m.look()
	coming := t.coming + m.asked - t.asked
	return float64(coming*BlockSize) > m.line.Rate(m.now)*endGameTime.Seconds()
}

// endGame duplicates a request, now that everything is requested: the one that
// would be answered last, if it is late already and p would be much quicker.
func (m *Machine) endGame(p *peer) (*piece, int, bool) {
	if m.pieces.ready() || m.pick.Len() > 0 || p.queue.snubbed || m.busy() {
		return nil, 0, false // strict: something is still unrequested
	}
	var best *piece
	at := 0
	limit := m.blockTime.tardy()
	looks := gameLooks
	longest := 0.5 + 4*float64((p.queue.len()+1)*BlockSize)/m.speed(p)
	for _, l := range m.tempo.lag {
		v := l.p
		m.tempo.work++
		if v == p || m.byKey[v.key] != v {
			continue
		}
		rate := m.speed(v)
		list := v.queue.all()
		n := m.tardyOf(v, limit)
		for k := n - 1; k >= max(0, n-looks) && float64((k+1)*BlockSize)/rate > longest; k-- {
			m.tempo.work++
			r := &list[k]
			pc := m.pieces.at[int(r.index)]
			if pc == nil || !p.mayJoin(pc) {
				continue
			}
			b := r.block()
			if bl := &pc.blocks[b]; !bl.got && bl.asked < maxDuplicates && p.queue.find(r.index, r.begin) < 0 {
				best, at, longest = pc, b, float64((k+1)*BlockSize)/rate
				break
			}
		}
		if looks -= n; looks <= 0 {
			break
		}
	}
	return best, at, best != nil
}

// expected is how many seconds p would take to deliver one more block.
func (m *Machine) expected(p *peer) float64 {
	switch {
	case p.queue.snubbed:
		return snubAtMost.Seconds()
	case p.down.Total() == 0:
		return 1 + float64(p.queue.len())/startWindow // nobody knows
	}
	return float64((p.queue.len()+1)*BlockSize) / m.speed(p)
}

// tooSlowFor reports whether p, which would take so many seconds for a block, would
// deliver piece i too late and another peer that has it much sooner.
func (m *Machine) tooSlowFor(p *peer, mine float64, i int, due time.Time) bool {
	if mine < 1 || !m.now.Add(time.Duration(mine*float64(time.Second))).After(due) {
		return false
	}
	for _, l := range m.look().quick {
		q := l.p
		m.tempo.work++
		if q != p && m.byKey[q.key] == q && !q.queue.snubbed && q.may(i) && 2*m.expected(q) < mine {
			return true
		}
	}
	return false
}
