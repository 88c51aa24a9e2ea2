package storage

import (
	"strconv"
	"sync"

	"github.com/shoal-p2p/shoal/metainfo"
)

// Budget bounds the memory of all stores that share it.
type Budget struct {
	mu        sync.Mutex
	max, used int64
}

// NewBudget returns a budget of max bytes.
func NewBudget(max int64) *Budget { return &Budget{max: max} }

// Used returns the bytes taken now.
func (b *Budget) Used() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}

func (b *Budget) take(n int64) bool {
	if b == nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if n > b.max-b.used {
		return false
	}
	b.used += n
	return true
}

func (b *Budget) give(n int64) {
	if b == nil {
		return
	}
	b.mu.Lock()
	b.used -= n
	b.mu.Unlock()
}

// MemoryOptions configure a Memory store.
type MemoryOptions struct {
	// Budget bounds the bytes held; nil means no bound.
	Budget *Budget
}

// Memory keeps pieces in memory, each from its first write on.
type Memory struct {
	name        string
	length      int64
	pieceLength int64
	budget      *Budget

	mu     sync.RWMutex
	pieces map[int][]byte // from the first write of each; nil once closed
	held   int64
}

// NewMemory returns an empty store for the torrent.
func NewMemory(info *metainfo.Info, opt MemoryOptions) *Memory {
	return &Memory{
		name:        info.Name,
		length:      info.Length,
		pieceLength: info.PieceLength,
		budget:      opt.Budget,
		pieces:      make(map[int][]byte),
	}
}

// ReadAt reads what was written. A piece that never was is ErrMissing; the
// parts of a piece that were not written, such as padding, are zeros.
func (m *Memory) ReadAt(p []byte, off int64) (int, error) {
	return m.walk("read", p, off, func(i int, part []byte, at int64) error {
		m.mu.RLock()
		defer m.mu.RUnlock()
		if m.pieces == nil {
			return m.fail(ErrClosed, "read")
		}
		if m.pieces[i] == nil {
			return &Error{Kind: ErrMissing, Op: "read", Path: "piece " + strconv.Itoa(i) + " of " + m.name}
		}
		copy(part, m.pieces[i][at:])
		return nil
	})
}

// WriteAt copies p. It fails with ErrNoSpace when a new piece would not fit
// the budget; pieces before that one are kept.
func (m *Memory) WriteAt(p []byte, off int64) (int, error) {
	return m.walk("write", p, off, func(i int, part []byte, at int64) error {
		piece, err := m.piece(i)
		if err != nil {
			return err
		}
		copy(piece[at:], part)
		return nil
	})
}

// Drop forgets piece i, which gives its memory back.
func (m *Memory) Drop(i int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.release(int64(len(m.pieces[i])))
	delete(m.pieces, i)
}

// Close forgets everything.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.release(m.held)
	m.pieces = nil
	return nil
}

func (m *Memory) release(n int64) {
	m.held -= n
	m.budget.give(n)
}

// piece returns the memory of piece i, allocated when it is new.
func (m *Memory) piece(i int) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.pieces == nil {
		return nil, m.fail(ErrClosed, "write")
	}
	if m.pieces[i] == nil {
		size := min(m.pieceLength, m.length-int64(i)*m.pieceLength)
		if !m.budget.take(size) {
			return nil, &Error{Kind: ErrNoSpace, Op: "keep", Path: m.name, Detail: "memory for downloads is used up"}
		}
		m.held += size
		m.pieces[i] = make([]byte, size)
	}
	return m.pieces[i], nil
}

func (m *Memory) fail(k Kind, op string) error { return &Error{Kind: k, Op: op, Path: m.name} }

// walk splits p at the borders of pieces.
func (m *Memory) walk(op string, p []byte, off int64, fn func(i int, part []byte, at int64) error) (int, error) {
	if off < 0 || off > m.length || int64(len(p)) > m.length-off {
		return 0, rangeError(op, off, len(p))
	}
	done := 0
	for done < len(p) {
		pos := off + int64(done)
		at := pos % m.pieceLength
		part := p[done:]
		if int64(len(part)) > m.pieceLength-at {
			part = part[:m.pieceLength-at]
		}
		if err := fn(int(pos/m.pieceLength), part, at); err != nil {
			return done, err
		}
		done += len(part)
	}
	return done, nil
}
