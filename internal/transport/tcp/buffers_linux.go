package tcp

import (
	"errors"
	"io"
	"syscall"

	"golang.org/x/sys/unix"
)

// reader reads into several buffers at once. Its fields belong to the ReadBuffers
// call under way; they are here so that it allocates nothing.
type reader struct {
	raw  syscall.RawConn
	poll func(fd uintptr) bool
	bufs [][]byte
	wait bool
	n    int
	err  error
}

// ReadBuffers reads what is there into the buffers, in order, with one readv. With
// wait it blocks until there is something, like Read; without, it returns 0 and no
// error when there is nothing. It counts as a Read: one goroutine at a time.
func (c *Conn) ReadBuffers(bufs [][]byte, wait bool) (int, error) {
	r := &c.reader
	if r.raw == nil {
		raw, err := c.tcp.SyscallConn()
		if err != nil {
			return 0, err
		}
		r.raw, r.poll = raw, r.readv
	}
	r.bufs, r.wait, r.n, r.err = bufs, wait, 0, nil
	err := r.raw.Read(r.poll)
	r.bufs = nil
	if err == nil {
		err = r.err
	}
	return r.n, err
}

// readv reports whether the call is over; false waits for more.
func (r *reader) readv(fd uintptr) bool {
	for {
		n, err := unix.Readv(int(fd), r.bufs)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return !r.wait
		case err != nil:
			r.err = err
		case n == 0:
			r.err = io.EOF
		default:
			r.n = n
		}
		return true
	}
}
