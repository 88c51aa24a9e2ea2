package wsconn

import (
	"bytes"
	"errors"
	"io"

	"github.com/klauspost/compress/flate"
)

// An inflater deflates and inflates messages one by one, without context takeover (RFC 7692
// section 7.1.1): so one of them serves any number of connections, and none keeps a window.
type inflater struct {
	src  tailed
	r    io.ReadCloser
	in   []byte
	sink bytes.Buffer
}

var errTooBig = errors.New("too large when inflated")

// inflate returns a message, valid until the next call. It takes no more than max bytes.
func (f *inflater) inflate(b []byte, max int) ([]byte, error) {
	f.src = tailed{b: b}
	if f.r == nil {
		f.r = flate.NewReader(&f.src)
	} else if err := f.r.(flate.Resetter).Reset(&f.src, nil); err != nil {
		return nil, err
	}
	if cap(f.in) < 4096 {
		f.in = make([]byte, 0, 4096)
	}
	f.in = f.in[:0]
	for {
		if len(f.in) == cap(f.in) {
			f.in = append(f.in, 0)[:len(f.in)]
		}
		n, err := f.r.Read(f.in[len(f.in):min(cap(f.in), max+1)])
		f.in = f.in[:len(f.in)+n]
		switch {
		case len(f.in) > max:
			return nil, errTooBig
		case err == io.EOF, err == io.ErrUnexpectedEOF && f.src.done():
			// A message ends where its bytes end, not with a final block.
			return f.in, nil
		case err != nil:
			return nil, err
		}
	}
}

// deflate returns a deflated message, valid until the next call.
func (f *inflater) deflate(b []byte) []byte {
	f.sink.Reset()
	// Stateless: no window to clear, no memory between calls.
	if err := flate.StatelessDeflate(&f.sink, b, false, nil); err != nil {
		panic(err) // a bytes.Buffer takes everything
	}
	return bytes.TrimSuffix(f.sink.Bytes(), tail[:])
}

// tail is what ends a flush, left out on the wire (RFC 7692 section 7.2.1).
var tail = [4]byte{0, 0, 0xff, 0xff}

// tailed reads b and then the tail.
type tailed struct {
	b []byte
	n int // bytes of the tail that were read
}

func (r *tailed) done() bool { return len(r.b) == 0 && r.n == len(tail) }

func (r *tailed) Read(p []byte) (int, error) {
	if len(r.b) > 0 {
		n := copy(p, r.b)
		r.b = r.b[n:]
		return n, nil
	}
	n := copy(p, tail[r.n:])
	r.n += n
	if n == 0 && len(p) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// ReadByte makes it a flate.Reader, which is not buffered once more.
func (r *tailed) ReadByte() (byte, error) {
	var p [1]byte
	if n, err := r.Read(p[:]); n == 0 {
		return 0, err
	}
	return p[0], nil
}
