package storage

import (
	"strconv"
	"sync"
)

// RingOptions configure a Ring.
type RingOptions struct {
	// Budget bounds the bytes held; nil means no bound.
	Budget *Budget
}

// Ring keeps the latest pieces of content that grows at its end, such as a live
// stream, in memory. It holds as many pieces as it was made for; writing one
// further on lets go of the first. Memory is taken once a place is first used.
type Ring struct {
	name        string
	pieceLength int64
	budget      *Budget

	mu     sync.RWMutex
	places []place // piece i is in places[i%len]; nil once closed
	first  int     // pieces before this one are gone
}

// place is room for a piece.
type place struct {
	data []byte
	end  int // bytes from the start on that are written
	i    int // which piece it is
	used bool
}

// NewRing returns a store without content for pieces of that length in bytes, of
// which it holds that many; both are at least 1. The name is for messages.
func NewRing(name string, pieceLength int64, pieces int, opt RingOptions) *Ring {
	return &Ring{name: name, pieceLength: max(pieceLength, 1), budget: opt.Budget, places: make([]place, max(pieces, 1))}
}

// First returns the first piece that may still be there.
func (r *Ring) First() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.first
}

// ReadAt reads what was written. What never was, or is no longer kept, is
// ErrMissing.
func (r *Ring) ReadAt(p []byte, off int64) (int, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.walk("read", p, off, func(i int, part []byte, at int) error {
		pl := &r.places[i%len(r.places)]
		if !pl.used || pl.i != i || at+len(part) > pl.end {
			return r.fail(ErrMissing, "read", i)
		}
		copy(part, pl.data[at:])
		return nil
	})
}

// WriteAt copies p. A piece is written from its start on, in one call or several;
// a gap is ErrRange, as is a piece that is no longer kept. It fails with ErrNoSpace
// when a place that was never used would not fit the budget.
func (r *Ring) WriteAt(p []byte, off int64) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.walk("write", p, off, func(i int, part []byte, at int) error {
		pl := &r.places[i%len(r.places)]
		switch {
		case i < r.first:
			return r.fail(ErrRange, "keep", i)
		case !pl.used && !r.budget.take(r.pieceLength):
			return &Error{Kind: ErrNoSpace, Op: "keep", Path: r.name, Detail: "memory for downloads is used up"}
		case !pl.used:
			*pl = place{data: make([]byte, r.pieceLength), i: i, used: true}
		case pl.i != i:
			pl.i, pl.end = i, 0
		}
		if at > pl.end {
			return r.fail(ErrRange, "keep", i)
		}
		copy(pl.data[at:], part)
		pl.end = max(pl.end, at+len(part))
		r.first = max(r.first, i-len(r.places)+1)
		return nil
	})
}

// Close forgets everything.
func (r *Ring) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.places {
		if r.places[i].used {
			r.budget.give(r.pieceLength)
		}
	}
	r.places = nil
	return nil
}

func (r *Ring) fail(k Kind, op string, piece int) error {
	return &Error{Kind: k, Op: op, Path: "piece " + strconv.Itoa(piece) + " of " + r.name}
}

// walk splits p at the borders of pieces. Callers hold mu.
func (r *Ring) walk(op string, p []byte, off int64, fn func(i int, part []byte, at int) error) (int, error) {
	if r.places == nil {
		return 0, &Error{Kind: ErrClosed, Op: op, Path: r.name}
	}
	if off < 0 || int64(len(p)) > 1<<62-off {
		return 0, rangeError(op, off, len(p))
	}
	done := 0
	for done < len(p) {
		pos := off + int64(done)
		at := pos % r.pieceLength
		part := p[done:]
		if int64(len(part)) > r.pieceLength-at {
			part = part[:r.pieceLength-at]
		}
		if err := fn(int(pos/r.pieceLength), part, int(at)); err != nil {
			return done, err
		}
		done += len(part)
	}
	return done, nil
}
