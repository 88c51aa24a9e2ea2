//go:build !js

package native

import "time"

// Pause ends all connections and announces, or starts again as soon as the queue
// allows it.
func (t *Torrent) Pause(on bool) {
	t.mu.Lock()
	t.will.paused = on
	if !on {
		t.will.rested = false
	}
	t.mu.Unlock()
	if !on {
		t.Retry()
	}
	t.c.review()
}

// Paused reports whether the user has paused the torrent.
func (t *Torrent) Paused() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.will.paused
}

// Force has the torrent run whatever the queue's limits and its goals say, or
// ends that.
func (t *Torrent) Force(on bool) {
	t.mu.Lock()
	t.will.forced = on
	if on {
		t.will.rested = false
	}
	t.mu.Unlock()
	t.c.review()
}

// Queued reports whether the torrent waits for others to end.
func (t *Torrent) Queued() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.will.queued
}

// Forced reports whether Force is on.
func (t *Torrent) Forced() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.will.forced
}

// SetGoals replaces the goals. One that is not seeded any more is seeded again, unless
// a new goal is reached too.
func (t *Torrent) SetGoals(g Goals) {
	t.mu.Lock()
	t.goals, t.will.rested = g, false
	t.mu.Unlock()
	t.c.review()
}

// Goals are those of the torrent, or of the client.
func (t *Torrent) Goals() Goals {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.goals
}

// Ratio is bytes sent by bytes received, in earlier runs too where Config.StateDir
// keeps them, or by the torrent's size where it was complete from the start. It never
// blocks.
func (t *Torrent) Ratio() float64 {
	info := t.Info()
	if info == nil {
		return 0
	}
	down, up, _ := t.Totals()
	return ratio(t.past.up+up, t.past.down+down, info.TotalSize())
}

// Seeded is how long the torrent has been seeded, up to five seconds ago, in earlier
// runs too where Config.StateDir keeps it.
func (t *Torrent) Seeded() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.seeded
}

// Rested reports whether the torrent has reached a goal and is not seeded any more.
func (t *Torrent) Rested() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.will.rested
}
