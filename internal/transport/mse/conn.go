//go:build !js

package mse

import (
	"math"
	"sync"

	"github.com/shoal-p2p/shoal/internal/transport"
)

// burst is how much is encrypted before it is sent, in bytes: what fits a processor's
// second cache, and is worth a call of the system.
const burst = 128 << 10

// bursts are buffers for what is encrypted. A connection has one while it writes.
var bursts = sync.Pool{New: func() any { return new([burst]byte) }}

// cipher encrypts or decrypts the first bytes of a stream.
type cipher struct {
	rc4  *rc4 // nil: the stream is plain
	left int  // bytes that are still to be
}

func newCipher(c *rc4, m Method, early int) cipher {
	switch {
	case m == RC4:
		return cipher{c, math.MaxInt}
	case early > 0:
		return cipher{c, early}
	}
	return cipher{}
}

// xor changes src, as far as it is to be, into dst. They may be the same.
func (c *cipher) xor(dst, src []byte) {
	n := 0
	if c.rc4 != nil {
		n = min(len(src), c.left)
		c.rc4.xor(dst[:n], src[:n])
		if c.left < math.MaxInt {
			if c.left -= n; c.left == 0 {
				c.rc4 = nil
			}
		}
	}
	if n < len(src) && &dst[0] != &src[0] {
		copy(dst[n:], src[n:])
	}
}

// Conn is a stream behind a handshake. What is read is decrypted where it lies; what is
// written is encrypted on its way to a buffer that all connections share.
type Conn struct {
	transport.Conn
	method  Method
	in, out cipher
	rest    []byte // decrypted, read along with the handshake
	part    [1][]byte
}

var _ transport.Conn = (*Conn)(nil)

// Method is what the stream is sent by.
func (c *Conn) Method() Method { return c.method }

// vectored is a stream that fills several buffers at once.
type vectored interface {
	ReadBuffers(bufs [][]byte, wait bool) (int, error)
}

// vectoredConn is a Conn on such a stream.
type vectoredConn struct {
	Conn
	vec vectored
}

// wrap puts the stream behind a finished handshake. rest is what was received and not
// used of it.
func wrap(c transport.Conn, h *Handshake, rest []byte) transport.Conn {
	w := Conn{Conn: c, method: h.method}
	if len(rest) > 0 {
		w.rest = rest // or it would keep its memory
	}
	if _, initiates := h.role.(*initiator); initiates {
		w.in, w.out = newCipher(h.b, h.method, 0), newCipher(h.a, h.method, 0)
	} else {
		w.in, w.out = newCipher(h.a, h.method, h.early), newCipher(h.b, h.method, 0)
	}
	w.in.xor(rest, rest)
	if v, ok := c.(vectored); ok {
		return &vectoredConn{w, v}
	}
	return &w
}

// MethodOf is what a stream is encrypted by; 0 where it had no handshake of ours.
func MethodOf(c transport.Conn) Method {
	if m, ok := c.(interface{ Method() Method }); ok {
		return m.Method()
	}
	return 0
}

// takeRest gives out what was read along with the handshake.
func (c *Conn) takeRest(p []byte) int {
	n := copy(p, c.rest)
	if c.rest = c.rest[n:]; len(c.rest) == 0 {
		c.rest = nil
	}
	return n
}

// Read implements transport.Conn.
func (c *Conn) Read(p []byte) (int, error) {
	if len(c.rest) > 0 {
		return c.takeRest(p), nil
	}
	n, err := c.Conn.Read(p)
	c.in.xor(p[:n], p[:n])
	return n, err
}

// ReadBuffers reads into the buffers in order. Without wait it returns 0 and no error
// when nothing is there.
func (c *vectoredConn) ReadBuffers(bufs [][]byte, wait bool) (int, error) {
	if len(c.rest) > 0 {
		n := 0
		for _, b := range bufs {
			n += c.takeRest(b)
		}
		return n, nil
	}
	n, err := c.vec.ReadBuffers(bufs, wait)
	if c.in.rc4 != nil {
		for k, left := 0, n; left > 0; k++ {
			b := bufs[k][:min(left, len(bufs[k]))]
			c.in.xor(b, b)
			left -= len(b)
		}
	}
	return n, err
}

// Write implements transport.Conn.
func (c *Conn) Write(p []byte) (int, error) {
	c.part[0] = p
	n, err := c.WriteBuffers(c.part[:])
	c.part[0] = nil
	return int(n), err
}

// WriteBuffers implements transport.Conn. A stream of which not all could be written is
// of no further use.
func (c *Conn) WriteBuffers(bufs [][]byte) (total int64, err error) {
	if c.out.rc4 == nil {
		return c.Conn.WriteBuffers(bufs)
	}
	buf := bursts.Get().(*[burst]byte)
	defer bursts.Put(buf)
	n := 0
	flush := func() error {
		k, err := c.Conn.Write(buf[:n])
		total += int64(k)
		n = 0
		return err
	}
	for _, b := range bufs {
		for len(b) > 0 {
			k := min(len(b), burst-n)
			c.out.xor(buf[n:n+k], b[:k])
			b = b[k:]
			if n += k; n == burst {
				if err := flush(); err != nil {
					return total, err
				}
			}
		}
	}
	if n > 0 {
		err = flush()
	}
	return total, err
}
