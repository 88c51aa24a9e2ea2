package torrent

// maxWebSeedRun is how many bytes a web seed is asked for in a row before it
// fetches the rarest piece again: long ranges are cheap for it, and yet what the
// swarm lacks comes early.
const maxWebSeedRun = 16 << 20

// row is the pieces behind each other that a web seed is asked for, so that one
// range brings several.
type row struct {
	next int // the piece behind the last one
	left int // bytes that it may go on
}

// continues reports whether the row of a web seed can go on now.
func (m *Machine) continues(p *peer) bool {
	i := p.row.next
	return p.row.left > 0 && m.pick.Pickable(i) && p.may(i) && m.mayOwn(p, i)
}

// add notes that a web seed is asked for piece i.
func (r *row) add(i int, size int64) {
	if i != r.next || r.left <= 0 {
		r.left = maxWebSeedRun
	}
	r.next = i + 1
	r.left -= int(size)
}
