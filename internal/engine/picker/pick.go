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

// Rarest returns the rarest pickable piece of the set has that ok accepts; a nil
// ok accepts all. When it would have to look far, it is the rarest of a large
// sample instead.
func (p *Picker) Rarest(has *bits.Set, ok func(i int) bool) (int, bool) {
	from := 0
	if !has.All() {
		// Nobody but seeds has what lies before: availability counts this peer.
		from = int(p.end[0])
	}
	to := min(len(p.order), from+walkLimit)
	for k, i := range p.order[from:to] {
		if has.Has(int(i)) && (ok == nil || ok(int(i))) {
			p.work += k + 1
			return int(i), true
		}
	}
	p.work += to - from
	if to == len(p.order) {
		return 0, false
	}
	return p.search(has, ok, -1)
}

// Commonest is Rarest from the other end: what slow peers fetch, so that they
// do not hold up the pieces that the swarm lacks.
func (p *Picker) Commonest(has *bits.Set, ok func(i int) bool) (int, bool) {
	to := max(0, len(p.order)-walkLimit)
	for k := len(p.order) - 1; k >= to; k-- {
		p.work++
		if i := int(p.order[k]); has.Has(i) && (ok == nil || ok(i)) {
			return i, true
		}
	}
	if to == 0 {
		return 0, false
	}
	return p.search(has, ok, 1)
}

// Random returns any pickable piece of the set has that ok accepts: the first
// pieces of a newcomer, which needs something to give before it needs the
// rarest.
func (p *Picker) Random(has *bits.Set, ok func(i int) bool) (int, bool) {
	n := len(p.order)
	if n == 0 {
		return 0, false
	}
	from := p.rng.IntN(n)
	for k := range min(n, walkLimit) {
		p.work++
		if i := int(p.order[(from+k)%n]); has.Has(i) && (ok == nil || ok(i)) {
			return i, true
		}
	}
	if n <= walkLimit {
		return 0, false
	}
	return p.search(has, ok, 0)
}

// First returns the pickable piece of the set has with the lowest index that ok
// accepts.
func (p *Picker) First(has *bits.Set, ok func(i int) bool) (int, bool) {
	for w := range has.Words() {
		p.work++
		for x := has.Word(w) & p.set.Word(w); x != 0; {
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
func (p *Picker) search(has *bits.Set, ok func(i int) bool, sign int32) (int, bool) {
	n := has.Words()
	if n == 0 {
		return 0, false
	}
	best, found := 0, 0
	from := p.rng.IntN(n)
	for k := range n {
		w := (from + k) % n
		p.work++
		for x := has.Word(w) & p.set.Word(w); x != 0; {
			b := mathbits.LeadingZeros64(x)
			x &^= 1 << (63 - b)
			i := w*64 + b
			p.work++
			if ok != nil && !ok(i) {
				continue
			}
			if found == 0 || sign*(p.avail[i]-p.avail[best]) > 0 {
				best = i
			}
			if found++; found == sample || sign == 0 {
				return best, true
			}
		}
	}
	return best, found > 0
}
