package swarm

import "time"

// A Pacer says when a peer shall announce again. The zero value asks nobody to wait.
type Pacer struct {
	// Base is the interval of a tracker that is not loaded.
	Base time.Duration
	// PerSecond is how many announces a second are wanted at most: with more peers than it
	// allows at Base the interval grows in proportion. 0 means that it never grows.
	PerSecond int
	// Most bounds the interval, but for chance. 0 means four times Base.
	Most time.Duration
}

// Interval returns the interval for a tracker that holds so many peers. random, any number,
// makes it a tenth longer or shorter: peers that came in the same second, as after a restart,
// would announce in the same second for ever.
func (p Pacer) Interval(peers int, random uint32) time.Duration {
	d, most := p.Base, p.Most
	if most <= 0 {
		most = 4 * p.Base
	}
	if p.PerSecond > 0 {
		d = max(d, min(time.Duration(float64(peers)/float64(p.PerSecond)*float64(time.Second)), max(most, p.Base)))
	}
	return d - d/10 + time.Duration(float64(d)/5*(float64(random)/(1<<32)))
}

// What part of the offers goes to other nodes although there are peers here, so that a swarm does not
// fall apart: one in shareSmall in a swarm with few peers, one in shareLarge in one with
// thousands, where so many more links hold the nodes together and each costs an offer and an
// answer on the bus.
const (
	shareSmall = 5
	shareLarge = 50
	// sharePeers is for how many peers here the part is one lower.
	sharePeers = 40
)

// RemoteShare returns how many of want offers shall go to other nodes that have peers of the
// swarm, when here are so many. turn is a number that goes up by one with each announce: it
// has parts of an offer add up.
func RemoteShare(here, want int, turn uint64) int {
	if want <= 0 {
		return 0
	}
	part := uint64(min(shareSmall+here/sharePeers, shareLarge))
	// As many as whole parts end within the offers turn*want to (turn+1)*want.
	turn %= part
	return int((turn+1)*uint64(want)/part - turn*uint64(want)/part)
}
