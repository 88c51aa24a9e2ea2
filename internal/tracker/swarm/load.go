package swarm

import "time"

// A load counts offers in slots of loadSlot: those that a peer was given, or has made, and
// that were not answered. From the lowest bit on:
//
//	18 bits  offers without an answer of the slot in which it was last touched and of
//	         the two before, six bits each, the newest lowest
//	 6 bits  all offers of that slot, answered or not
//	 7 bits  that slot's number
//	 1 bit   has the peer ever answered?
//
// So an offer is forgotten after two to three slots. A slot's number comes round again after
// an hour; a peer idle for exactly so long seems as busy as it was, for a minute.
type load uint32

const (
	loadSlot  = 30 * time.Second
	loadSlots = 3
	loadBits  = 6
	loadMax   = 1<<loadBits - 1

	totalShift = loadSlots * loadBits
	slotShift  = totalShift + loadBits
	slotMask   = 1<<7 - 1
	hasReplied = load(1) << 31

	waiting = load(1)<<totalShift - 1
)

// at is l as it is in a slot.
func (l load) at(slot uint32) load {
	slot &= slotMask
	age := (slot - uint32(l>>slotShift)) & slotMask
	if age == 0 {
		return l
	}
	counts := load(0)
	if age < loadSlots {
		counts = l << (age * loadBits) & waiting
	}
	return l&hasReplied | load(slot)<<slotShift | counts
}

// sum returns how many offers wait.
func (l load) sum() int {
	return int(l&loadMax + l>>loadBits&loadMax + l>>(2*loadBits)&loadMax)
}

// total returns how many offers there were in the newest slot.
func (l load) total() int { return int(l >> totalShift & loadMax) }

// replied reports whether an offer was ever answered.
func (l load) replied() bool { return l&hasReplied != 0 }

// plus adds n offers to the newest slot; one that is full stays so.
func (l load) plus(n int) load {
	l += load(min(n, loadMax-int(l&loadMax)))
	return l + load(min(n, loadMax-l.total()))<<totalShift
}

// given adds one offer; what is full stays so.
func (l load) given() load {
	if l&loadMax != loadMax {
		l++
	}
	if l>>totalShift&loadMax != loadMax {
		l += 1 << totalShift
	}
	return l
}

// answered takes the oldest offer away, or reports false if none waits.
func (l load) answered() (load, bool) {
	switch {
	case l>>(2*loadBits)&loadMax != 0:
		return l - 1<<(2*loadBits) | hasReplied, true
	case l>>loadBits&loadMax != 0:
		return l - 1<<loadBits | hasReplied, true
	case l&loadMax != 0:
		return l - 1 | hasReplied, true
	}
	return l, false
}
