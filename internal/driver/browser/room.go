//go:build js

package browser

import (
	"errors"
	"strconv"

	"github.com/shoal-p2p/shoal/internal/driver"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/metainfo"
	"github.com/shoal-p2p/shoal/storage"
)

// defaultMemory bounds what all torrents of a tab keep in memory, in bytes, where the
// page says nothing else. Browsers end a tab at a few gigabytes, phones long before.
const defaultMemory = 256 << 20

// claim takes n bytes of what may be kept in memory, and releases it.
func (c *Client) claim(n int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n > c.memoryLeft {
		return false
	}
	c.memoryLeft -= n
	return true
}

func (c *Client) release(n int64) {
	c.mu.Lock()
	c.memoryLeft += n
	c.mu.Unlock()
}

// shelve makes the store of a torrent, on disk where that is not nil; why says why it
// is.
func (c *Client) shelve(t *tabTorrent, info *metainfo.Info, disk *storage.OPFS, why error) *shelf {
	need := t.wantedBytes(info)
	t.kind = "opfs"
	if disk == nil {
		t.kind = "memory"
	}
	most := need
	switch {
	case disk != nil: // its window is claimed when the disk is full
		most = min(windowBytes, info.Length)
	case c.claim(need):
		t.claimed = need
	default:
		most = min(windowBytes, info.Length)
		t.limit = tooLarge(why, c.maxMemory)
	}
	s := newShelf(info, disk, most)
	s.room = c.makeRoom
	s.full = func(why error) { c.limitTo(t, why) }
	s.dropped = func(i int) { t.Dropped(i) }
	return s
}

// tooLarge says why a torrent is not kept as a whole.
func tooLarge(why error, most int64) error {
	text := "the browser keeps nothing on the disk for this page"
	switch {
	case errors.Is(why, storage.ErrInUse):
		text = "another tab keeps this torrent"
	case why == nil:
		text = "this page keeps nothing on the disk"
	}
	return errors.New(text + ", and it is larger than the " + strconv.FormatInt(most>>20, 10) +
		" MB that are kept in memory; it can be played and saved, but not kept as a whole")
}

// limitTo has only what readers need fetched from now on.
func (c *Client) limitTo(t *tabTorrent, why error) {
	c.mu.Lock()
	fresh := t.limit == nil
	t.limit = why
	levels := t.levels(t.Info())
	c.mu.Unlock()
	if !fresh {
		return
	}
	t.SetOnDemand(windowAhead)
	t.Prioritize(levels)
	t.sendStorage(c)
}

// retry has a torrent that found no room try again.
func (c *Client) retry(t *tabTorrent) error {
	s, _ := t.store.(*shelf)
	if s == nil || c.limitOf(t) == nil {
		t.Retry()
		return nil
	}
	var err error
	if s.disk == nil {
		need := t.wantedBytes(s.info)
		if !c.claim(need) {
			return c.limitOf(t)
		}
		t.claimed += need
		s.mu.Lock()
		s.most = need
		s.mu.Unlock()
	} else {
		var moved []int
		moved, err = s.retry()
		if e := t.opfs.MarkHave(moved...); err == nil {
			err = e
		}
	}
	if err != nil {
		return err
	}
	c.mu.Lock()
	t.limit = nil
	levels := t.levels(s.info)
	c.mu.Unlock()
	t.Prioritize(levels)
	t.SetOnDemand(0)
	t.Retry()
	t.sendStorage(c)
	return nil
}

// limitOf is why only what readers need is fetched, nil if all is.
func (c *Client) limitOf(t *tabTorrent) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return t.limit
}

// complete reports whether everything wanted is there: what is not wanted for want of
// room does not count. Where nothing is wanted nothing is complete.
func (c *Client) complete(t *tabTorrent) bool {
	if !isDone(t.Done()) || c.limitOf(t) != nil {
		return false
	}
	info := t.Info()
	if t.NumHave() == info.NumPieces() {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, f := range realFiles(info) {
		if f.Length == 0 && !t.unwanted[i] {
			return true // an empty file is a file that is there
		}
	}
	return t.wantedBytes(info) > 0
}

// sendStorage tells the page where the torrent is kept.
func (t *tabTorrent) sendStorage(c *Client) {
	message := ""
	if err := c.limitOf(t); err != nil {
		message = err.Error()
	}
	event(map[string]any{"type": "storage", "id": t.id, "kind": t.kind, "full": message != "", "message": message})
}

// wantedLevels are the priorities by what the user wants. Callers hold the client's mu,
// or are the only ones that know the torrent.
func (t *tabTorrent) wantedLevels(info *metainfo.Info) []torrent.Priority {
	levels := make([]torrent.Priority, info.NumPieces())
	for i, f := range realFiles(info) {
		if t.unwanted[i] || f.Length == 0 {
			continue
		}
		for p := f.Offset / info.PieceLength; p*info.PieceLength < f.End(); p++ {
			levels[p] = max(levels[p], t.choice.of(i))
		}
	}
	t.choice.overrule(levels)
	return levels
}

// wantedBytes is the size of the pieces that the user wants.
func (t *tabTorrent) wantedBytes(info *metainfo.Info) (n int64) {
	for i, l := range t.wantedLevels(info) {
		if l != torrent.Skip {
			n += info.PieceSize(i)
		}
	}
	return n
}

// progress is the share of what the user wants that is there, 0 to 1.
func (c *Client) progress(t *tabTorrent, s driver.Stats, info *metainfo.Info) float64 {
	if c.limitOf(t) == nil {
		if wanted := s.Missing + s.Have; wanted > 0 {
			return float64(s.Have) / float64(wanted)
		}
		if c.complete(t) {
			return 1
		}
		return 0
	}
	c.mu.Lock()
	levels := t.wantedLevels(info)
	c.mu.Unlock()
	have, got, all := t.Have(), 0, 0
	for i, l := range levels {
		if l != torrent.Skip {
			all++
			if have.Has(i) {
				got++
			}
		}
	}
	return float64(got) / float64(max(all, 1))
}
