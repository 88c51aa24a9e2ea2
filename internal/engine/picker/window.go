package picker

// Extend adds n pieces at the end, none of them pickable, which only seeds have,
// of level Normal.
func (p *Picker) Extend(n int) {
	for range n {
		p.pos = append(p.pos, -1)
		p.avail = append(p.avail, 0)
		if p.level != nil {
			p.level = append(p.level, Normal)
		}
	}
	for l := range p.orders {
		if o := &p.orders[l]; o.set.Len() > 0 {
			o.set.Grow(n)
		}
	}
}

// Retire forgets the pieces before first, for good. If that is beyond the end, what
// is added next begins there. The cost is that of the pieces forgotten.
func (p *Picker) Retire(first int) {
	if first <= p.base {
		return
	}
	gone := min(first-p.base, len(p.pos))
	for i := range gone {
		p.Remove(p.base + i)
	}
	// What append makes room for next is of the size of what is left.
	p.pos, p.avail = p.pos[gone:], p.avail[gone:]
	if p.level != nil {
		p.level = p.level[gone:]
	}
	p.base = first
	for l := range p.orders {
		if o := &p.orders[l]; o.set.Len() > 0 {
			o.set.Retire(first)
			o.low = max(o.low, first/64)
		}
	}
}
