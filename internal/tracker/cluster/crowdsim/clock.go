package crowdsim

import "time"

// tick is the resolution of the clock.
const tick = 5 * time.Millisecond

// An event happens to a peer or a node. a and b are peers; what they mean depends on the kind.
type event struct {
	kind kind
	node int8
	a, b int32
	id   uint64 // of an offer, or the place of a frame
}

type kind uint8

const (
	announce kind = iota // by a
	soon                 // a has been here for 30 s
	leave                // of a
	reply                // by a to an offer of b, on the same node
	replyFar             // likewise to offer id of b on another node
	frame                // number id arrives at a node
	step                 // a mesh's deadline
)

// A calendar holds events by the tick in which they happen. An event of a tick may add
// others to the same tick, which then happen later in it.
type calendar struct {
	slots [][]event // from now on
	base  int       // the tick of slots[0]
	free  [][]event
}

func (c *calendar) add(at time.Duration, e event) {
	i := max(int(at/tick)-c.base, 0)
	for len(c.slots) <= i {
		c.slots = append(c.slots, nil)
	}
	if n := len(c.free); c.slots[i] == nil && n > 0 {
		c.slots[i], c.free = c.free[n-1], c.free[:n-1]
	}
	c.slots[i] = append(c.slots[i], e)
}

// play lets happen what is due before end.
func (c *calendar) play(end time.Duration, do func(now time.Duration, e event)) {
	done := 0
	for ; time.Duration(c.base)*tick < end; c.base++ {
		if done == len(c.slots) {
			c.base = int(end / tick)
			c.slots = c.slots[:0]
			return
		}
		// The slots are counted from base, so it moves with them.
		c.slots = c.slots[done:]
		now := time.Duration(c.base) * tick
		for i := 0; i < len(c.slots[0]); i++ {
			do(now, c.slots[0][i])
		}
		if s := c.slots[0]; s != nil {
			c.free = append(c.free, s[:0])
		}
		c.slots[0] = nil
		done = 1
	}
	c.slots = c.slots[done:]
}
