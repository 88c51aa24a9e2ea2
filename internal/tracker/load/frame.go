package load

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"io"

	"github.com/shoal-p2p/shoal/internal/tracker/wsframe"
)

// maxPayload bounds what a tracker's frame may carry.
const maxPayload = 1 << 20

// maskKey masks every frame of ours. One for all is enough here: masking guards proxies
// from hostile pages. It is not zero, so that the tracker has its work with it.
var maskKey = [4]byte{0x6b, 0xc1, 0x3e, 0xa5}

// masks is maskKey again and again.
var masks = func() (m [4096]byte) {
	for i := range m {
		m[i] = maskKey[i%4]
	}
	return m
}()

// appendFrame appends payload as a masked frame.
func appendFrame(b []byte, op wsframe.Op, payload []byte) []byte {
	b = appendHeader(b, op, len(payload))
	start := len(b)
	b = append(b, payload...)
	mask(b[start:])
	return b
}

func appendHeader(b []byte, op wsframe.Op, n int) []byte {
	start := len(b)
	b = wsframe.AppendHeader(b, op, false, n)
	b[start+1] |= 0x80
	return append(b, maskKey[:]...)
}

func mask(b []byte) {
	for len(b) > 0 {
		n := subtle.XORBytes(b, b, masks[:])
		b = b[n:]
	}
}

var (
	errReserved = errors.New("a compressed frame, although compression was not asked for")
	errMasked   = errors.New("a masked frame from the tracker")
	errContinue = errors.New("a fragment out of place")
)

// A frames takes WebSocket messages off a stream. Its buffer holds what was read and
// not yet used; it grows for a long message and shrinks after it.
type frames struct {
	buf        []byte
	start, end int
	size       int    // of buf, as a rule
	parts      []byte // of a message in fragments
	fragments  bool
}

func newFrames(size int) frames { return frames{size: size} }

// fill reads once from r.
func (f *frames) fill(r io.Reader, need int) error {
	if f.buf == nil {
		f.buf = make([]byte, f.size)
	}
	if f.start == f.end {
		f.start, f.end = 0, 0
		if len(f.buf) > f.size && need <= f.size {
			f.buf = make([]byte, f.size)
		}
	}
	if need > len(f.buf)-f.start {
		to := f.buf
		if need > len(f.buf) {
			to = make([]byte, need)
		}
		f.end = copy(to, f.buf[f.start:f.end])
		f.buf, f.start = to, 0
	}
	n, err := r.Read(f.buf[f.end:])
	f.end += n
	if n > 0 {
		return nil
	}
	return err
}

// header returns the next frame's header and its length. It is 0 when more must be
// read first.
func (f *frames) header() (h wsframe.Header, head int, err error) {
	h, head, err = wsframe.ParseHeader(f.buf[f.start:f.end])
	switch {
	case err != nil || head == 0:
	case h.RSV1:
		err = errReserved
	case h.Masked:
		err = errMasked
	case h.Len > maxPayload:
		err = fmt.Errorf("a frame of %d bytes", h.Len)
	}
	return h, head, err
}

// ready reports whether next needs no reading for a whole frame.
func (f *frames) ready() bool {
	h, head, err := f.header()
	return err == nil && head > 0 && f.end-f.start >= head+h.Len
}

// next returns the next message or control frame. The payload holds until the following call.
func (f *frames) next(r io.Reader) (op wsframe.Op, payload []byte, err error) {
	for {
		h, head, err := f.header()
		if err != nil {
			return 0, nil, err
		}
		if head == 0 || f.end-f.start < head+h.Len {
			if err := f.fill(r, max(head+h.Len, wsframe.MaxHeader)); err != nil {
				return 0, nil, err
			}
			continue
		}
		payload := f.buf[f.start+head : f.start+head+h.Len]
		f.start += head + h.Len
		switch {
		case h.Op.IsControl():
			return h.Op, payload, nil
		case (h.Op == wsframe.Continuation) != f.fragments:
			return 0, nil, errContinue
		case h.Fin && !f.fragments:
			return h.Op, payload, nil
		}
		if len(f.parts)+len(payload) > maxPayload {
			return 0, nil, fmt.Errorf("a message of more than %d bytes", maxPayload)
		}
		f.parts = append(f.parts, payload...)
		f.fragments = !h.Fin
		if h.Fin {
			payload, f.parts = f.parts, nil
			return wsframe.Text, payload, nil
		}
	}
}
