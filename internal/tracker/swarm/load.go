package swarm

import "time"

// A load counts the offers that a peer was given and has not answered, in slots of
// loadSlot: the low 18 bits are the counts of the slot in which it was last touched
// and of the two before, six bits each, the newest lowest; the rest is that slot's
// number. So an offer is forgotten after two to three slots. A number comes round again
// after six days; a peer idle for exactly so long seems as busy as it was, for a minute.
type load uint32

const (
	loadSlot  = 30 * time.Second
	loadSlots = 3
	loadBits  = 6
	loadMax   = 1<<loadBits - 1
	loadShift = loadSlots * loadBits
	slotMask  = 1<<(32-loadShift) - 1
)

// at is l as it is in a slot.
func (l load) at(slot uint32) load {
	slot &= slotMask
	counts := l & (1<<loadShift - 1)
	if age := (slot - uint32(l>>loadShift)) & slotMask; age < loadSlots {
		counts = counts << (age * loadBits) & (1<<loadShift - 1)
	} else {
		counts = 0
	}
	return load(slot)<<loadShift | counts
}

// sum returns how many offers wait.
func (l load) sum() (n int) {
	for i := range loadSlots {
		n += int(l >> (i * loadBits) & loadMax)
	}
	return n
}

// given adds an offer to the newest slot; one that is full stays so.
func (l load) given() load {
	if l&loadMax == loadMax {
		return l
	}
	return l + 1
}

// answered takes the oldest offer away.
func (l load) answered() load {
	for i := loadSlots - 1; i >= 0; i-- {
		if l>>(i*loadBits)&loadMax != 0 {
			return l - 1<<(i*loadBits)
		}
	}
	return l
}
