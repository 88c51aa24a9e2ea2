package driver

import (
	"context"

	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/metainfo"
)

// Hurry has the pieces from first to last fetched before everything else, as for a
// reader, and waits until they are there, the context ends or the torrent is closed.
// The info dictionary must be known.
func (t *Torrent) Hurry(ctx context.Context, first, last int) {
	t.mu.Lock()
	t.readerID += 2
	id := t.readerID
	t.mu.Unlock()
	t.readers.Add(1)
	defer func() {
		t.readers.Add(-1)
		t.readerClosed(id)
	}()
	told := -1
	for {
		t.mu.Lock()
		for first <= last && (t.have.Has(first) || t.away.Has(first)) {
			first++
		}
		changed := t.changed
		t.mu.Unlock()
		if first > last {
			return
		}
		if first > told {
			// Like a reader it sees so far ahead and no further.
			told = min(last, first+int(t.readahead()/t.info.Load().PieceLength))
			t.readerMoved(torrent.ReaderMoved{Reader: id, First: first, Last: told})
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		case <-t.quit:
			return
		}
	}
}

// PieceLayers is what a .torrent has besides the info dictionary (BEP 52), false while
// some of it is not known. Without v2 hashes there is nothing.
func (t *Torrent) PieceLayers() (layers map[metainfo.Hash256][]byte, ok bool) {
	info := t.info.Load()
	if info == nil || !info.HasV2 {
		return nil, info != nil
	}
	t.call(func() {
		if t.content.Layers == nil || !t.content.Layers.Complete() {
			return
		}
		ok = true
		layers = map[metainfo.Hash256][]byte{}
		for i := range info.Files {
			root := info.Files[i].PiecesRoot
			if layer, several := t.content.Layers.Layer(root); several {
				layers[root] = layer
			}
		}
	})
	return layers, ok
}
