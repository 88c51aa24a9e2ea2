package wsconn

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"reflect"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/shoal-p2p/shoal/internal/tracker/limit"
)

// A tlsLink runs crypto/tls on a socket that does not block. That works because a tls.Conn
// takes a temporary error of a read as "not yet": what it has of a record stays. Writes must not fall short,
// so what the socket does not take waits here, in out.
type tlsLink struct {
	*socket
	conn *tls.Conn
}

// socket is what crypto/tls reads from and writes to: the connection during
// the handshake, later its descriptor.
type socket struct {
	net.Conn // of the handshake; nil later
	raw      kernelConn
	fd       int
	out      []byte // ciphertext that waits, guarded by Conn.mu
	memory   *Side
}

func (s *socket) Read(b []byte) (int, error) {
	if s.Conn != nil {
		return s.Conn.Read(b)
	}
	for {
		switch n, err := rawRead(s.fd, b); {
		case err == unix.EINTR:
		case err == unix.EAGAIN:
			return 0, errNotYet
		case err != nil:
			return 0, err
		case n == 0:
			return 0, io.EOF
		default:
			return n, nil
		}
	}
}

func (s *socket) Write(b []byte) (int, error) {
	if s.Conn != nil {
		return s.Conn.Write(b)
	}
	all := len(b)
	for len(s.out) == 0 && len(b) > 0 {
		n, err := rawWrite(s.fd, b)
		if err == unix.EAGAIN {
			break
		}
		if err != nil && err != unix.EINTR {
			return 0, err
		}
		b = b[max(n, 0):]
	}
	if len(b) > 0 {
		var ok bool
		if s.out, ok = s.memory.Grow(s.out, len(b)); !ok {
			return 0, limit.Buffers
		}
		s.out = append(s.out, b...)
	}
	return all, nil
}

// Close does nothing once the loop owns the descriptor.
func (s *socket) Close() error {
	if s.Conn != nil {
		return s.Conn.Close()
	}
	return nil
}

type notYet struct{}

var errNotYet net.Error = notYet{}

func (notYet) Error() string   { return "nothing to read yet" }
func (notYet) Timeout() bool   { return true }
func (notYet) Temporary() bool { return true }

// TLS begins TLS on an accepted connection. Serve can take it over from there.
func (s *Server) TLS(nc net.Conn, conf *tls.Config) *tls.Conn {
	if raw := kernelConnOf(nc); raw != nil {
		nc = &socket{Conn: nc, raw: raw, memory: &s.buffers.Out}
	}
	return tls.Server(nc, conf)
}

func tlsLinkOf(nc net.Conn) *tlsLink {
	conn, ok := nc.(*tls.Conn)
	if !ok {
		return nil
	}
	s, ok := conn.NetConn().(*socket)
	if !ok || s.Conn == nil {
		return nil
	}
	return &tlsLink{socket: s, conn: conn}
}

func (k *tlsLink) detach(fd int) { k.fd, k.Conn, k.raw = fd, nil, nil }

func (k *tlsLink) read(c *Conn, b []byte) (n int, again bool, err error) {
	// A KeyUpdate or an alert is answered from within.
	c.mu.Lock()
	defer c.mu.Unlock()
	n, err = k.conn.Read(b)
	switch {
	case n > 0:
		return n, true, nil
	case err == errNotYet:
		k.trim()
		return 0, false, unix.EAGAIN
	case err == nil:
		err = io.ErrNoProgress
	}
	return 0, false, err
}

// write encrypts and writes what the socket takes, n bytes at least.
func (k *tlsLink) write(c *Conn) (n int, err error) {
	if n, err = k.drain(); len(k.out) > 0 || err != nil {
		return n, err
	}
	if len(c.out) > 0 {
		_, err = k.conn.Write(c.out)
		c.out = c.out[:0]
	}
	return n, err
}

// drain writes ciphertext that waits, and says how much.
func (k *tlsLink) drain() (n int, err error) {
	if k.out == nil {
		return 0, nil
	}
	if n, err = writeTo(k.fd, &k.out); len(k.out) == 0 {
		k.memory.Put(k.out)
		k.out = nil
	}
	return n, err
}

// tlsBuffers are the offsets in a tls.Conn of the bytes.Buffers that keep their largest size
// for the life of a connection: for incoming records, 17 kB after one announce of a browser, and
// for the handshake. An offset counts from the struct that has the field, so it must be
// tls.Conn itself and not one embedded in it.
var tlsBuffers = func() (offsets []uintptr) {
	for _, name := range []string{"rawInput", "hand"} {
		if f, ok := reflect.TypeFor[tls.Conn]().FieldByName(name); ok && len(f.Index) == 1 && f.Type == reflect.TypeFor[bytes.Buffer]() {
			offsets = append(offsets, f.Offset)
		}
	}
	return offsets
}()

// trim lets go of the buffers of a tls.Conn that are empty, which crypto/tls has no call for
// (golang/go issues 43563 and 81348). Where its fields have other names it does nothing, and a test says so.
func (k *tlsLink) trim() {
	for _, offset := range tlsBuffers {
		if b := (*bytes.Buffer)(unsafe.Add(unsafe.Pointer(k.conn), offset)); b.Len() == 0 && b.Cap() > 0 {
			*b = bytes.Buffer{}
		}
	}
}
