package bencode

import (
	"bytes"
	"slices"
	"strconv"
)

// AppendInt appends the encoding of n.
func AppendInt(dst []byte, n int64) []byte {
	dst = append(dst, 'i')
	dst = strconv.AppendInt(dst, n, 10)
	return append(dst, 'e')
}

// AppendString appends the encoding of s.
func AppendString(dst []byte, s string) []byte {
	dst = strconv.AppendInt(dst, int64(len(s)), 10)
	dst = append(dst, ':')
	return append(dst, s...)
}

// AppendBytes appends the encoding of b as a string.
func AppendBytes(dst, b []byte) []byte {
	dst = strconv.AppendInt(dst, int64(len(b)), 10)
	dst = append(dst, ':')
	return append(dst, b...)
}

// DictBuilder appends one dictionary to a buffer. Keys may come in any order,
// End sorts them; a key that comes twice keeps its later value.
type DictBuilder struct {
	dst     []byte
	start   int // of the dictionary in dst
	entries []entry
	sorted  bool // so far, and without duplicates
}

type entry struct{ off, keyOff, keyEnd int }

// NewDict starts a dictionary behind dst.
func NewDict(dst []byte) *DictBuilder {
	return &DictBuilder{dst: append(dst, 'd'), start: len(dst), sorted: true}
}

// Int adds an integer.
func (d *DictBuilder) Int(key string, n int64) {
	d.key(key)
	d.dst = AppendInt(d.dst, n)
}

// String adds a string.
func (d *DictBuilder) String(key, s string) {
	d.key(key)
	d.dst = AppendString(d.dst, s)
}

// Bytes adds a string.
func (d *DictBuilder) Bytes(key string, b []byte) {
	d.key(key)
	d.dst = AppendBytes(d.dst, b)
}

// Raw adds a value that is encoded already.
func (d *DictBuilder) Raw(key string, value []byte) {
	d.key(key)
	d.dst = append(d.dst, value...)
}

// Value adds what f appends, which must be one value.
func (d *DictBuilder) Value(key string, f func(dst []byte) []byte) {
	d.key(key)
	d.dst = f(d.dst)
}

func (d *DictBuilder) key(key string) {
	off := len(d.dst)
	d.dst = AppendString(d.dst, key)
	e := entry{off, len(d.dst) - len(key), len(d.dst)}
	if n := len(d.entries); n > 0 && d.sorted {
		d.sorted = bytes.Compare(d.keyOf(d.entries[n-1]), d.keyOf(e)) < 0
	}
	d.entries = append(d.entries, e)
}

func (d *DictBuilder) keyOf(e entry) []byte { return d.dst[e.keyOff:e.keyEnd] }

// End closes the dictionary and returns the whole buffer. The builder must
// not be used afterwards.
func (d *DictBuilder) End() []byte {
	if d.sorted {
		return append(d.dst, 'e')
	}
	body := bytes.Clone(d.dst[d.start+1:])
	base := d.start + 1
	order := make([]int, len(d.entries))
	for i := range order {
		order[i] = i
	}
	key := func(i int) []byte { return body[d.entries[i].keyOff-base : d.entries[i].keyEnd-base] }
	slices.SortStableFunc(order, func(a, b int) int { return bytes.Compare(key(a), key(b)) })
	out := d.dst[:base]
	for n, i := range order {
		if n+1 < len(order) && bytes.Equal(key(i), key(order[n+1])) {
			continue
		}
		end := len(body)
		if i+1 < len(d.entries) {
			end = d.entries[i+1].off - base
		}
		out = append(out, body[d.entries[i].off-base:end]...)
	}
	return append(out, 'e')
}
