// Package wsframe is the codec of WebSocket frames, RFC 6455 section 5.2.
//
//	byte 0   1 bit FIN, RSV1 to RSV3, 4 bits opcode
//	byte 1   1 bit mask, 7 bits length: up to 125, or
//	         126 with the length in the next 2 bytes, or 127 with it in the next 8
//	         then the 4 bytes of the mask, if any
//	         then the payload, xored with the mask repeated
//
// Numbers are big-endian. Clients mask, servers do not. RSV1 marks the first frame of a
// deflated message (RFC 7692); a reader that did not negotiate that has to refuse it.
package wsframe

import (
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
)

// An Op is a frame's opcode.
type Op uint8

// The opcodes.
const (
	Continuation Op = 0
	Text         Op = 1
	Binary       Op = 2
	Close        Op = 8
	Ping         Op = 9
	Pong         Op = 10
)

// IsControl reports whether frames of this kind may come between the parts of a message.
func (o Op) IsControl() bool { return o&8 != 0 }

// Close codes of RFC 6455 section 7.4.1, and CloseBusy and CloseUnauthorized of those that IANA has
// added.
const (
	CloseNormal   = 1000
	CloseGone     = 1001
	CloseProtocol = 1002
	CloseInvalid  = 1007
	ClosePolicy   = 1008
	CloseTooBig   = 1009
	CloseBusy     = 1013

	CloseUnauthorized = 3000
)

const (
	// MaxHeader is the longest header.
	MaxHeader = 14
	// MaxControl is the longest payload of a control frame.
	MaxControl = 125
)

// Errors of ParseHeader. Each is a reason to close with CloseProtocol.
var (
	ErrReserved = errors.New("websocket: reserved bits or opcode")
	ErrControl  = errors.New("websocket: control frame in parts or too long")
	ErrLength   = errors.New("websocket: length not in its shortest form")
)

// A Header says what follows it.
type Header struct {
	Op     Op
	Fin    bool
	RSV1   bool
	Masked bool
	Mask   [4]byte
	Len    int // of the payload
}

// ParseHeader reads the header at the beginning of b and returns its length; 0 and no
// error mean that b is too short.
func ParseHeader(b []byte) (h Header, n int, err error) {
	if len(b) < 2 {
		return h, 0, nil
	}
	h.Op, h.Fin, h.RSV1 = Op(b[0]&15), b[0]&0x80 != 0, b[0]&0x40 != 0
	h.Masked, h.Len = b[1]&0x80 != 0, int(b[1]&0x7f)
	if b[0]&0x30 != 0 || h.Op > Pong || h.Op > Binary && h.Op < Close {
		return h, 0, ErrReserved
	}
	if h.Op.IsControl() && (!h.Fin || h.RSV1 || h.Len > MaxControl) {
		return h, 0, ErrControl
	}
	n = 2
	switch h.Len {
	case 126:
		if len(b) < 4 {
			return h, 0, nil
		}
		if h.Len = int(binary.BigEndian.Uint16(b[2:])); h.Len < 126 {
			return h, 0, ErrLength
		}
		n = 4
	case 127:
		if len(b) < 10 {
			return h, 0, nil
		}
		long := binary.BigEndian.Uint64(b[2:])
		if long <= math.MaxUint16 || long > math.MaxInt32 {
			return h, 0, ErrLength // nobody here takes 2 GiB
		}
		h.Len, n = int(long), 10
	}
	if h.Masked {
		if len(b) < n+4 {
			return h, 0, nil
		}
		h.Mask = [4]byte(b[n:])
		n += 4
	}
	return h, n, nil
}

// Xor masks or unmasks b, the payload's first byte being b[0].
func Xor(b []byte, mask [4]byte) {
	key := uint64(binary.LittleEndian.Uint32(mask[:]))
	if key == 0 {
		return
	}
	key |= key << 32
	for len(b) >= 32 {
		p := (*[32]byte)(b)
		binary.LittleEndian.PutUint64(p[0:], binary.LittleEndian.Uint64(p[0:])^key)
		binary.LittleEndian.PutUint64(p[8:], binary.LittleEndian.Uint64(p[8:])^key)
		binary.LittleEndian.PutUint64(p[16:], binary.LittleEndian.Uint64(p[16:])^key)
		binary.LittleEndian.PutUint64(p[24:], binary.LittleEndian.Uint64(p[24:])^key)
		b = b[32:]
	}
	for len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^key)
		b = b[8:]
	}
	for i := range b {
		b[i] ^= byte(key)
		key = bits.RotateLeft64(key, -8)
	}
}

// AppendHeader appends the header of a server's frame: not in parts, not masked.
func AppendHeader(dst []byte, op Op, rsv1 bool, length int) []byte {
	first := 0x80 | byte(op)
	if rsv1 {
		first |= 0x40
	}
	switch {
	case length <= 125:
		return append(dst, first, byte(length))
	case length <= math.MaxUint16:
		return append(dst, first, 126, byte(length>>8), byte(length))
	}
	dst = append(dst, first, 127)
	return binary.BigEndian.AppendUint64(dst, uint64(length))
}

// AppendClose appends a server's close frame; one of code 0 has neither code nor reason.
func AppendClose(dst []byte, code int, reason string) []byte {
	if code == 0 {
		return AppendHeader(dst, Close, false, 0)
	}
	reason = reason[:min(len(reason), MaxControl-2)]
	dst = AppendHeader(dst, Close, false, 2+len(reason))
	dst = append(dst, byte(code>>8), byte(code))
	return append(dst, reason...)
}
