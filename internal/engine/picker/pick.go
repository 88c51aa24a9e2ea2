package picker

import (
	mathbits "math/bits"

	"github.com/shoal-p2p/shoal/internal/engine/bits"
)

const (
	// walkLimit is how many pieces of the order are looked at before the peer's
	// own pieces are. In a swarm where peers have pieces independently of each
	// other the walk is short; it is long for a peer that has few of ours, whose
	// bits are quicker to look through.
	walkLimit = 256
	// sample is how many candidates are compared when a peer's bits are looked
	// through: the rarest of so many is rare enough.
	sample = 256
)

// Rarest returns the rarest pickable piece of the set has that ok accepts, of the
// highest level there is one of; a nil ok accepts all. When it would have to look
// far, it is the rarest of a large sample instead.
func (p *Picker) Rarest(has *bits.Set, ok func(i int) bool) (int, bool) {
	return p.each(has, ok, (*Picker).rarest)
}

// Commonest is Rarest from the other end: what slow peers fetch, so that they
// do not hold up the pieces that the swarm lacks.
func (p *Picker) Commonest(has *bits.Set, ok func(i int) bool) (int, bool) {
	return p.each(has, ok, (*Picker).commonest)
}

// Random returns any pickable piece of the set has that ok accepts, of the highest
// level there is one of: the first pieces of a newcomer, which needs something to
// give before it needs the rarest.
func (p *Picker) Random(has *bits.Set, ok func(i int) bool) (int, bool) {
	return p.each(has, ok, (*Picker).random)
}

// First returns the pickable piece of the set has with the lowest index that ok
// accepts, of the highest level there is one of.
func (p *Picker) First(has *bits.Set, ok func(i int) bool) (int, bool) {
	return p.each(has, ok, (*Picker).first)
}

// Scarcest is Rarest for a set that is not that of a peer: what is to be given
// away.
func (p *Picker) Scarcest(of *bits.Set) (int, bool) {
	return p.each(of, nil, func(p *Picker, o *order, of *bits.Set, _ func(i int) bool) (int, bool) {
		return p.walk(o, of, nil, 0)
	})
}

// pick is a way to pick from one level.
type pick func(p *Picker, o *order, has *bits.Set, ok func(i int) bool) (int, bool)

func (p *Picker) each(has *bits.Set, ok func(i int) bool, from pick) (int, bool) {
	for l := range numLevels {
		if o := &p.orders[numLevels-1-l]; len(o.list) > 0 {
			if i, found := from(p, o, has, ok); found {
				return i, true
			}
		}
	}
	return 0, false
}

func (p *Picker) rarest(o *order, has *bits.Set, ok func(i int) bool) (int, bool) {
	from := 0
	if !has.All() {
		// Nobody but seeds has what lies before: availability counts this peer.
		from = int(o.end[0])
	}
	return p.walk(o, has, ok, from)
}

// walk looks along the order from an index on, then through the set.
func (p *Picker) walk(o *order, has *bits.Set, ok func(i int) bool, from int) (int, bool) {
	to := min(len(o.list), from+walkLimit)
	for k, i := range o.list[from:to] {
		if has.Has(int(i)) && (ok == nil || ok(int(i))) {
			p.work += k + 1
			return int(i), true
		}
	}
	p.work += to - from
	if to == len(o.list) {
		return 0, false
	}
	return p.search(o, has, ok, -1)
}

func (p *Picker) commonest(o *order, has *bits.Set, ok func(i int) bool) (int, bool) {
	to := max(0, len(o.list)-walkLimit)
	for k := len(o.list) - 1; k >= to; k-- {
		p.work++
		if i := int(o.list[k]); has.Has(i) && (ok == nil || ok(i)) {
			return i, true
		}
	}
	if to == 0 {
		return 0, false
	}
	return p.search(o, has, ok, 1)
}

func (p *Picker) random(o *order, has *bits.Set, ok func(i int) bool) (int, bool) {
	n := len(o.list)
	from := p.rng.IntN(n)
	for k := range min(n, walkLimit) {
		p.work++
		if i := int(o.list[(from+k)%n]); has.Has(i) && (ok == nil || ok(i)) {
			return i, true
		}
	}
	if n <= walkLimit {
		return 0, false
	}
	return p.search(o, has, ok, 0)
}

func (p *Picker) first(o *order, has *bits.Set, ok func(i int) bool) (int, bool) {
	for o.set.Word(o.low) == 0 {
		p.work++
		o.low++
	}
	from, end := has.Words()
	for w := max(from, o.low); w < end; w++ {
		p.work++
		for x := has.Word(w) & o.set.Word(w); x != 0; {
			b := mathbits.LeadingZeros64(x)
			x &^= 1 << (63 - b)
			if i := w*64 + b; ok == nil || ok(i) {
				return i, true
			}
		}
	}
	return 0, false
}

// search looks through the words of the set has from a random one on. Of the
// candidates it meets, it returns the commonest (sign 1), the rarest (sign -1)
// or the first (sign 0).
func (p *Picker) search(o *order, has *bits.Set, ok func(i int) bool, sign int32) (int, bool) {
	first, end := has.Words()
	n := end - first
	if n == 0 {
		return 0, false
	}
	best, found := 0, 0
	from := p.rng.IntN(n)
	for k := range n {
		w := first + (from+k)%n
		p.work++
		for x := has.Word(w) & o.set.Word(w); x != 0; {
			b := mathbits.LeadingZeros64(x)
			x &^= 1 << (63 - b)
			i := w*64 + b
			p.work++
			if ok != nil && !ok(i) {
				continue
			}
			if found == 0 || sign*(p.avail[i-p.base]-p.avail[best-p.base]) > 0 {
				best = i
			}
			if found++; found == sample || sign == 0 {
				return best, true
			}
		}
	}
	return best, found > 0
}
