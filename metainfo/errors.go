package metainfo

import (
	"errors"

	"github.com/shoal-p2p/shoal/internal/bencode"
)

// What can be wrong with a torrent. Every error of this package is an *Error
// that wraps one of these or a *[SyntaxError].
var (
	ErrHash        = errors.New("not an info hash")
	ErrTooLarge    = errors.New("over the size limit")
	ErrField       = errors.New("missing or malformed field")
	ErrVersion     = errors.New("unknown meta version")
	ErrPieceLength = errors.New("invalid piece length")
	ErrPieces      = errors.New("piece hashes do not fit the files")
	ErrTooMany     = errors.New("too many files or pieces")
	ErrLength      = errors.New("invalid length")
	ErrEmpty       = errors.New("no content")
	ErrPath        = errors.New("unsafe path")
	ErrDuplicate   = errors.New("two files with one path")
	ErrHybrid      = errors.New("v1 and v2 describe different files")
	ErrLayers      = errors.New("piece layers do not fit the pieces roots")
	ErrRequest     = errors.New("invalid hash request")
	ErrProof       = errors.New("hashes do not lead to the pieces root")
	ErrNotPortable = errors.New("name does not work on every system")
)

// SyntaxError says what is wrong with bytes that are no bencoding, and where.
type SyntaxError = bencode.SyntaxError

// Error says what is wrong where.
type Error struct {
	Err   error  // the kind, one of the Err values of this package
	Where string // the key or path concerned, "" for the whole
	Msg   string // details, may be empty
}

// Error is a line for people: it names no package.
func (e *Error) Error() string {
	s := e.Err.Error()
	if e.Where != "" {
		s = e.Where + ": " + s
	}
	if e.Msg != "" {
		s += ": " + e.Msg
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }
