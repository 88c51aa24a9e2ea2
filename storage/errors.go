package storage

import "strconv"

// Kind says what went wrong. Each is an error of its own, so that callers ask
// errors.Is(err, storage.ErrNoSpace).
type Kind uint8

// The kinds of failure.
const (
	ErrIO         Kind = iota + 1 // a failure without a better name
	ErrNoSpace                    // the disk, a quota, the browser's storage or the memory budget is full
	ErrReadOnly                   // the file system or the store does not take writes
	ErrPermission                 // the user may not do this
	ErrMissing                    // a file that should be there is not
	ErrChanged                    // a file is not what the torrent says, or not what it was
	ErrInUse                      // another process or tab holds this download
	ErrOutside                    // a name or symbolic link leads out of the target folder
	ErrTooLarge                   // the file system cannot hold a file of this size
	ErrName                       // the file system cannot hold a file of this name
	ErrRange                      // offsets outside the torrent: a mistake of the caller
	ErrClosed                     // the store is closed
	ErrExists                     // another file of that name is there already
)

// Error returns the kind in a few words.
func (k Kind) Error() string {
	switch k {
	case ErrNoSpace:
		return "no space left"
	case ErrReadOnly:
		return "read-only"
	case ErrPermission:
		return "permission denied"
	case ErrMissing:
		return "file is missing"
	case ErrChanged:
		return "file has changed"
	case ErrInUse:
		return "already in use"
	case ErrOutside:
		return "leads out of the target folder"
	case ErrTooLarge:
		return "file too large for this file system"
	case ErrName:
		return "name not possible on this system"
	case ErrRange:
		return "outside the torrent"
	case ErrClosed:
		return "store is closed"
	case ErrExists:
		return "a file of that name is there already"
	}
	return "input/output error"
}

// Error is a failure of a store in words for the person at the keyboard: one
// line that names the file and says what to do about it.
type Error struct {
	Kind Kind
	// Op is what was tried, a verb: "read", "write", "create", "open".
	Op string
	// Path names the file as the user knows it; "" when there is none.
	Path string
	// Detail adds what was found, such as two sizes; may be "".
	Detail string
	// Err is the cause, nil when the store found the fault itself.
	Err error
}

// Error returns the whole line.
func (e *Error) Error() string {
	detail := ""
	if e.Detail != "" {
		detail = " (" + e.Detail + ")"
	}
	cannot := "cannot " + e.Op + " " + e.Path
	switch e.Kind {
	case ErrNoSpace:
		return cannot + ": no space left" + detail + "; free some and start again, verified pieces are kept"
	case ErrReadOnly:
		return cannot + ": read-only" + detail + elsewhere
	case ErrPermission:
		return cannot + ": permission denied" + detail + permit
	case ErrMissing:
		if e.Op == "read" { // by somebody who looks again
			return e.Path + " is missing" + detail + "; put it back"
		}
		return e.Path + " is missing" + detail + "; put it back and start again"
	case ErrChanged:
		return e.Path + " is not what the torrent was made from" + detail + "; restore it, or move it away"
	case ErrInUse:
		return e.Path + " is already in use" + detail + stopOther
	case ErrOutside:
		return cannot + ": it leads out of the target folder" + detail
	case ErrTooLarge:
		return cannot + ": too large for this file system" + detail + biggerDisk
	case ErrName:
		if e.Detail != "" {
			return cannot + ": " + e.Detail
		}
		return cannot + ": this system cannot hold a file of that name"
	}
	if e.Err != nil {
		return cannot + ": " + e.Err.Error() + detail
	}
	return cannot + ": " + e.Kind.Error() + detail
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is makes errors.Is(err, storage.ErrNoSpace) true for errors of that kind.
func (e *Error) Is(target error) bool {
	k, ok := target.(Kind)
	return ok && k == e.Kind
}

// sizes words the two lengths of a file that should be equal.
func sizes(found, want int64) string {
	return "it has " + strconv.FormatInt(found, 10) + " bytes, the torrent says " + strconv.FormatInt(want, 10)
}

func rangeError(op string, off int64, n int) error {
	return &Error{Kind: ErrRange, Op: op, Path: strconv.Itoa(n) + " bytes at " + strconv.FormatInt(off, 10)}
}
