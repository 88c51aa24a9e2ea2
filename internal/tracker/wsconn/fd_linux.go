package wsconn

import (
	"net"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/shoal-p2p/shoal/internal/tracker/limit"
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
		k.tls.memory.Put(k.tls.out)
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
	n, more, err := 0, 0, error(nil)
	if k.tls != nil {
		n, err = k.tls.write(c)
		more = len(k.tls.out)
	} else {
		n, err = writeTo(k.fd, &c.out)
	}
	c.moved = c.moved || n > 0
	done := len(c.out)+more == 0
	switch {
	case err != nil:
		c.hangup()
	case !done && c.waits == nil && !k.hold(c):
		c.hangup()
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

// hold accounts for what waits, and reports false if the address has too much of that.
func (k *fdLink) hold(c *Conn) bool {
	why := c.holdOut()
	if why != limit.None {
		c.srv.shared.Limit(why, c.handler.Addr())
	}
	return why == limit.None
}

func (k *fdLink) resume(c *Conn) {
	for _, l := range c.srv.loops {
		if l.fd == k.epoll { // else it arrives at a loop that will look
			l.resume(c)
		}
	}
}

func (k *fdLink) waiting() int {
	if k.tls == nil {
		return 0
	}
	return cap(k.tls.out)
}

// writeTo writes what the socket takes, n bytes, and removes them from *b.
func writeTo(fd int, b *[]byte) (n int, err error) {
	for err == nil && n < len(*b) {
		var m int
		m, err = rawWrite(fd, (*b)[n:])
		n += max(m, 0)
		if err == unix.EINTR {
			err = nil
		}
	}
	if n > 0 {
		*b = (*b)[:copy(*b, (*b)[n:])]
	}
	if err == unix.EAGAIN {
		err = nil
	}
	return n, err
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

func (k *fdLink) hangup(c *Conn) {
	// The close that follows resets the connection: otherwise the kernel would keep for
	// minutes what somebody does not read, and send it.
	unix.SetsockoptLinger(k.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
	unix.Shutdown(k.fd, unix.SHUT_RD)
}

// A kernelConn is a stream socket as net gives it, TCP or Unix.
type kernelConn interface {
	net.Conn
	syscall.Conn
}

// kernelConnOf returns nc, or nil if that is no socket but something on or in place of one.
func kernelConnOf(nc net.Conn) kernelConn {
	switch nc := nc.(type) {
	case *net.TCPConn:
		return nc
	case *net.UnixConn:
		return nc
	}
	return nil
}

// adopt takes the socket of nc over, which is of no use afterwards. It reports false, and has
// changed nothing, if nc has no descriptor of its own.
func (s *Server) adopt(c *Conn, nc net.Conn, buffered []byte) bool {
	var tl *tlsLink
	raw := kernelConnOf(nc)
	if raw == nil {
		if tl = tlsLinkOf(nc); tl == nil {
			return false
		}
		raw = tl.raw
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
