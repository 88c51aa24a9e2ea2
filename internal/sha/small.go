package sha

import "math/bits"

const chunk = 64 // bytes a compression takes

// small is a running digest: h are the words of its state, of which SHA-1 uses
// five.
type small struct {
	h      [8]uint32
	long   bool // SHA-256
	rest   [chunk]byte
	n      int
	length uint64
}

// compress calls one of two functions by name, not by pointer: so the digest
// need not live on the heap.
func (d *small) compress(p []byte) {
	if d.long {
		compress256(&d.h, p)
	} else {
		compress1(&d.h, p)
	}
}

func newSmall1() *small {
	return &small{h: [8]uint32{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0}}
}

func newSmall256() *small {
	return &small{long: true, h: [8]uint32{
		0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
	}}
}

func (d *small) Write(p []byte) (int, error) {
	total := len(p)
	d.length += uint64(total)
	if d.n > 0 {
		k := copy(d.rest[d.n:], p)
		d.n += k
		p = p[k:]
		if d.n < chunk {
			return total, nil
		}
		d.compress(d.rest[:])
		d.n = 0
	}
	if whole := len(p) &^ (chunk - 1); whole > 0 {
		d.compress(p[:whole])
		p = p[whole:]
	}
	d.n = copy(d.rest[:], p)
	return total, nil
}

// finish pads (FIPS 180-4, section 5.1.1): a one bit, zeros, the length in bits.
func (d *small) finish() [8]uint32 {
	c := *d
	var pad [chunk + 8]byte
	pad[0] = 0x80
	zeros := (chunk + 55 - c.n) % chunk
	end := pad[:1+zeros+8]
	bitLength := c.length * 8
	for i := range 8 {
		end[1+zeros+i] = byte(bitLength >> (56 - 8*i))
	}
	c.Write(end)
	return c.h
}

// Sum appends the SHA-1; only SHA-1 is ever computed piece by piece.
func (d *small) Sum(b []byte) []byte {
	var out [20]byte
	put(out[:], d.finish())
	return append(b, out[:]...)
}

func put(out []byte, h [8]uint32) {
	for i := range out {
		out[i] = byte(h[i/4] >> (24 - 8*(i%4)))
	}
}

func small1(p []byte) (out [20]byte) {
	d := newSmall1()
	d.Write(p)
	put(out[:], d.finish())
	return out
}

func small256(p []byte) (out [32]byte) {
	d := newSmall256()
	d.Write(p)
	put(out[:], d.finish())
	return out
}

func word(p []byte) uint32 {
	_ = p[3]
	return uint32(p[0])<<24 | uint32(p[1])<<16 | uint32(p[2])<<8 | uint32(p[3])
}

// compress1 is FIPS 180-4, section 6.1.2, over whole chunks.
func compress1(h *[8]uint32, p []byte) {
	var w [16]uint32
	for ; len(p) >= chunk; p = p[chunk:] {
		for i := range w {
			w[i] = word(p[4*i:])
		}
		a, b, c, d, e := h[0], h[1], h[2], h[3], h[4]
		i := 0
		for ; i < 16; i++ {
			t := bits.RotateLeft32(a, 5) + (b&c | ^b&d) + e + 0x5a827999 + w[i&15]
			a, b, c, d, e = t, a, bits.RotateLeft32(b, 30), c, d
		}
		for ; i < 20; i++ {
			w[i&15] = bits.RotateLeft32(w[(i-3)&15]^w[(i-8)&15]^w[(i-14)&15]^w[i&15], 1)
			t := bits.RotateLeft32(a, 5) + (b&c | ^b&d) + e + 0x5a827999 + w[i&15]
			a, b, c, d, e = t, a, bits.RotateLeft32(b, 30), c, d
		}
		for ; i < 40; i++ {
			w[i&15] = bits.RotateLeft32(w[(i-3)&15]^w[(i-8)&15]^w[(i-14)&15]^w[i&15], 1)
			t := bits.RotateLeft32(a, 5) + (b ^ c ^ d) + e + 0x6ed9eba1 + w[i&15]
			a, b, c, d, e = t, a, bits.RotateLeft32(b, 30), c, d
		}
		for ; i < 60; i++ {
			w[i&15] = bits.RotateLeft32(w[(i-3)&15]^w[(i-8)&15]^w[(i-14)&15]^w[i&15], 1)
			t := bits.RotateLeft32(a, 5) + ((b|c)&d | b&c) + e + 0x8f1bbcdc + w[i&15]
			a, b, c, d, e = t, a, bits.RotateLeft32(b, 30), c, d
		}
		for ; i < 80; i++ {
			w[i&15] = bits.RotateLeft32(w[(i-3)&15]^w[(i-8)&15]^w[(i-14)&15]^w[i&15], 1)
			t := bits.RotateLeft32(a, 5) + (b ^ c ^ d) + e + 0xca62c1d6 + w[i&15]
			a, b, c, d, e = t, a, bits.RotateLeft32(b, 30), c, d
		}
		h[0] += a
		h[1] += b
		h[2] += c
		h[3] += d
		h[4] += e
	}
}

// k256 are the constants of FIPS 180-4, section 4.2.2.
var k256 = [64]uint32{
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
}

// compress256 is FIPS 180-4, section 6.2.2, over whole chunks.
func compress256(h *[8]uint32, p []byte) {
	var w [64]uint32
	for ; len(p) >= chunk; p = p[chunk:] {
		for i := range 16 {
			w[i] = word(p[4*i:])
		}
		for i := 16; i < 64; i++ {
			x, y := w[i-15], w[i-2]
			s0 := bits.RotateLeft32(x, -7) ^ bits.RotateLeft32(x, -18) ^ x>>3
			s1 := bits.RotateLeft32(y, -17) ^ bits.RotateLeft32(y, -19) ^ y>>10
			w[i] = w[i-16] + s0 + w[i-7] + s1
		}
		a, b, c, d, e, f, g, hh := h[0], h[1], h[2], h[3], h[4], h[5], h[6], h[7]
		for i := range 64 {
			s1 := bits.RotateLeft32(e, -6) ^ bits.RotateLeft32(e, -11) ^ bits.RotateLeft32(e, -25)
			t1 := hh + s1 + (e&f ^ ^e&g) + k256[i] + w[i]
			s0 := bits.RotateLeft32(a, -2) ^ bits.RotateLeft32(a, -13) ^ bits.RotateLeft32(a, -22)
			t2 := s0 + (a&b ^ a&c ^ b&c)
			a, b, c, d, e, f, g, hh = t1+t2, a, b, c, d+t1, e, f, g
		}
		h[0] += a
		h[1] += b
		h[2] += c
		h[3] += d
		h[4] += e
		h[5] += f
		h[6] += g
		h[7] += hh
	}
}
