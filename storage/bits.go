package storage

import "github.com/shoal-p2p/shoal/internal/engine/bits"

// Bits is a set of pieces, of as many as it was made for: Set(i) adds one, Clear(i)
// takes it away, Has(i) asks for it; Count and All say how many there are, Next
// finds one after the other. Bytes has the layout of a bitfield message: piece 0 is the
// highest bit of the first byte, spare bits at the end are zero.
type Bits = bits.Set

// NewBits returns an empty set with room for n pieces.
func NewBits(n int) *Bits {
	b := bits.New(n)
	return &b
}
