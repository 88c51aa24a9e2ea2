package main

import (
	"encoding/binary"
	"errors"
)

// memory is what the data section puts into a program's memory before it runs.
type memory struct {
	first int    // nothing lies before
	bytes []byte // from address 0
}

// maxMemory is more than any engine of ours brings along.
const maxMemory = 64 << 20

var errData = errors.New("strip: the data section is not of the form that Go writes")

// readMemory lays out the segments: each is 0, i32.const, its address, end, and its
// bytes with their length.
func readMemory(b []byte) (*memory, error) {
	uvarint := func() (int, bool) {
		v, k := binary.Uvarint(b)
		if k <= 0 || v > maxMemory {
			return 0, false
		}
		b = b[k:]
		return int(v), true
	}
	count, ok := uvarint()
	if !ok {
		return nil, errData
	}
	m := &memory{first: maxMemory}
	for range count {
		if len(b) < 2 || b[0] != 0 || b[1] != 0x41 {
			return nil, errData
		}
		b = b[2:]
		at, k := signed(b)
		if k == 0 || at < 0 || at > maxMemory || len(b) <= k || b[k] != 0x0b {
			return nil, errData
		}
		b = b[k+1:]
		n, ok := uvarint()
		if !ok || n > len(b) || at+n > maxMemory {
			return nil, errData
		}
		if at+n > len(m.bytes) {
			m.bytes = append(m.bytes, make([]byte, at+n-len(m.bytes))...)
		}
		copy(m.bytes[at:], b[:n])
		m.first = min(m.first, at)
		b = b[n:]
	}
	if len(b) > 0 {
		return nil, errData
	}
	return m, nil
}

// signed reads a signed LEB128; k is 0 if it is cut short.
func signed(b []byte) (v, k int) {
	for shift := 0; k < len(b) && shift < 63; shift += 7 {
		c := b[k]
		k++
		v |= int(c&0x7f) << shift
		if c < 0x80 {
			if c&0x40 != 0 {
				v |= -1 << (shift + 7)
			}
			return v, k
		}
	}
	return 0, 0
}

func appendSigned(b []byte, v int) []byte {
	for {
		c := byte(v & 0x7f)
		v >>= 7
		if v == 0 && c&0x40 == 0 || v == -1 && c&0x40 != 0 {
			return append(b, c)
		}
		b = append(b, c|0x80)
	}
}

// gap is how many zeros in a row are worth a segment of their own. The head of a
// segment, an address, takes few bytes, but bytes that never repeat: cutting at every
// dozen of zeros, as the linker does, makes the file a sixth smaller and what is left
// of it after brotli a tenth larger.
const gap = 64

// encode makes the data section again, without long runs of zeros.
func (m *memory) encode() []byte {
	type span struct{ from, to int }
	var spans []span
	for at := m.first; at < len(m.bytes); {
		if m.bytes[at] == 0 {
			at++
			continue
		}
		from, end := at, at+1
		for k := end; k < len(m.bytes) && k-end < gap; k++ {
			if m.bytes[k] != 0 {
				end = k + 1
			}
		}
		spans = append(spans, span{from, end})
		at = end
	}
	out := binary.AppendUvarint(nil, uint64(len(spans)))
	for _, s := range spans {
		out = append(out, 0, 0x41)
		out = appendSigned(out, s.from)
		out = append(out, 0x0b)
		out = binary.AppendUvarint(out, uint64(s.to-s.from))
		out = append(out, m.bytes[s.from:s.to]...)
	}
	return out
}
