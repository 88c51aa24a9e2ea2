//go:build js

package browser

import (
	"syscall/js"

	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/metainfo"
)

// selectFile chooses whether a file is to be downloaded, and how eagerly.
func (c *Client) selectFile(arg js.Value) (any, error) {
	t, files, index, err := c.fileOf(arg)
	if err != nil {
		return nil, err
	}
	level, err := levelOf(arg.Get("priority"))
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	t.unwanted[index] = !truthy(arg.Get("on"))
	t.choice.file(index, level)
	t.choice.forget(files[index], t.Info().PieceLength)
	c.mu.Unlock()
	c.chosen(t)
	return nil, nil
}

// selected leaves out the files that the link does not name, or all if the page has asked for
// that. The numbers of a link count the entries of the
// info dictionary (BEP 53), and those of v1 torrents and hybrids have padding among
// them.
func (c *Client) selected(t *tabTorrent, info *metainfo.Info) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.choice.none && len(t.unwanted) == 0 {
		for i := range realFiles(info) {
			t.unwanted[i] = true
		}
	}
	if len(t.link.Select) == 0 || t.choice.none {
		return
	}
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
