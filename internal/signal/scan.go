package signal

import (
	"encoding/binary"
	"math"
	"math/bits"
	"unicode/utf8"
)

// maxDepth is how many objects and arrays may be open at once. The protocol
// needs four.
const maxDepth = 16

// scanner walks over a JSON text (RFC 8259). After the first error it stays
// where it is and every method reports failure.
type scanner struct {
	b     []byte
	i     int
	depth int
	msg   string // the error, "" for none
}

func (s *scanner) fail(msg string) bool {
	if s.msg == "" {
		s.msg = msg
	}
	return false
}

func (s *scanner) err() error { return &SyntaxError{Offset: s.i, Msg: s.msg} }

// peek skips white space and returns the next byte, or 0 at the end.
func (s *scanner) peek() byte {
	for s.i < len(s.b) {
		switch c := s.b[s.i]; c {
		case ' ', '\t', '\n', '\r':
			s.i++
		default:
			return c
		}
	}
	return 0
}

// open enters an object or an array.
func (s *scanner) open(c byte) bool {
	if s.msg != "" || s.peek() != c {
		return s.fail("unexpected value")
	}
	if s.depth == maxDepth {
		return s.fail("nested too deeply")
	}
	s.i++
	s.depth++
	return true
}

// more reports whether another element follows in the object or array that
// end closes, and steps over the comma or over end. first is true right after
// open.
func (s *scanner) more(first bool, end byte) bool {
	if s.msg != "" {
		return false
	}
	c := s.peek()
	if c == end {
		s.i++
		s.depth--
		return false
	}
	if first {
		return true
	}
	if c != ',' {
		return s.fail("missing comma")
	}
	s.i++
	if s.peek() == end {
		return s.fail("trailing comma")
	}
	return true
}

// key reads a member's key and the colon. Keys are compared as they are
// written; one with escapes is decoded into buf, if it fits.
func (s *scanner) key(buf *[24]byte) ([]byte, bool) {
	raw, fl, ok := s.str()
	if !ok {
		return nil, false
	}
	if s.peek() != ':' {
		return nil, s.fail("missing colon")
	}
	s.i++
	if fl&hasEscape != 0 {
		if len(raw) > len(buf)*6 {
			return nil, true // longer than any key we know
		}
		if dec := appendDecoded(buf[:0], raw); len(dec) <= len(buf) {
			return dec, true
		}
		return nil, true
	}
	return raw, true
}

// What str saw.
const (
	hasEscape = 1 << iota
	hasLone   // half a surrogate pair: no Unicode text
	hasCode   // an escape by a character's number
)

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// simpleEscape is what may follow a backslash alone.
var simpleEscape = [256]bool{'"': true, '\\': true, '/': true, 'b': true, 'f': true, 'n': true, 'r': true, 't': true}

// str reads a string and returns what is between its quotes.
func (s *scanner) str() (raw []byte, fl uint8, ok bool) {
	if s.msg != "" || s.peek() != '"' {
		return nil, 0, s.fail("string expected")
	}
	s.i++
	b, i := s.b, s.i
	for {
		// Eight bytes at a time while they are plain. A subtraction sets the
		// high bit of a byte below 0x20, or equal to the quote or backslash;
		// by borrowing also of bytes above it, but the lowest one is right.
		for i+8 <= len(b) {
			x := binary.LittleEndian.Uint64(b[i:])
			q, e := x^ones*'"', x^ones*'\\'
			stop := ((x - ones*0x20) | (q - ones) | (e - ones) | x) & highs
			if stop != 0 {
				i += bits.TrailingZeros64(stop) / 8
				break
			}
			i += 8
		}
		if i >= len(b) {
			s.i = len(b)
			return nil, 0, s.fail("string without end")
		}
		switch c := b[i]; {
		case c == '"':
			raw = b[s.i:i]
			s.i = i + 1
			return raw, fl, true
		case c == '\\':
			fl |= hasEscape
			if i+1 < len(b) && simpleEscape[b[i+1]] {
				// \r\n ends every line of a description: look for the next
				// one at once.
				for i += 2; i+1 < len(b) && b[i] == '\\' && simpleEscape[b[i+1]]; {
					i += 2
				}
				continue
			}
			r, n := unescape(b[i:])
			if n == 0 {
				s.i = i
				return nil, 0, s.fail("invalid escape")
			}
			fl |= hasCode
			if r == loneSurrogate {
				fl |= hasLone
			}
			i += n
		case c < 0x20:
			s.i = i
			return nil, 0, s.fail("control character in string")
		case c < utf8.RuneSelf:
			i++
		default:
			r, n := utf8.DecodeRune(b[i:])
			if r == utf8.RuneError && n == 1 {
				s.i = i
				return nil, 0, s.fail("invalid UTF-8")
			}
			i += n
		}
	}
}

// number is what a JSON number comes to.
type number struct {
	n   int64 // its magnitude without fraction, at most MaxInt64
	neg bool
	// frac is set when there is a fraction besides n.
	frac bool
}

// num reads a number.
func (s *scanner) num() (number, bool) {
	var v number
	if s.msg != "" {
		return v, false
	}
	if s.peek() == '-' {
		v.neg = true
		s.i++
	}
	digits := func() (n int) {
		for s.i < len(s.b) && s.b[s.i]-'0' <= 9 {
			s.i++
			n++
		}
		return n
	}
	start := s.i
	n := digits()
	if n == 0 || n > 1 && s.b[start] == '0' {
		return v, s.fail("invalid number")
	}
	whole := s.b[start:s.i]
	var fraction []byte
	if s.i < len(s.b) && s.b[s.i] == '.' {
		s.i++
		start = s.i
		if digits() == 0 {
			return v, s.fail("invalid number")
		}
		fraction = s.b[start:s.i]
	}
	exp := 0
	if s.i < len(s.b) && s.b[s.i]|0x20 == 'e' {
		s.i++
		neg := false
		if s.i < len(s.b) && (s.b[s.i] == '+' || s.b[s.i] == '-') {
			neg = s.b[s.i] == '-'
			s.i++
		}
		start = s.i
		if digits() == 0 {
			return v, s.fail("invalid number")
		}
		for _, c := range s.b[start:s.i] {
			exp = min(exp*10+int(c-'0'), 1<<20)
		}
		if neg {
			exp = -exp
		}
	}
	v.shift(whole, fraction, exp)
	return v, true
}

// shift sets v to whole.fraction times 10^exp.
func (v *number) shift(whole, fraction []byte, exp int) {
	point := len(whole) + exp // where the decimal point ends up in the digits
	for i := range len(whole) + len(fraction) {
		var c byte
		if i < len(whole) {
			c = whole[i]
		} else {
			c = fraction[i-len(whole)]
		}
		if i < point {
			v.push(int64(c - '0'))
		} else if c != '0' {
			v.frac = true
		}
	}
	for i := len(whole) + len(fraction); i < point && v.n != 0 && v.n != math.MaxInt64; i++ {
		v.push(0)
	}
}

func (v *number) push(digit int64) {
	if v.n > (math.MaxInt64-digit)/10 {
		v.n = math.MaxInt64
		return
	}
	v.n = v.n*10 + digit
}

// skip steps over any value.
func (s *scanner) skip() bool {
	switch c := s.peek(); {
	case s.msg != "":
		return false
	case c == '{':
		s.open(c)
		for first := true; s.more(first, '}'); first = false {
			if _, _, ok := s.str(); !ok {
				return false
			}
			if s.peek() != ':' {
				return s.fail("missing colon")
			}
			s.i++
			if !s.skip() {
				return false
			}
		}
	case c == '[':
		s.open(c)
		for first := true; s.more(first, ']'); first = false {
			if !s.skip() {
				return false
			}
		}
	case c == '"':
		s.str()
	case c == '-' || c-'0' <= 9:
		s.num()
	case c == 't':
		return s.literal("true")
	case c == 'f':
		return s.literal("false")
	case c == 'n':
		return s.literal("null")
	default:
		return s.fail("value expected")
	}
	return s.msg == ""
}

func (s *scanner) literal(want string) bool {
	if len(s.b)-s.i < len(want) || string(s.b[s.i:s.i+len(want)]) != want {
		return s.fail("value expected")
	}
	s.i += len(want)
	return true
}
