package driver

import (
	"github.com/shoal-p2p/shoal/internal/engine/swarm"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
)

// SendExt sends a message of one of the application's extensions to a peer. It is
// lost if the peer does not speak it. The payload must not be changed afterwards.
func (t *Torrent) SendExt(to swarm.PeerKey, name string, payload []byte) {
	t.post(swarm.SendExt{Peer: to, Name: name, Payload: payload})
}

// NumHave is the number of stored pieces. It never blocks.
func (t *Torrent) NumHave() int { return int(t.stored.Load()) }

// SetSequential has pieces fetched in their order instead of by rarity.
func (t *Torrent) SetSequential(on bool) {
	t.wish(torrent.Sequential{On: on}, func(w *wishes) { w.sequential = on })
}

// SetSuperSeed has a complete torrent handed out piece by piece (BEP 16).
func (t *Torrent) SetSuperSeed(on bool) {
	t.wish(torrent.SuperSeed{On: on}, func(w *wishes) { w.superSeed = on })
}

// SetDownloadOnly stops serving anybody.
func (t *Torrent) SetDownloadOnly(on bool) {
	t.wish(torrent.DownloadOnly{On: on}, func(w *wishes) { w.downloadOnly = on })
}

// wishes are the user's, kept for every machine that is made for the torrent.
type wishes struct {
	levels                              []torrent.Priority // nil: all alike
	sequential, superSeed, downloadOnly bool
	onDemand                            bool
}

// events tell a new machine.
func (w *wishes) events() (list []torrent.Event) {
	if w.onDemand {
		list = append(list, torrent.OnDemand{On: true})
	}
	if w.levels != nil {
		list = append(list, torrent.Priorities{Levels: w.levels})
	}
	if w.sequential {
		list = append(list, torrent.Sequential{On: true})
	}
	if w.superSeed {
		list = append(list, torrent.SuperSeed{On: true})
	}
	if w.downloadOnly {
		list = append(list, torrent.DownloadOnly{On: true})
	}
	return list
}

// wish keeps a wish, and tells the machine where there is one. One that makes
// something missing wakes the torrent.
func (t *Torrent) wish(ev torrent.Event, keep func(*wishes)) {
	t.gate.mu.Lock()
	keep(&t.gate.wishes)
	running := t.gate.phase == running
	t.gate.mu.Unlock()
	t.settle()
	switch {
	case running:
		t.post(ev)
	case !t.Paused():
		t.mu.Lock()
		start := !t.isDone
		t.mu.Unlock()
		if start {
			t.wake()
		}
	}
}
