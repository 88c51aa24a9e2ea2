package bencode

import (
	"bytes"
	"math"
	"slices"
)

// token is one value of the input. Tokens stand in input order, so the
// children of a list or dictionary follow it and next leads past them.
type token struct {
	off, end uint32 // the value is b[off:end]
	next     uint32 // index of the first token behind the value
}

type document struct {
	b    []byte
	toks []token
	opt  Options
	lax  bool // something in it is not as BEP 3 has it
}

// frame is an open list or dictionary.
type frame struct {
	tok      uint32
	key      uint32 // token of the latest key, valid when hasKey
	hasKey   bool
	isDict   bool
	wantKey  bool
	unsorted bool
}

// Parse reads b, which must hold exactly one value. Its errors are of type
// *SyntaxError. The Value refers to b, so b must not change while it is used.
func Parse(b []byte, opt Options) (Value, error) {
	v, rest, err := ParsePrefix(b, opt)
	if err != nil {
		return Value{}, err
	}
	if len(rest) != 0 {
		return Value{}, &SyntaxError{len(b) - len(rest), "trailing bytes"}
	}
	return v, nil
}

// ParsePrefix reads the value at the start of b and returns what follows it.
// MaxSize bounds the value alone, not b.
func ParsePrefix(b []byte, opt Options) (v Value, rest []byte, err error) {
	if opt.MaxDepth <= 0 {
		opt.MaxDepth = DefaultMaxDepth
	}
	if opt.MaxItems <= 0 {
		opt.MaxItems = DefaultMaxItems
	}
	limit := len(b)
	if opt.MaxSize <= 0 || opt.MaxSize > math.MaxInt32 {
		opt.MaxSize = math.MaxInt32
	}
	limit = min(limit, opt.MaxSize)
	p := parser{doc: &document{b: b[:limit], opt: opt}, opt: opt, cut: limit < len(b)}
	n, err := p.run()
	if err != nil {
		return Value{}, nil, err
	}
	p.doc.b = b[:n:n]
	return Value{p.doc, 0}, b[n:], nil
}

type parser struct {
	doc   *document
	opt   Options
	cut   bool // the input was longer than MaxSize
	stack []frame
	room  [8]frame
}

func (p *parser) fail(off int, msg string) error { return &SyntaxError{off, msg} }

// short is the error for an input that ends within a value.
func (p *parser) short() error {
	if p.cut {
		return p.fail(len(p.doc.b), "input is over the size limit")
	}
	return p.fail(len(p.doc.b), "unexpected end")
}

// run parses one value and returns its length.
func (p *parser) run() (int, error) {
	b := p.doc.b
	p.stack = p.room[:0]
	pos := 0
	for {
		if pos >= len(b) {
			return 0, p.short()
		}
		c := b[pos]
		if c == 'e' && len(p.stack) > 0 {
			f := &p.stack[len(p.stack)-1]
			if f.isDict && !f.wantKey {
				return 0, p.fail(pos, "key without a value")
			}
			pos++
			t := &p.doc.toks[f.tok]
			t.end, t.next = uint32(pos), uint32(len(p.doc.toks))
			if f.unsorted && !p.opt.Lenient {
				if err := p.checkDuplicates(f.tok); err != nil {
					return 0, err
				}
			}
			p.stack = p.stack[:len(p.stack)-1]
			if len(p.stack) == 0 {
				return pos, nil
			}
			continue
		}
		if len(p.doc.toks) >= p.opt.MaxItems {
			return 0, p.fail(pos, "too many values")
		}
		var top *frame
		if len(p.stack) > 0 {
			top = &p.stack[len(p.stack)-1]
		}
		isKey := top != nil && top.isDict && top.wantKey
		if isKey && (c < '0' || c > '9') {
			return 0, p.fail(pos, "dictionary key is not a string")
		}
		id := uint32(len(p.doc.toks))
		switch {
		case c >= '0' && c <= '9':
			_, end, err := p.stringSpan(pos)
			if err != nil {
				return 0, err
			}
			p.push(token{uint32(pos), uint32(end), id + 1})
			if isKey {
				if err := p.checkKey(top, id); err != nil {
					return 0, err
				}
				top.wantKey = false
				pos = end
				continue
			}
			pos = end
		case c == 'i':
			end, err := p.intEnd(pos)
			if err != nil {
				return 0, err
			}
			p.push(token{uint32(pos), uint32(end), id + 1})
			pos = end
		case c == 'l' || c == 'd':
			if len(p.stack) >= p.opt.MaxDepth {
				return 0, p.fail(pos, "nested too deeply")
			}
			if top != nil {
				top.wantKey = true
			}
			p.push(token{off: uint32(pos)})
			p.stack = append(p.stack, frame{tok: id, isDict: c == 'd', wantKey: true})
			pos++
			continue
		default:
			return 0, p.fail(pos, "not a value")
		}
		if top == nil {
			return pos, nil
		}
		top.wantKey = true
	}
}

// push doubles the room where append would grow it by a quarter: big torrents
// have millions of values.
func (p *parser) push(t token) {
	if len(p.doc.toks) == cap(p.doc.toks) {
		p.doc.toks = slices.Grow(p.doc.toks, max(8, len(p.doc.toks)))
	}
	p.doc.toks = append(p.doc.toks, t)
}

// stringSpan checks the string at pos and returns where its bytes stand.
func (p *parser) stringSpan(pos int) (start, end int, err error) {
	b := p.doc.b
	n, i := 0, pos
	for ; i < len(b) && b[i] >= '0' && b[i] <= '9'; i++ {
		if i > pos && b[pos] == '0' {
			if !p.opt.Lenient || i-pos > maxLenientInt {
				return 0, 0, p.fail(pos, "string length has a leading zero")
			}
			p.doc.lax = true
		}
		n = n*10 + int(b[i]-'0')
		if n > math.MaxInt32/16 && i+1 < len(b) && b[i+1] >= '0' && b[i+1] <= '9' {
			return 0, 0, p.fail(pos, "string length is out of range")
		}
	}
	if i >= len(b) {
		return 0, 0, p.short()
	}
	if b[i] != ':' {
		return 0, 0, p.fail(i, "string length does not end in a colon")
	}
	i++
	if n > len(b)-i {
		if p.cut {
			return 0, 0, p.short()
		}
		return 0, 0, p.fail(pos, "string is longer than the input")
	}
	return i, i + n, nil
}

// intEnd checks the integer at pos and returns where it ends.
func (p *parser) intEnd(pos int) (int, error) {
	end, err := p.strictIntEnd(pos)
	if err == nil || !p.opt.Lenient {
		return end, err
	}
	b := p.doc.b
	for end = pos + 1; end < min(len(b), pos+2+maxLenientInt); end++ {
		switch c := b[end]; {
		case c == 'e':
			p.doc.lax = true
			return end + 1, nil
		case (c < '0' || c > '9') && c != '-' && c != '+' && c != '.':
			return 0, err
		}
	}
	return 0, err
}

func (p *parser) strictIntEnd(pos int) (int, error) {
	b := p.doc.b
	i := pos + 1
	neg := i < len(b) && b[i] == '-'
	if neg {
		i++
	}
	first := i
	var n uint64
	for ; i < len(b) && b[i] >= '0' && b[i] <= '9'; i++ {
		if i > first && b[first] == '0' {
			return 0, p.fail(pos, "integer has a leading zero")
		}
		if i-first >= 19 {
			return 0, p.fail(pos, "integer is out of range")
		}
		n = n*10 + uint64(b[i]-'0')
	}
	if i >= len(b) {
		return 0, p.short()
	}
	switch {
	case b[i] != 'e' || i == first:
		return 0, p.fail(i, "integer is not a decimal number")
	case neg && n == 0:
		return 0, p.fail(pos, "integer is negative zero")
	case n > math.MaxInt64 && !(neg && n == 1<<63):
		return 0, p.fail(pos, "integer is out of range")
	}
	return i + 1, nil
}

func (p *parser) checkKey(f *frame, id uint32) error {
	if f.hasKey && !f.unsorted {
		switch c := bytes.Compare(p.doc.str(f.key), p.doc.str(id)); {
		case c >= 0 && p.opt.Lenient:
			f.unsorted, p.doc.lax = true, true
		case c == 0:
			return p.fail(int(p.doc.toks[id].off), "duplicate key")
		case c > 0 && !p.opt.AllowUnsorted:
			return p.fail(int(p.doc.toks[id].off), "keys are not sorted")
		case c > 0:
			f.unsorted = true
		}
	}
	f.key, f.hasKey = id, true
	return nil
}

// checkDuplicates looks for a repeated key in a dictionary out of order.
func (p *parser) checkDuplicates(dict uint32) error {
	d := p.doc
	var keys []uint32
	for i := dict + 1; i < d.toks[dict].next; i = d.toks[i+1].next {
		keys = append(keys, i)
	}
	slices.SortFunc(keys, func(a, b uint32) int { return bytes.Compare(d.str(a), d.str(b)) })
	for i := 1; i < len(keys); i++ {
		if bytes.Equal(d.str(keys[i-1]), d.str(keys[i])) {
			return p.fail(int(max(d.toks[keys[i-1]].off, d.toks[keys[i]].off)), "duplicate key")
		}
	}
	return nil
}

// str returns the bytes of the string that token i stands for.
func (d *document) str(i uint32) []byte {
	t := d.toks[i]
	start := t.off + 1
	for d.b[start-1] != ':' {
		start++
	}
	return d.b[start:t.end:t.end]
}
