package storage

import "math/bits"

// Bits is a set of pieces in the byte layout of a bitfield message: piece 0 is
// the highest bit of the first byte, spare bits at the end are zero.
type Bits []byte

// NewBits returns an empty set with room for n pieces.
func NewBits(n int) Bits { return make(Bits, (n+7)/8) }

// Has reports whether piece i is in the set; false for an i outside it.
func (b Bits) Has(i int) bool {
	return i >= 0 && i>>3 < len(b) && b[i>>3]&(0x80>>(i&7)) != 0
}

// Set adds piece i.
func (b Bits) Set(i int) { b[i>>3] |= 0x80 >> (i & 7) }

// Clear removes piece i.
func (b Bits) Clear(i int) { b[i>>3] &^= 0x80 >> (i & 7) }

// Count returns the number of pieces in the set.
func (b Bits) Count() int {
	n := 0
	for _, v := range b {
		n += bits.OnesCount8(v)
	}
	return n
}
