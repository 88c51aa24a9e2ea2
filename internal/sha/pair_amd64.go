package sha

import (
	"crypto/sha256"
	"encoding/binary"
)

// state is a SHA-256 in the order of words that the instructions want.
type state [8]uint32

// initial is the state before the first block: F, E, B, A, H, G, D, C.
var initial = state{
	0x9b05688c, 0x510e527f, 0xbb67ae85, 0x6a09e667,
	0x5be0cd19, 0x1f83d9ab, 0xa54ff53a, 0x3c6ef372,
}

// inOrder says where in a state its words A to H are.
var inOrder = [8]int{3, 2, 7, 6, 1, 0, 5, 4}

func (s *state) sum() (h [32]byte) {
	for k, at := range inOrder {
		binary.BigEndian.PutUint32(h[4*k:], s[at])
	}
	return h
}

// blocks2 takes n blocks of p and of q into the two states. n is one at least.
//
//go:noescape
func blocks2(p, q *byte, n int, s *[2]state)

// features returns CPUID's ECX of leaf 1 and EBX of leaf 7.
func features() (one, seven uint32)

var hasPair = func() bool {
	const ssse3, sse41, shani = 1 << 9, 1 << 19, 1 << 29
	one, seven := features()
	return one&ssse3 != 0 && one&sse41 != 0 && seven&shani != 0
}()

// Sum256Pair returns the SHA-256 of p and of q, in less time than one after the other
// if they have the same length.
func Sum256Pair(p, q []byte) (x, y [32]byte) {
	if !hasPair || len(p) != len(q) {
		return sha256.Sum256(p), sha256.Sum256(q)
	}
	s := [2]state{initial, initial}
	n := len(p) / chunk
	if n > 0 {
		blocks2(&p[0], &q[0], n, &s)
	}
	// What is left of both, a bit, zeros, and the length in bits: one block or two.
	var last [2][2 * chunk]byte
	rest := copy(last[0][:], p[n*chunk:])
	copy(last[1][:], q[n*chunk:])
	size := chunk
	if rest > chunk-9 {
		size = 2 * chunk
	}
	for k := range last {
		last[k][rest] = 0x80
		binary.BigEndian.PutUint64(last[k][size-8:], uint64(len(p))*8)
	}
	blocks2(&last[0][0], &last[1][0], size/chunk, &s)
	return s[0].sum(), s[1].sum()
}
