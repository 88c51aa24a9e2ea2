package magnet

// unescape decodes percent-encoding. A percent sign that begins none stands for
// itself: names such as "100% real" are pasted into links as they are. With plus, a
// plus is a space, as forms encode it.
func unescape(s string, plus bool) string {
	out := make([]byte, 0, len(s))
	for k := 0; k < len(s); k++ {
		c := s[k]
		if c == '+' && plus {
			c = ' '
		} else if c == '%' && k+2 < len(s) {
			if hi, lo := unhex(s[k+1]), unhex(s[k+2]); hi|lo <= 15 {
				c = hi<<4 | lo
				k += 2
			}
		}
		out = append(out, c)
	}
	return string(out)
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

// inURL reports whether a byte may stand in a URL unencoded, generously: bytes of
// UTF-8 may.
func inURL(c byte) bool {
	return c > ' ' && c != 0x7f && c != '"' && c != '<' && c != '>'
}

// escapeUnfit encodes what may not stand in a URL, and nothing else. A percent sign
// that begins no escape is such.
func escapeUnfit(s string) string {
	out := make([]byte, 0, len(s))
	for k := range len(s) {
		c := s[k]
		bare := c == '%' && (k+2 >= len(s) || unhex(s[k+1])|unhex(s[k+2]) > 15)
		if bare || !inURL(c) {
			out = append(out, '%', upperHex[c>>4], upperHex[c&15])
		} else {
			out = append(out, c)
		}
	}
	return string(out)
}

const upperHex = "0123456789ABCDEF"

// appendEscaped encodes all but the unreserved characters of RFC 3986.
func appendEscaped(dst []byte, s string) []byte {
	for k := range len(s) {
		c := s[k]
		switch {
		case c >= '0' && c <= '9', c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z',
			c == '-', c == '.', c == '_', c == '~':
			dst = append(dst, c)
		default:
			dst = append(dst, '%', upperHex[c>>4], upperHex[c&15])
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
