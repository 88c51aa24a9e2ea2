package driver

import (
	"github.com/shoal-p2p/shoal/internal/transport"
	"github.com/shoal-p2p/shoal/internal/wire"
)

const (
	// leastBuffer holds any message that is not large, in bytes. A stream that
	// fills several buffers at once needs no more: its payloads go to their place.
	leastBuffer = 4 << 10
	// minReadBuffer holds a whole block with what stands before it. Other streams
	// begin with it, because each Read of theirs costs much.
	minReadBuffer = wire.PieceHeaderLen + blockSize
	// lookahead is how much behind a payload is read along with it, in bytes: the
	// head of the next message, and the short ones that may stand before it.
	lookahead = 64
	// idleReads is how many reads in a row have to leave most of a large buffer
	// unused before it is given up.
	idleReads = 256
)

// vectored is a stream that fills several buffers at once.
type vectored interface {
	// ReadBuffers reads into the buffers in order. Without wait it returns 0 and
	// no error when nothing is there.
	ReadBuffers(bufs [][]byte, wait bool) (int, error)
}

// input is what was read of a stream and not used yet.
type input struct {
	from  transport.Conn
	vec   vectored // from, nil where it cannot
	buf   []byte
	r, w  int // buf[r:w] is ready
	most  int // bytes that buf grows to by itself
	unful int // reads in a row that used little of it
	bufs  [2][]byte

	idle    func()      // called before a read that waits
	pay     func(n int) // called with the bytes that a read brought
	quantum func() int  // bytes to read at a time at most; 0: any number
}

func newInput(c transport.Conn, most int) *input {
	in := &input{from: c, most: most}
	if in.vec, _ = c.(vectored); in.vec != nil {
		in.most = leastBuffer
	}
	in.buf = make([]byte, min(in.most, minReadBuffer))
	return in
}

func (in *input) ready() []byte { return in.buf[in.r:in.w] }

func (in *input) skip(n int) { in.r += n }

// fill reads until at least need bytes are ready.
func (in *input) fill(need int) error {
	if in.r == in.w {
		in.r, in.w = 0, 0
		in.resize(need)
	} else if in.r+need > len(in.buf) {
		in.w = copy(in.buf, in.buf[in.r:in.w])
		in.r = 0
		in.resize(need)
	}
	for in.w-in.r < need {
		n, err := in.read(in.buf[in.w:], nil)
		in.w += n
		if err != nil && in.w-in.r < need {
			return err
		}
	}
	return nil
}

// resize makes room for need bytes in all. The buffer grows with a peer that
// fills it and shrinks again with one that no longer does, or after a message of
// unusual size.
func (in *input) resize(need int) {
	size := len(in.buf)
	usual := min(in.most, minReadBuffer)
	switch {
	case need > size:
		size = need
	case in.unful >= idleReads || size > in.most && need <= in.most:
		size = max(usual, need)
	case in.unful < 0:
		size = min(2*size, max(in.most, size))
	}
	if size == len(in.buf) {
		return
	}
	in.unful = 0
	fresh := make([]byte, size)
	copy(fresh, in.buf[:in.w])
	in.buf = fresh
}

// fillInto reads until dst is full, and perhaps some of what follows into the
// buffer. It returns how much of dst is filled.
func (in *input) fillInto(dst []byte) (int, error) {
	at := copy(dst, in.ready())
	in.skip(at)
	if at == len(dst) {
		return at, nil
	}
	in.r, in.w = 0, 0
	for at < len(dst) {
		n, err := in.read(dst[at:], in.buf[:lookahead])
		if over := n - (len(dst) - at); over > 0 {
			in.w = over
			n -= over
		}
		at += n
		if err != nil && at < len(dst) {
			return at, err
		}
	}
	return at, nil
}

// read reads once into dst, and into more behind it where the stream can. What
// was received before is told of before it waits.
func (in *input) read(dst, more []byte) (n int, err error) {
	if q := in.quantum(); q > 0 && q < len(dst) {
		dst, more = dst[:q], nil
	}
	if in.vec != nil {
		in.bufs = [2][]byte{dst, more}
		bufs := in.bufs[:]
		if len(more) == 0 {
			bufs = bufs[:1]
		}
		n, err = in.vec.ReadBuffers(bufs, false)
		if n == 0 && err == nil {
			in.idle()
			n, err = in.vec.ReadBuffers(bufs, true)
		}
	} else {
		in.idle()
		n, err = in.from.Read(dst)
		switch {
		case more != nil, len(dst) < len(in.buf)-in.w:
		case n == len(in.buf)-in.w:
			in.unful = -1
		case n < len(in.buf)/4:
			in.unful = max(in.unful, 0) + 1
		default:
			in.unful = 0
		}
	}
	if n > 0 {
		in.pay(n)
	}
	return n, err
}
