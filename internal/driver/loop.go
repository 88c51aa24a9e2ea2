package driver

import (
	"context"
	"time"

	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
)

// run is the loop that owns the machine, the connections and the buffers:
// nothing else touches them.
func (t *Torrent) run(batch []torrent.Event) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	t.dials, t.stopDials = context.WithCancel(t.ctx)
	t.obey(time.Now())
	for {
		now := time.Now()
		t.count(batch)
		t.carryOut(t.m.Step(now, batch...))
		for _, ev := range batch {
			t.recycle(ev)
		}
		clear(batch)
		t.balance(now)
		t.publish(now)
		if t.park(now) {
			if t.content.Rest != nil {
				t.content.Rest()
			}
			return
		}
		if at := t.deadline(now); at.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(max(0, time.Until(at)))
		}
		batch = batch[:0]
		select {
		case <-t.quit:
			t.end()
			return
		case ev := <-t.inbox:
			batch = append(batch, ev)
		drain:
			for len(batch) < 64 {
				select {
				case ev := <-t.inbox:
					batch = append(batch, ev)
				default:
					break drain
				}
			}
		case f := <-t.calls:
			f()
		case <-timer.C:
		}
	}
}

// count keeps account of what is under way.
func (t *Torrent) count(batch []torrent.Event) {
	for _, ev := range batch {
		switch ev := ev.(type) {
		case swarm.PeerLeft:
			if c := t.conns[ev.Peer]; c != nil {
				delete(t.conns, ev.Peer)
				_, addr := c.remote()
				t.emit(Event{Kind: PeerLeft, Peer: addr})
			}
			t.gone()
		case torrent.PieceStored, torrent.PieceForged, torrent.StoreFailed:
			t.verifying--
		}
	}
}

// deadline is when the loop has to look again, the zero time for never.
func (t *Torrent) deadline(now time.Time) time.Time {
	at := t.m.Deadline()
	sooner := func(other time.Time) {
		if at.IsZero() || other.Before(at) {
			at = other
		}
	}
	if !t.quiet.IsZero() {
		end := now.Add(20 * time.Millisecond) // whoever is at the gate is gone by then
		if !t.stopping {
			end = later(end, t.quiet.Add(t.s.cfg.Quiet))
		}
		sooner(end)
	}
	if t.stale {
		sooner(t.shown.Add(showEvery))
	}
	return at
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// obey tells the machine whether it is to rest, and ends all connections if so.
// The loop calls it.
func (t *Torrent) obey(now time.Time) {
	t.gate.mu.Lock()
	stop := t.gate.stopped()
	t.gate.mu.Unlock()
	if stop == t.stopping {
		return
	}
	t.stopping = stop
	t.stopDials()
	t.dials, t.stopDials = context.WithCancel(t.ctx)
	t.carryOut(t.m.Step(now, torrent.Paused{On: stop}))
	if stop {
		for _, c := range t.conns {
			c.close()
		}
	}
}

// end is the end of the loop, or of a torrent without one, for good.
func (t *Torrent) end() {
	if t.m != nil {
		t.dropAll()
	}
	t.mu.Lock()
	if t.err == nil {
		t.err = ErrNotRunning
	}
	t.broadcast()
	t.mu.Unlock()
	t.events.close()
	close(t.ended)
}
