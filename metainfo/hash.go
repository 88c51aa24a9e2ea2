package metainfo

// Hash is a v1 info hash, or the first 20 bytes of a v2 one: the key of a
// swarm in handshakes, trackers and the DHT. It also holds the SHA-1 of a
// piece.
type Hash [20]byte

// Hash256 is a v2 info hash, or a node of a merkle tree.
type Hash256 [32]byte

// ParseHash reads 40 hexadecimal digits of either case.
func ParseHash(s string) (h Hash, err error) {
	if !decodeHex(h[:], s) {
		return Hash{}, &Error{Err: ErrHash, Msg: "want 40 hexadecimal digits"}
	}
	return h, nil
}

// ParseHash256 reads 64 hexadecimal digits of either case.
func ParseHash256(s string) (h Hash256, err error) {
	if !decodeHex(h[:], s) {
		return Hash256{}, &Error{Err: ErrHash, Msg: "want 64 hexadecimal digits"}
	}
	return h, nil
}

// String returns lower-case hexadecimal digits.
func (h Hash) String() string { return encodeHex(h[:]) }

// String returns lower-case hexadecimal digits.
func (h Hash256) String() string { return encodeHex(h[:]) }

// Short returns the first 20 bytes, the key of a v2 swarm on the wire.
func (h Hash256) Short() Hash { return Hash(h[:20]) }

// IsZero reports whether h is all zeros, which stands for "none".
func (h Hash) IsZero() bool { return h == Hash{} }

// IsZero reports whether h is all zeros, which stands for "none".
func (h Hash256) IsZero() bool { return h == Hash256{} }

func encodeHex(b []byte) string {
	const digits = "0123456789abcdef"
	out := make([]byte, 0, 64)
	for _, c := range b {
		out = append(out, digits[c>>4], digits[c&15])
	}
	return string(out)
}

// decodeHex fills dst from exactly 2*len(dst) digits.
func decodeHex(dst []byte, s string) bool {
	if len(s) != 2*len(dst) {
		return false
	}
	for i := range dst {
		hi, lo := nibble(s[2*i]), nibble(s[2*i+1])
		if hi|lo > 15 {
			return false
		}
		dst[i] = hi<<4 | lo
	}
	return true
}

func nibble(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 0xff
}
