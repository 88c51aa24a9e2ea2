//go:build !js

package mse

import "encoding/binary"

// rc4 is the stream cipher. crypto/rc4 does the same byte by byte; eight at a time take
// four fifths of the time, and it is all that encryption costs.
type rc4 struct {
	s    [256]byte
	i, j byte
}

func newRC4(key []byte) *rc4 {
	c := new(rc4)
	for k := range c.s {
		c.s[k] = byte(k)
	}
	var j byte
	for k := range c.s {
		j += c.s[k] + key[k%len(key)]
		c.s[k], c.s[j] = c.s[j], c.s[k]
	}
	return c
}

// xor encrypts or decrypts src to dst, which has to be as long and may be the same.
func (c *rc4) xor(dst, src []byte) {
	s, i, j := &c.s, c.i, c.j
	dst = dst[:len(src)]
	for ; len(src) >= 8; src, dst = src[8:], dst[8:] {
		// A loop would not be unrolled by the compiler.
		i++
		x := s[i]
		j += x
		y := s[j]
		s[i], s[j] = y, x
		k := uint64(s[x+y])

		i++
		x = s[i]
		j += x
		y = s[j]
		s[i], s[j] = y, x
		k |= uint64(s[x+y]) << 8

		i++
		x = s[i]
		j += x
		y = s[j]
		s[i], s[j] = y, x
		k |= uint64(s[x+y]) << 16

		i++
		x = s[i]
		j += x
		y = s[j]
		s[i], s[j] = y, x
		k |= uint64(s[x+y]) << 24

		i++
		x = s[i]
		j += x
		y = s[j]
		s[i], s[j] = y, x
		k |= uint64(s[x+y]) << 32

		i++
		x = s[i]
		j += x
		y = s[j]
		s[i], s[j] = y, x
		k |= uint64(s[x+y]) << 40

		i++
		x = s[i]
		j += x
		y = s[j]
		s[i], s[j] = y, x
		k |= uint64(s[x+y]) << 48

		i++
		x = s[i]
		j += x
		y = s[j]
		s[i], s[j] = y, x
		k |= uint64(s[x+y]) << 56

		binary.LittleEndian.PutUint64(dst, binary.LittleEndian.Uint64(src)^k)
	}
	for k, b := range src {
		i++
		x := s[i]
		j += x
		y := s[j]
		s[i], s[j] = y, x
		dst[k] = b ^ s[x+y]
	}
	c.i, c.j = i, j
}
