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

// Stretched returns a Pacer whose Base is so many times as long, Most at most.
func (p Pacer) Stretched(by float64) Pacer {
	most := p.Most
	if most <= 0 {
		most = 4 * p.Base
	}
	if by > 1 {
		p.Base, p.Most = min(time.Duration(float64(p.Base)*by), max(most, p.Base)), most
	}
	return p
}

// A Load decides from how much comes and goes by how much intervals are stretched: what Pacer
// cannot foresee from the number of peers, because they announce more often than they are asked to, stay for a
// moment only, or come by other doors. The zero value never stretches.
type Load struct {
	// PerSecond is how many messages a second are wanted at most. 0 means any number.
	PerSecond int

	by   float64 // the zero value stands for 1
	at   time.Time
	seen uint64
}

const (
	// It takes an interval until what was asked for shows, so the stretch grows slowly, to twice in five
	// minutes, and shrinks more slowly; and not at all between loadLow and the whole, where it is right.
	loadGrow, loadShrink = 1.0 / 400, 1.0 / 800 // in a second
	loadLow              = 0.6
	loadMost             = 4
	// loadLeast is the least time that says something about a rate.
	loadLeast = 2 * time.Second
)

// Update takes how many messages there were in all until now, and returns by how much intervals are to be
// stretched: 1 to 4.
func (l *Load) Update(now time.Time, messages uint64) float64 {
	l.by = max(l.by, 1)
	past := now.Sub(l.at)
	if l.at.IsZero() || past < 0 || messages < l.seen {
		l.at, l.seen = now, messages
		return l.by
	}
	if past < loadLeast || l.PerSecond <= 0 {
		return l.by
	}
	rate := float64(messages-l.seen) / past.Seconds() / float64(l.PerSecond)
	l.at, l.seen = now, messages
	// What comes after a long pause says nothing about all of it.
	step := min(past, time.Minute).Seconds()
	switch {
	case rate > 1:
		l.by += l.by * loadGrow * step
	case rate < loadLow:
		l.by -= l.by * loadShrink * step
	}
	l.by = min(max(l.by, 1), loadMost)
	return l.by
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
