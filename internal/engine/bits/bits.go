// Package bits is a set of piece indices in the layout of the bitfield message
// (BEP 3: the high bit of the first byte is piece 0).
package bits

import (
	"encoding/binary"
	"math/bits"
)

// Set holds the bits First to End-1. It can grow at its end and retire bits at its
// front; the others keep their numbers, and memory follows what is between. The
// zero Set is empty with room for none.
type Set struct {
	b     []byte // those from base on; bits before first and after the end are zero
	base  int    // a multiple of 64, so that the words of all sets lie alike
	n     int    // end, counted from base
	first int
	count int
}

// New returns a set with room for n bits, all clear.
func New(n int) Set { return Window(0, n) }

// Window returns a set with room for bits first to end-1, all clear.
func Window(first, end int) Set {
	base := first &^ 63
	return Set{b: make([]byte, (end-base+7)/8), base: base, n: end - base, first: first}
}

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

// First is the first bit there is room for.
func (s *Set) First() int { return s.first }

// End is one more than the last bit there is room for.
func (s *Set) End() int { return s.base + s.n }

// Len is the number of bits there is room for.
func (s *Set) Len() int { return s.n - (s.first - s.base) }

// Count is the number of bits set.
func (s *Set) Count() int { return s.count }

// All reports whether every bit is set.
func (s *Set) All() bool { return s.count == s.Len() }

// Has reports whether bit i is set; out of range is false.
func (s *Set) Has(i int) bool {
	i -= s.base
	return uint(i) < uint(s.n) && s.b[i>>3]&(0x80>>(i&7)) != 0
}

// Set sets bit i and reports whether it was clear before and there is room for it.
func (s *Set) Set(i int) bool {
	if i < s.first || i >= s.End() || s.Has(i) {
		return false
	}
	i -= s.base
	s.b[i>>3] |= 0x80 >> (i & 7)
	s.count++
	return true
}

// Clear clears bit i and reports whether it was set before.
func (s *Set) Clear(i int) bool {
	if !s.Has(i) {
		return false
	}
	i -= s.base
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
	s.clearHead()
	s.count = s.Len()
}

// clearHead clears what lies before the first bit.
func (s *Set) clearHead() {
	head := s.first - s.base
	if head > 0 {
		clear(s.b[:head/8])
	}
	if r := head % 8; r != 0 {
		s.b[head/8] &= 0xff >> r
	}
}

// Grow makes room for n more bits at the end, all clear.
func (s *Set) Grow(n int) {
	s.n += n
	for len(s.b) < (s.n+7)/8 {
		s.b = append(s.b, 0)
	}
}

// Retire forgets the bits before first, for good. There is room for none before it
// and for as many as were left from it on. The cost is that of what is forgotten.
func (s *Set) Retire(first int) {
	if first <= s.first {
		return
	}
	if first >= s.End() {
		*s = Window(first, first)
		return
	}
	for k := s.first / 64; k <= first/64; k++ {
		x := s.Word(k)
		if k == first/64 {
			x &= ^(^uint64(0) >> (first % 64))
		}
		s.count -= bits.OnesCount64(x)
	}
	s.first = first
	if base := first &^ 63; base > s.base {
		// What append makes room for next is of the size of what is left.
		s.b, s.n, s.base = s.b[(base-s.base)/8:], s.n-(base-s.base), base
	}
	s.clearHead()
}

// Words are the words that the set is looked through in: from the first to one
// before the end.
func (s *Set) Words() (first, end int) { return s.base / 64, s.base/64 + (len(s.b)+7)/8 }

// Word returns the bits 64*k to 64*k+63, the first of them as the highest bit.
// Bits there is no room for are clear.
func (s *Set) Word(k int) uint64 {
	k -= s.base / 64
	if k < 0 || 8*k >= len(s.b) {
		return 0
	}
	b := s.b[8*k:]
	if len(b) >= 8 {
		return binary.BigEndian.Uint64(b)
	}
	var last [8]byte
	copy(last[:], b)
	return binary.BigEndian.Uint64(last[:])
}

// Next returns the first bit set at or after i, -1 if there is none.
func (s *Set) Next(i int) int {
	i = max(i, s.base)
	end := s.base/64 + (len(s.b)+7)/8
	x := s.Word(i/64) & (^uint64(0) >> (i % 64))
	for k := i / 64; k < end; {
		if x != 0 {
			return 64*k + bits.LeadingZeros64(x)
		}
		k++
		x = s.Word(k)
	}
	return -1
}

// Bytes is a set whose First is 0 as a bitfield message carries it. It aliases the
// set.
func (s *Set) Bytes() []byte { return s.b }

// Clone returns an independent copy.
func (s *Set) Clone() Set {
	c := *s
	c.b = append([]byte(nil), s.b...)
	return c
}
