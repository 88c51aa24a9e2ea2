// Package bencode reads and writes the bencoding of BEP 3.
//
//	integer  i<decimal>e          no leading zeros, no "-0", fits an int64
//	string   <length>:<bytes>     length in decimal, no leading zeros
//	list     l<value>...e
//	dict     d<string><value>...e keys strictly ascending as raw bytes
//
// Reading is strict: one value has one encoding, and anything else is a
// [SyntaxError]. A parsed [Value] is a view on the input, nothing is copied.
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
}

// SyntaxError says where an input stops being acceptable bencoding.
type SyntaxError struct {
	Offset int    // in bytes from the start of the input
	Msg    string // what is wrong there
}

func (e *SyntaxError) Error() string {
	return "bencode: " + e.Msg + " at byte " + strconv.Itoa(e.Offset)
}
