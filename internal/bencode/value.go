package bencode

import (
	"iter"
	"math"
)

// Value is a view on one parsed value. It is cheap to copy, and the zero
// Value holds nothing: every accessor reports absence.
type Value struct {
	doc *document
	tok uint32
}

// Kind returns what v holds, or 0 for the zero Value.
func (v Value) Kind() Kind {
	if v.doc == nil {
		return 0
	}
	switch v.doc.b[v.doc.toks[v.tok].off] {
	case 'i':
		return Int
	case 'l':
		return List
	case 'd':
		return Dict
	}
	return String
}

// Raw returns the bytes of the input that encode v.
func (v Value) Raw() []byte {
	if v.doc == nil {
		return nil
	}
	t := v.doc.toks[v.tok]
	return v.doc.b[t.off:t.end:t.end]
}

// Strict returns what a strict reading of v alone refuses, nil if nothing. It
// reads again only what Options.Lenient had to forgive somewhere.
func (v Value) Strict() error {
	if v.doc == nil || !v.doc.lax {
		return nil
	}
	opt := v.doc.opt
	opt.Lenient, opt.AllowUnsorted = false, false
	_, err := Parse(v.Raw(), opt)
	return err
}

// Int returns the integer, or false when v is something else or, read with
// Options.Lenient, no decimal number that fits an int64.
func (v Value) Int() (int64, bool) {
	if v.Kind() != Int {
		return 0, false
	}
	t := v.doc.toks[v.tok]
	digits := v.doc.b[t.off+1 : t.end-1]
	neg := len(digits) > 0 && digits[0] == '-'
	if neg {
		digits = digits[1:]
	}
	var n uint64
	for _, c := range digits {
		if c < '0' || c > '9' || n > math.MaxInt64/10 {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	switch {
	case len(digits) == 0 || n > math.MaxInt64 && !(neg && n == 1<<63):
		return 0, false
	case neg:
		return -int64(n), true
	}
	return int64(n), true
}

// Bytes returns the string as a part of the input, or false when v is
// something else.
func (v Value) Bytes() ([]byte, bool) {
	if v.Kind() != String {
		return nil, false
	}
	return v.doc.str(v.tok), true
}

// Str returns a copy of the string, or false when v is something else.
func (v Value) Str() (string, bool) {
	b, ok := v.Bytes()
	return string(b), ok
}

// Len returns the length of a string in bytes, the number of elements of a
// list, the number of keys of a dictionary, or 0. Lists and dictionaries are
// walked to count them.
func (v Value) Len() int {
	switch v.Kind() {
	case String:
		return len(v.doc.str(v.tok))
	case List, Dict:
		n, toks := 0, v.doc.toks
		for i := v.tok + 1; i < toks[v.tok].next; i = toks[i].next {
			n++
		}
		if v.Kind() == Dict {
			n /= 2
		}
		return n
	}
	return 0
}

// Get returns the value of a key, the first if there are several, or false when v is no dictionary or lacks
// the key.
func (v Value) Get(key string) (Value, bool) {
	if v.Kind() != Dict {
		return Value{}, false
	}
	toks := v.doc.toks
	for i := v.tok + 1; i < toks[v.tok].next; i = toks[i+1].next {
		if string(v.doc.str(i)) == key {
			return Value{v.doc, i + 1}, true
		}
	}
	return Value{}, false
}

// List iterates over the elements of a list; other kinds have none.
func (v Value) List() iter.Seq[Value] {
	return func(yield func(Value) bool) {
		if v.Kind() != List {
			return
		}
		toks := v.doc.toks
		for i := v.tok + 1; i < toks[v.tok].next; i = toks[i].next {
			if !yield(Value{v.doc, i}) {
				return
			}
		}
	}
}

// Dict iterates over the keys and values of a dictionary in input order;
// other kinds have none.
func (v Value) Dict() iter.Seq2[[]byte, Value] {
	return func(yield func([]byte, Value) bool) {
		if v.Kind() != Dict {
			return
		}
		toks := v.doc.toks
		for i := v.tok + 1; i < toks[v.tok].next; i = toks[i+1].next {
			if !yield(v.doc.str(i), Value{v.doc, i + 1}) {
				return
			}
		}
	}
}
