package hook

import (
	"hash/maphash"
	"time"
	"unique"
)

// A cache keeps answers in a ring: when it is full, a new one takes the place of the oldest. It knows
// them by 128 bits of keyed hash: nobody can find two keys of one hash, and a key has 64 bytes.
type cache struct {
	most  int
	seeds [2]maphash.Seed
	index map[sum]uint32 // in the ring
	ring  []entry
	next  int // to be written over, once the ring is full
}

type sum [2]uint64

type entry struct {
	key    sum
	ends   int64                 // Unix nanoseconds
	reason unique.Handle[string] // a service has few
	answer Answer
}

func (c *cache) init(most int) {
	*c = cache{most: most, seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, index: make(map[sum]uint32)}
}

func (c *cache) sum(k *Key) sum {
	return sum{maphash.Comparable(c.seeds[0], *k), maphash.Comparable(c.seeds[1], *k)}
}

// get returns an answer that still holds.
func (c *cache) get(k *Key, now time.Time) (Verdict, bool) {
	i, ok := c.index[c.sum(k)]
	if !ok || now.UnixNano() >= c.ring[i].ends {
		return Verdict{}, false
	}
	e := &c.ring[i]
	return Verdict{e.answer, e.reason.Value()}, true
}

func (c *cache) put(k *Key, v Verdict, ends time.Time) {
	e := entry{c.sum(k), ends.UnixNano(), unique.Make(v.Reason), v.Answer}
	if i, ok := c.index[e.key]; ok {
		c.ring[i] = e
		return
	}
	if len(c.ring) < c.most {
		c.index[e.key] = uint32(len(c.ring))
		c.ring = append(c.ring, e)
		return
	}
	delete(c.index, c.ring[c.next].key)
	c.index[e.key], c.ring[c.next] = uint32(c.next), e
	c.next = (c.next + 1) % len(c.ring)
}
