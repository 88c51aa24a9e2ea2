// Package choker decides which interested peers may download from us.
//
// BEP 3 asks for reciprocation with a cap on simultaneous uploads, an optimistic
// slot that rotates every 30 seconds, a decision every 10 seconds. While
// leeching the fastest givers win. While seeding the winners are peers that pass
// data on to others and take it fast. The number of slots follows the pipe: it
// grows while every slot moves, so the pipe is filled first.
package choker

import (
	"math/rand/v2"
	"slices"
	"sort"
	"time"
)

// Times of BEP 3.
const (
	Interval   = 10 * time.Second
	Optimistic = 30 * time.Second
)

// Candidate is what the choker needs to know of one interested peer.
type Candidate struct {
	Key      uint32  // the engine's handle of the peer
	Unchoked bool    // as it is now
	Snubbed  bool    // it owes us blocks and does not send
	Down     float64 // bytes a second from it, over the last rounds
	Up       float64 // bytes a second to it
	Spreads  float64 // share of the torrent it lacks, 0..1: an emptier peer with demand spreads further
	New      bool    // connected within the last minute: three times as likely to be tried
}

// Choker holds the slots of one torrent.
type Choker struct {
	min, max int
	slots    int
	opt      uint32
	optUntil time.Time
	rng      *rand.Rand
}

// New returns a choker that starts with slots upload slots, one of which is
// optimistic, and never uses more than max.
func New(slots, max int, rng *rand.Rand) *Choker {
	return &Choker{min: slots, max: max, slots: slots, rng: rng}
}

// Slots is the number of peers unchoked at the same time, as it stands.
func (c *Choker) Slots() int { return c.slots }

// Free reports whether a newly interested peer may be unchoked at once.
func (c *Choker) Free(unchoked int) bool { return unchoked < c.slots }

// slotBusy is the rate at which a slot counts as moving, in bytes a second.
const slotBusy = 32 << 10

// Rechoke returns the keys of the peers to be unchoked now; all others are to
// be choked. Candidates are the interested peers in a fixed order.
func (c *Choker) Rechoke(now time.Time, seeding bool, cands []Candidate) []uint32 {
	c.resize(cands)
	if len(cands) <= c.slots {
		keys := make([]uint32, len(cands))
		for i := range cands {
			keys[i] = cands[i].Key
		}
		return keys
	}
	ranked := c.rank(seeding, cands)
	keys := make([]uint32, 0, c.slots)
	for _, r := range ranked[:c.slots-1] {
		keys = append(keys, r.Key)
	}
	return append(keys, c.optimistic(now, ranked[c.slots-1:]))
}

// Next returns who is to be unchoked when a slot becomes free between two
// decisions. Nobody else is choked for it: deciding anew each time that a peer
// loses interest would move the slots about many times a second.
func (c *Choker) Next(seeding bool, cands []Candidate) (key uint32, ok bool) {
	for _, r := range c.rank(seeding, cands) {
		if !r.Unchoked {
			return r.Key, true
		}
	}
	return 0, false
}

// rank sorts candidates, best first. Equals come in random order: most have
// given nothing yet, and whoever connected first deserves nothing for it.
func (c *Choker) rank(seeding bool, cands []Candidate) []Candidate {
	ranked := byScore{slices.Clone(cands), seeding}
	c.rng.Shuffle(len(cands), ranked.Swap)
	sort.Stable(ranked)
	return ranked.list
}

// byScore puts the best candidate first. It sorts through sort.Interface, as wire
// does, for the tab's sake.
type byScore struct {
	list    []Candidate
	seeding bool
}

func (s byScore) Len() int { return len(s.list) }
func (s byScore) Less(i, j int) bool {
	return score(s.list[i], s.seeding) > score(s.list[j], s.seeding)
}
func (s byScore) Swap(i, j int) { s.list[i], s.list[j] = s.list[j], s.list[i] }

// score ranks a candidate. Whoever holds a slot gets a tenth on top, so that
// two equals do not swap places every ten seconds.
func score(p Candidate, seeding bool) float64 {
	s := p.Down
	if seeding {
		s = p.Up * (1 + p.Spreads)
	} else if p.Snubbed {
		return 0
	}
	if p.Unchoked {
		s *= 1.1
	}
	return s
}

// optimistic keeps the current optimistic peer for its 30 seconds, then draws
// another; newcomers have three lots.
func (c *Choker) optimistic(now time.Time, rest []Candidate) uint32 {
	if now.Before(c.optUntil) {
		for _, r := range rest {
			if r.Key == c.opt {
				return c.opt
			}
		}
	}
	var lots []uint32
	for _, r := range rest {
		if r.Unchoked && r.Key == c.opt && len(rest) > 1 {
			continue
		}
		lots = append(lots, r.Key)
		if r.New {
			lots = append(lots, r.Key, r.Key)
		}
	}
	c.opt = lots[c.rng.IntN(len(lots))]
	c.optUntil = now.Add(Optimistic)
	return c.opt
}

// resize opens a slot when all move, closes one when the pipe is so thin that
// the slots starve each other.
func (c *Choker) resize(cands []Candidate) {
	n, busy, sum := 0, 0, 0.0
	for _, p := range cands {
		if p.Unchoked {
			n++
			sum += p.Up
			if p.Up >= slotBusy {
				busy++
			}
		}
	}
	switch {
	case n >= c.slots && busy == n && c.slots < c.max:
		c.slots++
	case n >= c.slots && c.slots > c.min && sum < slotBusy/4*float64(n):
		c.slots--
	}
}
