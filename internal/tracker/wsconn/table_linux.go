package wsconn

import "slices"

// A table holds the connections of a loop by numbers that stay small: those of connections that
// have ended are given again. So it is as large as the loop has connections, whatever descriptors
// they have.
type table struct {
	conns []*Conn // nil where the number is free
	free  []int32 // numbers below len(conns) to be given again
}

// add gives a connection its number.
func (t *table) add(c *Conn) int32 {
	if n := len(t.free); n > 0 {
		slot := t.free[n-1]
		t.free = t.free[:n-1]
		t.conns[slot] = c
		return slot
	}
	t.conns = append(t.conns, c)
	return int32(len(t.conns) - 1)
}

// at returns the connection of a number, nil if it has ended.
func (t *table) at(slot int32) *Conn {
	if uint(slot) < uint(len(t.conns)) {
		return t.conns[slot]
	}
	return nil
}

// remove takes a number back.
func (t *table) remove(slot int32) {
	t.conns[slot] = nil
	t.free = append(t.free, slot)
}

// trim gives up the free numbers at the end, and their memory when that is most of it.
func (t *table) trim() {
	n := len(t.conns)
	for n > 0 && t.conns[n-1] == nil {
		n--
	}
	if n == len(t.conns) {
		return
	}
	t.conns = t.conns[:n]
	t.free = slices.DeleteFunc(t.free, func(slot int32) bool { return int(slot) >= n })
	if cap(t.conns) > 4*n {
		t.conns, t.free = slices.Clip(slices.Clone(t.conns)), slices.Clip(slices.Clone(t.free))
	}
}
