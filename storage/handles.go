//go:build !js

package storage

import "sync"

const defaultHandles = 128

// Handles bounds how many files and folders are kept open between calls by all
// stores that share it. What was unused longest is closed first; what is in use at
// the moment stays, so the bound may be passed for that long.
type Handles struct {
	max int

	// mu comes after the lock of any owner: it is never held while one is taken.
	mu          sync.Mutex
	first, last *handle // by last use
	n           int
}

// NewHandles returns a bound of max files and folders; 0 means 128.
func NewHandles(max int) *Handles {
	if max <= 0 {
		max = defaultHandles
	}
	return &Handles{max: max}
}

// processHandles is shared by all stores that are not given one: descriptors
// belong to the process.
var processHandles = NewHandles(0)

// Open returns how many files and folders are kept open now.
func (h *Handles) Open() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.n
}

// handle is something open, part of its owner's record of it.
type handle struct {
	owner      closer
	index      int // for the owner
	listed     bool
	prev, next *handle
}

// closer owns handles.
type closer interface {
	// idle closes what x stands for unless it is in use or gone already. Whatever
	// is in use it touches.
	idle(x *handle)
}

// touch notes that x is being used.
func (h *Handles) touch(x *handle) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.last == x {
		return
	}
	h.unlink(x)
	x.prev, x.next, x.listed = h.last, nil, true
	if h.last != nil {
		h.last.next = x
	} else {
		h.first = x
	}
	h.last = x
	h.n++
}

// remove forgets x, which its owner has closed or will.
func (h *Handles) remove(x *handle) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.unlink(x)
}

func (h *Handles) unlink(x *handle) {
	if !x.listed {
		return
	}
	if x.prev != nil {
		x.prev.next = x.next
	} else {
		h.first = x.next
	}
	if x.next != nil {
		x.next.prev = x.prev
	} else {
		h.last = x.prev
	}
	x.prev, x.next, x.listed = nil, nil, false
	h.n--
}

// trim closes what was unused longest until no more than max are open. The caller
// holds no owner's lock.
func (h *Handles) trim(max int) {
	h.mu.Lock()
	for tries := h.n; tries > 0 && h.n > max; tries-- {
		x := h.first
		h.unlink(x)
		h.mu.Unlock()
		x.owner.idle(x)
		h.mu.Lock()
	}
	h.mu.Unlock()
}
