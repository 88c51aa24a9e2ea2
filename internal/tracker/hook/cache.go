package hook

import "time"

// A cache keeps answers in a ring: when it is full, a new one takes the place of the oldest.
type cache struct {
	most  int
	index map[Key]int
	ring  []entry
	next  int // to be written over, once the ring is full
}

type entry struct {
	key  Key
	v    Verdict
	ends time.Time
}

func (c *cache) init(most int) { *c = cache{most: most, index: make(map[Key]int)} }

// get returns an answer that still holds.
func (c *cache) get(k Key, now time.Time) (Verdict, bool) {
	i, ok := c.index[k]
	if !ok || !now.Before(c.ring[i].ends) {
		return Verdict{}, false
	}
	return c.ring[i].v, true
}

func (c *cache) put(k Key, v Verdict, ends time.Time) {
	e := entry{k, v, ends}
	if i, ok := c.index[k]; ok {
		c.ring[i] = e
		return
	}
	if len(c.ring) < c.most {
		c.index[k] = len(c.ring)
		c.ring = append(c.ring, e)
		return
	}
	delete(c.index, c.ring[c.next].key)
	c.index[k], c.ring[c.next] = c.next, e
	c.next = (c.next + 1) % len(c.ring)
}
