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
	arriving := l.arriving
	l.arriving = nil
	l.mu.Unlock()
	for _, c := range arriving {
		k := c.link.(*fdLink)
		k.slot = l.conns.add(c)
		c.mu.Lock()
		k.epoll = l.fd
		err := k.register(unix.EPOLL_CTL_ADD, c.blocked)
		c.mu.Unlock()
		if err != nil {
			l.drop(c, k)
			continue
		}
		if k.tls != nil {
			l.read(c, k, false) // what came behind the request is no event any more
		}
	}
}

// drop ends a connection.
func (l *loop) drop(c *Conn, k *fdLink) {
	l.conns.remove(k.slot)
	l.n.Add(-1)
	k.drop(c, l.batch)
}
