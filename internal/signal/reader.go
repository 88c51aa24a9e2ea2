package signal

import "math"

// reader reads the fields of one message. A field that is not valid is noted
// and the reading goes on, so that an error can still be answered with the
// action and the info hash of the message, wherever in it they stand.
type reader struct {
	scanner
	lim   Limits
	field string // the first field that is not valid, "" for none
	why   string
	cut   int    // candidates that were left out
	seen  uint32 // known keys of the message, one bit each
	got   uint8  // the ids that are there and valid
	fbuf  [24]byte
}

func (r *reader) bad(field, why string) {
	if r.field == "" {
		r.field, r.why = field, why
	}
}

const (
	whyID      = "must be 20 characters U+0000 to U+00FF"
	whyTwice   = "is there twice"
	whyMissing = "is missing"
	whySDP     = "sdp is too large or no Unicode text"
	whyType    = "has another type"
)

// once notes a known key. A key that comes twice would be read differently by
// different receivers.
func (r *reader) once(key string, bit uint) {
	if r.seen&(1<<bit) != 0 {
		r.bad(key, whyTwice)
	}
	r.seen |= 1 << bit
}

func (r *reader) mark(bit uint8, ok bool) {
	if ok {
		r.got |= bit
	}
}

func (r *reader) need(field string, bit uint8) {
	if r.got&bit == 0 {
		r.bad(field, whyMissing)
	}
}

// finish returns the error of the whole message.
func (r *reader) finish() error {
	if r.msg == "" {
		if r.peek(); r.i != len(r.b) {
			r.fail("bytes after the message")
		}
	}
	if r.msg != "" {
		return r.err()
	}
	if r.field != "" {
		return &FieldError{Field: r.field, Msg: r.why}
	}
	return nil
}

// id reads an id; null counts as absent.
func (r *reader) id(field string, id *[20]byte) bool {
	switch r.peek() {
	case '"':
		raw, _, ok := r.str()
		if ok && decodeID(raw, id) {
			return true
		}
	case 'n':
		r.skip()
		return false
	default:
		r.skip()
	}
	*id = [20]byte{}
	r.bad(field, whyID)
	return false
}

// ids reads an array of ids and keeps the first max.
func (r *reader) ids(field string, dst [][20]byte, max int) [][20]byte {
	r.open('[')
	for first := true; r.more(first, ']'); first = false {
		var id [20]byte
		if r.peek() == 'n' {
			r.bad(field, whyID)
		}
		if r.id(field, &id) && len(dst) < max {
			dst = append(dst, id)
		}
	}
	return dst
}

// number reads a number; ok is false for values of another type.
func (r *reader) number() (v number, ok bool) {
	if c := r.peek(); c == '-' || c-'0' <= 9 {
		return r.num()
	}
	r.skip()
	return v, false
}

// count reads a number that cannot be negative, def if it is or is no number.
// A fraction is cut off.
func (r *reader) count(def int64) int64 {
	v, ok := r.number()
	if !ok || v.neg && (v.n != 0 || v.frac) {
		return def
	}
	return v.n
}

// small reads a count for an int.
func (r *reader) small(def int) int {
	return int(min(r.count(int64(def)), math.MaxInt32))
}

// left reads what is left to download. Half a byte left is not none.
func (r *reader) left() int64 {
	v, ok := r.number()
	switch {
	case !ok, v.neg && (v.n != 0 || v.frac):
		return LeftUnknown
	case v.frac && v.n < math.MaxInt64:
		return v.n + 1
	}
	return v.n
}

// text reads a string for people to read, "" if it is something else.
func (r *reader) text(limit int) string {
	if r.peek() != '"' {
		r.skip()
		return ""
	}
	raw, fl, _ := r.str()
	if fl&hasEscape != 0 {
		raw = appendDecoded(nil, raw)
	}
	return clip(raw, limit)
}

// token reads a string that is to be given back as it came, "" if it is
// something else or longer than limit.
func (r *reader) token(limit int) string {
	if r.peek() != '"' {
		r.skip()
		return ""
	}
	raw, fl, _ := r.str()
	if fl&hasLone != 0 || len(raw) > limit {
		return ""
	}
	return SDP(raw).String()
}

// array reads an array that others are to take apart, nil if it is something else or longer
// than limit.
func (r *reader) array(limit int) []byte {
	isArray := r.peek() == '['
	start := r.i
	if !r.skip() || !isArray || r.i-start > limit {
		return nil
	}
	return r.b[start:r.i]
}

// description reads {"type":want,"sdp":"..."}; nil when there is no sdp in it.
func (r *reader) description(want string) (sdp SDP) {
	if r.peek() != '{' {
		if r.peek() != 'n' {
			r.bad(want, "is no object")
		}
		r.skip()
		return nil
	}
	hasType, hasSDP := false, false
	r.open('{')
	for first := true; r.more(first, '}'); first = false {
		key, ok := r.key(&r.fbuf)
		if !ok {
			return nil
		}
		switch string(key) {
		case "type":
			if hasType {
				r.bad(want, whyTwice)
			}
			hasType = true
			if r.peek() != '"' {
				r.bad(want, whyType)
				r.skip()
				continue
			}
			if raw, _, ok := r.str(); ok && string(raw) != want {
				r.bad(want, whyType)
			}
		case "sdp":
			if hasSDP {
				r.bad(want, whyTwice)
			}
			hasSDP = true
			if r.peek() != '"' {
				r.skip()
				continue
			}
			raw, fl, _ := r.str()
			if len(raw) > r.lim.MaxSDP || fl&hasLone != 0 {
				r.bad(want, whySDP)
				continue
			}
			if len(raw) > 0 {
				sdp = r.fewCandidates(want, raw, fl)
			}
		default:
			r.skip()
		}
	}
	return sdp
}
