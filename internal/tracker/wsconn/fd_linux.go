package wsconn

import (
	"net"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// An fdLink is a socket that a loop reads from. Conn.mu guards epoll.
type fdLink struct {
	fd    int
	epoll int   // where it is registered, -1 between two loops
	slot  int32 // its number in the loop's table
	tls   *tlsLink
}

// drop ends a connection that no loop has any more.
func (k *fdLink) drop(c *Conn, b *Batch) {
	c.end(b) // from here on nobody else touches the descriptor
	if k.tls != nil {
		k.tls.buffers.Put(k.tls.out)
	}
	unix.Close(k.fd)
}

// register tells the loop's epoll what to tell. An event comes once for what has come in, not for
// as long as it is there: what has been read needs no second look.
func (k *fdLink) register(op int, blocked bool) error {
	events := uint32(unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET)
	if blocked {
		events |= unix.EPOLLOUT
	}
	return unix.EpollCtl(k.epoll, op, k.fd, &unix.EpollEvent{Events: events, Fd: k.slot})
}

// read reads once. again says that more may be there without a further event.
func (k *fdLink) read(c *Conn, b []byte) (n int, again bool, err error) {
	if k.tls != nil {
		return k.tls.read(c, b)
	}
	for {
		if n, err = rawRead(k.fd, b); err != unix.EINTR {
			return n, n == len(b), err
		}
	}
}

func (k *fdLink) flush(c *Conn) {
	done, err := false, error(nil)
	if k.tls != nil {
		done, err = k.tls.write(c)
	} else {
		done, err = k.write(&c.out)
	}
	switch {
	case err != nil:
		k.hangup(c)
	case !done && !c.blocked, done && c.blocked:
		c.blocked = !done
		if k.epoll >= 0 {
			k.register(unix.EPOLL_CTL_MOD, c.blocked)
		}
	}
	if done && err == nil {
		c.flushed()
		if c.state == closing {
			unix.Shutdown(k.fd, unix.SHUT_WR)
		}
	}
}

// write writes what the socket takes and removes it from *b.
func (k *fdLink) write(b *[]byte) (done bool, err error) {
	for len(*b) > 0 {
		n, err := rawWrite(k.fd, *b)
		switch {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			return false, nil
		case err != nil:
			return false, err
		default:
			*b = (*b)[:copy(*b, (*b)[n:])]
		}
	}
	return true, nil
}

// rawRead and rawWrite read from and write to sockets that do not block. unix.Read and unix.Write
// give the processor away for their duration, and take it back: an eighth of the CPU under load. The
// calls are those of sockets, which save the way through the files' layer.

func rawRead(fd int, b []byte) (int, error) {
	return rawIO(unix.SYS_RECVFROM, fd, b, 0)
}

func rawWrite(fd int, b []byte) (int, error) {
	return rawIO(unix.SYS_SENDTO, fd, b, unix.MSG_NOSIGNAL)
}

func rawIO(call uintptr, fd int, b []byte, flags uintptr) (int, error) {
	n, _, errno := syscall.RawSyscall6(call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), flags, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

func (k *fdLink) hangup(c *Conn) { unix.Shutdown(k.fd, unix.SHUT_RDWR) }

// adopt takes the socket of nc over, which is of no use afterwards. It reports false, and has
// changed nothing, if nc has no descriptor of its own.
func (s *Server) adopt(c *Conn, nc net.Conn, buffered []byte) bool {
	var tl *tlsLink
	raw, _ := nc.(*net.TCPConn)
	if raw == nil {
		if tl = tlsLinkOf(nc); tl == nil {
			return false
		}
		raw = tl.tcp
	}
	rc, err := raw.SyscallConn()
	if err != nil {
		return false
	}
	fd := -1
	if rc.Control(func(old uintptr) { fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) }) != nil || err != nil {
		return false
	}
	raw.SetDeadline(time.Time{})
	raw.Close()
	if tl != nil {
		tl.detach(fd)
	}
	c.link = &fdLink{fd: fd, epoll: -1, tls: tl}
	if len(buffered) > 0 {
		b := s.Begin()
		c.received(b, buffered, len(buffered))
		s.End(b)
	}
	l := s.loops[int(s.turn.Add(1))%len(s.loops)]
	s.home(c, l).take(c)
	return true
}
