// Package bencode reads and writes the bencoding of BEP 3.
//
//	integer  i<decimal>e          no leading zeros, no "-0", fits an int64
//	string   <length>:<bytes>     length in decimal, no leading zeros
//	list     l<value>...e
//	dict     d<string><value>...e keys strictly ascending as raw bytes
//
// Reading is strict: one value has one encoding, and anything else is a
// [SyntaxError]; Options.Lenient takes what other programs write besides. A
// parsed [Value] is a view on the input, nothing is copied.
package bencode

import "strconv"

// Kind says what a Value holds. The zero Kind belongs to the zero Value.
type Kind uint8

// The kinds of value.
const (
	Int Kind = iota + 1
	String
	List
	Dict
)

// String names the kind as the specification does.
func (k Kind) String() string {
	switch k {
	case Int:
		return "integer"
	case String:
		return "string"
	case List:
		return "list"
	case Dict:
		return "dictionary"
	}
	return "nothing"
}

// The limits that hold where Options leave them at zero.
const (
	DefaultMaxDepth = 64
	DefaultMaxItems = 4_000_000
)

// Options bound what Parse accepts. The zero value is strict with the default
// limits.
type Options struct {
	// MaxDepth is how many lists and dictionaries may be open at once;
	// 0 is DefaultMaxDepth.
	MaxDepth int
	// MaxSize is the longest input in bytes; 0 is no limit below 2 GiB.
	MaxSize int
	// MaxItems is how many values there may be in all, dictionary keys
	// counted too; 0 is DefaultMaxItems.
	MaxItems int
	// AllowUnsorted accepts dictionaries whose keys are out of order, as many
	// peers send them. A duplicate key is an error all the same.
	AllowUnsorted bool
	// Lenient accepts whatever leaves no doubt where a value ends: keys in any
	// order, duplicate keys, of which Get returns the first, lengths of strings
	// with leading zeros, and integers of up to 64 digits, signs and dots, of
	// which Int reads those that fit an int64 and have no dot. Value.Strict
	// tells what a strict reading had refused.
	Lenient bool
}

// maxLenientInt is how many bytes an integer may have that is no number: more
// than any program prints, and short enough to stop early in garbage.
const maxLenientInt = 64

// SyntaxError says where an input stops being acceptable bencoding.
type SyntaxError struct {
	Offset int    // in bytes from the start of the input
	Msg    string // what is wrong there
}

// Error is a line for people: it names no package.
func (e *SyntaxError) Error() string {
	return e.Msg + " at byte " + strconv.Itoa(e.Offset)
}
