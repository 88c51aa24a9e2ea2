//go:build !js

package shoal

import (
	mathbits "math/bits"
	"sync"

	"github.com/shoal-p2p/shoal/internal/engine/bits"
	"github.com/shoal-p2p/shoal/internal/engine/torrent"
	"github.com/shoal-p2p/shoal/magnet"
	"github.com/shoal-p2p/shoal/metainfo"
)

// Priority says how much a file is wanted.
type Priority uint8

// The priorities.
const (
	Skip   Priority = iota // not fetched, unless a reader asks for it
	Low                    // fetched after everything else
	Normal                 // fetched
	High                   // fetched before everything else
)

// String returns the word that flags and messages use.
func (p Priority) String() string {
	switch p {
	case Skip:
		return "skip"
	case Low:
		return "low"
	case Normal:
		return "normal"
	case High:
		return "high"
	}
	return "unknown"
}

// selected wants the files that a magnet link names (BEP 53). Its numbers count
// the entries of the info dictionary, and those of v1 torrents and hybrids have
// padding among them.
func selected(m magnet.Magnet) func(*File) Priority {
	return func(f *File) Priority {
		number := f.index
		if f.info.HasV1 {
			number = f.entry
		}
		if m.Wants(number) {
			return Normal
		}
		return Skip
	}
}

// wishes are the priorities of a torrent's files.
type wishes struct {
	one    sync.Mutex // held by set, so that changes follow each other
	mu     sync.Mutex
	files  []Priority // nil: all Normal
	pieces *bits.Set  // wanted; nil: all
	bytes  int64      // of the wanted pieces
}

// get returns the priority of a file by its index.
func (w *wishes) get(index int) Priority {
	w.mu.Lock()
	defer w.mu.Unlock()
	if index >= len(w.files) {
		return Normal
	}
	return w.files[index]
}

// levels are the engine's names of the priorities.
var levels = [...]torrent.Priority{Skip: torrent.Skip, Low: torrent.Low, Normal: torrent.Normal, High: torrent.High}

// set asks wish about every file and returns the priority of every piece: where
// files share one, that of the file that is wanted most.
func (w *wishes) set(files []*File, wish func(*File) Priority) []torrent.Priority {
	w.one.Lock()
	defer w.one.Unlock()
	list := make([]Priority, len(files))
	var pieces bits.Set
	var each []torrent.Priority
	for i, f := range files {
		if i == 0 {
			pieces = bits.New(f.info.NumPieces())
			each = make([]torrent.Priority, f.info.NumPieces())
		}
		if list[i] = min(wish(f), High); list[i] == Skip {
			continue
		}
		first, end := f.Pieces()
		for piece := first; piece < end; piece++ {
			pieces.Set(piece)
			each[piece] = max(each[piece], levels[list[i]])
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.files, w.pieces, w.bytes = list, &pieces, 0
	if len(files) > 0 {
		w.bytes = without(files[0].info, &pieces, bits.Set{})
	}
	return each
}

// size is what is wanted in bytes.
func (w *wishes) size(info *metainfo.Info) int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.pieces != nil:
		return w.bytes
	case info.HasV1:
		return info.Length
	}
	return info.TotalSize()
}

// missing returns the bytes of the pieces that are wanted and not there.
func (w *wishes) missing(info *metainfo.Info, have bits.Set) (n int64) {
	w.mu.Lock()
	wanted := w.pieces
	w.mu.Unlock()
	if wanted == nil {
		all := bits.New(info.NumPieces())
		all.Fill()
		wanted = &all
	}
	return without(info, wanted, have)
}

// without is the size in bytes of the pieces that are in one set and not in another.
func without(info *metainfo.Info, set *bits.Set, others bits.Set) (n int64) {
	there := others.Bytes()
	for i, b := range set.Bytes() {
		if i < len(there) {
			b &^= there[i]
		}
		for ; b != 0; b &= b - 1 {
			n += info.PieceSize(8*i + mathbits.LeadingZeros8(b&-b))
		}
	}
	return n
}
