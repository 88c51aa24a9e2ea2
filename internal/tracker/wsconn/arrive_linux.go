package wsconn

import "golang.org/x/sys/unix"

// settle moves a connection to the loop where its swarm is, so that a swarm and its connections
// meet; but a crowd does not all go to one loop.
func (l *loop) settle(c *Conn, k *fdLink) {
	c.flags |= flagSettled
	to := l.srv.loops[c.home]
	if to == l || to.n.Load() > l.n.Load()+l.n.Load()/4+64 {
		return
	}
	c.mu.Lock()
	unix.EpollCtl(l.epoll, unix.EPOLL_CTL_DEL, k.fd, nil)
	k.epoll = -1
	c.mu.Unlock()
	l.conns[k.fd] = nil
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
	more := l.more
	l.more = nil
	for _, c := range more {
		if k := c.link.(*fdLink); l.conns[k.fd] == c {
			l.read(c, k)
		}
	}
	for _, c := range arriving {
		k := c.link.(*fdLink)
		for k.fd >= len(l.conns) {
			l.conns = append(l.conns, make([]*Conn, 1024)...)
		}
		l.conns[k.fd] = c
		c.mu.Lock()
		k.epoll = l.epoll
		err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, k.fd, &unix.EpollEvent{Events: k.events(c.blocked), Fd: int32(k.fd)})
		c.mu.Unlock()
		if err != nil {
			l.drop(c, k)
			continue
		}
		if k.tls != nil {
			l.read(c, k) // what came behind the request is no event any more
		}
	}
}

// drop ends a connection.
func (l *loop) drop(c *Conn, k *fdLink) {
	l.conns[k.fd] = nil
	l.n.Add(-1)
	k.drop(c, l.batch)
}
