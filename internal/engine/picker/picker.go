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

// Level is how eagerly a piece is wanted. A piece of a higher level is picked
// before any of a lower one.
type Level uint8

// The levels.
const (
	Low Level = iota
	Normal
	High
	numLevels
)

// Picker holds the pickable pieces of one torrent. It knows a window of pieces,
// which can be extended at its end and retired at its front; pieces outside are not
// pickable, and nothing that is said of them counts.
type Picker struct {
	orders [numLevels]order
	base   int     // the first piece of the window, to which the following belong
	pos    []int32 // index in its order, -1 when not pickable
	avail  []int32 // peers with the piece, seeds not counted
	level  []Level // nil: all are Normal
	n      int     // pickable pieces
	seeds  int
	adds   uint64
	work   int
	rng    *rand.Rand
}

// order are the pickable pieces of one level.
type order struct {
	list []int32  // availability ascending
	end  []int32  // end[a] is the index in list after the last piece of availability a
	set  bits.Set // the same pieces
	low  int      // no word of set before this one holds any
}

// New returns a picker for n pieces, none of them pickable, all of level Normal.
// Ties are broken with rng.
func New(n int, rng *rand.Rand) *Picker { return Window(0, n, rng) }

// Window is New for the pieces first to end-1.
func Window(first, end int, rng *rand.Rand) *Picker {
	p := &Picker{base: first, pos: make([]int32, end-first), avail: make([]int32, end-first), rng: rng}
	for i := range p.pos {
		p.pos[i] = -1
	}
	return p
}

// knows reports whether piece i lies in the window.
func (p *Picker) knows(i int) bool { return uint(i-p.base) < uint(len(p.pos)) }

// Len is the number of pickable pieces.
func (p *Picker) Len() int { return p.n }

// Availability is the number of peers known to have piece i.
func (p *Picker) Availability(i int) int {
	if !p.knows(i) {
		return 0
	}
	return int(p.avail[i-p.base]) + p.seeds
}

// Pickable reports whether piece i can be picked.
func (p *Picker) Pickable(i int) bool { return p.knows(i) && p.pos[i-p.base] >= 0 }

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

// order returns the order that piece i belongs to.
func (p *Picker) order(i int) *order {
	l := Normal
	if p.level != nil {
		l = p.level[i-p.base]
	}
	return &p.orders[l]
}

// SetLevel gives piece i a level.
func (p *Picker) SetLevel(i int, l Level) {
	if !p.knows(i) {
		return
	}
	if p.level == nil {
		if l == Normal {
			return
		}
		p.level = make([]Level, len(p.pos))
		for k := range p.level {
			p.level[k] = Normal
		}
	}
	if p.level[i-p.base] == l {
		return
	}
	pickable := p.Pickable(i)
	p.Remove(i)
	p.level[i-p.base] = l
	if pickable {
		p.Add(i)
	}
}

func (p *Picker) swap(o *order, i, j int32) {
	if i == j {
		return
	}
	a, b := o.list[i], o.list[j]
	o.list[i], o.list[j] = b, a
	p.pos[int(a)-p.base], p.pos[int(b)-p.base] = j, i
}

// start is the index of the first piece of availability a.
func (o *order) start(a int32) int32 {
	if a == 0 {
		return 0
	}
	return o.end[a-1]
}

func (o *order) grow(a int32) {
	for int(a) >= len(o.end) {
		o.end = append(o.end, int32(len(o.list)))
	}
}

// Add makes piece i pickable.
func (p *Picker) Add(i int) {
	if !p.knows(i) || p.pos[i-p.base] >= 0 {
		return
	}
	p.adds++
	p.n++
	o := p.order(i)
	if o.set.Len() == 0 {
		o.set, o.low = bits.Window(p.base, p.base+len(p.pos)), i/64
	}
	o.set.Set(i)
	o.low = min(o.low, i/64)
	a := p.avail[i-p.base]
	o.grow(a)
	at := int32(len(o.list))
	o.list = append(o.list, int32(i))
	p.pos[i-p.base] = at
	// Every higher bucket gives up its first place and takes one at its end.
	for b := int32(len(o.end)) - 1; b > a; b-- {
		first := o.end[b-1]
		p.swap(o, at, first)
		at = first
		o.end[b]++
	}
	o.end[a]++
	p.shuffle(o, at, a)
}

// Remove makes piece i not pickable: it is had, being fetched or not wanted.
func (p *Picker) Remove(i int) {
	if !p.Pickable(i) {
		return
	}
	at := p.pos[i-p.base]
	p.n--
	o := p.order(i)
	o.set.Clear(i)
	for b := p.avail[i-p.base]; int(b) < len(o.end); b++ {
		last := o.end[b] - 1
		p.swap(o, at, last)
		at = last
		o.end[b]--
	}
	o.list = o.list[:len(o.list)-1]
	p.pos[i-p.base] = -1
}

// Inc counts one more peer with piece i.
func (p *Picker) Inc(i int) {
	if !p.knows(i) {
		return
	}
	a := p.avail[i-p.base]
	p.avail[i-p.base]++
	if at := p.pos[i-p.base]; at >= 0 {
		o := p.order(i)
		o.grow(a + 1)
		last := o.end[a] - 1
		p.swap(o, at, last)
		o.end[a]--
		p.shuffle(o, last, a+1)
	}
}

// Dec counts one peer less with piece i.
func (p *Picker) Dec(i int) {
	if !p.knows(i) || p.avail[i-p.base] == 0 {
		return
	}
	a := p.avail[i-p.base]
	p.avail[i-p.base]--
	if at := p.pos[i-p.base]; at >= 0 {
		o := p.order(i)
		first := o.end[a-1]
		p.swap(o, at, first)
		o.end[a-1]++
		p.shuffle(o, first, a-1)
	}
}

// shuffle gives the piece at index at a random place in its bucket.
func (p *Picker) shuffle(o *order, at, a int32) {
	lo, hi := o.start(a), o.end[a]
	if n := hi - lo; n > 1 {
		p.swap(o, at, lo+p.rng.Int32N(n))
	}
}
