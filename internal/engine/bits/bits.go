// Package bits is a fixed-size set of piece indices in the layout of the
// bitfield message (BEP 3: the high bit of the first byte is piece 0).
package bits

import (
	"encoding/binary"
	"math/bits"
)

// Set holds n bits. The zero Set is empty with room for none. Spare bits of the
// last byte are always zero.
type Set struct {
	b     []byte
	n     int
	count int
}

// New returns a set with room for n bits, all clear.
func New(n int) Set { return Set{b: make([]byte, (n+7)/8), n: n} }

// FromBytes copies a bitfield of n pieces. It reports false when the length is
// wrong or a spare bit is set.
func FromBytes(b []byte, n int) (Set, bool) {
	if len(b) != (n+7)/8 {
		return Set{}, false
	}
	if r := n % 8; r != 0 && b[len(b)-1]&(0xff>>r) != 0 {
		return Set{}, false
	}
	s := Set{b: append([]byte(nil), b...), n: n}
	for _, x := range b {
		s.count += bits.OnesCount8(x)
	}
	return s, true
}

// Len is the number of bits there is room for.
func (s *Set) Len() int { return s.n }

// Count is the number of bits set.
func (s *Set) Count() int { return s.count }

// All reports whether every bit is set.
func (s *Set) All() bool { return s.count == s.n }

// Has reports whether bit i is set; out of range is false.
func (s *Set) Has(i int) bool {
	return uint(i) < uint(s.n) && s.b[i>>3]&(0x80>>(i&7)) != 0
}

// Set sets bit i and reports whether it was clear before.
func (s *Set) Set(i int) bool {
	if uint(i) >= uint(s.n) || s.Has(i) {
		return false
	}
	s.b[i>>3] |= 0x80 >> (i & 7)
	s.count++
	return true
}

// Clear clears bit i and reports whether it was set before.
func (s *Set) Clear(i int) bool {
	if !s.Has(i) {
		return false
	}
	s.b[i>>3] &^= 0x80 >> (i & 7)
	s.count--
	return true
}

// Fill sets every bit.
func (s *Set) Fill() {
	for i := range s.b {
		s.b[i] = 0xff
	}
	if r := s.n % 8; r != 0 {
		s.b[len(s.b)-1] = ^byte(0xff >> r)
	}
	s.count = s.n
}

// Words is the number of words that the set is looked through in.
func (s *Set) Words() int { return (len(s.b) + 7) / 8 }

// Word returns the bits 64*k to 64*k+63, the first of them as the highest bit.
// Bits beyond the end are clear.
func (s *Set) Word(k int) uint64 {
	b := s.b[8*k:]
	if len(b) >= 8 {
		return binary.BigEndian.Uint64(b)
	}
	var last [8]byte
	copy(last[:], b)
	return binary.BigEndian.Uint64(last[:])
}

// Bytes is the set as a bitfield message carries it. It aliases the set.
func (s *Set) Bytes() []byte { return s.b }

// Clone returns an independent copy.
func (s *Set) Clone() Set {
	c := *s
	c.b = append([]byte(nil), s.b...)
	return c
}
