package load

import (
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// WebSocket opcodes (RFC 6455, section 5.2).
const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xa
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

// maxHeader is the length of the longest frame header.
const maxHeader = 14

// appendFrame appends payload as a masked frame.
func appendFrame(b []byte, op byte, payload []byte) []byte {
	b = appendHeader(b, op, len(payload))
	start := len(b)
	b = append(b, payload...)
	mask(b[start:])
	return b
}

func appendHeader(b []byte, op byte, n int) []byte {
	b = append(b, 0x80|op)
	switch {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	return append(b, maskKey[:]...)
}

func mask(b []byte) {
	for len(b) > 0 {
		n := subtle.XORBytes(b, b, masks[:])
		b = b[n:]
	}
}

var (
	errReserved = errors.New("a frame with a reserved bit")
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

// ready reports whether next needs no reading for a whole frame.
func (f *frames) ready() bool {
	_, n, err := f.header()
	return err == nil && n > 0 && f.end-f.start >= n
}

// header returns the length of the header at hand and of the frame with it, or 0 when
// more must be read first.
func (f *frames) header() (head, all int, err error) {
	b := f.buf[f.start:f.end]
	if len(b) < 2 {
		return 0, 0, nil
	}
	switch {
	case b[0]&0x70 != 0:
		return 0, 0, errReserved
	case b[1]&0x80 != 0:
		return 0, 0, errMasked
	}
	n := uint64(b[1])
	head = 2
	switch n {
	case 126:
		if head = 4; len(b) < head {
			return 0, 0, nil
		}
		n = uint64(binary.BigEndian.Uint16(b[2:]))
	case 127:
		if head = 10; len(b) < head {
			return 0, 0, nil
		}
		n = binary.BigEndian.Uint64(b[2:])
	}
	if n > maxPayload {
		return 0, 0, fmt.Errorf("a frame of %d bytes", n)
	}
	return head, head + int(n), nil
}

// next returns the next message or control frame. The payload holds until the following call.
func (f *frames) next(r io.Reader) (op byte, payload []byte, err error) {
	for {
		head, all, err := f.header()
		if err != nil {
			return 0, nil, err
		}
		if all == 0 || f.end-f.start < all {
			if err := f.fill(r, max(all, maxHeader)); err != nil {
				return 0, nil, err
			}
			continue
		}
		b := f.buf[f.start : f.start+all]
		f.start += all
		op, fin := b[0]&0xf, b[0]&0x80 != 0
		payload := b[head:]
		switch {
		case op >= opClose:
			return op, payload, nil
		case (op == opContinuation) != f.fragments:
			return 0, nil, errContinue
		case fin && !f.fragments:
			return op, payload, nil
		}
		if len(f.parts)+len(payload) > maxPayload {
			return 0, nil, fmt.Errorf("a message of more than %d bytes", maxPayload)
		}
		f.parts = append(f.parts, payload...)
		f.fragments = !fin
		if fin {
			payload, f.parts = f.parts, nil
			return opText, payload, nil
		}
	}
}
