// Package offers decides which WebRTC offers go out, go out again, or are stale.
//
// An offer costs a peer connection, and browsers have few of those. So a Pool
// asks for no more than are wanted, hands out again those that nobody has
// answered yet, to other trackers and in later announces, and names those
// that have become too old for it. It reads no clock and makes no
// connection.
package offers

import (
	"math/rand/v2"
	"time"
)

// An ID is the offer_id that an answer refers to.
type ID = [20]byte

// Config says how long offers live. Both must be positive.
type Config struct {
	// MaxAge is when an unanswered offer is given up.
	MaxAge time.Duration
	// ReuseAge is up to when it is sent out: afterwards an answer, and the
	// connection that follows, would hardly come in time. At most MaxAge.
	ReuseAge time.Duration
}

// A Pool holds the open offers of one torrent. It is not safe for concurrent use.
type Pool struct {
	cfg    Config
	rng    *rand.Rand
	open   []offer // oldest first
	making int
}

type offer struct {
	id    ID
	made  time.Time
	sends int
	stale bool // not to be sent any more
}

// New returns an empty Pool.
func New(cfg Config, rng *rand.Rand) *Pool { return &Pool{cfg: cfg, rng: rng} }

// Want returns how many offers have to be made so that an announce can carry n. The
// caller makes them and reports each by Made or Lost.
func (p *Pool) Want(now time.Time, n int) int {
	n = max(n-p.Usable(now)-p.making, 0)
	p.making += n
	return n
}

// Ready reports whether an announce can carry n offers now, or will not be able to
// carry more by waiting.
func (p *Pool) Ready(now time.Time, n int) bool { return p.making == 0 || p.Usable(now) >= n }

// Usable returns how many offers an announce can carry now.
func (p *Pool) Usable(now time.Time) (n int) {
	for _, o := range p.open {
		if p.sendable(now, &o) {
			n++
		}
	}
	return n
}

func (p *Pool) sendable(now time.Time, o *offer) bool {
	return !o.stale && now.Sub(o.made) < p.cfg.ReuseAge
}

// Renew keeps the open offers from being sent again, for better ones can be made now.
// Answers to them are still welcome. Those that are being made are of no use any more, and
// are not to be reported.
func (p *Pool) Renew() {
	for i := range p.open {
		p.open[i].stale = true
	}
	p.making = 0
}

// Age keeps open offers that were made before a time from being sent again, as Renew does
// with all.
func (p *Pool) Age(before time.Time) {
	for i := range p.open {
		p.open[i].stale = p.open[i].stale || p.open[i].made.Before(before)
	}
}

// Oldest returns the open offer that was made first, and when; false for an empty Pool.
func (p *Pool) Oldest() (id ID, made time.Time, ok bool) {
	if len(p.open) == 0 {
		return id, made, false
	}
	return p.open[0].id, p.open[0].made, true
}

// Made takes an offer in and returns the id it goes by.
func (p *Pool) Made(now time.Time) ID {
	p.Lost()
	return p.add(now)
}

// Adopt takes an offer in that another Pool had, and that was made at that time.
func (p *Pool) Adopt(made time.Time) ID { return p.add(made) }

func (p *Pool) add(made time.Time) ID {
	var id ID
	for i := range id {
		id[i] = byte(p.rng.Uint32())
	}
	p.open = append(p.open, offer{id: id, made: made})
	for i := len(p.open) - 1; i > 0 && p.open[i-1].made.After(made); i-- {
		p.open[i], p.open[i-1] = p.open[i-1], p.open[i]
	}
	return id
}

// Lost reports that an offer could not be made.
func (p *Pool) Lost() { p.making = max(p.making-1, 0) }

// Take appends up to n offers for one announce to dst: those that were sent least
// often, of these the youngest.
func (p *Pool) Take(now time.Time, n int, dst []ID) []ID {
	first := len(dst)
	for sends := 0; n > 0; sends++ {
		more := false
		for i := len(p.open) - 1; i >= 0 && n > 0; i-- {
			o := &p.open[i]
			if !p.sendable(now, o) || o.sends < sends {
				continue
			}
			if o.sends > sends {
				more = true
				continue
			}
			dst = append(dst, o.id)
			n--
		}
		if !more {
			break
		}
	}
	for _, id := range dst[first:] {
		for i := range p.open {
			if p.open[i].id == id {
				p.open[i].sends++
			}
		}
	}
	return dst
}

// Answered reports whether id is an open offer, and closes it: the first answer
// counts.
func (p *Pool) Answered(now time.Time, id ID) bool {
	for i, o := range p.open {
		if o.id == id {
			p.open = append(p.open[:i], p.open[i+1:]...)
			return now.Sub(o.made) < p.cfg.MaxAge
		}
	}
	return false
}

// Remove takes an open offer out and returns when it was made.
func (p *Pool) Remove(id ID) (made time.Time) {
	for i, o := range p.open {
		if o.id == id {
			p.open = append(p.open[:i], p.open[i+1:]...)
			return o.made
		}
	}
	return made
}

// Expire removes the offers that are too old and appends them to dst.
func (p *Pool) Expire(now time.Time, dst []ID) []ID {
	n := 0
	for n < len(p.open) && now.Sub(p.open[n].made) >= p.cfg.MaxAge {
		dst = append(dst, p.open[n].id)
		n++
	}
	p.open = append(p.open[:0], p.open[n:]...)
	return dst
}

// Deadline returns when Expire has something to do, or false for an empty Pool.
func (p *Pool) Deadline() (time.Time, bool) {
	if len(p.open) == 0 {
		return time.Time{}, false
	}
	return p.open[0].made.Add(p.cfg.MaxAge), true
}

// Len returns how many offers are open.
func (p *Pool) Len() int { return len(p.open) }
