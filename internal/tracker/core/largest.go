package core

import (
	"cmp"
	"slices"

	"github.com/shoal-p2p/shoal/internal/tracker/swarm"
)

// sizesAtOnce is how many swarms are looked at under one lock, which takes a fraction of a millisecond.
const sizesAtOnce = 4096

// Largest returns the n swarms with the most peers, the largest first. It looks at all swarms: who
// shows them to many keeps the result for a while.
func (t *Core) Largest(n int) []swarm.Size {
	if n <= 0 {
		return nil
	}
	var top []swarm.Size
	take := func(s swarm.Size) {
		if s.Peers() == 0 || len(top) == n && s.Peers() <= top[n-1].Peers() {
			return
		}
		if slices.ContainsFunc(top, func(o swarm.Size) bool { return o.Hash == s.Hash }) {
			return
		}
		i, _ := slices.BinarySearchFunc(top, s, bySize)
		if len(top) == n {
			top = top[:n-1]
		}
		top = slices.Insert(top, i, s)
	}
	for i := range t.shards {
		s := &t.shards[i]
		for from, more := 0, true; more; more = from > 0 {
			s.mu.Lock()
			from = s.core.Sizes(from, sizesAtOnce, take)
			s.mu.Unlock()
		}
	}
	return top
}

func bySize(a, b swarm.Size) int {
	return cmp.Or(cmp.Compare(b.Peers(), a.Peers()), slices.Compare(a.Hash[:], b.Hash[:]))
}
