package swarm

import (
	"time"

	"github.com/shoal-p2p/shoal/internal/wire"
)

// rota has every peer's turn come at its own time. All wait equally long, so
// that a peer whose turn was is put at the end and nothing is ever sorted. Peers
// that are gone are passed over when their turn comes.
type rota struct {
	list []turn
	head int
}

type turn struct {
	at time.Time
	p  *Peer
}

// add gives a peer a turn, not before that of whoever came last.
func (r *rota) add(p *Peer, at time.Time) {
	if n := len(r.list); n > r.head && at.Before(r.list[n-1].at) {
		at = r.list[n-1].at
	}
	if r.head > 64 && 2*r.head > len(r.list) {
		n := copy(r.list, r.list[r.head:])
		clear(r.list[n:])
		r.list, r.head = r.list[:n], 0
	}
	r.list = append(r.list, turn{at, p})
}

// due returns the next peer whose turn it is, nil if it is nobody's.
func (r *rota) due(now time.Time) *Peer {
	for r.head < len(r.list) && !now.Before(r.list[r.head].at) {
		p := r.list[r.head].p
		r.list[r.head].p = nil
		r.head++
		if !p.gone {
			return p
		}
	}
	return nil
}

// next is when the next turn is; the zero time means never.
func (r *rota) next() time.Time {
	for r.head < len(r.list) && r.list[r.head].p.gone {
		r.list[r.head].p = nil
		r.head++
	}
	if r.head == len(r.list) {
		r.list, r.head = r.list[:0], 0
		return time.Time{}
	}
	return r.list[r.head].at
}

// last is the time of the last turn given; the zero time if there is none.
func (r *rota) last() time.Time {
	if r.head == len(r.list) {
		return time.Time{}
	}
	return r.list[len(r.list)-1].at
}

const (
	watchEvery     = 10 * time.Second
	idleLimit      = 3 * time.Minute  // silence after which a peer is dropped
	keepAliveEvery = 90 * time.Second // our own silence
)

// wholeSecond puts what is due within one second together, so that an idle swarm
// wakes once for it.
func wholeSecond(t time.Time) time.Time { return time.Unix(t.Unix(), 0) }

// watch looks at each peer now and then for silence, its own and ours.
func (m *Machine) watch() {
	for {
		p := m.watched.due(m.now)
		if p == nil {
			return
		}
		m.work++
		if m.now.Sub(p.lastRecv) > idleLimit {
			m.Close(p, ErrIdle, false)
			continue
		}
		if m.now.Sub(p.lastSent) > keepAliveEvery {
			m.Send(p, wire.Message{KeepAlive: true})
		}
		m.watched.add(p, wholeSecond(m.now.Add(watchEvery)))
	}
}
