package wire

import (
	"github.com/shoal-p2p/shoal/internal/sha"
)

// ExtSwarms is the name of the extension by which two peers find out in which other
// swarms both are, without telling of those in which only one is. Its message:
//
//	0  8  salt, random for each connection and side
//	8  8n the first 8 bytes of SHA-256(salt, info hash) for each swarm; for v2 the
//	      info hash is cut to 20 bytes, as in the handshake
//
// Who finds one of its own swarms in it may open a further stream for it on the same
// connection, where the transport has such.
const ExtSwarms = "shoal_swarms"

const (
	saltLen = 8

	// MaxSwarms bounds the swarms in one message: two peers seldom have more than a few
	// in common, and whoever has more tells of those in use.
	MaxSwarms = 64

	// MaxSwarmsSize is the size of the largest message of ExtSwarms, in bytes.
	MaxSwarmsSize = saltLen + MaxSwarms*8
)

// A Salt makes the hashes of one side of a connection unlike those of all others.
type Salt [saltLen]byte

// Hash is what stands for a swarm beside the salt.
func (s Salt) Hash(key [20]byte) [8]byte {
	var b [saltLen + 20]byte
	copy(b[:], s[:])
	copy(b[saltLen:], key[:])
	sum := sha.Sum256(b[:])
	return [8]byte(sum[:8])
}

// AppendSwarms appends the message for some swarms: the first MaxSwarms.
func AppendSwarms(dst []byte, salt Salt, keys [][20]byte) []byte {
	dst = append(dst, salt[:]...)
	for _, k := range keys[:min(len(keys), MaxSwarms)] {
		h := salt.Hash(k)
		dst = append(dst, h[:]...)
	}
	return dst
}

// Swarms is a message of ExtSwarms.
type Swarms struct {
	salt   Salt
	hashes map[[8]byte]struct{}
}

// ParseSwarms reads a message of ExtSwarms.
func ParseSwarms(b []byte) (Swarms, error) {
	if len(b) < saltLen || len(b) > MaxSwarmsSize || len(b)%8 != 0 {
		return Swarms{}, ErrSwarms
	}
	s := Swarms{salt: Salt(b), hashes: make(map[[8]byte]struct{}, len(b)/8-1)}
	for b = b[saltLen:]; len(b) > 0; b = b[8:] {
		s.hashes[[8]byte(b)] = struct{}{}
	}
	return s, nil
}

// Has reports whether the sender is in a swarm.
func (s Swarms) Has(key [20]byte) bool {
	_, ok := s.hashes[s.salt.Hash(key)]
	return ok
}

// SwarmLabel names a further stream's swarm to those who know it: the salt and the
// hash, in hexadecimal digits.
func SwarmLabel(salt Salt, key [20]byte) string {
	h := salt.Hash(key)
	var b [labelLen]byte
	for i, c := range append(salt[:], h[:]...) {
		b[2*i], b[2*i+1] = hexDigits[c>>4], hexDigits[c&15]
	}
	return string(b[:])
}

const (
	hexDigits = "0123456789abcdef"
	labelLen  = 2 * (saltLen + 8)
)

// ParseSwarmLabel reads a label made by SwarmLabel; ok is false for another.
func ParseSwarmLabel(label string) (s Swarms, ok bool) {
	if len(label) != labelLen {
		return s, false
	}
	var b [labelLen / 2]byte
	for i := range len(label) {
		var v byte
		switch c := label[i]; {
		case c >= '0' && c <= '9':
			v = c - '0'
		case c >= 'a' && c <= 'f':
			v = c - 'a' + 10
		default:
			return s, false
		}
		b[i/2] |= v << (4 * (1 - i%2))
	}
	s, err := ParseSwarms(b[:])
	return s, err == nil
}
