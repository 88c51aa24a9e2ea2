package heap

import (
	"math/rand/v2"
	"slices"
	"testing"
)

type item struct{ key, at int }

func (x *item) Before(y *item) bool { return x.key < y.key }
func (x *item) Place() *int         { return &x.at }

// Whatever is pushed, changed and removed, the first is on top and each knows its place.
func TestHeapOrdersItems(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var h Heap[*item]
	var all []*item
	for round := range 5000 {
		switch k := rng.IntN(4); {
		case k < 2 || len(all) == 0:
			x := &item{key: rng.IntN(50)}
			h.Push(x)
			all = append(all, x)
		case k == 2:
			x := all[rng.IntN(len(all))]
			x.key = rng.IntN(50)
			h.Fix(x)
		default:
			at := rng.IntN(len(all))
			h.Remove(all[at])
			if all[at].at != -1 {
				t.Fatal("one that was taken out still has a place")
			}
			all = slices.Delete(all, at, at+1)
		}
		if len(h) != len(all) {
			t.Fatalf("round %d: %d items of %d", round, len(h), len(all))
		}
		for at, x := range h {
			if x.at != at {
				t.Fatalf("round %d: item %d believes to be %d", round, at, x.at)
			}
			if x.key < h[0].key {
				t.Fatalf("round %d: %d is on top of %d", round, h[0].key, x.key)
			}
		}
	}
	x := all[0]
	h.Remove(x)
	if n := testing.AllocsPerRun(100, func() { h.Push(x); h.Remove(x) }); n > 0 {
		t.Errorf("%v allocations for an item", n)
	}
}
