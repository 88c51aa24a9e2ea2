//go:build js

package browser

import (
	"errors"
	"slices"
	"syscall/js"

	"github.com/shoal-p2p/shoal/metainfo"
	"github.com/shoal-p2p/shoal/storage"
)

// makeRoom has try, which found no room on the disk, try again: at once, for another may have
// made room meanwhile, then after each torrent that it removes of those that the browser keeps,
// what was not used for the longest time first. What a tab has open is not touched. How much
// has to go the browser alone knows: it takes room for a file by doubling it.
func (c *Client) makeRoom(try func() error) error {
	c.roomMu.Lock()
	defer c.roomMu.Unlock()
	err := try()
	if !errors.Is(err, storage.ErrNoSpace) {
		return err
	}
	kept, e := storage.KeptOPFS()
	if e != nil {
		return err
	}
	slices.SortFunc(kept, func(a, b storage.Kept) int { return a.Used.Compare(b.Used) })
	for _, k := range kept {
		if !c.isOpen(k.Key) && storage.RemoveOPFS(k.Key) == nil { // another tab's is locked
			if err = try(); !errors.Is(err, storage.ErrNoSpace) {
				return err
			}
		}
	}
	return err
}

// isOpen reports whether this tab has the torrent.
func (c *Client) isOpen(key metainfo.Hash) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.torrents {
		if t.id == key.String() || t.Torrent != nil && slices.Contains(t.keys(), key) {
			return true
		}
	}
	return false
}

// listKept tells the page what the browser keeps.
func (c *Client) listKept() (any, error) {
	if c.memory {
		return []any{}, nil
	}
	kept, err := storage.KeptOPFS()
	if err != nil {
		return nil, err
	}
	list := []any{}
	for _, k := range kept {
		name, length := "", int64(0)
		if k.Info != nil {
			name, length = k.Info.Name, k.Info.TotalSize()
		}
		list = append(list, map[string]any{
			"id": k.Key.String(), "name": name, "length": length, "stored": k.Stored,
			"used": k.Used.UnixMilli(), "open": c.isOpen(k.Key),
		})
	}
	return list, nil
}

// forget removes what the browser keeps of a torrent that is not open.
func (c *Client) forget(arg js.Value) error {
	key, err := metainfo.ParseHash(stringOf(arg.Get("id")))
	if err != nil {
		return err
	}
	if c.isOpen(key) {
		return errors.New("this torrent is open in this tab; remove it here first")
	}
	return storage.RemoveOPFS(key)
}
