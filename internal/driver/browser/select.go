//go:build js

package browser

import (
	"syscall/js"

	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/metainfo"
)

// selectFile chooses whether a file is to be downloaded.
func (c *Client) selectFile(arg js.Value) (any, error) {
	t, _, index, err := c.fileOf(arg)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	t.unwanted[index] = !truthy(arg.Get("on"))
	levels := t.levels(t.Info())
	c.mu.Unlock()
	t.Prioritize(levels)
	return nil, nil
}

// selected leaves out the files that the link does not name. The numbers of a link count the entries of the
// info dictionary (BEP 53), and those of v1 torrents and hybrids have padding among
// them.
func (c *Client) selected(t *tabTorrent, info *metainfo.Info) {
	if len(t.link.Select) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	index := 0
	for entry := range info.Files {
		if info.Files[entry].Pad {
			continue
		}
		number := index
		if info.HasV1 {
			number = entry
		}
		t.unwanted[index] = !t.link.Wants(number)
		index++
	}
}

// levels are the priorities of the pieces: those of files that are wanted are fetched,
// unless there is no room for them.
// Callers hold the client's mu.
func (t *tabTorrent) levels(info *metainfo.Info) []torrent.Priority {
	if t.limit != nil {
		return make([]torrent.Priority, info.NumPieces()) // readers alone say what is fetched
	}
	return t.wantedLevels(info)
}
