package sctp

import "time"

// handleSack takes an acknowledgement.
func (a *Assoc) handleSack(t time.Duration, v []byte) {
	o := &a.out
	if len(v) < 12 {
		return
	}
	cum, window, gaps := be.Uint32(v), be.Uint32(v[4:]), int(be.Uint16(v[8:]))
	if before(cum, o.first-1) || !before(cum, o.next) {
		return // an old one, or one for what was never sent
	}
	blocks := v[12:]
	blocks = blocks[:min(4*gaps, len(blocks)&^3)]
	reopened := o.window < o.cfg.MTU && int(window) >= o.cfg.MTU
	o.window = int(window)

	was := o.flight
	acked := o.acknowledge(t, cum)
	advanced := acked > 0
	for ; len(blocks) >= 4; blocks = blocks[4:] {
		start, end := int(be.Uint16(blocks)), int(be.Uint16(blocks[2:]))
		acked += o.acknowledgeGap(t, start, end)
	}
	if acked > 0 {
		o.findLost(t)
		o.grow(acked, was)
		o.probed = false
	}
	if reopened && acked == 0 {
		// What went out to probe the window found it closed.
		for i := range o.count {
			if c := o.at(i); !c.acked && !c.lost {
				o.markLost(c)
			}
		}
	}
	if o.inLoss && !before(cum, o.recover) {
		o.inLoss = false
	}
	switch {
	case o.count == 0:
		o.timer = 0
	case advanced || acked > 0:
		o.arm(t)
	}
}

// acknowledge takes away all chunks up to cum and returns their bytes that were not
// acknowledged before.
func (o *outbound) acknowledge(t time.Duration, cum uint32) int {
	acked := 0
	for o.count > 0 && !before(cum, o.first) {
		c := o.at(0)
		acked += o.arrived(t, c, o.first)
		o.unacked -= c.size()
		c.m.release()
		*c = chunk{}
		o.head = (o.head + 1) & (len(o.ring) - 1)
		o.first++
		o.count--
	}
	return acked
}

// acknowledgeGap marks the chunks of a gap block, which counts from the last TSN that
// the cumulative acknowledgement covers.
func (o *outbound) acknowledgeGap(t time.Duration, start, end int) int {
	acked := 0
	for i := max(start-1, 0); i < end && i < o.count; i++ {
		if c := o.at(i); !c.acked {
			acked += o.arrived(t, c, o.first+uint32(i))
			c.acked = true
		}
	}
	return acked
}

// arrived notes that a chunk has reached the other side, and returns its bytes if that is new.
func (o *outbound) arrived(t time.Duration, c *chunk, tsn uint32) int {
	if c.acked {
		return 0
	}
	if c.lost {
		c.lost = false
		o.lost--
	} else {
		o.flight -= c.size()
	}
	o.newest = max(o.newest, c.at)
	if before(o.highest, tsn) {
		o.highest = tsn
	}
	if c.tries == 1 { // Karn's rule
		o.sample(t - c.at)
	}
	return c.size()
}

// sample takes a round trip time (RFC 9260, section 6.3.1). The many samples of one
// acknowledgement count as they come, which weighs the latest.
func (o *outbound) sample(rtt time.Duration) {
	if o.srtt == 0 {
		o.srtt, o.rttvar = max(rtt, 1), rtt/2
	} else {
		o.rttvar += ((o.srtt - rtt).Abs() - o.rttvar) / 4
		o.srtt += (rtt - o.srtt) / 8
	}
	o.rto = min(max(o.srtt+4*o.rttvar, minRTO), maxRTO)
}

// findLost marks the chunks that must have been lost: something sent a quarter of a
// round trip later has arrived, or, of chunks sent once, several behind it.
func (o *outbound) findLost(t time.Duration) {
	reorder := o.srtt / 4
	for i := 0; i < o.count; i++ {
		tsn := o.first + uint32(i)
		if !before(tsn, o.highest) {
			return
		}
		c := o.at(i)
		if c.acked || c.lost {
			continue
		}
		late := c.at+reorder < o.newest
		passed := c.tries == 1 && o.highest-tsn >= reorderLimit
		if !late && !passed {
			continue
		}
		o.markLost(c)
		if !o.inLoss {
			o.inLoss, o.recover = true, o.next-1
			o.ssthresh = max(o.cwnd/2, 4*o.cfg.MTU)
			o.cwnd, o.grown = o.ssthresh, 0
		}
	}
}

func (o *outbound) markLost(c *chunk) {
	c.lost = true
	o.lost++
	o.flight -= c.size()
}

// grow widens the congestion window, if it was what held us back. Others acknowledge
// runs of packets at once, so bytes are counted and not acknowledgements (RFC 3465).
func (o *outbound) grow(acked, flight int) {
	mtu := o.cfg.MTU
	limited := o.limited || o.held || flight+mtu > o.cwnd
	o.limited = false
	if o.inLoss || !limited {
		return
	}
	if o.cwnd < o.ssthresh {
		o.cwnd += acked
	} else if o.grown += acked; o.grown >= o.cwnd {
		o.grown -= o.cwnd
		o.cwnd += mtu
	}
	o.cwnd = min(o.cwnd, o.cfg.MaxUnacked)
}

// arm sets the timer: a probe first, which finds a lost tail without waiting for the
// full time-out (RFC 8985, section 7), then the time-out.
func (o *outbound) arm(t time.Duration) {
	if o.probed || o.srtt == 0 {
		o.timer = t + o.rto
		return
	}
	wait := 2*o.srtt + minProbe
	if o.flight <= 2*o.cfg.MTU {
		wait += theirDelay
	}
	o.timer = t + min(wait, o.rto)
}

// expired is called when nothing was acknowledged for too long.
func (o *outbound) expired(t time.Duration) {
	o.timer = 0
	if o.count == 0 {
		return
	}
	if !o.probed && o.srtt > 0 {
		o.probed = true
		for i := o.count - 1; i >= 0; i-- {
			if c := o.at(i); !c.acked {
				if !c.lost {
					o.markLost(c)
				}
				break
			}
		}
		o.arm(t)
		return
	}
	// What a gap block acknowledged may be thrown away again (RFC 9260, section 6.2.1);
	// it was if it is all that is missing.
	renounced := o.at(0).acked
	for i := range o.count {
		switch c := o.at(i); {
		case c.acked && renounced:
			c.acked = false
			o.flight += c.size()
			o.markLost(c)
		case !c.acked && !c.lost:
			o.markLost(c)
		}
	}
	if o.count > 1 || o.window > 0 { // a probe of a closed window says nothing about the path
		o.ssthresh = max(o.cwnd/2, 4*o.cfg.MTU)
		o.cwnd, o.grown = o.cfg.MTU, 0
	}
	o.inLoss = false
	o.rto = min(2*o.rto, maxRTO)
	o.timer = t + o.rto
}
