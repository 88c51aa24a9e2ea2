package signal

import (
	"unicode/utf16"
	"unicode/utf8"
)

// SDP is a session description in the form it has in a JSON text: the string
// literal without its quotes. So a tracker passes it on without decoding it.
// After Parse it is a part of the message that was parsed. A nil or empty SDP
// is none.
type SDP []byte

// NewSDP returns the JSON form of text. What is not UTF-8 in text becomes
// U+FFFD.
func NewSDP(text string) SDP { return appendEncoded(make([]byte, 0, len(text)+len(text)/16), text) }

// String returns the description itself.
func (s SDP) String() string { return string(appendDecoded(make([]byte, 0, len(s)), s)) }

const loneSurrogate = -1

// unescape reads the escape sequence at the start of b, and the second one of
// a surrogate pair. n is 0 if it is not valid; r is loneSurrogate for half a
// pair.
func unescape(b []byte) (r rune, n int) {
	if len(b) < 2 {
		return 0, 0
	}
	switch b[1] {
	case '"', '\\', '/':
		return rune(b[1]), 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'u':
		r := hex4(b)
		if r < 0 {
			return 0, 0
		}
		if !utf16.IsSurrogate(r) {
			return r, 6
		}
		if low := hex4(b[6:]); low >= 0 {
			if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
				return pair, 12
			}
		}
		return loneSurrogate, 6
	}
	return 0, 0
}

// hex4 returns the number in an escape of \u and four digits at the start of b, or -1.
func hex4(b []byte) rune {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return -1
	}
	var r rune
	for _, c := range b[2:6] {
		switch {
		case c-'0' <= 9:
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}

// appendDecoded appends the text of a string literal without quotes. What is
// not valid in it becomes U+FFFD.
func appendDecoded(dst, raw []byte) []byte {
	for i := 0; i < len(raw); {
		if raw[i] != '\\' {
			dst = append(dst, raw[i])
			i++
			continue
		}
		r, n := unescape(raw[i:])
		if n == 0 {
			r, n = utf8.RuneError, 1
		}
		dst = utf8.AppendRune(dst, r) // a lone surrogate too becomes U+FFFD
		i += n
	}
	return dst
}

// appendEncoded appends text as a string literal without quotes.
func appendEncoded(dst []byte, text string) []byte {
	for i := 0; i < len(text); {
		c := text[i]
		if c < utf8.RuneSelf {
			dst = append(dst, byteLiteral[c][:byteLiteralLen[c]]...)
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(text[i:])
		dst = utf8.AppendRune(dst, r)
		i += n
	}
	return dst
}

// byteLiteral is each character U+0000 to U+00FF as it stands in a string
// literal.
var (
	byteLiteral    [256][6]byte
	byteLiteralLen [256]uint8
)

func init() {
	const digits = "0123456789abcdef"
	for i := range byteLiteral {
		c := byte(i)
		l := byteLiteral[i][:0]
		switch {
		case c == '"' || c == '\\':
			l = append(l, '\\', c)
		case c == '\n':
			l = append(l, `\n`...)
		case c == '\r':
			l = append(l, `\r`...)
		case c == '\t':
			l = append(l, `\t`...)
		case c < 0x20:
			l = append(l, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		default:
			l = utf8.AppendRune(l, rune(c))
		}
		byteLiteralLen[i] = uint8(len(l))
	}
}

// appendID appends an id with its quotes.
func appendID(dst []byte, id *[20]byte) []byte {
	dst = append(dst, '"')
	for _, c := range id {
		dst = append(dst, byteLiteral[c][:byteLiteralLen[c]]...)
	}
	return append(dst, '"')
}

// decodeID reads an id from a string literal without quotes.
func decodeID(raw []byte, id *[20]byte) bool {
	n := 0
	for i := 0; i < len(raw); n++ {
		if n == len(id) {
			return false
		}
		c := raw[i]
		switch {
		case c == '\\':
			r, size := unescape(raw[i:])
			if size == 0 || r < 0 || r > 0xff {
				return false
			}
			id[n] = byte(r)
			i += size
		case c < utf8.RuneSelf:
			id[n] = c
			i++
		case c&0xfc == 0xc0 && i+1 < len(raw): // U+0080 to U+00FF
			id[n] = c<<6 | raw[i+1]&0x3f
			i += 2
		default:
			return false
		}
	}
	return n == len(id)
}

// clip makes a text that a stranger sent safe to show: bounded, and without
// control characters that could steer a terminal.
func clip(text []byte, limit int) string {
	out := make([]byte, 0, min(len(text), limit))
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		text = text[n:]
		if r < 0x20 || r >= 0x7f && r < 0xa0 {
			r, n = ' ', 1
		}
		if len(out)+n > limit {
			break
		}
		out = utf8.AppendRune(out, r)
	}
	return string(out)
}
