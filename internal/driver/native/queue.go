//go:build !js

package native

import "time"

// Limits bound how many torrents are at work. The rest waits in the order in which
// they were added.
type Limits struct {
	// Downloads is how many torrents fetch at a time. Those that have found nobody
	// for two minutes are not counted. 0 means 20, a negative number no limit.
	Downloads int
	// Seeds is how many complete torrents are announced and served. 0 or a negative
	// number mean no limit: one that nobody asks for costs next to nothing.
	Seeds int
}

func (l *Limits) fill() {
	if l.Downloads == 0 {
		l.Downloads = 20
	}
	if l.Seeds == 0 {
		l.Seeds = -1
	}
}

// Goals end the seeding of a torrent; the first that is reached counts. The zero
// value has none. What counts is what passed since the torrent was added, for the first
// time where Config.StateDir keeps it.
type Goals struct {
	// Ratio is bytes sent by bytes received, or by the torrent's size where it was
	// complete from the start. 0 means no such goal.
	Ratio float64
	// Time is how long it is seeded. 0 means no such goal.
	Time time.Duration
}

// ratio is bytes sent by bytes received, or by the size of what was complete from
// the start.
func ratio(up, down, size int64) float64 {
	if down == 0 {
		down = size
	}
	if down == 0 {
		return 0
	}
	return float64(up) / float64(down)
}

// reached reports whether a goal is reached.
func (g Goals) reached(ratio float64, seeded time.Duration) bool {
	return g.Ratio > 0 && ratio >= g.Ratio || g.Time > 0 && seeded >= g.Time
}

// will is what users and goals want of a torrent, and what the queue made of it.
type will struct {
	paused bool // by the user
	manual bool // not in the queue
	forced bool // it runs whatever the limits say
	rested bool // a goal is reached
	queued bool // it waits for others
	active bool // it was started
}

// standing is what the queue looks at.
type standing struct {
	will
	complete bool
	stalled  bool // it has found nobody for a while
}

// admit decides which torrents run, given all of them in the order of the queue, and
// sets queued and active.
func admit(list []standing, limits Limits) {
	downloads, seeds := limits.Downloads, limits.Seeds
	for i := range list {
		s := &list[i]
		s.queued, s.active = false, false
		if s.paused || s.rested && !s.forced {
			continue
		}
		if s.manual || s.forced {
			s.active = true
			continue
		}
		room := &downloads
		if s.complete {
			room = &seeds
		}
		if *room == 0 {
			s.queued = true
			continue
		}
		s.active = true
		if *room > 0 && !s.stalled {
			*room--
		}
	}
}
