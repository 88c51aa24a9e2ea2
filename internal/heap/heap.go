// Package heap orders items that know their place, the first on top.
package heap

import "container/heap"

// Item is what a Heap holds.
type Item[T any] interface {
	// Before reports whether it comes before another item of the same heap. It is asked
	// again only after Fix.
	Before(other T) bool
	// Place is where its index is kept, for Fix and Remove; -1 for one taken out.
	Place() *int
}

// Heap is a binary heap. Its first element is the first of all; the others may be looked
// at, but not moved. The zero value is empty.
type Heap[T Item[T]] []T

// Push adds an item.
func (h *Heap[T]) Push(x T) { heap.Push((*items[T])(h), x) }

// Remove takes an item out.
func (h *Heap[T]) Remove(x T) { heap.Remove((*items[T])(h), *x.Place()) }

// Fix gives an item its place after it has changed.
func (h *Heap[T]) Fix(x T) { heap.Fix((*items[T])(h), *x.Place()) }

// items implements heap.Interface.
type items[T Item[T]] []T

func (s items[T]) Len() int           { return len(s) }
func (s items[T]) Less(i, j int) bool { return s[i].Before(s[j]) }
func (s items[T]) Swap(i, j int) {
	s[i], s[j] = s[j], s[i]
	*s[i].Place(), *s[j].Place() = i, j
}

// Push implements heap.Interface.
func (s *items[T]) Push(x any) {
	item := x.(T)
	*item.Place() = len(*s)
	*s = append(*s, item)
}

// Pop implements heap.Interface.
func (s *items[T]) Pop() any {
	n := len(*s) - 1
	item := (*s)[n]
	clear((*s)[n:]) // so that it is not kept in memory
	*s = (*s)[:n]
	*item.Place() = -1
	return item
}
