package driver

import (
	"math/bits"
	"sync"
	"time"
)

const (
	// keepFor is how long memory that nobody takes stays with the pool.
	keepFor = 30 * time.Second
	// keepBytes bounds the memory that is left as it is because a piece lies in
	// it, in bytes. What was just verified is what other peers and readers ask for
	// next, and it may not be in the system's page cache.
	keepBytes = 16 << 20
)

// pool keeps buffers for reuse, because making and clearing megabytes per piece
// costs more than hashing them. Buffers that hold a verified piece are reused
// last, and read from until then. All torrents of a session share one pool.
type pool struct {
	max int // bytes held at most

	mu      sync.Mutex
	plain   [bits.UintSize]spares // by class, buffers without content
	pieces  spares                // buffers with content, oldest first
	index   map[pieceKey]*spare
	held    int // bytes in all lists
	content int // bytes in pieces
	spent   *spare
	timer   *time.Timer
	armed   bool
	now     func() time.Time // the clock
}

func newPool(max int) *pool {
	return &pool{max: max, index: map[pieceKey]*spare{}, now: time.Now}
}

// pieceKey names the content of a buffer.
type pieceKey struct {
	t     *Torrent
	index int
}

// spare is a buffer in the pool.
type spare struct {
	data       []byte
	key        pieceKey
	since      time.Time
	readers    int // copying from it right now
	prev, next *spare
}

// spares is a list of buffers, oldest first.
type spares struct{ first, last *spare }

func (l *spares) push(s *spare) {
	s.prev, s.next = l.last, nil
	if l.last != nil {
		l.last.next = s
	} else {
		l.first = s
	}
	l.last = s
}

func (l *spares) remove(s *spare) {
	if s.prev != nil {
		s.prev.next = s.next
	} else {
		l.first = s.next
	}
	if s.next != nil {
		s.next.prev = s.prev
	} else {
		l.last = s.prev
	}
	s.prev, s.next = nil, nil
}

// class is the power of two that the capacity of a buffer is.
func class(size int) int { return bits.Len(uint(max(size, blockSize) - 1)) }

// get returns a buffer of that size, with whatever was in it before.
func (p *pool) get(size int) []byte {
	c := class(size)
	p.mu.Lock()
	if s := p.plain[c].last; s != nil { // the one used last is warm
		p.plain[c].remove(s)
		data := p.take(s)
		p.mu.Unlock()
		return data[:size]
	}
	if p.content >= keepBytes {
		for s := p.pieces.first; s != nil; s = s.next {
			if s.readers == 0 && cap(s.data) == 1<<c {
				p.forget(s)
				data := p.take(s)
				p.mu.Unlock()
				return data[:size]
			}
		}
	}
	p.mu.Unlock()
	return make([]byte, size, 1<<c)
}

// take unwraps a buffer that was removed from its list.
func (p *pool) take(s *spare) []byte {
	data := s.data
	p.held -= cap(data)
	*s = spare{next: p.spent}
	p.spent = s
	return data
}

// forget takes a piece out of the list and the index.
func (p *pool) forget(s *spare) {
	p.pieces.remove(s)
	p.content -= cap(s.data)
	if p.index[s.key] == s {
		delete(p.index, s.key)
	}
}

// put gives a buffer back.
func (p *pool) put(b []byte) { p.add(b, pieceKey{}) }

// keep gives a buffer back in which a verified piece lies.
func (p *pool) keep(b []byte, key pieceKey) { p.add(b, key) }

func (p *pool) add(b []byte, key pieceKey) {
	p.mu.Lock()
	defer p.mu.Unlock()
	size := cap(b)
	if size&(size-1) != 0 || size > p.max {
		return
	}
	for p.held+size > p.max {
		if !p.drop() {
			return
		}
	}
	s := p.spent
	if s != nil {
		p.spent = s.next
	} else {
		s = new(spare)
	}
	*s = spare{data: b, key: key, since: p.now()}
	p.held += size
	if key.t == nil {
		p.plain[class(size)].push(s)
	} else {
		if old := p.index[key]; old != nil && old.readers == 0 {
			p.forget(old)
			p.take(old)
		}
		p.pieces.push(s)
		p.content += size
		p.index[key] = s
	}
	if !p.armed {
		p.armed = true
		if p.timer == nil {
			p.timer = time.AfterFunc(keepFor, p.trim)
		} else {
			p.timer.Reset(keepFor)
		}
	}
}

// drop lets go of the buffer that nobody took for the longest time.
func (p *pool) drop() bool {
	var oldest *spare
	list := -1
	for c := range p.plain {
		if s := p.plain[c].first; s != nil && (oldest == nil || s.since.Before(oldest.since)) {
			oldest, list = s, c
		}
	}
	s := p.pieces.first
	for s != nil && s.readers > 0 {
		s = s.next
	}
	switch {
	case s != nil && (oldest == nil || s.since.Before(oldest.since)):
		p.forget(s)
		oldest = s
	case oldest != nil:
		p.plain[list].remove(oldest)
	default:
		return false
	}
	p.take(oldest)
	return true
}

// trim lets go of what has been here for long.
func (p *pool) trim() {
	p.mu.Lock()
	defer p.mu.Unlock()
	old := p.now().Add(-keepFor)
	for c := range p.plain {
		for s := p.plain[c].first; s != nil && !s.since.After(old); s = p.plain[c].first {
			p.plain[c].remove(s)
			p.take(s)
		}
	}
	for s := p.pieces.first; s != nil && !s.since.After(old) && s.readers == 0; s = p.pieces.first {
		p.forget(s)
		p.take(s)
	}
	p.spent = nil
	if p.armed = p.held > 0; p.armed {
		p.timer.Reset(keepFor)
	}
}

// read copies a part of a verified piece if it is still in memory.
func (p *pool) read(key pieceKey, dst []byte, at int) bool {
	p.mu.Lock()
	s := p.index[key]
	if s == nil || at+len(dst) > len(s.data) {
		p.mu.Unlock()
		return false
	}
	s.readers++
	p.mu.Unlock()
	copy(dst, s.data[at:])
	p.mu.Lock()
	s.readers--
	p.mu.Unlock()
	return true
}

// close lets go of everything; the pool still works afterwards.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.timer != nil {
		p.timer.Stop()
	}
	p.armed = false
	for p.drop() {
	}
}
