package dht

import (
	"bytes"
	"encoding/hex"
	"math/bits"
	"math/rand/v2"
)

// ID is a node ID or an info hash: both are points of one 160-bit space
// (BEP 5, "Overview").
type ID [20]byte

// String is the ID in lower-case hexadecimal.
func (a ID) String() string { return hex.EncodeToString(a[:]) }

// IsZero reports whether every bit is zero, which stands for "no ID".
func (a ID) IsZero() bool { return a == ID{} }

// Closer reports whether a is nearer to target than b: distance(A,B) = |A xor
// B| as an unsigned integer, smaller is closer (BEP 5).
func Closer(target, a, b ID) bool {
	for i := range target {
		da, db := a[i]^target[i], b[i]^target[i]
		if da != db {
			return da < db
		}
	}
	return false
}

// Compare orders IDs as big-endian integers.
func (a ID) Compare(b ID) int { return bytes.Compare(a[:], b[:]) }

// prefixLen counts the leading bits that a and b have in common, 0 to 160.
func prefixLen(a, b ID) int {
	for i := range a {
		if x := a[i] ^ b[i]; x != 0 {
			return i*8 + bits.LeadingZeros8(x)
		}
	}
	return 160
}

func randomID(r *rand.Rand) ID {
	var id ID
	fillRandom(r, id[:])
	return id
}

func fillRandom(r *rand.Rand, p []byte) {
	var x uint64
	for i := range p {
		if i%8 == 0 {
			x = r.Uint64()
		}
		p[i] = byte(x)
		x >>= 8
	}
}

// randomIDSharing draws an ID whose first n bits are those of id; bit n is
// inverted when flip is set, the rest is random. It picks the target of a
// bucket's refresh.
func randomIDSharing(r *rand.Rand, id ID, n int, flip bool) ID {
	out := randomID(r)
	for i := 0; i < n && i < 160; i++ {
		setBit(&out, i, id[i/8]>>(7-i%8)&1)
	}
	if flip && n < 160 {
		setBit(&out, n, 1^id[n/8]>>(7-n%8)&1)
	}
	return out
}

func setBit(id *ID, i int, v byte) {
	mask := byte(1) << (7 - i%8)
	id[i/8] &^= mask
	if v != 0 {
		id[i/8] |= mask
	}
}
