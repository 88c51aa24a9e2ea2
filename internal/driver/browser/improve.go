//go:build js

package browser

import (
	"slices"
	"strconv"
	"time"

	"github.com/shoal-p2p/shoal/internal/discovery/trackerclient"
	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/metainfo"
)

// known returns the torrent that is there already in a swarm of what is to be added, nil
// if there is none. A hybrid may have come by one of its hashes and come again by the
// other.
func (c *Client) known(opt driver.Options) *tabTorrent {
	keys := []metainfo.Hash{opt.Key}
	if opt.Info != nil {
		keys = opt.Info.SwarmHashes()
	} else if opt.HashV2 != nil {
		keys = append(keys, opt.HashV2.Short())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, key := range keys {
		if t := c.swarms[key]; t != nil {
			return t
		}
	}
	return nil
}

// improve tells a torrent that is there already what a further link or .torrent of it
// says: trackers, web seeds, and what is in it.
func (c *Client) improve(t, more *tabTorrent) {
	c.mu.Lock()
	var trackers []string
	for _, url := range more.trackers {
		if !slices.Contains(t.trackers, url) {
			trackers = append(trackers, url)
		}
	}
	t.trackers = append(t.trackers, trackers...)
	for _, url := range more.webSeeds {
		if !slices.Contains(t.webSeeds, url) {
			t.webSeeds = append(t.webSeeds, url)
		}
	}
	if t.meta == nil {
		t.meta = more.meta
	}
	dt, meta, announces := t.Torrent, t.meta, t.announces
	c.mu.Unlock()
	reachable := slices.Concat(webSockets(trackers)...)
	for _, h := range announces {
		h.Add(reachable)
	}
	switch {
	case isDone(dt.Learned()):
		t.startWebSeeds(c, t.sendMetadata(c))
	case meta != nil:
		dt.Give(meta.Info)
	}
}

// wake says that the network may be back: the browser has come online, or the page was
// brought back to the front. moved says that it may be another network, or that the page has
// named other servers: what was offered is of no use then.
func (c *Client) wake(moved bool) {
	if moved {
		c.trackers.Renew()
	}
	c.trackers.Wake()
}

const (
	// A peer that was lost may have to notice it before it meets us anew: it is looked for so
	// many times, every so many statistics.
	searches    = 3
	searchEvery = int(5 * time.Second / statsEvery)
)

// lookAgain asks the trackers for more peers where some have gone, or where more is wanted than
// was: two that want nothing of each other part, and the next announce may be minutes away.
func (c *Client) lookAgain(t *tabTorrent) {
	n := t.NumPeers()
	lost := n < t.peersBefore
	_, _, left := t.Totals()
	hungry := left > 0 && t.saidSeed.Swap(false)
	switch {
	case n > t.peersBefore:
		t.search = 0
	case hungry || lost && !c.complete(t):
		t.search = searches * searchEvery
	}
	t.peersBefore = n
	if t.search == 0 {
		return
	}
	t.search--
	if (t.search+1)%searchEvery != 0 {
		return
	}
	c.mu.Lock()
	announces := t.announces
	c.mu.Unlock()
	for _, h := range announces {
		h.Lost()
	}
}

// TrackerStatus implements trackerclient.Sink.
func (c *Client) TrackerStatus(key metainfo.Hash, url string, st trackerclient.Status) {
	c.mu.Lock()
	t := c.swarms[key]
	if t != nil {
		if t.status == nil {
			t.status = map[string]trackerclient.Status{}
		}
		t.status[url] = st // of as many as it has trackers
	}
	c.mu.Unlock()
	// The tracker counts this peer, too.
	if t != nil && st.Err == nil && st.Seeders+st.Leechers <= 1 && t.NumPeers() == 0 {
		event(map[string]any{"type": "noPeers", "id": t.id, "announceType": "tracker"})
	}
}

// trackersNow is what the page is told of the trackers, in their order, and a
// fingerprint of it.
func (c *Client) trackersNow(t *tabTorrent) (list []any, print string) {
	list = []any{}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, tier := range webSockets(t.trackers) {
		url := tier[0]
		st, asked := t.status[url]
		next := int64(0)
		tr := map[string]any{"url": url, "state": "asking", "reason": st.Warning}
		switch {
		case st.Err != nil:
			tr["state"], tr["reason"] = "failed", reason(st.Err)
			if !st.NextAnnounce.IsZero() {
				next = st.NextAnnounce.UnixMilli()
			}
		case asked:
			tr["state"] = "working"
		}
		tr["next"] = next
		list = append(list, tr)
		print += "|" + url + tr["state"].(string) + tr["reason"].(string) + strconv.FormatInt(next, 10)
	}
	return list, print
}

// reason is why a tracker failed, in words for people.
func reason(err error) string {
	const ours = "tracker: "
	s := err.Error()
	if len(s) > len(ours) && s[:len(ours)] == ours {
		s = s[len(ours):]
	}
	return s
}
