// Package picker orders the pieces still to be fetched by how rare they are.
//
// The order is one vector cut into buckets of equal availability. A peer that
// comes, goes or announces one piece moves that piece by one bucket, which is a
// swap with the bucket's edge; nothing is ever sorted. Within a bucket the order
// is random, so that peers of a swarm do not all fetch the same piece.
//
// Words: a piece is pickable while it is wanted, not had and not being fetched.
// Its availability is the number of peers that have it; those that have
// everything, the seeds, are counted apart. To pick is to choose a piece that a
// given peer has; it never looks at more than a bounded number of pieces, whatever
// the torrent's length.
package picker

import (
	"math/rand/v2"

	"github.com/shoal-p2p/shoal/internal/engine/bits"
)

// Picker holds the pickable pieces of one torrent.
type Picker struct {
	order []int32 // pickable pieces, availability ascending
	pos   []int32 // index in order, -1 when not pickable
	avail []int32 // peers with the piece, seeds not counted
	end   []int32 // end[a] is the index in order after the last piece of availability a
	set   bits.Set
	seeds int
	adds  uint64
	work  int
	rng   *rand.Rand
}

// New returns a picker for n pieces, none of them pickable. Ties are broken
// with rng.
func New(n int, rng *rand.Rand) *Picker {
	p := &Picker{
		order: make([]int32, 0, n),
		pos:   make([]int32, n),
		avail: make([]int32, n),
		end:   make([]int32, 1, 8),
		set:   bits.New(n),
		rng:   rng,
	}
	for i := range p.pos {
		p.pos[i] = -1
	}
	return p
}

// Len is the number of pickable pieces.
func (p *Picker) Len() int { return len(p.order) }

// Availability is the number of peers known to have piece i.
func (p *Picker) Availability(i int) int { return int(p.avail[i]) + p.seeds }

// Pickable reports whether piece i can be picked.
func (p *Picker) Pickable(i int) bool { return p.pos[i] >= 0 }

// Adds counts how often a piece became pickable. A peer for which there was
// nothing to pick need not be looked at again before it changes, or the peer's
// pieces do.
func (p *Picker) Adds() uint64 { return p.adds }

// Work counts the pieces and words looked at so far: the measure of what picking
// costs.
func (p *Picker) Work() int { return p.work }

// AddSeed and RemoveSeed count a peer that has every piece.
func (p *Picker) AddSeed() { p.seeds++ }

// RemoveSeed undoes AddSeed.
func (p *Picker) RemoveSeed() { p.seeds-- }

func (p *Picker) swap(i, j int32) {
	if i == j {
		return
	}
	a, b := p.order[i], p.order[j]
	p.order[i], p.order[j] = b, a
	p.pos[a], p.pos[b] = j, i
}

func (p *Picker) start(a int32) int32 {
	if a == 0 {
		return 0
	}
	return p.end[a-1]
}

func (p *Picker) grow(a int32) {
	for int(a) >= len(p.end) {
		p.end = append(p.end, int32(len(p.order)))
	}
}

// Add makes piece i pickable.
func (p *Picker) Add(i int) {
	if p.pos[i] >= 0 {
		return
	}
	p.adds++
	p.set.Set(i)
	a := p.avail[i]
	p.grow(a)
	at := int32(len(p.order))
	p.order = append(p.order, int32(i))
	p.pos[i] = at
	// Every higher bucket gives up its first place and takes one at its end.
	for b := int32(len(p.end)) - 1; b > a; b-- {
		first := p.end[b-1]
		p.swap(at, first)
		at = first
		p.end[b]++
	}
	p.end[a]++
	p.shuffle(at, a)
}

// Remove makes piece i not pickable: it is had, being fetched or not wanted.
func (p *Picker) Remove(i int) {
	at := p.pos[i]
	if at < 0 {
		return
	}
	p.set.Clear(i)
	for b := p.avail[i]; int(b) < len(p.end); b++ {
		last := p.end[b] - 1
		p.swap(at, last)
		at = last
		p.end[b]--
	}
	p.order = p.order[:len(p.order)-1]
	p.pos[i] = -1
}

// Inc counts one more peer with piece i.
func (p *Picker) Inc(i int) {
	a := p.avail[i]
	p.avail[i]++
	p.grow(a + 1)
	if at := p.pos[i]; at >= 0 {
		last := p.end[a] - 1
		p.swap(at, last)
		p.end[a]--
		p.shuffle(last, a+1)
	}
}

// Dec counts one peer less with piece i.
func (p *Picker) Dec(i int) {
	a := p.avail[i]
	if a == 0 {
		return
	}
	p.avail[i]--
	if at := p.pos[i]; at >= 0 {
		first := p.end[a-1]
		p.swap(at, first)
		p.end[a-1]++
		p.shuffle(first, a-1)
	}
}

// shuffle gives the piece at index at a random place in its bucket.
func (p *Picker) shuffle(at, a int32) {
	lo, hi := p.start(a), p.end[a]
	if n := hi - lo; n > 1 {
		p.swap(at, lo+p.rng.Int32N(n))
	}
}
