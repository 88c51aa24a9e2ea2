package swarm

import "time"

const (
	burst       = 4 << 20   // bytes of messages of no use that a peer may send, and of answers it may ask for, at once
	refill      = 256 << 10 // bytes a second it earns again
	messageCost = 1 << 10   // what even a short message costs: handling it does
)

// budget is what a peer has used up of what it may cost us, as a bucket that
// leaks.
type budget struct {
	spent float64
	at    time.Time
}

// spend reports false when the budget is used up.
func (b *budget) spend(now time.Time, cost int, rate, limit float64) bool {
	if dt := now.Sub(b.at).Seconds(); dt > 0 {
		b.spent = max(0, b.spent-dt*rate)
		b.at = now
	}
	b.spent += float64(cost)
	return b.spent <= limit
}

// Charge counts a message that is of no use to us, or the answer to it: what has
// a bound of its own, as blocks have, is not charged. bytes is its size, or that
// of the answer. A modest peer never comes near the end of its budget; one that
// uses it up is flooding.
func (m *Machine) Charge(p *Peer, bytes int) error { return m.charge(p, max(bytes, messageCost)) }

// ChargeLittle counts a message that says something, but could say it for ever:
// it costs a part of what one that says nothing does.
func (m *Machine) ChargeLittle(p *Peer) error { return m.charge(p, messageCost/2) }

func (m *Machine) charge(p *Peer, cost int) error {
	if p.WebSeed {
		return nil // it is our own driver that speaks for it
	}
	if !p.budget.spend(m.now, cost, refill, float64(burst+m.allowance)) {
		return Breach("flood of messages")
	}
	return nil
}

// Allow adds to the budget of every peer what the content's size makes
// legitimate, in bytes. It replaces what was allowed before.
func (m *Machine) Allow(bytes int) { m.allowance = bytes }
