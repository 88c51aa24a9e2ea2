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

// selected leaves out the files that the link does not name, and returns what is to
// be fetched then; nil is everything. The numbers of a link count the entries of the
// info dictionary (BEP 53), and those of v1 torrents and hybrids have padding among
// them.
func (c *Client) selected(t *tabTorrent, info *metainfo.Info) []torrent.Priority {
	if len(t.link.Select) == 0 {
		return nil
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
	return t.levels(info)
}

// levels are the priorities of the pieces: those of files that are wanted are fetched.
// Callers hold the client's mu.
func (t *tabTorrent) levels(info *metainfo.Info) []torrent.Priority {
	levels := make([]torrent.Priority, info.NumPieces())
	for i, f := range realFiles(info) {
		if t.unwanted[i] || f.Length == 0 {
			continue
		}
		for p := f.Offset / info.PieceLength; p*info.PieceLength < f.End(); p++ {
			levels[p] = torrent.Normal
		}
	}
	return levels
}
