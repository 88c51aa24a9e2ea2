//go:build !js

package native

import (
	"context"
	"slices"
	"strings"
	"sync"

	"github.com/shoal-p2p/shoal/internal/discovery/trackerclient"
	"github.com/shoal-p2p/shoal/metainfo"
)

const (
	// wantWebRTC is how many peers a leecher looks for over WebRTC, and
	// seedWebRTC a seed: leechers come to seeds by themselves.
	wantWebRTC = 20
	seedWebRTC = 4
	// maxTiers bounds the announces of one torrent.
	maxTiers = 20
)

// publish announces the torrent wherever it is to be announced and is not yet. It
// is called again when more of its swarms are known. The keeper calls it.
func (t *Torrent) publish() {
	keys := t.keys()
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return
	}
	for _, key := range keys {
		if !slices.Contains(t.swarms, key) {
			t.announce(key, len(t.swarms) == 0)
			t.swarms = append(t.swarms, key)
		}
	}
	t.mu.Unlock()
	if t.Private() {
		return
	}
	for _, key := range keys {
		t.c.near.announce(key)
		if port := t.c.port(); t.c.dht != nil && port != 0 {
			t.c.dht.Announce(key, port, false)
		}
	}
	if t.Private() { // it became so meanwhile
		t.withdraw()
	}
}

// unpublish ends the announces.
func (t *Torrent) unpublish() {
	t.mu.Lock()
	handles := t.handles
	was := t.swarms
	t.handles, t.swarms = nil, nil
	t.mu.Unlock()
	if was == nil {
		return
	}
	t.withdraw()
	t.c.wg.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		stop(ctx, handles)
	})
}

// stop tells all trackers at once.
func stop(ctx context.Context, handles []*trackerclient.Handle) {
	var wg sync.WaitGroup
	for _, h := range handles {
		wg.Go(func() { h.Stop(ctx) })
	}
	wg.Wait()
}

// announce announces one swarm to every tier, as a user expects who names a
// tracker: BEP 12 alone would stop at the first tier that answers. In the second
// swarm of a hybrid torrent there are peers that joined by the v2 hash alone:
// WebRTC offers are made in the first only, and answered in both. Callers hold mu.
func (t *Torrent) announce(key metainfo.Hash, first bool) {
	start := func(tiers [][]string) {
		a := trackerclient.Announcement{
			Key: key, PeerID: t.c.Session.PeerID(), Port: t.c.port(), Trackers: tiers, Named: t.named, Stats: t.announced,
		}
		if first {
			a.WantPeers = t.wantPeers
		}
		t.handles = append(t.handles, t.c.trackers.Start(a))
	}
	ws, rest := split(t.tiers)
	if len(ws) > 0 {
		start(ws)
	}
	for _, tier := range rest[:min(len(rest), maxTiers)] {
		start([][]string{tier})
	}
}

func (t *Torrent) announced() trackerclient.Stats {
	down, up, left := t.Totals()
	return trackerclient.Stats{Downloaded: down, Uploaded: up, Left: left}
}

func (t *Torrent) wantPeers() int {
	want := wantWebRTC
	if isDone(t.Done()) {
		want = seedWebRTC
	}
	return max(0, want-t.NumPeers())
}

// split parts WebSocket trackers, which are all used at once, from the others.
func split(tiers [][]string) (ws, rest [][]string) {
	for _, tier := range tiers {
		var keep []string
		for _, u := range tier {
			if strings.HasPrefix(u, "ws:") || strings.HasPrefix(u, "wss:") {
				ws = append(ws, []string{u})
			} else {
				keep = append(keep, u)
			}
		}
		if len(keep) > 0 {
			rest = append(rest, keep)
		}
	}
	return ws, rest
}

// completed tells the trackers, once, that the download is complete. They must not
// hear it of one that has only what it wants: who asks them looks for a whole copy.
func (t *Torrent) completed() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.complete || t.swarms == nil {
		return
	}
	t.complete = true
	for _, h := range t.handles {
		h.Completed()
	}
}

// keys are the torrent's swarms, as far as they are known: v1 first.
func (t *Torrent) keys() []metainfo.Hash {
	if info := t.Info(); info != nil {
		return info.SwarmHashes()
	}
	keys := []metainfo.Hash{t.Key()}
	if t.hashV2 != nil && t.hashV2.Short() != keys[0] {
		keys = append(keys, t.hashV2.Short())
	}
	return keys
}

// withdraw ends the announces to the local network and in the DHT.
func (t *Torrent) withdraw() {
	for _, key := range t.keys() {
		t.c.near.withdraw(key)
		if t.c.dht != nil {
			t.c.dht.Withdraw(key)
		}
	}
}
