package magnet

import "strings"

// unescape decodes percent-encoding; a plus is a space, as forms encode it.
func unescape(s string) (string, bool) {
	if strings.IndexByte(s, '%') < 0 && strings.IndexByte(s, '+') < 0 {
		return s, true
	}
	out := make([]byte, 0, len(s))
	for k := 0; k < len(s); k++ {
		switch s[k] {
		case '+':
			out = append(out, ' ')
		case '%':
			if k+2 >= len(s) {
				return "", false
			}
			hi, lo := unhex(s[k+1]), unhex(s[k+2])
			if hi|lo > 15 {
				return "", false
			}
			out = append(out, hi<<4|lo)
			k += 2
		default:
			out = append(out, s[k])
		}
	}
	return string(out), true
}

func unhex(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10
	}
	return 0xff
}

// appendEscaped encodes all but the unreserved characters of RFC 3986.
func appendEscaped(dst []byte, s string) []byte {
	const digits = "0123456789ABCDEF"
	for k := range len(s) {
		c := s[k]
		switch {
		case c >= '0' && c <= '9', c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z',
			c == '-', c == '.', c == '_', c == '~':
			dst = append(dst, c)
		default:
			dst = append(dst, '%', digits[c>>4], digits[c&15])
		}
	}
	return dst
}

// decodeBase32 fills 20 bytes from 32 digits of RFC 4648, either case.
func decodeBase32(dst []byte, s string) bool {
	var acc uint64
	bits, n := 0, 0
	for k := range len(s) {
		c := s[k]
		switch {
		case c >= '2' && c <= '7':
			c = c - '2' + 26
		case c|0x20 >= 'a' && c|0x20 <= 'z':
			c = c | 0x20 - 'a'
		default:
			return false
		}
		acc = acc<<5 | uint64(c)
		if bits += 5; bits >= 8 {
			bits -= 8
			dst[n] = byte(acc >> bits)
			n++
		}
	}
	return true
}
