//go:build !js

package native

import (
	"context"
	"runtime/debug"
	"slices"
	"time"

	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
)

const (
	// keepEvery is how often all torrents are looked at if nothing happens.
	keepEvery = 5 * time.Second
	// fewTorrents is up to how many the queue is looked at with each that is added;
	// beyond, a look serves all that come within gather.
	fewTorrents = 64
	// gather is how long the keeper waits for more of what it was called for.
	gather = 5 * time.Millisecond
	// stallAfter is how long a download may find nobody before the queue stops
	// counting it.
	stallAfter = 2 * time.Minute
	// searchEvery is how often the DHT is searched for a torrent that lacks
	// something, and searchSoon if it has no peers.
	searchEvery = 5 * time.Minute
	searchSoon  = 30 * time.Second
	// maxSearches bounds the searches under way.
	maxSearches = 8
)

// keep looks after all torrents: the queue, the goals, the announces and the
// searches. It is the one goroutine for it, however many torrents there are.
func (c *Client) keep() {
	timer := time.NewTimer(keepEvery)
	defer timer.Stop()
	saved, noted := time.Now(), time.Now()
	for {
		select {
		case <-c.ctx.Done():
			return
		case <-c.kicked:
			// Torrents are often added in numbers: one look for all of them.
			time.Sleep(gather)
		case <-timer.C:
		}
		c.review()
		c.search(time.Now())
		c.trim()
		if time.Since(saved) >= dhtStateEvery {
			saved = time.Now()
			c.saveDHT() // the next time may go better
		}
		if now := time.Now(); now.Sub(noted) >= totalsEvery {
			noted = now
			c.noteTotals(now)
		}
		timer.Reset(c.mend(time.Now()))
	}
}

// trimEvery is how many torrents have to be added before memory is given back.
const trimEvery = 1000

// trim gives memory back that the adding of thousands of torrents has left, as soon as
// all of them are at rest. By itself the runtime keeps as much free as is in use, which
// for idle torrents would be the larger part of what they cost. The keeper calls it.
func (c *Client) trim() {
	c.mu.Lock()
	list := slices.Clone(c.order)
	c.mu.Unlock()
	now := time.Now()
	if len(list) != c.counted {
		c.counted, c.countedAt = len(list), now
	}
	c.trimmed = min(c.trimmed, len(list))
	if len(list) < c.trimmed+trimEvery || now.Sub(c.countedAt) < keepEvery {
		return // more may come
	}
	for _, t := range list {
		if !t.Parked() {
			return
		}
	}
	c.trimmed = len(list)
	debug.FreeOSMemory()
}

// kick has the keeper look at once.
func (c *Client) kick() {
	select {
	case c.kicked <- struct{}{}:
	default:
	}
}

// review decides which torrents run, and starts and stops them.
func (c *Client) review() {
	c.keeping.Lock()
	defer c.keeping.Unlock()
	c.mu.Lock()
	list := slices.Clone(c.order)
	c.mu.Unlock()
	now := time.Now()
	standings := make([]standing, len(list))
	for i, t := range list {
		standings[i] = t.standing(now)
	}
	admit(standings, c.cfg.Limits)
	// Those that end make room first.
	for _, active := range []bool{false, true} {
		for i, t := range list {
			if standings[i].active == active {
				t.follow(now, standings[i].will)
			}
		}
	}
}

// standing is what the torrent looks like at now. It notices a goal that is reached.
func (t *Torrent) standing(now time.Time) standing {
	done := isDone(t.Done())
	t.mu.Lock()
	defer t.mu.Unlock()
	s := standing{will: t.will, complete: done}
	if s.active && done && !t.lastSeen.IsZero() {
		t.seeded += now.Sub(t.lastSeen)
		if !t.will.rested && !t.will.forced && t.goals.reached(t.Ratio(), t.seeded) {
			t.will.rested, s.rested = true, true
			t.Emit(driver.Event{Kind: driver.GoalReached})
		}
	}
	t.lastSeen = now
	s.stalled = s.active && !done && now.Sub(t.since) > stallAfter && t.NumPeers() == 0
	return s
}

// follow does what the queue decided.
func (t *Torrent) follow(now time.Time, w will) {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return
	}
	changed := w.active != t.will.active
	t.will.active, t.will.queued = w.active, w.queued
	if changed && w.active {
		t.since = now
	}
	unannounced := len(t.swarms) < len(t.keys())
	t.mu.Unlock()
	switch {
	case changed && w.active:
		t.Torrent.Pause(false)
	case changed:
		t.stopAsking()
		t.Torrent.Pause(true)
		t.unpublish()
	}
	// What is there is verified first, so that trackers are told the truth. The
	// second swarm of a hybrid torrent is known only then, too.
	if w.active && unannounced && (t.Info() == nil || isDone(t.Learned())) {
		t.publish()
	}
	if isDone(t.Done()) {
		if t.whole() {
			t.completed()
		}
		t.stopAsking()
	} else if w.active && isDone(t.Learned()) {
		t.askSeeds()
	}
}

func (t *Torrent) stopAsking() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.asking != nil {
		t.asking()
	}
}

// askSeeds has the web seeds asked, unless they are.
func (t *Torrent) askSeeds() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.asking != nil || t.closed || t.seeds == nil {
		return
	}
	ctx, cancel := context.WithCancel(t.ctx)
	t.asking = cancel
	t.c.wg.Go(func() {
		defer cancel()
		t.seeds.Run(ctx)
		t.mu.Lock()
		t.asking = nil
		t.mu.Unlock()
	})
}

// search asks the DHT for peers of the torrents that lack something. What it hears
// while it announces is used too.
func (c *Client) search(now time.Time) {
	if c.dht == nil {
		return
	}
	c.mu.Lock()
	list := slices.Clone(c.order)
	c.mu.Unlock()
	for _, t := range list {
		wait := searchEvery
		if t.NumPeers() == 0 {
			wait = searchSoon
		}
		t.mu.Lock()
		due := t.will.active && (t.searched.IsZero() || now.Sub(t.searched) >= wait)
		t.mu.Unlock()
		if !due || isDone(t.Done()) || t.Private() {
			continue
		}
		select {
		case c.searches <- struct{}{}:
		default:
			return
		}
		t.searched = now
		c.wg.Go(func() {
			defer func() { <-c.searches }()
			for _, key := range t.keys() {
				for a := range c.dht.GetPeers(t.ctx, key) {
					t.AddPeers(peer(a), swarm.DHT)
				}
			}
		})
	}
}
