package driver

import "sync"

// places counts the connections of a session.
type places struct {
	most int

	mu   sync.Mutex
	used int
	held int // torrents that have any
}

// take reserves a place for a torrent that has mine already. The last quarter is
// for torrents that have less than an equal share, so that none is shut out by
// those that came before.
func (p *places) take(mine int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	torrents := p.held
	if mine == 0 {
		torrents++
	}
	if p.used >= p.most || p.used >= p.most*3/4 && mine >= max(1, p.most/torrents) {
		return false
	}
	p.used++
	p.held = torrents
	return true
}

// add is take for what is not refused: web seeds, of which there are few.
func (p *places) add(mine int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.used++
	if mine == 0 {
		p.held++
	}
}

// give returns n places; left is what the torrent keeps.
func (p *places) give(n, left int) {
	if n == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.used -= n
	if left == 0 {
		p.held--
	}
}

// turnstile bounds how much of one kind a session does at a time, such as dials. The
// rest waits in the order it came, without a goroutine.
type turnstile struct {
	most int

	mu      sync.Mutex
	busy    int
	waiting []func()
}

func (l *turnstile) run(s *Session, f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.busy >= l.most {
		l.waiting = append(l.waiting, f)
		return
	}
	l.busy++
	s.wg.Go(func() {
		for ; f != nil; f = l.next() {
			f()
		}
	})
}

// next returns what has waited longest, nil when there is none.
func (l *turnstile) next() func() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) == 0 {
		l.busy--
		l.waiting = nil
		return nil
	}
	f := l.waiting[0]
	l.waiting[0] = nil
	l.waiting = l.waiting[1:]
	return f
}
