package torrent

import "slices"

// starved are the peers that could be asked for more, if only there were
// something. They are looked at again when something is: a piece of theirs can be
// picked or joined again, memory is there for another one, or a second has
// passed, in which a request may have become so late that it is worth another.
type starved struct {
	list  []*peer
	news  []int // pieces that can be picked or joined again
	flood bool  // too many to name
	room  bool  // a piece was closed
	turn  int
	work  int // peers looked at so far
}

const (
	maxNews   = 8  // pieces named at one time
	roomLooks = 16 // peers looked at when there is room for another piece
	roomWakes = 2  // and woken: more would fail again
)

func (s *starved) add(p *peer) {
	if p.starvedAt == 0 {
		s.list = append(s.list, p)
		p.starvedAt = len(s.list)
	}
}

func (s *starved) remove(p *peer) {
	at := p.starvedAt
	if at == 0 {
		return
	}
	last := s.list[len(s.list)-1]
	s.list[at-1] = last
	last.starvedAt = at
	s.list[len(s.list)-1] = nil
	s.list = s.list[:len(s.list)-1]
	p.starvedAt = 0
}

// tell takes note that there is something to do about piece i.
func (s *starved) tell(i int) {
	if len(s.list) == 0 || s.flood || slices.Contains(s.news, i) {
		return
	}
	if len(s.news) == maxNews {
		s.flood = true
		return
	}
	s.news = append(s.news, i)
}

// wake calls touch for each peer that the news may help.
func (s *starved) wake(touch func(*peer)) {
	if s.flood || len(s.news) > 0 {
		for k := len(s.list) - 1; k >= 0; k-- {
			s.work++
			p := s.list[k]
			if s.flood || slices.ContainsFunc(s.news, p.may) {
				s.remove(p)
				touch(p)
			}
		}
	}
	if s.room {
		woken := 0
		for range min(len(s.list), roomLooks) {
			s.work++
			s.turn++
			if p := s.list[s.turn%len(s.list)]; p.roomless {
				s.remove(p)
				touch(p)
				if woken++; woken == roomWakes || len(s.list) == 0 {
					break
				}
			}
		}
	}
	s.news, s.flood, s.room = s.news[:0], false, false
}

// freed says that piece i can be picked or joined again.
func (m *Machine) freed(i int) {
	if m.readers.waiting() {
		m.readers.from = 0
	}
	m.starved.tell(i)
}

// wakeAll looks at every starved peer again.
func (m *Machine) wakeAll() { m.starved.flood = true }

// touch marks a peer whose requests may have room.
func (m *Machine) touch(p *peer) {
	if !p.isDirty {
		p.isDirty = true
		m.dirty = append(m.dirty, p)
	}
}

// fillAll asks the peers that have room for more, until there is nothing left to
// ask for.
func (m *Machine) fillAll() {
	for {
		m.starved.wake(m.touch)
		if len(m.dirty) == 0 {
			return
		}
		m.dirty, m.filling = m.filling[:0], m.dirty
		for _, p := range m.filling {
			p.isDirty = false
			if m.byKey[p.key] == p {
				m.fill(p)
			}
		}
		clear(m.filling)
	}
}
