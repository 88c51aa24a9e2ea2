//go:build js

package browser

import (
	"errors"
	"slices"
	"syscall/js"

	"github.com/shoal-p2p/shoal/metainfo"
	"github.com/shoal-p2p/shoal/storage"
)

// spareRoom is how much is made at a time, in bytes, so that it is not looked for at
// every piece.
const spareRoom = 128 << 20

// makeRoom removes what the browser keeps and was not used for the longest time, until n
// bytes and some more are free. What a tab has open is not touched. False: there is
// nothing to remove.
func (c *Client) makeRoom(n int64) bool {
	c.roomMu.Lock()
	defer c.roomMu.Unlock()
	kept, err := storage.KeptOPFS()
	if err != nil {
		return false
	}
	slices.SortFunc(kept, func(a, b storage.Kept) int { return a.Used.Compare(b.Used) })
	freed := int64(0)
	for _, k := range kept {
		if freed >= n+spareRoom {
			break
		}
		if !c.isOpen(k.Key) && storage.RemoveOPFS(k.Key) == nil { // another tab's is locked
			freed += k.Stored
		}
	}
	return freed >= n
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
