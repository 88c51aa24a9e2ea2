//go:build js

package browser

import (
	"strconv"

	"github.com/shoal-p2p/shoal/internal/engine/bits"
	"github.com/shoal-p2p/shoal/metainfo"
)

// sendStats tells the page about every torrent that changed, and returns all.
func (c *Client) sendStats() (list []*tabTorrent) {
	c.mu.Lock()
	list = make([]*tabTorrent, 0, len(c.torrents))
	for _, t := range c.torrents {
		if t.Torrent != nil {
			list = append(list, t)
		}
	}
	c.mu.Unlock()
	for _, t := range list {
		c.lookAgain(t)
		t.sendStats(c)
	}
	return list
}

func (t *tabTorrent) sendStats(c *Client) {
	s, have := t.Stats(), t.NumHave()
	info := t.Info()
	state, progress := "metadata", 0.0
	files := []any{}
	if info != nil {
		set := t.Have()
		state = "downloading"
		if c.complete(t) {
			state = "seeding"
		}
		if progress = c.progress(t, s, info); state == "seeding" && t.NumGone() == 0 {
			progress = 1 // the snapshot may be older
		}
		if t.watching.Load() && t.shown != have {
			t.shown = have
			event(map[string]any{"type": "verified", "id": t.id, "have": toJS(set.Bytes())})
		}
		for _, f := range realFiles(info) {
			files = append(files, verified(info, &set, f))
		}
	}
	if t.Paused() {
		state = "paused"
	}
	if t.Err() != nil {
		state = "error"
	}
	peers := []any{}
	trackers, said := c.trackersNow(t)
	print := state + strconv.Itoa(have) + "/" + strconv.FormatInt(s.Downloaded, 10) + "/" + strconv.FormatInt(s.Uploaded, 10) +
		"/" + strconv.Itoa(int(s.DownRate)>>8) + "/" + strconv.Itoa(int(s.UpRate)>>8) + said
	count := 0
	for _, p := range s.Peers {
		if !p.WebSeed {
			count++
		}
		peers = append(peers, map[string]any{
			"id": metainfo.Hash(p.ID).String(), "addr": p.Addr, "client": p.Client, "kind": p.Kind.String(),
			"down": p.Down, "up": p.Up, "received": p.TotalDown, "sent": p.TotalUp, "progress": p.Progress,
		})
		print += "|" + p.Addr + p.Client + strconv.Itoa(int(p.Progress*100))
	}
	if print == t.lastSent {
		return
	}
	t.lastSent = print
	event(map[string]any{
		"type": "stats", "id": t.id, "state": state, "progress": progress, "have": have,
		"downloaded": s.Downloaded, "uploaded": s.Uploaded, "downSpeed": s.DownRate, "upSpeed": s.UpRate,
		"peers": count, "webSeeds": s.WebSeeds, "seeds": s.Seeds, "files": files, "fromWebSeeds": s.FromWebSeeds, "peerList": peers,
		"trackers": trackers,
	})
}

// verified counts the bytes of a file that lie in stored pieces.
func verified(info *metainfo.Info, have *bits.Set, f *metainfo.File) (n int64) {
	for at := f.Offset; at < f.End(); {
		i := at / info.PieceLength
		end := min(f.End(), (i+1)*info.PieceLength)
		if have.Has(int(i)) {
			n += end - at
		}
		at = end
	}
	return n
}
