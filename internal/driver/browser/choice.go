//go:build js

package browser

import (
	"errors"
	"syscall/js"

	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/metainfo"
	"github.com/shoal-p2p/shoal/storage"
)

// choice is how eagerly the page wants files and pieces to be fetched.
type choice struct {
	none   bool                     // no file, until one is chosen
	files  map[int]torrent.Priority // other than Normal, by index of the real files
	pieces []torrent.Priority       // asTheFile, or what was said of the piece itself; may be nil
}

// asTheFile is the level of a piece of which nothing was said by itself.
const asTheFile torrent.Priority = 255

// of is the level of a file that is wanted.
func (c *choice) of(file int) torrent.Priority {
	if level, ok := c.files[file]; ok {
		return level
	}
	return torrent.Normal
}

func (c *choice) file(index int, level torrent.Priority) {
	if c.files == nil {
		c.files = map[int]torrent.Priority{}
	}
	c.files[index] = level
}

// forget drops what was said of the pieces of a file: of the two, the last word holds.
func (c *choice) forget(f *metainfo.File, pieceLength int64) {
	for p := f.Offset / pieceLength; p*pieceLength < f.End() && p < int64(len(c.pieces)); p++ {
		c.pieces[p] = asTheFile
	}
}

func (c *choice) span(n, first, last int, level torrent.Priority) {
	if c.pieces == nil {
		c.pieces = make([]torrent.Priority, n)
		for i := range c.pieces {
			c.pieces[i] = asTheFile
		}
	}
	for i := first; i <= last; i++ {
		c.pieces[i] = level
	}
}

func (c *choice) overrule(levels []torrent.Priority) {
	for i, level := range c.pieces {
		if level != asTheFile {
			levels[i] = level
		}
	}
}

// levelOf reads a priority of the page, which has the engine's numbers; what is not given is
// Normal.
func levelOf(v js.Value) (torrent.Priority, error) {
	if v.IsUndefined() {
		return torrent.Normal, nil
	}
	n, ok := integer(v)
	if !ok || n < 0 || n > int64(torrent.High) {
		return 0, errors.New("there is no such priority")
	}
	return torrent.Priority(n), nil
}

// piecesOf finds the torrent and the pieces, both ends included, that a call names.
func (c *Client) piecesOf(arg js.Value) (t *tabTorrent, first, last int, err error) {
	if t, err = c.byID(arg); err != nil {
		return nil, 0, 0, err
	}
	info := t.Info()
	if info == nil {
		return nil, 0, 0, errors.New("the torrent's pieces are not known yet")
	}
	a, whole := integer(arg.Get("first"))
	b, too := integer(arg.Get("last"))
	if !whole || !too || a < 0 || b < a || b >= int64(info.NumPieces()) {
		return nil, 0, 0, errors.New("the torrent has no such pieces")
	}
	return t, int(a), int(b), nil
}

// selectPieces chooses how eagerly pieces are fetched, whatever was said of their files.
func (c *Client) selectPieces(arg js.Value) error {
	t, first, last, err := c.piecesOf(arg)
	if err != nil {
		return err
	}
	level, err := levelOf(arg.Get("priority"))
	if err != nil {
		return err
	}
	c.mu.Lock()
	t.choice.span(t.Info().NumPieces(), first, last, level)
	c.mu.Unlock()
	c.chosen(t)
	return nil
}

// chosen has the engine fetch what is wanted now. Where that is kept in memory, it takes
// what it needs of that, or, if there is too little, fetches only what readers need.
func (c *Client) chosen(t *tabTorrent) {
	info := t.Info()
	if s, ok := t.store.(*shelf); ok && s.disk == nil && c.limitOf(t) == nil {
		c.mu.Lock()
		more := t.wantedBytes(info) - t.claimed
		c.mu.Unlock()
		switch {
		case more <= 0:
		case c.claim(more):
			t.claimed += more
			s.mu.Lock()
			s.most = t.claimed
			s.mu.Unlock()
		default:
			c.limitTo(t, tooLarge(storage.ErrNoSpace, c.maxMemory))
			return
		}
	}
	c.mu.Lock()
	levels := t.levels(info)
	c.mu.Unlock()
	t.Prioritize(levels)
}
