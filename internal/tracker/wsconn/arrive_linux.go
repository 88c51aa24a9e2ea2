package wsconn

import "golang.org/x/sys/unix"

// home returns the loop where a connection's swarm is, or the one that has it or would have it, when
// that has many fewer connections.
func (s *Server) home(c *Conn, l *loop) *loop {
	if c.home < 0 {
		return l
	}
	to := s.loops[c.home]
	if to.n.Load() > l.n.Load()+l.n.Load()/4+64 {
		return l
	}
	return to
}

// settle moves a connection to the loop where its swarm is, so that a swarm and its connections
// meet; but a crowd does not all go to one loop.
func (l *loop) settle(c *Conn, k *fdLink) {
	c.flags |= flagSettled
	to := l.srv.home(c, l)
	if to == l {
		return
	}
	c.mu.Lock()
	unix.EpollCtl(l.fd, unix.EPOLL_CTL_DEL, k.fd, nil)
	k.epoll = -1
	c.mu.Unlock()
	l.conns.remove(k.slot)
	l.n.Add(-1)
	to.take(c)
}

// take gives a connection to the loop, by any goroutine.
func (l *loop) take(c *Conn) {
	l.n.Add(1)
	l.mu.Lock()
	if l.ended {
		l.mu.Unlock()
		l.n.Add(-1)
		b := l.srv.Begin()
		c.link.(*fdLink).drop(c, b)
		l.srv.End(b)
		return
	}
	l.arriving = append(l.arriving, c)
	first := len(l.arriving) == 1
	l.mu.Unlock()
	if first {
		l.poke()
	}
}

func (l *loop) arrive() {
	var b [8]byte
	unix.Read(l.wake, b[:])
	l.mu.Lock()
	arriving, resuming := l.arriving, l.resuming
	l.arriving, l.resuming = nil, nil
	l.mu.Unlock()
	for _, c := range arriving {
		k := c.link.(*fdLink)
		k.slot = l.conns.add(c)
		c.mu.Lock()
		k.epoll = l.fd
		err := k.register(unix.EPOLL_CTL_ADD, c.blocked)
		resumed := c.resumed
		c.mu.Unlock()
		switch {
		case err != nil:
			l.drop(c, k)
		case resumed:
			l.goOn(c, k)
		case k.tls != nil:
			l.read(c, k, false) // what came behind the request is no event any more
		}
	}
	for _, c := range resuming {
		if k := c.link.(*fdLink); l.conns.at(k.slot) == c {
			l.goOn(c, k)
		}
	}
}

// resume makes the loop call goOn for a connection of its own, by any goroutine.
func (l *loop) resume(c *Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return
	}
	if l.resuming = append(l.resuming, c); len(l.resuming) == 1 {
		l.poke()
	}
}

// goOn handles what a Pause has held up, and reads what has come meanwhile, of which no event tells.
func (l *loop) goOn(c *Conn, k *fdLink) {
	if !c.again(l.batch) {
		l.drop(c, k)
		return
	}
	l.read(c, k, true)
}

// drop ends a connection.
func (l *loop) drop(c *Conn, k *fdLink) {
	l.conns.remove(k.slot)
	l.n.Add(-1)
	k.drop(c, l.batch)
}
