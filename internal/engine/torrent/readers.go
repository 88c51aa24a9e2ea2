package torrent

import (
	"slices"
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/bits"
)

const (
	maxUrgent = 256     // pieces treated as urgent at one time
	maxWindow = 4096    // pieces of one reader's window that count
	guessRate = 1 << 20 // bytes a second that a reader is believed to take, while nobody knows
)

// reader is a window of pieces that somebody is about to play.
type reader struct {
	id          int
	first, last int
	wish        int       // the last piece it asked for, which may be yet to come
	due         time.Time // when first is needed
	spacing     time.Duration
}

// holds reports whether piece i lies in the window.
func (r *reader) holds(i int) bool { return r.first <= i && i <= r.last }

// at is when piece i of the window is needed.
func (r *reader) at(i int) time.Time { return r.due.Add(time.Duration(i-r.first) * r.spacing) }

// skip moves the beginning of the window up.
func (r *reader) skip(first int) { r.due, r.first = r.at(first), first }

// due is a piece that a reader waits for, and since when it is late.
type due struct {
	piece int
	at    time.Time
}

// readers are those who are about to play something.
//
// Words: a piece is urgent while a reader waits for it; urgent pieces are listed
// in the order of their deadlines, whichever reader they belong to. One is settled
// while all of its blocks are there or asked for.
type readers struct {
	gone   bits.Set // pieces that the store lost and nobody may bring: it is no use to wait
	list   []*reader
	urgent []due
	from   int  // the first urgent pieces, so many, are settled
	cut    bool // there are more than are listed
	cursor []int
	work   int // pieces looked at so far
}

// waiting reports whether a reader waits for anything.
func (s *readers) waiting() bool { return len(s.urgent) > 0 }

// find returns a reader, nil if it is not known.
func (s *readers) find(id int) *reader {
	for _, r := range s.list {
		if r.id == id {
			return r
		}
	}
	return nil
}

// open returns a reader, a new one without a window if it is not known.
func (s *readers) open(id int) *reader {
	r := s.find(id)
	if r == nil {
		r = &reader{id: id, last: -1}
		s.list = append(s.list, r)
	}
	return r
}

func (s *readers) close(id int) {
	s.list = slices.DeleteFunc(s.list, func(r *reader) bool { return r.id == id })
}

// holds reports whether piece i lies in the window of a reader.
func (s *readers) holds(i int) bool {
	return slices.ContainsFunc(s.list, func(r *reader) bool { return r.holds(i) })
}

// update lists the pieces that readers wait for, by deadline. Windows are merged
// before the list is cut, so that a long one leaves room for the others.
func (s *readers) update(have *bits.Set) {
	s.urgent, s.from, s.cut = s.urgent[:0], 0, false
	s.cursor = s.cursor[:0]
	for _, r := range s.list {
		s.cursor = append(s.cursor, r.first)
	}
	for {
		next := -1
		for k, r := range s.list {
			s.work++
			for s.cursor[k] <= r.last && (have.Has(s.cursor[k]) || s.gone.Has(s.cursor[k]) || s.listed(k)) {
				s.work++
				s.cursor[k]++
			}
			if s.cursor[k] <= r.last && (next < 0 || r.at(s.cursor[k]).Before(s.list[next].at(s.cursor[next]))) {
				next = k
			}
		}
		switch {
		case next < 0:
			return
		case len(s.urgent) == maxUrgent:
			s.cut = true
			return
		}
		i := s.cursor[next]
		s.urgent = append(s.urgent, due{i, s.list[next].at(i)})
		s.cursor[next]++
	}
}

// listed reports whether the piece at the cursor of reader k was listed already
// for another one.
func (s *readers) listed(k int) bool {
	i := s.cursor[k]
	for q, r := range s.list {
		if q != k && r.holds(i) && i < s.cursor[q] {
			return true
		}
	}
	return false
}

// extend lets windows reach up to end, as far as they were meant to. It reports
// whether one has become longer.
func (s *readers) extend(end int) (longer bool) {
	for _, r := range s.list {
		if last := min(r.wish, end-1); last > r.last {
			r.last, longer = last, true
		}
	}
	return longer
}

// stored takes a piece off the list. It reports whether it was urgent.
func (s *readers) stored(i int, have *bits.Set) bool {
	at := slices.IndexFunc(s.urgent, func(d due) bool { return d.piece == i })
	if at < 0 {
		return false
	}
	s.urgent = slices.Delete(s.urgent, at, at+1)
	if at < s.from {
		s.from--
	}
	if s.cut && len(s.urgent) < maxUrgent/2 {
		s.update(have)
	}
	return true
}

func (m *Machine) readerMoved(ev ReaderMoved) {
	if !m.space.known() {
		return
	}
	r := m.readers.open(ev.Reader)
	was := *r
	r.first = max(m.space.first, ev.First)
	r.wish = min(ev.Last, r.first+maxWindow-1)
	r.last = min(r.wish, m.space.end-1)
	r.due = m.now.Add(ev.Urgent)
	r.spacing = ev.Spacing
	if r.spacing == 0 {
		rate := max(guessRate, m.down.Rate(m.now))
		r.spacing = time.Duration(float64(m.space.length) / rate * float64(time.Second))
	}
	if ev.First < m.space.first && m.space.grows() {
		m.do(ReaderExpired{Reader: r.id, First: m.space.first})
	}
	m.needWindow(&was, r)
	m.readers.update(&m.have)
	if ev.Jump {
		m.letGo()
	}
	m.wakeAll()
	m.wantUrgentLeaves()
}

func (m *Machine) readerClosed(id int) {
	r := m.readers.find(id)
	if r == nil {
		return
	}
	m.readers.close(id)
	m.needWindow(r, &reader{last: -1})
	m.readers.update(&m.have)
	m.wakeAll()
}

// needWindow takes note that a reader's window has changed: what is not selected
// for fetching is needed all the same while a reader wants it.
func (m *Machine) needWindow(was, is *reader) {
	for i := is.first; i <= is.last; i++ {
		if !was.holds(i) {
			m.need(i, true)
		}
	}
	for i := was.first; i <= was.last; i++ {
		if !is.holds(i) && !m.wanted.Has(i) && !m.readers.holds(i) {
			m.need(i, false)
		}
	}
}

// letGo cancels what is not urgent in long queues, so that a seek does not wait
// behind blocks that nobody is about to play.
func (m *Machine) letGo() {
	for _, p := range m.peers {
		if m.queueSeconds(p) < urgentQueueTime.Seconds() {
			continue
		}
		// What a peer sends within half a second is on its way already: it would
		// come in spite of a cancel.
		skip := max(m.queueLimit(p)/4, int(p.down.Rate(m.now)*urgentQueueTime.Seconds()/BlockSize))
		for at := p.queue.len() - 1; at >= skip; at-- {
			if !m.readers.holds(int(p.queue.all()[at].index)) {
				m.cancel(p, at)
			}
		}
	}
}
