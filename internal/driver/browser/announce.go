//go:build js

package browser

import (
	"slices"

	"github.com/shoal-p2p/shoal/internal/discovery/trackerclient"
	"github.com/shoal-p2p/shoal/metainfo"
)

// publish announces the torrent in those of its swarms where it is not yet: a hybrid has
// two, and who came by a link to one of them is found in that alone. It is called again
// when the info is known. Offers are made in the first and answered in both.
func (c *Client) publish(t *tabTorrent) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.torrents[t.id] != t || t.resting || c.alone {
		return // removed or paused meanwhile, or web seeds alone deliver
	}
	for _, key := range t.keys() {
		if slices.Contains(t.swarms, key) {
			continue
		}
		a := trackerclient.Announcement{Key: key, PeerID: c.session.PeerID(), Trackers: webSockets(t.trackers), Stats: func() trackerclient.Stats { return c.announced(t) }}
		if len(t.swarms) == 0 {
			a.WantPeers = func() int { return c.wantPeers(t) }
			a.Peers, a.Seed = t.NumPeers, t.own
		}
		t.swarms = append(t.swarms, key)
		c.swarms[key] = t
		t.announces = append(t.announces, c.trackers.Start(a))
	}
}

// keys are the torrent's swarms, as far as they are known: v1 first.
func (t *tabTorrent) keys() []metainfo.Hash {
	if info := t.Info(); info != nil {
		return info.SwarmHashes()
	}
	keys := []metainfo.Hash{t.Key()}
	if t.hashV2 != nil && t.hashV2.Short() != keys[0] {
		keys = append(keys, t.hashV2.Short())
	}
	return keys
}

func (c *Client) announced(t *tabTorrent) trackerclient.Stats {
	down, up, left := t.Totals()
	if info := t.Info(); info != nil && c.limitOf(t) != nil {
		left = max(left, info.Length-int64(t.NumHave())*info.PieceLength, 1) // it is no seed
	}
	t.saidSeed.Store(left == 0)
	return trackerclient.Stats{Downloaded: down, Uploaded: up, Left: left}
}

func (c *Client) wantPeers(t *tabTorrent) int {
	want := wantPeers
	switch {
	case !c.complete(t):
	case c.limits.silent():
		return 0 // neither side would have anything of it
	default:
		want = seedPeers
	}
	return max(0, want-t.NumPeers())
}

// completed tells the trackers that the download is complete.
func (c *Client) completed(t *tabTorrent) {
	c.mu.Lock()
	announces := t.announces
	c.mu.Unlock()
	for _, h := range announces {
		h.Completed()
	}
}
